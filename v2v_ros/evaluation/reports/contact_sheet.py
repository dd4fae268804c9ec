# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Many frames with their skeletons in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from ...geometry.estimate import SkeletonEstimate
from ...geometry.skeletons import Skeleton
from ...io.draw import colorize, colorize_scene, draw_skeletons, zoom
from ...io.pillow import importing_pillow

TILE = 300  # pixels
_LABEL = 18
_INSET = 84  # width of the whole frame in a corner
_MARGIN = 1.15  # side of the view over that of the cube


@dataclass(frozen=True)
class Tile:
    """A frame and what was found in it.

    Attributes:
        id: Identifier of the frame.
        depth: float32 [H, W] metres, NaN where invalid.
        intrinsics: Intrinsics of the frame.
        found: Skeleton that was found, or None.
        truth: float [J, 3] metres in the optical frame, where it is known.
        note: Text beside the id; empty: the skeleton's score.
    """

    id: str
    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    found: SkeletonEstimate | None
    truth: NDArray[np.float32] | None = None
    note: str = ""


def contact_sheet(tiles: list[Tile], skeleton: Skeleton, columns: int = 6) -> NDArray[np.uint8]:
    """Return all frames, row by row, each labelled with its id and score.

    A frame with a skeleton shows the surroundings of its cube, and the whole frame in a corner; one without is shown
    whole.

    Returns:
        uint8 [rows (TILE + label), columns TILE, 3], RGB.

    Raises:
        ValueError: There are no frames.
        RuntimeError: Pillow is not installed.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one frame")
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    height = TILE + _LABEL
    sheet = np.zeros((rows * height, columns * TILE, 3), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * TILE
        sheet[top + _LABEL : top + height, left : left + TILE] = _picture(tile, skeleton)
        note = tile.note or ("nobody" if tile.found is None else f"{tile.found.score:.2f}")
        label = f"{tile.id}  {note}"
        sheet[top : top + _LABEL, left : left + TILE] = _text(label)
    return sheet


def _picture(tile: Tile, skeleton: Skeleton) -> NDArray[np.uint8]:
    found = tile.found
    if found is None:
        canvas = np.zeros((TILE, TILE, 3), np.uint8)
        whole = _whole(tile, TILE)
        top = (TILE - whole.shape[0]) // 2
        canvas[top : top + whole.shape[0], : whole.shape[1]] = whole
        return canvas
    edge = found.cube_edge
    near = max(0.05, float(found.center[2]) - edge / 2)
    depth, intrinsics = zoom(tile.depth, tile.intrinsics, found.center, _MARGIN * edge, TILE)
    image = draw_skeletons(colorize(depth, near, near + 1.2 * edge), [found.points], skeleton, intrinsics)
    if tile.truth is not None:
        image = draw_skeletons(image, [tile.truth], skeleton, intrinsics, thin=True)
    whole = _whole(tile, _INSET)
    image[-whole.shape[0] :, : whole.shape[1]] = whole
    return image


def _whole(tile: Tile, size: int) -> NDArray[np.uint8]:
    """Return the whole frame, at most ``size`` pixels wide and high."""
    step = max(tile.depth.shape) / size
    rows, columns = (
        (np.arange(int(length / step)) * step + step / 2).astype(int).clip(0, length - 1) for length in tile.depth.shape
    )
    return colorize_scene(tile.depth[rows][:, columns])


def _text(label: str) -> NDArray[np.uint8]:
    with importing_pillow("drawing"):
        from PIL import Image, ImageDraw
    strip: Any = Image.new("RGB", (TILE, _LABEL))
    ImageDraw.Draw(strip).text((4, 3), label, fill=(255, 255, 255))
    return np.array(strip)
