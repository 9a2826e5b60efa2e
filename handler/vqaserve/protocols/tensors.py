"""Tensors of the Open Inference Protocol, in JSON and in its binary extension.

With the header ``inference-header-content-length: N`` the first N bytes of a body are JSON, and raw tensors follow in
the order of their entries. A BYTES element has its length before it (4 bytes); all numbers are little-endian.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import Field

from vqaserve.errors import BadRequest, InvalidQuestion
from vqaserve.protocols.base import Strict
from vqaserve.protocols.content import json_type
from vqaserve.types import Reply

_SIZE = "binary_data_size"


class InputTensor(Strict):
    """An input tensor."""

    name: str = Field(max_length=64, description="``image`` or ``question``.")
    shape: list[int] = Field(description="``[n]``, or ``[n, 1]``.")
    datatype: str = Field(description="``BYTES``.")
    parameters: dict[str, Any] = Field(default={}, description="``binary_data_size``, ``content_type``.")
    data: list[Any] | None = Field(default=None, description="The values: pictures as base64, or questions.")


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output tensor; its elements are row by row."""

    name: str
    shape: Sequence[int]
    datatype: str
    data: Sequence[Any]

    def as_json(self) -> dict[str, object]:
        """The tensor with its elements in JSON."""
        return {"name": self.name, "shape": self.shape, "datatype": self.datatype, "data": self.data}

    def as_bytes(self) -> bytes:
        """The elements as a raw tensor."""
        if self.datatype == "FP32":
            return struct.pack(f"<{len(self.data)}f", *self.data)
        if self.datatype == "BOOL":
            return bytes(self.data)
        return b"".join(struct.pack("<I", len(element)) + element for element in map(str.encode, self.data))


def as_raw(content: dict[str, object], tensors: Sequence[tuple[OutputTensor, bool]]) -> Reply:
    """A reply in the binary extension; the tensors that are marked come raw, the others in JSON."""
    outputs, raw = [], []
    for tensor, binary in tensors:
        entry = tensor.as_json()
        if binary:
            raw.append(tensor.as_bytes())
            del entry["data"]
            entry["parameters"] = {_SIZE: len(raw[-1])}
        outputs.append(entry)
    head = json.dumps({**content, "outputs": outputs}, allow_nan=False, separators=(",", ":")).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return Reply(b"".join([head, *raw]), content_type="application/octet-stream", headers=headers)


def read_tensors(
    inputs: Sequence[InputTensor], raw: memoryview, most: Mapping[str, int]
) -> dict[str, list[str | bytes]]:
    """The elements of each input: text from JSON, bytes from a raw tensor.

    Args:
        inputs: The entries, each with a name of its own.
        raw: The raw tensors, in the order of the entries.
        most: Elements that each tensor may have, by its name.

    Raises:
        BadRequest: A tensor is not BYTES, is cut off, or does not have the elements that its shape says.
        InvalidQuestion: It has too many.
    """
    tensors: dict[str, list[str | bytes]] = {}
    for tensor in inputs:
        _check_datatype(tensor)
        size = tensor.parameters.get(_SIZE)
        found: Iterator[str | bytes]
        if size is None:
            found = _flat(tensor.name, tensor.data or [])
        elif isinstance(size, int) and 0 <= size <= len(raw):
            if tensor.data:
                raise BadRequest(f"input {tensor.name!r} is both in JSON and a raw tensor; send it once")
            found, raw = _unpacked(tensor.name, raw[:size]), raw[size:]
        else:
            raise BadRequest(
                f"input {tensor.name!r} announces {size!r:.20} raw bytes, and {len(raw):,} are left; send all"
            )
        limit = most[tensor.name]
        elements: list[str | bytes] = list(islice(found, limit + 1))  # 24 MB may hold six million empty ones
        if len(elements) > limit:
            raise InvalidQuestion(f"input {tensor.name!r} has more than {limit} elements, the limit of one request")
        if not _holds(tensor.shape, len(elements)):
            shape = f"{tensor.shape[:8]!s:.80}"
            raise BadRequest(f"input {tensor.name!r} has shape {shape} and {len(elements)} elements; make them agree")
        tensors[tensor.name] = elements
    if raw:
        raise BadRequest(f"{len(raw):,} bytes follow the last raw tensor; send each tensor's {_SIZE}")
    return tensors


def _check_datatype(tensor: InputTensor) -> None:
    if tensor.datatype == "BYTES":
        return
    came = f"input {tensor.name!r} is {tensor.datatype!r:.20} of shape {tensor.shape[:8]!s:.80}"
    if tensor.name == "image":
        raise BadRequest(f"{came}; send BYTES: the picture file itself (JPEG, PNG, ...), not its pixels")
    raise BadRequest(f"{came}; send BYTES")


def _holds(shape: Sequence[int], count: int) -> bool:
    """Whether a shape has so many elements. Its sizes are looked at first: the product of huge ones takes minutes."""
    return all(0 <= size <= max(1, count) for size in shape) and math.prod(shape) == count


def _flat(name: str, data: Sequence[object]) -> Iterator[str]:
    """Text out of lists of any depth, row by row."""
    for value in data:
        if isinstance(value, list):
            yield from _flat(name, value)
        elif isinstance(value, str):
            yield value
        else:
            raise BadRequest(f"input {name!r} holds {json_type(value)}; in JSON send BYTES as text")


def _unpacked(name: str, raw: memoryview) -> Iterator[bytes]:
    while raw:
        if len(raw) < 4 or len(raw) - 4 < (length := int.from_bytes(raw[:4], "little")):
            raise BadRequest(
                f"input {name!r} is cut off: an element is shorter than its 4-byte length says; send it whole"
            )
        yield bytes(raw[4 : 4 + length])
        raw = raw[4 + length :]
