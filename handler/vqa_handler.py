"""The handler class that TorchServe loads from an archive; the only file that imports TorchServe."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from http import HTTPStatus
from io import BufferedReader
from pathlib import Path
from typing import Any

from ts.context import Context
from ts.metrics.metric_cache_errors import MetricsCacheKeyError
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from vqaserve.choosing import fit_threads
from vqaserve.logs import HarmlessFormatter, safe_id
from vqaserve.memory import Trimmer
from vqaserve.metrics import METRICS, Emit, Metric, MetricSample
from vqaserve.parts import PartSender
from vqaserve.pipeline import Pipeline
from vqaserve.settings import ModelConfig
from vqaserve.types import Model, Reply, Request

log = logging.getLogger(__name__)


class VqaHandler:
    """Passes batches of requests to the pipeline and returns its replies, each with its own status."""

    def initialize(self, context: Context) -> None:
        """Load the archive that TorchServe has unpacked.

        Raises:
            RecipeError: The archive cannot be served; TorchServe logs the error and tries again.
        """
        _quieten_worker()
        _receive_as_sent()
        _receive_in_large_pieces()
        properties = context.system_properties
        config, folder = ModelConfig.parse(context.model_yaml_config), Path(properties["model_dir"])
        settings = fit_threads(folder, config)
        if settings.device == "auto":
            gpu = properties.get("gpu_id")
            settings = settings.model_copy(update={"device": "cpu" if gpu is None else f"cuda:{gpu}"})
        manifest = context.manifest["model"]
        model = Model(name=manifest["modelName"], version=manifest["modelVersion"])
        self._pipeline = Pipeline.load(folder, settings, model, _emitter(context), config.opening_seconds)
        self._trimmer = Trimmer()
        atexit.register(self._pipeline.close)  # when the front end ends, the worker exits by itself
        log.info("%s %s is loaded on %s", model.name, model.version, settings.device)

    def handle(self, data: Sequence[dict[str, object]], context: Context) -> list[bytes]:
        """Return an encoded body for each request of a batch; status and headers are set on the context."""
        requests = [_request(fields, context, index) for index, fields in enumerate(data)]
        if _is_describe(requests):
            return [self._pipeline.describe().body]
        parts = PartSender(partial(_set_head, context), partial(_message, context))
        replies = self._pipeline.answer(requests, parts.send)
        size = sum(len(body) for request in requests if isinstance(body := request.body, bytes | bytearray))
        del requests
        for fields in data:
            fields.clear()  # TorchServe holds them until the reply is encoded
        self._trimmer.after_batch(size)
        for index, reply in enumerate(replies):
            if index not in parts.begun:
                _set_head(context, index, reply)
        return [reply.body for reply in replies]


def _set_head(context: Context, index: int, reply: Reply) -> None:
    context.set_response_status(reply.status, HTTPStatus(reply.status).phrase, index)
    context.set_response_content_type(index, reply.content_type)
    for name, value in reply.headers.items():
        context.set_response_header(index, name, value)


def _message(context: Context, bodies: Mapping[int, bytes], ended: Collection[int]) -> None:
    """Send the front end the next part of some replies; those in ``ended`` end with it."""
    from ts.protocol.otf_message_handler import create_predict_response  # it imports torch

    ids = context.request_ids
    # TorchServe asks these, for each reply in the message, whether it ends.
    context.stopping_criteria = {index: partial(_ends, index in ended) for index in bodies}
    try:
        message = create_predict_response(
            bodies, {index: ids[index] for index in bodies}, "Prediction success", HTTPStatus.OK, context
        )
    finally:
        context.stopping_criteria = None
    context.cl_socket.sendall(message)
    for index in ended:
        del ids[index]  # else the reply to the batch would end it once more


def _ends(is_over: bool, part: bytes) -> bool:
    del part
    return is_over


def _quieten_worker() -> None:
    """Drop the log lines that TorchServe's worker writes for each batch, and keep others from looking like its own."""
    logging.getLogger().addFilter(lambda record: record.levelno >= logging.WARNING)
    logging.getLogger("ts.metrics").setLevel(logging.WARNING)  # PredictionTime; vqa_batch_seconds has more detail
    for handler in logging.getLogger().handlers:
        handler.setFormatter(HarmlessFormatter("%(message)s"))


_REPEATED = "\0repeated"
"""The field that lists the names that occur more than once; as a tuple, it cannot come from a client."""


