# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A camera that is mounted turned about its optical axis: images upright, results back in the camera's own frame.

Two frames have their origin and their z axis in common. The camera's optical frame (x right, y down in the image as it
comes, REP 103) is the frame of the image and of all results. In the upright frame, up is up: there the networks work.
A camera rolled by R degrees is turned clockwise by R about its optical axis, as seen from behind it, which is a
positive rotation about z: a point p of the camera's frame is Rz(R) p in the upright frame. To a camera rolled by 90
degrees people seem to lie with their heads to the left, and its images are turned clockwise to be upright.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .camera import Intrinsics
from .estimate import Estimate

ROLLS = (0, 90, 180, 270)  # degrees
_TILE = 64  # pixels turned at a time, so that reading and writing both stay in the processor's cache


@dataclass(frozen=True)
class CameraRoll:
    """Turn of a camera about its optical axis. Nothing is rounded: pixels and numbers only change places and signs.

    Attributes:
        degrees: Angle in degrees, clockwise about the optical axis as seen from behind the camera; one of
            :data:`ROLLS`.

    Raises:
        ValueError: It is another number.
    """

    degrees: int = 0

    def __post_init__(self) -> None:
        if self.degrees not in ROLLS:
            raise ValueError(f"camera_roll must be one of {', '.join(map(str, ROLLS))} degrees, got {self.degrees}")

    def upright_image(self, depth: np.ndarray) -> np.ndarray:
        """Return the image [H, W] turned upright, C-contiguous: [W, H] at 90 and 270 degrees; itself at 0."""
        if self.degrees == 0:
            return depth
        turned = np.rot90(depth, -self.degrees // 90)
        if self.degrees == 180:
            return np.ascontiguousarray(turned)
        upright = np.empty(turned.shape, depth.dtype)
        for top in range(0, len(turned), _TILE):
            for left in range(0, turned.shape[1], _TILE):
                tile = np.s_[top : top + _TILE, left : left + _TILE]
                upright[tile] = turned[tile]
        return upright

    def upright_intrinsics(self, intrinsics: Intrinsics) -> Intrinsics:
        """Return those of the upright image."""
        one, (right, bottom) = intrinsics, (intrinsics.width - 1, intrinsics.height - 1)
        if self.degrees == 90:
            return Intrinsics(one.fy, one.fx, bottom - one.cy, one.cx, one.height, one.width)
        if self.degrees == 180:
            return Intrinsics(one.fx, one.fy, right - one.cx, bottom - one.cy, one.width, one.height)
        if self.degrees == 270:
            return Intrinsics(one.fy, one.fx, one.cy, right - one.cx, one.height, one.width)
        return one

    def upright_points(self, points: np.ndarray) -> np.ndarray:
        """Return points or vectors [..., 3] of the camera's frame in the upright frame."""
        return _turned_points(points, self.degrees)

    def camera_points(self, points: np.ndarray) -> np.ndarray:
        """Return points or vectors [..., 3] of the upright frame in the camera's frame."""
        return _turned_points(points, -self.degrees)

    def camera_covariances(self, covariances: np.ndarray) -> np.ndarray:
        """Covariances [..., 6] (xx, xy, xz, yy, yz, zz) of the upright frame in the camera's frame."""
        x, y = _axes(-self.degrees)
        xx, xy, xz, yy, yz, zz = np.moveaxis(covariances, -1, 0)
        if x.source == 0:
            turned = (xx, x.sign * y.sign * xy, x.sign * xz, yy, y.sign * yz, zz)
        else:
            turned = (yy, x.sign * y.sign * xy, x.sign * yz, xx, y.sign * xz, zz)
        return np.stack(turned, axis=-1)

    def camera_estimate(self, estimate: Estimate) -> Estimate:
        """Return what was found in the upright image, in the camera's frame."""
        if self.degrees == 0:
            return estimate
        skeletons = tuple(
            replace(
                one,
                center=self.camera_points(one.center),
                points=self.camera_points(one.points),
                covariances=self.camera_covariances(one.covariances),
                velocities=self.camera_points(one.velocities),
            )
            for one in estimate.skeletons
        )
        return replace(estimate, skeletons=skeletons, looked_at=self.camera_points(estimate.looked_at))


@dataclass(frozen=True)
class _Axis:
    """An axis of the turned frame: which axis of the other it lies along (0 for x, 1 for y), and in which direction."""

    source: int
    sign: int


def _axes(degrees: int) -> tuple[_Axis, _Axis]:
    """Return the x and y axes after a rotation about z."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[degrees // 90 % 4]
    return (_Axis(0, cosine), _Axis(1, cosine)) if cosine else (_Axis(1, -sine), _Axis(0, sine))


def _turned_points(points: np.ndarray, degrees: int) -> np.ndarray:
    """Return points [..., 3] rotated about z."""
    x, y = _axes(degrees)
    return np.stack((x.sign * points[..., x.source], y.sign * points[..., y.source], points[..., 2]), axis=-1)
