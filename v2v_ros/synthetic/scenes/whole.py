"""Whole depth images with hands and people in them, or without, to train a detector on.

Every scene has a setting: somebody near who holds hands towards the camera, people near and far, the viewer's own
arms, a hand and forearm alone, rooms, floors and tables without anybody. Scenes are built level (x right, y down, z
forward, the camera at the origin) and then turned into the camera's frame: it looks up to 60 degrees down or up, with
a roll of up to 30 degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from ...geometry.camera import Intrinsics
from ..body.rooms import Place, chairs, decoys, furniture, room
from ..chance import Draw, about_axis
from ..hand.decoys import decoys as hand_decoys
from ..hand.held import held_things
from ..hand.kinematics import HandPose, pose_hand, sample_shape
from ..hand.poses import sample_families, sample_fingers, sample_pose
from ..hand.surroundings import clutter, walls
from ..hand.worlds import mirrored
from ..render import Cameras, render_boxes, render_planes, render_spheres
from ..sensors.sense import Draws, Sensors, sense
from ..spheres import Spheres
from ..worlds import Boxes, Worlds, image_cameras
from .people import People, sample_people
from .things import scattered

WIDTH, HEIGHT = 160, 120
ABSENT, SEEN, UNCLEAR = 0, 1, 2
"""What is known of a subject: it is not there, it is to be found, it may be found."""
HANDS, BODIES = 4, 2  # in a scene, at most
SETTINGS = {"toward": 5, "near": 2, "far": 5, "own": 1, "hand": 2, "room": 2, "floor": 2, "table": 2}
"""Settings and how many of so many batches each has."""
_TORSO, _HIPS = 8, slice(9, 11)  # joints of body15
_HAND_RANGE, _BODY_RANGE = (0.12, 1.7), (0.5, 5.5)  # metres, in which subjects are to be found
_SMALLEST = 6.0  # pixels that the palm of a hand to be found is wide, of 160 that the image has
_PALM = 0.09  # metres


@dataclass(frozen=True)
class Scenes:
    """A batch of sensed scenes and what is in them; metres, in the camera's optical frame.

    Attributes:
        depth: float32 [B, H, W], NaN where invalid; 120 x 160 for training.
        focal: float32 [B] pixels.
        principal: float32 [B, 2] pixels.
        hand_centers: float32 [B, 4, 3], means of the 21 joints.
        hand_left: bool [B, 4].
        hand_state: uint8 [B, 4], ABSENT, SEEN or UNCLEAR.
        body_centers: float32 [B, 2, 3], means of the 15 joints.
        body_anchors: float32 [B, 2, 3], the torso joints, which are seen more often than the means.
        body_state: uint8 [B, 2].
    """

    depth: torch.Tensor
    focal: torch.Tensor
    principal: torch.Tensor
    hand_centers: torch.Tensor
    hand_left: torch.Tensor
    hand_state: torch.Tensor
    body_centers: torch.Tensor
    body_anchors: torch.Tensor
    body_state: torch.Tensor

    def subjects(self, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return reference points and anchors float [B, K, 3], states uint8 [B, K] and left bool [B, K] of a kind."""
        if kind == "hand":
            return self.hand_centers, self.hand_centers, self.hand_state, self.hand_left
        never = torch.zeros_like(self.body_state, dtype=torch.bool)
        return self.body_centers, self.body_anchors, self.body_state, never

    @staticmethod
    def join(parts: list[Scenes]) -> Scenes:
        return Scenes(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Scenes)})


