"""The lengths of one subject's bones, learned while it is followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...geometry.skeletons import Skeleton

_MEMORY = 300.0  # frames: lengths are learned from about so many, and what was learned wrongly is forgotten
_LIMIT = 0.1  # of a bone's length; what is farther off counts as if it were so far off
_SHARE = 0.33  # of the way to lengths learned for long that the bones are taken
_TRUST = 90.0  # frames after which it is half of that


class BoneLengths:
    """Robust running means of bone lengths, in which a frame counts by how well it shows the bone's two joints.

    Args:
        skeleton: Whose bones; arrays of them have the order of ``skeleton.bones``.
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
        self._weights = (1 - 1 / _MEMORY) * self._weights + weights
        known = self._frames > 0
        self._frames += weights > 0
        off = np.where(weights > 0, seen - self._lengths, 0.0)
        # Limited steps end near the median: a joint that is now and then in another place does not count for more.
        limit = np.where(known, _LIMIT * self._lengths, np.inf)
        self._lengths += weights / np.maximum(self._weights, 1e-12) * np.minimum(np.maximum(off, -limit), limit)

    def keep(self, points: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The pose with bones nearer to the learned lengths: their directions and the mean of the joints stay.

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
    """[J, B]: 1 where a bone is on the way from the root to a joint."""
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
