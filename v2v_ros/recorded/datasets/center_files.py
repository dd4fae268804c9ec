# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Centre files: where the subject is in every frame, as V2V-PoseNet's authors published it for all datasets.

One line for each frame in the order of the dataset: three numbers, separated by spaces, in the units of the dataset
(ITOP: metres, the others: millimetres) and with its sign of y, or three times the word ``invalid`` for a frame that is
not usable.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...io.files import write_atomically
from .dataset import DatasetError, Split
from .labels import is_number
from .specs import DatasetSpec

_INVALID = "invalid"


def center_file_name(spec: DatasetSpec, split: Split, test_subject: int | None = None) -> str:
    """Return the published name of a centre file; ITOP's two views have the same.

    Args:
        test_subject: Test subject of MSRA, which has a file for each.

    Raises:
        ValueError: MSRA without a test subject.
    """
    if spec.name == "msra":
        if test_subject is None:
            raise ValueError("MSRA has centre files for each test subject: say which")
        return f"center_{split}_{test_subject}_refined.txt"
    return f"center_{split}.txt" if spec.name.startswith("itop_") else f"center_{split}_refined.txt"


def find_centers(spec: DatasetSpec, folder: Path, split: Split, test_subject: int | None = None) -> Path | None:
    """Return the centre file of a dataset, under its published name, in ``folder/centers`` or else in ``folder``.

    For ITOP, whose views may lie in one folder, ``folder/centers/side`` or ``folder/centers/top`` comes first.

    Args:
        test_subject: Test subject of MSRA, which has a file for each.

    Returns:
        None: there is none.

    Raises:
        ValueError: MSRA without a test subject.
    """
    name = center_file_name(spec, split, test_subject)
    places = [folder / "centers", folder]
    if spec.name.startswith("itop_"):
        places.insert(0, folder / "centers" / spec.name.removeprefix("itop_"))
    return next((place / name for place in places if (place / name).is_file()), None)


def read_centers(path: Path, spec: DatasetSpec, frames: int) -> NDArray[np.float64]:
    """Read a centre file.

    Args:
        frames: Number of frames of the dataset.

    Returns:
        float64 [F, 3] metres in the optical frame; NaN for frames without a centre.

    Raises:
        DatasetError: It cannot be read, has another number of lines, or a line is not one of the above.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the centre file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not a text file: {error}") from error
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) != frames:
        raise DatasetError(
            f"{path}: expected {frames} lines, one for each frame of {spec.name}, found {len(lines)}: is it the file "
            "of another split, or of another version of the dataset?"
        )
    if not lines:
        return np.empty((0, 3))
    try:
        centers = np.loadtxt((line.replace(_INVALID, "nan") for line in lines), np.float64, comments=None, ndmin=2)
    except ValueError:
        centers = np.full((0, 3), np.nan)
    known, unknown = np.isfinite(centers).all(1), np.isnan(centers).all(1)
    # NumPy passes over blank lines, which here take the place of a frame, and takes "nan" for a number.
    if centers.shape != (frames, 3) or not (known | unknown).all() or any("nan" in line.lower() for line in lines):
        raise _culprit(path, lines)
    return centers * _metres(spec)


def write_centers(path: Path, spec: DatasetSpec, centers: NDArray[np.floating]) -> None:
    """Write a centre file; it appears whole or not at all.

    Args:
        centers: [F, 3] metres in the optical frame; NaN for frames without a centre.

    Raises:
        OSError: It cannot be written.
        ValueError: Another shape, or an infinite number.
    """
    if centers.ndim != 2 or centers.shape[1] != 3 or np.isinf(centers).any():
        raise ValueError(f"centres are [F, 3] numbers, finite or NaN, got {list(centers.shape)}")
    rows = (np.asarray(centers, np.float64) / _metres(spec)).tolist()
    lines = (
        " ".join([_INVALID] * 3 if any(math.isnan(value) for value in row) else [f"{value:.6f}" for value in row])
        for row in rows
    )
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def _metres(spec: DatasetSpec) -> NDArray[np.float64]:
    """Return what turns the numbers of a file into metres in the optical frame."""
    scale = spec.millimetres_per_unit / 1000
    return np.array([scale, -scale if spec.y_up else scale, scale])


def _culprit(path: Path, lines: list[str]) -> DatasetError:
    """Return the error about the first line that is no centre."""
    expected = f"expected three numbers, or three times '{_INVALID}'"
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != 3:
            return DatasetError(f"{path}, line {number}: {expected}, found {len(words)} words")
        if words != [_INVALID] * 3 and not all(is_number(word) and math.isfinite(float(word)) for word in words):
            return DatasetError(f"{path}, line {number}: {expected}, found '{line.strip()[:60]}'")
    return DatasetError(f"{path}: {expected} on every line")
