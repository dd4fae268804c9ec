# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Nodes as on a robot: in processes of their own, over DDS, with the real network."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from v2v_ros.benchmark.rig.children import Child, stop_all
from v2v_ros.benchmark.rig.demo import DemoError, parameters, run_demo
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.msg import SkeletonArray, SkeletonInfo
from v2v_ros.nodes.support.transport import latched

if TYPE_CHECKING:
    from ros_bench import Ros

SLOW = 60.0  # seconds that a process may take to start on a busy machine
HAND = get_skeleton("hand21")


@dataclass
class Robot:
    """A pose node and a camera in namespace /robot, and what they publish."""

    ros: Ros
    pose: Child
    skeletons: list[SkeletonArray]
    truths: list[SkeletonArray]
    transforms: list[TFMessage]
    markers: list[MarkerArray]

    def change_state(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        response = self.ros.request(ChangeState, "/robot/v2v_pose/change_state", request, SLOW)
        return bool(response.success)

    def state(self) -> str:
        response = self.ros.request(GetState, "/robot/v2v_pose/get_state", GetState.Request(), SLOW)
        return str(response.current_state.label)

    def set(self, name: str, value: Any) -> None:
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        (result,) = self.ros.request(SetParameters, "/robot/v2v_pose/set_parameters", request, SLOW).results
        assert result.successful, result.reason

    def next(self, count: int = 1) -> list[SkeletonArray]:
        """The next skeleton arrays to come."""
        seen = len(self.skeletons)
        self.ros.wait(lambda: len(self.skeletons) >= seen + count, SLOW, f"skeletons; {self.pose.tail()}")
        return self.skeletons[seen : seen + count]

    def wait_images(self, count: int) -> None:
        """Wait until the camera has published a number of further images."""
        seen = len(self.truths)
        self.ros.wait(lambda: len(self.truths) >= seen + count, SLOW, "the camera")


def stamp_of(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def points_of(array: SkeletonArray) -> np.ndarray:
    return np.array([(point.x, point.y, point.z) for point in array.skeletons[0].points])


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """One pair of processes for all tests of this module, since PyTorch takes seconds to load."""
    from ros_bench import own_domain

    folder = tmp_path_factory.mktemp("robot")
    namespace = ["-r", "__ns:=/robot"]
    with own_domain(folder) as ros:
        path = weights.find(weights.default_for("hand21"))
        pose = Child("pose_node", [*namespace, *parameters(max_age=0.0, weights=path)], folder)
        camera = Child("synthetic_camera_node", [*namespace, *parameters(rate=10.0)], folder)
        try:
            one = Robot(
                ros,
                pose,
                ros.collect(SkeletonArray, "/robot/v2v_pose/skeletons"),
                ros.collect(SkeletonArray, "/robot/synthetic_camera/truth"),
                ros.collect(TFMessage, "/tf"),
                ros.collect(MarkerArray, "/robot/v2v_pose/markers"),
            )
            ros.wait(lambda: one.skeletons, SLOW, f"the first skeletons; {pose.tail()}")
            yield one
        finally:
            stop_all([camera, pose])
        assert (pose.exit_status, camera.exit_status) == (0, 0), pose.tail() + camera.tail()


def test_skeletons_tf_and_markers_agree_with_the_truth(robot: Robot) -> None:
    def matched() -> list[tuple[SkeletonArray, SkeletonArray]]:
        truths = {stamp_of(message): message for message in list(robot.truths)}
        pairs = [(one, truths.get(stamp_of(one))) for one in list(robot.skeletons)]
        return [(one, truth) for one, truth in pairs if truth is not None]

    robot.ros.wait(lambda: len(matched()) >= 30, SLOW, "30 images with their skeletons")
    pairs = matched()[5:]
    found = [(one, truth) for one, truth in pairs if one.skeletons]
    assert len(found) >= 0.8 * len(pairs)
    errors = [np.nanmean(np.linalg.norm(points_of(one) - points_of(truth), axis=-1)) for one, truth in found]
    assert np.median(errors) < 0.025  # metres
    assert all(one.header == truth.header for one, truth in found)
    assert {one.skeletons[0].id for one, _ in found[-5:]} == {found[-1][0].skeletons[0].id}

    by_stamp = {stamp_of(one): one for one, _ in found}
    transforms = {stamp_of(message.transforms[0]): message.transforms for message in list(robot.transforms)}
    markers = {stamp_of(message.markers[0]): message.markers for message in list(robot.markers)}
    both = set(by_stamp) & set(transforms) & set(markers)
    assert len(both) >= 10
    for stamp in both:
        one = by_stamp[stamp].skeletons[0]
        expected = {
            f"{one.id}_{name}": point
            for name, point in zip(HAND.joint_names, points_of(by_stamp[stamp]), strict=True)
            if np.isfinite(point).all()
        }
        palm = f"{one.id}_palm"
        joints = [transform for transform in transforms[stamp] if transform.child_frame_id != palm]
        assert {transform.child_frame_id for transform in joints} == set(expected)
        for transform in joints:
            place = transform.transform.translation
            assert transform.header.frame_id == "synthetic_camera_depth_optical_frame"
            assert (place.x, place.y, place.z) == pytest.approx(expected[transform.child_frame_id], abs=1e-6)
        spheres = np.array([(point.x, point.y, point.z) for point in markers[stamp][1].points])
        np.testing.assert_allclose(spheres, list(expected.values()), atol=1e-6)


def test_info_names_the_shipped_weights(robot: Robot) -> None:
    infos = robot.ros.collect(SkeletonInfo, "/robot/v2v_pose/info", latched())
    info = robot.ros.wait(lambda: infos)[0]
    assert info.weights_id == weights.default_for("hand21")
    assert len(info.weights_hash) >= 12
    assert tuple(info.joint_names) == HAND.joint_names


def test_parameters_change_while_it_runs(robot: Robot) -> None:
    robot.set("score_threshold", 1.0)
    robot.ros.wait(lambda: not robot.next()[0].skeletons, SLOW, "an empty array")
    robot.set("score_threshold", 0.3)
    robot.ros.wait(lambda: robot.next()[0].skeletons, SLOW, "a skeleton again")
    robot.set("publish_tf", False)
    robot.next(2)
    seen = len(robot.transforms)
    robot.next(3)
    assert len(robot.transforms) == seen
    robot.set("publish_tf", True)
    robot.ros.wait(lambda: len(robot.transforms) > seen, SLOW)


def test_enable_and_reset(robot: Robot) -> None:
    def enable(on: bool) -> None:
        assert robot.ros.request(SetBool, "/robot/v2v_pose/enable", SetBool.Request(data=on), SLOW).success

    enable(False)
    robot.wait_images(3)  # what was in the works is out
    seen = len(robot.skeletons)
    robot.wait_images(3)
    assert len(robot.skeletons) == seen
    enable(True)
    robot.ros.wait(lambda: robot.next()[0].skeletons, SLOW)
    before = {one.skeletons[0].id for one in robot.skeletons if one.skeletons}
    assert robot.ros.request(Trigger, "/robot/v2v_pose/reset", Trigger.Request(), SLOW).success
    robot.ros.wait(lambda: (new := robot.next()[0]).skeletons and new.skeletons[0].id not in before, SLOW, "a new id")


def test_down_and_up_twice_by_the_lifecycle_services(robot: Robot) -> None:
    for _ in range(2):
        assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
        assert robot.state() == "inactive"
        assert not robot.change_state(Transition.TRANSITION_DEACTIVATE)  # refused, and survived
        assert robot.change_state(Transition.TRANSITION_CLEANUP)
        assert robot.state() == "unconfigured"
        seen = len(robot.skeletons)
        robot.wait_images(3)
        assert len(robot.skeletons) == seen
        assert robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert robot.change_state(Transition.TRANSITION_ACTIVATE)
        assert robot.state() == "active"
        robot.next(3)
    robot.pose.check()


def test_a_process_that_cannot_load_its_weights_stays_and_says_why(ros: Ros, tmp_path: Path) -> None:
    diagnostics = ros.collect(DiagnosticArray, "/diagnostics")
    child = Child("pose_node", parameters(weights="/no/such.safetensors"), tmp_path)
    try:
        ros.wait(lambda: len(diagnostics) >= 2, SLOW, child.tail())
        child.check()
    finally:
        child.stop()
    (status,) = diagnostics[-1].status
    assert status.level == b"\x02"
    assert "weights file '/no/such.safetensors' does not exist" in status.message
    assert "cannot be configured: weights file '/no/such.safetensors' does not exist" in child.tail()
    assert child.exit_status == 0


def test_a_bad_parameter_ends_the_process_with_one_clear_line(ros: Ros, tmp_path: Path) -> None:
    child = Child("pose_node", parameters(side="both"), tmp_path)
    try:
        ros.wait(lambda: child.exit_status is not None, SLOW)
    finally:
        child.stop()
    assert child.exit_status == 1
    (line,) = child.tail(100).splitlines()
    assert line.startswith("bad parameter: ")
    assert "'side' cannot be 'both': use one of either, right, left" in line


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("/robot/pose", True),
        ("/**", True),
        ("/robot/*", True),
        ("/**/pose", True),
        ("robot: {pose", True),
        ("pose", False),
        ("/other/pose", False),
        ("/*", False),
    ],
)
def test_a_parameter_file_for_another_node_is_named(tmp_path: Path, key: str, fits: bool) -> None:
    from v2v_ros.nodes.support.parameter_files import files_for_others

    path = tmp_path / "parameters.yaml"
    path.write_text(f"{key}: {{ros__parameters: {{side: left}}}}" + "}" * key.count("{"))
    warnings = list(files_for_others(["pose_node", "--ros-args", "--params-file", str(path)], "/robot/pose"))
    assert (warnings == []) == fits
    assert all(str(path) in text and "/robot/pose" in text for text in warnings)


