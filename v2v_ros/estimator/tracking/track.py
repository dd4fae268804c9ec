# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One subject over time: its identity, where it will be, and what to say while it cannot be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...geometry.estimate import Side, SkeletonEstimate, TrackingState
from ...geometry.skeletons import Skeleton
from .filters import Filtered, make_filter


@dataclass(frozen=True)
class Observation:
    """One subject as the network sees it in one frame.

    Attributes:
        points: float32 [J, 3] metres; NaN where not estimated.
        scores: float32 [J] in [0, 1].
        covariances: float32 [J, 6] square metres: xx, xy, xz, yy, yz, zz; NaN where not estimated.
        center: float64 [3] metres, centre of the cube that was looked into.
        score: Probability in [0, 1] that it is a subject.
        side: Hand as which the network saw it.
        left: Evidence of this look for a left hand (or, negative, for a right one), as a logit.
    """

    points: np.ndarray
    scores: np.ndarray
    covariances: np.ndarray
    center: np.ndarray
    score: float
    side: Side = Side.UNKNOWN
    left: float = 0.0

    @property
    def centroid(self) -> np.ndarray:
        """float64 [3]: mean of the joints, the centre of the next cube."""
        return np.asarray(np.nanmean(self.points, axis=0, dtype=np.float64))


MOST_EVIDENCE = 1.5  # logit; looks at neighbouring frames are not independent


def choose_side(right: Observation, left: Observation, evidence: float) -> Observation:
    """Return one observation of two, of the same cube as either hand.

    Either look may say by itself which hand it is. Otherwise, since the network has learnt to say nothing of left
    hands, its scores of a grid and of its mirror image are to each other about as the probabilities of a right and of a
    left hand are.

    Args:
        evidence: Evidence from earlier frames, as a logit of a left hand.
    """
    logit = right.left + left.left or float(np.log((left.score + 1e-3) / (right.score + 1e-3)))
    chosen = left if evidence + logit > 0 else right
    return replace(chosen, left=float(np.clip(logit, -MOST_EVIDENCE, MOST_EVIDENCE)))


_CROWD = 5.0  # times as much noise where two subjects are in one cube
_FASTEST = 4.0  # m/s; hands and people move slower, wrong detections do not
_SIZE_FRAMES = 300  # over which a subject's size is averaged


class CentroidMotion:
    """Predicts the middle of a subject: a Kalman filter of constant velocity, the same along every axis.

    Args:
        position: float [3] metres, first measurement.
        stamp: Time of that measurement, seconds.
        noise: Standard deviation of a measurement, metres.
        acceleration: Standard deviation of unforeseen accelerations, m/s^2.
        fade: Seconds after which a subject that is not seen has lost most of its velocity.
    """

    def __init__(self, position: np.ndarray, stamp: float, noise: float, acceleration: float, fade: float) -> None:
        self._noise, self._acceleration, self._fade = noise, acceleration, fade
        self.position, self.velocity, self.stamp = position, np.zeros(3), stamp
        # Variances of position and velocity, and their covariance.
        self._variances = np.array([[noise**2, 0.0], [0.0, 1.0]])

    def predict(self, stamp: float) -> tuple[np.ndarray, float]:
        """Position float64 [3] and standard deviation, metres, at a time."""
        elapsed = max(0.0, stamp - self.stamp)
        variances = self._spread(elapsed)
        # What is not seen any more is not believed to go on for ever.
        way = self._fade * (1 - np.exp(-elapsed / self._fade))
        return self.position + way * self.velocity, float(np.sqrt(variances[0, 0] + self._noise**2))

    def velocity_at(self, stamp: float) -> np.ndarray:
        """Return float64 [3] m/s at a time."""
        return np.asarray(np.exp(-max(0.0, stamp - self.stamp) / self._fade) * self.velocity)

    def update(self, position: np.ndarray, stamp: float, crowded: bool = False) -> None:
        """Take in a measured position float [3].

        Args:
            crowded: Whether somebody else is in the same cube: the network may have drawn the skeleton towards them.
        """
        elapsed = max(0.0, stamp - self.stamp)
        variances = self._spread(elapsed)
        noise = _CROWD * self._noise if crowded else self._noise
        gain = variances[:, 0] / (variances[0, 0] + noise**2)
        surprise = position - (self.position + elapsed * self.velocity)
        self.velocity = self.velocity + gain[1] * surprise
        self.velocity *= min(1.0, _FASTEST / max(float(np.linalg.norm(self.velocity)), 1e-9))
        self._variances = variances - np.outer(gain, variances[0])
        # The next cube belongs about what was seen, not about a mean, where that can be trusted.
        self.position = position - (1 - gain[0]) * surprise if crowded else position
        self.stamp = stamp

    def _spread(self, elapsed: float) -> np.ndarray:
        move = np.array([[1.0, elapsed], [0.0, 1.0]])
        push = self._acceleration * np.array([elapsed**2 / 2, elapsed])
        return np.asarray(move @ self._variances @ move.T + np.outer(push, push))


