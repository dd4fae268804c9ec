# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A Kalman filter for joints that uses the heatmaps' covariances.

Sources:
    Kalman, "A new approach to linear filtering and prediction problems", J. Basic Engineering 82(1), 1960.
    Zhou and Frank, "Strong tracking filtering of nonlinear time-varying stochastic systems with coloured noise",
    Int. J. Control 65(2), 1996: predicted covariances are inflated when the innovations say that the model is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...geometry.skeletons import Skeleton
from .joint_filter import Floats, Mask, StampedFilter

_EYE = np.eye(3)
_WHITE = 0.12  # share of the heatmap's variance that is new in every frame; the rest stays while the pose does
_LEAST_NOISE = 0.003  # share of the cube's edge: standard deviation of a joint that the network is very sure of
_COMMON_NOISE = 3.0  # the joints' errors are not independent: variance of their mean, against independent ones
_DRIFT = 2e-5  # spectral density of the accelerations of a subject at rest, in squared edges per s^3
_START_SPEED = (1.0, 0.5)  # m/s, standard deviations of the common motion's and the joints' own when they are new
_MEMORY = 0.75  # share of the mean innovation kept per frame: noise averages out of it, motion does not
_ONE_MOVES = 18.0  # squared mean innovation over its variance: chance reaches it in 1 of 2000 frames (chi2, 3 degrees)
_ALL_MOVE = 4.5  # the same of the upper quartile of the joints, which chance keeps near 4.1
_MOST_INFLATION = 30.0


