# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Runtimes: they compute the same, the right one is chosen, and what is missing is named. Exported files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from v2v_ros.cli import main
from v2v_ros.estimator import PoseEstimator
from v2v_ros.evaluation.synthetic_sets import generate, get_set
from v2v_ros.model import weights
from v2v_ros.model.heatmaps import decode
from v2v_ros.model.network import NetworkConfig, V2VPoseNet
from v2v_ros.model.runtime import TorchRuntime, available, choose, make_runtime
from v2v_ros.model.runtime.fold import BlockFront
from v2v_ros.model.voxels import metric_coordinates, occupancy
from v2v_ros.model.weights import Weights

CPU = torch.device("cpu")
RUNTIMES = ("torch", "openvino", "onnxruntime")
Installed = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Function that makes it look as if of the optional packages only these were installed."""

    def only(*names: str) -> None:
        monkeypatch.setattr(choose, "find_spec", lambda name: object() if name in names else None)

    return only


def need(name: str) -> None:
    if name not in available():
        pytest.skip(f"runtime '{name}' is not installed")


def wide(grid: int = 16, width: int = 4, depth: int = 3) -> V2VPoseNet:
    """A network with outputs of size 1 and batch normalisations that have something to fold."""
    torch.manual_seed(0)
    network = V2VPoseNet(NetworkConfig(5, grid, width, depth=depth))
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean = 0.1 * torch.randn(module.num_features)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def cells(batch: int, grid: int = 16) -> torch.Tensor:
    return torch.rand(batch, 1, grid, grid, grid, generator=torch.Generator().manual_seed(1)) < 0.1


@torch.inference_mode()
@pytest.mark.parametrize("channels", [1, 3, 8, 16])
@pytest.mark.parametrize("occupied", ["everywhere", "nowhere", "corners"])
def test_the_first_stage_on_blocks_computes_the_same(channels: int, occupied: str) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv3d(1, channels, 7, padding=3).double()
    stage = nn.Sequential(convolution, nn.ReLU(), nn.MaxPool3d(2))
    x = cells(2, 12).double()
    if occupied != "everywhere":
        x = torch.zeros_like(x)
    if occupied == "corners":
        x[..., ::11, ::11, ::11] = 1
    torch.testing.assert_close(BlockFront(convolution)(x), stage(x), rtol=1e-12, atol=1e-12)


@torch.inference_mode()
@pytest.mark.parametrize(("width", "depth"), [(1, 3), (4, 1), (8, 3), (16, 2)])
def test_the_graph_computes_what_the_network_does(width: int, depth: int) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from v2v_ros.model.runtime.graph import onnx_model

    network = wide(width=width, depth=depth)
    session = onnxruntime.InferenceSession(onnx_model(network).SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        (heatmaps,) = session.run(["heatmaps"], {"grids": cells(batch).to(torch.uint8).numpy()})
        torch.testing.assert_close(torch.from_numpy(heatmaps), network(cells(batch).float()), rtol=1e-3, atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("name", RUNTIMES)
def test_runtimes_take_any_kind_of_cells_and_any_batch(name: str, make_weights: Callable[..., Path]) -> None:
    need(name)
    loaded = weights.load(make_weights(width=4))
    network = wide()
    network.back[-1] = nn.Conv3d(8, 21, 1)
    network.config = loaded.config
    loaded = Weights("wide", loaded.skeleton, loaded.config, loaded.cube_edge, network.state_dict())
    run = make_runtime(name, loaded, CPU, 1)
    assert name in run.description and run.device == CPU
    expected = network(cells(3).float())
    for kind in (torch.bool, torch.uint8, torch.float32):
        heatmaps = run(cells(3).to(kind))
        assert heatmaps.dtype == torch.float32 and heatmaps.shape == expected.shape
        assert (heatmaps - expected).abs().max() < 0.06 * expected.abs().max()  # half precision
    first = run(cells(3)[:1])
    kept = first.clone()
    run(cells(3)[1:])
    assert torch.equal(first, kept), "a later call wrote into an earlier result"


def shift_by_runtime(name: str, loaded: Weights, samples: int) -> tuple[float, float]:
    """Change of the mean joint error, and median way of the joints, from eager float32; millimetres."""
    run, network = make_runtime(name, loaded, CPU, 1), loaded.build()
    config, edge = loaded.config, loaded.cube_edge
    errors, ways = [], []
    test_set = get_set("hand_crops_1" if loaded.skeleton.kind == "hand" else "body_crops_1")
    for part in generate(test_set, samples):
        grids = occupancy(part.cameras.deproject(part.depth), part.cube_centers, edge, config.grid)

        def joints(heatmaps: torch.Tensor, centers: torch.Tensor = part.cube_centers) -> torch.Tensor:
            coordinates, _ = decode(heatmaps, config.sigma, loaded.heatmap_offset)
            return 1000 * metric_coordinates(coordinates, centers, edge, config.heatmap)

        eager, fast = joints(network(grids)), joints(run(grids))
        truth = 1000 * part.joints
        errors.append((fast - truth).norm(dim=-1) - (eager - truth).norm(dim=-1))
        ways.append((fast - eager).norm(dim=-1))
    return torch.cat(errors).mean().item(), torch.cat(ways).median().item()


@torch.inference_mode()
@pytest.mark.parametrize("name", RUNTIMES)
def test_joints_stay_where_they_are(name: str, shipped_weights: str) -> None:
    need(name)
    _, way = shift_by_runtime(name, weights.load(shipped_weights), 16)
    assert way < 0.1


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("shipped", weights.shipped())
def test_runtimes_are_as_accurate_as_eager_float32(name: str, shipped: str) -> None:
    need(name)
    loaded = weights.load(shipped)
    error, way = shift_by_runtime(name, loaded, 256)
    allowed = 0.1 * loaded.cube_edge / 0.25  # millimetres; a cell of a body's cube is as much larger
    assert abs(error) < allowed and way < allowed


def test_openvino_is_taken_on_a_cpu_where_it_is_installed(installed: Installed, untrained_weights: Path) -> None:
    need("openvino")
    loaded = weights.load(untrained_weights)
    assert make_runtime("auto", loaded, CPU).description.startswith("openvino")
    installed("onnx", "onnxruntime")
    assert available() == ["torch", "onnxruntime"]
    assert isinstance(make_runtime("auto", loaded, CPU), TorchRuntime)
    installed("openvino")  # without what carries the network there
    assert available() == ["torch"]


def test_openvino_sends_nothing_over_the_network(untrained_weights: Path) -> None:
    """In a process of its own, where it is imported for the first time; a hook sees every look-up and connection."""
    need("openvino")
    code = f"""
