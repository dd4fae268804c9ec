# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training on datasets: the recipes, the frames, the files; on tiny datasets in the published formats."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import torch
from PIL import Image

from v2v_ros.cli import main
from v2v_ros.model import weights
from v2v_ros.model.heatmaps import encode
from v2v_ros.model.paper import Augmentation, PaperGeometry
from v2v_ros.recorded.datasets.center_files import write_centers
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.frame_set import frame_set, reference_points
from v2v_ros.recorded.datasets.registry import open_dataset
from v2v_ros.recorded.datasets.specs import get_spec

pytest.importorskip("pytorch_lightning")

from torch.utils.data import DataLoader

from v2v_ros.training.config import TrainingConfig, make_config, read_config
from v2v_ros.training.dataset_batches import (
    FrameBatches,
    frame_batch,
    frames_seen,
    held_out_frames,
    open_frames,
    steps_per_epoch,
)
from v2v_ros.training.losses import PaperTraining, make_training
from v2v_ros.training.synthetic_batches import Batch, CenterBatch
from v2v_ros.training.train import train

TINY = {"grid": 16, "width": 2, "batch": 3, "centers": "truth", "precision": "32-true"}
OPTIONS = [
    *("--grid", "16", "--width", "2", "--batch", "3", "--precision", "32-true"),
    *("--centers", "truth", "--epochs", "2", "--quiet"),
]


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    fake_datasets.nyu(folder, train=7, test=4)
    return folder


def _config(folder: Path, **values: object) -> TrainingConfig:
    return make_config({**TINY, "dataset": "nyu", "data": str(folder), **values})


def test_recipes_have_the_published_values_and_ours() -> None:
    paper = make_config({"dataset": "nyu", "data": "x", "recipe": "paper"})
    assert (paper.grid, paper.width, paper.batch, paper.epochs, paper.sigma) == (88, 16, 8, 10, 1.7)
    assert (paper.learning_rate, paper.decay, paper.precision) == (2.5e-4, 0, "32-true")
    assert paper.skeleton == "hand14" and paper.cube_edge == 0.25 and paper.heatmap_offset == 0.25
    module = make_training(replace(paper, grid=16, width=2), 1)
    optimizer = module.configure_optimizers()
    assert isinstance(module, PaperTraining) and isinstance(optimizer, torch.optim.RMSprop)
    defaults = optimizer.defaults
    assert (defaults["lr"], defaults["alpha"], defaults["eps"], defaults["momentum"]) == (2.5e-4, 0.99, 1e-8, 0)
    ours = make_config({"dataset": "nyu", "data": "x"})
    assert ours.recipe == "ours" and ours.decay > 0 and ours.heatmap_offset == 0 and ours.precision == "auto"
    assert (ours.schedule, paper.schedule, make_config({}).schedule) == ("cosine", "constant", "constant")
    assert make_config({"dataset": "nyu", "data": "x", "samples": 100}).epochs == 0


