# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate dataset`` and ``v2v data centers`` on tiny datasets in the published formats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.evaluation.crops import CubeNetwork
from v2v_ros.evaluation.on_datasets.centers import center_figures, center_of_mass
from v2v_ros.evaluation.on_datasets.dataset import Ensemble
from v2v_ros.evaluation.predictions.files import write_uvd
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.model.network import CenterRefiner, CenterRefinerConfig, NetworkConfig, V2VPoseNet
from v2v_ros.model.paper import PaperGeometry
from v2v_ros.model.weights import CenterWeights, Weights
from v2v_ros.recorded.datasets.center_files import read_centers, write_centers
from v2v_ros.recorded.datasets.frame_set import frame_set, reference_points
from v2v_ros.recorded.datasets.registry import open_dataset

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    fake_datasets.nyu(folder, train=3, test=11)
    dataset = open_dataset("nyu", folder, "test")
    write_centers(folder / "centers" / "center_test_refined.txt", dataset.spec, reference_points(dataset.joints) + 0.01)
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes weights of a tiny untrained network, with what its training's configuration is to be beside the recipe."""

    def write(
        name: str,
        skeleton: str = "hand14",
        seed: int = 0,
        recipe: str = "ours",
        edge: float = 0.25,
        **config_values: Any,
    ) -> Path:
        torch.manual_seed(seed)
        target = get_skeleton(skeleton)
        config = NetworkConfig(len(target.joint_names), 16, 2)
        path = tmp_path / f"{name}.safetensors"
        state = V2VPoseNet(config).state_dict()
        training = {"config": {"recipe": recipe, **config_values}}
        offset = 0.25 if recipe == "paper" else 0.0
        weights.save(Weights(name, target, config, edge, state, training, heatmap_offset=offset), path)
        return path

    return write


def _evaluate(folder: Path, *arguments: str, dataset: str = "nyu") -> dict[str, Any]:
    figures = folder / "figures.json"
    common = ["evaluate", "dataset", dataset, "--quiet", "--device", "cpu", "--json", str(figures)]
    assert main([*common, *arguments]) == 0
    content: dict[str, Any] = json.loads(figures.read_text())
    return content


def _score(folder: Path, file: Path, *arguments: str, dataset: str = "nyu") -> dict[str, Any]:
    """Figures of a file of joints."""
    figures = folder / "figures.json"
    assert main(["evaluate", "predictions", dataset, str(file), "--json", str(figures), *arguments]) == 0
    content: dict[str, Any] = json.loads(figures.read_text())
    return content