@dataclass(frozen=True)
class _Stage:
    """Level worlds before they are seen.

    Attributes:
        surroundings: Spheres that are no part of a labelled subject.
        boxes, points, normals: Of the rest of the world.
        hands: Surfaces of up to four hands, each [B].
        hand_centers: float [B, H, 3].
        hand_left: bool [B, H].
        bodies: Surfaces of up to two bodies without detailed hands.
        body_joints: float [B, N, 15, 3].
        target: float [B, 3], what the camera looks at.
        distance: float [B], for which the sensor is chosen.
        is_near: The sensors are those for hands.
        any_roll: The camera is turned about its axis by any angle.
    """

    surroundings: Spheres
    boxes: Boxes
    points: torch.Tensor
    normals: torch.Tensor
    hands: list[Spheres]
    hand_centers: torch.Tensor
    hand_left: torch.Tensor
    bodies: list[Spheres]
    body_joints: torch.Tensor
    target: torch.Tensor
    is_near: bool
    any_roll: bool = False
    level: bool = True


def sample_scenes(
    batch: int, generator: torch.Generator, setting: str, camera: Intrinsics | None = None, sensor: str | None = None
) -> Scenes:
    """Random scenes of a setting.

    Args:
        camera: The same for all; None: random ones of 160 x 120 pixels.
        sensor: Name of the preset; None: random ones.

    Raises:
        ValueError: There is no such setting or sensor, or the camera's pixels are not square.
    """
    if setting not in SETTINGS:
        raise ValueError(f"unknown setting '{setting}'; choose one of: {', '.join(SETTINGS)}")
    draw = Draw(batch, generator)
    if setting in ("toward", "near", "far"):
        stage = _people(draw, setting)
    elif setting == "own":
        stage = _own_arms(draw)
    elif setting == "hand":
        stage = _hand_alone(draw)
    elif setting == "room":
        stage = _empty_room(draw)
    else:
        stage = _bare_surface(draw, setting)
    return _seen(draw, stage, _cameras(draw) if camera is None else image_cameras(batch, camera), sensor)


def sample_mixture(count: int, generator: torch.Generator, batch: int = 32) -> Scenes:
    """Scenes of all settings in their shares, ``batch`` in a row of each."""
    shares = torch.tensor([float(share) for share in SETTINGS.values()])
    names = list(SETTINGS)
    parts = []
    while count > 0:
        pick = int(torch.multinomial(shares, 1, generator=generator))
        parts.append(sample_scenes(min(batch, count), generator, names[pick]))
        count -= batch
    return Scenes.join(parts)


def _masked(spheres: Spheres, there: torch.Tensor) -> Spheres:
    return Spheres(spheres.centers, spheres.radii * there[:, None])


def _masked_boxes(boxes: Boxes, there: torch.Tensor) -> Boxes:
    return Boxes(boxes.centers, boxes.axes, boxes.halves * there[:, None, None])


