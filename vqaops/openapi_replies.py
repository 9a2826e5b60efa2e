"""The schemas of replies in the OpenAPI document."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]
TEXT: JSON = {"type": "string"}
WARNINGS: JSON = {
    "type": "array",
    "items": TEXT,
    "description": "What was sent but not used, and how the picture was read if that may be unexpected.",
}
RANKED: JSON = {
    "type": "array",
    "description": "Best first.",
    "items": {
        "type": "object",
        "required": ["answer", "score"],
        "properties": {"answer": TEXT, "score": {"type": "number", "minimum": 0, "maximum": 1}, "warnings": WARNINGS},
    },
}
MODEL: JSON = {"type": "object", "required": ["name", "version"], "properties": {"name": TEXT, "version": TEXT}}
ERROR: JSON = {
    "type": "object",
    "required": ["code", "type", "message"],
    "properties": {"code": {"type": "integer"}, "type": TEXT, "message": TEXT},
}
ANSWER: JSON = {
    "type": "object",
    "required": ["answer", "confidence", "answers", "model"],
    "properties": {
        "question": {"type": "string", "description": "As sent; only for a request with `image_url`."},
        "answer": TEXT,
        "confidence": {"type": "number"},
        "abstained": {
            "const": True,
            "description": "Present if the score is below the recipe's `abstain_below`.",
        },
        "answers": RANKED,
        "model": MODEL,
        "warnings": WARNINGS,
    },
}
EXPLAINED: JSON = {
    "type": "object",
    "required": ["explanation"],
    "properties": {
        **ANSWER["properties"],
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
    "properties": {"id": TEXT, "choices": {"type": "array", "items": {"type": "object"}}, "warnings": WARNINGS},
}
