"""Success curves and reliability as pictures, with matplotlib."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from ..files import write_atomically


def available() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def success_curve(figures: dict[str, Any], path: Path) -> None:
    """Share of frames whose worst joint is within a threshold, over that threshold."""
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
    _save(figure, path)


def reliability(figures: dict[str, Any], path: Path) -> None:
    """Shares of joints that are as near as their scores say; the diagonal is perfect."""
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
    _save(figure, path)


def _axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="0.9")
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_atomically(path, content.getvalue())
