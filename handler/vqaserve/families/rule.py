"""The ways to compute that a recipe with ``auto`` leaves open, ordered by a static rule for the processor.

A calibration measures them (``vqaops/calibrating``). A worker that is started without one takes the first that keeps
the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vqaserve.calibration import Arithmetic
from vqaserve.errors import RecipeError
from vqaserve.families.extras import import_object
from vqaserve.families.probe import ChangedAnswers
from vqaserve.settings import HandlerSettings

if TYPE_CHECKING:
    from vqaserve.families.base import Family

log = logging.getLogger(__name__)

_TORCH_FP32, _TORCH_BF16 = Arithmetic(precision="fp32"), Arithmetic(precision="bf16")
_FP32, _BF16, _INT8 = (Arithmetic(runtime="openvino", precision=one) for one in ("fp32", "bf16", "int8"))

_RULE: tuple[tuple[set[str], tuple[Arithmetic, ...]], ...] = (
    # Torch's bf16 uses AMX at every batch size; OpenVINO's takes 1.5 times as long in a server (docs/performance.md).
    ({"amx_bf16"}, (_TORCH_BF16, _INT8, _BF16, _FP32, _TORCH_FP32)),
    # int8 takes 0.56 of torch's bf16 for a ViLT, OpenVINO's bf16 0.86 (docs/explanation/performance-experiments.md).
    ({"avx512_bf16", "avx512_vnni"}, (_INT8, _BF16, _TORCH_BF16, _FP32, _TORCH_FP32)),
    # For a ViLT with avx2 only, OpenVINO's fp32 takes 0.93 of torch's time, and int8 0.99 (docs/performance.md).
    # int8 is last, because it changes some answers.
    (set(), (_FP32, _TORCH_FP32, _INT8)),
)
"""Flags of a processor, and the ways to compute on it, the best first; the first row whose flags it has counts."""

OPENVINO_FOLDER = "openvino"
"""The archive's folder for OpenVINO's network and the probe answers of fp32."""

Loaded = TypeVar("Loaded")
SomeFamily = TypeVar("SomeFamily", bound="Family[Any, Any]")


def ordered(flags: Collection[str]) -> tuple[Arithmetic, ...]:
    """The ways to compute on a processor with these flags, the best first."""
    return next(ways for needed, ways in _RULE if needed <= set(flags))


def usable_runtimes(folder: Path, settings: HandlerSettings) -> tuple[str, ...]:
    """``torch``, and ``openvino`` if it is installed, the archive has its network, and the device is no GPU."""
    packed = (folder / OPENVINO_FOLDER).is_dir() and find_spec("openvino") is not None
    return ("torch", "openvino") if packed and not settings.device.startswith("cuda") else ("torch",)


def left_open(
    settings: HandlerSettings, flags: Collection[str], runtimes: Collection[str] = ("torch",)
) -> tuple[Arithmetic, ...]:
    """The ways to compute that a recipe leaves open, the best first.

    Args:
        settings: The recipe's settings; what is not ``auto`` in them is kept.
        flags: The processor's flags.
        runtimes: Those that the family can use here.
    """
    runtime, precision = settings.options.get("runtime", "torch"), settings.precision
    pairs = [
        Arithmetic(runtime=one.runtime, precision=one.precision if precision == "auto" else precision)
        for one in ordered(flags)
        if one.runtime in runtimes and runtime in ("auto", one.runtime)
        if precision != "fp16" or one.runtime == "torch"  # OpenVINO has no fp16 for CPUs
    ]
    return tuple(dict.fromkeys(pairs))


def load_elsewhere(
    kind: type[SomeFamily], on_openvino: str, folder: Path, settings: HandlerSettings
) -> SomeFamily | None:
    """Load a family with the runtime that its options set; None if that is torch, with which it loads itself.

    Args:
        kind: The family.
        on_openvino: ``module:class`` of the family on OpenVINO, imported on use, because OpenVINO is an extra.
        folder: The recipe's or the archive's folder.
        settings: With options that the family has read.

    Raises:
        RecipeError: The runtime is not installed, or as ``Family.load``.
    """
    runtime = settings.options.get("runtime", "torch")
    if runtime == "auto":
        return load_first(lambda chosen: kind.load(folder, chosen), settings, kind.candidates(folder, settings))
    if runtime == "openvino":
        found: type[SomeFamily] = import_object(on_openvino, "runtime 'openvino'")
        return found.load(folder, settings)
    return None


def load_first(
    load: Callable[[HandlerSettings], Loaded], settings: HandlerSettings, ways: Sequence[Arithmetic]
) -> Loaded:
    """Load a family in the first way that keeps the answers.

    Torch chooses its precision by itself (``load_at_precision``), because it knows how large the model is.

    Args:
        load: Loads the family with settings whose ``runtime`` is not ``auto``.
        settings: The recipe's settings.
        ways: From ``left_open``.

    Raises:
        RecipeError: The family cannot be loaded in any of these ways.
    """
    for way in ways:
        wanted = way.apply(settings)
        if way.runtime == "torch":
            wanted = wanted.model_copy(update={"precision": settings.precision})
        try:
            return load(wanted)
        except ChangedAnswers as error:
            log.warning("%s is not used: %s", way, error)
    raise RecipeError(f"no way to compute keeps the answers ({', '.join(map(str, ways))}); set precision: fp32")
