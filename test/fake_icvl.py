"""Writes a tiny ICVL dataset in its published format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake_hands import Truth, hands
from numpy.typing import NDArray
from PIL import Image

from v2v_ros.recorded.datasets.specs import ICVL

_CAMERA = ICVL.intrinsics
_SEQUENCES = ("201403121135", "201403121140")
_ROTATIONS = (90, -90)


def write(folder: Path, train: int = 4, test: int = 2, seed: int = 0) -> list[Truth]:
    """Two training sequences of ``train`` hands each, with copies of the images that are rotated (a quarter of a turn
    about the middle of the image, either way) in folders of their own, and two test sequences of ``test`` hands each.

    Returns:
        The training split in the order of its label file, then the test split.
    """
    joints21, depth = hands(2 * train + 2 * test, _CAMERA, seed)
    joints = to_hand16(joints21)
    written: list[Truth] = []
    lines: list[str] = []
    for index, sequence in enumerate(_SEQUENCES):
        part = range(index * train, (index + 1) * train)
        frames = [(f"{sequence}/image_{number:04d}.png", joints[i], depth[i]) for number, i in enumerate(part)]
        for degrees in _ROTATIONS:
            frames += [
                (f"{sequence}/{degrees}/image_{number:04d}.png", *_rotate(joints[i], depth[i], degrees))
                for number, i in enumerate(part)
            ]
        for name, pose, image in frames:
            lines.append(_label(name, pose))
            written.append(_write(folder, "Training/Depth", name, pose, image))
    (folder / "Training/labels.txt").write_text("\n".join(lines) + "\n")
    for index in (1, 2):
        first = 2 * train + (index - 1) * test
        part = range(first, first + test)
        names = [f"test_seq_{index}/image_{number:04d}.png" for number in range(test)]
        written += [
            _write(folder, "Testing/Depth", name, joints[i], depth[i]) for name, i in zip(names, part, strict=True)
        ]
        # The published files have blank lines, and one of them odd line ends.
        end = "\r\r\n" if index == 1 else "\n"
        text = end.join(_label(name, joints[i]) + " " for name, i in zip(names, part, strict=True))
        (folder / f"Testing/test_seq_{index}.txt").write_bytes((text + end + end).encode())
    return written


def to_hand16(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """ICVL's joints [F, 16, 3] from those of hand21, roughly: a finger's first joint, the middle of its two middle
    joints, and its tip; the palm is the mean of the wrist and of the four fingers' first joints."""
    fingers = joints[:, 1:].reshape(-1, 5, 4, 3)[:, [4, 0, 1, 2, 3]]
    three = np.stack((fingers[:, :, 0], fingers[:, :, 1:3].mean(2), fingers[:, :, 3]), axis=2)
    palm = joints[:, [0, 1, 5, 9, 13]].mean(1, keepdims=True)
    return np.concatenate((palm, three.reshape(-1, 15, 3)), axis=1)


def _rotate(
    joints: NDArray[np.float32], depth: NDArray[np.float32], degrees: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turned about the optical axis: an image of the same size, in which rows and columns have changed places."""
    turn = 1 if degrees > 0 else -1  # x to y, which is clockwise as y is down
    cx, cy = int(_CAMERA.cx), int(_CAMERA.cy)
    height, width = depth.shape
    v, u = np.mgrid[:height, :width]
    from_u, from_v = cx + turn * (v - cy), cy - turn * (u - cx)
    inside = (from_u >= 0) & (from_u < width) & (from_v >= 0) & (from_v < height)
    turned = np.full_like(depth, np.nan)
    turned[inside] = depth[from_v[inside], from_u[inside]]
    return np.stack((-turn * joints[:, 1], turn * joints[:, 0], joints[:, 2]), axis=-1), turned


def _label(name: str, joints: NDArray[np.float32]) -> str:
    x, y, z = joints.astype(np.float64).T
    uvd = np.stack((_CAMERA.cx + _CAMERA.fx * x / z, _CAMERA.cy + _CAMERA.fy * y / z, 1000 * z), axis=-1)
    return f"{name} " + " ".join(f"{value:.3f}" for value in uvd.ravel())


def _write(folder: Path, images: str, name: str, joints: NDArray[np.float32], depth: NDArray[np.float32]) -> Truth:
    path = folder / images / name
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.nan_to_num(1000 * depth, nan=32001).round().astype(np.uint16)
    stored[:4] = np.where(np.isnan(depth[:4]), 0, stored[:4])  # 32001 is a depth far behind, only 0 is none
    Image.fromarray(stored).save(path)
    seen = np.where(np.isnan(depth) & (stored > 0), np.float32(32.001), depth)
    return Truth(f"{images}/{name}", joints, seen)
