# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The model card of a detector."""

from __future__ import annotations

import platform

import torch

from ... import __version__
from ...model.weights import DetectorWeights
from ..card import commit, thin

_FIGURES = {
    "hand_recall": "share of the hands found where 1 in 100 images has a false alarm",
    "hand_threshold": "the score at which that is so",
    "hand_found": "share of the hands found at any score",
    "hand_error_mm": "median error of the hands' centres, mm",
    "hand_empty_p99": "score that 99 % of the images without a hand stay below",
    "side_right": "share of the found hands whose side is right",
    "body_recall": "share of the bodies found where 1 in 100 images has a false alarm",
    "body_threshold": "the score at which that is so",
    "body_found": "share of the bodies found at any score",
    "body_error_mm": "median error of the bodies' centres, mm",
    "body_empty_p99": "score that 99 % of the images without a body stay below",
}


def detector_card(made: DetectorWeights, size: int, curve: list[dict[str, float]]) -> str:
    """Return the card in Markdown.

    Args:
        size: Size of the file, bytes.
        curve: Figures of all validations, each with ``samples``.
    """
    training = made.training
    parameters = sum(value.numel() for name, value in made.state.items() if "num_batches" not in name)
    start = f", starting from `{training['from']}`" if "from" in training else ""
    last = curve[-1]
    code = commit()
    lines = [
        f"# {made.id}",
        "",
        "Finds hands and bodies in a whole depth image: where their reference points are and, of hands, which side. "
        f"A 2D network on at most 160 x 120 pixels: {parameters:,} parameters, {size / 1e6:.1f} MB in half precision. "
        "Apache-2.0, like the package.",
        "",
        f"**Trained on** {training['samples']:,} samples of {training['scenes']:,} synthetic whole scenes, changed at "
        f"random each time, the hard ones seen more often{start}; in {training['minutes']:.0f} minutes on "
        f"{training['device']}. No recorded data was used.",
        "",
        f"## On {training['config']['validation_samples']} held-out synthetic scenes",
        "",
        "The weights are the moving average of the training's, here and in the file.",
        "",
        "| figure | |",
        "|---|---|",
        *(f"| {text} | {last[name]:.3g} |" for name, text in _FIGURES.items() if name in last),
        "",
        "## Learning curve",
        "",
        "| samples | hands found | hand error, mm | sides right | bodies found | body error, mm |",
        "|---|---|---|---|---|---|",
    ]
    columns = ("hand_recall", "hand_error_mm", "side_right", "body_recall", "body_error_mm")
    lines += [
        f"| {point['samples']:,.0f} | " + " | ".join(f"{point[name]:.3g}" for name in columns) + " |"
        for point in thin(curve)
    ]
    lines += [
        "",
        "(Found where 1 in 100 images has a false alarm.)",
        "",
        "## How it was made",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value} |" for name, value in training["config"].items()]
    lines += [f"| commit | {code} |"] if code else []
    lines += [f"| versions | v2v_ros {__version__}, torch {torch.__version__}, Python {platform.python_version()} |"]
    return "\n".join(lines) + "\n"
