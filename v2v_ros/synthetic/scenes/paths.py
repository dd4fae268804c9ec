# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where the subjects of synthetic scenes are at what time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SmoothPath:
    """A smooth way through given places: between two knots it leaves the range of neither coordinate.

    Piecewise cubic with the slopes of Fritsch and Butland, A method for constructing local monotone piecewise cubic
    interpolants, SIAM J. Sci. Stat. Comput. 5, 1984, in the form for equal steps. Before the first and after the last
    knot it rests.

    Args:
        knots: float [K, 1 + D]: times in seconds, rising, and places; K >= 2.
    """

    def __init__(self, knots: NDArray[np.float64]) -> None:
        self._times, self._places = knots[:, 0], knots[:, 1:]
        self._secants = np.diff(self._places, axis=0) / np.diff(self._times)[:, None]
        product = self._secants[:-1] * self._secants[1:]
        total = np.where(product > 0, self._secants[:-1] + self._secants[1:], 1.0)
        inner = np.where(product > 0, 2 * product / total, 0.0)
        rest = np.zeros_like(self._places[:1])
        self._slopes = np.concatenate((rest, inner, rest))

    def __call__(self, seconds: float) -> NDArray[np.float64]:
        """float [D]: the place at a time."""
        seconds = float(np.clip(seconds, self._times[0], self._times[-1]))
        k = min(int(np.searchsorted(self._times, seconds, side="right")) - 1, len(self._times) - 2)
        step = self._times[k + 1] - self._times[k]
        s = (seconds - self._times[k]) / step
        place: NDArray[np.float64] = (
            (1 + 2 * s) * (1 - s) ** 2 * self._places[k]
            + s**2 * (3 - 2 * s) * self._places[k + 1]
            + step * s * (1 - s) * ((1 - s) * self._slopes[k] - s * self._slopes[k + 1])
        )
        return place

    def velocity(self, seconds: float, within: float = 0.2) -> NDArray[np.float64]:
        """Return float [D]: the mean velocity around a time."""
        return (self(seconds + within / 2) - self(seconds - within / 2)) / within


Knots = list[tuple[float, ...]]

# Scenes for hands: seconds; x, y, z of the palm in metres. Three hands: the right and the left hand of one person, with
# their forearms from below, and somebody else's right hand, with its forearm from the right.
# fmt: off
HAND_SCENES: dict[str, list[Knots]] = {
    # The two hands change sides twice, the right one in front; the third stays behind and above them.
    "crossing": [
        [(0, -0.17, 0.07, 0.48), (2, -0.17, 0.06, 0.46), (3, 0.0, 0.06, 0.42), (4, 0.17, 0.05, 0.46),
         (6, 0.17, 0.07, 0.47), (7, 0.0, 0.06, 0.41), (8, -0.17, 0.04, 0.46), (10, -0.15, 0.08, 0.48)],
        [(0, 0.17, 0.07, 0.52), (2, 0.17, 0.05, 0.55), (3, 0.0, 0.06, 0.60), (4, -0.19, 0.06, 0.56),
         (6, -0.19, 0.08, 0.56), (7, 0.0, 0.06, 0.60), (8, 0.18, 0.05, 0.55), (10, 0.16, 0.08, 0.52)],
        [(0, 0.10, -0.20, 0.72), (3, 0.0, -0.21, 0.74), (6, 0.14, -0.19, 0.70), (10, 0.02, -0.20, 0.72)],
    ],
    # The third hand passes in front of the right one, rests in front of the left one, and goes back the same way.
    "occlusion": [
        [(0, -0.18, 0.02, 0.66), (5, -0.16, 0.0, 0.68), (12, -0.18, 0.02, 0.66)],
        [(0, 0.11, 0.02, 0.66), (5, 0.12, 0.03, 0.66), (12, 0.10, 0.02, 0.68)],
        [(0, 0.29, -0.02, 0.44), (2, 0.25, 0.0, 0.45), (3, 0.08, 0.02, 0.46), (4.2, 0.08, 0.02, 0.46),
         (5.5, -0.12, 0.02, 0.46), (6.0, -0.22, 0.0, 0.46), (7.0, -0.22, 0.02, 0.46), (8.5, 0.08, 0.0, 0.46),
         (10, 0.25, 0.02, 0.46), (12, 0.29, 0.0, 0.45)],
    ],
    # The left hand drops out of the image for about 3 s, then the third one is drawn out and comes back elsewhere.
    "leave_and_return": [
        [(0, -0.16, 0.05, 0.50), (6, -0.19, 0.02, 0.52), (14, -0.16, 0.06, 0.50)],
        [(0, 0.03, 0.06, 0.50), (2.5, 0.04, 0.04, 0.50), (3.7, 0.03, 0.55, 0.50), (6.5, 0.05, 0.55, 0.50),
         (7.7, 0.03, 0.04, 0.52), (14, 0.02, 0.06, 0.50)],
        [(0, 0.24, -0.10, 0.55), (7.5, 0.23, -0.08, 0.55), (8.5, 0.75, -0.05, 0.55), (11, 0.75, 0.02, 0.62),
         (12, 0.22, 0.02, 0.62), (14, 0.22, -0.02, 0.60)],
    ],
    # All of it: a crossing, the third hand before both others, the left hand away, and a crossing on its return.
    "everything": [
        [(0, -0.17, 0.07, 0.50), (2, -0.17, 0.05, 0.48), (3, 0.0, 0.06, 0.43), (4, 0.15, 0.05, 0.50),
         (10, 0.15, 0.06, 0.55), (13.5, 0.13, 0.05, 0.50), (15, -0.17, 0.05, 0.47), (18, -0.17, 0.07, 0.5)],
        [(0, 0.17, 0.07, 0.53), (2, 0.17, 0.06, 0.56), (3, 0.0, 0.06, 0.60), (4, -0.18, 0.05, 0.58),
         (9, -0.16, 0.05, 0.58), (10, -0.16, 0.62, 0.58), (13, -0.16, 0.62, 0.58), (14.2, -0.16, 0.05, 0.62),
         (16, 0.10, 0.05, 0.62), (18, 0.12, 0.07, 0.6)],
        [(0, 0.10, -0.18, 0.66), (4, 0.12, -0.18, 0.66), (5, 0.34, -0.10, 0.42), (6, 0.12, 0.03, 0.43),
         (6.8, 0.12, 0.03, 0.43), (8, -0.16, 0.02, 0.43), (9, 0.15, -0.08, 0.42), (10.5, 0.14, -0.18, 0.66),
         (18, 0.05, -0.19, 0.66)],
    ],
}

