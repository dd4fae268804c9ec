# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""rosbag2 without ROS: depth images in, skeletons out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from v2v_ros.geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.io.depth import encode_compressed_depth
from v2v_ros.recorded.bag_scene import TOPICS
from v2v_ros.recorded.bag_topics import choose_topics, recorded_unit
from v2v_ros.recorded.bag_writer import Recorded, write_skeletons
from v2v_ros.recorded.bags import BagError, BagFrame, Topic, iter_depth, list_topics

pytest.importorskip("rosbags", reason="rosbags is not installed")
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from v2v_ros.recorded.bag_messages import MESSAGES, typestore

ROOT = Path(__file__).resolve().parents[1]

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
DEPTH_TOPIC, INFO_TOPIC = "/camera/depth/image_rect", "/camera/depth/camera_info"
# Humble's definitions, so that a bag of an old distribution is what the reader is given.
STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES: dict[str, Any] = STORE.types

MILLIMETRES = np.array([[0, 1000, 2000], [3000, 4000, 65535]], dtype=np.uint16)
METRES = np.array([[np.nan, 1, 2], [3, 4, 65.535]], dtype=np.float32)

Message = tuple[str, str, int, Any]  # topic, type, time of recording in ns, message


def header(ns: int) -> Any:
    stamp = TYPES["builtin_interfaces/msg/Time"](*divmod(ns, 10**9))
    return TYPES["std_msgs/msg/Header"](stamp, "camera_depth_optical_frame")


def image(ns: int, encoding: str = "16UC1", pixels: NDArray[Any] = MILLIMETRES, **changes: Any) -> Message:
    height, width = pixels.shape
    values = {
        "header": header(ns),
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": 0,
        "step": pixels.strides[0],
        "data": np.frombuffer(pixels.tobytes(), np.uint8),
    }
    return DEPTH_TOPIC, IMAGE, ns, TYPES[IMAGE](**(values | changes))


def compressed(ns: int, codec: str) -> Message:
    format, data = encode_compressed_depth(MILLIMETRES, "16UC1", codec)
    message = TYPES[COMPRESSED](header(ns), format, np.frombuffer(data, np.uint8))
    return DEPTH_TOPIC, COMPRESSED, ns, message


def info(ns: int, focal: float = 500, recorded: int | None = None, **changes: Any) -> Message:
    region = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    values = {
        "header": header(ns),
        "height": 2,
        "width": 3,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": np.array([focal, 0, 1.5, 0, focal + 1, 0.5, 0, 0, 1]),
        "r": np.eye(3).ravel(),
        "p": np.array([focal, 0, 1.5, 0, 0, focal + 1, 0.5, 0, 0, 0, 1, 0]),
        "binning_x": 0,
        "binning_y": 0,
        "roi": region,
    }
    time = ns if recorded is None else recorded
    return INFO_TOPIC, INFO, time, TYPES[INFO](**(values | changes))


def write_bag(path: Path, *messages: Message, storage: str = "mcap") -> Path:
    """A recording; a message of type bytes is written as it is."""
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, message_type, time, message in messages:
            if (topic, message_type) not in connections:
                connections[topic, message_type] = writer.add_connection(topic, message_type, typestore=STORE)
            raw = message if isinstance(message, bytes) else STORE.serialize_cdr(message, message_type)
            writer.write(connections[topic, message_type], time, raw)
    return path


def read(path: Path) -> list[BagFrame]:
    return list(iter_depth(path, DEPTH_TOPIC, INFO_TOPIC))


