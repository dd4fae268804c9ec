"""What decides a comparison, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...model.network import NetworkConfig
from ..precision import AUTO, trains_in_bfloat16
from .data import SKELETON

PRECISIONS = (AUTO, "bf16", "float32")


@dataclass(frozen=True)
class ComparisonConfig:
    """Everything that decides a comparison but its seeds; all four networks are trained alike.

    Attributes:
        grid, width, sigma: Of V2V-PoseNet (:class:`~v2v_ros.model.network.NetworkConfig`); the other networks follow.
        samples: That each network sees.
        batch: Samples a step.
        learning_rate: Highest learning rate of hidden kernels where heatmaps come out; a tenth for everything else.
        coordinate_learning_rate: The same where coordinates come out.
        decay: Of the moving average of the weights, a step.
        clip: Largest norm of the gradient.
        precision: ``bf16`` for mixed precision, ``float32``, or ``auto`` for whichever the processor is fast at.
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
        if self.precision not in PRECISIONS:
            raise ValueError(f"unknown precision '{self.precision}'; choose one of: {', '.join(PRECISIONS)}")
        for name in ("samples", "batch", "learning_rate", "coordinate_learning_rate", "clip", "held_out"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above zero, got {getattr(self, name)}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be from 0 to below 1, got {self.decay}")
        self.network()

    def network(self) -> NetworkConfig:
        """Size of V2V-PoseNet."""
        return NetworkConfig(len(SKELETON.joint_names), self.grid, self.width, self.sigma)

    def training_precision(self, device: str) -> tuple[str, str]:
        """``bf16`` or ``float32`` for a kind of device, and what there is to say about it, or an empty string."""
        asked = None if self.precision == AUTO else self.precision == "bf16"
        mixed, note = trains_in_bfloat16(asked, self.grid, device)
        return "bf16" if mixed else "float32", note

    @property
    def steps(self) -> int:
        """Of a training."""
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
