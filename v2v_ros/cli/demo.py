# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v demo``: the real nodes on a rendered hand or body."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import Commands, command, network_options, positive, print_rows
from .progress import Progress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "demo",
        run,
        "Run the real ROS nodes on a rendered hand or body and measure them against the true skeleton.",
        "v2v demo --seconds 20 --picture demo.png",
    )
    network_options(sub)
    sub.add_argument("--kind", choices=("hand", "body"), default="hand", help="what is rendered (hand)")
    sub.add_argument("--seconds", type=positive(float), default=12.0, help="length of the measurement (12)")
    sub.add_argument("--rate", type=positive(float), default=30.0, help="frames a second of the camera (30)")
    sub.add_argument("--width", type=positive(int), default=640, help="of the depth image in pixels (640)")
    sub.add_argument("--height", type=positive(int), default=480, help="of the depth image in pixels (480)")
    sub.add_argument("--picture", type=Path, default=Path("demo.png"), help="PNG to write (demo.png)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..benchmark.rig.demo import run_demo
    from ..geometry.skeletons import USUAL
    from ..model.weights import default_for

    with Progress(options.seconds, "s", quiet=options.quiet) as bar:
        result = run_demo(
            options.seconds,
            weights=options.weights or default_for(USUAL[options.kind].name),
            device=options.device,
            runtime=options.runtime,
            threads=options.threads,
            rate=options.rate,
            width=options.width,
            height=options.height,
            kind=options.kind,
            picture=options.picture,
            on_progress=bar.to,
        )
    figures = result.to_dict()
    latency, stages = figures["latency_ms"], figures["stages_ms"]
    rows = [
        ("frames", f"{figures['frames']}"),
        ("rate", f"{figures['rate_hz']:.1f} Hz"),
        (f"{options.kind} found in", f"{100 * figures['detected_share']:.1f} % of the frames"),
        ("mean joint error", "-" if figures["mean_error_mm"] is None else f"{figures['mean_error_mm']:.1f} mm"),
        ("latency p50, image to skeleton", f"{latency['p50']:.1f} ms"),
        ("latency p99, image to skeleton", f"{latency['p99']:.1f} ms"),
        *((f"  {stage}, median", f"{milliseconds:.2f} ms") for stage, milliseconds in stages.items()),
    ]
    print_rows(rows)
    if options.picture is not None:
        print(f"picture: {options.picture}")
    return figures
