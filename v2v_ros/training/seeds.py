# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Seeds of everything that training draws, as places in one tree."""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class SeedFamily(IntEnum):
    """Purpose of a seed: the first branch of the tree, so that no two parts of training draw the same numbers.

    A family keeps its number: runs that are resumed, and the peaks and scenes that lie on disk, go on with it.
    """

    TRAINING_BATCH = 1
    HELD_OUT_BATCH = 2
    FRAME_ORDER = 3
    PEAK_CUBES = 4
    PROPOSED_CUBES = 5
    COMPARISON_BATCH = 6
    COMPARISON_HELD_OUT = 7
    TRAINING_PROPOSALS = 8
    DETECTOR_SCENES = 11
    DETECTOR_HELD_OUT = 12
    DETECTOR_STEP = 13


def derive_seed(family: SeedFamily, *place: int) -> int:
    """Return the seed of 64 bits for a place in the tree of seeds.

    Args:
        family: Family of the seed.
        place: Numbers from 0 on that lead to the place, such as the run's own seed and the step.
    """
    return int(np.random.SeedSequence((family, *place)).generate_state(1, np.uint64)[0])
