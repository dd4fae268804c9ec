# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pose node in a process with the test: what it publishes, what it drops, and how it is steered."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_bench import Bench, Ros

START = 1000.0  # seconds; a stamp


def names_of(bench: Bench) -> tuple[set[str], set[str]]:
    """Topics that the pose node publishes and subscribes to."""
    node, owner = bench.ros.node, ("v2v_pose", "/")
    published = {name for name, _ in node.get_publisher_names_and_types_by_node(*owner)}
    subscribed = {name for name, _ in node.get_subscriber_names_and_types_by_node(*owner)}
    return published, subscribed


def has_come(bench: Bench, stamp: float) -> Callable[[], bool]:
    return lambda: bench.results()[-1:] == [pytest.approx(stamp)]


def stop_listening(bench: Bench) -> None:
    """Unsubscribe from the skeletons."""
    subscription = next(one for one in bench.ros.node.subscriptions if one.topic_name == "/v2v_pose/skeletons")
    bench.ros.call(lambda: bench.ros.node.destroy_subscription(subscription))
    bench.ros.wait(lambda: bench.ros.node.count_subscribers("/v2v_pose/skeletons") == 0)


def received(images: int) -> Callable[[dict[str, str]], bool]:
    return lambda values: values["images received"] == str(images)


def set_parameter(bench: Bench, name: str, value: Any) -> Any:
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return bench.ros.request(SetParameters, "v2v_pose/set_parameters", request).results[0]


def test_skeletons_come_with_the_header_of_the_image(bench: Bench) -> None:
    header = bench.send()
    message = bench.ros.wait(lambda: bench.skeletons)[0]
    assert message.header == header
    assert message.skeleton == "hand21"
    one = message.skeletons[0]
    assert (one.id, one.kind, one.side) == ("hand_1", one.HAND, one.RIGHT)
    assert len(one.points) == len(one.scores) == 21
    assert len(one.covariances) == 6 * 21
    assert np.isnan([one.points[3].x, one.covariances[18]]).all()
    assert one.scores[3] == 0
    assert one.points[0].z == pytest.approx(0.45, abs=0.01)


def test_skeletons_are_moved_on_to_the_time_of_publishing(bench: Bench) -> None:
    """The stand-in's hand moves at 0.5 m/s; the image is 60 ms old when it comes."""
    assert set_parameter(bench, "predict_to_now", True).successful
    header = bench.send(time.time() - 0.06)
    message = bench.ros.wait(lambda: bench.skeletons)[0]
    stamps = [each.stamp.sec + 1e-9 * each.stamp.nanosec for each in (header, message.header)]
    elapsed = stamps[1] - stamps[0]
    assert 0.06 <= elapsed <= 0.1 + 1e-6 and message.header.frame_id == header.frame_id
    one = message.skeletons[0]
    assert one.points[0].x == pytest.approx(0.5 * elapsed, abs=1e-4)
    assert one.velocities[0].x == 0.5 and np.isnan(one.velocities[3].x)
    assert set_parameter(bench, "predict_to_now", False).successful
    header = bench.send(time.time() - 0.06)
    bench.ros.wait(lambda: len(bench.skeletons) == 2)
    assert bench.skeletons[1].header == header and bench.skeletons[1].skeletons[0].points[0].x == 0.0


def test_info_is_latched(bench: Bench) -> None:
    from v2v_ros.msg import SkeletonInfo
    from v2v_ros.nodes.support.transport import latched

    infos = bench.ros.collect(SkeletonInfo, "v2v_pose/info", latched())
    info = bench.ros.wait(lambda: infos)[0]
    assert (info.name, info.weights_id, info.weights_hash) == ("hand21", "fake", "0123456789ab")
    assert (info.network, info.runtime, info.device) == ("none", "numpy", "cpu")
    assert len(info.joint_names) == 21
    assert list(info.bones[:4]) == [0, 1, 1, 2]


