# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v soak``: whether the pose node grows or slows down in hours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import CommandError, Commands, command, network_options, positive
from .progress import Progress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "soak",
        run,
        "Run the real ROS nodes for long while subscribers, cameras and hands come and go, and say whether memory, "
        "file handles, threads and latency stay flat (docs/robustness.md).",
        "v2v soak --minutes 60 --output soak/",
    )
    network_options(sub)
    sub.add_argument("--minutes", type=positive(float), default=60.0, help="length, warm-up included (60)")
    text = "minutes at the beginning that do not count (10, or a third of a run of less than 30)"
    sub.add_argument("--warm-up", type=float, metavar="MINUTES", help=text)
    sub.add_argument("--rate", type=positive(float), default=30.0, help="frames a second of the camera (30)")
    sub.add_argument("--every", type=positive(float), default=60.0, help="seconds from one event to the next (60)")
    sub.add_argument("--calm", action="store_true", help="no events: nothing but images")
    sub.add_argument(
        "--pose", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of the pose node, such as filter=kalman"
    )
    sub.add_argument("--output", type=Path, metavar="FOLDER", help="write soak.json (every minute) and soak.png there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    if not all("=" in word for word in options.pose):
        raise CommandError("--pose takes NAME=VALUE, such as filter=kalman")
    pose_parameters = dict(word.split("=", 1) for word in options.pose)
    _check_names(pose_parameters)
    from ..benchmark.rig.children import ChildError
    from ..benchmark.soak.run import soak
    from ..benchmark.soak.verdict import table
    from ..evaluation.reports import plots

    with Progress(60 * options.minutes, "s", quiet=options.quiet) as bar:
        try:
            figures = soak(
                options.minutes,
                output=None if options.output is None else options.output / "soak.json",
                warm_up=options.warm_up,
                event_seconds=options.every,
                with_events=not options.calm,
                weights=options.weights or "",
                device=options.device,
                runtime=options.runtime,
                threads=options.threads,
                rate=options.rate,
                pose_parameters=pose_parameters,
                on_progress=bar.to,
            )
        except ChildError as error:
            raise CommandError(str(error)) from error
    content, verdict = figures.to_dict(), figures.verdict
    print(table(verdict))
    if options.output is not None:
        if plots.available() and figures.samples:
            from ..benchmark.soak.plot import plot

            plot(figures, options.output / "soak.png")
        plots.say_what_is_missing()
    if verdict.flat is False:
        raise CommandError("something grows: see the table", content)
    return content


def _check_names(parameters: dict[str, str]) -> None:
    from difflib import get_close_matches

    from ..nodes.support.pose_parameters import POSE_PARAMETERS

    known = [spec.name for spec in POSE_PARAMETERS]
    for name in parameters:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise CommandError(
                f"--pose: the pose node has no parameter '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
            )
