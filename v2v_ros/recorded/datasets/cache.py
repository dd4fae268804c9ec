# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A cache of what matters of a dataset's images, for datasets whose files are slow to decode.

Of every frame it keeps the window of pixels that can see into a cube around a given centre, as the 16-bit values that
the dataset stores. Depth within the cube's reach is kept without loss. Of all other measurements only remains that they
are one: what is nearer has the smallest value that there is, what is farther the largest. "Not measured" stays 0.

A folder with three files: ``header.json`` (what it was made of), ``index.npy`` (:data:`INDEX` of each frame) and
``windows.bin`` (all windows, uint16 row by row, each compressed by zlib: what is cut away takes next to no room).
:mod:`~v2v_ros.recorded.datasets.cache_writer` writes it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .depth_codes import TABLES, DepthCode

INDEX = np.dtype([("window", "<u2", 4), ("near", "<f4"), ("far", "<f4"), ("bytes", "<u4")])
"""Entry of a frame: its window (left, top, right, bottom; half open), the range of depths that is kept in metres, and
its size."""

_FORMAT, _VERSION = "v2v_ros depth cache", 3
_FINGERPRINTED = 1000  # names; all labels


def cube_windows(centers: NDArray[np.floating], edge: float, intrinsics: Intrinsics) -> NDArray[np.uint16]:
    """Return the smallest windows of pixels that can see into cubes: camera.cube_region of many cubes at once.

    Args:
        centers: [F, 3] metres in the optical frame; NaN: no cube.
        edge: Edge of the cubes, metres.

    Returns:
        uint16 [F, 4]: left, top, right, bottom, half open; all 0 where the cube is out of view or there is none.
    """
    centers = np.asarray(centers, np.float64)
    low, high = centers - edge / 2, centers + edge / 2
    near, far = low[:, 2:], high[:, 2:]
    size = np.array([intrinsics.width, intrinsics.height])
    focal, principal = np.array([intrinsics.fx, intrinsics.fy]), np.array([intrinsics.cx, intrinsics.cy])
    with np.errstate(all="ignore"):
        first = np.ceil(principal + focal * low[:, :2] / np.where(low[:, :2] < 0, near, far)).clip(0, size)
        last = (np.floor(principal + focal * high[:, :2] / np.where(high[:, :2] > 0, near, far)) + 1).clip(0, size)
    reaches_camera = near <= 1e-3
    windows = np.concatenate((np.where(reaches_camera, 0, first), np.where(reaches_camera, size, last)), axis=1)
    seen = (far[:, 0] > 0) & np.isfinite(centers).all(1) & (windows[:, :2] < windows[:, 2:]).all(1)
    kept: NDArray[np.uint16] = np.where(seen[:, None], windows, 0).astype(np.uint16)
    return kept


