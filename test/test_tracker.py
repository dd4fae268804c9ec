# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Who is who, who is new, who has gone: on skeletons that are made up, without a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.estimator.settings import Settings
from v2v_ros.estimator.tracking.track import Observation, Track
from v2v_ros.estimator.tracking.tracker import Tracker, joint_distance
from v2v_ros.geometry.estimate import Side, TrackingState
from v2v_ros.geometry.skeletons import HAND21

EDGE = 0.25
STEP = 1 / 30
SHAPES = np.random.default_rng(0).normal(0, 0.04, (8, 21, 3))  # of eight hands


def seen(x: float, y: float = 0.0, z: float = 0.5, shape: int = 0, score: float = 0.8, side: str = "") -> Observation:
    """A hand of one of eight shapes at a place."""
    points = (SHAPES[shape] - SHAPES[shape].mean(0) + (x, y, z)).astype(np.float32)
    left = {"left": 1.0, "right": -1.0, "": 0.0}[side]
    which = {"left": Side.LEFT, "right": Side.RIGHT, "": Side.UNKNOWN}[side]
    spreads = np.full((21, 6), 1e-4, np.float32)
    return Observation(points, np.full(21, score, np.float32), spreads, points.mean(0), score, which, left)


def tracker(most: int = 4) -> Tracker:
    return Tracker(HAND21, EDGE, Settings(0.5, 0.0, np.inf, max_subjects=most))


def change(hands: Tracker, **values: Any) -> None:
    hands.settings = hands.settings.but(**values)


def show(tracker: Tracker, stamp: float, *observations: Observation) -> dict[str, np.ndarray]:
    """One frame; where every reported subject is."""
    tracker.begin(stamp)
    tracker.update(observations, stamp)
    return {track.id: report.points.mean(0) for track, report in tracker.reports(stamp)}


def test_each_subject_keeps_its_identity_while_they_cross() -> None:
    """Two hands pass each other at 1 m/s, 12 cm apart in depth; what is seen comes in any order."""
    hands = tracker()
    random = np.random.default_rng(1)
    for frame in range(40):
        x = -0.65 + frame * STEP
        pair = [seen(x, 0, 0.5, shape=0), seen(-x, 0, 0.62, shape=1)]
        places = show(hands, frame * STEP, *[pair[index] for index in random.permutation(2)])
        assert places.keys() == {"hand_1", "hand_2"}
        first = next(name for name, place in places.items() if abs(place[2] - 0.5) < 0.01)
        if frame == 0:
            before = first
        assert first == before
        np.testing.assert_allclose(places[first][0], x, atol=1e-5)


def test_a_subject_hidden_behind_another_is_predicted_and_known_again() -> None:
    hands = tracker()
    states = []
    for frame in range(60):
        stamp = frame * STEP
        x = -0.4 + 0.4 * stamp
        hidden = 25 <= frame < 40  # half a second
        near = seen(0.0, 0, 0.4, shape=1)
        observations = [near] if hidden else [near, seen(x, 0, 0.6, shape=0)]
        places = show(hands, stamp, *observations)
        states.append({track.id: track.state for track, _ in hands.reports(stamp)})
        if frame >= 40:
            assert places["hand_2" if abs(places["hand_1"][2] - 0.4) < 0.01 else "hand_1"][2] == pytest.approx(0.6)
    assert all(len(each) <= 2 and set(each) <= {"hand_1", "hand_2"} for each in states)
    assert TrackingState.PREDICTED in states[27].values() and len(states[39]) == 1 and len(states[40]) == 2


def test_one_subject_seen_from_two_cubes_is_one() -> None:
    hands = tracker()
    for frame in range(5):
        places = show(hands, frame * STEP, seen(0.0, score=0.7), seen(0.01, score=0.9), seen(0.4, score=0.6))
        assert len(places) == 2
    assert min(place[0] for place in places.values()) == pytest.approx(0.01)  # the surer of the two
    assert len(hands.tracks) == 2


