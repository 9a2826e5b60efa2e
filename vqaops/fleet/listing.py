"""What the machines of a fleet serve, side by side, and where their defaults differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.table import Table

from vqaops.errors import ServerError
from vqaops.fleet.machine import FAULTS, Look, Machine

_AT_ONCE = 16
"""Machines that are asked at the same time."""

Looks = Mapping[str, Look | str]
"""What each machine serves, by the machine's name; or why it does not say."""


def look_at_all(machines: Sequence[Machine]) -> Looks:
    """Ask all machines at once what they serve."""

    def look(machine: Machine) -> Look | str:
        try:
            return machine.look()
        except FAULTS as error:
            return str(error)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip([one.name for one in machines], pool.map(look, machines), strict=True))


def look_before(machines: Sequence[Machine]) -> dict[str, Look]:
    """As `look_at_all`, before anything is changed.

    Raises:
        ServerError: A machine does not answer.
    """
    looks = look_at_all(machines)
    if faults := [f"{name}: {look}" for name, look in looks.items() if isinstance(look, str)]:
        raise ServerError(
            f"{'; '.join(faults)}. Nothing was changed. Repair the machine, or take it out of the fleet's file"
        )
    return {name: look for name, look in looks.items() if not isinstance(look, str)}


def default_of(looks: Looks, model: str) -> dict[str, str | None]:
    """A model's default on each machine; None if the machine does not serve the model, or does not answer."""
    found: dict[str, str | None] = {}
    for name, look in looks.items():
        default = None if isinstance(look, str) else look.defaults.get(model)
        found[name] = default.version if default else None
    return found


def models(looks: Looks) -> list[str]:
    """The names of all models that a machine serves."""
    return sorted({model for look in looks.values() if isinstance(look, Look) for model in look.defaults})


def spread(looks: Looks, model: str) -> str:
    """Which machines have which default, as in ``1.1.0 on vqa-1, vqa-2; 1.0.0 on vqa-3``."""
    groups: dict[str, list[str]] = {}
    for machine, version in default_of(looks, model).items():
        unknown = "no answer" if isinstance(looks[machine], str) else "none"
        groups.setdefault(version or unknown, []).append(machine)
    return "; ".join(f"{version} on {', '.join(names)}" for version, names in groups.items())


def differ(looks: Looks, model: str) -> bool:
    """Whether the machines that answer have different defaults of a model."""
    answering = {name: look for name, look in looks.items() if isinstance(look, Look)}
    return len(set(default_of(answering, model).values())) > 1


def unrecorded(looks: Looks) -> list[str]:
    """A line for each default that a restart of its server would change."""
    return [
        f"{machine}: {model} {one.version} is not recorded as the default; a restart would make it {one.recorded}"
        for machine, look in looks.items()
        if isinstance(look, Look)
        for model, one in look.defaults.items()
        if one.recorded != one.version
    ]


def as_dict(looks: Looks) -> dict[str, Any]:
    """What each machine serves, for JSON."""
    return {
        name: {"error": one} if isinstance(one, str) else one.model_dump(mode="json") for name, one in looks.items()
    }


def table(looks: Looks) -> Table:
    """A row for each machine and model; the defaults that differ are red."""
    shown = Table(show_edge=False)
    for column in ("machine", "model", "default", "other versions"):
        shown.add_column(column)
    shown.add_column("workers ready", justify="right")
    for machine, look in looks.items():
        if isinstance(look, str):
            shown.add_row(machine, "-", "[red]no answer[/]", "-", "-")
            continue
        for model in models(looks):
            of_model = [one for one in look.versions if one.model == model]
            default = look.defaults[model].version if model in look.defaults else "none"
            others = [one.version for one in of_model if one.version != default]
            ready, workers = (sum(getattr(one, field) for one in of_model) for field in ("ready", "workers"))
            marked = f"[red]{default}[/]" if differ(looks, model) else default
            shown.add_row(machine, model, marked, ", ".join(others) or "-", f"{ready} of {workers}")
    return shown
