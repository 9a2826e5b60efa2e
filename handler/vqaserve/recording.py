"""What a worker records of each batch: metrics for Prometheus and, if the recipe enables it, the prediction log."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from vqaserve.deadline import start_time
from vqaserve.exchange import Exchange
from vqaserve.metrics import BatchReport, Emit, MetricsRecorder
from vqaserve.prediction_log import PredictionRecord, PredictionWriter
from vqaserve.settings import HandlerSettings
from vqaserve.types import Model, Reply

log = logging.getLogger(__name__)


class BatchRecorder:
    """Records answered batches; a failure to record is logged and never fails an answer."""

    def __init__(self, settings: HandlerSettings, model: Model, emit: Emit) -> None:
        """Open the prediction log if the recipe enables it.

        Raises:
            RecipeError: There is no folder for the prediction log, or it cannot be made.
        """
        self._settings = settings
        self._metrics = MetricsRecorder(model, emit)
        self._predictions = (
            PredictionWriter(settings.prediction_log, model) if settings.prediction_log.enabled else None
        )

    def record_start(self, runtime: str, precision: str, chosen_by: str) -> None:
        """Record that the worker has loaded its model, how it computes, and who chose that (``Choice.source``)."""
        self._metrics.record_start(self._settings.task, self._settings.family, runtime, precision, chosen_by)

    def record(
        self,
        exchanges: Sequence[Exchange],
        replies: Sequence[Reply],
        arrived: float,
        seconds: Mapping[str, float],
        caches: Mapping[str, Mapping[str, int]],
        first_texts: Mapping[int, float],
    ) -> None:
        """Record a batch.

        Args:
            exchanges: The requests of the batch, with their finished items.
            replies: The reply to each.
            arrived: Unix time at which the worker got the batch.
            seconds: Time spent in each stage.
            caches: Counters of each cache since the worker started.
            first_texts: Unix time of the first text of each stream, by place.
        """
        try:
            self._log_predictions(exchanges, 1000 * sum(seconds.values()))
            starts = [start_time(exchange.request.headers) for exchange in exchanges]
            self._metrics.record_batch(
                BatchReport(
                    outcomes=[exchange.outcome(reply) for exchange, reply in zip(exchanges, replies, strict=True)],
                    waited=[arrived - start for start in starts if start is not None],
                    items=[item for exchange in exchanges for item in exchange.items],
                    seconds=seconds,
                    caches=caches,
                    first_texts=[time - (starts[place] or arrived) for place, time in first_texts.items()],
                    dropped=self._predictions.take_dropped() if self._predictions else 0,
                )
            )
        except Exception:
            log.exception("a batch of %d requests was answered but not recorded", len(exchanges))

    def close(self) -> None:
        """Write the lines that the prediction log still holds in memory."""
        if self._predictions:
            self._predictions.close()

    def _log_predictions(self, exchanges: Sequence[Exchange], milliseconds: float) -> None:
        if self._predictions:
            self._predictions.write(
                PredictionRecord.of(exchange.request, item, milliseconds)
                for exchange in exchanges
                for item in exchange.logged_items
            )
