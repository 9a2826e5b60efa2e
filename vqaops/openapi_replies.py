"""The schemas of replies in the OpenAPI document."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]
TEXT: JSON = {"type": "string"}
ABSTAINED: JSON = {
    "const": True,
    "description": "Present if the score is below the recipe's `abstain_below`, or the picture is unlike all classes.",
}
WARNINGS: JSON = {
    "type": "array",
    "items": TEXT,
    "description": "What was sent but not used, and how the picture was read if that may be unexpected.",
}
SHARE: JSON = {"type": "number", "minimum": 0, "maximum": 1}
MODEL: JSON = {"type": "object", "required": ["name", "version"], "properties": {"name": TEXT, "version": TEXT}}
ERROR: JSON = {
    "type": "object",
    "required": ["code", "type", "message"],
    "properties": {"code": {"type": "integer"}, "type": TEXT, "message": TEXT},
}


def _ranked(noun: str) -> JSON:
    properties = {noun: TEXT, "score": SHARE, "abstained": ABSTAINED, "warnings": WARNINGS}
    items = {"type": "object", "required": [noun, "score"], "properties": properties}
    return {"type": "array", "description": "Best first.", "items": items}


def _best(noun: str, **others: JSON) -> JSON:
    """The best answer with all that are ranked."""
    plural = f"{noun}s"
    return {
        "type": "object",
        "required": [noun, "confidence", plural, "model", *others],
        "properties": {
            "question": {"type": "string", "description": "As sent; only for a request with `image_url`."},
            noun: TEXT,
            "confidence": {"type": "number"},
            "abstained": ABSTAINED,
            plural: _ranked(noun),
            "model": MODEL,
            "warnings": WARNINGS,
            **others,
        },
    }


COVERED: JSON = {
    "type": "object",
    "description": "Share of the page, and of its content without margins, under the boxes.",
    "required": ["page", "content"],
    "properties": {"page": SHARE, "content": SHARE},
}
PAGE: JSON = {
    "type": "object",
    "required": ["page", "label", "confidence", "boxes", "covered", "text_under_boxes"],
    "properties": {
        "page": {"type": "integer", "minimum": 1},
        "label": TEXT,
        "confidence": SHARE,
        "boxes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["left", "top", "right", "bottom", "confidence", "text_under_box"],
                "properties": {
                    **dict.fromkeys(("left", "top", "right", "bottom", "confidence"), SHARE),
                    "text_under_box": {"type": "boolean"},
                },
            },
        },
        "covered": COVERED,
        "text_under_boxes": {"type": "boolean"},
        "abstained": ABSTAINED,
        "warnings": WARNINGS,
    },
}
NUMBERS: JSON = {"type": "array", "items": {"type": "integer"}}
SUMMARY: JSON = {
    "type": "object",
    "properties": {
        "document_pages": {"type": "integer"},
        "pages_read": {"type": "integer"},
        "redacted_pages": NUMBERS,
        "boxes": {"type": "integer"},
        "covered": COVERED,
        "pages_with_text_under_boxes": NUMBERS,
    },
}
ANSWER: JSON = {
    "anyOf": [
        _best("answer"),
        _best("label", summary=SUMMARY, pages={"type": "array", "items": {"anyOf": [PAGE, ERROR]}}),
        _best("label"),
    ]
}
RANKED: JSON = {"anyOf": [_ranked("answer"), _ranked("label")]}
EXPLAINED: JSON = {
    "type": "object",
    "required": ["explanation"],
    "properties": {
        **_best("answer")["properties"],
        **_best("label")["properties"],
        "explanation": {
            "type": "object",
            "required": ["answer", "score", "rows", "columns", "grid", "words"],
            "properties": {
                "answer": {"type": "string", "description": "The answer that is explained."},
                "score": {"type": "number"},
                "rows": {"type": "integer"},
                "columns": {"type": "integer"},
                "grid": {
                    "type": "array",
                    "description": "Weights in [0, 1] of equal parts of the picture, in rows from the top left.",
                    "items": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
                },
                "words": {
                    "type": "array",
                    "description": "The words of the question in their order, with weights in [0, 1].",
                    "items": {"type": "object", "properties": {"word": TEXT, "weight": {"type": "number"}}},
                },
            },
        },
    },
}
EXPLAINED_REPLY: JSON = {"anyOf": [EXPLAINED, {"type": "array", "items": {"anyOf": [EXPLAINED, ERROR]}}]}
PLAIN_REPLY: JSON = {
    "anyOf": [
        ANSWER,
        {"type": "array", "items": {"anyOf": [ANSWER, ERROR]}},
        RANKED,
        {"type": "array", "items": {"anyOf": [RANKED, ERROR]}, "description": "If `inputs` is a list."},
    ]
}
V1_REPLY: JSON = {
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array", "items": {"type": "object"}}, "model": MODEL},
}
V2_REPLY: JSON = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {
        "model_name": TEXT,
        "model_version": TEXT,
        "id": TEXT,
        "outputs": {"type": "array", "items": {"type": "object"}},
        "parameters": {"type": "object", "properties": {"warnings": TEXT}},
    },
}
CHAT_REPLY: JSON = {
    "type": "object",
    "required": ["id", "object", "created", "model", "choices", "usage"],
    "properties": {
        "id": TEXT,
        "choices": {"type": "array", "items": {"type": "object"}},
        "abstained": ABSTAINED,
        "warnings": WARNINGS,
    },
}
