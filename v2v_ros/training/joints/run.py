"""One run of ``v2v train --network joints``: peaks, training, calibration, weights file and card."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...evaluation.calibration import RADIUS, covariance_coverage, fit, reliability
from ...evaluation.metrics import mean_precision, success_rate
from ...io.files import write_atomically
from ...model import weights as weights_files
from ...model.joint_refiner import JointRefiner, JointRefinerConfig, RefinedJoints, covariance_of, describe
from ...model.peaks import Peaks
from ...model.weights import JointRefinerWeights, Weights
from ..card import versions
from ..config import TrainingConfig
from ..dataset_batches import open_frames
from ..seeds import SeedFamily, derive_seed
from .peak_sets import FILE_SAMPLES, Cubes, FrameCubes, Label, PeakSet, SyntheticCubes, join, write_peak_set
from .proposals import ProposalCubes
from .train import JointTraining, train_refiner

HELD_OUT = 2_048  # samples that calibrate and judge a refiner, and are not trained on
_SAMPLES_A_PROPOSAL = 6  # samples for each cube that a detector proposes in a whole scene
_HELD_OUT_SEED = derive_seed(SeedFamily.HELD_OUT_BATCH)  # of samples that no run trains on


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
    threads: int = 1,
    say: Callable[[str], object] = lambda text: None,
) -> dict[str, float]:
    """Train a joint refiner for pose weights, and write both into one file, with a card about the refiner.

    Args:
        source: Name or path of the pose weights, which stay as they are.
        output: The weights file to write.
        samples: Distinct samples whose peaks are computed, once; rounded up to whole files.
        size: Peaks, width, layers and heads of the refiner, where they are not the usual ones.
        training: Budget and learning rate.
        dataset: Where the pose weights were trained on a dataset, its configuration; None: synthetic samples.
        peaks: Folder that keeps the peaks; None: beside the output.
        runtime, threads: What runs the pose network, and how many CPU threads.
        say: Takes lines about the progress.

    Returns:
        Figures on the held-out samples.

    Raises:
        WeightsError: The pose weights cannot be used.
        ValueError: The output has another suffix, or the samples cannot be made.
    """
    if output.suffix != weights_files.SUFFIX:
        raise ValueError(f"'{output}': choose a name that ends in {weights_files.SUFFIX}")
    torch.set_num_threads(threads)
    started = time.monotonic()
    loaded = weights_files.load(source)
    skeleton, heatmap = loaded.skeleton, loaded.config.heatmap
    training = training or JointTraining()
    config = JointRefinerConfig(len(skeleton.joint_names), **(size or {}))
    name = output.name.removesuffix(weights_files.SUFFIX)
    folder = peaks or output.with_name(f"{name}_peaks")
    to_train, to_judge = _cubes(loaded, training.seed, dataset)

    def computed(cubes: Cubes, name: str, count: int) -> PeakSet:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            say(f"peaks of {name} samples: {done * FILE_SAMPLES:,} of {count:,}")

        return write_peak_set(loaded, cubes, folder / name, count, runtime=runtime, threads=threads, tick=tick)

    judged = computed(to_judge, "held_out", HELD_OUT)
    data = computed(to_train, "training", samples)
    if dataset is None:
        detector = weights_files.load_detector()
        proposals = ProposalCubes(loaded, detector, training.seed)
        data = join([data, computed(proposals, f"proposals_{detector.hash}", samples // _SAMPLES_A_PROPOSAL)])
    ready = time.monotonic()
    curve: list[dict[str, float]] = []

    def report(draws: int, network: JointRefiner) -> None:
        figures = measure(network, judged, loaded)
        curve.append({"draws": draws, **figures})
        say(f"{draws:,} draws: mean {figures['mean_mm']:.2f} mm, {draws / (time.monotonic() - ready):.0f} draws/s")

    network = train_refiner(data, skeleton, heatmap, loaded.cube_edge, config, training, report)
    figures = measure(network, judged, loaded)
    about = {
        "data": "synthetic" if dataset is None else dataset.dataset,
        "samples": len(data.labels),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "held_out": {name: round(value, 4) for name, value in figures.items()},
        "config": asdict(training),
    }
    refiner = JointRefinerWeights(config, network.state_dict(), None, dataset is None, about)
    refiner = dataclasses.replace(refiner, calibration=_calibrate(network, judged, loaded))
    weights_files.save(dataclasses.replace(loaded, id=name, refiner=refiner), output, half=True)
    card = _card(loaded, refiner, figures, _confidence(network, judged, loaded, refiner), curve)
    write_atomically(output.with_name(f"{name}_joints.md"), card.encode())
    return figures


def _cubes(weights: Weights, seed: int, dataset: TrainingConfig | None) -> tuple[Cubes, Cubes]:
    """The cubes to train on, and others to calibrate and judge with."""
    if dataset is None:
        return SyntheticCubes(weights, seed), SyntheticCubes(weights, _HELD_OUT_SEED)
    frames, held_out = open_frames(dataset)
    return FrameCubes(dataset, frames), FrameCubes(dataset, held_out, augment=False)


@torch.inference_mode()
def _refined(network: JointRefiner, data: PeakSet, size: int) -> RefinedJoints:
    refined: RefinedJoints = network(*describe(Peaks(*data[:4]), network.config.peaks, size))
    return refined


def _with_joints(data: PeakSet) -> torch.Tensor:
    """bool [S]: samples of subjects whose joints are known."""
    return (data.labels == Label.SUBJECT) & data.joints.isfinite().all(-1).all(-1)


def measure(network: JointRefiner, data: PeakSet, weights: Weights) -> dict[str, float]:
    """Figures of a refiner on samples, and of the highest peaks alone."""
    half = weights.config.heatmap / 2
    refined = _refined(network, data, weights.config.heatmap)
    subject = _with_joints(data)
    truth = (data.joints[subject] - half) / half
    millimetres = 500 * weights.cube_edge
    errors = (refined.points[subject] - truth).norm(dim=-1) * millimetres
    peaks = ((data.places[subject][:, :, 0] - half) / half - truth).norm(dim=-1) * millimetres
    figures = {
        "mean_mm": float(errors.mean()),
        "median_mm": float(errors.median()),
        "success_30mm": success_rate(errors, 30.0),
        "success_300mm": success_rate(errors, 300.0),
        "map_10cm": mean_precision(errors, 100.0),
        "peaks_mean_mm": float(peaks.mean()),
        "peaks_median_mm": float(peaks.median()),
        "peaks_success_30mm": success_rate(peaks, 30.0),
        "peaks_success_300mm": success_rate(peaks, 300.0),
        "peaks_map_10cm": mean_precision(peaks, 100.0),
    }
    present = 1 - refined.classes.softmax(-1)[:, Label.NOTHING]
    others, left = data.labels == Label.NOTHING, data.labels == Label.LEFT_HAND
    subject = data.labels == Label.SUBJECT
    figures["found"] = float((present[subject | left] > 0.5).float().mean())
    if others.any():
        figures["false_alarms"] = float((present[others] > 0.5).float().mean())
    if left.any():
        told = refined.classes[:, Label.LEFT_HAND] > refined.classes[:, Label.SUBJECT]
        figures["side_right"] = float((told == left)[subject | left].float().mean())
    return figures


def _calibrate(network: JointRefiner, data: PeakSet, weights: Weights) -> Any:
    return fit(*_columns(network, data, weights), RADIUS[weights.skeleton.kind])


def _columns(network: JointRefiner, data: PeakSet, weights: Weights) -> tuple[Any, Any, Any]:
    """Confidences [N], errors [N, 3] in metres and covariances [N, 6] in square metres of the subjects' joints."""
    half, edge = weights.config.heatmap / 2, weights.cube_edge
    refined, subject = _refined(network, data, weights.config.heatmap), _with_joints(data)
    errors = (refined.points[subject] - (data.joints[subject] - half) / half).flatten(0, 1) * (edge / 2)
    covariances = covariance_of(refined.precisions[subject]).flatten(0, 1) * (edge / 2) ** 2
    confidences = refined.nearness[subject].sigmoid().flatten()
    return confidences.double().numpy(), errors.double().numpy(), covariances.double().numpy()


