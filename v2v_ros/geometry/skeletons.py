# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Skeletons as data: joint names, bones, cube edge and symmetric pairs.

The joint order of a skeleton is part of its contract: every array of joints in this package follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .subject import SUBJECTS, Subject


@dataclass(frozen=True)
class Skeleton:
    """A fixed set of joints and how they hang together.

    Attributes:
        name: Unique name, such as ``hand21``.
        kind: ``hand`` or ``body``.
        joint_names: Names in the order of every joint array.
        bones: (parent, child) index pairs; every joint but the root is the child of exactly one.
        cube_edge: Edge in metres of the cube that is voxelized around a subject.
        symmetric_pairs: (right, left) index pairs that change places when the subject is mirrored.
        root: Index of the joint that has no parent.
    """

    name: str
    kind: str
    joint_names: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    cube_edge: float
    symmetric_pairs: tuple[tuple[int, int], ...] = ()
    root: int = 0

    @property
    def subject(self) -> Subject:
        """Constants of its kind of subject."""
        return SUBJECTS[self.kind]

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Index, for each joint, of the one that takes its place when the subject is mirrored."""
        others = dict([*self.symmetric_pairs, *((left, right) for right, left in self.symmetric_pairs)])
        return tuple(others.get(joint, joint) for joint in range(len(self.joint_names)))


def _chains(root: int, chains: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, int], ...]:
    """Bones of several chains of joints that all start at the root."""
    return tuple(bone for chain in chains for bone in pairwise((root, *chain)))


_FINGERS = ("index", "middle", "ring", "little")

# MSRA's order (Sun et al., CVPR 2015).
HAND21 = Skeleton(
    name="hand21",
    kind="hand",
    joint_names=(
        "wrist",
        *(f"{finger}_{joint}" for finger in _FINGERS for joint in ("mcp", "pip", "dip", "tip")),
        *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    ),
    bones=_chains(0, tuple(tuple(range(first, first + 4)) for first in (1, 5, 9, 13, 17))),
    cube_edge=0.25,
)

# ICVL's order (Tang et al., CVPR 2014).
HAND16 = Skeleton(
    name="hand16",
    kind="hand",
    joint_names=(
        "palm",
        *(f"{finger}_{joint}" for finger in ("thumb", *_FINGERS) for joint in ("root", "mid", "tip")),
    ),
    bones=_chains(0, tuple(tuple(range(first, first + 3)) for first in (1, 4, 7, 10, 13))),
    cube_edge=0.2,
)

# The 14 joints of NYU (Tompson et al., SIGGRAPH 2014) that the literature evaluates.
HAND14 = Skeleton(
    name="hand14",
    kind="hand",
    joint_names=(
        *(f"{finger}_{joint}" for finger in ("little", "ring", "middle", "index") for joint in ("tip", "mid")),
        "thumb_tip",
        "thumb_mid",
        "thumb_root",
        "wrist_back",
        "wrist",
        "palm",
    ),
    bones=(
        *((13, mid) for mid in (1, 3, 5, 7)),
        *((mid, mid - 1) for mid in (1, 3, 5, 7)),
        (13, 10),
        (10, 9),
        (9, 8),
        (13, 11),
        (13, 12),
    ),
    cube_edge=0.25,
    root=13,
)

# ITOP's order (Haque et al., ECCV 2016).
BODY15 = Skeleton(
    name="body15",
    kind="body",
    joint_names=(
        "head",
        "neck",
        "right_shoulder",
        "left_shoulder",
        "right_elbow",
        "left_elbow",
        "right_hand",
        "left_hand",
        "torso",
        "right_hip",
        "left_hip",
        "right_knee",
        "left_knee",
        "right_foot",
        "left_foot",
    ),
    bones=(
        (8, 1),
        (1, 0),
        (1, 2),
        (2, 4),
        (4, 6),
        (1, 3),
        (3, 5),
        (5, 7),
        (8, 9),
        (9, 11),
        (11, 13),
        (8, 10),
        (10, 12),
        (12, 14),
    ),
    cube_edge=2.0,
    symmetric_pairs=((2, 3), (4, 5), (6, 7), (9, 10), (11, 12), (13, 14)),
    root=8,
)

SKELETONS: dict[str, Skeleton] = {s.name: s for s in (HAND21, BODY15, HAND16, HAND14)}
USUAL = {skeleton.kind: skeleton for skeleton in (HAND21, BODY15)}
"""Skeletons of the shipped weights and of the synthetic subjects, by kind."""


def get_skeleton(name: str) -> Skeleton:
    """Look a skeleton up by name.

    Raises:
        ValueError: No skeleton has this name; the message lists those that exist.
    """
    try:
        return SKELETONS[name]
    except KeyError:
        raise ValueError(f"unknown skeleton '{name}'; choose one of: {', '.join(SKELETONS)}") from None
