# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The look in the browser: what is drawn, what the controls do, and the command."""

from __future__ import annotations

import itertools
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from v2v_ros.cli import main
from v2v_ros.estimator.settings import Settings
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.skeletons import BODY15, HAND21
from v2v_ros.geometry.subject import HAND
from v2v_ros.viewer.cameras import CameraError, realsense
from v2v_ros.viewer.scene import bones_of, cube_edges, points_of, title, view_of
from v2v_ros.viewer.sources import Shot, listed, synthetic

CAMERA = Intrinsics(475.0, 475.0, 319.5, 239.5, 640, 480)


def estimate_of(points: np.ndarray) -> Estimate:
    middle = points.mean(0)
    one = SkeletonEstimate(
        id="hand_1",
        side=Side.LEFT,
        tracking_state=TrackingState.TRACKED,
        score=0.87,
        center=middle,
        cube_edge=0.25,
        points=points,
        scores=np.ones(len(points), np.float32),
        covariances=np.zeros((len(points), 6), np.float32),
        velocities=np.zeros_like(points),
    )
    return Estimate((one,), {"network": 0.004}, 0.9, np.array([middle, middle + 0.1]))


class TrueEstimator:
    """Knows the truth of the synthetic camera."""

    skeleton = HAND21
    cube_edge = HAND21.cube_edge

    def __init__(self) -> None:
        self.settings = Settings.usual(HAND)
        self.score_threshold = self.settings.score_threshold
        self.truth: np.ndarray | None = None

    def estimate(self, depth: np.ndarray, camera: Intrinsics, stamp: float) -> Estimate:
        del depth, camera, stamp
        assert self.truth is not None
        return estimate_of(self.truth)


def test_the_points_of_a_thinned_out_image_lie_where_those_of_the_image_lie() -> None:
    depth = np.full((480, 640), 0.8, np.float32)
    depth[:, :320] = np.nan
    view = view_of(Shot("x", 0.0, depth, CAMERA), Estimate((), {}), 5.0)
    assert view.depth.size <= 20_000
    points, colors = points_of(view.depth, view.intrinsics)
    assert len(points) == len(colors) and points[:, 2] == pytest.approx(0.8, abs=1e-3)
    assert points[:, 0].min() == pytest.approx(0.5 / 475 * 0.8, abs=0.01)
    assert points[:, 0].max() == pytest.approx(320 / 475 * 0.8, abs=0.01)
    empty, _ = points_of(np.full((2, 2), np.nan, np.float16), CAMERA)
    assert empty.shape == (0, 3)


def test_bones_without_both_ends_are_left_out() -> None:
    points = np.random.default_rng(0).normal(size=(15, 3))
    points[BODY15.joint_names.index("head")] = np.nan
    ends, known = bones_of(points, BODY15)
    assert len(ends) == len(BODY15.bones) - 1 == known.sum() and np.isfinite(ends).all()


def test_a_cube_has_twelve_edges_of_its_length() -> None:
    edges = cube_edges(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]), 0.25)
    assert edges.shape == (24, 2, 3)
    assert np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1) == pytest.approx(0.25)
    assert edges[:12].mean(axis=(0, 1)) == pytest.approx([0, 0, 1])
    assert cube_edges(np.zeros((0, 3)), 0.25).shape == (0, 2, 3)


def test_the_title_says_which_hand_and_how_sure() -> None:
    assert title(estimate_of(np.zeros((21, 3), np.float32)).skeletons[0]) == "hand_1 left 0.87"


def test_a_list_leaves_out_what_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.save(tmp_path / "a.npy", np.full((48, 64), 700, np.uint16))
    camera = {"fx": 50, "fy": 50, "cx": 32, "cy": 24}
    entries = [{"id": name, "path": f"{name}.npy", "mm_per_unit": 1, "K": camera} for name in ("a", "b")]
    (tmp_path / "b.npy").write_bytes(b"damaged")
    (tmp_path / "frames.json").write_text(json.dumps({"frames": entries}))
    (shot,) = listed(tmp_path / "frames.json")
    assert shot.name == "a" and shot.depth[0, 0] == pytest.approx(0.7) and shot.truth is None
    assert "skipping a frame" in caplog.text


