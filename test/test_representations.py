# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The comparison of representations: its samples, its networks, its runs and its command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.cli.representations import _NAMES
from v2v_ros.model.voxels import occupancy
from v2v_ros.synthetic.render import Cameras
from v2v_ros.synthetic.worlds import crop_cameras

pytest.importorskip("pytorch_lightning")

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from v2v_ros.training.representations import comparison, training
from v2v_ros.training.representations.config import ComparisonConfig
from v2v_ros.training.representations.data import SKELETON, Samples, held_out, sample, training_batch, window
from v2v_ros.training.representations.networks import REPRESENTATIONS
from v2v_ros.training.representations.training import RepresentationTraining, train_representation

CONFIG = ComparisonConfig(grid=16, width=2, samples=32, batch=4, held_out=8, precision="32-true")
TINY = [*("--grid", "16", "--width", "2", "--samples", "32", "--batch", "4", "--held-out", "8"), "--quiet"]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def few_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_TIMED", 3)
    monkeypatch.setattr(comparison, "_WARM_UP", 1)


class _AtTheEnd(Callback):
    """Calls a function with what was trained."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def on_fit_end(self, trainer: Any, module: Any) -> None:
        self.action(module)


class _Interrupt(Callback):
    """Ends runs in some steps, counted over all of them, as Ctrl-C does when it comes twice."""

    def __init__(self, *at: int) -> None:
        self.at, self.steps = at, 0

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.steps += 1
        if self.steps in self.at:
            raise KeyboardInterrupt


def _watch(monkeypatch: pytest.MonkeyPatch, *callbacks: Callback) -> None:
    """Have the next runs call these as well."""
    make = lightning.Trainer

    def trainer(**options: Any) -> Any:
        return make(**{**options, "callbacks": [*options["callbacks"], *callbacks]})

    monkeypatch.setattr(lightning, "Trainer", trainer)


# What goes in


def test_samples_are_right_hands_and_the_same_for_the_same_step_only() -> None:
    first, again, next_step, other_seed = (
        training_batch(16, 8, seed, step, CPU) for seed, step in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first.coordinates, next_step.coordinates)
    assert not torch.equal(first.coordinates, other_seed.coordinates)
    assert first.coordinates.isfinite().all()
    assert first.grids.shape == (8, 1, 16, 16, 16) and first.pixels.shape == (8, 1, 32, 32)


def test_the_held_out_set_does_not_depend_on_how_much_of_it_is_used() -> None:
    few, many = held_out(16, 32), held_out(16, 40)
    assert [len(batch.grids) for batch in many] == [32, 8]
    assert torch.equal(few[0].pixels, many[0].pixels)


def test_pixels_show_the_points_that_the_voxels_are_made_of() -> None:
    """Deprojected, the window's pixels fill the cells that the whole image's points do."""
    grid, edge = 16, SKELETON.cube_edge
    samples = sample(grid, 32, torch.Generator().manual_seed(3))
    centers = torch.tensor([[0.0, 0.0, 0.6]]).expand(32, 3)
    # Over a hand rays diverge by little: the pixels' places in the window are roughly those in the cube.
    rows, columns = torch.meshgrid(*[(torch.arange(2 * grid) + 0.5) / (2 * grid) - 0.5] * 2, indexing="ij")
    hit = (samples.pixels.abs() < 1)[:, 0]
    points = torch.stack((columns.expand_as(hit), rows.expand_as(hit), samples.pixels[:, 0] / 2), dim=-1) * edge
    points = torch.where(hit[..., None], points + centers[:, None, None], torch.nan).flatten(1, 2)
    seen = torch.nn.functional.max_pool3d(occupancy(points, centers, edge, grid), 3, stride=1, padding=1)
    near = (seen.bool() & samples.grids).flatten(1).sum(1) / samples.grids.flatten(1).sum(1)
    assert near.median() > 0.9


def test_the_window_is_where_the_cube_is() -> None:
    """A plane through the centre is zero, at the cube's faces it is -1 and 1; nothing and outside are background."""
    centers = torch.tensor([[0.1, -0.05, 0.5], [0.0, 0.0, 0.8]])
    cameras = crop_cameras(centers, 0.25, 40)
    for shift, value in ((0.0, 0.0), (0.05, 0.4), (-0.125, -1.0), (-0.3, -1.0), (0.3, 1.0), (torch.nan, 1.0)):
        depth = (centers[:, 2] + shift)[:, None, None].expand(2, 40, 40)
        pixels = window(depth, cameras, centers, 0.25, 32)
        torch.testing.assert_close(pixels, torch.full((2, 1, 32, 32), value), atol=1e-5, rtol=0)
    # A spot at the projection of a point right of and above the centre lies right and above in the window.
    point = centers + torch.tensor([0.08, -0.08, 0.0])
    spot = (cameras.focal / point[:, 2])[:, None] * point[:, :2] + cameras.principal
    depth = torch.full((2, 40, 40), torch.nan)
    for index, (u, v) in enumerate(spot.round().long().tolist()):
        depth[index, v, u] = centers[index, 2]
    found = (window(depth, cameras, centers, 0.25, 32)[:, 0] < 1).nonzero()[:, 1:].float()
    expected = torch.tensor([(0.5 - 0.08 / 0.25) * 32, (0.5 + 0.08 / 0.25) * 32]) - 0.5
    assert len(found) >= 2 and (found - expected).abs().max() < 2
    # A cube beside the image is all background.
    assert (window(torch.ones(1, 8, 8), _camera(8), torch.tensor([[3.0, 0.0, 1.0]]), 0.25, 16) == 1).all()


