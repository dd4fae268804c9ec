"""A cache of what matters of a dataset's images, for datasets whose files are slow to decode.

Of every frame it keeps the window of pixels that can see into a cube around a given centre, without loss, as the 16-bit
values that the dataset stores. A folder with three files: ``header.json`` (what it was made of), ``index.npy`` (uint16
[F, 4]: left, top, right, bottom of each window, half open) and ``windows.bin`` (uint16: all windows, row by row).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics
from .dataset import DatasetError, DepthDataset
from .depth_codes import TABLES, DepthCode, encode

_FORMAT, _VERSION = "v2v_ros depth cache", 1
_FINGERPRINTED = 1000  # names; all labels


def cube_windows(centers: NDArray[np.floating], edge: float, intrinsics: Intrinsics) -> NDArray[np.uint16]:
    """The smallest windows of pixels that can see into cubes: camera.cube_region of many cubes at once.

    Args:
        centers: [F, 3] metres in the optical frame; NaN: no cube.
        edge: Of the cubes, metres.

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


def cache_size(dataset: DepthDataset, centers: NDArray[np.floating], edge: float) -> int:
    """Bytes that a cache will take on disk, to the byte; no image is read."""
    windows = cube_windows(centers, edge, dataset.intrinsics)
    return int(_pixels(windows).sum()) * 2 + len(_npy(windows)) + len(_header(dataset, edge))


