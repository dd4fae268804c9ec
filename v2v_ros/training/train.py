"""One training run: data, trainer, checkpoints, weights file."""

from __future__ import annotations

import json
import logging
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from .. import weights
from ..files import write_atomically
from ..network import NetworkConfig
from ..skeletons import get_skeleton
from ..weights import Weights
from .data import Batch, SyntheticHands, held_out
from .module import PoseTraining

HELD_OUT_SEED = 2**31  # beyond every training seed
_RESUME_SEEDS = 1_000_000


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run.

    Attributes:
        skeleton: ``hand21``; synthetic bodies are not there yet.
        grid, width, sigma: The network (:class:`~v2v_ros.network.NetworkConfig`).
        samples: Samples seen over the whole run.
        batch: Samples a step.
        learning_rate: Highest learning rate.
        seed: Of the data and the initialisation.
        validation_samples: Size of the held-out set.
        validation_interval: Training samples between two validations.
        precision: Of Lightning's trainer, such as ``bf16-mixed`` or ``32-true``.
    """

    skeleton: str = "hand21"
    grid: int = 48
    width: int = 8
    sigma: float = 1.7
    samples: int = 200_000
    batch: int = 8
    learning_rate: float = 2e-3
    seed: int = 0
    validation_samples: int = 512
    validation_interval: int = 8_000
    precision: str = "bf16-mixed"


class WeightsExport(Callback):
    """Writes the weights file after every validation, so that a run cut short still leaves its latest."""

    def __init__(self, config: TrainingConfig, path: Path) -> None:
        self.config, self.path = config, path
        self.started = time.monotonic()
        self.exported_step = -1

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": time.monotonic() - self.started}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.started = time.monotonic() - state_dict["seconds"]

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if not isinstance(module, PoseTraining):
            return
        self.exported_step = trainer.global_step
        skeleton = get_skeleton(self.config.skeleton)
        figures = {key: round(float(value), 4) for key, value in trainer.callback_metrics.items() if "val/" in key}
        training: dict[str, Any] = {
            "data": "synthetic right hands",
            "samples": trainer.global_step * self.config.batch,
            "minutes": round((time.monotonic() - self.started) / 60, 1),
            "device": str(module.device),
            "config": asdict(self.config),
            "held_out": figures,
        }
        weights.save(
            Weights(
                id=self.path.name.removesuffix(weights.SUFFIX),
                skeleton=skeleton,
                config=module.config,
                cube_edge=skeleton.cube_edge,
                state=module.network.state_dict(),
                training=training,
            ),
            self.path,
        )


def train(config: TrainingConfig, output: Path, *, resume: bool = False, progress: bool = True) -> dict[str, float]:
    """Train and write a weights file.

    Beside it, in a folder of the same name with ``_run`` added, lie the run's configuration, its figures as CSV and
    the last checkpoint.

    Args:
        output: The weights file to write.
        resume: Go on from the last checkpoint of the same run.

    Returns:
        The figures on the held-out set.

    Raises:
        ValueError: The skeleton has no training data, a number is out of its range, the output has another suffix, or
            there is no checkpoint to resume from.
    """
    skeleton = get_skeleton(config.skeleton)
    if skeleton.name != "hand21":
        raise ValueError(f"there is no synthetic training data for skeleton '{skeleton.name}' yet; train 'hand21'")
    if output.suffix != weights.SUFFIX:
        raise ValueError(f"'{output}': choose a name that ends in {weights.SUFFIX}")
    if not 0 <= config.seed < HELD_OUT_SEED - _RESUME_SEEDS:
        raise ValueError(f"the seed must be from 0 to {HELD_OUT_SEED - _RESUME_SEEDS - 1}, got {config.seed}")
    network = NetworkConfig(len(skeleton.joint_names), config.grid, config.width, config.sigma)
    folder = output.with_name(output.name.removesuffix(weights.SUFFIX) + "_run")
    last = folder / "last.ckpt"
    if resume and not last.is_file():
        raise ValueError(f"there is no checkpoint to resume from at '{last}'; start without --resume")
    write_atomically(folder / "config.json", (json.dumps(asdict(config), indent=1) + "\n").encode())

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    lightning.seed_everything(config.seed, verbose=False)
    steps = max(1, config.samples // config.batch)
    module = PoseTraining(network, config.learning_rate, steps)
    # A resumed run must not see the first samples again.
    data_seed = config.seed + (int(time.time()) % _RESUME_SEEDS if resume else 0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = DataLoader(
        SyntheticHands(network, skeleton.cube_edge, config.batch, data_seed, device), batch_size=None, num_workers=0
    )
    fixed = held_out(network, skeleton.cube_edge, config.validation_samples, 32, HELD_OUT_SEED)
    validation: DataLoader[Batch] = DataLoader(fixed, batch_size=None)  # type: ignore[arg-type]
    export = WeightsExport(config, output)
    # The logger empties its folder: a resumed run gets one of its own.
    version = f"resumed_{len(list(folder.glob('resumed_*'))) + 1}" if resume else ""
    trainer = lightning.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_steps=steps,
        precision=config.precision,  # type: ignore[arg-type]
        val_check_interval=max(1, min(steps, config.validation_interval // config.batch)),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
        gradient_clip_val=10.0,
        logger=CSVLogger(folder, name=None, version=version),
        callbacks=[
            ModelCheckpoint(folder, filename="last", enable_version_counter=False, every_n_train_steps=min(500, steps)),
            export,
            *([TQDMProgressBar(refresh_rate=10)] if progress else []),
        ],
        enable_progress_bar=progress,
        enable_model_summary=False,
    )
    torch.set_float32_matmul_precision("high")
    with warnings.catch_warnings():
        # Of folders that are not empty, since they are ours, and of Lightning's own future.
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
        # Only our own checkpoint of this run is read, and it holds nothing but tensors and numbers.
        trainer.fit(module, training, validation, ckpt_path=last if resume else None, weights_only=True)
        if export.exported_step != trainer.global_step:
            trainer.validate(module, validation, verbose=False)
    return {key: float(value) for key, value in trainer.callback_metrics.items() if "val/" in key}
