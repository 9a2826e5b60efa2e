"""The one class TorchServe finds in an archive; the only file that knows TorchServe."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from ts.context import Context

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
        # TorchServe's worker logs a line for each batch on the root logger; only warnings pass there now.
        logging.getLogger().addFilter(lambda record: record.levelno >= logging.WARNING)
        properties = context.system_properties
        settings = ModelConfig.parse(context.model_yaml_config).handler
        if settings.device == "auto":
            gpu = properties.get("gpu_id")
            settings = settings.model_copy(update={"device": "cpu" if gpu is None else f"cuda:{gpu}"})
        manifest = context.manifest["model"]
        model = Model(name=manifest["modelName"], version=manifest["modelVersion"])
        self._pipeline = Pipeline.load(Path(properties["model_dir"]), settings, model)
        log.info("%s %s is loaded on %s", model.name, model.version, settings.device)

    def handle(self, data: Sequence[Mapping[str, object]], context: Context) -> list[bytes]:
        """One encoded body for each request of a batch; status and content type go by the context."""
        requests = [_request(fields, context, index) for index, fields in enumerate(data)]
        if _is_describe(requests):
            return [self._pipeline.describe().body]
        replies = self._pipeline(requests)
        for index, reply in enumerate(replies):
            context.set_response_status(reply.status, HTTPStatus(reply.status).phrase, index)
            context.set_response_content_type(index, reply.content_type)
        return [reply.body for reply in replies]


def _request(fields: Mapping[str, object], context: Context, index: int) -> Request:
    headers = {str(name).lower(): value for name, value in context.get_all_request_header(index).items()}
    return Request(id=context.get_request_id(index) or "", fields=fields, headers=headers)


def _is_describe(requests: Sequence[Request]) -> bool:
    """Whether this is TorchServe's own describe call: always alone and without a body.

    A client can send the header ``describe`` with a prediction too; it means nothing there.
    """
    first = requests[0]
    empty = not first.body and first.fields.keys() <= {"body"}
    return len(requests) == 1 and first.headers.get("describe") == "True" and empty
