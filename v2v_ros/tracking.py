"""One subject over time: its identity, where it will be, and what to say while it cannot be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np


class TrackingState(IntEnum):
    """How a skeleton came to be, with the values of ``v2v_ros/msg/Skeleton``."""

    DETECTED = 0
    TRACKED = 1
    PREDICTED = 2


class Side(IntEnum):
    """Which hand, with the values of ``v2v_ros/msg/Skeleton``."""

    UNKNOWN = 0
    LEFT = 1
    RIGHT = 2


@dataclass(frozen=True)
class Observation:
    """One subject as the network sees it in one frame.

    Attributes:
        points: float32 [J, 3] metres; NaN where not estimated.
        scores: float32 [J] in [0, 1].
        covariances: float32 [J, 6] square metres: xx, xy, xz, yy, yz, zz; NaN where not estimated.
        center: float64 [3] metres, of the cube that was looked into.
        side: As which hand the network saw it.
        left: What this look says for a left hand (or, negative, for a right one), as a logit.
    """

    points: np.ndarray
    scores: np.ndarray
    covariances: np.ndarray
    center: np.ndarray
    side: Side = Side.UNKNOWN
    left: float = 0.0

    @property
    def score(self) -> float:
        """Mean of the joints' scores."""
        return float(self.scores.mean())

    @property
    def centroid(self) -> np.ndarray:
        """float64 [3]: mean of the joints, the centre of the next cube."""
        return np.asarray(np.nanmean(self.points, axis=0, dtype=np.float64))


_MOST_EVIDENCE = 1.5  # logit; looks at neighbouring frames are not independent
HOLD_SECONDS = 0.25  # how long a subject that cannot be seen is still reported
_SMOOTHING = 0.5  # weight of the newest velocity
_FASTEST = 4.0  # m/s; hands and people move slower, wrong detections do not
_SAME_SUBJECT = 0.6  # cube edges; how far from where it was expected a subject may turn up again


def choose_side(right: Observation, left: Observation, evidence: float) -> Observation:
    """One observation of two, of the same cube as either hand.

    The network has learnt to say nothing of left hands: its scores of a grid and of its mirror image are to each other
    about as the probabilities of a right and of a left hand are.

    Args:
        evidence: What is known from before, as a logit of a left hand.
    """
    logit = float(np.clip(np.log((left.score + 1e-3) / (right.score + 1e-3)), -_MOST_EVIDENCE, _MOST_EVIDENCE))
    return replace(left if evidence + logit > 0 else right, left=logit)


class Track:
    """A subject with an identity that holds from frame to frame."""

    def __init__(self, id: str, observation: Observation, stamp: float) -> None:
        self.id = id
        self.observation = observation
        self.state = TrackingState.DETECTED
        self.side_evidence = observation.left
        self._seen = stamp
        self._velocity = np.zeros(3)

    def expired(self, stamp: float) -> bool:
        """Whether the subject has not been seen for too long, or time has gone back."""
        return not 0 <= stamp - self._seen < HOLD_SECONDS

    def predict(self, stamp: float) -> np.ndarray:
        """float64 [3] metres: where the centroid of the subject should be at a time."""
        return self.observation.centroid + self._motion(stamp)

    def update(self, observation: Observation, stamp: float) -> None:
        """Take in what was seen at a time."""
        elapsed = stamp - self._seen
        if elapsed > 0:
            velocity = (observation.centroid - self.observation.centroid) / elapsed
            speed = float(np.linalg.norm(velocity))
            velocity *= min(1.0, _FASTEST / max(speed, 1e-9))
            self._velocity += _SMOOTHING * (velocity - self._velocity)
        self.observation = observation
        self.state = TrackingState.TRACKED
        self.side_evidence += observation.left  # one look can be wrong about the side
        self._seen = stamp

    def miss(self, stamp: float) -> Observation | None:
        """What to report when the subject was not seen: its last pose moved on, or None when it is lost."""
        if self.expired(stamp):
            return None
        self.state = TrackingState.PREDICTED
        last = self.observation
        fading = np.float32(1 - (stamp - self._seen) / HOLD_SECONDS)
        points = last.points + self._motion(stamp).astype(np.float32)
        covariances = last.covariances / max(fading, 0.1)
        return Observation(points, last.scores * fading, covariances, self.predict(stamp), last.side)

    def is_same(self, observation: Observation, stamp: float, edge: float) -> bool:
        """Whether something seen elsewhere can be this subject."""
        return float(np.linalg.norm(observation.centroid - self.predict(stamp))) < _SAME_SUBJECT * edge

    def _motion(self, stamp: float) -> np.ndarray:
        return self._velocity * min(max(0.0, stamp - self._seen), HOLD_SECONDS)
