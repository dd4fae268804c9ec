# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What docs/security.md promises: nothing that is read can run code, fill the memory or write elsewhere."""

from __future__ import annotations

import ast
import json
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import torch

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Estimate
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.io.depth import DepthError, decode_compressed_depth, decode_png16
from v2v_ros.io.files import write_atomically
from v2v_ros.recorded.datasets.cache import CachedDataset
from v2v_ros.recorded.datasets.cache_writer import write_cache
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.nyu import NyuDataset
from v2v_ros.recorded.frames import FrameListError, FrameRecord, load_frame_list, read_depth
from v2v_ros.recorded.predict import Predictor
from v2v_ros.training.importer import ImportRefusedError, import_checkpoint

ROOT = Path(__file__).parent.parent
MEGABYTE = 2**20

# Modules that read pickles or other code, or that reach out to the network.
CODE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code", "codeop"}
NETWORK_MODULES = {"urllib", "http", "socket", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "huggingface_hub"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# Calls that are always refused, by the last parts of their names.
CALLS = {
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
    "subprocess.getoutput": "runs a shell",
    "subprocess.getstatusoutput": "runs a shell",
    "yaml.load": "makes any object: safe_load",
    "yaml.load_all": "makes any object: safe_load_all",
    "yaml.unsafe_load": "makes any object: safe_load",
    "yaml.full_load": "makes any object: safe_load",
    "torch.hub.load": "runs downloaded code",
    "torch.jit.load": "runs the code in the file",
    "tempfile.mktemp": "a name that others can take first: mkstemp",
    "zlib.decompress": "not bounded: zlib.decompressobj().decompress(data, size)",
    "bz2.decompress": "not bounded",
    "lzma.decompress": "not bounded",
    "gzip.decompress": "not bounded",
    "shutil.unpack_archive": "writes where the archive says",
}
# Calls that need one argument to be safe.
ARGUMENTS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
# Programs, and what of the above they may do, with the reason.
ALLOWED: dict[str, set[str]] = {}


def called(node: ast.expr) -> str:
    """The dotted name of what is called; what is not a name in it is a question mark."""
    if isinstance(node, ast.Attribute):
        return f"{called(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def problems(source: str) -> Iterator[str]:
    """What of a program can run code that it reads, run a shell, or reach the network."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            modules = {
                name.split(".")[0] for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else names)
            }
            if not (isinstance(node, ast.ImportFrom) and node.level):
                yield from (f"import {name}" for name in modules & (CODE_MODULES | NETWORK_MODULES))
            if isinstance(node, ast.ImportFrom):
                yield from (name for name in (f"{node.module}.{name}" for name in names) if name in CALLS | ARGUMENTS)
        if not isinstance(node, ast.Call):
            continue
        name = called(node.func)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in BUILTINS:
            yield name
        if name in CALLS:
            yield name
        if name in ARGUMENTS:
            argument, wanted = ARGUMENTS[name]
            value = keywords.get(argument)
            if not (isinstance(value, ast.Constant) and value.value is wanted):
                yield f"{name} without {argument}={wanted}"
        if name.endswith(".fit") and "ckpt_path" in keywords and "weights_only" not in keywords:
            yield "fit from a checkpoint without weights_only"
        if name.endswith(("extractall", ".load_from_checkpoint")):
            yield name
        shell = keywords.get("shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield "shell=True"


def programs() -> list[Path]:
    """All of the project's Python, but its tests."""
    found = [path for part in ("v2v_ros", "launch", "scripts") for path in (ROOT / part).rglob("*") if path.is_file()]
    return sorted(
        path for path in found if path.suffix == ".py" or path.read_bytes()[:20].startswith(b"#!/usr/bin/env py")
    )


class TestCode:
    """The programs themselves."""

    def test_nothing_can_run_what_it_reads(self) -> None:
        found = {
            str(path.relative_to(ROOT)): what
            for path in programs()
            if (what := set(problems(path.read_text(encoding="utf-8"))))
        }
        assert found == ALLOWED

    def test_the_scan_sees_all_programs(self) -> None:
        names = {str(path.relative_to(ROOT)) for path in programs()}
        assert {
            "scripts/setup",
            "scripts/nodes/pose_node",
            "launch/pose.launch.py",
            "v2v_ros/model/weights.py",
        } <= names

    @pytest.mark.parametrize(
        "source",
        [
            "import pickle",
            "from pickle import loads",
            "import urllib.request",
            "eval('1')",
            "exec(text)",
            "__import__(name)",
            "torch.load(path)",
            "torch.load(path, weights_only=False)",
            "torch.load(path, weights_only=flag)",
            "from torch import load",
            "np.load(path)",
            "np.load(path, allow_pickle=True)",
            "yaml.load(text, Loader=yaml.Loader)",
            "from yaml import load",
            "os.system('ls')",
            "subprocess.run('ls', shell=True)",
            "subprocess.Popen(command, shell=choice)",
            "zlib.decompress(data, bufsize=3)",
            "archive.extractall()",
            "trainer.fit(module, ckpt_path=path)",
        ],
    )
    def test_the_scan_finds(self, source: str) -> None:
        assert list(problems(source))

    @pytest.mark.parametrize(
        "source",
        [
            "network.eval()",
            "Network(config).eval()",
            "re.compile('a')",
            "torch.load(path, weights_only=True)",
            "np.load(path, allow_pickle=False)",
            "yaml.safe_load(text)",
            "from .http import thing",
            "subprocess.run(['ls'], shell=False)",
        ],
    )
    def test_the_scan_lets_pass(self, source: str) -> None:
        assert not list(problems(source))


@contextmanager
def at_most(megabytes: float) -> Iterator[None]:
    """Whatever happens inside takes no more memory than this at any time, as far as Python and NumPy allocate it."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes * MEGABYTE, f"{peak / MEGABYTE:.0f} MiB were taken"


@pytest.fixture(scope="module")
def zeros() -> bytes:
    """A zlib stream of a few hundred kilobytes that holds 256 MiB."""
    return zlib.compress(bytes(256 * MEGABYTE), 9)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, *before: bytes) -> bytes:
    """A PNG of 16-bit grey; ``pixels`` is its zlib stream, ``before`` are chunks ahead of it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def compressed_depth(codec: str, body: bytes) -> tuple[str, bytes]:
    return f"16UC1; compressedDepth {codec}", struct.pack("<iff", 1, 0.0, 0.0) + body


class TestDecompression:
    """A little data never takes more memory than the image, window or archive that it says it is."""

    def test_pixels_of_a_png_beyond_its_size_are_not_unpacked(self, zeros: bytes) -> None:
        with at_most(2):
            assert decode_png16(png(4, 4, zeros)).shape == (4, 4)

    @pytest.mark.parametrize(("kind", "start"), [(b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")])
    def test_texts_in_a_png_are_not_unpacked(self, zeros: bytes, kind: bytes, start: bytes) -> None:
        image = png(4, 4, zlib.compress(bytes(36)), chunk(kind, start + zeros))
        with at_most(2):
            assert decode_png16(image).shape == (4, 4)

    @pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (4097, 4096), (2**24 + 1, 1), (0, 5)])
    def test_images_of_no_camera_are_refused_before_they_are_allocated(self, size: tuple[int, int]) -> None:
        for codec, body in (("png", png(*size, b"")), ("rvl", struct.pack("<II", *size))):
            with at_most(1), pytest.raises(DepthError, match="image size"):
                decode_compressed_depth(*compressed_depth(codec, body))

    @pytest.mark.parametrize("filling", [0x00, 0x77, 0x99, 0xFF])
    def test_rvl_data_beyond_its_size_is_not_gone_through(self, filling: int) -> None:
        message = compressed_depth("rvl", struct.pack("<II", 64, 48) + bytes([filling]) * (32 * MEGABYTE))
        with at_most(2), pytest.raises(DepthError, match="RVL"):
            decode_compressed_depth(*message)

    def test_exr(self, tmp_path: Path) -> None:
        openexr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        path = tmp_path / "a.exr"
        header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
        openexr.File(header, {"Z": np.zeros((4097, 4096 * 4), np.float16)}).write(str(path))
        assert path.stat().st_size < MEGABYTE
        with at_most(1), pytest.raises(FrameListError, match="values in all channels"):
            read_depth(record(path))

    def test_npy_with_a_header_that_lies(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        np.save(path, np.zeros((3, 7), np.uint16))
        path.write_bytes(path.read_bytes().replace(b"(3, 7), }       ", b"(300000, 70000)}"))
        with at_most(1), pytest.raises(FrameListError, match=r"not an \.npy array"):
            read_depth(record(path))

    def test_npy_with_objects(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        np.save(path, np.array([[Trap(tmp_path / "ran")]], object), allow_pickle=True)
        with pytest.raises(FrameListError, match=r"not an \.npy array"):
            read_depth(record(path))
        assert not (tmp_path / "ran").exists()

    def test_a_png_file_that_is_no_image(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        with path.open("wb") as file:
            file.truncate(2**40)  # takes no room on the disk
        with at_most(1), pytest.raises(FrameListError, match="at most"):
            read_depth(record(path))

    @pytest.mark.parametrize("text", ["[" * 200_000, '{"frames":' * 100_000])
    def test_frame_lists_of_any_depth(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "frames.json"
        path.write_text(text)
        with pytest.raises(FrameListError, match="not a JSON file"):
            load_frame_list(path)

    def test_windows_of_a_dataset_cache(self, tmp_path: Path, zeros: bytes) -> None:
        fake_datasets.nyu(tmp_path / "nyu", train=1, test=1)
        dataset, folder = NyuDataset(tmp_path / "nyu", "train"), tmp_path / "cache"
        write_cache(dataset, np.nanmean(dataset.joints, axis=1), 0.3, folder)
        index = np.load(folder / "index.npy", allow_pickle=False)
        index["bytes"][0] = len(zeros)
        np.save(folder / "index.npy", index)
        (folder / "windows.bin").write_bytes(zeros)
        cache = CachedDataset(dataset, folder)
        with at_most(4), pytest.raises(DatasetError, match="the cache is broken"):
            cache.window(0)

    def test_checkpoints(self, tmp_path: Path) -> None:
        plain, packed = tmp_path / "plain.pth", tmp_path / "packed.pth"
        torch.save({"a": torch.zeros(16 * MEGABYTE)}, plain)
        with zipfile.ZipFile(plain) as whole, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as small:
            for name in whole.namelist():
                small.writestr(name, whole.read(name))
        assert packed.stat().st_size < MEGABYTE
        with at_most(4), pytest.raises(ImportRefusedError, match="would unpack to"):
            import_checkpoint(packed, "packed", get_skeleton("hand21"))


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["as it is", "in a dictionary", "as a key"])
def test_checkpoints_cannot_run_code(tmp_path: Path, place: str) -> None:
    trap, path = Trap(tmp_path / "ran"), tmp_path / "a.pth"
    torch.save({"as it is": trap, "in a dictionary": {"state_dict": trap}, "as a key": [trap]}[place], path)
    with pytest.raises(ImportRefusedError, match="more than tensors"):
        import_checkpoint(path, "a", get_skeleton("hand21"))
    assert not (tmp_path / "ran").exists()


def test_a_tensor_without_memory_of_its_own_is_not_looked_at(tmp_path: Path) -> None:
    from v2v_ros.training.importer import _problems

    huge = torch.zeros(1).expand(2**40)
    wanted = {"a": torch.zeros(3, device="meta")}
    assert list(_problems(wanted, {"a": huge}, get_skeleton("hand21"))) == [
        f"of another shape: a [{2**40}] instead of [3]"
    ]


def record(path: Path) -> FrameRecord:
    return FrameRecord("a", path, 1.0, 1.0, 1.0, 1.0, 1.0)


class Nobody:
    """An estimator that finds nothing."""

    skeleton = get_skeleton("hand21")

    def reset(self) -> None:
        pass

    def estimate(self, depth: np.ndarray, intrinsics: Intrinsics, stamp: float, center: object) -> Estimate:
        return Estimate((), {})


class TestPaths:
    """What is written lies where it was asked for, whatever the names in the files are."""

    @pytest.mark.parametrize(
        "name",
        [
            "../../out",
            "/tmp/out",
            "..",
            ".",
            "a\0b",
            "..\\..\\out",
            "x" * 5000,
            "ü" * 3000,
            "\ud800",
            "a/../../b",
            "\n",
        ],
        ids=ascii,
    )
    def test_pictures_of_frames_with_hostile_ids(self, tmp_path: Path, name: str) -> None:
        pytest.importorskip("PIL", reason="Pillow is not installed")
        inside = tmp_path / "a" / "b" / "c"
        inside.mkdir(parents=True)
        np.save(inside / "d.npy", np.full((24, 32), 500, np.uint16))
        camera = {"fx": 20, "fy": 20, "cx": 16, "cy": 12}
        entry = {"id": name, "path": "d.npy", "mm_per_unit": 1, "K": camera}
        (inside / "frames.json").write_text(json.dumps({"frames": [entry]}))
        before = files(tmp_path)
        estimator: Any = Nobody()
        predictor = Predictor(estimator, sequence=False, pictures=inside / "pictures")
        predictor.frame_list(inside / "frames.json", inside / "out.json")
        written = files(tmp_path) - before
        assert inside / "out.json" in written
        (picture,) = written - {inside / "out.json"}
        assert picture.parent == inside / "pictures"
        assert json.loads((inside / "out.json").read_text())["frames"][0]["id"] == name

    def test_a_link_at_the_place_of_an_output_is_not_followed(self, tmp_path: Path) -> None:
        target, link = tmp_path / "target", tmp_path / "out.json"
        target.write_bytes(b"precious")
        link.symlink_to(target)
        write_atomically(link, b"new")
        assert target.read_bytes() == b"precious"
        assert link.read_bytes() == b"new"
        assert not link.is_symlink()

    def test_only_regular_files_are_read_as_frames(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")  # to read from it would never end
        camera = {"fx": 1, "fy": 1, "cx": 0, "cy": 0}
        for name in ("pipe.png", "\0.png", "\ud800.png"):
            entry = {"id": "a", "path": name, "mm_per_unit": 1, "K": camera}
            (tmp_path / "frames.json").write_text(json.dumps({"frames": [entry]}))
            with pytest.raises(FrameListError, match="no such file"):
                load_frame_list(tmp_path / "frames.json")


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
