# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v train``: weights from synthetic depth."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..recorded.datasets import NAMES
from . import train_joints
from .common import CommandError, Commands, command, positive, print_rows


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "train",
        run,
        "Train a network on synthetic depth, made while it trains, or on a dataset. On a GPU the full network is one "
        "command.",
        "v2v train --output hand21.safetensors --grid 88 --width 16 --batch 32 --samples 2000000\n"
        "  v2v train --output hand21_lite.safetensors --samples 200000\n"
        "  v2v train --output hand21_lite.safetensors --resume\n"
        "  v2v train --output shipped.safetensors --anneal hand21_lite.safetensors --samples 8000\n"
        "  v2v train --output hand21_center.safetensors --network center\n"
        f"  {train_joints.EXAMPLE}\n"
        "  v2v train --output detector.safetensors --network detector\n"
        "  v2v train --output nyu.safetensors --dataset nyu --data NYU/ --recipe paper\n"
        "  v2v train --output msra3.safetensors --dataset msra --data MSRA/ --subject 3\n"
        "  torchrun --nproc_per_node 4 -m v2v_ros.cli train --output hand21.safetensors --grid 88 --width 16",
    )
    sub.add_argument("--output", type=Path, required=True, help="weights file to write (.safetensors)")
    sub.add_argument("--config", type=Path, metavar="FILE", help="take what is not given here from a run's config.json")
    sub.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this output")
    sub.add_argument("--overwrite", action="store_true", help="replace an earlier run of this output")
    sub.add_argument("--from", dest="start", metavar="WEIGHTS", help="start from these weights, by name or path")
    sub.add_argument(
        "--anneal",
        type=Path,
        metavar="RUN",
        help="let the learning rate fall to zero, over --samples (8000), in a copy of this run (its weights file or "
        "folder), which stays as it is and may go on",
    )
    sub.add_argument(
        "--threads", type=positive(int), metavar="N", help="CPU threads of every process (PyTorch's choice)"
    )
    sub.add_argument("--devices", type=positive(int), default=1, help="GPUs of this machine, or CPU processes (1)")
    sub.add_argument("--nodes", type=positive(int), default=1, help="machines (1); see docs/training.md")

    def value(name: str, kind: Any, text: str, **more: Any) -> None:
        sub.add_argument(name, type=kind, default=argparse.SUPPRESS, help=text, **more)

    value(
        "--network",
        str,
        "pose; center: refines a cube's centre; joints: refines the joints of --weights; detector: finds hands and "
        "bodies (pose)",
    )
    value("--skeleton", str, "what to estimate: hand21 or body15 (hand21; the dataset's)")
    value("--grid", positive(int), "cells per axis; the paper's 88 (48; on a dataset: 88; center: 32)")
    value("--width", positive(int), "channels at the front; the paper's 16 (8; on a dataset: 16; center: 16)")
    value("--depth", positive(int), "residual blocks in a row, in front of and in the middle of the network (3)")
    value("--sigma", positive(float), "of the target, in heatmap cells (1.7)")
    value("--samples", _count, "seen in all, by all processes; 0: no end (200000; with --resume: no end)")
    value(
        "--schedule",
        str,
        "of the learning rate: constant, which never ends, or cosine (constant; on a dataset: cosine)",
    )
    value(
        "--proposed",
        float,
        "share of the synthetic cubes that the shipped detector proposes in whole scenes, for --network pose (0.125)",
    )
    value("--batch", positive(int), "samples a step, in every process (8)")
    value(
        "--learning-rate", positive(float), "the highest, of hidden kernels; a tenth for the rest (0.02; paper: 2.5e-4)"
    )
    value("--decay", float, "of the moving average of the weights, a step (0.999; paper: 0, none)")
    value("--clip", positive(float), "largest norm of the gradient (10; paper: none)")
    value("--seed", int, "of data and initialisation (0)")
    value("--validation-samples", positive(int), "size of the held-out set (512)")
    value("--validation-interval", positive(int), "samples between two validations (8000)")
    value(
        "--precision", str, "auto, bf16-mixed, 16-mixed or 32-true (auto: bf16-mixed where it is fast; paper: 32-true)"
    )
    value("--workers", int, "processes that make samples on the CPU; 0: the training one, on its device (0)")
    value("--dataset", str, f"train on a dataset: {', '.join(NAMES)}; see docs/datasets.md")
    value("--data", str, "the dataset's folder")
    value("--subject", int, "msra: the subject to leave out, 0 to 8", dest="test_subject", metavar="N")
    value("--recipe", str, "on a dataset: paper, as published, or ours (ours)")
    value("--epochs", positive(int), "times that every frame of the dataset is seen, instead of --samples (10)")
    value("--centers", str, "of the cubes: released (centre files in DATA/centers), truth, or a folder (released)")
    value("--cache", str, "folder of the dataset's cache, written by 'v2v data cache'")
    sub.add_argument(
        "--half", action="store_true", default=argparse.SUPPRESS, help="write the weights in half precision"
    )
    train_joints.add_options(sub)


