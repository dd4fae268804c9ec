# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data cache``: what is written, and that points come out of it as out of the dataset."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from itertools import product
from pathlib import Path

import fake_datasets
import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.model import weights
from v2v_ros.model.network import NetworkConfig, V2VPoseNet
from v2v_ros.recorded.datasets.cache import CachedDataset, cache_part
from v2v_ros.recorded.datasets.center_files import center_file_name, write_centers
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.frame_set import TRUTH, frame_set, reference_points
from v2v_ros.recorded.datasets.registry import open_dataset
from v2v_ros.recorded.datasets.specs import get_spec
from v2v_ros.training.config import make_config
from v2v_ros.training.dataset_batches import REACH, frame_batch, open_frames
from v2v_ros.training.synthetic_batches import Batch


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    fake_datasets.nyu(folder)
    return folder


def _cache(name: str, folder: Path, *arguments: str) -> int | None:
    """Write a dataset and the cache of its training split; returns the subject to test on."""
    fake_datasets.WRITERS[name](folder / "data")
    subject = fake_datasets.SUBJECT if name == "msra" else None
    command = ["data", "cache", str(folder / "data"), "--dataset", name, "--output", str(folder / "cache"), "--quiet"]
    chosen = [] if subject is None else ["--subject", str(subject)]
    assert main([*command, "--centers", "truth", "--split", "train", *chosen, *arguments]) == 0
    return subject


@pytest.mark.parametrize("name", fake_datasets.WRITERS)
def test_points_in_reach_are_those_of_the_dataset(name: str, tmp_path: Path) -> None:
    subject = _cache(name, tmp_path)
    plain = frame_set(fake_datasets.open_fake(name, tmp_path / "data"), TRUTH)
    for place in (tmp_path / "cache", cache_part(tmp_path / "cache", "train", subject)):
        cached = frame_set(fake_datasets.open_fake(name, tmp_path / "data", cache=place), TRUTH)
        assert isinstance(cached.dataset, CachedDataset)
    assert cached.indices.tolist() == plain.indices.tolist()
    edge = REACH * get_spec(name).cube_edge
    cached.check_covered(edge)
    for index in plain.indices[:10].tolist():
        center = torch.from_numpy(plain.centers[index]).float()
        for size, fill in product((edge, get_spec(name).cube_edge), (False, True)):  # training, evaluation
            points = plain.points(index, center, size, fill=fill)
            assert len(points) and torch.equal(points, cached.points(index, center, size, fill=fill))


@pytest.mark.parametrize("name", fake_datasets.WRITERS)
def test_training_sees_the_same_with_and_without_a_cache(name: str, tmp_path: Path) -> None:
    subject = _cache(name, tmp_path)
    common = {"dataset": name, "data": str(tmp_path / "data"), "centers": "truth", "grid": 48}
    if subject is not None:
        common["test_subject"] = subject
    for recipe in ("paper", "ours"):
        config = make_config({**common, "recipe": recipe})
        plain, _ = open_frames(config)
        cached, _ = open_frames(replace(config, cache=str(tmp_path / "cache")))
        assert isinstance(cached.dataset, CachedDataset)
        for seed in range(4):
            for augment in (True, False):
                both = [
                    frame_batch(config, frames, plain.indices[:4], torch.Generator().manual_seed(seed), augment=augment)
                    for frames in (plain, cached)
                ]
                assert isinstance(both[0], Batch) and isinstance(both[1], Batch)
                assert both[0].grids.flatten(1).any(1).all()
                assert torch.equal(both[0].grids, both[1].grids)
                assert torch.equal(both[0].coordinates, both[1].coordinates)


