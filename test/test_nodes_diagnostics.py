# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the diagnostics say in every state, and the figures behind them."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time

from v2v_ros.nodes.health.compute import Compute, survey
from v2v_ros.nodes.health.depth_summary import DepthSummary, summarize
from v2v_ros.nodes.health.diagnostics import diagnose, diagnostic_array, values
from v2v_ros.nodes.health.graph import COMPRESSED, IMAGE, INFO, End, Graph
from v2v_ros.nodes.health.input_health import ERROR, OK, STALE, WARN, NodeState, must_look
from v2v_ros.nodes.health.statistics import Statistics, StatisticsSnapshot
from v2v_ros.nodes.support.transport import large_message_remedy

if TYPE_CHECKING:
    from ros_bench import Bench

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
    figures=StatisticsSnapshot(
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

SEES_BOTH = Graph((End(IMAGE, node="/cam"),), (End(INFO, node="/cam"),))
TWO_CAMERAS = Graph((End(IMAGE, node="/cam_b"), End(IMAGE, node="/cam_a")))
POLICIES = (
    "; a topic is named in full, after remapping, and the policies are history, depth, reliability and durability"
)
NO_IMAGES = {"images": 0, "image_silence": 3.0, "image_bytes": 0, "image_rate": 0.0, "processed": 0}
NO_INFOS = {"infos": 0, "info_silence": 3.0, "info_rate": 0.0}
BOTH_MISSING = NO_IMAGES | NO_INFOS
NO_IMAGES_ON = "no depth images on /camera/depth/image_rect for 3.0 s: "
NO_INFO_ON = "images arrive on /camera/depth/image_rect but no camera_info on /camera/depth/camera_info: "
CLOUD = "sensor_msgs/msg/PointCloud2"
ON_CPU = Compute(
    device="cpu",
    runtime="openvino 2026.4 bfloat16",
    weights="hand21_lite (0123456789ab)",
    torch="2.13.0+cpu",
    vectors="AVX512",
    openvino=True,
)
SLOW = {
    "output_rate": 12.0,
    "behind": 25.0,
    "load": 0.9,
    "seconds": {"decode": 0.004, "network": 0.071, "total": 0.083},
}
SHOWS = DepthSummary(min_depth=0.15, max_depth=1.5, valid=0.62, in_range=0.004, nearest=1.483, median=2.345)
NOBODY = {"nothing_in_range": 14.0, "subjects": 0}
NOT_IN_RANGE = (
    "nobody can be found: for 14 s hardly any pixel of the images on /camera/depth/image_rect has been between 0.15 "
    "and 1.5 m (now 0.4 %): "
)
UNIT = "set the parameter depth_unit to the camera's metres a unit (0.001 or 0.00025 or 0.000125 or 0.0001)"
TOO_SLOW = "only 12.0 of 30.0 images per second have been processed for 25 s: "


def without_images(*publishers: End, **topics: str) -> NodeState:
    """Nothing has come; topics of others by name with ``__`` for ``/``."""
    found = {name.replace("__", "/"): kind for name, kind in topics.items()}
    return state(BOTH_MISSING, image_publishers=len(publishers), graph=Graph(publishers, (), found))


def without_infos(*publishers: End, **topics: str) -> NodeState:
    found = {name.replace("__", "/"): kind for name, kind in topics.items()}
    graph = Graph((End(IMAGE, node="/cam"),), publishers, found)
    return state(NO_INFOS, info_publishers=len(publishers), graph=graph)


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
    "nobody publishes": (
        without_images(),
        ERROR,
        (
            NO_IMAGES_ON + "nobody publishes it; is the camera running, with the same ROS_DOMAIN_ID? ",
            "ros2 topic list, and give it as launch argument depth_topic, or remap depth/image_rect to it",
        ),
    ),
    "wrong name": (
        without_images(__cam__depth__image_rect_raw=IMAGE, __cam__color__image_raw=IMAGE),
        ERROR,
        (
            NO_IMAGES_ON + "nobody publishes it; did you mean /cam/depth/image_rect_raw? ",
            "Set the launch argument depth_topic:=/cam/depth/image_rect_raw, or start the node with "
            "--ros-args -r depth/image_rect:=/cam/depth/image_rect_raw",
        ),
    ),
    "only compressed": (
        without_images(__camera__depth__image_rect__compressedDepth=COMPRESSED),
        ERROR,
        (
            "did you mean /camera/depth/image_rect/compressedDepth? Set the launch arguments "
            "depth_topic:=/camera/depth/image_rect depth_transport:=compressedDepth, or start the node with "
            "--ros-args -p depth_transport:=compressedDepth "
            "-r depth/image_rect/compressedDepth:=/camera/depth/image_rect/compressedDepth",
        ),
    ),
    "only raw": (
        replace(
            without_images(__camera__depth__image_rect=IMAGE),
            image_topic="/camera/depth/image_rect/compressedDepth",
            image_name="depth/image_rect/compressedDepth",
            image_input=End(COMPRESSED),
        ),
        ERROR,
        (
            "did you mean /camera/depth/image_rect? Set the launch arguments "
            "depth_topic:=/camera/depth/image_rect depth_transport:=raw, or start the node with "
            "--ros-args -p depth_transport:=raw -r depth/image_rect:=/camera/depth/image_rect",
        ),
    ),
    "wrong type": (
        without_images(End(CLOUD, node="/cam"), __cam__depth__image=IMAGE),
        ERROR,
        (
            NO_IMAGES_ON + "/cam publishes sensor_msgs/msg/PointCloud2 there, but this node reads "
            "sensor_msgs/msg/Image; did you mean /cam/depth/image? Set the launch argument",
        ),
    ),
    "wrong type, no other": (
        without_images(End(CLOUD, node="/cam")),
        ERROR,
        ("/cam publishes sensor_msgs/msg/PointCloud2 there", "Find its topic with: ros2 topic list"),
    ),
    "compressed on the raw topic": (
        without_images(End(COMPRESSED, node="/cam")),
        ERROR,
        (
            "/cam publishes sensor_msgs/msg/CompressedImage there, but this node reads sensor_msgs/msg/Image; start "
            "the node with --ros-args -p depth_transport:=compressedDepth "
            "-r depth/image_rect/compressedDepth:=/camera/depth/image_rect",
        ),
    ),
    "one of two has the right type": (
        without_images(End(CLOUD, node="/other"), End(IMAGE, node="/cam")),
        ERROR,
        ("the publisher is silent (publishers: 2)",),
    ),
    "publisher gone": (
        state({"image_silence": 3.0}, image_publishers=0, graph=Graph()),
        ERROR,
        (NO_IMAGES_ON + "their publisher is gone; start the camera, or the bag, again",),
    ),
    "silent publisher": (
        state({"image_silence": 3.0, "info_silence": 3.0}, graph=SEES_BOTH),
        ERROR,
        (NO_IMAGES_ON + "the publisher is silent (publishers: 1); look at the camera's own log",),
    ),
    "incompatible": (
        replace(without_images(End(IMAGE, "best_effort", "/cam")), image_input=End(IMAGE, "reliable")),
        ERROR,
        (
            NO_IMAGES_ON + "its QoS is incompatible: reliability is best_effort at /cam, reliable at this node; ",
            "start the node with --ros-args -p "
            "qos_overrides./camera/depth/image_rect.subscription.reliability:=best_effort, or make the publisher "
            "reliable",
        ),
    ),
    "one of two is compatible": (
        replace(
            without_images(End(IMAGE, "best_effort", "/cam"), End(IMAGE, "reliable", "/other")),
            image_input=End(IMAGE, "reliable"),
        ),
        ERROR,
        ("the publisher is silent (publishers: 2)",),
    ),
    "all large images lost": (
        state(NO_IMAGES, graph=SEES_BOTH),
        ERROR,
        (NO_IMAGES_ON + "but camera_info arrives on /camera/depth/camera_info (30.0 Hz): ", LARGE_MEMORY),
    ),
    "many large images lost": (
        state({"image_rate": 14.0, "losing": True}),
        WARN,
        (
            "only 14.0 of 30.0 images per second arrive on /camera/depth/image_rect",
            LARGE_MEMORY,
        ),
    ),
    "fewer images than camera_info": (
        state({"image_rate": 5.0}),
        WARN,
        (
            "only 5.0 of 30.0 images per second arrive on /camera/depth/image_rect",
            "they are lost, or throttled on the way; if nothing throttles them, set LARGE_MEMORY for the camera's",
        ),
    ),
    "a failure behind a throttled topic": (
        state({"image_rate": 5.0, "failing": True, "error": "bad"}),
        ERROR,
        ("the last image could not be processed: bad",),
    ),
    "a failure without a clock": (
        state({"failing": True, "error": "bad"}, clock_missing=True),
        ERROR,
        ("the last image could not be processed: bad",),
    ),
    "no camera_info, and few images": (
        state(NO_INFOS | {"image_rate": 5.0, "info_rate": 30.0}),
        ERROR,
        (NO_INFO_ON,),
    ),
    "another frame": (
        state({"frames": ("left", "right"), "frame_since": 1.0}, graph=SEES_BOTH),
        WARN,
        (
            "images on /camera/depth/image_rect come in frame 'left' and in frame 'right': with each change all tracks "
            "are forgotten; give each camera a topic of its own, and a node",
        ),
    ),
    "another frame, some time ago": (state({"frames": ("left", "right"), "frame_since": 9.0}), OK, ("29.5 Hz",)),
    "two cameras": (
        state({"frames": ("left", "right"), "frame_since": 0.1}, graph=TWO_CAMERAS),
        WARN,
        ("in frame 'left' and in frame 'right' from 2 publishers (/cam_a, /cam_b): ",),
    ),
    "two cameras with one frame": (
        state(image_publishers=2, graph=TWO_CAMERAS),
        WARN,
        (
            "images on /camera/depth/image_rect come from 2 publishers (/cam_a, /cam_b): skeletons of one are taken "
            "for those of the other; give each camera a topic of its own, and a node",
        ),
    ),
    "a publisher of something else": (
        state(image_publishers=2, graph=Graph((End(IMAGE, node="/cam"), End(CLOUD, node="/other")))),
        OK,
        ("29.5 Hz",),
    ),
    "camera_info of another frame": (
        state({"info_frame": "color", "image_frame": "depth"}),
        WARN,
        (
            "camera_info on /camera/depth/camera_info is of frame 'color', but the images on /camera/depth/image_rect "
            "are of 'depth': joints are misplaced if that is another camera; remap depth/camera_info",
        ),
    ),
    "overrides without effect": (
        state(untaken=f"given at the start, but without effect: 'qos_overrides.x'{POLICIES}"),
        WARN,
        ("without effect: 'qos_overrides.x'",),
    ),
    "durable": (
        replace(without_infos(End(INFO, "reliable", "/cam")), info_input=End(INFO, durability="transient_local")),
        ERROR,
        (
            NO_INFO_ON + "its QoS is incompatible: durability is volatile at /cam, transient_local at this node; ",
            "qos_overrides./camera/depth/camera_info.subscription.durability:=volatile, or make the publisher tran",
        ),
    ),
    "small images are slower": (state({"image_rate": 14.0, "image_bytes": 9600}), OK, ("14.0 Hz",)),
    "not measured for long": (state({"image_rate": 14.0, "since": 2.0}), OK, ("14.0 Hz",)),
    "Fast DDS with dynamic types": (
        state(NO_IMAGES, middleware="rmw_fastrtps_dynamic_cpp", graph=SEES_BOTH),
        ERROR,
        (LARGE_MEMORY,),
    ),
    "other middleware": (
        state(NO_IMAGES, middleware="rmw_cyclonedds_cpp", graph=SEES_BOTH),
        ERROR,
        ("silent (publishers: 1)",),
    ),
    "small images stop": (
        state({"image_silence": 3.0, "image_bytes": 9600}, graph=SEES_BOTH),
        ERROR,
        ("silent (publishers: 1)",),
    ),
    "no camera_info": (
        state(NO_INFOS | {"failing": True, "error": "no camera_info has come"}, info_publishers=0, graph=Graph()),
        ERROR,
        (
            NO_INFO_ON + "nobody publishes it; remap depth/camera_info to the camera's topic (launch argument "
            "info_topic), or make the camera publish it",
        ),
    ),
    "camera_info beside the image": (
        replace(
            without_infos(__cam__depth__camera_info=INFO, __camera__depths__camera_info=INFO),
            image_topic="/cam/depth/image",
        ),
        ERROR,
        (
            "nobody publishes it; did you mean /cam/depth/camera_info? Set the launch argument "
            "info_topic:=/cam/depth/camera_info, or start the node with "
            "--ros-args -r depth/camera_info:=/cam/depth/camera_info",
        ),
    ),
    "camera_info of another type": (
        without_infos(End(IMAGE, node="/cam")),
        ERROR,
        (NO_INFO_ON + "/cam publishes sensor_msgs/msg/Image there, but this node reads sensor_msgs/msg/CameraInfo; ",),
    ),
    "camera_info incompatible": (
        replace(without_infos(End(INFO, "best_effort", "/cam")), info_input=End(INFO, "reliable")),
        ERROR,
        (
            NO_INFO_ON + "its QoS is incompatible: reliability is best_effort at /cam, reliable at this node; ",
            "qos_overrides./camera/depth/camera_info.subscription.reliability:=best_effort",
        ),
    ),
    "camera_info silent": (
        without_infos(End(INFO, node="/cam")),
        ERROR,
        (NO_INFO_ON + "the publisher is silent (publishers: 1)",),
    ),
    "no clock": (state(clock_missing=True), WARN, ("/clock", "--clock", "use_sim_time")),
    "paused": (state(enabled=False), OK, ("paused by ~/enable",)),
    "idle": (state(wanted=False), OK, ("idle: nobody subscribes",)),
    "hanging": (
        state({"failing": True}, busy=30.0),
        ERROR,
        (
            "an image has been in work for 30 s: the network or its device hangs; look at the machine's load (top, "
            "nvidia-smi), and start the process again if this stays",
        ),
    ),
    "a slow image": (state(busy=3.0), OK, ("29.5 Hz",)),
    "failing": (
        state({"failing": True, "error": "/depth/image_rect: bad", "error_since": 0.1}),
        ERROR,
        ("the last image could not be processed: /depth/image_rect: bad",),
    ),
    "failed": (state({"error": "bad", "error_since": 2.0}), WARN, ("2 s ago", "bad")),
    "failed long ago": (state({"error": "bad", "error_since": 60.0}), OK, ("29.5 Hz",)),
    "some too old": (
        state({"stale_age": 3.0}),
        WARN,
        (
            "images on /camera/depth/image_rect are 3.00 s old and dropped (parameter max_age): when playing a bag, "
            "use --clock and use_sim_time, or set max_age to 0; with a camera, synchronise the clocks",
        ),
    ),
    "all too old": (state({"stale_age": 3600.0, "output_rate": 0.0}), ERROR, ("are 3600.00 s old and dropped",)),
    "stamps since the camera's start": (
        state({"stale_age": 1.7e9, "output_rate": 0.0}),
        ERROR,
        (
            "images on /camera/depth/image_rect are dropped (parameter max_age): their stamps are not the time of day, "
            "but 1700000000 s before it; make the camera's driver stamp with the system's time, set use_sim_time",
        ),
    ),
    "stamps stand still": (
        state({"standstill": 4.0, "output_rate": 0.0}),
        ERROR,
        (
            "images on /camera/depth/image_rect come with one and the same stamp for 4.0 s and are dropped as "
            "duplicates: restart the camera's driver, or whatever publishes /clock",
        ),
    ),
    "a stamp twice": (state({"standstill": 0.03}), OK, ("29.5 Hz",)),
    "future": (
        state({"age": -3.0}),
        WARN,
        (
            "images on /camera/depth/image_rect have stamps 3.0 s in the future: synchronise the clocks of the "
            "camera's machine and this one; when playing a bag, use --clock and use_sim_time",
        ),
    ),
    "simulated time with a camera": (
        state({"age": -1.7e9}, sim_time=True),
        WARN,
        (
            "1700000000.0 s in the future: use_sim_time is true, but the camera stamps with the time of day; "
            "set use_sim_time to false",
        ),
    ),
    "nothing in range": (
        state(NOBODY | {"depth": SHOWS}),
        WARN,
        (
            NOT_IN_RANGE
            + "62.0 % have a depth, the nearest of them is 1.48 m away, the median 2.35 m; come between the "
            "two distances, or set the parameters min_depth and max_depth; if the numbers are wrong, " + UNIT,
        ),
    ),
    "all too far away": (
        state(NOBODY | {"depth": replace(SHOWS, nearest=1.61)}),
        WARN,
        (
            NOT_IN_RANGE + "62.0 % have",
            "come nearer, or set the parameter max_depth higher; if the numbers are wrong, ",
        ),
    ),
    "all too near": (
        state(NOBODY | {"depth": replace(SHOWS, nearest=0.071, median=0.083)}),
        WARN,
        (
            "is 0.071 m away, the median 0.083 m; keep farther away, look for something right before the lens, or set "
            "the parameter min_depth lower; if the numbers are wrong, ",
        ),
    ),
    "another unit": (
        state(NOBODY | {"depth": replace(SHOWS, nearest=480.0, median=1220.0), "doubt": "depth_unit? With 0.001"}),
        WARN,
        ("images on /camera/depth/image_rect: depth_unit? With 0.001",),
    ),
    "another byte order": (
        state({"doubt": "is_bigendian seems to be wrong, which makes noise of the depths: the driver must correct it"}),
        WARN,
        ("images on /camera/depth/image_rect: is_bigendian",),
    ),
    "a covered lens": (
        state(NOBODY | {"depth": DepthSummary(0.15, 1.5, 0.002, 0.001, 0.2, 0.3)}),
        WARN,
        (
            NOT_IN_RANGE.replace("0.4 %", "0.1 %")
            + "hardly any pixel has a depth at all (0.2 %); uncover or clean the "
            "lens and the projector, keep the distance that the camera needs, and look for sunlight, glass and black",
        ),
    ),
    "nothing in range for a moment": (state(NOBODY | {"nothing_in_range": 9.0, "depth": SHOWS}), OK, ("0 skeletons",)),
    "network too slow": (
        state(SLOW, compute=ON_CPU),
        WARN,
        (
            TOO_SLOW + "network takes 71.0 of 83.0 ms; set the parameter threads to the number of free cores, or use a "
            "machine with a GPU, or lower the camera's rate",
        ),
    ),
    "network too slow, large weights and no OpenVINO": (
        state(SLOW, compute=replace(ON_CPU, weights="mine (1)", runtime="torch 2.13 bfloat16", openvino=False)),
        WARN,
        (
            TOO_SLOW + "network takes 71.0 of 83.0 ms; take the lite weights (parameter weights), or install OpenVINO "
            "(pip install openvino onnx) and set the parameter runtime to auto, or set the parameter threads",
        ),
    ),
    "network too slow, GPU not asked for": (
        state(SLOW, compute=replace(ON_CPU, gpu=True, cuda=True, asked_device="cpu")),
        WARN,
        ("set the parameter device to auto for the GPU",),
    ),
    "network too slow on a GPU": (
        state(SLOW, compute=replace(ON_CPU, device="cuda:0", gpu=True, cuda=True)),
        WARN,
        (TOO_SLOW + "network takes 71.0 of 83.0 ms; lower the camera's rate",),
    ),
    "decoding too slow": (
        state(SLOW | {"seconds": {"decode": 0.07, "network": 0.005, "total": 0.08}}),
        WARN,
        ("decode takes 70.0 of 80.0 ms; let the camera send smaller images, or raw instead of compressed ones",),
    ),
    "searching too slow": (
        state(SLOW | {"seconds": {"locate": 0.07, "network": 0.005, "total": 0.08}}),
        WARN,
        ("locate takes 70.0 of 80.0 ms; let the camera send smaller images, or set max_depth lower",),
    ),
    "publishing too slow": (
        state(SLOW | {"seconds": {"publish": 0.07, "network": 0.005, "total": 0.08}}),
        WARN,
        ("publish takes 70.0 of 80.0 ms; unsubscribe from ~/cloud and ~/markers, or set publish_tf to false",),
    ),
    "voxelizing too slow": (
        state(SLOW | {"seconds": {"voxelize": 0.07, "network": 0.005, "total": 0.08}}),
        WARN,
        ("voxelize takes 70.0 of 80.0 ms; let the camera send smaller images, or lower its rate",),
    ),
    "too slow, but not busy": (
        state(SLOW | {"load": 0.3}),
        WARN,
        (TOO_SLOW + "other programs keep the CPU busy; end some of them, or lower the camera's rate",),
    ),
    "slow for a moment": (state(SLOW | {"behind": 6.0}), OK, ("12.0 Hz of 30.0 Hz",)),
    "PyTorch without CUDA beside a GPU": (
        state(compute=replace(ON_CPU, gpu=True)),
        WARN,
        (
            "the network runs on the CPU although this machine has an NVIDIA GPU: PyTorch 2.13.0+cpu is built for "
            "CPUs; install a wheel built for CUDA (+cu in its version; on x86_64 Linux the default one: pip install "
            "--force-reinstall torch==2.13.0 with PIP_EXTRA_INDEX_URL unset), or set the parameter device to cpu",
        ),
    ),
    "PyTorch with CUDA beside a GPU that it cannot use": (
        state(compute=replace(ON_CPU, gpu=True, torch="2.13.0+cu128", torch_cuda="12.8")),
        WARN,
        (
            "although this machine has an NVIDIA GPU: PyTorch 2.13.0+cu128 (for CUDA 12.8) cannot use it; update the "
            "GPU's driver, start the container with --gpus all, or set the parameter device to cpu",
        ),
    ),
    "the CPU was asked for": (state(compute=replace(ON_CPU, gpu=True, asked_device="cpu")), OK, ("29.5 Hz",)),
    "no GPU": (state(compute=ON_CPU), OK, ("29.5 Hz",)),
    "the device failed": (
        state(lost_device="cuda:0 failed (out of memory)"),
        WARN,
        ("the network runs on the CPU since cuda:0 failed (out of memory); when the device is usable again: ",),
    ),
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


def refused_frames() -> list[str]:
    """What is said about camera_info and images that cannot be used."""
    from sensor_msgs.msg import CameraInfo, Image

    from v2v_ros.geometry.distortion import Rectifier
    from v2v_ros.nodes.pose.inputs import FrameError, decode, rectified

    good = {"width": 80, "height": 60}
    lens = {**good, "k": [60.0, 0.0, 40.0, 0.0, 60.0, 30.0, 0.0, 0.0, 1.0], "distortion_model": "plumb_bob"}

    def read(info: CameraInfo) -> None:
        rectified(Rectifier("/image"), np.ones((60, 80), np.float32), info, True, "/camera_info")

    actions: list[Callable[[], Any]] = [
        lambda: read(CameraInfo(**good)),
        lambda: read(CameraInfo(**good, k=[math.nan] * 9)),
        lambda: read(CameraInfo(width=640, height=480)),
        lambda: read(CameraInfo(**good, k=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])),
        lambda: read(CameraInfo(**lens, d=[math.nan] * 5)),
        lambda: read(CameraInfo(**lens, d=[1e9] * 5)),
        lambda: decode(Image(encoding="rgb8"), "/image", 0.0),
    ]
    texts = []
    for action in actions:
        with pytest.raises(FrameError) as caught:
            action()
        texts.append(str(caught.value))
    return texts


