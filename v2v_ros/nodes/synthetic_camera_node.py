# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A depth camera that renders a moving hand or body, or several, and publishes the truth beside the images."""

from __future__ import annotations

import array
import math
import os
import sys
import threading
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.skeletons import Skeleton
from v2v_ros.msg import SkeletonArray
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence
from v2v_ros.synthetic.scenes.several import NAMES, SyntheticScene

from .outputs.messages import skeleton_array
from .support.parameters import Spec, declare
from .support.process import run
from .support.transport import overridable, reliable

PARAMETERS = (
    Spec("kind", "hand", "What to render.", choices=("hand", "body"), read_only=True),
    Spec(
        "scene",
        "",
        "Three moving subjects instead of one, as docs/tracking.md describes; empty: one.",
        choices=NAMES,
        pattern="|".join(("", *NAMES)),
        read_only=True,
    ),
    Spec("rate", 30.0, "Images per second, if rendering is fast enough.", limits=(0.1, 200.0), read_only=True),
    Spec("width", 640, "Width of the images [pixels].", limits=(16, 4096), read_only=True),
    Spec("height", 480, "Height of the images [pixels].", limits=(16, 4096), read_only=True),
    Spec("focal", 0.0, "Focal length [pixels]; 0: 0.742 widths.", limits=(0.0, 10000.0), read_only=True),
    Spec("noise", 1.0, "Strength of the sensor noise; 0: none.", limits=(0.0, 10.0), read_only=True),
    Spec("seed", 0, "Of the motion.", limits=(0, 2**31 - 1), read_only=True),
    Spec(
        "loop",
        0,
        "Images to render before the first one is published, and then to show to and fro; 0: render while publishing.",
        limits=(0, 1000),
        read_only=True,
    ),
    Spec("encoding", "16UC1", "Of the images.", choices=("16UC1", "32FC1"), read_only=True),
    Spec("frame_id", "synthetic_camera_depth_optical_frame", "Of the images.", read_only=True),
)

_FOCAL = CAMERA.fx / CAMERA.width  # share of the width: 68 degrees, as many depth cameras have
_NICENESS = 10
_IDLE = 0.05  # seconds between looks for subscribers

Messages = tuple[CameraInfo, Image, SkeletonArray]


