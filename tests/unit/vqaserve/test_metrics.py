"""The samples that the pipeline emits for a batch."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.support.pictures import as_base64, encoded
from vqaops.paths import DEPLOY
from vqaserve.metrics import METRICS, MetricSample, Stopwatch
from vqaserve.pipeline import Pipeline
from vqaserve.settings import HandlerSettings
from vqaserve.types import Model, Reply, Request


class Counted:
    """A pipeline with the dummy family, and the samples that it emitted."""

    def __init__(self, **settings: object) -> None:
        self.samples: list[MetricSample] = []
        given = HandlerSettings(version="1.0.0", family="dummy", **settings)
        self.pipeline = Pipeline.load(Path(), given, Model("dummy", "1.0.0"), self.samples.extend)

    def ask(self, *bodies: object, headers: dict[str, str] | None = None) -> list[Reply]:
        self.samples.clear()
        return self.pipeline.answer(
            [Request(f"r{at}", {"body": body}, headers or {}) for at, body in enumerate(bodies)]
        )

    def of(self, name: str) -> dict[tuple[str, ...], float]:
        """Values by labels, without the model's."""
        return {one.labels[2:]: one.value for one in self.samples if one.metric.name == name}


def question(text: str = "what?", image: bytes | None = None) -> dict[str, object]:
    return {"image": as_base64(image or encoded()), "question": text}


def test_torchserves_metrics_file_declares_exactly_these_metrics():
    declared = yaml.safe_load((DEPLOY / "monitoring" / "metrics.yaml").read_text(encoding="utf-8"))
    ours = {
        (one["name"], kind, one["unit"], tuple(one["dimensions"]))
        for kind, metrics in declared["model_metrics"].items()
        for one in metrics
    }
    assert ours == {(one.name, one.kind, one.unit, ("model_name", "model_version", *one.labels)) for one in METRICS}


def test_each_sample_has_a_value_for_each_label_starting_with_model_and_version():
    counted = Counted()
    counted.ask(question(), question("again?"), "junk", headers={"x-request-start": f"t={time.time()}"})
    assert len(counted.samples) > 10
    for sample in counted.samples:
        assert len(sample.labels) == 2 + len(sample.metric.labels)
        assert sample.labels[:2] == ("dummy", "1.0.0")


def test_a_loaded_worker_emits_its_start_and_its_model():
    counted = Counted()
    assert counted.of("vqa_worker_starts_total") == {(): 1}
    assert counted.of("vqa_model_info") == {("visual_question_answering", "dummy", "torch", "fp32", "recipe"): 1}


def test_requests_are_counted_by_the_type_in_their_errors_body():
    counted = Counted()
    broken = {"image": as_base64(b"junk"), "question": "what?"}
    replies = counted.ask(question(), question(), broken, question(""), {"nonsense": 1})
    types = [json.loads(reply.body).get("type", "ok") for reply in replies]
    assert types == ["ok", "ok", "InvalidImage", "InvalidQuestion", "BadRequest"]
    assert counted.of("vqa_requests_total") == {
        ("ok",): 2,
        ("InvalidImage",): 1,
        ("InvalidQuestion",): 1,
        ("BadRequest",): 1,
    }


def test_a_request_with_one_good_question_of_two_is_ok():
    counted = Counted()
    counted.ask({"image": as_base64(encoded()), "questions": ["what?", ""]})
    assert counted.of("vqa_requests_total") == {("ok",): 1}
    assert sum(counted.of("vqa_answers_total").values()) == 1


def test_stages_add_up_to_the_batch():
    counted = Counted()
    counted.ask(question(), question("again?"))
    stages = counted.of("vqa_stage_seconds")
    assert stages.keys() == {("parse",), ("open",), ("encode",), ("forward",), ("decode",), ("reply",)}
    assert counted.of("vqa_batch_seconds")[()] == pytest.approx(sum(stages.values()))
    assert counted.of("vqa_batch_size") == {(): 2}


def test_a_cached_answer_is_a_hit_and_runs_no_model():
    counted = Counted()
    counted.ask(question())
    assert counted.of("vqa_cache_requests_total") == {("features", "miss"): 1, ("answers", "miss"): 1}
    counted.ask(question(), question("another?"))
    assert counted.of("vqa_cache_requests_total") == {
        ("answers", "hit"): 1,
        ("answers", "miss"): 1,
        ("features", "hit"): 1,
    }
    counted.ask(question())
    assert ("forward",) not in counted.of("vqa_stage_seconds")


def test_confidences_are_counted_by_tenths():
    counted = Counted()
    counted.ask(question(), question("another?"))  # the weightless family is always half sure
    assert counted.of("vqa_answers_total") == {("0.5",): 2}
    assert counted.of("vqa_answer_confidence_total") == {(): 1.0}


def test_answers_below_the_recipes_threshold_are_marked_and_counted():
    sure, unsure = Counted(abstain_below=0.5), Counted(abstain_below=0.51)
    (plain,), (marked,) = sure.ask(question()), unsure.ask(question())
    assert "abstained" not in json.loads(plain.body)
    assert json.loads(marked.body)["abstained"] is True
    assert json.loads(marked.body)["answer"] == json.loads(plain.body)["answer"]
    assert sure.of("vqa_answers_abstained_total") == {}
    assert unsure.of("vqa_answers_abstained_total") == {(): 1}


def test_no_label_contains_client_input():
    counted = Counted()
    counted.ask(question("secret words?"), {"secret": "secret"})
    assert not [one for one in counted.samples if "secret" in "".join(one.labels)]


def test_a_batch_is_answered_even_if_it_cannot_be_recorded(caplog: pytest.LogCaptureFixture):
    def refuse(samples: Sequence[MetricSample]) -> None:
        if next(iter(samples)).metric.name == "vqa_requests_total":
            raise BrokenPipeError

    settings = HandlerSettings(version="1.0.0", family="dummy")
    pipeline = Pipeline.load(Path(), settings, Model("dummy", "1.0.0"), refuse)
    (reply,) = pipeline.answer([Request("r", {"body": question()})])
    assert reply.status == 200
    assert "answered but not recorded" in caplog.text


def test_the_longest_wait_since_a_proxy_received_a_request_is_emitted():
    counted, now = Counted(), time.time()
    starts = [f"t={now - 0.5:.3f}", f"t={now - 2:.3f}", "yesterday", "t=1", f"t={now + 3600:.3f}"]
    counted.pipeline.answer([Request("r", {"body": question()}, {"x-request-start": start}) for start in starts])
    assert counted.of("vqa_queue_seconds") == {(): pytest.approx(2, abs=0.5)}


def test_without_a_plausible_start_time_no_wait_is_emitted():
    counted = Counted()
    counted.ask(question(), headers={"x-request-start": "t=1"})
    assert counted.of("vqa_queue_seconds") == {}


def test_the_time_of_a_failing_stage_is_counted():
    stopwatch = Stopwatch()
    with pytest.raises(ValueError, match="no"), stopwatch("open"):
        raise ValueError("no")
    assert stopwatch.take().keys() == {"open"}
    assert stopwatch.take() == {}
