# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v runs``: where trainings stand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import CommandError, Commands, command, positive


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "runs",
        run,
        "Say where the runs of 'v2v train' below a folder stand: samples, error, samples a second, since when, whether "
        "a process is at work, and the end of the learning curve. Nothing is changed.",
        "v2v runs ../trainings",
    )
    sub.add_argument("folder", type=Path, nargs="?", default=Path(), help="where to look (here)")
    sub.add_argument("--points", type=positive(int), default=5, help="of the learning curve, the last ones (5)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..training.status import find_runs, read_status, run_text

    if not options.folder.is_dir():
        raise CommandError(f"there is no folder '{options.folder}'")
    runs = [read_status(folder) for folder in find_runs(options.folder)]
    if not runs:
        raise CommandError(f"there is no run of 'v2v train' below '{options.folder}'")
    print("\n\n".join(run_text(status, options.points) for status in runs))
    return {"runs": [status.to_dict() for status in runs]}
