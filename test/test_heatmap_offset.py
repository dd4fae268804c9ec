# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Networks trained on the paper's rounded-down targets: where their peaks are, and that it is put right."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from v2v_ros.estimator import PoseEstimator
from v2v_ros.evaluation.crops import CubeNetwork
from v2v_ros.evaluation.synthetic_sets import SETS, generate
from v2v_ros.geometry.estimate import Side
from v2v_ros.model import weights
from v2v_ros.model.heatmaps import decode
from v2v_ros.model.paper import PaperGeometry
from v2v_ros.model.voxels import grid_coordinates
from v2v_ros.model.weights import WeightsError
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence

EDGE = 0.2


def test_rounded_targets_are_a_quarter_of_a_cell_beyond_the_joints() -> None:
    generator = torch.Generator().manual_seed(2)
    centers = torch.tensor([[0.02, -0.01, 0.4]], dtype=torch.float64)
    joints = centers + 0.8 * EDGE * (torch.rand(400, 3, generator=generator, dtype=torch.float64) - 0.5)
    truth = grid_coordinates(joints[None], centers, EDGE, 44)
    targets = PaperGeometry().heatmaps(joints[None], centers, EDGE)
    beyond = decode(targets, 1.7)[0] - truth
    # Rounding down is off by [0, 1) voxels, that is [0, 0.5) cells; the index of a cell is 0.5 below its centre.
    assert beyond.min() > 0 and beyond.max() <= 0.5 + 1e-6
    spread = 0.5 / math.sqrt(12) / math.sqrt(beyond.numel())
    assert abs(beyond.mean() - 0.25) < 4 * spread
    left = decode(targets, 1.7, 0.25)[0] - truth
    assert torch.allclose(left, beyond - 0.25)


@pytest.fixture
def shifted(shipped_weights: str, tmp_path: Path) -> Path:
    """The shipped hand weights with an offset."""
    path = tmp_path / "shifted.safetensors"
    weights.save(dataclasses.replace(weights.load(shipped_weights), heatmap_offset=0.25), path)
    return path


def test_the_offset_is_in_the_file_only_where_there_is_one(shifted: Path, tmp_path: Path) -> None:
    loaded = weights.load(shifted)
    assert loaded.heatmap_offset == 0.25
    without = tmp_path / "without.safetensors"
    weights.save(dataclasses.replace(loaded, heatmap_offset=0.0), without)
    with safe_open(without, framework="pt") as file:
        assert "heatmap_offset" not in file.metadata()
    assert weights.load(without).heatmap_offset == 0


@pytest.mark.parametrize("offset", ["1.5", "-1.01", "nan", "inf", "much"])
def test_impossible_offsets_are_refused(shifted: Path, offset: str) -> None:
    with safe_open(shifted, framework="pt") as file:
        metadata = file.metadata()
    save_file(load_file(shifted), shifted, metadata | {"heatmap_offset": offset})
    with pytest.raises(WeightsError, match=r"shifted.safetensors' is damaged"):
        weights.load(shifted)


def test_evaluated_joints_are_moved_back(shifted: Path, shipped_weights: str) -> None:
    part = next(generate(SETS["hand_crops_1"], 2))
    plain = weights.load(shipped_weights)
    moved = (
        CubeNetwork(plain, "cpu", read_out="peaks")(part).joints
        - CubeNetwork(weights.load(shifted), "cpu", read_out="peaks")(part).joints
    )
    expected = 0.25 * plain.cube_edge / plain.config.heatmap
    assert torch.allclose(moved, torch.full_like(moved, expected), atol=1e-6)


@pytest.mark.parametrize(("side", "x"), [(Side.RIGHT, 1), (Side.LEFT, -1)])
def test_estimated_joints_are_moved_back_and_left_hands_in_the_mirror(
    shifted: Path, tmp_path: Path, side: Side, x: int
) -> None:
    # The same heatmaps for every cube: both looks of the estimator, which go where the joints are, give one answer.
    constant = weights.load(shifted)
    constant.state["back.3.weight"].zero_()
    constant.state["back.3.bias"].fill_(1.0)
    edge, size = constant.cube_edge, constant.config.heatmap
    frame = SyntheticSequence("hand", seed=4).frame(0.0)
    # The joints are near the cube's low corner; the hand must be in the cubes around both.
    hint = frame.joints.mean(axis=0) + 0.2 * edge * np.array([x, 1, 1])
    relative = []
    for offset in (0.0, 0.25):
        path = tmp_path / "constant.safetensors"
        weights.save(dataclasses.replace(constant, heatmap_offset=offset), path)
        (found,) = (
            PoseEstimator(path, device="cpu", side=side, read_out="peaks")
            .estimate(frame.depth, CAMERA, 0.0, hint)
            .skeletons
        )
        relative.append(found.points - found.center)
    corner = (1.5 / size - 0.5) * edge
    assert np.allclose(relative[0], corner * np.array([x, 1, 1]), atol=1e-6)
    assert np.allclose(relative[0] - relative[1], 0.25 / size * edge * np.array([x, 1, 1]), atol=1e-6)
