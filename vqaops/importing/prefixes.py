"""Removal of the prefixes that wrappers add to the names of a model's tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from vqaserve.errors import RecipeError

_TRANSPARENT: Final = frozenset(
    {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "_module"}
)
"""Added by torch.compile, FSDP, activation checkpointing, Fabric and Opacus; no model has modules of these names."""

_PARALLEL: Final = "module"
"""Added by DataParallel, DDP and AveragedModel."""

_AVERAGES: Final = frozenset({"ema", "shadow", "averaged", "swa"})

NameParts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stripped:
    """Tensors under their model's own names.

    Attributes:
        tensors: By name.
        file_names: The original name of each.
        passed_over: Descriptions of tensors that are not the model's, such as a running average.
    """

    tensors: Mapping[str, Tensor]
    file_names: Mapping[str, str]
    passed_over: tuple[str, ...] = ()


def strip_wrappers(tensors: Mapping[str, Tensor]) -> Stripped:
    """Remove the prefixes of torch.compile, FSDP and DataParallel from the names of any model.

    Raises:
        RecipeError: Two tensors would get the same name.
    """
    names = {name: _opened(name) for name in tensors}
    while names and all(words[:1] == (_PARALLEL,) and len(words) > 1 for words in names.values()):
        names = {name: words[1:] for name, words in names.items()}
    return _renamed(tensors, names)


def strip_prefixes(tensors: Mapping[str, Tensor], roots: Collection[str]) -> Stripped:
    """Remove everything before a model's own names.

    Args:
        tensors: The tensors by name.
        roots: First parts of the model's own names.

    Raises:
        RecipeError: Two tensors would get the same name.
    """
    groups: dict[NameParts, list[str]] = defaultdict(list)
    own: dict[str, NameParts] = {}
    for name in tensors:
        words = _opened(name)
        start = next((place for place, word in enumerate(words) if word in roots), None)
        if start is not None:
            groups[words[:start]].append(name)
            own[name] = tuple(word for word in words[start:] if word != _PARALLEL)
    if not groups:
        return strip_wrappers(tensors)
    main = max(groups, key=lambda prefix: (not is_average(prefix), len(groups[prefix])))
    dropped = [name for prefix, names in groups.items() if prefix != main and is_average(prefix) for name in names]
    for name in tensors.keys() - own.keys():  # not the model's, by their names
        words = _opened(name)
        if words[: len(main)] == main:
            own[name] = words[len(main) :]
        else:
            dropped.append(name)
    kept = {name: own[name] for name in tensors if name in own and name not in dropped}
    return _renamed(tensors, kept, _counted(dropped))


def _opened(name: str) -> NameParts:
    return tuple(word for word in name.split(".") if word not in _TRANSPARENT)


def is_average(prefix: NameParts) -> bool:
    """Whether a prefix says that the tensors are a running average of the weights."""
    return any(part in _AVERAGES for word in prefix for part in word.lower().split("_"))


def _renamed(tensors: Mapping[str, Tensor], names: Mapping[str, NameParts], dropped: Iterable[str] = ()) -> Stripped:
    """Rename the tensors.

    Raises:
        RecipeError: Two tensors would get the same name.
    """
    file_names: dict[str, str] = {}
    for name, words in names.items():
        plain = ".".join(words)
        if plain in file_names:
            raise RecipeError(
                f"without their prefixes, the tensors {file_names[plain]} and {name} would both be named {plain}; save "
                "the weights of one model alone: torch.save(model.state_dict(), 'weights.pth')"
            )
        file_names[plain] = name
    return Stripped({plain: tensors[name] for plain, name in file_names.items()}, file_names, tuple(dropped))


def _counted(names: Iterable[str]) -> list[str]:
    """Group names by their first part, because a running average has as many tensors as the model."""
    counts: dict[str, list[str]] = defaultdict(list)
    for name in names:
        counts[name.partition(".")[0]].append(name)
    return [group[0] if len(group) == 1 else f"{word}.* ({len(group)} tensors)" for word, group in counts.items()]
