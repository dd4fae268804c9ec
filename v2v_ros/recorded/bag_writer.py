# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Skeletons as a recording that ROS, RViz, Foxglove and Rerun show, written without a ROS installation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..geometry.estimate import Estimate
from ..geometry.skeletons import get_skeleton
from .bags import BagError, require_rosbags

_ADVISED_DEPTH = 10  # of the queues of those who play the recording


class Recorded(NamedTuple):
    """An estimate and the messages that go with it.

    Attributes:
        stamp: Seconds and nanoseconds of the depth image.
        frame_id: Frame of the depth image.
        estimate: Skeletons found in it.
        carried: Further messages, each with its topic, its type, and itself, serialized or not.
    """

    stamp: tuple[int, int]
    frame_id: str
    estimate: Estimate
    carried: tuple[tuple[str, str, Any], ...] = ()


def write_skeletons(path: str | Path, skeleton: str, frames: Iterable[Recorded], topic: str = "/skeletons") -> None:
    """Write estimates as an mcap file, as ``ros2 bag play`` takes it.

    Beside v2v_ros/msg/SkeletonArray it holds the joints' frames on /tf, markers on /markers and joints with their
    scores as points on /joints. The file appears whole or not at all.

    Args:
        path: Path of the file, which ends in .mcap; an existing file is replaced.
        skeleton: Name of the joint set.
        frames: Estimate of each depth image.
        topic: Name of the topic of the skeletons.

    Raises:
        BagError: The path cannot be written to, or rosbags is not installed.
        ValueError: Unknown skeleton.
    """
    path = Path(path)
    joints = get_skeleton(skeleton)  # refuses unknown names before anything is computed
    if path.suffix != ".mcap":
        raise BagError(f"{path}: skeletons are written as mcap: choose a name that ends in .mcap")
    require_rosbags()
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    from .bag_messages import SKELETON_ARRAY, skeleton_array, typestore
    from .bag_scene import TOPICS, SceneMessages

    store = typestore()
    scene = SceneMessages(store, joints)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(f"{path}: cannot write the skeletons: {error.strerror}") from error
    # rosbags writes a directory; a single file is what the user asked for, and ros2 bag takes it as well.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        whole = Path(folder) / path.stem
        writer = Writer(whole, version=8, storage_plugin=StoragePlugin.MCAP)
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            connections: dict[str, Any] = {}

            def write(name: str, message_type: str, time: int, message: Any) -> None:
                if name not in connections:
                    connections[name] = writer.add_connection(
                        name, message_type, typestore=store, offered_qos_profiles=[_reliable()]
                    )
                raw = message if isinstance(message, bytes) else bytes(store.serialize_cdr(message, message_type))
                writer.write(connections[name], time, raw)

            connections[topic] = writer.add_connection(
                topic, SKELETON_ARRAY, typestore=store, offered_qos_profiles=[_reliable()]
            )
            for stamp, frame_id, estimate, carried in frames:
                time = stamp[0] * 10**9 + stamp[1]
                for name, message_type, message in carried:
                    write(name, message_type, time, message)
                write(topic, SKELETON_ARRAY, time, skeleton_array(store, skeleton, stamp, frame_id, estimate.skeletons))
                for name, message in scene.messages(stamp, frame_id, estimate).items():
                    write(name, TOPICS[name], time, message)
        os.replace(whole / f"{path.stem}.mcap", path)


def _reliable() -> Any:
    """Return the quality of service that players offer: that of the nodes' own topics."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        _ADVISED_DEPTH,
        QosReliability.RELIABLE,
        QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        avoid_ros_namespace_conventions=False,
    )
