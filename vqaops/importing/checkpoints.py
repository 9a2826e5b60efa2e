"""PyTorch checkpoints of any trainer: the weights are read, the rest is only named."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from vqaops.importing import inert_pickle
from vqaops.importing.inert_pickle import Placeholder, UnsafePickleError
from vqaserve.errors import RecipeError
from vqaserve.families.weight_files import read_tensors
from vqaserve.file_kinds import CHECKPOINT, PICKLE, describe, is_safetensors

_WEIGHTS: Final = (
    *("model_state_dict", "state_dict", "model", "module", "net", "network", "weights", "params", "model_state"),
)
_AVERAGED: Final = (
    *("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "ema", "shadow", "params_ema", "averaged_model"),
)
"""Keys of the weights, and of their running average, which is used only if there are no other weights."""

_TRAINING: Final = ("optim", "sched", "scaler", "rng", "callback", "loop", "grad", "loss", "criterion", "_extra_state")
"""Parts of keys that never contain the weights."""

_CONFIGS: Final = ("config", "hyper_parameters", "hparams", "args", "cfg")
_DEPTH: Final = 5
_MODULE_DEPTH: Final = 64
_SHOWN: Final = 6
Place = tuple[str, ...]
SAVE_WEIGHTS: Final = "save the weights alone: torch.save(model.state_dict(), 'weights.pth')"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The parts of a checkpoint that a recipe uses.

    Attributes:
        tensors: The weights by name.
        config: The settings that describe the architecture, under the trainer's names; empty if there are none.
        passed_over: Names of the other contents, such as ``optimizer_state_dict``.
    """

    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def read_checkpoint(path: Path, config_words: Collection[str] = ()) -> Checkpoint:
    """Read the weights of a ``.pth``, ``.pt``, ``.ckpt`` or ``.bin`` file, without importing or running any of it.

    The file may be a state dict, a dictionary around one, a whole pickled module, or safetensors under another name.

    Args:
        path: The file.
        config_words: Names of settings that describe the architecture; the config is the first dictionary with one.

    Raises:
        RecipeError: The file is missing or damaged, is of another kind, names something that runs code, or holds no
            weights or several models.
    """
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; name the checkpoint in it, a .pth, .pt, .ckpt or .bin file")
    if not path.is_file():
        raise RecipeError(f"{path} is missing")
    if is_safetensors(path):
        return Checkpoint(read_tensors(path))
    content = _load(path)
    place, state = _find_weights(path, content)
    config: Mapping[str, Any] = {}
    beside: list[str] = []
    for level, key in zip(_levels(content, place), place, strict=True):
        config, config_key = (config, "") if config else _find_config(level, config_words)
        beside += [_named(other, value) for other, value in level.items() if other not in (key, config_key)]
    beside += [_named(name, value) for name, value in state.items() if not isinstance(value, Tensor)]
    tensors = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    return Checkpoint(tensors, config, tuple(beside))


def _load(path: Path) -> Any:
    kind = describe(path)
    if kind not in (None, CHECKPOINT, PICKLE):
        raise RecipeError(f"{path} is not a PyTorch checkpoint; it is {kind}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files cause warnings about source code, which is not read
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=inert_pickle)
    except UnsafePickleError as error:
        raise RecipeError(
            f"{path} is refused: it asks to import {error}, which weights never need; nothing of it was run. If you "
            f"trust who made it, {SAVE_WEIGHTS}"
        ) from None
    except Exception as error:  # noqa: BLE001 - damaged files raise nearly anything
        reason = f"{type(error).__name__}: {_first_line(error)}"
        if isinstance(error, EOFError) or "unexpected EOF" in reason:
            reason = "it ends too early, as after a broken download: get the whole file"
        elif "Invalid magic number" in reason:
            reason = f"a pickle that torch.save did not write; load it where it was made, and {SAVE_WEIGHTS}"
        raise RecipeError(f"{path} is not a PyTorch checkpoint ({reason})") from None


def _first_line(text: object) -> str:
    return (str(text).strip().splitlines() or ["no reason given"])[0][:200]


