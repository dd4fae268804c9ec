# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Prints how fast every format of a dataset is read on this machine, straight from its files and through a cache.

Not a test: ``python test/bench_readers.py``. It writes rendered hands and people in the published formats and sizes to
a temporary folder. Rendered images compress better than measured ones, so noise is put on them (see ``_roughen``).
"""

from __future__ import annotations

import argparse
import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from fake_datasets import SUBJECT, WRITERS, open_fake
from PIL import Image

from v2v_ros.cli import main as v2v
from v2v_ros.recorded.datasets.speed import REQUIRED, frames_per_second

_FRAMES = 96
_COUNTS = {
    "icvl": {"train": _FRAMES // 6, "test": 1},
    "nyu": {"train": _FRAMES, "test": 1},
    "msra": {"frames": 1},
    "hands2017": {"train": _FRAMES, "test": 1},
    "itop_side": {"train": _FRAMES, "test": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of which the median counts (7)")
    options = parser.parse_args()
    print(
        f"{'format':10} {'files':>9} {'cache':>9}   frames/s on one core, {REQUIRED} required; kB a frame of the cache"
    )
    for name, count in _COUNTS.items():
        with tempfile.TemporaryDirectory() as folder:
            data, cache = Path(folder, "data"), Path(folder, "cache")
            WRITERS[name](data, **count)
            _roughen(data)
            subject = ["--subject", str(SUBJECT)] if name == "msra" else []
            arguments = ["data", "cache", str(data), "--dataset", name, "--output", str(cache), "--centers", "truth"]
            _quietly([*arguments, "--split", "train", *subject])
            rates = []
            for place in (None, cache):
                dataset = open_fake(name, data, cache=place)
                rates.append(frames_per_second(dataset, rounds=options.rounds).frames_per_second)
            kilobytes = next(cache.glob("*/windows.bin")).stat().st_size / len(dataset) / 1000
        print(f"{name:10} {rates[0]:9,.0f} {rates[1]:9,.0f} {kilobytes:9.1f}", flush=True)


def _quietly(arguments: list[str]) -> None:
    with redirect_stdout(io.StringIO()):
        if v2v([*arguments, "--quiet"]):
            raise SystemExit(f"v2v {' '.join(arguments)} failed")


def _roughen(folder: Path) -> None:
    """Noise of up to two millimetres on every image that is compressed, as measured images have it."""
    random = np.random.default_rng(0)
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            pixels = np.asarray(image).astype(np.int32)
        millimetres = pixels[..., 1] << 8 | pixels[..., 2] if pixels.ndim == 3 else pixels
        seen = (millimetres > 0) & (millimetres < 32001)
        millimetres = millimetres + seen * random.integers(-2, 3, millimetres.shape)
        if pixels.ndim == 3:
            packed = np.stack((np.zeros_like(millimetres), millimetres >> 8, millimetres & 255), axis=-1)
            Image.fromarray(packed.astype(np.uint8)).save(path)
        else:
            Image.fromarray(millimetres.astype(np.uint16)).save(path)


if __name__ == "__main__":
    main()