def test_the_page_on_troubles_lists_every_message_with_its_level() -> None:
    page = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    levels = {"OK": OK, "WARN": WARN, "ERROR": ERROR, "STALE": STALE}
    listed = [
        ({levels[name] for name in names.split(" or ")}, ".*".join(map(re.escape, text.split("…"))))
        for names, text in re.findall(r"^(?:\|[^|]*\| )?((?:OK|WARN|ERROR|STALE)(?: or \w+)?) `([^`]+)`", page, re.M)
    ]
    assert len(listed) > 30
    said = [diagnose(given) for given, _, _ in CASES.values() if not given.failure]  # a failure has any text
    said.append(diagnose(state(lifecycle="finalized")))
    headers = (  # see test_nodes_bad_inputs
        "/image: the images have no time stamp (it is 0): the driver must set it",
        "/image: the images have no frame_id (it is empty): the driver must set it",
    )
    said += [diagnose(state({"failing": True, "error": text})) for text in (*refused_frames(), *headers)]
    for level, message in said:
        assert any(level in those and re.fullmatch(text, message) for those, text in listed), (level, message)
    for those, text in listed:
        assert any(level in those and re.fullmatch(text, message) for level, message in said), (those, text)


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


def test_the_values_say_why_nobody_is_found() -> None:
    found = values(state({"depth": SHOWS, "best_detection": 0.374}))
    assert found["best detection score"] == "0.37"
    assert (found["valid pixels (%)"], found["pixels in range (%)"]) == ("62.0", "0.4")
    assert (found["min_depth (m)"], found["max_depth (m)"]) == ("0.15", "1.50")
    assert (found["nearest distance p1 (m)"], found["median distance (m)"]) == ("1.48", "2.35")
    unknown = values(state())
    assert {unknown[name] for name in found if "pixels" in name or "distance" in name or "best" in name} == {""}


