# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Filters over time for the joints of one tracked subject: steady while it rests, quick when it moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...geometry.skeletons import Skeleton
from .joint_filter import Array, Filtered, JointFilter
from .kalman import KalmanFilter
from .one_euro import OneEuroFilter

__all__ = ["NAMES", "Filtered", "JointFilter", "KalmanFilter", "OneEuroFilter", "Unfiltered", "make_filter"]

NAMES = ("none", "kalman", "one_euro")


def make_filter(name: str, skeleton: Skeleton) -> JointFilter:
    """Return a filter for one subject, which has seen nothing yet.

    Args:
        name: ``none``; ``kalman`` (:class:`KalmanFilter`); ``one_euro`` (:class:`OneEuroFilter`).
        skeleton: Skeleton of the subject.

    Raises:
        ValueError: There is no such filter.
    """
    if name not in NAMES:
        raise ValueError(f"unknown filter '{name}'; choose one of: {', '.join(NAMES)}")
    kinds: dict[str, Callable[[Skeleton], JointFilter]] = {
        "none": Unfiltered,
        "kalman": KalmanFilter,
        "one_euro": OneEuroFilter,
    }
    return kinds[name](skeleton)


class Unfiltered:
    """The joints as they are measured; velocities stay unknown."""

    def __init__(self, skeleton: Skeleton) -> None:
        nothing = np.full((len(skeleton.joint_names), 6), np.nan, np.float32)
        self._last = Filtered(nothing[:, :3], nothing[:, :3], nothing)

    def update(self, points: Array, covariances: Array, stamp: float) -> Filtered:
        """See :meth:`JointFilter.update`."""
        del stamp
        unknown = np.full(points.shape, np.nan, np.float32)
        self._last = Filtered(points.astype(np.float32), unknown, covariances.astype(np.float32))
        return self._last

    def predict(self, stamp: float) -> Filtered:
        """See :meth:`JointFilter.predict`: the last joints, whatever the time."""
        del stamp
        return self._last