class SyntheticCameraNode(Node):
    """Renders in a thread; while nobody subscribes it does nothing.

    Args:
        options: Arguments of :class:`rclpy.node.Node`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("synthetic_camera", **options)
        declare(self, PARAMETERS)
        get = {spec.name: self.get_parameter(spec.name).value for spec in PARAMETERS}
        width, height = get["width"], get["height"]
        focal = get["focal"] or _FOCAL * width
        self._intrinsics = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
        drawn: dict[str, Any] = {"seed": get["seed"], "intrinsics": self._intrinsics, "noise": get["noise"]}
        self._shown: SyntheticSequence | SyntheticScene = (
            SyntheticScene(get["kind"], get["scene"], **drawn)
            if get["scene"]
            else SyntheticSequence(get["kind"], **drawn)
        )
        self._period = 1 / get["rate"]
        self._loop = get["loop"]
        self._encoding = get["encoding"]
        self._frame_id = get["frame_id"]
        self._publishers_by_topic = [
            self.create_publisher(kind, topic, reliable(1), qos_overriding_options=overridable())
            for kind, topic in (
                (CameraInfo, "depth/camera_info"),
                (Image, "depth/image_rect"),
                (SkeletonArray, "~/truth"),  # last: it must not wake anybody before the image is on its way
            )
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._render, name="renderer", daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        self._stopping.set()
        self._thread.join(10.0)
        super().destroy_node()

    def _render(self) -> None:
        if not self._loop and sys.platform == "linux":  # where threads have a priority of their own
            # Rendering falls into the time in which the node works on the last image: let it have the cores.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        # Images are of the times 0, period, 2 period, ...; those that come too late are left out.
        start = time.monotonic()
        tick, late, told = 0, 0, False
        ready: list[Messages] = []
        while not self._stopping.is_set():
            if not any(publisher.get_subscription_count() for publisher in self._publishers_by_topic):
                self._stopping.wait(_IDLE)
                tick = math.ceil((time.monotonic() - start) / self._period)
                continue
            began = time.monotonic()
            if len(ready) < self._loop:
                ready.append(self._prepare(len(ready) * self._period))
                tick = math.ceil((time.monotonic() - start) / self._period)
                continue
            messages = ready[to_and_fro(tick, self._loop)] if ready else self._prepare(tick * self._period)
            took = time.monotonic() - began
            if self._stopping.wait(max(0.0, start + tick * self._period - time.monotonic())):
                return
            self._publish(messages)
            following = max(tick + 1, math.ceil((time.monotonic() - start) / self._period))
            late = late + 1 if following > tick + 1 else 0
            tick = following
            if late > 10 and not told:
                told = True
                self.get_logger().warning(
                    f"rendering an image takes {1000 * took:.0f} ms on this machine: fewer than "
                    f"{1 / self._period:g} per second are published; lower the parameters rate, width, height"
                )

    def _prepare(self, seconds: float) -> Messages:
        """Return the messages of a time, all but their header."""
        depth, skeletons = self._show(seconds)
        return (
            camera_info(Header(), self._intrinsics),
            image_message(Header(), depth, self._encoding),
            skeleton_array(Header(), Estimate(skeletons, {}), self._shown.skeleton),
        )

    def _show(self, seconds: float) -> tuple[NDArray[np.float32], tuple[SkeletonEstimate, ...]]:
        """Return the depth image of a time and the true skeletons."""
        shown, skeleton = self._shown, self._shown.skeleton
        if isinstance(shown, SyntheticScene):
            scene = shown.frame(forth_and_back(seconds, shown.seconds))
            return scene.depth, tuple(
                truth(f"truth_{one.identity}", skeleton, one.joints, one.side, one.visible) for one in scene.subjects
            )
        frame = shown.frame(seconds)
        side = Side.RIGHT if skeleton.subject.has_sides else Side.UNKNOWN
        return frame.depth, (truth("truth", skeleton, frame.joints, side),)

    def _publish(self, messages: Messages) -> None:
        # The stamp is taken last, so that an image's age is that of its way and not of its making.
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._frame_id)
        for publisher, message in zip(self._publishers_by_topic, messages, strict=True):
            message.header = header
            if self.context.ok():
                publisher.publish(message)


def to_and_fro(tick: int, length: int) -> int:
    """Index of the image that is shown at a tick: 0, 1, ..., length - 1, length - 2, ..., 0, 1, ..."""
    period = max(1, 2 * (length - 1))
    return min(tick % period, period - tick % period)


def forth_and_back(seconds: float, duration: float) -> float:
    """Return the time of a scene that is shown at a time: it is played to its end, backwards, and again."""
    return duration - abs(seconds % (2 * duration) - duration)


def image_message(header: Header, depth: NDArray[np.float32], encoding: str) -> Image:
    """Return a depth image (float32 [H, W] metres, NaN where invalid) as a message in ``16UC1`` or ``32FC1``."""
    height, width = depth.shape
    if encoding == "16UC1":
        pixels = np.nan_to_num(np.rint(1000 * depth).clip(0, 65535), nan=0).astype("<u2")
    else:
        pixels = depth.astype("<f4")
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * pixels.itemsize,
        data=array.array("B", pixels.tobytes()),
    )


def camera_info(header: Header, camera: Intrinsics) -> CameraInfo:
    """Return a camera without distortion."""
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def truth(
    name: str, skeleton: Skeleton, joints: NDArray[np.float32], side: Side, visible: float = 1.0
) -> SkeletonEstimate:
    """Return true joints (float32 [J, 3] metres) as a skeleton whose score is the share of it that can be seen."""
    return SkeletonEstimate(
        id=name,
        side=side,
        tracking_state=TrackingState.TRACKED,
        score=visible,
        center=joints.mean(axis=0),
        cube_edge=skeleton.cube_edge,
        points=joints,
        scores=np.ones(len(joints), np.float32),
        covariances=np.zeros((len(joints), 6), np.float32),
        velocities=np.full((len(joints), 3), np.nan, np.float32),
    )


def main(args: list[str] | None = None) -> None:
    torch.set_num_threads(1)  # the other cores are for the node that is fed
    run(SyntheticCameraNode, args)


if __name__ == "__main__":
    main()
