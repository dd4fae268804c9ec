# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""ITOP: bodies seen by a depth camera in front of them and by one above them.

Format: Haque, Peng, Luo, Alahi, Yeung, Fei-Fei, "Towards viewpoint invariant 3D human pose estimation", ECCV 2016. Its
front view is called ``side`` in the files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from ...io.depth import invalidate
from .dataset import DatasetError, DepthDataset, Split
from .depth_codes import TABLES
from .specs import ITOP_SIDE, ITOP_TOP, DatasetSpec

View = Literal["side", "top"]


class ItopDataset(DepthDataset):
    """Frames of one view. The published protocol leaves out those that the labels call not valid (``is_valid`` 0).

    Their joints are here nevertheless, as the file has them. The object may be pickled and used after a fork: every
    process opens the depth file for itself.

    Args:
        folder: Folder with ``ITOP_{view}_{split}_depth_map.h5`` and ``ITOP_{view}_{split}_labels.h5``.
        intrinsics: Intrinsics in place of the published ones.

    Raises:
        DatasetError: A file is missing, still compressed, broken, or not that of this dataset, or the two differ in
            their frames.
    """

    def __init__(self, folder: Path, split: Split, *, view: View, intrinsics: Intrinsics | None = None) -> None:
        spec = ITOP_SIDE if view == "side" else ITOP_TOP
        start = f"ITOP_{view}_{split}"
        self._path = folder / f"{start}_depth_map.h5"
        self._opened: tuple[int, Any, Any] | None = None
        labels = folder / f"{start}_labels.h5"
        joints, valid, self._ids = _read_labels(labels, spec)
        super().__init__(spec, folder, split, joints, valid, intrinsics)
        ids = self._check_images()
        if ids != self._ids:
            frame = next((i for i, (a, b) in enumerate(zip(ids, self._ids, strict=False)) if a != b), None)
            differ = f"{len(ids)} and {len(self._ids)} frames" if frame is None else f"other ids from frame {frame} on"
            raise DatasetError(f"{self._path} and {labels.name} do not belong together: {differ}")

    def frame_name(self, index: int) -> str:
        return self._ids[index]

    def depth(self, index: int) -> NDArray[np.float32]:
        data = self._data()
        try:
            stored = data[range(len(self))[index]]
        except OSError as error:
            raise DatasetError(f"{self._path}: frame {index}: cannot be read: {error}") from error
        if stored.dtype == np.float16:
            return TABLES["float16"].take(stored.view(np.uint16))
        depth = stored.astype(np.float32)
        invalidate(depth)
        return depth

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}

    def _data(self) -> Any:
        """Return the dataset of images of the file that this process has opened."""
        # HDF5 keeps its state in the process: a file that was opened before a fork must not be read after it.
        if self._opened is None or self._opened[0] != os.getpid():
            file = _open(self._path, self.spec)
            self._opened = os.getpid(), file, file["data"]
        return self._opened[2]

    def _check_images(self) -> list[str]:
        """Return the ids of the images; the file is closed again."""
        height, width = self.intrinsics.height, self.intrinsics.width
        with _open(self._path, self.spec) as file:
            data = _member(file, "data", self._path)
            if data.ndim != 3 or data.shape[1:] != (height, width) or data.dtype.kind != "f":
                raise DatasetError(
                    f"{self._path}: data: expected floats [frames, {height}, {width}], found {list(data.shape)} of "
                    f"{data.dtype}"
                )
            ids = _read_ids(file, self._path)
            if len(ids) != len(data):
                raise DatasetError(f"{self._path}: {len(data)} images, but {len(ids)} ids")
            return ids


def _read_labels(path: Path, spec: DatasetSpec) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[str]]:
    """Return float32 [F, 15, 3] metres in the optical frame, bool [F], and the ids."""
    with _open(path, spec) as file:
        points = _values(file, "real_world_coordinates", path)
        valid = _values(file, "is_valid", path)
        ids = _read_ids(file, path)
    joints = len(spec.skeleton.joint_names)
    if points.ndim != 3 or points.shape[1:] != (joints, 3) or points.dtype.kind != "f":
        raise DatasetError(
            f"{path}: real_world_coordinates: expected floats [frames, {joints}, 3], found {list(points.shape)} of "
            f"{points.dtype}"
        )
    if not len(points) == len(ids) or valid.shape != (len(points),):
        raise DatasetError(
            f"{path}: expected as many id and is_valid as real_world_coordinates ({len(points)}), found {len(ids)} "
            f"and {list(valid.shape)}"
        )
    lost = (valid != 0) & ~np.isfinite(points).all((1, 2))
    if lost.any():
        raise DatasetError(
            f"{path}: real_world_coordinates: expected finite numbers in all valid frames, but frame "
            f"{int(lost.argmax())} has others"
        )
    return points.astype(np.float32) * np.array([1, -1, 1], np.float32), valid != 0, ids


def _read_ids(file: Any, path: Path) -> list[str]:
    ids = _values(file, "id", path)
    if ids.ndim != 1 or ids.dtype.kind not in "SO":
        raise DatasetError(
            f"{path}: id: expected a list of texts such as 05_01234, found {list(ids.shape)} of {ids.dtype}"
        )
    return [text.decode() if isinstance(text, bytes) else str(text) for text in ids.tolist()]


def _member(file: Any, key: str, path: Path) -> Any:
    try:
        member = file.get(key)
    except (KeyError, OSError, RuntimeError) as error:
        raise DatasetError(f"{path}: {key}: cannot be read: {error}") from error
    if not hasattr(member, "shape"):
        raise DatasetError(f"{path}: expected an entry '{key}', found {', '.join(file) or 'none'}")
    return member


def _values(file: Any, key: str, path: Path) -> NDArray[Any]:
    member = _member(file, key, path)
    try:
        return np.asarray(member)
    except OSError as error:
        raise DatasetError(f"{path}: {key}: cannot be read: {error}") from error


def _open(path: Path, spec: DatasetSpec) -> Any:
    import h5py

    if not path.exists():
        packed = path.with_name(f"{path.name}.gz")
        if packed.is_file():
            raise DatasetError(f"{path}: no such file, but {packed.name} is there: gunzip it")
        raise DatasetError(f"{path}: no such file; get it from {spec.source}")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        # HDF5 passes the system's error on by its number alone; what it finds wrong itself has none.
        reason = (
            f"cannot be read: {os.strerror(error.errno)}" if error.errno else f"truncated, or not an HDF5 file: {error}"
        )
        raise DatasetError(f"{path}: {reason}") from error
