# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MSRA Hand Gesture (Sun et al., CVPR 2015): nine subjects, seventeen gestures, about 500 frames of each.

``P0..P8/GESTURE/joint.txt`` and ``NNNNNN_depth.bin``. Both versions of the dataset are read: how many frames a gesture
has stands in its ``joint.txt``.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from ...io.depth import invalidate
from .dataset import DatasetError, DepthDataset, Split
from .labels import line_of, read_labels
from .specs import MSRA

SUBJECTS = range(9)
GESTURES = (*"123456789", "I", "IP", "L", "MP", "RP", "T", "TIP", "Y")
"""Names of the gestures, in the order in which frames are counted."""

VERSIONS = {
    "of 76,391 frames (the paper's)": (8499, 8499, 8406, 8498, 8500, 8497, 8498, 8498, 8496),
    "of 76,375 frames": (8499, 8492, 8412, 8488, 8500, 8497, 8497, 8498, 8492),
}
"""Frames of subjects 0 to 8 in the published versions."""

_HEADER = struct.Struct("<6i")  # width, height, left, top, right, bottom


class MsraDataset(DepthDataset):
    """MSRA, leave one subject out: one subject is the test split, the other eight the training split.

    Frames are ordered by subject, gesture and number, as released centre files count them. The images show the hand
    alone.

    Raises:
        DatasetError: A folder or label file is missing or wrong.
    """

    def __init__(self, folder: Path, split: Split, *, test_subject: int, intrinsics: Intrinsics | None = None) -> None:
        if test_subject not in SUBJECTS:
            raise DatasetError(f"MSRA has the subjects 0 to 8, there is no subject {test_subject}")
        subjects = [s for s in SUBJECTS if (s == test_subject) == (split == "test")]
        self._gestures = [f"P{subject}/{gesture}" for subject in subjects for gesture in GESTURES]
        labels = [read_joints(folder, gesture) for gesture in self._gestures]
        self._starts = np.cumsum([0, *map(len, labels)]).tolist()
        joints = np.concatenate(labels)
        super().__init__(MSRA, folder, split, joints, np.ones(len(joints), np.bool_), intrinsics)
        self.test_subject = test_subject

    def frame_name(self, index: int) -> str:
        index = range(len(self))[index]
        gesture = bisect_right(self._starts, index) - 1
        return f"{self._gestures[gesture]}/{index - self._starts[gesture]:06d}_depth.bin"

    def depth(self, index: int) -> NDArray[np.float32]:
        return read_depth(self.folder / self.frame_name(index), self.intrinsics.width, self.intrinsics.height)


def read_joints(folder: Path, gesture: str) -> NDArray[np.float32]:
    """Joints of one gesture of a subject.

    Args:
        folder: Folder of the dataset.
        gesture: Name of the gesture's folder, such as ``P3/IP``.

    Returns:
        float32 [F, 21, 3] metres in the optical frame.

    Raises:
        DatasetError: The folder or its label file is missing or wrong.
    """
    for part in (folder / gesture).parent, folder / gesture:
        if not part.is_dir():
            raise DatasetError(
                f"{part}: no such folder; expected P0 to P8 in {folder}, each with the gestures {' '.join(GESTURES)}"
            )
    path = folder / gesture / "joint.txt"
    _, values = read_labels(path, 63, named=False, skip=1)
    with path.open("rb") as file:
        first = file.readline(100).strip()
    if not (first.isdigit() and len(first) < 10):
        raise DatasetError(f"{path}, line 1: expected the number of frames, found '{first[:20].decode('latin-1')}'")
    if int(first) != len(values):
        raise DatasetError(f"{path}, line 1: expected {int(first)} labels, as this line says, found {len(values)}")
    # Millimetres, y up, z behind the camera.
    joints = values.reshape(-1, 21, 3) * np.array([1e-3, -1e-3, -1e-3], np.float32)
    if len(wrong := np.argwhere(joints[..., 2] <= 0)):
        raise DatasetError(
            f"{path}, line {line_of(path, int(wrong[0, 0]), skip=1)}: expected negative z of all joints, "
            f"as MSRA has them, found {-1000 * joints[(*wrong[0], 2)]:g} mm"
        )
    return joints


def read_depth(path: Path, width: int, height: int) -> NDArray[np.float32]:
    """Return an image of MSRA: float32 [H, W] metres, NaN where there is no measurement.

    Raises:
        DatasetError: The file is missing, broken or of another size.
    """
    most = 4 * width * height
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER.size)
            data = file.read(most + 1)
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the depth image: {error.strerror}") from error
    if len(start) < _HEADER.size:
        raise DatasetError(f"{path}: truncated: expected a header of {_HEADER.size} bytes, found {len(start)}")
    *size, left, top, right, bottom = _HEADER.unpack(start)
    if size != [width, height]:
        raise DatasetError(f"{path}: expected an image of {width}x{height} pixels, the header says {size[0]}x{size[1]}")
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise DatasetError(
            f"{path}: expected a part of the image, the header says columns {left} to {right}, rows {top} to {bottom}"
        )
    expected = 4 * (right - left) * (bottom - top)
    if len(data) != expected:
        found = f"{len(data)}" if len(data) <= most else "more"
        how = "truncated" if len(data) < expected else "too long"
        raise DatasetError(f"{path}: {how}: expected {expected} bytes after the header, found {found}")
    patch = np.frombuffer(data, "<f4").astype(np.float32).reshape(bottom - top, right - left)
    patch /= 1000
    invalidate(patch)
    depth = np.full((height, width), np.nan, np.float32)
    depth[top:bottom, left:right] = patch
    return depth
