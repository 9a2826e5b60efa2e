"""The one class TorchServe finds in an archive; the only file that knows TorchServe."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ts.context import Context
from ts.metrics.metric_cache_errors import MetricsCacheKeyError
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes
from ts.service import Service

from vqaserve.logs import HarmlessFormatter, safe_id
from vqaserve.memory import Trimmer, trim
from vqaserve.metrics import METRICS, Emit, Metric, MetricSample
from vqaserve.pipeline import Pipeline
from vqaserve.settings import ModelConfig
from vqaserve.types import Model, Request

log = logging.getLogger(__name__)


class VqaHandler:
    """Hands a batch of requests to the pipeline, and its replies back, each with its own status."""

    def initialize(self, context: Context) -> None:
        """Load the archive that TorchServe has unpacked.

        Raises:
            RecipeError: The archive cannot be served; TorchServe logs it and tries again.
        """
        _quieten_worker()
        _receive_as_sent()
        properties = context.system_properties
        config = ModelConfig.parse(context.model_yaml_config)
        settings = config.handler
        if settings.device == "auto":
            gpu = properties.get("gpu_id")
            settings = settings.model_copy(update={"device": "cpu" if gpu is None else f"cuda:{gpu}"})
        manifest = context.manifest["model"]
        model = Model(name=manifest["modelName"], version=manifest["modelVersion"])
        folder = Path(properties["model_dir"])
        self._pipeline = Pipeline.load(folder, settings, model, _emitter(context), config.opening_seconds)
        self._trimmer = Trimmer()
        atexit.register(self._pipeline.close)  # the front end is gone: the worker ends by itself
        trim()
        log.info("%s %s is loaded on %s", model.name, model.version, settings.device)

    def handle(self, data: Sequence[Mapping[str, object]], context: Context) -> list[bytes]:
        """One encoded body for each request of a batch; status and content type go by the context."""
        requests = [_request(fields, context, index) for index, fields in enumerate(data)]
        if _is_describe(requests):
            return [self._pipeline.describe().body]
        replies = self._pipeline.answer(requests)
        self._trimmer.after_batch()
        for index, reply in enumerate(replies):
            context.set_response_status(reply.status, HTTPStatus(reply.status).phrase, index)
            context.set_response_content_type(index, reply.content_type)
            for name, value in reply.headers.items():
                context.set_response_header(index, name, value)
        return [reply.body for reply in replies]


def _quieten_worker() -> None:
    """Keep out of the worker's output what costs each batch a line, and what the front end would take for its own."""
    # TorchServe's worker logs a line for each batch on the root logger; only warnings pass there now.
    logging.getLogger().addFilter(lambda record: record.levelno >= logging.WARNING)
    logging.getLogger("ts.metrics").setLevel(logging.WARNING)  # PredictionTime; vqa_batch_seconds says more
    for handler in logging.getLogger().handlers:
        handler.setFormatter(HarmlessFormatter("%(message)s"))


def _receive_as_sent() -> None:
    """Let TorchServe's worker pass on bodies as they were sent.

    The worker would decode JSON and text itself, with UTF-8 for every charset and the last of two equal names. Of form
    fields that have the same name it keeps the last value too (``Service.retrieve_data_for_inference``, which has no
    switch); their names are kept here, so that the client is told.
    """
    os.environ["TS_DECODE_INPUT_REQUEST"] = "false"  # read for each request
    Service.retrieve_data_for_inference = staticmethod(_retrieve)


_retrieve_from_torchserve = Service.retrieve_data_for_inference
_REPEATED = "\0repeated"
"""Under it among the fields stand the names that came more than once; no client's field can have this name."""


def _retrieve(batch: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[dict[str, object]], dict[int, str]]:
    processors, inputs, ids = _retrieve_from_torchserve(batch)
    for request, fields in zip(batch, inputs, strict=True):
        names = [parameter["name"] for parameter in request["parameters"]]
        if len(names) > len(set(names)):
            fields[_REPEATED] = tuple(name for name, count in Counter(names).items() if count > 1)
    return processors, inputs, ids


def _request(fields: Mapping[str, object], context: Context, index: int) -> Request:
    # A form's parts are among them under their names, each with a mapping of its own headers: no header of the request.
    given = context.get_all_request_header(index).items()
    headers = {str(name).lower(): value for name, value in given if isinstance(value, str)}
    client_id = safe_id(headers.get("x-request-id", ""))
    repeated = fields.get(_REPEATED)
    sent = {name: value for name, value in fields.items() if name != _REPEATED}
    return Request(
        context.get_request_id(index) or "", sent, headers, client_id, repeated if isinstance(repeated, tuple) else ()
    )


def _emitter(context: Context) -> Emit:
    """Samples -> the lines on standard output from which TorchServe's front end counts.

    Written here and all at once: `context.metrics` writes and flushes a line for each sample, and the front end wakes
    up for each, which costs a lone request twice the CPU time (what is left of it: loadtest/metrics_cost.py).
    """
    host, declared = socket.gethostname(), {metric for metric in METRICS if _is_declared(metric, context.metrics)}

    def emit(samples: Iterable[MetricSample]) -> None:
        now = int(time.time())
        lines = [_line(sample, host, now) for sample in samples if sample.metric in declared]
        sys.stdout.write("".join(lines))
        sys.stdout.flush()

    return emit


def _is_declared(metric: Metric, known: MetricsCacheYamlImpl | None) -> bool:
    if known is None:  # not in a server
        return False
    try:
        names = known.get_metric(metric.name, MetricTypes(metric.kind)).dimension_names
    except MetricsCacheKeyError:
        names = []
    if names != ["model_name", "model_version", *metric.labels]:
        log.warning("%s is not counted: metrics_config declares it otherwise, or not at all", metric.name)
        return False
    return True


def _line(sample: MetricSample, host: str, now: int) -> str:
    metric = sample.metric
    names = ("model_name", "model_version", *metric.labels)
    labels = ",".join(f"{name}:{value}" for name, value in zip(names, sample.labels, strict=True))
    kind = metric.kind.upper()
    return f"[METRICS]{metric.name}.{metric.unit}:{sample.value}|#{labels}|#type:{kind}|#hostname:{host},{now}\n"


def _is_describe(requests: Sequence[Request]) -> bool:
    """Whether this is TorchServe's own describe call: always alone and without a body.

    A client can send the header ``describe`` with a prediction too; it means nothing there.
    """
    first = requests[0]
    empty = not first.body and first.fields.keys() <= {"body"}
    return len(requests) == 1 and first.headers.get("describe") == "True" and empty
