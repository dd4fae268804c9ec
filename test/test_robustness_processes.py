# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Processes that are killed, or hang, while others listen to them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

pytest.importorskip("rclpy")

from v2v_ros.benchmark.rig.children import Child, stop_all
from v2v_ros.benchmark.rig.demo import parameters
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.model.network import NetworkConfig, V2VPoseNet
from v2v_ros.msg import SkeletonArray, SkeletonInfo
from v2v_ros.nodes.pose.inputs import to_seconds
from v2v_ros.nodes.support.process import remove_remains
from v2v_ros.nodes.support.transport import latched

if TYPE_CHECKING:
    from ros_bench import Ros

SLOW = 60.0  # seconds that a process may take to start on a busy machine
SEGMENT = re.compile(r"/dev/shm/(fast(?:rtps|dds)_[0-9a-f]{16})_el")


@dataclass
class Robot:
    """A pose node with a tiny network, a camera, and a listener in this process."""

    ros: Ros
    folder: Path
    weights: Path
    skeletons: list[SkeletonArray]
    infos: list[SkeletonInfo]
    camera: Child
    pose: Child

    def start_camera(self) -> None:
        self.camera = Child("synthetic_camera_node", parameters(rate=20.0, width=80, height=60, loop=5), self.folder)

    def start_pose(self) -> None:
        given = parameters(weights=self.weights, detector_weights="none", score_threshold=0.0, max_age=0.0)
        self.pose = Child("pose_node", given, self.folder)

    def wait_skeletons(self) -> None:
        """Wait for more of them than a publisher that has ended could still have on the way."""
        seen = len(self.skeletons)
        self.ros.wait(lambda: len(self.skeletons) > seen + 10, SLOW, f"skeletons; {self.pose.tail()}")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    from ros_bench import own_domain

    folder = tmp_path_factory.mktemp("robot")
    skeleton = get_skeleton("hand21")
    config = NetworkConfig(len(skeleton.joint_names), 16, 1)
    path = folder / "tiny.safetensors"
    weights.save(
        weights.Weights("tiny", skeleton, config, skeleton.cube_edge, V2VPoseNet(config).eval().state_dict()), path
    )
    assert torch.get_num_threads() == 1
    with own_domain(folder) as ros:
        one = Robot.__new__(Robot)
        one.ros, one.folder, one.weights = ros, folder, path
        one.skeletons = ros.collect(SkeletonArray, "v2v_pose/skeletons")
        one.infos = ros.collect(SkeletonInfo, "v2v_pose/info", latched())
        one.start_pose()
        one.start_camera()
        try:
            one.wait_skeletons()
            yield one
        finally:
            stop_all([one.camera, one.pose])


def segments_of(process: int) -> set[Path]:
    """Shared memory that a process keeps locked, as Fast DDS does with its own."""
    found = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            if match := SEGMENT.fullmatch(os.readlink(descriptor)):
                found.add(Path("/dev/shm", match[1]))
    return found


def age(segments: set[Path]) -> None:
    """Let shared memory look as if it had been made long ago."""
    for segment in segments:
        os.utime(f"{segment}_el", (time.time() - 60,) * 2)


def test_a_killed_node_comes_back_to_those_who_listen(robot: Robot) -> None:
    infos = len(robot.infos)
    os.kill(robot.pose.pid, signal.SIGKILL)
    robot.pose.stop()
    robot.start_pose()
    robot.wait_skeletons()
    robot.ros.wait(lambda: len(robot.infos) > infos, SLOW, "the latched info")  # who listens is told again
    assert len(robot.infos) == infos + 1


LONELY = """
import rclpy, time
rclpy.init()
node = rclpy.create_node("lonely")
print("up", flush=True)
time.sleep(100)
"""


def test_what_a_killed_process_leaves_is_removed_by_the_next_node(ros: Ros, tmp_path: Path) -> None:
    # In a domain of its own: whoever has talked to it would remove its shared memory after some seconds.
    lonely = subprocess.Popen(
        [sys.executable, "-c", LONELY], stdout=subprocess.PIPE, text=True, env=os.environ | {"ROS_DOMAIN_ID": "19"}
    )
    try:
        assert lonely.stdout is not None
        assert lonely.stdout.readline() == "up\n"
        segments = segments_of(lonely.pid)
    finally:
        lonely.kill()
        lonely.communicate()
    assert segments, "no shared memory is used: this test shows nothing"
    assert all(segment.exists() for segment in segments)
    age(segments)
    own = segments_of(os.getpid())
    age(own)
    ended = Child("pose_node", parameters(side="both"), tmp_path)  # the shortest life of a node
    ros.wait(lambda: ended.exit_status is not None, SLOW)
    assert not [segment for segment in segments if segment.exists()]
    assert own and all(segment.exists() for segment in own)  # old, but alive


@pytest.mark.slow
def test_a_killed_camera_comes_back(robot: Robot) -> None:
    os.kill(robot.camera.pid, signal.SIGKILL)
    robot.camera.stop()
    robot.start_camera()
    robot.wait_skeletons()
    robot.pose.check()


LISTENER = """
import rclpy
from v2v_ros.msg import SkeletonArray
rclpy.init()
node = rclpy.create_node("listener")
node.create_subscription(SkeletonArray, "v2v_pose/skeletons", lambda message: print("heard", flush=True), 10)
rclpy.spin(node)
"""


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_listener_that_hangs_or_dies_holds_nobody_up(robot: Robot, how: signal.Signals) -> None:
    listener = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True)
    try:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "heard\n"
        listener.send_signal(how)
        before = len(robot.skeletons)
        robot.ros.wait(lambda: len(robot.skeletons) >= before + 40, SLOW)
        stamps = [to_seconds(one.header.stamp) for one in robot.skeletons[before:]]
        assert np.median(np.diff(stamps)) < 0.2  # the images come at 20 Hz; a busy machine may miss some
    finally:
        listener.kill()
        listener.communicate()


def test_only_old_segments_of_the_dead_are_removed(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    names = ("fastrtps_0123456789abcdef", "fastdds_0123456789abcdef", "fastrtps_00000000000000aa", "fastrtps_port7411")
    old, other, living, port = (tmp_path / name for name in names)
    fresh = tmp_path / "fastrtps_00000000000000bb"
    foreign = tmp_path / "of_somebody_else_el"
    for segment in (old, other, living, port, fresh):
        segment.write_bytes(bytes(100))
        Path(f"{segment}_el").touch()
    foreign.touch()
    pipe, link = (tmp_path / f"fastdds_00000000000000{end}_el" for end in ("cc", "dd"))
    os.mkfifo(pipe)  # to open it would take for ever
    link.symlink_to(foreign)
    for lock in tmp_path.glob("*_el"):
        if not lock.name.startswith(fresh.name):
            os.utime(lock, (time.time() - 60,) * 2)
    with Path(f"{living}_el").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_remains(tmp_path) == 2
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        foreign.name,
        pipe.name,
        link.name,
        *(f"{one.name}{end}" for one in (living, port, fresh) for end in ("", "_el")),
    }
    assert remove_remains(tmp_path / "missing") == 0
