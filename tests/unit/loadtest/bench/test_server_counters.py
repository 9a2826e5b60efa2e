from __future__ import annotations

from loadtest.bench.server_counters import BATCHES, QUEUE, TORCHSERVE, counted_between, parse_counters

TEXT = """\
# HELP ts_queue_latency_microseconds Cumulative queue duration in microseconds
# TYPE ts_queue_latency_microseconds counter
ts_queue_latency_microseconds{model_name="rooms",model_version="default",hostname="one",} 1500000.0
ts_queue_latency_microseconds{model_name="shapes",model_version="default",hostname="one",} 500000.0
# HELP ts_inference_latency_microseconds Cumulative inference duration in microseconds
# TYPE ts_inference_latency_microseconds counter
ts_inference_latency_microseconds{model_name="rooms",model_version="default",hostname="one",} 9000000.0
# HELP vqa_stage_seconds Torch metric
# TYPE vqa_stage_seconds histogram
vqa_stage_seconds_bucket{stage="forward",Level="Model",le="+Inf",} 4.0
vqa_stage_seconds_count{stage="forward",Level="Model",} 4.0
vqa_stage_seconds_sum{stage="forward",Level="Model",} 2.0
vqa_stage_seconds_count{stage="open",Level="Model",} 4.0
vqa_stage_seconds_sum{stage="open",Level="Model",} 0.25
# TYPE vqa_batch_seconds histogram
vqa_batch_seconds_count{Level="Model",} 5.0
vqa_batch_seconds_sum{Level="Model",} 2.5
"""


def test_stages_are_seconds_of_all_models_together():
    assert parse_counters(TEXT) == {QUEUE: 2.0, TORCHSERVE: 9.0, "forward": 2.0, "open": 0.25, BATCHES: 5.0}


def test_a_server_without_the_handlers_metrics_still_has_torchserves_own():
    own = TEXT[: TEXT.index("# HELP vqa_stage")]
    assert parse_counters(own) == {QUEUE: 2.0, TORCHSERVE: 9.0}


def test_a_stage_that_is_new_counts_from_zero():
    assert counted_between({"forward": 2.0}, {"forward": 2.5, "open": 0.5}) == {"forward": 0.5, "open": 0.5}
