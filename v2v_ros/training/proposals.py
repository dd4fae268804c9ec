# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cubes that a detector proposes in whole synthetic scenes: what pose networks and joint refiners meet at run time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..geometry.camera import Intrinsics
from ..geometry.skeletons import Skeleton
from ..model.detector import Detector
from ..model.voxels import cube_occupancy, grid_coordinates
from ..model.weights import DetectorWeights
from ..synthetic.scenes.whole import ABSENT, SEEN, Scenes, sample_scenes
from .config import SKINNED
from .cubes import CubeBatch, Label

_SCENES = 8  # scenes of a batch
_WIDTH, _HEIGHT = 320, 240  # pixels of a scene: fine enough for the cells of a hand's cube
_PROPOSALS = 3  # proposals of a scene
_AT, _AWAY = 0.3, 0.75  # cube edges from a subject up to which a cube shows it, and from which on it shows others
# Settings and their shares: scenes without anybody are where a refiner is needed most.
_SETTINGS = {
    "toward": 0.15,
    "near": 0.1,
    "far": 0.1,
    "wall": 0.1,
    "own": 0.05,
    "hand": 0.05,
    "room": 0.2,
    "floor": 0.2,
    "table": 0.15,
}
_OTHER_HAND = {Label.NOTHING: Label.NOTHING, Label.SUBJECT: Label.LEFT_HAND, Label.LEFT_HAND: Label.SUBJECT}


@dataclass(frozen=True)
class Look:
    """Cubes that a pose network looks into.

    Attributes:
        skeleton: Skeleton that it finds.
        edge: Edge of its cubes, metres.
        grid: Cells of a cube along an axis.
        heatmap: Cells of its heatmaps along an axis.
    """

    skeleton: Skeleton
    edge: float
    grid: int
    heatmap: int


class Proposals:
    """Cubes at a detector's proposals, right or wrong.

    Args:
        look: Cubes of the pose network.
        detector: Weights of the detector that proposes.
    """

    def __init__(self, look: Look, detector: DetectorWeights) -> None:
        self._look = look
        self._detect = Detector(detector, torch.device("cpu"))

    def draw(self, count: int, generator: torch.Generator) -> CubeBatch:
        """Return that many cubes; of hands every cube is there as seen in a mirror, too."""
        parts: list[CubeBatch] = []
        while sum(len(part.labels) for part in parts) < count:
            found = self._batch(generator)
            if found is not None:
                parts.append(found)
        return CubeBatch(*(torch.cat(column)[:count] for column in zip(*parts, strict=True)))

    def _batch(self, generator: torch.Generator) -> CubeBatch | None:
        """Return the cubes of some scenes of one setting and one camera; None when nothing is proposed in them."""
        names, shares = zip(*_SETTINGS.items(), strict=True)
        setting = names[int(torch.multinomial(torch.tensor(shares), 1, generator=generator))]
        focal = _WIDTH * float(0.55 + 0.6 * torch.rand(1, generator=generator))
        camera = Intrinsics(focal, focal, (_WIDTH - 1) / 2, (_HEIGHT - 1) / 2, _WIDTH, _HEIGHT)
        scenes = sample_scenes(_SCENES, generator, setting, camera, skinned=SKINNED)
        parts = [self._in_scene(scenes, index, camera, generator) for index in range(_SCENES)]
        found = [part for part in parts if part is not None]
        return CubeBatch(*(torch.cat(column) for column in zip(*found, strict=True))) if found else None

    def _in_scene(self, scenes: Scenes, scene: int, camera: Intrinsics, generator: torch.Generator) -> CubeBatch | None:
        look, skeleton = self._look, self._look.skeleton
        depth = scenes.depth[scene]
        proposed = self._detect(depth.numpy(), camera, skeleton.kind, skeleton.subject.depth_range, _PROPOSALS).centers
        known = [self._content(scenes, scene, center) for center in proposed]
        kept = [index for index, content in enumerate(known) if content is not None]
        if not kept:
            return None
        jitter = 0.03 * look.edge * torch.randn(len(kept), 3, generator=generator)
        centers = proposed[kept] + jitter.double().numpy()
        cubes = cube_occupancy(depth, camera, centers, look.edge, look.grid)
        grids: list[torch.Tensor] = []
        joints: list[torch.Tensor] = []
        labels: list[int] = []
        for cube, center, index in zip(cubes, centers, kept, strict=True):
            content = known[index]
            assert content is not None
            label, metric = content
            cells = grid_coordinates(metric[None], torch.from_numpy(center)[None], look.edge, look.heatmap)[0].float()
            mirrored = torch.stack((look.heatmap - cells[:, 0], cells[:, 1], cells[:, 2]), dim=1)
            views = [(cube, cells, label)]
            if skeleton.kind == "hand":
                views.append((cube.flip(-1), mirrored, _OTHER_HAND[label]))
            for grid, coordinates, what in views:
                grids.append(grid)
                joints.append(coordinates if what == Label.SUBJECT else torch.full_like(coordinates, torch.nan))
                labels.append(what)
        return CubeBatch(torch.stack(grids), torch.stack(joints), torch.tensor(labels))

    def _content(self, scenes: Scenes, scene: int, center: np.ndarray) -> tuple[Label, torch.Tensor] | None:
        """Return what a cube at a centre [3] shows, and joints [J, 3] in metres; None where that is not certain."""
        skeleton, edge = self._look.skeleton, self._look.edge
        subjects, _, states, left = (column[scene] for column in scenes.subjects(skeleton.kind))
        joints = scenes.joints(skeleton.kind)[scene]
        distances = np.linalg.norm(subjects.double().numpy() - center, axis=1) / edge
        distances[(states == ABSENT).numpy()] = np.inf
        nearest = int(distances.argmin())
        if distances[nearest] > _AWAY:
            return Label.NOTHING, torch.full_like(joints[nearest], torch.nan)
        if distances[nearest] > _AT or states[nearest] != SEEN:
            return None
        return Label.LEFT_HAND if left[nearest] else Label.SUBJECT, joints[nearest]
