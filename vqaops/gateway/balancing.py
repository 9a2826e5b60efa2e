"""How nginx divides the requests among several machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Balance = Literal["least_busy", "pictures"]
FAILOVER = "max_fails=2 fail_timeout=5s"
"""When nginx takes one of several machines for gone, and for how long."""
ERRORS = (
    "error_page 400 401 403 404 405 408 413 414 429 500 501 502 503 504 505 /error; error_page 494 =431 /error; "
    "error_page 495 496 497 =400 /error;"
)


def balancing(balance: Balance, servers: Sequence[str], scheme: str, bound: int) -> dict[str, str]:
    """The parts of the configuration that choose a machine; a single machine needs no choice.

    With ``pictures`` a machine at its bound passes further pictures to the next one, as in "Consistent Hashing with
    Bounded Loads" (Mirrokni et al. 2018). There the bound follows the load; nginx's is a number. If all machines that
    live are at their bound, the least busy one gets the request.

    Args:
        balance: What decides.
        servers: The machines' addresses as nginx writes them.
        scheme: ``http`` or ``https``.
        bound: Open requests of a machine.
    """
    if balance == "least_busy" or len(servers) < 2:
        names = ("pool_servers", "body_file", "spill", "spill_first", "spilled")
        return dict.fromkeys(names, "") | {"pool": "torchserve", "trial_balance": "least_conn;", "trial_bound": ""}
    listed = " ".join(f"server {one} max_conns={bound} {FAILOVER};" for one in servers)
    return {
        "pool_servers": (
            # The zone lets all nginx processes count together.
            f"upstream pictures {{ zone pictures 1m; hash $picture consistent; {listed} keepalive 32; }}"
        ),
        "pool": "pictures",
        "trial_balance": "zone trial 1m; hash $picture consistent;",
        # A canary's requests above the bound are answered by the default version, and a shadow's are dropped.
        "trial_bound": f" max_conns={bound}",
        "body_file": "client_body_in_file_only clean;",  # without it nginx gives a large body a file without a name
        "spill_first": "error_page 502 = @spilled;",  # before the other error pages, as nginx takes the first that fits
        "spill": f"recursive_error_pages on; error_page 502 = @spilled; {ERRORS}",
        # nginx says the group's name instead of an address if it found no server below the bound. Another 502 is real.
        "spilled": (
            "location @spilled { recursive_error_pages on; "
            "js_header_filter chat.startReply; js_body_filter chat.wrapError; "
            f'if ($upstream_addr !~ "pictures$") {{ return 502; }} proxy_pass {scheme}://torchserve$upstream_path; }}'
        ),
    }
