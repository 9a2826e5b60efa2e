"""The requests that the OpenAPI document shows as examples can be sent as they are, and are answered as it says."""

from __future__ import annotations

import json

import pytest
from jsonschema import validate

from tests.support.servers import TASK_MODELS
from vqaops.openapi import DOCUMENT, GATEWAY
from vqaops.server.server import Server

OPERATIONS = {
    path: operations["post"]
    for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
    if "post" in operations and GATEWAY not in operations["post"]["tags"]
}
EXAMPLES = {
    (path, task): example["value"]
    for path, operation in OPERATIONS.items()
    for task, example in operation["requestBody"]["content"]["application/json"]["examples"].items()
}


@pytest.mark.parametrize(("path", "task"), EXAMPLES)
def test_an_example_is_answered(path: str, task: str, tasks_server: Server):
    client, model = tasks_server.client, TASK_MODELS[task]
    url = client.addresses.inference + path.replace("{model}", model).replace("{version}", "1.0.0")
    reply = client.http.post(url, json=EXAMPLES[path, task], headers=client.header("inference"))
    assert reply.status_code == 200, reply.text
    assert answered_as(task) in reply.text
    validate(reply.json(), OPERATIONS[path]["responses"]["200"]["content"]["application/json"]["schema"])


def answered_as(task: str) -> str:
    """What the right model's reply holds: the size of the picture from those without weights, or a label."""
    return {"zero_shot_image_classification": "triangle", "document_redaction_detection": "redacted"}.get(task, "64x64")
