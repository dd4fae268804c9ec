# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The surface of a hand: fingers, webs, palm, ball of the thumb, forearm and sleeve as a sphere-mesh."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from ..chance import about_axis
from ..spheres import Spheres, sheet, tapered_capsule

FOREARM = 0.25
"""Length of the forearm in metres."""
_WAIST = 0.93  # radius in the middle of a phalanx, as a share of what its two joints suggest


@dataclass(frozen=True)
class HandShape:
    """Sizes of a batch of hands, in metres.

    Attributes:
        bones: float [B, 5, 3], index to little finger, then thumb.
        bases: float [B, 5, 3], knuckles and thumb base in the hand frame.
        radii: float [B, 5, 4].
        palm: float [B], half the thickness of the palm at the wrist.
        forearm: float [B], radius of the bare forearm at the wrist.
        flare: float [B], how much wider the forearm is at its far end.
        cuff: float [B], where the sleeve begins, from the wrist up the arm; infinity: bare.
        sleeve: float [B], by how much the sleeve is wider than the arm.
    """

    bones: torch.Tensor
    bases: torch.Tensor
    radii: torch.Tensor
    palm: torch.Tensor
    forearm: torch.Tensor
    flare: torch.Tensor
    cuff: torch.Tensor
    sleeve: torch.Tensor

    def repeat(self, times: int) -> HandShape:
        """Return every hand ``times`` times in a row."""
        return HandShape(**{f.name: getattr(self, f.name).repeat_interleave(times, 0) for f in fields(self)})


def forearm_frame(wrist: torch.Tensor) -> torch.Tensor:
    """Axes of the forearm [B, 3, 3] in the hand frame, for wrist angles [B, 2]; column 1 points from elbow to wrist."""
    return about_axis(0, wrist[:, 0]) @ about_axis(2, wrist[:, 1])


def hand_surface(shape: HandShape, wrist: torch.Tensor, fingers: torch.Tensor) -> Spheres:
    """Surface in the hand frame of right hands.

    Args:
        wrist: float [B, 2]: flexion and deviation of the forearm.
        fingers: float [B, 5, 4, 3]: the joints of fingers and thumb.
    """
    radii, base, palm = shape.radii, shape.bases, shape.palm
    x, y, z = torch.eye(3, device=palm.device).unbind(0)
    parts = []
    for bone, count in enumerate((6, 5, 4)):  # all five fingers at once
        start, end = fingers[:, :, bone], fingers[:, :, bone + 1]
        if bone == 2:  # the joint called tip is the end of the finger, not the middle of its last sphere
            along = torch.nn.functional.normalize(end - start, dim=-1)
            end = end - 0.85 * radii[..., 3, None] * along
        t = torch.linspace(0, 1, count, device=palm.device)
        waist = 1 - (1 - _WAIST) * (t * math.pi).sin() * (1 if bone < 2 else 0)
        r = torch.lerp(radii[..., bone, None], radii[..., bone + 1, None], t) * waist
        centers = start[..., None, :] + t[:, None] * (end - start)[..., None, :]
        parts.append(Spheres(centers.flatten(1, 2), r.flatten(1, 2)))

    # Skin between the fingers reaches to about two fifths of the proximal phalanges.
    for share, thin in ((0.2, 0.9), (0.45, 0.65)):
        points = torch.lerp(fingers[:, :4, 0], fingers[:, :4, 1], share)
        webs = (points[:, :3] + points[:, 1:]) / 2
        parts.append(Spheres(webs, thin * torch.minimum(radii[:, :3, 0], radii[:, 1:4, 0])))

    # Metacarpals and the flesh between them: thick at the wrist, thin at the knuckles, hollow on the palmar side.
    hollow = -0.10 * palm[:, None] * z
    radial, ulnar = 0.75 * base[:, 0] * x + hollow + 0.006 * y, 0.78 * base[:, 3] * x + hollow + 0.006 * y
    knuckles, widths = _halfway(base[:, :4]), _halfway(radii[:, :4, :1])[..., 0]
    across = torch.linspace(0, 1, 7, device=palm.device)[:, None]
    starts = torch.lerp(radial[:, None], ulnar[:, None], across)
    for start, end, r in zip(starts.unbind(1), knuckles.unbind(1), widths.unbind(1), strict=True):
        parts.append(tapered_capsule(start, end, palm, r, 9))
    # Ball of the thumb, and the web from its metacarpal to that of the index finger, thinning out to the edge.
    cmc, mcp = fingers[:, 4, 0], fingers[:, 4, 1]
    ball = 0.12 * palm[:, None] * z
    inner = torch.lerp(cmc, 0.42 * base[:, 0] + 0.25 * base[:, 1], 0.5) + ball
    parts.append(
        sheet(
            (cmc, mcp),
            (inner, torch.lerp(mcp, 0.55 * base[:, 0], 0.4)),
            (1.02 * palm, 0.97 * radii[:, 4, 1]),
            (1.08 * palm, 0.8 * palm),
            rows=6,
            columns=3,
        )
    )
    parts.append(
        sheet(
            (torch.lerp(cmc, mcp, 0.15), torch.lerp(cmc, mcp, 0.88)),
            (0.40 * base[:, 0], 0.88 * base[:, 0]),
            (0.9 * palm, 0.62 * radii[:, 4, 1]),
            (palm, 0.62 * radii[:, 0, 0]),
            rows=6,
            columns=4,
        )
    )
    # Heel of the hand on the little finger's side.
    heel = 1.1 * ulnar + 0.2 * palm[:, None] * z + 0.8 * palm[:, None] * y
    pad = 0.86 * base[:, 3] + 0.2 * palm[:, None] * z
    parts.append(tapered_capsule(heel, pad, 1.0 * palm, 0.9 * palm, 6))
    # Pads of the palm below the fingers.
    parts.append(Spheres(0.9 * base[:, :4] + 0.15 * palm[:, None, None] * z, 0.95 * radii[:, :4, 0]))
    parts.append(forearm_surface(shape, wrist))
    return Spheres.join(parts)


