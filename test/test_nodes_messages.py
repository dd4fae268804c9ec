# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Estimates as ROS messages."""

from __future__ import annotations

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("rclpy")

from rclpy.time import Time
from std_msgs.msg import Header
from tf_transformations import quaternion_matrix
from visualization_msgs.msg import Marker

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.palm import palm_pose
from v2v_ros.geometry.skeletons import SKELETONS, Skeleton, get_skeleton
from v2v_ros.nodes.outputs import messages

HEADER = Header(frame_id="camera_optical")
HEADER.stamp.sec, HEADER.stamp.nanosec = 12, 34
HAND = get_skeleton("hand21")


def estimate_of(points: np.ndarray, name: str = "hand_7", **changes: object) -> Estimate:
    valid = np.isfinite(points).all(axis=-1)
    values: dict[str, object] = {
        "id": name,
        "side": Side.LEFT,
        "tracking_state": TrackingState.TRACKED,
        "score": 0.75,
        "center": np.array([0.1, 0.2, 0.5]),
        "cube_edge": 0.25,
        "points": points.astype(np.float32),
        "scores": np.where(valid, 0.5, 0.0).astype(np.float32),
        "covariances": np.where(valid[:, None], np.arange(6, dtype=np.float32), np.nan),
        "velocities": np.where(valid[:, None], np.array([0.1, 0.2, -0.3], np.float32), np.nan),
    }
    return Estimate((SkeletonEstimate(**(values | changes)),), {})  # type: ignore[arg-type]


def random_points(skeleton: Skeleton = HAND, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(skeleton.joint_names), 3)) * 0.05 + [0.1, 0.2, 0.5]


def test_skeleton_array() -> None:
    points = random_points()
    points[5] = np.nan
    message = messages.skeleton_array(HEADER, estimate_of(points), HAND)
    assert message.header == HEADER
    assert message.skeleton == "hand21"
    (one,) = message.skeletons
    assert (one.id, one.kind, one.side, one.tracking_state) == ("hand_7", one.HAND, one.LEFT, one.TRACKED)
    assert (one.score, one.cube_edge, one.center.z) == (0.75, 0.25, 0.5)
    sent = np.array([(point.x, point.y, point.z) for point in one.points])
    np.testing.assert_array_equal(sent, points.astype(np.float32))
    covariances = np.array(one.covariances).reshape(21, 6)
    np.testing.assert_array_equal(covariances[0], np.arange(6))
    assert np.isnan(covariances[5]).all()
    assert (one.scores[4], one.scores[5]) == (0.5, 0.0)
    velocities = np.array([(velocity.x, velocity.y, velocity.z) for velocity in one.velocities])
    np.testing.assert_allclose(velocities[4], (0.1, 0.2, -0.3), rtol=1e-6)
    assert np.isnan(velocities[5]).all()


def test_nobody_is_an_empty_array() -> None:
    message = messages.skeleton_array(HEADER, Estimate((), {}), get_skeleton("body15"))
    assert (message.skeleton, list(message.skeletons)) == ("body15", [])


@pytest.mark.parametrize("name", SKELETONS)
def test_the_x_axis_of_a_frame_lies_along_the_bone(name: str) -> None:
    skeleton = get_skeleton(name)
    points = random_points(skeleton)
    transforms = messages.transforms(HEADER, estimate_of(points, "one"), skeleton)
    palm = ["palm"] if name == "hand21" else []
    assert [one.child_frame_id for one in transforms] == [f"one_{part}" for part in (*skeleton.joint_names, *palm)]
    if palm:
        np.testing.assert_allclose(rotation_of(transforms[0]), rotation_of(transforms.pop()))
    for joint, one in enumerate(transforms):
        assert one.header == HEADER
        place = one.transform.translation
        assert (place.x, place.y, place.z) == pytest.approx(points[joint], abs=1e-6)
        parent, child = next((bone for bone in skeleton.bones if bone[1] == joint), skeleton.bones[0])
        bone = points[child] - points[parent]
        if joint == skeleton.root:
            bone = next(points[c] - points[p] for p, c in skeleton.bones if p == joint)
        if not palm or joint != skeleton.root:  # a wrist has the axes of its palm
            np.testing.assert_allclose(rotation_of(one)[:, 0], bone / np.linalg.norm(bone), atol=1e-4)


def rotation_of(transform: object) -> np.ndarray:
    q = transform.transform.rotation  # type: ignore[attr-defined]
    matrix: np.ndarray = quaternion_matrix((q.x, q.y, q.z, q.w))[:3, :3]
    return matrix


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        (21, 3),
        elements=st.one_of(
            st.floats(-2, 2, allow_subnormal=False), st.just(float("nan")), st.sampled_from([0.0, -1.0, 1.0])
        ),
    )
)
def test_frames_are_right_handed_and_only_of_estimated_joints(points: np.ndarray) -> None:
    transforms = messages.transforms(HEADER, estimate_of(points), HAND)
    palms = [one for one in transforms if one.child_frame_id == "hand_7_palm"]
    assert len(transforms) - len(palms) == np.isfinite(points).all(axis=-1).sum()
    assert len(palms) == (palm_pose(points.astype(np.float32), True) is not None)
    for one in transforms:
        q = one.transform.rotation
        assert np.linalg.norm((q.x, q.y, q.z, q.w)) == pytest.approx(1)
        matrix = rotation_of(one)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(matrix) == pytest.approx(1)


