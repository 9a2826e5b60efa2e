"""The options of replicas, which several commands share."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from deploy.ray.scaling import Scaling, with_scaling_options

app = typer.Typer()
called: list[tuple[str, bool, Scaling]] = []


@app.command()
@with_scaling_options
def command(name: str, loud: bool = False, *, scaling: Scaling) -> None:
    called.append((name, loud, scaling))


def test_each_field_is_an_option_beside_the_commands_own():
    done = CliRunner().invoke(app, ["a", "--max-replicas", "4", "--loud", "--down-seconds", "2.5"])
    assert done.exit_code == 0, done.output
    assert called.pop() == ("a", True, Scaling(max_replicas=4, down_seconds=2.5))


def test_a_value_out_of_range_is_refused():
    for option, value in (("--min-replicas", "0"), ("--up-seconds", "nan"), ("--gpus", "-1")):
        done = CliRunner().invoke(app, ["a", option, value])
        assert done.exit_code == 2
        assert option in done.output
