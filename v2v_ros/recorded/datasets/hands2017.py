# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The frame-based task of the HANDS 2017 challenge (Yuan et al., 2017): a million training frames, no test labels.

``training/Training_Annotation.txt`` with images in ``training/images``, ``frame/BoundingBox.txt`` with images in
``frame/images``. Labels are millimetres, y down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .depth_codes import TABLES
from .image_files import read_depth_png
from .labels import line_of, read_labels
from .specs import HANDS2017

# Its order: wrist; first joints of thumb, index, middle, ring, little finger; then the other three of each finger.
JOINT_ORDER = (0, *(2, 9, 10, 11), *(3, 12, 13, 14), *(4, 15, 16, 17), *(5, 18, 19, 20), *(1, 6, 7, 8))
"""Index in the files of HANDS 2017 of every joint of ``hand21``."""

_FILES = {"train": "training/Training_Annotation.txt", "test": "frame/BoundingBox.txt"}
_IMAGES = {"train": "training/images", "test": "frame/images"}
_CHUNK = 50_000


class Hands2017Dataset(DepthDataset):
    """HANDS 2017, in the order of its label files. The joints of the test split are NaN: they were never published.

    Raises:
        DatasetError: The label file is missing or wrong.
    """

    def __init__(self, folder: Path, split: Split, *, intrinsics: Intrinsics | None = None) -> None:
        path = folder / _FILES[split]
        if split == "train":
            self._names, values = read_labels(path, 63)
            joints = values.reshape(-1, 21, 3)
            _convert(joints, path)
        else:
            self._names, _ = read_labels(path, 4)  # bounding boxes, which nothing here needs
            joints = np.full((len(self._names), 21, 3), np.nan, np.float32)
        super().__init__(HANDS2017, folder, split, joints, np.ones(len(joints), np.bool_), intrinsics)

    def frame_name(self, index: int) -> str:
        # Some files name the image, some its path.
        return f"{_IMAGES[self.split]}/{self._names[index].decode('latin-1').rpartition('/')[2]}"

    def depth(self, index: int) -> NDArray[np.float32]:
        return read_depth_png(self.folder / self.frame_name(index), self.intrinsics, TABLES["millimetres"])


def _convert(joints: NDArray[np.float32], path: Path) -> None:
    """Convert to metres and the order of hand21, in place: another copy of a million labels would take 240 MB."""
    for first in range(0, len(joints), _CHUNK):
        part = joints[first : first + _CHUNK]
        if len(wrong := np.argwhere(part[..., 2] <= 0)):
            row, joint = wrong[0]
            raise DatasetError(
                f"{path}, line {line_of(path, first + int(row))}: expected all joints in front of the camera, "
                f"found z = {part[row, joint, 2]:g} mm"
            )
        part[:] = part[:, JOINT_ORDER] * np.float32(1e-3)
