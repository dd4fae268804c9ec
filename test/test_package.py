"""The package as it is installed: metadata, messages, programs, and what the underlay adds without ROS."""

from __future__ import annotations

import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
import tf_transformations
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

import v2v_ros
from v2v_ros.msg import InferenceStats, Skeleton, SkeletonArray, SkeletonInfo

ROOT = Path(__file__).parent.parent
DOMAIN = 10
underlay_only = pytest.mark.skipif(
    not Path(tf_transformations.__file__).is_relative_to(ROOT), reason="the ROS installation has its own"
)


class TestMetadata:
    def test_version_is_the_same_everywhere(self) -> None:
        stated = re.search(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
        assert stated is not None
        assert stated[1] == v2v_ros.__version__
        assert 'version = { attr = "v2v_ros.__version__" }' in (ROOT / "pyproject.toml").read_text()

    def test_tests_run_against_the_installed_package(self) -> None:
        assert not Path(v2v_ros.__file__).is_relative_to(ROOT / "v2v_ros")
        assert Path(v2v_ros.__file__).resolve() == ROOT / "v2v_ros" / "__init__.py"

    @pytest.mark.parametrize("name", ["overlay_node", "pose_node", "synthetic_camera_node", "v2v"])
    def test_programs_are_installed(self, name: str) -> None:
        found = shutil.which(name)
        assert found is not None
        assert found.endswith(f"lib/v2v_ros/{name}")
        assert Path(found).stat().st_mode & stat.S_IXUSR

    def test_every_source_file_is_installed(self) -> None:
        installed = Path(v2v_ros.__file__).parent
        sources = [path.relative_to(ROOT / "v2v_ros") for path in (ROOT / "v2v_ros").rglob("*.py")]
        assert len(sources) > 10
        assert [str(path) for path in sources if not (installed / path).exists()] == []


class TestMessages:
    def test_skeleton(self) -> None:
        assert Skeleton.get_fields_and_field_types() == {
            "id": "string",
            "kind": "uint8",
            "side": "uint8",
            "tracking_state": "uint8",
            "score": "float",
            "center": "geometry_msgs/Point",
            "cube_edge": "float",
            "points": "sequence<geometry_msgs/Point>",
            "scores": "sequence<float>",
            "covariances": "sequence<float>",
            "velocities": "sequence<geometry_msgs/Vector3>",
        }
        assert (Skeleton.HAND, Skeleton.BODY) == (1, 2)
        assert (Skeleton.UNKNOWN, Skeleton.LEFT, Skeleton.RIGHT) == (0, 1, 2)
        assert (Skeleton.DETECTED, Skeleton.TRACKED, Skeleton.PREDICTED) == (0, 1, 2)

    def test_skeleton_array(self) -> None:
        assert SkeletonArray.get_fields_and_field_types() == {
            "header": "std_msgs/Header",
            "skeleton": "string",
            "skeletons": "sequence<v2v_ros/Skeleton>",
        }

    def test_skeleton_info(self) -> None:
        assert SkeletonInfo.get_fields_and_field_types() == {
            "name": "string",
            "joint_names": "sequence<string>",
            "bones": "sequence<uint16>",
            "weights_id": "string",
            "weights_hash": "string",
            "network": "string",
            "runtime": "string",
            "device": "string",
        }

    def test_inference_stats(self) -> None:
        seconds = [
            "input_age",
            "decode",
            "locate",
            "voxelize",
            "network",
            "joints",
            "track",
            "publish",
            "total",
        ]
        counts = ["received", "processed", "dropped", "failed"]
        assert InferenceStats.get_fields_and_field_types() == {
            "header": "std_msgs/Header",
            **dict.fromkeys(seconds, "float"),
            **dict.fromkeys(counts, "uint64"),
        }


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    node = Node("test_package", context=context)
    yield node
    node.destroy_node()
    context.shutdown()


def spin_until(node: Node, condition: Callable[[], bool], timeout: float = 10.0) -> None:
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()


def transform(child: str, x: float) -> TransformStamped:
    message = TransformStamped(header=Header(stamp=Time(sec=3), frame_id="camera"), child_frame_id=child)
    message.transform.translation.x = x
    return message


class TestTransformBroadcasters:
    def test_transforms_arrive(self, node: Node) -> None:
        received: list[TFMessage] = []
        node.create_subscription(TFMessage, "/tf", received.append, 10)
        broadcaster = TransformBroadcaster(node)
        spin_until(node, lambda: broadcaster.pub_tf.get_subscription_count() == 1)
        one, two = transform("a", 1.0), transform("b", 2.0)
        broadcaster.sendTransform(one)
        broadcaster.sendTransform([one, two])
        broadcaster.sendTransform(t for t in (two,))
        spin_until(node, lambda: len(received) == 3)
        assert [message.transforms for message in received] == [[one], [one, two], [two]]

    def test_late_subscriber_receives_every_static_transform(self, node: Node) -> None:
        broadcaster = StaticTransformBroadcaster(node)
        broadcaster.sendTransform(transform("a", 1.0))
        broadcaster.sendTransform([transform("b", 2.0), transform("c", 3.0)])
        broadcaster.sendTransform(transform("a", 4.0))
        received: list[TFMessage] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(TFMessage, "/tf_static", received.append, latched)
        spin_until(node, lambda: len(received) > 0)
        positions = {t.child_frame_id: t.transform.translation.x for t in received[-1].transforms}
        assert positions == {"a": 4.0, "b": 2.0, "c": 3.0}

    def test_quality_of_service_can_be_given(self, node: Node) -> None:
        broadcaster = TransformBroadcaster(node, qos=QoSProfile(depth=7))
        assert broadcaster.pub_tf.qos_profile.depth == 7


angles = st.floats(-3.1, 3.1)
quaternions = (
    npst.arrays(np.float64, 4, elements=st.floats(-1, 1))
    .filter(lambda q: bool(np.linalg.norm(q) > 0.1))
    .map(lambda q: q / np.linalg.norm(q))
)


def assert_same_rotation(quaternion: NDArray[np.float64], rotation: Rotation) -> None:
    assert (Rotation.from_quat(quaternion) * rotation.inv()).magnitude() < 1e-7


class TestTransformations:
    @given(angles, angles, angles)
    def test_euler_angles(self, x: float, y: float, z: float) -> None:
        expected = Rotation.from_euler("xyz", (x, y, z))
        assert_same_rotation(tf_transformations.quaternion_from_euler(x, y, z), expected)
        np.testing.assert_allclose(tf_transformations.euler_matrix(x, y, z)[:3, :3], expected.as_matrix(), atol=1e-12)
        back = tf_transformations.euler_from_quaternion(expected.as_quat())
        assert_same_rotation(tf_transformations.quaternion_from_euler(*back), expected)

    @pytest.mark.parametrize("y", [np.pi / 2, -np.pi / 2])
    def test_euler_angles_in_gimbal_lock(self, y: float) -> None:
        matrix = tf_transformations.euler_matrix(0.3, y, 0.8)
        back = tf_transformations.euler_from_matrix(matrix)
        np.testing.assert_allclose(tf_transformations.euler_matrix(*back), matrix, atol=1e-7)

    @underlay_only
    def test_other_axes_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r'axes "rzyx".*use "sxyz"'):
            tf_transformations.quaternion_from_euler(0, 0, 0, "rzyx")

    @given(quaternions)
    def test_matrices(self, quaternion: NDArray[np.float64]) -> None:
        expected = Rotation.from_quat(quaternion)
        matrix = tf_transformations.quaternion_matrix(quaternion)
        np.testing.assert_allclose(matrix[:3, :3], expected.as_matrix(), atol=1e-12)
        np.testing.assert_array_equal(matrix[3], (0, 0, 0, 1))
        np.testing.assert_array_equal(matrix[:3, 3], 0)
        back = tf_transformations.quaternion_from_matrix(matrix)
        assert back[3] >= 0
        assert_same_rotation(back, expected)

    @given(quaternions, quaternions)
    def test_products(self, q1: NDArray[np.float64], q0: NDArray[np.float64]) -> None:
        product = tf_transformations.quaternion_multiply(q1, q0)
        assert_same_rotation(product, Rotation.from_quat(q1) * Rotation.from_quat(q0))
        one = tf_transformations.quaternion_multiply(2 * q1, tf_transformations.quaternion_inverse(2 * q1))
        np.testing.assert_allclose(one, (0, 0, 0, 1), atol=1e-12)

    @given(angles, npst.arrays(np.float64, 3, elements=st.floats(-9, 9)).filter(lambda a: bool(a @ a > 0.01)))
    def test_turn_about_an_axis(self, angle: float, axis: NDArray[np.float64]) -> None:
        expected = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
        assert_same_rotation(tf_transformations.quaternion_about_axis(angle, axis), expected)

    def test_translations(self) -> None:
        matrix = tf_transformations.translation_matrix((1, 2, 3))
        np.testing.assert_array_equal(matrix @ (5, 5, 5, 1), (6, 7, 8, 1))
        np.testing.assert_array_equal(tf_transformations.translation_from_matrix(matrix), (1, 2, 3))
        np.testing.assert_array_equal(tf_transformations.identity_matrix() @ matrix, matrix)
