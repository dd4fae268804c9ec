# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The particulars of ICVL: labels in pixels, listed images that are missing, a background that is far away."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import FakeCopy, FakeDataset
from fake_datasets import open_fake
from PIL import Image

from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.icvl import IcvlDataset


def test_the_background_is_far_away_and_only_zero_is_no_measurement(fake_dataset: FakeDataset) -> None:
    dataset = open_fake("icvl", fake_dataset("icvl")[0])
    for index in range(len(dataset)):
        depth = dataset.depth(index)
        stored = np.asarray(Image.open(dataset.folder / dataset.frame_name(index)))
        assert stored.max() == 32001 and (depth[stored == 32001] == np.float32(32.001)).all()
        assert np.array_equal(np.isnan(depth), stored == 0) and np.isnan(depth).any()


def test_other_intrinsics_move_the_joints(fake_dataset: FakeDataset) -> None:
    dataset = open_fake("icvl", fake_dataset("icvl")[0], "test")
    camera = replace(dataset.intrinsics, fx=240.99, fy=240.96)
    other = open_fake("icvl", dataset.folder, "test", intrinsics=camera)
    assert np.allclose(other.joints[..., :2] * (240.99, 240.96), dataset.joints[..., :2] * 241.42, atol=1e-4)


def test_frames_without_an_image_are_not_valid(fake_copy: FakeCopy, caplog: pytest.LogCaptureFixture) -> None:
    folder = fake_copy("icvl")
    assert not IcvlDataset(folder, "train").missing
    (folder / "Training/Depth/201403121135/image_0001.png").unlink()
    shutil.rmtree(folder / "Training/Depth/201403121140/-90")
    with caplog.at_level(logging.WARNING):
        dataset = IcvlDataset(folder, "train")
    assert np.flatnonzero(~dataset.valid).tolist() == [1, 20, 21, 22, 23]
    assert dataset.missing == {"201403121135": 1, "201403121140/-90": 4}
    assert "5 of 24 listed images are missing, in 201403121135, 201403121140/-90" in caplog.text
    shutil.rmtree(folder / "Training/Depth")
    with pytest.raises(DatasetError, match="Depth: none of the 24 listed images is there; expected 201403121135/image"):
        IcvlDataset(folder, "train")
