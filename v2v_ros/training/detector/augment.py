# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Augmentation of rendered scenes: mirrored, nearer, in part, without background, with holes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from ...geometry.skeletons import BODY15
from ...synthetic.chance import Draw
from ...synthetic.scenes.whole import ABSENT, SEEN, UNCLEAR, Scenes

_SMALLEST, _NARROWEST, _WIDEST = 6.0, 60.0, 230.0  # pixels: of a hand's palm, of focal lengths
_PALM = 0.09  # metres


def augment_scenes(scenes: Scenes, generator: torch.Generator) -> Scenes:
    """Scenes with their labels, changed at random; depth becomes float32."""
    draw = Draw(len(scenes.depth), generator)
    scenes = replace(scenes, depth=scenes.depth.float())
    scenes = _mirror(scenes, draw.some(0.5))
    scenes = _zoom(scenes, draw)
    depth = _cut_background(scenes.depth, scenes, draw)
    depth = _window(depth, scenes, draw)
    return _out_of_sight(replace(scenes, depth=_holes(_tatters(depth, draw), draw)))


def _mirror(scenes: Scenes, which: torch.Tensor) -> Scenes:
    width = scenes.depth.shape[2]
    sign = torch.where(which, -1.0, 1.0)
    flip = torch.stack((sign, torch.ones_like(sign), torch.ones_like(sign)), dim=1)[:, None]
    principal = scenes.principal.clone()
    principal[:, 0] = torch.where(which, width - 1 - principal[:, 0], principal[:, 0])
    return replace(
        scenes,
        depth=torch.where(which[:, None, None], scenes.depth.flip(2), scenes.depth),
        principal=principal,
        hand_centers=scenes.hand_centers * flip,
        hand_joints=scenes.hand_joints * flip[:, None],
        body_joints=torch.where(
            which[:, None, None, None], scenes.body_joints[:, :, BODY15.mirrored] * flip[:, None], scenes.body_joints
        ),
        hand_left=scenes.hand_left ^ which[:, None],
    )


def _zoom(scenes: Scenes, draw: Draw) -> Scenes:
    """Half of the images enlarged or made smaller, and moved; what comes in from outside is not valid."""
    _, height, width = scenes.depth.shape
    scale = torch.exp2(draw.uniform(-0.8, 0.8)).maximum(_NARROWEST / scenes.focal).minimum(_WIDEST / scenes.focal)
    changed = draw.some(0.5)
    scale = torch.where(changed, scale, 1.0)
    # An image that does not fill the frame lies anywhere in it, one that overfills it shows any part.
    size = scale.new_tensor([width, height])
    free = size - size * scale[:, None]
    move = torch.where(changed[:, None], free * draw.rand(2) + draw.normal(4.0, 2), 0.0)
    u = ((torch.arange(width, device=scale.device) - move[:, :1]) / scale[:, None]).round().long()
    v = ((torch.arange(height, device=scale.device) - move[:, 1:]) / scale[:, None]).round().long()
    inside = ((u >= 0) & (u < width))[:, None, :] & ((v >= 0) & (v < height))[:, :, None]
    index = v.clamp(0, height - 1)[:, :, None] * width + u.clamp(0, width - 1)[:, None, :]
    depth = scenes.depth.flatten(1).gather(1, index.flatten(1)).view_as(scenes.depth)
    return replace(
        scenes,
        depth=torch.where(inside, depth, torch.nan),
        focal=scenes.focal * scale,
        principal=scenes.principal * scale[:, None] + move,
    )


def _cut_background(depth: torch.Tensor, scenes: Scenes, draw: Draw) -> torch.Tensor:
    """Make all invalid from somewhere behind the subjects on in an eighth of the images."""
    farthest = torch.cat(
        (
            torch.where(scenes.hand_state == SEEN, scenes.hand_centers[..., 2] + 0.12, 0.0),
            torch.where(scenes.body_state == SEEN, scenes.body_centers[..., 2] + 0.4, 0.0),
        ),
        dim=1,
    ).amax(1)
    limit = torch.where(farthest > 0, farthest, draw.uniform(0.5, 3.0)) + 0.8 * draw.rand().square()
    return torch.where((draw.some(0.12)[:, None, None]) & (depth > limit[:, None, None]), torch.nan, depth)