def test_unknown_figures_are_empty_not_nan() -> None:
    (status,) = diagnostic_array(state({"age": math.nan}), Time()).status
    assert {pair.key: pair.value for pair in status.values}["input age p50 (ms)"] == ""


def test_the_graph_is_needed_only_when_something_is_missing() -> None:
    assert not must_look(HEALTHY.figures, 1.0)
    assert must_look(replace(HEALTHY.figures, image_silence=1.1), 1.0)
    assert must_look(replace(HEALTHY.figures, frame_since=1.1), 1.0)
    assert must_look(replace(HEALTHY.figures, infos=0, info_silence=1.1), 1.0)
    assert not must_look(replace(HEALTHY.figures, info_silence=60.0), 1.0)  # it came once, which serves


def test_the_values_name_other_depth_topics_and_what_could_be_faster() -> None:
    given = without_images(__b__depth__image=IMAGE, __camera__depth__image=IMAGE, __camera__rgb__image=IMAGE)
    assert values(given)["other depth topics"] == "/camera/depth/image, /b/depth/image"
    assert "other depth topics" not in values(HEALTHY)

    slow = replace(ON_CPU, runtime="torch 2.13 bfloat16")
    cases = {
        "": ON_CPU,
        "OpenVINO runs networks faster on this CPU: set the parameter runtime to auto": slow,
        "OpenVINO runs networks faster on this CPU: install OpenVINO (pip install openvino onnx) and set the "
        "parameter runtime to auto": replace(slow, openvino=False),
    }
    for text, compute in cases.items():
        assert values(state(compute=compute)).get("hint (runtime)", "") == text
    assert "hint (runtime)" not in values(state(compute=replace(slow, vectors="AVX2")))
    assert "hint (runtime)" not in values(state(compute=replace(slow, device="cuda:0")))
    found = values(state(compute=replace(ON_CPU, gpu=True, asked_device="cpu")))["hint (GPU)"]
    assert found == "this machine has an NVIDIA GPU; it is not used because the parameter device is cpu"


