# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The card of a joint refiner: what it was trained on, and what it is worth."""

from __future__ import annotations

from ...model.weights import JointRefinerWeights, Weights
from ..card import versions

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


def refiner_card(
    weights: Weights,
    refiner: JointRefinerWeights,
    figures: dict[str, float],
    confidence: dict[str, float],
    curve: list[dict[str, float]],
) -> str:
    """Return the card in Markdown.

    Args:
        weights: Weights of the pose network.
        refiner: Weights of the joint refiner.
        figures: Figures on the held-out samples, by name.
        confidence: Figures of the calibrated probabilities and covariances, by their title.
        curve: Figures in the course of the training, each with the ``draws`` so far.
    """
    about, config = refiner.training, refiner.config
    parameters = sum(value.numel() for value in refiner.state.values())
    lines = [
        f"# The joint refiner of {weights.id}",
        "",
        f"A transformer over the peaks of all {config.joints} heatmaps: {config.layers} layers of width "
        f"{config.width}, {config.peaks} peaks a heatmap, {parameters:,} parameters. Apache-2.0, like the package.",
        "",
        f"**Trained on** the peaks of `{weights.id}` ({weights.hash}) in {about['samples']:,} samples "
        f"({about['data']}), {about['config']['draws']:,} draws with augmentation, {about['minutes']} minutes in all"
        + (f", from the refiner of {about['from']}. " if "from" in about else ". ")
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
