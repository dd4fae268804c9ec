# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of the PyTorch re-implementation, made here by a network with its layers and names."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from v2v_ros.cli import main
from v2v_ros.geometry.camera import Intrinsics, deproject
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.model.heatmaps import decode
from v2v_ros.model.voxels import metric_coordinates, occupancy
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence
from v2v_ros.training import importer
from v2v_ros.training.importer import ImportRefusedError, import_checkpoint

pytest.importorskip("torch", minversion="2.10", reason="older versions do not read checkpoints safely")

EDGE = 0.2
SMALL = 24  # grid; the networks do not depend on its size


class Block(nn.Module):
    """Convolution or transposed convolution, batch normalisation, ReLU."""

    def __init__(self, convolution: nn.Module, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(convolution, nn.BatchNorm3d(channels), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x)


class Res(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        first, second = nn.Conv3d(inputs, outputs, 3, padding=1), nn.Conv3d(outputs, outputs, 3, padding=1)
        self.res_branch = nn.Sequential(first, nn.BatchNorm3d(outputs), nn.ReLU(), second, nn.BatchNorm3d(outputs))
        other = (nn.Conv3d(inputs, outputs, 1), nn.BatchNorm3d(outputs))
        self.skip_con = nn.Sequential(*(other if inputs != outputs else ()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.res_branch(x) + self.skip_con(x))


class Middle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder_res1, self.encoder_res2, self.mid_res = Res(32, 64), Res(64, 128), Res(128, 128)
        self.decoder_res2, self.decoder_res1 = Res(128, 128), Res(64, 64)
        self.decoder_upsample2 = Block(nn.ConvTranspose3d(128, 64, 2, stride=2), 64)
        self.decoder_upsample1 = Block(nn.ConvTranspose3d(64, 32, 2, stride=2), 32)
        self.skip_res1, self.skip_res2 = Res(32, 32), Res(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = self.encoder_res1(functional.max_pool3d(x, 2))
        quarter = self.decoder_res2(self.mid_res(self.encoder_res2(functional.max_pool3d(half, 2))))
        half = self.decoder_res1(self.decoder_upsample2(quarter) + self.skip_res2(half))
        return self.decoder_upsample1(half) + self.skip_res1(x)


class Reimplementation(nn.Module):
    """Occupancy [B, 1, x, y, z] to heatmaps [B, J, x, y, z]."""

    def __init__(self, joints: int) -> None:
        super().__init__()
        first = Block(nn.Conv3d(1, 16, 7, padding=3), 16)
        self.front_layers = nn.Sequential(first, nn.MaxPool3d(2), Res(16, 32), Res(32, 32), Res(32, 32))
        self.encoder_decoder = Middle()
        last = (Block(nn.Conv3d(32, 32, 1), 32), Block(nn.Conv3d(32, 32, 1), 32))
        self.back_layers = nn.Sequential(Res(32, 32), *last)
        self.output_layer = nn.Conv3d(32, joints, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output_layer(self.back_layers(self.encoder_decoder(self.front_layers(x))))


@functools.cache
def original(joints: int = 21) -> Reimplementation:
    """A network none of whose weights or statistics has its initial value."""
    torch.manual_seed(5)
    network = Reimplementation(joints)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
            module.running_mean = torch.randn_like(module.weight.data) * 0.3
            module.running_var = torch.rand_like(module.weight.data) + 0.5
            module.num_batches_tracked = torch.tensor(7)
    return network.eval()


def their_grid(points: np.ndarray, center: np.ndarray, size: int) -> np.ndarray:
    """Voxelize points [P, 3] as the re-implementation does, in millimetres with y up, into [x, y, z]."""
    cells = ((points - center) / (1000 * EDGE / 2) + 1) / (2 / size)
    cells = cells.astype(np.int32)
    cells = cells[((cells >= 0) & (cells < size)).all(axis=1)]
    grid = np.zeros((size, size, size))
    grid[tuple(cells.T)] = 1
    return grid


def their_joints(heatmaps: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Read [J, x, y, z] off as the re-implementation does: millimetres with y up, [J, 3]."""
    size = heatmaps.shape[-1]
    peaks = np.array(np.unravel_index(heatmaps.reshape(len(heatmaps), -1).argmax(axis=1), heatmaps.shape[1:])).T
    return ((peaks + 0.5) * 2 * (2 / (2 * size)) - 1) * 1000 * EDGE / 2 + center


def to_theirs(points: np.ndarray, y_axis: str) -> np.ndarray:
    """Metres with y down to millimetres with y as in training."""
    return 1000 * points * ([1, -1, 1] if y_axis == "up" else [1, 1, 1])


def to_ours(heatmaps: torch.Tensor, y_axis: str) -> torch.Tensor:
    """[..., x, y, z] to [..., z, y, x] with y down."""
    heatmaps = heatmaps.transpose(-1, -3)
    return heatmaps.flip(-2) if y_axis == "up" else heatmaps


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """What the re-implementation writes after an epoch."""
    path = tmp_path / "epoch3.pth"
    network = original()
    optimizer = torch.optim.Adam(network.parameters())
    torch.save(
        {"model_state_dict": network.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "epoch": 3}, path
    )
    return path


def cloud(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points [P, 3] around a centre [3], metres; many lie outside of the cube, none in the layer below its low faces,
    which the re-implementation counts in."""
    generator = np.random.default_rng(seed)
    center = np.array([0.03, -0.07, 0.4])
    relative = generator.normal(0, 0.4 * EDGE, (4000, 3))
    return center + relative[(abs(relative) < EDGE / 2).all(axis=1) | (relative > 0.6 * EDGE).any(axis=1)], center


@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_an_imported_network_puts_out_the_heatmaps_of_the_original(
    checkpoint: Path, tmp_path: Path, y_axis: str
) -> None:
    output = tmp_path / "hand.safetensors"
    arguments = ["--output", str(output), "--skeleton", "hand21", "--y-axis", y_axis, "--quiet"]
    assert main(["import", str(checkpoint), *arguments]) == 0
    loaded = weights.load(output)
    assert (loaded.cube_edge, loaded.heatmap_offset, loaded.config.grid, loaded.config.width) == (0.2, 0.0, 88, 16)
    small = dataclasses.replace(loaded, config=dataclasses.replace(loaded.config, grid=SMALL))
    ours, theirs = small.build().double(), copy.deepcopy(original()).double()

    points, center = cloud(3)
    their_center = to_theirs(center, y_axis)
    grid = torch.from_numpy(their_grid(to_theirs(points, y_axis), their_center, SMALL))[None, None]
    our_points, our_center = torch.from_numpy(points)[None], torch.from_numpy(center)[None]
    our_grid = occupancy(our_points, our_center, EDGE, SMALL).double()
    assert our_grid.sum() > 500 and torch.equal(our_grid, to_ours(grid, y_axis))

    with torch.inference_mode():
        expected, found = theirs(grid), ours(our_grid)
    assert expected.std() > 1e-3
    assert torch.allclose(found, to_ours(expected, y_axis), rtol=0, atol=1e-10 * float(expected.abs().max()))

    # The centres of the highest cells are at the same places.
    peaks = found[0].flatten(1).argmax(dim=1)
    size = found.shape[-1]
    cells = torch.stack((peaks % size, peaks // size % size, peaks // size**2), dim=-1) + 0.5
    joints = metric_coordinates(cells[None], our_center, EDGE, size)[0].numpy()
    assert np.allclose(to_theirs(joints, y_axis), their_joints(expected[0].numpy(), their_center), atol=1e-9)


def test_their_grids_of_full_size_are_ours_too() -> None:
    points, center = cloud(4)
    grid = torch.from_numpy(their_grid(to_theirs(points, "up"), to_theirs(center, "up"), 88))
    ours = occupancy(torch.from_numpy(points)[None], torch.from_numpy(center)[None], EDGE, 88)[0, 0]
    assert torch.equal(ours.double(), to_ours(grid, "up"))


def test_their_targets_are_decoded_without_an_offset() -> None:
    generator = np.random.default_rng(6)
    center, size = np.array([10.0, 40.0, 350.0]), 44
    joints = center + generator.uniform(-80, 80, (21, 3))  # millimetres, y up
    cells = ((joints - center) / (1000 * EDGE / 2) + 1) / (2 / 88) / 2
    index = np.stack(np.meshgrid(*3 * (np.arange(size),), indexing="ij"), axis=-1) + 0.5
    heatmaps = np.exp(-(((index - cells[:, None, None, None]) / 1.7) ** 2 / 2).sum(axis=-1))
    ours = to_ours(torch.from_numpy(heatmaps), "up")[None]
    metres = torch.tensor(center * [1, -1, 1] / 1000)[None]
    decoded = metric_coordinates(decode(ours, 1.7)[0], metres, EDGE, size)[0].numpy()
    assert np.allclose(to_theirs(decoded, "up"), joints, atol=1e-6)


def test_smaller_principal_points_give_the_points_of_pixels_counted_from_one() -> None:
    depth = np.random.default_rng(7).uniform(300, 400, (240, 320))
    u, v = np.meshgrid(np.arange(1, 321), np.arange(1, 241))
    theirs = np.stack(((u - 160) * depth / 241.42, (120 - v) * depth / 241.42, depth), axis=-1)
    camera = Intrinsics(241.42, 241.42, 160 - 1, 120 - 1, 320, 240)
    ours = deproject(torch.from_numpy(depth / 1000), camera).numpy()
    assert np.allclose(to_theirs(ours, "up"), theirs)


def state(prefix: str = "", *, counted: bool = True) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict(
        (prefix + key, value)
        for key, value in original().state_dict().items()
        if counted or not key.endswith("num_batches_tracked")
    )


@pytest.mark.parametrize(
    ("content", "entry", "prefix"),
    [
        (lambda: state(), "", ""),
        (lambda: state("module."), "", "module."),
        (lambda: dict(state(counted=False)), "", ""),
        (lambda: {"state_dict": state("model."), "epoch": 3}, "state_dict", "model."),
        (lambda: {"net": {key: value.double() for key, value in state().items()}}, "net", ""),
    ],
    ids=["plain", "parallel", "uncounted", "lightning", "double"],
)
def test_every_wrapping_gives_the_same_weights(
    checkpoint: Path, tmp_path: Path, content: Callable[[], Any], entry: str, prefix: str
) -> None:
    skeleton = get_skeleton("hand21")
    expected = import_checkpoint(checkpoint, "x", skeleton)
    assert expected.training["imported"]["entry"] == "model_state_dict"
    path = tmp_path / "other.pt"
    torch.save(content(), path)
    found = import_checkpoint(path, "x", skeleton)
    assert (found.training["imported"]["entry"], found.training["imported"]["prefix"]) == (entry, prefix)
    assert found.state.keys() == expected.state.keys()
    for key, value in expected.state.items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(found.state[key], value)


def test_the_file_says_where_it_comes_from_and_the_output_what_differs(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, figures = tmp_path / "msra.safetensors", tmp_path / "figures.json"
    arguments = ["--skeleton", "hand21", "--cube-edge", "0.25", "--json", str(figures)]
    assert main(["import", str(checkpoint), "--output", str(output), *arguments]) == 0
    printed = capsys.readouterr().out
    for text in ("model_state_dict", "3,410,453 parameters", "0.25 m", "transposed", "mirrored", "counted from 1"):
        assert text in printed
    loaded = weights.load(output, "hand21")
    details = loaded.training["imported"]
    assert (details["file"], loaded.id, loaded.cube_edge) == ("epoch3.pth", "msra", 0.25)
    assert details["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert json.loads(figures.read_text())["parameters"] == 3_410_453


def test_bodies_have_cubes_of_two_metres(tmp_path: Path) -> None:
    path = tmp_path / "itop.pth"
    torch.save({"model_state_dict": original(15).state_dict()}, path)
    assert import_checkpoint(path, "itop", get_skeleton("body15")).cube_edge == 2.0


def test_predict_takes_an_imported_file(checkpoint: Path, tmp_path: Path) -> None:
    # The same heatmaps for every cube: joints near its low corner, to which the second look goes. The hand is in both.
    content = torch.load(checkpoint, weights_only=True)
    content["model_state_dict"]["output_layer.weight"].zero_()
    content["model_state_dict"]["output_layer.bias"].fill_(1.0)
    torch.save(content, checkpoint)
    output, skeletons = tmp_path / "hand.safetensors", tmp_path / "skeletons.json"
    assert main(["import", str(checkpoint), "--output", str(output), "--skeleton", "hand21", "--quiet"]) == 0
    frame = SyntheticSequence("hand", seed=4).frame(0.0)
    depth = np.rint(np.nan_to_num(frame.depth) * 1000).astype(np.uint16)
    Image.fromarray(depth).save(tmp_path / "0.png")
    camera = {"fx": CAMERA.fx, "fy": CAMERA.fy, "cx": CAMERA.cx, "cy": CAMERA.cy}
    center = (1000 * (frame.joints.mean(axis=0) + 0.2 * EDGE)).tolist()
    entry = {"id": "0", "path": "0.png", "mm_per_unit": 1.0, "K": camera, "center_mm": center}
    (tmp_path / "frames.json").write_text(json.dumps({"frames": [entry]}))
    arguments = ["--weights", str(output), "--device", "cpu", "--side", "right", "--quiet"]
    assert main(["predict", str(tmp_path / "frames.json"), "--output", str(skeletons), *arguments]) == 0
    (found,) = json.loads(skeletons.read_text())["frames"][0]["skeletons"]
    relative = np.array(found["joints_mm"]) - found["center_mm"]
    assert relative.shape == (21, 3) and np.allclose(relative, (1.5 / 44 - 0.5) * 1000 * EDGE, atol=0.01)


class Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("touch pwned",)


def test_objects_are_refused_and_never_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content, name in (({**state(), "extra": Malicious()}, "system"), (original(), "Reimplementation")):
        path = tmp_path / "model.pth"
        torch.save(content, path)
        with pytest.raises(ImportRefusedError, match=rf"model.pth' holds more than tensors.*{name}.*state_dict\(\)"):
            import_checkpoint(path, "x", get_skeleton("hand21"))
    assert not (tmp_path / "pwned").exists()


def test_old_versions_of_pytorch_read_nothing(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer.torch, "__version__", "2.9.1+cpu")
    with pytest.raises(ImportRefusedError, match=r"CVE-2026-24747.*PyTorch 2\.10 or later"):
        import_checkpoint(checkpoint, "x", get_skeleton("hand21"))


def changed(**changes: Any) -> Callable[[], Any]:
    """The network's state with some entries replaced; None: left out."""

    def make() -> Any:
        content = {**state(), **{key.replace("__", "."): value for key, value in changes.items()}}
        return {key: value for key, value in content.items() if value is not None}

    return make


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: original(15).state_dict(), r"15 heatmaps, but 'hand21' has 21 joints.*output_layer.bias \[15\] inst"),
        (changed(output_layer__bias=None, spare=torch.ones(1)), r"missing: output_layer\.bias\n  unexpected: spare"),
        (changed(output_layer__bias=3.0), r"missing: output_layer\.bias"),
        (changed(output_layer__bias=torch.full((21,), torch.nan)), r"not finite: output_layer\.bias"),
        (changed(front_layers__0__block__0__weight=torch.ones(8, 1, 7, 7, 7)), "of another shape: .* and .* more"),
        (changed(front_layers__0__block__0__weight=torch.ones(())), "this is another network"),
        (changed(front_layers__0__block__0__weight=None), r"missing: front_layers\.0\.block\.0\.weight$"),
        (lambda: nn.Linear(2, 2).state_dict(), "holds no V2V-PoseNet.* It holds: weight, bias"),
        (lambda: torch.ones(3), "holds no V2V-PoseNet.* It holds: Tensor"),
        (lambda: {"a": state(), "b": state()}, r"several networks \(a, b\)"),
        (lambda: {"model_state_dict": state("basic_model.")}, "integral pose loss"),
    ],
    ids=["joints", "names", "no-tensor", "nan", "shapes", "scalar", "first", "other", "tensor", "several", "integral"],
)
def test_wrong_checkpoints_are_refused_with_all_that_is_wrong(
    tmp_path: Path, content: Callable[[], Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "wrong.pth", tmp_path / "out.safetensors"
    torch.save(content(), path)
    with pytest.raises(ImportRefusedError, match=rf"(?s)wrong\.pth'.*{message}"):
        import_checkpoint(path, "x", get_skeleton("hand21"))
    assert main(["import", str(path), "--output", str(output), "--skeleton", "hand21"]) == 1
    assert "wrong.pth" in capsys.readouterr().err and not output.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "zip"])
def test_damaged_checkpoints_are_named(checkpoint: Path, damage: str) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(
        {"cut": content[: len(content) // 2], "empty": b"", "text": b"not found\n", "zip": b"PK\x05\x06" + 18 * b"\0"}[
            damage
        ]
    )
    with pytest.raises(ImportRefusedError, match=r"epoch3.pth' cannot be read; .*fetch it again"):
        import_checkpoint(checkpoint, "x", get_skeleton("hand21"))


def test_wrong_usage_is_answered(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "out.safetensors")
    for arguments, message in (
        ([str(checkpoint), "--output", "out.pth", "--skeleton", "hand21"], "end in .safetensors"),
        ([str(checkpoint), "--output", output, "--skeleton", "hand99"], "unknown skeleton 'hand99'"),
        ([str(tmp_path / "none.pth"), "--output", output, "--skeleton", "hand21"], "none.pth' cannot be read"),
    ):
        assert main(["import", *arguments]) == 1
        assert message in capsys.readouterr().err


def test_a_cube_without_size_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["--output", str(tmp_path / "out.safetensors"), "--skeleton", "hand21", "--cube-edge", "nan"]
    with pytest.raises(SystemExit):
        main(["import", str(checkpoint), *arguments])
