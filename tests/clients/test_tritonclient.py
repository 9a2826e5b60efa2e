"""The real HTTP client of Triton against a live server: no content type, and the binary extension by default."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.support.pictures import animated, as_base64, encoded
from vqaops.server.server import Server


@pytest.fixture
def client(any_server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(urlsplit(any_server.client.addresses.inference).netloc) as client:
        yield client


def tensor(name: str, values: list[bytes], binary: bool) -> triton.InferInput:
    made = triton.InferInput(name, [len(values)], "BYTES")
    made.set_data_from_numpy(np.array(values, dtype=object), binary_data=binary)
    return made


@pytest.mark.parametrize("binary", [True, False])
def test_pictures_and_questions_are_answered_in_order(
    client: triton.InferenceServerClient, any_server: Server, binary: bool
):
    files = [encoded("red"), encoded("blue")]
    pictures = files if binary else [as_base64(file).encode() for file in files]
    inputs = [tensor("image", pictures, binary), tensor("question", [b"a", "ü".encode()], binary)]
    reply = client.infer("dummy", inputs, headers=any_server.client.header("inference"), request_id="7")
    assert reply.as_numpy("answer")[:, 0].tolist() == ["4x3 #ff0000: a", "4x3 #0000ff: ü"]
    assert reply.as_numpy("score").shape == (2, 5)
    assert reply.get_response()["id"] == "7"


@pytest.mark.parametrize(("binary", "best"), [(True, "4x3 #ff0000: ü".encode()), (False, "4x3 #ff0000: ü")])
def test_a_requested_output_comes_alone_and_raw_where_the_client_wants_that(
    client: triton.InferenceServerClient, any_server: Server, binary: bool, best: object
):
    inputs = [tensor("image", [encoded()], True), tensor("question", ["ü".encode()], True)]
    outputs = [triton.InferRequestedOutput("answer", binary_data=binary)]
    reply = client.infer("dummy", inputs, outputs=outputs, headers=any_server.client.header("inference"))
    assert reply.as_numpy("answer")[0, 0] == best
    assert reply.as_numpy("score") is None


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request_is_answered(client: triton.InferenceServerClient, any_server: Server, algorithm: str):
    inputs = [tensor("image", [encoded()], True), tensor("question", [b"a"], True)]
    headers = any_server.client.header("inference")
    reply = client.infer("dummy", inputs, headers=headers, request_compression_algorithm=algorithm)
    assert reply.as_numpy("answer")[0, 0] == "4x3 #ff0000: a"


def test_warnings_reach_the_client_as_a_parameter(client: triton.InferenceServerClient, any_server: Server):
    inputs = [tensor("image", [animated("blue")], True), tensor("question", [b"a"], True)]
    reply = client.infer("dummy", inputs, headers=any_server.client.header("inference"))
    assert reply.as_numpy("answer")[0, 0] == "4x3 #0000ff: a"
    assert "only the first was used" in reply.get_response()["parameters"]["warnings"]


def test_the_clients_user_sees_why_a_picture_was_refused(client: triton.InferenceServerClient, any_server: Server):
    inputs = [tensor("image", [b"no picture"], True), tensor("question", [b"a"], True)]
    with pytest.raises(InferenceServerException, match="is not a JPEG, PNG"):
        client.infer("dummy", inputs, headers=any_server.client.header("inference"))
