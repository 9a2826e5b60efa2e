"""The machines of a fleet, in a file such as ``fleet.yaml``; unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from vqaops.paths import ROOT, resolved
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings

MachineName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[][A-Za-z0-9_.@:%\[\]-]*$")]


class MachineSettings(FrozenModel):
    """One server of a fleet.

    Attributes:
        name: What reports call it.
        run: The server's run folder. It holds the addresses, the tokens, what is served from which model store, and the
            history. A relative path begins at the fleet's file, or with ``ssh`` at ``project``.
        ssh: Host for the command ``ssh``, as in ``vqa@vqa-1.lan``. Without it the server runs on this machine.
        project: This project's folder on that host, with its ``.venv``; by default as on this machine.
    """

    name: MachineName
    run: Path = Path("run")
    ssh: Host | None = None
    project: Path = ROOT


class FleetSettings(FrozenModel):
    """All machines, in the order in which they are changed.

    Attributes:
        machines: The machines; each name and each run folder appears once.
    """

    machines: Annotated[tuple[MachineSettings, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        for what, values in (
            ("name", [one.name for one in self.machines]),
            ("run folder", [f"{one.ssh or 'this machine'}:{one.run}" for one in self.machines]),
        ):
            if twice := next((value for value in values if values.count(value) > 1), None):
                raise ValueError(f"two machines have the {what} {twice}")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a YAML file.

        Raises:
            RecipeError: The file is missing, is not YAML, or does not validate.
        """
        settings = read_settings(cls, path)
        folder = resolved(path).parent
        machines = tuple(
            one if one.ssh else one.model_copy(update={"run": folder / one.run}) for one in settings.machines
        )
        return settings.model_copy(update={"machines": machines})
