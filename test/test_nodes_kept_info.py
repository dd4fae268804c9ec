# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""camera_info that was published once, and QoS overrides by parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from v2v_ros.nodes.overlay_node import OverlayNode
from v2v_ros.nodes.support.transport import latched, reliable
from v2v_ros.nodes.synthetic_camera_node import camera_info

if TYPE_CHECKING:
    from ros_bench import Bench, Ros

MakeBench = Callable[..., "Bench"]


def publish_once(ros: Ros) -> Any:
    """A camera that publishes its camera_info when it starts, and never again."""
    from ros_bench import CAMERA
    from std_msgs.msg import Header

    infos = ros.publisher(CameraInfo, "depth/camera_info", latched())
    infos.publish(camera_info(Header(frame_id="camera_optical"), CAMERA))
    return infos


def test_camera_info_that_was_published_before_the_node_started_arrives(
    ros: Ros, make_bench: MakeBench, capfd: pytest.CaptureFixture[str]
) -> None:
    publish_once(ros)
    bench = make_bench()
    ros.call(lambda: ros.node.destroy_publisher(bench.infos))

    def answered() -> bool:
        bench.images.publish(bench.make_image(bench.header()))
        return len(bench.skeletons) > 1

    ros.wait(answered, what="skeletons")
    bench.wait_diagnosis("1 skeleton")
    ros.call(bench.node.trigger_deactivate)
    ros.call(bench.node.trigger_activate)
    before = len(bench.skeletons)
    ros.wait(lambda: answered() and len(bench.skeletons) > before, what="skeletons after another activation")
    assert "DURABILITY" not in capfd.readouterr().err


def test_no_publisher_is_asked_for_what_it_does_not_keep(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.ros.call(bench.node._look_for_kept_info)
    assert bench.node._kept is None
    bench.send()
    bench.ros.wait(lambda: bench.skeletons)
    assert "incompatible QoS" not in capfd.readouterr().err


def test_the_overlay_hears_it_too(ros: Ros) -> None:
    publish_once(ros)
    overlay = ros.add(OverlayNode(context=ros.context))
    ros.collect(Image, "v2v_overlay/image")
    ros.wait(lambda: not overlay._infos.empty, what="camera_info")


OVERRIDE = "qos_overrides./depth/camera_info.subscription"


def test_durability_can_be_overridden_and_is_named_where_it_does_not_fit(make_bench: MakeBench) -> None:
    durable = {f"{OVERRIDE}.durability": "transient_local", f"{OVERRIDE}.reliability": "reliable"}
    bench = make_bench(connect=False, **durable)
    bench.ros.wait(lambda: bench.images.get_subscription_count() and bench.diagnostics)
    bench.ros.call(lambda: bench.node.set_parameters([Parameter("camera_info_timeout", value=0.3)]))

    def said() -> bool:
        bench.images.publish(bench.make_image(bench.header()))
        return "no camera_info on" in bench.diagnostics[-1].status[0].message

    bench.ros.wait(said)
    bench.wait_diagnosis(
        "its QoS is incompatible: durability is volatile at /test, transient_local at this node; start the node with "
        f"--ros-args -p {OVERRIDE}.durability:=volatile"
    )


def test_overrides_that_nobody_took_are_named(make_bench: MakeBench, capfd: pytest.CaptureFixture[str]) -> None:
    bench = make_bench(**{f"{OVERRIDE}.relaibility": "reliable", f"{OVERRIDE}.depth": 2})
    bench.send()
    level, _, _ = bench.wait_diagnosis(
        f"given at the start, but without effect: '{OVERRIDE}.relaibility' (did you mean '{OVERRIDE}.reliability'?); "
    )
    assert level == b"\x01"
    assert "relaibility" in capfd.readouterr().err


def test_the_overlay_names_them_too(ros: Ros, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = [Parameter("qos_overrides./depht/image_rect.subscription.depth", value=2)]
    ros.add(OverlayNode(context=ros.context, parameter_overrides=wrong))
    ros.collect(Image, "v2v_overlay/image", reliable())
    log = ""

    def said() -> bool:
        nonlocal log
        log += capfd.readouterr().err
        return "without effect: 'qos_overrides./depht/image_rect.subscription.depth' (did you mean" in log

    ros.wait(said)
