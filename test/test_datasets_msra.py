# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The particulars of MSRA: a subject that is left out, folders that count their frames, images of its own format."""

from __future__ import annotations

import shutil
import struct

import numpy as np
import pytest
from conftest import FakeCopy, FakeDataset
from fake_datasets import open_fake

from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.msra import MsraDataset
from v2v_ros.recorded.datasets.registry import open_dataset


@pytest.mark.parametrize("left_out", range(9))
def test_one_subject_is_left_out(fake_dataset: FakeDataset, left_out: int) -> None:
    folder, written = fake_dataset("msra")
    names = sorted(frame.name for frames in written.values() for frame in frames)
    train, test = (MsraDataset(folder, split, test_subject=left_out) for split in ("train", "test"))
    tested = [test.frame_name(index) for index in range(len(test))]
    trained = [train.frame_name(index) for index in range(len(train))]
    assert tested == [name for name in names if name.startswith(f"P{left_out}/")] and len(tested) == 34
    assert trained == [name for name in names if name not in tested]


def test_frames_are_counted_by_the_label_files(fake_copy: FakeCopy) -> None:
    """The two published versions differ in the frames of some gestures."""
    folder = fake_copy("msra")
    path = folder / "P7/4/joint.txt"
    path.write_text("\n".join(["1", path.read_text().splitlines()[1]]) + "\n")
    dataset = open_fake("msra", folder, "test")
    assert len(dataset) == 33
    assert [dataset.frame_name(index) for index in (6, 7)] == ["P7/4/000000_depth.bin", "P7/5/000000_depth.bin"]


@pytest.mark.parametrize(
    ("count", "message"),
    [
        ("3", "expected 3 labels, as this line says, found 2"),
        ("-2", "expected the number of frames, found '-2'"),
        ("9" * 60_000, "expected the number of frames"),
        ("1.5 2", r"expected the number of frames, found '1\.5 2'"),
        ("", "expected the number of frames, found ''"),
    ],
)
def test_wrong_counts(fake_copy: FakeCopy, count: str, message: str) -> None:
    folder = fake_copy("msra")
    path = folder / "P7/TIP/joint.txt"
    path.write_text(f"{count}\n" + path.read_text().split("\n", 1)[1])
    with pytest.raises(DatasetError, match=f"P7/TIP/joint.txt, line 1: {message}"):
        open_fake("msra", folder, "test")


def test_missing_folders_and_subjects(fake_copy: FakeCopy) -> None:
    folder = fake_copy("msra")
    with pytest.raises(DatasetError, match="P0: no such folder; expected P0 to P8 in"):
        MsraDataset(folder, "train", test_subject=7)
    shutil.rmtree(folder / "P7/MP")
    with pytest.raises(DatasetError, match=r"P7/MP: no such folder; .* gestures 1 2 3 4 .* TIP Y"):
        MsraDataset(folder, "test", test_subject=7)
    with pytest.raises(DatasetError, match=r"tested on one subject .*: say which \(--subject\)"):
        open_dataset("msra", folder, "test")
    with pytest.raises(DatasetError, match="there is no subject 9"):
        MsraDataset(folder, "train", test_subject=9)


def test_values_that_are_no_distance_are_no_measurement(fake_copy: FakeCopy) -> None:
    folder = fake_copy("msra")
    values = np.array([400, 0, -5, np.nan, np.inf, 500], "<f4")
    (folder / "P7/1/000000_depth.bin").write_bytes(struct.pack("<6i", 320, 240, 0, 238, 3, 240) + values.tobytes())
    depth = open_fake("msra", folder, "test").depth(0)
    assert np.argwhere(np.isfinite(depth)).tolist() == [[238, 0], [239, 2]]
    assert depth[239, 2] == np.float32(0.5)


@pytest.mark.parametrize(
    ("header", "size", "message"),
    [
        ((320, 240, 10, 10, 12, 12), 15, "truncated: expected 16 bytes after .*, found 15"),
        ((320, 240, 10, 10, 12, 12), 17, "too long: expected 16 bytes after .*, found 17"),
        ((320, 240, 0, 0, 1, 1), 400_000, "too long: expected 4 bytes after .*, found more"),
        ((320, 240, 12, 10, 12, 12), 0, "the header says columns 12 to 12"),
        ((320, 240, 0, 0, 321, 240), 0, "the header says columns 0 to 321, rows 0 to 240"),
        ((320, 240, -1, 0, 2, 2), 0, "the header says columns -1 to 2"),
        ((2**31 - 1, 2**31 - 1, 0, 0, 2**31 - 1, 2**31 - 1), 0, "expected an image of 320x240"),
    ],
)
def test_images_whose_header_is_wrong(fake_copy: FakeCopy, header: tuple[int, ...], size: int, message: str) -> None:
    folder = fake_copy("msra")
    (folder / "P7/1/000000_depth.bin").write_bytes(struct.pack("<6i", *header) + bytes(size))
    with pytest.raises(DatasetError, match=r"P7/1/000000_depth\.bin: .*" + message):
        open_fake("msra", folder, "test").depth(0)
