# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Estimates as ROS messages: pure functions. Headers are those of the depth image."""

from __future__ import annotations

import array
import math
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import TransformStamped, Vector3
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from v2v_ros import msg
from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.camera import Intrinsics, points_in_cube
from v2v_ros.geometry.estimate import Estimate, SkeletonEstimate, TrackingState
from v2v_ros.geometry.joint_frames import named_frames, valid_joints
from v2v_ros.geometry.skeletons import Skeleton
from v2v_ros.io.draw import bone_colors, joint_colors

from .geometry import to_point, to_transform

_KIND = {"hand": msg.Skeleton.HAND, "body": msg.Skeleton.BODY}
_SHORTEST, _LONGEST = 0.5, 30.0  # seconds of a marker's life
_PERIODS = 2.5
_BONES, _JOINTS = 0, 1  # marker ids


class Lifetime:
    """Chooses how long markers are shown: they outlive two periods of the images, and vanish when the node dies."""

    def __init__(self) -> None:
        self._last = math.nan
        self._periods: deque[float] = deque(maxlen=5)

    def after(self, header: Header) -> Duration:
        """Return the lifetime of the markers of an image that follows those of earlier calls."""
        stamp = header.stamp.sec + 1e-9 * header.stamp.nanosec
        if stamp > self._last:
            self._periods.append(stamp - self._last)
        self._last = stamp
        period = sorted(self._periods)[len(self._periods) // 2] if self._periods else 0.0
        seconds = min(max(_SHORTEST, _PERIODS * period), _LONGEST)
        return Duration(sec=int(seconds), nanosec=int(1e9 * (seconds % 1)))


def skeleton_array(header: Header, estimate: Estimate, skeleton: Skeleton) -> msg.SkeletonArray:
    """Return all skeletons of one image; an empty array says that nobody is there."""
    return msg.SkeletonArray(
        header=header,
        skeleton=skeleton.name,
        skeletons=[
            msg.Skeleton(
                id=one.id,
                kind=_KIND[skeleton.kind],
                side=int(one.side),
                tracking_state=int(one.tracking_state),
                score=float(one.score),
                center=to_point(one.center),
                cube_edge=float(one.cube_edge),
                points=[to_point(point) for point in one.points],
                scores=_floats(one.scores),
                covariances=_floats(one.covariances),
                velocities=[Vector3(x=x, y=y, z=z) for x, y, z in one.velocities.tolist()],
            )
            for one in estimate.skeletons
        ],
    )


def skeleton_info(estimator: PoseEstimator) -> msg.SkeletonInfo:
    """Return what the skeletons mean and what computes them."""
    skeleton = estimator.skeleton
    return msg.SkeletonInfo(
        name=skeleton.name,
        joint_names=list(skeleton.joint_names),
        bones=[index for bone in skeleton.bones for index in bone],
        weights_id=estimator.weights_id,
        weights_hash=estimator.weights_hash,
        network=estimator.network,
        runtime=estimator.runtime,
        device=estimator.device,
    )


def description(estimator: PoseEstimator) -> dict[str, str]:
    """Return what computes the skeletons, for people."""
    return {
        "skeleton": estimator.skeleton.name,
        "device": estimator.device,
        "runtime": estimator.runtime,
        "network": estimator.network,
        "weights": f"{estimator.weights_id} ({estimator.weights_hash})",
    }


def markers(
    header: Header, estimate: Estimate, skeleton: Skeleton, gone: Iterable[str] = (), lifetime: Duration | None = None
) -> MarkerArray:
    """Return lines for the bones and spheres for the joints of every skeleton.

    A skeleton's markers have its id as namespace. Predicted skeletons are half transparent.

    Args:
        gone: Ids of skeletons that were shown before; their markers are deleted.
        lifetime: Lifetime of the markers, from :class:`Lifetime`; None: that of a camera that is not slow.
    """
    lifetime = lifetime or Lifetime().after(header)
    colors = bone_colors(skeleton)
    array_ = MarkerArray()
    for one in estimate.skeletons:
        alpha = 0.5 if one.tracking_state == TrackingState.PREDICTED else 1.0
        valid = valid_joints(one.points)
        size = 0.032 * one.cube_edge  # 8 mm for a hand, 6 cm for a body
        bones = _marker(header, one.id, _BONES, Marker.LINE_LIST)
        bones.scale.x = size / 2
        for (parent, child), color in zip(skeleton.bones, colors, strict=True):
            if valid[parent] and valid[child]:
                bones.points += [to_point(one.points[parent]), to_point(one.points[child])]
                bones.colors += [_color(color, alpha)] * 2
        joints = _marker(header, one.id, _JOINTS, Marker.SPHERE_LIST)
        joints.scale = Vector3(x=size, y=size, z=size)
        for point, color, ok in zip(one.points, joint_colors(skeleton), valid, strict=True):
            if ok:
                joints.points.append(to_point(point))
                joints.colors.append(_color(color, alpha))
        for marker in (bones, joints):
            marker.lifetime = lifetime
            if not marker.points:
                marker.action = Marker.DELETE
            array_.markers.append(marker)
    for name in gone:
        for number, kind in ((_BONES, Marker.LINE_LIST), (_JOINTS, Marker.SPHERE_LIST)):
            array_.markers.append(_marker(header, name, number, kind, Marker.DELETE))
    return array_


def delete_all_markers(header: Header) -> MarkerArray:
    return MarkerArray(markers=[_marker(header, "", 0, Marker.LINE_LIST, Marker.DELETEALL)])


def transforms(header: Header, estimate: Estimate, skeleton: Skeleton, prefix: str = "") -> list[TransformStamped]:
    """Return a frame ``<prefix><id>_<joint>`` for every estimated joint and ``<prefix><id>_palm`` for every palm of
    ``hand21`` whose side is known, children of the image's frame."""
    return [
        TransformStamped(header=header, child_frame_id=prefix + name, transform=to_transform(point, axes))
        for one in estimate.skeletons
        for name, point, axes in named_frames(one, skeleton)
    ]


def point_cloud(
    header: Header, depth: NDArray[np.float32], intrinsics: Intrinsics, skeletons: Sequence[SkeletonEstimate]
) -> PointCloud2:
    """Return the points of a depth image (float32 [H, W] metres) that lie inside the skeletons' cubes."""
    inside = [np.empty((0, 3), "<f4")]
    for one in skeletons:
        points = points_in_cube(torch.from_numpy(depth), intrinsics, tuple(one.center.tolist()), one.cube_edge).numpy()
        inside.append(points[(np.abs(points - one.center) <= one.cube_edge / 2).all(axis=-1)])
    cloud = np.concatenate(inside).astype("<f4")
    return PointCloud2(
        header=header,
        height=1,
        width=len(cloud),
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, name in enumerate("xyz")
        ],
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(cloud),
        data=array.array("B", cloud.tobytes()),
        is_dense=True,
    )


def _marker(header: Header, name: str, number: int, kind: int, action: int = Marker.ADD) -> Marker:
    marker = Marker(header=header, ns=name, id=number, type=kind, action=action)
    marker.pose.orientation.w = 1.0
    return marker


def _color(rgb: tuple[float, float, float], alpha: float) -> ColorRGBA:
    return ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=alpha)


def _floats(values: NDArray[np.float32]) -> array.array[float]:
    return array.array("f", np.ascontiguousarray(values, dtype=np.float32).tobytes())
