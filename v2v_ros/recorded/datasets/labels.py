# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Label files of datasets: a line for each frame, with the name of its image and a fixed number of numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .dataset import DatasetError

_LONGEST_NAME = 48  # bytes; published names have up to 35
_ROWS = 10_000  # parsed at a time
_OVERFLOW = 2.0**128 - 2.0**103  # the smallest number that rounds to infinity in single precision


def read_labels(
    path: Path, columns: int, *, named: bool = True, skip: int = 0
) -> tuple[NDArray[np.bytes_], NDArray[np.float32]]:
    """Read a text file of labels, about 200,000 lines of 63 numbers a second, without a second copy in memory.

    Args:
        path: Path of the file; values are separated by white space, and blank lines do not count.
        columns: Number of values in a line.
        named: Whether a line starts with a name without spaces.
        skip: Number of lines at the start that are not labels.

    Returns:
        The names [F] (empty texts if there are none) and the numbers, float32 [F, columns].

    Raises:
        DatasetError: The file cannot be read, has no labels, or a line has another number of values or one that is not
            a finite number. The message names the line.
    """
    dtype = np.dtype([("name", f"S{_LONGEST_NAME}")] * named + [("values", np.float32, (columns,))])
    count = 0
    try:
        limit = _count_lines(path)
        names = np.zeros(limit, dtype["name"] if named else "S1")
        values = np.empty((limit, columns), np.float32)
        # Latin-1 decodes any file: one that is not text at all gets the message about its first line.
        with path.open(encoding="latin-1") as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*contained no data")  # blank lines, and the end
            for _ in range(skip):
                file.readline()
            while len(rows := np.loadtxt(file, dtype, comments=None, max_rows=_ROWS, ndmin=1)):
                part = slice(count, count + len(rows))
                values[part] = rows["values"]
                if named:
                    names[part] = rows["name"]
                if not np.isfinite(values[part]).all():
                    raise ValueError("not all numbers are finite")
                count += len(rows)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{path}: cannot read the labels: {error.strerror}; the folder must be laid out as in docs/datasets.md"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        message = next(bad_lines(path, columns, named=named, skip=skip), None)
        raise DatasetError(message or f"{path}: {_expected(columns, named)} on every line: {error}") from error
    if count == 0:
        raise DatasetError(f"{path}: expected a label on every line, but the file has none")
    # A name that fills its field has lost its end.
    if named and (cut := names[:count].view(np.uint8).reshape(count, -1)[:, -1] != 0).any():
        line = line_of(path, int(cut.argmax()), skip)
        raise DatasetError(f"{path}, line {line}: names of images must be shorter than {_LONGEST_NAME} bytes")
    return names[:count], values[:count]


def _count_lines(path: Path) -> int:
    """Return at least as many lines as the file has; cheap, and bounded by its size."""
    with path.open("rb") as file:
        blocks = iter(partial(file.read, 1 << 20), b"")
        return 1 + sum(block.count(b"\n") + block.count(b"\r") for block in blocks)


def bad_lines(path: Path, columns: int, *, named: bool = True, skip: int = 0) -> Iterator[str]:
    """Yield a message for every line that is not a label; the arguments are those of :func:`read_labels`.

    Raises:
        OSError: The file cannot be read.
    """
    expected = _expected(columns, named)
    with path.open("rb") as file:
        for number, line in _lines_of(file, skip):
            values = line.decode("latin-1").split()[int(named) :]
            if len(values) != columns:
                yield f"{path}, line {number}: {expected}, found {len(values)} numbers"
            elif (wrong := _not_a_number(values)) is not None:
                yield f"{path}, line {number}: {expected}, found '{wrong[:20]}'"


def _expected(columns: int, named: bool) -> str:
    return f"expected {'a name and ' if named else ''}{columns} numbers"


def line_of(path: Path, label: int, skip: int = 0) -> int:
    """Return the line, from 1, of a label, from 0: lines that are blank, or skipped at the start, are no labels."""
    with path.open("rb") as file:
        # Ends of lines may be others than those that are counted; all labels are then in line 1.
        return next((number for number, _ in islice(_lines_of(file, skip), label, None)), 1)


def _lines_of(file: BinaryIO, skip: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines with labels, and their numbers."""
    return ((number, line) for number, line in enumerate(file, 1) if number > skip and line.strip())


def is_number(word: str) -> bool:
    """Return whether a word is a number, or ``nan`` or ``inf``, as NumPy reads it."""
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word  # which Python takes: 1_0, or 05_01234, the name of a frame of ITOP


def _not_a_number(values: list[str]) -> str | None:
    """Return the first of several values that is not a finite number in single precision."""
    return next((value for value in values if not is_number(value) or not abs(float(value)) < _OVERFLOW), None)
