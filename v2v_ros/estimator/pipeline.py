# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From cubes in a depth image to joints: voxelize, run the network, read the heatmaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..geometry.camera import Intrinsics
from ..model.read_out import ReadOut
from ..model.runtime import make_runtime
from ..model.voxels import count_occupied, cube_occupancy, metric_coordinates
from ..model.weights import Weights
from .stopwatch import Stopwatch

if TYPE_CHECKING:
    from .pipeline_cuda import CudaPipeline

FEWEST_VOXELS = 50  # a cube with fewer occupied ones is empty
JOINT_SCORE = 0.05  # confidence; a joint below is not estimated


@dataclass(frozen=True)
class Looks:
    """Result of the network for K cubes; a cube that is empty has no joints.

    Attributes:
        points: float32 [K, J, 3] metres in the camera's optical frame; NaN for a joint that is not estimated.
        scores: float32 [K, J] in [0, 1]; 0 for a joint that is not estimated.
        covariances: float32 [K, J, 6]: xx, xy, xz, yy, yz, zz in square metres; NaN for a joint that is not estimated.
        subjects: float32 [K] in [0, 1], probability that the cube holds a subject, of hands of either one; without a
            joint refiner the mean of the joints' scores.
        left: float32 [K], logit of the hand being the left one against the right one, without regard to other looks; 0
            where the read-out does not say.
        empty: bool [K]: whether next to nothing is in the cube.
    """

    points: np.ndarray
    scores: np.ndarray
    covariances: np.ndarray
    subjects: np.ndarray
    left: np.ndarray
    empty: np.ndarray

    def values(self) -> tuple[np.ndarray, ...]:
        """Return all but which cubes are empty."""
        return self.points, self.scores, self.covariances, self.subjects, self.left

    @staticmethod
    def nothing(cubes: int, joints: int) -> Looks:
        """Return looks into cubes that are empty."""
        return Looks(
            np.full((cubes, joints, 3), np.nan, np.float32),
            np.zeros((cubes, joints), np.float32),
            np.full((cubes, joints, 6), np.nan, np.float32),
            np.zeros(cubes, np.float32),
            np.zeros(cubes, np.float32),
            np.ones(cubes, bool),
        )


def make_pipeline(
    weights: Weights, device: torch.device, runtime: str = "auto", threads: int = 0, read_out: str = "auto"
) -> Pipeline | CudaPipeline:
    """Return the pipeline for a device: on a GPU, and with PyTorch, one of its own. Arguments as :class:`Pipeline` has
    them.

    Raises:
        ValueError: There is no such runtime or read-out, it is not installed or not for the device, or threads is
            negative.
    """
    if device.type == "cuda" and runtime in ("auto", "torch") and threads >= 0:
        from .pipeline_cuda import CudaPipeline

        return CudaPipeline(weights, device, threads, read_out=read_out)
    return Pipeline(weights, device, runtime, threads, read_out)


class Pipeline:
    """Runs a pose network on cubes in depth images.

    Args:
        weights: Weights of the network.
        device: Device that the network runs on.
        runtime: Name of the network's runtime (:func:`~v2v_ros.model.runtime.make_runtime`).
        threads: Number of CPU threads of the runtime; 0: its choice.
        read_out: Name of the read-out (:class:`~v2v_ros.model.read_out.ReadOut`) that turns heatmaps into joints.

    Attributes:
        description: Description of the runtime, for people.
        read_out: Read-out of the heatmaps.
    """

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        runtime: str = "auto",
        threads: int = 0,
        read_out: str = "auto",
    ) -> None:
        self._device = device
        self._config, self._edge = weights.config, weights.cube_edge
        self._run = make_runtime(runtime, weights, device, threads)
        self.read_out = ReadOut(weights, device, runtime, threads, read_out)
        self.description = self._run.description
        self._run(torch.zeros(1, 1, *3 * (self._config.grid,), device=device))  # warm up

    def upload(self, depth: np.ndarray) -> torch.Tensor:
        """Return a depth image float32 [H, W] in metres, where the pipeline runs."""
        return torch.from_numpy(depth).to(self._device)

    @torch.inference_mode()
    def __call__(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, mirrored: np.ndarray, clock: Stopwatch
    ) -> Looks:
        """Look into cubes.

        Args:
            image: Depth image as :meth:`upload` returned it.
            intrinsics: Intrinsics of the image.
            centers: float64 [K, 3] metres.
            mirrored: bool [K]: whether the network sees the mirror image, from left to right.
            clock: Stopwatch with the stages ``voxelize``, ``network`` and ``joints``.
        """
        looks = Looks.nothing(len(centers), self._config.joints)
        with clock.stage("voxelize"):
            grids, looks.empty[:] = self._voxelize(image, intrinsics, centers, mirrored)
        if not len(grids):
            return looks
        with clock.stage("network"):
            heatmaps = self._run(grids)
        kept = ~looks.empty
        with clock.stage("joints"):
            read = self._read(heatmaps, centers[kept], mirrored[kept])
            for values, of_kept in zip(looks.values(), read, strict=True):
                values[kept] = of_kept
        return looks

    def _voxelize(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, mirrored: np.ndarray
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Grids uint8 of the cubes that are not empty, mirrored where asked for, and bool [K], which cubes are."""
        # As either hand, a cube comes twice in a row.
        new = np.ones(len(centers), bool)
        new[1:] = (centers[1:] != centers[:-1]).any(axis=1)
        cubes = cube_occupancy(image, intrinsics, centers[new], self._edge, self._config.grid)
        place = np.cumsum(new) - 1
        empty = (count_occupied(cubes) < FEWEST_VOXELS)[place]
        kept = np.flatnonzero(~empty).tolist()
        grids = [cubes[place[k]].flip(-1) if mirrored[k] else cubes[place[k]] for k in kept]
        return torch.stack(grids) if grids else cubes[:0], empty

    def _read(self, heatmaps: torch.Tensor, centers: np.ndarray, mirrored: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return points, scores, covariances, probabilities of subjects and logits of left hands."""
        config, reading = self._config, self.read_out(heatmaps)
        joints = (reading.coordinates, reading.confidences[..., None], reading.moments)
        whole = torch.stack((reading.subjects, reading.left), dim=-1)
        read = torch.cat((*(each.flatten(1) for each in joints), whole), dim=-1).cpu()  # one download
        whole, joint = read[:, -2:], read[:, :-2]
        coordinates, confidences, moments = (
            each.view(len(read), config.joints, -1)
            for each in joint.split([3 * config.joints, config.joints, 6 * config.joints], dim=1)
        )
        confidences = confidences[..., 0]
        moments = moments * (self._edge / config.heatmap) ** 2  # square metres
        scores, moments = self.read_out.calibrated(confidences, moments)
        coordinates.numpy()[mirrored, :, 0] = config.heatmap - coordinates.numpy()[mirrored, :, 0]
        moments.numpy()[mirrored, :, 1:3] *= -1  # xy and xz
        left = np.where(mirrored, -whole[:, 1].numpy(), whole[:, 1].numpy())
        points = metric_coordinates(coordinates, torch.from_numpy(centers).float(), self._edge, config.heatmap)
        absent = (~(confidences >= JOINT_SCORE)).numpy()
        looks = points.numpy(), scores.numpy(), moments.numpy()
        for values, none in zip(looks, (np.nan, 0.0, np.nan), strict=True):
            values[absent] = none
        subjects = whole[:, 0].numpy() if self.read_out.knows_subjects else scores.numpy().mean(axis=1)
        return (*looks, subjects, left)
