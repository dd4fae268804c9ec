# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The long run: what it reads of a process, its verdict, its picture, and a short one with everything that happens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from v2v_ros.benchmark.results import TimePercentiles
from v2v_ros.benchmark.soak.samples import Sample, SoakEvent, holdings
from v2v_ros.benchmark.soak.verdict import SoakFigures, judge, slope, table
from v2v_ros.cli import main

Change = Callable[[float], dict[str, Any]]


def samples(change: Change = lambda at: {}, *, seconds: float = 3600, others: float = 0.0) -> list[Sample]:
    """A sample every 5 seconds of a node that stays as it is, but for what ``change`` says of a time."""
    noise = np.random.default_rng(0)
    made = []
    for at in np.arange(5.0, seconds + 5, 5.0):
        one: dict[str, Any] = {
            "at": at,
            "seconds": 5.0,
            "event": "",
            "rss_mb": 500 + noise.uniform(-0.5, 0.5),
            "anonymous_mb": 300 + noise.uniform(-0.5, 0.5),
            "shared_mb": 18.0,
            "handles": 19,
            "threads": 22,
            "cores": 0.4,
            "others_cores": others,
            "images": 150,
            "answers": 150,
            "published": 150,
            "lost": 0,
            "dropped": 1,
            "latency_ms": TimePercentiles(15 + noise.uniform(-1, 1), 20.0, 30 + noise.uniform(-5, 5)),
        }
        made.append(Sample(**(one | change(at))))
    return made


def verdicts(made: list[Sample], warm_up: float = 600) -> dict[str, str]:
    return {row.name: row.verdict for row in judge(made, warm_up).rows}


def test_the_slope_ignores_outliers() -> None:
    times = np.arange(100.0)
    values = 3 + 0.5 * times
    values[::4] += 1000
    assert slope(list(times), list(values)) == pytest.approx(0.5, abs=0.05)


def test_what_stays_is_flat() -> None:
    verdict = judge(samples(), 600)
    assert verdict.flat is True
    assert {row.verdict for row in verdict.rows} == {"flat"}
    assert (verdict.published, verdict.lost, verdict.dropped) == (601 * 150, 0, 601)
    assert verdict.seconds == 3000


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("resident memory", lambda at: {"rss_mb": 500 + 3 * at / 3600}),
        ("anonymous memory", lambda at: {"anonymous_mb": 300 + 3 * at / 3600}),
        ("handles", lambda at: {"handles": 19 + int(at // 1200)}),
        ("threads", lambda at: {"threads": 22 + int(at // 1200)}),
        ("CPU time of an image", lambda at: {"cores": 0.4 + 0.2 * at / 3600}),
        ("latency p50", lambda at: {"latency_ms": TimePercentiles(15 + 6 * at / 3600, 20, 30)}),
    ],
)
def test_what_grows_is_named(name: str, change: Change) -> None:
    made = samples(change)
    assert judge(made, 600).flat is False
    assert [row for row, verdict in verdicts(made).items() if verdict == "GROWS"] == [name]
    assert "SOMETHING GROWS" in table(judge(made, 600))


def test_the_warm_up_and_what_happens_do_not_count() -> None:
    def change(at: float) -> dict[str, Any]:
        if at < 600:
            return {"rss_mb": 400 + at / 6, "handles": int(at)}
        return {"event": "visitors", "rss_mb": 600, "handles": 99, "lost": 7} if at % 100 < 50 else {}

    verdict = judge(samples(change), 600)
    assert verdict.flat is True
    assert verdict.lost == 0


def test_steps_of_the_allocator_are_not_growth() -> None:
    def change(at: float) -> dict[str, Any]:
        return {"rss_mb": 500 + (3.7 if (at // 90) % 3 and at > 1500 else 0), "anonymous_mb": 300 + 3 * (at // 70 % 2)}

    assert judge(samples(change), 600).flat is True


def test_a_short_run_says_only_what_is_sure() -> None:
    assert judge(samples(seconds=900), 300).flat is None
    assert verdicts(samples(seconds=900), 300)["resident memory"] == "too short to say"
    assert verdicts(samples(lambda at: {"rss_mb": 500 + at / 60}, seconds=900), 300)["resident memory"] == "GROWS"
    assert judge([], 300).flat is None


def test_latencies_are_not_judged_while_others_use_the_machine() -> None:
    made = samples(lambda at: {"latency_ms": TimePercentiles(15 + at / 60, 20, 200 + at)}, others=1.4)
    assert verdicts(made)["latency p50"] == "machine too noisy to say"
    assert judge(made, 600).flat is True
    made = samples(lambda at: {"cores": 0.4 + 0.2 * at / 3600}, others=1.4)
    assert verdicts(made)["CPU time of an image"] == "GROWS"


def test_the_picture_can_be_drawn_of_any_number_of_samples(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from v2v_ros.benchmark.soak.plot import plot

    figures = SoakFigures(2.0, 60.0, 5.0, 30.0, {}, "hand21_lite", events=[SoakEvent("visitors", 70.0, 20.0)])
    for seconds in (5, 120):
        made = samples(lambda at: {"latency_ms": None} if at > 100 else {}, seconds=seconds)
        plot(replace(figures, samples=made), tmp_path / "soak.png")
        assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


_CHILD = """
import sys
print("ready", flush=True)
sys.stdin.readline()
file, block = open(sys.argv[1], "w"), b"1" * (8 << 20)
print("taken", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proc(5)")
def test_holdings_follow_the_process(tmp_path: Path) -> None:
    command, pipe = [sys.executable, "-c", _CHILD, str(tmp_path / "x")], subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        before = holdings(child.pid)
        child.stdin.write("go on\n")
        child.stdin.flush()
        assert child.stdout.readline() == "taken\n"
        during = holdings(child.pid)
        child.stdin.close()
    assert during.handles == before.handles + 1
    assert 7.5 < (during.anonymous_mb or 0) - (before.anonymous_mb or 0) < 10
    assert 7.5 < (during.rss_mb or 0) - (before.rss_mb or 0) < 10
    with pytest.raises(OSError):
        holdings(2**22 + 1)


@pytest.mark.slow
def test_a_short_run_with_everything_that_happens(tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    arguments = ["--minutes", "1.6", "--every", "2", "--warm-up", "0", "--threads", "1", "--quiet"]
    status = main(["soak", *arguments, "--output", str(tmp_path)])
    figures = json.loads((tmp_path / "soak.json").read_text())
    assert len(figures["samples"]) >= 15
    ended = [event for event in figures["events"] if event["seconds"] > 0]
    assert len({event["name"] for event in ended}) == 4, "each must have happened, and skeletons come back after it"
    assert figures["samples"][-1]["rss_mb"] > 100
    assert max(one["found"] for one in figures["samples"]) > 50
    assert max(one["markers"] for one in figures["samples"]) > 50
    assert max(one["transforms"] for one in figures["samples"]) > 50
    # Four events take all of the time: nothing but what grew by more than the bar can be told.
    assert status == (1 if figures["verdict"]["flat"] is False else 0)


def test_wrong_pose_parameters_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soak", "--pose", "filter"]) == 1
    assert "NAME=VALUE" in capsys.readouterr().err
