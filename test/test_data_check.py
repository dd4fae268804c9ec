# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data check`` on tiny datasets in the published formats, whole and broken."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest

from v2v_ros.cli import main
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.recorded.datasets import NAMES, check
from v2v_ros.recorded.datasets.center_files import write_centers
from v2v_ros.recorded.datasets.check import DatasetCheck
from v2v_ros.recorded.datasets.dataset import DepthDataset
from v2v_ros.recorded.datasets.frame_set import reference_points
from v2v_ros.recorded.datasets.msra import VERSIONS
from v2v_ros.recorded.datasets.projection import projection_warning
from v2v_ros.recorded.datasets.registry import LAYOUTS, open_dataset
from v2v_ros.recorded.datasets.specs import SPECS, get_spec

FOLDERS = {"itop_side": "itop", "itop_top": "itop"}
SWAPPED = ["160", "120", "241.42", "241.42"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All datasets, each in a folder."""
    folder = tmp_path_factory.mktemp("datasets")
    fake_datasets.msra(folder / "msra")
    fake_datasets.icvl(folder / "icvl")
    fake_datasets.nyu(folder / "nyu", train=6)
    fake_datasets.hands2017(folder / "hands2017")
    fake_datasets.itop(folder / "itop", train=8)
    fake_datasets.itop(folder / "itop", train=8, view="top")
    return folder


@pytest.fixture
def msra(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source / "msra", tmp_path / "msra"))


@pytest.fixture
def nyu(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source / "nyu", tmp_path / "nyu"))


@pytest.fixture
def icvl(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source / "icvl", tmp_path / "icvl"))


def _check(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and figures of the command."""
    path = folder.parent / "figures.json"
    code = main(["data", "check", str(folder), "--quiet", "--json", str(path), *arguments])
    return code, json.loads(path.read_text())["datasets"]


def _open(source: Path, name: str) -> DepthDataset:
    return fake_datasets.open_fake(name, source / FOLDERS.get(name, name))


def _swap(camera: Intrinsics) -> Intrinsics:
    return replace(camera, fx=camera.cx, fy=camera.cy, cx=camera.fx, cy=camera.fy)


def test_every_dataset_in_a_folder_is_found_and_whole(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = _check(source)
    assert code == 0
    assert {result["dataset"] for result in found} == set(NAMES) == set(LAYOUTS) == set(SPECS)
    for result in found:
        assert result["errors"] == [] and result["broken"] == 0 and result["bytes"] > 0
        assert result["labels_on_depth"] > 0.85
        # They are tiny, which is a warning; there is no other.
        assert len(result["warnings"]) == len(result["groups"])
        assert all("frames" in warning for warning in result["warnings"])
    counts = {result["dataset"]: [group["frames"] for group in result["groups"]] for result in found}
    assert counts["nyu"] == [6, 2] and counts["msra"] == [17] * 9 and counts["icvl"] == [24, 4]
    side = next(result for result in found if result["dataset"] == "itop_side")
    assert [(group["frames"], group["valid"]) for group in side["groups"]] == [(8, 6), (4, 3)]
    text = capsys.readouterr().out
    assert "warning: train: 6 of 72,757 frames" in text and get_spec("nyu").source in text
    assert "6 of 72,757 frames" in text and "8 of 39,795 frames, 2 not valid" in text


def test_a_dataset_as_published_gives_no_warning(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "published_frames", lambda name, group: (17,))
    monkeypatch.setitem(VERSIONS, "in miniature", (17,) * 9)
    code, (result,) = _check(source / "msra")
    assert code == 0 and result["warnings"] == []
    assert "note: this is the version in miniature" in capsys.readouterr().out


def test_a_folder_without_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    assert main(["data", "check", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert all(pattern in error for patterns in LAYOUTS.values() for pattern in patterns)
    assert main(["data", "check", str(tmp_path / "none")]) == 1
    assert "none' does not exist" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["data", "check", str(tmp_path / "file")]) == 1
    assert "file' is not a folder" in capsys.readouterr().err
    assert main(["data", "check", str(tmp_path), "--dataset", "nyu"]) == 1
    assert f"get it from {get_spec('nyu').source}" in capsys.readouterr().out


def test_all_that_is_wrong_is_told(msra: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(msra / "P2")
    shutil.rmtree(msra / "P3/TIP")
    (msra / "P4/IP/joint.txt").unlink()
    labels = msra / "P5/L/joint.txt"
    labels.write_text(labels.read_text().rsplit(" ", 1)[0] + "\n")
    (msra / "P6/5/joint.txt").write_text("2\n" + (msra / "P6/5/joint.txt").read_text().split("\n", 1)[1])
    image = msra / "P7/MP/000000_depth.bin"
    image.write_bytes(image.read_bytes()[:-5])
    (msra / "P8/Y/000000_depth.bin").unlink()
    code, (result,) = _check(msra)
    assert code == 1
    expected = [
        "P2: no such folder",
        "P3/TIP: no such folder",
        "P4/IP/joint.txt: the label file is missing",
        "P5/L/joint.txt, line 2: expected 63 numbers, found 62 numbers",
        "P6/5/joint.txt, line 1: expected 2 labels, as this line says, found 1",
        "P7/MP/000000_depth.bin: truncated: expected",
        "P8/Y: 1 of 1 images are missing: P8/Y/000000_depth.bin",
    ]
    assert len(result["errors"]) == len(expected)
    for text in expected:
        assert any(text in error for error in result["errors"]), text
    assert [group["frames"] for group in result["groups"]] == [17, 17, 0, 16, 16, 16, 16, 17, 17]
    output = capsys.readouterr()
    assert "v2v data check: error: 7 errors" in output.err and get_spec("msra").source in output.out
    # What is wrong elsewhere does not matter to one subject.
    code, (result,) = _check(msra, "--subject", "0")
    assert code == 0 and [group["name"] for group in result["groups"]] == ["P0"]


def test_every_bad_line_of_a_label_file_is_told(icvl: Path) -> None:
    path = icvl / "Training/labels.txt"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].rsplit(" ", 1)[0]
    lines[7] = lines[7].rsplit(" ", 1)[0] + " BAD"
    lines[8] += " 5"
    lines[9] = lines[9].rsplit(" ", 1)[0] + " nan"
    path.write_text("\n".join(lines) + "\n")
    (icvl / "Testing/test_seq_2.txt").unlink()
    code, (result,) = _check(icvl)
    assert code == 1
    assert "because of the errors no images were decoded of train, test" in result["notes"]
    assert [error.removeprefix(f"{icvl}/") for error in result["errors"]] == [
        "Training/labels.txt, line 4: expected a name and 48 numbers, found 47 numbers",
        "Training/labels.txt, line 8: expected a name and 48 numbers, found 'BAD'",
        "Training/labels.txt, line 9: expected a name and 48 numbers, found 49 numbers",
        "Training/labels.txt, line 10: expected a name and 48 numbers, found 'nan'",
        "Testing/test_seq_2.txt: the label file is missing",
    ]


def test_missing_images_are_counted_and_the_first_ones_named(nyu: Path) -> None:
    for number in (2, 3, 4, 6):
        (nyu / f"train/depth_1_{number:07d}.png").unlink()
    code, (result,) = _check(nyu)
    assert code == 1
    assert result["errors"] == [
        "train: 4 of 6 images are missing: train/depth_1_0000002.png, train/depth_1_0000003.png, "
        "train/depth_1_0000004.png and 1 more"
    ]
    assert [group["missing"] for group in result["groups"]] == [4, 0] and result["decoded"] == 4


def test_few_missing_images_of_icvl_are_a_warning(icvl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (icvl / "Training/Depth/201403121135/image_0001.png").unlink()
    assert _check(icvl)[0] == 1
    monkeypatch.setattr(check, "_LEFT_OUT", 0.1)
    code, (result,) = _check(icvl)
    assert code == 0 and any("1 of 24 images are missing" in warning for warning in result["warnings"])


@pytest.mark.parametrize("name", ["nyu", "icvl", "hands2017", "itop_side"])
def test_truncated_images_are_named(source: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(source / FOLDERS.get(name, name), tmp_path / "copy"))
    file = {
        "nyu": "train/depth_1_0000003.png",
        "icvl": "Training/Depth/201403121140/image_0002.png",
        "hands2017": "frame/images/image_D00000001.png",
        "itop_side": "ITOP_side_test_depth_map.h5",
    }[name]
    path = folder / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, (result,) = _check(folder, "--dataset", name)
    assert code == 1 and len(result["errors"]) == 1 and file in result["errors"][0]


def test_an_image_that_shows_nothing_is_a_warning(nyu: Path) -> None:
    from PIL import Image

    Image.new("RGB", (640, 480)).save(nyu / "test/depth_1_0000002.png")
    code, (result,) = _check(nyu)
    assert code == 0
    assert "1 of 8 decoded images show nothing: test/depth_1_0000002.png" in result["warnings"]


def test_so_many_images_are_decoded_evenly_spread(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = DatasetCheck("msra", source / "msra", frames=9)
    assert [dataset.frame_name(index)[:2] for dataset, index in few.sample] == [f"P{s}" for s in range(9)]
    assert len(DatasetCheck("msra", source / "msra", frames=None).sample) == 153
    for count in ("0", "x"):
        with pytest.raises(SystemExit):
            main(["data", "check", str(source), "--frames", count])
    assert "argument --frames: must be a number above zero or 'all', got 'x'" in capsys.readouterr().err


def test_centre_files_must_fit(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(nyu)[0] == 0
    code, (result,) = _check(nyu, "--centers")
    assert code == 1 and len(result["errors"]) == 2
    assert f"{nyu / 'centers/center_train_refined.txt'}: there is no such centre file: put" in result["errors"][0]
    assert all("v2v data centers" in error for error in result["errors"])
    spec = get_spec("nyu")
    train, test = (open_dataset("nyu", nyu, split).joints for split in ("train", "test"))
    (nyu / "centers").mkdir()
    files = [nyu / "centers" / f"center_{split}_refined.txt" for split in ("train", "test")]
    write_centers(files[0], spec, reference_points(train))
    write_centers(files[1], spec, reference_points(test))
    code, (result,) = _check(nyu, "--centers")
    assert code == 0 and result["centers"] == [str(file) for file in files]
    # Of another version of the dataset; of other hands.
    write_centers(files[0], spec, reference_points(train[:5]))
    write_centers(files[1], spec, reference_points(test) + np.array([0, 0.4, 0]))
    code, (result,) = _check(nyu)
    assert code == 1
    (error,) = result["errors"]
    assert "center_train_refined.txt: expected 6 lines" in error and "found 5" in error
    assert "half of the centres are more than 0.4 m from the middle" in result["warnings"][-1]


def test_centre_files_of_msra_are_those_of_a_subject(msra: Path) -> None:
    spec = get_spec("msra")
    (msra / "centers").mkdir()
    for split in ("train", "test"):
        joints = open_dataset("msra", msra, split, test_subject=4).joints
        write_centers(msra / f"centers/center_{split}_4_refined.txt", spec, reference_points(joints))
    code, (result,) = _check(msra)
    assert code == 0 and len(result["centers"]) == 2 and any("not there: 16" in note for note in result["notes"])
    shutil.rmtree(msra / "P0")
    code, (result,) = _check(msra)
    assert code == 1 and len(result["centers"]) == 1
    assert any("center_train_4_refined.txt: not checked" in warning for warning in result["warnings"])


@pytest.mark.parametrize("name", NAMES)
def test_labels_lie_on_the_depth_with_the_right_intrinsics_only(source: Path, name: str) -> None:
    dataset = _open(source, name)
    assert projection_warning(dataset) is None
    if name == "icvl":  # has labels in pixels
        return
    right = dataset.intrinsics
    dataset.intrinsics = _swap(right)
    warning = projection_warning(dataset)
    assert warning is not None and f"fx {right.cx:g}, fy {right.cy:g}, cx {right.fx:g}" in warning
    assert f"do with the published ones of {name} (fx {right.fx:g}" in warning
    dataset.intrinsics = replace(right, fy=right.cx, cx=right.fy)
    assert f"published ones of {name}" in str(projection_warning(dataset))


@pytest.mark.parametrize("name", ["msra", "nyu", "hands2017", "itop_side", "itop_top"])
def test_an_axis_that_points_the_other_way_is_told(source: Path, name: str) -> None:
    dataset = _open(source, name)
    for axis, letter in ((0, "x"), (1, "y")):
        joints = dataset.joints.copy()
        dataset.joints[..., axis] *= -1
        assert f"% do if {letter} points the other way" in str(projection_warning(dataset))
        dataset.joints[:] = joints


def test_labels_of_other_images_and_datasets_without_labels(source: Path) -> None:
    dataset = _open(source, "nyu")
    dataset.joints[..., 2] += 0.5
    assert "do labels and images belong together?" in str(projection_warning(dataset))
    assert projection_warning(open_dataset("hands2017", source / "hands2017", "test")) is None


def test_swapped_intrinsics_are_told_by_the_command(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(source / "msra"), "--subject", "1", "--intrinsics", *SWAPPED]) == 0
    assert "do with the published ones of msra" in capsys.readouterr().out
    assert main(["data", "check", str(source / "icvl"), "--intrinsics", *SWAPPED]) == 0
    assert "its labels are pixels, so that images cannot tell" in capsys.readouterr().out
    # That is no reason to get the dataset once more.
    monkeypatch.setattr(check, "published_frames", lambda name, group: (17,))
    assert main(["data", "check", str(source / "msra"), "--intrinsics", *SWAPPED]) == 0
    text = capsys.readouterr().out
    assert "do with the published ones of msra" in text and "get what is missing" not in text


@pytest.mark.parametrize("command", ["check", "cache"])
def test_the_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["data", command, "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0 and f"example:\n  v2v data {command}" in text and "--json" in text


def test_subjects_that_do_not_exist(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(source / "msra"), "--subject", "9"]) == 1
    assert "there is no subject 9" in capsys.readouterr().err


def test_only_msra_has_subjects_to_choose(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(source / "nyu"), "--subject", "3"]) == 1
    assert "v2v data check: error: --subject is for msra, but" in capsys.readouterr().err


# For tests run as root, which may read everything: a folder in the place of a file cannot be read either.
@pytest.mark.parametrize(
    ("name", "file", "others"),
    [
        ("nyu", "train/joint_data.mat", 2),
        ("nyu", "test/depth_1_0000002.png", 7),
        ("icvl", "Testing/test_seq_1.txt", 24),
        ("icvl", "Training/Depth/201403121140/image_0002.png", 27),
        ("hands2017", "training/Training_Annotation.txt", None),
        ("msra", "P2/IP/joint.txt", 152),
        ("msra", "P2/IP/000000_depth.bin", 152),
        ("itop_side", "ITOP_side_test_labels.h5", 6),
        ("itop_side", "ITOP_side_train_depth_map.h5", 3),
    ],
)
def test_files_that_cannot_be_read_are_errors_like_others(
    source: Path, tmp_path: Path, name: str, file: str, others: int | None
) -> None:
    folder = Path(shutil.copytree(source / FOLDERS.get(name, name), tmp_path / "copy"))
    (folder / file).unlink()
    (folder / file).mkdir()
    code, (result,) = _check(folder, "--dataset", name)
    (error,) = result["errors"]
    assert code == 1 and error.startswith(f"{folder / file}: ") and error.endswith("Is a directory")
    assert others is None or result["decoded"] - result["broken"] == others


@pytest.mark.parametrize(
    ("name", "place", "decoded"),
    [("nyu", "train", 2), ("icvl", "Training/Depth/201403121140", 4), ("msra", "P3/T", 152)],
)
def test_folders_that_cannot_be_listed_are_errors_like_others(
    source: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str, decoded: int
) -> None:
    folder = source / name
    listdir = os.listdir

    def denied(path: Path) -> list[str]:
        if Path(path) == folder / place:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", denied)
    code, (result,) = _check(folder)
    assert code == 1 and result["errors"] == [f"{folder / place}: cannot be read: Permission denied"]
    assert result["decoded"] == decoded and result["broken"] == 0
