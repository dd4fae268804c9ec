# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The comparison itself: which runs there are, what they gave, the table and the picture."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from ...evaluation.reports.plots import save
from ...model.runtime import cpu_multiplies_bfloat16
from .config import ComparisonConfig
from .data import Samples, held_out
from .networks import REPRESENTATIONS, CoordinateHead
from .training import result_file

# Mean joint error on NYU in millimetres and millions of parameters, as the paper's comparison of representations is
# remembered; they were not checked against a copy of it.
PUBLISHED = {
    "pixel-to-coordinates": (18.85, 21.1),
    "pixel-to-voxel": (13.01, 4.6),
    "voxel-to-coordinates": (16.78, 457.5),
    "voxel-to-voxel": (10.37, 3.4),
}
_TIMED, _WARM_UP = 40, 5


def read_result(folder: Path, name: str, seed: int) -> dict[str, Any] | None:
    """Return the result of a run; None while there is none.

    Raises:
        ValueError: The file is not what this program wrote.
    """
    path = result_file(folder, name, seed)
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not JSON ({error}): remove it to train again") from error
    if not isinstance(result, dict) or (result.get("representation"), result.get("seed")) != (name, seed):
        raise ValueError(f"'{path}' is not the result of {name} with seed {seed}: remove it to train again")
    return result


def missing(folder: Path, names: list[str], seeds: list[int]) -> list[tuple[str, int]]:
    """Return the runs without a result, all of a seed together."""
    return [(name, seed) for seed in seeds for name in names if read_result(folder, name, seed) is None]


def trained_seeds(folder: Path) -> list[int]:
    """Return the seeds for which any network has a result."""
    seeds = set()
    for path in folder.glob("*_seed*.json"):
        name, _, seed = path.stem.rpartition("_seed")
        if name in REPRESENTATIONS and seed.isdecimal():
            seeds.add(int(seed))
    return sorted(seeds)


def _fast_dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" or cpu_multiplies_bfloat16() else torch.float32


def milliseconds(config: ComparisonConfig, device: torch.device) -> dict[str, float]:
    """Return the median time of every network for one sample, turn by turn so that a busy moment meets all of them.

    In half precision where the hardware multiplies it, as at run time.
    """
    dtype = _fast_dtype(device)
    samples = Samples(*(part[:1].to(device) for part in held_out(config.grid, 1)[0]))
    calls: dict[str, tuple[nn.Module, torch.Tensor]] = {}
    for name, kind in REPRESENTATIONS.items():
        network = kind.build(config.network()).eval().to(device, dtype)
        for module in network.modules():
            if isinstance(module, CoordinateHead):
                module.float()
        network = network.to(memory_format=kind.memory_format)  # type: ignore[call-overload]
        inputs = samples.pixels if kind.pixels else samples.grids
        calls[name] = network, inputs.to(dtype).contiguous(memory_format=kind.memory_format)
    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode():
        for turn in range(_WARM_UP + _TIMED):
            for name, (network, inputs) in calls.items():
                started = time.perf_counter()
                network(inputs)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                if turn >= _WARM_UP:
                    times[name].append(1000 * (time.perf_counter() - started))
    return {name: round(median(values), 2) for name, values in times.items()}


def summarize(config: ComparisonConfig, folder: Path, seeds: list[int], device: torch.device) -> dict[str, Any]:
    """Return all figures of the comparison; those of runs without a result are left out."""
    times = milliseconds(config, device)
    rows: dict[str, dict[str, Any]] = {}
    for name, kind in REPRESENTATIONS.items():
        runs = [result for seed in seeds if (result := read_result(folder, name, seed)) is not None]
        network = kind.build(config.network())
        rows[name] = {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "milliseconds": times[name],
            "mean_mm": _mean([run["mean_mm"] for run in runs]),
            "median_mm": _mean([run["median_mm"] for run in runs]),
            "success_30mm": _mean([run["success_30mm"] for run in runs]),
            "runs": runs,
        }
    return {
        "config": json.loads(config.to_json()),
        "seeds": seeds,
        "device": f"{device.type}, {str(_fast_dtype(device)).removeprefix('torch.')}",
        "threads": torch.get_num_threads(),
        "rows": rows,
    }


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def table(figures: dict[str, Any]) -> str:
    """Return the figures for people to read, beside the paper's."""
    seeds = figures["seeds"]
    heads = ["parameters", "ms", "mean error", *(f"seed {seed}" for seed in seeds), "median", "< 30 mm", "paper, NYU"]
    lines = [f"{'representation':22}" + "".join(f"{head:>13}" for head in heads)]
    for name, row in figures["rows"].items():
        errors = {run["seed"]: run["mean_mm"] for run in row["runs"]}
        error, millions = PUBLISHED[name]
        success = row["success_30mm"]
        cells = [
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['milliseconds']:.1f}",
            _millimetres(row["mean_mm"]),
            *(_millimetres(errors.get(seed)) for seed in seeds),
            _millimetres(row["median_mm"]),
            "-" if success is None else f"{100 * success:.1f} %",
            f"{error:.2f}/{millions:.1f}M",
        ]
        lines.append(f"{name:22}" + "".join(f"{cell:>13}" for cell in cells))
    config = figures["config"]
    lines += [
        "",
        f"Mean joint errors in mm on {config['held_out']} synthetic right hands that none was trained on, after "
        f"{config['samples']} training samples each",
        f"(grid {config['grid']}, width {config['width']}, batch {config['batch']}). Error, median and share of frames "
        "whose worst joint is within 30 mm: means over the seeds.",
        f"Milliseconds: the network alone, batch 1, {figures['device']}, {figures['threads']} thread(s), median.",
        "Paper: mean error in mm on NYU / parameters, as remembered, not checked; other hands, so only the order "
        "compares.",
    ]
    return "\n".join(lines)


def _millimetres(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def csv_table(figures: dict[str, Any]) -> str:
    """Return a row for every network and seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("mean_mm", "median_mm", "success_30mm")
    writer.writerow(["representation", "seed", *columns, "parameters", "milliseconds"])
    for name, row in figures["rows"].items():
        for run in row["runs"]:
            own = [run[column] for column in columns]
            writer.writerow([name, run["seed"], *own, row["parameters"], row["milliseconds"]])
    return text.getvalue()


def learning_curves(figures: dict[str, Any], path: Path) -> None:
    """Error on held-out hands over the samples seen: a line for every network and seed, one colour a network."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="0.9")
    highest = 0.0
    for color, (name, row) in zip(("C0", "C1", "C2", "C3"), figures["rows"].items(), strict=True):
        for index, run in enumerate(row["runs"]):
            errors = [point["mean_mm"] for point in run["curve"]]
            samples = [point["samples"] / 1000 for point in run["curve"]]
            style = ("-", "--", ":", "-.")[index % 4]
            axes.plot(samples, errors, style, color=color, marker=".", label=None if index else name)
            highest = max(highest, *errors)
    axes.set(
        xlabel="thousands of training samples",
        ylabel="mean joint error / mm",
        ylim=(0, 1.05 * highest or 1),
        title=f"synthetic right hands, grid {figures['config']['grid']}, a line for each seed",
    )
    if highest:
        axes.legend()
    save(figure, path)
