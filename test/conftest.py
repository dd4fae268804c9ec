# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, settings

from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.model.calibration import Calibration
from v2v_ros.model.joint_refiner import JointRefiner, JointRefinerConfig
from v2v_ros.model.network import NetworkConfig, V2VPoseNet
from v2v_ros.model.weights import JointRefinerWeights, Weights

if TYPE_CHECKING:
    from fake_datasets import Written

pytest_plugins = ["ros_bench"]  # fixtures for tests with nodes

# Several processes share few cores here: threads that wait for each other cost more than they bring.
torch.set_num_threads(1)


# A busy machine must not fail a test.
settings.register_profile("any_load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_load")


@pytest.fixture
def test_data() -> Path:
    """Folder of recorded frames and bags, not part of the project; tests that need it are skipped without."""
    folder = os.environ.get("V2V_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no recorded data: set V2V_TEST_DATA to its folder")
    return Path(folder)


@pytest.fixture(scope="session")
def shipped_weights() -> str:
    """Name of the shipped hand weights."""
    return weights.default_for("hand21")


MakeWeights = Callable[..., Path]


@pytest.fixture
def make_weights(tmp_path: Path) -> MakeWeights:
    """Function that writes a weights file of a tiny untrained network: (name, skeleton, grid, width, depth) -> path."""

    def make(name: str = "untrained", skeleton: str = "hand21", grid: int = 16, width: int = 1, depth: int = 3) -> Path:
        torch.manual_seed(0)
        target = get_skeleton(skeleton)
        config = NetworkConfig(len(target.joint_names), grid, width, depth=depth)
        path = tmp_path / f"{name}.safetensors"
        weights.save(Weights(name, target, config, target.cube_edge, V2VPoseNet(config).state_dict()), path)
        return path

    return make


@pytest.fixture
def refined_weights(make_weights: MakeWeights) -> Path:
    """The same with a joint refiner of random weights, whose joints depend on what the heatmaps show."""
    loaded = weights.load(make_weights("refined", grid=16, width=2))
    generator = torch.Generator().manual_seed(0)
    for values in loaded.state.values():
        if values.dim() == 5:
            values.normal_(std=(2 / values[0].numel()) ** 0.5, generator=generator)
    loaded.state["back.3.bias"].fill_(0.3)
    config = JointRefinerConfig(21, peaks=3, width=16, layers=2, heads=2)
    state = JointRefiner(config).state_dict()
    for values in state.values():
        if values.dim() == 2:
            values.normal_(std=0.3, generator=generator)
    tables = Calibration((0.2, 0.8), (0.1, 0.9), (1.5, 2.5))
    path = make_weights("refined")
    weights.save(replace(loaded, refiner=JointRefinerWeights(config, state, tables)), path)
    return path


@pytest.fixture
def untrained_weights(make_weights: MakeWeights) -> Path:
    """A weights file of a tiny untrained hand network."""
    return make_weights()


FakeDataset = Callable[[str], "tuple[Path, Written]"]
FakeCopy = Callable[[str], Path]


@pytest.fixture(scope="session")
def fake_dataset(tmp_path_factory: pytest.TempPathFactory) -> FakeDataset:
    """Function that writes a tiny dataset once for all tests, which must leave it as it is: name -> folder, truth."""
    from fake_datasets import WRITERS

    @cache
    def write(name: str) -> tuple[Path, Written]:
        folder = tmp_path_factory.mktemp(name)
        return folder, WRITERS[name](folder, **({"frames": 2} if name == "msra" else {}))

    return write


@pytest.fixture
def fake_copy(fake_dataset: FakeDataset, tmp_path: Path) -> FakeCopy:
    """Function that copies a tiny dataset, to be broken: name -> folder. Of MSRA only the subject to test on."""

    def copy(name: str) -> Path:
        others = shutil.ignore_patterns("P[0-68]")
        return Path(shutil.copytree(fake_dataset(name)[0], tmp_path / name, ignore=others))

    return copy
