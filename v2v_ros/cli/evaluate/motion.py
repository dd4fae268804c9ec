# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate motion``: how steady and how quick the filters make skeletons."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from ..common import Commands, command, network_options
from ..progress import Progress
from .common import detector_option, make_estimator

if TYPE_CHECKING:
    from ...evaluation.motion import MotionFigures


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "motion",
        run,
        "Compare the filters on the network's joints of hands and bodies at rest and in motion, rendered at 30 Hz "
        "(docs/tracking.md), with the weights or with the shipped ones of a hand and a body.",
        "v2v evaluate motion --json motion.json",
    )
    network_options(sub, several=True)
    detector_option(sub)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ...evaluation.motion import evaluate_motion, frame_count
    from ...model import weights

    figures: dict[str, Any] = {}
    for source in options.weights or [weights.default_for(name) for name in ("hand21", "body15")]:
        estimator = make_estimator(options, source)
        with Progress(frame_count(), "frame", quiet=options.quiet) as bar:
            result = evaluate_motion(estimator, bar.step)
        print(f"{estimator.weights_id} ({estimator.weights_hash})")
        print(table(result), end="\n\n", flush=True)
        described = {"id": estimator.weights_id, "hash": estimator.weights_hash}
        figures[str(source)] = {"weights": described, **result.to_dict()}
    return figures


def table(figures: MotionFigures) -> str:
    """Return the figures for people to read."""
    from ...evaluation.motion import MOTIONS
    from ...evaluation.reports.tables import aligned

    heads = ["filter", "jitter", "/raw", "spread", "/raw", *MOTIONS, "lag", "velocity"]
    rows = [
        [
            "raw" if name == "none" else name,
            f"{row.jitter_mm:.2f} mm",
            f"1/{row.jitter_ratio:.1f}",
            f"{row.spread_mm:.2f} mm",
            f"1/{row.spread_ratio:.1f}",
            *(f"{row.error_mm[motion]:.2f} mm" for motion in MOTIONS),
            f"{row.lag_ms:.1f} ms",
            "-" if math.isnan(row.velocity_error_ms) else f"{row.velocity_error_ms:.2f} m/s",
        ]
        for name, row in figures.filters.items()
    ]
    missed = f"joints were missed in {figures.frames_with_missed_joints} of {figures.frames} frames"
    return "\n".join([*aligned([heads, *rows]), missed])