class KalmanFilter(StampedFilter):
    """Constant velocity, with the heatmaps' covariances as noise, for the subject as a whole and for every joint in it.

    A filter that quietens a joint at rest lags behind a moving one, unless it knows which of the two it sees. One
    joint's innovation does not tell: the noise of a frame is that of a slow motion. Two things do. The mean of all
    joints has a fraction of their noise, so the common motion is a state of its own (row 0), and the joints' states
    are their motions relative to it. And noise averages out over a few frames while motion does not, so the running
    mean of the innovations is tested against its covariance. Where it is too large the predicted covariance is
    inflated in proportion (Zhou and Frank), and the filter follows at once: for the subject as a whole, for a joint
    alone (a finger that moves on a hand at rest), and for all joints when a quarter of them say so (a gesture), long
    before a single one could be sure. Afterwards the gain falls by itself, as in any Kalman filter.

    Lengths and accelerations are in units of the skeleton's cube, so that hands and bodies have the same constants.
    Covariances between the common motion and the joints' own are neglected. The reported covariance contains what the
    filter cannot average out: the share of the heatmap's variance that does not change from frame to frame.

    Args:
        skeleton: Skeleton of the subject.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__(skeleton)
        rows = self._joints + 1
        self._least = (_LEAST_NOISE * skeleton.cube_edge) ** 2 * _EYE
        self._drift = _DRIFT * skeleton.cube_edge**2 * _EYE
        self._bones = BoneLengths(skeleton)
        self._skeleton = skeleton
        self._place, self._velocity, self._innovation = np.zeros((3, rows, 3))
        # Covariances of place, of place with velocity, and of velocity.
        self._pp, self._pv, self._vv = np.zeros((3, rows, 3, 3))

    @property
    def bone_lengths(self) -> Floats:
        """float64 [B] metres, learned so far, in the order of the skeleton's bones; NaN where unknown."""
        return self._bones.lengths

    def _forget(self) -> None:
        self._bones = BoneLengths(self._skeleton)

    def _take(self, points: Floats, spread: Floats, known: Mask, measured: Mask, dt: float) -> None:
        noise = _WHITE * spread + self._least
        again, new = known & measured, ~known & measured
        if known.any():
            self._move(dt)
        elif new.any():
            self._start(0, points[new].mean(0), noise[new].mean(0) * _COMMON_NOISE / new.sum(), _START_SPEED[0])
        if again.any():
            weights = again / _traces(noise)
            weights /= weights.sum()
            innovation = points - self._place[0] - self._place[1:]
            mean_noise = _COMMON_NOISE * (weights**2 @ noise.reshape(-1, 9)).reshape(3, 3)
            self._correct(slice(0, 1), (weights @ innovation)[None], mean_noise[None], np.ones(1, bool))
            self._correct(slice(1, None), points - self._place[0] - self._place[1:], noise, again)
        for joint in np.flatnonzero(new).tolist():
            self._start(joint + 1, points[joint] - self._place[0], noise[joint], _START_SPEED[1])
        lasting = np.where(measured, _traces(spread), np.inf)
        self._bones.learn(self._place[0] + self._place[1:], lasting)

    def _at(self, dt: float, known: Mask) -> tuple[Floats, Floats, Floats]:
        place = self._place + dt * self._velocity
        pp = self._pp if dt == 0 else self._moved(dt)[0]
        points = self._bones.keep(place[0] + place[1:], known)
        return points, self._velocity[0] + self._velocity[1:], pp[0] + pp[1:] + (1 - _WHITE) * self._spread

    def _start(self, row: int, place: Floats, noise: Floats, speed: float) -> None:
        self._place[row], self._velocity[row], self._innovation[row] = place, 0, 0
        self._pp[row], self._pv[row], self._vv[row] = noise, 0, speed**2 * _EYE

    def _moved(self, dt: float) -> tuple[Floats, Floats, Floats]:
        """Covariances dt seconds later."""
        pp = self._pp + dt * (self._pv + _transposed(self._pv) + dt * self._vv) + dt**3 / 3 * self._drift
        return pp, self._pv + dt * self._vv + dt**2 / 2 * self._drift, self._vv + dt * self._drift

    def _move(self, dt: float) -> None:
        self._place += dt * self._velocity
        self._pp, self._pv, self._vv = self._moved(dt)

    def _correct(self, rows: slice, innovation: Floats, noise: Floats, measured: Mask) -> None:
        """Take in how far measured rows are from where they were expected."""
        mask = measured[:, None]
        mean = self._innovation[rows]
        mean[measured] = (_MEMORY * mean + (1 - _MEMORY) * innovation)[measured]
        pp, pv, vv = self._pp[rows], self._pv[rows], self._vv[rows]
        inverse = np.linalg.inv(pp + noise)
        # The variance of a running mean of white noise is (1 - memory) / (1 + memory) of the noise's.
        surprise = (1 + _MEMORY) / (1 - _MEMORY) * ((mean[:, None] @ inverse)[:, 0] * mean).sum(1)
        excess = surprise / _ONE_MOVES
        if len(excess) > 1:
            together = np.sort(surprise[measured])[3 * measured.sum() // 4]
            excess = np.maximum(excess, together / _ALL_MOVE)
        factors = np.where(measured, np.minimum(np.maximum(excess, 1.0), _MOST_INFLATION), 1.0)[:, None, None]
        pp, pv, vv = factors * pp, factors * pv, factors * vv
        inverse = np.linalg.inv(pp + noise) * mask[..., None]  # no gain where nothing was measured
        gain, gain_v = pp @ inverse, _transposed(pv) @ inverse
        self._place[rows] += (gain @ innovation[..., None])[..., 0]
        self._velocity[rows] += (gain_v @ innovation[..., None])[..., 0]
        pp_less, vv_less = pp - gain @ pp, vv - gain_v @ pv
        self._pp[rows] = (pp_less + _transposed(pp_less)) / 2
        self._pv[rows] = pv - gain @ pv
        self._vv[rows] = (vv_less + _transposed(vv_less)) / 2


def _transposed(matrices: Floats) -> Floats:
    return matrices.transpose(0, 2, 1)


def _traces(matrices: Floats) -> Floats:
    return matrices[:, 0, 0] + matrices[:, 1, 1] + matrices[:, 2, 2]


_BONE_MEMORY = 300.0  # frames that lengths are learned from; what was learned wrongly before is forgotten
_LIMIT = 0.1  # share of a bone's length, to which larger deviations are clipped
_SHARE = 0.33  # share of the way to well learned lengths that the bones are moved
_TRUST = 90.0  # frames after which it is half of that


class BoneLengths:
    """Robust running means of bone lengths, in which a frame counts by how well it shows the bone's two joints.

    Args:
        skeleton: Skeleton that the bones belong to; arrays of bones have the order of ``skeleton.bones``.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        bones = np.array(skeleton.bones)
        self._parents, self._children = bones[:, 0], bones[:, 1]
        self._chains = _chains(skeleton)
        self._lengths = np.zeros(len(bones))
        self._weights = np.zeros(len(bones))
        self._frames = np.zeros(len(bones))  # that each was learned from

    @property
    def lengths(self) -> NDArray[np.float64]:
        """float64 [B] metres; NaN for a bone that was never seen."""
        return np.where(self._frames > 0, self._lengths, np.nan)

    def learn(self, points: NDArray[np.float64], variances: NDArray[np.float64]) -> None:
        """Take in the joints of a frame.

        Args:
            points: [J, 3] metres; bones of NaN joints are not learned from.
            variances: [J] square metres, positive.
        """
        seen = _norms(points[self._children] - points[self._parents])
        weights = np.where(np.isfinite(seen), 1 / (variances[self._children] + variances[self._parents]), 0.0)
        self._weights = (1 - 1 / _BONE_MEMORY) * self._weights + weights
        known = self._frames > 0
        self._frames += weights > 0
        off = np.where(weights > 0, seen - self._lengths, 0.0)
        # Limited steps end near the median: a joint that is now and then in another place does not count for more.
        limit = np.where(known, _LIMIT * self._lengths, np.inf)
        self._lengths += weights / np.maximum(self._weights, 1e-12) * np.minimum(np.maximum(off, -limit), limit)

    def keep(self, points: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the pose with bones nearer to the learned lengths: their directions and the mean of the joints stay.

        A bone that the network draws too short usually has a wrong direction as well, so that its full length would
        put the joint as far off, to another side; and lengths learned from one gesture carry its errors to the next.
        A third of the way, once they have been learned for a while, brings hands and bodies nearer to the truth.

        Args:
            points: [J, 3] metres, finite.
            known: bool [J]: joints that count; the others' places may be anything.
        """
        bones = points[self._children] - points[self._parents]
        lengths = _norms(bones)
        usable = known[self._children] & known[self._parents] & (lengths > 1e-6) & (self._frames > 0)
        if not usable.any():
            return points
        shares = _SHARE * self._frames / (self._frames + _TRUST)
        factors = np.where(usable, 1 + shares * (self._lengths / np.maximum(lengths, 1e-6) - 1), 1.0)
        # Nobody's joint is fixed: all are moved a little, instead of the root's error going to all the tips.
        chained = self._chains @ (factors[:, None] * bones)
        return chained + (points - chained)[known].mean(0)


def _chains(skeleton: Skeleton) -> NDArray[np.float64]:
    """Return [J, B]: 1 where a bone is on the way from the root to a joint."""
    parent_bone = {child: index for index, (_, child) in enumerate(skeleton.bones)}
    chains = np.zeros((len(skeleton.joint_names), len(skeleton.bones)))
    for joint in range(len(skeleton.joint_names)):
        at = joint
        while at != skeleton.root:
            chains[joint, parent_bone[at]] = 1
            at = skeleton.bones[parent_bone[at]][0]
    return chains


def _norms(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((vectors * vectors).sum(1)))  # a third of the time of numpy.linalg.norm
