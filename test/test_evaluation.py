# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fixed test sets, and the evaluate command end to end."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from v2v_ros.cli import main
from v2v_ros.evaluation import synthetic_sets as test_sets
from v2v_ros.evaluation.crops import CubeNetwork
from v2v_ros.evaluation.holes import HOLES
from v2v_ros.evaluation.recorded import surface_offsets
from v2v_ros.evaluation.reports.contact_sheet import TILE, Tile, contact_sheet
from v2v_ros.evaluation.synthetic_sets import PART, RECORD, SETS, generate, get_set, is_recorded
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.model import weights
from v2v_ros.recorded import frames

CAMERA = Intrinsics(400.0, 400.0, 79.5, 59.5, 160, 120)


@pytest.mark.parametrize("name", ["hand_crops_1", "body_crops_1"])
def test_a_set_is_the_same_every_time_whatever_follows(name: str) -> None:
    before = torch.get_default_dtype()
    whole, first = list(generate(SETS[name], PART + 3)), list(generate(SETS[name], PART))
    assert torch.get_default_dtype() == before
    assert [len(part.units) for part in whole] == [PART, 3] and len(first) == 1
    assert whole[0].hash() == first[0].hash() != whole[1].hash()
    part = first[0]
    assert part.units.dtype == np.uint16 and part.joints.dtype == part.depth.dtype == torch.float32
    assert not part.joints.isnan().any() and not part.left.any()
    # The cubes are off by some of their edge, and what is in them is at their depth.
    edge = SETS[name].skeleton.cube_edge
    off = (part.cube_centers - part.centers).abs() / edge
    assert 0.01 < off.mean() < 0.08
    inside = (part.depth - part.cube_centers[:, 2, None, None]).abs() < edge / 2
    assert (inside.flatten(1).float().mean(1) > 0.01).all()


def test_images_show_their_subject_and_empty_ones_have_none() -> None:
    part = next(generate(SETS["hand_images_1"], 2))
    camera = part.intrinsics(0)
    assert part.units.shape == (2, camera.height, camera.width)
    u = part.joints[..., 0] / part.joints[..., 2] * camera.fx + camera.cx
    assert ((u > 0) & (u < camera.width)).float().mean() > 0.8
    assert next(generate(SETS["hand_empty_1"], 2)).joints.isnan().all()


@pytest.mark.skipif(not RECORD.is_file(), reason="no hashes are on record yet")
@pytest.mark.parametrize("name", ["hand_crops_1", "body_crops_1"])
def test_the_first_samples_are_those_on_record(name: str) -> None:
    hashes = [part.hash() for part in generate(SETS[name], PART)]
    assert is_recorded(SETS[name], hashes)


@pytest.mark.slow
def test_a_processor_without_vector_instructions_makes_the_same_set() -> None:
    code = (
        "from v2v_ros.evaluation.synthetic_sets import SETS, generate\n"
        "for name in ('hand_crops_1', 'body_crops_1', 'hand_images_1'):\n"
        "    print(*(part.hash() for part in generate(SETS[name], 16)))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "ATEN_CPU_CAPABILITY": level},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for level in ("default", "avx2")
    }
    assert len(answers) == 1 and answers.pop().count("\n") == 3


def test_records_are_kept_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_sets, "RECORD", tmp_path / "record.json")
    one = SETS["hand_crops_1"]
    assert is_recorded(one, ["a"]) is None
    test_sets.record(one, ["a", "b"])
    assert is_recorded(one, ["a"]) and is_recorded(one, ["a", "b"])
    assert is_recorded(one, ["b"]) is False and is_recorded(SETS["hand_empty_1"], []) is None


def test_record_keeps_what_write_then_finds_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(test_sets, "RECORD", tmp_path / "record.json")
    monkeypatch.setitem(SETS, "tiny", dataclasses.replace(SETS["hand_crops_1"], name="tiny", samples=PART + 2))
    arguments = ["evaluate", "synthetic", "--test-set", "tiny", "--quiet"]
    assert main([*arguments, "--record", "--samples", "3"]) == 1
    assert main([*arguments, "--record"]) == 0
    assert len(json.loads((tmp_path / "record.json").read_text())["tiny"]["parts"]) == 2
    assert main([*arguments, "--write", str(tmp_path)]) == 0
    assert "tiny: as on record" in capsys.readouterr().out
    test_sets.record(SETS["tiny"], ["0", "1"])
    assert main([*arguments, "--write", str(tmp_path)]) == 1
    assert "NOT as on record" in capsys.readouterr().out


def test_bodies_are_told_apart_by_view_and_part(
    make_weights: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_weights(skeleton="body15")
    arguments = ["--test-set", "body_crops_1", "--samples", str(PART + 1), "--quiet", "--device", "cpu"]
    assert main(["evaluate", "synthetic", "--weights", str(path), *arguments]) == 0
    printed = capsys.readouterr().out
    for text in ("front", "top", "upper body", "lower body", "left_knee", "within 100 mm"):
        assert text in printed


def test_unknown_sets_are_answered_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="hand_images_1"):
        get_set("hands")


