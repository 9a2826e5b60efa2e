"""Public IP addresses: a picture's URL may lead to these without being listed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
"""Networks in which a gateway may map the IPv4 addresses of its own site (RFC 8215, 7915, 4291). Python calls them
global."""


def with_embedded(ip: Address) -> Iterator[Address]:
    """Yield an address and the IPv4 addresses that it may embed (mapped, 6to4, Teredo, NAT64)."""
    yield ip
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            embedded.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        yield from (address for address in embedded if address is not None)


def is_public(ip: Address) -> bool:
    """Whether the address means the same machine everywhere on the internet; embedded addresses are not looked at."""
    private = isinstance(ip, ipaddress.IPv6Address) and (ip.is_site_local or any(ip in one for one in _TRANSLATED))
    return ip.is_global and not ip.is_multicast and not private
