# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate predictions`` on small files whose figures are known beforehand."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.cli import main
from v2v_ros.evaluation.on_datasets.published import ITOP_PARTS, PUBLISHED
from v2v_ros.evaluation.predictions import files as prediction_files
from v2v_ros.recorded.datasets import NAMES as DATASETS
from v2v_ros.recorded.datasets.specs import HANDS2017, ICVL, ITOP_SIDE, MSRA, NYU, SPECS, DatasetSpec

FRAMES = 6
Judge = Callable[..., tuple[dict[str, Any], str, str]]
_BONE = {"hand14": 0.057, "hand16": 0.028, "hand21": 0.029, "body15": 0.308}


def pose(spec: DatasetSpec, frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """Joints [F, J, 3] in metres in the optical frame, with bones of a usual length, on both sides of the axis."""
    random = np.random.default_rng(seed)
    body = spec.skeleton.kind == "body"
    joints = np.zeros((frames, len(spec.skeleton.joint_names), 3))
    joints[:, spec.skeleton.root] = (0, 0, 2.8 if body else 0.45)
    for parent, child in spec.skeleton.bones:
        steps = random.normal(size=(frames, 3)) * (1, 1, 0.3)
        steps *= _BONE[spec.skeleton.name] / np.linalg.norm(steps, axis=1, keepdims=True)
        joints[:, child] = joints[:, parent] + steps
    return joints


def uvd(joints: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    """Pixels and mm (ITOP: m) [F, 3J]."""
    fx, fy, cx, cy = spec.score_intrinsics
    x, y, z = np.moveaxis(joints, -1, 0)
    unit = 1 if spec.skeleton.kind == "body" else 1000
    return np.stack([cx + fx * x / z, cy + fy * y / z, unit * z], -1).reshape(len(joints), -1)


def lines(rows: np.ndarray, separator: str = " ", names: list[str] | None = None) -> list[str]:
    texts = [separator.join(f"{value:.6f}" for value in row) for row in rows]
    return texts if names is None else [f"{name}{separator}{text}" for name, text in zip(names, texts, strict=True)]


@pytest.fixture
def judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Judge:
    """Run the command on lines of a prediction and a truth; figures, output and warnings."""

    def run(
        spec: DatasetSpec, prediction: list[str], truth: list[str], *options: str
    ) -> tuple[dict[str, Any], str, str]:
        (tmp_path / "mine.txt").write_text("\n".join(prediction) + "\n")
        (tmp_path / "truth.txt").write_text("\n".join(truth) + "\n")
        files = [str(tmp_path / "mine.txt"), "--truth", str(tmp_path / "truth.txt")]
        report = tmp_path / "figures.json"
        code = main(["evaluate", "predictions", spec.name, *files, "--json", str(report), *options])
        printed = capsys.readouterr()
        if code:
            assert code == 1
            return {}, printed.out, printed.err
        return json.loads(report.read_text())["results"]["mine"], printed.out, printed.err

    return run


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_a_known_offset_is_the_error(judge: Judge, spec: DatasetSpec) -> None:
    truth = pose(spec)
    wrong = truth + np.array([0.003, -0.004, 0.0])
    wrong[0, 0, 2] += 0.2  # one joint of one frame much too far
    figures, out, warnings = judge(spec, lines(uvd(wrong, spec)), lines(uvd(truth, spec)))
    joints = truth.shape[1]
    far = np.hypot(5.0, 200.0)
    mean = (5 * (FRAMES * joints - 1) + far) / (FRAMES * joints)
    assert figures["mean_mm"] == pytest.approx(mean, abs=1e-3) and figures["median_mm"] == pytest.approx(5, abs=1e-3)
    assert figures["frames"] == FRAMES and not figures["complete"]
    # The first joint of a file is the first of every skeleton.
    first = spec.skeleton.joint_names[0]
    assert figures["joints"][first]["mean_mm"] == pytest.approx((5 * (FRAMES - 1) + far) / FRAMES, abs=1e-3)
    assert f"{mean:.2f} mm" in out and "> mine" in out and "V2V-PoseNet" in out and "does not compare" in out
    assert not warnings
    area = (1 - 1 / (FRAMES * joints)) * (1 - 5 / (150 if spec.skeleton.kind == "body" else 50))
    if spec.skeleton.kind == "body":
        assert figures["auc_150mm"] == pytest.approx(area, abs=1e-4)
        assert figures["map_10cm"] == pytest.approx(1 - 1 / (FRAMES * joints), abs=1e-5)
        assert figures["parts"]["head"]["precision_10cm"] == pytest.approx(1 - 1 / FRAMES, abs=1e-5)
        assert figures["parts"]["upper body"]["precision_10cm"] == pytest.approx(1 - 1 / (8 * FRAMES), abs=1e-5)
        assert figures["parts"]["lower body"]["precision_10cm"] == 1.0
    else:
        assert figures["auc_50mm"] == pytest.approx(area, abs=1e-4)
        assert figures["success_20mm"] == pytest.approx(1 - 1 / FRAMES, abs=1e-5)
        curve = figures["curve"]
        at = curve["threshold_mm"].index(6)
        assert curve["worst_joint"][at] == pytest.approx(1 - 1 / FRAMES, abs=1e-5)
        assert curve["all_joints"][at] == pytest.approx(1 - 1 / (FRAMES * joints), abs=1e-5)
        assert curve["all_joints"][at - 2] == 0.0


NAMES = [f"test_seq_1/image_{index:04d}.png" for index in range(FRAMES)]


def _variants() -> dict[str, list[str]]:
    """The same ICVL frames in the ways in which people write them."""
    rows = uvd(pose(ICVL), ICVL)
    titles = ",".join(["frame"] + [f"{axis}{joint}" for joint in range(16) for axis in "uvd"])
    return {
        "commas": lines(rows, ","),
        "commas and spaces": lines(rows, ", "),
        "tabs": lines(rows, "\t"),
        "semicolons": lines(rows, ";"),
        "names": lines(rows, " ", NAMES),
        "backslashes": lines(rows, "\t", [name.replace("/", "\\") for name in NAMES]),
        "indices": lines(rows, " ", [str(index) for index in range(FRAMES)]),
        "indices from one": lines(rows, ",", [str(index + 1) for index in range(FRAMES)]),
        "titles": [titles, *lines(rows, ",", NAMES)],
        "a short title": ["name joints", *lines(rows, ",")],
        "titles and no names": [titles.partition(",")[2], *lines(rows, ",")],
        "comments and blank lines": ["# mine", "", *lines(rows), "", "% end"],
        "a count": [str(FRAMES), *lines(rows)],
        "byte order mark": ["\ufeff" + lines(rows)[0], *lines(rows)[1:]],
        "carriage returns": [line + " \r" for line in lines(rows)],
    }


@pytest.mark.parametrize("variant", _variants())
@pytest.mark.parametrize("named", [False, True])
def test_the_ways_to_write_a_file(judge: Judge, variant: str, named: bool) -> None:
    truth = pose(ICVL) + np.array([0.0, 0.0, 0.002])
    away = lines(uvd(truth, ICVL), " ", NAMES if named else None)
    figures, _, warnings = judge(ICVL, _variants()[variant], away)
    assert figures["mean_mm"] == pytest.approx(2, abs=1e-3) and not warnings


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
@pytest.mark.parametrize("unit", ["mm", "m"])
@pytest.mark.parametrize("told", [False, True])
def test_world_coordinates_agree_with_pixels(judge: Judge, spec: DatasetSpec, unit: str, told: bool) -> None:
    truth = pose(spec)
    world = truth * (1, -1 if spec.y_up else 1, -1 if spec is MSRA else 1) * {"mm": 1000, "m": 1}[unit]
    options = ["--form", "world"] if told else []
    figures, out, warnings = judge(spec, lines(world.reshape(FRAMES, -1), ","), lines(uvd(truth, spec)), *options)
    assert figures["mean_mm"] == pytest.approx(0, abs=2e-3)
    assert figures["form"] == "world" and figures["unit"] == unit and f"world coordinates, {unit}" in out
    assert not warnings


def test_a_unit_and_an_axis_can_be_told(judge: Judge) -> None:
    truth = pose(NYU)
    figures, _, warnings = judge(
        NYU, lines(1000 * truth.reshape(FRAMES, -1)), lines(uvd(truth, NYU)), "--y-axis", "down"
    )
    assert figures["mean_mm"] == pytest.approx(0, abs=2e-3) and not warnings
    figures, _, warnings = judge(NYU, lines(uvd(truth, NYU)), lines(uvd(truth, NYU)), "--unit", "m")
    assert "check --unit" in warnings


def test_predictions_and_truth_have_units_and_axes_of_their_own(judge: Judge) -> None:
    truth = pose(NYU)
    up, down = (lines(1000 * (truth * (1, sign, 1)).reshape(FRAMES, -1)) for sign in (-1, 1))
    warnings = judge(NYU, down, up)[2]
    assert "y axis the other way (--y-axis down or --truth-y-axis down)" in warnings
    # What the warning advises helps.
    for prediction, labels, option in ((down, up, "--y-axis"), (up, down, "--truth-y-axis")):
        figures, _, warnings = judge(NYU, prediction, labels, option, "down")
        assert figures["mean_mm"] == pytest.approx(0, abs=2e-3) and not warnings
    metres = lines((truth * (1, -1, 1)).reshape(FRAMES, -1))
    for prediction, labels, option in ((metres, up, "--unit"), (up, metres, "--truth-unit")):
        figures, _, warnings = judge(NYU, prediction, labels, option, "m")
        assert figures["mean_mm"] == pytest.approx(0, abs=2e-3) and not warnings


def test_pixels_are_not_offered_an_axis(judge: Judge) -> None:
    truth = pose(NYU)
    mirrored = uvd(truth * (1, -1, 1), NYU)
    warnings = judge(NYU, lines(mirrored), lines(uvd(truth, NYU)))[2]
    assert "rows counted from below" in warnings and "y-axis" not in warnings
    away = lines(uvd(truth + np.array([3.0, 0, 0]), NYU))
    for prediction, labels in ((away, lines(uvd(truth, NYU))), (lines(uvd(truth, NYU)), away)):
        warnings = judge(NYU, prediction, labels)[2]
        assert "outside of the 640x480 image" in warnings and "y-axis" not in warnings
    assert "check --truth-form, --truth-unit, --dataset" in warnings


def test_submissions_are_matched_by_name_and_in_the_joint_order_of_the_challenge(judge: Judge) -> None:
    truth = pose(HANDS2017)
    names = [f"frame/images/image_D{index:08d}.png" for index in range(1, FRAMES + 1)]
    rows = 1000 * truth.reshape(FRAMES, -1)  # taken as it is: only offsets matter here
    moved = rows.copy()
    moved[:, 3:6] += (0, 6, 8)  # the file's second joint, the first of the thumb
    moved[:, 3 * 8 + 2] += 5  # its ninth, the tip of the thumb
    order = np.array([3, 1, 5, 0, 2, 4])
    shuffled = lines(moved[order], "\t", [names[index] for index in order])
    figures, _, _ = judge(HANDS2017, shuffled, lines(rows, "\t", names))
    means = {name: row["mean_mm"] for name, row in figures["joints"].items() if row["mean_mm"] > 1e-3}
    assert means == {"thumb_cmc": pytest.approx(10, abs=1e-3), "thumb_tip": pytest.approx(5, abs=1e-3)}
    assert figures["mean_mm"] == pytest.approx(15 / 21, abs=1e-3) and figures["form"] == "submission"
    # Folders do not matter as long as the names tell frames apart.
    short = [name.rsplit("/", 1)[1] for name in names]
    again, _, _ = judge(HANDS2017, shuffled, lines(rows, "\t", short))
    assert again == figures


@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize("word", ["invalid", "invalid invalid invalid"])
def test_frames_that_the_truth_calls_invalid_are_left_out(judge: Judge, left_out: bool, word: str) -> None:
    truth = pose(ITOP_SIDE)
    prediction = truth + np.array([0.0, 0.12, 0.0])
    prediction[2] += 5  # would be far off
    marked = lines(uvd(truth, ITOP_SIDE))
    marked[2] = word
    rows = lines(uvd(prediction, ITOP_SIDE))
    if left_out:
        del rows[2]
    figures, out, _ = judge(ITOP_SIDE, rows, marked)
    assert figures["frames"] == FRAMES - 1 and figures["mean_mm"] == pytest.approx(120, abs=0.01)
    assert figures["map_10cm"] == 0.0 and "6 frames, 1 of them invalid" in out


def test_frames_that_only_the_prediction_calls_invalid_are_missed(judge: Judge) -> None:
    truth = pose(ICVL)
    rows = lines(uvd(truth, ICVL))
    moved = lines(uvd(truth + np.array([0, 0, 0.003]), ICVL))
    figures, _, warnings = judge(ICVL, [*moved[:3], "invalid", "invalid", moved[5]], rows)
    assert figures["frames"] == FRAMES and figures["mean_mm"] == pytest.approx(3, abs=1e-3)
    assert figures["missed_share"] == pytest.approx(2 / FRAMES, abs=1e-5)
    assert figures["success_20mm"] == pytest.approx(4 / FRAMES, abs=1e-5) and not figures["complete"]
    assert "2 of the 6 frames that have a truth are missed ('invalid'), the first of them line 4" in warnings
    _, _, warnings = judge(ICVL, [*NAMED[:3], NAMES[3] + " invalid", *NAMED[4:]], NAMED)
    assert f"1 of the 6 frames that have a truth are missed ('invalid'), the first of them {NAMES[3]}" in warnings


def test_a_truth_of_the_valid_frames_alone_is_matched_by_a_file_of_all(judge: Judge) -> None:
    truth = pose(ITOP_SIDE)
    rows = lines(uvd(truth + np.array([0.0, 0.0, 0.05]), ITOP_SIDE))
    figures, _, warnings = judge(
        ITOP_SIDE, [rows[0], "invalid", *rows[2:]], lines(uvd(truth[[0, 2, 3, 4, 5]], ITOP_SIDE))
    )
    assert figures["frames"] == FRAMES - 1 and figures["mean_mm"] == pytest.approx(50, abs=0.01) and not warnings


ROWS = lines(uvd(pose(ICVL), ICVL))
NAMED = lines(uvd(pose(ICVL), ICVL), " ", NAMES)


def _with(row: int, text: str, rows: list[str] = ROWS) -> list[str]:
    return [*rows[:row], text, *rows[row + 1 :]]


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (_with(2, ROWS[2].rsplit(" ", 1)[0]), ROWS, r"mine.txt, line 3: 47 numbers; expected 48, three for each of"),
        (_with(2, NAMED[2].rsplit(" ", 1)[0], NAMED), ROWS, r"line 3: 47 numbers after 'test_seq_1.*expected 48"),
        (_with(2, ROWS[2] + " 1.0"), ROWS, r"line 3: a name or index, '[0-9.]+', unlike the lines before"),
        ([row + " 1.0" for row in ROWS], ROWS, r"line 2: 49 numbers; expected 48, or a leading index"),
        ([row + " 1 2" for row in ROWS], ROWS, r"line 1: 50 numbers; expected 48"),
        (_with(2, NAMED[2]), ROWS, r"line 3: a name or index, .* unlike the lines before"),
        (ROWS[:-1], ROWS, r"mine.txt: 5 frames, but the truth .*truth.txt has 6: both need one line for every frame"),
        ([*ROWS, ROWS[0]], ROWS, r"mine.txt: 7 frames, but the truth"),
        (
            _with(1, ROWS[1].replace(ROWS[1].split()[7], "left")),
            ROWS,
            r"mine.txt, line 2: 'left' is not a number; expected 48",
        ),
        (
            [row.replace(".", ",") for row in ROWS],
            ROWS,
            r"line 1: 96 numbers; expected 48, .* a decimal comma, write a",
        ),
        ([";".join(row.replace(".", ",").split()) for row in ROWS], ROWS, r"line 1: 96 numbers; .* a decimal comma"),
        ([f"{i}.png {row.replace('.', ',')}" for i, row in enumerate(ROWS)], ROWS, r"line 1: 96 .* a decimal comma"),
        (["joint 1 joint 2", *ROWS], ROWS, r"line 1: 3 words after 'joint'; expected 48, .*put # before them"),
        (_with(1, ROWS[1].replace(ROWS[1].split()[7], "nan")), ROWS, r"mine.txt, line 2: 'nan'; expected finite"),
        (ROWS, _with(1, ROWS[1].replace(ROWS[1].split()[7], "inf")), r"truth.txt, line 2: 'inf'; .*'invalid'"),
        ([], ROWS, r"mine.txt: no frames; expected one frame a line, 48 numbers each"),
        (["invalid"] * FRAMES, ROWS, r"mine.txt: no frame with joints"),
        (["7", *ROWS], ROWS, r"the first line announces 7 frames, but 6 follow"),
        (_with(3, NAMED[2], NAMED), NAMED, r"line 4: 'test_seq_1/image_0002.png' again, it was in line 3"),
        (NAMED[:-1], NAMED, r"1 of the 6 frames of the truth .* missing, the first is 'test_seq_1/image_0005.png'"),
        ([*NAMED, "other.png " + ROWS[0]], NAMED, r"line 7: 'other.png' is not in the truth .*matched by their names"),
        (["\0\1binary"], ROWS, r"mine.txt: not a text file"),
    ],
)
def test_bad_files_are_named_with_their_lines(
    judge: Judge, prediction: list[str], truth: list[str], message: str
) -> None:
    figures, _, error = judge(ICVL, prediction, truth)
    assert not figures and error.startswith("v2v evaluate predictions: error:")
    assert re.search(message, error), error


