# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the headers of images say: in which frame they are, and when they were taken.

The stamps of recorded images give way to the time of recording where they cannot be true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

OUT_OF_ORDER = 10**8
"""Nanoseconds that a late image may be earlier than the one before; a larger step back is a new beginning."""

_MANY_LATE = 0.1  # share of the images from which on it is not their order that is wrong
_PLAUSIBLE = (10**6, 10**10)  # nanoseconds between images of a depth camera
_OTHER_UNIT = 50  # times as fast as the recording, or as slow: no bag is played so when it is recorded again
_RATE = 30  # images a second, where nothing is known


def frame_name(frame_id: str) -> str:
    """Return a frame_id as TF takes it: without the leading slash that frames had in ROS 1."""
    return frame_id.lstrip("/")


class FrameWatch:
    """Watches in which frames images come, one after the other: where it changes, it is another camera."""

    def __init__(self) -> None:
        self._last: str | None = None

    def left(self, frame_id: str) -> str | None:
        """Return the frame of the image before when it was another one, else None."""
        last, self._last = self._last, frame_id
        return None if last is None or last == frame_id else last


@dataclass(frozen=True)
class Times:
    """Times of images in the order of the recording.

    Attributes:
        nanoseconds: Time of each image; it goes back only where a recording starts again.
        late: Indices of the images that came after a later one, and have no time of their own in this order.
        recorded: Whether the times are those of recording, not the stamps of the headers.
        problem: Fault of the headers' stamps and the times taken in their place; empty when the stamps are used.
    """

    nanoseconds: Sequence[int]
    late: frozenset[int] = frozenset()
    recorded: bool = False
    problem: str = ""


def choose_times(stamps: Sequence[int], recorded: Sequence[int]) -> Times:
    """Return the stamps where they advance from image to image as time does, else the time of recording, for all
    images.

    Args:
        stamps: Stamps of the headers, nanoseconds, in the order of the recording.
        recorded: Time at which each image was recorded, nanoseconds.
    """
    late = frozenset(index for index in range(1, len(stamps)) if _is_late(stamps, index))
    still = sum(_stands_still(stamps, index) for index in range(len(stamps)))
    if len(late) > _MANY_LATE * len(stamps):
        still += len(late)
    if still:
        problem = f"the stamps of {still} of {len(stamps)} images do not advance"
    elif pace := _wrong_pace(stamps, recorded):
        problem = f"the stamps of all {len(stamps)} images advance {pace:.3g} times as fast as the recording"
    else:
        return Times(stamps, late)
    if sum(one >= other for one, other in pairwise(recorded)) > len(recorded) / 2:
        assumed = [stamps[0] + index * 10**9 // _RATE for index in range(len(stamps))]
        problem += f", nor do the times of recording: {_RATE} a second are assumed"
        return Times(assumed, recorded=True, problem=problem)
    times: list[int] = []
    for time in recorded:
        times.append(max(time, times[-1] + _PLAUSIBLE[0]) if times else time)
    return Times(times, recorded=True, problem=f"{problem}: the time of recording is taken for all of them")


def _is_late(stamps: Sequence[int], index: int) -> bool:
    return 0 < max(stamps[max(0, index - 2) : index]) - stamps[index] <= OUT_OF_ORDER


def _stands_still(stamps: Sequence[int], index: int) -> bool:
    """Return whether a stamp is not a time, or that of the image before, or steps back although no recording
    starts again."""
    here = stamps[index]
    after = stamps[index + 1] if index + 1 < len(stamps) else None
    if index == 0:
        return here == 0 and (after is None or not 0 < after < _PLAUSIBLE[1])
    before = stamps[index - 1]
    if before - here > OUT_OF_ORDER:
        return here == 0 if after is None else not here < after < before
    return here == before or here == 0


def _wrong_pace(stamps: Sequence[int], recorded: Sequence[int]) -> float:
    """Return how many times as fast as the recording stamps of another unit advance; 0 where they may be right."""
    if len(stamps) < 3:
        return 0.0
    step, truth = (median(later - one for one, later in pairwise(times)) for times in (stamps, recorded))
    low, high = _PLAUSIBLE
    if low <= step <= high or not low <= truth <= high:
        return 0.0
    pace = step / truth
    return pace if pace > _OTHER_UNIT or pace < 1 / _OTHER_UNIT else 0.0
