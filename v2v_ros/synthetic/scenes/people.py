# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""People whose hands are modelled in detail, holding them towards the camera or doing what arms do.

A body's own hands are plain, good enough from two metres on. Here a hand of 21 joints takes the place of
each, at the end of the forearm that leads to it, with what it holds.

Everything is level: x right, y down, z forward, the camera at the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import normalize

from ..body.kinematics import BodyPose, solve_arm
from ..body.poses import sample_body_pose, seated
from ..body.shape import BodyShape, sample_body_shape
from ..body.skins import hand_balls, pose_bodies, skin_spheres
from ..body.surface import SKIRT_SPHERES
from ..chance import Draw, Range, about_axis
from ..hand.held import held_things
from ..hand.kinematics import HandPose, sample_shape
from ..hand.poses import sample_families, sample_fingers
from ..hand.skins import pose_hands
from ..hand.surface import HandShape, forearm_frame
from ..hand.worlds import mirrored_boxes
from ..spheres import Spheres
from ..worlds import Boxes

_ELBOWS, _HANDS = (4, 5), (6, 7)  # joints of body15, right first
# Where the spheres of ``pose_body`` end: an arm (upper arm, forearm, hand) and a leg for each side, then the skirt.
_LEG, _HAND, _ARM = 26, 15, 33
_WRIST = 0.05  # share of the height: from the middle of the palm to the wrist
_HAND_LENGTH = 0.108  # share of the height
_PALM_BEYOND = 0.012  # share of the height: from the joint to the middle of a plain hand
_REACH: Range = (0.12, 0.37)  # share of the height: from the shoulder to a hand held towards the camera
_WRIST_SPREAD = (0.7, 0.2)  # radians, standard deviations of flexion and deviation
_CAMERA_GAP = 0.25  # metres that such a hand stays away from the camera


@dataclass(frozen=True)
class People:
    """A batch with one person each.

    Attributes:
        joints: float [B, 15, 3] metres, ``body15``; its hands are the middles of the detailed palms.
        body: Surfaces without hands.
        hands: Surfaces of the right and the left hands with their forearms.
        hand_centers: float [B, 2, 3] metres: the means of the 21 joints, right hands first.
        hand_joints: float [B, 2, 21, 3] metres, ``hand21``; NaN of hands without detail.
        things: Spheres that the hands hold.
        boxes: Boxes that they hold.
        sits: bool [B], whether they sit as on a chair.
        height: float [B] metres, of the standing person.
        yaw: float [B], turn of the person in radians; 0 faces the camera.
    """

    joints: torch.Tensor
    body: Spheres
    hands: tuple[Spheres, Spheres]
    hand_centers: torch.Tensor
    hand_joints: torch.Tensor
    things: Spheres
    boxes: Boxes
    sits: torch.Tensor
    height: torch.Tensor
    yaw: torch.Tensor

    def moved(self, shift: torch.Tensor) -> People:
        """Return the people and what they hold, moved by [B, 3] metres."""
        by = shift[:, None]

        def spheres(part: Spheres) -> Spheres:
            return Spheres(part.centers + by, part.radii)

        return replace(
            self,
            joints=self.joints + by,
            body=spheres(self.body),
            hands=(spheres(self.hands[0]), spheres(self.hands[1])),
            hand_centers=self.hand_centers + by,
            hand_joints=self.hand_joints + by[:, None],
            things=spheres(self.things),
            boxes=replace(self.boxes, centers=self.boxes.centers + by),
        )