def test_the_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    import torch

    from v2v_ros.nodes.health import compute

    def look(program: str | None, cuda: bool) -> Compute:
        compute._machine.cache_clear()
        monkeypatch.setattr(shutil, "which", lambda name: program if name == "nvidia-smi" else None)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        return survey({"device": "cpu", "runtime": "torch", "weights": "w"}, "auto")

    try:
        found = look("/usr/bin/nvidia-smi", cuda=False)
        assert found.gpu and not found.cuda
        assert found.torch == torch.__version__
        assert found.device == "cpu"
        assert look("/usr/bin/nvidia-smi", cuda=True).cuda
        if not list(Path("/dev").glob("nvidia[0-9]*")):
            assert not look(None, cuda=False).gpu
    finally:
        compute._machine.cache_clear()
    assert survey({}, "auto").device == ""


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
            statistics.processed(0.010 + 0.001 * (index % 3), {"network": 0.004, "total": 0.02}, subjects=2)
    statistics.duplicate()
    figures = statistics.figures()
    assert (figures.images, figures.infos, figures.processed, figures.duplicates) == (200, 200, 100, 1)
    assert figures.image_rate == pytest.approx(20, rel=0.02)
    assert figures.output_rate == pytest.approx(10, rel=0.02)
    assert figures.age == pytest.approx(0.011)
    assert figures.transport == (0.004, 0.006, 0.006)  # of the images whose age was known
    assert figures.seconds == {"network": 0.004, "total": 0.02}
    assert figures.load == pytest.approx(0.2, rel=0.05)  # 10 Hz, 20 ms
    assert figures.subjects == 2
    assert figures.image_silence == 0
    clock.now += 7
    figures = statistics.figures()
    assert figures.image_silence == pytest.approx(7)
    assert (figures.image_rate, figures.output_rate) == (0, 0)
    assert math.isnan(figures.age)