def _camera(pixels: int) -> Cameras:
    return Cameras(torch.tensor([10.0]), torch.full((1, 2), (pixels - 1) / 2), pixels, pixels)


# The networks


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_every_network_puts_out_its_kind(name: str) -> None:
    module = RepresentationTraining(CONFIG, name, 0).eval()
    samples = training_batch(16, 2, 0, 0, CPU)
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            output = module._output(samples)
        assert output.shape == ((2, 21, 8, 8, 8) if module.representation.heatmaps else (2, 21, 3))
        assert output.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "width", "samples", "limit"),
    [
        ("pixel-to-coordinates", 2, 240, 5.0),
        ("pixel-to-voxel", 2, 240, 5.0),
        ("voxel-to-coordinates", 2, 240, 5.0),
        ("voxel-to-voxel", 4, 360, 15.0),  # half a cell of so small a heatmap
    ],
)
def test_every_network_can_learn_two_samples(
    name: str, width: int, samples: int, limit: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, width=width, samples=samples, batch=2, decay=0.0)
    batch = training_batch(16, 2, 0, 0, CPU)
    monkeypatch.setattr(training, "training_batch", lambda *_: batch)
    monkeypatch.setattr(training, "held_out", lambda *_: [batch])
    trained: list[RepresentationTraining] = []
    _watch(monkeypatch, _AtTheEnd(trained.append))
    train_representation(config, name, 0, tmp_path)
    (module,) = trained
    # In training mode, since so few steps leave the running statistics of batch normalisation behind.
    with torch.no_grad():
        (errors,) = module.train().measure(batch)
    assert errors.mean() < limit


# The runs


def test_all_four_see_the_same_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[Samples]] = {}

    output = RepresentationTraining._output
    for name in REPRESENTATIONS:

        def spy(module: RepresentationTraining, samples: Samples, name: str = name) -> torch.Tensor:
            seen.setdefault(name, []).append(samples)
            return output(module, samples)

        monkeypatch.setattr(RepresentationTraining, "_output", spy)
        train_representation(replace(CONFIG, samples=8), name, 0, tmp_path)
    first, *others = seen.values()
    assert len(first) == 4  # training steps and validations
    for other in others:
        assert len(other) == len(first)
        assert all(all(map(torch.equal, one, two)) for one, two in zip(first, other, strict=True))


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _watch(patch, _Interrupt(6))
        with pytest.raises(KeyboardInterrupt):
            train_representation(CONFIG, "voxel-to-voxel", 0, tmp_path)
    with pytest.raises(ValueError, match="another configuration"):
        train_representation(replace(CONFIG, sigma=1.0), "voxel-to-voxel", 0, tmp_path)
    assert not (tmp_path / "voxel-to-voxel_seed0.json").exists()


def test_steps_that_are_not_finite_are_left_out_and_counted_across_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(*place: Any) -> Samples:
        samples = training_batch(*place)
        return samples._replace(grids=samples.grids * torch.nan) if place[3] in (2, 3) else samples

    monkeypatch.setattr(training, "training_batch", poisoned)
    with monkeypatch.context() as patch:
        _watch(patch, _Interrupt(6))
        with pytest.raises(KeyboardInterrupt):
            train_representation(CONFIG, "voxel-to-voxel", 0, tmp_path)
    assert train_representation(CONFIG, "voxel-to-voxel", 0, tmp_path)["skipped"] == 2


# The command


