# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A sample of a long run, and what a running process holds by proc(5)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..results import Result, TimePercentiles

_STATUS = {"rss_mb": "VmRSS", "anonymous_mb": "RssAnon", "shared_mb": "RssShmem"}
_ROLLUP = {"pss_mb": ("Pss",), "uss_mb": ("Private_Clean", "Private_Dirty")}


@dataclass(frozen=True, kw_only=True)
class Holdings(Result):
    """Memory in MiB, file handles and threads of a process; None where the system does not tell.

    Attributes:
        rss_mb: Resident memory, of which ``anonymous_mb`` is of no file and ``shared_mb`` is shared memory, such as the
            segments that a middleware exchanges messages in.
        pss_mb: Resident memory with shared pages divided by the number of processes that share them.
        uss_mb: Memory that would be free without the process.
        handles, threads: Number of open files and of threads.
    """

    rss_mb: float | None
    anonymous_mb: float | None
    shared_mb: float | None
    pss_mb: float | None = None
    uss_mb: float | None = None
    handles: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class Sample(Holdings):
    """What the pose node held, and what it did since the sample before.

    Attributes:
        at: Time since the beginning in seconds.
        seconds: Time since the sample before.
        event: Name of the event that went on; empty: none.
        cores, others_cores: Cores that the node used, and that all others used; None where the system does not tell.
        images, answers, found: Number of images of the camera, of their answers, and of those with a skeleton.
        markers, transforms: Number of messages.
        published, lost, dropped: Number of images published between two answers, lost on the way, and dropped by the
            node.
        latency_ms: Times from an image's stamp to its skeletons; None without answers.
    """

    at: float
    seconds: float
    event: str
    cores: float
    others_cores: float | None
    images: int
    answers: int
    found: int = 0
    markers: int = 0
    transforms: int = 0
    published: int
    lost: int
    dropped: int
    latency_ms: TimePercentiles | None


@dataclass(frozen=True)
class SoakEvent(Result):
    """Something that happened to the node; times are seconds since the beginning, and 0 while it goes on."""

    name: str
    at: float
    seconds: float = 0.0


def holdings(process: int) -> Holdings:
    """Return memory, file handles and threads of a process.

    Raises:
        OSError: There is no such process, or this is not Linux.
    """
    folder = Path(f"/proc/{process}")
    status = (folder / "status").read_text()
    found = {name: _mebibytes(status, (key,)) for name, key in _STATUS.items()}
    try:
        rollup = (folder / "smaps_rollup").read_text()
    except PermissionError:
        rollup = ""
    found |= {name: _mebibytes(rollup, keys) for name, keys in _ROLLUP.items()}
    return Holdings(**found, handles=len(os.listdir(folder / "fd")), threads=len(os.listdir(folder / "task")))


def _mebibytes(text: str, keys: tuple[str, ...]) -> float | None:
    """Return the sum of some of the values of a file with lines such as ``Pss: 123 kB``."""
    values = [int(one[1]) for key in keys if (one := re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE))]
    return round(sum(values) / 1024, 3) if len(values) == len(keys) else None
