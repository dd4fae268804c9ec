# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The faults of depth sensors, one function each; sensors.py puts them together and names their sources.

Images are inverse depth, float [B, H, W] in 1 / metres, 0 where nothing is; ``scale`` [B] is image pixels per pixel of
the sensor.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ..render import Cameras
from .presets import GENERIC, TIME_OF_FLIGHT

if TYPE_CHECKING:
    from .sense import Draws, Sensors

NEVER_FARTHER = 1e-2  # inverse metres; what lies at 100 m or beyond counts as no surface
_WIGGLE_PERIOD = 0.5  # metres


def column_of(value: torch.Tensor) -> torch.Tensor:
    """Reshape [B] to [B, 1, 1], to go with images."""
    return value[:, None, None]


@dataclass(frozen=True)
class Steep:
    """The pixels [N] where depth changes fast: sample, row and column, and what was found there.

    Attributes:
        lowest, highest: Inverse depth among the pixel and its neighbours.
        slope: Slope of z against the image plane, as a tangent, at least 2.
        edge: Whether the change is a jump from one surface to another.
    """

    sample: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    lowest: torch.Tensor
    highest: torch.Tensor
    slope: torch.Tensor
    edge: torch.Tensor

    @staticmethod
    def find(inverse: torch.Tensor, focal: torch.Tensor, scale: torch.Tensor) -> Steep:
        lowest, highest = neighbours(inverse, torch.minimum), neighbours(inverse, torch.maximum)
        # dz = d(1/z) z^2 over two pixels, each z / focal wide.
        steep = highest - lowest > inverse.clamp_min(NEVER_FARTHER).mul_(column_of(4 / focal))
        sample, row, column = steep.nonzero(as_tuple=True)
        low, high, own = (image[sample, row, column] for image in (lowest, highest, inverse))
        slope = (high - low) / own.clamp_min(NEVER_FARTHER) * (focal[sample] / 2)
        # A jump: of 1.5 cm at least, and steeper than 80 degrees, or 69 degrees if coarse pixels hide how steep it is.
        edge = (high - low > 0.015 * own.square()) & (slope > 5.7 * scale[sample].clamp(0.45, 1))
        return Steep(sample, row, column, low, high, slope, edge)


def fray_edges(
    kind: int,
    inverse: torch.Tensor,
    lost: torch.Tensor,
    error: torch.Tensor,
    steep: Steep,
    sensors: Sensors,
    draws: Draws,
    scale: torch.Tensor,
) -> None:
    """Lose or mix pixels at edges and on slanted surfaces: changes ``inverse``, ``lost``, ``error``, all [B, H, W]."""
    at = steep.sample, steep.row, steep.column
    own, fate, between = inverse[at], draws.fate[at], draws.between[at]
    band, mixed = sensors.edge * scale / 2, sensors.mixed * scale / 2  # the neighbourhood's band is 2 pixels wide
    gone = torch.where(
        steep.edge, fate < band[steep.sample], (steep.slope - 2) * (sensors.grazing[steep.sample] / 3.7) > between
    )
    if kind in (TIME_OF_FLIGHT, GENERIC):  # something between, unless nothing lies behind
        behind = torch.where(steep.lowest < NEVER_FARTHER, steep.highest, steep.lowest)
    else:
        behind, between = steep.lowest, between.round()
    taken = steep.edge & (fate > 1 - mixed[steep.sample])
    inverse[at] = torch.where(taken, behind.lerp(steep.highest, between), own)
    lost[at] |= gone
    if kind == TIME_OF_FLIGHT:
        error[at] *= 1 + 0.25 * (steep.slope - 2).clamp_max(20)  # little light comes back from slanted surfaces
    if (band > 1).any():  # wider than the neighbourhood: one pixel more on either side
        height, width = lost.shape[1:]
        wide = (steep.edge & (band[steep.sample] > 1)).nonzero()[:, 0]
        sample, chance = steep.sample[wide], band[steep.sample[wide]] - 1
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            row = (steep.row[wide] + down).clamp(0, height - 1)
            column = (steep.column[wide] + right).clamp(0, width - 1)
            lost[sample, row, column] |= draws.fate[sample, row, column] < chance


