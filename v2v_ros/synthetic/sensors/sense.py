# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth sensors and what they do to depth: structured light, time of flight, stereo, and a generic camera.

All faults act on the inverse depth, as a triangulating sensor measures it: an error of s in 1/z is one of s z^2 in z,
and a surface that is not there has inverse depth 0. Sizes given in pixels are pixels of the true sensor; an image of
another focal length (a training crop) sees them scaled. Real sensors and their sources are in presets.py.

Sources of the models:
    Khoshelham and Elberink, "Accuracy and resolution of Kinect depth data for indoor mapping applications", Sensors 12,
    2012: disparity steps and random error growing with z^2.
    Nguyen, Izadi, Lovell, "Modeling Kinect sensor noise for improved 3D reconstruction and tracking", 3DIMPVT 2012:
    lateral noise at edges (about 0.8 pixels), errors and losses on steep surfaces.
    Sarbolandi, Lefloch, Kolb, "Kinect range sensing: structured-light versus time-of-flight Kinect", Computer Vision
    and Image Understanding 139, 2015: flying pixels, multipath, wiggling error, amplitude-dependent noise.
    Keselman, Woodfill, Grunnet-Jepsen, Bhowmik, "Intel RealSense stereoscopic depth cameras", CVPR workshops 2017, and
    Grunnet-Jepsen, Sweetser, Woodfill, "Tuning depth cameras for best performance", Intel: RMS error as z^2 times a
    subpixel error over focal length times baseline; 1/32 pixel steps; matching windows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch.nn import functional

from ..chance import Draw
from ..render import Cameras
from .faults import NEVER_FARTHER, Steep, column_of, delay, fray_edges, kept, match_windows, outside_hexagon, shadow
from .presets import GENERIC, KINDS, PRESETS, STEREO, STRUCTURED_LIGHT, TIME_OF_FLIGHT

_SHARES = (0.2, 0.25, 0.25, 0.3)  # shares of the kinds among random sensors
_EXACT = ("kind", "focal", "half_width", "field", "near", "far", "unit", "baseline")  # no strengths


