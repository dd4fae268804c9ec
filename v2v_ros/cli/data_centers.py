# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data centers``: where the subject is in every frame of a dataset, found by a centre network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recorded.datasets import NAMES
from .common import Commands, command, print_rows
from .progress import Progress

if TYPE_CHECKING:
    from ..evaluation.on_datasets.centers import CenterFigures


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "centers",
        run,
        "Find the reference point of every frame of a dataset with a centre network, and write a centre file in the "
        "published format. Says how far off the points are before (centre of mass) and after.",
        "v2v data centers NYU/ --dataset nyu --weights nyu_center.safetensors --output NYU/centers/\n"
        "  (after v2v train --output nyu_center.safetensors --dataset nyu --data NYU/ --network center)",
    )
    sub.add_argument("folder", type=Path, metavar="DIR", help="the dataset's folder")
    sub.add_argument("--dataset", required=True, choices=NAMES, help="which dataset it is")
    sub.add_argument("--subject", type=int, metavar="N", help="msra: the subject that is tested on, 0 to 8")
    sub.add_argument("--split", choices=("train", "test", "both"), default="both", help="of the dataset (both)")
    sub.add_argument("--weights", required=True, help="of the centre network, by path")
    sub.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="write the files there")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(options: argparse.Namespace) -> dict[str, Any] | None:
    from ..estimator.search import CenterFinder
    from ..evaluation.on_datasets.centers import center_figures, find_centers, work_parts
    from ..evaluation.processes import processes
    from ..model.runtime import choose_device
    from ..model.weights import load_center
    from ..recorded.datasets.center_files import center_file_name, write_centers
    from ..recorded.datasets.dataset import Split
    from ..recorded.datasets.registry import open_dataset

    splits: tuple[Split, ...] = ("train", "test") if options.split == "both" else (options.split,)
    figures: dict[str, Any] = {}
    with processes() as group:
        for split in splits:
            dataset = open_dataset(options.dataset, options.folder, split, test_subject=options.subject)
            weights = load_center(options.weights, dataset.spec.skeleton.name)
            finder = CenterFinder(weights, choose_device(options.device))
            share = -(-work_parts(dataset) // group.count)
            with Progress(share, "part", quiet=options.quiet or group.rank > 0) as bar:
                guesses, centers = find_centers(finder, dataset, group, bar.step)
            if group.rank:
                continue
            path = options.output / center_file_name(dataset.spec, split, options.subject)
            write_centers(path, dataset.spec, centers)
            rows = {
                "centre of mass": center_figures(guesses, dataset),
                "centre network": center_figures(centers, dataset),
            }
            figures[split] = {"file": str(path), **{name: row.to_dict() for name, row in rows.items()}}
            print(f"{split}: {path}")
            for name, row in rows.items():
                print_rows([(f"  {name}", _text(row))])
    return figures if group.rank == 0 else None


def _text(row: CenterFigures) -> str:
    if not row.frames:
        return "no labels to compare with"
    return (
        f"{row.mean_mm:.1f} mm off on average (median {row.median_mm:.1f}, 95 % within {row.p95_mm:.1f}); "
        f"{100 * row.joints_inside_share:.2f} % of the joints and {100 * row.frames_inside_share:.2f} % of the "
        f"frames wholly in the cube; {row.frames} frames"
    )
