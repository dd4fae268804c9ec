"""All lines of a label file that are not labels, where its reader stops at the first one."""

from __future__ import annotations

import numpy as np

from .parts import LabelFile


def bad_lines(file: LabelFile) -> list[str]:
    """A message for every line that is not as it must be, and one if the file is missing."""
    if not file.path.is_file():
        # Without its folder the reader's own message tells more.
        return [f"{file.path}: the label file is missing"] if file.path.parent.is_dir() else []
    expected = f"expected {'a name and ' if file.named else ''}{file.columns} numbers"
    found = []
    with file.path.open(encoding="latin-1") as lines:
        for number, line in enumerate(lines, start=1):
            values = line.split()[int(file.named) :]
            if number <= file.skip or not line.strip():
                continue
            if len(values) != file.columns:
                found.append(f"{file.path}, line {number}: {expected}, found {len(values)} numbers")
            elif not _are_numbers(values):
                found.append(f"{file.path}, line {number}: {expected}, found something else")
    return found


def _are_numbers(values: list[str]) -> bool:
    try:
        return bool(np.isfinite(np.array(values, np.float64)).all())
    except ValueError:
        return False
