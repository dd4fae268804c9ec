# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v benchmark``: how long every stage takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import DEFAULT_SKELETON, Commands, command, network_options, positive, write_figures
from .progress import Progress

if TYPE_CHECKING:
    from ..benchmark import BenchmarkPlan

_EXAMPLE = """v2v benchmark --output benchmark/
  v2v benchmark --full --ros 30,90 --output benchmark/
  v2v benchmark --networks full --runtimes torch,openvino --batches 1,4 --subjects 1..4"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "benchmark",
        run,
        "Time every stage of a frame on this machine, and what the machine could do at best (docs/performance.md).",
        _EXAMPLE,
    )
    network_options(sub)
    sub.add_argument("--frames", type=positive(int), default=100, help="timed frames of each kind (100)")
    sub.add_argument("--output", type=Path, metavar="FOLDER", help="write benchmark.txt, .json and .png there")
    sub.add_argument("--full", action="store_true", help="compare all that is there: minutes, many on a slow machine")
    sub.add_argument(
        "--runtimes", type=_names, help="to compare, such as torch,openvino (default: the one that is used)"
    )
    sub.add_argument(
        "--networks",
        type=_names,
        help="lite, full (the paper's size; random weights where none are shipped), weights (default: --weights)",
    )
    sub.add_argument("--batches", type=_numbers(int), metavar="1,2,4", help="grids at once (1)")
    sub.add_argument("--devices", type=_names, help="to compare networks on, such as cpu,cuda (default: --device)")
    sub.add_argument("--subjects", type=_numbers(int), metavar="1..8", help="numbers of subjects in a frame (1)")
    sub.add_argument(
        "--ros",
        type=_numbers(float),
        nargs="?",
        const=(30.0,),
        default=(),
        metavar="RATES",
        help="measure the nodes over DDS as well, at these rates of the camera in Hz (30)",
    )
    sub.add_argument("--seconds", type=positive(float), default=12.0, help="with --ros: time at each rate (12)")


def _names(text: str) -> tuple[str, ...]:
    """Argument type for words with commas between."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not names:
        raise argparse.ArgumentTypeError("must be names with commas between")
    return names


def _numbers(kind: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    """Argument type for numbers above zero: ``1,2,4`` or ``1..8``."""

    def parse(text: str) -> tuple[float, ...]:
        first, dots, last = text.partition("..")
        words = map(str, range(int(first), int(last) + 1)) if dots else text.split(",")
        values = tuple(sorted({kind(word) for word in words}))
        if not values or not values[0] > 0:
            raise argparse.ArgumentTypeError(f"must be numbers above zero, such as 1,2,4 or 1..8, got '{text}'")
        return values

    parse.__name__ = "list of numbers"
    return parse


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..benchmark import run_benchmark
    from ..benchmark.report import text

    plan = _plan(options)
    with Progress(plan.steps, "step", quiet=options.quiet) as bar:
        figures = run_benchmark(plan, bar.step)
    content, report = figures.to_dict(), text(figures)
    print(report)
    if options.output is not None:
        from ..benchmark.plot import plot

        write_figures(options.output, "benchmark", report, content, partial(plot, figures))
    return content


def _plan(options: argparse.Namespace) -> BenchmarkPlan:
    """Return the plan by the options; with ``--full``, those that are not given cover everything."""
    from ..benchmark import BenchmarkPlan
    from ..benchmark.suite import everything
    from ..model.weights import default_for

    given = {
        name: getattr(options, name)
        for name in ("networks", "runtimes", "batches", "devices", "subjects")
        if getattr(options, name) is not None
    }
    weights = options.weights or default_for(DEFAULT_SKELETON)
    return BenchmarkPlan(
        weights,
        device=options.device,
        runtime=options.runtime,
        threads=options.threads,
        frames=options.frames,
        ros_rates=options.ros,
        ros_seconds=options.seconds,
        **({**everything(weights), **given} if options.full else given),
    )
