# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What decides a training run, as data: from the command line, from a file, into a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..geometry.skeletons import Skeleton, get_skeleton
from ..model.network import CenterRefiner, CenterRefinerConfig, NetworkConfig, V2VPoseNet
from ..model.paper import PaperGeometry
from ..recorded.datasets.frame_set import TRUTH
from ..recorded.datasets.specs import DatasetSpec, get_spec
from .optimisation import SCHEDULES
from .precision import AUTO

NETWORKS = ("pose", "center")
RECIPES = ("ours", "paper")
PRECISIONS = (AUTO, "bf16-mixed", "16-mixed", "32-true")
SKINNED = 0.6  # share of the synthetic people and hands with the skin of MakeHuman's; the others are made of spheres
_TRAINABLE = ("hand21", "body15")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run but the machines it runs on.

    Attributes:
        skeleton: ``hand21`` or ``body15``; with a dataset, the dataset's.
        network: ``pose`` for a V2V-PoseNet, ``center`` for the network that refines its cube's centre.
        grid, width, depth, sigma: Size of the network (:class:`~v2v_ros.model.network.NetworkConfig`,
            :class:`~v2v_ros.model.network.CenterRefinerConfig`, which has neither depth nor sigma).
        samples: Samples seen over the whole run, by all processes together; 0: no end. With ``epochs``, these count.
        batch: Samples a step in every process.
        learning_rate: Highest learning rate of the hidden layers' kernels; that of everything else is a tenth.
        decay: Decay a step of the exponential moving average of the weights; 0 trains without one.
        clip: Largest norm of the gradient.
        seed: Seed of the data and the initialisation.
        validation_samples: Size of the held-out set.
        validation_interval: Training samples between two validations.
        precision: Precision of the trainer: one of :data:`PRECISIONS`; ``auto`` is what the processor is fast at.
        workers: Processes that render on the CPU; 0 renders in the training process, on the device that trains.
        half: Whether to write the weights in half precision.
        dataset: Name of a dataset to train on; empty: synthetic data.
        data: The dataset's folder.
        test_subject: The subject of MSRA that is left out; -1: the dataset has no such choice.
        recipe: ``ours``, or ``paper`` for a dataset as the paper trained on it: quantised cubes and targets, its
            augmentation, RMSprop at a constant rate, the mean squared error, and no average over the weights.
        epochs: Times that every frame of a dataset is seen.
        centers: Places of a dataset's cubes: ``released`` for centre files in its folder, ``truth`` for the
            labels' own, or another folder with centre files.
        cache: Folder of a dataset's cache; empty: images are read from the dataset itself.
        schedule: Schedule of the learning rate, one of :data:`~v2v_ros.training.optimisation.SCHEDULES`.
        anneal_step: Step at which the learning rate begins to fall, of the schedule ``anneal``.
        proposed: Share of the synthetic cubes of a pose run that the shipped detector proposes in whole scenes,
            right or wrong; the others lie at subjects.
        annealed: Name of the run whose copy this is, or an empty string.

    Raises:
        ValueError: A value is unknown or out of its range; the message names it.
    """

    skeleton: str = "hand21"
    network: str = "pose"
    grid: int = 48
    width: int = 8
    depth: int = 3
    sigma: float = 1.7
    samples: int = 200_000
    batch: int = 8
    learning_rate: float = 0.02
    decay: float = 0.999
    clip: float = 10.0
    seed: int = 0
    validation_samples: int = 512
    validation_interval: int = 8_000
    precision: str = AUTO
    workers: int = 0
    half: bool = False
    dataset: str = ""
    data: str = ""
    test_subject: int = -1
    recipe: str = "ours"
    epochs: int = 0
    centers: str = "released"
    cache: str = ""
    schedule: str = "constant"
    anneal_step: int = 0
    proposed: float = 0.0
    annealed: str = ""

    def __post_init__(self) -> None:
        get_skeleton(self.skeleton)
        if self.dataset:
            self._check_dataset(get_spec(self.dataset))
        else:
            self._check_synthetic()
        choices = {"network": NETWORKS, "precision": PRECISIONS, "recipe": RECIPES, "schedule": SCHEDULES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {_option(name)} '{getattr(self, name)}'; choose one of: {', '.join(known)}")
        for name in ("batch", "depth", "learning_rate", "clip", "validation_samples", "validation_interval"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{_option(name)} must be above zero, got {getattr(self, name)}")
        for name in ("samples", "seed", "workers", "epochs", "anneal_step"):
            if getattr(self, name) < 0:
                raise ValueError(f"{_option(name)} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.proposed <= 1:
            raise ValueError(f"--proposed must be from 0 to 1, got {self.proposed}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"--decay must be from 0 to below 1, got {self.decay}")
        self._check_schedule()
        self.network_config()

    def _check_schedule(self) -> None:
        if self.endless and self.schedule != "constant":
            raise ValueError(f"--samples 0 (no end) is for --schedule constant, not {self.schedule}")
        if (self.schedule == "anneal") != (self.anneal_step > 0):
            raise ValueError("--schedule anneal is for the copy of a run: make one with --anneal RUN")

    def _check_synthetic(self) -> None:
        if self.skeleton not in _TRAINABLE:
            raise ValueError(
                f"there is no synthetic training data for skeleton '{self.skeleton}'; train one of: "
                + ", ".join(_TRAINABLE)
            )
        if self.recipe == "paper" or self.epochs or self.data:
            raise ValueError(
                "--data, --epochs and --recipe paper are for training on a dataset: name one with --dataset"
            )

    def _check_dataset(self, spec: DatasetSpec) -> None:
        if self.skeleton != spec.skeleton.name:
            raise ValueError(
                f"the dataset {spec.name} has the skeleton '{spec.skeleton.name}', not '{self.skeleton}': "
                "leave --skeleton out"
            )
        if not self.data:
            raise ValueError(f"--data must say in which folder the dataset {spec.name} is")
        if (spec.name == "msra") != (self.test_subject >= 0):
            raise ValueError(
                "--subject must say which subject of MSRA is tested on, 0 to 8; the other eight are trained on"
                if spec.name == "msra"
                else f"{spec.name} has a fixed test set: leave --subject out"
            )
        if self.recipe == "paper" and self.network != "pose":
            raise ValueError("--recipe paper is for the pose network; the centre network is trained by ours")
        if self.network == "center" and self.centers != TRUTH:
            raise ValueError(
                f"--network center learns from cubes about the labelled joints (--centers {TRUTH}), not at the centres "
                f"'{self.centers}': leave --centers out, or give this"
            )
        if self.cache and self.network == "center":
            raise ValueError(
                "--cache: the centre network must be trained without one: it learns what other places in the images "
                "look like, and a cache has only what is around the centres"
            )

    @property
    def spec(self) -> DatasetSpec | None:
        """The dataset, if there is one."""
        return get_spec(self.dataset) if self.dataset else None

    @property
    def endless(self) -> bool:
        """Whether the run goes on until it is ended."""
        return not self.samples and not self.epochs

    @property
    def can_be_endless(self) -> bool:
        """Whether a run without a number of samples or epochs may go on for ever."""
        return self.schedule == "constant" and self.recipe != "paper" and not self.epochs

    @property
    def cube_edge(self) -> float:
        """Edge of the cubes, metres."""
        return self.subject.cube_edge if self.spec is None else self.spec.cube_edge

    @property
    def heatmap_offset(self) -> float:
        """Offset of the targets from the joints, in heatmap cells: published targets are rounded down to voxels."""
        return PaperGeometry.PEAK if self.recipe == "paper" else 0.0

    @property
    def subject(self) -> Skeleton:
        """The skeleton itself."""
        return get_skeleton(self.skeleton)

    def network_config(self) -> NetworkConfig | CenterRefinerConfig:
        """Size of the network."""
        if self.network == "center":
            return CenterRefinerConfig(self.grid, self.width)
        return NetworkConfig(len(self.subject.joint_names), self.grid, self.width, self.sigma, self.depth)

    def build(self) -> V2VPoseNet | CenterRefiner:
        """Return a new network."""
        config = self.network_config()
        return V2VPoseNet(config) if isinstance(config, NetworkConfig) else CenterRefiner(config)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def _option(name: str) -> str:
    """Return what a value is called on the command line."""
    return f"--{name.replace('_', '-')}"


# Where usual values differ from those above. The paper says 10 epochs, and 2.5e-4 for RMSprop (section 6); a clip of
# this size never clips.
DEFAULTS: dict[str, dict[str, Any]] = {
    "pose": {"proposed": 0.125},
    "center": {"grid": 32, "width": 16},
    "dataset": {"epochs": 10, "schedule": "cosine", "proposed": 0.0},
    "dataset pose": {"grid": 88, "width": 16},
    "dataset center": {"centers": TRUTH},
    "paper": {"learning_rate": 2.5e-4, "decay": 0.0, "clip": 1e12, "precision": "32-true", "schedule": "constant"},
}


def read_config(path: Path) -> dict[str, Any]:
    """Return values of a configuration file, which may leave some out.

    Raises:
        ValueError: The file is missing, no JSON object, or has a value of unknown name or wrong type.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"configuration '{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"configuration '{path}' is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"configuration '{path}' must be a JSON object of names and values")
    known = {field.name: type(field.default) for field in fields(TrainingConfig)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"configuration '{path}': unknown name '{name}'; there are: {', '.join(known)}")
        if type(value) is not known[name] and not (known[name] is float and type(value) is int):
            raise ValueError(f"configuration '{path}': '{name}' must be of type {known[name].__name__}, got {value!r}")
    return values


def resumed_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a run that was begun: before it said so, all rates but the paper's fell as a
    cosine, and all cubes lay at subjects."""
    return {"schedule": "constant" if values.get("recipe") == "paper" else "cosine", "proposed": 0.0, **values}


def make_config(*sources: dict[str, Any]) -> TrainingConfig:
    """Return a configuration from several sources of values, the later ones first; what none of them says is usual.

    Raises:
        ValueError: A value is unknown or out of its range; the message names it.
    """
    values: dict[str, Any] = {}
    for source in sources:
        if "samples" in source and "epochs" not in source:
            values.pop("epochs", None)  # it would count instead
        values |= source
    network = values.get("network", "pose")
    usual = dict(DEFAULTS.get(network, {}))
    if values.get("dataset"):
        usual |= {"skeleton": get_spec(values["dataset"]).skeleton.name, **DEFAULTS["dataset"]}
        usual |= DEFAULTS.get(f"dataset {network}", {})
    if values.get("recipe") == "paper":
        usual |= DEFAULTS["paper"]
    if "samples" in values:
        usual.pop("epochs", None)
    return TrainingConfig(**{**usual, **values})