def write_cache(
    dataset: DepthDataset,
    centers: NDArray[np.floating],
    edge: float,
    folder: Path,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Write the cache of a dataset; the folder appears whole or not at all. One image at a time is in memory.

    Args:
        centers: [F, 3] metres in the optical frame; NaN: nothing is kept of the frame.
        edge: Of the cubes that stay visible, metres: larger than that of the cubes that will be looked at, by what
            augmentation and other centres than these ask for.
        folder: Must not exist, or be empty.
        progress: Called after each frame.

    Raises:
        DatasetError: An image cannot be read or stored without loss, the folder is in use, the disk is too small, or
            there are not as many centres as frames.
        OSError: It cannot be written.
    """
    if centers.shape != (len(dataset), 3):
        raise DatasetError(f"expected a centre for each of {len(dataset)} frames, got {list(centers.shape)}")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder}: exists and is not an empty folder: remove it or choose another one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed, free = cache_size(dataset, centers, edge), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise DatasetError(f"{folder}: the cache takes {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free")

    windows = cube_windows(centers, edge, dataset.intrinsics)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        with (temporary / "windows.bin").open("wb") as file:
            for index, (left, top, right, bottom) in enumerate(windows.tolist()):
                if right > left:
                    file.write(_encoded(dataset, index)[top:bottom, left:right].astype("<u2").tobytes())
                progress()
        (temporary / "index.npy").write_bytes(_npy(windows))
        (temporary / "header.json").write_bytes(_header(dataset, edge))
        os.chmod(temporary, 0o755)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


class CachedDataset(DepthDataset):
    """A dataset whose images come from a cache; labels, names and order are those of the dataset itself.

    Args:
        dataset: What the cache was made of.
        folder: Of the cache.

    Attributes:
        edge: Of the cubes that the windows can see, metres.

    Raises:
        DatasetError: No cache, a broken one, one of another version, or one of something else.
    """

    def __init__(self, dataset: DepthDataset, folder: Path) -> None:
        super().__init__(dataset.spec, dataset.folder, dataset.split, dataset.joints, dataset.valid, dataset.intrinsics)
        self.test_subject = dataset.test_subject
        self._dataset, self._cache = dataset, Path(folder)
        self._table = TABLES[_code(dataset)]
        header = _read_header(self._cache)
        self.edge = float(header["edge"])
        for key, wanted in _identity(dataset).items():
            if header.get(key) != wanted:
                raise DatasetError(
                    f"{self._cache}: a cache of something else: its {key} is {header.get(key)}, that of "
                    f"{dataset.folder} is {wanted}: make a new one with 'v2v data cache'"
                )
        self._windows = _read_index(self._cache / "index.npy", len(dataset), self.intrinsics)
        self._offsets = np.concatenate(([0], _pixels(self._windows).cumsum()))
        self._stored = self._map()

    def frame_name(self, index: int) -> str:
        return self._dataset.frame_name(index)

    def depth(self, index: int) -> NDArray[np.float32]:
        """The image with NaN outside of its window."""
        window, left, top = self.window(index)
        depth = np.full((self.intrinsics.height, self.intrinsics.width), np.nan, np.float32)
        depth[top : top + window.shape[0], left : left + window.shape[1]] = window
        return depth

    def window(self, index: int) -> tuple[NDArray[np.float32], int, int]:
        index = range(len(self))[index]
        left, top, right, bottom = self._windows[index].tolist()
        stored = self._stored[self._offsets[index] : self._offsets[index + 1]]
        return self._table.take(stored.reshape(bottom - top, right - left)), left, top

    def covers(self, centers: NDArray[np.floating], edge: float) -> NDArray[np.bool_]:
        """bool [F]: the window of a frame shows all that is in view of a cube around its centre [F, 3]."""
        wanted, windows = cube_windows(centers, edge, self.intrinsics), self._windows
        inside = (wanted[:, :2] >= windows[:, :2]).all(1) & (wanted[:, 2:] <= windows[:, 2:]).all(1)
        covered: NDArray[np.bool_] = inside | (wanted == 0).all(1)
        return covered

    def __getstate__(self) -> dict[str, Any]:
        # A mapped file would be copied into the pickle; the table comes back from the module.
        return {key: value for key, value in vars(self).items() if key not in ("_stored", "_table")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._table = TABLES[_code(self._dataset)]
        self._stored = self._map()

    def _map(self) -> NDArray[np.uint16]:
        path, pixels = self._cache / "windows.bin", int(self._offsets[-1])
        found = path.stat().st_size if path.is_file() else 0
        if found != 2 * pixels:
            raise DatasetError(f"{path}: expected {2 * pixels} bytes, got {found}: the cache is broken, make a new one")
        # An empty file cannot be mapped.
        return np.asarray(np.memmap(path, "<u2", "r")) if pixels else np.zeros(0, np.uint16)


def _code(dataset: DepthDataset) -> DepthCode:
    """Datasets in metres store them as float16, those in millimetres as integers."""
    return "float16" if dataset.spec.millimetres_per_unit == 1000 else "millimetres"


def _encoded(dataset: DepthDataset, index: int) -> NDArray[np.uint16]:
    depth = dataset.depth(index)
    expected = dataset.intrinsics.height, dataset.intrinsics.width
    if depth.shape != expected:
        raise DatasetError(
            f"{dataset.frame_name(index)}: expected an image of {expected[1]}x{expected[0]}, got "
            f"{depth.shape[1]}x{depth.shape[0]}"
        )
    try:
        return encode(depth, _code(dataset))
    except ValueError as error:
        raise DatasetError(f"{dataset.frame_name(index)}: {error}: use this dataset without a cache") from error


def _identity(dataset: DepthDataset) -> dict[str, Any]:
    """What a cache and its dataset must agree on. Where the dataset lies does not matter."""
    names = [dataset.frame_name(i) for i in range(0, len(dataset), max(1, len(dataset) // _FINGERPRINTED))]
    labels = np.ascontiguousarray(np.nan_to_num(dataset.joints, nan=0.0), "<f4")
    return {
        "dataset": dataset.spec.name,
        "split": dataset.split,
        "frames": len(dataset),
        "code": _code(dataset),
        "intrinsics": asdict(dataset.intrinsics),
        "fingerprint": hashlib.sha256("\n".join(names).encode() + labels.tobytes()).hexdigest(),
    }


def _header(dataset: DepthDataset, edge: float) -> bytes:
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


def _read_index(path: Path, frames: int, intrinsics: Intrinsics) -> NDArray[np.int64]:
    try:
        windows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: the cache is broken, make a new one: {error}") from error
    limits = (intrinsics.width, intrinsics.height) * 2
    if (
        windows.shape != (frames, 4)
        or windows.dtype != np.uint16
        or (windows[:, :2] > windows[:, 2:]).any()
        or (windows > limits).any()
    ):
        raise DatasetError(f"{path}: the cache is broken, make a new one: it has no window for each of {frames} frames")
    return np.asarray(windows, np.int64)


def _pixels(windows: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64 [F]: how many pixels windows [F, 4] have."""
    sides = windows[:, 2:].astype(np.int64) - windows[:, :2]
    return sides[:, 0] * sides[:, 1]


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
