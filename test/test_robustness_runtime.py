# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The network's runtime fails: out of memory, a lost GPU. The pose node goes on as its parameter says."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ros_faults import ERROR, START, WARN, fail, heals, out_of_memory, set_parameter

from v2v_ros.geometry.estimate import Estimate

if TYPE_CHECKING:
    from ros_bench import Bench, FakeEstimator, Ros


def test_a_network_that_fails_once_is_tried_again(bench: Bench) -> None:
    bench.send()
    bench.ros.wait(lambda: bench.skeletons)
    bench.estimator.error = out_of_memory()
    fail(bench, 1)
    level, _, values = bench.wait_diagnosis("OutOfMemoryError: CUDA out of memory", "tried again with the next image")
    assert (level, values["network restarts"]) == (ERROR, "0")
    bench.estimator.error = None
    heals(bench)
    assert bench.skeletons[-1].skeletons[0].id == "hand_1"  # the tracks are still there


@pytest.mark.parametrize("policy", ["retry", "cpu"])
def test_a_network_that_goes_on_failing_is_started_anew(make_bench: Callable[..., Bench], policy: str) -> None:
    from ros_bench import FakeEstimator

    from v2v_ros.msg import SkeletonInfo
    from v2v_ros.nodes.support.transport import latched

    bench = make_bench(on_runtime_error=policy)
    infos = bench.ros.collect(SkeletonInfo, "v2v_pose/info", latched())
    asked: list[str] = []

    def make(device: str) -> FakeEstimator:
        asked.append(device)
        assert old() is None, "the memory of the old one is needed for the new one"
        bench.estimator = FakeEstimator()
        bench.estimator.device = device or "cuda:0"
        return bench.estimator

    bench.make = make
    old = weakref.ref(bench.estimator)
    bench.estimator.device = "cuda:0"
    bench.estimator.error = out_of_memory()
    fail(bench, 3)
    _, _, values = bench.wait_diagnosis("failed 3 times in a row and is restarted", "CUDA out of memory")
    assert values["images processed"] == "0"
    del bench.estimator
    bench.send()
    bench.ros.wait(lambda: bench.skeletons)
    assert asked == [{"retry": "", "cpu": "cpu"}[policy]]
    bench.ros.wait(lambda: len(infos) == 2)
    assert infos[1].device == {"retry": "cuda:0", "cpu": "cpu"}[policy]
    level, _, values = bench.wait_values(lambda values: values["images processed"] == "1")
    assert (level, values["network restarts"]) == (WARN, "1")
    bench.node._statistics._error_at = -1e9  # what was a moment ago has been told by now
    if policy == "cpu":
        bench.wait_diagnosis("runs on the CPU since cuda:0 failed", "out of memory", "ros2 lifecycle set /v2v_pose")
        for transition in ("deactivate", "cleanup", "configure", "activate"):
            bench.ros.call(getattr(bench.node, f"trigger_{transition}"))
        assert asked[1:] == [""]  # as the parameters say
        bench.wait_connected()
    heals(bench)


def test_a_network_that_cannot_be_started_anew_says_so_until_it_can(make_bench: Callable[..., Bench]) -> None:
    from ros_bench import FakeEstimator

    bench = make_bench()
    usable = {"": False, "cpu": True}

    def make(device: str) -> FakeEstimator:
        if not usable[device]:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        bench.estimator = FakeEstimator()
        return bench.estimator

    bench.make = make
    bench.estimator.device = "cuda:0"
    bench.estimator.error = out_of_memory()
    fail(bench, 5)
    level, _, values = bench.wait_diagnosis("cannot be restarted", "illegal memory access", "on_runtime_error")
    assert (level, values["lifecycle state"]) == (ERROR, "active")
    bench.ros.call(bench.node.trigger_deactivate)  # steering it works meanwhile
    bench.ros.call(bench.node.trigger_activate)
    bench.wait_diagnosis("cannot be activated", "cannot be restarted")
    set_parameter(bench, "on_runtime_error", "cpu")
    bench.ros.call(bench.node.trigger_activate)
    bench.wait_connected()
    bench.assert_recovers()


def test_attempts_to_start_the_network_are_apart() -> None:
    pytest.importorskip("rclpy")
    from v2v_ros.nodes.pose.recovery import PAUSE, Recovery, RuntimeFailure

    now, made = 0.0, 0

    class Broken:
        device = "cpu"
        identities = 0

    def make(device: str = "") -> Any:
        nonlocal made
        made += 1
        return Broken()

    recovery = Recovery(make, now=lambda: now)
    for image in range(600):  # 30 Hz
        now = image / 30
        if recovery.estimator is None:
            recovery.renew("cpu")
        with pytest.raises(RuntimeFailure), recovery.watch():
            raise RuntimeError("broken")
    assert made == 1 + 20 / PAUSE
    assert recovery.lost_device == ""  # there is no other device to go to
    with pytest.raises(ValueError, match="bad input"), recovery.watch():
        raise ValueError("bad input")  # is not the network's fault


def test_the_real_estimator_is_started_anew(ros: Ros, untrained_weights: Path) -> None:
    import torch
    from rclpy.parameter import Parameter
    from ros_bench import CAMERA

    from v2v_ros.nodes.pose_node import PoseNode

    values = {"weights": str(untrained_weights), "detector_weights": "none", "runtime": "torch", "score_threshold": 0.0}
    node = PoseNode(context=ros.context, parameter_overrides=[Parameter(name, value=v) for name, v in values.items()])
    ros.add(node)
    ros.call(node.autostart)
    recovery = node._recovery
    assert recovery is not None
    first: Any = recovery.estimator
    first.identities = 7
    depth = np.full((60, 80), np.nan, np.float32)
    depth[20:40, 30:50] = 0.5

    def run(_: torch.Tensor) -> torch.Tensor:
        raise out_of_memory()

    first._pipeline._run = run
    for _ in range(3):
        with pytest.raises(RuntimeError, match="out of memory"), recovery.watch():
            recovery.estimator.estimate(depth, CAMERA, START)  # type: ignore[union-attr]
    assert recovery.estimator is None
    second = recovery.renew("retry")
    with recovery.watch():
        assert isinstance(second.estimate(depth, CAMERA, START), Estimate)
    assert second is not first
    assert second.identities >= 7  # the ids of before are not given to others
