"""Depth images of datasets that are stored as PNG with one channel of 16 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from ...io.depth import DepthError, decode_png16
from .dataset import DatasetError


def read_depth_png(path: Path, intrinsics: Intrinsics, table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read a depth image.

    Args:
        table: float32 [65536] metres by stored value, NaN for no measurement.

    Returns:
        float32 [H, W] metres, NaN where there is no measurement.

    Raises:
        DatasetError: The file is missing or broken, or its size is not that of the intrinsics.
    """
    try:
        pixels = decode_png16(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: cannot read the depth image: {error.strerror}") from error
    except DepthError as error:
        raise DatasetError(f"{path}: {error}") from error
    if pixels.shape != (intrinsics.height, intrinsics.width):
        raise DatasetError(
            f"{path}: expected an image of {intrinsics.width}x{intrinsics.height} pixels, "
            f"found {pixels.shape[1]}x{pixels.shape[0]}"
        )
    return table.take(pixels)
