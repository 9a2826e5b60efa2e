"""How many replicas a version has, and the options of the command line that say it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from vqaops.console import finite


@dataclass(frozen=True, slots=True)
class Scaling:
    """Replicas of a version; each field is an option of the commands that start one."""

    min_replicas: Annotated[int | None, typer.Option(min=1, help="Replicas without load; by default minWorkers.")] = (
        None
    )
    max_replicas: Annotated[int | None, typer.Option(min=1, help="Replicas under load; by default maxWorkers.")] = None
    up_seconds: Annotated[
        float, typer.Option(callback=finite, min=0.1, help="Seconds of load before there are more replicas.")
    ] = 5
    down_seconds: Annotated[
        float, typer.Option(callback=finite, min=0.1, help="Seconds without load before there are fewer.")
    ] = 120
    gpus: Annotated[float, typer.Option(callback=finite, min=0, help="GPUs of each replica.")] = 0


def with_scaling_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's keyword ``scaling`` by an option for each field of `Scaling`."""
    signature = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Scaling, include_extras=True)
    options = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(Scaling)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        command(scaling=Scaling(**{option.name: given.pop(option.name) for option in options}), **given)

    others = [one for name, one in signature.parameters.items() if name != "scaling"]
    run.__signature__ = signature.replace(parameters=[*others, *options])  # type: ignore[attr-defined]
    return run