def test_the_network_sees_cubes_as_the_estimator_does(untrained_weights: Path) -> None:
    loaded = weights.load(untrained_weights)
    part = next(generate(SETS["hand_crops_1"], 3))
    results = CubeNetwork(loaded, "cpu")(part)
    assert results.joints.shape == (3, 21, 3) and results.moments.shape == (3, 21, 6)
    assert ((results.joints - part.cube_centers[:, None]).abs() <= 0.75 * loaded.cube_edge).all()


def test_evaluate_writes_figures_tables_and_plots(
    untrained_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, figures = tmp_path / "report", tmp_path / "figures.json"
    arguments = ["--samples", "10", "--output", str(folder), "--json", str(figures), "--quiet", "--device", "cpu"]
    assert (
        main(["evaluate", "synthetic", "--weights", str(untrained_weights), "--test-set", "hand_crops_1", *arguments])
        == 0
    )
    printed = capsys.readouterr().out
    for text in ("hand_crops_1: 10 samples", "mAP@10cm", "fingertips", "index_tip", "expected calibration error"):
        assert text in printed
    result = json.loads(figures.read_text())["test_sets"]["hand_crops_1"]
    assert result["samples"] == 10 and result["mean_mm"] > 0 and len(result["joints"]) == 21
    assert list(result) == [
        *("test_set", "samples", "recorded", "mean_mm", "median_mm", "success_30mm", "map_10cm", "read_outs"),
        *("ms_per_crop", "joints", "parts", "sensors", "curve", "calibrated", "reliability", "covariance"),
    ]
    assert sum(row["samples"] for row in result["sensors"].values()) == 10
    assert sum(row["count"] for row in result["reliability"]["bins"]) == 210
    with (folder / "hand_crops_1_joints.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["name"] == "wrist" and float(rows[0]["mean_mm"]) > 0
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return
    assert {path.name for path in folder.glob("*.png")} == {
        "hand_crops_1_curve.png",
        "hand_crops_1_reliability.png",
        "hand_crops_1_worst.png",
    }


@pytest.mark.parametrize(
    ("name", "share"),
    [("none", 1), ("checkerboard", 1 / 2), ("rows", 3 / 4), ("sparse", 1 / 10), ("registered_1920", 1)],
)
def test_holes_leave_the_points_of_what_stays_where_they_are(name: str, share: float) -> None:
    rows, columns = np.mgrid[:120, :160]
    depth = (0.5 + 0.001 * columns + 0.002 * rows).astype(np.float32)
    seen, camera = HOLES[name](depth, CAMERA)
    assert seen.shape == (camera.height, camera.width) and seen.dtype == np.float32
    valid = np.isfinite(seen)
    assert valid.sum() == pytest.approx(share * depth.size, rel=0.05)
    v, u = np.nonzero(valid)
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    row, column = y * CAMERA.fy + CAMERA.cy, x * CAMERA.fx + CAMERA.cx
    assert np.abs(seen[valid] - (0.5 + 0.001 * column + 0.002 * row)).max() < 0.0016  # half a pixel of the wall


def test_holes_are_for_whole_images(untrained_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = [
        "evaluate",
        "synthetic",
        "--weights",
        str(untrained_weights),
        "--quiet",
        "--device",
        "cpu",
        "--samples",
        "1",
    ]
    assert main([*call, "--test-set", "hand_crops_1", "--holes", "rows"]) == 1
    assert "of crops: holes are made in whole images" in capsys.readouterr().err
    assert main([*call, "--test-set", "hand_images_1", "--holes", "rows"]) == 0


def test_evaluate_judges_whole_images(untrained_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--test-set", "hand_images_1", "hand_empty_1", "--samples", "2", "--quiet", "--device", "cpu"]
    assert main(["evaluate", "synthetic", "--weights", str(untrained_weights), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "centre within half the cube" in printed and "nobody reported" in printed


def test_sets_of_another_skeleton_are_refused(untrained_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "synthetic", "--weights", str(untrained_weights), "--test-set", "body_crops_1"]) == 1
    assert "body15" in capsys.readouterr().err


def test_calibrate_writes_into_the_weights(untrained_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "calibrate", "--quiet", "--device", "cpu"]
    with pytest.raises(SystemExit):
        main(arguments)
    assert "--weights" in capsys.readouterr().err
    before = weights.load(untrained_weights)
    assert main([*arguments, "--weights", str(untrained_weights), "--samples", "16"]) == 0
    after = weights.load(untrained_weights)
    assert before.calibration is None and after.calibration is not None
    assert all(torch.equal(value, after.state[name]) for name, value in before.state.items())
    assert "variance factor" in capsys.readouterr().out


def test_written_sets_are_frame_lists_with_the_same_depth(tmp_path: Path) -> None:
    call = ["evaluate", "synthetic", "--test-set", "hand_crops_1", "--samples", "8"]
    assert main([*call, "--write", str(tmp_path), "--quiet"]) in (0, 1)
    part = next(generate(SETS["hand_crops_1"], 8))
    records = frames.load_frame_list(tmp_path / "hand_crops_1" / "frames.json")
    truth = json.loads((tmp_path / "hand_crops_1" / "truth.json").read_text())
    assert len(records) == 8 and len(truth["frames"]) == 8
    depth = frames.read_depth(records[3])
    np.testing.assert_allclose(depth, part.depth[3].numpy(), atol=1e-6)
    assert records[3].intrinsics(depth) == part.intrinsics(3)
    assert records[3].center == pytest.approx(part.cube_centers[3].tolist())
    np.testing.assert_allclose(truth["frames"][3]["joints_mm"], 1000 * part.joints[3].double(), rtol=1e-6)
    assert truth["frames"][3]["side"] == "right"


def test_offsets_from_the_surface_by_hand() -> None:
    depth = np.full((120, 160), 0.5, np.float32)
    depth[50:71, 70:91] = np.nan
    depth[60, 82] = 0.6  # the only one near (80, 60), two pixels off
    middle = [0.5 / 400 * 0.5, 0.5 / 400 * 0.5]  # metres to pixel (80, 60) at 0.5 m
    points = np.array(
        [
            [*middle, 0.5],
            [-0.05, -0.04, 0.52],  # on the wall, 2 cm behind it
            [-0.05, -0.04, 0.45],
            [-0.01, 0.0, 0.5],  # in the hole
            [10.0, 0.0, 0.5],  # beside the image
            [0.0, 0.0, -1.0],
            [np.nan, np.nan, np.nan],
        ]
    )
    offsets = surface_offsets(points, depth, CAMERA)
    assert offsets[:3] == pytest.approx([-0.1, 0.02, -0.05], abs=1e-6)
    assert np.isnan(offsets[3:]).all()


def _tiles() -> list[Tile]:
    depth = np.linspace(0.4, 0.6, 120 * 160, dtype=np.float32).reshape(120, 160)
    points = np.random.default_rng(0).normal((0, 0, 0.5), 0.03, (21, 3)).astype(np.float32)
    found = SkeletonEstimate(
        id="hand_1",
        side=Side.RIGHT,
        tracking_state=TrackingState.DETECTED,
        score=0.9,
        center=np.array([0.0, 0.0, 0.5]),
        cube_edge=0.25,
        points=points,
        scores=np.ones(21, np.float32),
        covariances=np.zeros((21, 6), np.float32),
        velocities=np.zeros((21, 3), np.float32),
    )
    return [Tile(f"frame{index}", depth, CAMERA, found if index else None) for index in range(4)]


def test_a_contact_sheet_shows_every_frame() -> None:
    tiles = _tiles()
    sheet = contact_sheet(tiles, HAND21, columns=3)
    assert sheet.shape[1] == 3 * TILE and sheet.shape[0] % 2 == 0 and sheet.shape[0] > 2 * TILE
    height = sheet.shape[0] // 2
    cells = [sheet[height * (i // 3) :][:height, TILE * (i % 3) :][:, :TILE] for i in range(6)]
    assert all(len(np.unique(cell)) > 10 for cell in cells[:4]) and not any(cell.any() for cell in cells[4:])
    colourful = [(np.ptp(cell.astype(int), axis=2) > 60).sum() for cell in cells[:4]]
    assert colourful[0] == 0 and min(colourful[1:]) > 200  # skeletons are coloured, depth is not
    with pytest.raises(ValueError, match="frame"):
        contact_sheet([], HAND21)


def test_recorded_frames_are_judged_and_shown(
    tmp_path: Path, make_weights: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["evaluate", "synthetic", "--test-set", "hand_crops_1", "--samples", "2"]
    assert main([*call, "--write", str(tmp_path), "--quiet"]) in (0, 1)
    figures, output = tmp_path / "figures.json", tmp_path / "out"
    frame_list = tmp_path / "hand_crops_1" / "frames.json"
    arguments = ["--output", str(output), "--json", str(figures), "--score-threshold", "0", "--quiet"]
    assert main(["evaluate", "recorded", str(frame_list), "--weights", str(make_weights()), *arguments]) == 0
    result = json.loads(figures.read_text())["frames"][str(frame_list)]
    assert result["frames"] == 2 and set(result["frame_list"]) == {"hand_crops_1_0000", "hand_crops_1_0001"}
    assert "behind the surface" in capsys.readouterr().out
    assert Image.open(output / "frames.png").size[0] == 2 * TILE


def test_a_detector_is_judged_on_whole_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    assert main(["evaluate", "detector", "--samples", "4", "--quiet", "--json", str(figures)]) == 0
    result = json.loads(figures.read_text())
    assert result["weights"]["id"] == "detector" and result["scenes_1"]["images"] == 4
    assert "hand_recall" in capsys.readouterr().out
