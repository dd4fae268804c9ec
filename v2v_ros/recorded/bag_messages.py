# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The messages of this package for rosbags, which writes bags without a ROS installation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from ..geometry.skeletons import get_skeleton

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

    from ..geometry.estimate import SkeletonEstimate

SKELETON = "v2v_ros/msg/Skeleton"
SKELETON_ARRAY = "v2v_ros/msg/SkeletonArray"

# The fields of msg/*.msg, which an installation without ROS does not have as files; a test keeps them equal.
MESSAGES = {
    SKELETON: """
uint8 HAND=1
uint8 BODY=2
uint8 UNKNOWN=0
uint8 LEFT=1
uint8 RIGHT=2
uint8 DETECTED=0
uint8 TRACKED=1
uint8 PREDICTED=2
string id
uint8 kind
uint8 side
uint8 tracking_state
float32 score
geometry_msgs/Point center
float32 cube_edge
geometry_msgs/Point[] points
float32[] scores
float32[] covariances
geometry_msgs/Vector3[] velocities
""",
    SKELETON_ARRAY: """
std_msgs/Header header
string skeleton
v2v_ros/Skeleton[] skeletons
""",
}


def typestore() -> Typestore:
    """Return the messages of ROS and of this package, for serialization."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in MESSAGES.items():
        store.register(get_types_from_msg(text, name))
    return store


def skeleton_array(
    store: Typestore,
    skeleton: str,
    stamp: tuple[int, int],
    frame_id: str,
    estimates: Iterable[SkeletonEstimate],
) -> Any:
    """Return a v2v_ros/msg/SkeletonArray.

    Args:
        store: Types of the messages, see :func:`typestore`.
        skeleton: Name of the joint set.
        stamp: Seconds and nanoseconds of the depth image.
        frame_id: Frame of the depth image.
        estimates: Skeletons found in that image.
    """
    types: dict[str, Any] = store.types
    point, vector = types["geometry_msgs/msg/Point"], types["geometry_msgs/msg/Vector3"]
    message = types[SKELETON]
    kind = getattr(message, get_skeleton(skeleton).kind.upper())
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](*stamp), frame_id)
    return types[SKELETON_ARRAY](
        header,
        skeleton,
        [
            message(
                id=found.id,
                kind=kind,
                side=int(found.side),
                tracking_state=int(found.tracking_state),
                score=float(found.score),
                center=point(*map(float, found.center)),
                cube_edge=float(found.cube_edge),
                points=[point(*map(float, values)) for values in found.points],
                scores=np.asarray(found.scores, dtype=np.float32),
                covariances=np.asarray(found.covariances, dtype=np.float32).ravel(),
                velocities=[vector(*map(float, values)) for values in found.velocities],
            )
            for found in estimates
        ],
    )
