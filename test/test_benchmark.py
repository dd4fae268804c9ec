# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v benchmark``: what it counts, what it calls noise, and what it prints and writes."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from v2v_ros.benchmark.goals import GOALS, Judgement
from v2v_ros.benchmark.machine import peak_memory
from v2v_ros.benchmark.networks import EAGER, arithmetic_of, choose_network, cost, grids, network_name
from v2v_ros.benchmark.noise import OTHERS_LIMIT, Load, Recorder, Timing, take_turns
from v2v_ros.benchmark.results import (
    BenchmarkFigures,
    CpuTime,
    Headline,
    Machine,
    NodeRow,
    Noise,
    Paper,
    StageFigures,
    Start,
    SubjectRow,
    TimePercentiles,
)
from v2v_ros.benchmark.scene import BenchmarkScene
from v2v_ros.cli import main
from v2v_ros.model.network import NetworkConfig, V2VPoseNet
from v2v_ros.model.weights import shipped

CPU = torch.device("cpu")


def test_the_papers_network_has_the_known_cost() -> None:
    full = cost(NetworkConfig(joints=21))
    assert full.flops / 2 == pytest.approx(36.399e9, rel=1e-4)  # multiplications, counted layer by layer elsewhere
    assert full.parameters == 3_410_453


@pytest.mark.parametrize(("joints", "grid", "width"), [(21, 88, 8), (15, 64, 16), (3, 48, 4)])
def test_the_cost_is_that_of_the_convolutions(joints: int, grid: int, width: int) -> None:
    config = NetworkConfig(joints, grid, width)
    flops = 0

    def count(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal flops
        # Every output of a convolution takes a product for each number of a kernel, and every input of these transposed
        # ones, whose kernels do not overlap.
        sides = inputs[0] if isinstance(module, torch.nn.ConvTranspose3d) else output
        flops += 2 * sides[0, 0].numel() * module.weight.numel()

    with torch.device("meta"):
        network = V2VPoseNet(config)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
                module.register_forward_hook(count)
        network(torch.empty(1, 1, grid, grid, grid))
    assert cost(config).flops == flops


def test_traffic_grows_with_the_volume_and_operations_with_the_channels_too() -> None:
    small, large = cost(NetworkConfig(21, 32, 8)), cost(NetworkConfig(21, 64, 8))
    assert large.elements == 8 * small.elements and large.flops == 8 * small.flops
    wide = cost(NetworkConfig(21, 32, 16))
    assert 3 < wide.flops / small.flops < 4 and 1.5 < wide.elements / small.elements < 2


@pytest.mark.parametrize(
    ("description", "on_cpu", "on_cuda"),
    [
        ("torch 2.13.0 float32", "float32", "tfloat32"),
        ("torch 2.13.0 bfloat16", "bfloat16", "bfloat16"),
        ("openvino 2026.4.1 bf16", "bfloat16", "bfloat16"),
        ("torch 2.13.0 float16", "float16", "float16"),
        ("onnxruntime 1.31 fp16", "float16", "float16"),
        ("openvino 2026.4.1 int8", "int8", "int8"),
        ("onnxruntime 1.31", "float32", "tfloat32"),
    ],
)
def test_the_precision_is_read_from_the_description(description: str, on_cpu: str, on_cuda: str) -> None:
    assert arithmetic_of(description, CPU) == on_cpu
    assert arithmetic_of(description, torch.device("cuda")) == on_cuda


def test_a_full_network_without_weights_keeps_the_size_of_what_passes_through() -> None:
    choice = choose_network("full", "hand21")
    assert choice.weights.config.to_dict() == NetworkConfig(21).to_dict()
    assert choice.random == ("hand21_full" not in shipped())
    if choice.random:  # numbers near zero would take longer than those of a trained network
        scene = BenchmarkScene.render("hand")
        with torch.inference_mode():
            heatmaps = choice.weights.build()(grids(scene, choice.weights.config, 0.25, 1, CPU))
        assert 1e-3 < heatmaps.abs().mean() < 1e4


def test_networks_are_called_by_their_size() -> None:
    assert network_name("hand21_lite") == "lite" and choose_network("lite", "hand21").weights.id == "hand21_lite"
    assert network_name("folder/mine.safetensors") == "folder/mine.safetensors"


def test_the_grids_hold_a_hand() -> None:
    scene = BenchmarkScene.render("hand")
    made = grids(scene, NetworkConfig(21, 32, 1), 0.25, 13, CPU)
    assert made.shape == (13, 1, 32, 32, 32) and set(made.unique().tolist()) == {0.0, 1.0}
    assert (made.sum((1, 2, 3, 4)) > 100).all() and (made.mean((1, 2, 3, 4)) < 0.1).all()
    assert np.isfinite(scene.centers).all() and len({scene.turn(index) for index in range(99)}) == len(scene.images)


class FakeStat:
    """A file like /proc/stat whose first core is kept busy by others to some share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(0.0)

    def write(self, others: float, own: float = 0.0) -> None:
        """CPU seconds so far."""
        ticks = round(100 * (others + own))
        cores = [
            f"cpu{core} {ticks if core == self.core else 0} 0 0 5000 77 0 0 0 0 0" for core in range(self.core + 1)
        ]
        self.path.write_text(f"cpu  {ticks} 0 0 5000 0 0 0 0 0 0\n" + "\n".join(cores) + "\nintr 1 2 3\n")

    @property
    def core(self) -> int:
        return min(os.sched_getaffinity(0))


@pytest.fixture
def stat(tmp_path: Path) -> FakeStat:
    return FakeStat(tmp_path / "stat")


def run_for(stat: FakeStat, shares: list[float]) -> Timing:
    """Eight samples for each share of a core that others use, in the time of one window; own work uses a core."""
    now, others = 0.0, 0.01
    stat.write(others)
    recorder = Recorder(Load(stat.path, own=lambda: now), now=lambda: now)
    for share in shares:
        for _ in range(8):
            now += 0.0255
            others += 0.0255 * share
            stat.write(others, now)
            recorder.add(thing=10 + 10 * share)
    return recorder.timings()["thing"]


def test_a_quiet_machine_is_not_called_noisy(stat: FakeStat) -> None:
    timing = run_for(stat, [0.0, 0.0, 0.1, 0.0])
    assert not timing.noisy and timing.dropped == 0 and timing.samples == 32
    assert timing.others is not None and timing.others < OTHERS_LIMIT


def test_samples_that_others_disturbed_are_dropped(stat: FakeStat) -> None:
    timing = run_for(stat, [0.0, 1.0, 0.0, 1.0])
    assert (timing.samples, timing.dropped) == (16, 16)
    assert timing.p99 < 11 and not timing.noisy


def test_a_busy_machine_is_called_noisy_and_all_samples_count(stat: FakeStat) -> None:
    timing = run_for(stat, [1.0, 1.0, 1.0, 0.9])
    assert timing.noisy and timing.dropped == 0 and timing.samples == 32
    assert timing.others == pytest.approx(1.0, abs=0.1) and timing.p50 > 19


def test_samples_far_apart_are_called_noisy() -> None:
    assert Timing.of([10.0] * 8 + [30.0] * 4, [0.0] * 12).noisy
    assert not Timing.of([10.0] * 8 + [12.0] * 4, [0.0] * 12).noisy


def test_without_counters_nothing_is_dropped(tmp_path: Path) -> None:
    recorder = Recorder(Load(tmp_path / "nothing"))
    for _ in range(10):
        recorder.add(thing=1.0)
    timing = recorder.timings()["thing"]
    assert timing.others is None and timing.samples == 10 and not timing.noisy


def test_the_counters_of_this_machine_are_read() -> None:
    others = Load().others()
    assert others is None or Load().others() is not None
    assert not peak_memory() < 50  # MB; PyTorch alone takes more


def test_turns_alternate_and_warm_up_does_not_count() -> None:
    calls: list[str] = []

    def slow(name: str) -> Callable[[], None]:
        def call() -> None:
            calls.append(name)
            torch.mm(torch.ones(700, 700), torch.ones(700, 700))

        return call

    timings = take_turns({"a": slow("a"), "b": slow("b")}, 5, warm_up=1)
    assert set(timings) == {"a", "b"} and calls[:2] == ["a", "b"]
    assert timings["a"].samples + timings["a"].dropped < calls.count("a")
    turns = [name for name, _ in itertools.groupby(calls)]
    assert turns == ["a", "b"] * 6


def test_the_ceilings_are_those_of_a_processor(run: tuple[dict[str, Any], str, Path]) -> None:
    (found,) = run[0]["ceilings"]
    assert 1 < found["matrix_gflops"]["float32"] < 1e5 and 0.3 < found["copy_gb_per_s"] < 1e4
    assert all(value > 0 for value in found["matrix_gflops"].values())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """One small run of the command: its figures, its text and its folder."""
    folder = tmp_path_factory.mktemp("benchmark")
    printed = io.StringIO()
    what = ["--frames", "4", "--subjects", "1..2", "--batches", "1,2", "--runtimes", "torch,nonsense"]
    how = ["--quiet", "--threads", "1"]
    with contextlib.redirect_stdout(printed):
        status = main(["benchmark", "--output", str(folder), "--json", str(folder / "same.json"), *what, *how])
    assert status == 0
    return json.loads((folder / "benchmark.json").read_text()), printed.getvalue(), folder


def test_the_command_writes_text_json_and_a_picture(run: tuple[dict[str, Any], str, Path]) -> None:
    figures, printed, folder = run
    assert figures == json.loads((folder / "same.json").read_text())
    assert (folder / "benchmark.txt").read_text() == printed
    pytest.importorskip("matplotlib")
    from PIL import Image

    picture = np.asarray(Image.open(folder / "benchmark.png").convert("L"))
    assert picture.shape[1] > 1000 and picture.std() > 5


def test_every_stage_has_percentiles(run: tuple[dict[str, Any], str, Path]) -> None:
    figures, printed, _ = run
    for kind in ("tracking", "searching"):
        for stage in ("decode", "locate", "voxelize", "network", "joints", "track", "total"):
            values = figures[kind][stage]
            assert 0 <= values["p50"] <= values["p90"] <= values["p99"] and stage in printed
        assert figures["noise"][kind]["samples"] + figures["noise"][kind]["dropped"] == 4
        assert figures["cpu"][kind]["ms"] > 0
    assert figures["searching"]["locate"]["p50"] > 0 and figures["tracking"]["total"]["p50"] > 0
    assert figures["start"]["seconds"] > 0.5 and figures["start"]["peak_mb"] > 100
    assert figures["machine"]["threads"] == 1


def test_networks_are_held_against_the_baseline_and_the_ceilings(run: tuple[dict[str, Any], str, Path]) -> None:
    figures, printed, _ = run
    rows = figures["networks"]
    assert [(row["runtime"], row["batch"]) for row in rows] == [
        (EAGER, 1), ("torch", 1), (EAGER, 2), ("torch", 2)
    ]  # fmt: skip
    peaks = figures["ceilings"][0]["matrix_gflops"]
    flops = cost(NetworkConfig(21, rows[0]["grid"], rows[0]["width"])).flops
    for row in rows:
        baseline = next(each for each in rows if each["runtime"] == EAGER and each["batch"] == row["batch"])
        assert row["ratio"] == pytest.approx(baseline["p50"] / row["p50"], rel=0.02, abs=0.01)
        gflops = row["batch"] * flops / row["p50"] / 1e6
        assert row["of_peak"] == pytest.approx(gflops / peaks[row["peak_of"]], rel=0.02, abs=1e-3)
        assert row["of_copy"] > 0 and not row["random_weights"]
    assert figures["network_ms"]["ratio"] > 0 and figures["camera_share"] > 0
    (reason,) = figures["left_out"]
    assert "nonsense" in reason and reason in printed
    assert figures["paper"]["verified"] is False and "not verified" in printed


def test_subjects_cost_more_together(run: tuple[dict[str, Any], str, Path]) -> None:
    figures, _, _ = run
    one, two = figures["subjects"]
    assert (one["subjects"], one["of_one"], two["subjects"]) == (1, 1.0, 2)
    assert two["of_one"] == pytest.approx(two["ms"]["total"]["p50"] / one["ms"]["total"]["p50"], rel=0.01)
    assert one["rate_hz"] == pytest.approx(1000 / one["ms"]["total"]["p50"], rel=0.01)
    assert sum(one["ms"][stage]["p50"] for stage in ("decode", "voxelize", "network")) > 0


def some_figures() -> BenchmarkFigures:
    """Figures of a run that measured next to nothing."""
    times, noise, cpu = TimePercentiles(0.0, 0.0, 0.0), Noise(4, 0, 0.0, noisy=False), CpuTime(1.0, 0.03)
    return BenchmarkFigures(
        format="",
        machine=Machine("a processor", 1, "cpu", "a processor", "torch", "lite", "hand21_lite", "2"),
        start=Start(None, 500.0, None),
        stages=StageFigures({"tracking": noise}, {"tracking": cpu}, {"locate": times}, {}, 0.1),
        ceilings=[],
        networks=[],
        left_out=[],
        subjects=[],
        network_ms=Headline(2.0, 1.0, 2.0, ""),
        ros=None,
        paper=Paper(),
        noisy=[],
    )


def judgements(figures: BenchmarkFigures) -> dict[str, Judgement]:
    return {goal.name: goal.judge(figures) for goal in GOALS if goal.device == "cpu"}


def test_goals_are_judged_and_those_not_measured_say_how(run: tuple[dict[str, Any], str, Path]) -> None:
    assert "not measured: --ros" in run[1]
    figures = replace(some_figures(), start=Start(9.9, 500.0, None))
    start = judgements(figures)["start to first skeleton"]
    assert (start.measured, start.reached) == (9.9, True)
    assert judgements(replace(figures, start=Start(10.1, 500.0, None)))["start to first skeleton"].reached is False
    assert judgements(figures)["images lost"].measured is None
    assert all(goal.judge(figures).reached is None for goal in GOALS if goal.device == "cuda")
    rate = next(goal for goal in GOALS if goal.at_least)

    def with_rate(rate_hz: float, noisy: bool = False) -> BenchmarkFigures:
        row = SubjectRow("full", False, "cpu", "torch", 1, {}, rate_hz, 1.0, 1.0, Noise(4, 0, 0.0, noisy))
        return replace(figures, subjects=[row])

    assert rate.judge(with_rate(19.9)).reached is False
    assert rate.judge(with_rate(20.0)).reached is True
    assert rate.row(with_rate(19.9)).endswith("| missed |")
    assert rate.row(with_rate(19.9, noisy=True)).endswith("| missed, but it was noisy |")


def test_the_goals_of_the_nodes_are_read() -> None:
    times = {"transport": TimePercentiles(0.5, 1.0, 2.0), "total": TimePercentiles(10.0, 11.0, 12.0)}
    node = NodeRow(30, 30, 99, 98, 0.01, 30, 1.0, times, 3.0, 0.5, 900.0, Noise(99, 0, 0.0, noisy=False))
    figures = replace(some_figures(), ros=[node, replace(node, lost=0.0)])
    judged = judgements(figures)
    assert (judged["transport, p99"].measured, judged["transport, p99"].reached) == (2.0, False)
    assert (judged["images lost"].measured, judged["node's resident memory"].reached) == (0.01, True)
    assert judged["lite network, image to skeleton in the node"].measured == 100.0
    figures = replace(figures, machine=replace(figures.machine, weights="hand21_full"))
    assert judgements(figures)["lite network, image to skeleton in the node"].measured is None


@pytest.mark.parametrize(
    "arguments", [["--batches", "0"], ["--subjects", "3..1"], ["--networks", ","], ["--ros", "fast"], ["--frames", "0"]]
)
def test_wrong_lists_are_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", *arguments])
    assert stop.value.code == 2 and arguments[0] in capsys.readouterr().err


def test_weights_that_are_not_there_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--networks", "huge", "--frames", "1", "--quiet"]) == 1
    assert "huge" in capsys.readouterr().err
