# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What filters of joints are: their result, their interface, and how they treat stamps and missing joints."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...geometry.covariances import as_matrices, as_six
from ...geometry.skeletons import Skeleton

HOLD_SECONDS = 0.5
"""Seconds for which a joint that is not measured is predicted; then it is not known any more."""
LONGEST_GAP = 1.0
"""Seconds between two frames after which a filter starts again, as it does when time goes back."""


Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUND = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Filtered:
    """Joints after a filter; rows of joints that are not known are NaN.

    Attributes:
        points: float32 [J, 3] metres.
        velocities: float32 [J, 3] m/s; NaN where unknown, as for a joint that was measured only once.
        covariances: float32 [J, 6] of the points: xx, xy, xz, yy, yz, zz in square metres.
    """

    points: NDArray[np.float32]
    velocities: NDArray[np.float32]
    covariances: NDArray[np.float32]


class JointFilter(Protocol):
    """Filters the joints of one subject, in metres and in a frame that does not move."""

    def update(self, points: Array, covariances: Array, stamp: float) -> Filtered:
        """Take in a frame and return its joints, filtered.

        A repeated stamp changes nothing; after one that goes back, or a long gap, the filter starts again.

        Args:
            points: [J, 3] metres; NaN for joints that are not measured, which are predicted for a while.
            covariances: [J, 6] square metres: xx, xy, xz, yy, yz, zz.
            stamp: Seconds.

        Raises:
            ValueError: The arrays are not of the skeleton's joints, or the stamp is not finite.
        """
        ...

    def predict(self, stamp: float) -> Filtered:
        """Return the joints at a time after the last frame (at that frame, for times before it); changes nothing."""
        ...


class StampedFilter(ABC):
    """The part that all filters share: stamps and missing joints."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._joints = len(skeleton.joint_names)
        self._stamp = -math.inf
        self._seen = np.full(self._joints, -math.inf)  # when each joint was last measured
        self._moving = np.zeros(self._joints, bool)  # measured more than once, so that there is a velocity
        self._spread = np.full((self._joints, 3, 3), np.nan)  # the heatmaps' covariances then

    def update(self, points: Array, covariances: Array, stamp: float) -> Filtered:
        """See :meth:`JointFilter.update`."""
        shapes = ((self._joints, 3), (self._joints, 6))
        if (points.shape, covariances.shape) != shapes:
            raise ValueError(f"points and covariances must be {shapes}, got {points.shape} and {covariances.shape}")
        if not math.isfinite(stamp):
            raise ValueError(f"stamp must be finite, got {stamp}")
        if stamp == self._stamp:
            return self.predict(stamp)
        elapsed = stamp - self._stamp
        if not 0 < elapsed <= LONGEST_GAP:
            self._seen[:] = -math.inf
            self._forget()
        measured: Mask = np.isfinite(np.concatenate((points, covariances), axis=1)).all(axis=1)
        known = stamp - self._seen <= HOLD_SECONDS
        self._moving = known & (self._moving | measured)
        places = np.where(measured[:, None], points, 0.0).astype(np.float64)
        spread = as_matrices(np.where(measured[:, None], covariances, _ROUND).astype(np.float64))
        self._spread[measured] = spread[measured]
        self._take(places, spread, known, measured, min(elapsed, LONGEST_GAP))
        self._seen[measured] = stamp
        self._stamp = stamp
        return self.predict(stamp)

    def predict(self, stamp: float) -> Filtered:
        """See :meth:`JointFilter.predict`."""
        known = stamp - self._seen <= HOLD_SECONDS
        points, velocities, covariances = self._at(min(max(0.0, stamp - self._stamp), HOLD_SECONDS), known)
        rows = np.concatenate((points, velocities, as_six(covariances)), axis=1).astype(np.float32)
        rows[~known] = np.nan
        rows[~self._moving, 3:6] = np.nan
        return Filtered(rows[:, :3], rows[:, 3:6], rows[:, 6:])

    def _forget(self) -> None:  # noqa: B027
        """Begin with an unknown subject; for filters that keep more than their rows."""

    @abstractmethod
    def _take(self, points: Floats, spread: Floats, known: Mask, measured: Mask, dt: float) -> None:
        """Take in the measured joints, dt seconds after the last frame; some are known from frames before."""

    @abstractmethod
    def _at(self, dt: float, known: Mask) -> tuple[Floats, Floats, Floats]:
        """Return points [J, 3], velocities [J, 3] and covariances [J, 3, 3], dt seconds after the last frame.

        Rows of joints that are not known may be anything.
        """