def test_a_bone_against_the_x_axis_and_joints_in_one_place_have_frames_too() -> None:
    points = np.zeros((21, 3))
    points[1] = (-1.0, 0.0, 0.0)  # index_mcp, left of the wrist
    transforms = {
        one.child_frame_id: rotation_of(one) for one in messages.transforms(HEADER, estimate_of(points), HAND)
    }
    np.testing.assert_allclose(transforms["hand_7_index_mcp"][:, 0], (-1, 0, 0), atol=1e-9)
    np.testing.assert_allclose(transforms["hand_7_ring_dip"], np.eye(3), atol=1e-9)  # no bone has a length


def test_markers() -> None:
    points = random_points()
    points[4] = np.nan  # index_tip: its bone and its sphere are left out
    estimate = estimate_of(points, tracking_state=TrackingState.PREDICTED)
    bones, joints, *gone = messages.markers(HEADER, estimate, HAND, gone=["hand_6"]).markers
    assert (bones.type, len(bones.points)) == (Marker.LINE_LIST, 2 * 19)
    assert (joints.type, len(joints.points)) == (Marker.SPHERE_LIST, 20)
    for marker in (bones, joints):
        assert (marker.header, marker.ns, marker.action) == (HEADER, "hand_7", Marker.ADD)
        assert len(marker.points) == len(marker.colors)
        assert all(0 <= value <= 1 for color in marker.colors for value in (color.r, color.g, color.b))
        assert {color.a for color in marker.colors} == {0.5}  # only predicted
        assert 0 < marker.lifetime.sec + 1e-9 * marker.lifetime.nanosec < 2
        assert marker.pose.orientation.w == 1
        assert marker.scale.x > 0
    assert bones.id != joints.id
    assert len({(color.r, color.g, color.b) for color in bones.colors}) == 5  # one per finger
    assert [(one.ns, one.id, one.action) for one in gone] == [
        ("hand_6", bones.id, Marker.DELETE),
        ("hand_6", joints.id, Marker.DELETE),
    ]


def test_markers_without_any_joint_are_deleted() -> None:
    estimate = estimate_of(np.full((21, 3), np.nan))
    assert [one.action for one in messages.markers(HEADER, estimate, HAND).markers] == [Marker.DELETE] * 2


def test_the_point_cloud_holds_the_valid_points_inside_the_cube() -> None:
    camera = Intrinsics(50.0, 50.0, 31.5, 23.5, 64, 48)
    depth = np.full((48, 64), 0.5, np.float32)
    depth[:, :32] = np.nan
    depth[0] = 2.0
    estimate = estimate_of(random_points(), center=np.array([0.0, 0.0, 0.5]), cube_edge=0.2)
    cloud = messages.point_cloud(HEADER, depth, camera, estimate.skeletons)
    assert cloud.header == HEADER
    assert [field.name for field in cloud.fields] == ["x", "y", "z"]
    assert (cloud.height, cloud.point_step, cloud.row_step) == (1, 12, 12 * cloud.width)
    assert isinstance(cloud.data, array.array)
    points = np.frombuffer(cloud.data, "<f4").reshape(-1, 3)
    # 0.1 m to the right at 0.5 m are 10 pixels: columns 32 to 41, rows 14 to 33
    assert len(points) == cloud.width == 10 * 20
    assert points[:, 2] == pytest.approx(0.5)
    assert points[:, 0].min() == pytest.approx(0.5 / 50 * 0.5)
    assert np.abs(points[:, :2]).max() <= 0.1


def test_without_skeletons_the_point_cloud_is_empty() -> None:
    cloud = messages.point_cloud(HEADER, np.ones((4, 4), np.float32), Intrinsics(4.0, 4.0, 1.5, 1.5, 4, 4), [])
    assert (cloud.width, len(cloud.data)) == (0, 0)


@pytest.mark.parametrize(("period", "life"), [(1 / 30, 0.5), (0.2, 0.5), (1.0, 2.5), (5.0, 12.5), (60.0, 30.0)])
def test_markers_outlive_two_periods_of_the_images(period: float, life: float) -> None:
    lifetime = messages.Lifetime()
    for index in range(6):
        header = Header(stamp=Time(nanoseconds=round(1e9 * (100 + index * period))).to_msg())
        found = lifetime.after(header)
    assert found.sec + 1e-9 * found.nanosec == pytest.approx(life, rel=1e-3)
