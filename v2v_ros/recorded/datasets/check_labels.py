"""All lines of a label file that are not labels, where its reader stops at the first one."""

from __future__ import annotations

from . import labels
from .parts import LabelFile


def bad_lines(file: LabelFile) -> list[str]:
    """A message for every line that is not as it must be, and one if the file is missing or cannot be read."""
    try:
        if not file.path.exists():
            # Without its folder the reader's own message tells more.
            return [f"{file.path}: the label file is missing"] if file.path.parent.is_dir() else []
        return list(labels.bad_lines(file.path, file.columns, named=file.named, skip=file.skip))
    except OSError as error:
        return [f"{file.path}: cannot be read: {error.strerror}"]
