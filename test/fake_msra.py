"""Writes a tiny MSRA dataset in its published format."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from fake_hands import Truth, hands
from numpy.typing import NDArray

from v2v_ros.recorded.datasets.specs import MSRA

_GESTURES = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "I", "IP", "L", "MP", "RP", "T", "TIP", "Y"]


def write(folder: Path, frames: int = 1, seed: int = 0) -> list[Truth]:
    """Nine subjects with seventeen gestures of ``frames`` frames each, rendered hands.

    Returns:
        All frames: by subject, gesture and number.
    """
    gestures = [f"P{subject}/{gesture}" for subject in range(9) for gesture in _GESTURES]
    joints, depth = hands(len(gestures) * frames, MSRA.intrinsics, seed)
    written = []
    for index, gesture in enumerate(gestures):
        (folder / gesture).mkdir(parents=True)
        part = range(index * frames, (index + 1) * frames)
        # x right, y up, z towards the viewer, so negative; millimetres.
        rows = 1000 * joints[part] * [1, -1, -1]
        lines = [str(frames), *(" ".join(f"{value:.3f}" for value in row.ravel()) for row in rows)]
        (folder / gesture / "joint.txt").write_text("\n".join(lines) + "\n")
        for number, frame in enumerate(part):
            name = f"{gesture}/{number:06d}_depth.bin"
            (folder / name).write_bytes(encode(depth[frame]))
            written.append(Truth(name, joints[frame], depth[frame]))
    return written


def encode(depth: NDArray[np.float32]) -> bytes:
    """The .bin file of an image [H, W]: size, the rectangle that holds the hand, and its depth in mm, 0 beside it."""
    rows, columns = np.nonzero(np.isfinite(depth))
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    patch = np.nan_to_num(1000 * depth[top:bottom, left:right])
    return struct.pack("<6i", depth.shape[1], depth.shape[0], left, top, right, bottom) + patch.astype("<f4").tobytes()
