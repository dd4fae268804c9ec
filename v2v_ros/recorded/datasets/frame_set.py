# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The frames of a dataset that a network is trained or judged on, and where their cubes are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...geometry.camera import points_in_cube
from .center_files import find_centers, read_centers
from .dataset import DatasetError, DepthDataset

RELEASED, TRUTH = "released", "truth"


@dataclass(frozen=True)
class FrameSet:
    """A split with the centres of its cubes.

    Attributes:
        dataset: Split of a dataset.
        centers: float64 [F, 3] metres, centres of all frames of the split; NaN where there is none.
        indices: int64 [N], indices of the frames in use.
    """

    dataset: DepthDataset
    centers: NDArray[np.float64]
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def centerless(self) -> NDArray[np.int64]:
        """The frames that are valid but have no centre."""
        return np.flatnonzero(self.dataset.valid & ~np.isfinite(self.centers).all(1))

    @property
    def counts(self) -> Counter[str]:
        """Numbers of frames: of the split (``total``), ``used``, and not used for three reasons: ``centerless``,
        ``invalid`` (left out by the protocol, or the image is missing), or ``passed_over`` (:meth:`thin`)."""
        invalid, centerless = int((~self.dataset.valid).sum()), len(self.centerless)
        return Counter(
            total=len(self.dataset),
            used=len(self),
            centerless=centerless,
            invalid=invalid,
            passed_over=len(self.dataset) - len(self) - centerless - invalid,
        )

    def points(self, index: int, center: torch.Tensor, edge: float, *, fill: bool = False) -> torch.Tensor:
        """Return the points float32 [P, 3] of a frame that can lie in a cube, metres.

        Args:
            index: Index of the frame in its dataset.
            center: float [3] metres, centre of the cube.
            edge: Edge of the cube, metres.
            fill: Whether to put pixels without depth at the far end of the dataset's range, as the published code does.

        Raises:
            DatasetError: The image is missing or broken.
        """
        window, left, top = self.dataset.window(index)
        depth = torch.from_numpy(window)
        if fill and self.dataset.spec.depth_range is not None:
            depth = depth.nan_to_num(nan=self.dataset.spec.depth_range[1])
        x, y, z = center.tolist()
        return points_in_cube(depth, self.dataset.intrinsics, (x, y, z), edge, (left, top))

    def check_covered(self, edge: float) -> None:
        """Make sure that the images show all that cubes of this edge, metres, around the centres can hold.

        Raises:
            DatasetError: They come from a cache that was written with other centres, or for smaller cubes.
        """
        missed = self.indices[~self.dataset.covers(self.centers, edge)[self.indices]]
        if len(missed):
            raise DatasetError(
                f"the cache of the {self.dataset.split} split of {self.dataset.spec.name} does not show what cubes of "
                f"{edge:g} m around these centres hold in {len(missed):,} of {len(self):,} frames, the first of them "
                f"{self.dataset.frame_name(int(missed[0]))}: write it with the same centres ('v2v data cache "
                "--centers'), or go without it"
            )

    def thin(self, count: int) -> FrameSet:
        """Return at most a number of the frames in use, evenly spread."""
        if count >= len(self):
            return self
        places = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        return FrameSet(self.dataset, self.centers, self.indices[places])

    def without(self, other: FrameSet) -> FrameSet:
        """Return the frames in use that another set does not use."""
        return FrameSet(self.dataset, self.centers, np.setdiff1d(self.indices, other.indices))


def reference_points(joints: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return where cubes are to be centred: the middles of the joints' bounding boxes.

    The released centres of the paper are estimates of this point: of all that were tried it lies nearest to them.

    Args:
        joints: float [F, J, 3] metres.

    Returns:
        float64 [F, 3] metres; NaN where a joint has no label.
    """
    wide = joints.astype(np.float64)
    return (wide.min(1) + wide.max(1)) / 2


def frame_set(dataset: DepthDataset, centers: str, *, labelled: bool = True) -> FrameSet:
    """Return the valid frames of a split that have a centre.

    Args:
        centers: ``released`` for the centre file in the dataset's folder, ``truth`` for :func:`reference_points`, or
            the path of a centre file or of a folder with centre files of the published names.
        labelled: Whether to leave out frames without labels.

    Raises:
        DatasetError: There is no centre file, it does not fit, or no frame is left.
    """
    spec, split = dataset.spec, dataset.split
    if centers == TRUTH:
        if split == "test" and not spec.test_labels:
            raise DatasetError(
                f"the test labels of {spec.name} are not published, so there are no true centres: let 'v2v data "
                "centers' write centre files, or name one with --centers"
            )
        places = reference_points(dataset.joints)
    else:
        path = Path(centers)
        if not path.is_file():
            folder = dataset.folder if centers == RELEASED else path
            found = find_centers(spec, folder, split, dataset.test_subject)
            if found is None:
                raise DatasetError(
                    f"there is no centre file for the {split} split of {spec.name} in '{folder}': put the released one "
                    "into its folder 'centers', make one with 'v2v data centers', or take the middles of the "
                    "labelled joints with '--centers truth' (figures then do not compare with published ones)"
                )
            path = found
        places = read_centers(path, spec, len(dataset))
    usable = dataset.valid & np.isfinite(places).all(1)
    if labelled:
        usable &= np.isfinite(dataset.joints).all((1, 2))
    if not usable.any():
        raise DatasetError(f"no frame of the {split} split of {spec.name} in '{dataset.folder}' is usable")
    return FrameSet(dataset, places, np.flatnonzero(usable))
