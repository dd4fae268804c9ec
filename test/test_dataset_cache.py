# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The cache of the windows that can see the subject."""

from __future__ import annotations

import json
import pickle
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2v_ros.geometry.camera import cube_region
from v2v_ros.recorded.datasets import cache_writer
from v2v_ros.recorded.datasets.cache import INDEX, CachedDataset, cube_windows
from v2v_ros.recorded.datasets.cache_writer import SizeEstimate, estimate_size, write_cache
from v2v_ros.recorded.datasets.dataset import DatasetError, DepthDataset
from v2v_ros.recorded.datasets.depth_codes import TABLES, encode_depth
from v2v_ros.recorded.datasets.itop import ItopDataset
from v2v_ros.recorded.datasets.nyu import NyuDataset
from v2v_ros.recorded.datasets.specs import NYU

EDGE = 0.3


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    fake_datasets.nyu(folder, train=3, test=1)
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


def test_depth_in_reach_is_the_very_depth_of_the_dataset(dataset: NyuDataset, cache: Path) -> None:
    cached = CachedDataset(dataset, cache)
    assert len(cached) == 3 and cached.edge == EDGE and cached.intrinsics == dataset.intrinsics
    assert cached.joints is dataset.joints and cached.valid is dataset.valid and cached.split == "train"
    for index, (x, y, z) in enumerate(centers_of(dataset)):
        region = cube_region((x, y, z), EDGE, dataset.intrinsics)
        whole, inside = dataset.depth(index), cached.depth(index)
        window, left, top = cached.window(index)
        height, width = window.shape
        assert window.dtype == np.float32 and inside.shape == whole.shape
        assert left <= region.left and top <= region.top
        assert left + width >= region.right and top + height >= region.bottom
        assert width - (region.right - region.left) <= 4 and height - (region.bottom - region.top) <= 4
        there = whole[top : top + height, left : left + width]
        reached = np.abs(there - z) <= EDGE / 2
        assert reached.any() and np.array_equal(window[reached], there[reached])
        # All else is told apart: before, behind, not measured, not kept.
        assert np.array_equal(np.isnan(window), np.isnan(there))
        far = np.float32(65.535)
        assert (window[there > z + EDGE / 2 + 0.003] == far).all() and (there > z + EDGE / 2 + 0.003).any()
        assert np.array_equal(inside[top : top + height, left : left + width], window, equal_nan=True)
        inside[top : top + height, left : left + width] = np.nan
        assert np.isnan(inside).all()
        assert cached.frame_name(index) == dataset.frame_name(index)
    with pytest.raises(IndexError):
        cached.window(3)


