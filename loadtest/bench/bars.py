"""The bars of a benchmark: the values that its figures should reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from loadtest.bench import classifier_recipe
from loadtest.bench.bench_result import Agreement, BenchResult
from loadtest.bench.results import WorkloadResult
from loadtest.bench.workloads import closed_name, eager_name, floor_name, twin_name
from loadtest.peers.known_peers import PEERS
from vqaserve.families.precision import multiplies_bf16


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        what: The ratio or figure, in words.
        value: As measured.
        bar: What it should be.
        passed: None where this run cannot show it, such as on another kind of machine.
        reason: The figures behind the value; for a missed bar, where the rest goes.
    """

    what: str
    value: str
    bar: str
    passed: bool | None
    reason: str

    @property
    def status(self) -> str:
        """``pass``, ``missed`` or ``not measured``."""
        return {True: "pass", False: "missed", None: "not measured"}[self.passed]


def bars_of(results: Mapping[str, BenchResult]) -> list[Bar]:
    """Return the bars of the models that were measured."""
    own: dict[str, Callable[[BenchResult], Iterator[Bar]]] = {
        "vilt": _vilt,
        "rooms": _rooms,
        "shapes": _shapes,
        classifier_recipe.NAME: _classifier,
    }
    bars: list[Bar] = []
    for name, result in results.items():
        bars += own[name](result) if name in own else ()
        bars += [_zipf(result), _correctness(result)]
    return bars


def _vilt(result: BenchResult) -> Iterator[Bar]:
    unique, busy = _unique(result), result.plan.busy
    yield _floor_share("vilt", unique, result, 0.92)
    yield from _against_eager(result)
    if result.agreement is not None:
        yield fp32_agreement("vilt", result.agreement)
    alone, floor = result.workloads[closed_name("unique", 1)], result.workloads[floor_name(1)]
    ratio = alone.percentile_ms(50) / floor.percentile_ms(50)
    yield Bar(
        "vilt, 1 connection: p50 / the floor's p50 at batch 1",
        f"{ratio:.2f}",
        "<= 1.25",
        ratio <= 1.25,
        f"{alone.percentile_ms(50):.1f} ms against {floor.percentile_ms(50):.1f}",
    )
    if fp32 := result.workloads.get(twin_name("fp32", busy)):
        bf16 = result.workloads.get(twin_name("bf16", busy), unique)
        ratio = fp32.cpu_ms / bf16.cpu_ms
        amx = bool(torch.cpu.get_capabilities().get("amx_bf16"))
        yield Bar(
            "vilt: CPU of the same server in fp32 / in bf16",
            f"{ratio:.2f}",
            ">= 3 (CPUs with AMX)",
            ratio >= 3 if amx or ratio >= 3 else None,
            f"{fp32.cpu_ms:.0f} ms against {bf16.cpu_ms:.0f}" + ("" if amx else "; this CPU has no AMX"),
        )


def _rooms(result: BenchResult) -> Iterator[Bar]:
    unique, chat = _unique(result), result.workloads[closed_name("chat", result.plan.busy)]
    yield _floor_share("rooms", unique, result, 0.85)
    ratio = chat.rate / unique.rate
    yield Bar(
        f"rooms, {result.plan.busy} connections: answers/s of chat / of unique",
        f"{ratio:.2f}",
        ">= 2.0",
        ratio >= 2.0,
        f"{chat.rate:.1f} against {unique.rate:.1f}; an answer takes {chat.cpu_ms:.1f} ms of CPU against "
        f"{unique.cpu_ms:.1f}",
    )
    if result.worker_seconds and result.start_seconds:
        slowest = max(result.worker_seconds)
        yield Bar(
            "rooms: seconds from a worker's start until it is ready",
            f"{slowest:.1f}",
            "<= 5",
            slowest <= 5,
            f"{len(result.worker_seconds)} workers at once; the last {result.start_seconds:.1f} s after Java's start",
        )
    largest = max(result.memory, key=lambda memory: memory.resident)
    yield Bar(
        "rooms: resident MB of a worker with its decoding process",
        f"{largest.resident:.0f}",
        "<= 400",
        largest.resident <= 400,
        f"{largest.own:.0f} MB are their own; the rest is code that processes share, counted in each",
    )


def _shapes(result: BenchResult) -> Iterator[Bar]:
    # The busiest loop: its batches are closest to the floor's, so that the difference is overhead and not batching.
    busiest = result.workloads[closed_name("unique", max(result.plan.connections))]
    unique, floor = _unique(result), result.floor
    small = result.workloads[floor_name(4, result.processes)].cpu_ms
    yield _floor_share("shapes", busiest, result, 0.60)
    overhead = busiest.cpu_ms - floor.cpu_ms
    yield Bar(
        f"shapes, {busiest.name}: CPU ms of a request with a 60 kB JPEG beyond the floor's",
        f"{overhead:.2f}",
        "<= 1.5",
        overhead <= 1.5,
        f"{busiest.cpu_ms:.2f} ms (Java {busiest.java_ms:.2f}, batches of {busiest.batch or 0:.1f}) against "
        f"{floor.cpu_ms:.2f} ({_batch_of(floor)}); at {result.plan.busy} connections "
        f"{unique.cpu_ms - floor.cpu_ms:.2f} (Java {unique.java_ms:.2f}, batches of {unique.batch or 0:.1f}; "
        f"in batches of 4 the floor itself takes {small:.2f})",
    )