import sys, time
sys.addaudithook(lambda event, _: event in ("socket.connect", "socket.getaddrinfo") and print(event, flush=True))
import torch
from v2v_ros.model import weights
from v2v_ros.model.runtime import make_runtime
make_runtime("openvino", weights.load({str(untrained_weights)!r}), torch.device("cpu"), 1)
time.sleep(0.5)  # a thread would do it
print("done")
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "done", done.stdout + done.stderr


def test_a_signal_after_openvinos_networks_are_gone_is_handled(untrained_weights: Path) -> None:
    """They went in the order in which they came, and the process had no valid stack left for a handler."""
    need("openvino")
    code = f"""
import gc, os, signal, torch
from v2v_ros.model import weights
from v2v_ros.model.runtime import make_runtime
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
loaded = weights.load({str(untrained_weights)!r})
networks = [make_runtime("openvino", loaded, torch.device("cpu"), 1) for _ in range(2)]
while networks:
    del networks[0]
    gc.collect()
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "handled"), done.stderr


def test_openvino_does_not_pin_the_thread_that_asks(untrained_weights: Path) -> None:
    """Several programs with one thread each would all run on the first core."""
    need("openvino")
    code = f"""
import os, threading, torch
from v2v_ros.model import weights
from v2v_ros.model.runtime import make_runtime
run = make_runtime("openvino", weights.load({str(untrained_weights)!r}), torch.device("cpu"), 1)
asking, seen, done = threading.get_native_id(), set(), False
before = os.sched_getaffinity(0)
def watch():
    while not done:
        seen.add(os.sched_getaffinity(asking) == before)
