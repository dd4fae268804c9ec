# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The One-Euro filter for joints.

Source:
    Casiez, Roussel, Vogel, "1 Euro filter: a simple speed-based low-pass filter for noisy input in interactive
    systems", CHI 2012.
"""

from __future__ import annotations

import math

import numpy as np

from ...geometry.skeletons import Skeleton
from .joint_filter import Array, Floats, Mask, StampedFilter

_LOWEST_CUTOFF = 0.8  # Hz, of a joint at rest
_SPEED_CUTOFF = 1.0  # Hz


class OneEuroFilter(StampedFilter):
    """Casiez et al.: a low-pass filter for every joint, whose cutoff rises with the joint's speed.

    The speed is that of the joint in space, not of each axis, so that the result does not depend on the camera's axes.
    Covariances are those measured, and grow while a joint is predicted.

    Args:
        skeleton: Skeleton of the subject; hands and bodies have different constants.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__(skeleton)
        self._slope = skeleton.subject.cutoff_slope
        self._place, self._velocity, self._measured = np.zeros((3, self._joints, 3))
        self._since = np.zeros(self._joints)  # seconds since each joint was measured

    def _take(self, points: Floats, spread: Floats, known: Mask, measured: Mask, dt: float) -> None:
        del spread
        again, new = known & measured, ~known & measured
        self._since += dt
        since = self._since[again, None]
        speed = (points - self._measured)[again] / since
        self._velocity[again] += _share(_SPEED_CUTOFF, since) * (speed - self._velocity[again])
        cutoff = _LOWEST_CUTOFF + self._slope * np.linalg.norm(self._velocity[again], axis=1, keepdims=True)
        self._place[again] += _share(cutoff, since) * (points - self._place)[again]
        self._place[new], self._velocity[new] = points[new], 0
        self._measured[measured], self._since[measured] = points[measured], 0

    def _at(self, dt: float, known: Mask) -> tuple[Floats, Floats, Floats]:
        del known
        since = (self._since + dt)[:, None]
        return self._place + since * self._velocity, self._velocity, (1 + since[..., None]) * self._spread


def _share(cutoff: Array | float, dt: Floats) -> Floats:
    """Weight of the newest value in a low-pass filter of first order with a cutoff in Hz."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * dt))
