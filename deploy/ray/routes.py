"""TorchServe's addresses, and what each means for the handler."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_VERSION = r"(?:/(?P<version>[^/]+)(?:/(?P<rest>.*))?)?"
_ADDRESSES = tuple(
    re.compile(address)
    for address in (
        r"/predictions/(?P<model>[^/]+)" + _VERSION,
        r"/(?P<explain>explanations)/(?P<model>[^/]+)" + _VERSION,
        r"/v1/models/(?P<model>[^/:]+):predict",
        r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer",
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks, by its address.

    Attributes:
        model: The model's name.
        version: Its version; empty means the default.
        headers: What the handler reads beside the client's headers: ``url_path`` and ``explain``, as TorchServe's.
        fields: The names of the query string of ``/invocations``, with their last values.
        repeated: Those that occur more than once.
    """

    model: str
    version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, bytes] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()


def find_target(path: str, query: Sequence[tuple[str, str]]) -> Target | None:
    """The model that an address asks; None if the address is not one of a model.

    Args:
        path: The decoded path.
        query: Names and values of the query string, which counts only for ``/invocations``, as in TorchServe.
    """
    path = path.rstrip("/")
    if path == "/invocations":
        fields = {name: value.encode() for name, value in query}
        repeated = tuple(name for name, count in Counter(name for name, _ in query).items() if count > 1)
        return Target(fields.get("model_name", b"").decode(), "", {}, fields, repeated)
    found = next((match for address in _ADDRESSES if (match := address.fullmatch(path))), None)
    if found is None:
        return None
    given = {name: value for name, value in found.groupdict().items() if value}
    headers = {"url_path": given["rest"]} if "rest" in given else {}
    if "explain" in given:
        headers["explain"] = "True"
    return Target(given["model"], given.get("version", ""), headers)
