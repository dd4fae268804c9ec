# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The targets of the fuzzer: everything that reads what others wrote.

A target is a class with the readers' examples; its :meth:`case` makes one input out of a random generator. What it runs
must end in a result or in one of the documented errors, and within the memory that it names.
"""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import fuzz_mutations as odd
import numpy as np
import torch

from v2v_ros.geometry.camera import Intrinsics, cube_region, deproject, from_camera_info, points_in_cube, project
from v2v_ros.geometry.distortion import Rectifier
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.io.depth import MAX_PIXELS, DepthError, decode_compressed_depth, decode_image, encode_compressed_depth
from v2v_ros.io.depth_checks import doubt
from v2v_ros.model import weights as weights_files
from v2v_ros.model.network import CenterRefiner, CenterRefinerConfig, NetworkConfig, V2VPoseNet
from v2v_ros.model.weights import CenterWeights, Weights, WeightsError
from v2v_ros.recorded.frames import FrameListError, load_frame_list, read_depth

_NPY_FIELDS = (
    *("'<u2'", "'O'", "'<f2'", "'<c8'", "'<i8'", "''", "'|V0'", "'<U9999999'", "[('a', '<u2')]", "('<u2', (2,))"),
    *(
        "(3, -4)",
        "(-1,)",
        "()",
        "(0, 4)",
        "(10**9, 4)",
        "(99999, 99999)",
        "(3.0, 4)",
        "('3', 4)",
        "(3, 4, 1)",
        "(2, 2)",
    ),
    *("(3, 4, 1)", "True", "None", "[" * 300, "1+1j", "9" * 5000, "{}", "__import__('os')"),
)
_SLACK = 2**20  # bytes that an input may take whatever its size


class Case(NamedTuple):
    """One input.

    Attributes:
        run: Reads it.
        errors: What it may raise.
        memory: Bytes of Python and NumPy that it may take.
        reserved: Whether what is only reserved counts as well. Python's ``file.read(n)`` reserves n bytes, for which
            the system gives no memory where the file is shorter; then the size of the process alone tells.
    """

    run: Callable[[], object]
    errors: tuple[type[Exception], ...]
    memory: int
    reserved: bool = True


def _unit(rng: random.Random) -> float:
    """A value of depth_unit, mostly a sensible one."""
    return rng.choice((0.0, 0.0, 0.001, 0.0001, 0.00025, 1.0, rng.random(), 10 ** rng.uniform(-40, 0)))


def _check_depth(depth: Any) -> None:
    assert depth.dtype == np.float32 and depth.ndim == 2, f"{depth.dtype} {depth.shape}"
    assert not (depth <= 0).any() and not np.isinf(depth).any(), "a value that is no distance"


def _picture(rng: random.Random) -> np.ndarray:
    """A small depth image, uint16, with zeros and noise."""
    height, width = rng.randrange(1, 40), rng.randrange(1, 50)
    made = np.random.default_rng(rng.randrange(2**32))
    image = made.integers(0, rng.choice((2, 3000, 65536)), (height, width), dtype=np.uint16)
    image[made.random(image.shape) < rng.choice((0.0, 0.5, 1.0))] = 0
    return image


class RawImages:
    """Fields of sensor_msgs/Image."""

    name, share = "raw images", 0.3

    def __init__(self, folder: Path) -> None:
        pass

    def case(self, rng: random.Random) -> Case:
        encoding = rng.choice(("16UC1", "mono16", "32FC1", "16uc1", "rgb8", "64FC1", "", odd.text(rng)))
        item = 4 if "32" in encoding else 2
        height, width = rng.randrange(1, 60), rng.randrange(1, 60)
        step = width * item + rng.choice((0, 0, 0, 1, 2, 13))
        length = step * height + rng.choice((0, 0, 0, -1, -item, 7))
        fields = [height, width, step]
        for index in range(3):
            if rng.random() < 0.15:
                fields[index] = odd.size(rng)
        data: Any = rng.randbytes(max(0, length))
        if rng.random() < 0.1:
            data = rng.choice((b"", memoryview(data), bytearray(data), np.frombuffer(data, np.uint8)[::-1], []))
        height, width, step = fields
        big = rng.choice((0, 1, 255, True))
        unit = _unit(rng)

        def run() -> None:
            depth = decode_image(encoding, height, width, step, big, data, unit)
            assert depth.shape == (height, width)
            _check_depth(depth)
            doubt(depth, encoding, unit)

        return Case(run, (DepthError,), _SLACK + 40 * len(data))


class CompressedImages:
    """Fields of sensor_msgs/CompressedImage: damaged PNG and RVL, and headers that lie."""

    name, share = "compressed images", 0.3

    def __init__(self, folder: Path) -> None:
        pass

    def case(self, rng: random.Random) -> Case:
        codec = rng.choice(("png", "rvl"))
        picture = _picture(rng)
        if rng.random() < 0.5:
            format, data = encode_compressed_depth(picture, "16UC1", codec)
        else:
            format, data = encode_compressed_depth((picture / 1000).astype(np.float32), "32FC1", codec)
        header, body = data[:12], data[12:]
        if codec == "png":
            body = self._png(body, rng)
            stated = struct.unpack_from(">II", body, 16) if len(body) >= 24 else (0, 0)
        else:
            body = self._rvl(body, rng)
            stated = struct.unpack_from("<II", body) if len(body) >= 8 else (0, 0)
        if rng.random() < 0.2:
            header = struct.pack("<iff", odd.size(rng) - 2**31, *(_float32(rng) for _ in range(2)))
        if rng.random() < 0.05:
            format = rng.choice(("16UC1", "jpeg", "32FC1; compressedDepth zstd", odd.text(rng)))
        data = header + body
        pixels = stated[0] * stated[1]
        # A header that states more than the data can hold must not be believed.
        believed = pixels if pixels <= min(MAX_PIXELS, 1032 * len(body)) or codec == "rvl" else 0
        believed = believed if believed <= MAX_PIXELS else 0

        unit = _unit(rng)

        def run() -> None:
            depth = decode_compressed_depth(format, data, unit)
            assert depth.size == pixels
            _check_depth(depth)
            doubt(depth, format, unit)

        return Case(run, (DepthError,), 3 * _SLACK + 30 * believed + 100 * min(len(data), 10 * pixels + 10_000))

    def _png(self, body: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return odd.mutate(body, rng)
        chunks = _chunks(body)
        for _ in range(rng.randint(1, 3)):  # damage with checksums that are right
            at = rng.randrange(len(chunks))
            action = rng.randrange(6)
            if action == 0:
                chunks[at] = (chunks[at][0], odd.mutate(chunks[at][1], rng))
            elif action == 1:
                chunks.insert(at, chunks[rng.randrange(len(chunks))])
            elif action == 2 and len(chunks) > 1:
                del chunks[at]
            elif action == 3:
                bomb = zlib.compress(bytes(rng.choice((10, 10**6, 10**7))))
                kind = rng.choice((b"zTXt", b"iCCP", b"iTXt"))
                chunks[at:at] = [(kind, b"x\0\0" + (b"\0\0\0" if kind == b"iTXt" else b"") + bomb)] * rng.randint(1, 5)
            elif action == 4:
                chunks.insert(
                    at, (rng.choice((b"acTL", b"fcTL", b"tRNS", b"PLTE", b"eXIf", b"gAMA")), rng.randbytes(26))
                )
            elif chunks[0][0] == b"IHDR" and len(chunks[0][1]) >= 13:
                width, height = (odd.size(rng) if rng.random() < 0.7 else 16 for _ in range(2))
                last = bytes(rng.choice((0, 0, 0, 1, 2)) for _ in range(3))
                chunks[0] = (b"IHDR", struct.pack(">II", width, height) + b"\x10\0" + last)
        return body[:8] + b"".join(_chunk(*chunk) for chunk in chunks)

    def _rvl(self, body: bytes, rng: random.Random) -> bytes:
        width, height = struct.unpack_from("<II", body)
        if rng.random() < 0.3:
            width, height = (rng.choice((1, 40, 4096, 5000, odd.size(rng))) for _ in range(2))
        stream = odd.mutate(body[8:], rng)
        if rng.random() < 0.05:
            stream += rng.choice((bytes(200_000), b"\x11" * 200_000, b"\xff" * 200_000, rng.randbytes(200_000)))
        return struct.pack("<II", width, height) + stream


class Cameras:
    """Contents of sensor_msgs/CameraInfo, and the geometry that follows from them."""

    name, share = "camera infos", 0.1

    def __init__(self, folder: Path) -> None:
        self._depth = torch.linspace(0.2, 3.0, 8 * 10).reshape(8, 10)

    def case(self, rng: random.Random) -> Case:
        k = [50.0, 0.0, 4.5, 0.0, 50.0, 3.5, 0.0, 0.0, 1.0]
        p = [50.0, 0.0, 4.5, 0.0, 0.0, 50.0, 3.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        if rng.random() < 0.3:
            p = [0.0] * 12
        for values in (k, p):
            for index in (0, 2, 4, 5, 6):
                if rng.random() < 0.2:
                    values[index] = odd.real(rng)
        height, width = (8, 10) if rng.random() < 0.8 else (odd.size(rng), odd.size(rng))
        region = dict.fromkeys(("x_offset", "y_offset", "width", "height"), 0)
        if rng.random() < 0.3:
            region = {name: odd.size(rng) for name in region}
        info = SimpleNamespace(height=height, width=width, k=np.array(k), p=np.array(p), roi=SimpleNamespace(**region))
        info.binning_x, info.binning_y = rng.choice((0, 1, 2)), rng.choice((0, 1, odd.size(rng)))
        info.distortion_model = rng.choice(("plumb_bob", "rational_polynomial", "equidistant", "", odd.text(rng)))
        d = [rng.gauss(0, 0.2) for _ in range(rng.choice((0, 4, 5, 8, 12, 14, odd.size(rng) % 20)))]
        info.d = np.array([odd.real(rng) if rng.random() < 0.1 else value for value in d])
        center = (rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-0.5, 2))
        edge = rng.uniform(0.01, 2)

        def run() -> None:
            camera = from_camera_info(info, (8, 10))
            region = cube_region(center, edge, camera)
            assert region.left >= 0 and region.right <= 10 and region.top >= 0 and region.bottom <= 8
            assert deproject(self._depth, camera).shape == (8, 10, 3)
            points = points_in_cube(self._depth, camera, center, edge)
            assert project(points, camera).shape == (len(points), 2)
            depth = self._depth.numpy()
            rectified, other = Rectifier("image_raw")(depth, info)
            assert other == camera
            assert set(rectified[np.isfinite(rectified)].tolist()) <= set(depth.ravel().tolist())

        return Case(run, (ValueError,), _SLACK)


class FrameLists:
    """Lists of frames for ``v2v predict``."""

    name, share = "frame lists", 0.1

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for index in range(2):
            (folder / f"{index}.png").write_bytes(b"png")
        camera = {"fx": 475.0, "fy": 475, "cx": 319.5, "cy": 239.5}
        self._list = {
            "frames": [
                {"id": f"a{index}", "path": f"{index}.png", "mm_per_unit": 1.0, "K": camera, "center_mm": [0, 1.5, 600]}
                for index in range(2)
            ]
        }

    def case(self, rng: random.Random) -> Case:
        path = self._folder / "frames.json"
        words = odd.dump_json(odd.mutate_json(self._list, rng)).encode()
        path.write_bytes(odd.mutate(words, rng) if rng.random() < 0.3 else words)

        def run() -> None:
            for record in load_frame_list(path):
                Intrinsics(record.fx, record.fy, record.cx, record.cy, 640, 480)
                assert record.center is None or np.isfinite(record.center).all()
                str(record.path).encode()

        return Case(run, (FrameListError,), 3 * _SLACK + 200 * len(words))


class DepthFiles:
    """The images that frame lists name: PNG, NumPy's and OpenEXR's."""

    name, share = "depth files", 0.1

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._examples: list[tuple[str, bytes]] = []
        pixels = np.arange(1, 13, dtype=np.uint16).reshape(3, 4)
        self._examples.append((".png", encode_compressed_depth(pixels)[1][12:]))
        for array in (pixels, pixels.astype(np.float64), np.asfortranarray(pixels)):
            np.save(folder / "x.npy", array)
            self._examples.append((".npy", (folder / "x.npy").read_bytes()))
        if importlib.util.find_spec("OpenEXR") is not None:
            import OpenEXR

            header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
            with OpenEXR.File(header, {"Z": pixels.astype(np.float32)}) as file:
                file.write(str(folder / "x.exr"))
            self._examples.append((".exr", (folder / "x.exr").read_bytes()))

    def case(self, rng: random.Random) -> Case:
        from v2v_ros.recorded.frames import FrameRecord

        suffix, content = rng.choice(self._examples)
        content = self._npy(content, rng) if suffix == ".npy" and rng.random() < 0.7 else odd.mutate(content, rng)
        path = self._folder / f"depth{suffix}"
        path.write_bytes(content)
        scale = abs(odd.real(rng))
        record = FrameRecord("a", path, scale if scale < float("inf") else 1.0, 475, 475, 320, 240)

        # OpenEXR makes room for all that a header of an acceptable size states before it looks for the pixels.
        memory = 16 * MAX_PIXELS if suffix == ".exr" else 40 * len(content)
        return Case(lambda: _check_depth(read_depth(record)), (FrameListError,), 3 * _SLACK + memory)

    def _npy(self, content: bytes, rng: random.Random) -> bytes:
        """A header that is text of Python, with another content."""
        fields = {"descr": "'<u2'", "fortran_order": "False", "shape": "(3, 4)"}
        for key in fields:
            if rng.random() < 0.4:
                fields[key] = rng.choice(_NPY_FIELDS)
        header = "{" + ", ".join(f"'{key}': {text}" for key, text in fields.items()) + "}"
        header += " " * rng.randrange(20) + "\n"
        start = content[:6] + rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
        length = len(header) if rng.random() < 0.9 else odd.size(rng) % 65536
        form = "<H" if start[6] == 1 else "<I"
        return start + struct.pack(form, length) + header.encode() + content[128:]


class WeightsFiles:
    """Weights of both kinds: damaged files, and metadata of wrong types."""

    name, share = "weights files", 0.03

    def __init__(self, folder: Path) -> None:
        self._path = folder / "x.safetensors"
        torch.manual_seed(0)
        hand = get_skeleton("hand21")
        config = NetworkConfig(21, 8, 1, depth=1)
        pose = Weights("pose", hand, config, hand.cube_edge, V2VPoseNet(config).state_dict(), {"samples": 5})
        refiner = CenterRefinerConfig(8, 1)
        center = CenterWeights("center", hand, refiner, hand.cube_edge, CenterRefiner(refiner).state_dict(), {})
        self._examples: list[tuple[Callable[..., Any], bytes]] = []
        for weights, load in ((pose, weights_files.load), (center, weights_files.load_center)):
            weights_files.save(weights, self._path)
            self._examples.append((load, self._path.read_bytes()))
            load(self._path).build()  # what is imported for the first time does not count

    def case(self, rng: random.Random) -> Case:
        load, content = rng.choice(self._examples)
        length = struct.unpack_from("<Q", content)[0]
        if rng.random() < 0.75:
            header = json.loads(content[8 : 8 + length])
            metadata = header["__metadata__"]
            which = rng.random()
            if which < 0.5:
                metadata["network"] = odd.dump_json(odd.mutate_json(json.loads(metadata["network"]), rng))
            elif which < 0.75:
                tables = {"peaks": [0.1, 0.5], "probabilities": [0.2, 0.9], "variance_factors": [1.0, 2.0]}
                metadata["calibration"] = odd.dump_json(odd.mutate_json(tables, rng))
            if rng.random() < 0.5:
                key = rng.choice((*metadata, "heatmap_offset", "calibration"))
                changed = odd.value(rng) if rng.random() < 0.2 else odd.dump_json(odd.value(rng))
                metadata[key] = rng.choice((changed, "nan", "inf", "-1", "1e309", ""))
            if rng.random() < 0.3:
                tensors = {key: one for key, one in header.items() if key != "__metadata__"}
                changed = odd.mutate_json(tensors, rng)
                header = {**changed, "__metadata__": metadata} if isinstance(changed, dict) else changed
            words = odd.dump_json(header).encode()
            content = struct.pack("<Q", len(words)) + words + content[8 + length :]
        if rng.random() < 0.3:
            content = odd.mutate(content, rng)
        used = rng.random() < 0.2

        def run() -> None:
            self._path.write_bytes(content)
            loaded = load(self._path)
            if used:  # what is loaded must also run
                cells = torch.zeros(1, 1, *3 * (min(loaded.config.grid, 32),))
                with torch.inference_mode():
                    loaded.build()(cells)

        return Case(run, (WeightsError,), 40 * _SLACK + 20 * len(content))


class Bags:
    """Bags of both storages, damaged."""

    name, share = "bags", 0.01

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._examples: list[tuple[str, bytes]] = []
        if importlib.util.find_spec("rosbags") is None:
            return
        from rosbags.rosbag2 import StoragePlugin, Writer

        from v2v_ros.recorded.bag_messages import typestore

        store = typestore()
        for plugin, suffix in ((StoragePlugin.MCAP, ".mcap"), (StoragePlugin.SQLITE3, ".db3")):
            whole = folder / f"example{suffix}"
            with Writer(whole, version=8, storage_plugin=plugin) as writer:
                for topic, message in self._messages(store.types).items():
                    kind = message.__msgtype__
                    connection = writer.add_connection(topic, kind, typestore=store)
                    writer.write(connection, 10**9, store.serialize_cdr(message, kind))
            self._examples.append((suffix, (whole / f"example{suffix}{suffix}").read_bytes()))
            shutil.rmtree(whole)

    def _messages(self, types: Any) -> dict[str, Any]:
        header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, 0), "camera")
        image = types["sensor_msgs/msg/Image"](header, 2, 3, "16UC1", 0, 6, np.arange(12, dtype=np.uint8))
        region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        k, p = np.array([50.0, 0, 1, 0, 50, 1, 0, 0, 1]), np.array([50.0, 0, 1, 0, 0, 50, 1, 0, 0, 0, 1, 0])
        info = types["sensor_msgs/msg/CameraInfo"](
            header, 2, 3, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), p, 0, 0, region
        )
        return {"/depth": image, "/info": info}

    def case(self, rng: random.Random) -> Case:
        from v2v_ros.recorded.bags import BagError, iter_depth, list_topics

        suffix, content = rng.choice(self._examples)
        path = self._folder / f"bag{suffix}"
        content = odd.mutate(content, rng, changes=12)
        path.write_bytes(content)

        def run() -> None:
            list_topics(path)
            for frame in iter_depth(path, "/depth", "/info"):
                _check_depth(frame.depth)

        return Case(run, (BagError,), 64 * _SLACK, reserved=False)


class Parameters:
    """Values of the pose node's parameters, through its own checks."""

    name, share = "parameters", 0.05

    def __init__(self, folder: Path) -> None:
        import rclpy

        from v2v_ros.benchmark.rig.children import private_network
        from v2v_ros.nodes.support.parameters import declare
        from v2v_ros.nodes.support.pose_parameters import POSE_PARAMETERS, check_pose

        self._context = rclpy.Context()
        with private_network(folder):
            self._context.init()
            self._node = rclpy.create_node("fuzz", context=self._context, start_parameter_services=False)
        self._specs: Any = POSE_PARAMETERS
        declare(self._node, POSE_PARAMETERS, check_pose)

    def close(self) -> None:
        self._node.destroy_node()
        self._context.try_shutdown()

    def case(self, rng: random.Random) -> Case:
        from rclpy.parameter import Parameter

        from v2v_ros.nodes.support.pose_parameters import PoseSettings, check_pose

        changes = []
        for spec in rng.sample(self._specs, rng.randint(1, 3)):
            new: Any = rng.choice((odd.real(rng), odd.text(rng), True, odd.size(rng), [1.0, 2.0], b"x", None))
            if rng.random() < 0.6:  # of the right type
                texts = (*(spec.choices or ("x",)), odd.text(rng))
                right: dict[type, Any] = {
                    str: rng.choice(texts),
                    float: odd.real(rng) if rng.random() < 0.5 else rng.uniform(0, 5),
                    int: odd.size(rng),
                    bool: rng.random() < 0.5,
                }
                new = right.get(type(spec.default), rng.choices(texts, k=rng.randrange(4)))
            if "ud800" not in repr(new):  # no message can carry a half of a surrogate pair
                changes.append((spec.name, new))

        def run() -> None:
            parameters = []
            for name, new in changes:
                try:
                    parameters.append(Parameter(name, value=new))
                except TypeError:  # no type of ROS
                    continue
            self._node.set_parameters(parameters)
            values = {spec.name: self._node.get_parameter(spec.name).value for spec in self._specs}
            assert not check_pose(values), f"values that do not go together: {values}"
            for spec in self._specs:
                new = values[spec.name]
                assert isinstance(new, type(spec.default)), f"{spec.name} is {new!r}"
                if spec.limits is not None:
                    assert spec.limits[0] <= new <= spec.limits[1], f"{spec.name} is {new!r}"
                assert not spec.refusal(new), f"{spec.name} is {new!r}"
            PoseSettings.read(self._node)

        return Case(run, (), 4 * _SLACK)


TARGETS: tuple[type[Any], ...] = (
    RawImages,
    CompressedImages,
    Cameras,
    FrameLists,
    DepthFiles,
    WeightsFiles,
    Bags,
    Parameters,
)
_NEEDS = {Bags: "rosbags", Parameters: "rclpy"}


def missing(target: type[Any]) -> str:
    """The library without which a target cannot run; empty when it can."""
    library = _NEEDS.get(target, "")
    return library if library and importlib.util.find_spec(library) is None else ""


def _float32(rng: random.Random) -> float:
    number = odd.real(rng)
    return number if not abs(number) > 3e38 or number != number else float("inf")


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
