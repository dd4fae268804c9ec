# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cubes that a detector proposes in whole synthetic scenes, as a peak set."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ...model.weights import DetectorWeights, Weights
from ..cubes import CubeBatch
from ..proposals import Look, Proposals
from ..seeds import SeedFamily, derive_seed
from . import peak_sets


class ProposalCubes:
    """Cubes at a detector's proposals, right or wrong.

    Args:
        weights: Weights of the pose network.
        detector: Weights of the detector that proposes.
        seed: Seed of the scenes.
    """

    def __init__(self, weights: Weights, detector: DetectorWeights, seed: int = 0) -> None:
        look = Look(weights.skeleton, weights.cube_edge, weights.config.grid, weights.config.heatmap)
        self._proposals, self._seed = Proposals(look, detector), seed
        self.about = {"samples": f"proposals of {detector.hash}, with joints", "seed": str(seed)}

    def draw(self, index: int) -> Iterator[CubeBatch]:
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.PROPOSED_CUBES, self._seed, index))
        yield self._proposals.draw(peak_sets.FILE_SAMPLES, generator)
