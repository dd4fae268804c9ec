"""``v2v data cache``: what is written, and that points come out of it as out of the dataset."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import fake_hands2017
import fake_icvl
import fake_itop
import fake_msra
import fake_nyu
import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.datasets.cache import CachedDataset
from v2v_ros.datasets.cache_parts import cache_part
from v2v_ros.datasets.frame_set import TRUTH, frame_set
from v2v_ros.datasets.registry import open_dataset
from v2v_ros.datasets.specs import get_spec
from v2v_ros.training.frames import REACH

WRITERS: dict[str, Callable[..., object]] = {
    "msra": fake_msra.write,
    "icvl": fake_icvl.write,
    "nyu": fake_nyu.write,
    "hands2017": fake_hands2017.write,
    "itop_side": fake_itop.write,
}


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    fake_nyu.write(folder)
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_points_in_reach_are_those_of_the_dataset(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "data")
    subject = 2 if name == "msra" else None
    place = cache_part(tmp_path / "cache", "train", subject)
    arguments = [] if subject is None else ["--subject", str(subject)]
    command = ["data", "cache", str(tmp_path / "data"), "--dataset", name, "--output", str(tmp_path / "cache")]
    assert main([*command, "--centers", "truth", "--split", "train", "--quiet", *arguments]) == 0
    plain = frame_set(open_dataset(name, tmp_path / "data", "train", test_subject=subject), TRUTH)
    cached = frame_set(open_dataset(name, tmp_path / "data", "train", test_subject=subject, cache=place), TRUTH)
    assert isinstance(cached.dataset, CachedDataset)
    assert cached.indices.tolist() == plain.indices.tolist()
    edge = REACH * get_spec(name).cube_edge
    assert cached.dataset.covers(cached.centers, edge)[cached.indices].all()
    for index in plain.indices[:10].tolist():
        center = torch.from_numpy(plain.centers[index]).float()
        for fill in (False, True):
            points = plain.points(index, center, 0.999 * edge, fill=fill)
            assert len(points) and torch.equal(points, cached.points(index, center, 0.999 * edge, fill=fill))


def test_the_size_is_said_before_and_is_exact(nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "cache", str(nyu), "--dataset", "nyu", "--centers", "truth", "--output", str(tmp_path / "c")]
    report = tmp_path / "report.json"
    assert main([*command, "--dry-run", "--json", str(report)]) == 0
    assert not (tmp_path / "c").exists()
    said = json.loads(report.read_text())
    assert said["written"] is False and f"{said['bytes']:,} bytes in all" in capsys.readouterr().out
    assert main([*command, "--json", str(report)]) == 0
    written = json.loads(report.read_text())
    assert set(written["splits"]) == {"train", "test"} and written["splits"]["train"]["frames"] == 3
    for split, figures in written["splits"].items():
        folder = tmp_path / "c" / split
        assert figures == {**said["splits"][split], "folder": str(folder)}
        assert figures["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
    assert main(command) == 1
    assert "exists: remove it" in capsys.readouterr().err


def test_a_full_disk_is_told_before_anything_is_written(
    nyu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 5000, 5000))
    command = ["data", "cache", str(nyu), "--dataset", "nyu", "--centers", "truth", "--output", str(tmp_path / "c/d")]
    assert main(command) == 1
    assert "it does not fit" in capsys.readouterr().err and not (tmp_path / "c").exists()


def test_frames_that_are_not_used_take_no_room(tmp_path: Path) -> None:
    fake_icvl.write(tmp_path / "icvl")
    (tmp_path / "icvl/Training/Depth/201403121135/image_0001.png").unlink()
    command = ["data", "cache", str(tmp_path / "icvl"), "--dataset", "icvl", "--output", str(tmp_path / "c")]
    assert main([*command, "--centers", "truth", "--split", "train"]) == 0
    dataset = open_dataset("icvl", tmp_path / "icvl", "train", cache=tmp_path / "c/train")
    assert [dataset.window(index)[0].size > 0 for index in range(3)] == [True, False, True]


def test_without_centres_the_remedy_is_named(nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "cache", str(nyu), "--dataset", "nyu", "--output", str(tmp_path / "c")]) == 1
    assert "--centers truth" in capsys.readouterr().err