def test_a_depth_image_is_summarized() -> None:
    depth = np.full((480, 640), np.nan, np.float32)
    depth[:, :320] = np.linspace(1.0, 2.0, 480, dtype=np.float32)[:, None]
    depth[0, 0] = depth[17, 5] = 0.01  # single wrong pixels
    found = summarize(depth, 0.5, 1.25)
    assert (found.min_depth, found.max_depth) == (0.5, 1.25)
    assert found.valid == pytest.approx(0.5, abs=0.02)
    assert found.in_range == pytest.approx(0.125, abs=0.02)
    assert found.nearest == pytest.approx(1.01, abs=0.02) and found.median == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize(("shape", "value"), [((1, 1), 0.7), ((3, 700), 0.7), ((60, 80), np.nan), ((480, 640), np.inf)])
def test_images_of_every_size_and_without_depth_are_summarized(shape: tuple[int, int], value: float) -> None:
    found = summarize(np.full(shape, value, np.float32), 0.15, 1.5)
    seen = np.isfinite(value)
    assert (found.valid, found.in_range) == (float(seen), float(seen))
    assert math.isfinite(found.nearest) == math.isfinite(found.median) == seen


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (2160, 3840)])
def test_the_summary_sees_images_in_which_pixels_are_missing_regularly(size: tuple[int, int]) -> None:
    for step, phase in ((2, 1), (3, 0), (4, 3), (8, 5)):
        for part in (np.s_[phase::step], np.s_[:, phase::step]):
            depth = np.full(size, np.nan, np.float32)
            depth[part] = 0.8
            assert summarize(depth, 0.15, 1.5).valid == pytest.approx(1 / step, abs=0.04)


