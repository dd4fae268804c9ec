# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Runs without an end, their annealed copies, and what others see of them meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.model import weights

pytest.importorskip("pytorch_lightning")

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from v2v_ros.io.files import write_atomically
from v2v_ros.training.anneal import copy_run
from v2v_ros.training.checkpoints import read_checkpoint
from v2v_ros.training.config import TrainingConfig, read_config, resumed_values
from v2v_ros.training.lock import held, holder
from v2v_ros.training.losses import make_training
from v2v_ros.training.optimisation import scheduled_factor
from v2v_ros.training.status import find_runs, read_status, run_text
from v2v_ros.training.train import train

CONFIG = TrainingConfig(
    grid=16, width=2, samples=64, batch=8, validation_samples=8, validation_interval=32, precision="32-true"
)


def _watch(monkeypatch: pytest.MonkeyPatch, *callbacks: Callback) -> None:
    """Have the next runs call these as well."""
    make = lightning.Trainer

    def trainer(**options: Any) -> Any:
        return make(**{**options, "callbacks": [*callbacks, *options["callbacks"]]})

    monkeypatch.setattr(lightning, "Trainer", trainer)


class _At(Callback):
    """Does something before the checkpoint of a step is written; keeps the learning rate of every step."""

    def __init__(self, step: int = -1, action: Any = None) -> None:
        self.step, self.action = step, action
        self.rates: list[list[float]] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        self.rates.append([group["lr"] for group in optimizer.param_groups])

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            self.action(trainer)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _same(first: Path, second: Path) -> bool:
    one, other = weights.load(first).state, weights.load(second).state
    return all(torch.equal(one[key], value) for key, value in other.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a run of eight steps."""
    output = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    train(CONFIG, output, progress=False)
    return output


# The learning rate


def test_the_rate_is_constant_after_its_warm_up_whatever_the_length() -> None:
    for steps in (10, 1_000_000):
        factor = scheduled_factor("constant", steps)
        assert factor(0) == 1 / 200 and factor(99) == 0.5
        assert {factor(step) for step in (199, 5_000, 10**9)} == {1.0}


def test_annealing_is_a_line_down_to_zero() -> None:
    factor = scheduled_factor("anneal", 1200, 1000)
    assert [factor(step) for step in (999, 1000, 1100, 1150, 1200, 1300)] == [1, 1, 0.5, 0.25, 0, 0]


def test_a_cosine_ends_at_zero() -> None:
    factor = scheduled_factor("cosine", 1000)
    assert factor(1000) == 0 and factor(500) == pytest.approx(0.5) and factor(0) < 0.02


# Going on


def test_a_run_that_goes_on_ends_as_one_that_was_longer_from_the_start(whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.safetensors"
    train(replace(CONFIG, samples=24), output, progress=False)
    assert main(["train", "--output", str(output), "--resume", "--samples", "64", "--quiet"]) == 0
    assert _same(whole, output)


def test_resumed_without_a_length_it_goes_on_until_it_is_ended(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whoever ends it loses nothing: the checkpoint is of the last step."""
    output = tmp_path / "x.safetensors"
    train(replace(CONFIG, samples=8), output, progress=False)
    for step, name in ((3, signal.SIGTERM), (5, signal.SIGINT)):
        with monkeypatch.context() as patch:
            _watch(patch, _At(step, lambda _, name=name: os.kill(os.getpid(), name)))
            assert main(["train", "--output", str(output), "--resume", "--quiet"]) == 130
        assert read_checkpoint(tmp_path / "x_run" / "last.ckpt")["global_step"] == step
        assert read_config(tmp_path / "x_run" / "config.json")["samples"] == 0
    assert main(["train", "--output", str(output), "--resume", "--samples", "64", "--quiet"]) == 0
    assert _same(whole, output)


def test_a_second_signal_ends_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(_: Any) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    before = signal.getsignal(signal.SIGINT)  # ignored in the background of some shells
    _watch(monkeypatch, _At(2, twice))
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tmp_path / "x.safetensors", progress=False)
    assert not (tmp_path / "x_run" / "last.ckpt").exists()
    assert signal.getsignal(signal.SIGINT) is before


