"""Requests of each format that can be sent as they are, for the OpenAPI document: one for each task."""

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
LABELS: Final = ["a red triangle", "a blue circle"]
_ASKED: Final[dict[str, dict[str, Any]]] = {
    "visual_question_answering": {"question": QUESTION},
    "zero_shot_image_classification": {"labels": LABELS},
    "image_classification": {},
    "document_redaction_detection": {},
}
"""What is sent beside the picture, by task; a picture is a document of one page."""


def _tensor(name: str, *values: str) -> dict[str, object]:
    return {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": values}


def _tensors(asked: dict[str, Any]) -> list[dict[str, object]]:
    return [_tensor(name, *([value] if isinstance(value, str) else value)) for name, value in asked.items()]


EXAMPLES: Final[dict[type[BaseModel], dict[str, Any]]] = {
    PlainRequest: {task: {"image": PICTURE, **asked} for task, asked in _ASKED.items()},
    ChatRequest: {
        "visual_question_answering": {
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
        }
    },
    KServeV1Request: {task: {"instances": [{"image": {"b64": PICTURE}, **asked}]} for task, asked in _ASKED.items()},
    KServeV2Request: {
        task: {"inputs": [_tensor("image", PICTURE), *_tensors(asked)]} for task, asked in _ASKED.items()
    },
}
"""Bodies by format and task."""
