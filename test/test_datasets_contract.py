# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The contract of all readers of datasets, on tiny datasets in the published formats.

What only one format has is tested in ``test_datasets_<format>.py``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FakeCopy, FakeDataset
from fake_datasets import SUBJECT, open_fake
from PIL import Image

from v2v_ros.geometry.camera import project
from v2v_ros.recorded.datasets import NAMES, hands2017, labels
from v2v_ros.recorded.datasets.center_files import center_file_name, write_centers
from v2v_ros.recorded.datasets.dataset import DatasetError, DepthDataset, Split
from v2v_ros.recorded.datasets.frame_set import RELEASED, frame_set
from v2v_ros.recorded.datasets.specs import get_spec

# Label files that are text: dataset, split, file, how many numbers a line has.
TEXTS: list[tuple[str, Split, str, int]] = [
    ("icvl", "train", "Training/labels.txt", 48),
    ("icvl", "test", "Testing/test_seq_2.txt", 48),
    ("msra", "test", "P7/TIP/joint.txt", 63),
    ("hands2017", "train", "training/Training_Annotation.txt", 63),
    ("hands2017", "test", "frame/BoundingBox.txt", 4),
]
# What else is read when a split is opened.
BINARIES: list[tuple[str, Split, str]] = [
    ("nyu", "train", "train/joint_data.mat"),
    ("itop_side", "train", "ITOP_side_train_labels.h5"),
    ("itop_side", "train", "ITOP_side_train_depth_map.h5"),
    ("itop_top", "test", "ITOP_top_test_labels.h5"),
]
OPENED = [*(row[:3] for row in TEXTS), *BINARIES]
SPLITS: tuple[Split, ...] = ("train", "test")

every_dataset = pytest.mark.parametrize("name", NAMES)
every_split = pytest.mark.parametrize("split", SPLITS)
every_file = pytest.mark.parametrize(("name", "split", "file"), OPENED)
every_damage = pytest.mark.parametrize("left", [0.4, b"", b"hello"])  # a text cut between lines is a shorter one


def refused(action: Callable[[], object], path: Path, message: str) -> None:
    """Check that an error names the file first, then what is wrong or what to do."""
    with pytest.raises(DatasetError, match=message) as error:
        action()
    assert str(error.value).startswith(str(path))


def damage(path: Path, left: float | bytes) -> None:
    """Cut a file, or put something else in its place."""
    whole = path.read_bytes()
    path.write_bytes(left if isinstance(left, bytes) else whole[: int(left * len(whole))])


