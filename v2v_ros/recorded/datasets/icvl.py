# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""ICVL Hand Posture (Tang et al., CVPR 2014): one long training set with pre-rotated copies, two test sequences.

``Training/labels.txt`` with images in ``Training/Depth``, ``Testing/test_seq_{1,2}.txt`` with images in
``Testing/Depth``. Labels are pixels and millimetres (u v d).
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .depth_codes import TABLES
from .image_files import find_files, read_depth_png
from .labels import read_labels
from .specs import ICVL

_FOLDERS = {"train": "Training", "test": "Testing"}
_LABELS = {"train": ("labels.txt",), "test": ("test_seq_1.txt", "test_seq_2.txt")}
_LOG = logging.getLogger(__name__)


class IcvlDataset(DepthDataset):
    """ICVL, in the order of its label files. A label whose image is missing stays, but is not valid.

    Where the camera saw no subject, images hold 32001, which is a depth of 32.001 m here as in the published code: it
    is beyond every cube. Only 0 means that nothing was measured.

    Attributes:
        missing: Number of listed images that are missing, by folder.

    Raises:
        DatasetError: A label file is missing or wrong, or no listed image is there.
    """

    def __init__(self, folder: Path, split: Split, *, intrinsics: Intrinsics | None = None) -> None:
        camera = intrinsics or ICVL.intrinsics
        parts = [read_labels(folder / _FOLDERS[split] / name, 48) for name in _LABELS[split]]
        names = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
        u, v, z = np.moveaxis(values.reshape(-1, 16, 3), -1, 0)
        z = z / np.float32(1000)
        joints = np.stack(((u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z), axis=-1)

        self._names = names
        self._images = f"{_FOLDERS[split]}/Depth"
        valid, self.missing = _find_images(folder / self._images, names)
        if self.missing:
            count = sum(self.missing.values())
            where = ", ".join(list(self.missing)[:3]) + (", ..." if len(self.missing) > 3 else "")
            _LOG.warning("%s: %d of %d listed images are missing, in %s", folder, count, len(names), where)
        super().__init__(ICVL, folder, split, joints.astype(np.float32, copy=False), valid, intrinsics)

    def frame_name(self, index: int) -> str:
        return f"{self._images}/{self._names[index].decode('latin-1')}"

    def depth(self, index: int) -> NDArray[np.float32]:
        return read_depth_png(self.folder / self.frame_name(index), self.intrinsics, TABLES["millimetres"])


def _find_images(folder: Path, names: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Return which images are there, and how many are missing from each folder."""
    valid, errors = find_files(folder, (name.decode("latin-1") for name in names.tolist()))
    for parent, error in errors.items():
        raise DatasetError(f"{folder / parent}: cannot be read: {error.strerror}") from error
    if not valid.any():
        raise DatasetError(f"{folder}: none of the {len(names)} listed images is there; expected {names[0].decode()}")
    return valid, Counter(name.decode("latin-1").rpartition("/")[0] for name in names[~valid].tolist())
