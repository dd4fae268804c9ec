# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Anatomical angles from joints, against hands that were posed by angles."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from v2v_ros.geometry.angles import ANGLE_NAMES, hand_angles, palm_frame
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.synthetic.hand.kinematics import HandPose, pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose

ANGLE = {name: index for index, name in enumerate(ANGLE_NAMES)}
JOINT = {name: index for index, name in enumerate(HAND21.joint_names)}
FINGERS = ("index", "middle", "ring", "little")


@cache
def random_hands(batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints [B, 21, 3], the angles [B, 5, 4] that posed them, and which hands are left ones [B]."""
    random = torch.Generator().manual_seed(seed)
    shape = sample_shape(batch, random)
    pose = sample_pose(shape, sample_families(batch, random), random)
    left = torch.rand(batch, generator=random) < 0.5
    joints, _ = pose_hand(shape, pose, left)
    return joints.numpy().astype(np.float64), pose.fingers.numpy().astype(np.float64), left.numpy()


def angles_of(joints: np.ndarray, left: np.ndarray) -> np.ndarray:
    return np.where(left[:, None], hand_angles(joints, True), hand_angles(joints, False))


def flat_hand() -> np.ndarray:
    """A right hand of straight lines: fingers along y, the thumb beside them, the palm faces z."""
    points = np.zeros((21, 3))
    for finger, x in enumerate((0.03, 0.0, -0.02, -0.04)):
        points[1 + 4 * finger : 5 + 4 * finger] = [(x, y, 0.0) for y in (0.09, 0.13, 0.155, 0.175)]
    points[17:21] = [(0.05, y, 0.0) for y in (0.02, 0.06, 0.09, 0.115)]
    return points


def turned(points: np.ndarray, joint: str, axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """The rest of a finger turned about a joint."""
    first = JOINT[joint]
    last = 4 * ((first - 1) // 4) + 5
    rotation = Rotation.from_rotvec(np.radians(degrees) * np.array(axis)).as_matrix()
    result = points.copy()
    result[first:last] = (points[first:last] - points[first]) @ rotation.T + points[first]
    return result


def test_a_flat_hand_is_zero() -> None:
    np.testing.assert_allclose(hand_angles(flat_hand(), left=False), np.zeros(20), atol=1e-12)


@pytest.mark.parametrize(
    ("joint", "axis", "angle", "degrees"),
    [
        *((f"{finger}_mcp", (1, 0, 0), f"{finger}_mcp_flexion", 40) for finger in FINGERS),
        *((f"{finger}_pip", (1, 0, 0), f"{finger}_pip_flexion", 40) for finger in FINGERS),
        *((f"{finger}_dip", (1, 0, 0), f"{finger}_dip_flexion", 40) for finger in FINGERS),
        ("ring_mcp", (1, 0, 0), "ring_mcp_flexion", -15),
        ("middle_mcp", (1, 0, 0), "middle_mcp_flexion", 110),
        ("little_pip", (1, 0, 0), "little_pip_flexion", 115),
        ("index_mcp", (0, 0, -1), "index_mcp_abduction", 12),  # towards the thumb, away from the middle finger
        ("middle_mcp", (0, 0, -1), "middle_mcp_abduction", 12),
        ("ring_mcp", (0, 0, 1), "ring_mcp_abduction", 12),
        ("little_mcp", (0, 0, 1), "little_mcp_abduction", 12),
        ("thumb_cmc", (0, 0, 1), "thumb_cmc_flexion", 30),
        ("thumb_cmc", (0, 0, 1), "thumb_cmc_flexion", -50),
        ("thumb_cmc", (1, 0, 0), "thumb_cmc_abduction", 35),
        ("thumb_mcp", (0, 0, 1), "thumb_mcp_flexion", 30),
        ("thumb_ip", (0, 0, 1), "thumb_ip_flexion", 60),
        ("thumb_ip", (0, 0, 1), "thumb_ip_flexion", -12),
    ],
)  # fmt: skip
def test_one_turn_is_one_angle(joint: str, axis: tuple[float, float, float], angle: str, degrees: float) -> None:
    angles = np.degrees(hand_angles(turned(flat_hand(), joint, axis, degrees), left=False))
    expected = np.zeros(20)
    expected[ANGLE[angle]] = degrees
    np.testing.assert_allclose(angles, expected, atol=1e-9)


def test_outer_joints_are_those_that_posed_the_hand() -> None:
    """The hinges of fingers and thumb mean the same in the model and here: they agree to about a degree."""
    joints, posed, left = random_hands(1000)
    angles = angles_of(joints, left)
    for row, finger in enumerate((*FINGERS, "thumb")):
        outer = ("mcp", "ip") if finger == "thumb" else ("pip", "dip")
        for column, joint in zip((2, 3), outer, strict=True):
            error = np.degrees(np.abs(angles[:, ANGLE[f"{finger}_{joint}_flexion"]] - posed[:, row, column]))
            # The little finger's plane leans most.
            assert np.percentile(error, 95) < 1.0, (finger, joint)
            assert error.max() < 2.5, (finger, joint)


def test_knuckles_are_those_that_posed_the_hand_but_for_where_zero_is() -> None:
    """The model's palm is that of its hand frame, ours that of its joints: a constant for every angle lies between."""
    joints, posed, left = random_hands(1000)
    angles = np.degrees(angles_of(joints, left))
    rest = np.array([-0.06, 0.0, 0.06, 0.15])  # the splay of the model's fingers, towards the little finger
    for row, (finger, away) in enumerate(zip(FINGERS, (1, 1, -1, -1), strict=True)):
        # The model turns aside first, then bends; this is the same direction in our order.
        aside, bent = -(posed[:, row, 0] + rest[row]), posed[:, row, 1]
        flexion = np.degrees(np.arctan2(np.sin(bent), np.cos(aside) * np.cos(bent)))
        abduction = away * np.degrees(np.arcsin(np.sin(aside) * np.cos(bent)))
        for name, expected, zero in (("flexion", flexion, 2.5), ("abduction", abduction, 4.0)):
            error = angles[:, ANGLE[f"{finger}_mcp_{name}"]] - expected
            assert abs(np.median(error)) < zero, (finger, name)
            assert np.percentile(np.abs(error - np.median(error)), 95) < 2.5, (finger, name)


def test_the_base_of_the_thumb_follows_what_posed_it() -> None:
    """The model's saddle joint has oblique axes, so only the order of poses is the same."""
    joints, posed, left = random_hands(1000)
    angles = angles_of(joints, left)
    for name, column, least in (("thumb_cmc_flexion", 1, 0.97), ("thumb_cmc_abduction", 0, 0.97)):
        assert np.corrcoef(angles[:, ANGLE[name]], posed[:, 4, column])[0, 1] > least, name


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 9),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.floats(0.3, 3),
    st.booleans(),
)
def test_place_size_and_side_do_not_matter(
    hand: int, quaternion: list[float], shift: list[float], scale: float, mirror: bool
) -> None:
    joints, _, left = random_hands(10, seed=1)
    side = bool(left[hand])
    points = scale * joints[hand] @ Rotation.from_quat(quaternion).as_matrix().T + shift
    if mirror:
        points, side = points * (1, -1, 1), not side
    angles = hand_angles(points, side)
    np.testing.assert_allclose(angles, hand_angles(joints[hand], bool(left[hand])), atol=1e-6)
    assert np.abs(angles).max() <= np.pi


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 20)))
def test_missing_joints_make_only_their_angles_unknown(missing: set[int]) -> None:
    joints, _, left = random_hands(1, seed=2)
    whole, points = hand_angles(joints[0], bool(left[0])), joints[0].copy()
    points[list(missing)] = np.nan
    angles = hand_angles(points, bool(left[0]))
    names = {HAND21.joint_names[index] for index in missing}
    palm = bool(names & {"wrist", "index_mcp", "middle_mcp", "little_mcp"})
    for index, name in enumerate(ANGLE_NAMES):
        finger, joint, _ = name.split("_")
        chain = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
        if finger == "thumb":  # needs the bones on both sides of the joint; that of the base only the outer one
            at = chain.index(joint)
            needed = {f"thumb_{one}" for one in chain[max(at - 1, 0) : at + 2]}
        else:
            needed = {f"{finger}_{one}" for one in chain[: chain.index(joint) + 2]}
        unknown = palm or bool(names & needed)
        assert np.isnan(angles[index]) == unknown, name
        if not unknown:
            assert angles[index] == pytest.approx(whole[index])


def test_joints_in_one_place_have_no_angles() -> None:
    assert np.isnan(hand_angles(np.zeros((21, 3)), left=False)).all()


def test_palm_frame() -> None:
    np.testing.assert_allclose(palm_frame(flat_hand(), left=False), np.eye(3), atol=1e-12)
    mirrored = palm_frame(flat_hand() * (-1, 1, 1), left=True)
    np.testing.assert_allclose(mirrored, np.diag((-1, 1, 1)), atol=1e-12)  # out of the palm stays out of the palm
    # In the model the palm faces the same way, for left hands too.
    shape = sample_shape(8, torch.Generator().manual_seed(3))
    fingers = torch.zeros(8, 5, 4)
    pose = HandPose(fingers, torch.zeros(8, 2), torch.eye(3).expand(8, 3, 3), torch.zeros(8, 3))
    left = torch.tensor([True, False] * 4)
    joints, _ = pose_hand(shape, pose, left)
    for points, is_left in zip(joints.numpy(), left.tolist(), strict=True):
        assert palm_frame(points, is_left)[2] @ (0, 0, 1) > 0.99