def sample_people(
    draw: Draw,
    ground: torch.Tensor,
    floor: torch.Tensor,
    *,
    toward: float = 0.0,
    facing: float = 0.0,
    lying: float = 0.0,
    detailed: bool = True,
    yaw: torch.Tensor | None = None,
    ahead: bool = False,
    skinned: float = 0.0,
) -> People:
    """Sample people.

    Args:
        draw: Random numbers [B].
        ground: Places on the floor, float [B, 2], x and z in metres.
        floor: Way from the camera down to the floor, float [B] metres.
        toward: Share of the arms that are held towards the camera.
        facing: Share of the people who face the camera.
        lying: Share of the people who lie on the floor.
        detailed: Whether the hands have 21 joints; else they are those of the body, whose centres are near the palms.
        yaw: Turns of the people in radians, float [B]; None: random.
        ahead: Whether the arms ``toward`` are held before the body instead, in front of the belly to the head.
        skinned: Share of the people, and of their hands in detail, that have the skin of MakeHuman's.
    """
    shape = sample_body_shape(draw.batch, draw.generator)
    pose = sample_body_pose(shape, draw.generator)
    towards_camera = torch.atan2(ground[:, 0], ground[:, 1])
    faces = draw.some(facing)
    pose = replace(pose, yaw=torch.where(faces, towards_camera + draw.normal(0.35), pose.yaw))
    if yaw is not None:
        pose = replace(pose, yaw=yaw)
    pose = _reach_out(draw, shape, pose, ground, floor, draw.some(toward, 2), ahead)
    joints, surface = pose_bodies(shape, pose, skinned, draw.generator)
    lies = draw.some(lying)
    down = about_axis(0, torch.where(draw.some(0.7), 1.0, -1.0) * (0.5 * math.pi + draw.normal(0.15)))
    down = about_axis(1, draw.uniform(-math.pi, math.pi)) @ about_axis(2, draw.normal(0.5)) @ down
    down = torch.where(lies[:, None, None], down, torch.eye(3, device=draw.device)).transpose(1, 2)
    joints, surface = joints @ down, Spheres(surface.centers @ down, surface.radii)
    lowest = (surface.centers[..., 1] + surface.radii).amax(1)
    shift = torch.stack((ground[:, 0], floor - lowest, ground[:, 1]), dim=1)[:, None]
    # The origin is the middle of the hips: a person who lies is moved to lie over the ground's point.
    middle = joints.mean(1, keepdim=True) * joints.new_tensor([1.0, 0.0, 1.0])
    shift = shift - torch.where(lies[:, None, None], middle, torch.zeros_like(middle))
    joints, surface = joints + shift, Spheres(surface.centers + shift, surface.radii)
    return _with_hands(draw, shape, pose, joints, surface, detailed, seated(pose) & ~lies, skinned)


def _reach_out(
    draw: Draw,
    shape: BodyShape,
    pose: BodyPose,
    ground: torch.Tensor,
    floor: torch.Tensor,
    which: torch.Tensor,
    before: bool,
) -> BodyPose:
    """Return the pose with some arms, bool [B, 2], held towards the camera, near to the body or far from it."""
    up = floor - 0.8 * shape.height  # the camera is at 0, the shoulders are so far below it
    away = torch.stack((-ground[:, 0], -up, -ground[:, 1]), dim=1)
    ahead = (normalize(away, dim=1)[:, None] @ about_axis(1, pose.yaw)).expand(-1, 2, 3)
    if before:
        ahead = torch.zeros_like(ahead) + ahead.new_tensor([0.0, 0.35, -1.0])
        away = away + away.new_tensor([10.0, 0.0, 0.0])  # there is no camera to keep away from
    mirror = ahead.new_tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    ahead = normalize(ahead * mirror + draw.normal(0.33, 2, 3) + ahead.new_tensor([-0.15, 0.0, 0.0]), dim=-1)
    # Never so near that the hand would be at the camera.
    room = ((away.norm(dim=1) - _CAMERA_GAP) / shape.height).clamp_min(0.12)[:, None]
    reach = torch.minimum(draw.uniform(*_REACH, 2), room)
    pole = ahead.new_tensor([0.5, 1.0, 0.3]) + draw.normal(0.4, 2, 3)
    arms = solve_arm(ahead * reach[..., None], pole)
    return replace(
        pose,
        shoulders=torch.where(which[..., None], arms[..., :3], pose.shoulders),
        elbows=torch.where(which, arms[..., 3], pose.elbows),
    )


def _with_hands(
    draw: Draw,
    shape: BodyShape,
    pose: BodyPose,
    joints: torch.Tensor,
    surface: Spheres,
    detailed: bool,
    sits: torch.Tensor,
    skinned: float,
) -> People:
    """Return people whose hands are told from the rest of their surface, and replaced if they are to be detailed."""
    parts = _hand_spheres(surface)
    plain = [Spheres(surface.centers[:, part], surface.radii[:, part]) for part in parts]
    radii = surface.radii.clone()
    for part in parts:
        radii[:, part] = 0
    body = Spheres(surface.centers, radii)
    if not detailed:
        along = joints[:, _HANDS] - joints[:, _ELBOWS]
        centers = joints[:, _HANDS] + _PALM_BEYOND * shape.height[:, None, None] * normalize(along, dim=-1)
        unknown = joints.new_full((draw.batch, 2, 21, 3), math.nan)
        nothing = Spheres(joints[:, :0], radii[:, :0])
        no_boxes = Boxes(joints[:, :0], joints.new_zeros(draw.batch, 0, 3, 3), joints[:, :0])
        return People(
            joints, body, (plain[0], plain[1]), centers, unknown, nothing, no_boxes, sits, shape.height, pose.yaw
        )
    hands, hand_joints, palms, things, boxes = [], [], [], [], []
    for side in range(2):
        ends = joints[:, _ELBOWS[side]], joints[:, _HANDS[side]]
        made = _detailed_hand(draw, shape.height, *ends, skinned, left=side == 1)
        hands.append(made[0])
        hand_joints.append(made[1])
        palms.append(made[2])
        things.append(made[3])
        boxes.append(made[4])
    joints = joints.clone()
    joints[:, _HANDS] = torch.stack(palms, dim=1)
    return People(
        joints,
        body,
        (hands[0], hands[1]),
        torch.stack(hand_joints, dim=1).mean(2),
        torch.stack(hand_joints, dim=1),
        Spheres.join(things),
        Boxes.join(boxes),
        sits,
        shape.height,
        pose.yaw,
    )


