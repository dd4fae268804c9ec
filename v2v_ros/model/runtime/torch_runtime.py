# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""PyTorch, without anything else installed, on a CPU or a GPU."""

from __future__ import annotations

import torch

from ..network import V2VPoseNet
from .devices import cpu_multiplies_bfloat16
from .fold import fold_batch_norm, use_blocks


class TorchRuntime:
    """Runs a network eagerly on a CPU or a GPU.

    Half the precision is used where the hardware multiplies it natively; heatmaps come out as float32.

    Args:
        network: Network to run; it is not changed, a folded copy runs.
        device: Device that the network runs on.
        threads: Number of CPU threads of the whole process; 0: as PyTorch is set.
        dtype: Precision of the computation; None: the best for the device.
    """

    def __init__(
        self, network: V2VPoseNet, device: torch.device, threads: int = 0, dtype: torch.dtype | None = None
    ) -> None:
        self.device = device
        if threads:
            torch.set_num_threads(threads)
        if dtype is None and device.type == "cuda":
            dtype = torch.float16
        elif dtype is None:
            dtype = torch.bfloat16 if cpu_multiplies_bfloat16() else torch.float32
        self._dtype = dtype
        folded = fold_batch_norm(network)
        if dtype != torch.float32:
            folded = use_blocks(folded)
        self._network = folded.to(device, dtype).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    @property
    def description(self) -> str:
        return f"torch {torch.__version__} {str(self._dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def __call__(self, grids: torch.Tensor) -> torch.Tensor:
        """Occupancy bool, uint8 or float [B, 1, N, N, N] to heatmaps float32 [B, J, N/2, N/2, N/2] on the device."""
        batch = grids.shape[0]
        # PyTorch sends small single-sample float32 convolutions to a path several times slower than the whole batch
        # of two takes on the usual one.
        padded = batch == 1 and self._dtype == torch.float32 and self.device.type == "cpu"
        grids = torch.cat((grids, grids)) if padded else grids
        grids = grids.to(self.device, self._dtype, memory_format=torch.channels_last_3d)
        heatmaps = self._network(grids)[:batch]
        return heatmaps.float().contiguous()
