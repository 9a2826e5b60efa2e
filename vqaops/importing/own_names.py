"""The names that the tensors of a Hugging Face folder have in their model, without what wrappers put before them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch

from vqaops.importing.prefixes import is_average, strip_prefixes, strip_wrappers
from vqaserve.errors import RecipeError

_HOLDERS: Final = frozenset({"model", "net", "network", "module"})
"""Attributes in which trainers such as Lightning's keep the model."""

_NOTHING: Final = torch.empty(0)


@dataclass(frozen=True)
class OwnNames:
    """Names of the tensors of a folder with ``config.json``; a folder without one has no names but those it shows."""

    folder: Path

    def of(self, names: Collection[str]) -> Mapping[str, str]:
        """The name in the model of each tensor, by its name in the file; a running average beside the weights has none.

        Args:
            names: All names in one file, or in an index of files.

        Raises:
            RecipeError: Two tensors would get the same name.
        """
        tensors = dict.fromkeys(names, _NOTHING)
        stripped = strip_wrappers(tensors)
        first = {name.partition(".")[0] for name in stripped.tensors}
        held = all(word in _HOLDERS or is_average((word,)) for word in first)
        if names and held and not first & self._roots:
            stripped = strip_prefixes(tensors, self._roots)
        return {name: own for own, name in stripped.file_names.items()}

    @cached_property
    def _roots(self) -> frozenset[str]:
        """First parts of the names in the folder's class of model, which is made without values."""
        import transformers  # takes seconds, and is optional

        from vqaserve.families.hf_folder import errors_in_one_line, read_config

        try:
            config = read_config(self.folder)
            kind: Any = getattr(transformers, (config.architectures or [""])[0], None)
            if kind is None:
                return frozenset()
            with errors_in_one_line(self.folder), torch.device("meta"):
                return frozenset(name.partition(".")[0] for name in kind(config).state_dict())
        except RecipeError:  # the build tells what is wrong with the folder
            return frozenset()
