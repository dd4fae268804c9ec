# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Headers of images: when they were taken, and in which frame."""

from __future__ import annotations

from itertools import pairwise

import pytest

from v2v_ros.io.headers import Times, choose_times

SECOND = 10**9
RECORDED = [1000 * SECOND + index * SECOND // 30 for index in range(12)]
TRUE = [500 * SECOND + index * SECOND // 30 for index in range(12)]


@pytest.mark.parametrize(
    "stamps",
    [
        TRUE,
        [stamp - TRUE[0] for stamp in TRUE],  # a simulation that begins at 0
        TRUE[:6] + TRUE[:6],  # it starts again
        [stamp - TRUE[0] for stamp in TRUE[:6]] * 2,
        [TRUE[0] + 100 * (stamp - TRUE[0]) for stamp in TRUE],  # played 100 times as slowly, and recorded again
        TRUE[:3],
        [],
    ],
    ids=["all is well", "from zero", "anew", "anew from zero", "slow motion", "three", "none"],
)
def test_stamps_that_advance_are_used(stamps: list[int]) -> None:
    recorded = RECORDED[: len(stamps)]
    assert choose_times(stamps, recorded) == Times(stamps)
    assert choose_times(stamps, [RECORDED[0]] * len(stamps)) == Times(stamps)  # whatever the recorder did


@pytest.mark.parametrize(
    ("stamps", "count"),
    [
        ([0] * 12, 12),
        ([TRUE[0]] * 12, 11),
        ([TRUE[index // 2] for index in range(12)], 6),
        ([0 if index % 3 == 2 else stamp for index, stamp in enumerate(TRUE)], 4),
        ([0 if index % 3 == 0 else stamp for index, stamp in enumerate(TRUE)], 4),
        ([TRUE[0] - 9 * SECOND if index % 3 == 2 else stamp for index, stamp in enumerate(TRUE)], 3),
        ([TRUE[index ^ 1] for index in range(12)], 6),
    ],
    ids=["zero", "equal", "in pairs", "every third zero", "from a zero on", "every third of old", "swapped"],
)
def test_the_time_of_recording_takes_the_place_of_stamps_that_do_not_advance(stamps: list[int], count: int) -> None:
    times = choose_times(stamps, RECORDED)
    assert (list(times.nanoseconds), times.recorded, times.late) == (RECORDED, True, frozenset())
    assert times.problem == (
        f"the stamps of {count} of 12 images do not advance: the time of recording is taken for all of them"
    )


@pytest.mark.parametrize(("factor", "text"), [(1000, "1e+03"), (0.001, "0.001"), (10**6, "1e+06")])
def test_another_unit_is_seen_in_the_pace(factor: float, text: str) -> None:
    times = choose_times([TRUE[0] + round(factor * (stamp - TRUE[0])) for stamp in TRUE], RECORDED)
    assert list(times.nanoseconds) == RECORDED
    assert f"advance {text} times as fast as the recording" in times.problem


def test_single_images_that_come_late_are_left_out() -> None:
    stamps = [*TRUE[:5], TRUE[3] + 1, *TRUE[5:]]
    times = choose_times(stamps, list(range(13)))
    assert times == Times(stamps, frozenset({5}))


def test_without_any_time_that_advances_a_usual_rate_is_assumed() -> None:
    times = choose_times([0] * 4, [0] * 4)
    assert list(times.nanoseconds) == [index * SECOND // 30 for index in range(4)]
    assert "30 a second are assumed" in times.problem
    bursts = choose_times([0] * 4, [7, 7, SECOND, SECOND + 1])  # two recorded at once
    assert all(later > one for one, later in pairwise(bursts.nanoseconds))
