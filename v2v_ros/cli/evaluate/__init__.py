# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate``: a command for each thing that can be measured."""

from __future__ import annotations

from ..common import Commands, command_group
from . import calibrate, dataset, detector, motion, predictions, recorded, synthetic, tracks


def add(commands: Commands) -> None:
    """Add the command, with commands of its own, to the parser."""
    command_group(
        commands,
        "evaluate",
        (synthetic, detector, recorded, dataset, predictions, tracks, motion, calibrate),
        "Measure weights on synthetic test sets, recorded frames, datasets and moving subjects, or any method's "
        "joints in files against the truth of a dataset (docs/evaluation.md).",
        "v2v evaluate synthetic --weights hand21_lite --output report/\n"
        "  v2v evaluate dataset nyu --data NYU/ --weights nyu.safetensors\n"
        "  v2v evaluate predictions --help",
    )
