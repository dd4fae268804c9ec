# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth images of datasets that are stored as PNG with one channel of 16 bits."""

from __future__ import annotations

import os
from collections.abc import Iterable
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


def find_files(folder: Path, names: Iterable[str]) -> tuple[NDArray[np.bool_], dict[str, OSError]]:
    """Look for files by their folders' listings, which takes much less time than to ask for each file.

    Args:
        folder: Folder that the names are relative to.
        names: Paths relative to that folder, with slashes.

    Returns:
        Whether each file is there, bool [F], and the errors of the folders that cannot be listed, by their names. What
        is in these is not known, and counts as not there.
    """
    listings: dict[str, set[str]] = {}
    errors: dict[str, OSError] = {}

    def there(name: str) -> bool:
        parent, _, file = name.rpartition("/")
        if parent not in listings:
            try:
                listings[parent] = set(os.listdir(folder / parent))
            except (FileNotFoundError, NotADirectoryError):
                listings[parent] = set()
            except OSError as error:
                listings[parent], errors[parent] = set(), error
        return file in listings[parent]

    return np.fromiter(map(there, names), np.bool_), errors
