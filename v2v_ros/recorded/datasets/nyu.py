# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""NYU Hand Pose: three views of two people's hands, of which the frontal one is read.

Format: Tompson, Stein, Lecun, Perlin, "Real-time continuous pose recovery of human hands using convolutional networks",
ACM Transactions on Graphics 33 (5), 2014. The 14 joints are those that the literature evaluates.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .depth_codes import TABLES
from .specs import NYU

# Of the 36 points that were tracked, in the order of hand14.
EVALUATED = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)


class NyuDataset(DepthDataset):
    """Frames of the frontal camera, in the order of ``joint_data.mat``.

    Args:
        folder: Folder with ``train`` and ``test``, each with ``depth_1_NNNNNNN.png`` and ``joint_data.mat``.
        intrinsics: Intrinsics in place of the published ones.

    Raises:
        DatasetError: ``joint_data.mat`` is missing, broken, or not that of this dataset.
    """

    def __init__(self, folder: Path, split: Split, *, intrinsics: Intrinsics | None = None) -> None:
        joints = _read_joints(folder / split / "joint_data.mat")
        super().__init__(NYU, folder, split, joints, np.ones(len(joints), bool), intrinsics)

    def frame_name(self, index: int) -> str:
        return f"{self.split}/depth_1_{range(1, len(self) + 1)[index]:07d}.png"

    def depth(self, index: int) -> NDArray[np.float32]:
        path = self.folder / self.frame_name(index)
        return TABLES["millimetres"].take(_read_packed(path, (self.intrinsics.width, self.intrinsics.height)))


def _read_joints(path: Path) -> NDArray[np.float32]:
    """Return float32 [F, 14, 3] metres in the optical frame."""
    from scipy.io import loadmat

    try:
        with path.open("rb") as file:
            stored = loadmat(file, variable_names=["joint_xyz"]).get("joint_xyz")
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file: it holds the labels of NYU; get it from {NYU.source}") from None
    except Exception as error:  # scipy lets OSError, ValueError, TypeError, zlib.error and more through
        raise DatasetError(f"{path}: {_reason(error, 'a MATLAB file')}") from error
    if stored is None:
        raise DatasetError(f"{path}: expected a variable joint_xyz, which it does not have")
    if stored.ndim != 4 or stored.shape[0] != 3 or stored.shape[2:] != (36, 3) or stored.dtype.kind != "f":
        raise DatasetError(
            f"{path}: joint_xyz: expected floats [3 cameras, frames, 36 joints, 3], found {list(stored.shape)} of "
            f"{stored.dtype}"
        )
    frontal = stored[0][:, list(EVALUATED)].astype(np.float64)
    if not np.isfinite(frontal).all():
        frame = int(np.argwhere(~np.isfinite(frontal))[0, 0])
        raise DatasetError(f"{path}: joint_xyz: expected finite numbers, but frame {frame + 1} has others")
    joints: NDArray[np.float32] = (frontal * (0.001, -0.001, 0.001)).astype(np.float32)
    return joints


def _read_packed(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Millimetres [H, W]: the green channel holds the upper byte, the blue one the lower."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode, found = image.mode, image.size
            if mode == "RGB" and found == size:
                pixels = np.asarray(image)
                return pixels[..., 1].astype(np.uint16) << 8 | pixels[..., 2]
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file, but joint_data.mat has joints for it") from None
    except Exception as error:  # Pillow lets OSError, SyntaxError, ValueError, struct.error and more through
        raise DatasetError(f"{path}: {_reason(error, 'a PNG')}") from error
    raise DatasetError(
        f"{path}: expected an RGB PNG of {size[0]}x{size[1]} pixels, with depth in green and blue, found one of mode "
        f"{mode} and {found[0]}x{found[1]} pixels"
    )


def _reason(error: Exception, kind: str) -> str:
    """Return why a file could not be used: only the system's own errors, such as a missing permission, have this
    text."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"truncated, or not {kind}: {error}"