def test_submissions_are_of_hands2017_and_have_names(judge: Judge) -> None:
    _, _, error = judge(ICVL, NAMED, ROWS, "--form", "submission")
    assert "submissions are of hands2017, not of icvl: use --form uvd or world" in error
    rows = lines(1000 * pose(HANDS2017).reshape(FRAMES, -1))
    _, _, error = judge(HANDS2017, rows, rows, "--form", "submission")
    assert "has the image's name before the numbers" in error and "--form world" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["icvl", "truth.txt", "truth.txt"], "named twice"),
        (["icvl", "nowhere.txt"], "cannot read the file of joints 'nowhere.txt': No"),
        (["icvl", "truth.txt", "--subject", "1"], "leave --subject out"),
        (["icvl", "truth.txt", "--intrinsics", "0", "1", "2", "3"], "focal lengths"),
    ],
)
def test_wrong_calls_say_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("truth.txt").write_text("\n".join(ROWS))
    assert main(["evaluate", "predictions", *options, "--truth", "truth.txt"]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "required: NAME, FILE"),
        (["nyu", "a.txt"], "one of the arguments --truth --data is required"),
        (["nyu", "a.txt", "--truth", "t.txt", "--data", "."], "not allowed with"),
        (["nyu", "a.txt", "b.txt", "--truth", "t.txt", "--weights", "w"], "--weights"),
        (["nyu", "a.txt", "--truth", "t.txt", "--write-predictions", "b"], "--write-predictions"),
        (["nyu", "a.txt", "--truth", "t.txt", "--output", __file__], "is a file: choose another name"),
    ],
)
def test_what_is_missing_or_too_much_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "predictions", *options])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_suspicious_files_are_judged_with_a_warning(judge: Judge) -> None:
    truth = pose(ICVL)
    right = lines(uvd(truth, ICVL))
    swapped = uvd(truth, ICVL).reshape(FRAMES, -1, 3)[..., [1, 0, 2]].reshape(FRAMES, -1)
    assert "u and v (columns and rows) swapped" in judge(ICVL, lines(swapped), right)[2]
    upside_down = 1000 * (truth * (1, -1, 1)).reshape(FRAMES, -1)
    assert "y axis the other way" in judge(ICVL, lines(upside_down), right)[2]
    world = 1000 * truth.reshape(FRAMES, -1)
    assert "outside of the 320x240 image" in judge(ICVL, lines(world), right, "--form", "uvd")[2]
    assert "median error" in judge(ICVL, right, right, "--form", "world")[2]
    far = lines(uvd(truth + np.array([0, 0, 2.0]), ICVL))
    assert "not from 0.1 to 0.6 m" in judge(ICVL, far, far)[2]
    shuffled = uvd(truth, ICVL).reshape(FRAMES, -1, 3)[:, np.random.default_rng(1).permutation(16)]
    assert "order" in judge(ICVL, lines(shuffled.reshape(FRAMES, -1)), right)[2]


