"""What the diagnostics say in every state, and the figures behind them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time

from v2v_ros.nodes.diagnostics import (
    ERROR,
    OK,
    STALE,
    WARN,
    NodeState,
    diagnose,
    diagnostic_array,
)
from v2v_ros.nodes.statistics import Figures, Statistics
from v2v_ros.nodes.transport import large_message_remedy

HEALTHY = NodeState(
    node="/v2v_pose",
    lifecycle="active",
    image_topic="/camera/depth/image_rect",
    info_topic="/camera/depth/camera_info",
    image_publishers=1,
    info_publishers=1,
    middleware="rmw_fastrtps_cpp",
    remedy="set LARGE_MEMORY",
    patience=1.0,
    figures=Figures(
        since=20.0,
        images=600,
        infos=600,
        processed=590,
        image_rate=30.0,
        info_rate=30.0,
        output_rate=29.5,
        image_bytes=614400,
        age=0.02,
        seconds={"network": 0.0042},
        subjects=1,
    ),
    info={"device": "cuda:0"},
)


def state(figures: dict[str, Any] | None = None, **changes: Any) -> NodeState:
    return replace(HEALTHY, figures=replace(HEALTHY.figures, **(figures or {})), **changes)


LARGE_MEMORY = "Fast DDS loses large messages; set LARGE_MEMORY for the camera's process"

CASES: dict[str, tuple[NodeState, bytes, tuple[str, ...]]] = {
    "healthy": (state(), OK, ("29.5 Hz of 30.0 Hz, 1 skeleton",)),
    "nobody": (state({"subjects": 0}), OK, ("0 skeletons",)),
    "failure": (
        state(lifecycle="unconfigured", failure="no weights named 'x' are shipped"),
        ERROR,
        ("no weights named 'x'",),
    ),
    "inactive": (state(lifecycle="inactive"), STALE, ("inactive", "ros2 lifecycle set /v2v_pose activate")),
    "unconfigured": (state(lifecycle="unconfigured"), STALE, ("ros2 lifecycle set /v2v_pose configure",)),
    "no publisher": (
        state({"image_silence": 3.0}, image_publishers=0),
        ERROR,
        (
            "no depth images on /camera/depth/image_rect for 3.0 s",
            "is the camera running, and is the topic right? (publishers: 0",
            "remap depth/image_rect to it",
        ),
    ),
    "silent publisher": (
        state({"image_silence": 3.0, "info_silence": 3.0}),
        ERROR,
        ("for 3.0 s", "silent (publishers: 1)"),
    ),
    "incompatible": (
        state({"image_silence": 3.0}, incompatible="reliability"),
        ERROR,
        (
            "incompatible QoS (reliability)",
            "qos_overrides./camera/depth/image_rect.subscription.reliability",
        ),
    ),
    "all large images lost": (
        state({"images": 0, "image_silence": 3.0, "image_bytes": 0, "image_rate": 0.0}),
        ERROR,
        ("no depth images", "but camera_info arrives on /camera/depth/camera_info (30.0 Hz)", LARGE_MEMORY),
    ),
    "many large images lost": (
        state({"image_rate": 14.0}),
        WARN,
        (
            "only 14.0 of 30.0 images per second arrive on /camera/depth/image_rect",
            LARGE_MEMORY,
        ),
    ),
    "small images are slower": (state({"image_rate": 14.0, "image_bytes": 9600}), OK, ("14.0 Hz",)),
    "not measured for long": (state({"image_rate": 14.0, "since": 2.0}), OK, ("14.0 Hz",)),
    "other middleware": (
        state({"image_silence": 3.0, "image_bytes": 0}, middleware="rmw_cyclonedds_cpp"),
        ERROR,
        ("silent (publishers: 1)",),
    ),
    "small images stop": (
        state({"image_silence": 3.0, "image_bytes": 9600}),
        ERROR,
        ("silent (publishers: 1)",),
    ),
    "no camera_info": (
        state({"infos": 0, "info_silence": 5.0, "failing": True, "error": "..."}, info_publishers=0),
        ERROR,
        (
            "images arrive on /camera/depth/image_rect but no camera_info on /camera/depth/camera_info",
            "(publishers: 0)",
            "remap depth/camera_info",
        ),
    ),
    "no clock": (state(clock_missing=True), WARN, ("/clock", "--clock", "use_sim_time")),
    "paused": (state(enabled=False), OK, ("paused by ~/enable",)),
    "idle": (state(wanted=False), OK, ("idle: nobody subscribes",)),
    "failing": (
        state({"failing": True, "error": "/depth/image_rect: bad", "error_since": 0.1}),
        ERROR,
        ("the last image could not be processed: /depth/image_rect: bad",),
    ),
    "failed": (state({"error": "bad", "error_since": 2.0}), WARN, ("2 s ago", "bad")),
    "failed long ago": (state({"error": "bad", "error_since": 60.0}), OK, ("29.5 Hz",)),
    "too old": (
        state({"stale_age": 3600.0}),
        WARN,
        ("3600.00 s old", "max_age", "--clock", "use_sim_time"),
    ),
    "future": (state({"age": -3.0}), WARN, ("3.0 s in the future", "synchronise the clocks")),
    "slightly in the future": (state({"age": -0.1}), OK, ("29.5 Hz",)),
    "first image": (state({"processed": 0, "images": 0, "infos": 0}), OK, ("waiting for the first image",)),
}


@pytest.mark.parametrize("name", CASES)
def test_level_and_message(name: str) -> None:
    given, level, texts = CASES[name]
    actual, message = diagnose(given)
    assert actual == level, message
    for text in texts:
        assert text in message
    assert "{" not in message


def test_the_message_has_all_that_is_asked_for_in_support() -> None:
    array = diagnostic_array(state(dropped=7, failed=3), Time(sec=5))
    (status,) = array.status
    values = {pair.key: pair.value for pair in status.values}
    assert array.header.stamp.sec == 5
    assert status.name == "v2v_pose: depth to skeletons"
    assert status.hardware_id == "cuda:0"
    assert values["lifecycle state"] == "active"
    assert (values["images received"], values["images processed"]) == ("600", "590")
    assert (values["images dropped"], values["images failed"]) == ("7", "3")
    assert (values["rate in (Hz)"], values["rate out (Hz)"]) == ("30.0", "29.5")
    assert values["input age p50 (ms)"] == "20.0"
    assert values["network p50 (ms)"] == "4.2"
    assert values["skeletons"] == "1"
    assert values["depth topic"] == "/camera/depth/image_rect (publishers: 1)"


def test_unknown_figures_are_empty_not_nan() -> None:
    (status,) = diagnostic_array(state({"age": math.nan}), Time()).status
    assert {pair.key: pair.value for pair in status.values}["input age p50 (ms)"] == ""


class Clock:
    """Time for a test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_statistics_count_and_measure() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    for index in range(200):  # 20 Hz for 10 s
        clock.now += 0.05
        statistics.image_received(100, math.nan if index % 2 else 0.001 * (index % 8))
        statistics.info_received()
        if index % 2:
            statistics.processed(0.010 + 0.001 * (index % 3), {"network": 0.004}, subjects=2)
    statistics.duplicate()
    figures = statistics.figures()
    assert (figures.images, figures.infos, figures.processed, figures.duplicates) == (200, 200, 100, 1)
    assert figures.image_rate == pytest.approx(20, rel=0.02)
    assert figures.output_rate == pytest.approx(10, rel=0.02)
    assert figures.age == pytest.approx(0.011)
    assert figures.transport == (0.004, 0.006, 0.006)  # of the images whose age was known
    assert figures.seconds == {"network": 0.004}
    assert figures.subjects == 2
    assert figures.image_silence == 0
    clock.now += 7
    figures = statistics.figures()
    assert figures.image_silence == pytest.approx(7)
    assert (figures.image_rate, figures.output_rate) == (0, 0)
    assert math.isnan(figures.age)


