"""The cache of the windows that can see the subject."""

from __future__ import annotations

import json
import pickle
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_itop
import fake_nyu
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2v_ros.camera import cube_region
from v2v_ros.datasets.cache import CachedDataset, cache_size, cube_windows, write_cache
from v2v_ros.datasets.dataset import DatasetError, DepthDataset
from v2v_ros.datasets.depth_codes import TABLES, encode
from v2v_ros.datasets.itop import ItopDataset
from v2v_ros.datasets.nyu import NyuDataset
from v2v_ros.datasets.specs import NYU

EDGE = 0.3


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    fake_nyu.write(folder, train=3, test=1)
    return folder


@pytest.fixture
def dataset(source: Path) -> NyuDataset:
    return NyuDataset(source, "train")


def centers_of(dataset: DepthDataset) -> np.ndarray:
    return dataset.joints.astype(np.float64).mean(1)


@pytest.fixture
def cache(dataset: NyuDataset, tmp_path: Path) -> Path:
    write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "cache")
    return tmp_path / "cache"


numbers = st.floats(-2, 2)


@given(numbers, numbers, st.floats(-0.5, 3), st.floats(0.01, 2))
def test_windows_are_the_regions_of_cubes(x: float, y: float, z: float, edge: float) -> None:
    region = cube_region((x, y, z), edge, NYU.intrinsics)
    left, top, right, bottom = cube_windows(np.array([[x, y, z]]), edge, NYU.intrinsics)[0].tolist()
    if region.empty:
        assert (left, top, right, bottom) == (0, 0, 0, 0)
    else:
        assert (left, top, right, bottom) == (region.left, region.top, region.right, region.bottom)


def test_windows_show_the_very_depth_of_the_dataset(dataset: NyuDataset, cache: Path) -> None:
    cached = CachedDataset(dataset, cache)
    assert len(cached) == 3 and cached.edge == EDGE and cached.intrinsics == dataset.intrinsics
    assert cached.joints is dataset.joints and cached.valid is dataset.valid and cached.split == "train"
    for index, (x, y, z) in enumerate(centers_of(dataset)):
        region = cube_region((x, y, z), EDGE, dataset.intrinsics)
        window, left, top = cached.window(index)
        whole = dataset.depth(index)
        assert (left, top) == (region.left, region.top) and window.dtype == np.float32
        assert np.array_equal(window, whole[region.top : region.bottom, region.left : region.right], equal_nan=True)
        inside = cached.depth(index)
        outside = np.isnan(inside)
        assert inside.shape == whole.shape and np.array_equal(inside[~outside], whole[~outside])
        outside[region.top : region.bottom, region.left : region.right] = True
        assert outside.all()
        assert cached.frame_name(index) == dataset.frame_name(index)
        assert np.isfinite(window).any()
    with pytest.raises(IndexError):
        cached.window(3)


def test_without_a_cache_the_window_is_the_image(dataset: NyuDataset) -> None:
    window, left, top = dataset.window(1)
    assert (left, top) == (0, 0) and np.array_equal(window, dataset.depth(1), equal_nan=True)


def test_half_precision_stays_as_it_is(tmp_path: Path) -> None:
    fake_itop.write(tmp_path, train=2, test=1)
    dataset = ItopDataset(tmp_path, "train", view="side")
    write_cache(dataset, centers_of(dataset), 20.0, tmp_path / "cache")
    cached = CachedDataset(dataset, tmp_path / "cache")
    assert all(np.array_equal(cached.depth(i), dataset.depth(i), equal_nan=True) for i in range(2))


def test_the_size_is_known_beforehand_to_the_byte(dataset: NyuDataset, cache: Path, tmp_path: Path) -> None:
    files = sorted(cache.iterdir())
    assert [file.name for file in files] == ["header.json", "index.npy", "windows.bin"]
    assert sum(file.stat().st_size for file in files) == cache_size(dataset, centers_of(dataset), EDGE)
    missing = NyuDataset(dataset.folder, "train")
    missing.folder = tmp_path / "nowhere"  # no image is read
    assert cache_size(missing, centers_of(missing), 2 * EDGE) > cache_size(missing, centers_of(missing), EDGE)


def test_frames_without_a_centre_have_empty_windows(dataset: NyuDataset, tmp_path: Path) -> None:
    centers = centers_of(dataset)
    centers[1] = np.nan
    write_cache(dataset, centers, EDGE, tmp_path / "some")
    cached = CachedDataset(dataset, tmp_path / "some")
    assert cached.window(1)[0].shape == (0, 0) and np.isnan(cached.depth(1)).all()
    assert np.isfinite(cached.depth(2)).any()
    write_cache(dataset, np.full((3, 3), np.nan), EDGE, tmp_path / "none")
    assert all(np.isnan(CachedDataset(dataset, tmp_path / "none").depth(i)).all() for i in range(3))


def test_it_says_which_cubes_it_covers(dataset: NyuDataset, cache: Path) -> None:
    cached, centers = CachedDataset(dataset, cache), centers_of(dataset)
    assert cached.covers(centers, EDGE).all() and cached.covers(centers, 0.2).all()
    assert not cached.covers(centers, 0.4).any()
    moved = centers.copy()
    moved[1, 0] += 0.1
    assert cached.covers(moved, 0.25).tolist() == [True, False, True]
    moved[1] = np.nan
    assert cached.covers(moved, 0.25).all()


