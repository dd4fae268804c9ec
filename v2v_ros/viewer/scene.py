# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a frame looks like in 3D: points, skeletons, cubes and the truth, drawn with viser."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics, deproject, thinned
from ..geometry.estimate import Estimate, Side, SkeletonEstimate
from ..geometry.skeletons import Skeleton
from ..io.draw import bone_colors, colorize, joint_colors
from .sources import Shot

MOST_POINTS = 20_000  # points of a frame that are shown and kept
_JOINT, _BONE, _EDGE = 0.04, 0.02, 0.006  # sizes, in cube edges; points leave gaps, through which joints are seen
_TRUE = (255, 255, 255)
_CUBE, _LOOKED_AT = (90, 200, 120), (110, 110, 120)

_CORNERS = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
_EDGES = np.array([(i, j) for i, j in itertools.combinations(range(8), 2) if (_CORNERS[i] != _CORNERS[j]).sum() == 1])


class View(NamedTuple):
    """Part of a frame that is kept, to be shown again later.

    Attributes:
        name: Name of the frame.
        depth: float16 [h, w] metres, a thinned out image, NaN where invalid.
        intrinsics: Camera of the thinned out image.
        estimate: Subjects found in the whole image.
        truth: float32 [J, 3] metres, or None.
        milliseconds: Time that the estimate took.
    """

    name: str
    depth: NDArray[np.float16]
    intrinsics: Intrinsics
    estimate: Estimate
    truth: NDArray[np.float32] | None
    milliseconds: float


def view_of(shot: Shot, estimate: Estimate, milliseconds: float) -> View:
    """Return the part of a frame that is kept."""
    camera = shot.intrinsics
    step = max(1, math.ceil(math.sqrt(camera.width * camera.height / MOST_POINTS)))
    thin = shot.depth[::step, ::step].astype(np.float16)
    return View(shot.name, thin, thinned(camera, step), estimate, shot.truth, milliseconds)


def points_of(depth: NDArray[np.float16], camera: Intrinsics) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the valid points float32 [P, 3], metres in the optical frame, and their colours uint8 [P, 3]."""
    metres = depth.astype(np.float32)
    valid = np.isfinite(metres)
    if not valid.any():
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
    near, far = np.percentile(metres[valid], (1, 95))
    points = deproject(torch.from_numpy(metres), camera).numpy()[valid]
    return points, colorize(metres, float(near), float(far))[valid]


def bones_of(points: NDArray[np.floating], skeleton: Skeleton) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Return the ends float [N, 2, 3] of the bones whose joints are both known, and bool [bones], which they are."""
    ends = points[np.array(skeleton.bones)]
    known = np.isfinite(ends).all(axis=(1, 2))
    return ends[known], known


def cube_edges(centers: NDArray[np.floating], edge: float) -> NDArray[np.float32]:
    """Return the edges float32 [12 K, 2, 3] of cubes around centers float [K, 3]."""
    corners = np.asarray(centers)[:, None] + edge * _CORNERS
    return np.asarray(corners[:, _EDGES].reshape(-1, 2, 3), np.float32)


def title(one: SkeletonEstimate) -> str:
    """Return what stands beside a skeleton."""
    side = "" if one.side == Side.UNKNOWN else f" {one.side.name.lower()}"
    return f"{one.id}{side} {one.score:.2f}"


class SceneDrawer:
    """Draws views into the scene of a viser server.

    Args:
        server: Server, a ``viser.ViserServer``.
        skeleton: Skeleton of the estimates.
        edge: Cube edge in metres.

    Attributes:
        shown: Names of the parts that are drawn, out of ``points``, ``skeletons``, ``cubes`` and ``truth``.
    """

    def __init__(self, server: Any, skeleton: Skeleton, edge: float) -> None:
        self._server, self._skeleton, self._edge = server, skeleton, edge
        self._bones = (np.array(bone_colors(skeleton)) * 255).astype(np.uint8)
        self._joints = (np.array(joint_colors(skeleton)) * 255).astype(np.uint8)
        self._drawn: dict[str, Any] = {}
        self.shown = {"points": True, "skeletons": True, "cubes": True, "truth": True}
        server.scene.set_up_direction("-y")

    def draw(self, view: View) -> None:
        """Show a view in place of the last one."""
        before, self._drawn = self._drawn, {}
        with self._server.atomic():
            if self.shown["points"]:
                points, colors = points_of(view.depth, view.intrinsics)
                self._cloud("/points", points, colors, 0.35 * self._spacing(view))
            if self.shown["cubes"]:
                self._cubes(view.estimate)
            if self.shown["skeletons"]:
                for index, one in enumerate(view.estimate.skeletons):
                    self._draw_skeleton(f"/skeletons/{index}", one)
            if self.shown["truth"] and view.truth is not None:
                ends, _ = bones_of(view.truth, self._skeleton)
                self._lines("/truth", ends, np.broadcast_to(np.array(_TRUE, np.uint8), ends.shape), _EDGE)
            for name, handle in before.items():
                if name not in self._drawn:
                    handle.remove()

    def _spacing(self, view: View) -> float:
        """Return the distance in metres between neighbouring points of near things."""
        finite = view.depth[np.isfinite(view.depth)]
        return float(np.percentile(finite, 5)) / view.intrinsics.fx if finite.size else 0.01

    def _cubes(self, estimate: Estimate) -> None:
        held = [one.center for one in estimate.skeletons]
        looked_at = cube_edges(estimate.looked_at, self._edge)
        self._lines(
            "/cubes/looked_at", looked_at, np.broadcast_to(np.array(_LOOKED_AT, np.uint8), looked_at.shape), _EDGE / 2
        )
        if held:
            edges = cube_edges(np.array(held), self._edge)
            self._lines("/cubes/subjects", edges, np.broadcast_to(np.array(_CUBE, np.uint8), edges.shape), _EDGE)

    def _draw_skeleton(self, name: str, one: SkeletonEstimate) -> None:
        ends, known = bones_of(one.points, self._skeleton)
        self._lines(f"{name}/bones", ends, np.repeat(self._bones[known][:, None], 2, axis=1), _BONE)
        there = np.isfinite(one.points).all(axis=1)
        self._cloud(f"{name}/joints", one.points[there], self._joints[there], _JOINT * self._edge, "circle")
        top = one.points[there].mean(axis=0) - np.array([0.0, 0.55 * self._edge, 0.0])
        label = f"{name}/label"
        self._drawn[label] = self._server.scene.add_label(label, title(one), position=top)

    def _lines(self, name: str, ends: NDArray[np.floating], colors: NDArray[np.uint8], thickness: float) -> None:
        if len(ends):
            add = self._server.scene.add_line_segments
            self._drawn[name] = add(name, ends.astype(np.float32), colors, thickness=thickness * self._edge)

    def _cloud(
        self, name: str, points: NDArray[np.floating], colors: NDArray[np.uint8], size: float, shape: str = "square"
    ) -> None:
        if len(points):
            add = self._server.scene.add_point_cloud
            self._drawn[name] = add(name, points.astype(np.float32), colors, point_size=size, point_shape=shape)
