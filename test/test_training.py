"""Training: its data, its steps, its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from v2v_ros import weights
from v2v_ros.evaluation.metrics import joint_errors, success_rate
from v2v_ros.heatmaps import decode
from v2v_ros.network import NetworkConfig
from v2v_ros.training.data import SyntheticHands, held_out

pytest.importorskip("pytorch_lightning")

from v2v_ros.training.train import HELD_OUT_SEED, TrainingConfig, train

SMALL = NetworkConfig(21, 16, 2)


def test_metrics_are_those_of_the_papers() -> None:
    truth = torch.zeros(3, 2, 3)
    joints = truth.clone()
    joints[0, 0, 0] = 3.0
    joints[0, 1, 1] = 4.0
    joints[1, 1] = torch.tensor([20.0, 20.0, 10.0])
    errors = joint_errors(joints, truth)
    assert errors.tolist() == [[3, 4], [0, 30], [0, 0]]
    assert success_rate(errors, 5.0) == pytest.approx(2 / 3)


def test_training_data_is_reproducible_and_labelled_in_heatmap_cells() -> None:
    first, second = (next(iter(SyntheticHands(SMALL, 0.25, 16, seed=5))) for _ in range(2))
    assert torch.equal(first.grids, second.grids)
    assert first.grids.shape == (16, 1, 16, 16, 16)
    present = first.coordinates.isfinite().all(dim=(1, 2))
    cells = first.coordinates[present]
    assert ((cells > -2) & (cells < 10)).all()
    assert first.millimetres_per_cell == pytest.approx(250 / 8)
    # Where joints are, there is something in the grid nearby.
    for grid, joints in zip(first.grids[present], cells, strict=True):
        occupied = grid[0].nonzero().flip(-1) / 2
        assert torch.cdist(joints, occupied.float()).amin(1).median() < 1.5


def test_the_held_out_set_is_fixed_and_none_of_the_training_data() -> None:
    one, two = held_out(SMALL, 0.25, 32, 16, seed=9), held_out(SMALL, 0.25, 32, 16, seed=9)
    assert len(one) == 2 and all(torch.equal(a.grids, b.grids) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0].grids, next(iter(SyntheticHands(SMALL, 0.25, 16, seed=0))).grids)


CONFIG = TrainingConfig(
    grid=16, width=2, samples=320, batch=16, validation_samples=32, validation_interval=160, precision="32-true"
)


def test_a_run_learns_leaves_its_files_and_can_be_resumed(tmp_path: Path) -> None:
    output = tmp_path / "tiny.safetensors"
    train(CONFIG, output, progress=False)
    loaded = weights.load(output, "hand21")
    assert loaded.training["samples"] == 320 and loaded.training["held_out"]["val/error_mm"] > 0
    run = tmp_path / "tiny_run"
    assert json.loads((run / "config.json").read_text())["width"] == 2
    assert (run / "metrics.csv").is_file() and (run / "last.ckpt").is_file()

    longer = TrainingConfig(**{**vars(CONFIG), "samples": 480})
    minutes = loaded.training["minutes"]
    train(longer, output, resume=True, progress=False)
    again = weights.load(output)
    assert again.training["samples"] == 480 and again.training["minutes"] >= minutes
    assert any(not torch.equal(again.state[key], value) for key, value in loaded.state.items())


def test_a_network_can_learn_its_data_by_heart() -> None:
    """Loss on one fixed batch falls to a fraction within a few steps: targets, loss and gradients fit together."""
    from v2v_ros.training.module import PoseTraining

    torch.manual_seed(0)
    module = PoseTraining(NetworkConfig(21, 16, 4, sigma=1.3), 5e-3, 1000)
    batch = next(iter(SyntheticHands(module.config, 0.25, 8, seed=1)))
    optimizer = torch.optim.AdamW(module.network.parameters(), lr=5e-3)
    losses = []
    for _ in range(200):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_the_last_steps_of_a_run_are_exported_and_its_figures_kept_on_resuming(tmp_path: Path) -> None:
    output = tmp_path / "tiny.safetensors"
    odd = TrainingConfig(**{**vars(CONFIG), "samples": 208, "validation_interval": 160})
    train(odd, output, progress=False)
    assert weights.load(output).training["samples"] == 208
    figures = (tmp_path / "tiny_run" / "metrics.csv").read_bytes()
    train(TrainingConfig(**{**vars(odd), "samples": 320}), output, resume=True, progress=False)
    assert (tmp_path / "tiny_run" / "metrics.csv").read_bytes() == figures
    assert (tmp_path / "tiny_run" / "resumed_1" / "metrics.csv").is_file()


def test_what_cannot_be_trained_is_refused_with_a_reason_and_leaves_nothing(tmp_path: Path) -> None:
    good = tmp_path / "x.safetensors"
    for config, output, reason in [
        (TrainingConfig(skeleton="body15"), good, r"no synthetic training data for skeleton 'body15' yet"),
        (TrainingConfig(grid=50), good, "multiple of 8"),
        (TrainingConfig(seed=HELD_OUT_SEED), good, "the seed must be from 0"),
        (CONFIG, tmp_path / "mine", "ends in .safetensors"),
    ]:
        with pytest.raises(ValueError, match=reason):
            train(config, output)
    with pytest.raises(ValueError, match=r"no checkpoint to resume from .*without --resume"):
        train(CONFIG, good, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_weights_hold_their_error_on_held_out_hands(shipped_weights: str) -> None:
    loaded = weights.load(shipped_weights, "hand21")
    network = loaded.build()
    errors, scores, empty = [], [], []
    with torch.inference_mode():
        for batch in held_out(loaded.config, loaded.cube_edge, 256, 32, HELD_OUT_SEED):
            coordinates, found = decode(network(batch.grids), loaded.config.sigma)
            present = batch.coordinates.isfinite().all(dim=(1, 2))
            errors.append((joint_errors(coordinates, batch.coordinates) * batch.millimetres_per_cell)[present])
            scores.append(found.mean(1)[present])
            empty.append(found.mean(1)[~present])
    assert torch.cat(errors).mean() < 15.0  # mm
    # The score tells hands from other things.
    assert torch.cat(scores).median() > 2 * torch.cat(empty).median()
