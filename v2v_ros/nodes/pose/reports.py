# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Log lines that do not flood the log."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger

PERIOD = 5.0  # seconds


class Reports:
    """Logs each kind of problem at most once per :data:`PERIOD`.

    (rclpy's own throttling goes by the line of code, so one topic's problem would hide another's.)
    """

    def __init__(self, logger: RcutilsLogger, now: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._now = now
        self._last: dict[str, float] = {}

    def warn(self, kind: str, text: str) -> None:
        if self._due(kind):
            self._logger.warning(text)

    def error(self, kind: str, text: str) -> None:
        if self._due(kind):
            self._logger.error(text)

    def _due(self, kind: str) -> bool:
        now = self._now()
        if now - self._last.get(kind, float("-inf")) < PERIOD:
            return False
        self._last[kind] = now
        return True
