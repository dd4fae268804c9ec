# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A hand of 21 joints: shape, pose, forward kinematics and surface, batched over any device.

The hand frame of a right hand is x towards the thumb (radial), y from the wrist to the middle finger (distal), z out
of the palm (palmar); a left hand is its mirror image. In the camera frame at orientation ``UPRIGHT`` the fingers point
up and the palm faces the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from ..chance import Draw, about_axis
from ..spheres import Spheres
from .surface import FOREARM, HandShape, forearm_frame, hand_surface

# Bone lengths in metres, thumb last: proximal, middle and distal phalanx of the fingers, metacarpal, proximal and
# distal phalanx of the thumb. Means of Buryanov and Kotiuk, Proportions of Hand Segments, Int. J. Morphol. 28(3), 2010;
# the distal bones carry 4 mm of fingertip.
BONES = torch.tensor(
    [[39.8, 22.4, 19.8], [44.6, 26.3, 21.4], [41.4, 25.7, 21.3], [32.7, 18.1, 20.0], [46.2, 31.6, 25.7]]
).mul_(1e-3)
_LENGTH = 0.1833  # from the wrist to the middle fingertip of this mean hand
# Knuckles and the base of the thumb in the hand frame; the wrist is the origin.
BASES = torch.tensor(
    [[26.0, 90.0, 0.0], [5.5, 91.0, -3.0], [-14.5, 85.0, -2.0], [-32.0, 76.0, 2.0], [21.0, 20.0, 8.0]]
).mul_(1e-3)
# Radii at the four joints of every finger.
RADII = torch.tensor(
    [
        [11.6, 9.9, 8.7, 7.6],
        [12.0, 10.1, 8.9, 7.8],
        [11.4, 9.6, 8.4, 7.4],
        [10.3, 8.5, 7.5, 6.6],
        [13.0, 11.6, 10.4, 8.6],
    ]
).mul_(1e-3)
_BREADTH = 0.0816  # across the knuckles of this mean hand
_SPLAY = torch.tensor([-0.06, 0.0, 0.06, 0.15])  # rest directions of the fingers about z, rad
PALM = 0.0135  # half the thickness of the palm at the wrist

# Hand length and breadth of men and women, mean and deviation: Gordon et al., 1988 Anthropometric Survey of U.S. Army
# Personnel, Natick/TR-89/044, 1989.
_LENGTHS = ((0.1938, 0.0098), (0.1805, 0.0097))
_BREADTHS = ((0.0904, 0.0042), (0.0794, 0.0038))

# The saddle joint of the thumb. Its two axes are neither perpendicular to each other nor to the bones, and bending
# turns the thumb about itself (Hollister et al., The axes of rotation of the thumb carpometacarpal joint, J. Orthop.
# Res. 10, 1992). Here: directions in the hand frame, and the turn per radian of abduction and of flexion.
_THUMB_ALONG = (0.66, 0.72, 0.18)  # rest direction of the metacarpal
_THUMB_BEND = (-0.76, 0.30, 0.46)  # where its tip bends to at rest
_ABDUCTION_AXIS = (0.75, -0.62, 0.10)  # turns the thumb out of the palm
_FLEXION_AXIS = (0.15, 0.35, 0.92)  # turns it across the palm
_PRONATION = (-0.50, -0.85)

UPRIGHT = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
"""Orientation of a hand with fingers up and palm to the camera."""