def _halfway(rows: torch.Tensor) -> torch.Tensor:
    """Return rows [B, N, C] with the means of neighbours between them [B, 2 N - 1, C]."""
    means = (rows[:, :-1] + rows[:, 1:]) / 2
    return torch.cat((torch.stack((rows[:, :-1], means), dim=2).flatten(1, 2), rows[:, -1:]), dim=1)


def forearm_surface(shape: HandShape, wrist: torch.Tensor) -> Spheres:
    """Return two strands of spheres, for an arm is wider than thick, and the edge of the sleeve around them."""
    frame = forearm_frame(wrist)
    across, up_the_arm, out = frame[:, None, :, 0], -frame[:, None, :, 1], frame[:, None, :, 2]
    t = torch.linspace(0, 1, 24, device=shape.palm.device)
    bare = 0.8 * shape.forearm[:, None] * (1 + (shape.flare[:, None] - 1) * t)
    along = 0.002 + (FOREARM - 0.002) * t
    clad = along > shape.cuff[:, None] + 0.8 * bare
    radius = bare + torch.where(clad, shape.sleeve[:, None], 0.0)
    parts = []
    for side in (-1.0, 1.0):
        centers = along[:, None] * up_the_arm + (side * 0.38 * bare)[..., None] * across
        parts.append(Spheres(centers, radius))
    angle = torch.linspace(0, 2 * math.pi, 29, device=t.device)[:-1]
    cuff = shape.cuff[:, None].nan_to_num(posinf=0.0)
    thick = 0.005 + 0.3 * shape.sleeve[:, None]
    arm = 0.8 * shape.forearm[:, None] * (1 + (shape.flare[:, None] - 1) * cuff / FOREARM)
    rim = arm + shape.sleeve[:, None] - thick + 0.0015  # flush with the sleeve
    ring = ((rim + 0.38 * arm) * angle.cos())[..., None] * across + (rim * angle.sin())[..., None] * out
    there = thick * shape.cuff.isfinite()[:, None]
    parts.append(Spheres(ring + cuff[..., None] * up_the_arm, there.expand(-1, 28)))
    return Spheres.join(parts)
