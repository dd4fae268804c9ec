# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data``: commands for the folder of a dataset."""

from __future__ import annotations

from . import data_cache, data_centers, data_check, data_speed
from .common import Commands, command_group


def add(commands: Commands) -> None:
    """Add the command, with commands of its own, to the parser."""
    command_group(
        commands,
        "data",
        (data_check, data_cache, data_centers, data_speed),
        "Look after the folder of a dataset: check it, cache it, find the centres of its cubes, time its reader "
        "(docs/datasets.md).",
        "v2v data check NYU/\n  v2v data cache NYU/ --dataset nyu --output cache/\n  v2v data check --help",
    )
