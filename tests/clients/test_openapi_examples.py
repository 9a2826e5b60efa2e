"""The requests that the OpenAPI document shows as examples can be sent as they are."""

from __future__ import annotations

import json

import pytest

from vqaops.openapi import DOCUMENT, GATEWAY
from vqaops.server.server import Server

EXAMPLES = {
    path: operations["post"]["requestBody"]["content"]["application/json"]["example"]
    for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
    if "post" in operations and GATEWAY not in operations["post"]["tags"]
}


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_is_answered(path: str, dummy_server: Server):
    client = dummy_server.client
    url = client.addresses.inference + path.replace("{model}", "dummy").replace("{version}", "1.0.0")
    reply = client.http.post(url, json=EXAMPLES[path], headers=client.header("inference"))
    assert reply.status_code == 200, reply.text
    assert "64x64" in reply.text  # the picture's size, which the model without weights repeats