def test_a_node_says_that_a_parameter_file_is_for_another(ros: Ros, tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text("/elsewhere/pose:\n  ros__parameters:\n    side: left\n")
    child = Child("synthetic_camera_node", ["--params-file", str(path)], tmp_path)
    try:
        ros.wait(lambda: "has nothing for this node, /synthetic_camera, only for /elsewhere/pose" in child.tail(), SLOW)
    finally:
        child.stop()


def test_arguments_that_cannot_be_parsed_end_the_process_without_a_traceback() -> None:
    command = [sys.executable, "-m", "v2v_ros.nodes.pose_node", "--ros-args", "-r", "depth/image_rect:=/my/depth/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SLOW)
    assert done.returncode == 1
    assert "bad arguments: " in done.stderr and "/my/depth/" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_the_libraries_are_loaded_leaves_no_traceback() -> None:
    node = subprocess.Popen(["pose_node"], stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)  # there is nothing to wait for: the process must be in the middle of its start
    node.send_signal(signal.SIGINT)
    _, errors = node.communicate(timeout=SLOW)
    assert node.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.slow
def test_the_demonstration(ros: Ros, tmp_path: Path) -> None:
    seconds: list[float] = []
    picture = tmp_path / "demo.png"
    result = run_demo(5.0, rate=10.0, picture=picture, on_progress=seconds.append)
    figures = result.to_dict()
    assert figures["frames"] > 10
    assert figures["detected_share"] > 0.8
    assert figures["mean_error_mm"] < 30
    assert 0 < figures["rate_hz"] <= 12
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p99"]
    assert figures["stages_ms"]["network"] > 0
    assert seconds == sorted(seconds)
    assert seconds[-1] <= 5.0
    from PIL import Image

    assert Image.open(picture).size == (3 * 480, 480)


@pytest.mark.slow
def test_the_demonstration_ends_its_nodes_when_it_is_interrupted(ros: Ros) -> None:
    program = (
        "from v2v_ros.benchmark.rig.demo import run_demo; run_demo(600.0, on_progress=lambda s: print(s, flush=True))"
    )
    demo = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    demo.stdout.readline()  # it measures
    nodes = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
    assert len(nodes) == 2
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=SLOW)
    assert demo.returncode != 0, errors  # of KeyboardInterrupt, or of an rclpy call that it came into
    assert not any(Path("/proc", node).exists() for node in nodes)


@pytest.mark.slow
def test_the_demonstration_says_why_a_node_does_not_start(ros: Ros, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    with pytest.raises(DemoError, match=r"cannot start: weights file '.*broken.safetensors' cannot be read"):
        run_demo(1.0, weights=str(broken))
    with pytest.raises(DemoError, match=r"synthetic_camera_node has ended with exit status 1(.|\n)*bad parameter"):
        run_demo(1.0, rate=1e6)


def test_the_demonstration_checks_what_it_is_given() -> None:
    with pytest.raises(weights.WeightsError, match="no weights named 'nonsense'"):
        run_demo(1.0, weights="nonsense")
    with pytest.raises(DemoError, match="'hand' or 'body'"):
        run_demo(1.0, kind="foot")
