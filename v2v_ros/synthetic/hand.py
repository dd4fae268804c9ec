"""A hand of 21 joints: shape, pose, forward kinematics and surface, batched over any device.

The hand frame of a right hand is x towards the thumb (radial), y from the wrist to the middle finger (distal), z out
of the palm (palmar); a left hand is its mirror image. In the camera frame at orientation zero the fingers point up
and the palm faces the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from .rotations import about_axis
from .spheres import Spheres, sheet, tapered_capsule

# Bone lengths in metres, thumb last: proximal, middle and distal phalanx of the fingers, metacarpal, proximal and
# distal phalanx of the thumb. Means of Buryanov and Kotiuk, Proportions of Hand Segments, Int. J. Morphol. 28(3), 2010;
# the distal bones carry 4 mm of fingertip.
_BONES = torch.tensor(
    [[39.8, 22.4, 19.8], [44.6, 26.3, 21.4], [41.4, 25.7, 21.3], [32.7, 18.1, 20.0], [46.2, 31.6, 25.7]]
).mul_(1e-3)
# Knuckles and the base of the thumb in the hand frame; the wrist is the origin.
_BASES = torch.tensor(
    [[25.0, 90.0, 1.0], [4.0, 91.0, -2.0], [-15.0, 85.0, -1.0], [-31.0, 76.0, 3.0], [22.0, 22.0, 10.0]]
).mul_(1e-3)
# Radii at the four joints of every finger.
_RADII = torch.tensor(
    [
        [11.0, 9.0, 7.8, 6.4],
        [11.4, 9.3, 8.1, 6.7],
        [10.6, 8.8, 7.6, 6.3],
        [9.6, 7.7, 6.7, 5.6],
        [14.0, 11.0, 9.6, 7.6],
    ]
).mul_(1e-3)
_SPLAY = torch.tensor([-0.07, 0.0, 0.07, 0.17])  # rest directions of the fingers about z, rad
_MEAN_LENGTH = 0.183  # wrist to middle fingertip of the mean shape above

# Anatomical limits in degrees: (abduction, first, second, third flexion) of index, middle, ring, little, thumb.
_LOW = torch.tensor([[-14, -15, 0, 0], [-10, -15, 0, 0], [-12, -15, 0, 0], [-18, -15, 0, 0], [-22, -20, -8, -12]])
_HIGH = torch.tensor([[14, 85, 102, 70], [10, 88, 104, 72], [12, 88, 104, 72], [18, 88, 100, 72], [22, 35, 52, 72]])


@dataclass(frozen=True)
class HandShape:
    """Sizes of a batch of hands, in metres.

    Attributes:
        bones: float [B, 5, 3], index to little finger, then thumb.
        bases: float [B, 5, 3], knuckles and thumb base in the hand frame.
        radii: float [B, 5, 4].
        palm: float [B], half the thickness of the palm at the wrist.
        forearm: float [B], radius of the forearm (or sleeve) at the wrist.
        flare: float [B], how much wider the forearm is 25 cm further up.
    """

    bones: torch.Tensor
    bases: torch.Tensor
    radii: torch.Tensor
    palm: torch.Tensor
    forearm: torch.Tensor
    flare: torch.Tensor


@dataclass(frozen=True)
class HandPose:
    """Poses of a batch of hands, in radians and metres.

    Attributes:
        fingers: float [B, 5, 4]: abduction and three flexions, index to little finger, then thumb.
        wrist: float [B, 2]: flexion and deviation of the forearm against the hand.
        orientation: float [B, 3]: spin about the forearm, tilt towards the camera, roll in the image.
        position: float [B, 3]: the middle of the palm in the camera frame.
    """

    fingers: torch.Tensor
    wrist: torch.Tensor
    orientation: torch.Tensor
    position: torch.Tensor

    def lerp(self, other: HandPose, weight: float) -> HandPose:
        """The pose between this one (weight 0) and the other (weight 1)."""
        return HandPose(
            **{f.name: torch.lerp(getattr(self, f.name), getattr(other, f.name), weight) for f in fields(self)}
        )


def sample_shape(batch: int, generator: torch.Generator, bare: float = 0.6) -> HandShape:
    """Random hands: children to large adults, slim to thick; a share ``bare`` of them without a sleeve."""
    device = generator.device

    def normal(*size: int, mean: float = 1.0, std: float) -> torch.Tensor:
        noise = torch.randn(batch, *size, generator=generator, device=device)
        return mean + std * noise.clamp(-2.5, 2.5)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(batch, generator=generator, device=device)

    scale = normal(std=0.013, mean=0.183).div(_MEAN_LENGTH)
    width = scale * normal(std=0.05)
    thickness = scale * normal(std=0.08)
    bones = _BONES.to(device) * scale[:, None, None] * normal(5, 1, std=0.04) * normal(5, 3, std=0.03)
    stretch = torch.stack((width, scale, scale), dim=-1)
    bases = _BASES.to(device) * stretch[:, None] * normal(5, 3, std=0.03)
    radii = _RADII.to(device) * thickness[:, None, None] * normal(5, 1, std=0.04)
    sleeve = torch.rand(batch, generator=generator, device=device) > bare
    forearm = torch.where(sleeve, uniform(0.030, 0.050), uniform(0.021, 0.026)) * thickness
    return HandShape(bones, bases, radii, 0.014 * thickness, forearm, uniform(1.1, 1.7))


def sample_fingers(batch: int, generator: torch.Generator) -> torch.Tensor:
    """Random finger angles [B, 5, 4] inside anatomical limits: independent, jointly curled, or stretched and curled
    fingers mixed as in counting and pointing."""
    device = generator.device

    def rand(*size: int) -> torch.Tensor:
        return torch.rand(batch, *size, generator=generator, device=device)

    family = rand(1, 1)
    independent = rand(5, 1)
    together = (rand(1, 1) + 0.25 * (rand(5, 1) - 0.5)).clamp(0, 1)
    counting = torch.where(rand(5, 1) < 0.5, 0.18 * rand(5, 1), 0.75 + 0.25 * rand(5, 1))
    curl = torch.where(family < 0.3, independent, torch.where(family < 0.65, together, counting))
    # The joints of one finger bend together, loosely.
    flexion = (curl + 0.22 * (rand(5, 3) - 0.5)).clamp(0, 1)
    # The last joint follows the one before it.
    flexion[:, :4, 2] = (0.8 * flexion[:, :4, 1] + 0.2 * flexion[:, :4, 2]).clamp(0, 1)
    spread = (rand(5, 1) + rand(1, 1)) / 2
    spread = 0.5 + (spread - 0.5) * (1 - 0.7 * curl)  # bent fingers cannot spread
    spread[:, 2:4] = 1 - spread[:, 2:4]  # index and little finger spread to opposite sides
    share = torch.cat((spread, flexion), dim=-1)
    low, high = _LOW.to(device), _HIGH.to(device)
    return torch.deg2rad(low + share * (high - low))


def sample_pose(batch: int, generator: torch.Generator, near: float = 0.25, far: float = 1.1) -> HandPose:
    """Random poses, ``near`` to ``far`` metres from the camera, near the optical axis."""
    device = generator.device

    def rand(*size: int) -> torch.Tensor:
        return torch.rand(batch, *size, generator=generator, device=device)

    wrist = (torch.randn(batch, 2, generator=generator, device=device) * 0.25).clamp(-0.7, 0.7)
    spin = (2 * rand() - 1) * math.pi
    tilt = (torch.randn(batch, generator=generator, device=device) * 0.5).clamp(-1.3, 1.3)
    wild = rand() < 0.15
    roll = torch.randn(batch, generator=generator, device=device) * 0.6
    roll = torch.where(wild, (2 * rand() - 1) * math.pi, roll)
    z = near + (far - near) * rand()
    lateral = (rand(2) - 0.5) * 0.5 * z[:, None]
    return HandPose(
        sample_fingers(batch, generator),
        wrist,
        torch.stack((spin, tilt, roll), dim=-1),
        torch.cat((lateral, z[:, None]), dim=-1),
    )


def _orientation(pose: HandPose) -> torch.Tensor:
    """Rotation [B, 3, 3] from the hand frame to the camera frame."""
    spin, tilt, roll = pose.orientation.unbind(-1)
    # Fingers up (-y of the camera), palm towards the camera (-z), hence thumb (x) to the right: det +1.
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0], device=spin.device))
    return about_axis(2, roll) @ about_axis(0, tilt) @ upright @ about_axis(1, spin)


def pose_hand(shape: HandShape, pose: HandPose, left: torch.Tensor | None = None) -> tuple[torch.Tensor, Spheres]:
    """Forward kinematics.

    Args:
        left: bool [B]; these hands are left ones. None: all are right hands.

    Returns:
        joints float [B, 21, 3] in the order of ``hand21`` and the surface, both metres in the camera frame.
    """
    batch, device = shape.palm.shape[0], shape.palm.device
    rest = torch.zeros(5, 3, 3, device=device)
    rest[:4] = about_axis(2, _SPLAY.to(device))
    rest[4] = _thumb_frame(device)
    rotation = rest @ about_axis(2, pose.fingers[..., 0])
    chain = [shape.bases]
    for bone in range(3):
        rotation = rotation @ about_axis(0, pose.fingers[..., bone + 1])
        chain.append(chain[-1] + rotation[..., 1] * shape.bones[..., bone, None])
    fingers = torch.stack(chain, dim=2)  # [B, 5, 4, 3]
    joints = torch.cat((torch.zeros(batch, 1, 3, device=device), fingers.flatten(1, 2)), dim=1)
    surface = _surface(shape, pose, fingers)

    mirror = torch.ones(batch, 1, 3, device=device)
    if left is not None:
        mirror[:, 0, 0] = torch.where(left, -1.0, 1.0)
    palm = shape.bases[:, :4].mean(1, keepdim=True) * 0.6
    transform = _orientation(pose).transpose(1, 2)

    def place(points: torch.Tensor) -> torch.Tensor:
        return ((points - palm) * mirror) @ transform + pose.position[:, None]

    return place(joints), Spheres(place(surface.centers), surface.radii)


def _thumb_frame(device: torch.device) -> torch.Tensor:
    """Rest frame [3, 3] of the thumb: column 1 along it, column 2 where it bends to, across the palm."""
    along = torch.nn.functional.normalize(torch.tensor([0.66, 0.68, 0.32], device=device), dim=0)
    bend = torch.tensor([-0.80, 0.10, 0.55], device=device)
    bend = torch.nn.functional.normalize(bend - (bend @ along) * along, dim=0)
    return torch.stack((torch.linalg.cross(along, bend), along, bend), dim=1)


def _surface(shape: HandShape, pose: HandPose, fingers: torch.Tensor) -> Spheres:
    """Surface in the hand frame of a right hand."""
    radii = shape.radii
    parts = []
    for finger in range(5):
        for bone, count in enumerate((8, 6, 5)):
            start, end = fingers[:, finger, bone], fingers[:, finger, bone + 1]
            if bone == 2:  # the joint called tip is the end of the finger, not the middle of its last sphere
                along = torch.nn.functional.normalize(end - start, dim=-1)
                end = end - 0.7 * radii[:, finger, 3, None] * along
            parts.append(tapered_capsule(start, end, radii[:, finger, bone], radii[:, finger, bone + 1], count))

    base = shape.bases
    palm = shape.palm
    x, y = base.new_tensor([1.0, 0.0, 0.0]), base.new_tensor([0.0, 1.0, 0.0])
    wrist_radial = 0.55 * base[:, 0] * x + 0.004 * y
    wrist_ulnar = 0.55 * base[:, 3] * x + 0.004 * y
    for first, second in ((0, 1), (1, 2), (2, 3)):
        ends = (base[:, first], base[:, second])
        starts = tuple(torch.lerp(wrist_radial, wrist_ulnar, i / 3) for i in (first, second))
        parts.append(
            sheet(
                (starts[0], ends[0]),
                (starts[1], ends[1]),
                (palm, radii[:, first, 0]),
                (palm, radii[:, second, 0]),
                rows=9,
                columns=4,
            )
        )
    # Ball of the thumb: between its metacarpal and that of the index finger, thinning out into the web.
    parts.append(
        sheet(
            (fingers[:, 4, 0], fingers[:, 4, 1]),
            (0.5 * base[:, 0], 0.9 * base[:, 0]),
            (radii[:, 4, 0], 0.7 * radii[:, 4, 1]),
            (palm, 0.6 * radii[:, 0, 0]),
            rows=7,
            columns=5,
        )
    )
    # Heel of the hand on the little finger's side.
    parts.append(
        tapered_capsule(
            wrist_ulnar + torch.stack((0 * palm, palm, 0.3 * palm), dim=-1), 0.8 * base[:, 3], palm, 0.9 * palm, 6
        )
    )
    parts.append(_forearm(shape, pose))
    return Spheres.join(parts)


def _forearm(shape: HandShape, pose: HandPose) -> Spheres:
    flexion, deviation = pose.wrist.unbind(-1)
    frame = about_axis(0, flexion) @ about_axis(2, deviation)
    up_the_arm, across = -frame[..., 1], frame[..., 0]
    radius = shape.forearm
    parts = []
    for side in (-1.0, 0.0, 1.0):  # wider than thick
        offset = side * 0.35 * radius[:, None] * across
        start = 0.004 * up_the_arm + offset
        end = 0.25 * up_the_arm + offset * shape.flare[:, None]
        parts.append(tapered_capsule(start, end, 0.8 * radius, 0.8 * radius * shape.flare, 16))
    return Spheres.join(parts)
