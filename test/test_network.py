# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The network, its runtime and its weights files."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.model.calibration import Calibration
from v2v_ros.model.network import BlockConv3d, CenterRefiner, CenterRefinerConfig, NetworkConfig, Residual, V2VPoseNet
from v2v_ros.model.runtime import TorchRuntime, choose_device, fold_batch_norm
from v2v_ros.model.weights import CenterWeights, WeightsError


@pytest.mark.parametrize(("joints", "count"), [(14, 3_410_222), (15, 3_410_255), (16, 3_410_288), (21, 3_410_453)])
def test_the_full_network_has_the_published_number_of_parameters(joints: int, count: int) -> None:
    with torch.device("meta"):
        network = V2VPoseNet(NetworkConfig(joints))
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_every_stage_has_the_published_sizes_and_widths() -> None:
    """(channels, cells) of the output of every convolution, stage by stage; a residual block whose width changes has a
    third convolution, on its skip connection."""
    with torch.device("meta"):
        network = V2VPoseNet(NetworkConfig(21))
    stages: dict[str, list[tuple[int, int]]] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            sizes = stages.setdefault(name.split(".")[0], [])

            def record(_: nn.Module, __: object, out: torch.Tensor, sizes: list[tuple[int, int]] = sizes) -> None:
                sizes.append((out.shape[1], out.shape[-1]))

            module.register_forward_hook(record)
    assert network(torch.zeros(1, 1, 88, 88, 88, device="meta")).shape == (1, 21, 44, 44, 44)
    assert stages == {
        "front": [(16, 88), *[(32, 44)] * 3, *[(32, 44)] * 2, *[(32, 44)] * 2],
        "outer_skip": [(32, 44)] * 2,
        "outer_down": [(64, 22)] * 3,
        "inner_skip": [(64, 22)] * 2,
        "inner": [*[(128, 11)] * 3, *[(128, 11)] * 2, *[(128, 11)] * 2, (64, 22)],
        "outer_up": [(64, 22), (64, 22), (32, 44)],
        "back": [(32, 44), (32, 44), (32, 44), (32, 44), (21, 44)],
    }


def test_the_depth_is_that_of_the_first_stage_and_of_the_middle() -> None:
    with torch.device("meta"):
        shallow, paper = V2VPoseNet(NetworkConfig(21, depth=1)), V2VPoseNet(NetworkConfig(21))

    def residuals(network: V2VPoseNet) -> dict[str, int]:
        blocks = [name.split(".")[0] for name, module in network.named_modules() if isinstance(module, Residual)]
        return {stage: blocks.count(stage) for stage in blocks}

    assert residuals(paper) == residuals(shallow) | {"front": 3, "inner": 3}
    assert (residuals(shallow)["front"], residuals(shallow)["inner"]) == (1, 1)
    assert shallow(torch.zeros(1, 1, 88, 88, 88, device="meta")).shape == (1, 21, 44, 44, 44)


@torch.inference_mode()
def test_both_skip_connections_are_added(network: V2VPoseNet) -> None:
    x = grids(2)
    front = network.front(x)
    down = network.outer_down(front)
    for silenced, expected in [
        ("outer_up", lambda: network.back(network.outer_skip(front))),
        ("inner", lambda: network.back(network.outer_up(network.inner_skip(down)) + network.outer_skip(front))),
    ]:
        upsample = getattr(network, silenced)[-1]
        norm = upsample[1]
        kept = norm.weight.clone(), norm.bias.clone()
        norm.weight.zero_()
        norm.bias.zero_()
        torch.testing.assert_close(network(x), expected())
        norm.weight.copy_(kept[0])
        norm.bias.copy_(kept[1])


def test_initial_weights_are_as_published() -> None:
    network = V2VPoseNet(NetworkConfig(21, 16, 8))
    values = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv3d)])
    assert values.std().item() == pytest.approx(0.001, rel=0.05)
    assert all(m.bias.abs().max() == 0 for m in network.modules() if isinstance(m, nn.Conv3d) and m.bias is not None)


