"""The HTTP interface as an OpenAPI document, generated from the models that parse the requests.

``docs/openapi.json`` is the committed copy, and a test compares the two. TorchServe's own documents are not valid
OpenAPI.
"""

from __future__ import annotations

import json

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from vqaops.openapi_examples import EXAMPLES, QUESTION
from vqaops.openapi_replies import CHAT_REPLY, ERROR, EXPLAINED_REPLY, JSON, PLAIN_REPLY, TEXT, V1_REPLY, V2_REPLY
from vqaops.paths import ROOT
from vqaserve.protocols.huggingface import HuggingFaceRequest
from vqaserve.protocols.kserve_v1 import KServeV1Request
from vqaserve.protocols.kserve_v2 import KServeV2Request
from vqaserve.protocols.openai_chat import ChatRequest
from vqaserve.protocols.plain import PlainRequest
from vqaserve.tasks import TASKS, find_task

DOCUMENT = ROOT / "docs" / "openapi.json"
MODELS: tuple[type[BaseModel], ...] = (
    PlainRequest,
    HuggingFaceRequest,
    KServeV1Request,
    KServeV2Request,
    ChatRequest,
)

FORM: JSON = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "format": "binary", "description": "The picture file."},
        "image_url": {"type": "string", "description": "The picture's address instead of `image`.", "example": ""},
        "question": {"type": "string", "example": QUESTION},
        "questions": {
            "type": "string",
            "description": "Several questions instead of `question`, as a JSON list of strings.",
            "example": "",
        },
        "labels": {
            "type": "string",
            "description": "Zero-shot classification: the labels, with commas between or as a JSON list of strings.",
            "example": "",
        },
        "hypothesis_template": {
            "type": "string",
            "description": "Zero-shot classification: the sentence that a label is put into, in place of {}.",
            "example": "",
        },
        "pages": {"type": "string", "description": "Documents: the pages to read, such as 1-16.", "example": ""},
        "top_k": {"type": "integer", "example": 3},
        "answer": {"type": "string", "description": "Explanations: the answer to explain.", "example": ""},
        "conversation": {
            "type": "string",
            "description": "Earlier questions and answers, as a JSON list of objects with `question` and `answer`.",
            "example": "",
        },
    },
}
ABOUT = """\
Questions about pictures, labels for pictures, and redactions in documents, in the format of your client.

Every request needs a key: choose **Authorize** and paste it. At the gateway it is an API key, which the operator
creates with `scripts/keys.py add NAME`. TorchServe itself takes the token in `run/key_file.json`.
"""
MODEL_LIST: JSON = {
    "get": {
        "operationId": "models",
        "summary": "The models that are ready, as OpenAI and as KServe v1 list them.",
        "responses": {
            "200": {
                "description": "Listed.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["object", "data", "models"],
                            "properties": {
                                "object": {"const": "list"},
                                "data": {"type": "array", "items": {"type": "object"}},
                                "models": {"type": "array", "items": TEXT},
                            },
                        }
                    }
                },
            }
        },
    }
}
GATEWAY = "gateway"
"""The tag of addresses that only the gateway has."""
STATUSES = {
    "400": "The request cannot be read, or the token is missing or wrong.",
    "404": "No such model, version or route.",
    "413": "The request is over the server's size limit, or its compressed body is when it is unpacked.",
    "415": "The body is compressed in a way that is not supported; gzip and deflate are.",
    "422": "The request was understood, but cannot be answered.",
    "500": "The server failed on this request.",
    "503": "The queue is full, or the batch has used up its time for opening pictures.",
    "504": "The deadline of X-Request-Start and X-Timeout-Ms passed in the queue or while the answer was written.",
    "507": "The request does not fit into memory.",
}


