"""Service levels: limits from a file, checked against the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, RootModel

from vqaserve.errors import RecipeError
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings

BREACHED = 3
"""Exit code; locust's own are 1 (failures) and 2 (usage)."""
_FORMAT = "a line is a user class with its limits, such as Chat: {p95: 3000, failure_ratio: 0.001}"


class UserLevels(FrozenModel):
    """The service levels of one user class. None sets no limit.

    Attributes:
        p95: Milliseconds that the 95th percentile of the response times may reach.
        p99: The same for the 99th percentile.
        failure_ratio: Share of the requests that may fail.
        throughput: Least number of requests per second.
    """

    p95: float | None = Field(None, gt=0)
    p99: float | None = Field(None, gt=0)
    failure_ratio: float | None = Field(None, ge=0, le=1)
    throughput: float | None = Field(None, ge=0)


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What was measured of one user class, in the units of ``UserLevels``."""

    p95: float
    p99: float
    failure_ratio: float
    throughput: float


@dataclass(frozen=True, slots=True)
class LevelCheck:
    """One limit, the figure, and whether the limit is kept."""

    user: str
    limit: str
    measured: float
    allowed: float
    kept: bool

    def __str__(self) -> str:
        word = "kept    " if self.kept else "BREACHED"
        sign = ">=" if self.limit == "throughput" else "<="
        return f"{word} {self.user:<15} {self.limit:<13} {self.measured:>10.4g} {sign} {self.allowed:g}"


def read_levels(file: Path) -> Mapping[str, UserLevels]:
    """Read the service levels of each user class.

    Raises:
        RecipeError: The file cannot be read, is not YAML, or holds something else.
    """
    schema = RootModel[dict[str, UserLevels]]
    try:
        return read_settings(schema, file).root
    except RecipeError as error:
        raise RecipeError(f"--slo {error}; {_FORMAT}") from None


def check_levels(
    measured: Mapping[str, LoadFigures], levels: Mapping[str, UserLevels], fixed_rate: bool
) -> list[LevelCheck]:
    """Check each limit of each user class that sent requests.

    Args:
        measured: By user class.
        levels: By user class.
        fixed_rate: Whether the rate was given. The throughput then says nothing about the server and is not checked.
    """
    checks = []
    for user, promised in levels.items():
        if user not in measured:
            continue
        for name, allowed in promised.model_dump(exclude_none=True).items():
            figure = getattr(measured[user], name)
            if name != "throughput":
                checks.append(LevelCheck(user, name, figure, allowed, figure <= allowed))
            elif not fixed_rate:
                checks.append(LevelCheck(user, name, figure, allowed, figure >= allowed))
    return checks
