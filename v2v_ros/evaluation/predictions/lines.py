# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The lines of a file of joints: separators, titles, leading names and indices, frames marked invalid."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...recorded.datasets.labels import is_number
from ...recorded.datasets.specs import DatasetSpec

_SEPARATORS = str.maketrans(",;\t", "   ")


class PredictionFileError(ValueError):
    """A file of joints cannot be used. The message names the file, the line and what was expected."""


def parse(path: Path, spec: DatasetSpec) -> tuple[tuple[int, ...], tuple[str, ...] | None, NDArray[np.float64]]:
    """Split a file into frames, one a line.

    Returns:
        Line numbers; names of the frames if they have any; and their numbers, float64 [F, J, 3] in the file's joint
        order and units, NaN in frames that are marked invalid.

    Raises:
        PredictionFileError: A line, or the file, is not what was expected.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PredictionFileError(
            f"cannot read the file of joints '{path}': {error.strerror}; expected a text file, one frame a line"
        ) from error
    if b"\0" in content:
        raise PredictionFileError(f"{path}: not a text file; expected text, one frame a line")
    wanted = 3 * len(spec.skeleton.joint_names)
    lines: list[int] = []
    names: list[str | None] = []
    rows: list[NDArray[np.float64]] = []
    announced: int | None = None
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        tokens = line.translate(_SEPARATORS).split()
        if not tokens or tokens[0][0] in "#%":
            continue
        if not rows and announced is None:
            if len(tokens) == 1 and tokens[0].isdigit():  # a count of the frames, as in MSRA's label files
                announced = int(tokens[0])
                continue
            if len(tokens) > 1 and not any(is_number(token) or _is_invalid(token) for token in tokens):
                continue  # titles
        name, row = _frame(tokens, wanted, f"{path}, line {number}", spec, line, first=not rows)
        if rows and (name is None) != (names[0] is None):
            what = "no name" if name is None else f"a name or index, '{name}'"
            raise PredictionFileError(
                f"{path}, line {number}: {what}, unlike the lines before; expected all lines alike"
            )
        lines.append(number)
        names.append(name)
        rows.append(np.array(row))  # a million lines of Python's numbers would take gigabytes
    if announced is not None and announced != len(rows):
        raise PredictionFileError(f"{path}: the first line announces {announced} frames, but {len(rows)} follow")
    if not rows:
        raise PredictionFileError(f"{path}: no frames; expected one frame a line, {wanted} numbers each")
    given = None if names[0] is None else tuple(str(name) for name in names)
    values = np.array(rows).reshape(len(rows), -1, 3)
    return tuple(lines), None if given is None else _check_names(given, lines, path, wanted), values


def _frame(
    tokens: list[str], wanted: int, where: str, spec: DatasetSpec, line: str, *, first: bool
) -> tuple[str | None, list[float]]:
    """Name, if there is one, and numbers of a line."""
    expected = f"expected {wanted}, three for each of the {wanted // 3} joints of {spec.name}"
    if _is_invalid(tokens[-1]):
        rest = [token for token in tokens if not _is_invalid(token)]
        if len(rest) <= 1:
            return (rest[0] if rest else None), [math.nan] * wanted
    named = len(tokens) == wanted + 1 or not is_number(tokens[0])
    numbers = tokens[1:] if named else tokens
    if len(numbers) != wanted:
        after = f" after '{tokens[0]}'" if named else ""
        remedy = "is --dataset right, and is there one frame a line?"
        if _has_decimal_commas(line, wanted):
            remedy = "a comma separates numbers; if these have a decimal comma, write a point instead"
        elif first and not all(map(is_number, numbers)):
            remedy = "if these are titles, put # before them, as they have numbers in them"
        what = "numbers" if all(map(is_number, numbers)) else "words"
        raise PredictionFileError(f"{where}: {len(numbers)} {what}{after}; {expected} ({remedy})")
    wrong = next((number for number in numbers if not is_number(number)), None)
    if wrong is not None:
        raise PredictionFileError(
            f"{where}: '{wrong}' is not a number; {expected} (a frame that is left out is the word 'invalid')"
        )
    row = [float(number) for number in numbers]
    if not all(map(math.isfinite, row)):
        wrong = next(number for number in numbers if not math.isfinite(float(number)))
        raise PredictionFileError(
            f"{where}: '{wrong}'; expected finite numbers (frames without a truth are the word 'invalid' in the truth)"
        )
    return (tokens[0] if named else None), row


def _check_names(names: tuple[str, ...], lines: list[int], path: Path, wanted: int) -> tuple[str, ...] | None:
    """Return names of images, with slashes; None for indices, which count the lines."""
    if all(is_number(name) for name in names):
        first = float(names[0])
        for index, name in enumerate(names):
            if float(name) != first + index:
                raise PredictionFileError(
                    f"{path}, line {lines[index]}: {wanted + 1} numbers; expected {wanted}, or a leading index that "
                    f"counts the lines, but '{name}' does not"
                )
        return None
    names = tuple(name.replace("\\", "/") for name in names)
    seen: dict[str, int] = {}
    for line, name in zip(lines, names, strict=True):
        if name in seen:
            raise PredictionFileError(
                f"{path}, line {line}: '{name}' again, it was in line {seen[name]}; expected every frame once"
            )
        seen[name] = line
    return names


def _has_decimal_commas(line: str, wanted: int) -> bool:
    """Return whether the right number of numbers is in a line if their commas are decimal ones."""
    tokens = line.replace(";", " ").split()
    numbers = tokens if is_number(tokens[0].replace(",", ".")) else tokens[1:]
    as_written = len(numbers) in (wanted, wanted + 1) and all(is_number(each.replace(",", ".")) for each in numbers)
    return bool(re.search(r"\d,\d", line)) and (
        as_written or len(line.translate(_SEPARATORS).split()) in (2 * wanted, 2 * wanted + 1)
    )


def _is_invalid(token: str) -> bool:
    return token.lower() == "invalid"
