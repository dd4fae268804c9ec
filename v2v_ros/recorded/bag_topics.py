# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which topics of a bag are the depth images and their camera infos, where the user does not say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .bags import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, STORAGES, BagError, Topic, first_text, list_topics

_REALSENSE = re.compile(r"(/device_\d+/sensor_\d+)/Depth_\d+/")


def is_bag(path: Path) -> bool:
    """Return whether a path is one of a bag rather than of a frame list, by its name."""
    return path.is_dir() or path.suffix in STORAGES


def choose_topics(bag: str | Path, depth_topic: str | None = None, info_topic: str | None = None) -> tuple[str, str]:
    """Return the topics of a bag's depth images and of their camera infos, found where they are not given.

    Drivers put ``camera_info`` beside the images. RealSense's own recordings (SDK 2.59 and later) have it beside
    ``data/compressedDepth``.

    Args:
        bag: Directory with metadata.yaml, or a single .mcap or .db3 file.
        depth_topic, info_topic: Names that the user gives; None: to be found.

    Raises:
        BagError: The bag cannot be read, or there is not exactly one pair of topics that could be meant.
    """
    if depth_topic is not None and info_topic is not None:
        return depth_topic, info_topic
    topics = list_topics(bag)
    images = [depth_topic] if depth_topic is not None else _depth_images(topics)
    infos = [topic.name for topic in topics if topic.type == CAMERA_INFO]
    pairs = [(image, info_topic or _info_beside(image, infos)) for image in images]
    known = [(image, info) for image, info in pairs if info is not None]
    if len(known) == 1:
        return known[0]
    found = "several depth images" if known else "no depth images with a camera info beside them"
    listed = "\n".join(f"  {topic.name}  {topic.type}  {topic.message_count}" for topic in topics)
    raise BagError(f"{bag}: {found}: name the topics with --depth-topic and --info-topic. It has\n{listed}")


def recorded_unit(bag: str | Path, depth_topic: str) -> float:
    """Return the metres that one unit of depth images stands for, where a recording says so; else 0: by their encoding.

    RealSense's own recordings keep the camera's setting, which an SR305 has at 0.125 mm.

    Raises:
        BagError: The bag cannot be read.
    """
    sensor = _REALSENSE.match(depth_topic)
    text = first_text(bag, f"{sensor[1]}/option/Depth_Units/value") if sensor else None
    try:
        return float(text) if text else 0.0
    except ValueError:
        return 0.0


def _depth_images(topics: Sequence[Topic]) -> list[str]:
    """Return topics of depth images; of one stream that is there raw and compressed, the raw one."""
    named = [topic for topic in topics if "depth" in topic.name.lower() and topic.message_count]
    raw = [topic.name for topic in named if topic.type == IMAGE]
    compressed = [t.name for t in named if t.type == COMPRESSED_IMAGE and t.name.endswith("/compressedDepth")]
    return raw + [name for name in compressed if name.rpartition("/")[0] not in raw]


def _info_beside(image: str, infos: Sequence[str]) -> str | None:
    """Return the camera info in the innermost namespace that an image's topic shares with one."""
    namespace = image
    while namespace:
        namespace = namespace.rpartition("/")[0]
        if f"{namespace}/camera_info" in infos:
            return f"{namespace}/camera_info"
    return None
