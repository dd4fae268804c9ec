# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Bags of a rendered hand as cameras and recorders make them, and how far predictions are from the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from v2v_ros.cli import main
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.distortion import distort
from v2v_ros.synthetic.hand.kinematics import pose_hand, sample_shape
from v2v_ros.synthetic.hand.motion import moving_pose
from v2v_ros.synthetic.scenes.depth_camera import DepthCamera
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticFrame, SyntheticSequence

IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
DEPTH_TOPIC, INFO_TOPIC = "/camera/depth/image_rect", "/camera/depth/camera_info"
PERIOD = 1 / 30  # seconds
WIDE = Intrinsics(400.0, 400.0, 319.5, 239.5, 640, 480)
START = 1_700_000_000 * 10**9  # nanoseconds; when every recording begins


@cache
def rendered(frames: int, seed: int = 4) -> list[SyntheticFrame]:
    """A hand that moves, at 30 Hz."""
    sequence = SyntheticSequence("hand", seed=seed)
    return [sequence.frame(index * PERIOD) for index in range(frames)]


def time_of(index: int) -> int:
    """Nanoseconds at which an image of the sequence was taken, and recorded."""
    return START + round(index * PERIOD * 1e9)


@dataclass(frozen=True)
class Shot:
    """A depth image on its way into a bag.

    Attributes:
        depth: float32 [H, W] metres.
        stamp, recorded: Nanoseconds.
        info: Fields of its camera_info that differ from those of a plain one of ``camera``; None: it has none.
    """

    depth: np.ndarray
    stamp: int
    recorded: int
    frame_id: str = "camera_depth_optical_frame"
    camera: Intrinsics = CAMERA
    info: dict[str, Any] | None = None
    info_frame_id: str | None = None


def shots(frames: int, seed: int = 4) -> list[Shot]:
    """A recording without faults."""
    return [
        Shot(frame.depth, time_of(index), time_of(index), info={}) for index, frame in enumerate(rendered(frames, seed))
    ]


def aside(frames: int) -> list[SyntheticFrame]:
    """A hand 30 degrees off the axis of :data:`WIDE`, at 30 Hz."""
    camera = DepthCamera("hand", WIDE, 1.0, torch.Generator().manual_seed(0))
    shape = sample_shape(1, torch.Generator().manual_seed(0))
    made = []
    for index in range(frames):
        joints, surface = pose_hand(shape, moving_pose(shape, 100, index * PERIOD))
        shift = torch.tensor([0.28, 0.16, 0.55]) - joints[0].mean(dim=0)
        depth = camera.picture(replace(surface, centers=surface.centers + shift))
        made.append(SyntheticFrame(depth, (joints[0] + shift).numpy()))
    return made


