# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data cache``: what training needs of a dataset's images, in a form that is read fast."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recorded.datasets import NAMES
from .common import CommandError, Commands, command
from .progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..recorded.datasets.cache_writer import SizeEstimate
    from ..recorded.datasets.dataset import DepthDataset, Split


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "cache",
        run,
        "Write the part of every image that training and evaluation look at into one file that is read fast. Says "
        "first about how large it gets. Each split gets a folder of its own; --cache of the other commands takes the "
        "folder around them.",
        "v2v data cache NYU/ --dataset nyu --output cache/nyu\n"
        "  v2v data cache MSRA/ --dataset msra --subject 3 --output cache/msra --centers truth\n"
        "  v2v train --dataset nyu --data NYU/ --cache cache/nyu --output nyu.safetensors",
    )
    sub.add_argument("folder", type=Path, metavar="DIR", help="the dataset's folder")
    sub.add_argument("--dataset", required=True, choices=NAMES, help="which dataset it is")
    sub.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="write the cache there")
    sub.add_argument("--split", choices=("train", "test", "both"), default="both", help="of the dataset (both)")
    sub.add_argument("--subject", type=int, metavar="N", help="msra: the subject that is tested on, 0 to 8")
    sub.add_argument(
        "--centers",
        default="released",
        metavar="WHERE",
        help="of the cubes: released (centre files in DIR/centers), truth, or a folder of centre files (released)",
    )
    sub.add_argument("--dry-run", action="store_true", help="only say how large it gets")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..recorded.datasets.cache import cache_part
    from ..recorded.datasets.cache_writer import SizeEstimate, estimate_size, write_cache
    from ..recorded.datasets.registry import open_dataset
    from ..recorded.datasets.specs import get_spec
    from ..training.dataset_batches import REACH

    edge = REACH * get_spec(options.dataset).cube_edge
    splits: tuple[Split, ...] = ("train", "test") if options.split == "both" else (options.split,)
    jobs: list[tuple[DepthDataset, NDArray[np.float64], Path]] = []
    figures: dict[str, dict[str, Any]] = {}
    for split in splits:
        dataset = open_dataset(options.dataset, options.folder, split, test_subject=options.subject)
        centers = _centers(dataset, options.centers)
        place = options.output / cache_part(Path(), split, options.subject)
        if place.exists():
            raise CommandError(f"'{place}' exists: remove it, or choose another folder or --split")
        size = estimate_size(dataset, centers, edge)
        jobs.append((dataset, centers, place))
        figures[split] = {"folder": str(place), "frames": len(dataset), "estimate": asdict(size), "bytes": None}
        print(f"{split}: {len(dataset):,} frames, cubes of {edge:g} m, {_about(size)} in {place}", flush=True)
    sizes = [figure["estimate"] for figure in figures.values()]
    needed = SizeEstimate(*(sum(size[name] for size in sizes) for name in ("bytes", "low", "high")))
    free = shutil.disk_usage(_existing(options.output)).free
    print(f"{_about(needed)} in all, {_amount(free)} free", flush=True)
    if needed.bytes > free:
        raise CommandError(f"it does not fit: {_about(needed)} are needed, {_amount(free)} are free")
    if not options.dry_run:
        with Progress(sum(len(job[0]) for job in jobs), "frame", quiet=options.quiet) as bar:
            for dataset, centers, place in jobs:
                figures[dataset.split]["bytes"] = write_cache(dataset, centers, edge, place, bar.step)
        print(f"{_amount(sum(figure['bytes'] for figure in figures.values()))} written", flush=True)
    return {"edge_m": edge, "estimate": asdict(needed), "written": not options.dry_run, "splits": figures}


def _about(size: SizeEstimate) -> str:
    """Such as ``about 14 GB (12 GB to 16 GB)``."""
    if size.low == size.high:
        return _amount(size.bytes)
    return f"about {_amount(size.bytes)} ({_amount(size.low)} to {_amount(size.high)})"


def _amount(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _centers(dataset: DepthDataset, source: str) -> NDArray[np.float64]:
    """Centres [F, 3] metres, NaN for frames that nobody looks at."""
    import numpy as np

    from ..recorded.datasets.frame_set import frame_set

    frames = frame_set(dataset, source, labelled=False)
    centers = np.full_like(frames.centers, np.nan)
    centers[frames.indices] = frames.centers[frames.indices]
    return centers


def _existing(path: Path) -> Path:
    """Return the folder that is there and in which a path will be made."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
