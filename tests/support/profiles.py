"""Small ICC profiles of version 2, made in code."""

from __future__ import annotations

import struct
from itertools import product

DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Red, green and blue of the profile in phones' photographs, as XYZ under D50."""

SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def rgb_profile(primaries: tuple[tuple[float, ...], ...] = DISPLAY_P3, gamma: float = 2.2) -> bytes:
    """A profile of three primaries and one gamma."""
    names = [(b"rXYZ", b"rTRC"), (b"gXYZ", b"gTRC"), (b"bXYZ", b"bTRC")]
    tags = {name: _xyz(*primary) for (name, _), primary in zip(names, primaries, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | {name: _curve(gamma) for _, name in names})


def grey_profile(gamma: float) -> bytes:
    """A profile of grey levels."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def cmyk_profile() -> bytes:
    """A profile whose cyan ink prints green, so that it cannot be taken for no profile."""
    straight = bytes(range(256))
    corners = bytes(
        value
        for cyan, magenta, yellow, black in product((0, 1), repeat=4)
        for value in (
            round(255 * (1 - black) * (1 - 0.4 * cyan - 0.4 * magenta - 0.05 * yellow)),
            128 + (70 * magenta - 60 * cyan) * (1 - black),
            128 + (70 * yellow + 50 * cyan) * (1 - black),
        )
    )
    identity = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    table = b"mft1\0\0\0\0\4\3\2\0" + identity + straight * 4 + corners + straight * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"wtpt": _xyz(0.9642, 1, 0.8249), **tags}
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(content), len(value))
        content += value + b"\0" * (-len(value) % 4)
    size = start + len(content)
    head = struct.pack(">I4xI4s4s4s", size, 0x02400000, kind, space, connection) + b"\0" * 12 + b"acsp"
    return head.ljust(68, b"\0") + _xyz(0.9642, 1, 0.8249)[8:] + b"\0" * 48 + table + content


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * value) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma))