@dataclass(frozen=True)
class HandPose:
    """Poses of a batch of hands, in radians and metres.

    Attributes:
        fingers: float [B, 5, 4]: spread and three flexions of index to little finger; abduction (out of the palm) and
            flexion (across it) at the base, and two flexions, of the thumb.
        wrist: float [B, 2]: flexion and deviation of the forearm against the hand.
        orientation: float [B, 3, 3]: rotation from the hand frame to the camera frame.
        position: float [B, 3]: the middle of the palm in the camera frame.
    """

    fingers: torch.Tensor
    wrist: torch.Tensor
    orientation: torch.Tensor
    position: torch.Tensor

    def lerp(self, other: HandPose, weight: float) -> HandPose:
        """Return the pose between this one (weight 0) and the other (weight 1)."""
        mixed = {f.name: torch.lerp(getattr(self, f.name), getattr(other, f.name), weight) for f in fields(self)}
        y = torch.nn.functional.normalize(mixed["orientation"][..., 1], dim=-1)
        z = mixed["orientation"][..., 2]
        z = torch.nn.functional.normalize(z - (z * y).sum(-1, keepdim=True) * y, dim=-1)
        mixed["orientation"] = torch.stack((torch.linalg.cross(y, z), y, z), dim=-1)
        return HandPose(**mixed)


def sample_shape(batch: int, generator: torch.Generator, bare: float = 0.55) -> HandShape:
    """Sample hands of men, women and children, slim to thick.

    Args:
        batch: Number of hands.
        generator: Source of the random numbers.
        bare: Share of the hands without a sleeve, in [0, 1].
    """
    draw = Draw(batch, generator)

    def normal(std: float, *size: int) -> torch.Tensor:
        """Return normal numbers without the rare values beyond 2.3 standard deviations."""
        return std * draw.randn(*size).clamp(-2.3, 2.3)

    def vary(std: float, *size: int) -> torch.Tensor:
        return 1 + normal(std, *size)

    people = draw.rand()
    man, child = people < 0.45, people > 0.82
    length = torch.where(man, _LENGTHS[0][0] + normal(_LENGTHS[0][1]), _LENGTHS[1][0] + normal(_LENGTHS[1][1]))
    length = torch.where(child, draw.uniform(0.130, 0.172), length)
    ratio = torch.where(man, _BREADTHS[0][0] / _LENGTHS[0][0], _BREADTHS[1][0] / _LENGTHS[1][0]) * vary(0.05)
    scale = length / _LENGTH
    width = scale * ratio * _LENGTH / _BREADTH
    thickness = scale * (1 + 0.5 * (width / scale - 1)) * vary(0.06)
    bones = BONES.to(draw.device) * scale[:, None, None] * vary(0.035, 5, 1) * vary(0.03, 5, 3)
    stretch = torch.stack((width, scale, scale), dim=-1)
    bases = BASES.to(draw.device) * stretch[:, None] * vary(0.03, 5, 3)
    radii = RADII.to(draw.device) * thickness[:, None, None] * vary(0.03, 5, 1) * vary(0.02, 5, 4)
    # A quarter of the sleeves reach onto the heel of the hand.
    cuff = torch.where(draw.some(0.25), draw.uniform(-0.015, 0.01), draw.uniform(0.01, 0.14))
    cuff = torch.where(draw.some(bare), torch.inf, cuff * scale)
    return HandShape(
        bones,
        bases,
        radii,
        palm=PALM * thickness,
        forearm=draw.uniform(0.0225, 0.0265) * thickness,
        flare=draw.uniform(1.35, 1.75),
        cuff=cuff,
        sleeve=0.003 + 0.014 * draw.rand() ** 2,
    )


def finger_joints(shape: HandShape, fingers: torch.Tensor) -> torch.Tensor:
    """Return the joints [B, 5, 4, 3] of fingers and thumb from base to tip, in the hand frame of a right hand."""
    return finger_chains(shape, fingers)[0]


