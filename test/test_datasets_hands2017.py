"""The reader of HANDS 2017, on a tiny dataset in its published format."""

from __future__ import annotations

import shutil
from pathlib import Path

import fake_hands2017
import numpy as np
import pytest
import torch
from fake_hands import Truth

from v2v_ros.geometry.camera import project
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.recorded.datasets import labels
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.hands2017 import JOINT_ORDER, Hands2017Dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    folder = tmp_path_factory.mktemp("hands2017")
    return folder, fake_hands2017.write(folder, train=5, test=3)


@pytest.fixture
def copy(written: tuple[Path, list[Truth]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / "hands2017"))


def test_training_frames(written: tuple[Path, list[Truth]]) -> None:
    folder, truth = written
    dataset = Hands2017Dataset(folder, "train")
    assert [dataset.frame_name(index) for index in range(len(dataset))] == [frame.name for frame in truth[:5]]
    assert dataset.joints.dtype == np.float32 and dataset.valid.all()
    assert np.allclose(dataset.joints, [frame.joints for frame in truth[:5]], atol=1e-6)
    for index in range(5):
        depth = dataset.depth(index)
        assert depth.dtype == np.float32 and depth.shape == (480, 640)
        assert np.array_equal(depth, truth[index].depth, equal_nan=True)


def test_the_order_of_the_joints_is_changed() -> None:
    """Its order: wrist, five first joints from the thumb on, then the rest of each finger from the thumb on."""
    assert sorted(JOINT_ORDER) == list(range(21))
    theirs = {name: JOINT_ORDER[index] for index, name in enumerate(HAND21.joint_names)}
    assert [theirs[name] for name in ("wrist", "thumb_cmc", "index_mcp", "little_mcp")] == [0, 1, 2, 5]
    assert [theirs[name] for name in ("thumb_tip", "index_pip", "index_tip", "middle_pip", "little_tip")] == [
        *(8, 9, 11, 12, 20)
    ]


def test_test_frames_have_no_joints(written: tuple[Path, list[Truth]]) -> None:
    folder, truth = written
    dataset = Hands2017Dataset(folder, "test")
    assert [dataset.frame_name(index) for index in range(3)] == [f"frame/images/image_D{n:08d}.png" for n in (1, 2, 3)]
    assert dataset.joints.shape == (3, 21, 3) and np.isnan(dataset.joints).all() and dataset.valid.all()
    for index, frame in enumerate(truth[5:]):
        assert np.array_equal(dataset.depth(index), frame.depth, equal_nan=True)


def test_names_may_have_a_folder(copy: Path) -> None:
    path = copy / "frame/BoundingBox.txt"
    path.write_text(path.read_text().replace("image_D", "frame/images/image_D"))
    dataset = Hands2017Dataset(copy, "test")
    assert dataset.frame_name(1) == "frame/images/image_D00000002.png"
    assert np.isfinite(dataset.depth(1)).any()


def test_joints_are_where_the_hand_is_seen(written: tuple[Path, list[Truth]]) -> None:
    dataset = Hands2017Dataset(written[0], "train")
    behind = []
    for index, joints in enumerate(dataset.joints):
        u, v = project(torch.from_numpy(joints), dataset.intrinsics).round().int().T.numpy()
        behind.append(joints[:, 2] - dataset.depth(index)[v, u])
    on_the_hand = np.array(behind) > -0.3  # not past it, on the wall
    assert on_the_hand.mean() > 0.95
    assert np.array(behind)[on_the_hand].min() > -0.005
    assert (np.array(behind)[on_the_hand] < 0.03).mean() > 0.6


def test_large_files_are_read_in_parts(written: tuple[Path, list[Truth]], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Hands2017Dataset(written[0], "train")
    monkeypatch.setattr(labels, "_ROWS", 2)
    monkeypatch.setattr("v2v_ros.recorded.datasets.hands2017._CHUNK", 2)
    parts = Hands2017Dataset(written[0], "train")
    assert np.array_equal(parts.joints, whole.joints)
    assert [parts.frame_name(index) for index in range(5)] == [whole.frame_name(index) for index in range(5)]


def test_images_are_read_when_they_are_asked_for(copy: Path) -> None:
    (copy / "training/images/image_D00000002.png").unlink()
    dataset = Hands2017Dataset(copy, "train")
    with pytest.raises(DatasetError, match=r"image_D00000002\.png: cannot read the depth image: No such file"):
        dataset.depth(1)
    assert np.isfinite(dataset.depth(0)).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.rsplit("\t", 1)[0], "line 3: expected a name and 63 numbers, found 62 numbers"),
        (lambda text: text.split("\t", 1)[1], "line 3: expected a name and 63 numbers, found 62 numbers"),
        (lambda text: text + "\t0", "line 3: expected a name and 63 numbers, found 64 numbers"),
        (lambda text: text.rsplit("\t", 1)[0] + "\tx", "line 3: expected a name and 63 numbers, found 'x'"),
        (
            lambda text: text.rsplit("\t", 1)[0] + "\t-5",
            "line 3: expected all joints in front of .* -5 mm",
        ),
    ],
)
def test_wrong_labels(copy: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = copy / "training/Training_Annotation.txt"
    lines = path.read_text().splitlines()
    lines[2] = change(lines[2])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=r"Training_Annotation\.txt, " + message):
        Hands2017Dataset(copy, "train")


def test_blank_lines_count_where_a_line_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v2v_ros.recorded.datasets.hands2017._CHUNK", 2)
    path = copy / "training/Training_Annotation.txt"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].rsplit("\t", 1)[0] + "\t-5"
    path.write_text("\n\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=r"Training_Annotation\.txt, line 7: expected all joints in front of"):
        Hands2017Dataset(copy, "train")


def test_wrong_boxes(copy: Path) -> None:
    path = copy / "frame/BoundingBox.txt"
    path.write_text(path.read_text() + "image_D00000004.png 1 2 3\n")
    with pytest.raises(DatasetError, match=r"BoundingBox\.txt, line 4: expected a name and 4 numbers, found 3 numbers"):
        Hands2017Dataset(copy, "test")
    path.unlink()
    with pytest.raises(DatasetError, match=r"BoundingBox\.txt: cannot read the labels: No such file"):
        Hands2017Dataset(copy, "test")
