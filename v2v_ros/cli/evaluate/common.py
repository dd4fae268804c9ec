# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Options and steps that several evaluations share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import common
from ..progress import Progress

if TYPE_CHECKING:
    from ...estimator import PoseEstimator
    from ...evaluation.processes import Processes
    from ...evaluation.synthetic_sets import SyntheticSet


def output_option(sub: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Add ``--output``."""
    text = "write tables (CSV) and pictures there as well"
    sub.add_argument("--output", type=common.folder, metavar="FOLDER", help=text)


def detector_option(sub: argparse.ArgumentParser) -> None:
    """Add ``--detector-weights``."""
    sub.add_argument(
        "--detector-weights",
        default="auto",
        metavar="NAME",
        help="of the detector that finds subjects in images; auto: those shipped; none: the nearest things (auto)",
    )


def detector_weights(options: argparse.Namespace) -> str | None:
    """Return what ``--detector-weights`` names, None for none."""
    name: str = options.detector_weights
    return None if name == "none" else name


def make_estimator(options: argparse.Namespace, source: str, **more: Any) -> PoseEstimator:
    """Make an estimator with weights, and the detector that ``--detector-weights`` names."""
    return common.make_estimator(options, source, detector_weights=detector_weights(options), **more)


def part_progress(test_set: SyntheticSet, options: argparse.Namespace, group: Processes | None = None) -> Progress:
    """Return a bar over the parts of a set that the first of several processes makes."""
    from ...evaluation.synthetic_sets import part_count

    parts = part_count(test_set, options.samples)
    if group is None:
        return Progress(parts, "part", quiet=options.quiet)
    return Progress(-(-parts // group.count), "part", quiet=options.quiet or group.rank > 0)


def write_text(path: Path, text: str) -> None:
    """Write a text file; its folder is made if need be."""
    from ...io.files import write_atomically

    write_atomically(path, text.encode())