@pytest.mark.parametrize(
    "change",
    [
        {"grid": 44},
        {"grid": 0},
        {"grid": 8000},
        {"width": 0},
        {"depth": 0},
        {"depth": 33},
        {"joints": 0},
        {"sigma": 0.0},
        {"sigma": math.nan},
        {"sigma": math.inf},
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"multiple of 8|positive|depth must be from 1 to 32"):
        NetworkConfig(**{"joints": 21, **change})  # type: ignore[arg-type]


def test_the_block_convolution_sums_what_the_plain_one_does() -> None:
    torch.manual_seed(0)
    convolution = BlockConv3d(4).double()
    x = (torch.rand(2, 1, 16, 16, 16) < 0.1).double()
    plain = nn.functional.conv3d(x, convolution.weight, convolution.bias, padding=3)
    assert torch.allclose(convolution.blockwise(x), plain, atol=1e-14)


def widen(network: V2VPoseNet) -> None:
    """Draw weights so wide that the outputs are of size 1."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight)


@pytest.fixture(scope="module")
def network() -> V2VPoseNet:
    """A small network whose batch normalisations have something to fold and whose outputs are of size 1."""
    torch.manual_seed(1)
    network = V2VPoseNet(NetworkConfig(5, 16, 4))
    widen(network)
    with torch.no_grad():
        for _ in range(5):
            network((torch.rand(4, 1, 16, 16, 16) < 0.1).float())
    return network.eval()


def grids(batch: int) -> torch.Tensor:
    return (torch.rand(batch, 1, 16, 16, 16, generator=torch.Generator().manual_seed(2)) < 0.1).float()


@torch.inference_mode()
def test_folding_batch_normalisation_changes_nothing(network: V2VPoseNet) -> None:
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm3d) for module in network.modules())
    torch.testing.assert_close(folded(grids(3)), network(grids(3)), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_the_runtime_puts_out_what_the_network_does(network: V2VPoseNet) -> None:
    runtime = TorchRuntime(network, torch.device("cpu"))
    expected = network(grids(3))
    result = runtime(grids(3))
    assert result.dtype == torch.float32
    assert (result - expected).abs().max() < 0.06 * expected.abs().max()  # half precision


@torch.inference_mode()
def test_a_sample_does_not_depend_on_its_batch(network: V2VPoseNet) -> None:
    runtime = TorchRuntime(network, torch.device("cpu"))
    together = runtime(grids(4))
    for index in range(4):
        alone = runtime(grids(4)[index : index + 1])
        assert (alone - together[index : index + 1]).abs().max() < 0.02 * together.abs().max()


@torch.inference_mode()
def test_moving_the_scene_by_whole_cells_moves_the_heatmaps() -> None:
    """By 8 voxels, the cell of the coarsest layer, in a grid so large that its border is out of every view."""
    torch.manual_seed(3)
    network = V2VPoseNet(NetworkConfig(2, 192, 1))
    widen(network)
    network.eval()
    scene = torch.zeros(1, 1, 192, 192, 192)
    scene[..., 92:100, 92:100, 92:100] = (torch.rand(8, 8, 8) < 0.3).float()
    still, moved = network(scene), network(scene.roll((8, -8, 8), (2, 3, 4)))
    background = network(torch.zeros_like(scene))
    assert (still - background).abs().max() > 0.1 * still.abs().max()
    around = slice(40, 56)
    torch.testing.assert_close(
        moved[..., 44:60, 36:52, 44:60], still[..., around, around, around], rtol=1e-4, atol=1e-5
    )


def test_unknown_and_absent_devices_are_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"unknown device 'gpu'.*'cpu'"):
        choose_device("gpu")
    with pytest.raises(ValueError, match=r"'cuda:99' is not on this machine.*'auto'"):
        choose_device("cuda:99")
    assert choose_device("cpu").type == "cpu"


def test_weights_survive_a_round_trip(untrained_weights: Path) -> None:
    loaded = weights.load(untrained_weights, "hand21")
    assert (loaded.id, loaded.skeleton.name, loaded.cube_edge) == ("untrained", "hand21", 0.25)
    assert loaded.config == NetworkConfig(21, 16, 1)
    assert len(loaded.hash) == 12
    again = untrained_weights.with_name("again.safetensors")
    weights.save(loaded, again)
    for key, value in weights.load(again).state.items():
        assert torch.equal(value, loaded.state[key])
    assert sorted(path.name for path in untrained_weights.parent.iterdir()) == [
        "again.safetensors",
        "untrained.safetensors",
    ]


def test_missing_weights_are_named_with_those_that_exist() -> None:
    with pytest.raises(WeightsError, match=r"'/nowhere/x.safetensors' does not exist"):
        weights.load("/nowhere/x.safetensors")
    with pytest.raises(WeightsError, match=r"no weights named 'hand99'.*v2v train"):
        weights.load("hand99")


def test_a_skeleton_without_weights_is_named_with_the_way_out() -> None:
    with pytest.raises(WeightsError, match=r"no weights for skeleton 'hand16'.*your own .safetensors file"):
        weights.default_for("hand16")


def test_weights_of_another_skeleton_are_refused(make_weights: Callable[..., Path]) -> None:
    path = make_weights("body", "body15")
    with pytest.raises(WeightsError, match=r"body.safetensors' is for skeleton 'body15', but 'hand21'"):
        weights.load(path, "hand21")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "header", "pickle"])
def test_damaged_files_are_named(untrained_weights: Path, damage: str) -> None:
    content = untrained_weights.read_bytes()
    damaged = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"not found\n",
        "header": (2**62).to_bytes(8, "little") + content[8:],
        "pickle": b"\x80\x04cos\nsystem\n(S'touch /nowhere/pwned'\ntR.",
    }[damage]
    untrained_weights.write_bytes(damaged)
    with pytest.raises(WeightsError, match=r"untrained.safetensors' cannot be read .*fetch it again"):
        weights.load(untrained_weights)


def test_files_of_other_programs_and_wrong_contents_are_refused(untrained_weights: Path) -> None:
    good = weights.load(untrained_weights)
    save_file(load_file(untrained_weights), untrained_weights)
    with pytest.raises(WeightsError, match="not a v2v_ros weights file"):
        weights.load(untrained_weights)

    key = next(iter(good.state))
    for broken, message in [
        ({**good.state, key: good.state[key][:0]}, "damaged"),
        ({name: value for name, value in good.state.items() if name != key}, "damaged"),
        ({**good.state, key: good.state[key] * torch.nan}, "not finite"),
    ]:
        weights.save(weights.Weights("x", good.skeleton, good.config, 0.25, broken), untrained_weights)
        with pytest.raises(WeightsError, match=message):
            weights.load(untrained_weights)


@pytest.mark.parametrize(
    "lie",
    [
        {"network": json.dumps({"joints": 21, "grid": 88, "width": 100_000})},
        {"network": json.dumps({"joints": 21, "grid": 80_000, "width": 1})},
        {"network": json.dumps({"joints": 21, "grid": 16, "width": 1, "sigma": math.nan})},
        {"network": json.dumps({"joints": 14, "grid": 16, "width": 1})},
        {"network": json.dumps({"joints": 21, "grid": 16.0, "width": 1})},
        {"network": "[]"},
        {"network": "[" * 100_000},
        {"cube_edge": "nan"},
        {"cube_edge": "-1"},
        {"skeleton": "hand99"},
        {"training": "7"},
        {"training": "{"},
        {"calibration": json.dumps({"peaks": [10**400], "probabilities": [0.5], "variance_factors": [1]})},
    ],
    ids=lambda lie: str(lie)[:80],
)
def test_lying_headers_are_refused_before_memory_is_taken(untrained_weights: Path, lie: dict[str, str]) -> None:
    metadata = {
        "format": "v2v_ros.weights.1",
        "id": "x",
        "skeleton": "hand21",
        "network": json.dumps({"joints": 21, "grid": 16, "width": 1}),
        "cube_edge": "0.25",
        "training": "{}",
    }
    state = load_file(untrained_weights)
    save_file(state, untrained_weights, metadata)
    weights.load(untrained_weights)
    save_file(state, untrained_weights, metadata | lie)
    with pytest.raises(WeightsError, match=r"untrained.safetensors' is damaged"):
        weights.load(untrained_weights)


@pytest.mark.parametrize("key", ["skeleton", "format"])
def test_the_message_about_a_damaged_file_is_not_as_long_as_the_file(untrained_weights: Path, key: str) -> None:
    metadata = {
        "format": "v2v_ros.weights.1",
        "id": "x",
        "skeleton": "hand21",
        "network": "{}",
        key: "a" * 100_000,
    }
    save_file(load_file(untrained_weights), untrained_weights, metadata)
    with pytest.raises(WeightsError) as refused:
        weights.load(untrained_weights)
    assert len(str(refused.value)) < 2000


def test_loading_weights_does_not_import_the_compiler(untrained_weights: Path) -> None:
    program = (
        "import sys; from v2v_ros.model import weights; weights.load(sys.argv[1]); "
        "assert 'torch._dynamo' not in sys.modules, 'it costs seconds and 80 MB'"
    )
    subprocess.run([sys.executable, "-c", program, str(untrained_weights)], check=True)


def test_center_weights_survive_a_round_trip_and_are_told_from_pose_weights(
    tmp_path: Path, untrained_weights: Path
) -> None:
    config = CenterRefinerConfig(grid=16, width=2)
    network = CenterRefiner(config).eval()
    stored = CenterWeights("center", get_skeleton("hand21"), config, 0.25, network.state_dict(), {"samples": 8})
    path = tmp_path / "hand21_center.safetensors"
    weights.save(stored, path)
    loaded = weights.load_center(path, "hand21")
    assert (loaded.id, loaded.config, loaded.cube_edge, loaded.training) == ("center", config, 0.25, {"samples": 8})
    grids = torch.rand(2, 1, 16, 16, 16).round()
    assert torch.equal(loaded.build()(grids), network(grids))
    assert network(grids).shape == (2, 4)
    with pytest.raises(WeightsError, match=r"v2v_ros\.center\.1.*pose weights are needed"):
        weights.load(path)
    with pytest.raises(WeightsError, match="centre weights are needed"):
        weights.load_center(untrained_weights)
    with pytest.raises(WeightsError, match="is for skeleton 'hand21'"):
        weights.load_center(path, "body15")


def test_half_precision_halves_the_file_and_keeps_what_it_cannot_hold(make_weights: Callable[..., Path]) -> None:
    path = make_weights(grid=16, width=4)
    full = weights.load(path)
    full.state["front.0.1.running_var"].fill_(1e-12)  # half precision would make it 0
    half = path.with_name("half.safetensors")
    weights.save(full, path)
    weights.save(full, half, half=True)
    assert half.stat().st_size < 0.6 * path.stat().st_size
    again = weights.load(half)
    assert (again.state["front.0.1.running_var"] == 1e-12).all()
    for key, value in full.state.items():
        torch.testing.assert_close(again.state[key], value, rtol=1e-3, atol=1e-7)


def test_calibration_is_stored_with_the_weights(make_weights: Callable[..., Path]) -> None:
    path = make_weights(grid=16, width=4)
    assert weights.load(path).calibration is None
    calibration = Calibration((0.1, 0.9), (0.2, 0.95), (3.0, 0.5))
    weights.save(replace(weights.load(path), calibration=calibration), path)
    assert weights.load(path).calibration == calibration
