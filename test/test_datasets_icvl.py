"""The reader of ICVL, on a tiny dataset in its published format."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import fake_icvl
import numpy as np
import pytest
import torch
from fake_hands import Truth
from PIL import Image

from v2v_ros.geometry.camera import project
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.icvl import IcvlDataset


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    folder = tmp_path_factory.mktemp("icvl")
    return folder, fake_icvl.write(folder, train=3, test=2)


@pytest.fixture
def copy(written: tuple[Path, list[Truth]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / "icvl"))


def test_frames_come_in_the_order_of_the_label_files(written: tuple[Path, list[Truth]]) -> None:
    folder, truth = written
    datasets = [IcvlDataset(folder, "train"), IcvlDataset(folder, "test")]
    assert [len(dataset) for dataset in datasets] == [18, 4]
    names = [dataset.frame_name(index) for dataset in datasets for index in range(len(dataset))]
    assert names == [frame.name for frame in truth]
    assert names[-2] == "Testing/Depth/test_seq_2/image_0000.png"
    joints = np.concatenate([dataset.joints for dataset in datasets])
    assert joints.dtype == np.float32 and joints.shape == (22, 16, 3)
    assert np.allclose(joints, [frame.joints for frame in truth], atol=2e-6)
    assert all(dataset.valid.all() and not dataset.missing for dataset in datasets)


def test_the_background_is_far_away_and_only_zero_is_no_measurement(written: tuple[Path, list[Truth]]) -> None:
    folder, truth = written
    dataset = IcvlDataset(folder, "train")
    assert np.asarray(Image.open(folder / truth[0].name)).max() == 32001
    for index in range(len(dataset)):
        depth = dataset.depth(index)
        assert depth.dtype == np.float32
        assert np.array_equal(depth, truth[index].depth, equal_nan=True)
        stored = np.asarray(Image.open(folder / truth[index].name))
        assert np.array_equal(np.isnan(depth), stored == 0) and np.isnan(depth).any()
        assert (depth[stored == 32001] == np.float32(32.001)).all()


def test_joints_are_where_the_hand_is_seen(written: tuple[Path, list[Truth]]) -> None:
    """In the rotated copies, too."""
    dataset = IcvlDataset(written[0], "train")
    behind = []
    for index, joints in enumerate(dataset.joints):
        u, v = project(torch.from_numpy(joints), dataset.intrinsics).round().int().T.numpy()
        behind.append(joints[:, 2] - dataset.depth(index)[v.clip(0, 239), u.clip(0, 319)])
    on_the_hand = np.array(behind) > -1  # not past it, in the background
    assert on_the_hand.mean() > 0.9
    # Joints of ICVL are means of others, and may lie before the surface of a bent finger.
    assert np.array(behind)[on_the_hand].min() > -0.02
    assert (np.array(behind)[on_the_hand] < 0.03).mean() > 0.6


def test_other_intrinsics_move_the_joints(written: tuple[Path, list[Truth]]) -> None:
    dataset = IcvlDataset(written[0], "test")
    camera = replace(dataset.intrinsics, fx=240.99, fy=240.96)
    other = IcvlDataset(written[0], "test", intrinsics=camera)
    assert np.allclose(other.joints[..., :2] * (240.99, 240.96), dataset.joints[..., :2] * 241.42, atol=1e-4)
    assert np.array_equal(other.joints[..., 2], dataset.joints[..., 2])


def test_frames_without_an_image_are_not_valid(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    (copy / "Training/Depth/201403121135/image_0001.png").unlink()
    shutil.rmtree(copy / "Training/Depth/201403121140/-90")
    with caplog.at_level(logging.WARNING):
        dataset = IcvlDataset(copy, "train")
    assert np.flatnonzero(~dataset.valid).tolist() == [1, 15, 16, 17]
    assert dataset.missing == {"201403121135": 1, "201403121140/-90": 3}
    assert "4 of 18 listed images are missing, in 201403121135, 201403121140/-90" in caplog.text
    with pytest.raises(DatasetError, match=r"201403121135/image_0001\.png: cannot read the depth image: No such file"):
        dataset.depth(1)
    assert np.isfinite(dataset.depth(0)).any()
    shutil.rmtree(copy / "Training/Depth")
    with pytest.raises(DatasetError, match="Depth: none of the 18 listed images is there; expected 201403121135/image"):
        IcvlDataset(copy, "train")


def test_broken_images(copy: Path) -> None:
    dataset = IcvlDataset(copy, "test")
    path = copy / dataset.frame_name(0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"test_seq_1/image_0000\.png: the PNG is truncated or corrupt"):
        dataset.depth(0)
    path.write_bytes(b"hello")
    with pytest.raises(DatasetError, match=r"test_seq_1/image_0000\.png: the data is not a PNG"):
        dataset.depth(0)
    Image.new("L", (320, 240)).save(path)
    with pytest.raises(DatasetError, match=r"image_0000\.png: the PNG has 8 bits"):
        dataset.depth(0)
    Image.fromarray(np.ones((480, 640), np.uint16)).save(path)
    with pytest.raises(DatasetError, match=r"image_0000\.png: expected an image of 320x240 pixels, found 640x480"):
        dataset.depth(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.rsplit(" ", 1)[0], "line 2: expected a name and 48 numbers, found 47 numbers"),
        (lambda text: text + " 1", "line 2: expected a name and 48 numbers, found 49 numbers"),
        (lambda text: text.rsplit(" ", 1)[0] + " 1,5", "line 2: expected a name and 48 numbers, found '1,5'"),
        (lambda text: text.rsplit(" ", 1)[0] + " inf", "line 2: expected a name and 48 numbers, found 'inf'"),
        (lambda text: text.rsplit(" ", 1)[0] + " 1e39", "line 2: expected a name and 48 numbers, found '1e39'"),
        (lambda text: text.rsplit(" ", 1)[0] + " 1_0", "line 2: expected a name and 48 numbers, found '1_0'"),
        (lambda text: "long" * 12 + text, "line 2: names of images must be shorter than 48 bytes"),
    ],
)
def test_wrong_labels(copy: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = copy / "Training/labels.txt"
    lines = path.read_text().splitlines()
    lines[1] = change(lines[1])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=r"labels\.txt.*" + message):
        IcvlDataset(copy, "train")


def test_label_files_that_are_missing_empty_or_no_text(copy: Path) -> None:
    path = copy / "Testing/test_seq_2.txt"
    path.write_bytes(b"\n\n")
    with pytest.raises(DatasetError, match=r"test_seq_2\.txt: expected a label on every line, but the file has none"):
        IcvlDataset(copy, "test")
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DatasetError, match=r"test_seq_2\.txt, line 1: expected a name and 48 numbers"):
        IcvlDataset(copy, "test")
    path.unlink()
    with pytest.raises(DatasetError, match=r"test_seq_2\.txt: cannot read the labels: No such file"):
        IcvlDataset(copy, "test")
