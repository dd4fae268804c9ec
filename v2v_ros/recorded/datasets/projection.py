# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether the labels of a dataset lie on its depth images: they do not with intrinsics that are swapped or foreign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset
from .specs import SPECS, DatasetSpec

# How far behind the surface a joint may be, metres. Joints are inside of the subject, and hidden ones behind more of
# it, feet seen from above behind nearly all; a label may lie a little before the surface. Of the joints of rendered
# hands and people 90 to 97 % are within, and at most 3 % with fx, fy and cx, cy in each other's place.
_BEHIND = {"hand": (-0.015, 0.06), "body": (-0.05, 0.2), "body from above": (-0.05, 1.0)}
_AROUND = 2  # pixels by which a fingertip's label may miss the finger
_FEW = 0.5  # fewer joints on the depth than this share: the labels do not belong to it
_BETTER = 0.1  # share of the joints by which another reading must fit better
_SAME = 0.03  # readings whose shares differ by less are as good; the first one is named
_OF_PIXELS = ("icvl",)
"""Datasets whose labels are pixels: these lie where they lie, whatever the intrinsics."""


@dataclass(frozen=True)
class LabelReading:
    """One way to bring labels into the image.

    Attributes:
        text: Description of its difference from the usual reading; empty for that one.
        intrinsics: Intrinsics to project with.
        signs: Signs of x and y.
    """

    text: str
    intrinsics: Intrinsics
    signs: tuple[int, int] = (1, 1)


class LabelFit:
    """Counts the labelled joints that lie on the depth at the pixel where they are projected to.

    Attributes:
        joints: Number of joints that were counted.
    """

    def __init__(self, spec: DatasetSpec, intrinsics: Intrinsics) -> None:
        self.joints = 0
        self._spec, self._intrinsics = spec, intrinsics
        self._behind = _BEHIND["body from above" if spec.name == "itop_top" else spec.skeleton.kind]
        self._readings = list(readings(spec, intrinsics))
        self._hits = np.zeros(len(self._readings), np.int64)

    @property
    def share(self) -> float | None:
        """Share of the joints that lie on the depth; None before any was counted."""
        return float(self._hits[0] / self.joints) if self.joints else None

    def add(self, depth: NDArray[np.float32], joints: NDArray[np.float32]) -> None:
        """Count a frame: depth [H, W] and joints [J, 3], metres; joints without a label do not count."""
        known = joints[np.isfinite(joints).all(1)].astype(np.float64)
        self.joints += len(known)
        for place, reading in enumerate(self._readings):
            self._hits[place] += int(_on_surface(depth, known, reading, self._behind).sum())

    def warning(self) -> str | None:
        """Return a warning about the labels or the intrinsics; None: they fit."""
        if self._spec.name in _OF_PIXELS and not _alike(self._intrinsics, self._spec.intrinsics):
            return (
                f"the intrinsics are {_numbers(self._intrinsics)}, the published ones of {self._spec.name} "
                f"{_numbers(self._spec.intrinsics)}: its labels are pixels, so that images cannot tell which are right"
            )
        if not self.joints:
            return None
        shares = self._hits / self.joints
        start = f"{100 * shares[0]:.0f} % of the labelled joints lie on the depth images"
        best = int(np.argmax(shares >= shares.max() - _SAME))
        if shares[best] >= max(shares[0] + _BETTER, _FEW):
            used = _numbers(self._intrinsics)
            return f"only {start} with {used}; {100 * shares[best]:.0f} % do {self._readings[best].text}"
        if shares[0] < _FEW:
            return (
                f"only {start} with {_numbers(self._intrinsics)}, and no other intrinsics that were tried fit better: "
                "do labels and images belong together?"
            )
        return None