def test_tf_markers_cloud_and_stats(bench: Bench) -> None:
    from sensor_msgs.msg import PointCloud2
    from tf2_msgs.msg import TFMessage
    from visualization_msgs.msg import MarkerArray

    from v2v_ros.msg import InferenceStats

    transforms = bench.ros.collect(TFMessage, "/tf")
    markers = bench.ros.collect(MarkerArray, "v2v_pose/markers")
    clouds = bench.ros.collect(PointCloud2, "v2v_pose/cloud")
    stats = bench.ros.collect(InferenceStats, "v2v_pose/stats")
    bench.ros.wait(
        lambda: all(bench.ros.node.count_publishers(f"/v2v_pose/{t}") for t in ("markers", "cloud", "stats"))
    )
    header = bench.send()
    bench.ros.wait(lambda: transforms and markers and clouds and stats)

    assert {one.child_frame_id for one in transforms[0].transforms} >= {"hand_1_wrist", "hand_1_thumb_tip"}
    assert "hand_1_index_dip" not in {one.child_frame_id for one in transforms[0].transforms}  # NaN
    assert all(one.header == header for one in transforms[0].transforms)
    assert all(one.header == header and one.ns == "hand_1" for one in markers[0].markers)
    assert clouds[0].width == 400  # the valid pixels
    assert clouds[0].header == header
    assert stats[0].header == header
    assert stats[0].network == pytest.approx(0.003)
    assert stats[0].total > stats[0].decode > 0
    assert 0 < stats[0].input_age < 5
    assert (stats[0].received, stats[0].processed, stats[0].dropped, stats[0].failed) == (1, 1, 0, 0)

    # The hand goes: its markers are deleted.
    bench.send(data=bench.blank())
    bench.ros.wait(lambda: len(markers) == 2)
    assert {(one.ns, one.action) for one in markers[1].markers} == {("hand_1", 2)}


def test_duplicates_and_late_images_are_skipped_and_counted(bench: Bench) -> None:
    for stamp in (START, START, START - 0.05, START + 0.1):
        bench.send(stamp)
        bench.idle()
    assert bench.results() == pytest.approx([START, START + 0.1])
    _, _, values = bench.wait_values(lambda values: values["images processed"] == "2")
    assert values["duplicate images"] == "1"
    assert values["images too old"] == "1"
    assert bench.estimator.resets == 0


def test_time_that_goes_back_starts_anew(bench: Bench) -> None:
    from v2v_ros.nodes.synthetic_camera_node import image_message

    for stamp in (START, START + 1, START + 0.2):
        bench.send(stamp)
        bench.ros.wait(has_come(bench, stamp))
    assert bench.estimator.resets == 1
    assert bench.skeletons[-1].skeletons[0].id == "hand_2"
    # A camera that sends its camera_info only once goes on being usable.
    bench.images.publish(image_message(bench.header(START - 5), np.full((60, 80), 0.5, np.float32), "16UC1"))
    bench.ros.wait(has_come(bench, START - 5))


def test_old_images_are_dropped_with_advice(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_age=0.5)
    bench.send(START)
    level, message, values = bench.wait_diagnosis("images on /depth/image_rect are", "max_age")
    assert level == b"\x02"  # nothing comes out
    assert "--clock" in message
    assert values["images too old"] == "1"
    assert not bench.skeletons
    bench.assert_recovers()


def test_stamps_in_the_future_are_reported(bench: Bench) -> None:
    bench.send(bench.ros.node.get_clock().now().nanoseconds * 1e-9 + 60)
    level, message, _ = bench.wait_diagnosis("in the future", "synchronise the clocks")
    assert level == b"\x01"
    assert "/depth/image_rect" in message