def _people(draw: Draw, setting: str) -> _Stage:
    """One or two people in a room, nearer than 2.4 m with hands in detail."""
    near, far = {"toward": (0.5, 2.2), "near": (0.45, 2.4), "far": (1.5, 5.3)}[setting]
    distance = near + (far - near) * (draw.rand() if setting == "far" else draw.rand() ** 1.4)
    ground = torch.stack((distance * draw.normal(0.25).clamp(-0.5, 0.5), distance), dim=1)
    near_floor = draw.uniform(0.6, 1.9)
    floor = torch.where(draw.some(0.25), draw.uniform(0.15, 2.7), near_floor)
    present = ~draw.some(0.1)
    main = sample_people(
        draw,
        ground,
        floor,
        toward=0.6 if setting == "toward" else 0.1,
        facing=0.9 if setting == "toward" else 0.35,
        lying=0.15 if setting == "far" else 0.0,
        detailed=setting != "far",
    )
    apart = draw.uniform(0.5, 1.3) * torch.where(draw.some(0.5), -1.0, 1.0)
    beside = ground + torch.stack((apart, draw.uniform(-0.4, 1.8)), dim=1)
    company = draw.some(0.3) & (beside[:, 1] > 1.0) & present
    other = sample_people(draw, beside, floor, toward=0.2, facing=0.4, detailed=False)
    bare = draw.some(0.15) & present  # a removed background leaves the people alone
    place = Place(ground, floor, main.yaw, torch.zeros_like(bare))
    rods, stand_ins = decoys(draw, place, present)
    loose_spheres, loose_boxes = scattered(draw, floor, torch.full_like(floor, 0.8), distance + 1.5, 0.25, 1.0)
    seat = chairs(draw, place, main.joints[:, _HIPS].mean(1), main.height, main.sits & present)
    table = _table_below(draw, main, share=0.22 if setting != "far" else 0.1)
    points, normals = room(draw, place)
    near_spheres, near_boxes = clutter(draw, main.hand_centers[:, 0])
    some = draw.some(0.3) & ~bare
    shown = Boxes.join([stand_ins, furniture(draw, place), loose_boxes, seat, table])
    surroundings = Spheres.join(
        [
            _masked(Spheres.join([rods, loose_spheres]), ~bare),
            _masked(near_spheres, some),
            _masked(main.things, present),
        ]
    )
    boxes = Boxes.join(
        [_masked_boxes(shown, ~bare), _masked_boxes(near_boxes, some), _masked_boxes(main.boxes, present)]
    )
    hand = torch.where(draw.some(0.5)[:, None], main.hand_centers[:, 0], main.hand_centers[:, 1])
    at_hand = draw.some(0.6 if setting == "toward" else 0.3 if setting == "near" else 0.0)
    target = torch.where(at_hand[:, None], hand, main.joints.mean(1) if setting == "far" else main.joints[:, _TORSO])
    side = torch.tensor([False, True], device=draw.device).expand(draw.batch, 2)
    return _Stage(
        surroundings,
        boxes,
        points,
        normals * ~bare[:, None, None],
        [*(_masked(hand, present) for hand in main.hands), *(_masked(hand, company) for hand in other.hands)],
        torch.cat((main.hand_centers, other.hand_centers), dim=1),
        torch.cat((side, side), dim=1),
        [_masked(main.body, present), _masked(other.body, company)],
        torch.stack((main.joints, other.joints), dim=1),
        target,
        is_near=setting != "far",
    )


def _table_below(draw: Draw, people: People, share: float) -> Boxes:
    """A slab that hands or forearms rest on or hang over: boxes [B, 1]."""
    lowest = torch.stack([(h.centers[..., 1] + h.radii).amax(1) for h in people.hands], dim=1)
    which = draw.some(0.5)[:, None]
    level = torch.where(which, lowest[:, :1], lowest[:, 1:])[:, 0]
    hand = torch.where(which, people.hand_centers[:, 0], people.hand_centers[:, 1])
    halves = torch.stack((draw.uniform(0.2, 0.9), draw.uniform(0.01, 0.03), draw.uniform(0.15, 0.4)), dim=-1)
    gap = torch.where(draw.some(0.6), draw.uniform(-0.005, 0.01), draw.uniform(0.02, 0.15))
    # Mostly between the person and the camera.
    middle = torch.stack(
        (
            hand[:, 0] + draw.normal(0.2),
            level + gap + halves[:, 1],
            hand[:, 2] - draw.uniform(-0.5, 1.0) * halves[:, 2],
        ),
        dim=-1,
    )
    turned = about_axis(1, draw.normal(0.15))
    return Boxes(middle[:, None], turned[:, None], (halves * draw.some(share)[:, None])[:, None])


