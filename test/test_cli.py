# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The command line, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from v2v_ros import __version__
from v2v_ros.cli import common, main
from v2v_ros.estimator.tracking import filters
from v2v_ros.model.weights import find, shipped_detectors
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence
from v2v_ros.synthetic.scenes.several import SyntheticScene


@pytest.fixture
def frame_list(tmp_path: Path) -> Path:
    """Three rendered hands and one empty wall."""
    sequence = SyntheticSequence("hand", seed=4)
    entries = []
    camera = {"fx": CAMERA.fx, "fy": CAMERA.fy, "cx": CAMERA.cx, "cy": CAMERA.cy}
    images = [sequence.frame(second).depth for second in (0.0, 0.4, 0.8)]
    for index, depth in enumerate([*images, np.full((480, 640), 1.2, np.float32)]):
        pixels = np.rint(np.nan_to_num(depth) * 1000).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        entries.append({"id": f"frame{index}", "path": f"{index}.png", "mm_per_unit": 1.0, "K": camera})
    path = tmp_path / "frames.json"
    path.write_text(json.dumps({"frames": entries}))
    return path


COMMANDS = (
    "demo",
    "predict",
    "evaluate",
    "train",
    "data",
    "representations",
    "runs",
    "import",
    "benchmark",
    "soak",
    "info",
)


