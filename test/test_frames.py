# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Frame lists and predictions."""

from __future__ import annotations

import json
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from v2v_ros.geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from v2v_ros.recorded.frames import FrameListError, load_frame_list, read_depth, write_predictions

K = {"fx": 500.0, "fy": 501, "cx": 319.5, "cy": 239.5}
STORED = np.array([[0, 1000, 65535], [1, 500, 4000]], dtype=np.uint16)


def metres(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "a", "path": "a.png", "mm_per_unit": 1, "K": K} | changes


def write_list(folder: Path, *entries: object) -> Path:
    path = folder / "list.json"
    path.write_text(json.dumps({"frames": entries}))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(STORED).save(tmp_path / "a.png")
    return tmp_path


class TestLoad:
    def test_everything(self, folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "B.NPY").touch()
        path = write_list(
            folder,
            entry(kind="hand", note="keys of others are ignored"),
            entry(id="b", path="sub/B.NPY", mm_per_unit=0.125, center_mm=[-100, 50.5, 800]),
            entry(id="c", path=str(folder / "a.png"), center_mm=None),
        )
        first, second, third = load_frame_list(path)
        assert (first.id, first.path, first.mm_per_unit, first.center) == ("a", folder / "a.png", 1.0, None)
        assert (first.fx, first.fy, first.cx, first.cy) == (500.0, 501.0, 319.5, 239.5)
        assert (second.path, second.mm_per_unit) == (folder / "sub" / "B.NPY", 0.125)
        assert second.center == (-0.1, 0.0505, 0.8)
        assert third.path == folder / "a.png"
        assert third.center is None

    def test_paths_are_relative_to_the_list(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_list(folder, entry())
        monkeypatch.chdir(folder.parent)
        (record,) = load_frame_list(path.relative_to(folder.parent))
        np.testing.assert_array_equal(read_depth(record), read_depth(load_frame_list(path)[0]))

    def test_an_empty_list(self, tmp_path: Path) -> None:
        assert load_frame_list(write_list(tmp_path)) == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"id": None}, "frame 1: id: expected a text that is not empty, got None"),
            ({"id": 7}, "frame 1: id: .* got 7"),
            ({"id": ""}, "frame 1: id"),
            ({"id": "a"}, "frame 1: id 'a' occurs twice"),
            (
                {"path": None},
                r"frame 1 \('b'\): path: expected a file that ends in .png, .npy, .exr, got None",
            ),
            ({"path": "a.jpg"}, "path: .* got 'a.jpg'"),
            ({"path": "missing.png"}, "path: no such file: .*missing.png"),
            ({"mm_per_unit": None}, "mm_per_unit: expected a finite number, got None"),
            ({"mm_per_unit": "1"}, "mm_per_unit: .* got '1'"),
            ({"mm_per_unit": True}, "mm_per_unit: .* got True"),
            ({"mm_per_unit": float("nan")}, "mm_per_unit: .* got nan"),
            ({"mm_per_unit": 0}, "mm_per_unit: expected a number greater than 0, got 0"),
            ({"K": [1, 0, 0]}, "K: expected an object with fx, fy, cx and cy"),
            ({"K": {k: v for k, v in K.items() if k != "cy"}}, "K: cy: expected a finite number, got None"),
            ({"K": K | {"fx": 0}}, "K: fx: expected a number greater than 0"),
            ({"K": K | {"cx": float("inf")}}, "K: cx: expected a finite number, got inf"),
            ({"center_mm": [1, 2]}, r"center_mm: expected \[x, y, z\]"),
            ({"center_mm": [1, None, 2]}, "center_mm: y: expected a finite number, got None"),
            ({"center_mm": [1, 2, -3]}, "center_mm: z: expected a number greater than 0, got -3"),
        ],
    )
    def test_bad_entries(self, folder: Path, change: dict[str, Any], message: str) -> None:
        path = write_list(folder, entry(), entry(**({"id": "b"} | change)))
        with pytest.raises(FrameListError, match=message) as caught:
            load_frame_list(path)
        assert str(caught.value).startswith(f"{path}: frame 1")

    @pytest.mark.parametrize("content", ["[]", "{}", '{"frames": {}}', "7", "null"])
    def test_other_json(self, tmp_path: Path, content: Any) -> None:
        path = tmp_path / "list.json"
        path.write_text(content)
        with pytest.raises(FrameListError, match=r'list.json: expected \{"frames": \[...\]\}'):
            load_frame_list(path)

    def test_entry_that_is_no_object(self, tmp_path: Path) -> None:
        with pytest.raises(FrameListError, match="frame 0: expected an object"):
            load_frame_list(write_list(tmp_path, "a.png"))

    @pytest.mark.parametrize("content", [b"", b"{'frames'", b"\xff\xfe\x00"])
    def test_no_json(self, tmp_path: Path, content: Any) -> None:
        path = tmp_path / "list.json"
        path.write_bytes(content)
        with pytest.raises(FrameListError, match=r"list.json: not a JSON file"):
            load_frame_list(path)

    def test_missing_list(self, tmp_path: Path) -> None:
        with pytest.raises(FrameListError, match=r"none.json: cannot read the frame list: No such file"):
            load_frame_list(tmp_path / "none.json")