@pytest.mark.parametrize(
    ("intrinsics", "warns"),
    [("240.99 240.96 120 160", True), ("588.03 587.07 320 240", True), ("241.42 241.42 160 120", False)],
)
def test_foreign_intrinsics_are_used_with_a_warning(judge: Judge, intrinsics: str, warns: bool) -> None:
    truth = pose(ICVL)
    wrong = lines(uvd(truth + np.array([0.004, 0, 0]), ICVL))
    figures, _, warnings = judge(ICVL, wrong, lines(uvd(truth, ICVL)), "--intrinsics", *intrinsics.split())
    assert figures["mean_mm"] == pytest.approx(4 * 240.99 / float(intrinsics.split()[0]), abs=1e-3)
    assert ("are not those of icvl" in warnings) == warns


def test_several_methods_come_in_one_table_with_files_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = pose(ICVL)
    (tmp_path / "first.txt").write_text("\n".join(lines(uvd(truth[:4], ICVL))))
    (tmp_path / "second.txt").write_text("\n".join(lines(uvd(truth[4:], ICVL))))
    for name, offset in (("worse", 0.0069), ("better", 0.004)):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines(uvd(truth + np.array([0, 0, offset]), ICVL))))
    files = [str(tmp_path / f"{name}.txt") for name in ("worse", "better", "first", "second")]
    output = tmp_path / "report"
    arguments = ["icvl", *files[:2], "--truth", *files[2:], "--output", str(output)]
    assert main(["evaluate", "predictions", *arguments]) == 0
    report = (output / "report.txt").read_text()
    assert report in capsys.readouterr().out
    # Best first, among ours and among the published ones.
    assert report.index("\nbetter ") < report.index("\nworse ")
    wanted = ["> better", "HandFolding", "V2V-PoseNet", "A2J", "Pose-REN", "> worse", "HandPointNet", "LRF"]
    assert sorted(wanted, key=lambda name: report.index(f"\n{name} ")) == wanted
    assert "NOT COMPARABLE: crops around the true joints" in report
    with (output / "methods.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["better", "worse"] and float(rows[0]["mean_mm"]) == pytest.approx(4)
    with (output / "worse_joints.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == list(ICVL.skeleton.joint_names)
    with (output / "better_curve.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert [float(curve[at]["worst_joint"]) for at in (3, 5)] == [0.0, 1.0]
    with (output / "published.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(PUBLISHED["icvl"])
    for picture in ("curves.png", "joints.png"):
        assert (output / picture).read_bytes().startswith(b"\x89PNG")


def test_many_files_of_the_truth_are_named_by_the_first_and_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / f"{index}.txt" for index in range(FRAMES)]
    for path, row in zip(files, ROWS, strict=True):
        path.write_text(row + "\n")
    (tmp_path / "mine.txt").write_text("\n".join(ROWS))
    arguments = [str(tmp_path / "mine.txt"), "--truth", *map(str, files)]
    assert main(["evaluate", "predictions", "icvl", *arguments]) == 0
    assert f"truth: {files[0]} and 5 more: 6 frames" in capsys.readouterr().out


def test_the_help_is_enough_to_score_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "predictions", "--help"])
    text = capsys.readouterr().out
    for words in (
        "predictions icvl mine.txt --truth",
        "one frame a line",
        "column and row in pixels",
        "'invalid'",
        "63",
    ):
        assert words in text
    assert tuple(SPECS) == DATASETS


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(DATASETS))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, seed: int, name: str) -> None:
    spec, path = SPECS[name], tmp_path_factory.mktemp("written") / "joints.txt"
    joints = pose(spec, frames=3, seed=seed)
    prediction_files.write_uvd(path, joints, spec)
    file = prediction_files.read(path, spec)
    assert file.form == "uvd" and np.abs(file.joints - joints).max() < 1e-6
    assert len(path.read_text().splitlines()) == 3


