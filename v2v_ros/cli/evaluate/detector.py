# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate detector``: a detector on whole images with no subject to several."""

from __future__ import annotations

import argparse
from typing import Any

from ..common import Commands, command, positive, print_rows
from ..progress import Progress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "detector",
        run,
        "Measure a detector on the whole images of scenes_1.",
        "v2v evaluate detector\n  v2v evaluate detector mine.safetensors --samples 12",
    )
    text = "name of a shipped detector or path of a file (detector)"
    sub.add_argument("weights", nargs="?", default="detector", metavar="WEIGHTS", help=text)
    sub.add_argument("--samples", type=positive(int), metavar="N", help="number of images to use, the first ones")
    sub.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (cpu)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ...evaluation import scenes
    from ...evaluation.figures import plain
    from ...model.detector import Detector
    from ...model.runtime import choose_device
    from ...model.weights import load_detector

    loaded = load_detector(options.weights)
    judged = scenes.SceneEvaluation(Detector(loaded, choose_device(options.device)))
    samples = options.samples or scenes.SAMPLES
    with Progress(samples, "images", quiet=options.quiet) as bar:
        for part in scenes.generate(samples):
            judged.add(part)
            for _ in part.units:
                bar.step()
    figures = judged.figures()
    print_rows([(name, f"{value:.3f}" if isinstance(value, float) else str(value)) for name, value in figures.items()])
    return {"weights": {"id": loaded.id, "hash": loaded.hash}, scenes.NAME: plain(figures)}