# Scenes for bodies: seconds; x and z on the floor in metres. Three people.
BODY_SCENES: dict[str, list[Knots]] = {
    # Two walk past each other twice, 0.8 m apart in depth; the third walks through behind them.
    "crossing": [
        [(0, -1.0, 2.1), (1, -1.0, 2.1), (4, 1.0, 2.1), (6, 1.0, 2.1), (9, -1.0, 2.1), (11, -1.0, 2.2)],
        [(0, 1.1, 2.9), (1, 1.1, 2.9), (4, -1.2, 2.9), (6, -1.2, 2.9), (9, 1.2, 2.9), (11, 1.1, 2.8)],
        [(0, 0.1, 3.5), (5, 0.9, 3.4), (11, -0.9, 3.5)],
    ],
    # The second stops behind the first for 1.5 s; then the third passes before both.
    "occlusion": [
        [(0, 0.35, 2.3), (12, 0.30, 2.35)],
        [(0, -1.3, 3.2), (1, -1.3, 3.2), (3.5, 0.46, 3.2), (5, 0.48, 3.2), (6.5, -0.6, 3.2), (12, -0.7, 3.1)],
        [(0, 1.3, 2.6), (5, 1.2, 2.6), (6.5, 1.05, 1.8), (9.5, -1.05, 1.8), (11, -1.3, 2.4), (12, -1.3, 2.5)],
    ],
    # The first walks out of the image and comes back after about 4 s; then the second, who returns farther away.
    "leave_and_return": [
        [(0, 0.9, 2.4), (1.5, 0.9, 2.4), (3.5, 2.5, 2.4), (7, 2.5, 2.4), (9, 0.9, 2.4), (16, 0.7, 2.5)],
        [(0, -0.9, 2.6), (8, -0.8, 2.7), (10, -2.7, 2.6), (13, -2.9, 3.1), (14.5, -1.2, 3.1), (16, -1.1, 3.1)],
        [(0, 0.0, 3.3), (8, -0.2, 3.2), (16, 0.0, 3.3)],
    ],
    # All of it.
    "everything": [
        [(0, -1.0, 2.1), (1, -1.0, 2.1), (4, 0.9, 2.1), (10, 0.4, 2.3), (18, 0.5, 2.3)],
        [(0, 1.1, 2.9), (1, 1.1, 2.9), (4, -1.2, 2.9), (6, -1.2, 3.1), (8, 0.72, 3.1), (9.5, 0.60, 3.1),
         (11, -0.9, 3.0), (18, -0.9, 2.9)],
        [(0, 0.1, 3.5), (4, 0.4, 3.4), (5.5, 2.9, 2.8), (8.5, 2.9, 2.0), (10.5, 1.1, 1.8), (13.5, -0.9, 1.8),
         (15, -1.0, 2.2), (18, -1.0, 2.3)],
    ],
}
# fmt: on