def _classifier(result: BenchResult) -> Iterator[Bar]:
    """The goals that the picture app set itself: 30 pictures a second, 0.03 s each."""
    alone, floor = result.workloads[closed_name("unique", 1)], result.workloads[floor_name(1)]
    p50 = alone.percentile_ms(50)
    yield Bar(
        f"{result.name}, 1 connection: p50 ms",
        f"{p50:.1f}",
        "<= 33",
        p50 <= 33,
        f"the floor's at batch 1 is {floor.percentile_ms(50):.1f}",
    )
    if eight := result.workloads.get(closed_name("unique", 8)):
        yield Bar(
            f"{result.name}, 8 connections: pictures/s",
            f"{eight.rate:.1f}",
            ">= 30",
            eight.rate >= 30,
            f"{eight.cpu_ms:.1f} ms of CPU (Java {eight.java_ms:.2f}), the floor's {result.floor.cpu_ms:.1f}; "
            f"p95 {eight.percentile_ms(95):.0f} ms",
        )


def _zipf(result: BenchResult) -> Bar:
    unique, zipf = _unique(result), result.workloads[closed_name("zipf", result.plan.busy)]
    ratio = zipf.rate / unique.rate
    return Bar(
        f"{result.name}, {result.plan.busy} connections: answers/s of zipf / of unique",
        f"{ratio:.2f}",
        ">= 3",
        ratio >= 3,
        f"{zipf.rate:.1f} against {unique.rate:.1f}; {zipf.cpu_ms:.2f} ms of CPU (Java {zipf.java_ms:.2f}) against "
        f"{unique.cpu_ms:.2f}",
    )


def _correctness(result: BenchResult) -> Bar:
    """No other bar counts if the answers differ."""
    loops = [
        one
        for one in result.workloads.values()
        if one.from_server and "twin" not in one.name and "eager" not in one.name
    ]
    wrong, answers = sum(one.wrong for one in loops), sum(one.answers for one in loops)
    refused = sum(sum(one.refused.values()) for one in loops)
    return Bar(
        f"{result.name}: answers that differ from the floor's",
        f"{wrong}",
        "0",
        wrong == 0,
        f"of {answers:,}; {sum(one.ties for one in loops)} ties, {refused} refused",
    )


def _against_eager(result: BenchResult) -> Iterator[Bar]:
    """The bars against servers that use the model as its documentation shows, measured in turns with ours."""
    theirs = f"transformers computes in {'bf16' if multiplies_bf16() else 'fp32, because this CPU has no bf16'}"
    unique, alone = _unique(result), result.workloads[closed_name("unique", 1)]
    mosec = result.workloads.get(eager_name(PEERS["mosec"].title, result.plan.busy))
    what = f"vilt, {unique.name}"
    of_mosec = "mosec's with eager transformers"
    if mosec:
        cost, rate = round(unique.cpu_ms / mosec.cpu_ms, 2), round(unique.rate / mosec.rate, 2)
        figures = f"{unique.cpu_ms:.1f} ms (Java {unique.java_ms:.2f}) against {mosec.cpu_ms:.1f}; {theirs}"
        yield Bar(f"{what}: server CPU / {of_mosec}", f"{cost:.2f}", "<= 0.70", cost <= 0.7, figures)
        figures = f"{unique.rate:.1f} answers/s against {mosec.rate:.1f}; {theirs}"
        yield Bar(f"{what}: answers/s / {of_mosec}", f"{rate:.2f}", ">= 1.40", rate >= 1.4, figures)
    else:
        yield Bar(f"{what}: server CPU / {of_mosec}", "", "<= 0.70", None, PEERS["mosec"].advice)
    fastapi = result.workloads.get(eager_name(PEERS["fastapi"].title, 1))
    what = "vilt, 1 connection: p50 / FastAPI's with eager transformers"
    if fastapi:
        ours, other = alone.percentile_ms(50), fastapi.percentile_ms(50)
        ratio = round(ours / other, 2)
        yield Bar(what, f"{ratio:.2f}", "<= 0.80", ratio <= 0.8, f"{ours:.1f} ms against {other:.1f}; {theirs}")
    else:
        yield Bar(what, "", "<= 0.80", None, PEERS["fastapi"].advice)


def fp32_agreement(name: str, agreement: Agreement) -> Bar:
    """Return the bar of the share of answers that a lower precision leaves unchanged."""
    return Bar(
        f"{name}: answers equal to fp32's",
        f"{agreement.share:.2%}",
        ">= 99 % of held-out pairs",
        agreement.share >= 0.99,
        f"{agreement.same} of {agreement.pairs} pairs; the last layer was fitted to other shots of these photographs",
    )


def _floor_share(name: str, unique: WorkloadResult, result: BenchResult, bar: float) -> Bar:
    floor, lone = result.floor, result.lone_floor
    share = round(floor.cpu_ms / unique.cpu_ms, 2)  # the bars have two digits
    alone = f"; one process alone takes {lone.cpu_ms:.1f} ({lone.cpu_ms / unique.cpu_ms:.2f})" * (floor is not lone)
    return Bar(
        f"{name}, {unique.name}: floor CPU / server CPU",
        f"{share:.2f}",
        f">= {bar:.2f}",
        share >= bar,
        f"{floor.cpu_ms:.2f} ms ({_batch_of(floor)}) against {unique.cpu_ms:.2f}{alone}; "
        f"beyond the floor: Java {unique.java_ms:.2f}, workers {unique.workers_ms - floor.cpu_ms:.2f}",
    )


def _batch_of(floor: WorkloadResult) -> str:
    return floor.name.removeprefix("floor, ")


def _unique(result: BenchResult) -> WorkloadResult:
    return result.workloads[closed_name("unique", result.plan.busy)]
