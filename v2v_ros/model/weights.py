# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Weights of every kind of network: load, save, list."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from .weights_file import damage_of, read_file, write_file
from .weights_kinds import CenterWeights, DetectorWeights, StoredWeights, Weights
from .weights_names import DETECTOR, SUFFIX, WeightsError, default_for, find, shipped, shipped_detectors
from .weights_refiner import JointRefinerWeights

__all__ = [
    "SUFFIX",
    "CenterWeights",
    "DetectorWeights",
    "JointRefinerWeights",
    "Weights",
    "WeightsError",
    "default_for",
    "find",
    "load",
    "load_center",
    "load_detector",
    "save",
    "shipped",
    "shipped_detectors",
]
_Kind = TypeVar("_Kind", bound=StoredWeights)
_Posing = TypeVar("_Posing", Weights, CenterWeights)


def load(name: str | Path, skeleton: str | None = None) -> Weights:
    """Load weights by name or path.

    Args:
        name: Name of shipped weights, or path of the file.
        skeleton: Name of the skeleton that is needed; weights for any other are refused. None: any will do.

    Raises:
        WeightsError: The file is missing, damaged, of another format or for another skeleton.
    """
    return _load_for(skeleton, Weights, find(name))


def load_center(name: str | Path, skeleton: str | None = None) -> CenterWeights:
    """Load the weights of a centre refiner by name or path.

    Args:
        name: Name of shipped weights, or path of the file.
        skeleton: Name of the skeleton that is needed; weights for any other are refused. None: any will do.

    Raises:
        WeightsError: The file is missing, damaged, of another format or for another skeleton.
    """
    return _load_for(skeleton, CenterWeights, find(name))


def load_detector(name: str | Path = DETECTOR) -> DetectorWeights:
    """Load the weights of a detector by name or path.

    Raises:
        WeightsError: The file is missing, damaged or of another format.
    """
    return _load(DetectorWeights, find(name))


def save(weights: StoredWeights, path: Path, *, half: bool = False) -> None:
    """Write a weights file; a reader never sees half of it.

    Args:
        weights: Weights of any kind.
        path: Path of the file.
        half: Whether convolutions and matrices are stored in half precision. The statistics of batch normalisation,
            some of which half precision cannot hold, stay as they are.
    """
    write_file(path, weights.header(), weights.tensors(), half=half)


def _load(kind: type[_Kind], path: Path) -> _Kind:
    file = read_file(path, kind.FORMAT, kind.CONTENT, kind.COMMAND)
    with damage_of(path):
        weights = kind(**kind.fields_of(file))
        weights.check()
    return weights


def _load_for(wanted: str | None, kind: type[_Posing], path: Path) -> _Posing:
    """Load weights, and raise unless they are for the skeleton that is wanted, if one is."""
    weights = _load(kind, path)
    found = weights.skeleton.name
    if wanted is not None and found != wanted:
        raise WeightsError(
            f"weights file '{path}' is for skeleton '{found}', but '{wanted}' was asked for; "
            f"choose other weights or set the skeleton to '{found}'"
        )
    return weights
