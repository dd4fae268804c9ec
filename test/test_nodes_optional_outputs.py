# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the pose node publishes for other packages: joint states, poses, humans, hulls."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import Pose
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import Header, String
from tf_transformations import quaternion_matrix
from visualization_msgs.msg import Marker

from v2v_ros.geometry.angles import ANGLE_NAMES, hand_angles
from v2v_ros.geometry.estimate import Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.hull import keep_out_hull
from v2v_ros.geometry.joint_frames import shortest_turn
from v2v_ros.geometry.palm import palm_pose
from v2v_ros.geometry.skeletons import BODY15, HAND21, get_skeleton
from v2v_ros.nodes.outputs.geometry import to_pose
from v2v_ros.nodes.outputs.humans import Humans, body_frames
from v2v_ros.nodes.outputs.keep_out import KeepOut, hull_markers, primitives
from v2v_ros.nodes.outputs.one_hand import joint_state, joint_states, palms
from v2v_ros.nodes.outputs.optional_outputs import Advertise, maker_of
from v2v_ros.nodes.outputs.pose_array import Poses, pose_array
from v2v_ros.nodes.support.output_switches import OUTPUT_SWITCHES, OutputSwitch
from v2v_ros.nodes.support.pose_parameters import POSE_PARAMETERS, PoseSettings, check_pose, switch_spec

if TYPE_CHECKING:
    from ros_bench import Bench, Ros

HEADER = Header(frame_id="camera_optical")
HEADER.stamp.sec, HEADER.stamp.nanosec = 12, 34
SETTINGS: Any = SimpleNamespace(hull_sigmas=2.0)
BODY = {name: index for index, name in enumerate(BODY15.joint_names)}


def subject(points: np.ndarray, name: str, **changes: Any) -> SkeletonEstimate:
    joints = len(points)
    values: dict[str, Any] = {
        "id": name,
        "side": Side.UNKNOWN,
        "tracking_state": TrackingState.TRACKED,
        "score": 0.75,
        "center": np.nanmean(points, axis=0) if np.isfinite(points).any() else np.zeros(3),
        "cube_edge": 0.25,
        "points": points.astype(np.float32),
        "scores": np.full(joints, 0.5, np.float32),
        "covariances": np.full((joints, 6), 1e-6, np.float32) * np.array([1, 0, 0, 1, 0, 1], np.float32),
        "velocities": np.zeros((joints, 3), np.float32),
    }
    return SkeletonEstimate(**(values | changes))


def hand(name: str = "hand_1", seed: int = 0, **changes: Any) -> SkeletonEstimate:
    points = np.random.default_rng(seed).normal(size=(21, 3)) * 0.05 + [0.1, 0.2, 0.5]
    return subject(points, name, **({"side": Side.RIGHT} | changes))


def standing() -> np.ndarray:
    """A body 2 m before the camera that faces it, arms hanging; metres in the optical frame, y down."""
    points = np.zeros((15, 3))
    places = {"head": (0.0, -0.75), "neck": (0.0, -0.5), "torso": (0.0, -0.25)}
    limbs = {"shoulder": (0.2, -0.45), "elbow": (0.2, -0.15), "hand": (0.2, 0.15)}
    limbs |= {"hip": (0.1, 0.0), "knee": (0.1, 0.45), "foot": (0.1, 0.9)}
    for name, (x, y) in limbs.items():  # its right is on the left of the image
        places |= {f"right_{name}": (-x, y), f"left_{name}": (x, y)}
    for name, (x, y) in places.items():
        points[BODY[name]] = (x + 0.3, y + 0.1, 2.0)
    return points


class Ear:
    """A publisher whose messages are kept, with as many subscribers as a test says."""

    def __init__(self, kind: Any = None, topic: str = "", qos: Any = None) -> None:
        self.topic = topic
        self.messages: list[Any] = []
        self.listeners = 1

    def publish(self, message: Any) -> None:
        self.messages.append(message)

    def get_subscription_count(self) -> int:
        return self.listeners


class Ears(dict[str, Ear]):
    """Publishers by topic; called as the node's own."""

    def __call__(self, kind: Any, topic: str, qos: Any) -> Any:
        self[topic] = Ear(kind, topic, qos)
        return self[topic]


class Log(list[str]):
    def warning(self, text: str) -> None:
        self.append(text)


