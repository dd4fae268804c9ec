"""Steadiness and quickness of the filters, on the network's own output over synthetic sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..estimator import PoseEstimator, Side, TrackingState
from ..synthetic.sequence import CAMERA, SyntheticSequence
from ..synthetic.spheres import Spheres

RATE = 30.0
"""Frames a second."""
SPEED = 1.0
"""Metres a second: the peak of ``swing``, and all of ``shuttle`` between its turns."""
MOTIONS = ("still", "swing", "shuttle", "gestures")
_AMPLITUDE = {"hand": 0.12, "body": 0.40}  # metres to either side
_DEPTH = {"hand": 0.5, "body": 2.8}  # metres; where still and swinging subjects are
_POSE_TIME = 1.5  # seconds between the poses that different seeds hold


class MovingSubject(SyntheticSequence):
    """A hand or body that holds one pose, at rest or carried to and fro; or moves by itself (``gestures``).

    Args:
        kind: ``hand`` or ``body``.
        motion: One of :data:`MOTIONS`: at rest; a sine of 1 m/s peak speed; 1 m/s with sudden turns; the sequence's
            own motion.
        seed: Of shape, pose and direction.
    """

    def __init__(self, kind: str, motion: str, seed: int) -> None:
        super().__init__(kind, seed=seed)
        self._motion = motion
        angle = 2.4 * seed  # the golden angle: directions of few seeds are well spread
        direction = [math.cos(angle), 0.5 * math.sin(angle), math.sin(angle)]
        if kind == "body":  # people walk on the floor
            direction[1] = 0.0
        self._direction = torch.nn.functional.normalize(torch.tensor(direction), dim=0)

    def _hand(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        return self._carried(super()._hand, seconds)

    def _body(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        return self._carried(super()._body, seconds)

    def _carried(
        self, posed: Callable[[float], tuple[torch.Tensor, Spheres]], seconds: float
    ) -> tuple[torch.Tensor, Spheres]:
        if self._motion == "gestures":
            return posed(seconds)
        joints, surface = posed(_POSE_TIME)
        middle = (joints.amin(1) + joints.amax(1)) / 2
        home = torch.tensor([0.0, float(middle[0, 1]) if self.kind == "body" else 0.0, _DEPTH[self.kind]])
        shift = home - middle + self._offset(seconds) * self._direction
        return joints + shift[:, None], Spheres(surface.centers + shift[:, None], surface.radii)

    def _offset(self, seconds: float) -> float:
        """Metres along the direction."""
        amplitude = _AMPLITUDE[self.kind]
        if self._motion == "swing":
            return amplitude * math.sin(SPEED / amplitude * seconds)
        if self._motion == "shuttle":
            return amplitude * 2 / math.pi * math.asin(math.sin(math.pi / 2 * SPEED / amplitude * seconds))
        return 0.0


@dataclass(frozen=True)
class Recording:
    """What the network made of a sequence of N frames.

    Attributes:
        stamps: float64 [N] seconds.
        truth: float32 [N, J, 3] metres.
        points: float32 [N, J, 3] metres; NaN where not estimated.
        covariances: float32 [N, J, 6] square metres.
    """

    stamps: NDArray[np.float64]
    truth: NDArray[np.float32]
    points: NDArray[np.float32]
    covariances: NDArray[np.float32]


def record(
    estimator: PoseEstimator, motion: str, seed: int, frames: int, tick: Callable[[], object] = lambda: None
) -> Recording:
    """Show a subject to the estimator, which is told where it is at first and, of hands, the side."""
    subject = MovingSubject(estimator.skeleton.kind, motion, seed)
    joints = len(estimator.skeleton.joint_names)
    stamps = np.arange(frames) / RATE
    truth = np.empty((frames, joints, 3), np.float32)
    points = np.full_like(truth, np.nan)
    covariances = np.full((frames, joints, 6), np.nan, np.float32)
    estimator.reset()
    estimator.side = Side.RIGHT
    for index, stamp in enumerate(stamps.tolist()):
        shown = subject.frame(stamp)
        truth[index] = shown.joints
        middle = (shown.joints.min(0) + shown.joints.max(0)) / 2
        found = estimator.estimate(shown.depth, CAMERA, stamp, middle.astype(np.float64)).skeletons
        if found and found[0].tracking_state != TrackingState.PREDICTED:
            points[index], covariances[index] = found[0].points, found[0].covariances
        tick()
    return Recording(stamps, truth, points, covariances)