watcher = threading.Thread(target=watch)
watcher.start()
for _ in range(300):
    run(torch.zeros(1, 1, 16, 16, 16))
done = True
watcher.join()
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "{True}", done.stdout + done.stderr


def test_the_estimator_says_what_runs(untrained_weights: Path) -> None:
    estimator = PoseEstimator(untrained_weights, device="cpu", detector_weights=None, runtime="torch", threads=1)
    assert estimator.runtime.startswith("torch")


def test_threads_reach_pytorch(untrained_weights: Path) -> None:
    before = torch.get_num_threads()
    try:
        make_runtime("torch", weights.load(untrained_weights), CPU, 2)
        assert torch.get_num_threads() == 2
        make_runtime("torch", weights.load(untrained_weights), CPU)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("openvino", r"'openvino' needs the Python package openvino and onnx: pip install openvino onnx, or"),
        ("onnxruntime", r"needs the Python package onnxruntime and onnx: pip install onnxruntime onnx, or"),
        ("tensorflow", r"unknown runtime 'tensorflow'; choose one of auto, torch, openvino, onnxruntime"),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(
    name: str, remedy: str, installed: Installed, untrained_weights: Path
) -> None:
    installed()
    with pytest.raises(ValueError, match=remedy):
        make_runtime(name, weights.load(untrained_weights), CPU)


def test_wrong_threads_devices_and_providers_are_refused(untrained_weights: Path) -> None:
    loaded = weights.load(untrained_weights)
    with pytest.raises(ValueError, match="threads must be 0"):
        make_runtime("torch", loaded, CPU, -1)
    need("openvino")
    with pytest.raises(ValueError, match="'openvino' runs on the CPU, not on 'cuda'"):
        make_runtime("openvino", loaded, torch.device("cuda"))
    need("onnxruntime")
    with pytest.raises(ValueError, match=r"no execution provider 'Abacus', only .*CPU"):
        make_runtime("onnxruntime:Abacus", loaded, CPU)


@torch.inference_mode()
def test_exported_files_run_and_say_what_they_are(
    tmp_path: Path, shipped_weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "hand.onnx"
    assert main(["export", "--weights", shipped_weights, "--output", str(path)]) == 0
    assert "grids uint8" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["hand.onnx"]
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    loaded = weights.load(shipped_weights)
    about: dict[str, Any] = session.get_modelmeta().custom_metadata_map
    assert (about["id"], about["hash"]) == (loaded.id, loaded.hash)
    assert (about["skeleton"], float(about["cube_edge"])) == (loaded.skeleton.name, loaded.cube_edge)
    assert float(about["sigma"]) == loaded.config.sigma and float(about["heatmap_offset"]) == loaded.heatmap_offset
    assert tuple(json.loads(about["joint_names"])) == loaded.skeleton.joint_names
    grids = cells(2, loaded.config.grid)
    (heatmaps,) = session.run(["heatmaps"], {"grids": grids.numpy().astype(np.uint8)})
    torch.testing.assert_close(torch.from_numpy(heatmaps), loaded.build()(grids.float()), rtol=1e-3, atol=1e-4)


def test_exports_are_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--output", str(tmp_path / "hand.pt")]) == 1
    assert "ONNX files end in .onnx" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "--output", str(tmp_path / "hand.onnx")]) == 1
    assert "pip install onnx" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
