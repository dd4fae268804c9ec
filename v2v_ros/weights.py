"""Weights files: safetensors with metadata that says what they are. Load, save, list.

The header holds the skeleton, the network's configuration, an id and how the weights were trained, so that a file
alone is enough to run. Pickles are never read.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize

from .files import write_atomically
from .network import NetworkConfig, V2VPoseNet
from .skeletons import Skeleton, get_skeleton

_FORMAT = "v2v_ros.weights.1"
_FOLDER = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"


class WeightsError(ValueError):
    """A weights file cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Weights:
    """A network's weights and what they are for.

    Attributes:
        id: Short name, such as ``hand21_lite``.
        skeleton: What the heatmaps stand for.
        config: Size of the network.
        cube_edge: Edge in metres of the cubes it was trained on.
        state: State dictionary of a :class:`~v2v_ros.network.V2VPoseNet`, float32.
        training: How they came to be: data, budget, figures.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.
    """

    id: str
    skeleton: Skeleton
    config: NetworkConfig
    cube_edge: float
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def build(self) -> V2VPoseNet:
        """The network with these weights, in evaluation mode, on the CPU."""
        network = V2VPoseNet(self.config)
        network.load_state_dict(self.state)
        return network.eval()


def shipped() -> list[str]:
    """Names of the weights that come with the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _FOLDER.glob(f"*{SUFFIX}"))


def find(name: str | Path) -> Path:
    """Path of a weights file, given by the name of shipped weights or by its path.

    Raises:
        WeightsError: There is no such file.
    """
    path = Path(name)
    if path.suffix == SUFFIX or path.parent != Path("."):
        if not path.is_file():
            raise WeightsError(f"weights file '{path}' does not exist; shipped weights: {_listing()}")
        return path
    path = _FOLDER / f"{name}{SUFFIX}"
    if not path.is_file():
        raise WeightsError(
            f"no weights named '{name}' are shipped (there are: {_listing()}); "
            f"name one of these, or give the path of a {SUFFIX} file made by 'v2v train'"
        )
    return path


def default_for(skeleton: str) -> str:
    """Name of the shipped weights for a skeleton: the first one by name.

    Raises:
        WeightsError: None are shipped for it; the message says what to do.
    """
    get_skeleton(skeleton)
    for name in shipped():
        if name == skeleton or name.startswith(f"{skeleton}_"):
            return name
    raise WeightsError(
        f"no weights for skeleton '{skeleton}' are shipped with this version (there are: {_listing()}); "
        f"they come with a later release, or give the path of your own {SUFFIX} file"
    )


def load(name: str | Path, skeleton: str | None = None) -> Weights:
    """Load weights by name or path.

    Args:
        skeleton: When given, weights for any other skeleton are refused.

    Raises:
        WeightsError: The file is missing, damaged, of another format or for another skeleton.
    """
    path = find(name)
    try:
        content = path.read_bytes()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"weights file '{path}' cannot be read ({error}); it is damaged or not a {SUFFIX} file: fetch it again"
        ) from error
    if metadata.get("format") != _FORMAT:
        raise WeightsError(
            f"weights file '{path}' is not a v2v_ros weights file (format '{metadata.get('format')}', "
            f"expected '{_FORMAT}'); use a file written by 'v2v train'"
        )
    try:
        weights = Weights(
            id=metadata["id"],
            skeleton=get_skeleton(metadata["skeleton"]),
            config=NetworkConfig(**json.loads(metadata["network"])),
            cube_edge=float(metadata["cube_edge"]),
            state={key: value.float() if value.is_floating_point() else value for key, value in state.items()},
            training=json.loads(metadata["training"]),
            hash=hashlib.sha256(content).hexdigest()[:12],
        )
        with torch.device("meta"):
            V2VPoseNet(weights.config).load_state_dict(weights.state, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"weights file '{path}' is damaged: {error}; fetch it again") from error
    fits = weights.config.joints == len(weights.skeleton.joint_names) and 0 < weights.cube_edge < math.inf
    if not fits or not isinstance(weights.training, dict):
        raise WeightsError(
            f"weights file '{path}' is damaged: its network, skeleton and cube do not fit together; fetch it again"
        )
    if not all(value.isfinite().all() for value in weights.state.values()):
        raise WeightsError(f"weights file '{path}' holds values that are not finite; fetch it again")
    if skeleton is not None and weights.skeleton.name != skeleton:
        raise WeightsError(
            f"weights file '{path}' is for skeleton '{weights.skeleton.name}', but '{skeleton}' was asked for; "
            f"choose other weights or set the skeleton to '{weights.skeleton.name}'"
        )
    return weights


def save(weights: Weights, path: Path) -> None:
    """Write a weights file; a reader never sees half of it."""
    metadata = {
        "format": _FORMAT,
        "id": weights.id,
        "skeleton": weights.skeleton.name,
        "network": json.dumps(weights.config.to_dict()),
        "cube_edge": str(weights.cube_edge),
        "training": json.dumps(weights.training),
    }
    content = serialize({key: value.contiguous() for key, value in weights.state.items()}, metadata)
    write_atomically(path, content)


def _listing() -> str:
    return ", ".join(shipped()) or "none"