def test_a_submission_is_as_the_challenge_wants_it(tmp_path: Path) -> None:
    joints = pose(HANDS2017, frames=2)
    names = ["frame/images/image_D00000001.png", "frame/images/image_D00000002.png"]
    prediction_files.write_submission(tmp_path / "s.txt", names, joints)
    first = (tmp_path / "s.txt").read_text().splitlines()[0].split("\t")
    assert first[0] == names[0] and len(first) == 64
    columns = [HANDS2017.skeleton.joint_names.index(joint) for joint in ("wrist", "thumb_cmc", "index_mcp")]
    assert [float(value) for value in first[1:10]] == pytest.approx(1000 * joints[0, columns].ravel(), abs=1e-3)
    file = prediction_files.read(tmp_path / "s.txt", HANDS2017)
    assert file.form == "submission" and np.abs(file.joints - joints).max() < 1e-6
    with pytest.raises(ValueError, match="1 names, but 2 frames"):
        prediction_files.write_submission(tmp_path / "other.txt", names[:1], joints)
    assert not (tmp_path / "other.txt").exists()


def test_joints_that_have_no_pixel_are_not_written(tmp_path: Path) -> None:
    joints = pose(ICVL, frames=2)
    joints[1, 3, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        prediction_files.write_uvd(tmp_path / "p.txt", joints, ICVL)
    joints[1, 3, 2] = -0.1
    with pytest.raises(ValueError, match="behind the camera"):
        prediction_files.write_uvd(tmp_path / "p.txt", joints, ICVL)
    assert not list(tmp_path.iterdir())
    joints[1] = np.nan
    prediction_files.write_uvd(tmp_path / "p.txt", joints, ICVL)
    assert (tmp_path / "p.txt").read_text().splitlines()[1] == "invalid"
    assert prediction_files.read(tmp_path / "p.txt", ICVL).valid.tolist() == [True, False]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_names_are_matched_whatever_folders_they_begin_with(judge: Judge, kept: int) -> None:
    truth = pose(ICVL)
    # The last part alone does not tell the two sequences apart.
    names = [f"Testing/Depth/test_seq_{1 + index // 3}/image_{index % 3:04d}.png" for index in range(FRAMES)]
    short = ["/".join(name.split("/")[-kept:]) for name in names]
    named = lines(uvd(truth, ICVL), " ", short)[::-1]
    figures, _, error = judge(ICVL, named, lines(uvd(truth, ICVL), " ", names))
    if kept == 1:
        assert "again, it was in line" in error
    else:
        assert figures["mean_mm"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("name", ["itop_side", "itop_top"])
def test_the_published_parts_average_to_the_published_precision(name: str) -> None:
    joints = [1 if part in ("head", "neck", "torso") else 2 for part in ITOP_PARTS]
    rows = [row for row in PUBLISHED[name] if row.parts]
    assert len(rows) == 7
    for row in rows:
        assert np.average(row.parts, weights=joints) == pytest.approx(row.figure, abs=0.15), row.method


def test_every_dataset_has_published_rows_of_the_paper_and_no_method_twice() -> None:
    assert set(PUBLISHED) == set(SPECS)
    figures = {name: {row.method: row.figure for row in rows} for name, rows in PUBLISHED.items()}
    assert all(len(figures[name]) == len(rows) for name, rows in PUBLISHED.items())
    assert [round(each["V2V-PoseNet"], 2) for each in figures.values()] == [6.28, 8.42, 7.59, 9.95, 88.74, 83.44]