def test_an_epoch_shows_every_frame_once_in_a_new_order(nyu: Path) -> None:
    config = _config(nyu)
    frames, _ = open_frames(config)
    assert len(frames) == 7 and steps_per_epoch(config, frames, 1) == 3
    data = FrameBatches(config, frames)
    epochs = [np.concatenate([data.indices(3 * epoch + step) for step in range(3)]).tolist() for epoch in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert [len(data.indices(step)) for step in range(3)] == [3, 3, 1]
    # Two processes share them, and none is left without.
    shares = [[FrameBatches(config, frames, rank=r, processes=2).indices(step) for step in range(2)] for r in range(2)]
    assert [[len(batch) for batch in share] for share in shares] == [[3, 1], [3, 1]]
    assert sorted({int(index) for share in shares for batch in share for index in batch}) == list(range(7))


def test_resumed_runs_and_workers_see_the_same_batches(nyu: Path) -> None:
    config = _config(nyu)
    frames, _ = open_frames(config)

    def grids(**place: int) -> list[torch.Tensor]:
        return [batch.grids for batch in islice(FrameBatches(config, frames, **place), 4)]

    alone = grids()
    assert all(map(torch.equal, grids(first_step=1), alone[1:]))
    loader = DataLoader(FrameBatches(config, frames), batch_size=None, num_workers=2)
    assert all(map(torch.equal, (batch.grids for batch in islice(loader, 4)), alone))
    assert not torch.equal(alone[0], grids(first_step=3)[0])


@pytest.mark.parametrize("recipe", ["paper", "ours"])
def test_joints_move_with_the_points_that_they_lie_on(nyu: Path, recipe: str) -> None:
    config = _config(nyu, recipe=recipe, grid=48)
    frames, _ = open_frames(config)
    batches = [batch for batch in islice(FrameBatches(config, frames), 6) if isinstance(batch, Batch)]
    distances, moves = [], []
    still = frame_batch(config, frames, frames.indices[:1], torch.Generator(), augment=False)
    assert isinstance(still, Batch)
    for batch in batches:
        for grid, joints in zip(batch.grids, batch.coordinates, strict=True):
            occupied = grid[0].nonzero().flip(-1) / 2.0 + 0.25
            inside = ((joints > 1) & (joints < 23)).all(1)
            distances.append(torch.cdist(joints[inside], occupied).amin(1))
            moves.append((joints - still.coordinates[0]).norm(dim=1).mean())
    # A heatmap cell is a centimetre, and a joint about as far below the skin.
    assert torch.cat(distances).median() < 1.5 and torch.cat(distances).quantile(0.9) < 3.5
    assert torch.stack(moves).min() > 0.2


def test_the_papers_targets_and_cubes_are_those_of_the_published_code(nyu: Path) -> None:
    config = _config(nyu, recipe="paper", grid=88)
    frames, _ = open_frames(config)
    seed = torch.Generator().manual_seed(3)
    batch = frame_batch(config, frames, frames.indices[:1], seed)
    assert isinstance(batch, Batch)
    draw = Augmentation.sample(torch.Generator().manual_seed(3))
    geometry = PaperGeometry()
    center = torch.from_numpy(frames.centers[:1]).float()
    joints = torch.from_numpy(frames.dataset.joints[:1])
    expected = geometry.heatmaps(joints, center, 0.25, draw)
    torch.testing.assert_close(encode(batch.coordinates, 44, 1.7), expected, atol=1e-5, rtol=0)
    # All points of the image, those without depth at the far end of the range.
    depth = torch.from_numpy(frames.dataset.depth(0)).nan_to_num(nan=1.2)
    from v2v_ros.geometry.camera import deproject

    points = deproject(depth, frames.dataset.intrinsics).flatten(0, 1)
    assert torch.equal(batch.grids, geometry.occupancy(points[None], center, 0.25, draw).bool())


def test_validation_measures_the_joints_as_they_are(nyu: Path) -> None:
    config = _config(nyu, recipe="paper", grid=88)
    frames = open_frames(config)[1]
    parts = held_out_frames(config, frames)
    assert [index for index, _ in parts] == [0, 1, 2, 3]
    shares = [held_out_frames(config, frames, rank=rank, processes=2) for rank in range(2)]
    assert [[index for index, _ in share] for share in shares] == [[0, 2], [1, 3]]
    batch = parts[2][1]
    assert isinstance(batch, Batch)
    module = PaperTraining(config, 1)
    geometry = PaperGeometry()
    centers = torch.from_numpy(frames.centers[2:3]).float()
    joints = torch.from_numpy(frames.dataset.joints[2:3])
    perfect = geometry.heatmaps(joints, centers, 0.25)
    module.forward = lambda grids: perfect  # type: ignore[method-assign]
    errors, _ = module.measure(batch)
    decoded = geometry.decode(perfect, centers, 0.25)
    torch.testing.assert_close(errors, 1000 * (decoded - joints).norm(dim=-1), atol=1e-2, rtol=0)
    assert 1.0 < errors.mean() < 5.0  # what the published rounding costs


@pytest.mark.parametrize("recipe", ["paper", "ours"])
def test_both_recipes_run_end_to_end(nyu: Path, tmp_path: Path, recipe: str) -> None:
    output = tmp_path / "tiny.safetensors"
    arguments = ["train", "--output", str(output), "--dataset", "nyu", "--data", str(nyu), "--recipe", recipe]
    assert main([*arguments, *OPTIONS]) == 0
    made = weights.load(output, "hand14")
    assert made.cube_edge == 0.25 and made.heatmap_offset == (0.25 if recipe == "paper" else 0)
    assert math.isfinite(made.training["held_out"]["val/error_mm"])
    config = read_config(tmp_path / "tiny_run" / "config.json")
    assert config["recipe"] == recipe and config["dataset"] == "nyu"
    epochs = sorted(path.name for path in (tmp_path / "tiny_run").glob("epoch_*.safetensors"))
    assert epochs == (["epoch_01.safetensors", "epoch_02.safetensors"] if recipe == "paper" else [])
    card = output.with_suffix(".md").read_text()
    assert f"7 frames of {get_spec('nyu').title}, seen 2 times each (14 samples), by the recipe" in card
    assert "No recorded data" not in card and "test split" in card
    assert made.training["samples"] == 14
    # A longer run goes on where this one ended.
    assert main([*arguments, *OPTIONS, "--epochs", "3", "--resume"]) == 0
    points = json.loads((tmp_path / "tiny_run" / "validations.json").read_text())
    assert len(points) == 3


@pytest.mark.parametrize(
    ("dataset", "recipe", "frames"),
    [
        *(("icvl", "paper", 24), ("icvl", "ours", 24), ("msra", "paper", 136), ("hands2017", "ours", 7)),
        *(("hands2017", "paper", 7), ("itop_side", "paper", 3), ("itop_top", "ours", 3)),
    ],
)
def test_every_dataset_is_trained_on_end_to_end(dataset: str, recipe: str, frames: int, tmp_path: Path) -> None:
    folder, output, spec = tmp_path / "data", tmp_path / "tiny.safetensors", get_spec(dataset)
    fake_datasets.WRITERS[dataset](folder)
    arguments = ["train", "--output", str(output), "--dataset", dataset, "--data", str(folder), "--recipe", recipe]
    subject = ["--subject", "3"] if dataset == "msra" else []
    assert main([*arguments, *subject, *OPTIONS, "--epochs", "1", "--batch", "16"]) == 0
    made = weights.load(output, spec.skeleton.name)
    assert made.cube_edge == spec.cube_edge and made.heatmap_offset == (0.25 if recipe == "paper" else 0)
    assert made.training["samples"] == frames
    assert math.isfinite(made.training["held_out"]["val/error_mm"])
    # Without published test labels, what is validated on is taken out of the frames to train on.
    assert ("test split" in output.with_suffix(".md").read_text()) == spec.test_labels


@pytest.mark.parametrize("recipe", ["paper", "ours"])
def test_the_background_of_icvl_is_in_no_cube(tmp_path: Path, recipe: str) -> None:
    fake_datasets.icvl(tmp_path, train=1, test=1)
    config = make_config({**TINY, "dataset": "icvl", "data": str(tmp_path), "recipe": recipe})
    frames, _ = open_frames(config)
    frames = replace(frames, centers=np.tile([0.0, 0.0, 0.55], (len(frames.dataset), 1)))
    pixels = np.full((240, 320), 32001, np.uint16)
    pixels[110:130, 150:170], pixels[110:130, 170:180] = 550, 0
    Image.fromarray(pixels).save(tmp_path / frames.dataset.frame_name(0))
    points = frames.points(0, torch.tensor([0.0, 0.0, 0.55]), 0.4, fill=recipe == "paper")
    at, counts = points[:, 2].unique(return_counts=True)
    # The published code puts 0, and nothing else, at the end of the range of depths.
    assert at.tolist() == pytest.approx([0.55, 0.6] if recipe == "paper" else [0.55])
    assert counts.tolist() == ([400, 200] if recipe == "paper" else [400])
    batch = frame_batch(config, frames, np.array([0]), torch.Generator(), augment=False)
    _, _, z, _, x = batch.grids.nonzero().T
    behind = z > 10  # 2 cm or more behind the middle
    assert behind.any() == (recipe == "paper") and (x[behind] > 8).all()


def test_cubes_elsewhere_lie_on_what_was_measured(tmp_path: Path) -> None:
    fake_datasets.icvl(tmp_path, train=1, test=1)
    config = make_config({**TINY, "dataset": "icvl", "data": str(tmp_path), "network": "center"})
    frames, _ = open_frames(config)
    path, indices = tmp_path / frames.dataset.frame_name(0), np.zeros(64, np.int64)
    pixels = np.full((240, 320), 32001, np.uint16)
    Image.fromarray(pixels).save(path)
    alone = frame_batch(config, frames, indices, torch.Generator().manual_seed(1))
    assert isinstance(alone, CenterBatch) and alone.offsets.isfinite().all()  # nothing but background
    pixels[:, 290:] = 590  # a wall more than 15 cm beside the hand
    Image.fromarray(pixels).save(path)
    beside = frame_batch(config, frames, indices, torch.Generator().manual_seed(1))
    assert isinstance(beside, CenterBatch)
    away = beside.offsets.isnan().all(1)
    assert 4 < away.sum() < 24 and beside.grids[away].flatten(1).any(1).all()


def test_the_network_for_reference_points_is_trained_on_a_dataset(nyu: Path, tmp_path: Path) -> None:
    output = tmp_path / "center.safetensors"
    arguments = ["train", "--output", str(output), "--dataset", "nyu", "--data", str(nyu), "--network", "center"]
    assert main([*arguments, "--width", "2", "--batch", "4", "--epochs", "2", "--quiet"]) == 0
    assert weights.load_center(output, "hand14").cube_edge == 0.25
    config = make_config(read_config(tmp_path / "center_run" / "config.json"))
    assert config.centers == "truth"
    frames, _ = open_frames(config)
    batch = next(iter(FrameBatches(replace(config, batch=64), frames)))
    assert isinstance(batch, CenterBatch)
    there = batch.offsets.isfinite().all(1)
    assert there.any() and batch.offsets[there].abs().max() < 0.3 * 1.2 * 1.41 + 1e-4
    assert batch.grids[there].flatten(1).any(1).all()


def test_msra_leaves_one_subject_out_and_itop_its_invalid_frames(tmp_path: Path) -> None:
    fake_datasets.msra(tmp_path / "msra")
    config = make_config({**TINY, "dataset": "msra", "data": str(tmp_path / "msra"), "test_subject": 3})
    frames, validation = open_frames(config)
    assert (len(frames), len(validation)) == (8 * 17, 17)
    assert config.cube_edge == 0.2 and config.skeleton == "hand21"
    fake_datasets.itop(tmp_path / "itop", train=8, test=4)
    config = make_config({**TINY, "dataset": "itop_side", "data": str(tmp_path / "itop"), "recipe": "paper"})
    frames, validation = open_frames(config)
    assert (len(frames), len(validation)) == (6, 3)
    assert isinstance(next(iter(FrameBatches(config, frames))), Batch)


def test_centre_files_place_the_cubes(nyu: Path, tmp_path: Path) -> None:
    dataset = open_dataset("nyu", nyu, "train")
    centers = reference_points(dataset.joints) + np.array([0.01, -0.02, 0.005])
    centers[2] = np.nan
    write_centers(tmp_path / "center_train_refined.txt", dataset.spec, centers)
    used = frame_set(dataset, str(tmp_path))
    assert used.indices.tolist() == [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(used.centers[used.indices], centers[used.indices], atol=1e-5)
    assert frame_set(dataset, str(tmp_path / "center_train_refined.txt")).indices.tolist() == used.indices.tolist()
    assert used.thin(2).indices.tolist() == [0, 6] and used.without(used.thin(2)).indices.tolist() == [1, 3, 4, 5]
    with pytest.raises(DatasetError, match=r"no centre file for the train split of nyu.*v2v data centers.*truth"):
        frame_set(dataset, "released")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": "nuy", "data": "x"}, "unknown dataset 'nuy'"),
        ({"dataset": "nyu"}, "--data must say in which folder"),
        ({"dataset": "nyu", "data": "x", "skeleton": "hand21"}, "has the skeleton 'hand14'"),
        ({"dataset": "msra", "data": "x"}, "--subject must say which"),
        ({"dataset": "nyu", "data": "x", "test_subject": 3}, "leave --subject out"),
        ({"dataset": "nyu", "data": "x", "network": "center", "centers": "released"}, "leave --centers out"),
        ({"dataset": "nyu", "data": "x", "recipe": "paper", "network": "center"}, "pose network"),
        ({"dataset": "nyu", "data": "x", "recipe": "theirs"}, "unknown --recipe 'theirs'"),
        ({"recipe": "paper"}, "name one"),
        ({"epochs": 3}, "name one"),
    ],
)
def test_wrong_configurations_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_config(values)


