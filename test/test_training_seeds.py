# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The seeds of training: what lies on disk and what is resumed depends on them."""

from __future__ import annotations

from v2v_ros.training.seeds import SeedFamily, derive_seed


def test_the_families_keep_their_numbers() -> None:
    """Checkpoints, peaks and scenes of earlier versions go on with these; a new family takes a new number."""
    kept = {
        "TRAINING_BATCH": 1,
        "HELD_OUT_BATCH": 2,
        "FRAME_ORDER": 3,
        "PEAK_CUBES": 4,
        "PROPOSED_CUBES": 5,
        "TRAINING_PROPOSALS": 8,
        "DETECTOR_SCENES": 11,
        "DETECTOR_HELD_OUT": 12,
        "DETECTOR_STEP": 13,
    }
    assert {family.name: family.value for family in SeedFamily if "COMPARISON" not in family.name} == kept


def test_seeds_are_those_of_earlier_versions() -> None:
    assert derive_seed(SeedFamily.HELD_OUT_BATCH) == 10128210881749538955
    assert derive_seed(SeedFamily.TRAINING_BATCH, 0, 1, 0, 3) == 5520744811686470687


def test_no_two_families_share_a_seed() -> None:
    assert len({derive_seed(family, 0, 1) for family in SeedFamily}) == len(SeedFamily)
