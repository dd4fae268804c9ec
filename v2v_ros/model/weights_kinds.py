# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The kinds of weights: what each is for, and what a file says of it, so that a file alone is enough to run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from ..geometry.skeletons import Skeleton, get_skeleton
from .calibration import Calibration
from .detector_network import DetectorConfig, DetectorNet
from .network import CenterRefiner, CenterRefinerConfig, NetworkConfig, V2VPoseNet
from .weights_file import WeightsFile, check_state, parse_config, with_state
from .weights_refiner import JointRefinerWeights


class StoredWeights:
    """Weights as a file keeps them; the kinds of weights are dataclasses that add their fields."""

    FORMAT: ClassVar[str]  # in the header
    CONTENT: ClassVar[str]  # name of the kind, for messages
    COMMAND: ClassVar[str]  # command that writes such a file, for messages
    CONFIG: ClassVar[type[Any]]
    NETWORK: ClassVar[type[nn.Module]]

    id: str
    config: Any
    state: dict[str, torch.Tensor]
    training: dict[str, Any]

    def header(self) -> dict[str, str]:
        """Return what the file's header says."""
        return {
            "format": self.FORMAT,
            "id": self.id,
            "network": json.dumps(self.config.to_dict()),
            "training": json.dumps(self.training),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what the file holds."""
        return self.state

    @classmethod
    def fields_of(cls, file: WeightsFile) -> dict[str, Any]:
        """Return the values of the dataclass's fields, from a file.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: The file is damaged.
        """
        return {
            "id": file.header["id"],
            "config": parse_config(cls.CONFIG, file.header["network"]),
            "state": file.state,
            "training": dict(json.loads(file.header["training"])),
            "hash": file.hash,
        }

    def check(self) -> None:
        """Raise unless the values go together.

        Raises:
            ValueError, RuntimeError: They do not; the message says which.
        """
        check_state(self.NETWORK, self.config, self.state)


class CubeWeights(StoredWeights):
    """Weights of networks that look into a skeleton's cubes, as a file keeps them."""

    skeleton: Skeleton
    cube_edge: float

    def header(self) -> dict[str, str]:
        return super().header() | {"skeleton": self.skeleton.name, "cube_edge": str(self.cube_edge)}

    @classmethod
    def fields_of(cls, file: WeightsFile) -> dict[str, Any]:
        return super().fields_of(file) | {
            "skeleton": get_skeleton(file.header["skeleton"]),
            "cube_edge": float(file.header["cube_edge"]),
        }

    def check(self) -> None:
        if not 0 < self.cube_edge < math.inf:
            raise ValueError(f"the edge of its cubes is {self.cube_edge}")
        super().check()


@dataclass(frozen=True)
class Weights(CubeWeights):
    """A pose network's weights and what they are for.

    Attributes:
        id: Name, such as ``hand21_lite``.
        skeleton: Skeleton whose joints the heatmaps are of.
        config: Size of the network.
        cube_edge: Edge in metres of the cubes it was trained on.
        state: State dictionary of a :class:`~v2v_ros.model.network.V2VPoseNet`, float32.
        training: Record of how they came to be: data, budget, figures.
        calibration: Tables of what the heatmaps' peaks and moments mean; None: they are reported as they are.
        heatmap_offset: Heatmap cells to subtract from the heatmap coordinates of networks trained on targets that were
            rounded down; such targets (:mod:`v2v_ros.model.paper`) lie 0.25 cells beyond the joint on average.
        refiner: Joint refiner, which makes joints of the heatmaps' peaks; None: each joint is the highest peak of its
            heatmap.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.

    Raises:
        ValueError: The offset is not within one cell.
    """

    id: str
    skeleton: Skeleton
    config: NetworkConfig
    cube_edge: float
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    heatmap_offset: float = 0.0
    refiner: JointRefinerWeights | None = None
    hash: str = ""

    FORMAT = "v2v_ros.weights.1"
    CONTENT = "pose weights"
    COMMAND = "v2v train"
    CONFIG = NetworkConfig
    NETWORK = V2VPoseNet

    def __post_init__(self) -> None:
        if not abs(self.heatmap_offset) <= 1:  # false for NaN as well
            raise ValueError(f"heatmap_offset must lie in [-1, 1] heatmap cells, got {self.heatmap_offset}")

    def build(self) -> V2VPoseNet:
        """Return the network with these weights, in evaluation mode, on the CPU."""
        return with_state(V2VPoseNet(self.config), self.state)

    def header(self) -> dict[str, str]:
        header = super().header()
        if self.calibration is not None:
            header["calibration"] = json.dumps(self.calibration.to_dict())
        if self.heatmap_offset:
            header["heatmap_offset"] = str(self.heatmap_offset)
        if self.refiner is not None:
            header["joint_refiner"] = self.refiner.header(header)
        return header

    def tensors(self) -> dict[str, torch.Tensor]:
        refiner = {} if self.refiner is None else self.refiner.state
        return self.state | {JointRefinerWeights.PREFIX + key: value for key, value in refiner.items()}

    @classmethod
    def fields_of(cls, file: WeightsFile) -> dict[str, Any]:
        calibration = json.loads(file.header.get("calibration", "null"))
        return super().fields_of(file) | {
            "state": {
                key: value for key, value in file.state.items() if not key.startswith(JointRefinerWeights.PREFIX)
            },
            "calibration": None if calibration is None else Calibration.from_dict(calibration),
            "heatmap_offset": float(file.header.get("heatmap_offset", 0)),
            "refiner": JointRefinerWeights.of_file(file),
        }

    def check(self) -> None:
        if self.config.joints != len(self.skeleton.joint_names):
            raise ValueError(f"{self.config.joints} heatmaps do not fit the skeleton '{self.skeleton.name}'")
        super().check()


@dataclass(frozen=True)
class CenterWeights(CubeWeights):
    """A centre refiner's weights and what they are for.

    Attributes:
        id: Name, such as ``hand21_center``.
        skeleton: Skeleton whose reference point is found.
        config: Size of the network.
        cube_edge: Edge in metres of the skeleton's cubes, the unit of the offsets; the refiner's own are wider.
        state: State dictionary of a :class:`~v2v_ros.model.network.CenterRefiner`, float32.
        training: Record of how they came to be: data, budget, figures.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.
    """

    id: str
    skeleton: Skeleton
    config: CenterRefinerConfig
    cube_edge: float
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    FORMAT = "v2v_ros.center.1"
    CONTENT = "centre weights"
    COMMAND = "v2v train --network center"
    CONFIG = CenterRefinerConfig
    NETWORK = CenterRefiner

    def build(self) -> CenterRefiner:
        """Return the network with these weights, in evaluation mode, on the CPU."""
        return with_state(CenterRefiner(self.config), self.state)


@dataclass(frozen=True)
class DetectorWeights(StoredWeights):
    """A detector's weights: for hands and bodies alike.

    Attributes:
        id: Name, such as ``detector``.
        config: Size of the network.
        state: State dictionary of a :class:`~v2v_ros.model.detector_network.DetectorNet`, float32.
        training: Record of how they came to be: data, budget, figures.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.
    """

    id: str
    config: DetectorConfig
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    FORMAT = "v2v_ros.detector.1"
    CONTENT = "detector weights"
    COMMAND = "v2v train --network detector"
    CONFIG = DetectorConfig
    NETWORK = DetectorNet

    def build(self) -> DetectorNet:
        """Return the network with these weights, in evaluation mode, on the CPU."""
        return with_state(DetectorNet(self.config), self.state)
