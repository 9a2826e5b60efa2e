"""Networks for OpenVINO: traced from torch when an archive is built, loaded by its workers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from openvino.passes import ConstantFolding, Manager
from torch import Tensor, nn

from vqaserve.errors import RecipeError

_GROUP = "128"
"""Number of inputs of an int8 layer that share a scale within one row, so that rows stay independent.

64 takes slightly more time and 32 much more, and neither keeps more answers."""


class Graph:
    """A network compiled for the CPU."""

    def __init__(self, network: ov.Model, precision: str, threads: int) -> None:
        """Compile a network for this machine's CPU.

        Args:
            network: A network from ``read`` or ``trace``.
            precision: ``fp32``, ``bf16`` or ``int8``; layers that int8 leaves alone use bf16 where available.
            threads: Number of threads of each call.
        """
        settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        # With pinning, the first thread of every worker would run on the machine's first core.
        settings["ENABLE_CPU_PINNING"] = False
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP if precision == "int8" else "0"
        if precision == "fp32" or not has_bf16():
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        self._request = ov.Core().compile_model(network, "CPU", settings).create_infer_request()

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's only output."""
        output: NDArray[Any] = self._request.infer(list(inputs))[0]
        return output


def has_bf16() -> bool:
    """Whether this processor supports bf16."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def trace(network: nn.Module, example: Sequence[Tensor]) -> ov.Model:
    """Convert a torch network to OpenVINO, in float32 and with dynamic input sizes.

    ``openvino.convert_model`` is not used, because it sends usage data over the network and takes five times as long.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # about shapes that tracing turns into constants, and about TorchScript's deprecation
        traced = torch.jit.trace(network.eval(), tuple(example), check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced)  # a variable, because the frontend does not keep it alive
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))


def to_int8(network: ov.Model, kept: Sequence[str] = ()) -> None:
    """Quantise the matrices of a network to int8 in place, with a scale for each row; activations at each call.

    Args:
        network: A network from ``trace``.
        kept: Modules of the traced network whose matrices stay in float32.
    """
    folding = Manager()
    folding.register_pass(ConstantFolding())  # OpenVINO refuses int8 matrices whose other factor is constant too
    folding.run_passes(network)
    stay = tuple(f"__module.{name}." for name in kept)
    for node in network.get_ops():
        if node.get_type_name() != "MatMul" or node.get_friendly_name().startswith(stay):
            continue
        source = node.input_value(1).get_node()
        if source.get_type_name() != "Constant" or source.data.ndim != 2:
            continue
        matrix, rows = source.data, 1 if node.get_attributes()["transpose_b"] else 0
        scale = np.maximum(np.abs(matrix).max(axis=rows, keepdims=True), np.finfo(np.float32).tiny) / 127
        rounded = ops.constant(np.round(matrix / scale).astype(np.int8))
        again = ops.multiply(ops.convert(rounded, "f32"), ops.constant(scale.astype(np.float32)))
        node.input(1).replace_source_output(again.output(0))


def write(network: ov.Model, file: Path) -> None:
    """Write a network to ``file``, an ``.xml`` file, and its weights beside it."""
    ov.save_model(network, file, compress_to_fp16=False)


def read(file: Path) -> ov.Model:
    """Read a network that ``write`` wrote.

    Raises:
        RecipeError: The file is damaged.
    """
    try:
        return ov.Core().read_model(file)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{file} is damaged ({reason[:200]}); build the archive again") from None
