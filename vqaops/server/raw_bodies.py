"""Makes TorchServe's front end pass forms on to the worker as they came, instead of decoding them itself.

Its decoder (Netty's) loses or refuses what the handler can read: a form that is compressed or has a preamble comes out
empty, and an empty boundary or a base64 part is answered with status 500. No property switches it off. It decodes a
body whose media type is one of two constants in a small class, so a copy of this class with other constants is put
before TorchServe's jar on the class path.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import ts

from vqaops.errors import ServerError

_CLASS = "io/netty/handler/codec/http/HttpHeaderValues.class"
_FORMS = {
    b"multipart/form-data": b"undecoded/form-data",
    b"application/x-www-form-urlencoded": b"undecoded--/x-www-form-urlencoded",
}
"""The two constants, and texts of the same length that no client sends."""


def write_raw_bodies_patch(folder: Path) -> None:
    """Write the changed class into a folder of the class path.

    Args:
        folder: Is created; it must stand before TorchServe's jar.

    Raises:
        ServerError: TorchServe's jar is not the one that is known here.
    """
    jar = Path(ts.__file__).parent / "frontend" / "model-server.jar"
    with zipfile.ZipFile(jar) as archive:
        content = archive.read(_CLASS)
    for constant, other in _FORMS.items():
        if content.count(constant) != 1:
            raise ServerError(f"{jar} does not hold {constant.decode()!r} where TorchServe 0.12 has it; install 0.12.0")
        content = content.replace(constant, other)
    target = folder / _CLASS
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