class FakeMessage(SimpleNamespace):
    """A message of a package that is not installed here; its fields are those of ``fields``."""

    fields: tuple[str, ...] = ()

    def __init__(self, **values: Any) -> None:
        assert set(values) <= set(self.fields), values
        super().__init__(**values)


class IdsList(FakeMessage):  # hri_msgs 2
    fields = ("header", "ids")


class CollisionObject(FakeMessage):  # moveit_msgs 2
    fields = (
        *("header", "pose", "id", "type", "primitives", "primitive_poses", "meshes", "mesh_poses"),
        *("planes", "plane_poses", "subframe_names", "subframe_poses", "operation"),
    )
    ADD, REMOVE, APPEND, MOVE = b"\x00", b"\x01", b"\x02", b"\x03"


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """hri_msgs and moveit_msgs are installed."""
    for package, kind in (("hri_msgs", IdsList), ("moveit_msgs", CollisionObject)):
        module = ModuleType(f"{package}.msg")
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.msg", module)


@pytest.fixture
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("hri_msgs", "moveit_msgs"):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.msg", None)


class TestGeometry:
    @settings(max_examples=80, deadline=None)
    @given(st.integers(0, 10_000), st.sampled_from(["any", "same", "opposite"]))
    def test_the_shortest_turn(self, seed: int, how: str) -> None:
        start, end = np.random.default_rng(seed).normal(size=(2, 3))
        start /= np.linalg.norm(start)
        end = {"any": end / np.linalg.norm(end), "same": start, "opposite": -start}[how]
        turn = shortest_turn(start, end)
        np.testing.assert_allclose(turn @ start, end, atol=1e-6)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(turn) == pytest.approx(1)
        # No other turn is shorter: its angle is that between the two.
        assert (np.trace(turn) - 1) / 2 == pytest.approx(start @ end, abs=1e-6)


class TestJointStates:
    def test_names_values_and_header(self) -> None:
        for side, name in ((Side.LEFT, "left"), (Side.RIGHT, "right")):
            one = hand(side=side)
            message = joint_state(HEADER, one)
            assert message is not None and message.header == HEADER
            assert message.name == [f"{name}_{angle}" for angle in ANGLE_NAMES]
            assert list(message.position) == pytest.approx(hand_angles(one.points, side == Side.LEFT).tolist())
            assert len(message.velocity) == len(message.effort) == 0

    def test_unknown_angles_are_left_out(self) -> None:
        one = hand()
        one.points[3] = np.nan  # index_dip
        message = joint_state(HEADER, one)
        assert message is not None
        gone = {"right_index_pip_flexion", "right_index_dip_flexion"}
        assert set(message.name) == {f"right_{angle}" for angle in ANGLE_NAMES} - gone
        assert len(message.position) == 18 and np.isfinite(message.position).all()

    def test_every_side_has_its_topic(self) -> None:
        ears = Ears()
        output = joint_states(ears)
        output.publish(HEADER, (hand(), hand("hand_2", side=Side.LEFT), hand("hand_3", side=Side.UNKNOWN)), SETTINGS)
        assert set(ears) == {"~/left/joint_states", "~/right/joint_states"}
        for side in ("left", "right"):
            (message,) = ears[f"~/{side}/joint_states"].messages
            assert all(name.startswith(f"{side}_") for name in message.name)

    def test_a_hand_is_followed_until_it_is_gone(self) -> None:
        ears = Ears()
        output = joint_states(ears)
        messages = ears["~/right/joint_states"].messages
        first, second = hand("hand_1", seed=1, score=0.7), hand("hand_2", seed=2, score=0.9)
        unseen = hand("hand_1", seed=1, tracking_state=TrackingState.PREDICTED)

        def last_is(one: SkeletonEstimate) -> bool:
            return bool(messages[-1] == joint_state(HEADER, one))

        output.publish(HEADER, (first,), SETTINGS)
        output.publish(HEADER, (first, second), SETTINGS)
        assert len(messages) == 2 and last_is(first)  # although the other's score is higher
        output.publish(HEADER, (unseen, second), SETTINGS)
        assert len(messages) == 2  # the robot waits
        output.publish(HEADER, (first, second), SETTINGS)
        assert len(messages) == 3 and last_is(first)
        output.publish(HEADER, (second,), SETTINGS)
        assert len(messages) == 4 and last_is(second)
        output.publish(HEADER, (), SETTINGS)
        output.publish(HEADER, (unseen,), SETTINGS)
        assert len(messages) == 4
        output.close()
        output.publish(HEADER, (second, hand("hand_5", seed=5, score=0.95)), SETTINGS)
        assert not last_is(second)  # the best one, when nobody is followed

    def test_a_hand_without_a_palm_gives_no_message(self) -> None:
        ears = Ears()
        output = joint_states(ears)
        one = hand()
        one.points[0] = np.nan
        output.publish(HEADER, (one,), SETTINGS)
        assert ears["~/right/joint_states"].messages == []

    def test_nothing_without_subscribers(self) -> None:
        ears = Ears()
        output = joint_states(ears)
        assert output.wanted()
        ears["~/right/joint_states"].listeners = 0
        assert output.wanted()
        output.publish(HEADER, (hand(),), SETTINGS)
        assert ears["~/right/joint_states"].messages == []
        ears["~/left/joint_states"].listeners = 0
        assert not output.wanted()


