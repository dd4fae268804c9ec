# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One run of ``v2v train --network joints``: peaks, training, calibration, weights file and card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ...io.files import write_atomically
from ...model import weights as weights_files
from ...model.joint_refiner import JointRefiner, JointRefinerConfig
from ...model.runtime import choose_device
from ...model.weights import JointRefinerWeights, Weights
from ..config import TrainingConfig
from ..dataset_batches import open_frames
from ..seeds import SeedFamily, derive_seed
from . import peak_sets
from .card import refiner_card
from .judgement import Judgement
from .peak_sets import Cubes, FrameCubes, PeakSet, SyntheticCubes, join, write_peak_set
from .proposals import ProposalCubes
from .train import JointTraining, train_joint_refiner

HELD_OUT = 2_048  # samples that calibrate and judge a refiner, and are not trained on
_SAMPLES_A_PROPOSAL = 3  # samples for each cube that a detector proposes in a whole scene
_HELD_OUT_SEED = derive_seed(SeedFamily.HELD_OUT_BATCH)  # seed of samples that no run trains on


def train_joints(
    source: str | Path,
    output: Path,
    *,
    samples: int = 40_000,
    size: dict[str, int] | None = None,
    training: JointTraining | None = None,
    dataset: TrainingConfig | None = None,
    peaks: Path | None = None,
    runtime: str = "auto",
    device: str = "auto",
    threads: int = 1,
    start: str | Path = "",
    say: Callable[[str], object] = lambda text: None,
) -> dict[str, float]:
    """Train a joint refiner for pose weights, and write both into one file, with a card about the refiner.

    Args:
        source: Name or path of the pose weights, which stay as they are.
        output: Weights file to write.
        samples: Number of distinct samples whose peaks are computed, once; rounded up to whole files.
        size: Peaks, width, layers and heads of the refiner, where they are not the usual ones.
        training: Budget and learning rate.
        dataset: Configuration of the dataset that the pose weights were trained on; None: synthetic samples.
        peaks: Folder that keeps the peaks; None: one beside the output.
        runtime: Name of the runtime of the pose network.
        device: Device of both networks, as for :func:`~v2v_ros.model.runtime.choose_device`.
        threads: Number of CPU threads.
        start: Name or path of weights whose refiner the training starts from; empty: random weights.
        say: Function that takes lines about the progress.

    Returns:
        Figures on the held-out samples.

    Raises:
        WeightsError: The pose weights cannot be used.
        ValueError: The output has another suffix, the samples cannot be made, or the weights to start from have no
            refiner of that size.
    """
    if output.suffix != weights_files.SUFFIX:
        raise ValueError(f"'{output}': choose a name that ends in {weights_files.SUFFIX}")
    torch.set_num_threads(threads)
    started = time.monotonic()
    place = choose_device(device)
    loaded = weights_files.load(source)
    skeleton, heatmap = loaded.skeleton, loaded.config.heatmap
    training = training or JointTraining()
    config = JointRefinerConfig(len(skeleton.joint_names), **(size or {}))
    first = _refiner_of(start, config) if start else None
    name = output.name.removesuffix(weights_files.SUFFIX)
    folder = peaks or output.with_name(f"{name}_peaks")
    to_train, to_judge = _cubes(loaded, training.seed, dataset)

    def computed(cubes: Cubes, name: str, count: int) -> PeakSet:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            say(f"peaks of {name} samples: {done * peak_sets.FILE_SAMPLES:,} of {count:,}")

        return write_peak_set(
            loaded, cubes, folder / name, count, runtime=runtime, device=place, threads=threads, tick=tick
        )

    held_out = computed(to_judge, "held_out", HELD_OUT)
    data = computed(to_train, "training", samples)
    if dataset is None:
        detector = weights_files.load_detector()
        proposals = ProposalCubes(loaded, detector, training.seed)
        data = join([data, computed(proposals, f"proposals_{detector.hash}", samples // _SAMPLES_A_PROPOSAL)])
    ready = time.monotonic()
    curve: list[dict[str, float]] = []

    def report(draws: int, network: JointRefiner) -> None:
        figures = Judgement(network, held_out, loaded).figures()
        curve.append({"draws": draws, **figures})
        say(f"{draws:,} draws: mean {figures['mean_mm']:.2f} mm, {draws / (time.monotonic() - ready):.0f} draws/s")

    data = PeakSet(*(column.to(place) for column in data))
    network = train_joint_refiner(data, skeleton, heatmap, loaded.cube_edge, config, training, report, start=first)
    judgement = Judgement(network, held_out, loaded)
    figures, calibration = judgement.figures(), judgement.calibration()
    about = {
        "data": "synthetic" if dataset is None else dataset.dataset,
        "samples": len(data.labels),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "held_out": {name: round(value, 4) for name, value in figures.items()},
        "config": asdict(training),
        **({"from": str(start)} if start else {}),
    }
    refiner = JointRefinerWeights(config, network.state_dict(), calibration, dataset is None, about)
    weights_files.save(replace(loaded, id=name, refiner=refiner), output, half=True)
    card = refiner_card(loaded, refiner, figures, judgement.confidence(calibration), curve)
    write_atomically(output.with_name(f"{name}_joints.md"), card.encode())
    return figures


def _refiner_of(start: str | Path, config: JointRefinerConfig) -> JointRefiner:
    """Return the refiner of weights, by name or path."""
    refiner = weights_files.load(start).refiner
    if refiner is None:
        raise ValueError(f"--from: the weights '{start}' have no joint refiner to start from")
    if refiner.config != config:
        raise ValueError(f"--from: the refiner of '{start}' is one of {refiner.config}, not of {config}")
    return refiner.build()


def _cubes(weights: Weights, seed: int, dataset: TrainingConfig | None) -> tuple[Cubes, Cubes]:
    """Return the cubes to train on, and others to calibrate and judge with."""
    if dataset is None:
        return SyntheticCubes(weights, seed), SyntheticCubes(weights, _HELD_OUT_SEED)
    frames, held_out = open_frames(dataset)
    return FrameCubes(dataset, frames), FrameCubes(dataset, held_out, augment=False)
