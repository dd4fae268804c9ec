# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Lens distortion: depth images as a pinhole camera would have taken them.

The models are those of sensor_msgs/msg/CameraInfo, in OpenCV's order of coefficients: plumb_bob and
rational_polynomial (one formula, with 4 to 12 coefficients) and equidistant (4).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import Intrinsics, from_camera_info

_STRAIGHT = 1e-6  # coefficients below it bend nothing
_SAYS_RECTIFIED = re.compile(r"(?<![a-z])(rect(ified)?|undist(orted)?)(?![a-z])", re.IGNORECASE)
_POLYNOMIAL = ("plumb_bob", "rational_polynomial", "")  # some drivers leave the model out
_EQUIDISTANT = ("equidistant", "fisheye")
_ROWS = 64  # rows whose map is computed at a time, so that a 4K image needs little memory
_RADII = 512  # steps in which the farthest ray is looked for that a polynomial describes
_LEAST_SEEN = 0.25  # share of the rectified image that the lens must see

Floats = NDArray[np.float64]


class Rectifier:
    """Removes the distortion from the depth images of a topic, where camera_info has some.

    By the conventions of ROS, camera_info describes the lens, also beside a rectified image: it is the image's name
    that says whether it is one (``image_rect``, ``image_rect_raw``). So a name with the word "rect", "rectified" or
    "undistorted" leaves images as they are. Depth stays what it is, the distance along the optical axis; a pixel
    takes that of the nearest one, since a mean of the subject and what is behind it would lie in mid-air.

    Args:
        topic: Name of the images' topic.

    Attributes:
        note: Message for people about the last image: that it was rectified, or why it could not be; empty otherwise.
    """

    def __init__(self, topic: str) -> None:
        self.note = ""
        self._topic = topic
        self._lens: tuple[object, ...] = ()
        self._source: NDArray[np.intp] | None = None
        self._unseen: NDArray[np.intp] | None = None

    def __call__(
        self, depth: NDArray[np.float32], info: Any, rectify: bool = True
    ) -> tuple[NDArray[np.float32], Intrinsics]:
        """Return the image without distortion, and its intrinsics.

        Args:
            depth: float32 [H, W] metres along z, NaN where invalid.
            info: Message sensor_msgs/msg/CameraInfo, of any library.
            rectify: Whether to remove the distortion.

        Raises:
            ValueError: The camera_info is of another image, or its intrinsics or coefficients are not usable.
        """
        intrinsics = from_camera_info(info, depth.shape)
        self.note = ""
        if not rectify or _SAYS_RECTIFIED.search(self._topic) or all(abs(float(d)) <= _STRAIGHT for d in info.d):
            return depth, intrinsics
        model = str(info.distortion_model)
        coefficients = _coefficients(model, info.d)
        if coefficients is None:
            self.note = (
                f"camera_info has {len(info.d)} coefficients of distortion of the model '{model}', which is not known: "
                "joints away from the middle are misplaced; take the rectified image"
            )
            return depth, intrinsics
        self.note = (
            f"the distortion that camera_info describes ({model or 'no model named'}) is removed, since nothing in the "
            f"name of {self._topic} says that the image is rectified; if it is, set the parameter rectify to false"
        )
        sensor = from_camera_info(info, depth.shape, sensor=True)
        lens = (intrinsics, sensor, model, *coefficients)
        if lens != self._lens:
            self._source = _source_pixels(intrinsics, sensor, model, coefficients)
            self._unseen = np.flatnonzero(self._source < 0)
            self._lens = lens
        assert self._source is not None and self._unseen is not None
        rectified = depth.ravel().take(self._source, mode="clip").reshape(depth.shape)
        rectified.ravel()[self._unseen] = np.nan
        return rectified, intrinsics


