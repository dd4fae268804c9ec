"""Weights files: safetensors with metadata that says what they are. Load, save, list.

The header holds the skeleton, the network's configuration, an id and how the weights were trained, so that a file
alone is enough to run. Pickles are never read.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import nn

from ..geometry.skeletons import Skeleton, get_skeleton
from ..io.files import write_atomically
from .calibration import Calibration
from .detector_network import DetectorConfig, DetectorNet
from .joint_refiner import JointRefiner, JointRefinerConfig
from .network import CenterRefiner, NetworkConfig, RefinerConfig, V2VPoseNet

_FORMAT = "v2v_ros.weights.1"
_CENTER_FORMAT = "v2v_ros.center.1"
_DETECTOR_FORMAT = "v2v_ros.detector.1"
_FOLDER = Path(__file__).parent / "shipped"
SUFFIX = ".safetensors"
_PACKAGE = "package://"


class WeightsError(ValueError):
    """A weights file cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class JointRefinerWeights:
    """A joint refiner's weights, which belong to those of the pose network whose peaks it has learnt from.

    Attributes:
        config: Size of the refiner.
        state: State dictionary of a :class:`~v2v_ros.model.joint_refiner.JointRefiner`, float32.
        calibration: What its probabilities and covariances are to be corrected by; None: they are reported as they are.
        knows_others: It has learnt what is no subject, so that its probability of one means something.
        training: How they came to be: data, budget, figures.
    """

    config: JointRefinerConfig
    state: dict[str, torch.Tensor]
    calibration: Calibration | None = None
    knows_others: bool = True
    training: dict[str, Any] = field(default_factory=dict)

    def build(self) -> JointRefiner:
        """Return the refiner with these weights, in evaluation mode, on the CPU."""
        network = JointRefiner(self.config)
        network.load_state_dict(self.state)
        return network.eval()


@dataclass(frozen=True)
class Weights:
    """A network's weights and what they are for.

    Attributes:
        id: Short name, such as ``hand21_lite``.
        skeleton: What the heatmaps stand for.
        config: Size of the network.
        cube_edge: Edge in metres of the cubes it was trained on.
        state: State dictionary of a :class:`~v2v_ros.model.network.V2VPoseNet`, float32.
        training: How they came to be: data, budget, figures.
        calibration: What the heatmaps' peaks and moments mean; None: they are reported as they are.
        heatmap_offset: What to subtract from the heatmap coordinates, in heatmap cells, of networks trained on targets
            that were rounded down; such targets (:mod:`v2v_ros.model.paper`) lie 0.25 cells beyond the joint on
            average.
        refiner: Makes joints of the heatmaps' peaks; None: each joint is the highest peak of its heatmap.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.

    Raises:
        ValueError: The offset is not within one cell.
    """

    id: str
    skeleton: Skeleton
    config: NetworkConfig
    cube_edge: float
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    heatmap_offset: float = 0.0
    refiner: JointRefinerWeights | None = None
    hash: str = ""

    def __post_init__(self) -> None:
        if not abs(self.heatmap_offset) <= 1:  # false for NaN as well
            raise ValueError(f"heatmap_offset must lie in [-1, 1] heatmap cells, got {self.heatmap_offset}")

    def build(self) -> V2VPoseNet:
        """Return the network with these weights, in evaluation mode, on the CPU."""
        network = V2VPoseNet(self.config)
        network.load_state_dict(self.state)
        return network.eval()


@dataclass(frozen=True)
class CenterWeights:
    """A centre refiner's weights and what they are for.

    Attributes:
        id: Short name, such as ``hand21_center``.
        skeleton: Whose reference point is found.
        config: Size of the network.
        cube_edge: Edge in metres of the skeleton's cubes, the unit of the offsets; the refiner's own are wider.
        state: State dictionary of a :class:`~v2v_ros.model.network.CenterRefiner`, float32.
        training: How they came to be: data, budget, figures.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.
    """

    id: str
    skeleton: Skeleton
    config: RefinerConfig
    cube_edge: float
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def build(self) -> CenterRefiner:
        """Return the network with these weights, in evaluation mode, on the CPU."""
        network = CenterRefiner(self.config)
        network.load_state_dict(self.state)
        return network.eval()