def test_a_few_images_a_second_are_summarized() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    summarized = 0
    for _ in range(300):  # 30 Hz for 10 s
        clock.now += 1 / 30
        if statistics.summary_is_due:
            summarized += 1
            statistics.summarized(SHOWS)
    assert 40 <= summarized <= 51
    assert statistics.figures().depth == SHOWS
    clock.now += 5.1  # of silence: what was seen is no longer so
    assert math.isnan(statistics.figures().depth.valid)


def test_statistics_tell_for_how_long_hardly_anything_has_been_in_range() -> None:
    clock = Clock()
    statistics = Statistics(clock)

    def look(seconds: float, summary: DepthSummary, subjects: int = 0) -> float:
        for _ in range(round(2 * seconds)):
            clock.now += 0.5
            statistics.summarized(summary)
            statistics.processed(0.0, {}, subjects)
        return statistics.figures().nothing_in_range

    full = replace(SHOWS, in_range=0.2)
    assert look(20, full) == 0
    assert look(12, SHOWS) == pytest.approx(11.5)
    assert look(0.5, full) == 0
    assert look(12, SHOWS, subjects=1) == 0  # a hand far away is few pixels
    assert look(5, SHOWS) == pytest.approx(5, abs=0.5)
    clock.now += 60  # nobody looked
    assert statistics.figures().nothing_in_range == 0
    assert look(5, SHOWS) == pytest.approx(4.5)