def test_the_installed_command_answers() -> None:
    done = subprocess.run(["v2v", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"v2v_ros {__version__}"
    done = subprocess.run([sys.executable, "-m", "v2v_ros.cli", "--help"], capture_output=True, text=True, check=True)
    for command in COMMANDS:
        assert command in done.stdout


OWN_COMMANDS = {
    "data": ("check", "cache", "centers", "speed"),
    "evaluate": ("synthetic", "detector", "recorded", "dataset", "predictions", "tracks", "motion", "calibrate"),
}


@pytest.mark.parametrize(
    "command",
    [name for name in COMMANDS if name not in OWN_COMMANDS]
    + [f"{name} {own}" for name, owns in OWN_COMMANDS.items() for own in owns],
)
def test_the_help_of_every_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  v2v {command}" in text and "--json" in text


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_a_command_with_commands_of_its_own_lists_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name])
    assert stop.value.code == 2
    printed = capsys.readouterr().out
    assert all(f"\n    {own} " in printed or f"\n    {own}\n" in printed for own in OWN_COMMANDS[name])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("evaluate --weights X", "evaluate synthetic"),
        ("evaluate --quiet --write=sets", "evaluate synthetic"),
        ("evaluate --tracks", "evaluate tracks"),
        ("evaluate --weights X --tracks crossing", "evaluate tracks"),
        ("evaluate --motion", "evaluate motion"),
        ("evaluate --detector", "evaluate detector"),
        ("evaluate --calibrate --weights X", "evaluate calibrate --weights FILE"),
        ("evaluate --frames a.json", "evaluate recorded FRAMES.json ..."),
        ("evaluate --dataset nyu --data NYU --weights X", "evaluate dataset NAME --data DIR --weights FILE"),
        (
            "evaluate --dataset nyu --predictions a --data NYU",
            "evaluate predictions NAME FILE ... --truth FILE (or --data DIR)",
        ),
        ("benchmark --frames 10 --data=NYU", "data speed NAME --data DIR"),
    ],
)
def test_an_old_spelling_is_answered_with_the_new_one(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(old.split()) == 2
    assert capsys.readouterr() == ("", f"v2v {old.split()[0]}: error: write: v2v {new}\n")


def test_a_reader_that_stops_reading_is_no_error() -> None:
    command = [sys.executable, "-m", "v2v_ros.cli", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 141


@pytest.mark.parametrize("arguments", [[], ["fly"], ["predict"], ["train", "--output", "x", "--samples", "-3"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_predict_writes_skeletons_pictures_and_figures(
    frame_list: Path, tmp_path: Path, shipped_weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output, figures, pictures = tmp_path / "out.json", tmp_path / "figures.json", tmp_path / "pictures"
    arguments = ["--weights", shipped_weights, "--json", str(figures), "--pictures", str(pictures)]
    assert main(["predict", str(frame_list), "--output", str(output), *arguments]) == 0
    content = json.loads(output.read_text())
    assert content["skeleton"] == "hand21" and len(content["joint_names"]) == 21
    assert [len(frame["skeletons"]) for frame in content["frames"]] == [1, 1, 1, 0]
    sequence = SyntheticSequence("hand", seed=4)
    for frame, second in zip(content["frames"], (0.0, 0.4, 0.8), strict=False):
        error = np.array(frame["skeletons"][0]["joints_mm"]) - 1000 * sequence.frame(second).joints
        assert np.linalg.norm(error, axis=1).mean() < 25
    assert json.loads(figures.read_text())["frames"] == 4
    assert sorted(path.name for path in pictures.iterdir()) == [f"frame{i}.png" for i in range(4)]
    assert "4 frames, a hand in 3 of them" in capsys.readouterr().out


def test_a_bad_image_is_named_counted_and_left_out(
    frame_list: Path, tmp_path: Path, shipped_weights: str, caplog: pytest.LogCaptureFixture
) -> None:
    output, figures = tmp_path / "out.json", tmp_path / "figures.json"
    (tmp_path / "1.png").write_bytes(b"no picture")
    content = json.loads(frame_list.read_text())
    content["frames"][3]["K"]["fx"] = 1.0
    frame_list.write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())  # as some editors begin a file
    options = ["--output", str(output), "--weights", shipped_weights, "--json", str(figures), "--quiet"]
    assert main(["predict", str(frame_list), *options]) == 0
    assert [frame["id"] for frame in json.loads(output.read_text())["frames"]] == ["frame0", "frame2"]
    written = json.loads(figures.read_text())
    assert (written["frames"], written["skipped"]) == (2, 2)
    assert "1.png: frame 'frame1': the data is not a PNG" in caplog.text
    assert "frame 'frame3': K: with fx=1" in caplog.text and "skipped 2 of 4 frames" in caplog.text


def test_a_list_without_a_usable_image_is_an_error(
    frame_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(4):
        (tmp_path / f"{index}.png").write_bytes(b"no picture")
    assert main(["predict", str(frame_list), "--output", str(tmp_path / "out.json")]) == 1
    assert "frame 'frame0': the data is not a PNG" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("after", [0, 2])
def test_an_interrupt_keeps_what_is_done(
    frame_list: Path,
    tmp_path: Path,
    untrained_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    after: int,
) -> None:
    from v2v_ros.estimator import PoseEstimator

    estimate, calls = PoseEstimator.estimate, []

    def interrupted(self: PoseEstimator, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > after:
            raise KeyboardInterrupt
        return estimate(self, *arguments)

    monkeypatch.setattr(PoseEstimator, "estimate", interrupted)
    output = tmp_path / "out.json"
    output.write_text("old")
    assert main(["predict", str(frame_list), "--output", str(output), "--weights", str(untrained_weights)]) == 130
    if after:
        assert [frame["id"] for frame in json.loads(output.read_text())["frames"]] == ["frame0", "frame1"]
        assert f"interrupted: the first 2 frames are in {output}" in caplog.text
    else:
        assert output.read_text() == "old"


def test_every_frame_stands_alone_without_sequence(frame_list: Path, tmp_path: Path, shipped_weights: str) -> None:
    output = tmp_path / "out.json"
    ids = []
    for extra in ([], ["--sequence"]):
        arguments = ["predict", str(frame_list), "--output", str(output), "--weights", shipped_weights, "--quiet"]
        assert main([*arguments, *extra]) == 0
        frames = json.loads(output.read_text())["frames"]
        ids.append([found["id"] for frame in frames for found in frame["skeletons"]])
    assert len(set(ids[0])) == 3
    assert len(set(ids[1])) == 1


def test_several_hands_are_found_and_filtered_in_a_sequence(tmp_path: Path, shipped_weights: str) -> None:
    scene = SyntheticScene("hand", "crossing")
    camera = scene.intrinsics
    frames = []
    for index in range(3):
        path = tmp_path / f"{index}.npy"
        np.save(path, scene.frame(index / 30).depth)
        intrinsics = {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
        frames.append({"id": str(index), "path": path.name, "mm_per_unit": 1000.0, "K": intrinsics})
    (tmp_path / "frames.json").write_text(json.dumps({"frames": frames}))
    output = tmp_path / "out.json"
    options = ["--weights", shipped_weights, "--max-subjects", "3", "--sequence", "--filter", "kalman", "--quiet"]
    assert main(["predict", str(tmp_path / "frames.json"), "--output", str(output), *options]) == 0
    found = [{one["id"] for one in frame["skeletons"]} for frame in json.loads(output.read_text())["frames"]]
    assert found == [{"hand_1", "hand_2", "hand_3"}] * 3
    assert common.FILTERS == filters.NAMES


def test_recordings_are_predicted_in_a_range_of_distances(
    tmp_path: Path, shipped_weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, camera = SyntheticSequence("hand", seed=2).frame(0.0), CAMERA
    np.save(tmp_path / "0.npy", frame.depth)
    intrinsics = {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
    frames = [{"id": "0", "path": "0.npy", "mm_per_unit": 1000.0, "K": intrinsics}]
    (tmp_path / "frames.json").write_text(json.dumps({"frames": frames}))
    output = tmp_path / "out.json"
    options = [
        "predict",
        str(tmp_path / "frames.json"),
        "--output",
        str(output),
        "--weights",
        shipped_weights,
        "--quiet",
    ]
    distance = float(frame.joints[:, 2].mean())
    for extra, count in (
        ([], 1),
        (["--max-depth", f"{distance - 0.05}"], 0),
        (["--min-depth", f"{distance + 0.05}"], 0),
    ):
        assert main([*options, *extra]) == 0
        assert len(json.loads(output.read_text())["frames"][0]["skeletons"]) == count
    assert main([*options, "--min-depth", "1.6"]) == 1
    assert "--min-depth (1.6 m) must be below --max-depth (1.5 m)" in capsys.readouterr().err


def test_sigterm_ends_a_command_as_an_interrupt_does(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def wait(options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            ended.append("tidied up")

    monkeypatch.setattr("v2v_ros.cli.info.run", wait)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["info"]) == 130 and ended == ["tidied up"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_asking_for_a_skeleton_without_weights_says_what_to_do(
    frame_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(frame_list), "--output", str(tmp_path / "o.json"), "--skeleton", "hand16"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "hand16" in error and "your own .safetensors" in error and error.count("\n") == 1


def test_errors_take_one_line_and_exit_with_1(
    frame_list: Path, tmp_path: Path, make_weights: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    weights = ["--weights", str(make_weights())]
    output = ["--output", str(tmp_path / "o.json")]
    for arguments, named in [
        (["predict", str(tmp_path / "none.json"), *output, *weights], "none.json"),
        (["predict", str(frame_list), *output, "--weights", "hand99"], "hand99"),
        (["predict", str(frame_list), *output, *weights, "--device", "cuda:99"], "cuda:99"),
        (["predict", str(tmp_path / "x"), *output, *weights, "--depth-topic", "/d"], ".mcap"),
        (["predict", str(frame_list), *output, *weights, "--filter", "kalman"], "--sequence"),
        (["predict", str(frame_list), *output, *weights, "--depth-unit", "0.001"], "mm_per_unit"),
        (["train", "--output", str(tmp_path / "b.safetensors"), "--skeleton", "hand16"], "hand16"),
        (["predict", str(frame_list), "--output", str(tmp_path / "o.mcap"), *weights], ".json"),
        (["predict", str(frame_list), "--output", str(tmp_path / "none" / "o.json"), *weights], "folder"),
        (["benchmark", "--weights", "nothing"], "nothing"),
    ]:
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"v2v {arguments[0]}: error:") and named in error
        assert error.count("\n") == 1, error
    assert not (tmp_path / "o.json").exists()


def test_recorded_hands_get_skeletons_and_recorded_empty_scenes_none(
    test_data: Path, tmp_path: Path, shipped_weights: str
) -> None:
    found = {}
    for name in ("hands_sr305", "empty_scenes"):
        output = tmp_path / f"{name}.json"
        arguments = ["--output", str(output), "--weights", shipped_weights, "--quiet"]
        assert main(["predict", str(test_data / f"{name}.json"), *arguments]) == 0
        found[name] = [len(frame["skeletons"]) for frame in json.loads(output.read_text())["frames"]]
    assert found["empty_scenes"] == [0, 0, 0]
    assert len(found["hands_sr305"]) == 19 and sum(found["hands_sr305"]) >= 17


def test_ids_that_look_like_paths_have_pictures_of_their_own(
    frame_list: Path, tmp_path: Path, make_weights: Callable[..., Path]
) -> None:
    content = json.loads(frame_list.read_text())
    for index, frame in enumerate(content["frames"]):
        frame["id"] = f"sequence{index}/0001"
    frame_list.write_text(json.dumps(content))
    pictures = tmp_path / "pictures"
    arguments = ["--output", str(tmp_path / "o.json"), "--weights", str(make_weights()), "--pictures", str(pictures)]
    assert main(["predict", str(frame_list), *arguments, "--quiet"]) == 0
    assert sorted(path.name for path in pictures.iterdir()) == [f"sequence{i}_0001.png" for i in range(4)]


@pytest.mark.parametrize("kind", ["d435_mcap", "d435_sqlite3"])
def test_recorded_bags_run_to_the_end(kind: str, test_data: Path, tmp_path: Path, shipped_weights: str) -> None:
    from v2v_ros.recorded.bags import list_topics

    bag, output, figures = test_data / "bags" / kind, tmp_path / "out.mcap", tmp_path / "figures.json"
    arguments = ["--output", str(output), "--weights", shipped_weights, "--json", str(figures), "--quiet"]
    assert main(["predict", str(bag), "--with-images", *arguments]) == 0
    assert json.loads(figures.read_text())["frames"] == 2
    counts = {topic.name: topic.message_count for topic in list_topics(output)}
    names = "/skeletons", "/markers", "/joints", "/camera/depth/image_rect_raw", "/camera/depth/camera_info"
    assert counts == dict.fromkeys(names, 2)  # nobody is there, so no joint has a frame


def test_benchmark_prints_every_stage_and_ratios(
    make_weights: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    weights = str(make_weights())
    assert main(["benchmark", "--weights", weights, "--frames", "5", "--json", str(figures), "--quiet"]) == 0
    printed, content = capsys.readouterr().out, json.loads(figures.read_text())
    for stage in ("decode", "locate", "voxelize", "network", "joints", "track", "total"):
        assert stage in printed
        assert 0 <= content["searching"][stage]["p50"] <= content["searching"][stage]["p99"]
    assert content["network_ms"]["ratio"] > 0 and content["camera_share"] > 0


def test_info_lists_skeletons_and_weights(
    shipped_weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "info.json"
    assert main(["info", "--json", str(figures)]) == 0
    printed, content = capsys.readouterr().out, json.loads(figures.read_text())
    assert "hand21" in printed and "body15" in printed and shipped_weights in printed
    assert content["version"] == __version__
    assert all(1 < entry["held_out_error_mm"] < 25 for entry in content["weights"] if entry["skeleton"] == "hand21")
    assert [entry["name"] for entry in content["detector_weights"]] == shipped_detectors() == ["detector"]
    assert all(0 < entry["hand_recall"] <= 1 and 0 < entry["body_recall"] <= 1 for entry in content["detector_weights"])


def test_weights_are_named_as_parameter_files_name_them(
    untrained_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def info(name: str) -> tuple[int, str]:
        output = str(tmp_path / "out.json")
        code = main(["predict", str(tmp_path / "none.json"), "--output", output, "--weights", name])
        return code, capsys.readouterr().err

    monkeypatch.setenv("HOME", str(tmp_path))
    assert "none.json: cannot read the frame list" in info("~/untrained.safetensors")[1]  # the weights were read
    assert f"weights '{tmp_path}' are a folder; name a file in it: untrained.safetensors" in info("~")[1]
    (tmp_path / "empty").mkdir()
    assert "are a folder; there is no .safetensors file in it" in info(str(tmp_path / "empty"))[1]
    text = info("package://no_such_package/x.safetensors")[1]
    assert "no package 'no_such_package' is installed or sourced" in text or "needs ROS 2" in text
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hand21_lite").mkdir()  # a folder of the name of shipped weights
    assert find("hand21_lite").name == "hand21_lite.safetensors"


def test_weights_of_a_package(untrained_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ament_index_python")
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "my_robot").touch()
    (tmp_path / "share" / "my_robot").mkdir()
    untrained_weights.rename(tmp_path / "share" / "my_robot" / "x.safetensors")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert find("package://my_robot/x.safetensors").read_bytes()[8:9] == b"{"


def test_frame_lists_need_no_rosbags() -> None:
    code = "import sys; sys.modules['rosbags'] = None; import v2v_ros.recorded.predict, v2v_ros.viewer.sources"
    subprocess.run([sys.executable, "-c", code], check=True)
