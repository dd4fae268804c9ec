# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The rendered frames that everything is timed on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..synthetic.scenes.one import CAMERA, SyntheticSequence

RATE = 30.0
"""Frames a second of the camera."""
_DISTINCT = 12


@dataclass(frozen=True)
class BenchmarkScene:
    """A second's part of a moving hand or body, to be shown to and fro so that it never jumps.

    Attributes:
        images: 640x480 pixels ``16UC1``, little endian, as a camera sends them.
        depths: float32 [480, 640] metres, NaN where invalid: the same images.
        centers: float64 [3] metres, middle of the subject in each image.
    """

    images: list[bytes]
    depths: list[np.ndarray]
    centers: list[np.ndarray]

    @classmethod
    def render(cls, kind: str) -> BenchmarkScene:
        """Render scenes of a ``hand`` or ``body``."""
        sequence = SyntheticSequence(kind)
        frames = [sequence.frame(index / RATE) for index in range(_DISTINCT)]
        millimetres = [np.rint(np.nan_to_num(frame.depth) * 1000).astype("<u2") for frame in frames]
        return cls(
            [pixels.tobytes() for pixels in millimetres],
            [np.where(pixels > 0, pixels / np.float32(1000), np.nan).astype(np.float32) for pixels in millimetres],
            [(frame.joints.min(axis=0) + frame.joints.max(axis=0)).astype(np.float64) / 2 for frame in frames],
        )

    def turn(self, index: int) -> int:
        """Return which frame is shown as the one with that index."""
        place = index % (2 * len(self.images) - 2)
        return min(place, 2 * len(self.images) - 2 - place)


__all__ = ["CAMERA", "RATE", "BenchmarkScene"]