@dataclass(frozen=True)
class Sensors:
    """Parameters of a batch of sensors, each a tensor [B]; float except kind. A strength of 0 switches a fault off.

    Attributes:
        kind: long; index into presets.KINDS.
        focal: Pixels of the true sensor. An image that is finer keeps only the pixels that the sensor would have.
        half_width: Tangent of half the horizontal field of view: where a stereo pair's left image ends.
        field: Tangent of the half angle to the flat sides of a hexagonal field of illumination; infinite: none.
        near, far: Metres; depth outside is invalid.
        unit: Metres, of the wire's integers; 0: none.
        baseline: Metres from camera to projector or second camera, positive to the right; it casts the shadow.
        white: Standard deviation per pixel at 1 m, metres; grows with z^2.
        bumps: The same for errors that neighbouring pixels share.
        floor: Standard deviation per pixel that does not depend on distance, metres.
        step: Quantisation at 1 m, metres; grows with z^2 (one disparity step over focal length times baseline).
        edge: Width in pixels of the band along depth edges that is lost.
        mixed: Width in pixels of the band along depth edges whose pixels take another depth: something between
            (flying pixels: time of flight, generic) or one of the two surfaces (lateral noise: the others).
        holes: Share of the pixels that are lost in patches.
        grazing: Probability of losing a pixel on a surface seen at 80 degrees; falls to 0 at 63 degrees.
        multipath: Weight of the surroundings in a pixel's depth (time of flight).
        wiggle: Amplitude of the error periodic in distance, metres (time of flight).
        fatten: Pixels by which the foreground grows over the background (stereo).
        vanish: Share of the image where things thinner than two windows of ``fatten`` are not seen (stereo).
    """

    kind: torch.Tensor
    focal: torch.Tensor
    half_width: torch.Tensor
    field: torch.Tensor
    near: torch.Tensor
    far: torch.Tensor
    unit: torch.Tensor
    baseline: torch.Tensor
    white: torch.Tensor
    bumps: torch.Tensor
    floor: torch.Tensor
    step: torch.Tensor
    edge: torch.Tensor
    mixed: torch.Tensor
    holes: torch.Tensor
    grazing: torch.Tensor
    multipath: torch.Tensor
    wiggle: torch.Tensor
    fatten: torch.Tensor
    vanish: torch.Tensor

    @staticmethod
    def preset(name: str, batch: int = 1, device: torch.device | str = "cpu") -> Sensors:
        """Return the same real sensor for every sample.

        Args:
            name: Name of a preset, a key of presets.PRESETS.
            batch: Number of samples.
            device: Device of the tensors.

        Raises:
            ValueError: There is no preset of that name.
        """
        if name not in PRESETS:
            raise ValueError(f"unknown sensor '{name}'; known are {', '.join(PRESETS)}")
        row = PRESETS[name]
        values = {f.name: torch.full((batch,), getattr(row, f.name), device=device) for f in fields(Sensors)[1:]}
        return Sensors(kind=torch.full((batch,), KINDS.index(row.kind), device=device), **values)

    @staticmethod
    def sample(
        batch: int, generator: torch.Generator, near_only: bool = False, distance: torch.Tensor | None = None
    ) -> Sensors:
        """Sample sensors of random kinds with parameters around those of the presets.

        Args:
            batch: Number of sensors.
            generator: Source of the random numbers.
            near_only: Choice of sensors for hands: ranges of a metre or two are as common as long ones.
            distance: Distance of the subject, float [B] metres: the ranges are drawn around it. Without it, they hold
                all subjects at 0.2 to 1.5 m (near_only) or 0.8 to 4.5 m.
        """
        draw = Draw(batch, generator)
        device, uniform = draw.device, draw.uniform

        def about(factor: float) -> torch.Tensor:  # between 1 / factor and factor
            return torch.tensor(factor, device=device) ** uniform(-1, 1)

        kind = draw.weighted(draw.tensor(_SHARES))
        rows = torch.empty_like(kind)
        names = list(PRESETS)
        for index, label in enumerate(KINDS):
            of_kind = torch.tensor([i for i, name in enumerate(names) if PRESETS[name].kind == label], device=device)
            rows = torch.where(kind == index, of_kind[draw.integers(len(of_kind))], rows)
        table = {
            f.name: torch.tensor([getattr(PRESETS[name], f.name) for name in names], device=device)[rows]
            for f in fields(Sensors)[1:]
        }
        plain = kind == GENERIC  # from nearly clean to poor, not around a preset
        for name, high in (("white", 0.008), ("bumps", 0.010), ("step", 0.006), ("edge", 2.0), ("mixed", 1.0)):
            table[name] = torch.where(plain, high * draw.rand() ** 2, table[name] * about(2.0))
        table["holes"] = torch.where(plain, 0.1 * draw.rand() ** 2, table["holes"] * uniform(0, 3))
        for name in ("floor", "grazing", "multipath", "wiggle", "vanish"):
            table[name] = table[name] * uniform(0, 2)
        table["fatten"] = table["fatten"] * uniform(0, 1.5)
        table["grazing"] = table["grazing"].clamp_max(1)
        # Half resolutions are common.
        table["focal"] = torch.where(plain, 500.0, table["focal"]) * 2.0 ** uniform(-0.7, 0.3)
        table["half_width"] = table["half_width"] * uniform(1, 1.3)
        table["field"] = torch.where(draw.some(0.5), table["field"] * uniform(1, 1.5), torch.inf)
        table["baseline"] = table["baseline"] * about(1.3) * torch.where(draw.some(0.25), -1, 1)  # or upside down
        units = draw.tensor([1e-4, 1.25e-4, 2.5e-4, 1e-3, 1e-3, 1e-3])
        other = units[draw.integers(len(units))]
        table["unit"] = torch.where(draw.some(0.5), other, table["unit"])

        nearest, farthest = (0.2, 1.5) if near_only else (0.8, 4.5)
        least = torch.full_like(kind, nearest, dtype=torch.float32) if distance is None else 0.75 * distance - 0.1
        most = torch.full_like(least, farthest) if distance is None else 1.2 * distance + 0.1
        reach = torch.where(draw.some(0.5), draw.rand(), 20.0) if near_only else uniform(0, 8)
        table["near"] = torch.minimum(least, uniform(0.1, 0.5))
        table["far"] = most + reach
        return Sensors(kind=kind, **table)

    def scaled(self, strength: float) -> Sensors:
        """Return the sensors with all faults times a strength.

        With 0, they are cameras without faults, but with limits to their ranges; with 1, copies.
        """
        part = min(1.0, strength)
        limits = {name: getattr(self, name) / max(part, 1e-9) for name in ("focal", "half_width", "field")}
        steps = {name: getattr(self, name) * part for name in ("unit", "baseline")}
        faults = {f.name: getattr(self, f.name) * strength for f in fields(self) if f.name not in _EXACT}
        return replace(self, **limits, **steps, **faults)

    def select(self, index: torch.Tensor) -> Sensors:
        """Return the sensors of some samples."""
        return Sensors(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class Draws:
    """The random draws for a batch of images, each float [B, H, W].

    Attributes:
        white, bumps: Numbers that are about standard normal; bumps are smooth.
        fate, between: Numbers that are uniform in [0, 1).
        patches: Numbers that are about uniform in [0, 1), smooth.
    """

    white: torch.Tensor
    bumps: torch.Tensor
    fate: torch.Tensor
    between: torch.Tensor
    patches: torch.Tensor

    @staticmethod
    def draw(batch: int, height: int, width: int, generator: torch.Generator) -> Draws:
        """Draw the numbers for images of height x width pixels."""
        draw = Draw(batch, generator)

        def smooth(cell: int) -> torch.Tensor:
            coarse = draw.randn(1, max(2, height // cell), max(2, width // cell))
            # Bilinear means have 2/3 of the standard deviation, on average over a cell.
            return 1.5 * functional.interpolate(coarse, (height, width), mode="bilinear")[:, 0]

        return Draws(
            draw.randn(height, width),
            smooth(6),
            draw.rand(height, width),
            draw.rand(height, width),
            torch.special.ndtr(smooth(10)),
        )

    def crop(self, top: int, left: int, height: int, width: int) -> Draws:
        """Return a view of a part of the fields: as good as a new draw for an image smaller than they are."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        return Draws(**{f.name: getattr(self, f.name)[:, rows, columns] for f in fields(self)})

    def select(self, index: torch.Tensor) -> Draws:
        """Return the draws of some samples."""
        return Draws(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def sense(depth: torch.Tensor, cameras: Cameras, sensors: Sensors, draws: Draws) -> torch.Tensor:
    """Return what sensors make of depth.

    Args:
        depth: Depth float [B, H, W] in metres; infinite where nothing is. It is not changed.
        cameras: Cameras that the depth was rendered with.
        sensors: Sensors [B].
        draws: Random numbers for the pixels, [B, H, W] each.

    Returns:
        float [B, H, W] metres, NaN where invalid.
    """
    kinds = sensors.kind.unique().tolist()
    if len(kinds) == 1:
        return _sense_kind(kinds[0], depth, cameras, sensors, draws)
    result = torch.empty_like(depth)
    for kind in kinds:
        index = (sensors.kind == kind).nonzero()[:, 0]
        some = Cameras(cameras.focal[index], cameras.principal[index], cameras.width, cameras.height)
        result[index] = _sense_kind(kind, depth[index], some, sensors.select(index), draws.select(index))
    return result


def _sense_kind(kind: int, depth: torch.Tensor, cameras: Cameras, sensors: Sensors, draws: Draws) -> torch.Tensor:
    """Do what :func:`sense` does, for sensors of one kind, without the steps that no sensor of the batch needs."""
    scale = cameras.focal / sensors.focal  # image pixels per pixel of the sensor
    inverse = depth.reciprocal()
    if kind == STEREO:
        inverse = match_windows(inverse, scale, sensors, draws)
    lost = torch.zeros_like(inverse, dtype=torch.bool)
    if (sensors.holes > 0).any():
        lost |= draws.patches < column_of(sensors.holes)
    if kind in (STRUCTURED_LIGHT, STEREO) and (sensors.baseline != 0).any():
        lost |= shadow(inverse, cameras.focal * sensors.baseline)
    if kind == STEREO:
        x = (torch.arange(cameras.width, device=depth.device) - cameras.principal[:, :1]) / cameras.focal[:, None]
        lost |= inverse * column_of(sensors.baseline.abs()) > x[:, None] + column_of(sensors.half_width)
    if sensors.field.isfinite().any():
        lost |= outside_hexagon(cameras, sensors.field)
    if (scale > 1).any():
        lost |= ~kept(cameras, scale)

    # A coarse image does not show what neighbouring pixels share: there, bumps are as good as white.
    shared = scale.clamp_max(1)
    white = (sensors.white.square() + sensors.bumps.square() * (1 - shared)).sqrt()
    error = draws.white * column_of(white)
    if (sensors.bumps > 0).any():
        error.addcmul_(draws.bumps, column_of(sensors.bumps * shared.sqrt()))
    if kind == TIME_OF_FLIGHT:
        error /= 0.5 * draws.patches + 0.75  # surfaces reflect more or less light; weak light is noisy
    if bool((sensors.grazing > 0).any()) or bool((sensors.edge > 0).any()) or bool((sensors.mixed > 0).any()):
        fray_edges(kind, inverse, lost, error, Steep.find(inverse, cameras.focal, scale), sensors, draws, scale)
    lost |= inverse < NEVER_FARTHER
    if kind == TIME_OF_FLIGHT:
        inverse = delay(inverse, sensors)

    inverse += error
    if (sensors.step > 0).any():
        step = column_of(sensors.step).clamp_min(1e-7)
        inverse.div_(step).round_().mul_(step)
    z = inverse.reciprocal_()
    if (sensors.floor > 0).any():
        z.addcmul_(draws.white, column_of(sensors.floor), value=-1)  # an error in 1/z that is positive makes z smaller
    if (sensors.unit > 0).any():
        unit = column_of(sensors.unit).clamp_min(1e-7)
        z.div_(unit).round_().mul_(unit)
    lost |= z < column_of(sensors.near)
    lost |= z > column_of(sensors.far)
    return z.masked_fill_(lost, torch.nan)