class TestPalms:
    def test_every_side_has_its_topic_and_a_palm_that_is_not_seen_has_no_message(self) -> None:
        ears = Ears()
        output = palms(ears)
        right, left = hand(), hand("hand_2", side=Side.LEFT)
        output.publish(HEADER, (right, left, hand("hand_3", side=Side.UNKNOWN)), SETTINGS)
        assert set(ears) == {"~/left/palm", "~/right/palm"}
        for side, one in (("left", left), ("right", right)):
            (message,) = ears[f"~/{side}/palm"].messages
            pose = palm_pose(one.points, side == "left")
            assert pose is not None and message.header == HEADER and message.pose == to_pose(*pose)
        right.points[13] = np.nan  # little_mcp
        output.publish(HEADER, (right,), SETTINGS)
        assert len(ears["~/right/palm"].messages) == 1


class TestPoses:
    def test_subject_by_subject_in_the_order_asked_for(self) -> None:
        hands = (hand("hand_1", seed=1), hand("hand_4", seed=4))
        message = pose_array(HEADER, hands, HAND21, (4, 0))
        assert message.header == HEADER
        expected = [one.points[joint] for one in hands for joint in (4, 0)]
        places = [(pose.position.x, pose.position.y, pose.position.z) for pose in message.poses]
        np.testing.assert_allclose(places, expected, atol=1e-6)
        bone = hands[0].points[4] - hands[0].points[3]
        np.testing.assert_allclose(axes_of(message.poses[0])[:, 0], bone / np.linalg.norm(bone), atol=1e-5)

    def test_a_subject_without_one_of_the_joints_is_left_out(self) -> None:
        hands = (hand("hand_1"), hand("hand_2"), hand("hand_3"))
        hands[1].points[4] = np.nan
        hands[2].points[5] = np.nan  # not asked for
        message = pose_array(HEADER, hands, HAND21, (4, 0))
        assert len(message.poses) == 4
        assert np.isfinite([pose.position.x for pose in message.poses]).all()

    def test_nobody_is_an_empty_message(self) -> None:
        ears = Ears()
        output = Poses(ears, HAND21, ["index_tip"])
        output.publish(HEADER, (), SETTINGS)
        assert [list(message.poses) for message in ears["~/poses"].messages] == [[]]
        ears["~/poses"].listeners = 0
        output.publish(HEADER, (hand(),), SETTINGS)
        assert len(ears["~/poses"].messages) == 1


def axes_of(pose: Pose) -> np.ndarray:
    q = pose.orientation if isinstance(pose, Pose) else pose.rotation
    return np.asarray(quaternion_matrix((q.x, q.y, q.z, q.w))[:3, :3])


