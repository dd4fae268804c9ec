# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cubes that a detector proposes in whole synthetic scenes: what a joint refiner has to decide on at run time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ...geometry.camera import Intrinsics
from ...model.detector import Detector
from ...model.voxels import cube_occupancy
from ...model.weights import DetectorWeights, Weights
from ...synthetic.scenes.whole import ABSENT, SEEN, Scenes, sample_scenes
from ..seeds import SeedFamily, derive_seed
from ..synthetic_batches import SKINNED
from . import peak_sets
from .peak_sets import CubeBatch, Label

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


class ProposalCubes:
    """Cubes at a detector's proposals, right or wrong; without the joints, which whole scenes do not tell.

    Args:
        weights: Weights of the pose network.
        detector: Weights of the detector that proposes.
        seed: Seed of the scenes.
    """

    def __init__(self, weights: Weights, detector: DetectorWeights, seed: int = 0) -> None:
        self._weights, self._seed = weights, seed
        self._detect = Detector(detector, torch.device("cpu"))
        self.about = {"samples": f"proposals of {detector.hash}", "seed": str(seed)}

    def draw(self, index: int) -> Iterator[CubeBatch]:
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.PROPOSED_CUBES, self._seed, index))
        wanted = peak_sets.FILE_SAMPLES
        while wanted > 0:
            found = self._batch(generator)
            if found is not None:
                yield CubeBatch(*(column[:wanted] for column in found))
                wanted -= len(found.labels)

    def _batch(self, generator: torch.Generator) -> CubeBatch | None:
        """Return the cubes of some scenes of one setting and one camera; None when nothing is proposed in them."""
        names, shares = zip(*_SETTINGS.items(), strict=True)
        setting = names[int(torch.multinomial(torch.tensor(shares), 1, generator=generator))]
        focal = _WIDTH * float(0.55 + 0.6 * torch.rand(1, generator=generator))
        camera = Intrinsics(focal, focal, (_WIDTH - 1) / 2, (_HEIGHT - 1) / 2, _WIDTH, _HEIGHT)
        scenes = sample_scenes(_SCENES, generator, setting, camera, skinned=SKINNED)
        grids: list[torch.Tensor] = []
        labels: list[int] = []
        kind = self._weights.skeleton.kind
        for scene, depth in enumerate(scenes.depth):
            detections = self._detect(
                depth.numpy(), camera, kind, self._weights.skeleton.subject.depth_range, _PROPOSALS
            )
            known = [self._label(scenes, scene, center) for center in detections.centers]
            kept = [index for index, label in enumerate(known) if label is not None]
            if not kept:
                continue
            centers = detections.centers[kept]
            jitter = 0.03 * self._weights.cube_edge * torch.randn(len(kept), 3, generator=generator)
            cubes = cube_occupancy(
                depth, camera, centers + jitter.double().numpy(), self._weights.cube_edge, self._weights.config.grid
            )
            for cube, index in zip(cubes, kept, strict=True):
                label = known[index]
                assert label is not None
                grids.append(cube)
                labels.append(label)
                if kind == "hand":  # and as the other hand
                    grids.append(cube.flip(-1))
                    labels.append(_OTHER_HAND[Label(label)])
        if not grids:
            return None
        joints = torch.full((len(grids), self._weights.config.joints, 3), torch.nan)
        return CubeBatch(torch.stack(grids), joints, torch.tensor(labels))

    def _label(self, scenes: Scenes, scene: int, center: np.ndarray) -> int | None:
        """Return what a cube at a centre [3] shows; None where that is not certain."""
        subjects, _, states, left = (column[scene] for column in scenes.subjects(self._weights.skeleton.kind))
        distances = np.linalg.norm(subjects.double().numpy() - center, axis=1) / self._weights.cube_edge
        distances[(states == ABSENT).numpy()] = np.inf
        nearest = int(distances.argmin())
        if distances[nearest] > _AWAY:
            return Label.NOTHING
        if distances[nearest] > _AT or states[nearest] != SEEN:
            return None
        return Label.LEFT_HAND if left[nearest] else Label.SUBJECT


_OTHER_HAND = {Label.NOTHING: Label.NOTHING, Label.SUBJECT: Label.LEFT_HAND, Label.LEFT_HAND: Label.SUBJECT}