def _hand_spheres(surface: Spheres) -> list[torch.Tensor]:
    """Return the indices of the spheres of the right and the left hands on surfaces of ``pose_bodies``."""
    count, device = surface.radii.shape[1], surface.radii.device
    skin = skin_spheres(device)
    capsules = count - skin if count > skin else count
    parts = []
    for side in range(2):
        first = capsules - SKIRT_SPHERES - (2 - side) * (_ARM + _LEG) + _ARM - _HAND
        plain = torch.arange(first, first + _HAND, device=device)
        parts.append(torch.cat((plain, capsules + hand_balls(device)[side])) if capsules < count else plain)
    return parts


def _detailed_hand(
    draw: Draw, height: torch.Tensor, elbow: torch.Tensor, palm: torch.Tensor, skinned: float, left: bool
) -> tuple[Spheres, torch.Tensor, torch.Tensor, Spheres, Boxes]:
    """Return a hand at the end of a forearm: surface, joints [B, 21, 3], palm [B, 3], what it holds."""
    # Left hands are made as right ones of a mirrored world.
    mirror = elbow.new_tensor([-1.0 if left else 1.0, 1.0, 1.0])
    elbow, palm = elbow * mirror, palm * mirror
    along = normalize(palm - elbow, dim=-1)
    shape = _of_size(draw, sample_shape(draw.batch, draw.generator), height)
    family = sample_families(draw.batch, draw.generator)
    fingers = sample_fingers(shape, family, draw.generator)
    # A raised palm is bent back against a forearm that points at the camera.
    wild = torch.where(draw.some(0.5, 1), 1.0, 0.5)
    wrist = draw.normal(1.0, 2) * draw.tensor(_WRIST_SPREAD) * wild
    wrist = torch.maximum(torch.minimum(wrist, wrist.new_tensor([1.3, 0.45])), wrist.new_tensor([-1.3, -0.45]))
    orientation = _arm_frames(draw, along, -normalize(palm, dim=-1)) @ forearm_frame(wrist).transpose(1, 2)
    hand_pose = HandPose(fingers, wrist, orientation, torch.zeros_like(palm))
    # The wrist, the hand's first joint, is where the body's is.
    joints, surface = pose_hands(shape, hand_pose, skinned, draw.generator)
    place = palm - _WRIST * height[:, None] * along - joints[:, 0]
    hand_pose = replace(hand_pose, position=place)
    surface = Spheres((surface.centers + place[:, None]) * mirror, surface.radii)
    joints = (joints + place[:, None]) * mirror
    things, boxes = held_things(draw, shape, hand_pose, family)
    things = Spheres(things.centers * mirror, things.radii)
    return surface, joints, place * mirror, things, mirrored_boxes(boxes, mirror)


def _of_size(draw: Draw, shape: HandShape, height: torch.Tensor) -> HandShape:
    """Return the hands about as large as people of those heights have them."""
    length = shape.bases[:, 1].norm(dim=-1) + shape.bones[:, 1].sum(1)
    factor = (height * _HAND_LENGTH / length * (1 + draw.normal(0.05))).clamp(0.6, 1.4)
    return HandShape(
        bones=shape.bones * factor[:, None, None],
        bases=shape.bases * factor[:, None, None],
        radii=shape.radii * factor[:, None, None],
        palm=shape.palm * factor,
        forearm=shape.forearm * factor,
        flare=shape.flare,
        cuff=shape.cuff,
        sleeve=shape.sleeve,
    )


def _arm_frames(draw: Draw, along: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
    """Sample frames of forearms [B, 3, 3] that point along [B, 3].

    Their palms face the camera, a direction [B, 3], or away from it, or anywhere.
    """
    steep = (along * camera).sum(-1, keepdim=True).abs() > 0.85
    facing = torch.where(steep, along.new_tensor([0.0, 1.0, 0.0]), camera)
    z = normalize(facing - (facing * along).sum(-1, keepdim=True) * along, dim=-1)
    frame = torch.stack((torch.linalg.cross(along, z), along, z), dim=-1)
    how = draw.rand()
    around = draw.normal(0.5)
    spin = torch.where(how < 0.4, around, torch.where(how < 0.6, math.pi + around, 2 * math.pi * how / 0.4))
    return frame @ about_axis(1, spin)
