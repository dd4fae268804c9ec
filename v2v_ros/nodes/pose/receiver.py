# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Takes messages in a thread of its own, without the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.subscription import Subscription

_LOOK = 500_000_000  # nanoseconds after which the thread looks whether ROS has been shut down


class ByReceiver(ReentrantCallbackGroup):
    """Group of what the executor leaves to a :class:`Receiver`.

    The events of a subscription too: Fast DDS wakes who waits for them with every message, and the executor would look
    again and again, without a pause, until the message is taken.
    """

    def can_execute(self, entity: Any) -> bool:
        return False


class Receiver:
    """A thread that waits for messages of a few subscriptions and calls their callbacks.

    For every message, rclpy's executor lists all that a node has (services, timers, events), which was a quarter of an
    image's way from the camera (docs/decisions/0014-a-thread-for-the-inputs.md).

    Args:
        node: Node that owns the subscriptions.
        subscriptions: Subscriptions in the group :class:`ByReceiver`, which must not be destroyed before :meth:`stop`.
            When several have a message, they are served in this order.
        on_error: Callback for what taking a message or its callback raised, called in the thread with the subscription
            and the error; the thread then goes on.
    """

    def __init__(
        self, node: Node, subscriptions: Sequence[Subscription], on_error: Callable[[Subscription, Exception], None]
    ) -> None:
        self._context = node.context
        self._subscriptions = subscriptions
        lists: list[Any] = [subscription.event_handlers for subscription in subscriptions]  # typed wrongly there
        self._events = [event for events in lists for event in events]
        self._on_error = on_error
        self._stopping = False
        self._wake = GuardCondition(None, None, context=node.context)
        # Of subscriptions, guard conditions, timers, clients, services and events.
        sizes = (len(subscriptions), 1, 0, 0, 0, len(self._events))
        self._wait_set = _rclpy.WaitSet(*sizes, node.context.handle)
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the callback it is at."""
        self._stopping = True
        self._wake.trigger()
        self._thread.join()
        self._wake.destroy()

    def _run(self) -> None:
        handle = self._context.handle
        assert handle is not None  # only before ROS is initialized
        try:
            with handle:
                self._receive()
        except RuntimeError:  # rclpy's RCLError and InvalidHandle: ROS is shut down while the thread waits
            if self._context.ok():
                raise

    def _receive(self) -> None:
        wait_set = self._wait_set
        while True:
            wait_set.clear_entities()
            wait_set.add_guard_condition(self._wake.handle)
            for subscription in self._subscriptions:
                wait_set.add_subscription(subscription.handle)
            for event in self._events:
                event.add_to_wait_set(wait_set)
            wait_set.wait(_LOOK)
            if self._stopping or not self._context.ok():
                return
            ready = wait_set.get_ready_entities("subscription")
            for subscription in self._subscriptions:
                if subscription.handle.pointer in ready:
                    self._serve(subscription)
            for event in self._events:
                if event.is_ready(wait_set) and (data := event.take_data()) is not None:
                    event.callback(data)

    def _serve(self, subscription: Subscription) -> None:
        try:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is not None:
                subscription.callback(taken[0])
        except Exception as error:  # it must not end the thread
            self._on_error(subscription, error)