def _own_arms(draw: Draw) -> _Stage:
    """The arms of the viewer, of whom the camera is a head's or a chest's place, over a table or before a room; or of
    somebody who is seen from above."""
    above = draw.some(0.35)
    ground = torch.stack((draw.normal(0.06), torch.where(above, draw.uniform(0.2, 0.7), 0.0)), dim=1)
    floor = torch.where(above, draw.uniform(1.3, 2.3), 1.5)
    yaw = torch.where(above, draw.uniform(-math.pi, math.pi), math.pi + draw.normal(0.15))
    people = sample_people(draw, ground, floor, yaw=yaw, toward=0.75, ahead=True)
    # Cameras on heads, on chests, and on robots of that height, a little before the body.
    eye = torch.lerp(people.joints[:, 0], people.joints[:, _TORSO], draw.uniform(-0.2, 0.7)[:, None])
    move = torch.stack((draw.normal(0.05), 0 * floor, -draw.uniform(0.02, 0.14)), dim=-1) - eye
    move = torch.where(above[:, None], torch.zeros_like(move), move)
    people, floor = people.moved(move), floor + move[:, 1]
    # What is about the camera is not seen by it.
    near = (people.body.centers.norm(dim=-1) - people.body.radii < 0.12) | (people.body.centers[..., 1] < 0.02)
    body = Spheres(people.body.centers, people.body.radii * (above[:, None] | ~near))
    ahead = torch.full_like(floor, 0.3)
    on_table, table_boxes = scattered(draw, floor - draw.uniform(0.7, 0.9), ahead, ahead + 0.7, 0.2, 0.3)
    on_floor, floor_boxes = scattered(draw, floor, ahead + 0.5, ahead + 3.0, 0.2, 1.0)
    table = _table_below(draw, people, share=0.5)
    place = Place(ground + torch.tensor([0.0, 1.5], device=draw.device), floor, people.yaw, torch.zeros_like(above))
    points, normals = room(draw, place)
    present, bare = ~draw.some(0.1), draw.some(0.1)
    side = torch.tensor([False, True], device=draw.device).expand(draw.batch, 2)
    hand = torch.where(draw.some(0.5)[:, None], people.hand_centers[:, 0], people.hand_centers[:, 1])
    return _Stage(
        Spheres.join([_masked(Spheres.join([on_table, on_floor]), ~bare), _masked(people.things, present)]),
        Boxes.join(
            [
                _masked_boxes(Boxes.join([table_boxes, floor_boxes, table]), ~bare),
                _masked_boxes(people.boxes, present),
            ]
        ),
        points,
        normals * ~bare[:, None, None],
        [_masked(hand, present) for hand in people.hands],
        people.hand_centers,
        side,
        [_masked(body, present)],
        people.joints[:, None],
        hand,
        is_near=True,
    )


def _hand_alone(draw: Draw) -> _Stage:
    """One or two hands with forearms, before things and walls or before nothing."""
    batch, generator = draw.batch, draw.generator
    shape, family = sample_shape(batch, generator), sample_families(batch, generator)
    pose = sample_pose(shape, family, generator, 0.15, 1.5)
    joints, hand = pose_hand(shape, pose)
    things, thing_boxes = held_things(draw, shape, pose, family)
    centers = joints.mean(1)
    # The other hand: beside, in front, behind or touching; mostly that of the same person.
    apart = draw.directions() * draw.uniform(0.06, 0.3, 1) * centers.new_tensor([1.0, 0.7, 0.6])
    other_pose = sample_pose(shape, sample_families(batch, generator), generator, 0.15, 1.5)
    other_pose = HandPose(
        sample_fingers(shape, sample_families(batch, generator), generator),
        other_pose.wrist,
        other_pose.orientation,
        pose.position + apart,
    )
    is_left = draw.some(0.75)
    other_joints, other = pose_hand(shape, other_pose, left=is_left)
    two = draw.some(0.25)
    present = ~draw.some(0.12)
    decoy_spheres, decoy_boxes = hand_decoys(draw, centers, ~present)
    loose_spheres, loose_boxes = clutter(draw, centers)
    points, normals = walls(draw, centers, hand, ~present)
    bare = draw.some(0.3)
    kept = ~bare | ~present
    world = Worlds(
        Spheres.join(
            [
                _masked(things, present),
                decoy_spheres,
                _masked(loose_spheres, kept),
                _masked(hand, present),
                _masked(other, present & two),
            ]
        ),
        Boxes.join([_masked_boxes(thing_boxes, present), decoy_boxes, _masked_boxes(loose_boxes, kept)]),
        points,
        normals * kept[:, None, None],
        torch.cat((joints, other_joints), dim=1),
        centers,
        torch.zeros_like(present),
    )
    world = mirrored(world, draw.some(0.5))
    count = hand.radii.shape[1]
    parts = [
        Spheres(world.spheres.centers[:, part], world.spheres.radii[:, part])
        for part in (slice(0, -2 * count), slice(-2 * count, -count), slice(-count, None))
    ]
    return _Stage(
        parts[0],
        world.boxes,
        world.plane_points,
        world.plane_normals,
        parts[1:],
        world.joints.view(batch, 2, 21, 3).mean(2),
        torch.stack((world.left, is_left ^ world.left), dim=1),
        [],
        joints.new_zeros(batch, 0, 15, 3),
        world.centers,
        is_near=True,
        any_roll=True,
        level=False,
    )


