# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where the frames that are looked at come from: the synthetic camera, a list of depth images, or a bag."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics
from ..recorded.bags import iter_depth
from ..recorded.frames import FrameListError, load_frame_list, read_depth
from ..recorded.predict import FRAME_SECONDS
from ..synthetic.scenes.one import SyntheticSequence

log = logging.getLogger(__name__)


class Shot(NamedTuple):
    """A depth image with its name, time, camera and truth.

    Attributes:
        name: Name of the frame, for people.
        stamp: Time of the image, seconds.
        depth: float32 [H, W] metres, NaN where invalid.
        intrinsics: Camera of the image.
        truth: float32 [J, 3] metres, the true joints; None where they are not known.
    """

    name: str
    stamp: float
    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    truth: NDArray[np.float32] | None = None


def synthetic(kind: str, rate: float = 30.0) -> Iterator[Shot]:
    """Yield the images of the synthetic camera, without end."""
    sequence = SyntheticSequence(kind)
    index = 0
    while True:
        stamp = index / rate
        frame = sequence.frame(stamp)
        yield Shot(f"{stamp:.2f} s", stamp, frame.depth, sequence.intrinsics, frame.joints)
        index += 1


def listed(path: Path) -> Iterator[Shot]:
    """Yield the images of a frame list; those that cannot be used are named in the log and left out.

    Raises:
        FrameListError: The list cannot be used.
    """
    for index, record in enumerate(load_frame_list(path)):
        try:
            depth = read_depth(record)
            camera = record.intrinsics(depth)
        except FrameListError as problem:
            log.warning("skipping a frame: %s", problem)
            continue
        yield Shot(record.id, index * FRAME_SECONDS, depth, camera)


def recorded(path: Path, depth_topic: str, info_topic: str, depth_unit: float = 0.0) -> Iterator[Shot]:
    """Yield the depth images of a bag, whose unit is given in metres; 0: by their encoding.

    Raises:
        BagError: The bag or its topics cannot be used.
    """
    for frame in iter_depth(path, depth_topic, info_topic, depth_unit):
        yield Shot(frame.name, frame.seconds, frame.depth, frame.intrinsics)
