# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What decides a comparison, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...model.network import NetworkConfig
from ..config import TrainingConfig
from ..precision import AUTO
from .data import SKELETON


@dataclass(frozen=True)
class ComparisonConfig:
    """Everything that decides a comparison but its seeds; all four networks are trained alike.

    Attributes:
        grid, width, sigma: Size of V2V-PoseNet (:class:`~v2v_ros.model.network.NetworkConfig`); the others follow.
        samples: Samples that each network sees.
        batch: Samples a step.
        learning_rate: Highest learning rate of hidden kernels where heatmaps come out; a tenth for everything else.
        coordinate_learning_rate: The same where coordinates come out.
        decay: Decay of the moving average of the weights, a step.
        clip: Largest norm of the gradient.
        precision: Precision of Lightning's trainer: one of :data:`~v2v_ros.training.config.PRECISIONS`.
        held_out: Samples that the networks are judged on.

    Raises:
        ValueError: A value is unknown or out of its range; the message names it.
    """

    grid: int = 48
    width: int = 8
    sigma: float = 1.7
    samples: int = 40_000
    batch: int = 8
    learning_rate: float = 0.02
    coordinate_learning_rate: float = 0.005
    decay: float = 0.999
    clip: float = 10.0
    precision: str = AUTO
    held_out: int = 1024

    def __post_init__(self) -> None:
        for name in ("samples", "batch", "coordinate_learning_rate", "held_out"):
            if not getattr(self, name) > 0:
                raise ValueError(f"--{name.replace('_', '-')} must be above zero, got {getattr(self, name)}")
        self.training(heatmaps=True, seed=0)

    def network(self) -> NetworkConfig:
        """Size of V2V-PoseNet."""
        return NetworkConfig(len(SKELETON.joint_names), self.grid, self.width, self.sigma)

    def training(self, heatmaps: bool, seed: int) -> TrainingConfig:
        """Return the configuration of one network's run.

        Args:
            heatmaps: Whether heatmaps come out of the network; otherwise coordinates.
            seed: Seed of the samples and the initialisation.

        Raises:
            ValueError: A value is unknown or out of its range; the message names it.
        """
        return TrainingConfig(
            skeleton=SKELETON.name,
            grid=self.grid,
            width=self.width,
            sigma=self.sigma,
            samples=self.steps * self.batch,
            batch=self.batch,
            learning_rate=self.learning_rate if heatmaps else self.coordinate_learning_rate,
            decay=self.decay,
            clip=self.clip,
            seed=seed,
            validation_samples=self.held_out,
            precision=self.precision,
            schedule="cosine",
        )

    @property
    def steps(self) -> int:
        """Number of steps of a training."""
        return -(-self.samples // self.batch)

    @property
    def millimetres_per_cell(self) -> float:
        """Size of a heatmap cell."""
        return 1000 * SKELETON.cube_edge / self.network().heatmap

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def folder_config(folder: Path, given: dict[str, Any]) -> ComparisonConfig:
    """Return the configuration of a comparison that was begun in a folder, or a new one from what is given.

    Raises:
        ValueError: The folder's is another one, or cannot be read.
    """
    path = folder / "config.json"
    if not path.is_file():
        return ComparisonConfig(**given)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not JSON ({error}): choose another --output, or remove the folder") from error
    names = {field.name for field in fields(ComparisonConfig)}
    if not isinstance(values, dict) or values.keys() != names:
        raise ValueError(f"'{path}' is not this version's: choose another --output, or remove the folder")
    for name, value in given.items():
        if values[name] != value:
            raise ValueError(
                f"the comparison in '{folder}' was begun with {name} {values[name]}, not {value}: leave the option "
                "out to go on with it, or choose another --output"
            )
    return ComparisonConfig(**values)
