# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Lists of depth frames in files, and the predictions made from them: what ``v2v predict`` reads and writes.

Both are JSON and described in docs/formats.md. Millimetres end here: the package itself uses metres.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics, check_view
from ..io.depth import MAX_PIXELS, DepthError, decode_png16, invalidate
from ..io.files import write_atomically

if TYPE_CHECKING:
    from ..geometry.estimate import Estimate

SUFFIXES = (".png", ".npy", ".exr")

_NPY_START = 2**14  # bytes that hold the header of an array of numbers
_LARGEST_PNG = 3 * MAX_PIXELS  # bytes; what cannot be compressed takes 2 of a pixel
_MAX_EXR_VALUES = 4 * MAX_PIXELS  # of all channels: a colour picture may lie beside the depth


class FrameListError(ValueError):
    """A frame list, or a file that it names, cannot be used. The message names both and what was expected."""


@dataclass(frozen=True)
class FrameRecord:
    """One entry of a frame list.

    Attributes:
        id: Identifier, unique in its list.
        path: Path of the depth image, in one of the formats of ``SUFFIXES``.
        mm_per_unit: Millimetres that one unit of the stored values stands for.
        fx, fy, cx, cy: Pinhole intrinsics in pixels.
        center: Place of the subject (x, y, z) in the optical frame, metres; None: the list does not say.
    """

    id: str
    path: Path
    mm_per_unit: float
    fx: float
    fy: float
    cx: float
    cy: float
    center: tuple[float, float, float] | None = None

    def intrinsics(self, depth: NDArray[np.float32]) -> Intrinsics:
        """Return the camera of this frame, with the image size of ``depth`` [H, W], which the list leaves out.

        Raises:
            FrameListError: No depth camera has these intrinsics, such as those of an image scaled to a width of 1.
        """
        height, width = depth.shape
        found = Intrinsics(self.fx, self.fy, self.cx, self.cy, width, height)
        try:
            check_view(found)
        except ValueError as error:
            raise FrameListError(f"{self.path}: frame '{self.id}': K: {error}; K is in pixels") from error
        return found


