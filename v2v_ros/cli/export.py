# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v export``: the pose network as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import DEFAULT_SKELETON, CommandError, Commands, command, print_rows

_SUFFIX = ".onnx"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "export",
        run,
        "Write the pose network as an ONNX file, occupancy grids to heatmaps (docs/formats.md).",
        "v2v export --weights hand21_lite --output hand21_lite.onnx",
    )
    sub.add_argument("--weights", metavar="WEIGHTS", help="name of shipped weights or path of a file (see 'v2v info')")
    sub.add_argument("--output", type=Path, required=True, help="file to write (.onnx)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..io.files import write_atomically
    from ..model import weights
    from ..model.runtime.export import export_onnx

    if options.output.suffix != _SUFFIX:
        raise CommandError(f"'{options.output}': ONNX files end in {_SUFFIX}: choose such a name")
    loaded = weights.load(options.weights or weights.default_for(DEFAULT_SKELETON))
    content = export_onnx(loaded)
    write_atomically(options.output, content)
    config = loaded.config
    figures: dict[str, Any] = {
        "id": loaded.id,
        "hash": loaded.hash,
        "grids": [1, *3 * (config.grid,)],
        "heatmaps": [config.joints, *3 * (config.heatmap,)],
        "joint_refiner": loaded.refiner is not None,
        "bytes": len(content),
    }
    if not options.quiet:
        shapes = {name: f"[batch, {', '.join(map(str, figures[name]))}]" for name in ("grids", "heatmaps")}
        print_rows(
            [
                ("weights", f"{loaded.id} ({loaded.hash})"),
                ("input", f"grids uint8 {shapes['grids']}"),
                ("output", f"heatmaps float32 {shapes['heatmaps']}"),
                *([("", "points, covariances, scores, subject, left: docs/formats.md")] if loaded.refiner else []),
                ("written", f"{options.output}, {len(content) / 1e6:.1f} MB"),
            ]
        )
    return figures