def test_a_missing_folder_is_named_with_where_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--output", str(tmp_path / "a.safetensors"), "--dataset", "icvl", "--data", "nowhere"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "nowhere" in error and "https://" in error


def test_a_folder_too_high_is_answered_with_the_right_one(
    nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nyu").symlink_to(nyu)
    arguments = ["train", "--output", str(tmp_path / "a.safetensors"), "--dataset", "nyu", "--data"]
    assert main([*arguments, str(tmp_path)]) == 1
    assert f"did you mean '{tmp_path / 'nyu'}'?" in capsys.readouterr().err
    assert main([*arguments, str(nyu / "train" / "joint_data.mat")]) == 1
    assert "joint_data.mat' is not a folder" in capsys.readouterr().err


def test_epochs_and_samples_are_not_given_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--output", str(tmp_path / "a.safetensors"), "--dataset", "nyu", "--data", "x"]
    assert main([*arguments, "--epochs", "2", "--samples", "30"]) == 1
    assert "--samples and --epochs both say how long to train" in capsys.readouterr().err


def test_frames_are_counted_as_they_are_seen(nyu: Path) -> None:
    config = _config(nyu)
    frames, _ = open_frames(config)
    # Seven frames in steps of three, or of six by two processes: the last step of an epoch is smaller.
    assert [frames_seen(config, frames, 1, step) for step in range(5)] == [0, 3, 6, 7, 10]
    assert [frames_seen(config, frames, 2, step) for step in range(5)] == [0, 6, 7, 13, 14]


class _Killed(Exception):
    """Stands for a process that is killed."""


def test_a_run_that_is_cut_during_a_validation_loses_no_epoch(
    nyu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, **options: Any) -> Path:
        config = _config(nyu, recipe="paper", epochs=3)
        train(config, tmp_path / f"{name}.safetensors", progress=False, **options)
        return tmp_path / f"{name}_run"

    whole = run("whole")
    measure, calls = PaperTraining.measure, []

    def cut(self: PaperTraining, batch: Batch) -> tuple[torch.Tensor, ...]:
        calls.append(1)
        if len(calls) == 6:  # of four parts each: in the second validation
            raise _Killed
        return measure(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(PaperTraining, "measure", cut)
        with pytest.raises(_Killed):
            run("cut")
    resumed = run("cut", resume=True)
    points = [json.loads((folder / "validations.json").read_text()) for folder in (whole, resumed)]
    assert [point["samples"] for point in points[1]] == [7, 14, 21] and points[0] == points[1]
    for epoch in ("epoch_01", "epoch_02", "epoch_03"):
        states = [weights.load(folder / f"{epoch}.safetensors").state for folder in (whole, resumed)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_too_many_processes_for_the_held_out_set_are_refused(nyu: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"4 parts, too few for 5 processes.*--validation-samples"):
        train(_config(nyu), tmp_path / "a.safetensors", devices=5)
    with pytest.raises(ValueError, match=r"1 parts, too few for 2 processes"):
        train(make_config({"validation_samples": 20}), tmp_path / "a.safetensors", devices=2)


def test_a_joint_refiner_learns_from_a_dataset(
    nyu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("v2v_ros.training.joints.peak_sets.FILE_SAMPLES", 12)
    monkeypatch.setattr("v2v_ros.training.joints.run.HELD_OUT", 24)
    output, refined = tmp_path / "nyu.safetensors", tmp_path / "nyu_refined.safetensors"
    where = ["--dataset", "nyu", "--data", str(nyu), "--centers", "truth", "--quiet"]
    assert (
        main(
            ["train", "--output", str(output), "--grid", "16", "--width", "2", "--epochs", "1", "--batch", "3", *where]
        )
        == 0
    )
    joints = ["train", "--network", "joints", "--weights", str(output), "--output", str(refined), *where]
    assert main([*joints, "--samples", "24", "--draws", "640"]) == 0
    made = weights.load(refined).refiner
    assert made is not None and not made.knows_others and made.training["data"] == "nyu" and made.config.joints == 14
    assert "The dataset's own licence holds." in (tmp_path / "nyu_refined_joints.md").read_text()
    assert "found" in capsys.readouterr().out
    evaluate = [
        "evaluate",
        "dataset",
        "nyu",
        "--data",
        str(nyu),
        "--centers",
        "truth",
        "--weights",
        str(refined),
        "--quiet",
    ]
    figures = {}
    for read_out in ("refiner", "peaks"):
        path = tmp_path / f"{read_out}.json"
        assert main([*evaluate, "--read-out", read_out, "--json", str(path)]) == 0
        figures[read_out] = json.loads(path.read_text())
    assert figures["refiner"] != figures["peaks"]
    assert (
        main(["train", "--network", "joints", "--weights", str(output), "--output", str(tmp_path / "x.safetensors")])
        == 1
    )
    assert "no synthetic samples of skeleton 'hand14': name a --dataset" in capsys.readouterr().err
