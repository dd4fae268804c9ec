"""Runs one node in a process of its own, until it is told to end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from .shared_memory import remove_remains


def run(make: Callable[[], Node], args: list[str] | None = None) -> None:
    """Make a node and spin it; SIGINT and SIGTERM end it.

    Raises:
        SystemExit: An argument or a parameter given at the start is not allowed; the message says which and why.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    remove_remains()  # of a node that was killed, and of others of its kind
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # rclpy's RCLError
        if "logging" in str(error):
            sys.exit(f"ROS cannot write its log: set HOME, or ROS_LOG_DIR to a folder that can be written to ({error})")
        sys.exit(f"bad arguments: {error}")
    node = None
    try:
        node = make()
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