def test_a_cache_around_other_centres_is_refused(nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = ["data", "cache", str(nyu), "--dataset", "nyu", "--centers", "truth", "--output", str(tmp_path / "cache")]
    assert main([*cache, "--quiet"]) == 0
    for split in ("train", "test"):
        dataset = open_dataset("nyu", nyu, split)
        centers = reference_points(dataset.joints)
        centers[1] += [0.0, 0.0, 0.2]
        write_centers(tmp_path / center_file_name(dataset.spec, split), dataset.spec, centers)
    values = {"dataset": "nyu", "data": str(nyu), "cache": str(tmp_path / "cache"), "grid": 16, "width": 2}
    open_frames(make_config({**values, "centers": "truth"}))
    with pytest.raises(DatasetError, match=r"cache of the train split of nyu.* 0\.5 m.* in 1 of 3 .*depth_1_0000002"):
        open_frames(make_config({**values, "centers": str(tmp_path)}))
    network = NetworkConfig(14, 16, 2, 1.7)
    tiny = weights.Weights("tiny", get_skeleton("hand14"), network, 0.25, V2VPoseNet(network).state_dict(), {})
    weights.save(tiny, tmp_path / "tiny.safetensors")
    evaluate = ["evaluate", "dataset", "nyu", "--data", str(nyu), "--weights", str(tmp_path / "tiny.safetensors")]
    evaluate += ["--cache", str(tmp_path / "cache"), "--quiet", "--device", "cpu", "--centers"]
    assert main([*evaluate, "truth"]) == 0
    assert main([*evaluate, str(tmp_path)]) == 1
    assert "cubes of 0.25 m around these centres hold in 1 of 2 frames" in capsys.readouterr().err


def test_the_network_for_centres_is_not_trained_from_a_cache(nyu: Path) -> None:
    with pytest.raises(ValueError, match="cache: the centre network must be trained without one"):
        make_config({"dataset": "nyu", "data": str(nyu), "network": "center", "cache": "cache"})


def test_the_size_is_said_before(nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "cache", str(nyu), "--dataset", "nyu", "--centers", "truth", "--output", str(tmp_path / "c")]
    report = tmp_path / "report.json"
    assert main([*command, "--dry-run", "--json", str(report)]) == 0
    assert not (tmp_path / "c").exists()
    said = json.loads(report.read_text())
    assert said["written"] is False
    text = f"{said['estimate']['bytes'] / 1e6:.3g} MB in all, "
    assert text in capsys.readouterr().out
    assert main([*command, "--json", str(report)]) == 0
    written = json.loads(report.read_text())
    assert written["estimate"] == said["estimate"] and written["written"] is True
    assert set(written["splits"]) == {"train", "test"} and written["splits"]["train"]["frames"] == 3
    for split, figures in written["splits"].items():
        folder = tmp_path / "c" / split
        size = sum(file.stat().st_size for file in folder.iterdir())
        assert said["splits"][split] == {**figures, "folder": str(folder), "bytes": None}
        assert figures["bytes"] == size
        # All frames are in the sample; the two headers are not in the estimate.
        assert 0 < size - figures["estimate"]["bytes"] < 1000
    assert main(command) == 1
    assert "exists: remove it" in capsys.readouterr().err


def test_a_full_disk_is_told_before_anything_is_written(
    nyu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 500, 500))
    command = ["data", "cache", str(nyu), "--dataset", "nyu", "--centers", "truth", "--output", str(tmp_path / "c/d")]
    assert main(command) == 1
    assert "it does not fit" in capsys.readouterr().err and not (tmp_path / "c").exists()


def test_frames_that_are_not_used_take_no_room(tmp_path: Path) -> None:
    fake_datasets.icvl(tmp_path / "icvl")
    (tmp_path / "icvl/Training/Depth/201403121135/image_0001.png").unlink()
    command = ["data", "cache", str(tmp_path / "icvl"), "--dataset", "icvl", "--output", str(tmp_path / "c")]
    assert main([*command, "--centers", "truth", "--split", "train"]) == 0
    dataset = open_dataset("icvl", tmp_path / "icvl", "train", cache=tmp_path / "c")
    assert [dataset.window(index)[0].size > 0 for index in range(3)] == [True, False, True]


def test_without_centres_the_remedy_is_named(nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "cache", str(nyu), "--dataset", "nyu", "--output", str(tmp_path / "c")]) == 1
    assert "--centers truth" in capsys.readouterr().err


def test_readers_are_timed_from_the_files_and_from_the_cache(
    nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, figures = tmp_path / "cache", tmp_path / "speed.json"
    written = ["data", "cache", str(nyu), "--dataset", "nyu", "--centers", "truth", "--output", str(cache), "--quiet"]
    assert main(written) == 0
    call = ["data", "speed", "nyu", "--data", str(nyu)]
    assert main([*call, "--cache", str(cache), "--frames", "2", "--json", str(figures)]) == 0
    readers = json.loads(figures.read_text())["readers"]
    assert set(readers) == {"nyu files", "nyu cache"}
    assert all(row["frames"] == 2 and row["frames_per_second"] > 0 for row in readers.values())
    assert "frames/s of 2" in capsys.readouterr().out
    for wrong, message in (
        ([*call, "--subject", "1"], "--subject is for msra"),
        ([*call[:-1], str(tmp_path / "none")], "name that of nyu with --data"),
    ):
        assert main(wrong) == 1 and message in capsys.readouterr().err
