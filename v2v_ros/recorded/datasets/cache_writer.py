# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writing caches of datasets (:mod:`~v2v_ros.recorded.datasets.cache` has the format), and how large they get."""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .cache import INDEX, cube_windows, depth_code, make_header
from .dataset import DatasetError, DepthDataset
from .depth_codes import TABLES, encode_depth

# More is kept than was asked for, metres, so that no rounding decides what belongs to a cube.
_MARGIN = 1e-3
_LEVEL = 1  # level of zlib; level 6 saves a fifth of the room and takes several times as long
_RESERVE, _WATCH = 500_000_000, 256  # bytes of the disk that stay free; frames between two looks at it


@dataclass(frozen=True)
class SizeEstimate:
    """Bytes that a cache takes: probably ``bytes``, and with 95 % probability from ``low`` to ``high``."""

    bytes: int
    low: int
    high: int


def estimate_size(dataset: DepthDataset, centers: NDArray[np.floating], edge: float, sample: int = 100) -> SizeEstimate:
    """Return how large a cache gets, from a sample of the frames, evenly spread; exact if there are not more.

    Args:
        centers, edge: Centres and edge of the cubes that stay visible, see :func:`write_cache`.

    Raises:
        DatasetError: As :func:`write_cache`.
    """
    index = _index(dataset, centers, edge)
    kept = np.flatnonzero(index["window"].any(1))
    if not len(kept):
        return SizeEstimate(index.nbytes, index.nbytes, index.nbytes)
    chosen = kept[np.linspace(0, len(kept) - 1, min(sample, len(kept))).round().astype(np.int64)]
    sizes = np.array([len(_compressed(dataset, int(frame), index[frame])) for frame in chosen], np.float64)
    total = index.nbytes + len(kept) * sizes.mean()
    # Two standard errors of the mean; none is left when all frames are in the sample.
    rest = 1 - len(sizes) / len(kept)
    error = 2 * len(kept) * sizes.std(ddof=1) * np.sqrt(rest / len(sizes)) if rest else 0.0
    return SizeEstimate(round(total), max(index.nbytes, round(total - error)), round(total + error))


def write_cache(
    dataset: DepthDataset,
    centers: NDArray[np.floating],
    edge: float,
    folder: Path,
    progress: Callable[[], object] = lambda: None,
) -> int:
    """Write the cache of a dataset; the folder appears whole or not at all. One image at a time is in memory.

    Args:
        centers: [F, 3] metres in the optical frame; NaN: nothing is kept of the frame.
        edge: Edge of the cubes that stay visible, metres. It must exceed that of the cubes to look at by the margin
            that augmentation and other centres than these need.
        folder: Folder of the cache; it must not exist, or be empty.
        progress: Callback after each frame.

    Returns:
        Bytes that were written.

    Raises:
        DatasetError: An image cannot be read or stored without loss, the folder is in use, the disk gets full, or
            there are not as many centres as frames.
        OSError: It cannot be written.
    """
    folder, index = Path(folder), _index(dataset, centers, edge)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder}: exists and is not an empty folder: remove it or choose another one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        with (temporary / "windows.bin").open("wb") as file:
            for frame, entry in enumerate(index):
                if frame % _WATCH == 0:
                    _check_room(folder, frame, len(dataset))
                if entry["window"].any():
                    entry["bytes"] = file.write(_compressed(dataset, frame, entry))
                progress()
        np.save(temporary / "index.npy", index)
        (temporary / "header.json").write_bytes(make_header(dataset, edge))
        written = sum(path.stat().st_size for path in temporary.iterdir())
        os.chmod(temporary, 0o755)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return written


def _index(dataset: DepthDataset, centers: NDArray[np.floating], edge: float) -> NDArray[np.void]:
    """Return the index of a cache without the sizes of the windows."""
    if centers.shape != (len(dataset), 3):
        raise DatasetError(f"expected a centre for each of {len(dataset)} frames, got {list(centers.shape)}")
    index = np.zeros(len(dataset), INDEX)
    index["window"] = cube_windows(centers, edge + 2 * _MARGIN, dataset.intrinsics)
    reach = np.where(index["window"].any(1), edge / 2 + _MARGIN, np.nan)
    index["near"] = np.nan_to_num(centers[:, 2] - reach)
    index["far"] = np.nan_to_num(centers[:, 2] + reach)
    return index


def _compressed(dataset: DepthDataset, frame: int, entry: np.void) -> bytes:
    """Return the window of a frame as it is stored."""
    depth, code, name = dataset.depth(frame), depth_code(dataset), dataset.frame_name(frame)
    expected = dataset.intrinsics.height, dataset.intrinsics.width
    if depth.shape != expected:
        raise DatasetError(
            f"{name}: expected an image of {expected[1]}x{expected[0]}, got {depth.shape[1]}x{depth.shape[0]}"
        )
    left, top, right, bottom = entry["window"].tolist()
    window = depth[top:bottom, left:right].copy()
    window[window < entry["near"]] = np.nanmin(TABLES[code])
    window[window > entry["far"]] = np.nanmax(TABLES[code])
    try:
        return zlib.compress(encode_depth(window, code).astype("<u2").tobytes(), _LEVEL)
    except ValueError as error:
        raise DatasetError(f"{name}: {error}: use this dataset without a cache") from error


def _check_room(folder: Path, frame: int, frames: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < _RESERVE:
        raise DatasetError(
            f"{folder}: the disk is full after {frame:,} of {frames:,} frames: only {free / 1e9:.2g} GB are free; "
            "nothing was kept, make room or choose another disk"
        )