def _age(output: Path) -> None:
    """Make a run look as if it was begun before there was a choice of schedules and of precision."""
    folder = output.with_name(output.name.removesuffix(".safetensors") + "_run")
    later = {"schedule", "anneal_step", "annealed"}
    values = {name: value for name, value in read_config(folder / "config.json").items() if name not in later}
    (folder / "config.json").write_text(json.dumps(values))
    checkpoint = read_checkpoint(folder / "last.ckpt")
    checkpoint["run"] = {name: value for name, value in checkpoint["run"].items() if name not in later}
    torch.save(checkpoint, folder / "last.ckpt")
    (folder / "process.json").unlink()


def test_an_older_run_goes_on_by_its_cosine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cosine = replace(CONFIG, schedule="cosine")
    train(cosine, tmp_path / "whole.safetensors", progress=False)
    output = tmp_path / "x.safetensors"
    with monkeypatch.context() as patch:
        _watch(patch, _At(5, lambda _: os.kill(os.getpid(), signal.SIGTERM)))
        with pytest.raises(KeyboardInterrupt):
            train(cosine, output, progress=False)
    _age(output)
    assert main(["train", "--output", str(output), "--resume", "--quiet"]) == 0
    assert _same(tmp_path / "whole.safetensors", output)
    assert resumed_values({"recipe": "paper"})["schedule"] == "constant"


def test_a_run_may_change_to_a_rate_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "x.safetensors"
    train(replace(CONFIG, schedule="cosine", samples=32), output, progress=False)
    _age(output)
    watch = _At()
    _watch(monkeypatch, watch)
    command = ["train", "--output", str(output), "--resume", "--schedule", "constant", "--samples", "48", "--quiet"]
    assert main([*command, "--learning-rate", "0.04"]) == 0
    expected = [0.04 * (step + 1) / 200 for step in (4, 5)]
    assert [rates[0] for rates in watch.rates] == pytest.approx(expected)
    assert [rates[1] for rates in watch.rates] == pytest.approx([rate / 10 for rate in expected])


# Copies


