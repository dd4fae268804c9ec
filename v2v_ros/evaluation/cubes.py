"""The pose network alone: cubes whose centres are given, in; joints, peaks and moments out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from ..heatmaps import covariance, decode
from ..paper import peak_coordinates
from ..runtime import choose_device, make_runtime
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
        ValueError: There is no such device or runtime.
    """

    def __init__(self, weights: Weights, device: str = "auto", runtime: str = "auto", threads: int = 0) -> None:
        self._device = choose_device(device)
        self._config, self.edge = weights.config, weights.cube_edge
        self._heatmap_offset = weights.heatmap_offset
        self._run = make_runtime(runtime, weights, self._device, threads)
        self._run(torch.zeros(1, 1, *3 * (weights.config.grid,), device=self._device))  # warm up

    @torch.inference_mode()
    def __call__(self, part: Part) -> CubeResults:
        depth = part.depth
        points = part.cameras.deproject(depth).to(self._device)
        centers = part.cube_centers.to(self._device)
        started = time.perf_counter()
        heatmaps = self._run(occupancy(points, centers, self.edge, self._config.grid))
        coordinates, peaks = decode(heatmaps, self._config.sigma, self._heatmap_offset)
        moments = covariance(heatmaps) * (self.edge / self._config.heatmap) ** 2
        joints = metric_coordinates(coordinates, centers, self.edge, self._config.heatmap)
        results = joints.cpu(), peaks.cpu(), moments.cpu()
        return CubeResults(*results, time.perf_counter() - started)

    @torch.inference_mode()
    def joints(self, points: list[torch.Tensor], centers: torch.Tensor, *, published: bool = False) -> torch.Tensor:
        """Joints of cubes in which clouds of different sizes are.

        Args:
            points: For every cube float [P, 3], metres.
            centers: float [B, 3] metres.
            published: Take the middle of the highest cell, as the published code does (for networks trained as
                published: of the voxel that its targets mean), instead of what lies between cells.

        Returns:
            float32 [B, J, 3] metres, on the CPU.
        """
        grid, edge = self._config.grid, self.edge
        cubes = [
            occupancy(cloud[None], center[None], edge, grid) for cloud, center in zip(points, centers, strict=True)
        ]
        heatmaps = self._run(torch.cat(cubes).to(self._device))
        if published:
            coordinates = peak_coordinates(heatmaps) + 0.5 - self._heatmap_offset
        else:
            coordinates, _ = decode(heatmaps, self._config.sigma, self._heatmap_offset)
        return metric_coordinates(coordinates, centers.to(self._device), edge, self._config.heatmap).cpu()