def test_statistics_keep_the_score_of_the_last_search_for_a_while() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    assert math.isnan(statistics.figures().best_detection)
    statistics.processed(0.0, {}, subjects=0, best_detection=0.4)
    statistics.processed(0.0, {}, subjects=1)  # followed, not searched
    assert statistics.figures().best_detection == 0.4
    clock.now += 6
    assert math.isnan(statistics.figures().best_detection)


@pytest.mark.parametrize(
    ("sent", "losing"),
    [
        (lambda index: True, False),
        (lambda index: index % 6 == 0, False),  # throttled to 5 Hz
        (lambda index: index % 3 != 0, False),  # to 20 Hz
        (lambda index: int(index / 3.7) != int((index - 1) / 3.7), False),  # to 8.1 Hz
        (lambda index: random.Random(index).random() < 0.28, True),  # 72 % lost, by chance
        (lambda index: random.Random(index).random() < 0.7, True),
        (lambda index: index % 75 == 0, False),  # too few to tell
    ],
)
def test_only_stamps_prove_that_images_are_lost(sent: Callable[[int], bool], losing: bool) -> None:
    clock = Clock()
    statistics = Statistics(clock)
    for index in range(300):
        clock.now += 1 / 30
        statistics.info_received(clock.now)
        if sent(index):
            statistics.image_received(100, 0.0, clock.now)
    assert statistics.figures().losing is losing


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


