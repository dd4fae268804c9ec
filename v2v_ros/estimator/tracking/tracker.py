# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Several subjects over time: who is who, who is new, who has gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...geometry.estimate import Side, SkeletonEstimate
from ...geometry.skeletons import Skeleton
from ..settings import Settings
from .joint_filter import LONGEST_GAP
from .track import Observation, Track, bone_length

_SAME_SKELETON = 0.12  # cube edges; skeletons whose joints lie closer, on average, are one seen twice
_GATE = 4.0  # standard deviations from where a subject should be
_LARGEST_GATE = 0.6  # cube edges; further away it is somebody else
_OTHER_SIDE = 0.3  # cube edges that the wrong hand costs
_SURE_SIDE = 3.0  # logit from which a track's side is held against an observation
_LOOK_SECONDS = 0.1  # between two looks at where a lost subject should be
_LOOK_FOR = 2.0  # seconds for which it is looked for there
_BEYOND = 0.1  # share of the range's ends by which one who is followed may leave it: nobody comes and goes at an end


class Tracker:
    """Assigns observations of a frame to tracks; makes new tracks and forgets old ones.

    A track that is not seen is predicted for a while, then lost: remembered, but not reported. It goes on when the
    subject turns up about where it should be, or when it is the only one lost that somebody new, nearby, of its size
    and side, can be. Whoever is seen out of the range of distances is lost at once.

    Args:
        skeleton: Skeleton of the subjects.
        edge: Cube edge in metres.
        settings: Settings: how many subjects are followed, in which range, for how long, and with which filter.

    Attributes:
        settings: Settings in use; another filter is taken up by present and future tracks.
        tracks: Tracks that are followed or lost, in the order in which they were found.
    """

    def __init__(self, skeleton: Skeleton, edge: float, settings: Settings) -> None:
        self._skeleton, self._edge = skeleton, edge
        self._settings = settings
        self.tracks: list[Track] = []
        self.identities = 0

    @property
    def settings(self) -> Settings:
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        before, self._settings = self._settings.filter, settings
        if settings.filter != before:
            for track in self.tracks:
                track.use_filter(settings.filter)

    def clear(self) -> None:
        """Forget all subjects; identities are not used again."""
        self.tracks = []

    def forget(self, track: Track) -> None:
        """Forget a track: it was not on a subject."""
        self.tracks = [each for each in self.tracks if each is not track]

    def begin(self, stamp: float) -> None:
        """Begin a frame: who was not seen for too long is lost, or forgotten; so is everybody when time goes back.

        Whoever was seen in the frame before is not lost before this one is looked at, however slowly frames come.
        """
        kept = []
        for track in self.tracks:
            unseen = stamp - track.seen
            hold = max(self.settings.hold_seconds, LONGEST_GAP) if track.fresh else self.settings.hold_seconds
            track.fresh = False
            track.lost = track.lost or not unseen < hold
            confirmed = track.sightings >= self.settings.confirmation
            if 0 <= unseen < max(hold, self.settings.memory_seconds) and (confirmed or not track.lost):
                kept.append(track)
        for track in [track for track in kept if not track.lost][self.settings.max_subjects :]:
            track.lost = True  # fewer may be followed than before
        lost = sorted((track for track in kept if track.lost), key=lambda track: track.seen)
        gone = lost[: max(0, len(lost) - self.settings.max_subjects)]
        self.tracks = [track for track in kept if track not in gone]

    def due(self, stamp: float) -> list[Track]:
        """Tracks that should be looked at now: all that are followed, and those lost every now and then."""
        found = []
        for track in self.tracks:
            again = stamp - track.looked >= _LOOK_SECONDS and stamp - track.seen < _LOOK_FOR
            if not track.lost or again:
                track.looked = stamp
                found.append(track)
        return found

    def reaches(self, observation: Observation, beyond: float = 0.0) -> bool:
        """Return whether somebody is within the range of distances, or by a share of its ends beyond it."""
        return self._spans(float(observation.centroid[2]), beyond)

    def _spans(self, distance: float, beyond: float) -> bool:
        return (1 - beyond) * self.settings.min_depth <= distance <= (1 + beyond) * self.settings.max_depth

    @property
    def has_room(self) -> bool:
        """Fewer are seen than may be."""
        return sum(track.fresh for track in self.tracks) < self.settings.max_subjects

    def update(self, observations: Sequence[Observation], stamp: float) -> None:
        """Take in what was seen at a time, the surest first where there is no room for all."""
        apart = self.distinct(observations)
        followed = [track for track in self.tracks if not (track.fresh or track.lost)]
        pairs = self._assign(followed, apart, stamp)
        for track, index in pairs:
            track.update(apart[index], stamp, self._is_crowded(track, stamp))
        for track in followed:
            track.lost = not (track.fresh or stamp - track.seen < self.settings.hold_seconds)
        for track, index in pairs:
            if not self.reaches(apart[index], _BEYOND):
                track.lost, track.fresh = True, False
        taken = {index for _, index in pairs}
        for index, observation in enumerate(apart):
            if index not in taken:
                self._welcome(observation, stamp)

    def distinct(self, observations: Sequence[Observation]) -> list[Observation]:
        """Return the surest of those that are one subject seen from several cubes, the surest first."""
        kept: list[Observation] = []
        for one in sorted(observations, key=lambda each: -each.score):
            if not any(self._is_same(one, other) for other in kept):
                kept.append(one)
        return kept

    def _is_same(self, one: Observation, other: Observation) -> bool:
        """Return whether two observations are of one subject, seen twice in a frame."""
        return joint_distance(one.points, other.points) <= _SAME_SKELETON * self._edge

    def reports(self, stamp: float) -> list[tuple[Track, SkeletonEstimate]]:
        """Return the tracks to be reported at a time, and their subjects, which then have identities."""
        found = []
        for track in self.tracks:
            if track.lost or track.sightings < self.settings.confirmation:
                continue
            if not track.fresh and not self._spans(float(track.predict(stamp)[0][2]), _BEYOND):
                continue
            if not track.id:
                self.identities += 1
                track.id = f"{self._skeleton.kind}_{self.identities}"
            found.append((track, track.report(stamp, self.settings.hold_seconds)))
        return found

    def _assign(self, tracks: list[Track], seen: Sequence[Observation], stamp: float) -> list[tuple[Track, int]]:
        """Return pairs of a track and the index of its observation, at the least cost of all."""
        if not tracks or not seen:
            return []
        cost = np.array([[self._cost(track, one, stamp) for one in seen] for track in tracks])
        if cost.size == 1:
            return [(tracks[0], 0)] if np.isfinite(cost[0, 0]) else []
        from scipy.optimize import linear_sum_assignment  # 0.2 s to import; one subject does without

        impossible = 1e6
        rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, impossible))
        return [(tracks[i], int(j)) for i, j in zip(rows, columns, strict=True) if np.isfinite(cost[i, j])]

    def _cost(self, track: Track, observation: Observation, stamp: float) -> float:
        """Cube edges between a track and an observation; infinite where they cannot be the same."""
        expected, deviation = track.predict(stamp)
        away = float(np.linalg.norm(observation.centroid - expected))
        if away > min(max(_GATE * deviation, self._skeleton.subject.gate * self._edge), _LARGEST_GATE * self._edge):
            return np.inf
        cost = joint_distance(observation.points, track.points_at(stamp)) / self._edge
        return cost + (_OTHER_SIDE if self._other_side(track, observation) else 0.0)

    def _is_crowded(self, track: Track, stamp: float) -> bool:
        """Return whether somebody else is in a track's cube."""
        here, _ = track.predict(stamp)
        others = [other.predict(stamp)[0] for other in self.tracks if other is not track and not other.lost]
        return any(float(np.abs(other - here).max()) < self._edge / 2 for other in others)

    def _welcome(self, observation: Observation, stamp: float) -> None:
        """Go on with a track that was lost, or begin one, if there is room."""
        if not self.reaches(observation):
            return
        if any(track.fresh and self._is_same(observation, track.observation) for track in self.tracks):
            return  # somebody who was already seen in this frame
        followed = [track for track in self.tracks if not track.lost]
        if len(followed) >= self.settings.max_subjects:
            if any(track.fresh for track in followed):
                return  # whoever is hidden for a moment keeps the place
            min(followed, key=lambda track: track.seen).lost = True
        known = self._remembered(observation, stamp)
        if known is None:
            self.tracks.append(Track(observation, stamp, self._edge, self._skeleton, self.settings.filter))
        else:
            known.update(observation, stamp)

    def _remembered(self, observation: Observation, stamp: float) -> Track | None:
        """Return the lost track whose subject this is."""
        lost = [track for track in self.tracks if track.lost]
        here = [(cost, track) for track in lost if np.isfinite(cost := self._cost(track, observation, stamp))]
        if here:
            return min(here, key=lambda each: each[0])[1]
        possible = [track for track in lost if self._may_be(track, observation, stamp)]
        return possible[0] if len(possible) == 1 else None

    def _may_be(self, track: Track, observation: Observation, stamp: float) -> bool:
        """Return whether somebody who turned up elsewhere can be the subject of a lost track."""
        unseen = stamp - track.seen
        if unseen < self.settings.hold_seconds:  # it could not have moved so far
            return False
        subject = self._skeleton.subject
        away = float(np.linalg.norm(observation.centroid - track.predict(stamp)[0]))
        change = abs(bone_length(observation.points, self._skeleton) - track.size)
        return (
            not self._other_side(track, observation)
            and away < _LARGEST_GATE * self._edge + subject.travel * unseen
            and change < subject.same_size * track.size
        )

    def _other_side(self, track: Track, observation: Observation) -> bool:
        """Return whether a track is surely the other hand."""
        if observation.side == Side.UNKNOWN or abs(track.side_evidence) < _SURE_SIDE:
            return False
        return (observation.side == Side.LEFT) != (track.side_evidence > 0)


def joint_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of the joints [J, 3] that both skeletons have; infinite without any."""
    distances = np.linalg.norm(one - other, axis=-1)
    known = np.isfinite(distances)
    return float(distances[known].mean()) if known.any() else np.inf