class TestHumans:
    def test_names_and_parents(self) -> None:
        frames = body_frames(HEADER, subject(standing(), "body_7"))
        sided = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        links = ["waist", "torso", "head", *(f"{side}_{link}" for side in "lr" for link in sided)]
        assert [one.child_frame_id for one in frames] == ["body_b7", *(f"{link}_b7" for link in links)]
        assert [one.header.frame_id for one in frames] == ["camera_optical"] + ["body_b7"] * 15
        assert all(one.header.stamp == HEADER.stamp for one in frames)

    def test_axes_of_someone_who_stands(self) -> None:
        frames = {one.child_frame_id: one.transform for one in body_frames(HEADER, subject(standing(), "body_1"))}
        root = frames.pop("body_b1")
        assert (root.translation.x, root.translation.y, root.translation.z) == pytest.approx((0.3, 0.1, 2.0))
        # Forward is towards the camera, left to the right of the image, up is up.
        np.testing.assert_allclose(axes_of(root), [[0, 1, 0], [0, 0, -1], [-1, 0, 0]], atol=1e-6)
        for name, transform in frames.items():  # arms and legs hang: as in the REP's model at rest
            np.testing.assert_allclose(axes_of(transform), np.eye(3), atol=1e-6, err_msg=name)
        places = {
            "waist": (0, 0, 0),
            "torso": (0, 0, 0.5),
            "head": (0, 0, 0.75),
            "l_shoulder": (0, 0.2, 0.45),
            "r_wrist": (0, -0.2, -0.15),
            "l_ankle": (0, 0.1, -0.9),
        }
        for link, place in places.items():
            at = frames[f"{link}_b1"].translation
            assert (at.x, at.y, at.z) == pytest.approx(place, abs=1e-6), link

    def test_limbs_turn(self) -> None:
        points = standing()
        points[BODY["right_hand"]] = points[BODY["right_elbow"]] + (0, 0, -0.3)  # the forearm reaches forward
        frames = {one.child_frame_id: one.transform for one in body_frames(HEADER, subject(points, "body_1"))}
        for link in ("r_elbow_b1", "r_wrist_b1"):
            np.testing.assert_allclose(axes_of(frames[link])[:, 2], (-1, 0, 0), atol=1e-6)
        np.testing.assert_allclose(axes_of(frames["r_shoulder_b1"]), np.eye(3), atol=1e-6)

    @pytest.mark.parametrize(
        ("missing", "links"),
        [
            (["head"], {"head"}),
            (["left_elbow"], {"l_shoulder", "l_elbow", "l_wrist"}),
            (["right_foot", "right_knee"], {"r_hip", "r_knee", "r_ankle"}),
            (["left_shoulder"], {"l_shoulder"}),
        ],
    )
    def test_frames_of_missing_joints_are_left_out(self, missing: list[str], links: set[str]) -> None:
        points = standing()
        every = {one.child_frame_id for one in body_frames(HEADER, subject(points, "body_1"))}
        points[[BODY[name] for name in missing]] = np.nan
        there = {one.child_frame_id for one in body_frames(HEADER, subject(points, "body_1"))}
        assert every - there == {f"{link}_b1" for link in links}

    @pytest.mark.parametrize("missing", ["neck", "left_hip", "right_hip"])
    def test_without_hips_or_neck_there_is_no_body_frame(self, missing: str) -> None:
        points = standing()
        points[BODY[missing]] = np.nan
        assert body_frames(HEADER, subject(points, "body_1")) == []

    def test_frames_and_the_list(self, others: None) -> None:
        ears, log = Ears(), Log()
        tf: Any = Ear()
        output = Humans(ears, tf, log)  # type: ignore[arg-type]
        assert log == []
        tracked = ears["/humans/bodies/tracked"]
        unseen = np.full((15, 3), np.nan)
        output.publish(HEADER, (subject(standing(), "body_1"), subject(unseen, "body_12")), SETTINGS)
        assert tracked.messages == [IdsList(header=HEADER, ids=["b1", "b12"])]
        (message,) = tf.messages
        assert len(message.transforms) == 16
        output.publish(HEADER, (), SETTINGS)
        assert (tracked.messages[-1].ids, len(tf.messages)) == ([], 1)
        output.publish(HEADER, (subject(standing(), "body_1"),), SETTINGS)
        output.close()
        assert tracked.messages[-1].ids == []  # nobody is tracked by a node that stops
        tf.listeners = 0
        assert output.wanted()
        tracked.listeners = 0
        assert not output.wanted()

    def test_without_hri_msgs_there_are_still_frames(self, no_others: None) -> None:
        ears, log = Ears(), Log()
        tf: Any = Ear()
        output = Humans(ears, tf, log)  # type: ignore[arg-type]
        assert not ears
        (text,) = log
        assert "hri_msgs is not installed" in text and "apt install ros-$ROS_DISTRO-hri-msgs" in text
        output.publish(HEADER, (subject(standing(), "body_1"),), SETTINGS)
        assert len(tf.messages) == 1
        output.close()


