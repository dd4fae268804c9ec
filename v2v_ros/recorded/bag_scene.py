# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Skeletons in messages that every viewer of recordings draws in 3D: TF, markers and points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.estimate import Estimate, SkeletonEstimate, TrackingState
from ..geometry.joint_frames import named_frames, valid_joints
from ..geometry.skeletons import Skeleton
from ..io.draw import bone_colors, joint_colors

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

TF, MARKERS, POINTS = "tf2_msgs/msg/TFMessage", "visualization_msgs/msg/MarkerArray", "sensor_msgs/msg/PointCloud2"
TOPICS = {"/tf": TF, "/markers": MARKERS, "/joints": POINTS}
"""Message types of the topics."""

_LINE_LIST, _SPHERE_LIST, _ADD, _DELETE_ALL, _FLOAT32 = 5, 7, 0, 3, 7
_JOINT_SIZE = 0.032  # cube edges: 8 mm for a hand, 6 cm for a body
_ROW = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("score", "<f4")])


class SceneMessages:
    """Makes the messages of one skeleton's estimates.

    Args:
        store: Types of the messages.
        skeleton: Skeleton of the estimates.
    """

    def __init__(self, store: Typestore, skeleton: Skeleton) -> None:
        self._types: dict[str, Any] = store.types
        self._skeleton = skeleton
        self._colors = bone_colors(skeleton), joint_colors(skeleton)

    def messages(self, stamp: tuple[int, int], frame_id: str, estimate: Estimate) -> dict[str, Any]:
        """Return the messages of an image by topic.

        Args:
            stamp: Seconds and nanoseconds of the depth image.
            frame_id: Frame of the depth image; without one there is no TF.
            estimate: Skeletons found in the image.
        """
        header = self._make("std_msgs/msg/Header", self._make("builtin_interfaces/msg/Time", *stamp), frame_id)
        made = {"/markers": self._markers(header, estimate), "/joints": self._points(header, estimate)}
        transforms = self._transforms(header, estimate) if frame_id else []
        return made | ({"/tf": self._make(TF, transforms)} if transforms else {})

    def _make(self, name: str, *values: Any) -> Any:
        return self._types[name](*values)

    def _transforms(self, header: Any, estimate: Estimate) -> list[Any]:
        transforms = []
        for one in estimate.skeletons:
            for name, point, axes in named_frames(one, self._skeleton):
                place = self._make("geometry_msgs/msg/Vector3", *map(float, point))
                turn = self._make("geometry_msgs/msg/Quaternion", *map(float, Rotation.from_matrix(axes).as_quat()))
                frame = self._make("geometry_msgs/msg/Transform", place, turn)
                transforms.append(self._make("geometry_msgs/msg/TransformStamped", header, name, frame))
        return transforms

    def _markers(self, header: Any, estimate: Estimate) -> Any:
        # Every message shows all there is, so nobody who left stays in view.
        markers = [self._marker(header, "", 0, 0, _DELETE_ALL, 0.0, [], [])]
        for one in estimate.skeletons:
            alpha = 0.5 if one.tracking_state == TrackingState.PREDICTED else 1.0
            valid, size = valid_joints(one.points), _JOINT_SIZE * one.cube_edge
            bones = [i for i, (a, b) in enumerate(self._skeleton.bones) if valid[a] and valid[b]]
            ends = [joint for bone in bones for joint in self._skeleton.bones[bone]]
            colors = [self._colors[0][bone] for bone in bones for _ in range(2)]
            markers.append(self._marked(header, one, 0, _LINE_LIST, size / 2, ends, colors, alpha))
            joints = np.flatnonzero(valid).tolist()
            colors = [self._colors[1][joint] for joint in joints]
            markers.append(self._marked(header, one, 1, _SPHERE_LIST, size, joints, colors, alpha))
        return self._make(MARKERS, markers)

    def _marked(
        self,
        header: Any,
        one: SkeletonEstimate,
        number: int,
        kind: int,
        size: float,
        joints: list[int],
        colors: list[tuple[float, float, float]],
        alpha: float,
    ) -> Any:
        points = [self._make("geometry_msgs/msg/Point", *map(float, one.points[joint])) for joint in joints]
        rgba = [self._make("std_msgs/msg/ColorRGBA", *map(float, color), alpha) for color in colors]
        return self._marker(header, one.id, number, kind, _ADD, size, points, rgba)

    def _marker(
        self,
        header: Any,
        name: str,
        number: int,
        kind: int,
        action: int,
        size: float,
        points: list[Any],
        rgba: list[Any],
    ) -> Any:
        origin = self._make("geometry_msgs/msg/Point", 0.0, 0.0, 0.0)
        level = self._make("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
        return self._types["visualization_msgs/msg/Marker"](
            header=header,
            ns=name,
            id=number,
            type=kind,
            action=action,
            pose=self._make("geometry_msgs/msg/Pose", origin, level),
            scale=self._make("geometry_msgs/msg/Vector3", size, size, size),
            color=self._make("std_msgs/msg/ColorRGBA", 1.0, 1.0, 1.0, 1.0),
            lifetime=self._make("builtin_interfaces/msg/Duration", 0, 0),
            frame_locked=False,
            points=points,
            colors=rgba,
            texture_resource="",
            texture=self._types["sensor_msgs/msg/CompressedImage"](header, "", np.zeros(0, np.uint8)),
            uv_coordinates=[],
            text="",
            mesh_resource="",
            mesh_file=self._make("visualization_msgs/msg/MeshFile", "", np.zeros(0, np.uint8)),
            mesh_use_embedded_materials=False,
        )

    def _points(self, header: Any, estimate: Estimate) -> Any:
        rows = [np.zeros(0, _ROW)]
        for one in estimate.skeletons:
            valid = valid_joints(one.points)
            row = np.zeros(int(valid.sum()), _ROW)
            row["x"], row["y"], row["z"] = one.points[valid].T
            row["score"] = one.scores[valid]
            rows.append(row)
        cloud = np.concatenate(rows)
        fields = [
            self._make("sensor_msgs/msg/PointField", name, 4 * index, _FLOAT32, 1)
            for index, name in enumerate(_ROW.names or ())
        ]
        data = np.frombuffer(cloud.tobytes(), np.uint8)
        size = _ROW.itemsize
        return self._make(POINTS, header, 1, len(cloud), fields, False, size, size * len(cloud), data, True)
