"""Estimates as ROS messages: pure functions. Headers are those of the depth image."""

from __future__ import annotations

import array
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Quaternion, Transform, TransformStamped, Vector3
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from tf_transformations import quaternion_from_matrix
from visualization_msgs.msg import Marker, MarkerArray

from v2v_ros import msg
from v2v_ros.camera import Intrinsics, points_in_cube
from v2v_ros.draw import bone_colors, joint_colors
from v2v_ros.estimator import Estimate, PoseEstimator, SkeletonEstimate, TrackingState
from v2v_ros.skeletons import Skeleton

_KIND = {"hand": msg.Skeleton.HAND, "body": msg.Skeleton.BODY}
_LIFETIME = Duration(nanosec=500_000_000)  # markers vanish when the node dies
_BONES, _JOINTS = 0, 1  # marker ids


def skeleton_array(header: Header, estimate: Estimate, skeleton: Skeleton) -> msg.SkeletonArray:
    """All skeletons of one image; an empty array says that nobody is there."""
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
                center=_point(one.center),
                cube_edge=float(one.cube_edge),
                points=[_point(point) for point in one.points],
                scores=_floats(one.scores),
                covariances=_floats(one.covariances),
                velocities=[Vector3(x=x, y=y, z=z) for x, y, z in one.velocities.tolist()],
            )
            for one in estimate.skeletons
        ],
    )


def skeleton_info(estimator: PoseEstimator) -> msg.SkeletonInfo:
    """What the skeletons mean and what computes them."""
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
    """What computes the skeletons, for people."""
    return {
        "skeleton": estimator.skeleton.name,
        "device": estimator.device,
        "runtime": estimator.runtime,
        "network": estimator.network,
        "weights": f"{estimator.weights_id} ({estimator.weights_hash})",
    }


def markers(header: Header, estimate: Estimate, skeleton: Skeleton, gone: Iterable[str] = ()) -> MarkerArray:
    """Lines for the bones and spheres for the joints of every skeleton.

    A skeleton's markers have its id as namespace. Predicted skeletons are half transparent.

    Args:
        gone: Ids of skeletons that were shown before; their markers are deleted.
    """
    colors = bone_colors(skeleton)
    array_ = MarkerArray()
    for one in estimate.skeletons:
        alpha = 0.5 if one.tracking_state == TrackingState.PREDICTED else 1.0
        valid = _valid(one.points)
        size = 0.032 * one.cube_edge  # 8 mm for a hand, 6 cm for a body
        bones = _marker(header, one.id, _BONES, Marker.LINE_LIST)
        bones.scale.x = size / 2
        for (parent, child), color in zip(skeleton.bones, colors, strict=True):
            if valid[parent] and valid[child]:
                bones.points += [_point(one.points[parent]), _point(one.points[child])]
                bones.colors += [_color(color, alpha)] * 2
        joints = _marker(header, one.id, _JOINTS, Marker.SPHERE_LIST)
        joints.scale = Vector3(x=size, y=size, z=size)
        for point, color, ok in zip(one.points, joint_colors(skeleton), valid, strict=True):
            if ok:
                joints.points.append(_point(point))
                joints.colors.append(_color(color, alpha))
        for marker in (bones, joints):
            if not marker.points:
                marker.action = Marker.DELETE
            array_.markers.append(marker)
    for name in gone:
        for number, kind in ((_BONES, Marker.LINE_LIST), (_JOINTS, Marker.SPHERE_LIST)):
            array_.markers.append(_marker(header, name, number, kind, Marker.DELETE))
    return array_


def delete_all_markers(header: Header) -> MarkerArray:
    return MarkerArray(markers=[_marker(header, "", 0, Marker.LINE_LIST, Marker.DELETEALL)])


def transforms(header: Header, estimate: Estimate, skeleton: Skeleton) -> list[TransformStamped]:
    """A frame ``<id>_<joint>`` for every estimated joint, child of the image's frame.

    A joint's x axis points along its bone, away from the parent joint; the root's along its first bone.
    """
    return [
        TransformStamped(
            header=header,
            child_frame_id=f"{one.id}_{skeleton.joint_names[joint]}",
            transform=_transform(one.points[joint], _bone_direction(one.points, skeleton, joint)),
        )
        for one in estimate.skeletons
        for joint in np.flatnonzero(_valid(one.points)).tolist()
    ]


def point_cloud(
    header: Header, depth: NDArray[np.float32], intrinsics: Intrinsics, skeletons: Sequence[SkeletonEstimate]
) -> PointCloud2:
    """The points of a depth image (float32 [H, W] metres) that lie inside the skeletons' cubes."""
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


def _valid(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = np.all(np.isfinite(points), axis=-1)
    return valid


def _bone_direction(points: NDArray[np.float32], skeleton: Skeleton, joint: int) -> NDArray[np.float64] | None:
    """Unit vector [3] along the bone to a joint, or from it when it has no usable parent; None without any bone."""
    to_joint = [(parent, child) for parent, child in skeleton.bones if child == joint]
    from_joint = [(parent, child) for parent, child in skeleton.bones if parent == joint]
    for parent, child in to_joint + from_joint:
        bone = points[child].astype(np.float64) - points[parent]
        length = np.linalg.norm(bone)
        if length > 1e-6:  # NaN is not
            return bone / length
    return None


def _transform(point: NDArray[np.float32], direction: NDArray[np.float64] | None) -> Transform:
    x, y, z, w = quaternion_from_matrix(_frame(direction))
    return Transform(
        translation=Vector3(x=float(point[0]), y=float(point[1]), z=float(point[2])),
        rotation=Quaternion(x=float(x), y=float(y), z=float(z), w=float(w)),
    )


def _frame(direction: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Rotation [4, 4] that takes x to a direction [3] by the shortest way.

    The roll about a bone cannot be seen in joint positions; the shortest way gives one that changes smoothly.
    """
    matrix = np.identity(4)
    if direction is None:
        return matrix
    x, y, z = direction
    if x < -1 + 1e-9:  # every way is as short as the others: turn about z
        matrix[:3, :3] = np.diag((-1.0, -1.0, 1.0))
        return matrix
    # Rodrigues' formula for the turn about (1, 0, 0) x direction
    cross = np.array(((0.0, -y, -z), (y, 0.0, 0.0), (z, 0.0, 0.0)))
    matrix[:3, :3] += cross + cross @ cross / (1 + x)
    return matrix


def _marker(header: Header, name: str, number: int, kind: int, action: int = Marker.ADD) -> Marker:
    marker = Marker(header=header, ns=name, id=number, type=kind, action=action, lifetime=_LIFETIME)
    marker.pose.orientation.w = 1.0
    return marker


def _point(values: Sequence[float] | NDArray[np.floating]) -> Point:
    x, y, z = (float(value) for value in values)
    return Point(x=x, y=y, z=z)


def _color(rgb: tuple[float, float, float], alpha: float) -> ColorRGBA:
    return ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=alpha)


def _floats(values: NDArray[np.float32]) -> array.array[float]:
    return array.array("f", np.ascontiguousarray(values, dtype=np.float32).tobytes())