def test_the_command_trains_what_is_missing_and_prints_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "comparison"
    command = ["representations", "--output", str(folder)]
    assert tuple(REPRESENTATIONS) == _NAMES
    assert main([*command, *TINY, "--seeds", "0", "--only", "voxel-to-voxel"]) == 0
    out = capsys.readouterr().out
    assert out.count("seed 0:") == 1
    kept = (folder / "voxel-to-voxel_seed0.json").stat().st_mtime_ns

    assert main([*command, "--quiet", "--json", str(tmp_path / "figures.json")]) == 0
    out = capsys.readouterr().out
    assert out.count("seed 0:") == 3 and out.count("seed 1:") == 4
    assert (folder / "voxel-to-voxel_seed0.json").stat().st_mtime_ns == kept
    for name, (error, _) in comparison.PUBLISHED.items():
        row = next(line for line in out.splitlines() if line.startswith(name) and "seed" not in line)
        assert f"{error:.2f}/" in row and " -" not in row
    assert "not checked" in out

    figures = json.loads((folder / "representations.json").read_text())
    assert figures == json.loads((tmp_path / "figures.json").read_text())
    assert figures["seeds"] == [0, 1] and figures["config"]["samples"] == 32
    for name, row in figures["rows"].items():
        results = [json.loads((folder / f"{name}_seed{seed}.json").read_text()) for seed in (0, 1)]
        assert row["mean_mm"] == pytest.approx(sum(result["mean_mm"] for result in results) / 2, abs=1e-3)
        assert results[0]["curve"] != results[1]["curve"] or name == "voxel-to-voxel"  # which has not begun to learn
        assert row["milliseconds"] > 0
        assert row["parameters"] > 10_000
    assert len((folder / "representations.csv").read_text().splitlines()) == 9
    assert (folder / "representations.txt").read_text() in out

    assert main([*command, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "seed 0:" not in out and "voxel-to-voxel" in out


def test_an_interrupted_command_goes_on_and_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("pixel-to-coordinates", "voxel-to-voxel")

    def command(folder: str) -> int:
        return main(["representations", "--output", str(tmp_path / folder), *TINY, "--seeds", "3", "--only", *names])

    assert command("whole") == 0
    interrupt = _Interrupt(6, 14)  # once in every network, of 8 steps
    _watch(monkeypatch, interrupt)
    assert command("cut") == 130
    left = [path.relative_to(tmp_path / "cut") for path in (tmp_path / "cut").rglob("*.ckpt")]
    assert left == [Path("pixel-to-coordinates_seed3_run", "last.ckpt")]
    assert command("cut") == 130
    assert command("cut") == 0
    assert interrupt.steps == 2 * 8 + 2
    assert not list((tmp_path / "cut").glob("*_run"))
    for name in names:
        whole, cut = ((tmp_path / folder / f"{name}_seed3.json").read_text() for folder in ("whole", "cut"))
        assert whole == cut
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("voxel-to-coordinates ")]
    assert [row[4:8] for row in rows] == [["-"] * 4] * 2  # not trained: after both commands that came to an end


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    from v2v_ros.training.representations.comparison import learning_curves

    curve = [{"samples": 1000, "mean_mm": 30.0}, {"samples": 2000, "mean_mm": 20.0}]
    rows = {name: {"runs": [{"curve": curve}] if name != "pixel-to-voxel" else []} for name in REPRESENTATIONS}
    learning_curves({"rows": rows, "config": {"grid": 16}}, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 500


def test_a_folder_is_one_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    command = ["representations", "--output", str(tmp_path), "--quiet"]
    assert main([*command, "--samples", "64"]) == 1
    assert "begun with samples 32, not 64" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"grid": 16}')
    assert main(command) == 1
    assert "not this version's" in capsys.readouterr().err
    (tmp_path / "config.json").write_text("{")
    assert main(command) == 1
    assert "config.json' is not JSON" in capsys.readouterr().err


def test_broken_results_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    command = ["representations", "--output", str(tmp_path), "--quiet", "--only", "voxel-to-voxel"]
    for content, message in (("{", "is not JSON"), ('{"seed": 1}', "is not the result of voxel-to-voxel")):
        (tmp_path / "voxel-to-voxel_seed0.json").write_text(content)
        assert main(command) == 1
        error = capsys.readouterr().err
        assert message in error and "voxel-to-voxel_seed0.json" in error and "remove it" in error


@pytest.mark.parametrize(
    ("option", "message"), [(("--grid", "20"), "multiple of 8"), (("--precision", "int8"), "unknown --precision")]
)
def test_wrong_values_are_named(
    option: tuple[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["representations", "--output", str(tmp_path / "new"), *option]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
