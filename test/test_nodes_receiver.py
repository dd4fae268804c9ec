# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The thread that takes the messages, and the pose node with it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ros_bench import Bench, Ros


def subscribe(ros: Ros, callback: Any, qos: Any = 10, **options: Any) -> Any:
    """A subscription of the test's node that the executor leaves alone."""
    from std_msgs.msg import String

    from v2v_ros.nodes.pose.receiver import ByReceiver

    make = ros.node.create_subscription
    return ros.call(lambda: make(String, "words", callback, qos, callback_group=ByReceiver(), **options))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_images_are_taken_while_the_executor_is_busy(bench: Bench) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        assert go_on.wait(20.0)

    blocked = threading.Thread(target=bench.ros.call, args=(block,))
    blocked.start()
    assert begun.wait(20.0)
    try:
        bench.send()
        bench.ros.wait(lambda: bench.estimator.depths, 5.0, "the image")
    finally:
        go_on.set()
        blocked.join()


def test_an_error_while_a_message_is_taken_is_named_and_survived(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from v2v_ros.nodes import pose_node

    with monkeypatch.context() as broken:
        broken.setattr(pose_node, "age", lambda *_: 1 / 0)
        bench.send()
        level, _, values = bench.wait_diagnosis("/depth/image_rect: a message was skipped: ZeroDivisionError")
    assert level == b"\x02"
    assert "ZeroDivisionError" in values["last error"]
    bench.assert_recovers()


def test_each_message_reaches_its_callback(ros: Ros) -> None:
    from std_msgs.msg import String

    from v2v_ros.nodes.pose.receiver import Receiver

    words: list[str] = []
    errors: list[tuple[Any, str]] = []

    def read(message: String) -> None:
        if message.data == "bad":
            raise ValueError("not a word")
        words.append(message.data)

    subscription = subscribe(ros, read)
    receiver = Receiver(ros.node, [subscription], lambda one, error: errors.append((one, str(error))))
    publisher = ros.publisher(String, "words")
    ros.wait(publisher.get_subscription_count)
    for word in ("one", "bad", "two"):
        publisher.publish(String(data=word))
    ros.wait(lambda: len(words) == 2)
    assert words == ["one", "two"]
    assert errors == [(subscription, "not a word")]

    assert "receiver" in threads()
    receiver.stop()
    assert "receiver" not in threads()
    publisher.publish(String(data="three"))
    ros.call(lambda: None)
    assert words == ["one", "two"]


def test_events_of_the_subscription_are_told(ros: Ros) -> None:
    from rclpy.event_handler import SubscriptionEventCallbacks
    from std_msgs.msg import String

    from v2v_ros.nodes.pose.receiver import Receiver
    from v2v_ros.nodes.support.transport import newest_only, reliable

    events: list[Any] = []
    subscription = subscribe(
        ros, lambda _: None, reliable(), event_callbacks=SubscriptionEventCallbacks(incompatible_qos=events.append)
    )
    receiver = Receiver(ros.node, [subscription], lambda *_: None)
    ros.publisher(String, "words", newest_only())
    ros.wait(lambda: events, what="the event")
    assert events[0].total_count == 1
    receiver.stop()


def test_it_ends_when_ros_is_shut_down(ros: Ros) -> None:
    import rclpy
    from std_msgs.msg import String

    from v2v_ros.nodes.pose.receiver import ByReceiver, Receiver

    context = rclpy.Context()
    context.init(domain_id=ros.domain)
    node = rclpy.create_node("short", context=context)
    subscription = node.create_subscription(String, "words", lambda _: None, 10, callback_group=ByReceiver())
    receiver = Receiver(node, [subscription], lambda *_: None)
    context.try_shutdown()
    ros.wait(lambda: "receiver" not in threads(), 5.0, "the end of the thread")
    receiver.stop()
    node.destroy_node()