def test_two_tracks_that_end_at_one_subject_leave_one() -> None:
    hands = tracker()
    show(hands, 0.0, seen(0.0, shape=0), seen(0.1, shape=1))
    for frame in range(1, 40):
        places = show(hands, frame * STEP, seen(0.1, shape=1))
    assert len(places) == 1 and sorted(track.lost for track in hands.tracks) == [False, True]
    show(hands, 40 * STEP + hands.settings.memory_seconds, seen(0.1, shape=1))
    assert len(hands.tracks) == 1


def test_the_surest_come_first_where_there_is_no_room_for_all() -> None:
    hands = tracker(most=2)
    places = show(hands, 0.0, seen(0.0, score=0.5), seen(0.4, score=0.9), seen(-0.4, score=0.7))
    assert sorted(place[0] for place in places.values()) == pytest.approx([-0.4, 0.4])
    assert len(show(hands, STEP, seen(0.0, score=1.0), seen(0.4), seen(-0.4))) == 2  # whoever is followed stays


def test_somebody_elsewhere_takes_the_place_of_one_who_is_not_seen() -> None:
    hands = tracker(most=1)
    assert list(show(hands, 0.0, seen(0.0))) == ["hand_1"]
    assert list(show(hands, STEP, seen(0.5))) == ["hand_2"]


def test_a_subject_is_reported_once_confirmed_and_then_under_the_next_number() -> None:
    hands = tracker()
    change(hands, confirmation=3)
    assert show(hands, 0.0, seen(0.0)) == {}
    for frame in range(1, 20):  # a flicker somewhere else every fourth frame
        flicker = [seen(0.5 + 0.4 * frame)] if frame % 4 == 0 else []
        places = show(hands, frame * STEP, seen(0.0), *flicker)
        assert list(places) == (["hand_1"] if frame >= 2 else [])
    assert len(hands.tracks) <= 3  # a flicker is not remembered for long


def test_a_known_side_speaks_against_the_other_hand() -> None:
    """A left and a right hand of one shape that touch: only their sides tell them apart."""
    hands = tracker()
    for frame in range(6):
        show(hands, frame * STEP, seen(-0.04, side="left"), seen(0.04, side="right"))
    names = {track.observation.side: track.id for track, _ in hands.reports(5 * STEP)}
    show(hands, 6 * STEP, seen(0.005, side="left"), seen(-0.03, side="right"))
    after = {track.observation.side: track.id for track, _ in hands.reports(6 * STEP)}
    assert after == names


def test_a_subject_that_left_is_known_again_where_only_it_can_be_meant() -> None:
    """A left and a right hand leave; one comes back 40 cm away two seconds later."""
    hands = tracker()
    for frame in range(6):
        show(hands, frame * STEP, seen(-0.2, side="left"), seen(0.2, side="right"))
    names = {track.observation.side: track.id for track, _ in hands.reports(5 * STEP)}
    assert list(show(hands, 2.0, seen(-0.5, 0.3, side="right"))) == [names[Side.RIGHT]]


@pytest.mark.parametrize("change", ["place", "size", "time", "two"])
def test_somebody_else_is_not_taken_for_one_who_left(change: str) -> None:
    hands = tracker()
    others = [seen(0.2)] if change == "two" else []
    for frame in range(6):
        show(hands, frame * STEP, seen(-0.2), *others)
    x = {"place": 1.5, "two": 0.5}.get(change, -0.5)
    again = seen(x)
    if change == "size":
        points = again.points.mean(0) + 1.3 * (again.points - again.points.mean(0))
        again = replace(again, points=points.astype(np.float32))
    (name,) = show(hands, 8.0 if change == "time" else 1.5, again)
    assert name == ("hand_3" if change == "two" else "hand_2")


def test_whoever_is_hidden_keeps_the_place_from_those_who_are_less_sure() -> None:
    hands = tracker(most=2)
    show(hands, 0.0, seen(0.0), seen(0.4))
    places = show(hands, STEP, seen(0.0), seen(-0.5, score=0.7))
    assert sorted(place[0] for place in places.values()) == pytest.approx([0.0, 0.4], abs=1e-3)