def test_what_is_before_behind_or_not_measured_stays_apart(
    dataset: NyuDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.full((480, 640), 0.7, np.float32)
    image[200:210], image[210:220], image[220:230], image[230:240] = 0.5, 0.9, np.nan, 0.56
    monkeypatch.setattr(NyuDataset, "depth", lambda *_: image)
    write_cache(dataset, np.tile([0.0, 0.0, 0.7], (3, 1)), EDGE, tmp_path / "cache")
    rows = CachedDataset(dataset, tmp_path / "cache").depth(0)[200:241, 320]
    assert (rows[:10] == np.float32(0.001)).all() and (rows[10:20] == np.float32(65.535)).all()
    assert np.isnan(rows[20:30]).all() and (rows[30:40] == image[230, 0]).all() and rows[40] == image[240, 0]


def test_half_precision_stays_as_it_is(tmp_path: Path) -> None:
    fake_datasets.itop(tmp_path, train=2, test=1)
    dataset = ItopDataset(tmp_path, "train", view="side")
    write_cache(dataset, centers_of(dataset), 20.0, tmp_path / "all")
    cached = CachedDataset(dataset, tmp_path / "all")
    assert all(np.array_equal(cached.depth(i), dataset.depth(i), equal_nan=True) for i in range(2))
    write_cache(dataset, centers_of(dataset), 0.2, tmp_path / "some")
    window, left, top = CachedDataset(dataset, tmp_path / "some").window(0)
    there = dataset.depth(0)[top : top + window.shape[0], left : left + window.shape[1]]
    z = centers_of(dataset)[0, 2]
    assert (window[there > z + 0.11] == 65504).all() and (window[there < z - 0.11] == np.float32(2**-24)).all()
    assert np.array_equal(np.isnan(window), np.isnan(there))


def test_the_size_is_estimated_from_some_frames(tmp_path: Path) -> None:
    fake_datasets.nyu(tmp_path / "nyu", train=24, test=1)
    dataset = NyuDataset(tmp_path / "nyu", "train")
    centers = centers_of(dataset)
    written = write_cache(dataset, centers, EDGE, tmp_path / "cache")
    files = sorted((tmp_path / "cache").iterdir())
    assert [file.name for file in files] == ["header.json", "index.npy", "windows.bin"]
    assert written == sum(file.stat().st_size for file in files)
    frames = (tmp_path / "cache" / "windows.bin").stat().st_size + 24 * INDEX.itemsize
    exact = estimate_size(dataset, centers, EDGE)
    assert exact == SizeEstimate(frames, frames, frames)
    some = estimate_size(dataset, centers, EDGE, sample=8)
    assert some.low < some.bytes < some.high and some.low < frames < some.high
    assert some.high - some.low < 0.6 * frames
    # Frames that nobody looks at take no room and are not read.
    centers[::2] = np.nan
    assert 0.4 * frames < estimate_size(dataset, centers, EDGE).bytes < 0.6 * frames
    nobody = estimate_size(dataset, np.full_like(centers, np.nan), EDGE)
    assert nobody == SizeEstimate(24 * INDEX.itemsize, 24 * INDEX.itemsize, 24 * INDEX.itemsize)


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
    deeper = centers + np.array([[0, 0, 0], [0, 0, 0.05], [0, 0, -0.05]])
    assert cached.covers(deeper, 0.22).tolist() == [True, False, False]
    assert dataset.covers(deeper, 9.0).all()


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
    fake_datasets.nyu(tmp_path / "more", train=4, test=1)
    refused(NyuDataset(tmp_path / "more", "train"), "frames is 3, that of .* is 4")
    fake_datasets.nyu(tmp_path / "others", train=3, test=1, seed=7)
    refused(NyuDataset(tmp_path / "others", "train"), "fingerprint is")
    fake_datasets.itop(tmp_path / "itop", train=3, test=1)
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
    middle = len(windows) // 2
    (cache / "windows.bin").write_bytes(windows[:middle] + b"\0\xff\0\xff" + windows[middle + 4 :])
    broken_cache = CachedDataset(dataset, cache)
    with pytest.raises(DatasetError, match=r"windows\.bin: the cache is broken, make a new one: frame 1"):
        broken_cache.depth(1)
    assert np.isfinite(broken_cache.depth(0)).any()
    (cache / "windows.bin").write_bytes(windows)
    write(version=1)
    refused("a cache of version 1, this is version 3")
    write(format="other")
    refused(r'header\.json: expected "format"')
    write(edge="large")
    refused(r"header\.json: edge: expected a number, got 'large'")
    write()
    index = np.load(cache / "index.npy")
    wide, turned = index.copy(), index.copy()
    wide["window"] += 500
    turned["window"] = turned["window"][:, ::-1]
    for broken in (index[:2], index["window"].copy(), wide, turned):
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


def test_a_cache_goes_nowhere_else(dataset: NyuDataset, cache: Path, tmp_path: Path) -> None:
    centers = centers_of(dataset)
    with pytest.raises(DatasetError, match="exists and is not an empty folder: remove it"):
        write_cache(dataset, centers, EDGE, cache)
    with pytest.raises(DatasetError, match="a centre for each of 3 frames"):
        write_cache(dataset, centers[:2], EDGE, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_writing_stops_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_datasets.nyu(tmp_path / "nyu", train=5, test=1)
    dataset, done = NyuDataset(tmp_path / "nyu", "train"), []
    Usage = namedtuple("Usage", "total used free")
    free = iter([10**9, 6 * 10**8, 4 * 10**8])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**10, 0, next(free)))
    monkeypatch.setattr(cache_writer, "_WATCH", 2)
    with pytest.raises(DatasetError, match=r"the disk is full after 4 of 5 frames: only 0\.4 GB are free"):
        write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "caches" / "new", lambda: done.append(1))
    assert len(done) == 4 and not list((tmp_path / "caches").iterdir())


def test_depth_that_cannot_be_stored_exactly_is_refused(
    dataset: NyuDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = centers_of(dataset)[0, 2].round(3) + 0.00049
    monkeypatch.setattr(NyuDataset, "depth", lambda *_: np.full((480, 640), depth, np.float32))
    with pytest.raises(DatasetError, match=r"depth_1_0000001\.png: .*without loss as millimetres.*without a cache"):
        write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "new")
    monkeypatch.setattr(NyuDataset, "depth", lambda *_: np.ones((240, 320), np.float32))
    with pytest.raises(DatasetError, match="expected an image of 640x480, got 320x240"):
        write_cache(dataset, centers_of(dataset), EDGE, tmp_path / "new")


@pytest.mark.parametrize("code", ["millimetres", "float16"])
def test_all_values_of_a_code_come_back(code: Any) -> None:
    table = TABLES[code]
    assert np.array_equal(table.take(encode_depth(table, code)), table, equal_nan=True)
    with pytest.raises(ValueError, match=f"without loss as {code}"):
        encode_depth(np.array([[1e6]], np.float32), code)
    with pytest.raises(ValueError, match=f"without loss as {code}"):
        encode_depth(np.array([[-1]], np.float32), code)
