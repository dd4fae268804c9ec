# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The model card that a run writes about itself."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import pytorch_lightning
import torch

from .. import __version__
from .config import TrainingConfig

_FIGURES = {
    "val/error_mm": "mean error, mm",
    "val/median_mm": "median error, mm",
    "val/p95_mm": "95 % of the errors are within, mm",
    "val/success_30mm": "share of the hands whose worst joint is within 30 mm",
    "val/map_10cm": "share of the joints within 100 mm",
    "val/score": "mean score of subjects",
    "val/empty_score": "mean score where nobody is",
    "val/within_half_cube": "share of the centres within half a cube",
    "val/presence_right": "share of the cubes where presence is told right",
    "val/found": "share of the subjects that are found",
    "val/false_alarms": "share of the cubes without a subject where one is found",
}


@dataclass(frozen=True)
class Report:
    """Facts about a run, for its card.

    Attributes:
        id: Name of the weights.
        config: Configuration of the run.
        start: Weights that it started from, or an empty string.
        parameters: Number of parameters of the network.
        size: Size of the file, bytes.
        samples: Number of samples seen so far.
        frames: Number of frames of the dataset that it trains on; 0 for synthetic data.
        minutes: Wall time so far, minutes.
        device: Device that it ran on.
        rates: Samples a second (:class:`~v2v_ros.training.pace.Pace`).
        skipped: Number of steps left out because a gradient was not finite.
        figures: Figures on the held-out set.
        joint_errors_mm: Mean error of each joint on the held-out set, by name.
        curve: Figures of all validations, each with ``samples``.
    """

    id: str
    config: TrainingConfig
    start: str
    parameters: int
    size: int
    samples: int
    frames: int
    minutes: float
    device: str
    rates: dict[str, float]
    skipped: int
    figures: dict[str, float]
    joint_errors_mm: dict[str, float]
    curve: list[dict[str, float]]


def data_of(config: TrainingConfig) -> str:
    """Return what the samples show."""
    if config.spec is not None:
        subject = f", without subject {config.test_subject}" if config.test_subject >= 0 else ""
        return f"{config.spec.title}{subject}"
    if config.subject.kind == "body":
        return "synthetic people"
    return (
        "synthetic hands, left and right"
        if config.network == "center"
        else "synthetic right hands, and left ones to be passed over"
    )


def commit() -> str:
    """Return the commit that the code is from, with a note when it was changed since; empty outside of a checkout."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # An installed package may lie in somebody else's repository.
        git("ls-files", "--error-unmatch", str(Path(__file__).resolve()))
        return git("rev-parse", "--short=12", "HEAD") + (", with changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def model_card(report: Report) -> str:
    """Return the card in Markdown."""
    config, skeleton = report.config, report.config.subject
    what = (
        f"The centre refiner of `{skeleton.name}`: finds the reference point of a {skeleton.kind} in a generous cube, "
        "and says whether there is one"
        if config.network == "center"
        else f"{len(skeleton.joint_names)} joints of a {skeleton.kind} (`{skeleton.name}`) from depth. V2V-PoseNet"
    )
    start = f", starting from `{report.start}`" if report.start else ""
    if config.annealed:
        at = f"{config.anneal_step * config.batch:,} samples"
        start += f"; a copy of `{config.annealed}` at {at}, whose learning rate fell to zero from there on"
    code = commit()
    lines = [
        f"# {report.id}",
        "",
        f"{what}, with {config.grid} cells per axis and {config.width} channels at the front: "
        f"{report.parameters:,} parameters, {report.size / 1e6:.1f} MB{' in half precision' if config.half else ''}. "
        "Apache-2.0, like the package.",
        "",
        f"**Trained on** {_amount(report)}{_how(config)}{start}; in "
        f"{report.minutes:.1f} minutes on {report.device}."
        + (
            " No recorded data was used."
            if config.spec is None
            else " The dataset's own licence holds for the weights."
        ),
        "",
        "| samples a second | |",
        "|---|---|",
        f"| {'rendered' if config.spec is None else 'read'}, by one process while it does so | "
        f"{_rate(report, 'rendered')} |",
        f"| through the network, forward and back | {_rate(report, 'network')} |",
        f"| trained, all in all | {_rate(report, 'trained')} |",
        "",
        f"Steps left out because a gradient was not finite: {report.skipped}.",
        "",
        f"## On {_validated_on(config)}",
        "",
        "The weights are the moving average of the training's, here and in the file."
        if config.decay
        else "The weights are the training's last, here and in the file.",
        "",
        "| figure | |",
        "|---|---|",
        *(f"| {_FIGURES[name]} | {value:.3g} |" for name, value in report.figures.items()),
    ]
    if report.joint_errors_mm:
        lines += ["", "| joint | mean error, mm |", "|---|---|"]
        lines += [f"| {name} | {error:.1f} |" for name, error in report.joint_errors_mm.items()]
    lines += ["", "## Learning curve", "", "| samples | mean error, mm | median error, mm |", "|---|---|---|"]
    lines += [
        f"| {point['samples']:,.0f} | {point.get('val/error_mm', float('nan')):.1f} "
        f"| {point.get('val/median_mm', float('nan')):.1f} |"
        for point in thin(report.curve)
    ]
    lines += ["", "## How it was made", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in asdict(config).items()]
    lines += [f"| commit | {code} |"] if code else []
    lines += [f"| versions | {versions()} |"]
    return "\n".join(lines) + "\n"


def versions() -> str:
    """Return the versions of what a run is made with."""
    return (
        f"v2v_ros {__version__}, torch {torch.__version__}, pytorch-lightning {pytorch_lightning.__version__}, "
        f"Python {platform.python_version()}"
    )


def _amount(report: Report) -> str:
    """Return how much it has seen."""
    if not report.frames:
        return f"{report.samples:,} samples of {data_of(report.config)}"
    times = report.samples / report.frames
    often = "once" if times == 1 else f"{times:.4g} times"
    return f"{report.frames:,} frames of {data_of(report.config)}, seen {often} each ({report.samples:,} samples)"


def _how(config: TrainingConfig) -> str:
    """Return how the samples came to be."""
    if config.spec is None:
        return ", rendered while it trained"
    return f", by the recipe '{config.recipe}', its cubes at the centres '{config.centers}'"


def _validated_on(config: TrainingConfig) -> str:
    if config.spec is None:
        return f"{config.validation_samples} held-out synthetic samples"
    split = "test" if config.spec.test_labels else "training"
    return f"at most {config.validation_samples} frames of the {split} split, by which nothing was chosen"


def thin(curve: list[dict[str, float]], rows: int = 12) -> list[dict[str, float]]:
    """Return a few points of a curve, evenly spread, the first and the last among them."""
    if len(curve) <= rows:
        return curve
    return [curve[round(i * (len(curve) - 1) / (rows - 1))] for i in range(rows)]


def _rate(report: Report, name: str) -> str:
    return f"{report.rates[name]:.3g}" if name in report.rates else "-"
