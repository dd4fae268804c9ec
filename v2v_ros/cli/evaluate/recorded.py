# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate recorded``: weights on recorded frames that nobody labelled."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..common import DEFAULT_SKELETON, Commands, command, network_options
from ..progress import Progress
from .common import detector_option, make_estimator, output_option, write_text


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "recorded",
        run,
        "Run weights on recorded frames without labels, each alone: whether a subject is found, and whether its "
        "joints are where the camera saw something.",
        "v2v evaluate recorded recorded.json --output report/",
    )
    sub.add_argument("frames", type=Path, nargs="+", metavar="FRAMES.json", help="lists of frames (docs/formats.md)")
    network_options(sub)
    detector_option(sub)
    sub.add_argument("--side", choices=("either", "right", "left"), default="either", help="of the hands (either)")
    sub.add_argument("--score-threshold", type=float, metavar="SCORE", help="report subjects from this score on")
    output_option(sub)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ...evaluation.recorded import evaluate_frames
    from ...evaluation.reports import tables
    from ...evaluation.reports.contact_sheet import contact_sheet
    from ...geometry.estimate import SIDES
    from ...io import draw
    from ...model.weights import default_for
    from ...recorded.frames import load_frame_list

    source = options.weights or default_for(DEFAULT_SKELETON)
    side = SIDES[options.side]
    estimator = make_estimator(options, source, side=side, score_threshold=options.score_threshold)
    figures: dict[str, Any] = {"weights": {"id": estimator.weights_id, "hash": estimator.weights_hash}, "frames": {}}
    for path in options.frames:
        with Progress(len(load_frame_list(path)), "frame", quiet=options.quiet) as bar:
            result, tiles = evaluate_frames(estimator, path, bar.step)
        rows = figures["frames"][str(path)] = result.to_dict()
        print(tables.frames_report(path.stem, rows), end="\n\n", flush=True)
        if options.output is not None:
            for name, content in tables.csv_tables(rows):
                write_text(options.output / f"{path.stem}_{name}.csv", content)
        if tiles:
            picture = (options.output or Path()) / f"{path.stem}.png"
            draw.save_png(picture, contact_sheet(tiles, estimator.skeleton))
            print(f"picture: {picture}")
    return figures
