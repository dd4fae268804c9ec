# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pictures for people: depth in grey, skeletons on top. Pillow is imported when something is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics
from ..geometry.skeletons import Skeleton
from .files import write_atomically
from .pillow import importing_pillow

Color = tuple[float, float, float]

# A colour per finger or side, told apart also by people who see few colours (after Okabe and Ito).
_COLORS: dict[str, Color] = {
    "thumb": (0.90, 0.62, 0.00),
    "index": (0.34, 0.71, 0.91),
    "middle": (0.00, 0.80, 0.55),
    "ring": (0.95, 0.90, 0.25),
    "little": (0.90, 0.45, 0.70),
    "right": (0.90, 0.45, 0.20),
    "left": (0.34, 0.71, 0.91),
}
_NEUTRAL: Color = (0.95, 0.95, 0.95)
_SUPERSAMPLING = 3
_MARGIN = 8  # pixels around a skeleton that lines and joints reach into, per 640 of width

# Slightly blue, so that skeletons stand out. Entry 0 is for invalid depth.
_GREYS = np.round((40 + 180 / 255 * np.arange(256))[:, None] * (0.92, 0.96, 1.0)).astype(np.uint8)
_GREYS[0] = 0


def joint_colors(skeleton: Skeleton) -> list[Color]:
    """Colours of the joints, RGB in 0..1, by finger or side; those in the middle are white."""
    return [_COLORS.get(name.split("_")[0], _NEUTRAL) for name in skeleton.joint_names]


def bone_colors(skeleton: Skeleton) -> list[Color]:
    """Colours of the bones, RGB in 0..1: those of the joints they lead to."""
    joints = joint_colors(skeleton)
    return [joints[child] for _, child in skeleton.bones]


