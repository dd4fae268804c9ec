# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The figures as text."""

from __future__ import annotations

from .goals import GOALS
from .results import BenchmarkFigures, TimePercentiles
from .stages import STAGES as FRAME_STAGES
from .subjects import STAGES as CUBE_STAGES

_NODE_STAGES = ("latency", "transport", "input_age", *FRAME_STAGES[:-1], "publish", "total")
_NAMED = 6  # noisy measurements that are listed


def text(figures: BenchmarkFigures) -> str:
    """Return all tables, for a terminal."""
    parts = [
        _machine(figures),
        _ceilings(figures),
        _stages(figures),
        _summary(figures),
        _networks(figures),
        _subjects(figures),
        _nodes(figures),
        goals(figures),
        _noise(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def goals(figures: BenchmarkFigures) -> str:
    """Return what was asked and what was measured, as a Markdown table: the goals of the device it ran on."""
    kind = figures.machine.device.split(":")[0]
    rows = [goal.row(figures) for goal in GOALS if goal.device == kind]
    return "\n".join(("| figure | asked | measured | |", "|---|---|---|---|", *rows))


def _machine(figures: BenchmarkFigures) -> str:
    return _columns([[name, str(value)] for name, value in figures.machine.to_dict().items()])


def _ceilings(figures: BenchmarkFigures) -> str:
    rows = [["this machine at best", "GFLOP/s", "copying GB/s"]]
    for each in figures.ceilings:
        peaks = ", ".join(f"{name} {value:,.0f}" for name, value in each.matrix_gflops.items())
        rows.append([each.device, peaks, f"{each.copy_gb_per_s:.1f}"])
    return _columns(rows)


def _stages(figures: BenchmarkFigures) -> str:
    paper = figures.paper
    of_paper = {"voxelize": paper.input_ms, "network": paper.network_ms, "joints": paper.decode_ms}
    rows = [["milliseconds", "tracking p50/p90/p99", "searching", f"paper, {paper.device} *"]]
    for stage in FRAME_STAGES:
        cells = [_percentiles(times[stage]) for times in figures.stages.kinds.values()]
        rows.append([stage, *cells, f"{of_paper[stage]:g}" if stage in of_paper else ""])
    return _columns(rows) + "\n* from memory, not verified; its input includes finding the subject's centre"


def _summary(figures: BenchmarkFigures) -> str:
    network, start, cpu = figures.network_ms, figures.start, figures.stages.cpu["tracking"]
    lines = [
        f"network alone: {network.runtime} ms, {network.ratio} times as fast as plain float32 PyTorch",
        f"a tracked frame takes {100 * figures.stages.camera_share:.0f} % of the time between two frames at 30 Hz, "
        f"and {cpu.ms:.1f} ms of CPU time ({cpu.cores_at_30_hz:.2f} cores at 30 Hz)",
        "a fresh process "
        + ("found nothing" if start.seconds is None else f"has its first skeleton after {start.seconds:.1f} s")
        + f" and takes {start.peak_mb:.0f} MB"
        + (f"; {start.gpu_mb:.0f} MB are in use on the GPU" if start.gpu_mb is not None else ""),
    ]
    return "\n".join(lines)


def _networks(figures: BenchmarkFigures) -> str:
    head = ["network", "device", "runtime", "batch", "ms p50/p90/p99", "x eager", "GFLOP/s", "of peak", "of copy", ""]
    rows = [head]
    for row in figures.networks:
        rows.append(
            [
                f"{row.network} {row.grid}^3 w{row.width}" + (" (random)" if row.random_weights else ""),
                row.device,
                f"{row.runtime}: {row.description}" if row.runtime != "eager float32" else row.runtime,
                str(row.batch),
                _percentiles(row.ms),
                f"{row.ratio:.2f}",
                f"{row.efficiency.gflops:,.0f}",
                f"{100 * row.efficiency.of_peak:.0f} % {row.efficiency.peak_of}",
                f"{100 * row.efficiency.of_copy:.0f} %",
                "noisy" if row.noise.noisy else "",
            ]
        )
    notes = [f"left out: {reason}" for reason in figures.left_out]
    if any(row.random_weights for row in figures.networks):
        notes.append("(random): no weights of the paper's size are shipped; the time does not depend on them")
    return "\n".join((_columns(rows), *notes))


def _subjects(figures: BenchmarkFigures) -> str:
    rows = [
        ["network", "subjects", *(f"{stage} p50" for stage in CUBE_STAGES[:-1]), "total p50/p90/p99", "Hz", "of one"]
    ]
    for row in figures.subjects:
        rows.append(
            [
                row.network + (" (random)" if row.random_weights else ""),
                str(row.subjects),
                *(f"{row.ms[stage].p50:.2f}" for stage in CUBE_STAGES[:-1]),
                _percentiles(row.ms["total"]),
                f"{row.rate_hz:.1f}",
                f"{row.of_one:.2f}",
            ]
        )
    return "from the image to the joints of subjects whose places are known\n" + _columns(rows)


def _nodes(figures: BenchmarkFigures) -> str:
    if not figures.ros:
        return "the nodes over DDS: not measured (--ros)"
    parts = []
    for row in figures.ros:
        rows = [[stage, _percentiles(row.ms[stage])] for stage in _NODE_STAGES]
        head = (
            f"the nodes over DDS, camera at {row.camera_hz:g} Hz: {row.skeletons_hz:g} skeletons/s, "
            f"{100 * row.lost:.2f} % of {row.published} images lost, subject in {100 * row.found:.0f} %; "
            f"{row.cores:.2f} cores, {row.peak_mb:.0f} MB, first skeletons after {row.start_seconds:.1f} s"
        )
        parts.append(head + "\n" + _columns([["milliseconds", "p50/p90/p99"], *rows]))
    return "\n\n".join(parts)


def _noise(figures: BenchmarkFigures) -> str:
    cores = [each.others_cores for each in figures.ceilings]
    cores += [noise.others_cores for noise in figures.stages.noise.values()]
    cores += [row.noise.others_cores for row in figures.networks]
    known = [each for each in cores if each is not None]
    others = f"other processes used up to {max(known):.2f} cores" if known else "what others used is not known here"
    if not figures.noisy:
        return f"quiet enough: {others}"
    named = "; ".join(figures.noisy[:_NAMED])
    more = f"; and {len(figures.noisy) - _NAMED} more" if len(figures.noisy) > _NAMED else ""
    return f"TOO NOISY, run again when nothing else runs ({others}): {named}{more}"


def _percentiles(values: TimePercentiles) -> str:
    return f"{values.p50:.2f} / {values.p90:.2f} / {values.p99:.2f}"


def _columns(rows: list[list[str]]) -> str:
    """Return rows as text, the columns as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