def test_a_pickle_is_small_and_reads_the_same(dataset: NyuDataset, cache: Path) -> None:
    cached = CachedDataset(dataset, cache)
    pickled = pickle.dumps(cached)
    assert len(pickled) < 10_000
    assert np.array_equal(pickle.loads(pickled).depth(2), cached.depth(2), equal_nan=True)


def test_a_cache_of_something_else_is_refused(dataset: NyuDataset, cache: Path, tmp_path: Path) -> None:
    def refused(other: DepthDataset, message: str) -> None:
        with pytest.raises(DatasetError, match=rf"a cache of something else: its {message}.*make a new one"):
            CachedDataset(other, cache)

    refused(NyuDataset(dataset.folder, "test"), "split is train, that of .* is test")
    other = replace(NYU.intrinsics, fx=NYU.intrinsics.fy)
    refused(NyuDataset(dataset.folder, "train", intrinsics=other), "intrinsics is")
    fake_nyu.write(tmp_path / "more", train=4, test=1)
    refused(NyuDataset(tmp_path / "more", "train"), "frames is 3, that of .* is 4")
    fake_nyu.write(tmp_path / "others", train=3, test=1, seed=7)
    refused(NyuDataset(tmp_path / "others", "train"), "fingerprint is")
    fake_itop.write(tmp_path / "itop", train=3, test=1)
    refused(ItopDataset(tmp_path / "itop", "train", view="side"), "dataset is nyu, that of .* is itop_side")
    # The same data in another place are the same.
    shutil.copytree(dataset.folder, tmp_path / "copy")
    CachedDataset(NyuDataset(tmp_path / "copy", "train"), cache)


def test_broken_caches_are_refused(dataset: NyuDataset, cache: Path, tmp_path: Path) -> None:
    def refused(message: str) -> None:
        with pytest.raises(DatasetError, match=message) as error:
            CachedDataset(dataset, cache)
        assert str(cache) in str(error.value)

    header = json.loads((cache / "header.json").read_text())

    def write(**changed: Any) -> None:
        (cache / "header.json").write_text(json.dumps({**header, **changed}))

    windows = (cache / "windows.bin").read_bytes()
    (cache / "windows.bin").write_bytes(windows[:-2])
    refused(rf"windows\.bin: expected {len(windows)} bytes, got {len(windows) - 2}: the cache is broken")
    (cache / "windows.bin").unlink()
    refused("got 0: the cache is broken")
    (cache / "windows.bin").write_bytes(windows)
    write(version=2)
    refused("a cache of version 2, this is version 1")
    write(format="other")
    refused(r'header\.json: expected "format"')
    write(edge="large")
    refused(r"header\.json: edge: expected a number, got 'large'")
    write()
    index = np.load(cache / "index.npy")
    for broken in (index[:2], index.astype(np.int64), index + np.uint16(500), index[:, ::-1].copy()):
        np.save(cache / "index.npy", broken)
        refused(r"index\.npy: the cache is broken")
    (cache / "index.npy").write_bytes(b"\x93NUMPY")
    refused(r"index\.npy: the cache is broken")
    (cache / "header.json").write_text("{")
    refused(r"header\.json: cannot be read")
    (cache / "header.json").unlink()
    refused("not a cache: it has no header")


def test_nothing_is_left_of_a_cache_that_could_not_be_written(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "nyu")
    (tmp_path / "nyu" / "train" / "depth_1_0000003.png").unlink()
    dataset, done = NyuDataset(tmp_path / "nyu", "train"), []
    with pytest.raises(DatasetError, match=r"depth_1_0000003\.png: no such file"):
        write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "caches" / "cache", lambda: done.append(1))
    assert len(done) == 2 and not list((tmp_path / "caches").iterdir())


def test_a_cache_goes_nowhere_else(
    dataset: NyuDataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centers = centers_of(dataset)
    with pytest.raises(DatasetError, match="exists and is not an empty folder: remove it"):
        write_cache(dataset, centers, EDGE, cache)
    with pytest.raises(DatasetError, match="a centre for each of 3 frames"):
        write_cache(dataset, centers[:2], EDGE, tmp_path / "new")
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 0, 10))
    with pytest.raises(DatasetError, match=r"the cache takes 0\.\d GB, but only 0\.0 GB are free"):
        write_cache(dataset, centers, EDGE, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_depth_that_cannot_be_stored_exactly_is_refused(
    dataset: NyuDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NyuDataset, "depth", lambda *_: np.full((480, 640), 0.70049, np.float32))
    with pytest.raises(DatasetError, match=r"depth_1_0000001\.png: .*without loss as millimetres.*without a cache"):
        write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "new")
    monkeypatch.setattr(NyuDataset, "depth", lambda *_: np.ones((240, 320), np.float32))
    with pytest.raises(DatasetError, match="expected an image of 640x480, got 320x240"):
        write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "new")


@pytest.mark.parametrize("code", ["millimetres", "float16"])
def test_all_values_of_a_code_come_back(code: Any) -> None:
    table = TABLES[code]
    assert np.array_equal(table.take(encode(table, code)), table, equal_nan=True)
    with pytest.raises(ValueError, match=f"without loss as {code}"):
        encode(np.array([[1e6]], np.float32), code)
    with pytest.raises(ValueError, match=f"without loss as {code}"):
        encode(np.array([[-1]], np.float32), code)
