# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The datasets of the paper as data: sizes, cameras, cubes, where to get them."""

from __future__ import annotations

from dataclasses import dataclass

from ...geometry.camera import Intrinsics
from ...geometry.skeletons import BODY15, HAND14, HAND16, HAND21, Skeleton


@dataclass(frozen=True)
class DatasetSpec:
    """Facts about a dataset that are known before it is opened.

    Attributes:
        name: Name in commands.
        title: Name for people.
        skeleton: Skeleton of its joints.
        intrinsics: Intrinsics of its depth camera, as in the published code of V2V-PoseNet.
        score_intrinsics: (fx, fy, cx, cy) with which the community turns ``u v d`` of prediction files into points.
        cube_edge: Edge of the paper's cube, metres.
        depth_range: Range of depths, metres, in which the subject is; None: anywhere. Pixels without depth count as the
            far end in the published code.
        y_up: Whether the y axis of its files points up, so that y changes its sign when read.
        millimetres_per_unit: Millimetres that one unit of the world coordinates in its files stands for.
        train_frames, test_frames: Number of frames of each split, before any are left out.
        source: Address to get it from.
        test_labels: Whether labels of the test split are published.
    """

    name: str
    title: str
    skeleton: Skeleton
    intrinsics: Intrinsics
    score_intrinsics: tuple[float, float, float, float]
    cube_edge: float
    depth_range: tuple[float, float] | None
    y_up: bool
    millimetres_per_unit: float
    train_frames: int
    test_frames: int
    source: str
    test_labels: bool = True

    @property
    def measured(self) -> tuple[float, float]:
        """Metres between which depth is that of something seen: the range of depths, or what a camera reaches."""
        return self.depth_range or (0.1, 10.0)


_MSRA_CAMERA = Intrinsics(241.42, 241.42, 160.0, 120.0, 320, 240)
_ITOP_CAMERA = Intrinsics(1 / 0.0035, 1 / 0.0035, 160.0, 120.0, 320, 240)
_ITOP_SOURCE = "https://zenodo.org/records/3932973"

ICVL = DatasetSpec(
    name="icvl",
    title="ICVL Hand Posture (Tang et al., CVPR 2014)",
    skeleton=HAND16,
    intrinsics=_MSRA_CAMERA,
    score_intrinsics=(240.99, 240.96, 160.0, 120.0),
    cube_edge=0.2,
    depth_range=(0.1, 0.6),
    y_up=False,
    millimetres_per_unit=1.0,
    train_frames=331_006,
    test_frames=1_596,
    source="https://labicvl.github.io/hand.html",
)
NYU = DatasetSpec(
    name="nyu",
    title="NYU Hand Pose (Tompson et al., SIGGRAPH 2014)",
    skeleton=HAND14,
    intrinsics=Intrinsics(588.036865, 587.075073, 320.0, 240.0, 640, 480),
    score_intrinsics=(588.03, 587.07, 320.0, 240.0),
    cube_edge=0.25,
    depth_range=(0.3, 1.2),
    y_up=True,
    millimetres_per_unit=1.0,
    train_frames=72_757,
    test_frames=8_252,
    source="https://jonathantompson.github.io/NYU_Hand_Pose_Dataset.htm",
)
# Nine subjects; each is tested with networks trained on the other eight.
MSRA = DatasetSpec(
    name="msra",
    title="MSRA Hand Gesture (Sun et al., CVPR 2015)",
    skeleton=HAND21,
    intrinsics=_MSRA_CAMERA,
    score_intrinsics=(241.42, 241.42, 160.0, 120.0),
    cube_edge=0.2,
    depth_range=(0.1, 0.7),
    y_up=True,
    millimetres_per_unit=1.0,
    train_frames=76_391,
    test_frames=76_391,
    source="https://jimmysuen.github.io",
)
HANDS2017 = DatasetSpec(
    name="hands2017",
    title="HANDS 2017 challenge, frame-based (Yuan et al., 2017)",
    skeleton=HAND21,
    intrinsics=Intrinsics(475.065948, 475.065857, 315.944855, 245.287079, 640, 480),
    score_intrinsics=(475.065948, 475.065857, 315.944855, 245.287079),
    cube_edge=0.25,
    depth_range=(0.1, 1.5),
    y_up=False,
    millimetres_per_unit=1.0,
    train_frames=957_032,
    test_frames=295_510,
    source="http://icvl.ee.ic.ac.uk/hands17/challenge/",
    test_labels=False,
)


def _itop(view: str, title: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"itop_{view}",
        title=f"ITOP, {title} view (Haque et al., ECCV 2016)",
        skeleton=BODY15,
        intrinsics=_ITOP_CAMERA,
        score_intrinsics=(_ITOP_CAMERA.fx, _ITOP_CAMERA.fy, _ITOP_CAMERA.cx, _ITOP_CAMERA.cy),
        cube_edge=2.0,
        depth_range=None,
        y_up=True,
        millimetres_per_unit=1000.0,
        train_frames=39_795,
        test_frames=10_501,
        source=_ITOP_SOURCE,
    )


ITOP_SIDE, ITOP_TOP = _itop("side", "front"), _itop("top", "top")

SPECS: dict[str, DatasetSpec] = {spec.name: spec for spec in (ICVL, NYU, MSRA, HANDS2017, ITOP_SIDE, ITOP_TOP)}


def get_spec(name: str) -> DatasetSpec:
    """Look a dataset up by name.

    Raises:
        ValueError: No dataset has this name; the message lists those that exist.
    """
    try:
        return SPECS[name]
    except KeyError:
        raise ValueError(f"unknown dataset '{name}'; choose one of: {', '.join(SPECS)}") from None
