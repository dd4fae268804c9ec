# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a joint refiner learns from: the peaks a frozen pose network shows of synthetic subjects and other things.

Peaks are computed once and kept in a folder, a file for every few samples; each file has a seed of its own, so that a
cut run goes on where it was, and a larger set begins with the smaller one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize

from ...geometry.skeletons import HAND21, Skeleton
from ...io.files import write_atomically
from ...model.peaks import find_peaks
from ...model.runtime import Runtime, make_runtime
from ...model.voxels import grid_coordinates, occupancy
from ...model.weights import Weights
from ...recorded.datasets.frame_set import FrameSet
from ...synthetic.body.worlds import sample_body_worlds
from ...synthetic.hand.worlds import sample_hand_worlds
from ...synthetic.worlds import Worlds, crop_cameras, render_worlds
from ..config import SKINNED, TrainingConfig
from ..cubes import CubeBatch, Label
from ..dataset_batches import FrameBatches, frame_batch
from ..seeds import SeedFamily, derive_seed
from ..synthetic_batches import (
    BEFORE_WALL,
    HAND_DISTANCES,
    PIXELS_PER_CELL,
    Batch,
    cube_centers,
    other_surfaces,
    sensed_depth,
)

MOST_PEAKS = 6  # peaks of a heatmap; a refiner may use fewer
FILE_SAMPLES = 256
_BATCH = 16
_OTHERS = 0.4  # share of the batches in which there are other things than subjects, of these:
_EMPTY, _LEFT = 0.2, 0.5  # shares of the worlds without a subject, and of left hands
_ELSEWHERE, _ELSEWHERE_FROM = 0.25, 0.75  # share of the cubes that lie elsewhere; how far off, in cube edges
_AMONG_PEOPLE = 0.3  # share of the batches of hands whose cubes lie on other parts of people and on furniture
_HANDS = slice(6, 8)  # joints of body15


class PeakSet(NamedTuple):
    """Samples of a set; peaks as :class:`~v2v_ros.model.peaks.Peaks` has them.

    Attributes:
        places: float32 [S, J, K, 3] heatmap cells.
        heights: float32 [S, J, K].
        means: float32 [S, J, 3] heatmap cells.
        spreads: float32 [S, J, 6] cells squared.
        joints: float32 [S, J, 3] heatmap cells; NaN where no subject is.
        labels: int64 [S], values of :class:`Label`.
    """

    places: torch.Tensor
    heights: torch.Tensor
    means: torch.Tensor
    spreads: torch.Tensor
    joints: torch.Tensor
    labels: torch.Tensor


class Cubes(Protocol):
    """Source of the cubes of a peak set.

    Attributes:
        about: Texts that tell them from others, for the files' headers.
    """

    about: dict[str, str]

    def draw(self, index: int) -> Iterator[CubeBatch]:
        """Batches of the cubes of a file, :data:`FILE_SAMPLES` in all."""
        ...