def _confidence(
    network: JointRefiner, data: PeakSet, weights: Weights, refiner: JointRefinerWeights
) -> dict[str, float]:
    confidences, errors, covariances = _columns(network, data, weights)
    assert refiner.calibration is not None
    scores, covariances = (
        each.numpy() for each in refiner.calibration.apply(torch.from_numpy(confidences), torch.from_numpy(covariances))
    )
    radius = RADIUS[weights.skeleton.kind]
    distances = (errors**2).sum(1) ** 0.5
    return {
        "calibration error of the scores": reliability(scores, distances, radius)["expected_calibration_error"],
        "components within one sigma": covariance_coverage(errors, covariances)["components_within_1_sigma"],
    }


_TITLES = {
    "mean_mm": "mean joint error, mm",
    "median_mm": "median joint error, mm",
    "success_30mm": "share of the subjects whose worst joint is within 30 mm",
    "success_300mm": "share of the subjects whose worst joint is within 300 mm",
    "map_10cm": "share of the joints within 100 mm",
    "found": "subjects taken for one (probability above 0.5)",
    "false_alarms": "other things taken for a subject",
    "side_right": "hands whose side is told right in one look",
}


def _card(
    weights: Weights,
    refiner: JointRefinerWeights,
    figures: dict[str, float],
    confidence: dict[str, float],
    curve: list[dict[str, float]],
) -> str:
    about, config = refiner.training, refiner.config
    parameters = sum(value.numel() for value in refiner.state.values())
    lines = [
        f"# The joint refiner of {weights.id}",
        "",
        f"A transformer over the peaks of all {config.joints} heatmaps: {config.layers} layers of width "
        f"{config.width}, {config.peaks} peaks a heatmap, {parameters:,} parameters. Apache-2.0, like the package.",
        "",
        f"**Trained on** the peaks of `{weights.id}` ({weights.hash}) in {about['samples']:,} samples "
        f"({about['data']}), {about['config']['draws']:,} draws with augmentation, {about['minutes']} minutes in all. "
        + ("No recorded data was used." if about["data"] == "synthetic" else "The dataset's own licence holds."),
        "",
        "## On held-out samples",
        "",
        "| figure | with the refiner | the highest peaks |",
        "|---|---|---|",
    ]
    for name, title in _TITLES.items():
        if name in figures:
            plain = f"{figures['peaks_' + name]:.3g}" if f"peaks_{name}" in figures else ""
            lines.append(f"| {title} | {figures[name]:.3g} | {plain} |")
    lines += [f"| {title} (calibrated on these samples) | {value:.3g} | |" for title, value in confidence.items()]
    lines += ["", "| draws | mean error, mm | median error, mm |", "|---|---|---|"]
    lines += [f"| {row['draws']:,.0f} | {row['mean_mm']:.2f} | {row['median_mm']:.2f} |" for row in curve]
    lines += ["", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in {**config.to_dict(), **about["config"]}.items()]
    lines += [f"| versions | {versions()} |"]
    return "\n".join(lines) + "\n"