def load_frame_list(path: str | Path) -> list[FrameRecord]:
    """Read and check a frame list.

    Args:
        path: ``{"frames": [{"id", "path", "mm_per_unit", "K": {"fx", "fy", "cx", "cy"}, "center_mm"}]}``.
            ``center_mm`` is optional, paths are relative to this file, and further keys are ignored.

    Returns:
        The frames in the order of the list.

    Raises:
        FrameListError: The file is missing or not such a list, an id occurs twice, or a depth image does not
            exist. The message names the file, the frame and the key.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # as some editors begin a file
    except OSError as error:
        raise FrameListError(f"{path}: cannot read the frame list: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FrameListError(f"{path}: not a JSON file: {error}") from error
    entries = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise FrameListError(f'{path}: expected {{"frames": [...]}}')
    records: dict[str, FrameRecord] = {}
    for index, entry in enumerate(entries):
        record = _parse(entry, f"{path}: frame {index}", path.parent)
        if record.id in records:
            raise FrameListError(f"{path}: frame {index}: id '{record.id}' occurs twice; ids must be unique")
        records[record.id] = record
    return list(records.values())


def read_depth(record: FrameRecord) -> NDArray[np.float32]:
    """Read the depth image of a frame.

    Returns:
        float32 [H, W] metres, NaN where the stored value is 0, negative or not finite.

    Raises:
        FrameListError: The file cannot be read, or is not a single-channel depth image.
    """
    reader = {".png": _read_png, ".npy": _read_npy, ".exr": _read_exr}[record.path.suffix.lower()]
    try:
        stored = reader(record.path)
    except (OSError, DepthError) as error:
        raise FrameListError(f"{record.path}: frame '{record.id}': {error}") from error
    if stored.ndim != 2 or stored.dtype.kind not in "iuf" or not 0 < stored.size <= MAX_PIXELS:
        raise FrameListError(
            f"{record.path}: frame '{record.id}': expected a [H, W] array of numbers with at most "
            f"{MAX_PIXELS} pixels, got {list(stored.shape)} of {stored.dtype}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        depth = (stored.astype(np.float64) * (record.mm_per_unit / 1000)).astype(np.float32)
    invalidate(depth)
    return depth


def write_predictions(
    path: str | Path, skeleton: str, joint_names: Sequence[str], frames: Iterable[tuple[str, Estimate]]
) -> None:
    """Write predictions as JSON, in millimetres; the file appears whole or not at all.

    Args:
        path: Path of the file, with the content ``{"skeleton", "joint_names", "frames": [{"id", "skeletons": [{"id",
            "score", "center_mm", "joints_mm", "scores"}]}]}``. A joint that was not estimated is null.
        skeleton: Name of the joint set.
        joint_names: Names in the order of the joints.
        frames: Identifier and estimate of each frame.

    Raises:
        FrameListError: The file cannot be written.
    """
    path = Path(path)
    content = {
        "skeleton": skeleton,
        "joint_names": list(joint_names),
        "frames": [
            {
                "id": frame_id,
                "skeletons": [
                    {
                        "id": found.id,
                        "score": round(float(found.score), 6),
                        "center_mm": _millimetres(found.center),
                        "joints_mm": [_millimetres(point) for point in found.points],
                        "scores": [round(float(score), 6) for score in found.scores],
                    }
                    for found in estimate.skeletons
                ],
            }
            for frame_id, estimate in frames
        ],
    }
    text = json.dumps(content, allow_nan=False) + "\n"
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise FrameListError(f"{path}: cannot write the predictions: {error.strerror}") from error


def _millimetres(point: NDArray[np.floating[Any]]) -> list[float] | None:
    if not np.isfinite(point).all():
        return None
    return [round(1000 * float(value), 3) for value in point]


def _parse(entry: object, where: str, folder: Path) -> FrameRecord:
    if not isinstance(entry, dict):
        raise FrameListError(f"{where}: expected an object with id, path, mm_per_unit and K")
    frame_id = entry.get("id")
    if not isinstance(frame_id, str) or not frame_id:
        raise FrameListError(f"{where}: id: expected a text that is not empty, got {frame_id!r}")
    where = f"{where} ('{frame_id}')"

    name = entry.get("path")
    if not isinstance(name, str) or not name.lower().endswith(SUFFIXES):
        raise FrameListError(f"{where}: path: expected a file that ends in {', '.join(SUFFIXES)}, got {name!r}")
    if not (folder / name).is_file():
        raise FrameListError(f"{where}: path: no such file: {folder / name}")

    camera = entry.get("K")
    if not isinstance(camera, dict):
        raise FrameListError(f"{where}: K: expected an object with fx, fy, cx and cy, got {camera!r}")
    center = entry.get("center_mm")
    if center is not None and not (isinstance(center, list) and len(center) == 3):
        raise FrameListError(f"{where}: center_mm: expected [x, y, z], got {center!r}")
    return FrameRecord(
        id=frame_id,
        path=folder / name,
        mm_per_unit=_number(entry, "mm_per_unit", where, positive=True),
        fx=_number(camera, "fx", f"{where}: K", positive=True),
        fy=_number(camera, "fy", f"{where}: K", positive=True),
        cx=_number(camera, "cx", f"{where}: K"),
        cy=_number(camera, "cy", f"{where}: K"),
        center=_center(center, f"{where}: center_mm") if center is not None else None,
    )


def _center(center: list[object], where: str) -> tuple[float, float, float]:
    values = dict(zip("xyz", center, strict=True))
    x, y = _number(values, "x", where), _number(values, "y", where)
    return x / 1000, y / 1000, _number(values, "z", where, positive=True) / 1000


def _number(values: Mapping[str, object], key: str, where: str, positive: bool = False) -> float:
    value = values.get(key)
    # JSON's true and false are ints in Python; its numbers may be infinite, and its integers larger than any float.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise FrameListError(f"{where}: {key}: expected a finite number, got {value!r}")
    if positive and value <= 0:
        raise FrameListError(f"{where}: {key}: expected a number greater than 0, got {value!r}")
    return float(value)


def _read_png(path: Path) -> NDArray[Any]:
    if path.stat().st_size > _LARGEST_PNG:
        raise DepthError(f"a PNG of a depth image has at most {_LARGEST_PNG} bytes, this one has {path.stat().st_size}")
    return decode_png16(path.read_bytes())


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        # The header is read from a little memory and checked before NumPy maps the file: NumPy would reserve whatever
        # length a header states, and its division by the size of an empty type ends the process.
        with path.open("rb") as file:
            start = BytesIO(file.read(_NPY_START))
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, by_columns, dtype = readers[np.lib.format.read_magic(start)](start)
        if dtype.kind not in "iuf":
            raise ValueError(f"it holds {dtype}")
        if not all(size > 0 for size in shape) or math.prod(shape) > MAX_PIXELS:
            raise ValueError(f"its shape is {shape}")
        # Mapped, so that a header that lies about the size cannot make us allocate it.
        stored: NDArray[Any] = np.memmap(path, dtype, "r", start.tell(), shape, "F" if by_columns else "C")
    except Exception as error:  # NumPy lets errors of Python's tokenizer, IndexError and more through
        raise DepthError(f"not an .npy array of numbers: {str(error)[:1000]}") from error
    return stored


def _read_exr(path: Path) -> NDArray[Any]:
    try:
        import OpenEXR
    except ImportError as error:
        raise DepthError("EXR needs OpenEXR: pip install OpenEXR") from error
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            _check_exr([part.header for part in file.parts])
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.array(channel.pixels) for name, channel in file.channels().items()}
    except DepthError:
        raise
    except Exception as error:  # OpenEXR raises RuntimeError and whatever its C++ side throws
        raise DepthError(f"not a readable EXR image: {error}") from error
    if len(channels) == 1:
        return next(iter(channels.values()))
    if "Z" in channels:
        return channels["Z"]
    raise DepthError(f"expected a single channel or one named Z, found {', '.join(sorted(channels))}")


def _check_exr(headers: list[dict[str, Any]]) -> None:
    """Refuse before anything is decompressed: a few kilobytes can hold gigabytes."""
    values = 0
    for header in headers:
        low, high = (corner.astype(np.int64) for corner in header["dataWindow"])
        values += int(np.prod((high - low + 1).clip(0))) * len(header["channels"])
        if "deep" in str(header.get("type")):
            raise DepthError("deep EXR images have any number of values in a pixel: write a flat one")
    if values > _MAX_EXR_VALUES:
        raise DepthError(f"the EXR has {values} values in all channels, more than {_MAX_EXR_VALUES}")
