# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is particular to hands and to bodies: where they are found, how they move, and how right is right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """Constants of a kind of subject, for all parts of the package.

    Attributes:
        kind: ``hand`` or ``body``.
        depth_range: Distances along z, metres, in which a subject is looked for.
        score_threshold: Probability from which on a skeleton is reported.
        separation: Metres between the centres of two subjects; nearer ones are one subject, found twice.
        blob: Radius in metres of the ball whose middle is proposed where no detector is at hand.
        offset_unit: Metres that an output of 1 of the detector moves a centre by.
        centered: Cube edges between a cube's middle and its subject from which on it is looked at again.
        near: Metres; a joint's score is the probability that it lies this near to the truth.
        centroid_noise: Standard deviation of a measured centroid, in cube edges.
        acceleration: Standard deviation of unforeseen accelerations, m/s^2.
        fade: Seconds after which an unseen subject has lost most of its velocity.
        cutoff_slope: Rise of the One-Euro filter's cutoff frequency with speed, Hz per m/s.
        gate: Distance from its predicted place, in cube edges, up to which a subject is always recognised.
        travel: Speed, m/s, at which a lost subject may have moved on.
        same_size: Relative difference of the bones up to which it may be the same subject.
        has_sides: Whether it is a right or a left one.
        found_within: Metres from the reference point at which a detection counts as right.
        matched_within: Metres between the means of the joints up to which a skeleton can be that subject.
        surface: Metres that a joint may lie before (negative) and behind the surface that the camera sees at its pixel:
            joints are inside of people, and may be hidden behind another part of them.
    """

    kind: str
    depth_range: tuple[float, float]
    score_threshold: float
    separation: float
    blob: float
    offset_unit: float
    centered: float
    near: float
    centroid_noise: float
    acceleration: float
    fade: float
    cutoff_slope: float
    gate: float
    travel: float
    same_size: float
    has_sides: bool
    found_within: float
    matched_within: float
    surface: tuple[float, float]


HAND = Subject(
    kind="hand",
    depth_range=(0.15, 1.5),
    score_threshold=0.5,
    separation=0.10,
    blob=0.10,
    offset_unit=0.05,
    centered=0.12,
    near=0.020,
    centroid_noise=0.05,
    acceleration=12.0,
    fade=0.25,
    cutoff_slope=60.0,
    gate=0.25,
    travel=0.5,
    same_size=0.12,
    has_sides=True,
    found_within=0.10,
    matched_within=0.10,
    surface=(-0.010, 0.040),
)
BODY = Subject(
    kind="body",
    depth_range=(0.5, 5.0),
    score_threshold=0.5,
    separation=0.60,
    blob=0.70,
    offset_unit=0.15,
    centered=0.04,  # bodies fill their cubes
    near=0.100,
    centroid_noise=0.025,
    acceleration=2.0,
    fade=1.0,
    cutoff_slope=15.0,
    gate=0.12,
    travel=1.0,
    same_size=0.15,
    has_sides=False,
    found_within=0.40,
    matched_within=0.50,
    surface=(-0.050, 0.150),
)
SUBJECTS = {subject.kind: subject for subject in (HAND, BODY)}
