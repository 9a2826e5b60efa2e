"""Which internet addresses are nobody's own: only to these is a picture's URL followed unasked."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
"""Networks in which a gateway may put the IPv4 addresses of its own site (RFC 8215, 7915, 4291); Python says global."""


def faces(ip: Address) -> Iterator[Address]:
    """The address, and the IPv4 address that it may carry inside (mapped, 6to4, Teredo, NAT64)."""
    yield ip
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        yield from (address for address in inner if address is not None)


def is_public(ip: Address) -> bool:
    """Whether the whole internet means the same machine by it; the addresses inside are asked for by themselves."""
    inside = isinstance(ip, ipaddress.IPv6Address) and (ip.is_site_local or any(ip in one for one in _TRANSLATED))
    return ip.is_global and not ip.is_multicast and not inside
