# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The joint refiner: network, files, read-out, runtimes and training."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from v2v_ros.cli import main
from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.covariances import as_matrices
from v2v_ros.geometry.skeletons import BODY15, HAND21
from v2v_ros.model import weights
from v2v_ros.model.heatmaps import encode
from v2v_ros.model.joint_refiner import JointRefiner, JointRefinerConfig, covariance_of, log_density_loss, peak_features
from v2v_ros.model.peaks import Peaks, find_peaks
from v2v_ros.model.read_out import ReadOut
from v2v_ros.model.runtime import available, make_joint_refiner_runtime
from v2v_ros.model.runtime.export import export_onnx
from v2v_ros.model.weights import WeightsError

CPU = torch.device("cpu")
SIZE, SIGMA = 24, 1.3


def shown(samples: int = 3, seed: int = 0, count: int = 5) -> Peaks:
    generator = torch.Generator().manual_seed(seed)
    heatmaps = encode(SIZE * torch.rand(samples, 21, 3, generator=generator), SIZE, SIGMA)
    return find_peaks(heatmaps, SIGMA, count)


def test_a_new_refiner_says_what_the_highest_peaks_say() -> None:
    peaks = shown()
    refined = JointRefiner(JointRefinerConfig(21))(*peak_features(peaks, 5, SIZE))
    # The mean place of a heatmap has a small weight beside its highest peak.
    assert ((refined.points * 12 + 12) - peaks.places[:, :, 0]).abs().max() < 0.3


def test_the_features_move_with_the_cube_and_the_joints_with_them() -> None:
    peaks = shown()
    torch.manual_seed(0)
    refiner = JointRefiner(JointRefinerConfig(21, width=16, layers=1, heads=2))
    features, whole = peak_features(peaks, 5, SIZE)
    moved = peak_features(peaks._replace(places=peaks.places + 2.0, means=peaks.means + 2.0), 5, SIZE)
    torch.testing.assert_close(moved[0], features)
    torch.testing.assert_close(moved[1][:, :3], whole[:, :3] + 2 / 12)
    assert refiner(features, whole).points.shape == (3, 21, 3)


def test_covariances_are_the_inverse_of_what_the_density_weighs_by() -> None:
    generator = torch.Generator().manual_seed(0)
    precisions = 0.5 * torch.randn(6, 6, generator=generator)
    six = covariance_of(precisions)
    matrices = as_matrices(six)
    assert (torch.linalg.eigvalsh(matrices) > 0).all()
    errors = 0.05 * torch.randn(6, 3, generator=generator)
    squares = torch.einsum("bi,bij,bj->b", errors, torch.linalg.inv(matrices), errors)
    expected = 3.5 * torch.log1p(squares / 4) + 0.5 * torch.logdet(matrices) + 3 * math.log(20.0)
    torch.testing.assert_close(log_density_loss(precisions, errors), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [{"peaks": 0}, {"peaks": 99}, {"width": 10}, {"layers": 0}, {"joints": 0}])
def test_sizes_out_of_range_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        JointRefinerConfig(**{"joints": 21, **size})