def _count(text: str) -> int:
    """Argument type for whole numbers from zero on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {text}")
    return value


def run(options: argparse.Namespace) -> dict[str, Any] | None:
    if vars(options).get("network") == "joints":
        return train_joints.run(options)
    from pytorch_lightning.utilities import rank_zero_only

    from ..training.anneal import copy_run
    from ..training.config import TrainingConfig, make_config, read_config, resumed_values
    from ..training.detector.train import network_of
    from ..training.export import run_folder
    from ..training.train import train

    if options.start is not None and options.resume:
        raise CommandError("--from starts a new run and --resume goes on with one: choose one of them")
    if options.overwrite and options.resume:
        raise CommandError("--overwrite starts a new run and --resume goes on with one: choose one of them")
    if options.anneal is not None and (options.start is not None or options.resume or options.config is not None):
        raise CommandError("--anneal makes a copy of a run: leave --from, --resume and --config out")
    if options.anneal is not None and (options.devices > 1 or options.nodes > 1 or "TORCHELASTIC_RUN_ID" in os.environ):
        raise CommandError("--anneal is for one process, which takes the batch of all: start it without the others")
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    path = options.config
    own = run_folder(options.output) / "config.json"
    if path is None and options.resume and own.is_file():
        path = own
    given = {name: value for name, value in vars(options).items() if name in TrainingConfig.__dataclass_fields__}
    if given.get("network", network_of(path)) == "detector":
        return _run_detector(options, path)
    if {"samples", "epochs"} <= given.keys():
        raise CommandError("--samples and --epochs both say how long to train: choose one of them")
    if options.anneal is not None:
        config = copy_run(options.anneal, options.output, given, overwrite=options.overwrite)
    else:
        values = {} if path is None else read_config(path)
        config = make_config(resumed_values(values) if options.resume else values, given)
        if options.resume and not given.keys() & {"samples", "epochs"} and config.can_be_endless:
            config = replace(config, samples=0)
    resume = options.resume or options.anneal is not None
    figures = train(
        config,
        options.output,
        resume=resume,
        overwrite=options.overwrite and not resume,
        start=options.start,
        devices=options.devices,
        nodes=options.nodes,
        progress=not options.quiet,
    )
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return None
    print_rows([(name.removeprefix("val/"), f"{value:.3f}") for name, value in figures.items()])
    print(f"weights: {options.output}")
    return figures


def _run_detector(options: argparse.Namespace, path: Path | None) -> dict[str, Any]:
    """Train a detector; its loop is its own, since its scenes are kept and seen several times."""
    from dataclasses import asdict

    from ..training.detector.train import DetectorTraining, read_run, train_detector
    from ..training.export import check_new, clear, run_folder

    known = DetectorTraining.__dataclass_fields__
    given = {name: value for name, value in vars(options).items() if name in known}
    others = {"skeleton", "grid", "depth", "sigma", "precision", "workers", "dataset", "data", "recipe", "epochs"}
    useless = sorted(others & vars(options).keys())
    if useless:
        raise CommandError(f"a detector is not trained with --{useless[0].replace('_', '-')}: leave it out")
    run = DetectorTraining(**{**({} if path is None else asdict(read_run(path))), **given})
    if options.overwrite:
        clear(run_folder(options.output))
        for left in ("last.pt", "held_out.npz", "scenes"):
            _remove(run_folder(options.output) / left)
    elif not options.resume:
        check_new(options.output)
    figures = train_detector(
        run,
        options.output,
        resume=options.resume,
        start=options.start or "",
        report=(lambda line: None) if options.quiet else print,
    )
    print_rows([(name, f"{value:.3f}") for name, value in figures.items()])
    print(f"weights: {options.output}")
    return figures


def _remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
