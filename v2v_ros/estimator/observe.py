# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the network sees in cubes, as observations of one hand or the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..geometry.camera import Intrinsics
from ..geometry.estimate import Side
from .pipeline import Pipeline
from .stopwatch import Stopwatch
from .tracking.track import MOST_EVIDENCE, Observation, choose_side

if TYPE_CHECKING:
    from .pipeline_cuda import CudaPipeline

_CERTAIN_SIDE = 6.0  # logit; then a side is settled, and the network looks at the cube as that hand only


class Observer:
    """Runs the pose network on cubes, where it is not known as either hand.

    Args:
        pipeline: Pipeline that turns cubes into joints.

    Attributes:
        side: Hand to expect, or None for bodies, which have no side. UNKNOWN: either.
    """

    def __init__(self, pipeline: Pipeline | CudaPipeline) -> None:
        self._pipeline = pipeline
        self.side: Side | None = None

    def __call__(
        self,
        image: torch.Tensor,
        intrinsics: Intrinsics,
        centers: np.ndarray,
        clock: Stopwatch,
        evidence: Sequence[float] | None = None,
    ) -> list[Observation | None]:
        """Look into the cubes around centers float64 [K, 3], all in one call of the network.

        Args:
            image: Depth image as the pipeline's ``upload`` returned it.
            intrinsics: Intrinsics of the image.
            clock: Stopwatch with the pipeline's stages.
            evidence: Evidence about the side of each cube's subject, as a logit of a left hand; None: nothing is known.

        Returns:
            One observation for each cube, as the likelier hand; None for a cube without a joint.
        """
        known = [0.0] * len(centers) if evidence is None else evidence
        sides = [self._sides(each) for each in known]
        cubes = [index for index, each in enumerate(sides) for _ in each]
        # The network knows right hands only.
        mirrored = np.array([side == Side.LEFT for each in sides for side in each], bool)
        looks = self._pipeline(image, intrinsics, centers[cubes], mirrored, clock)
        found: list[Observation | None] = []
        first = 0
        for center, each, logit in zip(centers, sides, known, strict=True):
            seen = [
                Observation(
                    looks.points[k],
                    looks.scores[k],
                    looks.covariances[k],
                    center,
                    float(looks.subjects[k]),
                    side,
                    float(looks.left[k]),
                )
                for k, side in enumerate(each, start=first)
                if np.isfinite(looks.points[k]).any()  # neither an empty cube, nor one in which no joint was estimated
            ]
            first += len(each)
            if not seen:
                found.append(None)
            else:
                one = seen[0] if len(seen) == 1 else choose_side(seen[0], seen[1], logit)
                found.append(replace(one, left=float(np.clip(one.left, -MOST_EVIDENCE, MOST_EVIDENCE))))
        return found

    def _sides(self, evidence: float) -> tuple[Side, ...]:
        """Return the hands that a subject may be."""
        if self.side is None:
            return (Side.UNKNOWN,)
        if self.side != Side.UNKNOWN:
            return (self.side,)
        if abs(evidence) >= _CERTAIN_SIDE:
            return (Side.LEFT if evidence > 0 else Side.RIGHT,)
        return (Side.RIGHT, Side.LEFT)