def test_simulated_time(make_bench: Callable[..., Bench]) -> None:
    from rosgraph_msgs.msg import Clock

    bench = make_bench(use_sim_time=True, max_age=0.5)
    clock = bench.ros.publisher(Clock, "/clock")
    level, message, _ = bench.wait_diagnosis("/clock")  # diagnostics come although the node's clock stands still
    assert level == b"\x01"
    assert "--clock" in message
    bench.send(START)  # its age is not known: it is processed
    bench.ros.wait(lambda: len(bench.skeletons) == 1)

    def tick() -> bool:
        clock.publish(Clock(clock=bench.header(START + 10).stamp))
        return bench.node.get_clock().now().nanoseconds == round(1e9 * (START + 10))

    bench.ros.wait(tick)
    bench.send(START + 9)
    bench.wait_values(lambda values: values["images too old"] == "1")
    bench.send(START + 9.9)
    bench.ros.wait(lambda: len(bench.skeletons) == 2)
    _, _, values = bench.wait_values(lambda values: values["input age p50 (ms)"] != "")
    assert float(values["input age p50 (ms)"]) == pytest.approx(100, abs=1)


def test_a_busy_node_takes_the_newest_image_and_counts_the_others(bench: Bench) -> None:
    bench.estimator.gate.clear()
    bench.send(START)
    bench.ros.wait(lambda: bench.estimator.depths)
    for index in range(1, 6):
        bench.send(START + index)
        bench.wait_values(received(index + 1))
    bench.estimator.gate.set()
    bench.ros.wait(lambda: len(bench.skeletons) == 2)
    assert bench.results() == [START, START + 5]
    _, _, values = bench.wait_values(lambda values: values["images processed"] == "2")
    assert values["images dropped"] == "4"


def test_nothing_is_computed_when_nobody_listens(make_bench: Callable[..., Bench]) -> None:
    from tf2_msgs.msg import TFMessage

    bench = make_bench(publish_tf=False)
    stop_listening(bench)
    bench.send()
    level, _, values = bench.wait_diagnosis("idle: nobody subscribes")
    assert level == b"\x00"
    assert values["images received"] == "1"
    assert not bench.estimator.depths
    bench.ros.collect(TFMessage, "/tf")
    bench.ros.wait(lambda: bench.node.count_subscribers("/tf") == 1)
    bench.send()
    bench.wait_values(lambda values: values["images received"] == "2")
    assert not bench.estimator.depths  # publish_tf is false
    assert set_parameter(bench, "publish_tf", True).successful
    bench.send()
    bench.ros.wait(lambda: bench.estimator.depths)


