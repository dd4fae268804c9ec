# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Keep-out hulls as messages: collision objects for MoveIt, markers for everybody."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Pose, Vector3
from rclpy.impl.rcutils_logger import RcutilsLogger
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from v2v_ros.geometry.estimate import SkeletonEstimate
from v2v_ros.geometry.hull import Hull, keep_out_hull
from v2v_ros.geometry.joint_frames import shortest_turn, unit
from v2v_ros.geometry.skeletons import Skeleton

from ..support.pose_parameters import PoseSettings
from ..support.transport import reliable
from .geometry import Z, to_pose
from .messages import Lifetime
from .optional_outputs import Advertise, optional_type

_COLOR = ColorRGBA(r=0.9, g=0.3, b=0.1, a=0.3)


Shapes = list[tuple[SolidPrimitive, Pose]]


def primitives(hull: Hull) -> Shapes:
    """Return a hull as spheres and cylinders; the axis of a cylinder is the z axis of its pose."""
    shapes = [
        (SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[float(radius)]), to_pose(center, np.identity(3)))
        for center, radius in zip(hull.centers, hull.radii, strict=True)
    ]
    for start, end, width in zip(hull.starts, hull.ends, hull.widths, strict=True):
        direction = unit(end - start)
        if direction is not None:  # else the spheres are all there is
            height = float(np.linalg.norm(end - start))
            shape = SolidPrimitive(type=SolidPrimitive.CYLINDER, dimensions=[height, float(width)])
            shapes.append((shape, to_pose((start + end) / 2, shortest_turn(Z, direction))))
    return shapes


def collision_object(kind: Any, header: Header, name: str, shapes: Shapes) -> Any:
    """Return a moveit_msgs/CollisionObject (``kind``) that adds a hull to the scene, or replaces the one of that
    name."""
    return kind(
        header=header,
        id=name,
        primitives=[shape for shape, _ in shapes],
        primitive_poses=[pose for _, pose in shapes],
        operation=kind.ADD,
    )


def hull_markers(header: Header, hulls: dict[str, Shapes], lifetime: Duration | None = None) -> MarkerArray:
    """Hulls by the id of their subject, for RViz; whatever was shown before is deleted."""
    lifetime = lifetime or Lifetime().after(header)
    array = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    for name, shapes in hulls.items():
        for number, (shape, pose) in enumerate(shapes):
            sphere = shape.type == SolidPrimitive.SPHERE
            diameter = 2 * shape.dimensions[0 if sphere else 1]
            marker = Marker(header=header, ns=name, id=number, pose=pose, color=_COLOR, lifetime=lifetime)
            marker.type = Marker.SPHERE if sphere else Marker.CYLINDER
            marker.scale = Vector3(x=diameter, y=diameter, z=diameter if sphere else shape.dimensions[0])
            array.markers.append(marker)
    return array


class KeepOut:
    """``~/hull`` and, when moveit_msgs is installed, ``collision_object``.

    Args:
        owner: Name of this node; it becomes part of the objects' names, so that two nodes do not move each other's.
    """

    def __init__(self, advertise: Advertise, skeleton: Skeleton, owner: str, logger: RcutilsLogger) -> None:
        self._skeleton = skeleton
        self._prefix = owner.strip("/").replace("/", "_")
        self._lifetime = Lifetime()
        self._added: set[str] = set()  # names of the objects that the planner has
        self._markers = advertise(MarkerArray, "~/hull", reliable())
        self._kind = optional_type(
            "moveit_msgs", "CollisionObject", logger, "hulls are published on ~/hull, but not for MoveIt"
        )
        self._objects = None if self._kind is None else advertise(self._kind, "collision_object", reliable(100))

    def wanted(self) -> bool:
        return self._markers.get_subscription_count() > 0 or self._objects_wanted()

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        if not self.wanted():
            return
        hulls = {}
        for one in skeletons:
            hull = keep_out_hull(one.points, one.covariances, self._skeleton, settings.hull_sigmas)
            if len(hull.joints):
                hulls[one.id] = primitives(hull)
        if self._markers.get_subscription_count():
            self._markers.publish(hull_markers(header, hulls, self._lifetime.after(header)))
        if self._objects is not None and self._objects_wanted():
            for name, shapes in hulls.items():
                self._objects.publish(collision_object(self._kind, header, self._name(name), shapes))
                self._added.add(self._name(name))
            # A subject that is not seen for a moment is still there.
            self._remove(header, self._added - {self._name(one.id) for one in skeletons})

    def close(self) -> None:
        self._markers.publish(hull_markers(Header(), {}))
        self._remove(Header(), set(self._added))

    def _objects_wanted(self) -> bool:
        return self._objects is not None and self._objects.get_subscription_count() > 0

    def _name(self, subject: str) -> str:
        return f"{self._prefix}_{subject}"

    def _remove(self, header: Header, names: set[str]) -> None:
        if self._objects is not None and self._kind is not None:
            for name in sorted(names):
                self._objects.publish(self._kind(header=header, id=name, operation=self._kind.REMOVE))
        self._added -= names
