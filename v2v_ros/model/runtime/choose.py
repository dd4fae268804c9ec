# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which runtime runs a network: by name, or the best of those installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Protocol

import torch

from ..weights import Weights
from .torch_runtime import TorchRuntime

NAMES = ("auto", "torch", "openvino", "onnxruntime")
PATTERN = r"auto|torch|openvino|onnxruntime(:\w+)?"
_MODULES: dict[str, tuple[str, ...]] = {
    "torch": (),
    "openvino": ("openvino", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
}


class Runtime(Protocol):
    """Maps occupancy grids to heatmaps.

    Attributes:
        description: Library, its version and the precision, as a text for people.
        device: Device that the heatmaps are returned on.
    """

    @property
    def description(self) -> str: ...

    @property
    def device(self) -> torch.device: ...

    def __call__(self, grids: torch.Tensor) -> torch.Tensor:
        """Occupancy bool, uint8 or float [B, 1, N, N, N] to heatmaps float32 [B, J, N/2, N/2, N/2], both (z, y, x)."""
        ...


def available() -> list[str]:
    """Return names of the runtimes that are installed."""
    return [name for name, modules in _MODULES.items() if all(map(find_spec, modules))]


def resolve(name: str, device: torch.device) -> str:
    """Return the library that runs networks on a device: ``torch``, ``openvino`` or ``onnxruntime``.

    Args:
        name: Name of a runtime, see :func:`make_runtime`.

    Raises:
        ValueError: There is no such runtime, or it is not installed or not for the device.
    """
    if not re.fullmatch(PATTERN, name):
        raise ValueError(f"unknown runtime '{name}'; choose one of {', '.join(NAMES)}")
    name = name.partition(":")[0]
    if name == "auto":
        name = "openvino" if device.type == "cpu" and "openvino" in available() else "torch"
    if missing := [module for module in _MODULES[name] if find_spec(module) is None]:
        raise ValueError(
            f"runtime '{name}' needs the Python package {' and '.join(missing)}: "
            f"pip install {' '.join(missing)}, or choose the runtime 'auto', which takes what is installed"
        )
    if name == "openvino" and device.type != "cpu":
        raise ValueError(f"runtime 'openvino' runs on the CPU, not on '{device}': choose 'auto', or the device 'cpu'")
    return name


def make_runtime(name: str, weights: Weights, device: torch.device, threads: int = 0) -> Runtime:
    """Return a runtime for a network.

    Args:
        name: One of :data:`NAMES`; ``auto``: OpenVINO on a CPU if it is installed, else PyTorch.
            ``onnxruntime:PROVIDER`` runs ONNX Runtime by that execution provider instead of its CPU one.
        weights: Weights of the network.
        device: Device that the heatmaps are returned on.
        threads: CPU threads; 0: the library's choice. PyTorch's are those of the whole process.

    Raises:
        ValueError: There is no such runtime, it is not installed or not for the device, or threads is negative.
    """
    if threads < 0:
        raise ValueError(f"threads must be 0 (the library's choice) or more, got {threads}")
    _, _, provider = name.partition(":")
    name = resolve(name, device)
    if name == "torch":
        return TorchRuntime(weights.build(), device, threads)
    if name == "onnxruntime":
        from .onnx_runtime import OnnxRuntime

        return OnnxRuntime(weights.build(), device, threads, provider or "CPU")
    from .openvino_runtime import OpenVinoRuntime

    return OpenVinoRuntime(weights.build(), threads)
