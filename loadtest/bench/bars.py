"""What a run is held to, each with its figure and, where it is missed, what holds it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from loadtest.bench.measuring import OTHERS, Agreement, Measured, closed_name, floor_name, twin_name
from loadtest.bench.turns import Total


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table.

    Attributes:
        what: In words.
        value: As measured.
        bar: What it should be.
        passed: None where a run cannot show it: on another kind of machine, or with these questions.
        reason: The figures behind it; of a missed bar, where the rest goes.
    """

    what: str
    value: str
    bar: str
    passed: bool | None
    reason: str

    @property
    def verdict(self) -> str:
        return {True: "pass", False: "missed", None: "not shown"}[self.passed]


def bars_of(results: Mapping[str, Measured]) -> list[Bar]:
    """The bars of the models that were measured."""
    bars: list[Bar] = []
    for name, measured in results.items():
        bars += {"vilt": _vilt, "rooms": _rooms, "shapes": _shapes}.get(name, lambda _: iter(()))(measured)
        bars.append(_zipf(measured))
        bars.append(_right(measured))
    return bars


def _vilt(measured: Measured) -> Iterator[Bar]:
    unique, floor = _unique(measured), measured.floor
    busy = measured.plan.busy
    yield _share_of_floor("vilt", unique, floor, 0.92)
    if others := measured.totals.get(OTHERS):
        yield _against_others("vilt", unique, others)
    if measured.agreement is not None:
        yield as_fp32("vilt", measured.agreement)
    alone, once = measured.totals[closed_name("unique", 1)], measured.totals[floor_name(1)]
    ratio = alone.percentile_ms(50) / once.percentile_ms(50)
    yield Bar(
        "vilt, 1 connection: p50 / the floor's at batch 1",
        f"{ratio:.2f}",
        "<= 1.25",
        ratio <= 1.25,
        f"{alone.percentile_ms(50):.1f} ms against {once.percentile_ms(50):.1f}",
    )
    if slow := measured.totals.get(twin_name("fp32", busy)):
        bf16 = measured.totals.get(twin_name("bf16", busy), unique)
        ratio = slow.cpu_ms / bf16.cpu_ms
        amx = bool(torch.cpu.get_capabilities().get("amx_bf16"))
        yield Bar(
            "vilt: CPU of the same server in fp32 / in bf16",
            f"{ratio:.2f}",
            ">= 3 (CPUs with AMX)",
            ratio >= 3 if amx or ratio >= 3 else None,
            f"{slow.cpu_ms:.0f} ms against {bf16.cpu_ms:.0f}" + ("" if amx else "; this CPU has no AMX"),
        )


def _rooms(measured: Measured) -> Iterator[Bar]:
    unique, chat = _unique(measured), measured.totals[closed_name("chat", measured.plan.busy)]
    yield _share_of_floor("rooms", unique, measured.floor, 0.75)
    ratio = chat.rate / unique.rate
    yield Bar(
        f"rooms, {measured.plan.busy} connections: answers/s of chat / of unique",
        f"{ratio:.2f}",
        ">= 2.0",
        ratio >= 2.0,
        f"{chat.rate:.1f} against {unique.rate:.1f}; an answer takes {chat.cpu_ms:.1f} ms of CPU against "
        f"{unique.cpu_ms:.1f}",
    )
    if measured.worker_seconds and measured.start_seconds:
        ready = max(measured.worker_seconds)
        yield Bar(
            "rooms: seconds from a worker's start to its readiness",
            f"{ready:.1f}",
            "<= 5",
            ready <= 5,
            f"{len(measured.worker_seconds)} workers together; the last {measured.start_seconds:.1f} s after Java",
        )
    largest = max(measured.memory, key=lambda memory: memory.resident)
    yield Bar(
        "rooms: resident MB of a worker and the process that opens its pictures",
        f"{largest.resident:.0f}",
        "<= 450",
        largest.resident <= 450,
        f"of which their own: {largest.own:.0f}; the rest is code that processes share, counted in each",
    )


