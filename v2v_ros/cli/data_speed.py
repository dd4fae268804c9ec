# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data speed``: how fast a dataset is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..recorded.datasets import NAMES
from .common import CommandError, Commands, command, positive


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "speed",
        run,
        "Time the reader of a dataset on one core, in frames a second, and that of its cache (docs/datasets.md).",
        "v2v data speed nyu --data NYU/ --cache cache/nyu",
    )
    sub.add_argument("dataset", choices=NAMES, metavar="NAME", help=f"of the dataset: {', '.join(NAMES)}")
    sub.add_argument("--data", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    sub.add_argument("--cache", type=Path, metavar="FOLDER", help="time its cache as well")
    sub.add_argument("--split", choices=("train", "test"), default="train", help="of the dataset (train)")
    sub.add_argument("--subject", type=int, metavar="N", help="msra: the subject that is tested on, 0 to 8 (0)")
    sub.add_argument("--frames", type=positive(int), default=100, metavar="N", help="how many different ones (100)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..recorded.datasets.registry import open_dataset
    from ..recorded.datasets.speed import REQUIRED, frames_per_second

    name, subject = options.dataset, options.subject
    if not options.data.is_dir():
        raise CommandError(f"the folder '{options.data}' does not exist: name that of {name} with --data")
    if name == "msra" and subject is None:
        subject = 0
    elif name != "msra" and subject is not None:
        raise CommandError(f"--subject is for msra, but this is {name}: leave it out")
    figures: dict[str, Any] = {"required_frames_per_second": REQUIRED, "readers": {}}
    for kind, cache in (("files", None), ("cache", options.cache)):
        if kind == "cache" and cache is None:
            continue
        dataset = open_dataset(name, options.data, options.split, test_subject=subject, cache=cache)
        speed = frames_per_second(dataset, frames=options.frames)
        figures["readers"][f"{name} {kind}"] = speed.to_dict()
        print(f"{name:10} {kind:6} {speed.frames_per_second:8,.0f} frames/s of {speed.frames}", flush=True)
    return figures
