"""What a server serves: models, versions, defaults and worker counts, in a file that outlives the server.

TorchServe forgets them when it ends. Its own snapshots are off: they hold all properties, and the newest one overrides
an edited config.properties. This file is the only record. A start passes it on as the property ``model_snapshot``, the
only one in which TorchServe 0.12 respects worker counts and the default version: ``models={...}`` is overridden by the
archive's ``model-config.yaml``.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from vqaops.errors import ServerError
from vqaops.files import replace_whole
from vqaops.store.archive import Archive
from vqaops.store.names import ModelName, VersionNumber
from vqaserve.validation import FrozenModel, describe_faults

Workers = Annotated[int, Field(ge=0)]


class ServedVersion(FrozenModel):
    """A version: its archive in the model store, and how many workers it gets."""

    archive: Annotated[str, Field(pattern=r"^[^/]+\.mar$")]
    sha256: str
    min_workers: Workers
    max_workers: Workers


class ServedModel(FrozenModel):
    """A model's versions, and the default, which answers requests that name no version."""

    default: VersionNumber
    versions: Mapping[VersionNumber, ServedVersion]

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        if self.default not in self.versions:
            raise ValueError(f"the default {self.default} is none of the versions")
        return self


class State(FrozenModel):
    """Everything that a server serves, from one model store."""

    store: Path
    models: Mapping[ModelName, ServedModel] = {}

    @classmethod
    def of(cls, archives: Sequence[Archive]) -> Self:
        """Each archive with its own settings; a model's first archive is its default version."""
        state = cls(store=archives[0].path.parent.resolve())
        for archive in archives:
            state = state.with_version(archive)
        return state

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The state in a file; None if there is no file yet.

        Raises:
            ServerError: The file is not a state.
        """
        try:
            return cls.model_validate_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ServerError(
                f"{path} is not a server's state ({describe_faults(cls, error)}); "
                "delete it, and start from the recipes: make serve"
            ) from None

    def write(self, path: Path) -> None:
        """Replace the file atomically, so that a crash leaves the old state or the new one."""
        replace_whole(path, json.dumps(self.model_dump(mode="json"), indent=2) + "\n")

    def archives(self) -> list[Archive]:
        """Every version's archive, each model's default first."""
        return [
            Archive(self.store / served.archive, name, version)
            for name, model in self.models.items()
            for version, served in sorted(model.versions.items(), key=lambda pair: pair[0] != model.default)
        ]

    def version(self, name: str, version: str) -> ServedVersion | None:
        """What is recorded about a version; None if it is not served."""
        model = self.models.get(name)
        return model.versions.get(version) if model else None

    def default(self, name: str) -> str | None:
        """The default that is recorded for a model; None if the model is not served."""
        return self.models[name].default if name in self.models else None

    def with_version(self, archive: Archive) -> Self:
        """The state with an archive added; the model's default stays, unless the model is new."""
        settings = archive.settings
        served = ServedVersion(
            archive=archive.path.name,
            sha256=archive.sha256,
            min_workers=settings.minWorkers,
            max_workers=settings.maxWorkers,
        )
        model = self.models.get(archive.name)
        default, others = (model.default, model.versions) if model else (archive.version, {})
        return self._with(archive.name, ServedModel(default=default, versions={**others, archive.version: served}))

    def with_recipe(self, archive: Archive) -> Self:
        """The state for ``make serve``: a version that is not served yet replaces the model's other versions.

        A version that is served keeps its place, as the default or not, so that a restart undoes no rollback.
        """
        served = self.version(archive.name, archive.version)
        if served is None:
            others = {name: model for name, model in self.models.items() if name != archive.name}
            return self.model_copy(update={"models": others}).with_version(archive)
        return self if served.sha256 == archive.sha256 else self.with_version(archive)

    def with_default(self, name: str, version: str) -> Self:
        """The state with another default version."""
        return self._with(name, self.models[name].model_copy(update={"default": version}))

    def with_workers(self, name: str, version: str, least: int, most: int) -> Self:
        """The state with other worker counts for a version."""
        model = self.models[name]
        scaled = model.versions[version].model_copy(update={"min_workers": least, "max_workers": most})
        return self._with(name, model.model_copy(update={"versions": {**model.versions, version: scaled}}))

    def without(self, name: str, version: str) -> Self:
        """The state without a version; the highest remaining one replaces a removed default."""
        model = self.models[name]
        left = {one: served for one, served in model.versions.items() if one != version}
        if left:
            default = model.default if model.default in left else max(left, key=version_order)
            return self._with(name, ServedModel(default=default, versions=left))
        return self.model_copy(update={"models": {one: kept for one, kept in self.models.items() if one != name}})

    def check(self) -> None:
        """Refuse archives that are missing or have changed since they were registered.

        Raises:
            ServerError: One is; the message says what to do.
        """
        for name, model in self.models.items():
            for version, served in model.versions.items():
                path = self.store / served.archive
                if not path.exists():
                    raise ServerError(f"{path} is missing, and {name} {version} was served from it; restore it")
                found = Archive(path, name, version).sha256
                if found != served.sha256:
                    raise ServerError(
                        f"{path} has sha256 {found[:16]}..., and {name} {version} was registered with "
                        f"{served.sha256[:16]}...; restore that archive, or serve the new one: make serve"
                    )

    def snapshot(self) -> str:
        """The value of the property ``model_snapshot``.

        Raises:
            RecipeError: An archive cannot be read.
        """
        models = {
            name: {
                version: _snapshot(
                    Archive(self.store / served.archive, name, version), served, version == model.default
                )
                for version, served in model.versions.items()
            }
            for name, model in self.models.items()
        }
        return json.dumps({"name": "models.json", "modelCount": len(models), "models": models})

    def _with(self, name: str, model: ServedModel) -> Self:
        return self.model_copy(update={"models": {**self.models, name: model}})


def version_order(version: str) -> tuple[int, ...]:
    """The key by which versions are sorted: 1.10.0 comes after 1.9.0."""
    return tuple(int(part) for part in version.split("."))


def _snapshot(archive: Archive, served: ServedVersion, is_default: bool) -> dict[str, object]:
    settings = archive.settings
    return {
        "defaultVersion": is_default,
        "marName": served.archive,
        "minWorkers": served.min_workers,
        "maxWorkers": served.max_workers,
        "batchSize": settings.batchSize,
        "maxBatchDelay": settings.maxBatchDelay,
        "responseTimeout": settings.responseTimeout,
        "startupTimeout": settings.startupTimeout,
    }