@dataclass(frozen=True)
class DetectorWeights:
    """A detector's weights: for hands and bodies alike.

    Attributes:
        id: Short name, such as ``detector``.
        config: Size of the network.
        state: State dictionary of a :class:`~v2v_ros.model.detector_network.DetectorNet`, float32.
        training: How they came to be: data, budget, figures.
        hash: First 12 hexadecimal digits of the file's SHA-256; empty before saving.
    """

    id: str
    config: DetectorConfig
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def build(self) -> DetectorNet:
        """Return the network with these weights, in evaluation mode, on the CPU."""
        network = DetectorNet(self.config)
        network.load_state_dict(self.state)
        return network.eval()


_DETECTOR = "detector"


def shipped() -> list[str]:
    """Return names of the pose weights that come with the package."""
    names = sorted(path.name.removesuffix(SUFFIX) for path in _FOLDER.glob(f"*{SUFFIX}"))
    return [name for name in names if not name.endswith(_DETECTOR)]


def shipped_detectors() -> list[str]:
    """Return names of the detectors' weights that come with the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _FOLDER.glob(f"*{_DETECTOR}{SUFFIX}"))


def _expanded(name: str) -> Path:
    """Return a path, from one that begins with ~ or package://PACKAGE/, as parameter files have them."""
    if not name.startswith(_PACKAGE):
        return Path(os.path.expanduser(name))
    package, _, rest = name.removeprefix(_PACKAGE).partition("/")
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory(package)) / rest
    except ModuleNotFoundError as error:
        raise WeightsError(f"weights '{name}': {_PACKAGE} needs ROS 2; give the path of the file") from error
    except (LookupError, ValueError) as error:  # there is no package of that name, or it cannot be one
        raise WeightsError(f"weights '{name}': no package '{package}' is installed or sourced ({error})") from error


def find(name: str | Path) -> Path:
    """Path of a weights file, given by the name of shipped weights or by its path.

    Raises:
        WeightsError: There is no such file.
    """
    path = _expanded(str(name))
    shipped_path = _FOLDER / f"{name}{SUFFIX}"
    if path.is_dir() and not (path.parent == Path(".") and shipped_path.is_file()):
        inside = sorted(file.name for file in path.glob(f"*{SUFFIX}"))[:10]
        hint = f"name a file in it: {', '.join(inside)}" if inside else f"there is no {SUFFIX} file in it"
        raise WeightsError(f"weights '{path}' are a folder; {hint}")
    if path.suffix == SUFFIX or path.parent != Path("."):
        if not path.is_file():
            raise WeightsError(f"weights file '{path}' does not exist; shipped weights: {_listing()}")
        return path
    if not shipped_path.is_file():
        raise WeightsError(
            f"no weights named '{name}' are shipped (there are: {_listing()}); "
            f"name one of these, or give the path of a {SUFFIX} file made by 'v2v train'"
        )
    return shipped_path


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
        f"choose a skeleton that has some, or give the path of your own {SUFFIX} file"
    )


def load(name: str | Path, skeleton: str | None = None) -> Weights:
    """Load weights by name or path.

    Args:
        skeleton: When given, weights for any other skeleton are refused.

    Raises:
        WeightsError: The file is missing, damaged, of another format or for another skeleton.
    """
    path = find(name)
    file = _read(path, _FORMAT, "pose weights", "v2v train")
    metadata = file.metadata
    with _damaged(path):
        calibration = json.loads(metadata.get("calibration", "null"))
        weights = Weights(
            id=metadata["id"],
            skeleton=get_skeleton(metadata["skeleton"]),
            config=_config(NetworkConfig, metadata["network"]),
            cube_edge=float(metadata["cube_edge"]),
            state={key: value for key, value in file.state.items() if not key.startswith(_REFINER)},
            training=dict(json.loads(metadata["training"])),
            calibration=None if calibration is None else Calibration.from_dict(calibration),
            heatmap_offset=float(metadata.get("heatmap_offset", 0)),
            refiner=_load_refiner(file),
            hash=file.hash,
        )
        if weights.config.joints != len(weights.skeleton.joint_names):
            raise ValueError(f"{weights.config.joints} heatmaps do not fit the skeleton '{weights.skeleton.name}'")
        _check(weights, V2VPoseNet)
    _check_skeleton(path, weights.skeleton, skeleton)
    return weights