class TestKeepOut:
    def test_primitives_lie_where_the_hull_does(self) -> None:
        one = hand()
        hull = keep_out_hull(one.points, one.covariances, HAND21, 2.0)
        shapes = primitives(hull)
        kinds = [shape.type for shape, _ in shapes]
        assert kinds == [SolidPrimitive.SPHERE] * 21 + [SolidPrimitive.CYLINDER] * 20
        for (shape, pose), start, end, width in zip(shapes[21:], hull.starts, hull.ends, hull.widths, strict=True):
            height, radius = shape.dimensions
            assert (height, radius) == pytest.approx((np.linalg.norm(end - start), width))
            middle = np.array((pose.position.x, pose.position.y, pose.position.z))
            np.testing.assert_allclose(middle + axes_of(pose)[:, 2] * height / 2, end, atol=1e-6)
            np.testing.assert_allclose(middle - axes_of(pose)[:, 2] * height / 2, start, atol=1e-6)

    def test_joints_in_one_place_have_no_cylinder(self) -> None:
        hull = keep_out_hull(np.zeros((21, 3)), np.zeros((21, 6)), HAND21, 2.0)
        assert {shape.type for shape, _ in primitives(hull)} == {SolidPrimitive.SPHERE}

    def test_markers(self) -> None:
        one = hand()
        hull = keep_out_hull(one.points, one.covariances, HAND21, 2.0)
        first, *shown = hull_markers(HEADER, {"hand_1": primitives(hull), "hand_2": primitives(hull)}).markers
        assert first.action == Marker.DELETEALL  # whoever is not there any more vanishes
        assert len({(marker.ns, marker.id) for marker in shown}) == len(shown) == 2 * 41
        assert {marker.ns for marker in shown} == {"hand_1", "hand_2"}
        for marker in shown:
            assert (marker.header, marker.action) == (HEADER, Marker.ADD)
            assert 0 < marker.color.a < 1 and marker.lifetime.nanosec > 0
            assert min(marker.scale.x, marker.scale.y, marker.scale.z) > 0
        cylinder = shown[21]
        assert cylinder.type == Marker.CYLINDER
        assert cylinder.scale.x == cylinder.scale.y == pytest.approx(2 * hull.widths[0])
        assert cylinder.scale.z == pytest.approx(np.linalg.norm(hull.ends[0] - hull.starts[0]))

    def make(self, owner: str = "/arm/v2v_pose") -> tuple[KeepOut, Ears, Log]:
        ears, log = Ears(), Log()
        return KeepOut(ears, HAND21, owner, log), ears, log  # type: ignore[arg-type]

    def test_objects_come_stay_and_go(self, others: None) -> None:
        output, ears, log = self.make()
        assert log == []
        messages = ears["collision_object"].messages

        def sent(*hands: SkeletonEstimate) -> list[tuple[str, bytes]]:
            messages.clear()
            output.publish(HEADER, hands, SETTINGS)
            assert all(message.header == HEADER for message in messages)
            return [(message.id, message.operation) for message in messages]

        add, remove = CollisionObject.ADD, CollisionObject.REMOVE
        names = ("arm_v2v_pose_hand_1", "arm_v2v_pose_hand_2")
        assert sent() == []
        assert sent(hand("hand_1"), hand("hand_2")) == [(names[0], add), (names[1], add)]
        assert len(messages[0].primitives) == len(messages[0].primitive_poses) == 41
        # Predicted ones stay, and so does one of whom no joint is known for a moment.
        nothing = subject(np.full((21, 3), np.nan), "hand_2")
        assert sent(hand("hand_1", tracking_state=TrackingState.PREDICTED), nothing) == [(names[0], add)]
        assert sent(hand("hand_1")) == [(names[0], add), (names[1], remove)]
        assert sent() == [(names[0], remove)]
        assert sent() == []
        sent(hand("hand_3"))
        messages.clear()
        output.close()
        assert [(one.id, one.operation) for one in messages] == [("arm_v2v_pose_hand_3", remove)]
        assert ears["~/hull"].messages[-1].markers[0].action == Marker.DELETEALL

    def test_hulls_grow_with_the_parameter(self, others: None) -> None:
        output, ears, _ = self.make()
        for sigmas in (0.0, 3.0):
            output.publish(HEADER, (hand(),), SimpleNamespace(hull_sigmas=sigmas))  # type: ignore[arg-type]
        radii = [[one.dimensions[-1] for one in message.primitives] for message in ears["collision_object"].messages]
        np.testing.assert_allclose(np.subtract(radii[1], radii[0]), 3 * 1e-3, atol=1e-6)

    def test_without_moveit_msgs_there_are_still_markers(self, no_others: None) -> None:
        output, ears, log = self.make()
        assert set(ears) == {"~/hull"}
        assert "moveit_msgs is not installed" in log[0] and "ros-$ROS_DISTRO-moveit-msgs" in log[0]
        output.publish(HEADER, (hand(),), SETTINGS)
        assert len(ears["~/hull"].messages[0].markers) == 42
        output.close()

    def test_nothing_without_subscribers(self, others: None) -> None:
        output, ears, _ = self.make()
        ears["~/hull"].listeners = 0
        output.publish(HEADER, (hand(),), SETTINGS)
        assert ears["~/hull"].messages == [] and len(ears["collision_object"].messages) == 1
        ears["collision_object"].listeners = 0
        assert not output.wanted()
        output.publish(HEADER, (hand(),), SETTINGS)
        assert len(ears["collision_object"].messages) == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from(TrackingState), st.floats(0, 1)),
        max_size=8,
        unique_by=lambda one: one[0],
    )
)
def test_any_subjects_with_any_joints(drawn: list[tuple[int, TrackingState, float]]) -> None:
    """0 to 8 of them, ids that come and go, joints that are missing."""
    random = np.random.default_rng(len(drawn))
    for skeleton, kind in ((HAND21, "hand"), (BODY15, "body")):
        ones = []
        for number, state, missing in drawn:
            points = random.normal(size=(len(skeleton.joint_names), 3))
            points[random.random(len(points)) < missing] = np.nan
            side = Side.UNKNOWN if kind == "body" else Side(number % 3)
            ones.append(subject(points, f"{kind}_{number}", tracking_state=state, side=side))
        tf: Any = Ear()
        log: Any = Log()
        ears = Ears()
        outputs: list[Any] = [Poses(ears, skeleton, skeleton.joint_names[:2]), KeepOut(ears, skeleton, "/n", log)]
        outputs.append(joint_states(ears) if kind == "hand" else Humans(ears, tf, log))
        for output in outputs:
            output.publish(HEADER, tuple(ones), SETTINGS)
            output.publish(HEADER, tuple(ones[::2]), SETTINGS)
            output.close()
        for transform in (one for message in tf.messages for one in message.transforms):
            assert np.isfinite(axes_of(transform.transform)).all()
        for pose in (pose for message in ears["~/poses"].messages for pose in message.poses):
            assert np.isfinite(axes_of(pose)).all()