def _receive_as_sent() -> None:
    """Make TorchServe's worker pass on bodies unchanged and report fields that occur more than once.

    By default the worker decodes JSON and text itself: as UTF-8 whatever the charset is, and with the last of two equal
    names. Of two form fields of one name it also keeps the last; that has no switch, so the method is wrapped.
    """
    from ts.service import Service  # it imports torch, which a worker has done already and others need not do

    os.environ["TS_DECODE_INPUT_REQUEST"] = "false"  # read for each request
    if not isinstance(Service.retrieve_data_for_inference, partial):  # a process may load more than one archive
        Service.retrieve_data_for_inference = staticmethod(partial(_retrieve, Service.retrieve_data_for_inference))


_Batch = Sequence[Mapping[str, Any]]
_Retrieved = tuple[list[Any], list[dict[str, object]], dict[int, str]]


def _retrieve(retrieve: Callable[[_Batch], _Retrieved], batch: _Batch) -> _Retrieved:
    processors, inputs, ids = retrieve(batch)
    for request, fields in zip(batch, inputs, strict=True):
        names = [parameter["name"] for parameter in request["parameters"]]
        if len(names) > len(set(names)):
            fields[_REPEATED] = tuple(name for name, count in Counter(names).items() if count > 1)
        request["parameters"].clear()  # the worker holds the request until the next batch has arrived
    return processors, inputs, ids


def _receive_in_large_pieces() -> None:
    """Make TorchServe's worker read from the front end through a buffer.

    By default it calls ``recv`` for each length and each value of a message, some 35 times a request.
    """
    from ts.protocol import otf_message_handler  # it imports torch

    otf_message_handler._retrieve_buffer = _read


def _read(connection: socket.socket, length: int) -> bytes:
    data = _buffered(connection).read(length)
    if len(data) < length:  # the front end has ended
        sys.exit(0)
    return data


@lru_cache(maxsize=1)  # a worker has one connection; what the buffer holds belongs to it
def _buffered(connection: socket.socket) -> BufferedReader:
    return connection.makefile("rb")


def _request(fields: Mapping[str, object], context: Context, index: int) -> Request:
    # TorchServe adds an entry for each part of a form to the headers, with a mapping of the part's own headers.
    given = context.get_all_request_header(index).items()
    headers = {str(name).lower(): value for name, value in given if isinstance(value, str)}
    repeated = fields.get(_REPEATED)
    return Request(
        id=context.get_request_id(index) or "",
        fields={name: value for name, value in fields.items() if name != _REPEATED},
        headers=headers,
        client_id=safe_id(headers.get("x-request-id", "")),
        repeated=repeated if isinstance(repeated, tuple) else (),
    )


def _emitter(context: Context) -> Emit:
    """A function that writes samples to standard output, from where TorchServe's front end collects them.

    It writes the lines of a batch at once. ``context.metrics`` writes and flushes a line for each sample, and the front
    end wakes up for each: that doubles the CPU time of a lone request (loadtest/metrics_cost.py measures the rest).
    """
    host, declared = socket.gethostname(), {metric for metric in METRICS if _is_declared(metric, context.metrics)}

    def emit(samples: Iterable[MetricSample]) -> None:
        now = int(time.time())
        lines = [_line(sample, host, now) for sample in samples if sample.metric in declared]
        sys.stdout.write("".join(lines))
        sys.stdout.flush()

    return emit


def _is_declared(metric: Metric, known: MetricsCacheYamlImpl | None) -> bool:
    if known is None:  # outside a server
        return False
    try:
        names = known.get_metric(metric.name, MetricTypes(metric.kind)).dimension_names
    except MetricsCacheKeyError:
        names = []
    if names != ["model_name", "model_version", *metric.labels]:
        log.warning("%s is not exported: metrics_config does not declare it with its labels", metric.name)
        return False
    return True


def _line(sample: MetricSample, host: str, now: int) -> str:
    metric = sample.metric
    names = ("model_name", "model_version", *metric.labels)
    labels = ",".join(f"{name}:{value}" for name, value in zip(names, sample.labels, strict=True))
    kind = metric.kind.upper()
    return f"[METRICS]{metric.name}.{metric.unit}:{sample.value}|#{labels}|#type:{kind}|#hostname:{host},{now}\n"


def _is_describe(requests: Sequence[Request]) -> bool:
    """Whether this is TorchServe's own describe call, which is always alone in its batch and has no body.

    A client can send the header ``describe`` with a prediction; it has no meaning there.
    """
    first = requests[0]
    empty = not first.body and first.fields.keys() <= {"body"}
    return len(requests) == 1 and first.headers.get("describe") == "True" and empty
