# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training: its data, its steps, its files."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.evaluation.metrics import joint_errors, success_rate
from v2v_ros.model import weights
from v2v_ros.model.heatmaps import decode
from v2v_ros.model.network import CenterRefinerConfig

pytest.importorskip("pytorch_lightning")

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader

from v2v_ros.training import data, finite
from v2v_ros.training.config import TrainingConfig, make_config, read_config
from v2v_ros.training.export import MovingAverage
from v2v_ros.training.losses import CenterTraining, PoseTraining, make_training
from v2v_ros.training.plan import start_from
from v2v_ros.training.synthetic_batches import Batch, CenterBatch, SyntheticData, held_out
from v2v_ros.training.train import train

CONFIG = TrainingConfig(
    grid=16, width=2, samples=64, batch=8, validation_samples=32, validation_interval=32, precision="32-true"
)
CENTER = replace(CONFIG, network="center")


def test_metrics_are_those_of_the_papers() -> None:
    truth = torch.zeros(3, 2, 3)
    joints = truth.clone()
    joints[0, 0, 0] = 3.0
    joints[0, 1, 1] = 4.0
    joints[1, 1] = torch.tensor([20.0, 20.0, 10.0])
    errors = joint_errors(joints, truth)
    assert errors.tolist() == [[3, 4], [0, 30], [0, 0]]
    assert success_rate(errors, 5.0) == pytest.approx(2 / 3)


# The data


@pytest.mark.parametrize("skeleton", ["hand21", "body15"])
def test_pose_data_is_reproducible_and_labelled_in_heatmap_cells(skeleton: str) -> None:
    config = replace(CONFIG, skeleton=skeleton, batch=16)
    first, second = (next(iter(SyntheticData(config))) for _ in range(2))
    assert isinstance(first, Batch) and isinstance(second, Batch)
    assert torch.equal(first.grids, second.grids)
    assert first.grids.shape == (16, 1, 16, 16, 16)
    present = first.coordinates.isfinite().all(dim=(1, 2))
    assert present.sum() > 8
    cells = first.coordinates[present]
    assert ((cells > -3) & (cells < 11)).float().mean() > 0.99
    assert first.millimetres_per_cell == pytest.approx(1000 * config.subject.cube_edge / 8)
    # Where joints are, there is something in the grid nearby.
    distances = [
        torch.cdist(joints, grid[0].nonzero().flip(-1) / 2.0).amin(1).median()
        for grid, joints in zip(first.grids[present], cells, strict=True)
        if grid.any()
    ]
    assert torch.stack(distances).median() < 1.0


@pytest.mark.parametrize("skeleton", ["hand21", "body15"])
def test_centre_data_has_subjects_and_other_things(skeleton: str) -> None:
    config = replace(CENTER, skeleton=skeleton, batch=128)
    batch = next(iter(SyntheticData(config)))
    assert isinstance(batch, CenterBatch)
    there = batch.offsets.isfinite().all(1)
    assert 0.45 < there.float().mean() < 0.9
    assert batch.offsets[there].abs().max() <= 0.3 + 1e-5
    assert (batch.offsets[there].abs().amax(1) > 0.2).float().mean() > 0.4
    assert batch.grids[there].flatten(1).any(1).float().mean() > 0.9
    # A cube that lies elsewhere is around a surface.
    assert batch.grids[~there].flatten(1).any(1).float().mean() > 0.7


def test_left_hands_are_nothing_to_the_pose_network() -> None:
    """Which hand it is shows in its scores; a left hand with labels would be learnt as a right one."""
    from v2v_ros.training import synthetic_batches as data

    worlds = data._worlds(CONFIG, 64, torch.Generator().manual_seed(0))
    assert 0.05 < worlds.left.float().mean() < 0.4
    batch = data._pose_batch(CONFIG, worlds, torch.Generator().manual_seed(0))
    labelled = batch.coordinates.isfinite().all(dim=(1, 2))
    assert torch.equal(labelled, worlds.present & ~worlds.left)


