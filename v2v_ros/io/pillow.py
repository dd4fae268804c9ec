# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pillow where it need not be installed: it is imported where it is used, and its lack has a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_pillow(purpose: str, error: type[Exception] = RuntimeError) -> Iterator[None]:
    """Raise an error with the remedy where an import of Pillow fails.

    Args:
        purpose: Beginning of the message: what needs Pillow.
        error: Type of the error.
    """
    try:
        yield
    except ImportError as missing:
        remedy = "pip install pillow, or with ROS: apt install python3-pil"
        raise error(f"{purpose} needs Pillow: {remedy}") from missing