class TestReadDepth:
    def read(self, folder: Path, name: str, mm_per_unit: float = 1.0) -> NDArray[np.float32]:
        (record,) = load_frame_list(write_list(folder, entry(path=name, mm_per_unit=mm_per_unit)))
        return read_depth(record)

    def test_png(self, folder: Path) -> None:
        depth = self.read(folder, "a.png", mm_per_unit=0.125)
        assert depth.dtype == np.float32
        expected = [[np.nan, 0.125, 65535 / 8000], [0.000125, 0.0625, 0.5]]
        np.testing.assert_allclose(depth, metres(expected), rtol=1e-6)

    def test_intrinsics_take_the_size_of_the_image(self, folder: Path) -> None:
        (record,) = load_frame_list(write_list(folder, entry()))
        camera = record.intrinsics(read_depth(record))
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500.0, 501.0, 319.5, 239.5)
        assert (camera.width, camera.height) == (3, 2)

    @pytest.mark.parametrize("dtype", ["u2", "i4", "f2", ">f4", "f8"])
    def test_npy(self, tmp_path: Path, dtype: str) -> None:
        np.save(tmp_path / "a.npy", np.array([[0, 1000], [2000, 1500]]).astype(dtype))
        depth = self.read(tmp_path, "a.npy")
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, metres([[np.nan, 1], [2, 1.5]]), rtol=1e-6)
        depth[:] = 0  # writable, and not the file

    def test_npy_in_metres(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", metres([[np.nan, np.inf, -np.inf, -1, 0, 2.5]]))
        depth = self.read(tmp_path, "a.npy", mm_per_unit=1000)
        np.testing.assert_array_equal(depth, metres([[np.nan] * 5 + [2.5]]))

    def test_values_beyond_float32_are_invalid(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([[1e300, 1000]]))
        np.testing.assert_array_equal(self.read(tmp_path, "a.npy"), metres([[np.nan, 1]]))

    def test_exr(self, tmp_path: Path) -> None:
        openexr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        self.write_exr(openexr, tmp_path / "a.exr", Z=[[0, 1.5], [np.inf, np.nan]], A=np.ones((2, 2)))
        depth = self.read(tmp_path, "a.exr", mm_per_unit=1000)
        np.testing.assert_array_equal(depth, metres([[np.nan, 1.5], [np.nan, np.nan]]))

    def test_exr_with_one_channel_of_any_name(self, tmp_path: Path) -> None:
        openexr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        self.write_exr(openexr, tmp_path / "a.exr", Y=[[800, 900]])
        np.testing.assert_allclose(self.read(tmp_path, "a.exr"), metres([[0.8, 0.9]]), rtol=1e-6)

    def test_exr_in_colour(self, tmp_path: Path) -> None:
        openexr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        self.write_exr(openexr, tmp_path / "a.exr", R=[[1]], G=[[1]], B=[[1]])
        with pytest.raises(FrameListError, match=r"a.exr: frame 'a': .*named Z, found B, G, R"):
            self.read(tmp_path, "a.exr")

    def test_exr_without_the_library_names_the_remedy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.exr").touch()
        monkeypatch.setitem(sys.modules, "OpenEXR", None)
        with pytest.raises(FrameListError, match=r"a.exr: frame 'a': .*pip install OpenEXR"):
            self.read(tmp_path, "a.exr")

    def test_damaged_exr(self, tmp_path: Path) -> None:
        pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        (tmp_path / "a.exr").write_bytes(b"no image")
        with pytest.raises(FrameListError, match=r"a.exr: frame 'a': not a readable EXR image"):
            self.read(tmp_path, "a.exr")

    @staticmethod
    def write_exr(openexr: Any, path: Path, **channels: Any) -> None:
        pixels = {name: metres(values) for name, values in channels.items()}
        header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
        with openexr.File(header, pixels) as file:
            file.write(str(path))

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_png_of_another_kind(self, tmp_path: Path, mode: str) -> None:
        Image.new(mode, (4, 3)).save(tmp_path / "a.png")
        with pytest.raises(FrameListError, match=r"a.png: frame 'a': the PNG has 8 bits .*needs 16 bits"):
            self.read(tmp_path, "a.png")

    @pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
    def test_damaged_png(self, tmp_path: Path, content: Any) -> None:
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(FrameListError, match=r"a.png: frame 'a': the data is not a PNG"):
            self.read(tmp_path, "a.png")

    def test_pickled_npy_is_never_loaded(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
        with pytest.raises(FrameListError, match=r"a.npy: frame 'a': not an .npy array of numbers"):
            self.read(tmp_path, "a.npy")
        assert not Bomb.exploded

    @pytest.mark.parametrize(
        "array",
        [np.ones(4), np.ones((2, 2, 3)), np.ones((0, 4)), np.ones((2, 2), bool), np.ones((2, 2), "c8")],
    )
    def test_npy_of_another_kind(self, tmp_path: Path, array: NDArray[Any]) -> None:
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(FrameListError, match=r"a.npy: frame 'a': "):
            self.read(tmp_path, "a.npy")

    @pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: data[:-1], lambda data: b"PK\3\4"])
    def test_damaged_npy(self, tmp_path: Path, damage: Any) -> None:
        path = tmp_path / "a.npy"
        np.save(path, STORED)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(FrameListError, match=r"a.npy: frame 'a': not an .npy array"):
            self.read(tmp_path, "a.npy")

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3",  # the tokenizer's own error
            "{'descr': '<u2', 'fortran_order': " + "[" * 300,  # and that of the parser
            "{'descr': ('<u2', (2,)), 'fortran_order': False, 'shape': ()}",
            "{'descr': '', 'fortran_order': False, 'shape': (2, 3)}",
            "{'descr': '|V0', 'fortran_order': False, 'shape': (2, 3)}",  # NumPy would end the process
            "{'descr': '<u2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
            "{'descr': '<u2', 'fortran_order': False, 'shape': (-2, -3)}",
            "{'descr': '<u2', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
        ],
        ids=lambda header: header[:60],
    )
    def test_npy_with_a_header_that_is_not_python(self, tmp_path: Path, header: str) -> None:
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        (tmp_path / "a.npy").write_bytes(start + header.encode() + bytes(12))
        with pytest.raises(FrameListError, match=r"a.npy: frame 'a': "):
            self.read(tmp_path, "a.npy")

    def test_npy_that_lies_about_the_length_of_its_header(self, tmp_path: Path) -> None:
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 662372470) + bytes(54))
        tracemalloc.start()
        try:
            with pytest.raises(FrameListError, match=r"a.npy: frame 'a': not an .npy array"):
                self.read(tmp_path, "a.npy")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2**20

    def test_npy_that_lies_about_its_size(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        np.save(path, STORED)
        path.write_bytes(path.read_bytes().replace(b"(2, 3), }        ", b"(99999, 99999), }"))
        with pytest.raises(FrameListError, match=r"a.npy: frame 'a': not an .npy array"):
            self.read(tmp_path, "a.npy")

    def test_file_that_has_gone(self, folder: Path) -> None:
        (record,) = load_frame_list(write_list(folder, entry()))
        record.path.unlink()
        with pytest.raises(FrameListError, match=r"a.png: frame 'a': .*No such file"):
            read_depth(record)


class Bomb:
    exploded = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Bomb, "exploded", True)