def shadow(inverse: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Pixels [B, H, W] that a projector or second camera beside the camera does not see.

    Args:
        inverse: float [B, H, W], 1 / metres.
        shift: float [B], focal length times baseline: pixels times metres; positive for a projector on the right, whose
            shadows fall to the left.
    """
    right = column_of(shift > 0)
    some, every = bool(right.any()), bool(right.all())

    def turned(image: torch.Tensor) -> torch.Tensor:  # so that the projector stands at the left
        if every or not some:
            return image.flip(-1) if every else image
        return torch.where(right, image.flip(-1), image)

    columns = torch.arange(inverse.shape[-1], device=inverse.device, dtype=inverse.dtype)
    place = torch.addcmul(columns, turned(inverse), column_of(shift.abs()))  # the projector's column
    return turned(place.cummax(-1).values > place + 0.25)


def neighbours(image: torch.Tensor, reduce: Callable[..., torch.Tensor]) -> torch.Tensor:
    """Return an elementwise minimum or maximum over every pixel of [B, H, W] and its eight neighbours."""
    for axis in (1, 2):
        last = image.shape[axis] - 1
        result = torch.empty_like(image)
        pairs = reduce(image.narrow(axis, 1, last), image.narrow(axis, 0, last))
        reduce(pairs.narrow(axis, 1, last - 1), pairs.narrow(axis, 0, last - 1), out=result.narrow(axis, 1, last - 1))
        result.select(axis, 0).copy_(pairs.select(axis, 0))
        result.select(axis, last).copy_(pairs.select(axis, last - 1))
        image = result
    return image


def match_windows(inverse: torch.Tensor, scale: torch.Tensor, sensors: Sensors, draws: Draws) -> torch.Tensor:
    """Return what windows make of the picture: the foreground grows, thin things melt together or vanish."""
    radius = column_of((sensors.fatten * scale).clamp_max(6))
    ragged = draws.patches
    rounds = int(radius.max().ceil())
    if bool((sensors.vanish > 0).any()) and rounds > 0:
        opened = inverse
        for index in range(rounds):
            opened = torch.where(radius - index > 0.5, neighbours(opened, torch.minimum), opened)
        for index in range(rounds):
            opened = torch.where(radius - index > 0.5, neighbours(opened, torch.maximum), opened)
        inverse = torch.where(1 - ragged < column_of(sensors.vanish), opened, inverse)
    for index in range(rounds):
        inverse = torch.where(radius - index > ragged, neighbours(inverse, torch.maximum), inverse)
    return inverse


def delay(inverse: torch.Tensor, sensors: Sensors) -> torch.Tensor:
    """Inverse depth by light that also came by other ways, and by a modulation that is no sine."""
    z = inverse.clamp_min(0.1).reciprocal()
    if (sensors.multipath > 0).any():
        coarse = functional.avg_pool2d(z[:, None], 8, ceil_mode=True)
        blurred = functional.interpolate(coarse, z.shape[1:], mode="bilinear")
        z = torch.addcmul(z, column_of(sensors.multipath), (blurred[:, 0] - z).clamp(-0.2, 0.2))
    if (sensors.wiggle > 0).any():
        z = torch.addcmul(z, column_of(sensors.wiggle), (z * (2 * torch.pi / _WIGGLE_PERIOD)).sin())
    return z.reciprocal()


def outside_hexagon(cameras: Cameras, field: torch.Tensor) -> torch.Tensor:
    """Pixels [B, H, W] outside a hexagon with a corner to either side, whose flat sides are ``field`` from the axis."""
    u = torch.arange(cameras.width, device=field.device) - cameras.principal[:, :1]
    v = torch.arange(cameras.height, device=field.device) - cameras.principal[:, 1:]
    u, v = u.abs()[:, None, :], v.abs()[:, :, None]
    limit = column_of(field * cameras.focal)
    return (0.866 * u + 0.5 * v > limit) | (v > limit)


def kept(cameras: Cameras, scale: torch.Tensor) -> torch.Tensor:
    """Pixels [B, H, W] of images finer than the sensor's that are the nearest to one of the sensor's pixels."""

    def axis(size: int, principal: torch.Tensor) -> torch.Tensor:
        borders = torch.arange(size + 1, device=scale.device) - 0.5 - principal[:, None]
        sensor = (borders / scale[:, None].clamp_min(1)).ceil()
        return sensor[:, 1:] > sensor[:, :-1]  # the middle of a sensor's pixel lies in this one

    rows, columns = axis(cameras.height, cameras.principal[:, 1]), axis(cameras.width, cameras.principal[:, 0])
    return rows[:, :, None] & columns[:, None, :]
