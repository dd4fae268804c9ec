"""``v2v data cache``: what training needs of a dataset's images, in a form that is read fast."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import NAMES
from ..progress import Progress
from .common import CommandError, Commands, command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..datasets.dataset import DepthDataset, Split


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "cache",
        run,
        "Write the part of every image that training and evaluation look at into one file that is read fast. Says the "
        "size first. Each split gets a folder of its own; --cache of the other commands takes the folder around them.",
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
    sub.add_argument("--dry-run", action="store_true", help="only say the size")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..datasets.cache import cache_size, write_cache
    from ..datasets.cache_parts import cache_part
    from ..datasets.registry import open_dataset
    from ..datasets.specs import get_spec
    from ..training.frames import REACH

    edge = REACH * get_spec(options.dataset).cube_edge
    splits: tuple[Split, ...] = ("train", "test") if options.split == "both" else (options.split,)
    jobs: list[tuple[DepthDataset, NDArray[np.float64], Path, int]] = []
    for split in splits:
        dataset = open_dataset(options.dataset, options.folder, split, test_subject=options.subject)
        centers = _centers(dataset, options.centers)
        place = options.output / cache_part(Path(), split, options.subject)
        if place.exists():
            raise CommandError(f"'{place}' exists: remove it, or choose another folder or --split")
        jobs.append((dataset, centers, place, cache_size(dataset, centers, edge)))
        print(
            f"{split}: {len(dataset):,} frames, cubes of {edge:g} m, {jobs[-1][3] / 1e9:.3g} GB in {place}", flush=True
        )
    needed, free = sum(job[3] for job in jobs), shutil.disk_usage(_existing(options.output)).free
    print(f"{needed:,} bytes in all; {free / 1e9:.3g} GB are free", flush=True)
    if needed > free:
        raise CommandError(f"it does not fit: {needed / 1e9:.3g} GB are needed, {free / 1e9:.3g} GB are free")
    if not options.dry_run:
        with Progress(sum(len(job[0]) for job in jobs), "frame", quiet=options.quiet) as bar:
            for dataset, centers, place, _ in jobs:
                write_cache(dataset, centers, edge, place, bar.step)
    return {
        "bytes": needed,
        "edge_m": edge,
        "written": not options.dry_run,
        "splits": {
            dataset.split: {"folder": str(place), "frames": len(dataset), "bytes": size}
            for dataset, _, place, size in jobs
        },
    }


def _centers(dataset: DepthDataset, source: str) -> NDArray[np.float64]:
    """Centres [F, 3] metres, NaN for frames that nobody looks at."""
    import numpy as np

    from ..datasets.frame_set import frame_set

    frames = frame_set(dataset, source, labelled=False)
    centers = np.full_like(frames.centers, np.nan)
    centers[frames.indices] = frames.centers[frames.indices]
    return centers


def _existing(path: Path) -> Path:
    """The folder that is there and in which a path will be made."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
