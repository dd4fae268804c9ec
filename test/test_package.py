# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The package as it is installed: metadata, messages, programs, and what the underlay adds without ROS."""

from __future__ import annotations

import array
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import tf_transformations
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge, CvBridgeError
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
from sensor_msgs.msg import Image
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
        files = [path for suffix in ("py", "csv", "json") for path in (ROOT / "v2v_ros").rglob(f"*.{suffix}")]
        sources = [path.relative_to(ROOT / "v2v_ros") for path in files]
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


ENCODINGS = {
    "mono8": (np.uint8, 1),
    "bgr8": (np.uint8, 3),
    "rgb8": (np.uint8, 3),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
    "8UC4": (np.uint8, 4),
    "32SC2": (np.int32, 2),
}


@st.composite
def images(draw: st.DrawFn) -> tuple[str, NDArray[Any]]:
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    dtype, channels = ENCODINGS[encoding]
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), *([channels] if channels > 1 else []))
    return encoding, draw(npst.arrays(dtype, shape))


class TestCvBridge:
    @given(images())
    def test_round_trip(self, image: tuple[str, NDArray[Any]]) -> None:
        encoding, pixels = image
        message = CvBridge().cv2_to_imgmsg(pixels, encoding, Header(frame_id="camera"))
        assert (message.height, message.width) == pixels.shape[:2]
        assert (message.encoding, message.header.frame_id) == (encoding, "camera")
        assert message.step * message.height == len(message.data)
        back = CvBridge().imgmsg_to_cv2(message)
        assert back.dtype == pixels.dtype
        np.testing.assert_array_equal(back, pixels)

    @given(images(), st.booleans(), st.integers(0, 5))
    def test_padded_rows_and_both_byte_orders(self, image: tuple[str, NDArray[Any]], big: bool, padding: int) -> None:
        encoding, pixels = image
        rows = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).reshape(len(pixels), -1)
        data = b"".join(row.tobytes() + b"\xaa" * padding for row in rows)
        message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, is_bigendian=big)
        message.step = len(data) // message.height
        message.data = array.array("B", data)
        back = CvBridge().imgmsg_to_cv2(message)
        assert back.dtype.isnative
        np.testing.assert_array_equal(back, pixels)

    def test_passthrough_names_the_type(self) -> None:
        bridge = CvBridge()
        assert bridge.cv2_to_imgmsg(np.zeros((2, 3), np.float32)).encoding == "32FC1"
        assert bridge.cv2_to_imgmsg(np.zeros((2, 3, 3), np.uint8)).encoding == "8UC3"
        assert bridge.cv2_to_imgmsg(np.zeros((2, 3), np.uint8)).is_bigendian == (sys.byteorder == "big")

    def test_colours_are_swapped_on_demand(self) -> None:
        pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        message = CvBridge().cv2_to_imgmsg(pixels, "bgr8")
        np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "rgb8"), pixels[:, :, ::-1])
        np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "bgr8"), pixels)

    def test_names_of_one_type_are_interchangeable(self) -> None:
        pixels = np.arange(4, dtype=np.uint16).reshape(2, 2)
        message = CvBridge().cv2_to_imgmsg(pixels, "16UC1")
        np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "mono16"), pixels)

    @underlay_only
    def test_what_cannot_be_converted_is_named(self) -> None:
        bridge = CvBridge()
        grey = bridge.cv2_to_imgmsg(np.zeros((2, 2), np.uint8), "mono8")
        with pytest.raises(CvBridgeError, match="mono8 cannot be converted to 32FC1"):
            bridge.imgmsg_to_cv2(grey, "32FC1")
        with pytest.raises(CvBridgeError, match='unknown encoding "yuv"'):
            bridge.cv2_to_imgmsg(np.zeros((2, 2), np.uint8), "yuv")
        with pytest.raises(CvBridgeError, match="type 16UC1 cannot become an image of encoding bgr8"):
            bridge.cv2_to_imgmsg(np.zeros((2, 2), np.uint16), "bgr8")
        with pytest.raises(CvBridgeError, match="2 or 3 dimensions, not 1"):
            bridge.cv2_to_imgmsg(np.zeros(2, np.uint8))
        grey.data = grey.data[:-1]
        with pytest.raises(CvBridgeError, match=r"need 2 bytes a row.*3 bytes in all"):
            bridge.imgmsg_to_cv2(grey)


def test_every_program_names_its_copyright_and_licence() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a clone")
    for name in listed.stdout.split():
        first = (ROOT / name).read_text(encoding="utf-8")[:200]
        assert "# Copyright 2026 The v2v_ros maintainers\n# SPDX-License-Identifier: Apache-2.0\n" in first, name


def test_a_wheel_has_every_file_of_the_package() -> None:
    """pip takes Python files by itself, all others only where pyproject.toml names them."""
    section = (ROOT / "pyproject.toml").read_text().split("[tool.setuptools.package-data]")[1].split("[tool.")[0]
    patterns = re.findall(r'"([^"]+)"', section)
    source = ROOT / "v2v_ros"
    files = [path for path in source.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    named = {path for pattern in patterns for path in source.glob(pattern)}
    assert files and set(files) - named == set()
    assert all(any(source.glob(pattern)) for pattern in patterns)
