# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Feeds damaged inputs to everything that reads what others wrote: ``python test/fuzz.py --inputs 100000``.

Not a test, but test_fuzz.py runs a slice of it. Every input is made from a seed, the target's name and a number, so
that each can be had again: ``python test/fuzz.py --only 'raw images' --at 1234``.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # not there under PYTHONSAFEPATH

from fuzz_cases import TARGETS, missing

DEADLINE = 10  # seconds for one input
_GROWTH = 96  # MiB by which one input may raise the largest size of the process, beyond what it may take
_ROOM = 4 * 2**30  # bytes of address space for a process, beyond what it begins with
_PATIENCE = 60.0  # seconds without a word from a process that runs code which no signal interrupts
_CHUNK = 500


class Hang(BaseException):
    """An input took too long. (No Exception, so that no reader takes it for damage.)"""


class Finding(NamedTuple):
    """An input that did not end as it should."""

    target: str
    number: int
    text: str


def on_alarm(*_: object) -> None:
    """Handler of SIGALRM."""
    raise Hang(f"more than {DEADLINE} s")


def make_rng(seed: int, target: str, number: int) -> random.Random:
    """The source of everything in one input."""
    return random.Random(f"{seed} {target} {number}")


def try_one(target: Any, seed: int, number: int) -> tuple[str, str]:
    """Run one input.

    Returns:
        ``result``, ``refused`` or ``finding``, and what was found.
    """
    try:
        case = target.case(make_rng(seed, target.name, number))
    except Exception:
        return "finding", f"the fuzzer itself failed:\n{traceback.format_exc()}"
    largest = _largest()
    signal.alarm(DEADLINE)
    tracemalloc.start()
    try:
        case.run()
        outcome, text = "result", ""
    except case.errors as error:
        outcome, text = "refused", str(error)
        text = "" if len(text) < 20_000 else f"an error of {len(text)} characters"
    except (Exception, Hang):
        outcome, text = "finding", traceback.format_exc(limit=-6)
    finally:
        signal.alarm(0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    grown = _largest() - largest
    if peak > case.memory and case.reserved:
        text += f"\n{peak:,} bytes of memory, where {case.memory:,} are enough"
    elif grown > _GROWTH * 2**20 + case.memory:
        text += f"\nthe process has grown by {grown:,} bytes"
    return ("finding" if text else outcome), text


def _largest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _work(target: type[Any], seed: int, numbers: range, pipe: Connection) -> None:
    """Run some inputs in a process of its own, and tell what came of each."""
    logging.disable()
    for stream in (1, 2):  # libraries in C write there
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    signal.signal(signal.SIGALRM, on_alarm)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + _ROOM, now + _ROOM))
    with tempfile.TemporaryDirectory(prefix="v2v_fuzz_") as folder:
        made = target(Path(folder))
        pipe.send(None)  # ready
        for number in numbers:
            pipe.send((number, *try_one(made, seed, number)))


class _Job:
    """Some inputs of a target in a process."""

    def __init__(self, target: type[Any], seed: int, numbers: range) -> None:
        self.target, self.numbers, self._seed = target, numbers, seed
        self.outcomes: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")  # what is imported need not be imported again
        self.pipe, other = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(self.target, self._seed, self.numbers, other), daemon=True)
        self.process.start()
        other.close()
        self.heard, self._ready = time.monotonic(), False

    def listen(self) -> bool:
        """Take what the process says; False when it has ended and all inputs are done."""
        if not self._receive():
            self.process.join()
            if not self.numbers:
                return False
            if not self._ready:
                raise SystemExit(f"the target '{self.target.name}' cannot be made")
            self._lost(f"the process ended with status {self.process.exitcode}")
        if time.monotonic() - self.heard > _PATIENCE:
            self.process.kill()
            self.process.join()
            self._lost(f"no end within {_PATIENCE:.0f} s, and no signal interrupts it")
        return bool(self.numbers) or self.process.is_alive()

    def _receive(self) -> bool:
        """Take what is in the pipe; False when nothing can come any more."""
        try:
            while self.pipe.poll():
                message = self.pipe.recv()
                self.heard = time.monotonic()
                if message is None:
                    self._ready = True
                else:
                    self._done(*message)
        except EOFError:
            return False
        return True

    def _done(self, number: int, outcome: str, text: str) -> None:
        self.outcomes[outcome] += 1
        if outcome == "finding":
            self.findings.append(Finding(self.target.name, number, text))
        self.numbers = range(number + 1, self.numbers.stop)

    def _lost(self, text: str) -> None:
        """The input that the process was at is a finding; go on behind it."""
        self._done(self.numbers.start, "finding", text)
        if self.numbers:
            self._start()


def fuzz(inputs: int, seed: int, processes: int, targets: list[type[Any]]) -> Iterator[_Job]:
    """Run inputs in processes side by side; yields the jobs that are done."""
    total = sum(target.share for target in targets)
    todo = []
    for target in targets:
        count = max(1, round(inputs * target.share / total))
        step = max(_CHUNK, -(-count // 10))
        todo += [(target, range(first, min(first + step, count))) for first in range(0, count, step)]
    random.Random(0).shuffle(todo)  # so that slow targets do not come all at the end
    running: list[_Job] = []
    while todo or running:
        while todo and len(running) < processes:
            target, numbers = todo.pop()
            running.append(_Job(target, seed, numbers))
        wait([job.pipe for job in running], timeout=1.0)
        for job in list(running):
            if not job.listen():
                running.remove(job)
                yield job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [target.name for target in TARGETS]
    parser.add_argument("--inputs", type=int, default=100_000, help="of all targets together (100000)")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other inputs (0)")
    parser.add_argument("--processes", type=int, default=2, help="side by side (2)")
    parser.add_argument("--only", choices=names, help="one target alone")
    parser.add_argument("--at", type=int, metavar="NUMBER", help="with --only: one input, in this process")
    options = parser.parse_args()
    targets = [target for target in TARGETS if options.only in (None, target.name)]
    for target in targets:
        if library := missing(target):
            print(f"without {library}, the target '{target.name}' is left out")
    targets = [target for target in targets if not missing(target)]
    if options.at is not None:
        with tempfile.TemporaryDirectory(prefix="v2v_fuzz_") as folder:
            signal.signal(signal.SIGALRM, on_alarm)
            print(*try_one(targets[0](Path(folder)), options.seed, options.at), sep="\n")
        return

    began = time.monotonic()
    outcomes: dict[str, Counter[str]] = {target.name: Counter() for target in targets}
    findings: list[Finding] = []
    for job in fuzz(options.inputs, options.seed, options.processes, targets):
        outcomes[job.target.name] += job.outcomes
        findings += job.findings
    seen: Counter[str] = Counter()
    for finding in findings:
        place = finding.text.strip().rpartition("\n")[2]
        seen[place] += 1
        if seen[place] <= 2:
            print(f"--- {finding.target}, input {finding.number} (seed {options.seed}):\n{finding.text.strip()}\n")
    print("| target | inputs | results | refused | findings |", "|---|---|---|---|---|", sep="\n")
    total: Counter[str] = Counter()
    for name, counts in [*outcomes.items(), ("all", total)]:
        total += counts if name != "all" else Counter()
        cells = (counts.total(), counts["result"], counts["refused"], counts["finding"])
        print(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    print(f"\nseed {options.seed}, {time.monotonic() - began:.0f} s with {options.processes} processes")
    if findings:
        sys.exit(f"{len(findings)} findings")


if __name__ == "__main__":
    main()
