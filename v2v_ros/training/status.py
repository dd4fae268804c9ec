# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where the runs below a folder stand, from the files that they write; nothing of a run is locked or changed."""

from __future__ import annotations

import csv
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .lock import holder

_RUN, _CONFIG = "_run", "config.json"
_RECENT = 50  # rows of figures, one every 20 steps, that the samples a second are taken over
_WATCHED = ("metrics.csv", "last.ckpt", "validations.json")


@dataclass(frozen=True)
class Status:
    """State of a run.

    Attributes:
        name: Name of its weights.
        folder: Folder of the run.
        config: Configuration of the run, as it is in its file.
        samples: Number of samples seen so far, as of the last figures written.
        curve: Figures of all validations, each with ``samples``.
        rate: Samples a second lately, validations left out; None before there are figures.
        begun: Time at which the run began, seconds since 1970; None: not known.
        since: Time at which its last process started, seconds since 1970; None: not known.
        written: Time at which its files were last written, seconds since 1970.
        pid, host: Process number and host name of its last process; None and empty: it noted nothing.
        alive: Whether that process is at work; None: not known.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    samples: int
    curve: list[dict[str, float]]
    rate: float | None
    begun: float | None
    since: float | None
    written: float
    pid: int | None
    host: str
    alive: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Return the same for a file."""
        return {**vars(self), "folder": str(self.folder)}


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of all runs below a folder, which may be a run's own; hidden folders are passed by."""
    found = []
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if Path(path).resolve().name.endswith(_RUN) and _CONFIG in files:
            found.append(Path(path))
            folders.clear()
    return found


def read_status(folder: Path) -> Status:
    """Return where the run of a folder stands.

    Raises:
        ValueError: A file is not what ``v2v train`` writes.
        OSError: A file cannot be read.
    """
    config = _json(folder / _CONFIG, dict)
    curve = _json(folder / "validations.json", list) if (folder / "validations.json").is_file() else []
    notes, alive = holder(folder)
    together = notes.get("samples_per_step", config.get("batch", 1))
    rows = _rows(folder)
    steps = 1 + max((int(row["step"]) for row in rows), default=-1)
    last = max((int(point["samples"]) for point in curve), default=0)
    written = max(path.stat().st_mtime for path in _files(folder))
    return Status(
        name=folder.resolve().name.removesuffix(_RUN),
        folder=folder,
        config=config,
        samples=max(steps * together, last),
        curve=curve,
        rate=_rate(rows, together),
        begun=_begun(folder, notes.get("begun")),
        since=notes.get("since"),
        written=written,
        pid=notes.get("pid"),
        host=notes.get("host", ""),
        alive=alive,
    )


def _json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not JSON ({error})") from error
    if not isinstance(content, kind):
        raise ValueError(f"'{path}' is not what 'v2v train' writes")
    return content


def _files(folder: Path) -> Iterator[Path]:
    """Yield the run's own files, the configuration among them."""
    yield folder / _CONFIG
    for name in _WATCHED:
        yield from (path for path in (folder / name, *folder.glob(f"resumed_*/{name}")) if path.is_file())


def _rows(folder: Path) -> list[dict[str, str]]:
    """Return the last rows of the run's figures that tell its pace."""
    tables = [path for path in _files(folder) if path.name == "metrics.csv"]
    if not tables:
        return []
    with open(max(tables, key=lambda path: path.stat().st_mtime), encoding="utf-8", newline="") as file:
        # A row that is being written lacks columns; those of validations lack figures.
        return list(deque((row for row in csv.DictReader(file) if row.get("rate/trained") and row["step"]), _RECENT))


def _rate(rows: list[dict[str, str]], together: int) -> float | None:
    """Return the samples a second over these rows, whose own are since the run was begun."""
    if not rows:
        return None
    (samples, seconds), (before, then) = (_pace(row, together) for row in (rows[-1], rows[0]))
    return (samples - before) / (seconds - then) if seconds > then and samples > before else samples / seconds


def _pace(row: dict[str, str], together: int) -> tuple[float, float]:
    """Return the samples seen, and the seconds of training that they took."""
    samples = (int(row["step"]) + 1) * together
    return samples, samples / float(row["rate/trained"])


def _begun(folder: Path, noted: float | None) -> float | None:
    """When the run was begun, as noted; before there were notes, as TensorBoard's files have it in their names."""
    parts = [path.name.split(".") for path in folder.glob("tensorboard/events.out.tfevents.*")]
    times = [float(part[3]) for part in parts if len(part) > 3 and part[3].isdecimal()]
    return min([*times, *([] if noted is None else [noted])], default=None)


def run_text(status: Status, points: int, now: float | None = None) -> str:
    """Return a run for people to read.

    Args:
        points: Number of points of the learning curve to show, the last ones.
        now: Seconds since 1970; None: the clock's.
    """
    now = time.time() if now is None else now
    config = status.config
    size = f"{config.get('network')} network, grid {config.get('grid')}, width {config.get('width')}"
    end = config.get("samples")
    length = f"{config['epochs']} epochs" if config.get("epochs") else f"{end:,}" if end else "no end"
    process = "not known: the run has noted none"
    if status.alive is not None:
        process = f"{status.pid} on {status.host} is at work" if status.alive else "none is at work"
    lines = [
        f"{status.name}: {config.get('skeleton')}, {size}, schedule {config.get('schedule', 'cosine')}",
        f"  samples    {status.samples:,} ({length})",
        *([f"  last       {_point(status.curve[-1])}"] if status.curve else []),
        f"  samples/s  {'-' if status.rate is None else f'{status.rate:.1f}'}",
        f"  begun      {_when(status.begun, now)}",
        *([f"  started    {_when(status.since, now)}"] if status.since is not None else []),
        f"  written    {_when(status.written, now)}",
        f"  process    {process}",
    ]
    lines += [f"  curve      {_point(point)}" for point in status.curve[-points:]]
    return "\n".join(lines)


def _point(point: dict[str, float]) -> str:
    error, median = (point.get(f"val/{name}_mm", float("nan")) for name in ("error", "median"))
    return f"{point['samples']:,.0f} samples: mean error {error:.1f} mm, median {median:.1f} mm"


def _when(moment: float | None, now: float) -> str:
    if moment is None:
        return "not known"
    minutes, seconds = divmod(max(0, round(now - moment)), 60)
    ago = f"{seconds} s" if not minutes else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    return f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(moment))} ({ago} ago)"
