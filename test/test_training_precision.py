# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which precision is trained in, and that its gradients are right."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from v2v_ros.model import weights
from v2v_ros.model.network import CenterRefiner, CenterRefinerConfig, NetworkConfig, V2VPoseNet
from v2v_ros.training import finite, precision
from v2v_ros.training.finite import FiniteSteps
from v2v_ros.training.precision import choose_precision


@pytest.fixture(params=[False, True], ids=["without bfloat16", "with bfloat16"])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both kinds of processor; the arithmetic is this one's, which emulates what it lacks."""
    monkeypatch.setattr(precision, "cpu_multiplies_bfloat16", lambda: request.param)
    return request.param


def test_the_processor_decides_what_auto_is(processor: bool) -> None:
    assert choose_precision("auto", 48, "cpu") == ("bf16-mixed" if processor else "32-true", "")
    chosen, note = choose_precision("auto", 16, "cpu")
    assert chosen == "32-true" and bool(note) == processor


def test_what_was_asked_for_is_taken_except_for_small_grids_on_a_cpu(processor: bool) -> None:
    assert choose_precision("32-true", 16, "cpu") == choose_precision("32-true", 48, "cpu") == ("32-true", "")
    for mixed in ("bf16-mixed", "16-mixed"):  # Lightning takes bfloat16 for both there
        assert choose_precision(mixed, 24, "cpu") == ("bf16-mixed", "")
        for grid in (8, 16):
            chosen, note = choose_precision(mixed, grid, "cpu")
            assert chosen == "32-true" and "less than 24 cells are trained in float32" in note
        assert choose_precision(mixed, 16, "cuda") == (mixed, "")


def test_a_gpu_is_asked_whether_it_multiplies_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    for able in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, able=able: able)
        assert choose_precision("auto", 16, "cuda") == ("bf16-mixed" if able else "32-true", "")


@pytest.mark.parametrize("network", ["pose", "center"])
def test_gradients_of_the_smallest_grid_are_those_of_float32(network: str, processor: bool) -> None:
    """Wherever this runs, whatever was asked for."""
    torch.manual_seed(0)
    chosen = choose_precision("bf16-mixed", 16, "cpu")[0]
    model: Any = (
        CenterRefiner(CenterRefinerConfig(16, 4)) if network == "center" else V2VPoseNet(NetworkConfig(5, 16, 4))
    )
    model.to(memory_format=torch.channels_last_3d)
    grids = (torch.rand(4, 1, 16, 16, 16) < 0.1).float().contiguous(memory_format=torch.channels_last_3d)
    gradients = []
    for mixed in (False, chosen == "bf16-mixed"):
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            output = model(grids)
        output.float().square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for exact, trained in zip(*gradients, strict=True):
        assert exact.isfinite().all()
        torch.testing.assert_close(trained, exact)


@pytest.mark.parametrize(("batch", "channels"), [(1, 16), (8, 16), (2, 64)])
def test_gradients_of_the_narrowest_convolutions_in_bfloat16_are_those_of_float32(batch: int, channels: int) -> None:
    """A grid of 24 may be trained in bfloat16: of its 3x3x3 cells the gradient is right, in every call."""
    assert choose_precision("bf16-mixed", 24, "cpu")[0] == "bf16-mixed"
    torch.manual_seed(0)
    layer: Any = torch.nn.Conv3d(channels, channels, 3, padding=1)
    layer.to(memory_format=torch.channels_last_3d)
    # Numbers that bfloat16 can hold, so that only the sums are rounded.
    values, back = torch.randn(2, batch, channels, 3, 3, 3).bfloat16().float()
    values, back = (part.contiguous(memory_format=torch.channels_last_3d) for part in (values, back))
    layer(values).backward(back)
    exact = layer.weight.grad.clone()
    for _ in range(10):
        layer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(values)
        output.backward(back.bfloat16())
        assert (layer.weight.grad - exact).norm() < 0.01 * exact.norm()


def test_the_comparison_of_representations_takes_float32_for_small_grids_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("pytorch_lightning")
    from v2v_ros.cli import main

    tiny = ["--grid", "16", "--width", "2", "--samples", "8", "--batch", "4", "--held-out", "8", "--quiet"]
    names = ("pixel-to-coordinates", "voxel-to-coordinates")
    with caplog.at_level(logging.WARNING):
        command = ["representations", "--output", str(tmp_path), *tiny, "--only", *names, "--seeds", "0"]
        assert main([*command, "--precision", "bf16-mixed"]) == 0
    assert len([record for record in caplog.records if "trained in float32" in record.message]) == 1
    for name in names:
        assert json.loads((tmp_path / f"{name}_seed0.json").read_text())["precision"] == "32-true"


def test_the_trainer_takes_float32_for_small_grids_says_so_once_and_writes_it_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("pytorch_lightning")
    from v2v_ros.training.config import TrainingConfig, read_config
    from v2v_ros.training.train import train

    monkeypatch.setattr(precision, "cpu_multiplies_bfloat16", lambda: True)
    output = tmp_path / "x.safetensors"
    train(TrainingConfig(grid=16, width=2, samples=8, validation_samples=8), output, progress=False)
    if torch.cuda.is_available():
        return
    assert len([record for record in caplog.records if "trained in float32" in record.message]) == 1
    assert weights.load(output).training["config"]["precision"] == "32-true"
    assert "| precision | 32-true |" in (tmp_path / "x.md").read_text()
    # Who goes on with it on another machine has the choice again.
    assert read_config(tmp_path / "x_run" / "config.json")["precision"] == "auto"


# Steps that are left out


def test_a_step_that_is_not_finite_is_undone_counted_and_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite, "LARGEST_SKIPS", 1)
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    steps = FiniteSteps(network, "do something")

    def step(value: float) -> bool:
        steps.remember()
        optimizer.zero_grad(set_to_none=True)
        network(torch.tensor([[value, 1.0], [2.0, 3.0], [0.0, 1.0]])).square().sum().backward()
        good = steps.clip(optimizer, 1.0)
        optimizer.step()
        return good

    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert not step(torch.nan)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert step(1.0) and not step(torch.inf) and steps.skipped == 2
    with pytest.raises(RuntimeError, match="in 2 steps in a row: do something"):
        step(torch.nan)
