"""Service levels: limits from a file, what was measured, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

BREACHED = 3
"""The exit code; locust's own are 1 (failures) and 2 (usage)."""


class Limits(BaseModel):
    """What one kind of user is promised; None is no promise.

    Attributes:
        p95: Milliseconds that 95 % of the requests may take at most.
        p99: The same for 99 %.
        failure_ratio: Share of the requests that may fail.
        throughput: Requests a second, at least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    p95: float | None = Field(None, gt=0)
    p99: float | None = Field(None, gt=0)
    failure_ratio: float | None = Field(None, ge=0, le=1)
    throughput: float | None = Field(None, ge=0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one kind of user, in the units of ``Limits``."""

    p95: float
    p99: float
    failure_ratio: float
    throughput: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One limit, what was measured, and whether it is kept."""

    kind: str
    limit: str
    measured: float
    allowed: float
    kept: bool

    def __str__(self) -> str:
        word = "kept    " if self.kept else "BREACHED"
        bound = ">=" if self.limit == "throughput" else "<="
        return f"{word} {self.kind:<15} {self.limit:<13} {self.measured:>10.4g} {bound} {self.allowed:g}"


def read_limits(file: Path) -> Mapping[str, Limits]:
    """The limits of each user kind.

    Raises:
        SystemExit: The file is missing or says something else than limits.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return RootModel[dict[str, Limits]].model_validate(content).root
    except (OSError, yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise SystemExit(f"--slo {file}: {reason}; see loadtest/slo.yaml") from None


def judge(measured: Mapping[str, Figures], limits: Mapping[str, Limits], fixed_rate: bool) -> list[Verdict]:
    """A verdict on each limit of each kind that asked anything.

    Args:
        measured: By user kind.
        limits: By user kind.
        fixed_rate: Whether the rate was given; then throughput is no merit of the server.
    """
    verdicts = []
    for kind, promised in limits.items():
        if kind not in measured:
            continue
        for name, allowed in promised.model_dump(exclude_none=True).items():
            figure = getattr(measured[kind], name)
            if name != "throughput":
                verdicts.append(Verdict(kind, name, figure, allowed, figure <= allowed))
            elif not fixed_rate:
                verdicts.append(Verdict(kind, name, figure, allowed, figure >= allowed))
    return verdicts
