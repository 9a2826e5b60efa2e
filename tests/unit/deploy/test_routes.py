"""TorchServe's addresses, as the Ray adapter reads them."""

from __future__ import annotations

import pytest

from deploy.ray.routes import Target, find_target

REST = {"url_path": "v1/chat/completions"}
ADDRESSES = {
    "/predictions/dummy": Target("dummy"),
    "/predictions/dummy/": Target("dummy"),
    "/predictions/dummy/1.0.0": Target("dummy", "1.0.0"),
    "/predictions/dummy/1.0.0/v1/chat/completions": Target("dummy", "1.0.0", REST),
    "/explanations/dummy/1.0.0": Target("dummy", "1.0.0", {"explain": "True"}),
    "/v1/models/dummy:predict": Target("dummy"),
    "/v2/models/dummy/infer": Target("dummy"),
    "/v2/models/dummy/versions/1.0.0/infer": Target("dummy", "1.0.0"),
}


@pytest.mark.parametrize("path", ADDRESSES)
def test_an_address_of_torchserve_names_a_model(path: str):
    assert find_target(path, [("model_name", "other")]) == ADDRESSES[path]


@pytest.mark.parametrize("path", ["/", "/ping", "/predictions", "/v1/models/dummy", "/predictions//1.0.0", "/models"])
def test_another_address_names_none(path: str):
    assert find_target(path, []) is None


def test_the_query_string_of_invocations_has_the_model_and_fields():
    found = find_target("/invocations", [("model_name", "dummy"), ("top_k", "1"), ("top_k", "2")])
    fields = {"model_name": b"dummy", "top_k": b"2"}
    assert found == Target("dummy", fields=fields, repeated=("top_k",))
