# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""More images and more subscribers than the pose node can serve."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from ros_faults import send_picture

from v2v_ros.geometry.estimate import Estimate

if TYPE_CHECKING:
    from ros_bench import Bench, Ros


@contextmanager
def slow_network(bench: Bench, seconds: float) -> Iterator[None]:
    """The estimator takes so long, as a network does, and keeps nothing."""
    fake: Any = bench.estimator
    estimate = fake.estimate

    def slow(*arguments: Any) -> Estimate:
        for kept in (fake.depths, fake.cameras, fake.hints):
            kept.clear()
        time.sleep(seconds)
        return cast(Estimate, estimate(*arguments))

    fake.estimate = slow
    yield
    fake.estimate = estimate


@pytest.mark.parametrize("seconds", [3.0, pytest.param(180.0, marks=pytest.mark.slow)])
def test_a_camera_faster_than_the_network(bench: Bench, seconds: float) -> None:
    from v2v_ros.msg import SkeletonArray
    from v2v_ros.nodes.pose.inputs import age

    network, rate = 0.04, 100
    latencies: list[float] = []
    clock = bench.ros.node.get_clock()

    def listen(message: Any) -> None:
        latencies.append(age(clock, message.header.stamp))

    bench.ros.call(lambda: bench.ros.node.create_subscription(SkeletonArray, "v2v_pose/skeletons", listen, 10))
    resident = [resident_bytes()]
    with slow_network(bench, network):
        began = time.monotonic()
        for image in range(round(seconds * rate)):
            time.sleep(max(began + image / rate - time.monotonic(), 0))
            send_picture(bench, bench.camera)
            bench.skeletons.clear()
            bench.diagnostics[:-5] = []
            if image == round(seconds * rate / 3):
                resident.append(resident_bytes())
        resident.append(resident_bytes())
        _, _, values = bench.wait_diagnosis()
    assert int(values["images dropped"]) > int(values["images processed"]) > 0.5 * seconds / network / 2
    assert int(values["images failed"]) == 0
    third = len(latencies) // 3
    first, last = (float(np.median(part)) for part in (latencies[:third], latencies[-third:]))
    # One image's time in the network and a busy machine's delays; a queue would make it as long as the test is.
    assert last < 3 * network
    assert last < first + network
    assert resident[2] - resident[1] < 4e6, resident


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the open files as Linux does")
def test_a_storm_of_subscribers(make_bench: Callable[..., Bench]) -> None:
    """Dozens come and go while images are processed: nothing fails, stops or is left open."""
    from sensor_msgs.msg import PointCloud2
    from tf2_msgs.msg import TFMessage
    from visualization_msgs.msg import MarkerArray

    from v2v_ros.msg import InferenceStats, SkeletonArray

    bench = make_bench()
    topics = (
        (SkeletonArray, "v2v_pose/skeletons"),
        (MarkerArray, "v2v_pose/markers"),
        (PointCloud2, "v2v_pose/cloud"),
        (InferenceStats, "v2v_pose/stats"),
        (TFMessage, "/tf"),
    )
    over = threading.Event()

    def shoot() -> None:
        while not over.wait(0.01):
            send_picture(bench, bench.camera)

    def storm() -> None:
        for count in range(8):
            several = [
                bench.ros.node.create_subscription(kind, topic, lambda message: None, 1 + count % 10)
                for kind, topic in topics
            ]
            time.sleep(0.005 * (count % 3))
            for one in several:
                bench.ros.node.destroy_subscription(one)

    camera = threading.Thread(target=shoot)
    camera.start()
    try:
        before = open_things()
        for _ in range(6):
            bench.ros.call(storm)
            bench.skeletons.clear()
            bench.ros.wait(lambda: bench.skeletons, what="skeletons after a storm")
        after = open_things()
    finally:
        over.set()
        camera.join()
    assert after <= before + 2
    bench.ros.wait(lambda: bench.ros.node.count_subscribers("/v2v_pose/cloud") == 0)
    _, _, values = bench.wait_diagnosis()
    assert values["images failed"] == "0"
    bench.assert_recovers()


def open_things() -> int:
    """Open files and threads of this process."""
    return sum(1 for folder in ("fd", "task") for _ in Path(f"/proc/self/{folder}").iterdir())


def test_a_storm_of_processes_that_listen(bench: Bench, ros: Ros) -> None:
    """Participants with their own discovery come and go, some without a word."""
    from ros_bench import Ros as Other

    from v2v_ros.msg import SkeletonArray

    def heard_by_all() -> bool:
        bench.send()
        time.sleep(0.02)
        return all(heard)

    for count in range(4):
        others = [Other(ros.domain) for _ in range(3)]
        heard = [other.collect(SkeletonArray, "/v2v_pose/skeletons") for other in others]
        if count % 2:  # half of them leave before they have been told anything
            bench.ros.wait(heard_by_all)
        for other in others:
            other.close()
    bench.ros.wait(lambda: bench.ros.node.count_subscribers("/v2v_pose/skeletons") == 1)
    assert bench.wait_diagnosis()[2]["images failed"] == "0"
    bench.assert_recovers()
