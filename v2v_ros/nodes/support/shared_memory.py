"""Shared memory that Fast DDS leaves behind when its process is killed, and nobody else would ever remove."""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

_SEGMENT = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}")  # of a participant: half a megabyte, or as its profile says
_FRESH = 10.0  # seconds; a younger one may be in the making


def remove_remains(folder: Path = Path("/dev/shm")) -> int:
    """Remove the segments whose process has ended, as ``fastdds shm clean`` does; returns how many.

    A living process holds a lock on the file ``<segment>_el``. What cannot be removed, such as another user's, stays.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none of this
        return 0
    removed = 0
    for lock in folder.glob("fast*_el"):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        if not _SEGMENT.fullmatch(segment.name):
            continue
        with suppress(OSError):
            found = lock.lstat()  # everybody may write there: a pipe would hold us up for ever
            if not stat.S_ISREG(found.st_mode) or time.time() - found.st_mtime < _FRESH:
                continue
            with open(os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while the process lives
                segment.unlink(missing_ok=True)
                lock.unlink()
                removed += 1
    return removed
