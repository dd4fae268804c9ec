# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Endless synthetic training data, and fixed held-out sets of it.

Every batch has a generator of its own, whose seed is a function of the run's seed, the process and the step: a run
that is resumed goes on where it was, and no two processes see the same.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..model.network import CenterRefiner
from ..model.voxels import grid_coordinates, occupancy
from ..model.weights import load_detector
from ..synthetic.body.worlds import border_mask, sample_body_worlds
from ..synthetic.hand.worlds import sample_hand_worlds
from ..synthetic.render import Cameras
from ..synthetic.sensors.sense import Draws, Sensors, sense
from ..synthetic.worlds import CROP_MARGIN, Worlds, crop_cameras, render_worlds
from .config import SKINNED, TrainingConfig
from .cubes import CubeBatch
from .proposals import Look, Proposals
from .seeds import SeedFamily, derive_seed

PIXELS_PER_CELL = 7  # in three cells: the crop is a fifth wider than the cube, so about two pixels a cell
HAND_DISTANCES = (0.2, 1.2)  # metres
BEFORE_WALL = 0.15  # share of the people who stand right before a wall
_EMPTY = {"pose": 0.08, "center": 0.2}  # share of the worlds without a subject
# Share of left hands in pose training. The network finds right hands only, and learns to give empty heatmaps for left
# ones: the scores of a grid and its mirror image then show which hand it is.
_LEFT_HANDS = 0.2
_POOL_STEPS = 64  # steps whose proposed cubes are made together, of many scenes, and mixed
LARGEST_OFFSET = 0.3  # largest offset of a centre to be refined, in edges along each axis
ELSEWHERE, ELSEWHERE_FROM = 0.2, 0.75  # share of the cubes to be refined that lie elsewhere, how far off, in edges


class Batch(NamedTuple):
    """Samples of a step of pose training.

    Attributes:
        grids: bool [B, 1, N, N, N] occupancy.
        coordinates: float [B, J, 3] joints in heatmap cells; NaN in samples without a subject, and of left hands.
        millimetres_per_cell: Size of a heatmap cell.
        seconds: Seconds that it took to make.
    """

    grids: torch.Tensor
    coordinates: torch.Tensor
    millimetres_per_cell: float
    seconds: float


class CenterBatch(NamedTuple):
    """Samples of a step of centre training.

    Attributes:
        grids: bool [B, 1, N, N, N] occupancy.
        offsets: float [B, 3] from the cube's centre to the reference point, in edges of the skeleton's cube; NaN in
            cubes without a subject.
        edge: Edge of the skeleton's cube, metres.
        seconds: Seconds that it took to make.
    """

    grids: torch.Tensor
    offsets: torch.Tensor
    edge: float
    seconds: float


def sample_batch(config: TrainingConfig, batch: int, generator: torch.Generator) -> Batch | CenterBatch:
    """Return random worlds seen by random sensors, voxelized around centres that are as far off as those at run
    time."""
    started = time.perf_counter()
    worlds = _worlds(config, batch, generator)
    made = _center_batch if config.network == "center" else _pose_batch
    return made(config, worlds, generator)._replace(seconds=time.perf_counter() - started)