def test_a_copy_is_annealed_and_the_run_stays_as_it_is(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _files(whole.parent)
    watch, output = _At(), tmp_path / "shipped.safetensors"
    _watch(monkeypatch, watch)
    command = ["train", "--output", str(output), "--anneal", str(whole), "--samples", "32", "--quiet"]
    assert main(command) == 0
    assert _files(whole.parent) == before
    start = 0.02 * 9 / 200  # to which the run has warmed up
    assert [rates[0] for rates in watch.rates] == pytest.approx([start, 0.75 * start, 0.5 * start, 0.25 * start])
    assert [rates[1] for rates in watch.rates] == pytest.approx([rates[0] / 10 for rates in watch.rates])
    loaded = weights.load(output)
    assert loaded.training["samples"] == 96 and loaded.training["config"]["annealed"] == "whole"
    card = (tmp_path / "shipped.md").read_text()
    assert "a copy of `whole` at 64 samples, whose learning rate fell to zero from there on" in card
    assert re.findall(r"^\| (\d+) \|", card.split("## Learning curve")[1], re.M) == ["32", "64", "96"]
    assert not _same(whole, output)

    assert main(command) == 1, "it is not written over"
    assert main([*command, "--overwrite"]) == 0
    assert _same(output, output) and _files(whole.parent) == before
    with pytest.raises(ValueError, match="'shipped' is an annealed copy itself: anneal the run 'whole'"):
        copy_run(output, tmp_path / "again.safetensors", {})


def test_a_copy_that_is_cut_goes_on_to_its_end(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, cut = tmp_path / "at_once.safetensors", tmp_path / "cut.safetensors"
    train(copy_run(whole, at_once, {"samples": 24}), at_once, resume=True, progress=False)
    with monkeypatch.context() as patch:
        _watch(patch, _At(9, lambda _: os.kill(os.getpid(), signal.SIGTERM)))
        with pytest.raises(KeyboardInterrupt):
            train(copy_run(whole.with_name("whole_run"), cut, {"samples": 24}), cut, resume=True, progress=False)
    assert main(["train", "--output", str(cut), "--resume", "--quiet"]) == 0
    assert _same(at_once, cut) and weights.load(cut).training["samples"] == 88


def test_an_older_run_is_annealed_from_the_rate_that_it_has_come_to(tmp_path: Path) -> None:
    output = tmp_path / "x.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        _watch(patch, _At(3, lambda _: os.kill(os.getpid(), signal.SIGTERM)))
        with pytest.raises(KeyboardInterrupt):
            train(replace(CONFIG, schedule="cosine", samples=4_000_000), output, progress=False)
    _age(output)
    rate = read_checkpoint(tmp_path / "x_run" / "last.ckpt")["optimizer_states"][0]["param_groups"][0]["lr"]
    config = copy_run(output, tmp_path / "y.safetensors", {"samples": 800})
    assert (config.schedule, config.anneal_step, config.samples) == ("anneal", 3, 824)
    assert config.learning_rate == rate
    assert config.decay == pytest.approx(0.9), "over a tenth of the fall"
    factor = make_training(config, 103).configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert factor(103) == 0


def test_a_run_is_copied_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, other = tmp_path / "x.safetensors", tmp_path / "y.safetensors"

    def copy(_: Any) -> None:
        status = read_status(tmp_path / "x_run")
        assert status.alive and status.pid == os.getpid() and status.samples >= 32
        assert copy_run(output, other, {"samples": 8}).anneal_step == 4
        with pytest.raises(ValueError, match=r"process \d+ is training in .* already: end it first"):
            train(CONFIG, output, overwrite=True, progress=False)

    done = _At(6, copy)
    _watch(monkeypatch, done)
    train(CONFIG, output, progress=False)
    assert len(done.rates) == 8
    assert (tmp_path / "y_run" / "last.ckpt").is_file()
    assert read_status(tmp_path / "x_run").alive is False


def test_a_checkpoint_that_is_being_replaced_is_read_whole(whole: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "last.ckpt", whole.with_name("whole_run").joinpath("last.ckpt").read_bytes()
    write_atomically(path, content)
    stop = threading.Event()

    def replace_it() -> None:
        while not stop.is_set():
            write_atomically(path, content)

    writer = threading.Thread(target=replace_it)
    writer.start()
    try:
        assert {read_checkpoint(path)["global_step"] for _ in range(8)} == {8}
    finally:
        stop.set()
        writer.join()


def test_a_copy_of_several_processes_takes_their_batch(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many_run"
    checkpoint = read_checkpoint(whole.with_name("whole_run") / "last.ckpt")
    checkpoint["run"]["processes"] = 4
    folder.mkdir()
    torch.save(checkpoint, folder / "last.ckpt")
    config = copy_run(tmp_path / "many.safetensors", tmp_path / "one.safetensors", {"samples": 64})
    assert (config.batch, config.samples) == (32, 32 * 8 + 64)


def test_what_cannot_be_annealed_is_refused_with_a_reason(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done, output = tmp_path / "done.safetensors", tmp_path / "y.safetensors"
    train(replace(CONFIG, schedule="cosine", samples=16), done, progress=False)
    (tmp_path / "damaged_run").mkdir()
    (tmp_path / "damaged_run" / "last.ckpt").write_bytes(b"PK\x03\x04")
    before = _files(tmp_path)
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (done, {}, "has fallen already, from 0.02 to 0: its weights can be shipped as they are"),
        (tmp_path / "none.safetensors", {}, "there is no checkpoint of a run at"),
        (tmp_path / "damaged_run", {}, "is damaged"),
        (whole, {"width": 4}, "goes on with a run as it is: leave --width out"),
        (whole, {"learning_rate": 1.0}, "leave --learning-rate out"),
    ]
    for source, given, reason in cases:
        with pytest.raises(ValueError, match=re.escape(reason)):
            copy_run(source, output, given)
    with pytest.raises(ValueError, match="choose another --output"):
        copy_run(done, done, {})
    for contrary in (["--resume"], ["--from", "hand21_lite"], ["--devices", "2"], ["--config", "x"]):
        assert main(["train", "--output", str(output), "--anneal", str(whole), *contrary]) == 1
        assert "--anneal" in capsys.readouterr().err
    assert _files(tmp_path) == before


def test_schedules_that_make_no_sense_are_refused() -> None:
    for values, reason in [
        ({"schedule": "linear"}, "unknown --schedule 'linear'; choose one of: constant, cosine, anneal"),
        ({"schedule": "cosine", "samples": 0}, "--samples 0 (no end) is for --schedule constant, not cosine"),
        ({"schedule": "anneal"}, "make one with --anneal RUN"),
        ({"anneal_step": 4}, "make one with --anneal RUN"),
    ]:
        with pytest.raises(ValueError, match=re.escape(reason)):
            TrainingConfig(**values)  # type: ignore[arg-type]


# What others see


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    assert holder(tmp_path) == ({}, None)
    with held(tmp_path, resumed=False, samples_per_step=16):
        notes, alive = holder(tmp_path)
        assert alive and notes["pid"] == os.getpid() and notes["samples_per_step"] == 16
        with pytest.raises(ValueError, match="end it first"), held(tmp_path, resumed=True):
            pass
    assert holder(tmp_path) == (notes, False)
    (tmp_path / "process.json").write_text(json.dumps({**notes, "begun": 5}))
    with held(tmp_path, resumed=True):
        assert holder(tmp_path)[0]["begun"] == 5
    with held(tmp_path, resumed=False):
        assert holder(tmp_path)[0]["begun"] > 5


def test_the_lock_of_a_process_that_was_killed_is_gone(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with held(tmp_path, resumed=False):
            time.sleep(60)
        os._exit(0)
    try:
        deadline = time.monotonic() + 20
        while not holder(tmp_path)[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        notes, alive = holder(tmp_path)
        assert alive and notes["pid"] == child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert holder(tmp_path) == (notes, False)


def test_runs_are_found_and_described(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes_run").mkdir()  # without a configuration, it is none
    (tmp_path / ".hidden" / "x_run").mkdir(parents=True)
    (tmp_path / ".hidden" / "x_run" / "config.json").write_text("{}")
    assert main(["runs", str(tmp_path)]) == 1
    assert "there is no run" in capsys.readouterr().err
    figures = tmp_path / "figures.json"
    assert main(["runs", str(whole.parent), "--points", "1", "--json", str(figures)]) == 0
    printed = capsys.readouterr().out
    assert "whole: hand21, pose network, grid 16, width 2, schedule constant" in printed
    assert "samples    64 (64)" in printed and "none is at work" in printed
    assert printed.count("curve ") == 1 and "64 samples: mean error" in printed
    (found,) = json.loads(figures.read_text())["runs"]
    assert found["samples"] == 64 and [point["samples"] for point in found["curve"]] == [32, 64]
    assert find_runs(whole.with_name("whole_run")) == [whole.with_name("whole_run")]


def test_a_run_tells_where_it_stands_from_what_older_versions_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "old_run"
    (folder / "resumed_1").mkdir(parents=True)
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events.out.tfevents.1700000000.host.1.0").touch()
    values = {name: value for name, value in asdict(CONFIG).items() if name != "schedule"}
    (folder / "config.json").write_text(json.dumps({**values, "samples": 4_000_000}))
    (folder / "metrics.csv").write_text("epoch,rate/trained,step,val/error_mm\n0,1.0,19,\n")
    os.utime(folder / "metrics.csv", (1_700_000_000, 1_700_000_000))
    # 160 samples in 160 s, then 160 in 40 s; a validation; and a row that is being written.
    rows = "epoch,rate/trained,step,val/error_mm\n0,1.0,19,\n0,1.6,39,\n0,,40,12.0\n0"
    (folder / "resumed_1" / "metrics.csv").write_text(rows)
    status = read_status(folder)
    assert status.samples == 320 and status.rate == pytest.approx(4.0) and status.begun == 1_700_000_000
    assert status.alive is None and status.pid is None and status.curve == []
    text = run_text(status, 3, now=1_700_000_090.0)
    assert "schedule cosine" in text and "320 (4,000,000)" in text and "(1 min ago)" in text
    assert "not known: the run has noted none" in text
    with held(folder, resumed=True, samples_per_step=8):
        assert read_status(folder).begun == 1_700_000_000 and read_status(folder).alive
    (folder / "validations.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_status(folder)


def test_threads_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    file = tmp_path / "c.json"
    file.write_text(replace(CONFIG, samples=8).to_json())
    output = str(tmp_path / "x.safetensors")
    assert main(["train", "--output", output, "--config", str(file), "--threads", "1", "--quiet"]) == 0
    assert chosen == [1]
