# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v train --network joints``: the joint refiner of weights that exist."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import CommandError, positive, print_rows

EXAMPLE = "v2v train --network joints --weights hand21_lite --output hand21_refined.safetensors"
_DRAWS, _SAMPLES = 2_000_000, 40_000
_FOREIGN = ("skeleton", "grid", "width", "depth", "sigma", "decay", "clip", "precision", "recipe", "epochs", "half")


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options that only a joint refiner has."""
    group = sub.add_argument_group("with --network joints")
    group.add_argument("--weights", metavar="WEIGHTS", help="the pose weights whose joints it refines, by name or path")
    group.add_argument("--draws", type=positive(int), metavar="N", help=f"samples drawn, with repetition ({_DRAWS})")
    group.add_argument("--peaks", type=Path, metavar="FOLDER", help="keep the inputs there (beside the output)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train it."""
    from ..model import weights
    from ..training.config import TrainingConfig, make_config
    from ..training.joints.run import train_joints
    from ..training.joints.train import JointTraining

    if options.weights is None:
        raise CommandError("--network joints needs the weights whose joints it is to refine: name them with --weights")
    given = vars(options)
    for name in _FOREIGN:
        if name in given:
            raise CommandError(f"--{name.replace('_', '-')} is not for --network joints: leave it out")
    for name in ("resume", "anneal", "config"):
        if given.get(name):
            raise CommandError(f"--{name} is not for --network joints, which is trained in one go: leave it out")
    if options.output.exists() and not options.overwrite:
        raise CommandError(f"there is '{options.output}' already: give --overwrite, or another --output")
    loaded = weights.load(options.weights)
    dataset = None
    if given.get("dataset"):
        config = loaded.config
        known = {name: given[name] for name in TrainingConfig.__dataclass_fields__ if name in given}
        known |= {"network": "pose", "grid": config.grid, "width": config.width, "depth": config.depth}
        dataset = make_config(known | {"sigma": config.sigma})
    training = JointTraining(
        draws=options.draws or _DRAWS,
        **{name: given[name] for name in ("seed", "batch", "learning_rate") if name in given},
    )
    figures = train_joints(
        options.weights,
        options.output,
        samples=given.get("samples", _SAMPLES),
        training=training,
        dataset=dataset,
        peaks=options.peaks,
        threads=options.threads or 1,
        start=given.get("start") or "",
        say=(lambda text: None) if options.quiet else (lambda text: print(text, flush=True)),
    )
    print_rows([(name, f"{value:.3f}") for name, value in figures.items()])
    print(f"weights: {options.output}")
    return figures