def readings(spec: DatasetSpec, intrinsics: Intrinsics) -> Iterator[LabelReading]:
    """Yield the given intrinsics, then what may be meant instead of them."""
    yield LabelReading("", intrinsics)
    if spec.name in _OF_PIXELS:
        return
    yield from _distinct(intrinsics, _other_intrinsics(spec, intrinsics))
    yield LabelReading("if y points the other way", intrinsics, (1, -1))
    yield LabelReading("if x points the other way (mirrored)", intrinsics, (-1, 1))


def projection_warning(dataset: DepthDataset, frames: int = 20) -> str | None:
    """Look whether the labels of a dataset lie on its depth images.

    Args:
        frames: Number of frames to look at, evenly spread over those that are valid and labelled. Broken images are
            left out.

    Returns:
        Warning with intrinsics that fit better, if there are any; None: the labels fit, or no frame has labels.
    """
    fit = LabelFit(dataset.spec, dataset.intrinsics)
    usable = np.flatnonzero(dataset.valid & np.isfinite(dataset.joints).all((1, 2)))
    if len(usable):
        for index in np.unique(usable[np.linspace(0, len(usable) - 1, frames).round().astype(int)]).tolist():
            try:
                fit.add(dataset.depth(index), dataset.joints[index])
            except DatasetError:
                continue
    return fit.warning()


def _other_intrinsics(spec: DatasetSpec, used: Intrinsics) -> Iterator[LabelReading]:
    yield _reading(f"with the published ones of {spec.name}", spec.intrinsics)
    for values in permutations((used.fx, used.fy, used.cx, used.cy)):
        if values[0] > 0 and values[1] > 0:
            yield _reading("with the same numbers in another order", _with_numbers(used, values))
    for other in SPECS.values():
        yield _reading(f"with those of {other.name}", other.intrinsics)
    for factor, text in ((0.5, "half"), (2.0, "double")):
        values = tuple(factor * value for value in (used.fx, used.fy, used.cx, used.cy))
        yield _reading(f"with {text} the numbers, those of images of {text} the size", _with_numbers(used, values))


def _distinct(used: Intrinsics, others: Iterator[LabelReading]) -> Iterator[LabelReading]:
    seen = [used]
    for reading in others:
        if not any(_alike(reading.intrinsics, one) for one in seen):
            seen.append(reading.intrinsics)
            yield reading


def _on_surface(
    depth: NDArray[np.float32], joints: NDArray[np.float64], reading: LabelReading, within: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return whether a pixel near that of a joint is about as deep as the joint, bool [J]."""
    camera, (height, width) = reading.intrinsics, depth.shape
    x, y, z = joints.T
    with np.errstate(all="ignore"):
        u = np.rint(camera.fx * reading.signs[0] * x / z + camera.cx)
        v = np.rint(camera.fy * reading.signs[1] * y / z + camera.cy)
    seen = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    steps = np.arange(-_AROUND, _AROUND + 1)
    columns = np.where(seen, u, 0).astype(int)[:, None, None] + steps
    rows = np.where(seen, v, 0).astype(int)[:, None, None] + steps[:, None]
    behind = z[:, None, None] - depth[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    low, high = within
    found: NDArray[np.bool_] = seen & ((behind >= low) & (behind <= high)).any((1, 2))
    return found


def _reading(text: str, intrinsics: Intrinsics) -> LabelReading:
    return LabelReading(f"{text} ({_numbers(intrinsics)})", intrinsics)


def _with_numbers(camera: Intrinsics, values: tuple[float, ...]) -> Intrinsics:
    fx, fy, cx, cy = values
    return Intrinsics(fx, fy, cx, cy, camera.width, camera.height)


def _numbers(intrinsics: Intrinsics) -> str:
    return ", ".join(f"{name} {getattr(intrinsics, name):g}" for name in ("fx", "fy", "cx", "cy"))


def _alike(a: Intrinsics, b: Intrinsics) -> bool:
    """No two readings that images can tell apart: the numbers differ by less than 1 %."""
    return np.allclose((a.fx, a.fy, a.cx, a.cy), (b.fx, b.fy, b.cx, b.cy), rtol=0.01)