class TestRead:
    @pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
    @pytest.mark.parametrize("single_file", [False, True])
    def test_both_storages(self, tmp_path: Path, storage: str, single_file: bool) -> None:
        path = write_bag(tmp_path / "bag", info(7), image(7), info(5 * 10**9 + 8), storage=storage)
        if single_file:
            (path,) = (file for file in path.iterdir() if file.suffix in (".db3", ".mcap"))
        assert list_topics(path) == [Topic(INFO_TOPIC, INFO, 2), Topic(DEPTH_TOPIC, IMAGE, 1)]
        (frame,) = read(path)
        assert frame.stamp == (0, 7)
        assert frame.frame_id == "camera_depth_optical_frame"
        assert frame.depth.dtype == np.float32
        np.testing.assert_array_equal(frame.depth, METRES)
        camera = frame.intrinsics
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 501, 1.5, 0.5)
        assert (camera.width, camera.height) == (3, 2)

    def test_frames_come_in_order_with_their_stamps(self, tmp_path: Path) -> None:
        times = [10**9, 2 * 10**9 + 1, 3 * 10**9 + 999_999_999]
        path = write_bag(tmp_path / "bag", info(0), *(image(time) for time in times))
        assert [frame.stamp for frame in read(path)] == [(1, 0), (2, 1), (3, 999_999_999)]

    @pytest.mark.parametrize("codec", ["png", "rvl"])
    def test_compressed_depth(self, tmp_path: Path, codec: str) -> None:
        (frame,) = read(write_bag(tmp_path / "bag", info(1), compressed(1, codec)))
        np.testing.assert_array_equal(frame.depth, METRES)

    def test_metres(self, tmp_path: Path) -> None:
        (frame,) = read(write_bag(tmp_path / "bag", info(1), image(1, "32FC1", METRES)))
        np.testing.assert_array_equal(frame.depth, METRES)

    def test_string_paths(self, tmp_path: Path) -> None:
        path = str(write_bag(tmp_path / "bag", info(1), image(1)))
        assert len(list_topics(path)) == 2
        assert len(list(iter_depth(path, DEPTH_TOPIC, INFO_TOPIC))) == 1


