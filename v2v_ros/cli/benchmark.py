"""``v2v benchmark``: how long every stage takes, or how fast a dataset is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..datasets import NAMES
from ..progress import Progress
from .common import DEFAULT_SKELETON, CommandError, Commands, command, network_options, positive, print_rows


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "benchmark",
        run,
        "Time every stage of a frame on this machine, without ROS; or the reader of a dataset (docs/datasets).",
        "v2v benchmark --frames 300 --json benchmark.json\n  v2v benchmark --data NYU/ --dataset nyu --cache cache/nyu",
    )
    network_options(sub)
    sub.add_argument("--frames", type=positive(int), default=100, help="timed frames of each kind (100)")
    sub.add_argument("--data", type=Path, metavar="DIR", help="time the reader of the dataset in this folder instead")
    sub.add_argument("--dataset", choices=NAMES, help="which one it is (default: those whose layout is found)")
    sub.add_argument("--split", choices=("train", "test"), default="train", help="of the dataset (train)")
    sub.add_argument("--subject", type=int, default=0, metavar="N", help="msra: the subject that is tested on (0)")
    sub.add_argument("--cache", type=Path, metavar="FOLDER", help="time its cache as well")


def run(options: argparse.Namespace) -> dict[str, Any]:
    if options.data is not None:
        return _readers(options)
    from ..benchmark import STAGES, benchmark, frames_in_all
    from ..weights import default_for

    weights = options.weights or default_for(DEFAULT_SKELETON)
    with Progress(frames_in_all(options.frames), "frame", quiet=options.quiet) as bar:
        figures = benchmark(weights, device=options.device, frames=options.frames, tick=bar.step)
    print_rows([(name, str(value)) for name, value in figures["machine"].items()])
    print(f"\n{'milliseconds':14}" + "".join(f"{kind:>30}" for kind in ("tracking p50/p90/p99", "searching")))
    for stage in STAGES:
        cells = [
            " / ".join(f"{figures[kind][stage][q]:.2f}" for q in ("p50", "p90", "p99"))
            for kind in ("tracking", "searching")
        ]
        print(f"{stage:14}" + "".join(f"{cell:>30}" for cell in cells))
    network = figures["network_ms"]
    print(f"\nnetwork alone: {network['runtime']} ms, {network['ratio']} times as fast as plain float32 PyTorch")
    print(f"a tracked frame takes {100 * figures['camera_share']:.0f} % of the time between two frames at 30 Hz")
    return figures


def _readers(options: argparse.Namespace) -> dict[str, Any]:
    from ..datasets.detect import find_datasets
    from ..datasets.registry import open_dataset
    from ..datasets.speed import REQUIRED, frames_per_second

    if not options.data.is_dir():
        raise CommandError(f"the folder '{options.data}' does not exist")
    found = [(options.dataset, options.data)] if options.dataset else find_datasets(options.data)
    if not found:
        raise CommandError(f"no dataset is in '{options.data}': see 'v2v data check'")
    figures: dict[str, Any] = {"required_frames_per_second": REQUIRED, "readers": {}}
    for name, folder in found:
        subject = options.subject if name == "msra" else None
        for kind, cache in (("files", None), ("cache", options.cache)):
            if kind == "cache" and cache is None:
                continue
            dataset = open_dataset(name, folder, options.split, test_subject=subject, cache=cache)
            speed = frames_per_second(dataset, frames=options.frames)
            figures["readers"][f"{name} {kind}"] = speed
            print(f"{name:10} {kind:6} {speed['frames_per_second']:8,.0f} frames/s of {speed['frames']}", flush=True)
    return figures
