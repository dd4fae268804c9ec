# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What tests of the ROS nodes share. ROS is imported only by the tests that ask for it."""

from __future__ import annotations

import array
import gc
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from v2v_ros.estimator.settings import Settings
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.skeletons import get_skeleton

# Every test has one of its own; two runs of the tests at a time begin at different ones.
_FIRST_DOMAIN = 20
_DOMAINS = itertools.islice(itertools.cycle(range(_FIRST_DOMAIN, 50)), os.getpid() % 30, None)


class Ros:
    """A ROS context of its own with an executor that spins in a thread, and a node for the test itself.

    Whatever touches a spinning node is done by :meth:`call`, in the executor's thread, as it is in a real process.
    """

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.domain = domain
        self.context = rclpy.Context()
        self.context.init(domain_id=domain)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Any] = []
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self.node = rclpy.create_node("test", context=self.context)
        self.add(self.node)
        self._thread.start()

    def add(self, node: Any) -> Any:
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def call(self, function: Callable[[], Any], timeout: float = 20.0) -> Any:
        """Run a function in the executor's thread; returns its result."""
        future = self._executor.create_task(function)
        self.wait(future.done, timeout, "the executor")
        return future.result()

    def collect(self, kind: type, topic: str, qos: Any = 10) -> list[Any]:
        """A list to which every message on a topic is appended."""
        messages: list[Any] = []
        self.call(lambda: self.node.create_subscription(kind, topic, messages.append, qos))
        return messages

    def publisher(self, kind: type, topic: str, qos: Any = 10) -> Any:
        return self.call(lambda: self.node.create_publisher(kind, topic, qos))

    def request(self, kind: type, name: str, request: Any, timeout: float = 20.0) -> Any:
        """Call a service; returns the response."""
        client = self.call(lambda: self.node.create_client(kind, name))
        self.wait(client.service_is_ready, timeout, f"service {name}")
        future = client.call_async(request)
        self.wait(future.done, timeout, f"the response of {name}")
        return future.result()

    def wait(self, condition: Callable[[], Any], timeout: float = 20.0, what: str = "condition") -> Any:
        """Wait until a condition holds; returns its value."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited {timeout:g} s without {what}"
            time.sleep(0.002)
        return value

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(10.0)
        for node in self._nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def ros(tmp_path: Path) -> Iterator[Ros]:
    """A ROS domain of its own that does not leave this machine; child processes of the test share it."""
    with own_domain(tmp_path) as one:
        yield one


@contextmanager
def own_domain(folder: Path) -> Iterator[Ros]:
    """As the fixture, for fixtures of wider scope."""
    pytest.importorskip("rclpy")
    from v2v_ros.benchmark.rig.children import private_network

    domain = next(_DOMAINS)
    if domain == _FIRST_DOMAIN:
        gc.collect()  # until then a lifecycle node stays in its domain, where the next one would be taken for it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        with private_network(folder):
            one = Ros(domain)
            try:
                yield one
            finally:
                one.close()


CAMERA = Intrinsics(60.0, 60.0, 39.5, 29.5, 80, 60)


class FakeEstimator:
    """Deterministic and fast: takes the middle of all valid points for the hand, and keeps what it was asked."""

    def __init__(self) -> None:
        self.skeleton = get_skeleton("hand21")
        self.weights_id, self.weights_hash = "fake", "0123456789ab"
        self.network, self.runtime, self.device = "none", "numpy", "cpu"
        self.settings = Settings(0.0, 0.0, 0.0, Side.RIGHT)
        self.depths: list[np.ndarray] = []
        self.cameras: list[Intrinsics] = []
        self.hints: list[np.ndarray | None] = []
        self.resets = self.identities = 0
        self.error: Exception | None = None
        self.gate = threading.Event()  # closed, it holds the worker in the middle of an image
        self.gate.set()

    def estimate(
        self, depth: np.ndarray, intrinsics: Intrinsics, stamp: float, center: np.ndarray | None = None
    ) -> Estimate:
        self.depths.append(depth)
        self.cameras.append(intrinsics)
        self.hints.append(center)
        assert self.gate.wait(20.0)
        if self.error is not None:
            raise self.error
        seconds = {"locate": 0.001, "voxelize": 0.002, "network": 0.003, "joints": 0.0, "track": 0.0}
        if not np.isfinite(depth).any():
            return Estimate((), seconds)
        middle = np.array([0.0, 0.0, np.nanmean(depth)])
        joints = len(self.skeleton.joint_names)
        points = middle + 0.001 * np.arange(3 * joints).reshape(joints, 3)
        points[3] = np.nan  # index_dip
        scores = np.where(np.isfinite(points[:, 0]), 0.9, 0.0)
        one = SkeletonEstimate(
            id=f"hand_{self.resets + 1}",
            side=Side.RIGHT if self.settings.side == Side.UNKNOWN else self.settings.side,
            tracking_state=TrackingState.TRACKED,
            score=0.9,
            center=middle,
            cube_edge=0.25,
            points=points.astype(np.float32),
            scores=scores.astype(np.float32),
            covariances=np.where(np.isfinite(points[:, :1]), 1e-5, np.nan).repeat(6, axis=1).astype(np.float32),
            velocities=np.where(np.isfinite(points), np.array([0.5, 0.0, 0.0]), np.nan).astype(np.float32),
        )
        return Estimate((one,), seconds)

    def reset(self) -> None:
        self.resets += 1


class Bench:
    """A pose node with a fake estimator, a camera for it, and the ends of its outputs.

    Args:
        topic: Of the raw images.
        parameters: Of the node.
    """

    def __init__(self, ros: Ros, connect: bool = True, topic: str = "depth/image_rect", **parameters: Any) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.parameter import Parameter
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        from v2v_ros.msg import SkeletonArray
        from v2v_ros.nodes.pose_node import PoseNode

        self.ros = ros
        self._sent = 0
        self.camera = CAMERA
        self.estimator = FakeEstimator()
        self.make: Callable[[str], FakeEstimator] = lambda device: self.estimator
        values = {"diagnostics_period": 0.1, "max_age": 0.0, "camera_info_timeout": 60.0} | parameters
        self.node = PoseNode(
            make_estimator=lambda node, device="": cast(Any, self.make(device)),
            context=ros.context,
            cli_args=["--ros-args", "-r", f"depth/image_rect:={topic}"],
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        ros.add(self.node)
        compressed = values.get("depth_transport") == "compressedDepth"
        topic = "depth/image_rect/compressedDepth" if compressed else topic
        self.images = ros.publisher(CompressedImage if compressed else Image, topic)
        self.infos = ros.publisher(CameraInfo, "depth/camera_info")
        self.skeletons = ros.collect(SkeletonArray, "v2v_pose/skeletons")
        self.diagnostics = ros.collect(DiagnosticArray, "/diagnostics")
        ros.call(self.node.autostart)
        if connect:
            self.wait_connected()

    def wait_connected(self) -> None:
        self.ros.wait(lambda: self.images.get_subscription_count() and self.infos.get_subscription_count())
        self.ros.wait(lambda: self.ros.node.count_publishers("/v2v_pose/skeletons"))

    def header(self, seconds: float | None = None, frame_id: str = "camera_optical") -> Any:
        """At a time in seconds, or now."""
        from rclpy.time import Time
        from std_msgs.msg import Header

        now = self.ros.node.get_clock().now() if seconds is None else Time(nanoseconds=round(1e9 * seconds))
        return Header(stamp=now.to_msg(), frame_id=frame_id)

    def send(self, seconds: float | None = None, frame_id: str = "camera_optical", **changes: Any) -> Any:
        """Publish camera_info and a good image, with some fields changed; returns the image's header.

        Fields of camera_info are named with ``_of_info``, but for k and p.
        """
        from v2v_ros.nodes.synthetic_camera_node import camera_info, image_message

        header = self.header(seconds, frame_id)
        info = camera_info(header, CAMERA)
        image = image_message(header, depth_picture(), "16UC1")
        for name, value in changes.items():
            message = info if name in ("k", "p") or name.endswith("_of_info") else image
            setattr(message, name.removesuffix("_of_info"), value)
        self.infos.publish(info)
        self.images.publish(image)
        self._sent += 1
        return image.header

    def make_image(self, header: Any) -> Any:
        from v2v_ros.nodes.synthetic_camera_node import image_message

        return image_message(header, depth_picture(), "16UC1")

    def blank(self) -> Any:
        """Data of an image without any depth."""
        return array.array("B", bytes(2 * self.camera.width * self.camera.height))

    def idle(self) -> None:
        """Wait until all images that were sent have been dealt with."""
        sent = self._sent

        def settled(values: dict[str, str]) -> bool:
            kinds = ("processed", "dropped", "too old", "failed")
            done = sum(int(values[f"images {kind}"]) for kind in kinds) + int(values["duplicate images"])
            return done == sent

        self.wait_values(settled)

    def results(self) -> list[float]:
        """Stamps of the skeletons that have come, in seconds."""
        return [message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec for message in self.skeletons]

    def wait_diagnosis(self, *texts: str) -> tuple[bytes, str, dict[str, str]]:
        """Wait until the newest diagnosis says all of this; returns level, message and values."""

        def look() -> tuple[bytes, str, dict[str, str]] | None:
            if not self.diagnostics:
                return None
            status = self.diagnostics[-1].status[0]
            if not all(text in status.message for text in texts):
                return None
            return status.level, status.message, {pair.key: pair.value for pair in status.values}

        last = self.diagnostics[-1].status[0].message if self.diagnostics else None
        result: tuple[bytes, str, dict[str, str]] = self.ros.wait(look, what=f"{texts}; it was: {last}")
        return result

    def wait_values(self, condition: Callable[[dict[str, str]], bool]) -> tuple[bytes, str, dict[str, str]]:
        """Wait until the values of the newest diagnosis are so; returns level, message and values."""
        self.ros.wait(lambda: condition(self.wait_diagnosis()[2]))
        return self.wait_diagnosis()

    def assert_recovers(self) -> None:
        """A good image is processed."""
        before = len(self.skeletons)
        due = 0.0

        def answered() -> bool:
            nonlocal due
            if len(self.skeletons) > before:
                return True
            if time.monotonic() >= due:  # images are best effort: one may be lost on its way
                self.send()
                due = time.monotonic() + 5.0
            return False

        self.ros.wait(answered, what="the skeletons of a good image")
        level, message, _ = self.wait_values(
            lambda values: values["images processed"] != "0" and values["lifecycle state"] == "active"
        )
        assert level in (b"\x00", b"\x01"), message  # OK, or a warning because of what was a moment ago


def depth_picture() -> np.ndarray:
    """float32 [60, 80] metres: something at 0.4 to 0.5 m, holes around it."""
    depth = np.full((CAMERA.height, CAMERA.width), np.nan, np.float32)
    depth[20:40, 30:50] = np.linspace(0.4, 0.5, 20, dtype=np.float32)
    return depth


@pytest.fixture
def make_bench(ros: Ros) -> Callable[..., Bench]:
    """Makes a bench with the given parameters of the pose node."""
    return lambda **parameters: Bench(ros, **parameters)


@pytest.fixture
def bench(ros: Ros) -> Bench:
    return Bench(ros)