def finger_chains(shape: HandShape, fingers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return joints [B, 5, 4, 3] as ``finger_joints`` does, and the axes [B, 5, 3, 3, 3] of the bones between them.

    Column 0 of a bone's axes is the one it bends about, column 1 points along it, column 2 out of its palmar side.
    """
    device = fingers.device
    rotation = torch.cat(
        (about_axis(2, _SPLAY.to(device) + fingers[:, :4, 0]), thumb_axes(fingers[:, 4, 0], fingers[:, 4, 1])[:, None]),
        dim=1,
    )
    flexions = fingers[..., 1:].clone()
    flexions[:, 4, 0] = 0  # the saddle joint has done it
    chain, axes = [shape.bases], []
    for bone in range(3):
        rotation = rotation @ about_axis(0, flexions[..., bone])
        axes.append(rotation)
        chain.append(chain[-1] + rotation[..., 1] * shape.bones[..., bone, None])
    return torch.stack(chain, dim=2), torch.stack(axes, dim=2)


def pose_hand(shape: HandShape, pose: HandPose, left: torch.Tensor | None = None) -> tuple[torch.Tensor, Spheres]:
    """Return the joints and the surface of hands in a pose (forward kinematics).

    Args:
        shape: Hands [B].
        pose: Poses [B].
        left: Mask of the left hands, bool [B]. None: all are right hands.

    Returns:
        joints float [B, 21, 3] in the order of ``hand21`` and the surface, both metres in the camera frame.
    """
    batch = shape.palm.shape[0]
    fingers = finger_joints(shape, pose.fingers)
    joints = torch.cat((fingers.new_zeros(batch, 1, 3), fingers.flatten(1, 2)), dim=1)
    surface = hand_surface(shape, pose.wrist, fingers)
    place = Placement.of(shape, pose, left)
    return place(joints), Spheres(place(surface.centers), surface.radii)


@dataclass(frozen=True)
class Placement:
    """The way from the hand frame of right hands to the camera frame, mirrored where hands are left ones.

    Attributes:
        middle: float [B, 1, 3], the middle of the palm in the hand frame.
        matrix: float [B, 3, 3], the orientation, with a mirror before it for left hands.
        position: float [B, 1, 3], the middle of the palm in the camera frame.
    """

    middle: torch.Tensor
    matrix: torch.Tensor
    position: torch.Tensor

    @staticmethod
    def of(shape: HandShape, pose: HandPose, left: torch.Tensor | None = None) -> Placement:
        mirror = torch.ones_like(pose.position)
        if left is not None:
            mirror[:, 0] = torch.where(left, -1.0, 1.0)
        middle = shape.bases[:, :4].mean(1, keepdim=True) * 0.6
        return Placement(middle, pose.orientation * mirror[:, None], pose.position[:, None])

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Move points [B, N, 3] from the hand frame to the camera frame."""
        return (points - self.middle) @ self.matrix.transpose(1, 2) + self.position


def elbow(shape: HandShape, pose: HandPose) -> torch.Tensor:
    """Return the far end [B, 3] of the right forearms in the camera frame."""
    end = -FOREARM * forearm_frame(pose.wrist)[..., 1]
    return Placement.of(shape, pose)(end[:, None])[:, 0]


def _turn(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Return rotations [B, 3, 3] about one axis [3] by angles [B] (Rodrigues)."""
    x, y, z = torch.nn.functional.normalize(axis, dim=0).tolist()
    skew = axis.new_tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3, device=axis.device) + sin * skew + (1 - cos) * (skew @ skew)


def thumb_axes(abduction: torch.Tensor, flexion: torch.Tensor) -> torch.Tensor:
    """Return frames [B, 3, 3] of the thumb's metacarpal: column 1 along it, column 2 where the tip bends to."""
    along, bend, out, across = (
        torch.tensor(axis, device=abduction.device)
        for axis in (_THUMB_ALONG, _THUMB_BEND, _ABDUCTION_AXIS, _FLEXION_AXIS)
    )
    along = torch.nn.functional.normalize(along, dim=0)
    bend = torch.nn.functional.normalize(bend - (bend @ along) * along, dim=0)
    rest = torch.stack((torch.linalg.cross(along, bend), along, bend), dim=1)
    pronation = _PRONATION[0] * abduction + _PRONATION[1] * flexion
    return _turn(across, flexion) @ _turn(out, abduction) @ rest @ about_axis(1, pronation)
