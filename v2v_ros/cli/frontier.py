# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v frontier``: which of several networks is near and fast."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from .common import Commands, command, network_options, positive, write_figures
from .progress import Progress

_EXAMPLE = "v2v frontier --weights hand21_lite other.safetensors --output frontier/"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "frontier",
        run,
        "Compare networks: errors on the same synthetic crops, and times on this machine, turn by turn.",
        _EXAMPLE,
    )
    network_options(sub, several=True)
    sub.add_argument("--samples", type=positive(int), help="number of samples of the test set, from the first on")
    sub.add_argument("--rounds", type=positive(int), default=60, help="turns in which each is timed (60)")
    sub.add_argument("--output", type=Path, metavar="FOLDER", help="write frontier.txt, .json and .png there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..benchmark.frontier import measure, table
    from ..evaluation.synthetic_sets import SETS, part_count
    from ..model.weights import default_for, load
    from .common import DEFAULT_SKELETON

    names = options.weights or [default_for(DEFAULT_SKELETON)]
    skeleton = load(names[0]).skeleton
    test_set = next(each for each in SETS.values() if each.skeleton == skeleton and each.form == "crops")
    with Progress(part_count(test_set, options.samples), "part", quiet=options.quiet) as bar:
        figures = measure(
            names,
            test_set,
            device=options.device,
            runtime=options.runtime,
            threads=options.threads,
            samples=options.samples,
            rounds=options.rounds,
            tick=bar.step,
        )
    content, text = figures.to_dict(), table(figures)
    print(text)
    if options.output is not None:
        from ..benchmark.frontier import plot

        write_figures(options.output, "frontier", text, content, partial(plot, figures))
    return content