class TestParameters:
    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"pose_array_joints": ["wrist", "index_tp"]}, "hand21 has no joint 'index_tp'; did you mean 'index_tip'?"),
            ({"pose_array_joints": ["q"]}, "use some of wrist, index_mcp"),
            ({"publish_humans": True}, "'publish_humans' needs 'skeleton' to be 'body15', but it is 'hand21'"),
            (
                {"publish_joint_states": True, "skeleton": "body15"},
                "'publish_joint_states' needs 'skeleton' to be 'hand21'",
            ),
            ({"pose_array_joints": [""]}, ""),
            ({"pose_array_joints": []}, ""),
            ({"pose_array_joints": ["index_tip"], "publish_joint_states": True}, ""),
        ],
    )
    def test_what_does_not_go_together(self, values: dict[str, Any], reason: str) -> None:
        answer = check_pose({"skeleton": "hand21"} | values)
        assert reason in answer
        assert bool(answer) == bool(reason)

    def test_a_wrong_name_ends_the_start(self, ros: Ros) -> None:
        from rclpy.exceptions import InvalidParameterValueException
        from rclpy.parameter import Parameter

        from v2v_ros.nodes.pose_node import PoseNode

        with pytest.raises(InvalidParameterValueException, match="did you mean 'thumb_tip'"):
            PoseNode(context=ros.context, parameter_overrides=[Parameter("pose_array_joints", value=["thum_tip"])])


OPTIONAL = {
    "/v2v_pose/left/joint_states",
    "/v2v_pose/right/joint_states",
    "/v2v_pose/left/palm",
    "/v2v_pose/right/palm",
    "/v2v_pose/poses",
    "/v2v_pose/hull",
}