def _empty_room(draw: Draw) -> _Stage:
    """A room with furniture and what could be taken for a person."""
    distance, floor = draw.uniform(0.8, 5.0), draw.uniform(0.3, 2.2)
    ground = torch.stack((distance * draw.normal(0.25), distance), dim=1)
    place = Place(ground, floor, draw.uniform(-math.pi, math.pi), torch.zeros_like(draw.some(0.5)))
    rods, boxes = decoys(draw, place, draw.some(0.3))
    loose, loose_boxes = scattered(draw, floor, torch.full_like(floor, 0.7), distance + 2, 0.4, 1.2)
    points, normals = room(draw, place)
    target = torch.stack((ground[:, 0], floor - draw.uniform(0.0, 1.5), ground[:, 1]), dim=-1)
    empty_chair = chairs(draw, place, target, torch.full_like(floor, 1.7), draw.some(0.4))
    return _nobody(
        draw,
        Spheres.join([rods, loose]),
        Boxes.join([boxes, loose_boxes, furniture(draw, place), empty_chair]),
        points,
        normals,
        target,
        is_near=False,
    )


def _bare_surface(draw: Draw, setting: str) -> _Stage:
    """A floor seen by a low camera, or a table, with what stands and lies on it."""
    table = setting == "table"
    height = draw.uniform(0.12, 0.6) if table else draw.uniform(0.12, 1.5)
    near = height * draw.uniform(0.3, 1.0) + 0.15
    far = near + (draw.uniform(0.3, 0.9) if table else draw.uniform(0.5, 3.0))
    share = 0.5
    spheres, boxes = scattered(draw, height, near, far, share, 0.25 if table else 0.9)
    more, more_boxes = scattered(draw, height, near, far, 0.3, 0.35 if table else 0.4)
    target = torch.stack((draw.normal(0.1), height, near + (far - near) * draw.rand()), dim=-1)
    around, around_boxes = hand_decoys(
        draw, target - torch.tensor([0.0, 0.05, 0.0], device=draw.device), draw.some(0.4)
    )
    points, normals = room(
        draw, Place(target[:, [0, 2]], height, draw.uniform(-3, 3), torch.zeros_like(draw.some(0.5)))
    )
    return _nobody(
        draw,
        Spheres.join([spheres, more, around]),
        Boxes.join([boxes, more_boxes, around_boxes]),
        points,
        normals,
        target,
        is_near=table,
    )


def _nobody(
    draw: Draw,
    spheres: Spheres,
    boxes: Boxes,
    points: torch.Tensor,
    normals: torch.Tensor,
    target: torch.Tensor,
    *,
    is_near: bool,
) -> _Stage:
    return _Stage(
        spheres,
        boxes,
        points,
        normals,
        [],
        target.new_zeros(draw.batch, 0, 3),
        torch.zeros(draw.batch, 0, dtype=torch.bool, device=draw.device),
        [],
        target.new_zeros(draw.batch, 0, 15, 3),
        target,
        is_near=is_near,
    )


