# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One thread that always works on the newest item. Nothing queues up: an item that a newer one overtakes is dropped."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """A slot for the newest item and the thread that processes it.

    Args:
        process: Function that processes one item at a time, called in the thread.
        on_error: Callback for what ``process`` raised, called in the thread; the thread then goes on.
        name: Name of the thread.

    Attributes:
        dropped: Number of items that a newer one replaced before their turn.
        failed: Number of items whose processing raised.
    """

    def __init__(self, process: Callable[[Item], None], on_error: Callable[[Exception], None], name: str) -> None:
        self.dropped = 0
        self.failed = 0
        self._process = process
        self._on_error = on_error
        self._slot: list[Item] = []  # at most one
        self._stopping = False
        self._began = math.inf  # with the item at hand
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Make this the next item. Never waits for the processing; ignored once stopped."""
        with self._changed:
            if self._stopping:
                return
            self.dropped += len(self._slot)
            self._slot[:] = [item]
            self._changed.notify()

    @property
    def busy(self) -> float:
        """Seconds that the item at hand has taken so far; 0 while waiting for one."""
        return max(time.monotonic() - self._began, 0.0)

    def stop(self, timeout: float) -> bool:
        """End the thread after the item it is at; one that still waits is forgotten.

        Args:
            timeout: Longest time to wait in seconds.

        Returns:
            False when the thread is still busy; it will end by itself.
        """
        with self._changed:
            self._stopping = True
            self._slot.clear()
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot or self._stopping)
                if self._stopping:
                    return
                item = self._slot.pop()
            self._began = time.monotonic()
            try:
                self._process(item)
            except Exception as error:  # a bad item must not end the thread
                self.failed += 1
                self._on_error(error)
            self._began = math.inf
            del item  # an image is not kept alive while waiting