def open_copy(name: str, folder: Path) -> DepthDataset:
    return open_fake(name, folder, "test" if name == "msra" else "train")  # of MSRA only one subject is copied


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small files of labels read in parts, as large ones are."""
    monkeypatch.setattr(labels, "_ROWS", 1)
    monkeypatch.setattr(hands2017, "_CHUNK", 7)  # and a last part of one


def image_file(dataset: DepthDataset, index: int) -> Path:
    """Return the file that holds an image."""
    name = dataset.spec.name
    file = f"ITOP_{name[5:]}_{dataset.split}_depth_map.h5" if "itop" in name else dataset.frame_name(index)
    return dataset.folder / file


@every_split
@every_dataset
def test_frames_are_read_as_they_were_written(fake_dataset: FakeDataset, name: str, split: Split) -> None:
    folder, written = fake_dataset(name)
    frames, spec, dataset = written[split], get_spec(name), open_fake(name, folder, split)
    assert (dataset.spec, dataset.folder, dataset.split, dataset.intrinsics) == (spec, folder, split, spec.intrinsics)
    assert dataset.test_subject == (SUBJECT if name == "msra" else None)
    assert [dataset.frame_name(index) for index in range(len(dataset))] == [frame.name for frame in frames]
    assert dataset.valid.dtype == np.bool_ and dataset.valid.tolist() == [frame.valid for frame in frames]
    joints = np.array([frame.joints for frame in frames])
    if split == "test" and not spec.test_labels:
        joints[:] = np.nan
    assert dataset.joints.dtype == np.float32 and dataset.joints.shape == joints.shape
    assert joints.shape[1:] == (len(spec.skeleton.joint_names), 3)
    assert np.allclose(dataset.joints, joints, atol=2e-6, equal_nan=True)
    for index, frame in enumerate(frames):
        depth = dataset.depth(index)
        assert depth.dtype == np.float32 and np.array_equal(depth, frame.depth, equal_nan=True)
    window, left, top = dataset.window(0)
    assert (left, top) == (0, 0) and np.array_equal(window, frames[0].depth, equal_nan=True)
    assert dataset.frame_name(-1) == frames[-1].name
    for read in (dataset.frame_name, dataset.depth):
        with pytest.raises(IndexError):
            read(len(frames))


@every_dataset
def test_joints_lie_just_behind_the_depth_where_they_project(fake_dataset: FakeDataset, name: str) -> None:
    dataset = open_fake(name, fake_dataset(name)[0])
    behind = []
    for index in np.flatnonzero(dataset.valid).tolist():
        u, v = project(torch.from_numpy(dataset.joints[index]), dataset.intrinsics).round().long().numpy().T
        behind.append(dataset.joints[index, :, 2] - dataset.depth(index)[v, u])
    # A pixel beside the subject is far behind, or NaN; other parts of the subject hide some of the joints.
    assert (np.array(behind) > -0.003).mean() > 0.99
    assert (np.array(behind) < (0.03 if dataset.spec.skeleton.kind == "hand" else 0.3)).mean() > 0.6


@every_dataset
def test_other_intrinsics_are_kept_and_leave_metres_alone(fake_dataset: FakeDataset, name: str) -> None:
    dataset = open_fake(name, fake_dataset(name)[0])
    other = open_fake(name, dataset.folder, intrinsics=replace(dataset.intrinsics, fx=240.99))
    assert other.intrinsics == replace(dataset.intrinsics, fx=240.99)
    same = slice(2, 3) if name == "icvl" else slice(3)  # labels of ICVL are pixels and the distance
    assert np.array_equal(other.joints[..., same], dataset.joints[..., same])


@every_dataset
def test_images_of_another_size_are_refused(fake_dataset: FakeDataset, name: str) -> None:
    dataset = open_fake(name, fake_dataset(name)[0])
    small = replace(dataset.intrinsics, width=64, height=48)
    refused(
        lambda: open_fake(name, dataset.folder, intrinsics=small).depth(1),
        image_file(dataset, 1),
        rf"expected .*(64x48.*{dataset.intrinsics.width}x{dataset.intrinsics.height}|48, 64\], found \[4, 240, 320\])",
    )


@every_dataset
def test_it_can_be_pickled(fake_dataset: FakeDataset, name: str) -> None:
    dataset = open_fake(name, fake_dataset(name)[0])
    first = dataset.depth(1)
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again.depth(1), first, equal_nan=True) and again.frame_name(1) == dataset.frame_name(1)
    assert np.array_equal(again.joints, dataset.joints)


@pytest.mark.parametrize("name", ["icvl", "nyu", "msra", "hands2017"])  # ITOP has one file for all images
def test_images_are_read_when_they_are_asked_for(fake_copy: FakeCopy, name: str) -> None:
    folder = fake_copy(name)
    path, frames = image_file(open_copy(name, folder), 1), len(open_copy(name, folder))
    path.unlink()
    dataset = open_copy(name, folder)
    assert len(dataset) == frames and np.isfinite(dataset.depth(0)).any()
    refused(lambda: dataset.depth(1), path, "cannot read the depth image: No such file|no such file, but joint_data")


@every_damage
@every_dataset
def test_images_that_are_damaged_are_refused(fake_copy: FakeCopy, name: str, left: float | bytes) -> None:
    dataset = open_copy(name, fake_copy(name))
    path = image_file(dataset, 1)
    damage(path, left)
    refused(lambda: dataset.depth(1), path, "truncated|the data is not a PNG")


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [("icvl", "L", "8 bits"), ("hands2017", "L", "8 bits"), ("nyu", "I;16", "expected an RGB PNG.*mode I;16")],
)
def test_images_of_another_kind_are_refused(fake_copy: FakeCopy, name: str, mode: str, message: str) -> None:
    dataset = open_copy(name, fake_copy(name))
    Image.new(mode, (dataset.intrinsics.width, dataset.intrinsics.height)).save(image_file(dataset, 0))
    refused(lambda: dataset.depth(0), image_file(dataset, 0), message)


@every_damage
@every_file
def test_labels_that_are_damaged_are_refused(
    fake_copy: FakeCopy, name: str, split: Split, file: str, left: float | bytes
) -> None:
    folder = fake_copy(name)
    damage(folder / file, left)
    refused(lambda: open_fake(name, folder, split), folder / file, "truncated, or not an? |expected .*, found|has none")


@every_file
def test_labels_that_are_missing_are_named_with_a_remedy(
    fake_copy: FakeCopy, name: str, split: Split, file: str
) -> None:
    folder = fake_copy(name)
    (folder / file).unlink()
    remedy = "no such file.* get it from https://|No such file.* laid out as in docs/datasets.md"
    refused(lambda: open_fake(name, folder, split), folder / file, remedy)


@pytest.mark.parametrize(
    ("kept", "last", "found"),
    [
        (slice(None, -1), "", "{fewer} numbers"),
        (slice(1, None), "", "{fewer} numbers"),
        (slice(None), "1", "{more} numbers"),
        *((slice(None, -1), last, f"'{last}'") for last in ("x", "1,5", "nan", "inf", "1e39", "1_0")),
    ],
)
@pytest.mark.parametrize(("name", "split", "file", "numbers"), TEXTS)
def test_lines_that_are_no_labels_are_named(
    fake_copy: FakeCopy, name: str, split: Split, file: str, numbers: int, kept: slice, last: str, found: str
) -> None:
    folder = fake_copy(name)
    first, second, *others = (folder / file).read_text().splitlines()
    # Blank lines are no labels, but count.
    lines = [first, "", " ", " ".join([*second.split()[kept], last]), *others]
    (folder / file).write_text("\n".join(lines) + "\n")
    expected = f"expected {'' if name == 'msra' else 'a name and '}{numbers} numbers"
    found = found.format(fewer=numbers - 1, more=numbers + 1)
    refused(lambda: open_fake(name, folder, split), folder / file, f", line 4: {expected}, found {found}")


@pytest.mark.parametrize(("name", "split", "file", "numbers"), [row for row in TEXTS if row[0] != "msra"])
def test_long_names_of_images_are_refused(
    fake_copy: FakeCopy, name: str, split: Split, file: str, numbers: int
) -> None:
    folder = fake_copy(name)
    (folder / file).write_text((folder / file).read_text().replace("image", "long" * 12))
    refused(lambda: open_fake(name, folder, split), folder / file, ", line 1: names of images must be shorter than 48")


@pytest.mark.parametrize("text", [b"\n\n", b"0\n", bytes(range(256)) * 10])
@pytest.mark.parametrize(("name", "split", "file", "numbers"), TEXTS)
def test_label_files_without_labels_are_refused(
    fake_copy: FakeCopy, name: str, split: Split, file: str, numbers: int, text: bytes
) -> None:
    folder = fake_copy(name)
    (folder / file).write_bytes(text)
    message = rf"on every line, but the file has none|, line \d: expected .*{numbers} numbers, found"
    refused(lambda: open_fake(name, folder, split), folder / file, message)


@pytest.mark.parametrize(
    ("name", "file", "z", "message"),
    [
        ("msra", "P7/TIP/joint.txt", "5", "expected negative z of all joints, as MSRA has them, found 5 mm"),
        ("hands2017", "training/Training_Annotation.txt", "-5", "expected all joints in front of .* -5 mm"),
    ],
)
def test_joints_behind_the_camera_are_refused(
    fake_copy: FakeCopy, monkeypatch: pytest.MonkeyPatch, name: str, file: str, z: str, message: str
) -> None:
    small_parts(monkeypatch)
    folder = fake_copy(name)
    lines = (folder / file).read_text().rstrip().splitlines()
    lines[-1] = f"{lines[-1].rsplit(None, 1)[0]} {z}"
    (folder / file).write_text("\n \n".join(lines) + "\n")
    refused(lambda: open_copy(name, folder), folder / file, f", line {2 * len(lines) - 1}: {message}")


@pytest.mark.parametrize("name", ["icvl", "msra", "hands2017"])
def test_labels_are_read_in_parts(fake_dataset: FakeDataset, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = open_fake(name, fake_dataset(name)[0])
    small_parts(monkeypatch)
    parts = open_fake(name, whole.folder)
    assert len(parts) == len(whole) and np.array_equal(parts.joints, whole.joints)
    assert [parts.frame_name(index) for index in range(5)] == [whole.frame_name(index) for index in range(5)]


@every_dataset
def test_a_folder_of_something_else_is_refused_with_a_remedy(fake_copy: FakeCopy, name: str) -> None:
    folder, spec = fake_copy(name), get_spec(name)

    def says(other: Path, message: str) -> None:
        with pytest.raises(DatasetError) as error:
            open_fake(name, other)
        assert message in str(error.value)

    says(folder.parent, f"'{folder.parent}' does not have the layout of {name}: did you mean '{folder}'?")
    says(folder / "none", f"none' does not exist: get {spec.title} from {spec.source} (docs/datasets.md)")
    (folder / "file").touch()
    says(folder / "file", f"file' is not a folder: name the one that {spec.title} was unpacked in")


@every_dataset
def test_centre_files_are_found_and_fit(fake_copy: FakeCopy, name: str) -> None:
    dataset = open_copy(name, fake_copy(name))
    place = dataset.folder / "centers" / center_file_name(dataset.spec, dataset.split, dataset.test_subject)
    with pytest.raises(DatasetError, match="make one with 'v2v data centers', or"):
        frame_set(dataset, RELEASED)
    centers = dataset.joints.mean(1, dtype=np.float64)
    centers[0] = np.nan
    write_centers(place, dataset.spec, centers)
    frames = frame_set(dataset, RELEASED)
    assert np.allclose(frames.centers, centers, rtol=0, atol=1e-6, equal_nan=True)
    assert frames.indices.tolist() == np.flatnonzero(dataset.valid)[1:].tolist()
    write_centers(place, dataset.spec, centers[1:])
    refused(lambda: frame_set(dataset, RELEASED), place, rf"expected {len(dataset)} lines.* of {name}, found")