def write(
    path: Path,
    recording: Sequence[Shot],
    compressed: Callable[[np.ndarray], tuple[str, bytes]] | None = None,
    topic: str = DEPTH_TOPIC,
    unit: float = 0.001,
    encoding: str = "16UC1",
) -> Path:
    """A bag of the recording, in the order in which it is given.

    Args:
        compressed: Makes format and data of a sensor_msgs/CompressedImage from uint16 units; None: raw images.
        topic: Of the images.
        unit: Metres that one unit of their pixels stands for.
        encoding: ``16UC1`` or ``32FC1``.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = store.types
    image_type = "sensor_msgs/msg/CompressedImage" if compressed else IMAGE

    def header(stamp: int, frame_id: str) -> Any:
        return types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9)), frame_id)

    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        images = writer.add_connection(topic, image_type, typestore=store)
        infos = writer.add_connection(INFO_TOPIC, INFO, typestore=store)
        for shot in recording:
            if shot.info is not None:
                frame_id = shot.frame_id if shot.info_frame_id is None else shot.info_frame_id
                message = camera_info(types, header(shot.stamp, frame_id), shot.camera, **shot.info)
                writer.write(infos, shot.recorded, store.serialize_cdr(message, INFO))
            pixels = np.rint(np.nan_to_num(shot.depth) / unit).astype("<u2" if encoding == "16UC1" else "<f4")
            own = header(shot.stamp, shot.frame_id)
            if compressed:
                text, data = compressed(pixels)
                message = types[image_type](own, text, np.frombuffer(data, np.uint8))
            else:
                (height, width), data = pixels.shape, pixels.tobytes()
                sizes = height, width, encoding, 0, pixels.strides[0]
                message = types[IMAGE](own, *sizes, np.frombuffer(data, np.uint8))
            writer.write(images, shot.recorded, store.serialize_cdr(message, image_type))
    return path


def camera_info(types: dict[str, Any], header: Any, camera: Intrinsics, **changes: Any) -> Any:
    """A sensor_msgs/msg/CameraInfo; ``roi`` is x_offset, y_offset, width, height."""
    values: dict[str, Any] = {
        "header": header,
        "height": camera.height,
        "width": camera.width,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1]),
        "r": np.eye(3).ravel(),
        "p": np.array([camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0]),
        "binning_x": 0,
        "binning_y": 0,
    } | changes
    left, top, width, height = values.pop("roi", (0, 0, 0, 0))
    region = types["sensor_msgs/msg/RegionOfInterest"](left, top, height, width, False)
    return types[INFO](**values, roi=region)


def photographed(shot: Shot, model: str, d: Sequence[float]) -> Shot:
    """The shot as a lens shows it, with its camera_info."""
    camera = shot.camera
    u, v = np.meshgrid(
        (np.arange(camera.width) - camera.cx) / camera.fx, (np.arange(camera.height) - camera.cy) / camera.fy
    )
    padded = tuple(d) if model == "equidistant" else (*d, *[0.0] * 12)[:12]
    x, y = u.copy(), v.copy()
    for _ in range(30):  # the inverse of the formula, by fixed points
        there = distort(x, y, model, padded)
        x, y = x + 0.7 * (u - there[0]), y + 0.7 * (v - there[1])
    columns, rows = np.rint(x * camera.fx + camera.cx), np.rint(y * camera.fy + camera.cy)
    inside = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    depth = np.full(shot.depth.shape, np.nan, np.float32)
    depth[inside] = shot.depth[rows[inside].astype(int), columns[inside].astype(int)]
    return replace(shot, depth=depth, info={"distortion_model": model, "d": np.array(d)})


def predict(bag: Path, *options: str, code: int = 0, topic: str = DEPTH_TOPIC) -> list[Any]:
    """The messages that ``v2v predict`` makes of a bag."""
    from rosbags.rosbag2 import Reader

    from v2v_ros.recorded.bag_messages import SKELETON_ARRAY, typestore

    output = bag.with_name(f"{bag.name}_skeletons.mcap")
    topics = ["--depth-topic", topic, "--info-topic", INFO_TOPIC]
    assert main(["predict", str(bag), *topics, "--output", str(output), "--quiet", *options]) == code
    store = typestore()
    with Reader(output) as reader:
        skeletons = [each for each in reader.connections if each.msgtype == SKELETON_ARRAY]
        return [store.deserialize_cdr(raw, SKELETON_ARRAY) for _, _, raw in reader.messages(skeletons)]


def errors(messages: Sequence[Any], frames: Sequence[SyntheticFrame]) -> np.ndarray:
    """Mean distance of the joints from the truth in millimetres, a value for every message; NaN without a hand."""
    assert len(messages) == len(frames)
    found = []
    for message, frame in zip(messages, frames, strict=True):
        if not message.skeletons:
            found.append(np.nan)
            continue
        points = np.array([(point.x, point.y, point.z) for point in message.skeletons[0].points])
        found.append(1000 * float(np.linalg.norm(points - frame.joints, axis=1).mean()))
    return np.array(found)


def cut(shot: Shot, roi: tuple[int, int, int, int], step: int, info: dict[str, Any]) -> Shot:
    """A region of the image, of which each so-manieth pixel is kept, with these fields in its camera_info."""
    left, top, width, height = roi
    return replace(shot, depth=shot.depth[top : top + height : step, left : left + width : step].copy(), info=info)