def _seen(draw: Draw, stage: _Stage, cameras: Cameras, sensor: str | None) -> Scenes:
    """Turn the world into a camera's frame, render and sense it, and find out what can be seen of the subjects."""
    turn = _view(draw, stage, cameras)
    back = turn.transpose(1, 2)

    def turned(spheres: Spheres) -> Spheres:
        centers = spheres.centers @ back
        # Nothing may be so near to the camera that it fills the image.
        return Spheres(centers, spheres.radii * (centers[..., 2] - spheres.radii > 0.06))

    hands, bodies = [turned(hand) for hand in stage.hands], [turned(body) for body in stage.bodies]
    spheres = Spheres.join([turned(stage.surroundings), *hands, *bodies])
    boxes = Boxes(stage.boxes.centers @ back, turn[:, None] @ stage.boxes.axes, stage.boxes.halves)
    points, normals = stage.points @ back, stage.normals @ back
    depth = render_spheres(spheres, cameras)
    depth = torch.minimum(depth, render_planes(points, normals, cameras))
    depth = torch.minimum(depth, render_boxes(boxes.centers, boxes.axes, boxes.halves, cameras))
    target = (turn @ stage.target[..., None])[:, 2, 0].clamp_min(0.2)
    sensors = (
        Sensors.sample(draw.batch, draw.generator, near_only=stage.is_near, distance=target)
        if sensor is None
        else Sensors.preset(sensor, draw.batch)
    )
    sensed = sense(depth, cameras, sensors, Draws.draw(draw.batch, cameras.height, cameras.width, draw.generator))

    centers = stage.hand_centers @ back
    joints = stage.body_joints @ back[:, None]
    hand_state = [_hand_state(hand, centers[:, index], depth, sensed, cameras) for index, hand in enumerate(hands)]
    body_state = [_body_state(body, joints[:, index], depth, sensed, cameras) for index, body in enumerate(bodies)]
    return Scenes(
        sensed.float(),
        cameras.focal.float(),
        cameras.principal.float(),
        _padded(centers.float(), HANDS),
        _padded(stage.hand_left, HANDS),
        _padded(_stacked(hand_state, draw), HANDS),
        _padded(joints.mean(2).float(), BODIES),
        _padded(joints[:, :, _TORSO].float(), BODIES),
        _padded(_stacked(body_state, draw), BODIES),
    )


def _stacked(states: list[torch.Tensor], draw: Draw) -> torch.Tensor:
    if not states:
        return torch.zeros(draw.batch, 0, dtype=torch.uint8, device=draw.device)
    return torch.stack(states, dim=1)


def _padded(values: torch.Tensor, count: int) -> torch.Tensor:
    """Values [B, K, ...] with zeros up to K = count."""
    missing = count - values.shape[1]
    return torch.cat((values, values.new_zeros(values.shape[0], missing, *values.shape[2:])), dim=1)


