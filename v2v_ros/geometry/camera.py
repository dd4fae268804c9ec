# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pinhole camera: intrinsics, deproject, project, and the image region that a cube covers.

Points are in the camera's optical frame (x right, y down, z forward, REP 103), in metres. Pixel coordinates are
0-based, and (u, v) names the centre of the pixel in column u, row v.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics of a rectified image, in pixels.

    Example:
        >>> camera = Intrinsics(fx=475.0, fy=475.0, cx=319.5, cy=239.5, width=640, height=480)
        >>> camera.width / camera.fx  # of the view at a distance of 1 m, metres
        1.3473684210526315

    Raises:
        ValueError: A value is not finite, or a focal length or the image size is not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.fx, self.fy, self.cx, self.cy)):
            raise ValueError(f"intrinsics must be finite numbers, got {self}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"focal lengths must be positive, got fx={self.fx}, fy={self.fy}")
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"the image size must be positive, got {self.width}x{self.height}")


def thinned(intrinsics: Intrinsics, step: int) -> Intrinsics:
    """Return the intrinsics of ``depth[::step, ::step]``."""
    return Intrinsics(
        intrinsics.fx / step,
        intrinsics.fy / step,
        intrinsics.cx / step,
        intrinsics.cy / step,
        -(-intrinsics.width // step),
        -(-intrinsics.height // step),
    )


WIDEST_VIEW = 150.0
"""Degrees: no depth camera has a wider field of view once its image is rectified."""


def check_view(intrinsics: Intrinsics) -> None:
    """Refuse intrinsics that no depth camera has, such as those of a unit matrix.

    Raises:
        ValueError: A pixel lies farther off the optical axis than half of :data:`WIDEST_VIEW`.
    """
    axes = (
        (intrinsics.fx, intrinsics.cx, intrinsics.width),
        (intrinsics.fy, intrinsics.cy, intrinsics.height),
    )
    farthest = max(
        math.degrees(math.atan(max(principal + 0.5, size - 0.5 - principal) / focal)) for focal, principal, size in axes
    )
    if farthest > WIDEST_VIEW / 2:
        raise ValueError(
            f"with fx={intrinsics.fx:g}, fy={intrinsics.fy:g} its {intrinsics.width}x{intrinsics.height} pixels reach "
            f"{farthest:.0f} degrees from the optical axis, which no depth camera sees"
        )


def from_camera_info(info: Any, shape: tuple[int, ...], *, sensor: bool = False) -> Intrinsics:
    """Intrinsics of a rectified image: from P, or from K when P is empty or a unit matrix.

    As image_geometry has it, K and P are those of the full resolution, whatever width and height say: the region of
    interest moves the principal point, then binning divides all of it.

    Args:
        info: Message sensor_msgs/msg/CameraInfo, of any library.
        shape: Height and width of the image that the message belongs to, pixels.
        sensor: Whether to take K, the intrinsics of the distorted image, whatever P holds.

    Raises:
        ValueError: It is for images of another size, or its intrinsics are not usable.
    """
    height, width = shape
    (left, top), (across, down) = _window(info, (width, height))

    def intrinsics(fx: float, fy: float, cx: float, cy: float) -> Intrinsics:
        cx, cy = float(cx - left) / across, float(cy - top) / down
        found = Intrinsics(float(fx) / across, float(fy) / down, cx, cy, width, height)
        check_view(found)
        return found

    p, k = info.p, info.k
    try:
        if sensor or p[0] == 0:
            return intrinsics(k[0], k[4], k[2], k[5])
        if (p[0], p[5], p[2], p[6]) == (1, 1, 0, 0):
            with suppress(ValueError):  # when K is no better, the error is about P
                return intrinsics(k[0], k[4], k[2], k[5])
        return intrinsics(p[0], p[5], p[2], p[6])
    except ValueError as error:
        raise ValueError(
            f"no usable intrinsics ({error}): the camera must be calibrated, and its driver must fill K or P"
        ) from error


def _window(info: Any, image: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Find what part of the sensor an image of (width, height) shows: its corner, and the binning along each axis.

    Drivers do not agree on what width and height are (of the sensor, of the image, or 0), nor is a region of interest
    always that of the image; but whatever explains the image's size does so in one way.

    Raises:
        ValueError: Nothing in the camera_info explains the size of the image.
    """
    roi = info.roi
    corner = int(roi.x_offset), int(roi.y_offset)
    binning = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    full, cut = (int(info.width), int(info.height)), (int(roi.width), int(roi.height))
    rest = full[0] - corner[0], full[1] - corner[1]  # size of a region that names a corner only

    def explains(size: tuple[int, int], slack: float) -> bool:
        return all(abs(have - part / by) < slack for have, part, by in zip(image, size, binning, strict=True))

    whole = cut == (0, 0)
    if not whole and explains(cut, 1.5):  # some drivers are a pixel short
        return corner, binning
    if whole and (full in ((0, 0), image) or (corner != (0, 0) and explains(rest, 1.0))):
        return corner, binning
    if explains(full, 1.0):  # all of the sensor, whatever the region says
        return (0, 0), binning

    binned = f"binned {binning[0]}x{binning[1]}"
    reasons = []
    for size, what in ((cut, f"its roi of {cut[0]}x{cut[1]} at {corner}"), (full, "its width and height")):
        if size == (0, 0):
            continue
        parts = [what] if size == cut else [what] * (binning != (1, 1) or not whole)
        parts += [binned] * (binning != (1, 1))
        made = "x".join(str(length // by) for length, by in zip(size, binning, strict=True))
        reasons.append(made + (f" ({', '.join(parts)})" if parts else ""))
    raise ValueError(
        f"it is for images of {' or '.join(reasons)}, but the depth image has {image[0]}x{image[1]}: "
        "take the camera_info that belongs to this depth image"
    )


@dataclass(frozen=True)
class Region:
    """Half-open rectangle of pixels: columns [left, right), rows [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        return self.right <= self.left or self.bottom <= self.top


def deproject(depth: torch.Tensor, intrinsics: Intrinsics) -> torch.Tensor:
    """Turn a depth image into points.

    Args:
        depth: float [..., H, W], metres along z; NaN where invalid.

    Returns:
        float [..., H, W, 3] metres in the optical frame; NaN where the depth is.
    """
    height, width = depth.shape[-2:]
    u = torch.arange(width, device=depth.device, dtype=depth.dtype)
    v = torch.arange(height, device=depth.device, dtype=depth.dtype)
    x = (u - intrinsics.cx) / intrinsics.fx * depth
    y = ((v - intrinsics.cy) / intrinsics.fy)[:, None] * depth
    return torch.stack((x, y, depth), dim=-1)


def points_in_cube(
    depth: torch.Tensor,
    intrinsics: Intrinsics,
    center: tuple[float, float, float],
    edge: float,
    corner: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """Return the points of an image that can lie in a cube: those of its image region and of its range of depths.

    Pixels are thrown out before they become points, which is several times as fast as the other way round.

    Args:
        depth: float [H, W] metres along z, NaN where invalid: the image, or a window of it.
        intrinsics: Intrinsics of the whole image.
        center, edge: Centre (x, y, z) in the optical frame and edge of the cube, metres.
        corner: Column and row in the image of the window's first pixel.

    Returns:
        float [P, 3] metres in the optical frame; a few may lie beside the cube.
    """
    region = cube_region(center, edge, intrinsics)
    left, top = max(region.left, corner[0]), max(region.top, corner[1])
    right, bottom = max(region.right, left), max(region.bottom, top)
    part = depth[top - corner[1] : bottom - corner[1], left - corner[0] : right - corner[0]]
    v, u = torch.nonzero((part - center[2]).abs() <= edge / 2, as_tuple=True)
    z = part[v, u]
    x = (u + (left - intrinsics.cx)) / intrinsics.fx * z
    y = (v + (top - intrinsics.cy)) / intrinsics.fy * z
    return torch.stack((x, y, z), dim=-1)


def project(points: torch.Tensor, intrinsics: Intrinsics) -> torch.Tensor:
    """Project points onto the image plane.

    Args:
        points: float [..., 3] metres in the optical frame.

    Returns:
        float [..., 2] pixels (u, v); NaN for points that are not in front of the camera.
    """
    z = points[..., 2]
    z = torch.where(z > 0, z, torch.nan)
    u = points[..., 0] / z * intrinsics.fx + intrinsics.cx
    v = points[..., 1] / z * intrinsics.fy + intrinsics.cy
    return torch.stack((u, v), dim=-1)


def cube_region(center: tuple[float, float, float], edge: float, intrinsics: Intrinsics) -> Region:
    """Return the smallest region of pixels that can see into an axis-aligned cube.

    Args:
        center: Metres in the optical frame.
        edge: Metres.

    Returns:
        The region, clipped to the image: empty when the cube is out of view, the whole image when the cube reaches
        behind the camera.
    """
    x, y, z = center
    near, far = z - edge / 2, z + edge / 2
    if far <= 0:
        return Region(0, 0, 0, 0)
    if near <= 1e-3:
        return Region(0, 0, intrinsics.width, intrinsics.height)

    slack = 1e-6  # pixels; what rounding could take away

    def bounds(middle: float, focal: float, principal: float, size: int) -> tuple[int, int]:
        low, high = middle - edge / 2, middle + edge / 2
        first = principal + focal * low / (near if low < 0 else far)
        last = principal + focal * high / (near if high > 0 else far)
        return min(size, max(0, math.ceil(first - slack))), max(0, min(size, math.floor(last + slack) + 1))

    left, right = bounds(x, intrinsics.fx, intrinsics.cx, intrinsics.width)
    top, bottom = bounds(y, intrinsics.fy, intrinsics.cy, intrinsics.height)
    return Region(left, top, right, bottom)
