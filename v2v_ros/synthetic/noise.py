"""What depth sensors do to depth: noise that grows with distance, bumps, steps, frayed edges, holes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch.nn import functional


@dataclass(frozen=True)
class SensorNoise:
    """Strengths for a batch of images; 0 switches a fault off.

    Attributes:
        white: float [B], standard deviation at 1 m per pixel, metres; grows with z squared.
        bumps: float [B], the same for errors that neighbouring pixels share, as stereo matching makes them.
        step: float [B], quantisation at 1 m, metres; grows with z squared.
        edge_loss: float [B], share of the pixels at depth edges that are lost.
        flying: float [B], share of the pixels at depth edges that lie between the surfaces.
        holes: float [B], share of all pixels that are lost, in patches.
    """

    white: torch.Tensor
    bumps: torch.Tensor
    step: torch.Tensor
    edge_loss: torch.Tensor
    flying: torch.Tensor
    holes: torch.Tensor

    @staticmethod
    def sample(batch: int, generator: torch.Generator, strength: float = 1.0) -> SensorNoise:
        """Random sensors, from nearly clean to poor."""

        def uniform(high: float) -> torch.Tensor:
            draw = torch.rand(batch, generator=generator, device=generator.device)
            return strength * high * draw.square()  # good sensors are as common as poor ones are bad

        return SensorNoise(uniform(0.008), uniform(0.010), uniform(0.006), uniform(1.0), uniform(0.5), uniform(0.10))


@dataclass(frozen=True)
class NoiseFields:
    """The random draws for a batch of images, each float [B, H, W].

    Attributes:
        white, bumps: Standard normal; bumps are smooth.
        fate, between, patches: Uniform in [0, 1); patches are smooth.
    """

    white: torch.Tensor
    bumps: torch.Tensor
    fate: torch.Tensor
    between: torch.Tensor
    patches: torch.Tensor

    @staticmethod
    def draw(batch: int, height: int, width: int, generator: torch.Generator) -> NoiseFields:
        device = generator.device

        def smooth(coarse: torch.Tensor) -> torch.Tensor:
            return functional.interpolate(coarse[:, None], (height, width), mode="bilinear")[:, 0]

        def size(cell: int) -> tuple[int, int, int]:
            return batch, max(2, height // cell), max(2, width // cell)

        return NoiseFields(
            torch.randn(batch, height, width, generator=generator, device=device),
            smooth(torch.randn(*size(6), generator=generator, device=device)),
            torch.rand(batch, height, width, generator=generator, device=device),
            torch.rand(batch, height, width, generator=generator, device=device),
            smooth(torch.rand(*size(10), generator=generator, device=device)),
        )

    def crop(self, top: int, left: int, height: int, width: int) -> NoiseFields:
        """A view of part of the fields: as good as a new draw for an image smaller than they are."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        return NoiseFields(**{f.name: getattr(self, f.name)[:, rows, columns] for f in fields(self)})


def apply_noise(depth: torch.Tensor, noise: SensorNoise, draws: NoiseFields) -> torch.Tensor:
    """Noisy copy of depth [B, H, W] in metres; infinity and lost pixels become NaN."""

    def column(value: torch.Tensor) -> torch.Tensor:
        return value[:, None, None]

    far = 10.0  # metres; stands for no surface
    filled = depth.clamp_max(far)
    lowest, highest = _neighbour_range(filled)
    edge = highest - lowest > 0.02
    flying = edge & (draws.fate > 1 - column(noise.flying)) & (highest < far)
    lost = (filled >= far) | (edge & (draws.fate < column(noise.edge_loss)))
    # The bilinear mean of uniform numbers has few small values: the square root makes the share come out about right.
    lost |= draws.patches < 0.5 * column(noise.holes).sqrt()

    z = torch.where(flying, lowest + (highest - lowest) * draws.between, filled)
    z2 = z.square()
    z = z + z2 * (column(noise.white) * draws.white + column(noise.bumps) * draws.bumps)
    step = (column(noise.step) * z2).clamp_min(1e-5)
    z = (z / step).round() * step
    return torch.where(lost | (z <= 0), torch.nan, z)


def _neighbour_range(depth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest and highest value among every pixel of [B, H, W] and its eight neighbours."""
    padded = functional.pad(depth[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]

    def over(reduce: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        rows = reduce(reduce(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
        return reduce(reduce(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])

    return over(torch.minimum), over(torch.maximum)