class TestCameraInfo:
    def focals(self, path: Path) -> list[float]:
        return [frame.intrinsics.fx for frame in read(path)]

    def test_the_exact_stamp_comes_first(self, tmp_path: Path) -> None:
        # Recorded after its image, as it happens when both are published at once.
        messages = [info(10, 110), info(20, 120, recorded=26), image(20), info(30, 130), image(10)]
        assert self.focals(write_bag(tmp_path / "bag", *messages)) == [110, 120]

    def test_else_the_latest_before(self, tmp_path: Path) -> None:
        messages = [info(10, 110), info(20, 120), image(29), info(30, 130), image(31), image(12)]
        assert self.focals(write_bag(tmp_path / "bag", *messages)) == [110, 120, 130]

    def test_else_the_first(self, tmp_path: Path) -> None:
        messages = [image(5), info(20, 120, recorded=6), info(10, 110, recorded=7), image(15)]
        assert self.focals(write_bag(tmp_path / "bag", *messages)) == [110, 110]

    def test_latched(self, tmp_path: Path) -> None:
        messages = [info(0, 100), *(image(ns) for ns in (10, 20, 30))]
        assert self.focals(write_bag(tmp_path / "bag", *messages)) == [100, 100, 100]

    def test_the_rectified_camera_is_what_counts(self, tmp_path: Path) -> None:
        projection = np.array([400.0, 0, 1, -20, 0, 401, 0.25, 0, 0, 0, 1, 0])
        (frame,) = read(write_bag(tmp_path / "bag", info(1, 500, p=projection), image(1)))
        camera = frame.intrinsics
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == (400, 401, 1, 0.25)

    def test_without_p_k_is_taken(self, tmp_path: Path) -> None:
        (frame,) = read(write_bag(tmp_path / "bag", info(1, 500, p=np.zeros(12)), image(1)))
        camera = frame.intrinsics
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 501, 1.5, 0.5)

    def test_without_a_size_that_of_the_image_is_taken(self, tmp_path: Path) -> None:
        (frame,) = read(write_bag(tmp_path / "bag", info(1, width=0, height=0), image(1)))
        assert (frame.intrinsics.width, frame.intrinsics.height) == (3, 2)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"width": 640, "height": 480}, "for images of 640x480, but the depth image has 3x2"),
            ({"k": np.zeros(9), "p": np.zeros(12)}, "focal lengths must be positive"),
            ({"p": np.full(12, np.nan)}, "finite"),
        ],
    )
    def test_unusable(self, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        path = write_bag(tmp_path / "bag", info(1, **changes), image(1))
        with pytest.raises(BagError, match=f"no usable image on {DEPTH_TOPIC}: .*{message}"):
            read(path)

    def test_damaged_ones_are_skipped(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = write_bag(tmp_path / "bag", (INFO_TOPIC, INFO, 1, b"\0\1\0\0ab"), info(2, 120), image(3))
        assert self.focals(path) == [120]
        assert f"{INFO_TOPIC}: skipping a camera info: damaged message" in caplog.text

    def test_only_damaged_ones(self, tmp_path: Path) -> None:
        path = write_bag(tmp_path / "bag", (INFO_TOPIC, INFO, 1, b"\0\1\0\0"), image(3))
        with pytest.raises(BagError, match=f"no camera info on {INFO_TOPIC}"):
            read(path)


class TestBadFrames:
    def test_are_skipped_and_counted(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        truncated = [image(ns, data=np.zeros(5, np.uint8)) for ns in (2, 3)]
        damaged = (DEPTH_TOPIC, IMAGE, 5, b"\0\1\0\0half a message")
        path = write_bag(tmp_path / "bag", info(0), image(1), *truncated, image(4), damaged, image(6))
        assert [frame.stamp[1] for frame in read(path)] == [1, 4, 6]
        texts = [record.getMessage() for record in caplog.records]
        assert len(texts) == 3
        assert f"{path}: {DEPTH_TOPIC}: skipping images: image data is truncated: 5 bytes" in texts[0]
        assert "skipping images: damaged message" in texts[1]
        assert texts[2] == f"{path}: {DEPTH_TOPIC}: skipped 3 of 6 images"

    def test_nothing_is_logged_when_all_is_well(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        read(write_bag(tmp_path / "bag", info(0), image(1)))
        assert not caplog.records

    def test_a_colour_image(self, tmp_path: Path) -> None:
        colour = np.zeros((2, 9), np.uint8)
        path = write_bag(tmp_path / "bag", info(0), image(1, "rgb8", colour, width=3))
        with pytest.raises(BagError, match=r"no usable image .*'rgb8' is not an encoding of depth"):
            read(path)

    @pytest.mark.parametrize("size", [*range(1, 40, 7), 60, 70, -1])
    def test_truncated_messages(self, tmp_path: Path, size: int) -> None:
        raw = bytes(STORE.serialize_cdr(image(1)[3], IMAGE))
        path = write_bag(tmp_path / "bag", info(0), (DEPTH_TOPIC, IMAGE, 1, raw[:size]), image(2))
        assert [frame.stamp for frame in read(path)] == [(0, 2)]


class TestBagErrors:
    def test_missing_topic(self, tmp_path: Path) -> None:
        other = ("/camera/color/image_raw", *image(1)[1:])
        path = write_bag(tmp_path / "bag", info(1), image(1), other)
        with pytest.raises(BagError) as caught:
            list(iter_depth(path, "/camera/depth/image_rect_raw", INFO_TOPIC))
        assert str(caught.value) == (
            f"{path}: no topic /camera/depth/image_rect_raw; did you mean {DEPTH_TOPIC}? "
            f"(topics of type {IMAGE} or {COMPRESSED}: /camera/color/image_raw, {DEPTH_TOPIC})"
        )

    def test_missing_info_topic(self, tmp_path: Path) -> None:
        path = write_bag(tmp_path / "bag", info(1), image(1))
        with pytest.raises(BagError, match=f"no topic /info; did you mean {INFO_TOPIC}?"):
            list(iter_depth(path, DEPTH_TOPIC, "/info"))

    def test_no_topic_of_the_type(self, tmp_path: Path) -> None:
        path = write_bag(tmp_path / "bag", image(1))
        with pytest.raises(BagError, match=r"no topic /info \(topics of type .*CameraInfo: none\)"):
            list(iter_depth(path, DEPTH_TOPIC, "/info"))

    def test_topic_of_another_type(self, tmp_path: Path) -> None:
        path = write_bag(tmp_path / "bag", info(1), image(1))
        with pytest.raises(BagError, match=f"{INFO_TOPIC} is of type {INFO}, not {IMAGE} or {COMPRESSED}"):
            list(iter_depth(path, INFO_TOPIC, INFO_TOPIC))

    def test_topic_without_messages(self, tmp_path: Path) -> None:
        path = tmp_path / "bag"
        with Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
            writer.add_connection(DEPTH_TOPIC, IMAGE, typestore=STORE)
            connection = writer.add_connection(INFO_TOPIC, INFO, typestore=STORE)
            writer.write(connection, 1, STORE.serialize_cdr(info(1)[3], INFO))
        with pytest.raises(BagError, match=f"no usable image on {DEPTH_TOPIC}: it has no messages"):
            read(path)

    def test_no_such_bag(self, tmp_path: Path) -> None:
        with pytest.raises(BagError, match=r"none: not a readable rosbag2 \(a directory with metadata.yaml"):
            list_topics(tmp_path / "none")

    def test_directory_without_metadata(self, tmp_path: Path) -> None:
        with pytest.raises(BagError, match="not a readable rosbag2"):
            list_topics(tmp_path)

    def test_bag_of_ros_1(self, tmp_path: Path) -> None:
        with pytest.raises(BagError, match=r"old\.bag: a bag of ROS 1; convert it: rosbags-convert"):
            list_topics(tmp_path / "old.bag")

    @pytest.mark.parametrize("suffix", [".mcap", ".db3"])
    @pytest.mark.parametrize("content", [b"", b"no bag", bytes(5000)])
    def test_file_that_is_no_bag(self, tmp_path: Path, suffix: str, content: bytes) -> None:
        path = tmp_path / f"bag{suffix}"
        path.write_bytes(content)
        with pytest.raises(BagError, match="not a readable rosbag2"):
            list_topics(path)

    @pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
    def test_damaged_bags_raise_nothing_else(self, tmp_path: Path, storage: str) -> None:
        rng = np.random.default_rng(3)
        folder = write_bag(tmp_path / "bag", info(1), image(1), image(2), storage=storage)
        (path,) = (file for file in folder.iterdir() if file.suffix in (".db3", ".mcap"))
        whole = path.read_bytes()
        refused = 0
        for _ in range(60):
            damaged = bytearray(whole)
            for where in rng.integers(0, len(whole), 20):
                damaged[where] ^= int(rng.integers(1, 256))
            path.write_bytes(damaged)
            try:
                read(path)
            except BagError:
                refused += 1
        assert refused > 0

    def test_without_the_library_the_remedy_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "rosbags"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "rosbags", None)
        with pytest.raises(BagError, match=r"pip install rosbags"):
            list_topics(tmp_path)
        with pytest.raises(BagError, match=r"pip install rosbags"):
            write_skeletons(tmp_path / "out.mcap", "hand21", [])


def renamed(message: Message, topic: str, message_type: str | None = None) -> Message:
    return topic, message_type or message[1], *message[2:]


class TestTopics:
    def test_the_only_depth_images_and_their_camera_info_are_found(self, tmp_path: Path) -> None:
        colour = renamed(image(7), "/camera/color/image_raw")
        its_info = renamed(info(7), "/camera/color/camera_info")
        bag = write_bag(tmp_path / "bag", info(7), image(7), colour, its_info)
        assert choose_topics(bag) == (DEPTH_TOPIC, INFO_TOPIC)
        assert choose_topics(bag, None, "/camera/color/camera_info") == (DEPTH_TOPIC, "/camera/color/camera_info")
        assert choose_topics(bag, "/a", "/b") == ("/a", "/b")
        assert recorded_unit(bag, DEPTH_TOPIC) == 0

    def test_raw_images_go_before_the_same_compressed(self, tmp_path: Path) -> None:
        packed = renamed(compressed(7, "png"), f"{DEPTH_TOPIC}/compressedDepth")
        assert choose_topics(write_bag(tmp_path / "both", info(7), image(7), packed)) == (DEPTH_TOPIC, INFO_TOPIC)
        alone = write_bag(tmp_path / "packed", info(7), packed)
        assert choose_topics(alone) == (f"{DEPTH_TOPIC}/compressedDepth", INFO_TOPIC)

    def test_several_or_none_are_listed(self, tmp_path: Path) -> None:
        other = renamed(image(7), "/second/depth/image_rect"), renamed(info(7), "/second/depth/camera_info")
        several = write_bag(tmp_path / "several", info(7), image(7), *other)
        with pytest.raises(BagError, match=r"several depth images: name the topics[^$]*/second/depth/image_rect"):
            choose_topics(several)
        assert choose_topics(several, "/second/depth/image_rect")[1] == "/second/depth/camera_info"
        with pytest.raises(BagError, match="no depth images with a camera info beside them"):
            choose_topics(write_bag(tmp_path / "none", image(7)))

    def test_realsenses_own_recordings(self, tmp_path: Path) -> None:
        sensor = "/device_0/sensor_0"
        packed = renamed(compressed(7, "png"), f"{sensor}/Depth_0/image/data/compressedDepth")
        lens = renamed(info(7), f"{sensor}/Depth_0/image/camera_info")
        text = "std_msgs/msg/String"
        unit = f"{sensor}/option/Depth_Units/value", text, 1, TYPES[text]("0.000125")
        bag = write_bag(tmp_path / "bag", unit, lens, packed, storage="sqlite3")
        topics = choose_topics(bag)
        assert topics == (packed[0], lens[0]) and recorded_unit(bag, topics[0]) == 0.000125
        (frame,) = iter_depth(bag, *topics, depth_unit=recorded_unit(bag, topics[0]))
        assert frame.depth[0, 1] == pytest.approx(0.125)


def estimate(*ids: str, joints: int = 21) -> Estimate:
    rng = np.random.default_rng(joints)
    points = rng.normal(size=(joints, 3)).astype(np.float32)
    points[2] = np.nan
    scores = rng.random(joints).astype(np.float32)
    covariances = rng.random((joints, 6)).astype(np.float32)
    skeletons = tuple(
        SkeletonEstimate(
            id=id,
            side=Side.LEFT,
            tracking_state=TrackingState.PREDICTED,
            score=0.625,
            center=np.array([0.1, 0.2, 0.7]),
            cube_edge=0.25,
            points=points + number,
            scores=scores,
            covariances=covariances,
            velocities=points + 2 * number,
        )
        for number, id in enumerate(ids)
    )
    return Estimate(skeletons=skeletons, seconds={})


def read_skeletons(path: Path) -> list[tuple[str, int, Any]]:
    """Topic, time and message of the skeletons."""
    return [each for each in read_all(path) if each[2].__msgtype__ == "v2v_ros/msg/SkeletonArray"]


def read_all(path: Path) -> list[tuple[str, int, Any]]:
    """Topic, time and message, decoded with the definitions in the file alone, as another program does it."""
    with Reader(path) as reader:
        store = get_typestore(Stores.EMPTY)
        for connection in reader.connections:
            store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        return [
            (connection.topic, time, store.deserialize_cdr(raw, connection.msgtype))
            for connection, time, raw in reader.messages()
        ]


class TestWrite:
    def test_every_field(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mcap"
        found = estimate("hand_1", "hand_2")
        frames = [Recorded((12, 34), "optical", found), Recorded((12, 67), "optical", estimate())]
        write_skeletons(path, "hand21", iter(frames), topic="/robot/skeletons")
        first, second = read_skeletons(path)
        assert [(topic, time) for topic, time, _ in (first, second)] == [
            ("/robot/skeletons", 12 * 10**9 + 34),
            ("/robot/skeletons", 12 * 10**9 + 67),
        ]
        message = first[2]
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
        assert message.header.frame_id == "optical"
        assert message.skeleton == "hand21"
        assert [skeleton.id for skeleton in message.skeletons] == ["hand_1", "hand_2"]
        for skeleton, expected in zip(message.skeletons, found.skeletons, strict=True):
            assert skeleton.kind == skeleton.HAND
            assert skeleton.side == skeleton.LEFT
            assert skeleton.tracking_state == skeleton.PREDICTED
            assert skeleton.score == 0.625
            center = (skeleton.center.x, skeleton.center.y, skeleton.center.z)
            np.testing.assert_array_equal(center, expected.center)
            assert skeleton.cube_edge == 0.25
            points = [(point.x, point.y, point.z) for point in skeleton.points]
            np.testing.assert_array_equal(points, expected.points)
            np.testing.assert_array_equal(skeleton.scores, expected.scores)
            np.testing.assert_array_equal(skeleton.covariances, expected.covariances.ravel())
            velocities = [(velocity.x, velocity.y, velocity.z) for velocity in skeleton.velocities]
            np.testing.assert_array_equal(velocities, expected.velocities)
        assert second[2].skeletons == []

    def test_bodies(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mcap"
        write_skeletons(path, "body15", [Recorded((1, 0), "optical", estimate("body_1", joints=15))])
        ((topic, _, message),) = read_skeletons(path)
        assert topic == "/skeletons"
        assert message.skeletons[0].kind == message.skeletons[0].BODY
        assert len(message.skeletons[0].points) == len(get_skeleton("body15").joint_names)

    def test_many_frames(self, tmp_path: Path) -> None:
        # Over 1 MiB, where the file gets a second chunk.
        path = tmp_path / "out.mcap"
        found = estimate("hand_1")
        write_skeletons(path, "hand21", (Recorded((n, 0), "optical", found) for n in range(1000)))
        messages = read_skeletons(path)
        assert 2**14 < path.stat().st_size < 2**20  # compressed
        assert [time for _, time, _ in messages] == [n * 10**9 for n in range(1000)]

    def test_viewers_get_frames_markers_and_points(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mcap"
        found = estimate("hand_1", "hand_2")
        frames = [Recorded((12, 34), "optical", found), Recorded((12, 67), "optical", estimate())]
        write_skeletons(path, "hand21", frames)
        messages = read_all(path)
        assert {topic.name for topic in list_topics(path)} == {"/skeletons", *TOPICS}
        ((_, time, tf),) = [each for each in messages if each[0] == "/tf"]
        assert time == 12 * 10**9 + 34
        frame = {one.child_frame_id: one for one in tf.transforms}
        assert len(frame) == 2 * 21 and "hand_1_palm" in frame and "hand_1_index_pip" not in frame  # that one is NaN
        wrist = frame["hand_2_wrist"]
        assert wrist.header.frame_id == "optical" and wrist.header.stamp.nanosec == 34
        place, turn = wrist.transform.translation, wrist.transform.rotation
        np.testing.assert_allclose((place.x, place.y, place.z), found.skeletons[1].points[0], rtol=1e-6)
        assert np.linalg.norm((turn.x, turn.y, turn.z, turn.w)) == pytest.approx(1)
        first, second = (each[2] for each in messages if each[0] == "/markers")
        clear, bones, joints, *_ = first.markers
        assert clear.action == clear.DELETEALL and len(first.markers) == 5 and len(second.markers) == 1
        assert (bones.ns, bones.type) == ("hand_1", bones.LINE_LIST) and joints.type == joints.SPHERE_LIST
        assert len(bones.points) == len(bones.colors) == 2 * 18 and len(joints.points) == len(joints.colors) == 20
        cloud, empty = (each[2] for each in messages if each[0] == "/joints")
        assert (cloud.width, empty.width) == (40, 0)
        rows = cloud.data.view(np.float32).reshape(-1, 4)
        np.testing.assert_array_equal(rows[0, :3], found.skeletons[0].points[0])
        assert rows[0, 3] == found.skeletons[0].scores[0]

    def test_images_without_a_frame_have_no_tf(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mcap"
        write_skeletons(path, "hand21", [Recorded((1, 0), "", estimate("hand_1"))])
        assert "/tf" not in {topic.name for topic in list_topics(path)}

    def test_images_go_along(self, tmp_path: Path) -> None:
        source = write_bag(tmp_path / "bag", info(7), image(7))
        (frame,) = read(source)
        carried = (DEPTH_TOPIC, *frame.image), (INFO_TOPIC, INFO, frame.info)
        path = tmp_path / "out.mcap"
        write_skeletons(path, "hand21", [Recorded(frame.stamp, frame.frame_id, estimate(), carried)])
        (again,) = read(path)
        np.testing.assert_array_equal(again.depth, frame.depth)
        assert again.intrinsics == frame.intrinsics and again.stamp == frame.stamp

    def test_no_frames(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mcap"
        write_skeletons(path, "hand21", [])
        assert list_topics(path) == [Topic("/skeletons", "v2v_ros/msg/SkeletonArray", 0)]

    def test_the_folder_is_made(self, tmp_path: Path) -> None:
        write_skeletons(tmp_path / "new" / "out.mcap", "hand21", [])
        assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "out.mcap"]

    def test_an_existing_file_is_replaced_and_nothing_else_is_left(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mcap"
        path.write_text("old")
        write_skeletons(path, "hand21", [Recorded((1, 0), "optical", estimate("hand_1"))])
        assert len(read_skeletons(path)) == 1
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interrupted_run_leaves_the_old_file(self, tmp_path: Path) -> None:
        def frames() -> Iterator[Recorded]:
            yield Recorded((1, 0), "optical", estimate("hand_1"))
            raise KeyboardInterrupt

        path = tmp_path / "out.mcap"
        path.write_text("old")
        with pytest.raises(KeyboardInterrupt):
            write_skeletons(path, "hand21", frames())
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("name", "skeleton", "message"),
        [
            ("out.json", "hand21", r"out\.json: .*choose a name that ends in \.mcap"),
            ("file/out.mcap", "hand21", r"file/out\.mcap: cannot write the skeletons: "),
            ("out.mcap", "hand5", "unknown skeleton 'hand5'"),
        ],
    )
    def test_refused_before_anything_is_computed(self, tmp_path: Path, name: str, skeleton: str, message: str) -> None:
        def frames() -> Iterator[Any]:
            pytest.fail("the frames were asked for")
            yield

        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match=message):
            write_skeletons(tmp_path / name, skeleton, frames())


def test_ros_reads_what_is_written(tmp_path: Path) -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="ROS is not installed")
    messages = pytest.importorskip("v2v_ros.msg", reason="the messages are not built")
    path = tmp_path / "out.mcap"
    found = estimate("hand_1", "hand_2")
    write_skeletons(path, "hand21", [Recorded((12, 34), "optical", found)])
    with Reader(path) as reader:
        raw = {connection.topic: bytes(data) for connection, _, data in reader.messages()}
    message = serialization.deserialize_message(raw["/skeletons"], messages.SkeletonArray)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert (message.header.frame_id, message.skeleton) == ("optical", "hand21")
    assert [skeleton.id for skeleton in message.skeletons] == ["hand_1", "hand_2"]
    last = message.skeletons[1]
    assert (last.kind, last.side, last.tracking_state) == (last.HAND, last.LEFT, last.PREDICTED)
    points = [(point.x, point.y, point.z) for point in last.points]
    np.testing.assert_array_equal(points, found.skeletons[1].points)
    np.testing.assert_array_equal(last.covariances, found.skeletons[1].covariances.ravel())
    for topic, kind in TOPICS.items():
        package, _, name = kind.partition("/msg/")
        again = serialization.deserialize_message(raw[topic], getattr(import_module(f"{package}.msg"), name))
        assert serialization.serialize_message(again)[:8] == raw[topic][:8]
        header = {"/tf": lambda m: m.transforms[0], "/markers": lambda m: m.markers[1]}.get(topic, lambda m: m)(again)
        assert header.header.frame_id == "optical"


@pytest.mark.parametrize("name", list(MESSAGES))
def test_the_definitions_are_those_of_the_package(name: str) -> None:
    package, _, short = name.partition("/msg/")
    text = (ROOT / "msg" / f"{short}.msg").read_text()
    assert package == "v2v_ros"
    assert get_types_from_msg(MESSAGES[name], name) == get_types_from_msg(text, name)


def test_the_definitions_do_not_leak_into_other_stores() -> None:
    assert set(MESSAGES) <= set(typestore().types)
    assert not set(MESSAGES) & set(get_typestore(Stores.ROS2_JAZZY).types)


class TestRealBags:
    TOPICS = ("/camera/depth/image_rect_raw", "/camera/depth/camera_info")

    @pytest.mark.parametrize("name", ["d435_mcap", "d435_sqlite3"])
    def test_read(self, test_data: Path, name: str) -> None:
        bag = test_data / "bags" / name
        assert list_topics(bag) == [Topic(self.TOPICS[1], INFO, 2), Topic(self.TOPICS[0], IMAGE, 2)]
        first, second = iter_depth(bag, *self.TOPICS)
        assert (first.stamp, second.stamp) == ((1, 0), (1, 33333333))
        for frame in (first, second):
            assert frame.frame_id == "camera_depth_optical_frame"
            assert frame.depth.shape == (480, 640)
            assert 0.3 < np.nanmedian(frame.depth) < 4
            assert frame.intrinsics.fx == pytest.approx(390.4314575)
            assert frame.intrinsics.cy == pytest.approx(242.1873474)

    def test_both_storages_hold_the_same(self, test_data: Path) -> None:
        bags = (test_data / "bags" / name for name in ("d435_mcap", "d435_sqlite3"))
        for first, second in zip(*(iter_depth(bag, *self.TOPICS) for bag in bags), strict=True):
            np.testing.assert_array_equal(first.depth, second.depth)
