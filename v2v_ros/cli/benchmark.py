"""``v2v benchmark``: how long every stage takes."""

from __future__ import annotations

import argparse
from typing import Any

from ..progress import Progress
from .common import DEFAULT_SKELETON, Commands, command, network_options, positive, print_rows


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "benchmark",
        run,
        "Time every stage of a frame on this machine, without ROS.",
        "v2v benchmark --frames 300 --json benchmark.json",
    )
    network_options(sub)
    sub.add_argument("--frames", type=positive(int), default=100, help="timed frames of each kind (100)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..benchmark import STAGES, benchmark, frames_in_all
    from ..weights import default_for

    weights = options.weights or default_for(DEFAULT_SKELETON)
    with Progress(frames_in_all(options.frames), "frame", quiet=options.quiet) as bar:
        figures = benchmark(weights, device=options.device, frames=options.frames, tick=bar.step)
    print_rows([(name, str(value)) for name, value in figures["machine"].items()])
    print(f"\n{'milliseconds':14}" + "".join(f"{kind:>30}" for kind in ("tracking p50/p90/p99", "searching")))
    for stage in STAGES:
        cells = [
            " / ".join(f"{figures[kind][stage][q]:.2f}" for q in ("p50", "p90", "p99"))
            for kind in ("tracking", "searching")
        ]
        print(f"{stage:14}" + "".join(f"{cell:>30}" for cell in cells))
    network = figures["network_ms"]
    print(f"\nnetwork alone: {network['runtime']} ms, {network['ratio']} times as fast as plain float32 PyTorch")
    print(f"a tracked frame takes {100 * figures['camera_share']:.0f} % of the time between two frames at 30 Hz")
    return figures
