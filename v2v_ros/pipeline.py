"""From cubes in a depth image to joints: voxelize, run the network, read the heatmaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .camera import Intrinsics
from .heatmaps import covariance, decode
from .runtime import TorchRuntime
from .stopwatch import Stopwatch
from .voxels import cube_occupancy, metric_coordinates
from .weights import Weights

FEWEST_VOXELS = 50  # a cube with fewer occupied ones is empty
_JOINT_SCORE = 0.05  # heatmap peak; a joint below is not estimated


@dataclass(frozen=True)
class Looks:
    """What the network says of K cubes; a cube that is empty has no joints.

    Attributes:
        points: float32 [K, J, 3] metres in the camera's optical frame; NaN for a joint that is not estimated.
        scores: float32 [K, J] in [0, 1]; 0 for a joint that is not estimated.
        covariances: float32 [K, J, 6]: xx, xy, xz, yy, yz, zz in square metres; NaN for a joint that is not estimated.
        empty: bool [K]: there is next to nothing in the cube.
    """

    points: np.ndarray
    scores: np.ndarray
    covariances: np.ndarray
    empty: np.ndarray


class Pipeline:
    """Runs a pose network on cubes in depth images.

    Args:
        weights: Of the network.
        device: Where to run.

    Attributes:
        description: Of the runtime, for people.
    """

    def __init__(self, weights: Weights, device: torch.device) -> None:
        self._device = device
        self._config, self._edge = weights.config, weights.cube_edge
        self._calibration, self._offset = weights.calibration, weights.heatmap_offset
        self._run = TorchRuntime(weights.build(), device)
        self.description = self._run.description
        self._run(torch.zeros(1, 1, *3 * (self._config.grid,), device=device))  # warm up

    def upload(self, depth: np.ndarray) -> torch.Tensor:
        """A depth image float32 [H, W] in metres, where the pipeline runs."""
        return torch.from_numpy(depth).to(self._device)

    @torch.inference_mode()
    def __call__(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, mirrored: np.ndarray, clock: Stopwatch
    ) -> Looks:
        """Look into cubes.

        Args:
            image: As :meth:`upload` returned it.
            intrinsics: Of the image.
            centers: float64 [K, 3] metres.
            mirrored: bool [K]: show the network the mirror image, from left to right.
            clock: Times the stages ``voxelize``, ``network`` and ``joints``.
        """
        joints = self._config.joints
        looks = Looks(
            np.full((len(centers), joints, 3), np.nan, np.float32),
            np.zeros((len(centers), joints), np.float32),
            np.full((len(centers), joints, 6), np.nan, np.float32),
            np.ones(len(centers), bool),
        )
        with clock.stage("voxelize"):
            grids = []
            for index, (center, mirror) in enumerate(zip(centers.tolist(), mirrored.tolist(), strict=True)):
                grid = cube_occupancy(image, intrinsics, center, self._edge, self._config.grid)
                if grid.sum() >= FEWEST_VOXELS:
                    looks.empty[index] = False
                    grids.append(grid.flip(-1) if mirror else grid)
        if not grids:
            return looks
        with clock.stage("network"):
            heatmaps = self._run(torch.cat(grids))
        kept = ~looks.empty
        with clock.stage("joints"):
            read = self._read(heatmaps, centers[kept], mirrored[kept])
            looks.points[kept], looks.scores[kept], looks.covariances[kept] = (part.cpu().numpy() for part in read)
        return looks

    def _read(
        self, heatmaps: torch.Tensor, centers: np.ndarray, mirrored: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points, scores and covariances."""
        coordinates, peaks = decode(heatmaps, self._config.sigma, self._offset)
        moments = covariance(heatmaps) * (self._edge / self._config.heatmap) ** 2  # square metres
        mirror = torch.from_numpy(mirrored).to(coordinates.device)
        back = self._config.heatmap - coordinates[..., 0]
        coordinates[..., 0] = torch.where(mirror[:, None], back, coordinates[..., 0])
        moments[..., 1:3] *= torch.where(mirror, -1, 1)[:, None, None]  # xy and xz
        middles = torch.from_numpy(centers).to(coordinates.device, coordinates.dtype)
        points = metric_coordinates(coordinates, middles, self._edge, self._config.heatmap)
        estimated = peaks >= _JOINT_SCORE
        scores = peaks
        if self._calibration is not None:
            scores, moments = self._calibration.apply(peaks, moments)
        points = torch.where(estimated[..., None], points, torch.nan)
        scores = torch.where(estimated, scores, 0.0)
        moments = torch.where(estimated[..., None], moments, torch.nan)
        return points, scores, moments
