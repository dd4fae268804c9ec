"""Writes a tiny dataset of the HANDS 2017 challenge in its published format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake_hands import Truth, hands
from numpy.typing import NDArray
from PIL import Image

from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.recorded.datasets.specs import HANDS2017

_FINGERS = ("thumb", "index", "middle", "ring", "little")
_PHALANGES = dict.fromkeys(_FINGERS, ("pip", "dip", "tip")) | {"thumb": ("mcp", "ip", "tip")}
_ORDER = (
    "wrist",
    "thumb_cmc",
    *(f"{finger}_mcp" for finger in _FINGERS[1:]),
    *(f"{finger}_{joint}" for finger in _FINGERS for joint in _PHALANGES[finger]),
)
_WALL = 0.9  # metres, behind the hand


def write(folder: Path, train: int = 8, test: int = 4, seed: int = 0) -> list[Truth]:
    """Hands before a wall. Of the test split the joints are returned, but not written.

    Returns:
        The training split, then the test split.
    """
    joints, depth = hands(train + test, HANDS2017.intrinsics, seed)
    depth[:, :, 8:] = np.nan_to_num(depth[:, :, 8:], nan=_WALL)  # the left border sees nothing
    order = [HAND21.joint_names.index(name) for name in _ORDER]
    lines, boxes, written = [], [], []
    for index in range(train + test):
        number = index + 1 if index < train else index - train + 1
        images = "training/images" if index < train else "frame/images"
        name = f"image_D{number:08d}.png"
        if index < train:
            lines.append("\t".join([name, *(f"{value:.4f}" for value in 1000 * joints[index, order].ravel())]))
        else:
            boxes.append("\t".join([name, *(f"{value:.4f}" for value in _box(joints[index]))]))
        (folder / images).mkdir(parents=True, exist_ok=True)
        stored = np.nan_to_num(1000 * depth[index]).round().astype(np.uint16)
        Image.fromarray(stored).save(folder / images / name)
        written.append(Truth(f"{images}/{name}", joints[index], depth[index]))
    (folder / "training/Training_Annotation.txt").write_text("\n".join(lines) + "\n")
    (folder / "frame/BoundingBox.txt").write_text("\n".join(boxes) + "\n")
    return written


def _box(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Left, top, width, height of the joints, and 20 pixels around them."""
    camera = HANDS2017.intrinsics
    pixels = joints[:, :2] / joints[:, 2:] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    corner = pixels.min(0) - 20
    return np.concatenate((corner, pixels.max(0) + 20 - corner))
