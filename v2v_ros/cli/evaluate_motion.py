"""``v2v evaluate --motion``: how steady and how quick the filters make skeletons."""

from __future__ import annotations

import argparse
from typing import Any

from .common import CommandError
from .progress import Progress

EXAMPLES = "v2v evaluate --motion --json motion.json"
_TITLES = {"none": "raw", "kalman": "kalman", "one_euro": "one_euro"}


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the option for subjects in motion."""
    group = sub.add_argument_group(
        "subjects in motion",
        "Compare the filters on the network's joints of hands and bodies at rest and in motion, rendered at 30 Hz "
        "(docs/studies/filtering.md).",
    )
    group.add_argument("--motion", action="store_true", help="of --weights, or of the shipped hand and body")


def run_motion(options: argparse.Namespace) -> dict[str, Any]:
    """Print the figures of all filters."""
    for name in (
        "data",
        "dataset",
        "predictions",
        "truth",
        "test_set",
        "frames",
        "tracks",
        "filter",
        "samples",
        "output",
    ):
        if getattr(options, name) is not None:
            raise CommandError(f"--motion has sequences of its own: leave --{name.replace('_', '-')} out")
    for name in ("calibrate", "record", "write"):
        if getattr(options, name):
            raise CommandError(f"--motion and --{name} are two different things to do: choose one")

    from ..estimator import PoseEstimator
    from ..evaluation.motion import evaluate_motion, frame_count
    from ..model import weights

    figures: dict[str, Any] = {}
    for source in options.weights or [weights.default_for(name) for name in ("hand21", "body15")]:
        estimator = PoseEstimator(
            source,
            device=options.device,
            runtime=options.runtime,
            threads=options.threads,
            read_out=options.read_out,
            detector_weights=_center(options),
        )
        with Progress(frame_count(), "frame", quiet=options.quiet) as bar:
            result = evaluate_motion(estimator, bar.step)
        print(f"{estimator.weights_id} ({estimator.weights_hash})")
        print(table(result), end="\n\n", flush=True)
        figures[str(source)] = {"weights": {"id": estimator.weights_id, "hash": estimator.weights_hash}, **result}
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures for people to read."""
    heads = ["filter", "jitter", "/raw", "spread", "/raw", "still", "swing", "shuttle", "gestures", "lag", "velocity"]
    rows = []
    for name, row in figures["filters"].items():
        error, speed = row["error_mm"], row["velocity_error_ms"]
        rows.append(
            [
                _TITLES[name],
                f"{row['jitter_mm']:.2f} mm",
                f"1/{row['jitter_ratio']:.1f}",
                f"{row['spread_mm']:.2f} mm",
                f"1/{row['spread_ratio']:.1f}",
                *(f"{error[motion]:.2f} mm" for motion in ("still", "swing", "shuttle", "gestures")),
                f"{row['lag_ms']:.1f} ms",
                "-" if speed is None else f"{speed:.2f} m/s",
            ]
        )
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows)]
    missed, frames = figures["frames_with_missed_joints"], figures["frames"]
    return "\n".join([*lines, f"joints were missed in {missed} of {frames} frames"])


def _center(options: argparse.Namespace) -> str | None:
    return None if options.detector_weights == "none" else options.detector_weights
