# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What happens to a node in a working day, again and again, and must leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.msg import InferenceStats, SkeletonArray
from v2v_ros.nodes.support.transport import reliable
from v2v_ros.nodes.synthetic_camera_node import camera_info, image_message

Parts = Iterator[float]
"""Does a part of an event, and yields the seconds until the next part."""

_ANSWER = 30.0  # seconds that the node may take for a service
_ROUNDS = 3
_SUBSCRIBERS = 4
_EMPTY = 8.0  # seconds without a hand; a track is given up in less
_RATE = 30.0
_WALL = 1.2  # metres; in the range in which hands are looked for

OUTPUTS: dict[str, type] = {
    "v2v_pose/skeletons": SkeletonArray,
    "v2v_pose/markers": MarkerArray,
    "v2v_pose/cloud": PointCloud2,
    "v2v_pose/stats": InferenceStats,
    "tf": TFMessage,
}


class EventError(RuntimeError):
    """The node did not do what it was asked for. The message says what."""


class Events:
    """The events, each a generator.

    Args:
        node: Node in the pose node's namespace, which the caller spins.
        stop_camera, start_camera: Functions that end the camera's process and start another one.
        camera: Intrinsics of the camera's images.
    """

    def __init__(
        self,
        node: Node,
        stop_camera: Callable[[], None],
        start_camera: Callable[[], None],
        camera: Intrinsics,
    ) -> None:
        self._node = node
        self._stop_camera, self._start_camera = stop_camera, start_camera
        self._camera = camera
        self.all: dict[str, Callable[[], Parts]] = {
            "subscribers come and go": self._subscribers,
            "the hand disappears, the camera is replaced": self._empty_room,
            "deactivated and activated": self._lifecycle,
            "disabled and enabled": self._enable,
        }

    def _subscribers(self) -> Parts:
        """Several processes' worth of subscribers, three times."""
        for _ in range(_ROUNDS):
            contexts = []
            try:
                for _ in range(_SUBSCRIBERS):
                    context = rclpy.Context()
                    context.init()
                    contexts.append(context)
                    node = rclpy.create_node(
                        "v2v_visitor", enable_rosout=False, namespace=self._node.get_namespace(), context=context
                    )
                    for topic, kind in OUTPUTS.items():
                        node.create_subscription(kind, topic, lambda message: None, reliable(1))
                    yield 0.3
                yield 3.0
            finally:
                for context in contexts:
                    context.try_shutdown()  # takes its nodes along
            yield 2.0

    def _empty_room(self) -> Parts:
        """End the camera, let another one show a wall, and let the first kind come back."""
        self._stop_camera()
        depth = np.full((self._camera.height, self._camera.width), _WALL, np.float32)
        image = image_message(Header(), depth, "16UC1")
        info = camera_info(Header(), self._camera)
        publishers = [
            self._node.create_publisher(CameraInfo, "depth/camera_info", reliable(1)),
            self._node.create_publisher(Image, "depth/image_rect", reliable(1)),
        ]
        try:
            ended = time.monotonic() + _EMPTY
            while time.monotonic() < ended:
                header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id="wall_optical_frame")
                for publisher, message in zip(publishers, (info, image), strict=True):
                    message.header = header
                    publisher.publish(message)
                yield 1 / _RATE
        finally:
            for publisher in publishers:
                self._node.destroy_publisher(publisher)
        self._start_camera()
        yield 1.0

    def _lifecycle(self) -> Parts:
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=transition))
            yield from self._call(ChangeState, "v2v_pose/change_state", request)
            yield 3.0

    def _enable(self) -> Parts:
        for data in (False, True):
            yield from self._call(SetBool, "v2v_pose/enable", SetBool.Request(data=data))
            yield 3.0

    def _call(self, kind: type, name: str, request: Any) -> Parts:
        with _client(self._node, kind, name) as client:
            deadline = time.monotonic() + _ANSWER
            future = None
            while future is None or not future.done():
                if future is None and client.service_is_ready():
                    future = client.call_async(request)
                if time.monotonic() > deadline:
                    raise EventError(f"the service {name} did not answer within {_ANSWER:.0f} s")
                yield 0.05
            response = future.result()
            if response is None or not response.success:
                raise EventError(f"the service {name} refused: {request}")


@contextmanager
def _client(node: Node, kind: type, name: str) -> Iterator[Any]:
    client = node.create_client(kind, name)
    try:
        yield client
    finally:
        node.destroy_client(client)