def _pose_batch(config: TrainingConfig, worlds: Worlds, generator: torch.Generator) -> Batch:
    edge = config.subject.cube_edge
    centers = cube_centers(worlds, edge, generator)
    cameras = crop_cameras(worlds.centers, edge, PIXELS_PER_CELL * config.grid // 3)
    points = _points(config, worlds, cameras, generator)
    grids = occupancy(points, centers, edge, config.grid).bool()
    heatmap = config.grid // 2
    joints = torch.where(worlds.left[:, None, None], torch.nan, worlds.joints)
    coordinates = grid_coordinates(joints, centers, edge, heatmap)
    return Batch(grids, coordinates, 1000 * edge / heatmap, 0.0)


def cube_centers(worlds: Worlds, edge: float, generator: torch.Generator) -> torch.Tensor:
    """Return float [B, 3]: centres of cubes of that edge, as far off the subjects' as those that are found at run
    time."""
    batch, device = worlds.centers.shape[0], worlds.centers.device
    near = 0.04 * torch.randn(batch, 3, generator=generator, device=device)
    far = 0.36 * (torch.rand(batch, 3, generator=generator, device=device) - 0.5)
    lost = torch.rand(batch, 1, generator=generator, device=device) < 0.25
    return worlds.centers + edge * torch.where(lost, far, near)


def _center_batch(config: TrainingConfig, worlds: Worlds, generator: torch.Generator) -> CenterBatch:
    edge, batch, device = config.subject.cube_edge, worlds.centers.shape[0], worlds.centers.device
    wide = edge * (CenterRefiner.SPAN + 2 * LARGEST_OFFSET)
    guesses = worlds.centers + edge * LARGEST_OFFSET * (
        2 * torch.rand(batch, 3, generator=generator, device=device) - 1
    )
    elsewhere, found = other_surfaces(worlds, wide, ELSEWHERE_FROM * edge, generator)
    away = found & (torch.rand(batch, generator=generator, device=device) < ELSEWHERE)
    guesses = torch.where(away[:, None], elsewhere, guesses)
    seen = torch.where(away[:, None], elsewhere, worlds.centers)
    # Fitted at the subject's own depth: a window for the whole of so wide a cube would show the subject too coarsely,
    # and holes between pixels that a true image does not have were learned as a mark of subjects.
    pixels = int(PIXELS_PER_CELL * config.grid / 3 * CROP_MARGIN * wide / (CenterRefiner.SPAN * edge))
    cameras = crop_cameras(seen, wide, pixels, front=0.0)
    points = _points(config, worlds, cameras, generator)
    grids = occupancy(points, guesses, CenterRefiner.SPAN * edge, config.grid).bool()
    there = worlds.present & ~away
    offsets = torch.where(there[:, None], (worlds.centers - guesses) / edge, torch.nan)
    return CenterBatch(grids, offsets, edge, 0.0)


def _worlds(config: TrainingConfig, batch: int, generator: torch.Generator) -> Worlds:
    empty = _EMPTY[config.network]
    if config.subject.kind == "body":
        return sample_body_worlds(batch, generator, view="mixed", empty=empty, before_wall=BEFORE_WALL, skinned=SKINNED)
    near, far = HAND_DISTANCES
    left = 0.5 if config.network == "center" else _LEFT_HANDS
    return sample_hand_worlds(batch, generator, near=near, far=far, empty=empty, left=left, skinned=SKINNED)


def _points(config: TrainingConfig, worlds: Worlds, cameras: Cameras, generator: torch.Generator) -> torch.Tensor:
    """Return float [B, P, 3]: what random sensors see of the worlds."""
    return cameras.deproject(sensed_depth(worlds, cameras, generator, body=config.subject.kind == "body"))


def sensed_depth(worlds: Worlds, cameras: Cameras, generator: torch.Generator, *, body: bool) -> torch.Tensor:
    """Return float [B, H, W] metres, NaN where invalid: what random sensors see of worlds with hands, or with
    bodies."""
    batch = worlds.centers.shape[0]
    sensors = Sensors.sample(batch, generator, near_only=not body, distance=worlds.centers[:, 2])
    draws = Draws.draw(batch, cameras.height, cameras.width, generator)
    depth = sense(render_worlds(worlds, cameras), cameras, sensors, draws)
    if body:
        depth = torch.where(border_mask(worlds, cameras, generator), torch.nan, depth)
    return depth


def other_surfaces(
    worlds: Worlds, edge: float, distance: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a random surface point [B, 3] of every world at least a distance from its subject, and whether there is
    one."""
    cameras = crop_cameras(worlds.centers, 2 * edge, 40)
    points = cameras.deproject(render_worlds(worlds, cameras))
    apart = (points - worlds.centers[:, None]).norm(dim=-1)
    suitable = points.isfinite().all(-1) & (apart > distance) & (apart < 3 * edge)
    draw = torch.rand(suitable.shape, generator=generator, device=suitable.device)
    index = torch.where(suitable, draw, -1.0).argmax(1)
    chosen = points[torch.arange(len(points), device=points.device), index]
    found = suitable.any(1)
    return torch.where(found[:, None], chosen, worlds.centers), found


class SeededBatches(IterableDataset[Batch | CenterBatch], ABC):
    """Endless batches, each with a seed of its own.

    Args:
        config: Configuration of the run.
        device: Device of the generator.
        rank: Index of this process.
        processes: Number of processes.
        first_step: Step of the first batch, above 0 in a resumed run.
    """

    def __init__(
        self, config: TrainingConfig, device: torch.device | str, rank: int, processes: int, first_step: int
    ) -> None:
        self.config, self.device = config, device
        self.rank, self.processes, self.first_step = rank, processes, first_step

    @abstractmethod
    def batch(self, step: int, generator: torch.Generator) -> Batch | CenterBatch:
        """Return this process's batch of a step."""

    def __iter__(self) -> Iterator[Batch | CenterBatch]:
        worker = get_worker_info()
        # Workers take turns, and their batches are collected in turn: their number changes nothing.
        step, stride = (self.first_step, 1) if worker is None else (self.first_step + worker.id, worker.num_workers)
        generator = torch.Generator(self.device)
        while True:
            place = self.config.seed, self.processes, self.rank, step
            generator.manual_seed(derive_seed(SeedFamily.TRAINING_BATCH, *place))
            yield self.batch(step, generator)
            step += stride


class SyntheticData(SeededBatches):
    """Endless batches, made on the device that trains on them or by workers on the CPU.

    Some cubes of a pose network are those that the detector proposes in whole scenes, as it does at run time. Only
    these show it the shoulders, edges and corners that look like hands.

    Args:
        config: Configuration of the run.
        device: Device to render on.
        rank: Index of this process.
        processes: Number of processes.
        first_step: Step of the first batch, above 0 in a resumed run.
    """

    def __init__(
        self,
        config: TrainingConfig,
        device: torch.device | str = "cpu",
        *,
        rank: int = 0,
        processes: int = 1,
        first_step: int = 0,
    ) -> None:
        super().__init__(config, device, rank, processes, first_step)
        self._proposals: Proposals | None = None
        self._pool: tuple[int, CubeBatch] | None = None

    def batch(self, step: int, generator: torch.Generator) -> Batch | CenterBatch:
        batch = sample_batch(self.config, self.config.batch, generator)
        if not isinstance(batch, Batch) or not self.config.proposed:
            return batch
        started = time.perf_counter()
        wanted = self.config.batch * self.config.proposed
        count = int(wanted + torch.rand((), generator=generator, device=self.device))
        self._put_proposals(batch, step, min(count, math.ceil(wanted)))
        return batch._replace(seconds=batch.seconds + time.perf_counter() - started)

    def _put_proposals(self, batch: Batch, step: int, count: int) -> None:
        """Put cubes that the detector proposes in whole scenes in place of the first ones of a batch."""
        pool, turn = divmod(step, _POOL_STEPS)
        if self._pool is None or self._pool[0] != pool:
            self._pool = pool, self._propose(pool)
        cubes = self._pool[1]
        chosen = slice(turn * count, (turn + 1) * count)
        batch.grids[:count] = cubes.grids[chosen].to(batch.grids)
        batch.coordinates[:count] = cubes.joints[chosen].to(batch.coordinates)

    def _propose(self, pool: int) -> CubeBatch:
        """Return the cubes for some steps, in random order, since those of a scene come one after the other."""
        config = self.config
        if self._proposals is None:
            look = Look(config.subject, config.subject.cube_edge, config.grid, config.grid // 2)
            self._proposals = Proposals(look, load_detector())
        place = config.seed, self.processes, self.rank, pool
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.TRAINING_PROPOSALS, *place))
        cubes = self._proposals.draw(_POOL_STEPS * math.ceil(config.batch * config.proposed), generator)
        order = torch.randperm(len(cubes.labels), generator=generator)
        return CubeBatch(*(column[order] for column in cubes))


_HELD_OUT_BATCH = 32


def held_out_parts(config: TrainingConfig) -> int:
    """Return the number of parts of the held-out set; every process needs one."""
    return -(-config.validation_samples // _HELD_OUT_BATCH)


def held_out(config: TrainingConfig, *, rank: int = 0, processes: int = 1) -> list[tuple[int, Batch | CenterBatch]]:
    """Return this process's share of a fixed set of samples, none of which is trained on, and their places in it.

    The set depends on the skeleton, the network's grid and ``validation_samples``, not on the run's seed. It is made
    on the CPU whatever trains, since generators of different devices draw differently.
    """
    share = []
    for index in range(rank, held_out_parts(config), processes):
        samples = min(_HELD_OUT_BATCH, config.validation_samples - index * _HELD_OUT_BATCH)
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.HELD_OUT_BATCH, index))
        share.append((index, sample_batch(config, samples, generator)))
    return share
