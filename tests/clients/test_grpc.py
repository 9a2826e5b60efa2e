"""TorchServe's gRPC predictions through stubs that grpcio-tools generates from its proto file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.support.pictures import animated, encoded
from vqaops.server.server import Server

PROTO = Path(__file__).parent / "proto" / "inference.proto"


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    options = [f"-I{PROTO.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}", PROTO.name]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options], check=True, cwd=PROTO.parent)
    return folder


@pytest.fixture
def predict(dummy_server: Server, stubs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(stubs)
    import inference_pb2
    import inference_pb2_grpc

    def ask(**fields: bytes) -> dict:
        with grpc.insecure_channel(f"127.0.0.1:{dummy_server.properties['grpc_inference_port']}") as channel:
            request = inference_pb2.PredictionsRequest(model_name="dummy", input=fields)
            metadata = [
                ("protocol", "gRPC"),
                ("authorization", dummy_server.client.header("inference")["Authorization"]),
            ]
            reply = inference_pb2_grpc.InferenceAPIsServiceStub(channel).Predictions(request, metadata=metadata)
            return json.loads(reply.prediction)

    return ask


def test_a_map_of_fields_is_answered_like_a_form(predict):
    assert predict(image=encoded("blue"), question=b"what?")["answer"] == "4x3 #0000ff: what?"


def test_a_reply_carries_the_pictures_warnings(predict):
    assert predict(image=animated("blue"), question=b"what?")["warnings"] == [
        "the picture has several frames or pages; only the first was used"
    ]


def test_an_error_comes_as_the_body_since_torchserve_drops_the_status(predict):
    assert predict(question=b"what?")["type"] == "MissingImage"
