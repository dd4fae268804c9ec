# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From a depth image to skeletons: searching, looking and tracking."""

from ..geometry.camera import Intrinsics
from .estimator import PoseEstimator

__all__ = ["Intrinsics", "PoseEstimator"]
