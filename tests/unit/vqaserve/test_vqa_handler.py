"""The rim between TorchServe and the package, with TorchServe's own objects."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.protocol import otf_message_handler
from ts.service import Service

from vqa_handler import _emitter, _receive_as_sent, _receive_in_large_pieces, _request
from vqaops.paths import DEPLOY
from vqaserve.metrics import ANSWERS, REQUESTS, STAGE_SECONDS, MetricSample

# TorchServe's reader of metrics.yaml leaves the file open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def context(declared: Path | None) -> Context:
    cache = None
    if declared:
        cache = MetricsCacheYamlImpl(config_file_path=str(declared))
        cache.initialize_cache()
    return Context("dummy", "", {}, 1, None, "0.12.0", metrics=cache)


SAMPLES = [
    MetricSample(REQUESTS, 2, ("dummy", "1.0.0", "ok")),
    MetricSample(STAGE_SECONDS, 2.5e-05, ("dummy", "1.0.0", "forward")),
]


def test_samples_become_the_lines_that_torchserves_own_metrics_write(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging.getLogger(), "filters", [])  # a worker in this process has quietened it for good
    given = context(DEPLOY / "monitoring" / "metrics.yaml")
    _emitter(given)(SAMPLES)
    ours = capsys.readouterr().out.splitlines()
    with caplog.at_level(logging.INFO, "ts.metrics"):
        for sample in SAMPLES:
            (metric,) = (
                kind[sample.metric.name] for kind in given.metrics.cache.values() if sample.metric.name in kind
            )
            metric.add_or_update(sample.value, list(sample.labels))
    theirs = [record.getMessage() for record in caplog.records]
    assert [line.rpartition(",")[0] for line in ours] == [line.rpartition(",")[0] for line in theirs]  # but the time


def test_metrics_that_are_not_declared_as_they_are_here_are_named_once_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    declared = tmp_path / "metrics.yaml"
    declared.write_text(
        "ts_metrics: {}\nmodel_metrics:\n  counter:\n"
        "    - {name: vqa_requests_total, unit: Count, dimensions: [model_name, model_version, outcome]}\n"
        "    - {name: vqa_answers_total, unit: Count, dimensions: [model_name, confidence]}\n"
    )
    emit = _emitter(context(declared))
    capsys.readouterr()
    emit([*SAMPLES, MetricSample(ANSWERS, 1, ("dummy", "1.0.0", "0.5"))])
    (line,) = capsys.readouterr().out.splitlines()
    assert "vqa_requests_total" in line
    warned = [record.getMessage() for record in caplog.records if "is not exported" in record.getMessage()]
    assert "vqa_answers_total is not exported: metrics_config does not declare it with its labels" in warned
    assert not [message for message in warned if "vqa_requests_total" in message]


def test_outside_of_a_server_nothing_is_counted(capsys: pytest.CaptureFixture[str]):
    _emitter(context(None))(SAMPLES)
    assert capsys.readouterr().out == ""


def test_a_requests_headers_are_found_in_any_case_and_a_forms_parts_are_none_of_them():
    given = context(None)
    given.request_ids = {0: "r0"}
    part = {"content-type": "text/plain"}  # as TorchServe tells a form's part, beside the headers
    given.request_processor = [RequestProcessor({"X-Request-ID": "order-17\n", "x-request-start": part})]
    request = _request({"x-request-start": b"t=1"}, given, 0)
    assert (request.id, request.client_id) == ("r0", "order-17?")
    assert request.label == "r0 (client's order-17?)"
    assert request.headers == {"x-request-id": "order-17\n"}


def sent(*parameters: tuple[str, bytes]) -> dict:
    """A request as it comes over the worker's socket."""
    values = [{"name": name, "contentType": "", "value": bytearray(value)} for name, value in parameters]
    return {"requestId": b"r0", "headers": [], "parameters": values}


def test_names_that_came_twice_are_known_although_torchserve_keeps_one_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Service, "retrieve_data_for_inference", Service.retrieve_data_for_inference)
    monkeypatch.setenv("TS_DECODE_INPUT_REQUEST", "true")
    _receive_as_sent()
    batch = [sent(("image", b"a"), ("question", b"q"), ("image", b"b")), sent(("image", b"c"), ("question", b"q"))]
    given = context(None)
    given.request_processor, inputs, given.request_ids = Service.retrieve_data_for_inference(batch)
    first, second = (_request(fields, given, index) for index, fields in enumerate(inputs))
    assert (first.repeated, second.repeated) == (("image",), ())
    assert dict(first.fields) == {"image": b"b", "question": b"q"}
    assert [request["parameters"] for request in batch] == [[], []]  # the worker would hold them for another batch


def test_a_worker_passes_on_json_as_it_was_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Service, "retrieve_data_for_inference", Service.retrieve_data_for_inference)
    monkeypatch.setenv("TS_DECODE_INPUT_REQUEST", "true")
    _receive_as_sent()
    ours, theirs = socket.socketpair()
    body = b'{"a": 1, "a": 2}'
    with ours, theirs:
        for field in (b"body", b"application/json", body):
            theirs.sendall(len(field).to_bytes(4, "big") + field)
        assert otf_message_handler._retrieve_input_data(ours)["value"] == body


def field(content: bytes) -> bytes:
    """A length and a value, as the front end sends them."""
    return len(content).to_bytes(4, "big") + content


def test_a_worker_reads_the_same_batch_from_a_buffer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(otf_message_handler, "_retrieve_buffer", otf_message_handler._retrieve_buffer)
    monkeypatch.setenv("TS_DECODE_INPUT_REQUEST", "false")
    end, body = (-1).to_bytes(4, "big", signed=True), bytes(range(256)) * 80  # more than the buffer holds
    head = field(b"r0") + field(b"Accept") + field(b"") + end
    request = head + field(b"body") + field(b"image/jpeg") + field(body) + end
    batch = b"I" + request + request + end
    found = []
    for patch in (lambda: None, _receive_in_large_pieces):
        patch()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(batch + batch)
            theirs.shutdown(socket.SHUT_WR)
            found.append([otf_message_handler.retrieve_msg(ours) for _ in range(2)])
            with pytest.raises(SystemExit):  # the front end has ended
                otf_message_handler.retrieve_msg(ours)
    theirs_alone, buffered = found
    assert buffered == theirs_alone
    assert [one["parameters"][0]["value"] == body for _, batch in buffered for one in batch] == [True] * 4
