# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth cameras of this machine, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..geometry.camera import Intrinsics
from .sources import Shot

_WAIT = 5000  # milliseconds until the next image


class CameraError(RuntimeError):
    """A camera cannot be used. The message names the remedy."""


def realsense(config: Any = None) -> Iterator[Shot]:
    """Open a RealSense camera and return its depth images, the newest each time, without end.

    Args:
        config: Streams and device as a ``pyrealsense2.config``; None: depth of the first camera, as it is set up.

    Raises:
        CameraError: Its library or the camera is missing.
    """
    try:
        import pyrealsense2
    except ModuleNotFoundError as error:
        raise CameraError("a RealSense camera needs its library: pip install pyrealsense2") from error
    except ImportError as error:
        raise CameraError(f"RealSense's library cannot be loaded ({error}): sudo apt install libusb-1.0-0") from error
    pipeline = pyrealsense2.pipeline()
    if config is None:
        config = pyrealsense2.config()
        config.enable_stream(pyrealsense2.stream.depth)
    try:
        pipeline.start(config)
    except RuntimeError as error:
        raise CameraError(
            f"no RealSense camera can be opened ({error}): is it plugged in, is no other program using it, and are "
            "RealSense's udev rules installed (docs/cameras.md)?"
        ) from error
    return _realsense_shots(pipeline)


def _realsense_shots(pipeline: Any) -> Iterator[Shot]:
    try:
        while True:
            try:
                frame = pipeline.wait_for_frames(_WAIT).get_depth_frame()
            except RuntimeError as error:
                raise CameraError(f"the camera sends no more images ({error}): was it unplugged?") from error
            if not frame:
                continue
            lens = frame.profile.as_video_stream_profile().intrinsics
            raw = np.asanyarray(frame.get_data())
            depth = np.where(raw > 0, raw.astype(np.float32) * np.float32(frame.get_units()), np.float32(np.nan))
            camera = Intrinsics(lens.fx, lens.fy, lens.ppx, lens.ppy, lens.width, lens.height)
            seconds = frame.get_timestamp() / 1000
            yield Shot(f"image {frame.get_frame_number()}", seconds, depth, camera)
    finally:
        pipeline.stop()


CAMERAS: dict[str, Callable[[], Iterator[Shot]]] = {"realsense": realsense}
"""Functions that open a camera, by the names of ``--camera``."""