def published(bench: Bench) -> set[str]:
    return {name for name, _ in bench.ros.node.get_publisher_names_and_types_by_node("v2v_pose", "/")}


def test_all_are_off_unless_asked_for(bench: Bench) -> None:
    assert not OPTIONAL & published(bench)
    assert not {"/humans/bodies/tracked", "/collision_object"} & published(bench)


def test_the_node_publishes_what_it_is_asked_for(make_bench: Callable[..., Bench], no_others: None) -> None:
    from geometry_msgs.msg import PoseArray
    from visualization_msgs.msg import MarkerArray

    wanted = {
        "publish_joint_states": True,
        "publish_palms": True,
        "pose_array_joints": ["wrist", "thumb_tip"],
        "publish_hull": True,
    }
    bench = make_bench(**wanted)
    ros = bench.ros
    subscription = next(one for one in ros.node.subscriptions if one.topic_name == "/v2v_pose/skeletons")
    ros.call(lambda: ros.node.destroy_subscription(subscription))
    ros.wait(lambda: ros.node.count_subscribers("/v2v_pose/skeletons") == 0)
    ros.wait(lambda: published(bench) >= OPTIONAL)
    bench.send()
    bench.wait_diagnosis("idle: nobody subscribes")
    assert not bench.estimator.depths

    states = ros.collect(JointState, "v2v_pose/right/joint_states")
    poses = ros.collect(PoseArray, "v2v_pose/poses")
    hulls = ros.collect(MarkerArray, "v2v_pose/hull")
    for topic in ("right/joint_states", "poses", "hull"):
        ros.wait(partial(bench.node.count_subscribers, f"/v2v_pose/{topic}"))
    header = bench.send()
    ros.wait(lambda: states and poses and hulls)
    assert states[0].header == poses[0].header == header
    assert "right_index_mcp_flexion" in states[0].name
    assert "right_index_pip_flexion" not in states[0].name  # index_dip is not estimated
    assert len(poses[0].poses) == 2
    assert hulls[0].markers[1].ns == "hand_1"

    bench.ros.call(bench.node.trigger_deactivate)
    ros.wait(lambda: len(hulls) == 2)
    assert [marker.action for marker in hulls[1].markers] == [Marker.DELETEALL]
    assert not OPTIONAL & published(bench)


class Shout:
    """An output that nobody has heard of yet."""

    def __init__(self, advertise: Advertise, name: str) -> None:
        self._publisher, self._name = advertise(String, "~/shout", QoSProfile(depth=1)), name

    def wanted(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        self._publisher.publish(String(data=f"{self._name}: {len(skeletons)}"))

    def close(self) -> None:
        pass


def test_a_new_output_is_a_class_and_a_row(
    make_bench: Callable[..., Bench], no_others: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = OutputSwitch("publish_shout", "Publish a word on ~/shout", "shout.Shout", ("advertise", "name"))
    module: Any = ModuleType("shout")
    module.Shout = Shout
    monkeypatch.setitem(sys.modules, "v2v_ros.nodes.outputs.shout", module)
    monkeypatch.setattr("v2v_ros.nodes.outputs.outputs.OUTPUT_SWITCHES", (row,))
    # Both tables are made when the modules are imported.
    monkeypatch.setattr("v2v_ros.nodes.pose_node.POSE_PARAMETERS", (*POSE_PARAMETERS, switch_spec(row)))
    bench = make_bench(publish_shout=True)
    heard = bench.ros.collect(String, "v2v_pose/shout")
    bench.ros.wait(partial(bench.node.count_subscribers, "/v2v_pose/shout"))
    bench.send()
    bench.ros.wait(lambda: heard)
    assert heard[0].data.startswith("/v2v_pose: ")


@pytest.mark.parametrize("switch", OUTPUT_SWITCHES, ids=lambda switch: switch.name)
def test_every_row_names_what_makes_its_output(switch: OutputSwitch) -> None:
    assert list(inspect.signature(maker_of(switch)).parameters) == [
        {"name": "owner"}.get(name, name) for name in switch.given
    ]


def test_skeletons_without_angles_are_refused() -> None:
    for name in ("hand16", "hand14"):
        assert check_pose({"skeleton": get_skeleton(name).name, "publish_joint_states": True})
