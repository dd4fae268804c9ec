# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""rosbag2 files without a ROS installation: read depth images.

Reads the sqlite3 and mcap storages. The work is done by the library rosbags, which comes with
``pip install rosbags``.
"""

from __future__ import annotations

import logging
import struct
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics
from ..geometry.distortion import Rectifier
from ..io.depth import decode_compressed_depth, decode_image
from ..io.depth_checks import doubt
from ..io.headers import Times, choose_times, frame_name
from .mcap_salvage import SalvagedMcap

if TYPE_CHECKING:
    from rosbags.rosbag2 import Reader
    from rosbags.typesys.store import Typestore


log = logging.getLogger(__name__)

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

STRING = "std_msgs/msg/String"
STORAGES = (".mcap", ".db3")
_MOST_TOLD = 20  # different warnings about the headers of a bag


class BagError(ValueError):
    """A bag cannot be used. The message names the bag, the topic and the remedy."""


class Topic(NamedTuple):
    """A topic of a bag."""

    name: str
    type: str
    message_count: int


@dataclass(frozen=True, eq=False)
class BagFrame:
    """A depth image of a bag.

    Attributes:
        stamp: Seconds and nanoseconds of the image's header, or of the recording where the bag's stamps do not advance.
        frame_id: Optical frame from the image's header, without a leading slash.
        depth: float32 [H, W] metres, NaN where invalid.
        intrinsics: Intrinsics from the camera info that belongs to the image.
        image: Type and serialized message of the image, as it was recorded.
        info: Camera info that belongs to it, as a message.
    """

    stamp: tuple[int, int]
    frame_id: str
    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    image: tuple[str, bytes]
    info: Any

    @property
    def name(self) -> str:
        """The stamp in words, which names the image."""
        return f"{self.stamp[0]}.{self.stamp[1]:09d}"

    @property
    def seconds(self) -> float:
        """The stamp as a number."""
        return self.stamp[0] + self.stamp[1] * 1e-9


def list_topics(bag: str | Path) -> list[Topic]:
    """Return the topics of a bag, in alphabetical order.

    Raises:
        BagError: The bag cannot be read, or rosbags is not installed.
    """
    with _open(bag) as reader:
        return reader.topics


def first_text(bag: str | Path, topic: str) -> str | None:
    """Return the text of the first message on a topic of type std_msgs/msg/String; None where there is none.

    Raises:
        BagError: The bag or the message cannot be read.
    """
    with _open(bag) as reader:
        if Topic(topic, STRING, 0)[:2] not in [known[:2] for known in reader.topics]:
            return None
        for message_type, _, raw in reader.messages(reader.find(topic, (STRING,))):
            return str(reader.deserialize(raw, message_type).data)
    return None


def iter_depth(
    bag: str | Path, depth_topic: str, info_topic: str, depth_unit: float = 0.0, rectify: bool = True
) -> Iterator[BagFrame]:
    """Yield the depth images of a bag, in the order of the recording.

    Where the stamps of the images do not advance, the time of recording takes their place for all of them
    (:mod:`v2v_ros.io.headers`). An image takes a camera info of its own frame, if there is any: the one of its stamp,
    else the latest one before it, else (when all are later) the first. Repeated images and those out of order are left
    out, those that cannot be used are skipped: each new reason is logged, and numbers at the end.

    Args:
        bag: Directory with metadata.yaml, or a single .mcap or .db3 file.
        depth_topic: Name of a topic of type sensor_msgs/msg/Image, or sensor_msgs/msg/CompressedImage with
            compressedDepth.
        info_topic: Name of a topic of type sensor_msgs/msg/CameraInfo.
        depth_unit: Metres that one unit of the images stands for; 0: by their encoding.
        rectify: Whether to remove the distortion of the lens where the topic's name does not say that the images are
            rectified.

    Raises:
        BagError: The bag cannot be read, or a topic is missing, of another type or without a usable message.
    """
    with _open(bag) as reader:
        images = reader.find(depth_topic, (IMAGE, COMPRESSED_IMAGE))
        infos = _Infos(reader, info_topic)
        times, repeated = _times(reader, images)
        if times.problem:
            log.warning("%s: %s: %s", bag, depth_topic, times.problem)
        used = 0
        problems: Counter[str] = Counter()
        told: set[str] = set()

        def tell_once(text: str, about: str = "") -> None:
            if (about or text) not in told and len(told) < _MOST_TOLD:
                told.add(about or text)
                log.warning("%s: %s", bag, text)

        rectifier = Rectifier(depth_topic)
        known = iter(enumerate(times.nanoseconds))
        for index, (message_type, _, raw) in enumerate(reader.messages(images)):
            if index in repeated:
                continue
            number, time = next(known)
            if number in times.late:
                continue
            try:
                image = reader.deserialize(raw, message_type)
                raw_depth = _decode(image, message_type, depth_unit)
                frame_id = frame_name(image.header.frame_id)
                info = infos.find(time, times.recorded, frame_id)
                depth, intrinsics = rectifier(raw_depth, info, rectify)
            except ValueError as problem:
                if str(problem) not in problems:
                    log.warning("%s: %s: skipping images: %s", bag, depth_topic, problem)
                problems[str(problem)] += 1
                continue
            used += 1
            if rectifier.note:
                tell_once(f"{info_topic}: {rectifier.note}")
            if "doubt" not in told and (said := doubt(raw_depth, _encoding(image, message_type), depth_unit)):
                tell_once(f"{depth_topic}: {said}", about="doubt")  # its numbers differ from image to image
            if not frame_id:
                tell_once(f"{depth_topic}: the images have no frame_id: TF cannot place the skeletons made from them")
            if (other := frame_name(info.header.frame_id)) not in ("", frame_id):
                tell_once(
                    f"{info_topic}: it is of frame '{other}', but the images on {depth_topic} are of '{frame_id}': "
                    "joints are misplaced if that is another camera"
                )
            yield BagFrame(divmod(time, 10**9), frame_id, depth, intrinsics, (message_type, bytes(raw)), info)
        if not used:
            raise BagError(f"{bag}: no usable image on {depth_topic}: {next(iter(problems), 'it has no messages')}")
        for count, what in ((len(repeated), "repeated"), (len(times.late), "out of order")):
            if count:
                log.warning("%s: %s: left out %d images that are %s", bag, depth_topic, count, what)
        if problems:
            log.warning("%s: %s: skipped %d of %d images", bag, depth_topic, problems.total(), used + problems.total())


def _times(reader: _BagReader, images: list[Any]) -> tuple[Times, set[int]]:
    """Return when the images of a bag were taken, without the repeated ones, and the indices of those."""
    stamps, recorded, repeated, last = array("q"), array("q"), set(), b""
    for index, (_, time, raw) in enumerate(reader.messages(images)):
        if raw == last:  # the same image with the same stamp
            repeated.add(index)
            continue
        last = raw
        recorded.append(time)
        stamps.append(_raw_stamp(raw))
    return choose_times(stamps, recorded), repeated


def _raw_stamp(raw: bytes) -> int:
    """Return the stamp of a serialized message that begins with a header, in nanoseconds; 0 for a damaged one."""
    if len(raw) < 12:
        return 0
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return int(seconds) * 10**9 + int(nanoseconds)


class _BagReader:
    """An open bag. The definitions of its messages are not read: those of sensor_msgs never changed."""

    def __init__(self, path: str | Path, reader: Reader | SalvagedMcap, store: Typestore) -> None:
        self.path = path
        self._reader = reader
        self._store = store
        counts: Counter[tuple[str, str]] = Counter()
        for connection in reader.connections:
            counts[connection.topic, connection.msgtype] += connection.msgcount
        self.topics = [Topic(*key, counts[key]) for key in sorted(counts)]

    def find(self, name: str, types: tuple[str, ...]) -> list[Any]:
        """Return the connections of a topic of one of the types."""
        found = [c for c in self._reader.connections if c.topic == name]
        if any(c.msgtype in types for c in found):
            return [c for c in found if c.msgtype in types]
        wanted = " or ".join(types)
        names = [topic.name for topic in self.topics if topic.type in types]
        if found:
            problem = f"{name} is of type {found[0].msgtype}, not {wanted}"
        else:
            problem = f"no topic {name}"
            near = get_close_matches(name, names, n=1, cutoff=0)
            problem += f"; did you mean {near[0]}?" if near else ""
        raise BagError(f"{self.path}: {problem} (topics of type {wanted}: {', '.join(names) or 'none'})")

    def messages(self, connections: list[Any]) -> Generator[tuple[str, int, bytes], None, None]:
        """Type, time of recording in nanoseconds and serialized data of the messages, in the order of the recording."""
        try:
            for connection, time, raw in self._reader.messages(connections):
                yield connection.msgtype, time, raw
        except Exception as error:  # rosbags lets errors of its storages and decompressors through
            raise BagError(f"{self.path}: the bag is damaged: {error}") from error

    def deserialize(self, raw: bytes, message_type: str) -> Any:
        try:
            return self._store.deserialize_cdr(raw, message_type)
        except Exception as error:  # older versions of rosbags let errors of struct and NumPy through
            raise BagError(f"damaged message: {error}") from error


@contextmanager
def _open(path: str | Path) -> Generator[_BagReader, None, None]:
    require_rosbags()
    from rosbags.rosbag2 import Reader

    from .bag_messages import typestore

    path = Path(path)
    if path.suffix == ".bag":
        raise BagError(f"{path}: a bag of ROS 1; convert it: rosbags-convert --src {path} --dst {path.stem}")
    reader: Any
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # rosbags lets errors of its storages and values of any type through
        reader = _reopened(path, error)
    try:
        opened = _BagReader(path, reader, typestore())
    except Exception as error:
        raise BagError(_unreadable(path, error)) from error
    try:
        yield opened
    finally:
        reader.close()


def _reopened(path: Path, problem: Exception) -> Any:
    """Return a reader of what is left of a bag: of the file in a folder without usable metadata, or of one without an
    end.

    Raises:
        BagError: Nothing of it can be read.
    """
    from rosbags.rosbag2 import Reader

    inside = sorted(file for file in path.glob("*") if file.suffix in STORAGES) if path.is_dir() else []
    if len(inside) > 1:
        raise BagError(
            f"{_unreadable(path, problem)}; it has {len(inside)} files: rebuild its metadata with "
            f"'ros2 bag reindex {path}', or name one of the files"
        ) from problem
    file = inside[0] if inside else path
    if inside:
        try:
            reader = Reader(file)
            reader.open()
        except Exception as error:
            problem = error
        else:
            log.warning("%s: no usable metadata.yaml: reading %s", path, file.name)
            return reader
    try:
        salvaged = SalvagedMcap(file)
    except (OSError, ValueError):
        raise BagError(_unreadable(path, problem)) from problem
    log.warning(
        "%s: the recording has no end: reading the messages that are whole; 'mcap recover %s -o NEW.mcap' makes a file "
        "that other programs read as well",
        path,
        file,
    )
    return salvaged


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path}: not a readable rosbag2 (a directory with metadata.yaml, or a .mcap or .db3 file): {error}"


def require_rosbags() -> None:
    if find_spec("rosbags") is None:
        raise BagError("bags need the library rosbags: pip install rosbags")


class _Infos:
    """The camera infos of a bag.

    Raises:
        BagError: There is none that can be read.
    """

    def __init__(self, reader: _BagReader, topic: str) -> None:
        found = []
        for message_type, time, raw in reader.messages(reader.find(topic, (CAMERA_INFO,))):
            try:
                found.append((time, reader.deserialize(raw, message_type)))
            except BagError as problem:
                log.warning("%s: %s: skipping a camera info: %s", reader.path, topic, problem)
        if not found:
            raise BagError(f"{reader.path}: no camera info on {topic}: it has no readable message")
        self._sorted: dict[tuple[bool, str | None], tuple[list[int], list[Any]]] = {}
        for recorded in (False, True):
            timed = [(time if recorded else _nanoseconds(info), info) for time, info in found]
            timed.sort(key=itemgetter(0))
            for frame_id in {None, *(frame_name(info.header.frame_id) for _, info in found)}:
                own = [pair for pair in timed if frame_id is None or frame_name(pair[1].header.frame_id) == frame_id]
                self._sorted[recorded, frame_id] = [time for time, _ in own], [info for _, info in own]

    def find(self, time: int, recorded: bool, frame_id: str) -> Any:
        """Return the latest up to a time, of its stamp or of its recording, else the first: of this frame, if there is
        any."""
        of_all = self._sorted[recorded, None]
        times, infos = self._sorted.get((recorded, frame_id), of_all)
        return infos[max(0, bisect_right(times, time) - 1)]


def _nanoseconds(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _decode(image: Any, message_type: str, unit: float) -> NDArray[np.float32]:
    if message_type == COMPRESSED_IMAGE:
        return decode_compressed_depth(image.format, image.data, unit)
    return decode_image(image.encoding, image.height, image.width, image.step, image.is_bigendian, image.data, unit)


def _encoding(image: Any, message_type: str) -> str:
    return str(image.format if message_type == COMPRESSED_IMAGE else image.encoding)
