# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""ONNX Runtime, on the CPU or by whatever execution provider is installed."""

from __future__ import annotations

import torch

from ..network import V2VPoseNet
from .graph import onnx_model

_SUFFIX = "ExecutionProvider"


class OnnxRuntime:
    """Runs a network with ONNX Runtime, in float32 on the CPU; other providers may choose.

    Args:
        network: Network to run; it is not changed.
        device: Device that the heatmaps are returned on.
        threads: CPU threads; 0: as many as ONNX Runtime sees fit.
        provider: Execution provider, with or without that word: ``CPU``, ``CUDA``, ``Tensorrt``, ``OpenVINO``, ...

    Raises:
        ModuleNotFoundError: ONNX Runtime or ONNX is not installed.
        ValueError: The provider is not in the installed ONNX Runtime, or does not start.
    """

    def __init__(self, network: V2VPoseNet, device: torch.device, threads: int = 0, provider: str = "CPU") -> None:
        import onnxruntime

        name = provider.removesuffix(_SUFFIX) + _SUFFIX
        there = onnxruntime.get_available_providers()
        if name not in there:
            names = ", ".join(one.removesuffix(_SUFFIX) for one in there)
            raise ValueError(
                f"ONNX Runtime {onnxruntime.__version__} here has no execution provider '{provider}', only {names}; "
                "those for NVIDIA GPUs are in the package onnxruntime-gpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(onnx_model(network).SerializeToString(), options, providers=[name])
        if self._session.get_providers()[0] != name:  # it goes on with the CPU, with a warning
            raise ValueError(f"ONNX Runtime's execution provider '{provider}' does not start; its log says why")
        self.device = device
        self.description = f"onnxruntime {onnxruntime.__version__} {name.removesuffix(_SUFFIX)}"

    def __call__(self, grids: torch.Tensor) -> torch.Tensor:
        """Occupancy bool, uint8 or float [B, 1, N, N, N] to heatmaps float32 [B, J, N/2, N/2, N/2] on the device."""
        cells = grids.detach().to("cpu", torch.uint8).contiguous().numpy()
        (heatmaps,) = self._session.run(None, {"grids": cells})
        return torch.from_numpy(heatmaps).to(self.device)
