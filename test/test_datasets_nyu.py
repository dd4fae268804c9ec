# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The particulars of NYU: labels in a MATLAB file, of three cameras and more points than are evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import FakeCopy
from fake_datasets import open_fake
from scipy.io import loadmat, savemat

from v2v_ros.geometry.skeletons import HAND14
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.nyu import EVALUATED

FILE = "train/joint_data.mat"


def test_the_fourteen_joints_are_those_of_the_literature_in_the_order_of_hand14() -> None:
    names = HAND14.joint_names
    assert len(EVALUATED) == len(names) == 14
    # Six points a finger from the tip on; the thumb has seven; then the wrist's two and the palm.
    assert EVALUATED[names.index("little_tip")] == 0 and EVALUATED[names.index("index_tip")] == 18
    assert EVALUATED[names.index("thumb_tip")] == 24 and EVALUATED[names.index("palm")] == 32


def test_only_the_frontal_camera_counts_and_y_points_down(fake_copy: FakeCopy) -> None:
    folder = fake_copy("nyu")
    joints, before = loadmat(folder / FILE)["joint_xyz"], open_fake("nyu", folder).joints
    joints[1:] = 0
    joints[0][:, 0] = (10, 20, 700)  # little fingertip, millimetres
    savemat(folder / FILE, {"joint_xyz": joints})
    after = open_fake("nyu", folder).joints
    assert np.allclose(after[:, 0], (0.010, -0.020, 0.700)) and np.array_equal(after[:, 1:], before[:, 1:])


def _lost(joints: Any) -> Any:
    joints[0, 1, 3] = np.nan
    return joints


@pytest.mark.parametrize(
    ("variable", "change", "message"),
    [
        ("joint_uvd", lambda joints: joints, "variable joint_xyz, which it does not have"),
        ("joint_xyz", lambda joints: joints[:, :, :14], r"\[3 cameras, frames, 36 joints, 3\], found \[3, 3, 14, 3\]"),
        ("joint_xyz", lambda joints: joints[0], r"found \[3, 36, 3\]"),
        ("joint_xyz", _lost, "finite numbers, but frame 2 has others"),
    ],
)
def test_files_with_something_else_are_refused(
    fake_copy: FakeCopy, variable: str, change: Callable[[Any], Any], message: str
) -> None:
    folder = fake_copy("nyu")
    savemat(folder / FILE, {variable: change(loadmat(folder / FILE)["joint_xyz"])})
    with pytest.raises(DatasetError, match=rf"joint_data\.mat: .*{message}"):
        open_fake("nyu", folder)
