# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""OpenVINO, on the CPU."""

from __future__ import annotations

import functools
import sys
from typing import Any

import torch

from ..network import V2VPoseNet
from .graph import onnx_model


class OpenVinoRuntime:
    """Runs a network with OpenVINO on the CPU, in bfloat16 where the processor multiplies it, else in float32.

    Args:
        network: Network to run; it is not changed.
        threads: CPU threads; 0: as many as OpenVINO sees fit.

    Raises:
        ModuleNotFoundError: OpenVINO or ONNX, which carries the network there, is not installed.
    """

    device = torch.device("cpu")

    def __init__(self, network: V2VPoseNet, threads: int = 0) -> None:
        openvino = import_openvino()
        # Samples run one by one: a batch gains nothing on a CPU, and every new size would be compiled again.
        compiled = compile_model(onnx_model(network, batch=1), threads)
        self._tensor = openvino.Tensor
        self._request = compiled.create_infer_request()
        config = network.config
        self._shape = (config.joints, *3 * (config.heatmap,))
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        names = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
        self.description = f"openvino {openvino.__version__.split('-')[0]} {names.get(precision, precision)}"

    def __call__(self, grids: torch.Tensor) -> torch.Tensor:
        """Occupancy bool, uint8 or float [B, 1, N, N, N] to heatmaps float32 [B, J, N/2, N/2, N/2] on the CPU."""
        cells = grids.detach().to("cpu", torch.uint8).contiguous().numpy()
        heatmaps = torch.empty(len(cells), *self._shape)
        out = heatmaps.numpy()
        for index in range(len(cells)):
            self._request.set_input_tensor(self._tensor(cells[index : index + 1], shared_memory=True))
            self._request.set_output_tensor(self._tensor(out[index : index + 1], shared_memory=True))
            self._request.infer()
        return heatmaps


def compile_model(model: Any, threads: int = 0, precision: str = "") -> Any:
    """Return an ``onnx.ModelProto`` compiled for the CPU.

    Args:
        threads: CPU threads; 0: as many as OpenVINO sees fit.
        precision: Precision of the computation, such as ``f32``; empty: the one that the processor multiplies best.
    """
    # Pinned to the first cores, the nodes and programs of a machine would share these and leave the others idle.
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    if precision:
        options["INFERENCE_PRECISION_HINT"] = precision
    core = _core()
    return core.compile_model(core.read_model(model.SerializeToString()), "CPU", options)


@functools.cache
def _core() -> Any:
    """OpenVINO's core, one for the process and never destroyed.

    With its first network comes its plugin for CPUs, which gives the thread another stack for signals, and frees it at
    its end. Of two plugins that end in the order in which they began, the later one restores the freed stack of the
    earlier one, and the next signal, such as Ctrl-C, ends the process without a word.
    """
    return import_openvino().Core()


def import_openvino() -> Any:
    """Return the module ``openvino``, kept from reporting its use to its maker.

    Being imported, OpenVINO sends a message over the network unless its companion package for that is missing.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
    """
    name = "openvino_telemetry"
    if "openvino" in sys.modules or name in sys.modules:
        import openvino

        return openvino
    sys.modules[name] = None  # type: ignore[assignment]  # stands for a package that cannot be imported
    try:
        import openvino
    finally:
        del sys.modules[name]
    return openvino