def test_statistics_remember_the_last_failure() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    assert statistics.figures().error_since == math.inf
    statistics.failed("bad")
    clock.now += 2
    assert (statistics.figures().error, statistics.figures().failing) == ("bad", True)
    statistics.processed(0.0, {}, subjects=0)
    figures = statistics.figures()
    assert (figures.error, figures.error_since, figures.failing) == ("bad", 2.0, False)


def test_silence_counts_from_the_beginning() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    clock.now += 3
    assert statistics.figures().image_silence == 3
    assert statistics.figures().info_silence == 3


def test_the_remedy_for_large_images_fits_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    jazzy = 'set FASTDDS_BUILTIN_TRANSPORTS="DEFAULT?sockets_size=4MB"'
    assert large_message_remedy() == jazzy
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    confined = large_message_remedy()
    assert confined.startswith("unset ROS_AUTOMATIC_DISCOVERY_RANGE, which makes Fast DDS ignore")
    assert confined.endswith(jazzy)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "0")
    assert large_message_remedy() == jazzy
    monkeypatch.setenv("ROS_DISTRO", "humble")  # its Fast DDS does not know the variable
    assert "config/fastdds.xml" in large_message_remedy()
    assert (Path(__file__).parents[1] / "config" / "fastdds.xml").is_file()
