"""From a depth image to skeletons: searching, looking and tracking."""

from ..geometry.camera import Intrinsics
from .estimator import PoseEstimator

__all__ = ["Intrinsics", "PoseEstimator"]
