"""schemathesis makes requests from the committed OpenAPI document and checks every reply against it."""

from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from vqaops.openapi import DOCUMENT, GATEWAY
from vqaops.server.server import Server

schema = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text())).exclude(tag=GATEWAY)

# TorchServe answers any method on /predictions, so the check for unsupported methods would only test TorchServe.
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(dummy_server: Server) -> Server:
    return dummy_server


@schema.parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request_gets_a_documented_reply(case: schemathesis.Case, server: Server):
    case.path_parameters = {"model": "dummy", "version": "1.0.0"} if "version" in case.path else {"model": "dummy"}
    client = server.client
    response = case.call(base_url=client.addresses.inference, headers=client.header("inference"))
    case.validate_response(response, checks=CHECKS)
