"""The reader of NYU Hand Pose, on tiny datasets in its format."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_nyu
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import loadmat, savemat

from v2v_ros.geometry.camera import project
from v2v_ros.geometry.skeletons import HAND14
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.nyu import EVALUATED, NyuDataset
from v2v_ros.recorded.datasets.specs import NYU


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake_nyu.write(tmp_path, train=2, test=1)
    return tmp_path


def change(folder: Path, **variables: Any) -> None:
    savemat(folder / "train" / "joint_data.mat", variables)


def stored(folder: Path) -> Any:
    return loadmat(folder / "train" / "joint_data.mat")["joint_xyz"]


def test_both_splits_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = fake_nyu.write(tmp_path, train=3, test=2)
    for split, frames in (("train", written[:3]), ("test", written[3:])):
        dataset = NyuDataset(tmp_path, split)  # type: ignore[arg-type]
        assert len(dataset) == len(frames) and dataset.valid.all() and dataset.spec is NYU
        assert dataset.joints.dtype == np.float32 and dataset.joints.shape == (len(frames), 14, 3)
        for index, frame in enumerate(frames):
            assert dataset.frame_name(index) == frame.name
            assert np.allclose(dataset.joints[index], frame.joints, atol=1e-6)
            depth = dataset.depth(index)
            assert depth.dtype == np.float32 and np.array_equal(depth, frame.depth, equal_nan=True)


def test_joints_lie_just_behind_the_depth_where_they_project(folder: Path) -> None:
    dataset = NyuDataset(folder, "train")
    for index in range(len(dataset)):
        u, v = project(torch.from_numpy(dataset.joints[index]), dataset.intrinsics).round().long().numpy().T
        behind = dataset.joints[index, :, 2] - dataset.depth(index)[v, u]
        assert (behind > -0.003).all() and np.median(behind) < 0.04


def test_the_fourteen_joints_are_those_of_the_literature_in_the_order_of_hand14() -> None:
    names = HAND14.joint_names
    assert len(EVALUATED) == len(names) == 14
    # Six points a finger from the tip on; the thumb has seven; then the wrist's two and the palm.
    assert EVALUATED[names.index("little_tip")] == 0 and EVALUATED[names.index("index_tip")] == 18
    assert EVALUATED[names.index("thumb_tip")] == 24 and EVALUATED[names.index("palm")] == 32


def test_only_the_frontal_camera_counts_and_y_points_down(folder: Path) -> None:
    joints = stored(folder)
    before = NyuDataset(folder, "train").joints
    joints[1:] = 0
    joints[0][:, 0] = (10, 20, 700)  # little fingertip, millimetres
    change(folder, joint_xyz=joints)
    after = NyuDataset(folder, "train").joints
    assert np.allclose(after[:, 0], (0.010, -0.020, 0.700)) and np.array_equal(after[:, 1:], before[:, 1:])


def test_images_are_read_when_they_are_asked_for(folder: Path) -> None:
    (folder / "train" / "depth_1_0000002.png").unlink()
    dataset = NyuDataset(folder, "train")
    assert len(dataset) == 2 and np.isfinite(dataset.depth(0)).any()
    with pytest.raises(DatasetError, match=r"depth_1_0000002\.png: no such file, but joint_data\.mat has joints"):
        dataset.depth(1)
    with pytest.raises(IndexError):
        dataset.depth(2)


def test_it_can_be_pickled(folder: Path) -> None:
    dataset = NyuDataset(folder, "train")
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again.depth(1), dataset.depth(1), equal_nan=True)


def test_other_intrinsics_are_kept(folder: Path) -> None:
    other = replace(NYU.intrinsics, fx=600.0)
    assert NyuDataset(folder, "train", intrinsics=other).intrinsics == other


def test_labels_that_are_missing_broken_or_others_are_refused(folder: Path) -> None:
    path = folder / "train" / "joint_data.mat"
    whole, joints = path.read_bytes(), stored(folder)

    def refused(message: str) -> None:
        with pytest.raises(DatasetError, match=message) as error:
            NyuDataset(folder, "train")
        assert str(path) in str(error.value)

    change(folder, joint_uvd=joints)
    refused("variable joint_xyz, which it does not have")
    change(folder, joint_xyz=joints[:, :, :14])
    refused(r"expected floats \[3 cameras, frames, 36 joints, 3\], found \[3, 2, 14, 3\]")
    change(folder, joint_xyz=joints[0])
    refused(r"found \[2, 36, 3\]")
    joints[0, 1, 3] = np.nan
    change(folder, joint_xyz=joints)
    refused("finite numbers, but frame 2 has others")
    path.write_bytes(whole[: len(whole) // 2])
    refused("truncated, or not a MATLAB file")
    path.write_bytes(b"labels")
    refused("truncated, or not a MATLAB file")
    path.unlink()
    refused("no such file.*get it from https")


def test_images_that_are_broken_or_others_are_refused(folder: Path) -> None:
    path = folder / "train" / "depth_1_0000001.png"
    whole = path.read_bytes()
    dataset = NyuDataset(folder, "train")

    def refused(message: str) -> None:
        with pytest.raises(DatasetError, match=message) as error:
            dataset.depth(0)
        assert str(path) in str(error.value)

    Image.fromarray(np.ones((480, 640), np.uint16)).save(path)
    refused("expected an RGB PNG of 640x480.*found one of mode I;16 and 640x480")
    Image.new("RGB", (320, 240)).save(path)
    refused("expected an RGB PNG of 640x480.*mode RGB and 320x240")
    path.write_bytes(whole[: len(whole) // 2])
    refused("truncated, or not a PNG")
    path.write_bytes(b"")
    refused("truncated, or not a PNG")
