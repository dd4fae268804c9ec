# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Success curves, errors of joints and reliability as pictures, with matplotlib."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...io.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEGEND_COLUMNS = 3


def available() -> bool:
    """Return whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def success_curve(figures: dict[str, Any], path: Path) -> None:
    """Draw the share of frames whose worst joint is within a threshold, over that threshold."""
    figure, axes = _axes()
    curve = figures["curve"]
    axes.plot(curve["threshold_mm"], [100 * share for share in curve["success"]])
    axes.set(
        xlabel="threshold / mm",
        ylabel="frames whose worst joint is within / %",
        xlim=(0, curve["threshold_mm"][-1]),
        ylim=(0, 100),
        title=f"{figures['test_set']}, {figures['samples']} samples",
    )
    save(figure, path)


def reliability(figures: dict[str, Any], path: Path) -> None:
    """Draw the shares of joints that are as near as their scores say; the diagonal is perfect."""
    figure, axes = _axes()
    content = figures["reliability"]
    total = sum(row["count"] for row in content["bins"])
    scores = [row["score"] for row in content["bins"]]
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1)
    axes.plot(scores, [row["share"] for row in content["bins"]], marker="o", label="within the radius")
    shares = [row["count"] / total for row in content["bins"]]
    axes.bar(scores, shares, width=0.03, color="0.85", label="share of the joints")
    axes.set(
        xlabel="score",
        ylabel=f"share within {content['radius_mm']:.0f} mm",
        xlim=(0, 1),
        ylim=(0, 1),
        title=f"{figures['test_set']}, calibration error {100 * content['expected_calibration_error']:.1f} %",
    )
    axes.legend(loc="upper left")
    save(figure, path)


def method_curves(results: dict[str, dict[str, Any]], title: str, path: Path) -> None:
    """Draw, of several methods, the shares of frames whose worst joint, and of joints, are within a threshold."""
    figure, panels = _axes(columns=2, names=len(results))
    labels = {"worst_joint": "frames whose worst joint is within / %", "all_joints": "joints within / %"}
    for axes, (key, label) in zip(panels, labels.items(), strict=True):
        for index, (name, figures) in enumerate(results.items()):
            curve = figures["curve"]
            style = ("-", "--", ":")[index // 10 % 3]  # colours repeat after ten
            axes.plot(curve["threshold_mm"], [100 * share for share in curve[key]], style, label=name)
            axes.set(xlim=(0, curve["threshold_mm"][-1]), ylim=(0, 100), xlabel="threshold / mm", ylabel=label)
    figure.suptitle(title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=_LEGEND_COLUMNS, fontsize=8)
    save(figure, path)


def joint_bars(results: dict[str, dict[str, Any]], title: str, path: Path) -> None:
    """Draw, of several methods, the mean error of every joint and of all."""
    figure, axes = _axes(width=10 + len(results) / 2, names=len(results))
    names = [*next(iter(results.values()))["joints"], "all"]
    width = 0.8 / len(results)
    for index, (label, figures) in enumerate(results.items()):
        means = [row["mean_mm"] for row in figures["joints"].values()] + [figures["mean_mm"]]
        places = [place - 0.4 + (index + 0.5) * width for place in range(len(names))]
        hatch = ("", "///", "...")[index // 10 % 3]
        axes.bar(places, [math.nan if mean is None else mean for mean in means], width, label=label, hatch=hatch)
    axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=90)
    axes.set(ylabel="mean error / mm", title=title)
    figure.legend(loc="outside lower center", ncols=_LEGEND_COLUMNS, fontsize=8)
    save(figure, path)


def _axes(columns: int = 1, width: float = 5, names: int = 0) -> tuple[Any, Any]:
    """Return a figure with room for a legend of a number of names below, and its axes."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    figure = Figure(figsize=(width * columns, 4 + 0.2 * math.ceil(names / _LEGEND_COLUMNS)), layout="constrained")
    axes = figure.subplots(1, columns)
    for each in axes if columns > 1 else (axes,):
        each.grid(color="0.9")
        each.set_axisbelow(True)
    return figure, axes


def save(figure: Figure, path: Path, *, dots_per_inch: int = 120) -> None:
    """Write a figure as a PNG image; its folder is made if need be."""
    content = BytesIO()
    figure.savefig(content, format="png", dpi=dots_per_inch)
    write_atomically(path, content.getvalue())


def say_what_is_missing() -> None:
    """Tell on the terminal how to get plots, if they cannot be drawn."""
    if not available():
        print("no plots: pip install matplotlib")