def _window(depth: torch.Tensor, scenes: Scenes, draw: Draw) -> torch.Tensor:
    """Narrow a few images to a view about a hand, or about anything."""
    _, height, width = depth.shape
    z = scenes.hand_centers[:, 0, 2].clamp_min(0.1)
    middle = scenes.hand_centers[:, 0, :2] / z[:, None] * scenes.focal[:, None] + scenes.principal
    of_hand = scenes.hand_state[:, 0] == SEEN
    middle = torch.where(of_hand[:, None], middle, draw.rand(2) * middle.new_tensor([width, height]))
    half = torch.where(of_hand, scenes.focal / z, draw.uniform(60, 300))[:, None] * draw.uniform(0.11, 0.22, 2)
    middle = middle + 0.25 * half * draw.uniform(-1.0, 1.0, 2)
    u = torch.arange(width, device=depth.device)[None] - middle[:, :1]
    v = torch.arange(height, device=depth.device)[None] - middle[:, 1:]
    shown = (u.abs() < half[:, :1])[:, None, :] & (v.abs() < half[:, 1:])[:, :, None]
    return torch.where(draw.some(0.06)[:, None, None] & ~shown, torch.nan, depth)


def _tatters(depth: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Leave what is nearer or farther than some depth in tatters in some images, as where stereo finds no match."""
    _, height, width = depth.shape
    noise = draw.normal(1.0, 1, height // 3, width // 8) + 0.5 * draw.normal(1.0, 1, 1, width // 8)
    patches = functional.interpolate(noise, (height, width), mode="bilinear")[:, 0]
    middle = torch.where(depth.isnan(), 0.0, depth).flatten(1)
    pick = (middle.shape[1] * draw.rand(1)).long()
    bound = middle.gather(1, pick)[:, :, None]
    reached = torch.where(draw.some(0.7)[:, None, None], depth < bound, depth > bound)
    lost = patches < draw.uniform(-0.6, 0.7)[:, None, None]
    return torch.where(lost & reached & draw.some(0.08)[:, None, None], torch.nan, depth)


def _holes(depth: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Let pixels be missing regularly or at random in a tenth of the images."""
    _, height, width = depth.shape
    rows = torch.arange(height, device=depth.device)[None, :, None]
    columns = torch.arange(width, device=depth.device)[None, None, :]
    kind, every = draw.rand()[:, None, None], (2 + 3 * draw.rand()).long()[:, None, None]
    checkers = (rows + columns) % 2 == 0
    lines = (rows + 0 * columns) % every == 0
    noise = draw.rand(height, width) > draw.uniform(0.15, 0.8)[:, None, None]
    lost = torch.where(kind < 0.2, checkers, torch.where(kind < 0.5, lines, noise))
    return torch.where(lost & draw.some(0.1)[:, None, None], torch.nan, depth)


def _out_of_sight(scenes: Scenes) -> Scenes:
    """Subjects whose anchors are no longer in the image, or of which nothing is left, and hands that became too small
    are unclear."""
    _, height, width = scenes.depth.shape
    known = scenes.depth.isfinite()

    def seen(points: torch.Tensor, state: torch.Tensor, half: float) -> torch.Tensor:
        z = points[..., 2].clamp_min(0.05)
        pixels = points[..., :2] / z[..., None] * scenes.focal[:, None, None] + scenes.principal[:, None]
        inside = ((pixels > 1) & (pixels < pixels.new_tensor([width - 2, height - 2]))).all(-1)
        near = pixels.round().long()
        u, v = near[..., 0].clamp(0, width - 1), near[..., 1].clamp(0, height - 1)
        # Some of the depth about the anchor must be left.
        size = (scenes.focal[:, None] * half / z).clamp(2, 12)
        share = torch.zeros_like(z)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                column = (u + dx * size).long().clamp(0, width - 1)
                row = (v + dy * size).long().clamp(0, height - 1)
                share += known.flatten(1).gather(1, row * width + column)
        return torch.where((inside & (share > 0)) | (state == ABSENT), state, torch.full_like(state, UNCLEAR))

    hands = seen(scenes.hand_centers, scenes.hand_state, 0.03)
    wide = scenes.focal[:, None] * _PALM / scenes.hand_centers[..., 2].clamp_min(0.05)
    hands = torch.where((hands == SEEN) & (wide < _SMALLEST), torch.full_like(hands, UNCLEAR), hands)
    return replace(scenes, hand_state=hands, body_state=seen(scenes.body_anchors, scenes.body_state, 0.1))