def document() -> JSON:
    """The whole document."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    plain = {"anyOf": [_reference(PlainRequest), _reference(HuggingFaceRequest)]}
    asked = {
        "application/json": {"schema": plain, "examples": _examples(PlainRequest)},
        "multipart/form-data": {"schema": FORM},
    }
    name, version = _parameter("model", "shapes"), _parameter("version", "1.0.0")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vqaserve",
            "version": "1.0.0",
            "summary": "Visual question answering over HTTP.",
            "description": f"{ABOUT}\n{_fields_by_task()}",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that this document is from"}],
        "security": [{"inference": []}],
        "paths": {
            "/predictions/{model}": _path("ask", "Ask the default version.", [name], asked, PLAIN_REPLY),
            "/predictions/{model}/{version}": _path(
                "ask_version", "Ask one version.", [name, version], asked, PLAIN_REPLY
            ),
            "/explanations/{model}": _with_drawing(
                _path("explain", "What an answer of the default version rests on.", [name], asked, EXPLAINED_REPLY)
            ),
            "/explanations/{model}/{version}": _with_drawing(
                _path("explain_version", "The same for one version.", [name, version], asked, EXPLAINED_REPLY)
            ),
            "/predictions/{model}/{version}/v1/chat/completions": _with_stream(
                _path("chat", "OpenAI chat completion.", [name, version], _json(ChatRequest), CHAT_REPLY)
            ),
            "/v1/chat/completions": _at_gateway(
                _with_stream(
                    _path("chat_by_name", "OpenAI chat; the body names the model.", [], _json(ChatRequest), CHAT_REPLY)
                )
            ),
            "/v1/models": _at_gateway(MODEL_LIST),
            "/v1/models/{model}:predict": _path("kserve_v1", "KServe v1.", [name], _json(KServeV1Request), V1_REPLY),
            "/v2/models/{model}/infer": _path(
                "kserve_v2", "Open Inference Protocol.", [name], _json(KServeV2Request), V2_REPLY
            ),
        },
        "components": {
            "schemas": {**schemas["$defs"], "Error": ERROR},
            "responses": {
                status: _response(text, {"$ref": "#/components/schemas/Error"}) for status, text in STATUSES.items()
            },
            "securitySchemes": {"inference": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path(operation: str, summary: str, parameters: list[JSON], content: JSON, reply: JSON) -> JSON:
    errors = {status: {"$ref": f"#/components/responses/{status}"} for status in STATUSES}
    return {
        "post": {
            "operationId": operation,
            "tags": ["questions"],
            "summary": summary,
            "parameters": parameters,
            "requestBody": {"required": True, "content": content},
            "responses": {"200": _response("Answered.", reply), **errors},
        }
    }


def _at_gateway(path: JSON) -> JSON:
    """The same path, marked as one that TorchServe itself does not have."""
    return {method: {**operation, "tags": [GATEWAY]} for method, operation in path.items()}


def _with_stream(path: JSON) -> JSON:
    """The same path, whose answer can also be a stream of events."""
    described = "With `stream: true`: events `data: {...}` of the type `chat.completion.chunk`, then `data: [DONE]`."
    path["post"]["responses"]["200"]["content"]["text/event-stream"] = {
        "schema": {"type": "object", "description": described, "required": ["data"], "properties": {"data": TEXT}}
    }
    return path


def _with_drawing(path: JSON) -> JSON:
    """The same path, whose answer is a picture for a client that accepts one."""
    path["post"]["responses"]["200"]["content"]["image/png"] = {
        "schema": {"type": "string", "format": "binary", "description": "The map, drawn over the picture."}
    }
    return path


def _response(description: str, schema: JSON) -> JSON:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, example: str) -> JSON:
    return {"name": name, "in": "path", "required": True, "schema": TEXT, "example": example}


def _json(model: type[BaseModel]) -> JSON:
    return {"application/json": {"schema": _reference(model), "examples": _examples(model)}}


def _examples(model: type[BaseModel]) -> JSON:
    return {task: {"summary": task.replace("_", " "), "value": body} for task, body in EXAMPLES[model].items()}


def _fields_by_task() -> str:
    """A table, in Markdown, of the fields that the models of each task read."""
    tasks = {name: find_task(name) for name in TASKS}
    rows = [f"| `{name}` | `{'`, `'.join(sorted(task.fields))}` | `{task.noun}` |" for name, task in tasks.items()]
    head = "What a model reads beside `image` depends on its task, and so does what its reply calls an answer:"
    return "\n".join([head, "", "| task | fields | answer |", "| --- | --- | --- |", *rows, ""])


def _reference(model: type[BaseModel]) -> JSON:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=1) + "\n"