def test_tf_alone_is_no_reason_to_compute(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(publish_tf=True)
    stop_listening(bench)
    bench.send()
    bench.wait_diagnosis("idle: nobody subscribes")
    assert not bench.estimator.depths


def test_a_depth_range_beyond_the_defaults_can_be_given_at_the_start(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(min_depth=2.0, max_depth=3.0)
    bench.send()
    bench.ros.wait(lambda: bench.skeletons)
    assert (bench.estimator.settings.min_depth, bench.estimator.settings.max_depth) == (2.0, 3.0)


def test_pausing_before_the_node_is_active_holds(make_bench: Callable[..., Bench]) -> None:
    from std_srvs.srv import SetBool

    bench = make_bench()
    bench.ros.call(bench.node.trigger_deactivate)
    assert bench.ros.request(SetBool, "/v2v_pose/enable", SetBool.Request(data=False)).success
    bench.ros.call(bench.node.trigger_activate)
    bench.wait_connected()
    bench.send()
    bench.wait_diagnosis("paused by ~/enable")


def test_enable_pauses_and_goes_on(bench: Bench) -> None:
    from std_srvs.srv import SetBool

    assert bench.ros.request(SetBool, "v2v_pose/enable", SetBool.Request(data=False)).success
    bench.send()
    level, _, _ = bench.wait_diagnosis("paused by ~/enable")
    assert level == b"\x00"
    bench.wait_values(lambda values: values["images received"] == "1")
    assert not bench.estimator.depths
    assert bench.ros.request(SetBool, "v2v_pose/enable", SetBool.Request(data=True)).success
    bench.assert_recovers()


def test_reset_forgets_the_tracks(bench: Bench) -> None:
    from std_srvs.srv import Trigger

    bench.send()
    bench.ros.wait(lambda: bench.skeletons)
    assert bench.ros.request(Trigger, "v2v_pose/reset", Trigger.Request()).success
    bench.send()
    bench.ros.wait(lambda: len(bench.skeletons) == 2)
    assert [message.skeletons[0].id for message in bench.skeletons] == ["hand_1", "hand_2"]
    bench.ros.call(bench.node.trigger_deactivate)
    response = bench.ros.request(Trigger, "v2v_pose/reset", Trigger.Request())
    assert not response.success
    assert "not active" in response.message


def test_a_hint_is_used_when_frame_and_time_fit(bench: Bench) -> None:
    from geometry_msgs.msg import PointStamped

    hints = bench.ros.publisher(PointStamped, "center")
    bench.ros.wait(hints.get_subscription_count)

    def send(hint_time: float, frame_id: str, image_time: float, z: float = 0.6) -> Any:
        hint = PointStamped(header=bench.header(hint_time))
        hint.header.frame_id = frame_id
        hint.point.x, hint.point.y, hint.point.z = 0.1, 0.2, z
        hints.publish(hint)
        processing: Any = bench.node._processing
        bench.ros.wait(lambda: processing.hint is not None and processing.hint.header == hint.header)
        bench.send(image_time)
        bench.ros.wait(lambda: bench.results()[-1:] == [pytest.approx(image_time)])
        return bench.estimator.hints[-1]

    assert send(START, "camera_optical", START + 0.4) == pytest.approx([0.1, 0.2, 0.6])
    assert send(START, "camera_optical", START + 0.6) is None
    assert send(START + 1, "base_link", START + 1) is None
    assert send(START + 2, "camera_optical", START + 2, z=float("nan")) is None
    assert send(START + 3, "camera_optical", START + 3) is not None


def test_parameters_reach_the_estimator_while_it_runs(bench: Bench) -> None:
    from v2v_ros.geometry.estimate import Side
    from v2v_ros.geometry.subject import HAND

    bench.send()
    bench.ros.wait(lambda: bench.skeletons)
    one = bench.estimator.settings
    assert (one.side, one.score_threshold) == (Side.UNKNOWN, HAND.score_threshold)
    assert (one.min_depth, one.max_depth) == (0.15, 1.5)
    for name, value in (("side", "left"), ("score_threshold", 0.5), ("min_depth", 0.2), ("max_depth", 0.9)):
        assert set_parameter(bench, name, value).successful
    given: dict[str, Any] = {
        "max_subjects": 3,
        "confirmation": 2,
        "hold_seconds": 0.5,
        "memory_seconds": 1.5,
        "filter": "one_euro",
        "camera_roll": 270,
    }
    for name, value in given.items():
        assert set_parameter(bench, name, value).successful
    bench.send()
    bench.ros.wait(lambda: len(bench.skeletons) == 2)
    one = bench.estimator.settings
    assert (one.side, one.score_threshold, one.min_depth, one.max_depth) == (Side.LEFT, 0.5, 0.2, 0.9)
    assert {name: getattr(one, name) for name in given} == given
    assert bench.skeletons[1].skeletons[0].side == 1


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("side", "both", "'side' cannot be 'both': use one of either, right, left"),
        ("score_threshold", 1.5, "out of range"),
        ("camera_roll", 45, "not a valid step. Min: 0, max: 270, value: 45, step: 90"),
        ("camera_roll", 360, "out of range"),
        ("score_threshold", float("nan"), "out of range"),
        ("min_depth", 3.0, "'min_depth' (3 m) must be below 'max_depth' (1.5 m)"),
        ("max_age", -1.0, "out of range"),
        ("max_age", "long", "type"),
        ("skeleton", "body15", "read-only"),
        ("device", "cuda", "read-only"),
    ],
)
def test_bad_parameters_are_refused_with_a_reason(bench: Bench, name: str, value: Any, reason: str) -> None:
    before = bench.node.get_parameter(name).value
    result = set_parameter(bench, name, value)
    assert not result.successful
    assert reason in result.reason
    assert bench.node.get_parameter(name).value == before


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"skeleton": "hand22"}, "'skeleton' cannot be 'hand22': use one of hand21"),
        ({"device": "gpu"}, "'device' cannot be 'gpu'"),
        ({"min_depth": 2.0}, "'min_depth' (2 m) must be below"),
        ({"diagnostics_period": 0.0}, "out of range"),
        ({"max_depth": 2}, "write 2.0"),
        ({"predict_to_now": True, "filter": "none"}, "'filter' must not be 'none'"),
    ],
)
def test_bad_parameters_at_the_start_are_refused(ros: Ros, parameters: dict[str, Any], text: str) -> None:
    from rclpy.exceptions import ParameterException
    from rclpy.parameter import Parameter

    from v2v_ros.nodes.pose_node import PoseNode

    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    with pytest.raises(ParameterException) as caught:
        PoseNode(context=ros.context, parameter_overrides=overrides)
    assert text in str(caught.value)


