# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v import``: weights from checkpoints of the PyTorch re-implementation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import CommandError, Commands, command, positive, print_rows


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "import",
        run,
        "Turn a checkpoint of the PyTorch re-implementation of V2V-PoseNet into weights (docs/import.md).",
        "v2v import checkpoint/epoch14.pth --output msra_s3.safetensors --skeleton hand21\n"
        "  v2v import itop.pth --output itop.safetensors --skeleton body15",
    )
    sub.add_argument("checkpoint", type=Path, help="file written by torch.save; only tensors are read from it")
    sub.add_argument("--output", type=Path, required=True, help="weights file to write (.safetensors)")
    sub.add_argument("--skeleton", required=True, help="what its heatmaps stand for; 'v2v info' lists them")
    sub.add_argument(
        "--cube-edge",
        type=positive(float),
        metavar="M",
        help="of the cubes it was trained on, metres (the paper's: hand21 and hand16 0.2, hand14 0.25, body15 2)",
    )
    sub.add_argument(
        "--y-axis",
        choices=("up", "down"),
        default="up",
        help="where y pointed in its training points; up with its readers of MSRA and ITOP (up)",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..geometry.skeletons import get_skeleton
    from ..model import weights
    from ..training.importer import import_checkpoint

    if options.output.suffix != weights.SUFFIX:
        raise CommandError(f"'{options.output}': weights files end in {weights.SUFFIX}: choose such a name")
    imported = import_checkpoint(
        options.checkpoint,
        options.output.name.removesuffix(weights.SUFFIX),
        get_skeleton(options.skeleton),
        cube_edge=options.cube_edge,
        y_axis=options.y_axis,
    )
    weights.save(imported, options.output)
    written = weights.load(options.output)
    parameters = sum(parameter.numel() for parameter in written.build().parameters())
    details = written.training["imported"]
    if not options.quiet:
        place = f" in '{details['entry']}'" if details["entry"] else ""
        print_rows(
            [
                ("checkpoint", f"{options.checkpoint}{place}, SHA-256 {details['sha256'][:12]}"),
                ("network", f"{len(written.state)} tensors, {parameters:,} parameters, width {written.config.width}"),
                ("joints", f"{written.config.joints}, of {written.skeleton.name}"),
                ("cube", f"{written.cube_edge:g} m; --cube-edge changes it"),
                *(("converted", text) for text in details["converted"]),
                *(("assumed", text) for text in details["assumed"]),
                *(("still differs", text) for text in details["remaining"]),
                ("weights", f"{options.output}, hash {written.hash}"),
            ]
        )
    return {
        "id": written.id,
        "skeleton": written.skeleton.name,
        "hash": written.hash,
        "cube_edge_m": written.cube_edge,
        "parameters": parameters,
        **details,
    }