def test_a_file_keeps_the_refiner(refined_weights: Path, tmp_path: Path) -> None:
    loaded = weights.load(refined_weights)
    assert loaded.refiner is not None and loaded.refiner.calibration is not None
    copy = tmp_path / "copy.safetensors"
    weights.save(loaded, copy)
    again = weights.load(copy).refiner
    assert (
        again is not None and again.config == loaded.refiner.config and again.calibration == loaded.refiner.calibration
    )
    features = peak_features(shown(), 3, SIZE)
    for one, other in zip(again.build()(*features), loaded.refiner.build()(*features), strict=True):
        assert torch.equal(one, other)
    assert not any("refiner" in key for key in loaded.state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skeleton": "hand14"}, "trained on the peaks of another network"),
        ({"network": json.dumps({"joints": 21, "grid": 48, "width": 2, "sigma": 1.7, "depth": 3})}, "another network"),
        ({"network": json.dumps({"joints": 21, "grid": 16, "width": 2, "sigma": 1.3, "depth": 3})}, "another network"),
        ({"config": {"joints": 20, "peaks": 3, "width": 16, "layers": 2, "heads": 2}}, "number of joints"),
        ({"config": {"joints": 21, "peaks": 3, "width": 32, "layers": 2, "heads": 2}}, "damaged"),
        ({"config": {"joints": 21, "peaks": 3, "width": 10**9, "layers": 2, "heads": 2}}, "damaged"),
        ({"config": {"joints": 21, "peaks": 3.0, "width": 16, "layers": 2, "heads": 2}}, "damaged"),
        ({"calibration": {"peaks": []}}, "damaged"),
        ({"training": 7}, "damaged"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_refiner_of_something_else_is_refused(refined_weights: Path, change: dict[str, Any], message: str) -> None:
    with safe_open(refined_weights, framework="pt") as file:
        metadata, state = dict(file.metadata()), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    metadata["joint_refiner"] = json.dumps(json.loads(metadata["joint_refiner"]) | change)
    save_file(state, refined_weights, metadata)
    with pytest.raises(WeightsError, match=message):
        weights.load(refined_weights)
    del metadata["joint_refiner"]
    save_file(state, refined_weights, metadata)
    with pytest.raises(WeightsError, match="does not describe"):
        weights.load(refined_weights)


def test_weights_without_a_refiner_work_as_before_and_say_so_once(
    untrained_weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "v2v_ros.model.read_out"):
        estimator = PoseEstimator(untrained_weights, device="cpu", runtime="torch")
    assert estimator.read_out == "peaks"
    assert [record.message for record in caplog.records if "joint refiner" in record.message] == [
        "the weights 'untrained' have no joint refiner: every joint takes the peak of its heatmap"
    ]
    with pytest.raises(ValueError, match="'untrained' have no joint refiner: add one with 'v2v train"):
        PoseEstimator(untrained_weights, device="cpu", read_out="refiner")
    with pytest.raises(ValueError, match="unknown read-out 'best'"):
        PoseEstimator(untrained_weights, device="cpu", read_out="best")


def test_either_read_out_can_be_chosen(refined_weights: Path) -> None:
    loaded = weights.load(refined_weights)
    heatmaps = encode(8 * torch.rand(2, 21, 3), 8, loaded.config.sigma)
    refined, plain = ReadOut(loaded, CPU)(heatmaps), ReadOut(loaded, CPU, name="peaks")(heatmaps)
    assert (refined.coordinates - plain.coordinates).abs().max() > 0.05
    assert ReadOut(loaded, CPU).knows_subjects and not ReadOut(loaded, CPU, name="peaks").knows_subjects
    assert ((refined.subjects > 0) & (refined.subjects < 1)).all()
    without = replace(loaded, refiner=None)
    torch.testing.assert_close(ReadOut(without, CPU)(heatmaps), plain)


@pytest.mark.parametrize("name", [name for name in available() if name != "torch"])
def test_all_runtimes_say_the_same(refined_weights: Path, name: str) -> None:
    refiner = weights.load(refined_weights).refiner
    assert refiner is not None
    peaks = shown(count=refiner.config.peaks)
    expected, found = (make_joint_refiner_runtime(each, refiner, SIZE, CPU, 1) for each in ("torch", name))
    for count in (1, 3):
        part = Peaks(*(each[:count].contiguous() for each in peaks))
        for one, other in zip(found(part), expected(part), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("calibrated", [True, False])
def test_an_exported_file_reads_out_by_itself(calibrated: bool, refined_weights: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    loaded = weights.load(refined_weights)
    assert loaded.refiner is not None
    if not calibrated:
        loaded = replace(loaded, refiner=replace(loaded.refiner, calibration=None))
    session = onnxruntime.InferenceSession(export_onnx(loaded), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    grids = (torch.rand(3, 1, 16, 16, 16, generator=generator) < 0.05).to(torch.uint8)
    found = dict(
        zip([each.name for each in session.get_outputs()], session.run(None, {"grids": grids.numpy()}), strict=True)
    )
    read_out = ReadOut(loaded, CPU)
    reading = read_out(torch.from_numpy(found["heatmaps"]))
    scores, moments = read_out.calibrated(reading.confidences, reading.moments)
    expected = {
        "points": (reading.coordinates - 4) / 8,
        "scores": scores,
        "covariances": moments / 64,
        "subject": reading.subjects,
        "left": reading.left,
    }
    assert set(found) == {"heatmaps", *expected}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-4, err_msg=name)


def test_the_score_of_a_skeleton_is_the_probability_of_a_subject(refined_weights: Path) -> None:
    from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence

    frame = SyntheticSequence("hand", seed=2).frame(0.0)
    estimator = PoseEstimator(refined_weights, device="cpu", runtime="torch", detector_weights=None)
    estimator.score_threshold = 1e-6
    (hand,) = estimator.estimate(frame.depth, CAMERA, 0.0, center=frame.joints.mean(0)).skeletons
    assert hand.score != pytest.approx(hand.scores.mean(), abs=1e-4)
    assert np.isfinite(hand.points).all() and 0 < hand.score < 1


def test_one_command_trains_a_refiner_and_evaluation_compares_both_read_outs(
    make_weights: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pytorch_lightning")
    monkeypatch.setattr("v2v_ros.training.joints.peak_sets.FILE_SAMPLES", 32)
    monkeypatch.setattr("v2v_ros.training.joints.peak_sets._OTHERS", 1.0)
    monkeypatch.setattr("v2v_ros.training.joints.peak_sets._AMONG_PEOPLE", 0.0)
    monkeypatch.setattr("v2v_ros.training.joints.run.HELD_OUT", 32)
    source = make_weights("pose", grid=16, width=2)
    output = tmp_path / "refined.safetensors"
    arguments = ["train", "--network", "joints", "--weights", str(source), "--output", str(output)]
    arguments += ["--samples", "64", "--draws", "2560", "--quiet"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for text in ("mean_mm", "peaks_mean_mm", "false_alarms", "side_right"):
        assert text in printed
    made, plain = weights.load(output), weights.load(source)
    assert made.refiner is not None and made.refiner.training["samples"] == 96 and made.id == "refined"
    assert all(torch.allclose(made.state[key], value, atol=1e-3) for key, value in plain.state.items())
    card = (tmp_path / "refined_joints.md").read_text()
    assert "The joint refiner of pose" in card and "| with the refiner | the highest peaks |" in card
    files = sorted((tmp_path / "refined_peaks" / "training").iterdir())
    stamps = [path.stat().st_mtime_ns for path in files]
    assert main(arguments) == 1  # it is there already
    assert main([*arguments, "--overwrite"]) == 0
    assert [path.stat().st_mtime_ns for path in files] == stamps, "inputs are computed once"

    # Going on from a refiner that is there, it hardly changes in a few steps at a low rate.
    again = tmp_path / "again.safetensors"
    more = ["--output", str(again), "--peaks", str(tmp_path / "refined_peaks"), "--learning-rate", "1e-9"]
    assert main([*arguments, *more, "--from", str(output), "--draws", "256"]) == 0
    went_on = weights.load(again).refiner
    assert went_on is not None and went_on.training["from"] == str(output)
    assert all(torch.allclose(went_on.state[key], value, atol=1e-3) for key, value in made.refiner.state.items())
    assert main([*arguments, *more, "--overwrite", "--from", str(source)]) == 1
    assert "have no joint refiner to start from" in capsys.readouterr().err

    files[0].write_bytes(files[0].read_bytes()[:100])
    assert main([*arguments, "--overwrite"]) == 1
    assert "remove it, and it is computed again" in capsys.readouterr().err
    other = make_weights("other", grid=24, width=1)
    arguments[arguments.index(str(source))] = str(other)
    assert main([*arguments, "--overwrite", "--peaks", str(tmp_path / "refined_peaks")]) == 1
    assert "peaks of other weights" in capsys.readouterr().err

    measure = [
        "evaluate",
        "synthetic",
        "--weights",
        str(output),
        "--test-set",
        "hand_crops_1",
        "--samples",
        "8",
        "--quiet",
    ]
    figures = tmp_path / "figures.json"
    assert main([*measure, "--json", str(figures)]) == 0
    assert "read_outs" in capsys.readouterr().out
    result = json.loads(figures.read_text())["test_sets"]["hand_crops_1"]
    assert set(result["read_outs"]) == {"peaks", "refiner"}
    assert result["read_outs"]["refiner"]["mean_mm"] == result["mean_mm"]
    assert main([*measure, "--json", str(figures), "--read-out", "peaks"]) == 0
    assert set(json.loads(figures.read_text())["test_sets"]["hand_crops_1"]["read_outs"]) == {"peaks"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs the weights whose joints"),
        (["--weights", "hand21_lite", "--grid", "48"], "--grid is not for --network joints"),
        (["--weights", "hand21_lite", "--resume"], "--resume is not for --network joints"),
        (["--weights", "hand21_lite", "--from", "body15_lite"], "--from: the refiner of 'body15_lite' is one of"),
        (["--weights", "nothing"], "no weights named 'nothing'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--network", "joints", "--output", str(tmp_path / "x.safetensors"), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_bodies_are_mirrored_and_turned_with_their_peaks() -> None:
    pytest.importorskip("pytorch_lightning")
    from v2v_ros.training.joints.peak_sets import PeakSet
    from v2v_ros.training.joints.train import JointTraining, augment_peaks

    for skeleton in (HAND21, BODY15):
        joints = 24 * torch.rand(64, len(skeleton.joint_names), 3)
        peaks = find_peaks(encode(joints, 24, SIGMA), SIGMA, 3)
        data = PeakSet(*peaks._replace(means=joints), joints, torch.ones(64, dtype=torch.int64))
        data = data._replace(places=joints[:, :, None].expand(-1, -1, 3, -1))
        still = JointTraining(jitter=0.0, drop=0.0)
        turned = augment_peaks(data, skeleton, 24, torch.Generator().manual_seed(0), still)
        torch.testing.assert_close(turned.places[:, :, 0], turned.joints, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(turned.means, turned.joints, rtol=1e-3, atol=1e-3)
        assert (turned.joints - joints).abs().max() > 1
        lengths = [(each[:, 1] - each[:, 0]).norm(dim=-1) for each in (turned.joints, joints)]
        assert (lengths[0] / lengths[1]).std() > 0.01