def feed(statistics: Statistics, clock: Clock, seconds: float, every: int, skip: Any = None) -> StatisticsSnapshot:
    """30 images a second, of which each so-manieth is processed and the others are skipped; figures once a second."""
    figures = statistics.figures()
    for index in range(round(30 * seconds)):
        clock.now += 1 / 30
        statistics.image_received(100, 0.0)
        if index % every == 0:
            statistics.processed(0.0, {"network": 0.05}, subjects=1)
        elif skip is not None:
            skip()
        if index % 30 == 29:
            figures = statistics.figures()
    return figures


def test_statistics_tell_for_how_long_the_node_has_been_behind() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    assert feed(statistics, clock, 20, every=1).behind == 0
    assert feed(statistics, clock, 20, every=3).behind == pytest.approx(18, abs=2)
    assert feed(statistics, clock, 20, every=1).behind == 0
    # Images that nobody could process are no sign of slowness.
    for skip in (statistics.duplicate, statistics.stale, lambda: statistics.failed("bad")):
        assert feed(statistics, clock, 20, every=3, skip=skip).behind == 0
    # Nor is a pause.
    assert feed(statistics, clock, 20, every=10**6).behind == 0


def test_statistics_tell_for_how_long_the_stamp_has_stood_still() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    statistics.processed(0.0, {}, subjects=0)
    for _ in range(5):
        clock.now += 0.5
        statistics.duplicate()
    assert statistics.figures().standstill == pytest.approx(2.0)
    clock.now += 60  # of silence, which is another matter
    assert statistics.figures().standstill == pytest.approx(2.0)
    statistics.processed(0.0, {}, subjects=0)
    assert statistics.figures().standstill == 0


def test_the_node_says_what_its_images_show(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v2v_ros.nodes.health.diagnostics._LASTING", 0.3)  # seconds
    bench.send()
    _, _, found = bench.wait_values(lambda values: values["valid pixels (%)"] != "")
    share = 100 * 20 * 20 / (60 * 80)
    assert float(found["valid pixels (%)"]) == pytest.approx(share, abs=1)
    assert float(found["pixels in range (%)"]) == pytest.approx(share, abs=1)
    assert float(found["median distance (m)"]) == pytest.approx(0.45, abs=0.01)
    assert (found["min_depth (m)"], found["max_depth (m)"], found["best detection score"]) == ("0.15", "1.50", "")

    def warned() -> bool:
        bench.send(data=bench.blank())
        bench.ros.wait(lambda: bench.wait_diagnosis()[2]["images received"] != "0")
        return bench.wait_diagnosis()[1].startswith("nobody can be found")

    bench.ros.wait(warned)
    level, message, found = bench.wait_diagnosis("nobody can be found")
    assert level == WARN and "hardly any pixel has a depth at all (0.0 %); uncover" in message
    assert (found["valid pixels (%)"], found["median distance (m)"]) == ("0.0", "")
    bench.assert_recovers()


def test_a_slow_camera_is_not_silent_between_its_images() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    statistics.info_received()
    for _ in range(4):
        clock.now += 5.0
        statistics.image_received(100, 0.0)
    clock.now += 5.0
    assert statistics.figures().image_period == 5.0
    assert not must_look(statistics.figures(), 1.0)
    clock.now += 8.0
    assert must_look(statistics.figures(), 1.0)
    for _ in range(4):
        clock.now += 100.0
        statistics.image_received(100, 0.0)
    clock.now += 30.0  # a camera that sends hardly anything is silent
    assert must_look(statistics.figures(), 1.0)
    assert diagnose(state({"image_silence": 3.0, "image_period": 2.0}))[0] == OK
    assert diagnose(state({"image_rate": 0.0, "info_rate": 0.2}))[0] == OK  # one more of five seconds proves nothing
