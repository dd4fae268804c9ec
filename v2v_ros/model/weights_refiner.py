# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A joint refiner's weights, as they lie in the file of the pose weights they belong to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from .calibration import Calibration
from .joint_refiner import JointRefiner, JointRefinerConfig
from .weights_file import WeightsFile, check_state, parse_config, with_state


@dataclass(frozen=True)
class JointRefinerWeights:
    """A joint refiner's weights, which belong to those of the pose network whose peaks it has learnt from.

    Attributes:
        config: Size of the refiner.
        state: State dictionary of a :class:`~v2v_ros.model.joint_refiner.JointRefiner`, float32.
        calibration: Tables that correct its probabilities and covariances; None: they are reported as they are.
        knows_others: Whether it has learnt what is no subject, so that its probability of one means something.
        training: Record of how they came to be: data, budget, figures.
    """

    config: JointRefinerConfig
    state: dict[str, torch.Tensor]
    calibration: Calibration | None = None
    knows_others: bool = True
    training: dict[str, Any] = field(default_factory=dict)

    PREFIX: ClassVar[str] = "joint_refiner."  # before the names of its tensors in a file of pose weights

    def build(self) -> JointRefiner:
        """Return the refiner with these weights, in evaluation mode, on the CPU."""
        return with_state(JointRefiner(self.config), self.state)

    def header(self, pose: dict[str, str]) -> str:
        """Return its entry in the header of the pose weights' file, which names the network it belongs to."""
        about = {
            "skeleton": pose["skeleton"],
            "network": pose["network"],
            "config": self.config.to_dict(),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "knows_others": self.knows_others,
            "training": self.training,
        }
        return json.dumps(about)

    @classmethod
    def of_file(cls, file: WeightsFile) -> JointRefinerWeights | None:
        """Return the joint refiner in a file of pose weights, if it has one.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: It is damaged, or was trained for another network.
        """
        state = {key.removeprefix(cls.PREFIX): value for key, value in file.state.items() if key.startswith(cls.PREFIX)}
        if "joint_refiner" not in file.header:
            if state:
                raise ValueError("it has a joint refiner that the header does not describe")
            return None
        about = json.loads(file.header["joint_refiner"])
        for name in ("skeleton", "network"):
            if about[name] != file.header[name]:
                raise ValueError(
                    f"its joint refiner was trained on the peaks of another network ({name} {about[name]}, "
                    f"not {file.header[name]}): train one for these weights"
                )
        calibration = about["calibration"]
        refiner = cls(
            config=parse_config(JointRefinerConfig, json.dumps(about["config"])),
            state=state,
            calibration=None if calibration is None else Calibration.from_dict(calibration),
            knows_others=bool(about["knows_others"]),
            training=dict(about["training"]),
        )
        if refiner.config.joints != json.loads(file.header["network"])["joints"]:
            raise ValueError("its joint refiner is for another number of joints")
        check_state(JointRefiner, refiner.config, state)
        return refiner