def load_center(name: str | Path, skeleton: str | None = None) -> CenterWeights:
    """Load the weights of a centre refiner by name or path.

    Args:
        skeleton: When given, weights for any other skeleton are refused.

    Raises:
        WeightsError: The file is missing, damaged, of another format or for another skeleton.
    """
    path = find(name)
    file = _read(path, _CENTER_FORMAT, "centre weights", "v2v train --network center")
    metadata = file.metadata
    with _damaged(path):
        weights = CenterWeights(
            id=metadata["id"],
            skeleton=get_skeleton(metadata["skeleton"]),
            config=_config(RefinerConfig, metadata["network"]),
            cube_edge=float(metadata["cube_edge"]),
            state=file.state,
            training=dict(json.loads(metadata["training"])),
            hash=file.hash,
        )
        _check(weights, CenterRefiner)
    _check_skeleton(path, weights.skeleton, skeleton)
    return weights


_REFINER = "joint_refiner."  # before the names of its tensors


def _load_refiner(file: _File) -> JointRefinerWeights | None:
    """Return the joint refiner in a file of pose weights, if it has one.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: It is damaged, or was trained for another network.
    """
    state = {key.removeprefix(_REFINER): value for key, value in file.state.items() if key.startswith(_REFINER)}
    if "joint_refiner" not in file.metadata:
        if state:
            raise ValueError("it has a joint refiner that the header does not describe")
        return None
    about = json.loads(file.metadata["joint_refiner"])
    for name in ("skeleton", "network"):
        if about[name] != file.metadata[name]:
            raise ValueError(
                f"its joint refiner was trained on the peaks of another network ({name} {about[name]}, "
                f"not {file.metadata[name]}): train one for these weights"
            )
    calibration = about["calibration"]
    refiner = JointRefinerWeights(
        config=_config(JointRefinerConfig, json.dumps(about["config"])),
        state=state,
        calibration=None if calibration is None else Calibration.from_dict(calibration),
        knows_others=bool(about["knows_others"]),
        training=dict(about["training"]),
    )
    if refiner.config.joints != json.loads(file.metadata["network"])["joints"]:
        raise ValueError("its joint refiner is for another number of joints")
    with torch.device("meta"):
        JointRefiner(refiner.config).load_state_dict(state, assign=True)
    return refiner


def load_detector(name: str | Path = _DETECTOR) -> DetectorWeights:
    """Load the weights of a detector by name or path.

    Raises:
        WeightsError: The file is missing, damaged or of another format.
    """
    path = find(name)
    file = _read(path, _DETECTOR_FORMAT, "detector weights", "v2v train --network detector")
    metadata = file.metadata
    with _damaged(path):
        weights = DetectorWeights(
            id=metadata["id"],
            config=_config(DetectorConfig, metadata["network"]),
            state=file.state,
            training=dict(json.loads(metadata["training"])),
            hash=file.hash,
        )
        with torch.device("meta"):
            DetectorNet(weights.config).load_state_dict(weights.state, assign=True)
    return weights


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Blame the file for what goes wrong while its content is made sense of."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        # An error may quote all that the file holds.
        raise WeightsError(f"weights file '{path}' is damaged: {str(error)[:1000]}; fetch it again") from error


_Config = TypeVar("_Config", NetworkConfig, RefinerConfig, JointRefinerConfig, DetectorConfig)