def test_no_two_processes_or_steps_see_the_same_and_workers_change_nothing() -> None:
    def grids(**place: Any) -> list[torch.Tensor]:
        return [batch.grids for batch in islice(SyntheticData(CONFIG, **place), 3)]

    alone, first, second = grids(), grids(rank=0, processes=2), grids(rank=1, processes=2)
    every = [*alone, *first, *second]
    assert all(not torch.equal(every[i], every[j]) for i in range(9) for j in range(i))
    assert all(map(torch.equal, grids(first_step=1)[:2], alone[1:]))
    assert not torch.equal(next(iter(SyntheticData(replace(CONFIG, seed=1)))).grids, alone[0])
    loader = DataLoader(SyntheticData(CONFIG), batch_size=None, num_workers=2)
    assert all(map(torch.equal, (batch.grids for batch in islice(loader, 3)), alone))


def test_the_held_out_set_is_fixed_split_without_loss_and_none_of_the_training_data() -> None:
    config = replace(CONFIG, validation_samples=72)
    whole = dict(held_out(config))
    assert [len(batch.grids) for batch in whole.values()] == [32, 32, 8]
    other = dict(held_out(replace(config, seed=5, samples=8)))
    parts = [dict(held_out(config, rank=rank, processes=2)) for rank in range(2)]
    assert sorted(parts[0]) == [0, 2] and sorted(parts[1]) == [1]
    for index, batch in whole.items():
        assert torch.equal(batch.grids, other[index].grids)
        assert torch.equal(batch.grids, (parts[0] | parts[1])[index].grids)
    assert not torch.equal(whole[0].grids[:8], next(iter(SyntheticData(config))).grids)


# The steps


@pytest.mark.parametrize("kind", ["pose", "center"])
def test_a_network_can_learn_its_data_by_heart(kind: str) -> None:
    """Loss on one fixed batch falls to a fraction within a few steps: targets, loss and gradients fit together."""
    torch.manual_seed(0)
    steps = 60
    module = make_training(replace(CONFIG, network=kind, width=4, sigma=1.3, schedule="cosine"), steps)
    batch = next(iter(SyntheticData(module.config)))
    made = module.configure_optimizers()
    losses = []
    for _ in range(steps):
        loss = module.loss(batch)
        made["optimizer"].zero_grad()
        loss.backward()
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_perfect_predictions_measure_as_perfect() -> None:
    """What is measured goes with what is trained: the truth itself has no error."""
    pose = PoseTraining(CONFIG, 1)
    batch = next(iter(SyntheticData(CONFIG)))
    assert isinstance(batch, Batch)
    from v2v_ros.model.heatmaps import encode

    perfect = encode(batch.coordinates, 8, CONFIG.sigma)
    pose.forward = lambda grids: perfect  # type: ignore[method-assign]
    assert pose.loss(batch).item() == 0
    figures = pose.summarize(*pose.measure(batch))
    inside = ((batch.coordinates > 1) & (batch.coordinates < 7)).all(-1)
    assert joint_errors(decode(perfect, CONFIG.sigma)[0], batch.coordinates)[inside].max() < 1e-2
    assert figures["val/median_mm"] < 1.0

    center = CenterTraining(CENTER, 1)
    samples = next(iter(SyntheticData(replace(CENTER, batch=32))))
    assert isinstance(samples, CenterBatch)
    sure = torch.where(samples.offsets.isfinite().all(1), 30.0, -30.0)
    out = torch.cat((samples.offsets.nan_to_num(), sure[:, None]), dim=1)
    center.forward = lambda grids: out  # type: ignore[method-assign]
    assert center.loss(samples).item() < 1e-6
    figures = center.summarize(*center.measure(samples))
    assert figures["val/error_mm"] < 1e-3 and figures["val/presence_right"] == 1
    assert figures["val/within_half_cube"] == figures["val/found"] == 1 and figures["val/false_alarms"] == 0


class _Poison(SyntheticData):
    """The grids of some steps are not numbers, and neither are the loss and the gradients."""

    bad: range = range(3, 5)

    def __iter__(self) -> Any:
        for step, batch in enumerate(super().__iter__(), self.first_step):
            assert isinstance(batch, Batch)
            # A NaN in the grid reaches the statistics of batch normalisation as well.
            yield batch._replace(grids=batch.grids * torch.nan) if step in self.bad else batch


