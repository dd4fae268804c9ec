#!/usr/bin/env python3
# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Train the paper's full network with its joint refiner within some minutes, and measure it: a GPU's day.

The constant-rate training runs for half of the time and is then annealed, so that nothing must be known about how fast
the machine is. What comes out lies in one folder: weights, cards, figures, logs. Without a GPU, and with a small
--grid, the same steps run on a CPU; that is how they are tested.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

_TRAINING, _FALL = 0.5, 0.12  # shares of the time: at a constant rate, and while it falls
_GRACE = 120  # seconds that a training may take to write its last checkpoint
_SETS = {"hand21": ("hand_crops_1", "hand_images_1", "hand_empty_1"), "body15": ("body_crops_1", "body_images_1")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--skeleton", choices=sorted(_SETS), default="hand21", help="what to estimate (hand21)")
    parser.add_argument("--minutes", type=float, default=25, help="for training; measuring comes after them (25)")
    parser.add_argument("--output", type=Path, default=Path("full"), help="folder that gets everything (full)")
    parser.add_argument("--grid", type=int, default=88, help="cells per axis (88)")
    parser.add_argument("--width", type=int, default=16, help="channels at the front (16)")
    parser.add_argument("--batch", type=int, default=32, help="samples a step (32)")
    parser.add_argument("--peaks", type=int, default=12288, help="samples that the joint refiner learns from (12288)")
    parser.add_argument("--draws", type=int, default=600_000, help="draws of the joint refiner's training (600000)")
    parser.add_argument("--samples", type=int, help="samples of the test sets that are measured (all)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    network = train(options)
    weights = options.output / f"{options.skeleton}.safetensors"
    joints = ["--draws", options.draws, "--samples", options.peaks, "--threads", torch.get_num_threads()]
    v2v("joints", options, "train", "--network", "joints", "--weights", network, "--output", weights, *joints)
    measure(options, weights)
    print(f"weights, cards, figures and logs: {options.output}")
    return 0


def train(options: argparse.Namespace) -> Path:
    """Train for a share of the minutes, let the rate fall, and return the weights file of the pose network."""
    running = options.output / "training.safetensors"
    network = options.output / f"{options.skeleton}_network.safetensors"
    seconds = 60 * options.minutes
    size = ["--grid", options.grid, "--width", options.width, "--batch", options.batch]
    # Rendering on the GPU is fast; whole scenes and their proposals are made on the CPU, which would hold it up.
    plan = ["--samples", 0, "--proposed", 0, "--skeleton", options.skeleton, "--quiet"]
    until(seconds * _TRAINING, "training", options, "train", "--output", running, *size, *plan)
    figures = v2v("runs", options, "runs", options.output)
    rate = figures["runs"][0]["rate"]
    if rate is None:
        raise SystemExit("full_network: the training wrote no figures: give it more --minutes")
    fall = max(options.batch, round(rate * seconds * _FALL))
    print(f"{figures['runs'][0]['samples']:,} samples at {rate:.1f} a second; the rate falls over {fall:,} more")
    v2v("annealing", options, "train", "--output", network, "--anneal", running, "--samples", fall, "--quiet")
    return network


def measure(options: argparse.Namespace, weights: Path) -> None:
    """Measure accuracy, with the refiner and by peaks alone, and speed; on a GPU also test its path."""
    some = ["--samples", options.samples] if options.samples else []
    for read_out in ("refiner", "peaks"):
        test = ["--test-set", *_SETS[options.skeleton], "--read-out", read_out]
        v2v(f"accuracy_{read_out}", options, "evaluate", "synthetic", "--weights", weights, *test, *some)
    if torch.cuda.is_available():
        v2v("speed", options, "benchmark", "--weights", weights, "--output", options.output / "speed")
        command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "-m", "", "-k", "cuda or gpu"]
        run("tests", options, command, Path(__file__).resolve().parent.parent)


def v2v(name: str, options: argparse.Namespace, *arguments: object) -> dict:
    """Run a command of ``v2v`` with its log in the output's folder, and return its figures."""
    path = options.output / f"{name}.json"
    run(name, options, command(*arguments, "--json", path))
    return json.loads(path.read_text()) if path.is_file() else {}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "v2v_ros.cli", *(str(argument) for argument in arguments)]


def run(name: str, options: argparse.Namespace, program: list[str], folder: Path | None = None) -> None:
    """Run a program; its failure ends everything, with the end of its log."""
    log, started = options.output / f"{name}.log", time.monotonic()
    with log.open("w") as file:
        code = subprocess.run(program, stdout=file, stderr=subprocess.STDOUT, cwd=folder).returncode
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    if code:
        raise SystemExit(f"full_network: {name} failed ({log}):\n" + "\n".join(log.read_text().splitlines()[-15:]))


def until(seconds: float, name: str, options: argparse.Namespace, *arguments: object) -> None:
    """Run a training without an end for some seconds; its last checkpoint is written before it ends."""
    log = options.output / f"{name}.log"
    with log.open("w") as file:
        process = subprocess.Popen(command(*arguments), stdout=file, stderr=subprocess.STDOUT)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(_GRACE)
            print(f"{name}: {seconds:.0f} s", flush=True)
            return
        finally:
            process.kill()
    raise SystemExit(f"full_network: {name} ended early with {code}:\n" + "\n".join(log.read_text().splitlines()[-15:]))


if __name__ == "__main__":
    sys.exit(main())
