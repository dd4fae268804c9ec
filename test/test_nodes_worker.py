# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The worker: the newest item only, one at a time, and it outlives errors."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from v2v_ros.nodes.pose.worker import Worker


def test_the_newest_item_replaces_one_that_waits() -> None:
    started, gate, done, finished = threading.Event(), threading.Event(), [], threading.Event()

    def process(item: int) -> None:
        started.set()
        assert gate.wait(10)
        done.append(item)
        if item == 4:
            finished.set()

    worker = Worker(process, on_error=lambda error: None, name="test")
    worker.put(1)
    assert started.wait(10)
    assert 0 < worker.busy < 10
    for item in (2, 3, 4):
        worker.put(item)
    assert worker.dropped == 2
    gate.set()
    assert finished.wait(10)
    assert worker.stop(10)
    assert worker.busy == 0
    assert done == [1, 4]
    assert worker.dropped == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_every_item_is_processed_fails_or_is_dropped(fails: list[bool]) -> None:
    processed: list[int] = []
    errors: list[Exception] = []
    last = threading.Event()

    def process(index: int) -> None:
        try:
            if fails[index]:
                raise ValueError(str(index))
            processed.append(index)
        finally:
            if index == len(fails) - 1:
                last.set()

    worker = Worker(process, errors.append, name="test")
    for index in range(len(fails)):
        worker.put(index)
    assert last.wait(10)  # the last one is never dropped
    assert worker.stop(10)
    assert len(processed) + worker.failed + worker.dropped == len(fails)
    assert worker.failed == len(errors)
    assert processed == sorted(processed)
    assert all(fails[int(str(error))] for error in errors)


def test_stop_forgets_what_waits_and_ends_the_thread() -> None:
    started, gate, done = threading.Event(), threading.Event(), []

    def process(item: int) -> None:
        started.set()
        assert gate.wait(10)
        done.append(item)

    worker = Worker(process, on_error=lambda error: None, name="stopping")
    worker.put(1)
    assert started.wait(10)
    worker.put(2)
    assert not worker.stop(0.01)  # still busy with the first
    gate.set()
    assert worker.stop(10)
    worker.put(3)  # ignored
    assert done == [1]
    assert not any(thread.name == "stopping" for thread in threading.enumerate())