def _cameras(draw: Draw) -> Cameras:
    """Focal lengths of 0.5 to 1.3 widths, principal points near the middle."""
    focal = WIDTH * torch.where(draw.some(0.85), draw.uniform(0.55, 1.15), draw.uniform(0.42, 1.35))
    middle = focal.new_tensor([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    return Cameras(focal, middle + draw.normal(2.0, 2), WIDTH, HEIGHT)


def _view(draw: Draw, stage: _Stage, cameras: Cameras) -> torch.Tensor:
    """Rotations [B, 3, 3] into frames of cameras that see the target somewhere in the image."""
    if not stage.level:
        roll = torch.where(draw.some(0.5), draw.normal(0.2), draw.uniform(-math.pi, math.pi))
        return about_axis(2, roll)
    x, y, z = stage.target.unbind(-1)
    off = draw.uniform(-0.42, 0.42, 2) * torch.where(draw.some(0.75), 0.7, 1.1)[:, None]
    across = (off[:, 0] * cameras.width / cameras.focal).atan()
    down = (off[:, 1] * cameras.height / cameras.focal).atan()
    # Turned to the target about the vertical, then about the camera's x axis, as cameras on stands are.
    yaw = -(torch.atan2(x, z) - across)
    pitch = torch.atan2(y, (x.square() + z.square()).sqrt()) - down
    pitch = pitch.clamp(-math.radians(62), math.radians(75))
    roll = torch.where(draw.some(0.8), draw.normal(0.06), draw.uniform(-0.53, 0.53))
    if stage.any_roll:
        roll = draw.uniform(-math.pi, math.pi)
    return about_axis(2, roll) @ about_axis(0, pitch) @ about_axis(1, yaw)


def _shares(
    spheres: Spheres, depth: torch.Tensor, sensed: torch.Tensor, cameras: Cameras, tolerance: float
) -> torch.Tensor:
    """Of a surface's spheres, the share [B] that the sensor sees: middles in the image, valid there, and not hidden by
    what is nearer by more than the tolerance in metres."""
    z = spheres.centers[..., 2]
    there = spheres.radii > 0
    pixels = spheres.centers[..., :2] / z.clamp_min(0.02)[..., None] * cameras.focal[:, None, None]
    u, v = (pixels + cameras.principal[:, None]).round().unbind(-1)
    inside = there & (u >= 0) & (u < cameras.width) & (v >= 0) & (v < cameras.height) & (z > 0.05)
    index = v.clamp(0, cameras.height - 1).long() * cameras.width + u.clamp(0, cameras.width - 1).long()
    clean = depth.flatten(1).gather(1, index)
    valid = sensed.isfinite().flatten(1).gather(1, index)
    visible = inside & (clean > z - spheres.radii - tolerance) & valid
    return visible.sum(1) / there.sum(1).clamp_min(1)


def _hand_state(
    hand: Spheres, center: torch.Tensor, depth: torch.Tensor, sensed: torch.Tensor, cameras: Cameras
) -> torch.Tensor:
    """uint8 [B]: hands are to be found in their range, large enough, half of them visible."""
    near = (hand.centers - center[:, None]).norm(dim=-1) < 0.11
    part = Spheres(hand.centers, hand.radii * near)
    exists = (hand.radii > 0).any(1)
    visible = _shares(part, depth, sensed, cameras, 0.06)
    z = center[:, 2]
    wide = cameras.focal * (WIDTH / cameras.width) * _PALM / z.clamp_min(0.02)
    clear = (visible > 0.4) & (z > _HAND_RANGE[0]) & (z < _HAND_RANGE[1]) & (wide > _SMALLEST)
    return torch.where(exists, torch.where(clear, SEEN, UNCLEAR), ABSENT).to(torch.uint8)


def _body_state(
    body: Spheres, joints: torch.Tensor, depth: torch.Tensor, sensed: torch.Tensor, cameras: Cameras
) -> torch.Tensor:
    """uint8 [B]: bodies are to be found in their range, with the torso in the image and a good part visible."""
    exists = (body.radii > 0).any(1)
    visible = _shares(body, depth, sensed, cameras, 0.25)
    torso, z = joints[:, _TORSO], joints.mean(1)[:, 2]
    pixel = torso[:, :2] / torso[:, 2:].clamp_min(0.05) * cameras.focal[:, None] + cameras.principal
    inside = (pixel > 0).all(1) & (pixel < pixel.new_tensor([cameras.width - 1.0, cameras.height - 1.0])).all(1)
    clear = (visible > 0.4) & inside & (z > _BODY_RANGE[0]) & (z < _BODY_RANGE[1])
    return torch.where(exists, torch.where(clear, SEEN, UNCLEAR), ABSENT).to(torch.uint8)
