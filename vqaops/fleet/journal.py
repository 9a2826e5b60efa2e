"""The journal of a fleet: which machines the latest change of a default version has done.

The machines themselves say what they serve. The journal adds what they cannot know: that a change was under way, where
it leads, and what each machine's default was before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError

from vqaops.errors import ServerError
from vqaops.files import replace_whole
from vqaops.store.names import ModelName, VersionNumber
from vqaserve.validation import FrozenModel, describe_faults

Action = Literal["promote", "rollback"]
StepState = Literal["waiting", "started", "done", "undone"]


class Step(FrozenModel):
    """A machine's part of a change.

    Attributes:
        before: Its default before the change.
        state: ``started`` is written before the machine is asked: whether it has changed is then to be looked up.
    """

    before: VersionNumber
    state: StepState = "waiting"


class Journal(FrozenModel):
    """One change of a model's default version.

    Attributes:
        action: What is done on each machine.
        model: The model.
        version: The version that becomes the default.
        steps: Each machine's part, by the machine's name.
        begun: When the change began, in UTC.
        undoing: Whether it is being taken back.
        ended: Whether it is over: done on every machine, or taken back on every machine.
    """

    action: Action
    model: ModelName
    version: VersionNumber
    steps: Mapping[str, Step]
    begun: datetime
    undoing: bool = False
    ended: bool = False

    @classmethod
    def begin(cls, action: Action, model: str, version: str, before: Mapping[str, str]) -> Self:
        """A change that no machine has begun.

        Args:
            action: What is done on each machine.
            model: The model.
            version: The version that becomes the default.
            before: Each machine's default now, by the machine's name.
        """
        steps = {name: Step(before=one) for name, one in before.items()}
        return cls(action=action, model=model, version=version, steps=steps, begun=datetime.now(UTC))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The journal in a file; None if there is no file.

        Raises:
            ServerError: The file is no journal.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ServerError(
                f"{path} is no journal of a fleet ({describe_faults(cls, error)}); "
                "make the defaults of the machines that list shows equal, then delete the file"
            ) from None

    @property
    def title(self) -> str:
        """What the change is called in messages."""
        goal = f"{self.model} to {self.version}" if self.action == "rollback" else f"{self.model} {self.version}"
        return f"{'undoing ' if self.undoing else ''}{self.action} {goal}"

    @property
    def touched(self) -> list[str]:
        """The machines that the change has changed, or may have."""
        return [
            name
            for name, step in self.steps.items()
            if step.state in {"started", "done"} and step.before != self.version
        ]

    def write(self, path: Path) -> Self:
        """Replace the file atomically; returns the journal."""
        replace_whole(path, self.model_dump_json(indent=2) + "\n")
        return self

    def with_step(self, name: str, state: StepState) -> Self:
        """The journal with another state of a machine."""
        step = self.steps[name].model_copy(update={"state": state})
        return self.model_copy(update={"steps": {**self.steps, name: step}})

    def with_machines(self, before: Mapping[str, str]) -> Self:
        """The journal for the fleet as it is now: machines that left it are dropped, and new ones wait.

        Args:
            before: Each machine's default now, by the machine's name.
        """
        steps = {name: self.steps.get(name, Step(before=one)) for name, one in before.items()}
        return self.model_copy(update={"steps": steps})