def write_peak_set(
    weights: Weights,
    cubes: Cubes,
    folder: Path,
    samples: int,
    *,
    runtime: str = "auto",
    device: torch.device | None = None,
    threads: int = 0,
    tick: Callable[[], object] = lambda: None,
) -> PeakSet:
    """Compute the peaks that a network shows of cubes, except for those that the folder holds already, and read them.

    Args:
        weights: Weights of the frozen pose network.
        cubes: Cubes that it looks into.
        folder: Folder that keeps the peaks.
        samples: Number of samples, rounded up to whole files.
        runtime: Name of the runtime of the network (:func:`~v2v_ros.model.runtime.make_runtime`).
        device: Device of the network; None: the CPU.
        threads: Number of CPU threads.
        tick: Function that is called after every file.

    Raises:
        ValueError: The folder holds the peaks of another network or of other cubes, or a damaged file.
    """
    about = {"network": json.dumps(weights.config.to_dict()), "weights": weights.hash, **cubes.about}
    run = make_runtime(runtime, weights, device or torch.device("cpu"), threads)
    files = []
    for index in range(-(-samples // FILE_SAMPLES)):
        path = folder / f"peaks_{index:04d}.safetensors"
        if not path.is_file():
            write_atomically(path, serialize(_peaks(run, weights.config.sigma, cubes.draw(index))._asdict(), about))
        files.append(_read(path, about))
        tick()
    return join(files)


def join(parts: Sequence[PeakSet]) -> PeakSet:
    """Return all samples of some sets."""
    return PeakSet(*(torch.cat(column) for column in zip(*parts, strict=True)))


@torch.inference_mode()
def _peaks(run: Runtime, sigma: float, batches: Iterator[CubeBatch]) -> PeakSet:
    parts = []
    for batch in batches:
        peaks = find_peaks(run(batch.grids.to(torch.uint8)).cpu(), sigma, MOST_PEAKS)
        parts.append(PeakSet(*peaks, batch.joints, batch.labels))
    return join(parts)


def _read(path: Path, about: dict[str, str]) -> PeakSet:
    try:
        with safe_open(path, framework="pt") as file:
            found = file.metadata()
            columns = PeakSet(*(file.get_tensor(name) for name in PeakSet._fields))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"'{path}' cannot be read ({error}): remove it, and it is computed again") from error
    if found != about:
        raise ValueError(f"'{path}' holds the peaks of other weights or samples: remove the folder, or choose another")
    return columns


class SyntheticCubes:
    """Cubes as they are looked into at run time: at subjects, beside them, at other parts of people, at other things.

    Args:
        weights: Weights of the pose network, for ``hand21`` or ``body15``.
        seed: Seed of the samples.

    Raises:
        ValueError: There are no synthetic samples of the skeleton.
    """

    def __init__(self, weights: Weights, seed: int = 0) -> None:
        if weights.skeleton.name not in ("hand21", "body15"):
            raise ValueError(f"there are no synthetic samples of skeleton '{weights.skeleton.name}': name a --dataset")
        self._weights, self._seed = weights, seed
        self.about = {"samples": "synthetic", "seed": str(seed)}

    def draw(self, index: int) -> Iterator[CubeBatch]:
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.PEAK_CUBES, self._seed, index))
        for _ in range(FILE_SAMPLES // _BATCH):
            yield sample_cubes(self._weights, _BATCH, generator)


class FrameCubes:
    """Cubes about the subjects in the frames of a dataset, turned and scaled at random.

    Args:
        config: Configuration of a training run on the dataset, with the network's grid.
        frames: Frames of the dataset.
        augment: Whether to turn and scale them; otherwise every frame once, as the network sees it at work.
    """

    def __init__(self, config: TrainingConfig, frames: FrameSet, *, augment: bool = True) -> None:
        self._batches, self._augment = FrameBatches(config, frames), augment
        self.about = {
            "samples": f"{config.dataset} {config.test_subject} {config.centers} {len(frames)} frames",
            "seed": str(config.seed) if augment else "none",
        }

    def draw(self, index: int) -> Iterator[CubeBatch]:
        config, frames = self._batches.config, self._batches.frames
        for step in range(index * FILE_SAMPLES // config.batch, (index + 1) * FILE_SAMPLES // config.batch):
            generator = torch.Generator().manual_seed(derive_seed(SeedFamily.PEAK_CUBES, config.seed, step))
            chosen = self._batches.indices(step)
            batch = frame_batch(config, frames, chosen, generator, augment=self._augment)
            assert isinstance(batch, Batch)
            yield CubeBatch(batch.grids, batch.coordinates, torch.full((len(chosen),), int(Label.SUBJECT)))


def sample_cubes(weights: Weights, batch: int, generator: torch.Generator) -> CubeBatch:
    """Cubes as they are looked into at run time: at subjects, beside them, at parts of people and at other things."""
    skeleton = weights.skeleton
    others, among_people = (torch.rand(2, generator=generator) < torch.tensor([_OTHERS, _AMONG_PEOPLE])).tolist()
    worlds = _worlds(skeleton, batch, others, others and among_people and skeleton.kind == "hand", generator)
    edge = weights.cube_edge
    centers = cube_centers(worlds, edge, generator)
    elsewhere, found = other_surfaces(worlds, edge, _ELSEWHERE_FROM * edge, generator)
    away = found & others & (torch.rand(batch, generator=generator) < _ELSEWHERE)
    centers = torch.where(away[:, None], elsewhere, centers)
    seen = torch.where(away[:, None], elsewhere, worlds.centers)
    cameras = crop_cameras(seen, edge, PIXELS_PER_CELL * weights.config.grid // 3)
    depth = sensed_depth(worlds, cameras, generator, body=skeleton.kind == "body")
    grids = occupancy(cameras.deproject(depth), centers, edge, weights.config.grid)
    there = worlds.present & ~away
    labels = torch.where(there, torch.where(worlds.left, Label.LEFT_HAND, Label.SUBJECT), Label.NOTHING)
    joints = torch.where(there[:, None, None], worlds.joints, torch.nan)
    return CubeBatch(grids, grid_coordinates(joints, centers, edge, weights.config.heatmap), labels)


def _worlds(skeleton: Skeleton, batch: int, others: bool, among_people: bool, generator: torch.Generator) -> Worlds:
    empty, left = (_EMPTY, _LEFT) if others else (0.0, 0.0)
    if skeleton.name == "body15":
        return sample_body_worlds(batch, generator, view="mixed", empty=empty, before_wall=BEFORE_WALL, skinned=SKINNED)
    if among_people:
        return _people_near_by(batch, generator)
    near, far = HAND_DISTANCES
    return sample_hand_worlds(batch, generator, near=near, far=far, empty=empty, left=left, skinned=SKINNED)


def _people_near_by(batch: int, generator: torch.Generator) -> Worlds:
    """People and furniture, without a hand where the centres are: these lie on other visible surfaces."""
    worlds = sample_body_worlds(batch, generator, near=0.6, far=1.4, empty=0.3, skinned=SKINNED)
    cameras = crop_cameras(worlds.centers, 2.0, 64)
    points = cameras.deproject(render_worlds(worlds, cameras))
    apart = (points[:, :, None] - worlds.joints[:, None, _HANDS]).norm(dim=-1).nan_to_num(torch.inf).amin(-1)
    suitable = points.isfinite().all(-1) & (apart > _ELSEWHERE_FROM * HAND21.cube_edge)
    suitable &= (points[..., 2] > 0.2) & (points[..., 2] < 1.5)
    index = torch.where(suitable, torch.rand(suitable.shape, generator=generator), -1.0).argmax(1)
    chosen = points[torch.arange(batch), index]
    nowhere = chosen.new_tensor([0.0, 0.0, 30.0])
    return replace(
        worlds,
        centers=torch.where(suitable.any(1)[:, None], chosen, nowhere),
        joints=torch.full((batch, len(HAND21.joint_names), 3), torch.nan),
    )
