"""The reader of MSRA, on a tiny dataset in its published format."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import fake_msra
import numpy as np
import pytest
import torch
from fake_hands import Truth

from v2v_ros.geometry.camera import project
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.msra import GESTURES, MsraDataset


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    folder = tmp_path_factory.mktemp("msra")
    return folder, fake_msra.write(folder, frames=2)


@pytest.fixture
def copy(written: tuple[Path, list[Truth]], tmp_path: Path) -> Path:
    """To be broken: of one subject only, which is enough to test on it."""
    shutil.copytree(written[0] / "P7", tmp_path / "P7")
    return tmp_path


def open_copy(folder: Path) -> MsraDataset:
    return MsraDataset(folder, "test", test_subject=7)


def test_one_subject_is_left_out(written: tuple[Path, list[Truth]]) -> None:
    folder, truth = written
    for split, subjects in (("train", (0, 1, 2, 4, 5, 6, 7, 8)), ("test", (3,))):
        dataset = MsraDataset(folder, split, test_subject=3)  # type: ignore[arg-type]
        expected = [frame for subject in subjects for frame in truth if frame.name.startswith(f"P{subject}/")]
        assert [dataset.frame_name(index) for index in range(len(dataset))] == [frame.name for frame in expected]
        assert dataset.valid.all() and len(dataset.valid) == 34 * len(subjects)
        assert dataset.joints.dtype == np.float32
        assert np.allclose(dataset.joints, [frame.joints for frame in expected], atol=1e-6)
    with pytest.raises(IndexError):
        dataset.frame_name(34)


def test_images_are_placed_where_they_were_cut_out(written: tuple[Path, list[Truth]]) -> None:
    folder, truth = written
    dataset = MsraDataset(folder, "test", test_subject=0)
    for index, frame in enumerate(truth[:34]):
        depth = dataset.depth(index)
        assert depth.dtype == np.float32 and depth.shape == (240, 320)
        assert np.array_equal(depth, frame.depth, equal_nan=True)


def test_joints_are_where_the_hand_is_seen(written: tuple[Path, list[Truth]]) -> None:
    dataset = MsraDataset(written[0], "test", test_subject=5)
    behind = []
    for index, joints in enumerate(dataset.joints):
        u, v = project(torch.from_numpy(joints), dataset.intrinsics).round().int().T.numpy()
        behind.append(joints[:, 2] - dataset.depth(index)[v, u])
    # Tips lie on the border of the hand, where rounding to a pixel may miss it.
    assert np.isfinite(behind).mean() > 0.95
    assert np.nanmin(behind) > -0.005
    assert (np.array(behind) < 0.03).mean() > 0.6  # the others are hidden by a part of the hand


def test_frames_are_counted_by_the_label_files(copy: Path) -> None:
    """The two published versions differ in the frames of some gestures."""
    path = copy / "P7" / "4" / "joint.txt"
    path.write_text("\n".join(["1", path.read_text().splitlines()[1]]) + "\n")
    dataset = open_copy(copy)
    assert len(dataset) == 33
    assert [dataset.frame_name(index) for index in (6, 7)] == ["P7/4/000000_depth.bin", "P7/5/000000_depth.bin"]


def test_images_are_read_when_they_are_asked_for(copy: Path) -> None:
    (copy / "P7/IP/000001_depth.bin").unlink()
    dataset = open_copy(copy)
    missing = 2 * GESTURES.index("IP") + 1
    with pytest.raises(DatasetError, match=r"P7/IP/000001_depth\.bin: cannot read the depth image: No such file"):
        dataset.depth(missing)
    assert np.isfinite(dataset.depth(missing - 1)).any()


def test_values_that_are_no_distance_are_no_measurement(copy: Path) -> None:
    values = np.array([400, 0, -5, np.nan, np.inf, 500], "<f4")
    (copy / "P7/1/000000_depth.bin").write_bytes(struct.pack("<6i", 320, 240, 0, 238, 3, 240) + values.tobytes())
    depth = open_copy(copy).depth(0)
    assert np.argwhere(np.isfinite(depth)).tolist() == [[238, 0], [239, 2]]
    assert depth[239, 2] == np.float32(0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: expected a header of 24 bytes, found 0"),
        (struct.pack("<6i", 320, 240, 10, 10, 12, 12) + bytes(15), "truncated: expected 16 bytes after .*, found 15"),
        (struct.pack("<6i", 320, 240, 10, 10, 12, 12) + bytes(17), "too long: expected 16 bytes after .*, found 17"),
        (struct.pack("<6i", 320, 240, 0, 0, 1, 1) + bytes(400_000), "too long: expected 4 bytes after .*, found more"),
        (struct.pack("<6i", 320, 240, 12, 10, 12, 12), "the header says columns 12 to 12"),
        (struct.pack("<6i", 320, 240, 0, 0, 321, 240), "the header says columns 0 to 321, rows 0 to 240"),
        (struct.pack("<6i", 320, 240, -1, 0, 2, 2), "the header says columns -1 to 2"),
        (struct.pack("<6i", 2**31 - 1, 2**31 - 1, 0, 0, 2**31 - 1, 2**31 - 1), "expected an image of 320x240"),
    ],
)
def test_broken_images(copy: Path, content: bytes, message: str) -> None:
    (copy / "P7/1/000000_depth.bin").write_bytes(content)
    dataset = open_copy(copy)
    with pytest.raises(DatasetError, match=r"P7/1/000000_depth\.bin: .*" + message):
        dataset.depth(0)


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (1, lambda text: text.rsplit(" ", 1)[0], "joint.txt, line 2: expected 63 numbers, found 62 numbers"),
        (2, lambda text: text + " 1", "joint.txt, line 3: expected 63 numbers, found 64 numbers"),
        (2, lambda text: "wrist " + text.split(" ", 1)[1], "joint.txt, line 3: expected 63 numbers, found 'wrist'"),
        (2, lambda text: "nan " + text.split(" ", 1)[1], "joint.txt, line 3: expected 63 numbers, found 'nan'"),
        (2, lambda text: text.replace("-", ""), "joint.txt, line 3: expected negative z of all joints"),
        (0, lambda text: "3", "joint.txt, line 1: expected 3 labels, as this line says, found 2"),
        (0, lambda text: "-2", "joint.txt, line 1: expected the number of frames, found '-2'"),
        (0, lambda text: "9" * 60_000, "joint.txt, line 1: expected the number of frames"),
        (0, lambda text: "1.5 2", r"joint.txt, line 1: expected the number of frames, found '1\.5 2'"),
        (0, lambda text: "", "joint.txt, line 1: expected the number of frames, found ''"),
    ],
)
def test_wrong_labels(copy: Path, line: int, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = copy / "P7" / "TIP" / "joint.txt"
    lines = path.read_text().splitlines()
    lines[line] = change(lines[line])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match="P7/TIP/" + message):
        open_copy(copy)


def test_blank_lines_count_where_a_line_is_named(copy: Path) -> None:
    path = copy / "P7" / "TIP" / "joint.txt"
    count, first, second = path.read_text().splitlines()
    path.write_text("\n".join([count, "", first, " ", "", second.replace("-", "")]) + "\n")
    with pytest.raises(DatasetError, match=r"joint\.txt, line 6: expected negative z of all joints"):
        open_copy(copy)


def test_label_files_that_are_missing_or_empty(copy: Path) -> None:
    path = copy / "P7" / "TIP" / "joint.txt"
    path.write_text("0\n")
    with pytest.raises(DatasetError, match=r"TIP/joint\.txt: expected a label on every line, but the file has none"):
        open_copy(copy)
    path.unlink()
    with pytest.raises(DatasetError, match=r"TIP/joint\.txt: cannot read the labels: No such file"):
        open_copy(copy)


def test_missing_folders(copy: Path) -> None:
    with pytest.raises(DatasetError, match="P0: no such folder; expected P0 to P8 in"):
        MsraDataset(copy, "train", test_subject=7)
    shutil.rmtree(copy / "P7" / "MP")
    with pytest.raises(DatasetError, match=r"P7/MP: no such folder; .* gestures 1 2 3 4 .* TIP Y"):
        open_copy(copy)
    with pytest.raises(DatasetError, match="there is no subject 9"):
        MsraDataset(copy, "train", test_subject=9)
