"""The arithmetic that a model computes in; another than fp32 is used only when it keeps the answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.int8 import to_int8
from vqaserve.families.probe import ProbedFamily, agreement, ask_once, probe_answers
from vqaserve.settings import HandlerSettings

log = logging.getLogger(__name__)

_LARGE = 200_000_000
"""Multiply-adds of an answer. One core with AVX-512 takes half of fp32's time in bf16 for `rooms` (1,700 million) and a
third of it for a ViLT (21,000 million), but a third more for `shapes` (14 million): its layers do not pay for
converting their inputs."""


class Convertible(ProbedFamily, Protocol):
    """A family with one network that may change its arithmetic, and casts inputs to the network's own."""

    model: Any
    precision: str

    @property
    def device(self) -> torch.device:
        """Where it computes."""


Kind = TypeVar("Kind", bound=Convertible)
Network = TypeVar("Network", bound=nn.Module)


def convert_model(family: Convertible, precision: str) -> None:
    """Put the whole network of a family into another arithmetic."""
    family.model = convert(family.model, precision, family.device)


def load_at_precision(
    build: Callable[[], Kind],
    settings: HandlerSettings,
    change: Callable[[Kind, str], None] = convert_model,
) -> Kind:
    """A family in the arithmetic that the recipe asks for.

    A short probe (``probe.py``) is answered in fp32 and again in the other arithmetic. ``auto`` takes what is fastest
    on this machine for a model of this size, and stays with fp32 when the answers differ. It measures no times, so
    that all the workers of a machine choose the same.

    Args:
        build: Loads the family in fp32, on its device; called again to go back to it.
        settings: ``precision`` and ``agreement`` are read.
        change: Puts a family into another arithmetic, or the part of it where that pays.

    Raises:
        RecipeError: The device cannot do it, or fewer answers stay the same than ``agreement`` asks.
    """
    family = build()
    wanted = settings.precision
    precision = fastest(family.device, lambda: work(family)) if wanted == "auto" else wanted
    if precision == "fp32":
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
        log.warning("%s, %s is asked; staying with fp32", figure, f"{settings.agreement:.0%}")
        return build()
    raise RecipeError(f"{figure}, the recipe's agreement asks {settings.agreement:.0%}; set precision: fp32 or auto")


def fastest(device: torch.device, work: Callable[[], int]) -> str:
    """The arithmetic that should be fastest for a model: what the device has in hardware, if it is worth it.

    int8 is never chosen by itself: it rounds the weights, and what that costs shows only on real questions.

    Args:
        device: Where it computes.
        work: Multiply-adds of one answer; called only where they decide.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    capabilities = torch.cpu.get_capabilities()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16" if native and work() >= _LARGE else "fp32"


def work(family: Convertible) -> int:
    """Multiply-adds in the convolutions and linear layers of one answer to the probe's first question."""
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
    """The network in another arithmetic; the one given is used up.

    Raises:
        RecipeError: The device cannot do it.
    """
    converted: Network = _CONVERSIONS[precision](model, device)  # type: ignore[assignment]  # in place, so of its class
    return converted


def _to_int8(model: nn.Module, device: torch.device) -> nn.Module:
    if device.type != "cpu":
        raise RecipeError(f"precision int8 is for CPUs, and the device is {device}; set precision: bf16 or auto")
    return to_int8(model)


_CONVERSIONS: dict[str, Callable[[nn.Module, torch.device], nn.Module]] = {
    "bf16": lambda model, device: model.to(device, torch.bfloat16),
    "fp16": lambda model, device: model.to(device, torch.float16),
    "int8": _to_int8,
}
