"""The precision of a model; one below fp32 is used only if it keeps the answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from vqaserve.calibration import Machine
from vqaserve.errors import RecipeError
from vqaserve.families.int8 import to_int8
from vqaserve.families.probe import ChangedAnswers, ProbedFamily, agreement, ask_once, probe_answers
from vqaserve.settings import HandlerSettings

log = logging.getLogger(__name__)

_MIN_WORK = 200_000_000
"""Fewest multiply-adds of an answer for which bf16 pays.

On one core with AVX-512, bf16 takes half of fp32's time for `rooms` (1,700 million) and a third for a ViLT (21,000
million), but a third more for `shapes` (14 million), where converting the inputs costs more than it saves."""


class Convertible(ProbedFamily, Protocol):
    """A family with one network that can change its precision, and that casts inputs to the network's type."""

    model: Any
    precision: str

    @property
    def device(self) -> torch.device:
        """The device of the network."""


Kind = TypeVar("Kind", bound=Convertible)
Network = TypeVar("Network", bound=nn.Module)


def convert_model(family: Convertible, precision: str) -> None:
    """Convert the whole network of a family to another precision."""
    family.model = convert(family.model, precision, family.device)


def load_at_precision(
    build: Callable[[], Kind],
    settings: HandlerSettings,
    change: Callable[[Kind, str], None] = convert_model,
) -> Kind:
    """Load a family in the precision that the recipe sets.

    The family answers a short probe (``probe.py``) in fp32 and again in the other precision, unless ``agreement`` is 0.
    ``auto`` takes the precision that is usually the fastest on this machine for a model of this size, and stays with
    fp32 if the answers differ. It does not measure times, so all workers of a machine make the same choice.

    Args:
        build: Loads the family in fp32 on its device; called again to return to fp32.
        settings: The recipe's settings, of which ``precision`` and ``agreement`` are used.
        change: Converts a family, or the parts where it pays, to another precision.

    Raises:
        RecipeError: The device does not support the precision.
        ChangedAnswers: Fewer answers stay the same than ``agreement`` sets.
    """
    family = build()
    wanted = settings.precision
    precision = fastest(family.device, lambda: count_multiply_adds(family)) if wanted == "auto" else wanted
    if precision == "fp32":
        return family
    if not settings.agreement:
        change(family, precision)
        family.precision = precision
        return family
    expected = probe_answers(family)
    change(family, precision)
    same = agreement(expected, probe_answers(family))
    figure = f"{precision} keeps {same:.1%} of {len(expected)} probe answers"
    if same >= settings.agreement:
        log.info("%s; it is used", figure)
        family.precision = precision
        return family
    if wanted == "auto":
        log.warning("%s, and agreement is %s; staying with fp32", figure, f"{settings.agreement:.0%}")
        return build()
    raise ChangedAnswers(f"{figure}, and agreement is {settings.agreement:.0%}; set precision: fp32 or auto")


def fastest(device: torch.device, work: Callable[[], int]) -> str:
    """The fastest precision for a model: the lowest floating-point type of the hardware, if the model is large enough.

    It is never int8, which rounds the weights; only real questions show what that costs.

    Args:
        device: The device of the model.
        work: Returns the multiply-adds of one answer; called only if they decide.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if multiplies_bf16() and work() >= _MIN_WORK else "fp32"


def multiplies_bf16() -> bool:
    """Whether this machine's processor multiplies bf16; others emulate it, many times slower than fp32."""
    return bool({"avx512_bf16", "amx_bf16"} & set(Machine.here().flags))


def count_multiply_adds(family: Convertible) -> int:
    """Count the multiply-adds of convolutions and linear layers in one answer to the probe's first question."""
    done = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal done
        done += output.numel() * layer.get_parameter("weight")[0].numel()

    layers = [layer for layer in family.model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        ask_once(family)
    finally:
        for handle in handles:
            handle.remove()
    return done


def convert(model: Network, precision: str, device: torch.device) -> Network:
    """Convert a network to another precision, in place.

    Raises:
        RecipeError: The device does not support it.
    """
    converted: Network = _CONVERSIONS[precision](model, device)  # type: ignore[assignment]  # in place, so of its class
    return converted


def _to_int8(model: nn.Module, device: torch.device) -> nn.Module:
    if device.type != "cpu":
        raise RecipeError(f"precision int8 needs a CPU, and the device is {device}; set precision: bf16 or auto")
    return to_int8(model)


_CONVERSIONS: dict[str, Callable[[nn.Module, torch.device], nn.Module]] = {
    "bf16": lambda model, device: model.to(device, torch.bfloat16),
    "fp16": lambda model, device: model.to(device, torch.float16),
    "int8": _to_int8,
}
