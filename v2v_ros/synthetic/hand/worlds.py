"""Hands where they are met: holding things, before a person, over tables, beside another hand; and no hand at all."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn.functional import normalize

from ..chance import Draw
from ..spheres import Spheres
from ..worlds import Boxes, Worlds
from .kinematics import HandPose, Placement, elbow, finger_joints, pose_hand, sample_shape
from .poses import FAMILIES, sample_arm, sample_families, sample_fingers, sample_pose
from .surface import HandShape, forearm_frame
from .surroundings import clutter, decoys, walls

_HOLDS = ("", "rod", "ball", "box", "flat", "pen")
_GRASPS = torch.tensor([_HOLDS.index(family.holds) for family in FAMILIES])
_UPPER_ARM = 0.29
# A torso, about the middle of the chest: chest and belly, shoulders, neck, head.
_TRUNK = [(x, y, 0.0) for y in (-0.12, -0.04, 0.04, 0.12, 0.20, 0.28) for x in (-0.085, 0.0, 0.085)]
_BODY_OFFSETS = [
    *_TRUNK,
    *((x, -0.16, 0.02) for x in (-0.17, -0.12, 0.12, 0.17)),
    *((0.0, y, z) for y, z in ((-0.24, 0.02), (-0.29, 0.01), (-0.36, -0.02), (-0.40, 0.0), (-0.45, 0.02))),
]
_BODY_RADII = [*([0.105] * len(_TRUNK)), 0.065, 0.08, 0.08, 0.065, 0.06, 0.055, 0.07, 0.08, 0.09]


def sample_hand_worlds(
    batch: int,
    generator: torch.Generator,
    *,
    near: float = 0.2,
    far: float = 1.2,
    empty: float = 0.08,
    left: float = 0.0,
) -> Worlds:
    """Return random hands in random surroundings, in the camera frame.

    Args:
        near, far: Range of the hands' distances in metres.
        empty: Share of the worlds that have something else where the hand would be.
        left: Share of left hands.
    """
    draw = Draw(batch, generator)
    shape, family = sample_shape(batch, generator), sample_families(batch, generator)
    pose = sample_pose(shape, family, generator, near, far)
    joints, hand = pose_hand(shape, pose)
    # The mean joint, not the palm, lies where the pose was asked to be.
    shift = (pose.position - joints.mean(1))[:, None]
    pose = replace(pose, position=pose.position + shift[:, 0])
    joints, hand = joints + shift, Spheres(hand.centers + shift, hand.radii)
    centers = joints.mean(1)
    present = ~draw.some(empty)

    thing_spheres, thing_boxes = held_things(draw, shape, pose, family)
    second = _second_hand(draw, centers, shape)
    person = _person(draw, centers, elbow(shape, pose), ~present)
    decoy_spheres, decoy_boxes = decoys(draw, centers, ~present)
    clutter_spheres, clutter_boxes = clutter(draw, centers)
    points, normals = walls(draw, centers, hand, ~present)

    def there(spheres: Spheres) -> Spheres:
        return Spheres(spheres.centers, spheres.radii * present[:, None])

    spheres = Spheres.join([there(hand), there(thing_spheres), there(second), person, decoy_spheres, clutter_spheres])
    thing_boxes = replace(thing_boxes, halves=thing_boxes.halves * present[:, None, None])
    boxes = Boxes.join([thing_boxes, decoy_boxes, clutter_boxes])
    # Nothing may be so near to the camera that it fills the image.
    spheres = Spheres(spheres.centers, spheres.radii * (spheres.centers[..., 2] - spheres.radii > 0.06))
    worlds = Worlds(
        spheres,
        boxes,
        points,
        normals,
        torch.where(present[:, None, None], joints, torch.nan),
        centers,
        torch.zeros_like(present),
    )
    return mirrored(worlds, draw.some(left))


def mirrored(worlds: Worlds, which: torch.Tensor) -> Worlds:
    """Return the worlds with those of ``which`` (bool [B]) seen in a mirror: right hands become left ones, and back."""
    flip = torch.ones(which.shape[0], 3, device=which.device)
    flip[:, 0] = torch.where(which, -1.0, 1.0)
    rows = flip[:, None]
    return Worlds(
        Spheres(worlds.spheres.centers * rows, worlds.spheres.radii),
        mirrored_boxes(worlds.boxes, flip),
        worlds.plane_points * rows,
        worlds.plane_normals * rows,
        worlds.joints * rows,
        worlds.centers * flip,
        worlds.left ^ which,
    )


def mirrored_boxes(boxes: Boxes, flip: torch.Tensor) -> Boxes:
    """Boxes with their coordinates times the signs flip [3] or [B, 3]."""
    rows = flip.expand(boxes.centers.shape[0], 3)[:, None]
    return Boxes(boxes.centers * rows, boxes.axes * rows[..., None], boxes.halves)


def held_things(
    draw: Draw, shape: HandShape, pose: HandPose, family: torch.Tensor, share: float = 0.75, mismatched: float = 0.06
) -> tuple[Spheres, Boxes]:
    """Things between the palm and the fingers: rods and balls as spheres, boxes and flat things as boxes."""
    kind = torch.where(draw.some(share), _GRASPS.to(draw.device)[family], 0)
    other = torch.multinomial(torch.ones(5, device=draw.device), draw.batch, replacement=True, generator=draw.generator)
    kind = torch.where(draw.some(mismatched), other + 1, kind)
    scale = shape.bones[:, 1].sum(1) / 0.0923
    fingers = finger_joints(shape, pose.fingers)  # hand frame
    place = Placement.of(shape, pose)
    x, y, z = torch.eye(3, device=draw.device)
    # Where a hand closes: between the middle of the palm and the middle of the four middle phalanges.
    palm = 0.8 * shape.bases[:, :4].mean(1) + 1.1 * shape.palm[:, None] * z
    over = fingers[:, :4, 1:3].mean((1, 2))
    room = ((over - palm).norm(dim=-1) / 2).clamp(0.008, 0.05)
    middle = (palm + over) / 2
    pinch = (fingers[:, 0, 3] + fingers[:, 4, 3]) / 2
    tipped = ((kind == 5) | (kind == 4) & draw.some(0.5))[:, None]
    middle = torch.where(tipped, pinch, middle)

    # Rods run across the palm, pens back between thumb and index finger, balls are one sphere.
    across = normalize(x - 0.25 * y + draw.normal(0.15, 3), dim=-1)
    back = normalize(0.5 * x - 0.75 * y + 0.3 * z + draw.normal(0.2, 3), dim=-1)
    pen = (kind == 5)[:, None]
    along = torch.where(pen, back, across)
    fits = room - 0.8 * shape.radii[:, 1, 2] * 0.9
    radius = torch.where(kind == 5, draw.uniform(0.003, 0.006), fits.clamp(0.006, 0.042))
    radius = torch.where(kind == 2, (1.15 * fits).clamp(0.012, 0.045), radius)
    ball_out = torch.where((kind == 2)[:, None], 0.3 * radius[:, None] * z, 0.0)
    length = torch.where(kind == 5, draw.uniform(0.08, 0.16), draw.uniform(0.08, 0.26)) * scale
    length = torch.where(kind == 2, 0.0, length)
    t = torch.linspace(-0.5, 0.5, 22, device=draw.device)
    slide = draw.uniform(-0.25, 0.25, 1)
    centers = (middle + ball_out)[:, None] + ((t + slide) * length[:, None])[..., None] * along[:, None]
    neck = torch.where((draw.some(0.5) & (kind == 1))[:, None] & (t > 0.3), 0.5, 1.0)  # of a bottle
    rows = (kind == 1) | (kind == 5)
    single = torch.zeros(22, device=draw.device)
    single[0] = 1.0
    shown = torch.where(rows[:, None], neck, (kind == 2)[:, None] * single)
    spheres = Spheres(place(centers), radius[:, None] * shown)

    flat = kind == 4
    halves = torch.stack((draw.uniform(0.02, 0.06), draw.uniform(0.03, 0.08), fits.clamp(0.004, 0.04)), dim=-1)
    halves = torch.where(flat[:, None], torch.cat((halves[:, :2], draw.uniform(0.002, 0.006, 1)), dim=-1), halves)
    halves = halves * scale[:, None] * ((kind == 3) | flat)[:, None]
    # A flat thing between the tips sticks out beyond them.
    beyond = torch.where(tipped, 0.6 * halves[:, 1:2] * y, 0.0)
    normal = normalize(over - palm + draw.normal(0.008, 3), dim=-1)
    normal = torch.where(tipped, normalize(fingers[:, 0, 3] - fingers[:, 4, 3], dim=-1), normal)
    side = normalize(torch.linalg.cross(y.expand_as(normal), normal), dim=-1)
    axes = torch.stack((side, torch.linalg.cross(normal, side), normal), dim=-1)
    return spheres, Boxes(place((middle + beyond)[:, None]), (place.matrix @ axes)[:, None], halves[:, None])


def _second_hand(draw: Draw, centers: torch.Tensor, shape: HandShape, share: float = 0.12) -> Spheres:
    """Another hand, mostly the other one of the same person: beside, partly in front of or behind, or clasping."""
    family = sample_families(draw.batch, draw.generator)
    wrist = draw.normal(0.2, 2)
    orientation = sample_arm(draw.batch, draw.generator) @ forearm_frame(wrist).transpose(1, 2)
    how = draw.uniform(0, 1, 1)
    sideways = normalize(draw.normal(1.0, 3) * centers.new_tensor([1.0, 0.6, 0.3]), dim=-1)
    apart = torch.where(how < 0.55, draw.uniform(0.10, 0.18, 1), draw.uniform(0.05, 0.09, 1))
    offset = sideways * apart
    # In front of it, a hand hides a part of the subject; clasping, it touches.
    front = centers.new_tensor([0.0, 0.0, -1.0]) * draw.uniform(0.05, 0.12, 1)
    offset = torch.where((how > 0.55) & (how < 0.8), offset + front, offset)
    pose = HandPose(sample_fingers(shape, family, draw.generator), wrist, orientation, centers + offset)
    # Hands that are mirrored along with the world stay the other hand.
    _, surface = pose_hand(shape, pose, left=draw.some(0.75))
    return Spheres(surface.centers, surface.radii * draw.some(share)[:, None])


def _person(
    draw: Draw, centers: torch.Tensor, elbows: torch.Tensor, empty: torch.Tensor, share: float = 0.6
) -> Spheres:
    """Upper arm, shoulder, torso, neck and head of the person whose hand it is, behind the hand."""
    batch, device = draw.batch, draw.device
    upwards = normalize(centers.new_tensor([0.05, -0.55, 0.75]) + draw.normal(0.3, 3), dim=-1)
    shoulder = elbows + _UPPER_ARM * upwards
    torso = shoulder + torch.cat((draw.uniform(0.14, 0.20, 1), draw.uniform(0.15, 0.25, 1), draw.normal(0.03, 1)), -1)
    # The front of the torso stays behind the hand; the shoulder goes along.
    wanted = centers[:, 2:] + draw.uniform(0.12, 0.6, 1).square() + 0.22
    push = (wanted - torso[:, 2:]).clamp_min(0) * centers.new_tensor([0.0, 0.0, 1.0])
    torso, shoulder = torso + push, shoulder + push
    t = torch.linspace(0, 1, 13, device=device)[:, None]
    arm = torch.lerp(elbows[:, None], shoulder[:, None], t)
    arm_radii = torch.linspace(0.042, 0.06, 13, device=device).expand(batch, -1)
    offsets, body_radii = (centers.new_tensor(column) for column in (_BODY_OFFSETS, _BODY_RADII))
    size = draw.uniform(0.85, 1.15, 1)
    body = torso[:, None] + offsets * size[..., None] + draw.normal(0.006, len(_BODY_RADII), 3)
    # Where no hand is, some part of the person may be what is looked at.
    part = (len(_BODY_RADII) * draw.uniform(0, 1)).long()
    surface = body[torch.arange(batch, device=device), part] - 0.06 * centers.new_tensor([0.0, 0.0, 1.0])
    moved = ((centers - surface) * (empty & draw.some(0.35))[:, None])[:, None]
    arm, body = arm + moved, body + moved
    # Only behind the hand is a person; a hand that reaches away from the camera belongs to the viewer.
    behind = (elbows[:, 2] > centers[:, 2] - 0.08) & draw.some(share)
    # A face, a shoulder or a leg close behind the hand.
    close = draw.some(0.12)
    close_radius = draw.uniform(0.06, 0.12, 1)
    gap = centers[:, 2:] + draw.uniform(0.10, 0.20, 1) + close_radius
    face = torch.cat((centers[:, :2] + draw.normal(0.06, 2), gap), dim=-1)[:, None]
    return Spheres(
        torch.cat((arm, body, face), dim=1),
        torch.cat((torch.cat((arm_radii, body_radii * size), 1) * behind[:, None], close_radius * close[:, None]), 1),
    )