def _config(kind: type[_Config], text: str) -> _Config:
    """Return a configuration from JSON, with numbers as they must be: Python would go on for long with a grid of 48.0
    or true.

    Raises:
        TypeError, ValueError: It is not such a configuration.
    """
    config = kind(**json.loads(text))
    for name, value in config.to_dict().items():
        if type(value) is not int and (name != "sigma" or type(value) is not float):
            raise TypeError(f"the network's {name} cannot be {value!r}")
    return config


def _check(weights: Weights | CenterWeights, network: Callable[[Any], nn.Module]) -> None:
    """Raise unless the state fits the network and the cube is valid."""
    if not 0 < weights.cube_edge < math.inf:
        raise ValueError(f"the edge of its cubes is {weights.cube_edge}")
    with torch.device("meta"):
        network(weights.config).load_state_dict(weights.state, assign=True)


@dataclass(frozen=True)
class _File:
    metadata: dict[str, str]
    state: dict[str, torch.Tensor]
    hash: str


def _read(path: Path, format: str, what: str, maker: str) -> _File:
    try:
        content = path.read_bytes()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"weights file '{path}' cannot be read ({error}); it is damaged or not a {SUFFIX} file: fetch it again"
        ) from error
    if metadata.get("format") != format:
        raise WeightsError(
            f"weights file '{path}' is not a v2v_ros weights file of the right kind (format "
            f"'{str(metadata.get('format'))[:100]}', expected '{format}'): {what} are needed, as '{maker}' writes them"
        )
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    if not all(value.isfinite().all() for value in state.values()):
        raise WeightsError(f"weights file '{path}' holds values that are not finite; fetch it again")
    return _File(metadata, state, hashlib.sha256(content).hexdigest()[:12])


def _check_skeleton(path: Path, found: Skeleton, wanted: str | None) -> None:
    if wanted is not None and found.name != wanted:
        raise WeightsError(
            f"weights file '{path}' is for skeleton '{found.name}', but '{wanted}' was asked for; "
            f"choose other weights or set the skeleton to '{found.name}'"
        )


def save(weights: Weights | CenterWeights | DetectorWeights, path: Path, *, half: bool = False) -> None:
    """Write a weights file; a reader never sees half of it.

    Args:
        half: Store convolutions and matrices in half precision. The statistics of batch normalisation, some of which
            half precision cannot hold, stay as they are.
    """
    formats = {Weights: _FORMAT, CenterWeights: _CENTER_FORMAT, DetectorWeights: _DETECTOR_FORMAT}
    metadata = {
        "format": formats[type(weights)],
        "id": weights.id,
        "network": json.dumps(weights.config.to_dict()),
        "training": json.dumps(weights.training),
    }
    if not isinstance(weights, DetectorWeights):
        metadata |= {"skeleton": weights.skeleton.name, "cube_edge": str(weights.cube_edge)}
    if isinstance(weights, Weights) and weights.calibration is not None:
        metadata["calibration"] = json.dumps(weights.calibration.to_dict())
    if isinstance(weights, Weights) and weights.heatmap_offset:
        metadata["heatmap_offset"] = str(weights.heatmap_offset)
    state = dict(weights.state)
    if isinstance(weights, Weights) and weights.refiner is not None:
        refiner = weights.refiner
        about = {
            "skeleton": metadata["skeleton"],
            "network": metadata["network"],
            "config": refiner.config.to_dict(),
            "calibration": None if refiner.calibration is None else refiner.calibration.to_dict(),
            "knows_others": refiner.knows_others,
            "training": refiner.training,
        }
        metadata["joint_refiner"] = json.dumps(about)
        state |= {_REFINER + key: value for key, value in refiner.state.items()}
    state = {key: (value.half() if half and value.dim() > 1 else value).contiguous() for key, value in state.items()}
    write_atomically(path, serialize(state, metadata))


def _listing() -> str:
    return ", ".join(shipped()) or "none"
