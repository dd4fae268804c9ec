# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The process of a node: it runs until it is told to end, hands memory back, and clears up what others left."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import rclpy
from lifecycle_msgs.srv import ChangeState
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node

from .parameter_files import files_for_others


def run(make: Callable[[], Node], args: list[str] | None = None) -> None:
    """Make a node and spin it; SIGINT and SIGTERM end it.

    Raises:
        SystemExit: An argument or a parameter given at the start is not allowed; the message says which and why.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    remove_remains()  # from a killed node, and others of its kind
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # rclpy's RCLError
        if "logging" in str(error):
            sys.exit(f"ROS cannot write its log: set HOME, or ROS_LOG_DIR to a folder that can be written to ({error})")
        sys.exit(f"bad arguments: {error}")
    node = None
    try:
        node = make()
        for warning in files_for_others(sys.argv if args is None else args, node.get_fully_qualified_name()):
            node.get_logger().warning(warning)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except ParameterException as error:
        sys.exit(f"bad parameter: {error}")
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:  # rclpy's RCLError: a callback may be publishing when the signal comes
        if rclpy.ok():
            raise
    finally:
        # Ctrl-C in a terminal comes twice under `ros2 launch`, from the terminal and from launch.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def survive_wrong_transitions(node: LifecycleNode) -> None:
    """Make a node refuse a transition that is not possible in its state.

    rclpy lets the exception through instead, which ends the process and leaves the caller without an answer.
    """
    service = getattr(node, "_service_change_state", None)
    if service is None:  # a later rclpy, arranged in another way
        return
    change_state = service.callback

    def refuse(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except RuntimeError as error:  # rclpy's RCLError is one
            node.get_logger().warning(f"transition refused: {error}")
            response.success = False
            return response

    service.callback = refuse


RELEASE_PERIOD = (
    10.0  # seconds; the next image then takes some milliseconds longer, as its memory has to be allocated again
)


def release_free_memory() -> bool:
    """Give free memory back to the system where the C library is glibc; returns whether anything was given back.

    Images come and go in two threads at once, between other things that stay. The heap is never free at its end, so
    glibc keeps it, and over hours the process grows by what lies between. Takes about a millisecond.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(ctypes.c_size_t(0)))


_SEGMENT = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}")  # a participant's: half a megabyte, or as its profile says
_FRESH = 10.0  # seconds; a younger one may be in the making


def remove_remains(folder: Path = Path("/dev/shm")) -> int:
    """Remove the segments whose process has ended, as ``fastdds shm clean`` does; returns how many.

    A living process holds a lock on the file ``<segment>_el``. What cannot be removed, such as another user's, stays.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none of this
        return 0
    removed = 0
    for lock in folder.glob("fast*_el"):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        if not _SEGMENT.fullmatch(segment.name):
            continue
        with suppress(OSError):
            found = lock.lstat()  # everybody may write there: a pipe would hold us up for ever
            if not stat.S_ISREG(found.st_mode) or time.time() - found.st_mtime < _FRESH:
                continue
            with open(os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while the process lives
                segment.unlink(missing_ok=True)
                lock.unlink()
                removed += 1
    return removed