def test_down_and_up_again(bench: Bench) -> None:
    up = names_of(bench)
    assert {"/tf", "/v2v_pose/skeletons", "/v2v_pose/info"} <= up[0]
    assert {"/depth/image_rect", "/depth/camera_info", "/center"} <= up[1]
    for cycle in range(2):
        bench.assert_recovers()
        for transition in ("deactivate", "cleanup") if cycle else ("deactivate",):
            bench.ros.call(getattr(bench.node, f"trigger_{transition}"))
        level, message, _ = bench.wait_diagnosis("ros2 lifecycle set /v2v_pose")
        assert level == b"\x03"
        assert ("configure" if cycle else "activate") in message

        def down() -> bool:
            published, subscribed = names_of(bench)
            return not {"/tf", "/v2v_pose/skeletons", "/depth/image_rect", "/center"} & (published | subscribed)

        bench.ros.wait(down)
        assert (bench.node._estimator is None) == bool(cycle)
        assert bench.estimator.resets == cycle + 1  # what was tracked is not there any more
        if cycle:
            bench.ros.call(bench.node.trigger_configure)
        bench.ros.call(bench.node.trigger_activate)
        bench.wait_connected()
        bench.ros.wait(lambda: all(before <= now for before, now in zip(up, names_of(bench), strict=True)))
    bench.assert_recovers()


def test_a_wrong_transition_is_refused_and_survived(bench: Bench) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert not bench.ros.request(ChangeState, "v2v_pose/change_state", request).success
    bench.assert_recovers()


def test_qos_is_overridden_by_parameters(make_bench: Callable[..., Bench]) -> None:
    from rclpy.qos import ReliabilityPolicy

    bench = make_bench(
        **{
            "qos_overrides./depth/image_rect.subscription.reliability": "reliable",
            "qos_overrides./v2v_pose/skeletons.publisher.depth": 3,
        }
    )
    (image,) = bench.ros.node.get_subscriptions_info_by_topic("/depth/image_rect")
    assert image.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    (info,) = bench.ros.node.get_subscriptions_info_by_topic("/depth/camera_info")
    assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    bench.assert_recovers()
    bench.ros.call(bench.node.trigger_deactivate)
    bench.ros.call(bench.node.trigger_activate)
    bench.wait_connected()
    bench.assert_recovers()


@pytest.mark.parametrize("topic", ["/depth/image_rect.subscription", "/v2v_pose/cloud.publisher"])
def test_a_qos_override_that_does_not_exist_is_shown(make_bench: Callable[..., Bench], topic: str) -> None:
    name = f"qos_overrides.{topic}.reliability"
    bench = make_bench(connect=False, **{name: "perfect"})
    level, _, values = bench.wait_diagnosis("cannot be activated", "perfect")
    assert level == b"\x02"
    assert values["lifecycle state"] == "inactive"
    bench.ros.wait(lambda: bench.ros.node.count_publishers("/v2v_pose/skeletons") == 0)
    bench.ros.wait(lambda: bench.ros.node.count_subscribers("/depth/camera_info") == 0)