def _shapes(measured: Measured) -> Iterator[Bar]:
    # Of the loops, the busiest: its batches are the nearest to the floor's, and what batching saves is no overhead.
    lanes = max(measured.plan.connections)
    busiest, unique, floor = measured.totals[closed_name("unique", lanes)], _unique(measured), measured.floor
    overhead, small = busiest.cpu_ms - floor.cpu_ms, measured.totals[floor_name(4)].cpu_ms
    yield Bar(
        f"{unique_label('shapes', busiest)}: CPU ms of a request with a 60 kB JPEG, beyond the floor's",
        f"{overhead:.2f}",
        "<= 1.5",
        overhead <= 1.5,
        f"{busiest.cpu_ms:.2f} ms (Java {busiest.java_ms:.2f}, batches of {busiest.batch or 0:.1f}) against "
        f"{floor.cpu_ms:.2f} ({floor.name.removeprefix('floor, ')}); at {measured.plan.busy} connections "
        f"{unique.cpu_ms - floor.cpu_ms:.2f} (Java {unique.java_ms:.2f}, batches of {unique.batch or 0:.1f}: of 4 the "
        f"floor itself takes {small:.2f})",
    )


def _zipf(measured: Measured) -> Bar:
    unique, zipf = _unique(measured), measured.totals[closed_name("zipf", measured.plan.busy)]
    ratio = zipf.rate / unique.rate
    return Bar(
        f"{measured.name}, {measured.plan.busy} connections: answers/s of zipf / of unique",
        f"{ratio:.2f}",
        ">= 3",
        ratio >= 3,
        f"{zipf.rate:.1f} against {unique.rate:.1f}; {zipf.cpu_ms:.2f} ms of CPU against {unique.cpu_ms:.2f}, "
        f"Java's part of it {zipf.java_ms:.2f}",
    )


def _right(measured: Measured) -> Bar:
    """No bar of speed counts if the answers are other ones."""
    loops = [total for total in measured.totals.values() if total.judged and "twin" not in total.name]
    wrong, answers = sum(total.wrong for total in loops), sum(total.answers for total in loops)
    refused = sum(sum(total.refused.values()) for total in loops)
    return Bar(
        f"{measured.name}: answers that are not the floor's",
        f"{wrong}",
        "0",
        wrong == 0,
        f"of {answers:,}; {sum(total.ties for total in loops)} ties, {refused} refused",
    )


def _against_others(name: str, unique: Total, others: Total) -> Bar:
    ratio = unique.cpu_ms / others.cpu_ms
    return Bar(
        f"{unique_label(name, unique)}: server CPU / others' road (eager bf16, padded to 40)",
        f"{ratio:.2f}",
        "<= 0.70",
        ratio <= 0.70,
        f"{unique.cpu_ms:.1f} ms against {others.cpu_ms:.1f}; Java's part of it {unique.java_ms:.2f}",
    )


def as_fp32(name: str, agreement: Agreement) -> Bar:
    """Whether an arithmetic keeps the answers, which its speed is worth nothing without."""
    return Bar(
        f"{name}: answers that are fp32's",
        f"{agreement.share:.2%}",
        ">= 99 % of pairs that nothing was fitted to",
        agreement.share >= 0.99,
        f"{agreement.same} of {agreement.pairs} pairs of held-out shots; the last layer was fitted to other shots of "
        "the same photographs",
    )


def _share_of_floor(name: str, unique: Total, floor: Total, bar: float) -> Bar:
    share = round(floor.cpu_ms / unique.cpu_ms, 2)  # the bars have two digits
    return Bar(
        f"{unique_label(name, unique)}: floor CPU / server CPU",
        f"{share:.2f}",
        f">= {bar:.2f}",
        share >= bar,
        f"{floor.cpu_ms:.1f} ms ({floor.name.removeprefix('floor, ')}) against {unique.cpu_ms:.1f}; "
        f"beyond the floor: Java {unique.java_ms:.2f}, workers {unique.workers_ms - floor.cpu_ms:.2f}",
    )


def unique_label(name: str, unique: Total) -> str:
    return f"{name}, {unique.name}"


def _unique(measured: Measured) -> Total:
    return measured.totals[closed_name("unique", measured.plan.busy)]
