# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v representations``: the paper's comparison of what goes into a network and what comes out."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path
from typing import Any

from .common import Commands, command, positive, write_figures

# Those of the networks, whose module takes seconds to import.
_NAMES = ("pixel-to-coordinates", "pixel-to-voxel", "voxel-to-coordinates", "voxel-to-voxel")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "representations",
        run,
        "Compare depth image or voxels in, coordinates or voxels out: train four small networks on the same synthetic "
        "hands and print the table. Interrupted, it goes on when called again; when all is trained, it only prints.",
        "v2v representations --output comparison\n"
        "  v2v representations --output comparison --seeds 1    # beside '--seeds 0': two processes share the work\n"
        "  v2v representations --output small --grid 32 --samples 5000 --only voxel-to-voxel",
    )
    sub.add_argument("--output", type=Path, required=True, help="folder for results, table and plot")
    sub.add_argument("--seeds", type=_seed, nargs="+", default=[0, 1], metavar="N", help="to train with (0 1)")
    sub.add_argument("--only", choices=_NAMES, nargs="+", default=list(_NAMES), help="train these only (all four)")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")

    def value(name: str, kind: Any, text: str) -> None:
        sub.add_argument(name, type=kind, default=argparse.SUPPRESS, help=text)

    value("--samples", positive(int), "seen by every network (40000)")
    value("--grid", positive(int), "cells per axis (48)")
    value("--width", positive(int), "channels at the front of voxel-to-voxel; the others follow (8)")
    value("--sigma", positive(float), "of the target, in heatmap cells (1.7)")
    value("--batch", positive(int), "samples a step (8)")
    value("--learning-rate", positive(float), "the highest where heatmaps come out (0.02)")
    value("--coordinate-learning-rate", positive(float), "the highest where coordinates come out (0.005)")
    value("--held-out", positive(int), "samples to judge on (1024)")
    value("--precision", str, "auto, bf16-mixed, 16-mixed or 32-true (auto: bf16-mixed where it is fast)")


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {text}")
    return seed


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..io.files import write_atomically
    from ..model.runtime import choose_device
    from ..training.precision import choose_precision
    from ..training.representations import comparison
    from ..training.representations.config import ComparisonConfig, folder_config
    from ..training.representations.training import train_representation

    folder: Path = options.output
    given = {name: value for name, value in vars(options).items() if name in ComparisonConfig.__dataclass_fields__}
    config, device = folder_config(folder, given), choose_device(options.device)
    if note := choose_precision(config.precision, config.grid, device.type)[1]:
        logging.getLogger(__name__).warning("%s", note)
    write_atomically(folder / "config.json", config.to_json().encode())
    for name, seed in comparison.missing(folder, options.only, options.seeds):
        result = train_representation(config, name, seed, folder, device, progress=not options.quiet)
        print(f"{name}, seed {seed}: {result['mean_mm']:.2f} mm", flush=True)
    figures = comparison.summarize(config, folder, comparison.trained_seeds(folder), device)
    _write(figures, folder)
    return figures


def _write(figures: dict[str, Any], folder: Path) -> None:
    from ..io.files import write_atomically
    from ..training.representations.comparison import csv_table, learning_curves, table

    text = table(figures)
    print(text)
    write_atomically(folder / "representations.csv", csv_table(figures).encode())
    write_figures(folder, "representations", text, figures, partial(learning_curves, figures))