class CachedDataset(DepthDataset):
    """A dataset whose images come from a cache; labels, names and order are those of the dataset itself.

    Args:
        dataset: Dataset that the cache was made of.
        folder: Folder of the cache.

    Attributes:
        edge: Edge of the cubes that can be seen in full, metres.

    Raises:
        DatasetError: No cache, a broken one, one of another version, or one of something else.
    """

    def __init__(self, dataset: DepthDataset, folder: Path) -> None:
        super().__init__(dataset.spec, dataset.folder, dataset.split, dataset.joints, dataset.valid, dataset.intrinsics)
        self.test_subject = dataset.test_subject
        self._dataset, self._cache = dataset, Path(folder)
        self._table = TABLES[depth_code(dataset)]
        header = _read_header(self._cache)
        self.edge = float(header["edge"])
        for key, wanted in _identity(dataset).items():
            if header.get(key) != wanted:
                raise DatasetError(
                    f"{self._cache}: a cache of something else: its {key} is {header.get(key)}, that of "
                    f"{dataset.folder} is {wanted}: make a new one with 'v2v data cache'"
                )
        self._index = _read_index(self._cache / "index.npy", len(dataset), self.intrinsics)
        self._offsets = np.concatenate(([0], self._index["bytes"].astype(np.int64).cumsum()))
        self._stored = self._map()

    def frame_name(self, index: int) -> str:
        return self._dataset.frame_name(index)

    def depth(self, index: int) -> NDArray[np.float32]:
        """Return the image: NaN outside of its window; depths out of reach lie far before or behind it."""
        window, left, top = self.window(index)
        depth = np.full((self.intrinsics.height, self.intrinsics.width), np.nan, np.float32)
        depth[top : top + window.shape[0], left : left + window.shape[1]] = window
        return depth

    def window(self, index: int) -> tuple[NDArray[np.float32], int, int]:
        index = range(len(self))[index]
        left, top, right, bottom = self._index["window"][index].tolist()
        if right == left:
            return np.zeros((0, 0), np.float32), left, top
        height, width = bottom - top, right - left
        data = self._stored[self._offsets[index] : self._offsets[index + 1]].data
        try:
            stored = np.frombuffer(_inflate(data, 2 * height * width), "<u2").reshape(height, width)
        except (zlib.error, ValueError) as error:
            raise DatasetError(
                f"{self._cache / 'windows.bin'}: the cache is broken, make a new one: frame {index}: {error}"
            ) from error
        return self._table.take(stored), left, top

    def covers(self, centers: NDArray[np.floating], edge: float) -> NDArray[np.bool_]:
        wanted, window = cube_windows(centers, edge, self.intrinsics), self._index["window"]
        inside = (wanted[:, :2] >= window[:, :2]).all(1) & (wanted[:, 2:] <= window[:, 2:]).all(1)
        inside &= centers[:, 2] - edge / 2 >= self._index["near"]
        inside &= centers[:, 2] + edge / 2 <= self._index["far"]
        covered: NDArray[np.bool_] = inside | (wanted == 0).all(1)
        return covered

    def __getstate__(self) -> dict[str, Any]:
        # A mapped file would be copied into the pickle; the table comes back from the module.
        return {key: value for key, value in vars(self).items() if key not in ("_stored", "_table")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._table = TABLES[depth_code(self._dataset)]
        self._stored = self._map()

    def _map(self) -> NDArray[np.uint8]:
        path, expected = self._cache / "windows.bin", int(self._offsets[-1])
        found = path.stat().st_size if path.is_file() else 0
        if found != expected:
            raise DatasetError(f"{path}: expected {expected} bytes, got {found}: the cache is broken, make a new one")
        # An empty file cannot be mapped.
        return np.asarray(np.memmap(path, np.uint8, "r")) if expected else np.zeros(0, np.uint8)


def _inflate(data: memoryview, size: int) -> bytes:
    """Return the bytes of a compressed window: whatever the file says, no more than its pixels take.

    Raises:
        ValueError, zlib.error: It is damaged, or of another size.
    """
    stream = zlib.decompressobj()
    content = stream.decompress(data, size + 1)  # one more, so that a stream of the right size comes to its end
    if len(content) != size or not stream.eof:
        raise ValueError(f"its window does not have {size} bytes")
    return content


def depth_code(dataset: DepthDataset) -> DepthCode:
    """Datasets in metres store them as float16, those in millimetres as integers."""
    return "float16" if dataset.spec.millimetres_per_unit == 1000 else "millimetres"


def _identity(dataset: DepthDataset) -> dict[str, Any]:
    """Return what a cache and its dataset must agree on. Where the dataset lies does not matter."""
    names = [dataset.frame_name(i) for i in range(0, len(dataset), max(1, len(dataset) // _FINGERPRINTED))]
    labels = np.ascontiguousarray(np.nan_to_num(dataset.joints, nan=0.0), "<f4")
    return {
        "dataset": dataset.spec.name,
        "split": dataset.split,
        "frames": len(dataset),
        "code": depth_code(dataset),
        "intrinsics": asdict(dataset.intrinsics),
        "fingerprint": hashlib.sha256("\n".join(names).encode() + labels.tobytes()).hexdigest(),
    }


def make_header(dataset: DepthDataset, edge: float) -> bytes:
    """``header.json`` of a cache."""
    content = {"format": _FORMAT, "version": _VERSION, "edge": float(edge), **_identity(dataset)}
    return (json.dumps(content, indent=1) + "\n").encode()


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / "header.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{folder}: not a cache: it has no header.json; make one with 'v2v data cache'") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise DatasetError(f'{path}: expected "format": "{_FORMAT}": this is another file')
    if header.get("version") != _VERSION:
        raise DatasetError(
            f"{path}: a cache of version {header.get('version')}, this is version {_VERSION}: make a new one"
        )
    if not isinstance(header.get("edge"), (int, float)):
        raise DatasetError(f"{path}: edge: expected a number, got {header.get('edge')!r}")
    return header


def _read_index(path: Path, frames: int, intrinsics: Intrinsics) -> NDArray[np.void]:
    try:
        index = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: the cache is broken, make a new one: {error}") from error
    if index.shape != (frames,) or index.dtype != INDEX or not _in_image(index["window"], intrinsics):
        raise DatasetError(f"{path}: the cache is broken, make a new one: it has no window for each of {frames} frames")
    return np.asarray(index)


def _in_image(windows: NDArray[np.uint16], intrinsics: Intrinsics) -> bool:
    limits = (intrinsics.width, intrinsics.height) * 2
    return bool((windows[:, :2] <= windows[:, 2:]).all() and (windows <= limits).all())


def cache_part(folder: Path, split: Split, test_subject: int | None = None) -> Path:
    """Return where the cache of a split is in a folder that 'v2v data cache' wrote; the folder itself if it is a cache.

    Args:
        test_subject: Test subject, for datasets that are split by leaving one subject out.
    """
    if (folder / "header.json").is_file():
        return folder
    return folder / (split if test_subject is None else f"{split}_{test_subject}")
