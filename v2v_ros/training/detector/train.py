# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Trains a detector: scenes are rendered to disk, and seen several times each, the hard ones more often."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from ...evaluation.detections import detector_figures
from ...io.files import write_atomically, write_json
from ...model import weights
from ...model.detector import on_canvas
from ...model.detector_network import DetectorConfig, DetectorNet, as_convolved, features
from ...model.weights import DetectorWeights, load_detector
from ...synthetic.scenes.whole import Scenes
from ..export import run_folder
from ..optimisation import Muon, flushed_denormals, weight_average
from ..seeds import SeedFamily, derive_seed
from .augment import augment_scenes
from .card import detector_card
from .scenes import chunk_path, load_chunk, load_held_out
from .targets import losses, total

_WARMUP = 200  # steps
_KEPT = 100  # steps between two checkpoints, at most
_HARD = 0.5  # share of a batch drawn from the scenes by their highest false heat, the rest from all alike
_FORGET = 0.3  # share of a scene's old false heat that is forgotten each time it is seen


@dataclass(frozen=True)
class DetectorTraining:
    """Configuration of a detector's training.

    Attributes:
        network: ``detector``, which tells its configuration from that of other networks.
        samples: Number of samples seen over the whole run.
        batch: Scenes a step.
        reuse: Number of times that a scene is seen, on average, before the next ones are rendered.
        learning_rate: Highest learning rate of hidden kernels; a tenth for the rest.
        cooling: Share of the run, at its end, over which the learning rate falls to zero.
        decay: Decay of the moving average of the weights, a step.
        clip: Largest norm of the gradient.
        seed: Seed of data and initialisation.
        validation_samples: Size of the held-out set.
        validation_interval: Samples between two validations.
        chunk: Number of scenes that are rendered at a time, into a file.
        chunks: Number of the newest chunks of scenes that are kept in memory and drawn from.
        width, blocks: Size of the network.

    Raises:
        ValueError: A value makes no sense.
    """

    network: str = "detector"
    samples: int = 200_000
    batch: int = 32
    reuse: float = 4.0
    learning_rate: float = 0.02
    cooling: float = 0.25
    decay: float = 0.998
    clip: float = 10.0
    seed: int = 0
    validation_samples: int = 1024
    validation_interval: int = 16_000
    chunk: int = 1024
    chunks: int = 128
    width: int = DetectorConfig.width
    blocks: int = DetectorConfig.blocks

    def __post_init__(self) -> None:
        positive = (
            "samples",
            "batch",
            "learning_rate",
            "clip",
            "validation_samples",
            "validation_interval",
            "chunk",
            "chunks",
        )
        if not all(getattr(self, name) > 0 for name in positive) or self.reuse < 1:
            raise ValueError(f"{', '.join(positive)} must be positive, and reuse at least 1, got {self}")
        if not 0 <= self.cooling <= 1 or not 0 <= self.decay < 1:
            raise ValueError(f"cooling must lie in [0, 1] and decay in [0, 1), got {self}")
        DetectorConfig(self.width, self.blocks)

    @property
    def steps(self) -> int:
        return -(-self.samples // self.batch)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step as a share of the highest: a warm-up, constant, then down to zero."""
        warm = min(1.0, (step + 1) / min(_WARMUP, max(1, self.steps // 10)))
        left = (self.steps - step) / max(1.0, self.cooling * self.steps)
        return warm * min(1.0, left)


def network_of(path: Path | None) -> str:
    """Return which network the configuration in a file is for; ``pose`` where there is none or it does not say."""
    if path is None or not path.is_file():
        return "pose"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return "pose"
    return str(content.get("network", "pose")) if isinstance(content, dict) else "pose"


def read_run(path: Path) -> DetectorTraining:
    """Return the configuration of an earlier run.

    Raises:
        ValueError: The file is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return DetectorTraining(**content)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"'{path}' is not the configuration of a detector's training: {error}") from error


class _Pool:
    """The scenes in memory, and how hard each is.

    Args:
        folder: Folder of the chunks.
        run: Configuration of the run.
    """

    def __init__(self, folder: Path, run: DetectorTraining) -> None:
        self._folder, self._run = folder, run
        self._parts: list[Scenes] = []
        self._hardness = torch.zeros(0)
        self.rendered = 0

    def need(self, chunks: int) -> None:
        """Load or render chunks up to this number; more where files of more exist already."""
        while self.rendered < chunks or chunk_path(self._folder, self.rendered).is_file():
            self._parts.append(load_chunk(self._folder, self._run.seed, self.rendered, self._run.chunk))
            self._hardness = torch.cat((self._hardness, torch.full((self._run.chunk,), 0.5)))
            self.rendered += 1
        extra = len(self._parts) - self._run.chunks
        if extra > 0:
            self._parts = self._parts[extra:]
            self._hardness = self._hardness[extra * self._run.chunk :]

    def draw(self, generator: torch.Generator) -> tuple[torch.Tensor, Scenes]:
        """Return indices and scenes of a batch."""
        hard = int(_HARD * self._run.batch)
        some = torch.randint(len(self._hardness), (self._run.batch - hard,), generator=generator)
        # Among a few at random, the hardest by chance.
        many = torch.randint(len(self._hardness), (hard, 4), generator=generator)
        pick = torch.multinomial(self._hardness[many] + 0.02, 1, generator=generator)
        index = torch.cat((some, many.gather(1, pick)[:, 0]))
        rows = [divmod(int(i), self._run.chunk) for i in index]
        made = {f.name: torch.stack([getattr(self._parts[p], f.name)[r] for p, r in rows]) for f in fields(Scenes)}
        return index, Scenes(**made)

    def learn(self, index: torch.Tensor, worst: torch.Tensor) -> None:
        """Remember the highest false heat of scenes."""
        self._hardness[index] = torch.lerp(self._hardness[index], worst.cpu().float(), _FORGET)

    def state(self) -> dict[str, Any]:
        return {"hardness": self._hardness.half(), "rendered": self.rendered}

    def load(self, state: dict[str, Any]) -> None:
        self.need(state["rendered"])
        known = state["hardness"].float()
        self._hardness[: len(known)] = known[-len(self._hardness) :]


def train_detector(
    run: DetectorTraining,
    output: Path,
    *,
    resume: bool = False,
    start: str = "",
    report: Callable[[str], None] = print,
) -> dict[str, float]:
    """Train, and write weights and a card after every validation.

    Args:
        run: Configuration of the run.
        output: Weights file to write; beside it lies the run's folder, with scenes and a checkpoint.
        resume: Whether to go on from the checkpoint of an earlier run of this output; its scenes are used again.
        start: Name or path of weights to start from; empty: from random ones.
        report: Function that takes lines about the progress.

    Returns:
        Figures of the last validation.

    Raises:
        ValueError: There is nothing to resume, or the checkpoint is that of another network.
    """
    return _DetectorRun(run, output, resume, start, report).train()


class _DetectorRun:
    def __init__(
        self, run: DetectorTraining, output: Path, resume: bool, start: str, report: Callable[[str], None]
    ) -> None:
        self.run, self.output, self.start, self.report = run, output, start, report
        self.folder = run_folder(output)
        self.checkpoint = self.folder / "last.pt"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(run.seed)
        self.config = DetectorConfig(run.width, run.blocks)
        network = DetectorNet(self.config)
        if start:
            self.config = load_detector(start).config
            network = load_detector(start).build().train()
        self.network = as_convolved(network.to(self.device))
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=weight_average(run.decay), use_buffers=False
        )
        self.optimizer = Muon(self.network, run.learning_rate, run.learning_rate / 10, weight_decay=1e-3)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.pool = _Pool(self.folder / "scenes", run)
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        if resume:
            self._load()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "config.json", asdict(run), allow_nan=True)
        self.held_out = load_held_out(self.folder / "held_out.npz", run.seed, run.validation_samples)

    def train(self) -> dict[str, float]:
        run = self.run
        started, seconds = time.monotonic(), self.seconds
        generator = torch.Generator()
        figures: dict[str, float] = {}
        sums: dict[str, float] = {}
        counted = 0
        every = max(1, run.validation_interval // run.batch)
        with flushed_denormals():
            while self.step < run.steps:
                self.pool.need(1 + int(self.step * run.batch / (run.chunk * run.reuse)))
                generator.manual_seed(derive_seed(SeedFamily.DETECTOR_STEP, run.seed, self.step))
                parts = self._train_step(generator)
                for name, value in parts.items():
                    sums[name] = sums.get(name, 0.0) + value
                counted += 1
                self.step += 1
                self.seconds = seconds + time.monotonic() - started
                if self.step % 50 == 0:
                    means = " ".join(f"{name} {value / counted:.3f}" for name, value in sums.items())
                    rate = self.step * run.batch / max(self.seconds, 1e-9)
                    self.report(
                        f"step {self.step} of {run.steps}, scenes {self.pool.rendered * self.run.chunk}, "
                        f"{rate:.1f} samples/s: {means}"
                    )
                    sums, counted = {}, 0
                if self.step % every == 0 or self.step == run.steps:
                    figures = self._validate()
                    self._save()
                elif self.step % _KEPT == 0:
                    self._save()
        return figures

    def _train_step(self, generator: torch.Generator) -> dict[str, float]:
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.run.rate(self.step)
        index, stored = self.pool.draw(generator)
        with torch.no_grad():
            scenes = _to(augment_scenes(stored, generator), self.device)
            focal = scenes.focal[:, None].expand(-1, 2)
            depth = on_canvas(scenes.depth)
            x = features(depth, focal).contiguous(memory_format=torch.channels_last)
        self.network.train()
        parts = losses(self.network(x), scenes, depth)
        loss = total(parts)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.run.clip)
        if norm.isfinite():
            self.optimizer.step()
            self.average.update_parameters(self.network)
        self.pool.learn(index, parts.pop("worst"))
        return {"loss": loss.item(), **{name: value.item() for name, value in parts.items()}}

    def averaged(self) -> DetectorNet:
        """Return the averaged network, with the statistics of the one that trains."""
        network = DetectorNet(self.config)
        state = self.network.state_dict()
        state.update({name: value for name, value in self.average.module.state_dict().items() if "running" not in name})
        network.load_state_dict(state)
        return as_convolved(network.to(self.device)).eval()

    def _validate(self) -> dict[str, float]:
        network = self.averaged()
        figures = detector_figures(network, self.held_out, self.device)
        samples = self.step * self.run.batch
        rounded = {name: round(value, 4) for name, value in figures.items()}
        self.curve = [point for point in self.curve if point["samples"] < samples] + [{"samples": samples, **rounded}]
        write_json(self.folder / "validations.json", self.curve, allow_nan=True)
        self.report(f"{samples} samples: " + " ".join(f"{name} {value:.3f}" for name, value in figures.items()))
        name = self.output.name.removesuffix(weights.SUFFIX)
        training = {
            "data": "synthetic whole scenes",
            "samples": samples,
            "scenes": self.pool.rendered * self.run.chunk,
            "minutes": round(self.seconds / 60, 1),
            "device": str(self.device),
            "config": asdict(self.run),
            "held_out": rounded,
            **({"from": self.start} if self.start else {}),
        }
        state = {name: value.cpu() for name, value in network.state_dict().items()}
        made = DetectorWeights(name, self.config, state, training)
        weights.save(made, self.output, half=True)
        card = detector_card(made, self.output.stat().st_size, self.curve)
        write_atomically(self.output.with_suffix(".md"), card.encode())
        return figures

    def _save(self) -> None:
        content = BytesIO()
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "pool": self.pool.state(),
            "step": self.step,
            "seconds": self.seconds,
            "curve": self.curve,
            "start": self.start,
            "shape": self.config.to_dict(),
        }
        torch.save(state, content)
        write_atomically(self.checkpoint, content.getvalue())

    def _load(self) -> None:
        if not self.checkpoint.is_file():
            raise ValueError(f"there is no checkpoint '{self.checkpoint}' to resume from")
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            shape = state["shape"]
        except Exception as error:  # torch raises whatever the pickle leads it to
            raise ValueError(f"'{self.checkpoint}' is damaged: {str(error)[:1000]}; start a new run") from error
        if shape != self.config.to_dict():
            raise ValueError(
                f"the run to resume has a network of {shape}, not {self.config.to_dict()}: resume it with the same"
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.pool.load(state["pool"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.curve, self.start = list(state["curve"]), str(state["start"])
        if self.step >= self.run.steps:
            self.report(f"the run has come to its end after {self.run.samples} samples; give a larger --samples")


def _to(scenes: Scenes, device: torch.device) -> Scenes:
    return replace(scenes, **{f.name: getattr(scenes, f.name).to(device) for f in fields(Scenes)})
