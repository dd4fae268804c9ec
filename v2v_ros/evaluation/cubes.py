"""The pose network alone: cubes whose centres are given, in; joints, peaks and moments out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from ..heatmaps import covariance, decode
from ..runtime import TorchRuntime, choose_device
from ..voxels import metric_coordinates, occupancy
from ..weights import Weights
from .test_sets import Part


@dataclass(frozen=True)
class CubeResults:
    """What the network says of some cubes, on the CPU.

    Attributes:
        joints: float32 [B, J, 3] metres.
        peaks: float32 [B, J], highest values of the heatmaps.
        moments: float32 [B, J, 6] second moments of the heatmaps in square metres.
        seconds: That the batch took, voxelization included.
    """

    joints: torch.Tensor
    peaks: torch.Tensor
    moments: torch.Tensor
    seconds: float


class CubeNetwork:
    """A pose network as the estimator runs it.

    Raises:
        ValueError: There is no such device.
    """

    def __init__(self, weights: Weights, device: str = "auto") -> None:
        self._device = choose_device(device)
        self._config, self._edge = weights.config, weights.cube_edge
        self._run = TorchRuntime(weights.build(), self._device)
        self._run(torch.zeros(1, 1, *3 * (weights.config.grid,), device=self._device))  # warm up

    @torch.inference_mode()
    def __call__(self, part: Part) -> CubeResults:
        depth = part.depth
        points = part.cameras.deproject(depth).to(self._device)
        centers = part.cube_centers.to(self._device)
        started = time.perf_counter()
        heatmaps = self._run(occupancy(points, centers, self._edge, self._config.grid))
        coordinates, peaks = decode(heatmaps, self._config.sigma)
        moments = covariance(heatmaps) * (self._edge / self._config.heatmap) ** 2
        joints = metric_coordinates(coordinates, centers, self._edge, self._config.heatmap)
        results = joints.cpu(), peaks.cpu(), moments.cpu()
        return CubeResults(*results, time.perf_counter() - started)