def test_the_page_is_served_and_the_controls_work() -> None:
    pytest.importorskip("viser")
    from v2v_ros.viewer.viewer import Viewer

    estimator: Any = TrueEstimator()

    def shots() -> Iterator[Shot]:
        for shot in itertools.islice(synthetic("hand"), 3):
            estimator.truth = shot.truth
            yield shot

    viewer = Viewer(estimator, port=0, rate=1000.0)
    try:
        assert viewer.run(shots(), frames=3) == 3
        with urllib.request.urlopen(viewer.url, timeout=20) as page:
            assert page.status == 200 and b"<html" in page.read().lower()
        drawn = set(viewer._scene._drawn)
        assert {"/points", "/truth", "/skeletons/0/bones", "/skeletons/0/joints", "/cubes/subjects"} <= drawn
        assert "hand_1" in viewer._text.content and "network 4" in viewer._text.content
        viewer._threshold.value = 0.8
        assert estimator.score_threshold == pytest.approx(0.8)
        viewer._scene.shown["points"] = False
        viewer._show(viewer._views[0])
        assert "/points" not in viewer._scene._drawn and viewer._views[0].name == "0.00 s"
    finally:
        viewer.stop()


def test_without_viser_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], untrained_weights: Path
) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    assert main(["view", "--weights", str(untrained_weights), "--runtime", "torch"]) == 1
    assert "pip install viser" in capsys.readouterr().err


class FakeRealSense(ModuleType):
    """As much of pyrealsense2 as is used: a camera that sends some images and is then unplugged."""

    def __init__(self, images: int, plugged: bool = True) -> None:
        super().__init__("pyrealsense2")
        self.left, self.plugged, self.stopped = images, plugged, False
        self.stream = SimpleNamespace(depth="depth")

    def config(self) -> Any:
        return SimpleNamespace(enable_stream=lambda stream: None)

    def pipeline(self) -> Any:
        def start(_: Any) -> None:
            if not self.plugged:
                raise RuntimeError("No device connected")

        def stop() -> None:
            self.stopped = True

        return SimpleNamespace(start=start, stop=stop, wait_for_frames=self._frames)

    def _frames(self, milliseconds: int) -> Any:
        assert milliseconds >= 1000
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("Frame didn't arrive within 5000")
        lens = SimpleNamespace(fx=100.0, fy=100.0, ppx=3.5, ppy=2.5, width=8, height=6)
        raw = np.full((6, 8), 4000, np.uint16)
        raw[0] = 0
        frame = SimpleNamespace(
            profile=SimpleNamespace(as_video_stream_profile=lambda: SimpleNamespace(intrinsics=lens)),
            get_data=lambda: raw,
            get_units=lambda: 0.000125,
            get_timestamp=lambda: 1500.0,
            get_frame_number=lambda: 7,
        )
        return SimpleNamespace(get_depth_frame=lambda: frame)


def test_a_realsense_gives_metres_and_says_when_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeRealSense(1)
    monkeypatch.setitem(sys.modules, "pyrealsense2", camera)
    shots = realsense()
    shot = next(shots)
    assert shot.name == "image 7" and shot.stamp == 1.5 and shot.depth.dtype == np.float32
    assert np.isnan(shot.depth[0]).all() and np.allclose(shot.depth[1:], 0.5)
    assert shot.intrinsics == Intrinsics(100.0, 100.0, 3.5, 2.5, 8, 6)
    with pytest.raises(CameraError, match="was it unplugged"):
        next(shots)
    assert camera.stopped


@pytest.mark.parametrize(
    ("module", "message"),
    [(None, "pip install pyrealsense2"), (FakeRealSense(0, plugged=False), "is it plugged in")],
)
def test_a_camera_that_is_not_there_gets_the_remedy(
    module: Any, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyrealsense2", module)
    assert main(["view", "--camera", "realsense"]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth-topic", "/depth"], "are of a bag: name it"),
        (["recording.mcap"], "not a readable rosbag2"),
        (["--camera", "realsense", "frames.json"], "--camera is live"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", *arguments]) == 1
    assert message in capsys.readouterr().err