def test_lost_subjects_are_looked_for_now_and_then_for_a_while() -> None:
    hands = tracker()
    show(hands, 0.0, seen(0.0))
    looks = []
    for frame in range(1, 120):
        hands.begin(frame * STEP)
        looks += [frame * STEP for _ in hands.due(frame * STEP)]
    followed = [stamp for stamp in looks if stamp < hands.settings.hold_seconds]
    assert len(followed) == 7 and 12 <= len(looks) - len(followed) <= 18 and max(looks) < 2.0


def test_where_two_are_in_one_cube_the_skeletons_pull_less() -> None:
    alone, crowded = (Track(seen(0.0), 0.0, EDGE, HAND21) for _ in range(2))
    for track, crowd in ((alone, False), (crowded, True)):
        for frame in range(1, 4):
            track.update(seen(0.02 * frame), frame * STEP, crowd)
    assert 0 < crowded.predict(0.1)[0][0] < alone.predict(0.1)[0][0]
    assert abs(crowded.predict(0.2)[0][0] - 0.06) < abs(alone.predict(0.2)[0][0] - 0.06)


@pytest.mark.parametrize(
    ("step", "hold", "memory"), [(STEP, 0.0, 5.0), (STEP, 0.02, 0.0), (0.3, 0.25, 5.0), (0.8, 0.0, 0.0)]
)
def test_a_subject_seen_in_every_frame_is_followed_however_slowly_frames_come(
    step: float, hold: float, memory: float
) -> None:
    hands = tracker()
    change(hands, hold_seconds=hold, memory_seconds=memory, confirmation=2)
    assert show(hands, 0.0, seen(0.0), seen(0.4, shape=1)) == {}
    for frame in range(1, 10):
        hands.begin(frame * step)
        assert len(hands.due(frame * step)) == 2
        hands.update([seen(0.4, shape=1), seen(0.0)], frame * step)
        places = {track.id: report.points.mean(0)[0] for track, report in hands.reports(frame * step)}
        assert places == {"hand_1": pytest.approx(0.0, abs=1e-5), "hand_2": pytest.approx(0.4, abs=1e-5)}
    assert show(hands, 9 * step + max(hold, 0.3)) == {}  # and nobody is held for longer than asked for


def test_of_more_than_may_be_followed_any_longer_the_first_stay() -> None:
    hands = tracker(most=3)
    everybody = (seen(0.4, shape=1), seen(0.0), seen(-0.4, shape=2))
    show(hands, 0.0, seen(0.0))
    assert len(show(hands, STEP, *everybody)) == 3
    change(hands, max_subjects=1)
    for frame in range(2, 10):
        assert list(show(hands, frame * STEP, *everybody)) == ["hand_1"]
    assert len(hands.tracks) == 2
    change(hands, max_subjects=3)
    assert len(show(hands, 10 * STEP, *everybody)) == 3


def test_a_skeleton_without_size_is_no_error() -> None:
    hands = tracker()
    show(hands, 0.0, replace(seen(0.0), points=np.full((21, 3), 0.5, np.float32)))
    assert list(show(hands, 2.0, seen(1.0))) == ["hand_2"]


def test_time_that_goes_back_ends_all_tracks() -> None:
    hands = tracker()
    show(hands, 10.0, seen(0.0), seen(0.4))
    assert list(show(hands, 5.0, seen(0.0))) == ["hand_3"]


def test_what_both_skeletons_lack_does_not_count() -> None:
    one = seen(0.0)
    points = one.points.copy()
    points[3] = np.nan
    assert joint_distance(one.points, replace(one, points=points).points) == 0
    assert joint_distance(one.points, np.full((21, 3), np.nan, np.float32)) == np.inf


