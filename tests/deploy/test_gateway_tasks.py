"""Labels, classes and documents through the gateway, whose metadata says what each model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tritonclient.http as triton
from huggingface_hub import InferenceClient, close_session

from tests.support.documents import OTHER, pdf
from tests.support.gateways import RunningGateway
from tests.support.pictures import as_base64, encoded
from vqaops.server.server import Server

BLUE = encoded("blue")
LABELS = ["a red #ff0000 thing", "a blue #0000ff thing"]


@pytest.fixture(scope="module")
def gateway(tasks_server: Server, new_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    return new_gateway(tasks_server.run)


@pytest.fixture
def triton_client(gateway: RunningGateway) -> Iterator[triton.InferenceServerClient]:
    address, options = gateway.url.partition("//")[2], {"ca_certs": str(gateway.authority)}
    with triton.InferenceServerClient(address, ssl=True, ssl_options=options) as client:
        yield client


@pytest.mark.parametrize(
    ("model", "inputs", "noun"),
    [
        ("dummy", ["image", "question"], "answer"),
        ("labels", ["image", "labels"], "label"),
        ("classes", ["image"], "label"),
        ("documents", ["image"], "label"),
    ],
)
def test_tritonclient_learns_the_tensors_and_asks_with_them(
    triton_client: triton.InferenceServerClient, gateway: RunningGateway, model: str, inputs: list[str], noun: str
):
    key = {"Authorization": f"Bearer {gateway.key}"}
    metadata = triton_client.get_model_metadata(model, "1.0.0", headers=key)
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == (model, ["1.0.0"], "vqaserve")
    assert [one["name"] for one in metadata["inputs"]] == inputs
    assert [one["name"] for one in metadata["outputs"]] == [noun, "score", "abstained"]
    values = {"image": [BLUE], "question": [b"what?"], "labels": [label.encode() for label in LABELS]}
    tensors = [triton.InferInput(name, [len(values[name])], "BYTES") for name in inputs]
    for tensor in tensors:
        tensor.set_data_from_numpy(np.array(values[tensor.name()], dtype=object))
    outputs = [triton.InferRequestedOutput(one["name"]) for one in metadata["outputs"]]
    reply = triton_client.infer(model, tensors, outputs=outputs, headers=key)
    assert all(reply.as_numpy(one["name"]).ndim == len(one["shape"]) for one in metadata["outputs"])


def test_the_client_of_the_hub_ranks_labels_and_classes(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(gateway.authority))
    close_session()
    try:
        labels = InferenceClient(f"{gateway.url}/predictions/labels", token=gateway.key)
        found = labels.zero_shot_image_classification(BLUE, candidate_labels=LABELS)
        assert [one.label for one in found] == LABELS[::-1]
        classes = InferenceClient(f"{gateway.url}/predictions/classes", token=gateway.key)
        assert classes.image_classification(BLUE)[0].label == "4x3 #0000ff: "
    finally:
        close_session()


def test_a_form_and_kserve_v1_rank_labels_and_classes(gateway: RunningGateway):
    with gateway.client() as client:
        form = client.post("/predictions/labels", files={"image": BLUE}, data={"labels": ",".join(LABELS)})
        asked = {"labels": {"labels": LABELS}, "classes": {}}
        instances = {name: [{"image": {"b64": as_base64(BLUE)}, **more}] for name, more in asked.items()}
        replies = {
            name: client.post(f"/v1/models/{name}:predict", json={"instances": instances[name]}) for name in asked
        }
    assert form.json()["label"] == LABELS[1]
    assert replies["labels"].json()["predictions"][0]["label"] == LABELS[1]
    assert replies["classes"].json()["predictions"][0]["label"] == "4x3 #0000ff: "


def test_a_document_is_read_page_by_page(gateway: RunningGateway):
    with gateway.client() as client:
        reply = client.post("/predictions/documents", files={"image": pdf([OTHER, OTHER])}, data={"pages": "2"})
    assert [page["page"] for page in reply.json()["pages"]] == [2]
    assert reply.json()["summary"]["document_pages"] == 2