def estimate(*ids: str, score: float = 0.9) -> Estimate:
    skeletons = (
        SkeletonEstimate(
            id=id,
            side=Side.LEFT,
            tracking_state=TrackingState.TRACKED,
            score=score,
            center=np.array([0.1, -0.2, 0.5]),
            cube_edge=0.25,
            points=metres([[0.1, -0.2, 0.5], [np.nan, np.nan, np.nan]]),
            scores=metres([0.75, 0]),
            covariances=metres(np.full((2, 6), 1e-5)),
            velocities=metres(np.full((2, 3), np.nan)),
        )
        for id in ids
    )
    return Estimate(skeletons=tuple(skeletons), seconds={})


class TestWrite:
    NAMES = ("wrist", "tip")

    def test_form(self, tmp_path: Path) -> None:
        frames = [
            ("a", estimate("hand_1", "hand_2")),
            ("b", estimate()),
        ]
        path = tmp_path / "out.json"
        write_predictions(path, "hand21", self.NAMES, iter(frames))
        content = json.loads(path.read_text(), parse_constant=pytest.fail)
        first = {
            "id": "hand_1",
            "score": 0.9,
            "center_mm": [100.0, -200.0, 500.0],
            "joints_mm": [[100.0, -200.0, 500.0], None],
            "scores": [0.75, 0.0],
        }
        assert content == {
            "skeleton": "hand21",
            "joint_names": ["wrist", "tip"],
            "frames": [
                {"id": "a", "skeletons": [first, first | {"id": "hand_2"}]},
                {"id": "b", "skeletons": []},
            ],
        }

    def test_an_existing_file_is_replaced_and_nothing_else_is_left(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        path.write_text("old")
        write_predictions(path, "hand21", self.NAMES, [])
        assert json.loads(path.read_text())["frames"] == []
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interrupted_run_leaves_the_old_file(self, tmp_path: Path) -> None:
        def frames() -> Iterator[tuple[str, Estimate]]:
            yield "a", estimate("hand_1")
            raise KeyboardInterrupt

        path = tmp_path / "out.json"
        path.write_text("old")
        with pytest.raises(KeyboardInterrupt):
            write_predictions(path, "hand21", self.NAMES, frames())
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_full_disk_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def replace(source: str, target: Path) -> None:
            assert json.loads(Path(source).read_text())["skeleton"] == "hand21"
            raise OSError(28, "No space left on device")

        path = tmp_path / "out.json"
        path.write_text("old")
        monkeypatch.setattr("v2v_ros.io.files.os.replace", replace)
        with pytest.raises(FrameListError, match=r"out\.json: cannot write the predictions: No space left"):
            write_predictions(path, "hand21", self.NAMES, [])
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_nothing_that_is_not_json_is_written(self, tmp_path: Path) -> None:
        broken = estimate("hand_1", score=float("nan"))
        with pytest.raises(ValueError, match="JSON"):
            write_predictions(tmp_path / "out.json", "hand21", self.NAMES, [("a", broken)])
        assert not list(tmp_path.iterdir())

    def test_the_folder_is_made(self, tmp_path: Path) -> None:
        write_predictions(tmp_path / "new" / "out.json", "hand21", self.NAMES, [])
        assert (tmp_path / "new" / "out.json").is_file()

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(FrameListError, match=r"file/out\.json: cannot write the predictions: "):
            write_predictions(tmp_path / "file" / "out.json", "hand21", self.NAMES, [])


def test_the_documented_examples_are_true(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "formats.md").read_text()
    frame_list, predictions = (block.split("```")[0] for block in text.split("```json\n")[1:])
    image = tmp_path / json.loads(frame_list)["frames"][0]["path"]
    image.parent.mkdir()
    Image.fromarray(STORED).save(image)
    (tmp_path / "list.json").write_text(frame_list)
    (record,) = load_frame_list(tmp_path / "list.json")
    assert record.center == pytest.approx((0.0125, -0.04, 0.512))

    write_predictions(tmp_path / "out.json", "hand21", ("wrist", "tip"), [(record.id, estimate("hand_1"))])
    written, documented = json.loads((tmp_path / "out.json").read_text()), json.loads(predictions)
    assert list(written) == list(documented)
    assert list(written["frames"][0]) == list(documented["frames"][0])
    assert list(written["frames"][0]["skeletons"][0]) == list(documented["frames"][0]["skeletons"][0])


@pytest.mark.parametrize(
    ("name", "count", "median"),
    [
        ("hands_sr305", 19, (0.5, 0.9)),
        ("bodies_realsense", 7, (1, 5)),
        ("bodies_d415", 2, (1, 4)),
        ("bodies_kinect1", 12, (0.8, 1.6)),
        ("empty_scenes", 3, (0.3, 4)),
    ],
)
def test_real_frames(test_data: Path, name: str, count: int, median: tuple[float, float]) -> None:
    records = load_frame_list(test_data / f"{name}.json")
    assert len(records) == count
    for record in records:
        depth = read_depth(record)
        camera = record.intrinsics(depth)
        assert camera.width > camera.height >= 360
        # The unit is right: people stand where the description of the data says.
        assert median[0] < np.nanmedian(depth) < median[1], record.id
        assert np.nanmin(depth) > 0.1
