# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Joints of a hand for retargeting: order, axes, sides, and a robot hand that follows them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from v2v_ros.geometry.estimate import Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.retargeting import MEDIAPIPE_NAMES, mano_points, mano_points_of
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.synthetic.hand.kinematics import pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose

EXAMPLE = Path(__file__).parents[1] / "examples" / "teleoperation"
JOINT = {name: index for index, name in enumerate(MEDIAPIPE_NAMES)}


def hands(count: int, left: bool) -> NDArray[np.float64]:
    generator = torch.Generator().manual_seed(1)
    shape = sample_shape(count, generator)
    pose = sample_pose(shape, sample_families(count, generator), generator, 0.4, 0.8)
    return pose_hand(shape, pose, torch.full((count,), left))[0].double().numpy()


def as_dex_retargeting_does(points: NDArray[np.float64], left: bool) -> NDArray[np.float64]:
    """Joints [21, 3] in MediaPipe's order in the frame of the hand detector of dex-retargeting's examples.

    There x is the line from the knuckle of the middle finger to the wrist, and the palm the plane through wrist and the
    knuckles of index and middle finger.
    """
    points = points - points[0]
    wrist, index, middle = points[[0, 5, 9]]
    x = wrist - middle
    _, _, v = np.linalg.svd(np.stack((wrist, index, middle)) - np.mean((wrist, index, middle), axis=0))
    normal = v[2]
    x = x - (x @ normal) * normal
    x = x / np.linalg.norm(x)
    z = np.cross(x, normal)
    if z @ (index - middle) < 0:
        normal, z = -normal, -z
    operator = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]] if left else [[0, 0, -1], [-1, 0, 0], [0, 1, 0]])
    return points @ np.stack((x, normal, z), axis=1) @ operator


@pytest.mark.parametrize("left", [False, True])
def test_the_axes_are_those_of_dex_retargeting(left: bool) -> None:
    order = [HAND21.joint_names.index(name) for name in MEDIAPIPE_NAMES]
    apart = []
    for hand in hands(50, left):
        mine = mano_points(hand, left)
        assert mine is not None
        apart.append(np.linalg.norm(mine - as_dex_retargeting_does(hand[order], left), axis=1))
        wrong = mano_points(hand, not left)
        assert wrong is not None and np.linalg.norm(wrong - mine, axis=1).max() > 0.05
    # The planes of three and of five joints differ by a few degrees.
    assert np.median(apart) < 0.012 and np.percentile(apart, 95) < 0.04


@pytest.mark.parametrize("left", [False, True])
def test_fingers_point_along_z_and_the_thumb_lies_to_its_side(left: bool) -> None:
    joints = np.stack([points for hand in hands(50, left) if (points := mano_points(hand, left)) is not None])
    assert np.allclose(joints[:, 0], 0)
    knuckles = joints[:, [JOINT[f"{finger}_mcp"] for finger in ("index", "middle", "ring", "little")]]
    assert (knuckles[..., 2] > 0.04).all() and (np.abs(knuckles[..., 0]) < 0.02).all()
    thumb = joints[:, JOINT["thumb_mcp"], 1] * (-1 if left else 1)
    assert (thumb > 0).mean() > 0.9
    bent = joints[:, [JOINT[f"{finger}_tip"] for finger in ("middle", "ring")], 0]
    assert (bent > -0.03).mean() > 0.95  # fingers bend out of the palm, not through the back of the hand


def estimate(points: NDArray[np.float64], side: Side) -> SkeletonEstimate:
    count = len(points)
    ones = np.ones(count, np.float32)
    nothing = np.full((count, 3), np.nan, np.float32)
    center = points.mean(axis=0)
    return SkeletonEstimate(
        "hand_1", side, TrackingState.TRACKED, 0.9, center, 0.25, points.astype(np.float32), ones, nothing, nothing
    )


def test_estimates_and_messages_give_the_same_and_nothing_without_a_side() -> None:
    (points,) = hands(1, True)
    expected = mano_points(points, True)
    assert expected is not None
    mine = estimate(points, Side.LEFT).mano_points()
    assert mine is not None and np.allclose(mine, expected, atol=1e-6)
    message = SimpleNamespace(side=1, points=[SimpleNamespace(x=x, y=y, z=z) for x, y, z in points])
    theirs = mano_points_of(message)
    assert theirs is not None and np.allclose(theirs, expected)
    assert estimate(points, Side.UNKNOWN).mano_points() is None
    assert estimate(points[:15], Side.LEFT).mano_points() is None
    message.side = 0
    assert mano_points_of(message) is None
    message.points = message.points[:15]
    with pytest.raises(ValueError, match="21 joints of hand21, but the skeleton has 15"):
        mano_points_of(message)


def test_a_palm_that_is_not_seen_gives_nothing_and_a_missing_finger_stays_missing() -> None:
    (points,) = hands(1, False)
    points[HAND21.joint_names.index("ring_tip")] = np.nan
    joints = mano_points(points, False)
    assert joints is not None
    assert np.flatnonzero(np.isnan(joints).any(axis=1)).tolist() == [JOINT["ring_tip"]]
    points[HAND21.joint_names.index("wrist")] = np.nan
    assert mano_points(points, False) is None


def test_the_robot_hand_of_the_example_has_the_links_that_its_configuration_names() -> None:
    yaml = pytest.importorskip("yaml")
    from xml.etree import ElementTree

    robot = ElementTree.parse(EXAMPLE / "robot_hand.urdf").getroot()
    links = {link.get("name") for link in robot.iter("link")}
    settings = yaml.safe_load((EXAMPLE / "robot_hand.yml").read_text())["retargeting"]
    assert set(settings["target_origin_link_names"] + settings["target_task_link_names"]) <= links
    moving = [joint.get("name") for joint in robot.iter("joint") if joint.get("type") == "revolute"]
    assert len(moving) == len(set(moving)) == 20
    assert {child.get("link") for child in robot.iter("child")} == links - {"palm"}


def test_the_robot_hand_follows_the_person() -> None:
    pytest.importorskip("dex_retargeting")
    pytest.importorskip("viser")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "teleoperate.py"), "--frames", "60", "--no-page"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    figures = dict(line.rsplit(": ", 1) for line in done.stdout.strip().splitlines())
    assert float(figures["frames without a hand"]) <= 3
    assert float(figures["robot's from the person's, median"].split()[0]) < 15
    assert float(figures["estimated from true, median"].split()[0]) < 15
