# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The file that all kinds of weights lie in: safetensors, with a header that says what they are.

Pickles are never read, and what cannot be used is refused with an error that names the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import nn

from ..io.files import write_atomically
from .detector_network import DetectorConfig
from .joint_refiner import JointRefinerConfig
from .network import CenterRefinerConfig, NetworkConfig
from .weights_names import SUFFIX, WeightsError

Config = TypeVar("Config", NetworkConfig, CenterRefinerConfig, JointRefinerConfig, DetectorConfig)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file.

    Attributes:
        header: Texts by name: skeleton, size of the network, an id, how the weights were trained.
        state: Tensors by name, float32 where they are numbers with a fraction.
        hash: First 12 hexadecimal digits of the file's SHA-256.
    """

    header: dict[str, str]
    state: dict[str, torch.Tensor]
    hash: str


def read_file(path: Path, format: str, content: str, command: str) -> WeightsFile:
    """Read a weights file.

    Args:
        path: Path of the file.
        format: Name of the format that it must have.
        content: Name of what such a file holds, for the error's message.
        command: Command that writes such a file, for the error's message.

    Raises:
        WeightsError: The file cannot be read, is of another format, or holds values that are not finite.
    """
    try:
        read = path.read_bytes()
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"weights file '{path}' cannot be read ({error}); it is damaged or not a {SUFFIX} file: fetch it again"
        ) from error
    if header.get("format") != format:
        raise WeightsError(
            f"weights file '{path}' is not a v2v_ros weights file of the right kind (format "
            f"'{str(header.get('format'))[:100]}', expected '{format}'): {content} are needed, as '{command}' writes "
            "them"
        )
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    if not all(value.isfinite().all() for value in state.values()):
        raise WeightsError(f"weights file '{path}' holds values that are not finite; fetch it again")
    return WeightsFile(header, state, hashlib.sha256(read).hexdigest()[:12])


def write_file(path: Path, header: dict[str, str], state: Mapping[str, torch.Tensor], *, half: bool) -> None:
    """Write a weights file; a reader never sees half of it.

    Args:
        path: Path of the file.
        header: Texts by name; ``format`` is one of them.
        state: Tensors by name.
        half: Whether convolutions and matrices are stored in half precision. The statistics of batch normalisation,
            some of which half precision cannot hold, stay as they are.
    """
    stored = {key: (value.half() if half and value.dim() > 1 else value).contiguous() for key, value in state.items()}
    write_atomically(path, serialize(stored, header))


@contextmanager
def damage_of(path: Path) -> Iterator[None]:
    """Blame the file for what goes wrong while its content is made sense of.

    Raises:
        WeightsError: Something went wrong.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        # An error may quote all that the file holds.
        raise WeightsError(f"weights file '{path}' is damaged: {str(error)[:1000]}; fetch it again") from error


def parse_config(kind: type[Config], text: str) -> Config:
    """Return a network's configuration from JSON.

    Numbers must be of their type: Python would go on for long with a grid of 48.0 or true.

    Raises:
        TypeError, ValueError: The text is not such a configuration.
    """
    config = kind(**json.loads(text))
    for name, value in config.to_dict().items():
        if type(value) is not int and (name != "sigma" or type(value) is not float):
            raise TypeError(f"the network's {name} cannot be {value!r}")
    return config


def check_state(network: type[nn.Module], config: Any, state: dict[str, torch.Tensor]) -> None:
    """Raise unless the state is that of a network of this size.

    Raises:
        RuntimeError: Tensors are missing, too many or of other shapes.
    """
    with torch.device("meta"):
        network(config).load_state_dict(state, assign=True)


def with_state(network: Network, state: dict[str, torch.Tensor]) -> Network:
    """Return the network with this state, in evaluation mode."""
    network.load_state_dict(state)
    return network.eval()