def test_figures_stand_beside_the_published_ones(
    nyu: Path, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    content = _evaluate(tmp_path, "--data", str(nyu), "--weights", str(make("a")), "--output", str(report))
    figures = content["results"]["v2v_ros"]
    assert figures["frames"] == 11 and not figures["complete"] and figures["mean_mm"] > 10
    printed = capsys.readouterr().out
    assert "V2V-PoseNet" in printed and "8.42" in printed and f"{figures['mean_mm']:.2f}" in printed
    assert {"report.txt", "v2v_ros_joints.csv", "published.csv"} <= {path.name for path in report.iterdir()}


def test_the_joints_of_several_networks_are_averaged(nyu: Path, make: Make, tmp_path: Path) -> None:
    paths = [make("a", seed=1), make("b", seed=2)]
    frames = frame_set(open_dataset("nyu", nyu, "test"), "released")
    loaded = [weights.load(path) for path in paths]
    single = [Ensemble([one], "cpu").joints(frames, frames.indices) for one in loaded]
    both = Ensemble(loaded, "cpu").joints(frames, frames.indices)
    assert not np.allclose(single[0], single[1])
    np.testing.assert_allclose(both, (single[0] + single[1]) / 2, atol=1e-6)
    content = _evaluate(tmp_path, "--data", str(nyu), "--weights", *map(str, paths))
    errors = 1000 * np.linalg.norm(both - frames.dataset.joints, axis=-1)
    assert content["results"]["v2v_ros"]["mean_mm"] == pytest.approx(errors.mean(), rel=1e-4)


def test_networks_are_read_as_they_were_trained(nyu: Path, make: Make) -> None:
    frames = frame_set(open_dataset("nyu", nyu, "test"), "released")
    paper, ours = (weights.load(make(recipe, recipe=recipe)) for recipe in ("paper", "ours"))

    def joints(one: Weights, decode: str) -> np.ndarray:
        return Ensemble([one], "cpu", decode).joints(frames, frames.indices[:2])

    assert np.array_equal(joints(paper, "auto"), joints(paper, "published"))
    assert np.array_equal(joints(ours, "auto"), joints(ours, "exact"))
    # The published code knows no places between cells.
    cells = (joints(paper, "published") - frames.centers[:2, None]) / 0.25 * 8 + 4
    np.testing.assert_allclose((cells + 0.25) % 1, 0.5, atol=2e-3)
    cells = (joints(ours, "published") - frames.centers[:2, None]) / 0.25 * 8 + 4
    np.testing.assert_allclose(cells % 1, 0.5, atol=2e-3)
    # Its networks see pixels without depth at the far end of the range.
    network = CubeNetwork(paper, "cpu")
    center = torch.from_numpy(frames.centers[:1]).float()
    points = frames.points(0, center[0], 0.25, fill=True)
    expected = network.joints([points], center, published=True)
    np.testing.assert_array_equal(joints(paper, "auto")[:1], expected.numpy())
    assert PaperGeometry.PEAK == 0.25


def test_written_predictions_score_as_the_networks_do(nyu: Path, make: Make, tmp_path: Path) -> None:
    """Also where the dataset's intrinsics and those that the community scores with differ."""
    fake_datasets.icvl(tmp_path / "icvl", train=1, test=3)
    cases = (("nyu", nyu, "hand14", "released", 0.25), ("icvl", tmp_path / "icvl", "hand16", "truth", 0.2))
    for name, folder, skeleton, centers, edge in cases:
        path = make(name, skeleton, edge=edge)
        written = tmp_path / f"{name}.txt"
        arguments = ["--data", str(folder), "--weights", str(path), "--centers", centers]
        direct = _evaluate(tmp_path, *arguments, "--write-predictions", str(written), dataset=name)
        truth = [str(folder / "Testing" / f"test_seq_{sequence}.txt") for sequence in (1, 2)]
        if name == "nyu":
            dataset = open_dataset(name, folder, "test")
            truth = [str(tmp_path / "truth.txt")]
            write_uvd(Path(truth[0]), dataset.joints, dataset.spec)
        again = _score(tmp_path, written, "--truth", *truth, dataset=name)
        (figures,) = again["results"].values()
        # ICVL: the community's focal length is 0.2 % shorter than that of the published code.
        assert figures["mean_mm"] == pytest.approx(direct["results"]["v2v_ros"]["mean_mm"], rel=3e-3)


def test_frames_without_a_centre_are_told_and_missed(
    nyu: Path, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = open_dataset("nyu", nyu, "test")
    places = reference_points(dataset.joints)
    places[[2, 7]] = np.nan
    centers, written = tmp_path / "centers.txt", tmp_path / "mine.txt"
    write_centers(centers, dataset.spec, places)
    arguments = ["--data", str(nyu), "--weights", str(make("a")), "--centers", str(centers)]
    report = ["--write-predictions", str(written), "--output", str(tmp_path / "report")]
    figures = _evaluate(tmp_path, *arguments, *report)["results"]["v2v_ros"]
    text = "9 of 11 test frames in use: 2 without a centre, counted as missed"
    assert text in capsys.readouterr().out and text in (tmp_path / "report" / "report.txt").read_text()
    assert figures["frames"] == 11 and figures["missed_share"] == pytest.approx(2 / 11, abs=1e-5)
    counts = {"total": 11, "used": 9, "centerless": 2, "invalid": 0, "passed_over": 0}
    assert figures["coverage"] == counts
    lines = written.read_text().splitlines()
    assert [index for index, line in enumerate(lines) if line == "invalid"] == [2, 7] and len(lines) == 11
    again = _score(tmp_path, written, "--data", str(nyu))["results"]["mine"]
    for key in ("frames", "mean_mm", "median_mm", "missed_share", "success_40mm", "complete"):
        assert again[key] == pytest.approx(figures[key], rel=1e-4), key
    few = _evaluate(tmp_path, *arguments, "--samples", "4")["results"]["v2v_ros"]
    assert few["coverage"] == {**counts, "used": 4, "passed_over": 5}


def test_the_truth_can_come_from_the_dataset(nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_datasets.icvl(tmp_path / "icvl", train=1, test=3)
    fake_datasets.itop(tmp_path / "itop", train=1, test=8)
    fake_datasets.msra(tmp_path / "msra")
    fake_datasets.hands2017(tmp_path / "hands", train=1, test=1)
    mine, offset = tmp_path / "mine.txt", np.array([0.0, 0.0, 0.01])
    for name, folder, subject in (
        ("nyu", nyu, None),
        ("itop_side", tmp_path / "itop", None),
        ("msra", tmp_path / "msra", 4),
    ):
        dataset = open_dataset(name, folder, "test", test_subject=subject)
        joints = dataset.joints + offset
        chosen = ["--subject", "4"] if subject else []
        arguments = ["--data", str(folder), *chosen]
        write_uvd(mine, joints, dataset.spec)
        every = _score(tmp_path, mine, *arguments, dataset=name)["results"]["mine"]
        assert every["frames"] == dataset.valid.sum() and every["mean_mm"] == pytest.approx(10, abs=0.01)
        # The frames by their names, backwards; what is not valid may be missing.
        lines = mine.read_text().splitlines()
        named = [f"{dataset.frame_name(index)} {lines[index]}" for index in np.flatnonzero(dataset.valid)[::-1]]
        mine.write_text("\n".join(named))
        assert _score(tmp_path, mine, *arguments, dataset=name)["results"]["mine"]["mean_mm"] == every["mean_mm"]
        write_uvd(mine, joints[dataset.valid], dataset.spec)
        assert _score(tmp_path, mine, *arguments, dataset=name)["results"]["mine"]["mean_mm"] == every["mean_mm"]
    assert "warning" not in capsys.readouterr().err
    # All subjects of MSRA follow one another, as their own files do.
    paths = [str(path) for path in sorted((tmp_path / "msra").glob("P?/*/joint.txt"))]
    mine.write_text("".join(line + "\n" for path in paths for line in Path(path).read_text().splitlines()[1:]))
    for truth in (["--data", str(tmp_path / "msra")], ["--truth", *paths]):
        figures = _score(tmp_path, mine, *truth, dataset="msra")["results"]["mine"]
        assert figures["frames"] == 9 * 17 and figures["mean_mm"] == pytest.approx(0, abs=1e-2)
    # ICVL's labels are pixels, of both its sequences, and scored with the community's focal length.
    (tmp_path / "icvl" / "Testing" / "Depth" / "test_seq_1" / "image_0001.png").unlink()
    both = [(tmp_path / "icvl" / "Testing" / f"test_seq_{index}.txt").read_text() for index in (1, 2)]
    mine.write_text("\n".join(both))
    arguments = ["--data", str(tmp_path / "icvl")]
    figures = _score(tmp_path, mine, *arguments, dataset="icvl")["results"]["mine"]
    assert figures["frames"] == 5 and figures["mean_mm"] == pytest.approx(0, abs=1e-3)
    capsys.readouterr()
    assert main(["evaluate", "predictions", "hands2017", str(mine), "--data", str(tmp_path / "hands")]) == 1
    assert "not published: name a file of labels with --truth" in capsys.readouterr().err
    assert main(["evaluate", "predictions", "icvl", str(mine), *arguments, "--subject", "1"]) == 1
    assert "leave --subject out" in capsys.readouterr().err


def test_the_tested_subject_must_not_have_been_trained_on(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_datasets.msra(tmp_path / "msra")
    other = make("m3", "hand21", edge=0.2, dataset="msra", test_subject=3)
    arguments = ["--data", str(tmp_path / "msra"), "--centers", "truth", "--weights", str(other)]
    assert main(["evaluate", "dataset", "msra", "--quiet", *arguments, "--subject", "5"]) == 1
    error = capsys.readouterr().err
    assert "was trained on subject 5" in error and "test it with --subject 3" in error
    _evaluate(tmp_path, *arguments, "--subject", "3", dataset="msra")
    assert "trained" not in capsys.readouterr().err


def test_weights_of_other_data_and_of_several_runs_are_noticed(
    nyu: Path, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = make("mine", dataset="nyu", test_subject=-1)
    _evaluate(tmp_path, "--data", str(nyu), "--weights", str(mine))
    assert "warning" not in capsys.readouterr().err
    foreign, synthetic = make("foreign", dataset="icvl"), make("synthetic", dataset="")
    for path, trained in ((foreign, "icvl"), (synthetic, "synthetic data")):
        _evaluate(tmp_path, "--data", str(nyu), "--weights", str(path))
        assert f"was trained on {trained}, not on nyu" in capsys.readouterr().err
    call = ["evaluate", "dataset", "nyu", "--data", str(nyu), "--quiet", "--weights", str(mine)]
    assert main([*call, str(foreign)]) == 1
    assert "trained on different data, leave some out" in capsys.readouterr().err
    paper = make("paper", recipe="paper", dataset="nyu")
    assert main([*call, str(paper)]) == 0
    assert "not of one training run (recipe ours and paper)" in capsys.readouterr().err


def test_sources_of_centres_are_compared(
    nyu: Path, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    arguments = ["--data", str(nyu), "--weights", str(make("a")), "--centers", "released", "truth"]
    content = _evaluate(tmp_path, *arguments, "--output", str(report))
    names = {path.name for path in report.iterdir()}
    assert {"v2v_ros_centres_released_joints.csv", "v2v_ros_centres_truth_curve.csv"} <= names
    assert not any(re.search(r"[ ,]", name) for name in names)
    assert [result["centers"] for result in content["results"].values()] == ["released", "truth"]
    assert "compare with no published ones" in capsys.readouterr().err


def test_msra_is_tested_subject_by_subject(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_datasets.msra(tmp_path / "msra")
    for subject in range(9):
        make(f"m{subject}", "hand21", seed=subject, edge=0.2)
    arguments = ["--data", str(tmp_path / "msra"), "--centers", "truth"]
    one = _evaluate(
        tmp_path, *arguments, "--subject", "3", "--weights", str(tmp_path / "m3.safetensors"), dataset="msra"
    )
    assert one["results"]["v2v_ros"]["frames"] == 17
    pattern = str(tmp_path / "m{subject}.safetensors")
    every = _evaluate(tmp_path, *arguments, "--subject", "all", "--weights", pattern, dataset="msra")
    assert every["results"]["v2v_ros"]["frames"] == 9 * 17
    common = ["evaluate", "dataset", "msra", *arguments, "--quiet"]
    assert main([*common, "--weights", pattern]) == 1 and "--subject 0 to 8" in capsys.readouterr().err
    assert main([*common, "--subject", "all", "--weights", str(tmp_path / "m3.safetensors")]) == 1
    assert "{subject}" in capsys.readouterr().err


def test_bodies_are_judged_on_valid_frames_by_precision(make: Make, tmp_path: Path) -> None:
    fake_datasets.itop(tmp_path / "itop", train=1, test=4)
    path = make("body", "body15", edge=2.0)
    arguments = ["--data", str(tmp_path / "itop"), "--weights", str(path), "--centers", "truth"]
    figures = _evaluate(tmp_path, *arguments, dataset="itop_side")["results"]["v2v_ros"]
    assert figures["frames"] == 3 and 0 <= figures["map_10cm"] < 0.9 and "upper body" in figures["parts"]
    assert figures["coverage"]["invalid"] == 1 and "missed_share" not in figures


def test_hands2017_gets_a_submission(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_datasets.hands2017(tmp_path / "h", train=2, test=3)
    dataset = open_dataset("hands2017", tmp_path / "h", "test")
    centers = np.stack([center_of_mass(dataset.depth(index), dataset) for index in range(3)])
    write_centers(tmp_path / "h" / "centers" / "center_test_refined.txt", dataset.spec, centers)
    arguments = ["--data", str(tmp_path / "h"), "--weights", str(make("h", "hand21"))]
    call = ["evaluate", "dataset", "hands2017", *arguments, "--write-predictions", str(tmp_path / "s.txt")]
    assert main([*call, "--centers", "truth"]) == 1
    assert "not published, so there are no true centres: let 'v2v data centers'" in capsys.readouterr().err
    assert main([*call, "--samples", "2"]) == 1 and "leave --samples out" in capsys.readouterr().err
    some = np.where(np.arange(3)[:, None] == 1, np.nan, centers)
    write_centers(tmp_path / "some.txt", dataset.spec, some)
    assert main([*call, "--centers", str(tmp_path / "some.txt")]) == 1
    error = capsys.readouterr().err
    assert "needs all 3 frames, but 1 have no centre, first frame/images/image_D00000002.png" in error
    assert not (tmp_path / "s.txt").exists()
    assert main(["evaluate", "dataset", "hands2017", *arguments]) == 1
    assert "--write-predictions" in capsys.readouterr().err
    _evaluate(tmp_path, *arguments, "--write-predictions", str(tmp_path / "s.txt"), dataset="hands2017")
    lines = (tmp_path / "s.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"frame/images/image_D{i:08d}.png" for i in (1, 2, 3)]
    assert all(len(line.split("\t")) == 64 for line in lines)


def test_swapped_intrinsics_are_noticed(
    nyu: Path, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(nyu), "--weights", str(make("a")), "--centers", "released"]
    _evaluate(tmp_path, *arguments)
    assert "warning" not in capsys.readouterr().err
    _evaluate(tmp_path, *arguments, "--intrinsics", "320", "240", "588", "587")
    assert re.search(r"warning.*published ones of nyu", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere", "--weights", "WEIGHTS"], "does not exist"),
        (["--data", "DATA", "--weights", "WEIGHTS", "--subject", "1"], "leave --subject out"),
        (["--data", "DATA", "--weights", "WEIGHTS", "--centers", "nofile.txt"], "no centre file"),
        (["--data", "DATA", "--weights", "OTHER"], "'hand14' was asked for"),
        (["--data", "DATA", "--weights", "WEIGHTS", "--centers", "truth", "truth"], "names a source twice"),
        (
            ["--data", "DATA", "--weights", "WEIGHTS", "--centers", "truth", "DATA", "--write-predictions", "p.txt"],
            "the joints of one run",
        ),
        (["--data", "DATA", "--weights", "WEIGHTS", "--write-predictions", "DATA"], "is a folder"),
    ],
)
def test_wrong_calls_say_what_to_do(
    nyu: Path, make: Make, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    names = {"WEIGHTS": str(make("a")), "OTHER": str(make("b", "hand21")), "DATA": str(nyu)}
    call = [names.get(argument, argument) for argument in arguments]
    assert main(["evaluate", "dataset", "nyu", "--quiet", *call]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "a"], "--data"),
        (["--data", "nyu"], "--weights"),
        (["--data", "nyu", "--weights", "a", "--test-set", "x"], "--test-set"),
        (["--data", "nyu", "--weights", "a", "--truth", "x"], "--truth"),
    ],
)
def test_missing_options_and_those_of_other_evaluations_are_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "dataset", "nyu", *arguments])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_a_centre_network_writes_centre_files_and_tells_what_it_is_worth(
    nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CenterRefinerConfig(8, 2)
    torch.manual_seed(0)
    state = CenterRefiner(config).state_dict()
    state["head.3.bias"] = torch.tensor([0.0, 0.0, 0.0, 5.0])  # sure that there is a hand
    path = tmp_path / "center.safetensors"
    weights.save(CenterWeights("center", get_skeleton("hand14"), config, 0.25, state), path)
    output = tmp_path / "centers"
    arguments = ["data", "centers", str(nyu), "--dataset", "nyu", "--weights", str(path), "--output", str(output)]
    figures = tmp_path / "figures.json"
    assert main([*arguments, "--quiet", "--device", "cpu", "--json", str(figures)]) == 0
    printed = capsys.readouterr().out
    assert "centre of mass" in printed and "centre network" in printed and "% of the joints" in printed
    dataset = open_dataset("nyu", nyu, "test")
    centers = read_centers(output / "center_test_refined.txt", dataset.spec, 11)
    assert (output / "center_train_refined.txt").is_file()
    content = json.loads(figures.read_text())["test"]
    assert content["centre network"]["mean_mm"] == pytest.approx(center_figures(centers, dataset).mean_mm, abs=0.01)
    # The hand lies in front of a wall that is out of range: its middle is near.
    assert content["centre of mass"]["frames"] == 11
    perfect = center_figures(reference_points(dataset.joints), dataset)
    assert perfect.mean_mm == 0 and perfect.joints_inside_share > 0.99