def _find_weights(path: Path, content: Any) -> tuple[Place, Mapping[Any, Any]]:
    """Find the state dict, and the keys that lead to it.

    Raises:
        RecipeError: There is none, or there are several and none has a known key.
    """
    found = dict(_state_dicts(content, ()))
    # Metrics are dictionaries of tensors too, but only names of weights contain dots.
    found = {place: state for place, state in found.items() if any("." in str(name) for name in state)} or found
    if not found:
        raise RecipeError(f"{path} is not a state dict: it holds {_listed(content)}; {SAVE_WEIGHTS}")
    place = _choose(path, list(found))
    odd = [_named(name, value) for name, value in found[place].items() if isinstance(value, Placeholder)]
    if odd:
        raise RecipeError(
            f"{path} holds {', '.join(odd[:_SHOWN])} among its weights, not a plain tensor with values; make it one "
            f"(`.to_dense()`, `.dequantize()`) or leave it out, and {SAVE_WEIGHTS}"
        )
    return place, found[place]


def _choose(path: Path, places: Sequence[Place]) -> Place:
    """Choose the model's state dict out of several."""
    if len(places) == 1:
        return places[0]
    ranked = [
        place
        for names, average in ((_WEIGHTS, False), (_AVERAGED, True))
        for name in names
        for place in places
        if place[-1].lower() == name and average == any(key.lower() in _AVERAGED for key in place)
    ]
    if not ranked:
        shown = ", ".join(".".join(place) for place in places[:_SHOWN])
        raise RecipeError(f"{path} holds several models: {shown}; {SAVE_WEIGHTS}")
    return ranked[0]


def _state_dicts(content: Any, place: Place) -> Iterator[tuple[Place, Mapping[Any, Any]]]:
    """Yield all state dicts with their places; a dictionary that contains one is not one itself."""
    if isinstance(content, Placeholder) and "_parameters" in content.state:
        yield place, dict(_module_tensors(content, "", _MODULE_DEPTH))
        return
    items = _items(content)
    inside = [
        found
        for key, value in items.items()
        if len(place) < _DEPTH and isinstance(key, str) and not any(part in key.lower() for part in _TRAINING)
        for found in _state_dicts(value, (*place, key))
    ]
    yield from inside
    if not inside and any(isinstance(value, Tensor) for value in items.values()):
        yield place, items


def _levels(content: Any, place: Place) -> Iterator[Mapping[Any, Any]]:
    """Yield the dictionaries along the path to a place."""
    for key in place:
        yield (items := _items(content))
        content = items[key]


def _module_tensors(module: Placeholder, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the state dict of a module that was pickled whole."""
    unsaved = module.state.get("_non_persistent_buffers_set")
    for part in ("_parameters", "_buffers"):
        for name, tensor in _items(module.state.get(part)).items():
            if tensor is not None and not (isinstance(unsaved, set) and name in unsaved):
                yield f"{prefix}{name}", tensor
    for name, child in _items(module.state.get("_modules")).items():
        if isinstance(child, Placeholder) and depth:
            yield from _module_tensors(child, f"{prefix}{name}.", depth - 1)


def _items(content: Any) -> Mapping[Any, Any]:
    if isinstance(content, Placeholder):
        return content.state
    return content if isinstance(content, dict) else {}


def _find_config(items: Mapping[Any, Any], words: Collection[str]) -> tuple[Mapping[str, Any], str]:
    """Find the settings that describe the architecture, and their key."""
    for key in _CONFIGS:
        config = _plain(items.get(key), _DEPTH)
        for settings in (config, config.get("config")) if isinstance(config, dict) else ():
            if isinstance(settings, dict) and any(word in settings for word in words):
                return settings, key
    return {}, ""


def _plain(value: Any, depth: int) -> Any:
    """Unwrap a setting from its class, such as Namespace, an OmegaConf node, an enum or a dataclass."""
    if isinstance(value, Placeholder):
        for wrapped in ("_content", "_val", "__dict__"):
            if wrapped in value.state:
                return _plain(value.state[wrapped], depth - 1) if depth else None
        if not value.state and len(value.arguments) == 1:
            return _plain(value.arguments[0], depth - 1) if depth else None
        value = value.state
    if isinstance(value, dict):
        return {str(key): _plain(inner, depth - 1) for key, inner in value.items()} if depth else {}
    return value


def _listed(content: Any) -> str:
    if isinstance(content, Placeholder) and not content.state:
        return f"an object of {content.source}"
    items = _items(content)
    if not items and not isinstance(content, dict | Placeholder):
        return f"a {type(content).__name__}"
    return ", ".join(_named(key, value) for key, value in list(items.items())[:_SHOWN]) or "nothing"


def _named(key: Any, value: Any) -> str:
    return f"{key} ({value.source})" if isinstance(value, Placeholder) else f"{key!s:.60}"