def test_incompatible_qos_is_named(make_bench: Callable[..., Bench], ros: Ros) -> None:
    from sensor_msgs.msg import Image

    from v2v_ros.nodes.support.transport import newest_only

    name = "qos_overrides./depth/image_rect.subscription.reliability"
    bench = make_bench(camera_info_timeout=0.2, **{name: "reliable"})
    ros.call(lambda: ros.node.destroy_publisher(bench.images))
    ros.publisher(Image, "depth/image_rect", newest_only())
    level, message, _ = bench.wait_diagnosis("no depth images on /depth/image_rect", "QoS is incompatible: reliability")
    assert level == b"\x02"
    assert name in message


def test_weights_that_cannot_be_used(ros: Ros, make_weights: Callable[..., Path], tmp_path: Path) -> None:
    """With the real estimator: the node stays, says why, and starts when the file is there."""
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.parameter import Parameter

    from v2v_ros.nodes.pose_node import PoseNode

    body = make_weights("body", skeleton="body15")
    path = tmp_path / "hand.safetensors"
    overrides = {"weights": str(path), "diagnostics_period": 0.1, "device": "cpu"}
    node = PoseNode(
        context=ros.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )
    ros.add(node)
    diagnostics = ros.collect(DiagnosticArray, "/diagnostics")

    def configure() -> str:
        ros.call(node.autostart)
        seen = len(diagnostics)
        return str(ros.wait(lambda: diagnostics[seen + 1 :])[-1].status[0].message)

    assert "does not exist" in configure()
    path.write_bytes(b"not weights")
    assert "damaged or not a .safetensors file" in configure()
    path.write_bytes(body.read_bytes())
    assert "is for skeleton 'body15', but 'hand21' was asked for" in configure()
    status = diagnostics[-1].status[0]
    assert (status.level, str(path) in status.message) == (b"\x02", True)
    path.write_bytes(make_weights("good").read_bytes())
    assert "no depth images" in configure() or node._lifecycle == "active"
    assert node._estimator is not None
    assert node._estimator.weights_id == "good"


def test_an_unexpected_error_while_configuring_is_shown(ros: Ros, capfd: pytest.CaptureFixture[str]) -> None:
    from v2v_ros.nodes.pose_node import PoseNode

    def fail(node: Any) -> Any:
        raise KeyError("surprise")

    node = ros.add(PoseNode(context=ros.context, make_estimator=fail))
    ros.call(node.autostart)
    assert node._failure == "the estimator cannot be made: KeyError: 'surprise'"
    assert "Traceback" in capfd.readouterr().err


def test_a_misspelt_parameter_is_named_with_the_one_that_was_meant(ros: Ros, capfd: pytest.CaptureFixture[str]) -> None:
    from rclpy.parameter import Parameter

    from v2v_ros.nodes.pose_node import PoseNode

    given = [Parameter("score_treshold", value=0.5), Parameter("use_sim_time", value=False)]
    ros.add(PoseNode(context=ros.context, parameter_overrides=given))
    logged = capfd.readouterr().err
    assert "'score_treshold' that was given at the start does not exist; did you mean 'score_threshold'?" in logged
    assert "use_sim_time" not in logged


def test_namespace(ros: Ros, make_bench: Callable[..., Bench]) -> None:
    from v2v_ros.nodes.pose_node import PoseNode

    node = ros.add(PoseNode(context=ros.context, namespace="/left_arm", make_estimator=lambda node: make_fake()))
    ros.call(node.autostart)
    ros.wait(lambda: ros.node.count_publishers("/left_arm/v2v_pose/skeletons"))
    ros.wait(lambda: ros.node.count_subscribers("/left_arm/depth/image_rect"))
    assert ros.node.count_publishers("/tf") == 1


def make_fake() -> Any:
    from ros_bench import FakeEstimator

    return FakeEstimator()
