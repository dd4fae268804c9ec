# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What tests of the pose node under bad conditions share."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from v2v_ros.geometry.camera import Intrinsics

if TYPE_CHECKING:
    from ros_bench import Bench

START = 1000.0  # seconds; a stamp
OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"  # levels of diagnostics


def send_picture(bench: Bench, camera: Intrinsics, seconds: float | None = None, with_info: bool = True) -> float:
    """Publish a picture of a wall as a camera sees it; returns its stamp in seconds."""
    from v2v_ros.nodes.pose.inputs import to_seconds
    from v2v_ros.nodes.synthetic_camera_node import camera_info, image_message

    header = bench.header(seconds)
    if with_info:
        bench.infos.publish(camera_info(header, camera))
    depth = np.full((camera.height, camera.width), 0.5, np.float32)
    bench.images.publish(image_message(header, depth, "16UC1"))
    return to_seconds(header.stamp)


def came(bench: Bench, stamp: float) -> Callable[[], bool]:
    return lambda: any(one == pytest.approx(stamp, abs=1e-6) for one in bench.results()[-3:])


def heals(bench: Bench) -> None:
    """Good images are processed, and the diagnosis comes to say so."""

    def healthy() -> bool:
        bench.send()
        time.sleep(0.05)
        said = bench.diagnostics[-1:]
        return any(one.status[0].level in (OK, WARN) for one in said) and len(bench.skeletons) > before

    before = len(bench.skeletons)
    bench.ros.wait(healthy, what="good images and a good diagnosis")


def set_parameter(bench: Bench, name: str, value: Any) -> None:
    from rclpy.parameter import Parameter

    (result,) = bench.ros.call(lambda: bench.node.set_parameters([Parameter(name, value=value)]))
    assert result.successful, result.reason


def fail(bench: Bench, times: int) -> None:
    """Send images, one after the other, that the estimator fails on."""

    def failed() -> int:
        return int(bench.node._losses()[1])

    def more_than(number: int) -> bool:
        return failed() > number

    before = failed()
    for count in range(times):
        bench.send()
        bench.ros.wait(partial(more_than, before + count))


def out_of_memory() -> Exception:
    import torch

    return torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