def _coefficients(model: str, d: Any) -> tuple[float, ...] | None:
    """As many coefficients as the model's formula has; None where it is not known.

    Raises:
        ValueError: They are not finite.
    """
    given = tuple(float(value) for value in d)
    if not np.isfinite(given).all():
        raise ValueError("the distortion coefficients (d) are not finite numbers: the camera must be calibrated")
    if model in _EQUIDISTANT:
        return given if len(given) == 4 else None
    if model not in _POLYNOMIAL or len(given) not in (4, 5, 8, 12, 14) or any(given[12:]):  # a tilted sensor
        return None
    return (*given, *[0.0] * 12)[:12]


def distort(x: Floats, y: Floats, model: str, coefficients: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Map rays to those at which a lens shows them; both are points (x, y) at depth 1, of any one shape.

    NaN for rays beyond those that the model describes: a polynomial leads them back into the image.

    Args:
        model: Name in camera_info.
        coefficients: 4 for equidistant, else 12.
    """
    square = x * x + y * y
    with np.errstate(all="ignore"):
        if model in _EQUIDISTANT:
            radius = np.sqrt(square)
            scale = np.where(radius > 0, _equidistant(radius, coefficients) / radius, 1.0)
            limit = _turning_point(lambda r: _equidistant(r, coefficients), float(radius.max()))
            scale[radius > limit] = np.nan
            return x * scale, y * scale
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = coefficients

        def radial(square: Floats) -> Floats:
            above = 1 + square * (k1 + square * (k2 + square * k3))
            return above / (1 + square * (k4 + square * (k5 + square * k6)))

        limit = _turning_point(lambda r: r * radial(r * r), float(np.sqrt(square.max())))
        scale = radial(square)
        scale[square > limit * limit] = np.nan
        u = x * scale + 2 * p1 * x * y + p2 * (square + 2 * x * x) + square * (s1 + square * s2)
        v = y * scale + p1 * (square + 2 * y * y) + 2 * p2 * x * y + square * (s3 + square * s4)
    return u, v


def _equidistant(radius: Floats, coefficients: tuple[float, ...]) -> Floats:
    angle = np.arctan(radius)
    square = angle * angle
    k1, k2, k3, k4 = coefficients
    return angle * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))


def _turning_point(formula: Any, farthest: float) -> float:
    """Return the radius up to which a formula grows, at most the farthest."""
    radii = np.linspace(0, farthest, _RADII)
    grows = np.diff(formula(radii)) > 0
    return float(radii[-1] if grows.all() else radii[np.argmin(grows)])


def _source_pixels(
    intrinsics: Intrinsics, sensor: Intrinsics, model: str, coefficients: tuple[float, ...]
) -> NDArray[np.intp]:
    """Return the pixels that a rectified image takes from the distorted one.

    Args:
        intrinsics: Intrinsics of the rectified image.
        sensor: Intrinsics of the distorted image.

    Returns:
        [H * W] indices into the distorted image, -1 for what the lens does not see.

    Raises:
        ValueError: The lens sees next to nothing of it, so the coefficients are no lens's.
    """
    height, width = intrinsics.height, intrinsics.width
    source = np.empty((height, width), np.intp)
    x = (np.arange(width) - intrinsics.cx) / intrinsics.fx
    y = (np.arange(height) - intrinsics.cy) / intrinsics.fy
    for top in range(0, height, _ROWS):
        across, down = np.meshgrid(x, y[top : top + _ROWS])
        u, v = distort(across, down, model, coefficients)
        with np.errstate(all="ignore"):
            u, v = np.rint(u * sensor.fx + sensor.cx), np.rint(v * sensor.fy + sensor.cy)
            inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)  # false for NaN
            source[top : top + _ROWS] = np.where(inside, v * width + u, -1)
    if np.mean(source >= 0) < _LEAST_SEEN:
        raise ValueError(
            f"the distortion coefficients (d) are no lens's: of the rectified image it would show less than "
            f"{_LEAST_SEEN:.0%}; the camera must be calibrated, or the parameter rectify set to false"
        )
    return source.ravel()
