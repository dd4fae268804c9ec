# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What every reader of a dataset offers: frames by index, in this package's units, frame and joint order.

The on-disk formats end in this folder. Labels are read when a dataset is opened, images when they are asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .specs import DatasetSpec

Split = Literal["train", "test"]


class DatasetError(ValueError):
    """A dataset, or a file of it, cannot be used. The message names the file, the line and what was expected."""


class DepthDataset(ABC):
    """Labelled depth frames of one split of a dataset, in the order in which the literature counts them.

    Attributes:
        spec: Facts about the dataset.
        folder: Folder of the dataset.
        split: ``train`` or ``test``.
        intrinsics: Intrinsics of all frames; those of the spec unless others were given.
        joints: float32 [F, J, 3] metres in the camera's optical frame (y down), in the skeleton's order; NaN where
            there is no label.
        valid: bool [F]: whether a frame counts; frames that the published protocol leaves out do not.
        test_subject: Test subject, for datasets that are split by leaving one subject out; else None.
    """

    test_subject: int | None = None

    def __init__(
        self,
        spec: DatasetSpec,
        folder: Path,
        split: Split,
        joints: NDArray[np.float32],
        valid: NDArray[np.bool_],
        intrinsics: Intrinsics | None = None,
    ) -> None:
        self.spec, self.folder, self.split = spec, folder, split
        self.joints, self.valid = joints, valid
        self.intrinsics = intrinsics or spec.intrinsics

    def __len__(self) -> int:
        return len(self.joints)

    @abstractmethod
    def frame_name(self, index: int) -> str:
        """Return what a frame is called: its file, relative to the folder, or its id."""

    @abstractmethod
    def depth(self, index: int) -> NDArray[np.float32]:
        """Depth image of a frame.

        Returns:
            float32 [H, W] metres along z, NaN where there is no measurement.

        Raises:
            DatasetError: Its file is missing or broken.
        """

    def window(self, index: int) -> tuple[NDArray[np.float32], int, int]:
        """Return the part of a frame's depth image that shows the subject, where it is faster to get; here the whole
        image.

        Returns:
            float32 [h, w] metres as in ``depth``, and the column and the row of its first pixel in the image.

        Raises:
            DatasetError: As ``depth`` does.
        """
        return self.depth(index), 0, 0

    def covers(self, centers: NDArray[np.floating], edge: float) -> NDArray[np.bool_]:
        """Return whether the images show all that was measured in cubes, as far as it is in view; here they always do.

        Args:
            centers: [F, 3] metres, one for each frame; NaN: no cube.
            edge: Edge of the cubes, metres.

        Returns:
            bool [F].
        """
        return np.ones(len(self), np.bool_)
