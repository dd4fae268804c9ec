# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The particulars of HANDS 2017: an order of joints of its own, and names of images with or without their folder."""

from __future__ import annotations

import numpy as np
from conftest import FakeCopy
from fake_datasets import open_fake

from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.recorded.datasets.hands2017 import JOINT_ORDER


def test_the_order_of_the_joints_is_changed() -> None:
    """Its order: wrist, five first joints from the thumb on, then the rest of each finger from the thumb on."""
    assert sorted(JOINT_ORDER) == list(range(21))
    theirs = {name: JOINT_ORDER[index] for index, name in enumerate(HAND21.joint_names)}
    assert [theirs[name] for name in ("wrist", "thumb_cmc", "index_mcp", "little_mcp")] == [0, 1, 2, 5]
    assert [theirs[name] for name in ("thumb_tip", "index_pip", "index_tip", "middle_pip", "little_tip")] == [
        *(8, 9, 11, 12, 20)
    ]


def test_names_may_have_a_folder(fake_copy: FakeCopy) -> None:
    folder = fake_copy("hands2017")
    path = folder / "frame/BoundingBox.txt"
    path.write_text(path.read_text().replace("image_D", "frame/images/image_D"))
    dataset = open_fake("hands2017", folder, "test")
    assert dataset.frame_name(1) == "frame/images/image_D00000002.png"
    assert np.isfinite(dataset.depth(1)).any()
