# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A run's folder belongs to one process at a time, which others can see."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_LOG = logging.getLogger(__name__)
NAME = "process.json"
_TRIES, _PAUSE = 10, 0.1  # who only looks at a lock holds it for a moment


@contextmanager
def held(folder: Path, *, resumed: bool, **notes: Any) -> Iterator[None]:
    """Keep other processes out of a run's folder meanwhile; the system lets go of it when this one ends, however.

    Args:
        folder: Folder of the run; made when missing.
        resumed: Whether the run was begun before: the time of that is kept.
        notes: Facts about the run that others may want to know.

    Raises:
        ValueError: Another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / NAME, "a+", encoding="utf-8") as file:
        if not _lock(file):
            raise ValueError(f"process {_read(folder).get('pid', '')} is training in '{folder}' already: end it first")
        before = _read(folder) if resumed else {}
        now = round(time.time())
        content = {"pid": os.getpid(), "host": platform.node(), "since": now, "begun": before.get("begun", now)}
        file.truncate(0)
        file.write(json.dumps({**content, **notes}) + "\n")
        file.flush()
        yield


def _lock(file: IO[str]) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError as error:
            _LOG.warning("files cannot be locked here (%s): take care that no other process trains there", error)
            return True
        else:
            return True
    return False


def holder(folder: Path) -> tuple[dict[str, Any], bool | None]:
    """Return what the last process of a run noted, and whether it is alive: None where none has noted anything, or
    where files cannot be locked."""
    notes = _read(folder)
    if not notes:
        return notes, None
    with open(folder / NAME, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return notes, True
        except OSError:
            return notes, None
    return notes, False


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