def bone_length(points: np.ndarray, skeleton: Skeleton) -> float:
    """Mean length of the bones whose joints [J, 3] are known, metres; NaN without any."""
    parents, children = np.array(skeleton.bones).T
    lengths = np.linalg.norm(points[children] - points[parents], axis=-1)
    known = np.isfinite(lengths)
    return float(lengths[known].mean()) if known.any() else np.nan


class Track:
    """A subject with an identity that holds from frame to frame.

    Args:
        observation: First observation.
        stamp: Time of that observation, seconds.
        edge: Edge of the cube, metres.
        skeleton: Skeleton of the subject.
        filter: Name of the filter that smooths its joints, one of :data:`~v2v_ros.estimator.tracking.filters.NAMES`.

    Attributes:
        id: Identifier; empty until the tracker reports the subject for the first time.
        seen: Time of the last sighting, seconds.
        looked: Time of the last look at where it should be, seconds.
        fresh: Whether the subject was seen in this frame.
        lost: Whether it is not followed any more, only remembered.
        sightings: Number of frames in which it was seen.
        doubts: Number of searches in a row that found no subject where it is, but one elsewhere.
        size: Mean length of its bones over time, metres.
    """

    def __init__(
        self,
        observation: Observation,
        stamp: float,
        edge: float,
        skeleton: Skeleton,
        filter: str = "none",
    ) -> None:
        self.id = ""
        self.observation = observation
        self.state = TrackingState.DETECTED
        self.side_evidence = observation.left
        self.seen, self.looked = stamp, stamp
        self.fresh, self.lost = True, False
        self.sightings = 1
        self.doubts = 0
        self._skeleton, self._edge = skeleton, edge
        self.size = bone_length(observation.points, skeleton)
        subject = skeleton.subject
        self._motion = CentroidMotion(
            observation.centroid, stamp, subject.centroid_noise * edge, subject.acceleration, subject.fade
        )
        self.use_filter(filter)
        self._filtered = self._smooth(observation, stamp)

    def use_filter(self, name: str) -> None:
        """Take another filter, from the next sighting on."""
        self._filter = make_filter(name, self._skeleton)

    def predict(self, stamp: float) -> tuple[np.ndarray, float]:
        """Return where the centroid should be at a time, float64 [3] metres, and its standard deviation."""
        return self._motion.predict(stamp)

    def points_at(self, stamp: float) -> np.ndarray:
        """Return float32 [J, 3]: the last skeleton, moved on to a time."""
        position, _ = self._motion.predict(stamp)
        return self._filtered.points + (position - self._motion.position).astype(np.float32)

    def update(self, observation: Observation, stamp: float, crowded: bool = False) -> None:
        """Take in what was seen at a time.

        Args:
            crowded: Whether somebody else is in the same cube.
        """
        self._motion.update(observation.centroid, stamp, crowded)
        self.observation = observation
        self.state = TrackingState.TRACKED
        self.side_evidence += observation.left  # one look can be wrong about the side
        self.seen, self.looked = stamp, stamp
        self.fresh, self.lost = True, False
        self.sightings += 1
        size = bone_length(observation.points, self._skeleton)
        if np.isfinite(size):
            self.size += (size - self.size) / min(self.sightings, _SIZE_FRAMES) if np.isfinite(self.size) else size
        self._filtered = self._smooth(observation, stamp)

    def report(self, stamp: float, hold: float) -> SkeletonEstimate:
        """Return the subject at a time; after the last sighting, its pose moved on, ever less sure.

        Args:
            hold: Seconds until nothing is left of the score.
        """
        last, smoothed = self.observation, self._filtered
        seen = SkeletonEstimate(
            id=self.id,
            side=last.side,
            tracking_state=self.state,
            score=last.score,
            center=last.center,
            cube_edge=self._edge,
            points=smoothed.points,
            scores=last.scores,
            covariances=smoothed.covariances,
            velocities=smoothed.velocities,
        )
        if self.fresh:
            return seen
        self.state = TrackingState.PREDICTED
        unseen = stamp - self.seen
        fading = np.float32(max(0.0, 1 - unseen / hold))
        center, deviation = self._motion.predict(stamp)
        covariances = smoothed.covariances.copy()
        covariances[:, (0, 3, 5)] += np.float32(deviation**2)
        velocities = np.where(np.isfinite(last.points), self._motion.velocity_at(stamp), np.nan)
        return replace(
            seen,
            tracking_state=self.state,
            score=float(last.score * fading),
            center=center,
            points=self.points_at(stamp),
            scores=last.scores * fading,
            covariances=covariances,
            velocities=velocities.astype(np.float32),
        )

    def _smooth(self, observation: Observation, stamp: float) -> Filtered:
        return self._filter.update(observation.points, observation.covariances, stamp)
