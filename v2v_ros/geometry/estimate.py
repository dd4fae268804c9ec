# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the estimator says of a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from .retargeting import MEDIAPIPE_NAMES, mano_points


class TrackingState(IntEnum):
    """State of the track behind a skeleton, with the values of ``v2v_ros/msg/Skeleton``."""

    DETECTED = 0
    TRACKED = 1
    PREDICTED = 2


class Side(IntEnum):
    """Side of a hand, with the values of ``v2v_ros/msg/Skeleton``."""

    UNKNOWN = 0
    LEFT = 1
    RIGHT = 2


SIDES = {"either": Side.UNKNOWN, "right": Side.RIGHT, "left": Side.LEFT}
"""Sides to look for, by their names in parameters and options."""


@dataclass(frozen=True)
class SkeletonEstimate:
    """One subject in one frame; metres in the camera's optical frame.

    Attributes:
        id: Identifier, the same for as long as the subject is tracked.
        side: Side of a hand.
        tracking_state: State of the track: newly found, followed, or only predicted.
        score: Probability of a subject; without a joint refiner the mean of the joints' scores.
        center: float64 [3], centre of the cube.
        cube_edge: Edge of the cube.
        points: float32 [J, 3]; NaN for a joint that is not estimated.
        scores: float32 [J] in [0, 1]; 0 for a joint that is not estimated.
        covariances: float32 [J, 6]: xx, xy, xz, yy, yz, zz in square metres; NaN for a joint that is not estimated.
        velocities: float32 [J, 3] metres per second; NaN where it is not known.
    """

    id: str
    side: Side
    tracking_state: TrackingState
    score: float
    center: np.ndarray
    cube_edge: float
    points: np.ndarray
    scores: np.ndarray
    covariances: np.ndarray
    velocities: np.ndarray

    def mano_points(self) -> np.ndarray | None:
        """Return a hand's joints as :func:`~v2v_ros.geometry.retargeting.mano_points` gives them, for retargeting.

        Returns:
            float64 [21, 3]; None where the side is not known, the palm is not estimated, or it is no ``hand21``.
        """
        if self.side is Side.UNKNOWN or len(self.points) != len(MEDIAPIPE_NAMES):
            return None
        return mano_points(self.points, self.side is Side.LEFT)


@dataclass(frozen=True)
class Estimate:
    """Subjects found in one frame.

    Example:
        >>> nobody = Estimate(skeletons=(), seconds={})
        >>> for one in nobody.skeletons:
        ...     print(one.id, one.score, one.points)  # metres in the camera's optical frame

    Attributes:
        skeletons: Skeletons, in the order in which their subjects were first seen.
        seconds: Seconds that each stage took, by name.
        best_detection: Highest score in [0, 1] of all places where the search saw a subject, whether one was found
            there or not; NaN when the frame was not searched, or by something that gives no scores.
        looked_at: float64 [K, 3] metres, centres of the cubes that the pose network looked into.
    """

    skeletons: tuple[SkeletonEstimate, ...]
    seconds: dict[str, float]
    best_detection: float = math.nan
    looked_at: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))

    def moved(self, elapsed: float) -> Estimate:
        """Return the skeletons as they should be ``elapsed`` seconds later; joints of unknown velocity stay where they
        are."""
        skeletons = []
        for one in self.skeletons:
            way = np.nan_to_num(one.velocities * np.float32(elapsed))
            known = np.isfinite(one.velocities).all(axis=-1)
            center = one.center + (way[known].mean(axis=0) if known.any() else 0.0)
            skeletons.append(replace(one, points=one.points + way, center=center))
        return replace(self, skeletons=tuple(skeletons))
