# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rendered scenes on disk: rendering a scene costs as much as training on it, so every one serves several times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from ...io.files import write_atomically
from ...synthetic.scenes.whole import Scenes, sample_mixture
from ..config import SKINNED
from ..seeds import SeedFamily, derive_seed


def make_chunk(seed: int, index: int, count: int, held_out: bool = False) -> Scenes:
    """Return the scenes of a chunk, the same whenever they are made."""
    family = SeedFamily.DETECTOR_HELD_OUT if held_out else SeedFamily.DETECTOR_SCENES
    generator = torch.Generator().manual_seed(derive_seed(family, seed, index))
    with torch.no_grad():
        return sample_mixture(count, generator, skinned=SKINNED)


def chunk_path(folder: Path, index: int) -> Path:
    return folder / f"scenes_{index:04d}.npz"


def load_held_out(path: Path, seed: int, count: int) -> Scenes:
    """Return the held-out scenes of a run from their file; made and written where it is missing or damaged."""
    return _kept(path, lambda: make_chunk(seed, 0, count, held_out=True), count)


def load_chunk(folder: Path, seed: int, index: int, count: int) -> Scenes:
    """Return a chunk of scenes from its file; made and written where it is missing or damaged."""
    return _kept(chunk_path(folder, index), lambda: make_chunk(seed, index, count), count)


def _kept(path: Path, make: Callable[[], Scenes], count: int) -> Scenes:
    if path.is_file():
        try:
            scenes = read_scenes(path)
            if len(scenes.depth) == count:
                return scenes
        except (OSError, ValueError, KeyError):
            path.unlink()
    write_scenes(make(), path)
    return read_scenes(path)


def write_scenes(scenes: Scenes, path: Path) -> None:
    """Write scenes, their depth in half precision: 0.5 mm at a metre."""
    content = BytesIO()
    arrays = {f.name: getattr(scenes, f.name).numpy() for f in fields(Scenes)}
    np.savez(content, **{**arrays, "depth": arrays["depth"].astype(np.float16)})
    write_atomically(path, content.getvalue())


def read_scenes(path: Path) -> Scenes:
    """Read scenes; their depth stays in half precision.

    Raises:
        OSError, ValueError, KeyError: The file is missing or damaged.
    """
    with np.load(path, allow_pickle=False) as stored:
        return Scenes(**{f.name: torch.from_numpy(stored[f.name]) for f in fields(Scenes)})
