# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training data from datasets: frames in a new order every epoch, augmented, voxelized."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch

from ..model.network import CenterRefiner
from ..model.paper import Augmentation, PaperGeometry
from ..model.voxels import grid_coordinates, occupancy
from ..recorded.datasets.frame_set import FrameSet, frame_set, reference_points
from ..recorded.datasets.projection import projection_warning
from ..recorded.datasets.registry import open_dataset
from .config import TrainingConfig
from .seeds import SeedFamily, derive_seed
from .synthetic_batches import ELSEWHERE, ELSEWHERE_FROM, LARGEST_OFFSET, Batch, CenterBatch, SeededBatches

_LOG = logging.getLogger(__name__)
_HELD_OUT_BATCH, _HELD_OUT_PARTS = 8, 64  # most frames of a batch, most processes that it is split for
# Edge of the box, in the cube's edges, of all points that augmentation can bring into the cube: scaled by 0.8 and
# turned by 40 degrees, points from (44 + 4) / 44 / 0.8 * (cos 40 + sin 40) = 1.92 times as far get in.
REACH = 2.0


def open_frames(config: TrainingConfig) -> tuple[FrameSet, FrameSet]:
    """Return the frames to train on, and a few to validate on.

    The latter are of the test split where its labels are published (nothing is chosen by them), and otherwise taken
    out of the training split.

    Raises:
        DatasetError: The dataset, its centres or its cache cannot be used.
    """
    assert config.spec is not None
    subject = None if config.test_subject < 0 else config.test_subject
    cache = Path(config.cache) if config.cache else None
    name, folder = config.spec.name, Path(config.data)
    train = open_dataset(name, folder, "train", test_subject=subject, cache=cache)
    frames = frame_set(train, config.centers)
    frames.check_covered(REACH * config.cube_edge)
    if warning := projection_warning(train):
        _LOG.warning(warning)
    if config.spec.test_labels:
        test = frame_set(open_dataset(name, folder, "test", test_subject=subject), config.centers)
        return frames, test.thin(config.validation_samples)
    validation = frames.thin(min(config.validation_samples, max(1, len(frames) // 10)))
    return frames.without(validation), validation


def steps_per_epoch(config: TrainingConfig, frames: FrameSet, processes: int) -> int:
    """Return the steps in which all processes together see every frame once; the last one may be smaller."""
    return -(-len(frames) // (config.batch * processes))


def frames_seen(config: TrainingConfig, frames: FrameSet, processes: int, step: int) -> int:
    """Return how many frames all processes have seen together up to a step, in all epochs."""
    epochs, place = divmod(step, steps_per_epoch(config, frames, processes))
    return epochs * len(frames) + place * config.batch * processes


class FrameBatches(SeededBatches):
    """Endless batches of frames, every frame once in an epoch.

    Args:
        config: Configuration of the run.
        frames: Frames to train on.
        rank: Index of this process.
        processes: Number of processes.
        first_step: Step of the first batch, above 0 in a resumed run.
    """

    def __init__(
        self, config: TrainingConfig, frames: FrameSet, *, rank: int = 0, processes: int = 1, first_step: int = 0
    ) -> None:
        super().__init__(config, "cpu", rank, processes, first_step)
        self.frames = frames
        self._order = (-1, frames.indices)

    def indices(self, step: int) -> np.ndarray:
        """Frames of this process's batch of a step; short ones are filled up so that no process is without."""
        config, together = self.config, self.config.batch * self.processes
        epoch, place = divmod(step, steps_per_epoch(config, self.frames, self.processes))
        if self._order[0] != epoch:  # shuffling a million frames takes longer than a batch
            seed = derive_seed(SeedFamily.FRAME_ORDER, config.seed, epoch)
            self._order = epoch, np.random.default_rng(seed).permutation(self.frames.indices)
        order = self._order[1]
        share = order[place * together : (place + 1) * together]
        missing = -len(share) % self.processes
        return np.concatenate((share, np.resize(order, missing)))[self.rank :: self.processes]

    def batch(self, step: int, generator: torch.Generator) -> Batch | CenterBatch:
        return frame_batch(self.config, self.frames, self.indices(step), generator)


def held_out_frames(
    config: TrainingConfig, frames: FrameSet, *, rank: int = 0, processes: int = 1
) -> list[tuple[int, Batch | CenterBatch]]:
    """Return this process's share of the frames to validate on, as the network sees them at work, and their places."""
    share = []
    size = _held_out_size(frames)
    for index in range(rank, held_out_frame_parts(frames), processes):
        chosen = frames.indices[index * size : (index + 1) * size]
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.HELD_OUT_BATCH, index))
        share.append((index, frame_batch(config, frames, chosen, generator, augment=False)))
    return share


def held_out_frame_parts(frames: FrameSet) -> int:
    """Return the number of parts of the frames to validate on; every process needs one."""
    return -(-len(frames) // _held_out_size(frames))


def _held_out_size(frames: FrameSet) -> int:
    return max(1, min(_HELD_OUT_BATCH, len(frames) // _HELD_OUT_PARTS))


def frame_batch(
    config: TrainingConfig, frames: FrameSet, indices: np.ndarray, generator: torch.Generator, *, augment: bool = True
) -> Batch | CenterBatch:
    """Return some frames as the network eats them.

    Args:
        config: Configuration of the run.
        frames: Frames of a dataset.
        indices: Indices of the chosen frames in their dataset.
        generator: Source of the augmentation.
        augment: Whether to move, turn and scale them at random. Without, joints are where they are, in all recipes.
    """
    started = time.perf_counter()
    if config.network == "center":
        samples = [_center_sample(config, frames, int(index), generator, augment) for index in indices]
        grids, offsets = (torch.cat(parts) for parts in zip(*samples, strict=True))
        return CenterBatch(grids, offsets, config.cube_edge, time.perf_counter() - started)
    sample = _paper_sample if config.recipe == "paper" else _sample
    grids, joints = (
        torch.cat(parts)
        for parts in zip(*(sample(config, frames, int(index), generator, augment) for index in indices), strict=True)
    )
    seconds = time.perf_counter() - started
    return Batch(grids, joints, 1000 * config.cube_edge / (config.grid // 2), seconds)


_Sample = tuple[torch.Tensor, torch.Tensor]


def _sample(config: TrainingConfig, frames: FrameSet, index: int, generator: torch.Generator, augment: bool) -> _Sample:
    """Occupancy bool [1, 1, N, N, N] and joints [1, J, 3] in heatmap cells: the paper's augmentation, not rounded."""
    points, joints, center = _points(config, frames, index)
    edge = config.cube_edge
    middle = center
    if augment:
        points, joints = _turn(generator, center, points, joints)
        middle = center + edge * 4 / 88 * (2 * torch.rand(3, generator=generator) - 1)
    grids = occupancy(points[None], middle[None], edge, config.grid).bool()
    return grids, grid_coordinates(joints[None], middle[None], edge, config.grid // 2)


def _paper_sample(
    config: TrainingConfig, frames: FrameSet, index: int, generator: torch.Generator, augment: bool
) -> _Sample:
    """Return the same as published: joints are rounded where they become targets, and are not where they are
    measured."""
    points, joints, center = _points(config, frames, index)
    geometry = PaperGeometry(config.grid, config.grid * 96 // 88, config.sigma)
    edge = config.cube_edge
    if not augment:
        grids = geometry.occupancy(points[None], center[None], edge).bool()
        return grids, grid_coordinates(joints[None], center[None], edge, config.grid // 2)
    draw = Augmentation.sample(generator, geometry.original - geometry.grid)
    grids = geometry.occupancy(points[None], center[None], edge, draw).bool()
    # Published targets have the middle of cell i at i, ours at i + 0.5.
    return grids, geometry.coordinates(joints[None], center[None], edge, draw) / 2 + 0.5


def _center_sample(
    config: TrainingConfig, frames: FrameSet, index: int, generator: torch.Generator, augment: bool
) -> _Sample:
    """Occupancy bool [1, 1, N, N, N] around a guess, and the way [1, 3] from there to the reference point in edges."""
    edge, dataset = config.cube_edge, frames.dataset
    center = torch.from_numpy(reference_points(dataset.joints[index : index + 1])).float()[0]
    span = CenterRefiner.SPAN * edge
    guess = center + edge * LARGEST_OFFSET * (2 * torch.rand(3, generator=generator) - 1)
    away = None
    if torch.rand((), generator=generator) < ELSEWHERE:
        away = _other_surface(frames, index, center, ELSEWHERE_FROM * edge, generator)
    place = guess if away is None else away
    points = frames.points(index, place, REACH * span)
    offset = torch.full((3,), torch.nan) if away is not None else center - guess
    if augment:
        points, moved = _turn(generator, place, points, (place + offset)[None])
        offset = moved[0] - place
    grids = occupancy(points[None], place[None], span, config.grid).bool()
    return grids, offset[None] / edge


def _turn(
    generator: torch.Generator, center: torch.Tensor, points: torch.Tensor, joints: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale by 0.8 to 1.2 and turn about the optical axis by up to 40 degrees, about the centre."""
    size, angle = torch.rand(2, generator=generator).tolist()
    size, angle = 0.8 + 0.4 * size, math.radians(-40 + 80 * angle)
    cos, sin = size * math.cos(angle), size * math.sin(angle)
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, size]])
    return (points - center) @ turn.T + center, (joints - center) @ turn.T + center


def _points(config: TrainingConfig, frames: FrameSet, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return points [P, 3] within reach of the cube, joints [J, 3] and the cube's centre [3], float32, metres."""
    center = torch.from_numpy(frames.centers[index]).float()
    points = frames.points(index, center, REACH * config.cube_edge, fill=config.recipe == "paper")
    return points, torch.from_numpy(frames.dataset.joints[index]), center


def _other_surface(
    frames: FrameSet, index: int, center: torch.Tensor, distance: float, generator: torch.Generator
) -> torch.Tensor | None:
    """Return a random point [3] that the image shows at least so far from the centre; None if a few draws find none."""
    depth = torch.from_numpy(frames.dataset.depth(index))
    camera, (nearest, farthest) = frames.dataset.intrinsics, frames.dataset.spec.measured
    v, u = torch.nonzero((depth >= nearest) & (depth <= farthest), as_tuple=True)
    if not len(v):
        return None
    draws = torch.randint(0, len(v), (8,), generator=generator)
    z = depth[v[draws], u[draws]]
    x, y = (u[draws] - camera.cx) / camera.fx * z, (v[draws] - camera.cy) / camera.fy * z
    points = torch.stack((x, y, z), dim=1)
    far = points[(points - center).norm(dim=1) > distance]
    return far[0] if len(far) else None