def test_the_gate_widens_while_a_subject_is_not_seen() -> None:
    track = Track(seen(0.0), 0.0, EDGE, HAND21)
    deviations = [track.predict(stamp)[1] for stamp in (0.0, 0.1, 0.3)]
    assert deviations == sorted(deviations) and deviations[2] > 3 * deviations[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 0.7),
            st.lists(st.tuples(st.floats(-2, 2), st.floats(0.2, 3), st.integers(0, 7)), max_size=6),
        ),
        max_size=25,
    ),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_whatever_is_seen_there_are_never_too_many_and_no_name_comes_twice(
    frames: list[tuple[float, list[tuple[float, float, int]]]], most: int, confirmation: int
) -> None:
    hands = tracker(most)
    change(hands, confirmation=confirmation)
    stamp = 0.0
    ended: set[str] = set()
    alive: set[str] = set()
    for elapsed, places in frames:
        stamp += elapsed
        hands.begin(stamp)
        hands.update([seen(x, 0, z, shape) for x, z, shape in places], stamp)
        reports = hands.reports(stamp)
        names = [track.id for track, _ in reports]
        assert len(names) <= most and len(hands.tracks) <= 3 * most
        assert len(set(names)) == len(names) and all(names)
        known = {track.id for track in hands.tracks if track.id}
        ended |= alive - known
        alive = known
        assert not ended & alive  # whoever was forgotten stays forgotten
        for _, report in reports:
            assert 0 <= report.score <= 1 and np.isfinite(report.points).all() and np.isfinite(report.covariances).all()
        assert all(stamp - track.seen < hands.settings.memory_seconds for track in hands.tracks)


def ranged(nearest: float = 0.2, farthest: float = 1.0) -> Tracker:
    result = tracker()
    change(result, min_depth=nearest, max_depth=farthest)
    return result


@pytest.mark.parametrize(("z", "taken"), [(0.19, False), (0.21, True), (0.99, True), (1.01, False), (2.0, False)])
def test_nobody_new_is_taken_in_out_of_range(z: float, taken: bool) -> None:
    hands = ranged()
    assert len(show(hands, 0.0, seen(0.0, z=z))) == taken
    assert len(hands.tracks) == taken


def test_who_walks_out_of_range_is_lost_a_tenth_beyond_and_known_again_within() -> None:
    """Out at 1 m/s, a second outside, back in: no report beyond the tenth, none before the range is reached again."""
    hands = ranged()
    change(hands, hold_seconds=0.25)  # it is lost at once all the same
    way = np.concatenate((np.arange(0.803, 1.6, STEP), np.arange(1.597, 0.8, -STEP)))
    reported = []
    for frame, z in enumerate(way):
        places = show(hands, frame * STEP, seen(0.0, z=z))
        assert places.keys() <= {"hand_1"}
        for place in places.values():
            assert place[2] == pytest.approx(z, abs=1e-5)
        reported.append(bool(places))
    farthest = int(np.argmax(way))
    assert reported == [bool(z <= (1.1 if frame <= farthest else 1.0)) for frame, z in enumerate(way)]


def test_who_comes_too_near_is_lost() -> None:
    hands = ranged()
    for frame, z in enumerate((0.25, 0.22, 0.19, 0.17, 0.15)):
        assert len(show(hands, frame * STEP, seen(0.0, z=z))) == (z >= 0.18)


def test_a_prediction_out_of_range_is_not_reported() -> None:
    hands = ranged()
    for frame in range(8):  # 1.5 m/s away from the camera, then hidden
        assert show(hands, frame * STEP, seen(0.0, z=0.67 + 1.5 * frame * STEP))
    found = [show(hands, frame * STEP) for frame in range(8, 14)]
    depths = [float(place[2]) for places in found for place in places.values()]
    assert depths and max(depths) <= 1.1 and not found[-1]
    assert 13 * STEP - hands.tracks[0].seen < hands.settings.hold_seconds  # else nothing would have been said anyway


def test_others_are_followed_while_one_is_out_of_range() -> None:
    hands = ranged()
    for frame in range(30):
        z = 0.905 + 0.5 * frame * STEP
        places = show(hands, frame * STEP, seen(0.0, z=z), seen(0.3, z=0.5, shape=1))
        assert len(places) == (2 if z <= 1.1 else 1)
    assert not hands.tracks[0].fresh and hands.tracks[1].fresh
