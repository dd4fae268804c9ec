# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A slice of the fuzzer's inputs for every target, and whether the fuzzer finds what it looks for."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import pytest
from fuzz_cases import TARGETS, Case, missing

_INPUTS = 300
_SLOW = {"weights files": 60, "bags": 60}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fuzzer needs Linux")


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """An input that takes too long is interrupted."""
    before = signal.signal(signal.SIGALRM, fuzz.on_alarm)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_damaged_inputs_end_in_a_result_or_the_documented_error(target: type[Any], tmp_path: Path) -> None:
    if library := missing(target):
        pytest.skip(f"{library} is not installed")
    made = target(tmp_path)
    outcomes = []
    try:
        for number in range(_SLOW.get(target.name, _INPUTS)):
            outcome, text = fuzz.try_one(made, 7, number)
            assert outcome != "finding", f"python test/fuzz.py --only '{target.name}' --seed 7 --at {number}\n{text}"
            outcomes.append(outcome)
    finally:
        getattr(made, "close", lambda: None)()
    assert "result" in outcomes, "nothing but refusals: the examples must be good ones"


class Broken:
    """A reader with one fault of every kind."""

    name, share = "broken", 1.0

    def __init__(self, folder: Path) -> None:
        self._number = -1

    def case(self, rng: random.Random) -> Case:
        self._number += 1
        faults: list[Any] = [
            lambda: None,
            lambda: int("x"),
            lambda: os.environ["NO_SUCH_VARIABLE"],
            lambda: np.ones(5_000_000),
            lambda: bytearray(b"a" * 100_000_000),
            lambda: os._exit(3),
        ]
        fault = faults[self._number % 6 if self._number < 6 else 0]
        return Case(fault, (ValueError,), 10**6)


def test_it_finds_wrong_errors_memory_and_dead_processes() -> None:
    (job,) = fuzz.fuzz(6, 0, 1, [Broken])
    assert [finding.number for finding in job.findings] == [2, 3, 4, 5]
    assert job.outcomes == {"result": 1, "refused": 1, "finding": 4}
    wrong, memory, _, dead = (finding.text for finding in job.findings)
    assert "KeyError" in wrong
    assert "40,000" in memory and "are enough" in memory
    assert "ended with status 3" in dead


def test_it_finds_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Broken):
        def case(self, rng: random.Random) -> Case:
            def forever() -> None:
                while True:
                    pass

            return Case(forever, (Exception,), 10**6)

    monkeypatch.setattr(fuzz, "DEADLINE", 1)
    outcome, text = fuzz.try_one(Hanging(Path()), 0, 0)
    assert outcome == "finding"
    assert "more than 1 s" in text


def test_an_input_is_the_same_every_time() -> None:
    first, again, other = (fuzz.make_rng(0, "bags", number).random() for number in (5, 5, 6))
    assert first == again != other
