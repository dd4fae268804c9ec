# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a running process holds, from proc(5)."""

from __future__ import annotations

import os
import re
from pathlib import Path

_STATUS = {"rss_mb": "VmRSS", "anonymous_mb": "RssAnon", "shared_mb": "RssShmem"}
_ROLLUP = {"pss_mb": ("Pss",), "uss_mb": ("Private_Clean", "Private_Dirty")}


def holdings(process: int) -> dict[str, float | None]:
    """Memory, file handles and threads of a process.

    Returns:
        ``rss_mb``: resident memory, of which ``anonymous_mb`` is of no file and ``shared_mb`` is shared memory, such as
        the segments that a middleware exchanges messages in; ``pss_mb``: resident memory with shared pages divided by
        the number of processes that share them; ``uss_mb``: what would be free without the process; ``handles`` and
        ``threads``. In MiB; None where the system does not tell.

    Raises:
        OSError: There is no such process, or this is not Linux.
    """
    folder = Path(f"/proc/{process}")
    status = (folder / "status").read_text()
    found: dict[str, float | None] = {name: _mebibytes(status, (key,)) for name, key in _STATUS.items()}
    try:
        rollup = (folder / "smaps_rollup").read_text()
    except PermissionError:
        rollup = ""
    found |= {name: _mebibytes(rollup, keys) for name, keys in _ROLLUP.items()}
    return {**found, "handles": len(os.listdir(folder / "fd")), "threads": len(os.listdir(folder / "task"))}


def _mebibytes(text: str, keys: tuple[str, ...]) -> float | None:
    """Return the sum of some of the values of a file with lines such as ``Pss: 123 kB``."""
    values = [int(one[1]) for key in keys if (one := re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE))]
    return round(sum(values) / 1024, 3) if len(values) == len(keys) else None
