# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Frames of palms and of the joints of hands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from v2v_ros.geometry.angles import ANGLE_NAMES, hand_angles
from v2v_ros.geometry.palm import joint_axes, palm_axes, palm_pose
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.synthetic.hand.kinematics import pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose

MIRROR = np.diag([-1.0, 1.0, 1.0])


def some_hands(count: int = 60) -> NDArray[np.float64]:
    generator = torch.Generator().manual_seed(7)
    shape = sample_shape(count, generator)
    joints, _ = pose_hand(shape, sample_pose(shape, sample_families(count, generator), generator))
    return np.asarray(joints, dtype=np.float64)


def flat_hand(left: bool) -> NDArray[np.float64]:
    """A hand that lies palm down and points along x, with z up; its thumb to the left if it is a right one."""
    points = np.zeros((21, 3))
    for finger, across in enumerate((0.02, 0.0, -0.02, -0.04)):
        for place in range(4):
            points[1 + 4 * finger + place] = (0.09 + 0.03 * place, across, 0.0)
    points[17:] = [(0.02 + 0.02 * place, 0.03 + 0.015 * place, 0.0) for place in range(4)]
    return points * (1, -1, 1) if left else points


@pytest.mark.parametrize("left", [False, True])
def test_the_palm_of_a_hand_that_lies_palm_down_has_the_axes_of_the_table(left: bool) -> None:
    pose = palm_pose(flat_hand(left), left)
    assert pose is not None
    np.testing.assert_allclose(pose[1], np.identity(3), atol=0.01)
    np.testing.assert_allclose(pose[0], (0.072, 0, 0), atol=0.01)  # the knuckles are at 9 cm


def test_axes_turn_with_the_hand_and_those_of_the_mirrored_hand_are_mirrored() -> None:
    for points in some_hands():
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        turn *= np.linalg.det(turn)
        for joint in range(21):
            axes, turned = joint_axes(points, joint, False), joint_axes(points @ turn.T, joint, False)
            assert axes is not None and turned is not None
            np.testing.assert_allclose(axes.T @ axes, np.identity(3), atol=1e-6)
            assert np.linalg.det(axes) == pytest.approx(1)
            np.testing.assert_allclose(turned, turn @ axes, atol=1e-6)
            mirrored = joint_axes(points @ MIRROR, joint, True)
            assert mirrored is not None
            np.testing.assert_allclose(mirrored, MIRROR @ axes @ np.diag([1, -1, 1]), atol=1e-6)


@pytest.mark.parametrize("finger", ["index", "middle", "ring", "little"])
def test_flexion_is_a_positive_turn_about_y(finger: str) -> None:
    pip, dip = (HAND21.joint_names.index(f"{finger}_{name}") for name in ("pip", "dip"))
    for points in some_hands():
        before, after = joint_axes(points, pip, False), joint_axes(points, dip, False)
        assert before is not None and after is not None
        inside = before.T @ after[:, 0]  # the middle phalanx as the proximal one sees it
        flexion = hand_angles(points, False)[ANGLE_NAMES.index(f"{finger}_pip_flexion")]
        assert np.arctan2(-inside[2], inside[0]) == pytest.approx(flexion, abs=0.1)
        assert abs(inside[1]) < 0.3


def test_x_points_along_the_bone() -> None:
    points = some_hands(1)[0]
    for parent, child in HAND21.bones:
        axes = joint_axes(points, child, False)
        assert axes is not None
        bone = points[child] - points[parent]
        np.testing.assert_allclose(axes[:, 0], bone / np.linalg.norm(bone), atol=1e-9)


def test_without_its_joints_there_is_no_palm() -> None:
    points = flat_hand(False)
    for joint in ("wrist", "index_mcp", "middle_mcp", "ring_mcp", "little_mcp"):
        some = points.copy()
        some[HAND21.joint_names.index(joint)] = np.nan
        assert palm_pose(some, False) is None
    assert palm_axes(np.zeros((21, 3)), False) is None
    some = points.copy()
    some[4] = np.nan  # index_tip
    assert joint_axes(some, 4, False) is None and palm_pose(some, False) is not None
