"""The pose network alone: cubes whose centres are given, in; joints, peaks and moments out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from ..model.paper import peak_coordinates
from ..model.read_out import ReadOut
from ..model.runtime import choose_device, make_runtime
from ..model.voxels import metric_coordinates, occupancy
from ..model.weights import Weights
from .synthetic_sets import Part


@dataclass(frozen=True)
class CubeResults:
    """What the network says of some cubes, on the CPU.

    Attributes:
        joints: float32 [B, J, 3] metres.
        confidences: float32 [B, J], before calibration.
        moments: float32 [B, J, 6] covariances before calibration, square metres.
        plain: float32 [B, J, 3] metres: the joints read off the heatmaps' highest peaks alone.
        seconds: That the batch took, voxelization included.
    """

    joints: torch.Tensor
    confidences: torch.Tensor
    moments: torch.Tensor
    plain: torch.Tensor
    seconds: float


class CubeNetwork:
    """A pose network as the estimator runs it.

    Args:
        weights, device, runtime, threads, read_out: As :class:`~v2v_ros.estimator.PoseEstimator` takes them.

    Attributes:
        read_out: What reads the heatmaps.

    Raises:
        ValueError: There is no such device, runtime or read-out.
    """

    def __init__(
        self,
        weights: Weights,
        device: str = "auto",
        runtime: str = "auto",
        threads: int = 0,
        read_out: str = "auto",
    ) -> None:
        self._device = choose_device(device)
        self._config, self.edge = weights.config, weights.cube_edge
        self._heatmap_offset = weights.heatmap_offset
        self.read_out = ReadOut(weights, self._device, runtime, threads, read_out)
        self._plain = ReadOut(weights, self._device, name="peaks")
        self._run = make_runtime(runtime, weights, self._device, threads)
        self._run(torch.zeros(1, 1, *3 * (weights.config.grid,), device=self._device))  # warm up

    @torch.inference_mode()
    def __call__(self, part: Part) -> CubeResults:
        depth = part.depth
        points = part.cameras.deproject(depth).to(self._device)
        centers = part.cube_centers.to(self._device)
        started = time.perf_counter()
        heatmaps = self._run(occupancy(points, centers, self.edge, self._config.grid))
        reading = self.read_out(heatmaps)
        cell = self.edge / self._config.heatmap
        joints = metric_coordinates(reading.coordinates, centers, self.edge, self._config.heatmap)
        results = joints.cpu(), reading.confidences.cpu(), (reading.moments * cell**2).cpu()
        seconds = time.perf_counter() - started
        plain = joints
        if self.read_out.name != "peaks":
            plain = metric_coordinates(self._plain(heatmaps).coordinates, centers, self.edge, self._config.heatmap)
        return CubeResults(*results, plain.cpu(), seconds)

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
            coordinates = self.read_out(heatmaps).coordinates
        return metric_coordinates(coordinates, centers.to(self._device), edge, self._config.heatmap).cpu()
