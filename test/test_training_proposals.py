# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cubes that the detector proposes in whole synthetic scenes."""

import pytest
import torch

from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model.weights import load_detector
from v2v_ros.training.config import TrainingConfig, make_config, resumed_values
from v2v_ros.training.cubes import CubeBatch, Label
from v2v_ros.training.proposals import Look, Proposals
from v2v_ros.training.synthetic_batches import Batch, SyntheticData

CELLS, HEATMAP = 32, 16


def drawn(skeleton: str, count: int) -> CubeBatch:
    subject = get_skeleton(skeleton)
    proposals = Proposals(Look(subject, subject.cube_edge, CELLS, HEATMAP), load_detector())
    return proposals.draw(count, torch.Generator().manual_seed(3))


@pytest.mark.parametrize("skeleton", ["hand21", "body15"])
def test_joints_lie_behind_the_surface_that_a_cube_shows(skeleton: str) -> None:
    cubes = drawn(skeleton, 96)
    subjects = cubes.labels == Label.SUBJECT
    assert subjects.any() and (cubes.labels == Label.NOTHING).any()
    assert (cubes.labels == Label.LEFT_HAND).any() == (skeleton == "hand21")
    known = cubes.joints.isfinite().all(-1).all(-1)
    assert known.any() and not (known & ~subjects).any()
    # Whatever is seen of a subject lies in front of its joints: from each joint on a way to the camera that is a sixth
    # of a cube wide there is something, unless the sensor lost it.
    grids = torch.nn.functional.max_pool3d(cubes.grids[known].float(), 5, 1, 2)[:, 0]
    seen = total = 0
    for grid, joints in zip(grids, cubes.joints[known], strict=True):
        for x, y, z in (joints * CELLS / HEATMAP).long().tolist():
            if all(0 <= cell < CELLS for cell in (x, y, z)):
                seen, total = seen + int(grid[: z + 2, y, x].any()), total + 1
    assert total > 0.9 * known.sum() * cubes.joints.shape[1]
    assert seen > 0.8 * total


def test_every_hand_is_there_as_either_one() -> None:
    cubes = drawn("hand21", 96)
    for index in range(0, 96, 2):
        assert cubes.grids[index].equal(cubes.grids[index + 1].flip(-1))
        labels = [int(label) for label in cubes.labels[index : index + 2]]
        assert sorted(labels) in ([Label.NOTHING, Label.NOTHING], [Label.SUBJECT, Label.LEFT_HAND])


def test_a_share_of_a_pose_runs_cubes_is_proposed_and_the_same_when_it_is_resumed() -> None:
    config = TrainingConfig(grid=CELLS, batch=2, proposed=0.5)
    whole = iter(SyntheticData(config))
    first, second = next(whole), next(whole)
    resumed = next(iter(SyntheticData(config, first_step=1)))
    assert isinstance(first, Batch) and isinstance(second, Batch) and isinstance(resumed, Batch)
    assert resumed.grids.equal(second.grids)
    assert resumed.coordinates.nan_to_num().equal(second.coordinates.nan_to_num())
    plain = next(iter(SyntheticData(TrainingConfig(grid=CELLS, batch=2))))
    assert isinstance(plain, Batch)
    assert not first.grids[0].equal(plain.grids[0]) and first.grids[1].equal(plain.grids[1])


def test_runs_begun_before_and_runs_on_datasets_have_none() -> None:
    assert make_config().proposed > 0
    assert make_config(resumed_values({"schedule": "cosine"})).proposed == 0
    assert make_config({"dataset": "icvl", "data": "folder"}).proposed == 0
    with pytest.raises(ValueError, match="--proposed must be from 0 to 1"):
        make_config({"proposed": 1.5})
