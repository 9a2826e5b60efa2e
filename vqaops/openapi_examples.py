"""A request of each format that can be sent as it is, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from vqaserve.protocols.kserve_v1 import KServeV1Request
from vqaserve.protocols.kserve_v2 import KServeV2Request
from vqaserve.protocols.openai_chat import ChatRequest
from vqaserve.protocols.plain import PlainRequest

PICTURE: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQMAAACQp+OdAAAABlBMVEX08OjcFBTAfBQ2AAAAdklEQVR42rXQsQ3EIAwF0GcfBSUjMAqj3WiMdkWS"
    "E9DHDdb7li3Bq/W935jIRxPZTyntlFrvppUz6nnKiFU+mGJKgrEPJ32XQtulUkkaZY/6s+Qvg9ivT8RMAWMdTuirFGirVKhSg7JGfdlytQNivT6v"
    "T/d+/QBuIAgTpJtXTgAAAABJRU5ErkJggg=="
)
"""A red triangle, 64 x 64 pixels, as base64 of a PNG file."""
QUESTION: Final = "what color is the shape?"
_TENSOR: Final = {"datatype": "BYTES", "shape": [1]}
EXAMPLES: Final[dict[type[BaseModel], dict[str, Any]]] = {
    PlainRequest: {"image": PICTURE, "question": QUESTION, "top_k": 3},
    ChatRequest: {
        "model": "shapes",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
                    {"type": "text", "text": QUESTION},
                ],
            }
        ],
    },
    KServeV1Request: {"instances": [{"image": {"b64": PICTURE}, "question": QUESTION}]},
    KServeV2Request: {
        "inputs": [
            {"name": "image", **_TENSOR, "data": [PICTURE]},
            {"name": "question", **_TENSOR, "data": [QUESTION]},
        ]
    },
}
