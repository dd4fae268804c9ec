# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The particulars of ITOP: a file for all images of a split, which processes must not share, and one for all labels."""

from __future__ import annotations

import gzip
import multiprocessing
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import FakeCopy

from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.itop import ItopDataset


@pytest.fixture
def folder(fake_copy: FakeCopy) -> Path:
    return fake_copy("itop_side")


def edit(path: Path, key: str, value: Any) -> None:
    """Replace an entry of an HDF5 file; None removes it."""
    with h5py.File(path, "r+") as file:
        del file[key]
        if value is not None:
            file[key] = value


def test_no_depth_is_nan(folder: Path) -> None:
    path = folder / "ITOP_side_test_depth_map.h5"
    with h5py.File(path, "r+") as file:
        file["data"][0, 0, :3] = (0, np.nan, 1.5)
    assert ItopDataset(folder, "test", view="side").depth(0)[0, :3].tolist() == pytest.approx(
        [np.nan, np.nan, 1.5], nan_ok=True
    )


def test_depth_of_single_precision_is_read_too(folder: Path) -> None:
    path = folder / "ITOP_side_train_depth_map.h5"
    before = ItopDataset(folder, "train", view="side").depth(1)
    with h5py.File(path) as file:
        wide = file["data"][()].astype(np.float32)
    edit(path, "data", wide)
    assert np.array_equal(ItopDataset(folder, "train", view="side").depth(1), before, equal_nan=True)


def test_other_processes_open_the_file_for_themselves(folder: Path) -> None:
    dataset = ItopDataset(folder, "train", view="side")
    expected = [np.nan_to_num(dataset.depth(index)) for index in range(4)]  # the file is open before the fork
    opened = dataset._opened

    def read(results: Any) -> None:
        results.put(
            [np.nan_to_num(dataset.depth(index)) for index in range(4)]
            if dataset._data() is not (opened and opened[2])
            else []
        )

    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    child = fork.Process(target=read, args=(results,))
    child.start()
    found = results.get()
    child.join()
    assert np.array_equal(found, expected) and dataset._opened is opened
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(np.nan_to_num(pool.map(dataset.depth, range(4))), expected)


@pytest.mark.parametrize("kind", ["labels", "depth_map"])
def test_files_that_are_still_compressed_are_named(folder: Path, kind: str) -> None:
    path = folder / f"ITOP_side_train_{kind}.h5"
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    with pytest.raises(DatasetError, match=rf"{path.name}: no such file, but {path.name}\.gz is there: gunzip it"):
        ItopDataset(folder, "train", view="side")
    with pytest.raises(DatasetError, match="ITOP_top_train_labels"):
        ItopDataset(folder, "train", view="top")


@pytest.mark.parametrize(
    ("kind", "key", "value", "message"),
    [
        ("labels", "real_world_coordinates", None, "expected an entry 'real_world_coordinates', found id, is_valid"),
        ("labels", "is_valid", None, "'is_valid'"),
        ("labels", "real_world_coordinates", np.ones((4, 14, 3), np.float16), r"\[frames, 15, 3\], found \[4, 14, 3\]"),
        ("labels", "real_world_coordinates", np.ones((4, 15, 3), int), r"found \[4, 15, 3\] of int64"),
        ("labels", "real_world_coordinates", np.full((4, 15, 3), np.nan), "finite numbers.*frame 0"),
        ("labels", "is_valid", np.ones(3, np.uint8), r"as real_world_coordinates \(4\), found 4 and \[3\]"),
        ("labels", "id", np.arange(4), "a list of texts such as 05_01234"),
        ("labels", "id", np.array([b"00_00000"] * 4), "do not belong together: other ids from frame 0 on"),
        ("depth_map", "data", None, "depth_map.h5: .*'data'"),
        ("depth_map", "id", None, "depth_map.h5: .*'id'"),
        ("depth_map", "data", np.ones((4, 24, 32), np.float16), r"\[frames, 240, 320\], found \[4, 24, 32\]"),
        ("depth_map", "data", np.ones((3, 240, 320), np.float16), "3 images, but 4 ids"),
        ("depth_map", "data", np.ones((4, 240, 320), np.uint16), "of uint16"),
    ],
)
def test_files_with_something_else_are_refused(folder: Path, kind: str, key: str, value: Any, message: str) -> None:
    edit(folder / f"ITOP_side_train_{kind}.h5", key, value)
    with pytest.raises(DatasetError, match=message):
        ItopDataset(folder, "train", view="side")


def test_images_of_another_split_are_refused(folder: Path) -> None:
    os.replace(folder / "ITOP_side_test_depth_map.h5", folder / "ITOP_side_train_depth_map.h5")
    with pytest.raises(DatasetError, match="do not belong together: "):
        ItopDataset(folder, "train", view="side")


def test_damaged_labels_are_named(folder: Path) -> None:
    path = folder / "ITOP_side_train_labels.h5"
    with h5py.File(path, "r+") as file:
        values = file["real_world_coordinates"][()]
        del file["real_world_coordinates"]
        packed = file.create_dataset("real_world_coordinates", data=values, compression="gzip")
        place = packed.id.get_chunk_info(0).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 16)
    with pytest.raises(DatasetError, match=r"ITOP_side_train_labels\.h5: real_world_coordinates: cannot be read"):
        ItopDataset(folder, "train", view="side")