def colorize(depth: NDArray[np.float32], near: float, far: float) -> NDArray[np.uint8]:
    """Depth as a picture: near is light, far is dark, invalid is black.

    Args:
        depth: float32 [H, W] metres, NaN where invalid.
        near, far: Metres; what lies outside takes the colour of the nearer end.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    far = max(far, near + 1e-3)
    scale = np.float32(254 / (far - near))
    index = 255 - (depth.clip(near, far) - np.float32(near)) * scale  # 1 is far, 255 is near
    return _GREYS[np.nan_to_num(np.rint(index), copy=False, nan=0).astype(np.uint8)]


def colorize_scene(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Depth as a picture whose shades span the scene, but for its very nearest pixels and its farthest tenth.

    Args:
        depth: float32 [H, W] metres, NaN where invalid.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    finite = depth[np.isfinite(depth)]
    near, far = np.percentile(finite, (1, 90)) if finite.size else (0.0, 1.0)
    return colorize(depth, float(near), float(far))


def draw_skeletons(
    image: NDArray[np.uint8],
    points_list: Sequence[NDArray[np.floating]],
    skeleton: Skeleton,
    intrinsics: Intrinsics,
    *,
    thin: bool = False,
) -> NDArray[np.uint8]:
    """Draw skeletons on a picture.

    Args:
        image: uint8 [H, W, 3], RGB; it is not changed.
        points_list: float [J, 3] metres in the optical frame, for each skeleton; joints that are NaN are left out.
        intrinsics: Intrinsics of the picture.
        thin: Whether to draw white hairlines without joints, for a second set of skeletons such as the truth.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        RuntimeError: Pillow is not installed.
    """
    if not points_list:
        return image.copy()
    with importing_pillow("drawing"):
        from PIL import Image, ImageDraw
    unit = max(1.0, intrinsics.width / 640)
    pixels_list = [_project(np.asarray(points, dtype=np.float64), intrinsics) for points in points_list]
    box = _bounds(np.concatenate(pixels_list), _MARGIN * unit, intrinsics)
    if box is None:
        return image.copy()
    left, top, right, bottom = box
    layer = Image.new("RGBA", ((right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING))
    canvas = ImageDraw.Draw(layer)
    for points, pixels in zip(points_list, pixels_list, strict=True):
        # Far bones first, so that near ones cover them.
        order = sorted(range(len(skeleton.bones)), key=lambda bone: -points[skeleton.bones[bone][1]][2])
        _draw_skeleton(
            canvas,
            (pixels + 0.5 - (left, top)) * _SUPERSAMPLING,
            skeleton,
            order,
            unit * _SUPERSAMPLING,
            thin,
        )
    result = Image.fromarray(image).convert("RGBA")
    result.alpha_composite(layer.reduce(_SUPERSAMPLING), (left, top))
    return np.array(result.convert("RGB"))


def _draw_skeleton(
    canvas: Any,
    pixels: NDArray[np.float64],
    skeleton: Skeleton,
    order: Sequence[int],
    unit: float,
    thin: bool,
) -> None:
    """Draw bones in the given order, then joints, at pixels [J, 2]; one unit is a pixel of a picture 640 wide."""
    lines = {bone: [tuple(pixels[joint]) for joint in skeleton.bones[bone]] for bone in order}
    lines = {bone: line for bone, line in lines.items() if np.isfinite(line).all()}
    if thin:
        for line in lines.values():
            canvas.line(line, fill=_rgb(_NEUTRAL), width=round(unit))
        return
    for line in lines.values():  # a dark edge makes light colours readable on light depth
        canvas.line(line, fill=(0, 0, 0, 200), width=round(4.5 * unit))
    colors = bone_colors(skeleton)
    for bone, line in lines.items():
        canvas.line(line, fill=_rgb(colors[bone]), width=round(2.5 * unit))
    for (u, v), color in zip(pixels, joint_colors(skeleton), strict=True):
        if np.isfinite((u, v)).all():
            for radius, fill in ((4.0 * unit, (0, 0, 0, 255)), (3.0 * unit, _rgb(color))):
                canvas.ellipse((u - radius, v - radius, u + radius, v + radius), fill=fill)


def zoom(
    depth: NDArray[np.float32], intrinsics: Intrinsics, center: NDArray[np.floating], edge: float, pixels: int
) -> tuple[NDArray[np.float32], Intrinsics]:
    """Return a square view of a part of a depth image.

    Args:
        depth: float32 [H, W] metres.
        center: [3] metres: the middle of the view.
        edge: Metres at that distance that the view is wide.
        pixels: Side of the view.

    Returns:
        float32 [pixels, pixels] metres, NaN outside of the image; and the view's intrinsics.
    """
    x, y, z = (float(value) for value in center)
    scale = pixels * z / (intrinsics.fx * edge)
    u, v = intrinsics.fx * x / z + intrinsics.cx, intrinsics.fy * y / z + intrinsics.cy
    middle = (pixels - 1) / 2
    columns = np.rint((np.arange(pixels) - middle) / scale + u).astype(int)
    rows = np.rint((np.arange(pixels) - middle) / scale + v).astype(int)
    inside = ((rows >= 0) & (rows < depth.shape[0]))[:, None] & ((columns >= 0) & (columns < depth.shape[1]))
    view = depth[rows.clip(0, depth.shape[0] - 1)][:, columns.clip(0, depth.shape[1] - 1)]
    return np.where(inside, view, np.float32(np.nan)), Intrinsics(
        fx=intrinsics.fx * scale,
        fy=intrinsics.fy * scale,
        cx=middle + (intrinsics.cx - u) * scale,
        cy=middle + (intrinsics.cy - v) * scale,
        width=pixels,
        height=pixels,
    )


def save_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture (uint8 [H, W, 3], RGB); a reader never sees half of it.

    Raises:
        OSError: The file cannot be written.
        RuntimeError: Pillow is not installed.
    """
    with importing_pillow("drawing"):
        from PIL import Image
    content = BytesIO()
    Image.fromarray(image).save(content, "PNG")
    write_atomically(path, content.getvalue())


def _project(points: NDArray[np.float64], intrinsics: Intrinsics) -> NDArray[np.float64]:
    """Pixels [J, 2]; NaN for joints that are missing, behind the camera or far outside the picture."""
    z = np.where(points[:, 2] > 1e-3, points[:, 2], np.nan)[:, None]
    pixels = points[:, :2] / z * (intrinsics.fx, intrinsics.fy) + (intrinsics.cx, intrinsics.cy)
    far_off = (np.abs(pixels) > 10 * max(intrinsics.width, intrinsics.height)).any(axis=1)
    pixels[far_off] = np.nan
    return pixels


def _bounds(pixels: NDArray[np.float64], margin: float, camera: Intrinsics) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the part of the picture that will be drawn on; None when there is none."""
    pixels = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(pixels):
        return None
    left, top = np.maximum(np.floor(pixels.min(axis=0) - margin), 0).astype(int)
    size = (camera.width, camera.height)
    right, bottom = np.minimum(np.ceil(pixels.max(axis=0) + margin), size).astype(int)
    return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


def _rgb(color: Color) -> tuple[int, int, int, int]:
    red, green, blue = (round(255 * value) for value in color)
    return red, green, blue, 255
