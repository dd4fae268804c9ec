# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate calibrate``: fit what scores and covariances mean, into the weights' file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..common import Commands, command, network_options, positive
from .common import part_progress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "calibrate",
        run,
        "Fit scores and covariances on synthetic samples that are in no test set, and write them into the weights' "
        "file.",
        "v2v evaluate calibrate --weights my.safetensors",
    )
    network_options(sub, required=True, read_out=False)
    sub.add_argument("--samples", type=positive(int), metavar="N", help="number of samples to use, the first ones")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ...evaluation.reports import tables
    from ...evaluation.synthetic import calibrate
    from ...evaluation.synthetic_sets import CALIBRATION_SETS
    from ...model import weights

    path = weights.find(options.weights)
    loaded = weights.load(path)
    with part_progress(CALIBRATION_SETS[loaded.skeleton.kind], options) as bar:
        fitted = calibrate(
            loaded,
            device=options.device,
            runtime=options.runtime,
            threads=options.threads,
            samples=options.samples,
            tick=bar.step,
        )
    assert fitted.calibration is not None
    weights.save(fitted, path, half=_half(path))
    fits = {"peaks": fitted.calibration}
    if fitted.refiner is not None and fitted.refiner.calibration is not None:
        fits["refiner"] = fitted.refiner.calibration
    content = {name: calibration.to_dict() for name, calibration in fits.items()}
    for name, columns in content.items():
        rows = zip(*columns.values(), strict=True)
        texts = [("", f"{confidence:.3f}", f"{score:.3f}", f"{factor:.3g}") for confidence, score, factor in rows]
        print("\n".join(tables.aligned([(name, "confidence", "score", "variance factor"), *texts])))
    print(f"written into {path}")
    return content


def _half(path: Path) -> bool:
    """Return whether a weights file holds half precision, which it is to keep."""
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return any(file.get_tensor(name).dtype == torch.float16 for name in file.keys())  # noqa: SIM118