class _States(Callback):
    """The network's state after every step."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self.states.append({key: value.clone() for key, value in module.network.state_dict().items()})


def _watch(monkeypatch: pytest.MonkeyPatch, *callbacks: Callback) -> None:
    """Have the next runs call these as well."""
    make = lightning.Trainer

    def trainer(**options: Any) -> Any:
        return make(**{**options, "callbacks": [*options["callbacks"], *callbacks]})

    monkeypatch.setattr(lightning, "Trainer", trainer)


def test_a_step_that_is_not_finite_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = _States()
    _watch(monkeypatch, watch)
    monkeypatch.setattr(data, "SyntheticData", _Poison)
    train(CONFIG, tmp_path / "x.safetensors", progress=False)
    for step in range(1, 8):
        same = all(torch.equal(watch.states[step][key], value) for key, value in watch.states[step - 1].items())
        assert same == (step in _Poison.bad), step
    assert all(value.isfinite().all() for value in watch.states[-1].values())
    assert "not finite: 2." in (tmp_path / "x.md").read_text()


def test_too_many_such_steps_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SyntheticData", _Poison)
    monkeypatch.setattr(finite, "LARGEST_SKIPS", 1)
    with pytest.raises(RuntimeError, match=r"not finite in 2 steps in a row: lower --learning-rate"):
        train(CONFIG, tmp_path / "x.safetensors", progress=False)


def test_the_moving_average_is_validated_and_written_and_differs_from_the_raw_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = _States()
    _watch(monkeypatch, watch)
    output = tmp_path / "x.safetensors"
    figures = train(CONFIG, output, progress=False)
    written = weights.load(output).state
    # By hand: the decay is (1 + n) / (10 + n) so early, and batch normalisation's statistics are the last ones.
    average = dict(watch.states[0])
    for n, state in enumerate(watch.states[1:], 1):
        decay = (1 + n) / (10 + n)
        average = {key: decay * average[key] + (1 - decay) * value for key, value in state.items()}
    raw = watch.states[-1]
    for key, value in written.items():
        expected = raw[key] if "running" in key or "tracked" in key else average[key]
        torch.testing.assert_close(value, expected.to(value.dtype), rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(written[key], raw[key]) for key in raw)
    # Validation used what was written.
    module = PoseTraining(CONFIG, 1).eval()
    for state, same in ((written, True), (raw, False)):
        module.network.load_state_dict(state)
        with torch.inference_mode():
            results = [module.measure(batch) for _, batch in held_out(CONFIG) if isinstance(batch, Batch)]
        again = module.summarize(*map(torch.cat, zip(*results, strict=True)))
        assert (again["val/score"] == pytest.approx(figures["val/score"], rel=1e-5)) == same


def test_the_average_warms_up_to_its_decay() -> None:
    average = MovingAverage(0.9)._kwargs["multi_avg_fn"]
    for count, decay in ((1, 2 / 11), (1000, 0.9)):
        value = [torch.zeros(3)]
        average(value, [torch.ones(3)], torch.tensor(count))
        assert value[0].tolist() == pytest.approx([1 - decay] * 3)


# Runs


class _Cut(Callback):
    """Ends a run in its sixth step, as a power cut would."""

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == 5:
            raise RuntimeError("cut")


@pytest.mark.parametrize("kind", ["pose", "center"])
def test_a_run_that_was_cut_and_resumed_ends_as_one_that_was_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, network=kind)
    load = weights.load if kind == "pose" else weights.load_center
    train(config, tmp_path / "whole.safetensors", progress=False)
    output = tmp_path / "cut.safetensors"
    with monkeypatch.context() as patch:
        _watch(patch, _Cut())
        with pytest.raises(RuntimeError, match="cut"):
            train(config, output, progress=False)
    before = (tmp_path / "cut_run" / "metrics.csv").read_bytes()
    train(config, output, resume=True, progress=False)
    whole, cut = load(tmp_path / "whole.safetensors"), load(output)
    assert all(torch.equal(whole.state[key], value) for key, value in cut.state.items())
    assert whole.training["held_out"] == cut.training["held_out"]
    assert cut.training["samples"] == 64
    # What was logged before stays, and goes on beside it.
    assert (tmp_path / "cut_run" / "metrics.csv").read_bytes() == before
    assert (tmp_path / "cut_run" / "resumed_1" / "metrics.csv").is_file()
    curve = (tmp_path / "cut.md").read_text().split("## Learning curve")[1]
    assert re.findall(r"^\| (\d+) \|", curve, re.M) == ["32", "64"]


def test_a_run_leaves_its_files(tmp_path: Path) -> None:
    output = tmp_path / "tiny.safetensors"
    config = replace(CONFIG, samples=88, half=True)
    figures = train(config, output, progress=False)
    loaded = weights.load(output, "hand21")
    assert loaded.training["samples"] == 88, "the steps after the last validation are written as well"
    assert loaded.training["held_out"] == {name: round(value, 4) for name, value in figures.items()}
    assert {"val/error_mm", "val/median_mm", "val/success_30mm"} <= figures.keys()
    assert all(value == value.half().float() for value in loaded.state["back.3.weight"].flatten())
    run = tmp_path / "tiny_run"
    assert make_config(read_config(run / "config.json")) == config
    assert (run / "metrics.csv").is_file() and (run / "last.ckpt").is_file()

    card = (tmp_path / "tiny.md").read_text()
    parameters = sum(value.numel() for key, value in loaded.state.items() if "running" not in key)
    parameters -= sum("tracked" in key for key in loaded.state)
    for text in (
        "# tiny\n",
        f"{parameters:,} parameters",
        "88 samples of synthetic right hands",
        f"| mean error, mm | {figures['val/error_mm']:.3g} |",
        f"| wrist | {loaded.training['joint_errors_mm']['wrist']:.1f} |",
        "| width | 2 |",
        f"torch {torch.__version__}",
        "Apache-2.0",
    ):
        assert text in card, text
    rates = re.findall(r"^\| (?:rendered|through|trained).* \| (\S+) \|$", card, re.M)
    assert len(rates) == 3 and all(float(rate) > 1 for rate in rates)
    assert "nan" not in card
    curve = card.split("## Learning curve")[1]
    assert re.findall(r"^\| (\d+) \|", curve, re.M) == ["32", "64", "88"]


def test_tensorboard_has_scalars_and_pictures(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    image = pytest.importorskip("PIL.Image")
    import io

    figures = train(CONFIG, tmp_path / "x.safetensors", progress=False)
    events = accumulator.EventAccumulator(str(tmp_path / "x_run" / "tensorboard"))
    events.Reload()
    names = set(events.Tags()["scalars"])
    assert {"train/loss", "train/learning_rate", "train/skipped", "rate/trained", "rate/rendered"} <= names
    assert figures.keys() <= names
    assert events.Scalars("val/error_mm")[-1].value == pytest.approx(figures["val/error_mm"], rel=1e-5)
    assert events.Scalars("rate/trained")[-1].value > 0
    pictures = events.Images("val/predictions")
    assert [picture.step for picture in pictures] == [4, 8]
    pixels = image.open(io.BytesIO(pictures[-1].encoded_image_string)).convert("RGB")
    assert pixels.size == (384, 768)
    assert len(pixels.getcolors(2**18)) > 20, "grey cells and coloured bones"


def test_a_run_can_start_from_weights_and_from_those_of_other_joints(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = tmp_path / "first.safetensors"
    train(replace(CONFIG, samples=8), first, progress=False)
    state = weights.load(first).state

    module = make_training(CONFIG, 1)
    start_from(module, first)
    assert all(torch.equal(module.network.state_dict()[key], value) for key, value in state.items())
    assert not caplog.records

    body = make_training(replace(CONFIG, skeleton="body15"), 1)
    fresh = body.network.state_dict()["back.3.weight"].clone()
    start_from(body, first)
    assert "is for other joints and starts from random numbers" in caplog.text
    for key, value in body.network.state_dict().items():
        assert torch.equal(
            value, fresh if key == "back.3.weight" else torch.zeros(15) if key == "back.3.bias" else state[key]
        )

    with pytest.raises(ValueError, match=r"do not fit the network to train: .* choose the same --network, --width"):
        train(replace(CONFIG, width=4), tmp_path / "second.safetensors", start=first)
    assert not (tmp_path / "second_run").exists()

    second = tmp_path / "second.safetensors"
    train(replace(CONFIG, samples=8, learning_rate=1e-9), second, start=first, progress=False)
    again = weights.load(second)
    assert again.training["from"] == "first.safetensors"
    assert torch.allclose(again.state["back.3.weight"], state["back.3.weight"], atol=1e-6)
    assert "starting from `first.safetensors`" in (tmp_path / "second.md").read_text()


def test_a_centre_network_is_trained_and_written(tmp_path: Path) -> None:
    output = tmp_path / "hand21_center.safetensors"
    figures = train(CENTER, output, progress=False)
    loaded = weights.load_center(output, "hand21")
    assert loaded.config == CenterRefinerConfig(16, 2)
    assert {"val/presence_right", "val/within_half_cube"} <= figures.keys()
    assert "hands, left and right" in (tmp_path / "hand21_center.md").read_text()


def test_bodies_are_measured_as_bodies(tmp_path: Path) -> None:
    figures = train(replace(CONFIG, skeleton="body15", samples=8), tmp_path / "b.safetensors", progress=False)
    assert "val/map_10cm" in figures and "val/success_30mm" not in figures
    assert weights.load(tmp_path / "b.safetensors", "body15").config.joints == 15


def test_the_command_takes_a_configuration_and_resumes_with_the_runs_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = tmp_path / "c.json", tmp_path / "x.safetensors"
    file.write_text(replace(CONFIG, samples=800).to_json())
    train_command = ["train", "--output", str(output), "--quiet"]
    assert main([*train_command, "--config", str(file), "--samples", "8", "--half"]) == 0
    assert "error_mm" in capsys.readouterr().out
    assert read_config(tmp_path / "x_run" / "config.json") == asdict(replace(CONFIG, samples=8, half=True))
    assert main([*train_command, "--resume", "--samples", "16"]) == 0
    loaded = weights.load(output)
    assert loaded.training["samples"] == 16 and loaded.config.grid == 16
    for contrary in (["--resume", "--from", "hand21_lite"], ["--resume", "--overwrite"]):
        assert main([*train_command, *contrary]) == 1
        assert "choose one of them" in capsys.readouterr().err


def test_a_new_run_neither_destroys_nor_mixes_with_an_earlier_one(tmp_path: Path) -> None:
    output, folder = tmp_path / "x.safetensors", tmp_path / "x_run"
    short = replace(CONFIG, samples=8)
    train(short, output, progress=False)
    train(replace(short, samples=16), output, resume=True, progress=False)
    for name in ("epoch_01.safetensors", "epoch_02.safetensors", "notes.txt"):
        (folder / name).touch()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"of an earlier run: give --resume to go on with it, --overwrite to start"):
        train(short, output, progress=False)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    train(replace(short, seed=1), output, overwrite=True, progress=False)
    left = {path.name for path in folder.iterdir()}
    assert not {name for name in left if name.startswith(("epoch_", "resumed_"))} and "notes.txt" in left
    assert json.loads((folder / "config.json").read_text())["seed"] == 1
    assert [point["samples"] for point in json.loads((folder / "validations.json").read_text())] == [8]
    assert len(list((folder / "tensorboard").glob("events*"))) == 1
    # Weights alone, and the networks of epochs alone, are the work of hours as well; what has nothing is no run.
    (folder / "last.ckpt").unlink()
    with pytest.raises(ValueError, match=r"x\.safetensors' of an earlier run: give --overwrite"):
        train(short, output, progress=False)
    output.unlink()
    (folder / "epoch_03.safetensors").touch()
    with pytest.raises(ValueError, match=r"epoch_03\.safetensors' of an earlier run: give --overwrite"):
        train(short, output, progress=False)
    (folder / "epoch_03.safetensors").unlink()
    train(short, output, progress=False)


def test_resuming_a_run_that_has_come_to_its_end_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = tmp_path / "x.safetensors"
    train(replace(CONFIG, samples=8), output, progress=False)
    train(replace(CONFIG, samples=16), output, resume=True, progress=False)
    assert not caplog.records
    train(replace(CONFIG, samples=16), output, resume=True, progress=False)
    assert "was at its end, nothing was left to do: to go on, give more --samples" in caplog.text


@pytest.mark.skipif(torch.cuda.is_available(), reason="of CPUs")
def test_denormal_numbers_are_flushed_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Multiply(Callback):
        products: list[float]

        def on_train_start(self, trainer: Any, module: Any) -> None:
            self.products = (torch.full((4,), 1e-30) * 1e-10).tolist()

    watch = Multiply()
    _watch(monkeypatch, watch)
    train(replace(CONFIG, samples=8), tmp_path / "x.safetensors", progress=False)
    assert watch.products == [0] * 4
    assert (torch.full((4,), 1e-30) * 1e-10).min() > 0


# What is refused


def test_what_cannot_be_trained_is_refused_with_a_reason_and_leaves_nothing(tmp_path: Path) -> None:
    for values, reason in [
        ({"skeleton": "hand16"}, r"no synthetic training data for skeleton 'hand16'"),
        ({"grid": 50}, "multiple of 8"),
        ({"seed": -1}, "seed must not be negative"),
        ({"decay": 1.0}, "decay must be from 0 to below 1"),
        ({"network": "pos"}, "unknown --network 'pos'; choose one of: pose, center"),
        ({"precision": "8"}, "unknown --precision"),
        ({"learning_rate": 0.0}, "--learning-rate must be above zero"),
        ({"batch": 0}, "batch must be above zero"),
    ]:
        with pytest.raises(ValueError, match=reason):
            TrainingConfig(**values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        train(CONFIG, tmp_path / "mine")
    with pytest.raises(ValueError, match=r"no checkpoint to resume from .*without --resume"):
        train(CONFIG, tmp_path / "x.safetensors", resume=True)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_resumed_as_it_was_only(tmp_path: Path) -> None:
    output = tmp_path / "x.safetensors"
    train(replace(CONFIG, samples=8), output, progress=False)
    for other, reason in [
        (replace(CONFIG, batch=4), "has batch 8, not 4"),
        (replace(CONFIG, width=4), "has width 2, not 4"),
        (CENTER, "has network pose, not center"),
    ]:
        with pytest.raises(ValueError, match=reason + r".*--from"):
            train(other, output, resume=True, progress=False)
    with pytest.raises(ValueError, match="has processes 1, not 2"):
        train(CONFIG, output, resume=True, devices=2, progress=False)
    train(replace(CONFIG, samples=16), output, resume=True, progress=False)
    assert weights.load(output).training["samples"] == 16


def test_configuration_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**asdict(CONFIG), "learning_rate": 1}))
    assert read_config(path)["learning_rate"] == 1
    assert make_config({"width": 4, "grid": 24}, {"width": 6}) == TrainingConfig(width=6, grid=24, proposed=0.125)
    assert make_config({"network": "center"}).network_config() == CenterRefinerConfig(32, 16)
    # Of how long it takes, what was said last counts.
    dataset = {"dataset": "nyu", "data": "x"}
    whole = asdict(make_config(dataset))
    assert make_config(whole, {"samples": 30}).epochs == 0 and make_config(whole, {"epochs": 3}).epochs == 3
    for content, reason in [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"widht": 4}', "unknown name 'widht'"),
        ('{"width": "4"}', "'width' must be of type int, got '4'"),
        ('{"half": 1}', "'half' must be of type bool"),
    ]:
        path.write_text(content)
        with pytest.raises(ValueError, match=reason):
            read_config(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_config(tmp_path / "none.json")
