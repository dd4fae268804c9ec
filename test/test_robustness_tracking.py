# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The real network on cameras that change while they run, and clocks that leap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import TrackingState
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence

Found = tuple[str, TrackingState, float]


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    from v2v_ros.model import weights

    return PoseEstimator(weights.default_for("hand21"))


@pytest.fixture(autouse=True)
def anew(estimator: PoseEstimator) -> None:
    estimator.reset()


def follow(estimator: PoseEstimator, sequence: SyntheticSequence, seconds: float, stamp: float) -> Found | None:
    """Id, state and mean error in metres of the hand in the frame of a time, shown with another stamp."""
    frame = sequence.frame(seconds)
    skeletons = estimator.estimate(frame.depth, sequence.intrinsics, stamp).skeletons
    if not skeletons:
        return None
    error = float(np.nanmean(np.linalg.norm(skeletons[0].points - frame.joints, axis=1)))
    return skeletons[0].id, skeletons[0].tracking_state, error


def test_a_hand_is_followed_from_5_to_90_hz_and_back(estimator: PoseEstimator) -> None:
    sequence = SyntheticSequence("hand", seed=11)
    periods = [1 / 5] * 5 + [1 / 90] * 12 + [1 / 5] * 4
    found = [follow(estimator, sequence, at, 100 + at) for at in np.cumsum(periods)]
    seen = [one for one in found if one is not None]
    assert len(seen) >= len(periods) - 2
    assert len({name for name, _, _ in seen}) == 1
    assert np.mean([error for _, _, error in seen]) < 0.02


def test_a_hand_is_followed_when_size_and_intrinsics_change(estimator: PoseEstimator) -> None:
    half = Intrinsics(CAMERA.fx / 2, CAMERA.fy / 2, CAMERA.cx / 2, CAMERA.cy / 2, CAMERA.width // 2, CAMERA.height // 2)
    zoomed = replace(CAMERA, fx=1.3 * CAMERA.fx, fy=1.3 * CAMERA.fy)
    found = []
    at = 0.0
    for camera in (CAMERA, half, zoomed, CAMERA):
        sequence = SyntheticSequence("hand", seed=11, intrinsics=camera)
        for _ in range(4):
            at += 1 / 30
            found.append(follow(estimator, sequence, at, at))
    seen = [one for one in found if one is not None]
    assert len(seen) >= len(found) - 1
    assert len({name for name, _, _ in seen}) == 1
    assert np.mean([error for _, _, error in seen]) < 0.02


@pytest.mark.parametrize("leap", [3600.0, -3600.0, -0.5])
def test_a_leap_of_the_clock_begins_anew(estimator: PoseEstimator, leap: float) -> None:
    sequence = SyntheticSequence("hand", seed=11)
    before = [follow(estimator, sequence, index / 30, 9000 + index / 30) for index in range(3)]
    after = [follow(estimator, sequence, index / 30, 9000 + leap + index / 30) for index in range(3, 7)]
    assert before[-1] is not None and after[0] is not None
    assert after[0][0] != before[-1][0]
    assert after[0][1] == TrackingState.DETECTED
    # What the leap did to the velocity does not carry the skeleton away.
    assert [one is not None and one[0] for one in after] == [after[0][0]] * len(after)
    assert max(one[2] for one in after if one is not None) < 0.03


def test_a_glitch_of_one_stamp_costs_one_identity_at_most_twice(estimator: PoseEstimator) -> None:
    sequence = SyntheticSequence("hand", seed=11)
    stamps = [0.0, 1 / 30, 5000.0, 3 / 30, 4 / 30, 5 / 30]
    found = [follow(estimator, sequence, index / 30, 100 + stamp) for index, stamp in enumerate(stamps)]
    assert all(one is not None for one in found)
    names = [one[0] for one in found if one is not None]
    assert names[0] == names[1] and names[3] == names[4] == names[5]
