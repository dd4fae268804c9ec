# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of the PyTorch re-implementation of V2V-PoseNet to our weights.

The network of github.com/dragonbook/V2V-PoseNet-pytorch (src/v2v_model.py) is the published one, as is ours, under
other names and on grids with another layout:

- Its grids are [x, y, z] and ours [z, y, x]: all kernels are transposed.
- The y axis of its points points up and ours down: all kernels are mirrored along y. This is exact, not nearly so: the
  convolutions have odd kernels with as much padding on both sides, and the poolings and the transposed convolutions
  work on blocks of two cells, of which a mirrored grid of even size has the same.

So the imported network's heatmaps are those of the original, transposed and mirrored. Cells are the same in both: cell
i covers [i, i + 1), and a target's peak is at the joint itself, so that no offset is left (src/v2v_util.py).
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from ..geometry.skeletons import Skeleton
from ..model.network import NetworkConfig, V2VPoseNet
from ..model.weights import Weights
from ..recorded.datasets.specs import SPECS

YAxis = Literal["up", "down"]

# Before 2.6, weights_only could be made to run code (CVE-2025-32434), before 2.10 to corrupt memory (CVE-2026-24747).
_SAFE_TORCH = (2, 10)

_FIRST = "front_layers.0.block.0.weight"

# Where the blocks of our network are in the other. Inside of a block, the names differ by _INSIDE only.
_BLOCKS = {
    "front.0": "front_layers.0.block",
    "front.2": "front_layers.2",
    "front.3": "front_layers.3",
    "front.4": "front_layers.4",
    "outer_skip": "encoder_decoder.skip_res1",
    "outer_down.1": "encoder_decoder.encoder_res1",
    "inner_skip": "encoder_decoder.skip_res2",
    "inner.1": "encoder_decoder.encoder_res2",
    "inner.2": "encoder_decoder.mid_res",
    "inner.3": "encoder_decoder.decoder_res2",
    "inner.4": "encoder_decoder.decoder_upsample2.block",
    "outer_up.0": "encoder_decoder.decoder_res1",
    "outer_up.1": "encoder_decoder.decoder_upsample1.block",
    "back.0": "back_layers.0",
    "back.1": "back_layers.1.block",
    "back.2": "back_layers.2.block",
    "back.3": "output_layer",
}
_BLOCK = re.compile("|".join(rf"(?:(?<=\.)|^){re.escape(block)}(?=\.)" for block in _BLOCKS.values()))
_INSIDE = {"branch": "res_branch", "skip": "skip_con"}

REMAINING = (
    "Pixels were counted from 1: in training, all points lay one pixel further right and down than they do here, the "
    "joints did not. Weights cannot undo that; intrinsics with cx and cy smaller by 1 can.",
    "Points up to one voxel beyond the low faces of the cube (left, near, and the one where y is lowest) were counted "
    "into its outermost voxels. Here they are left out.",
    "Joints were read off as the centre of the highest heatmap cell. Here they are found between cells.",
)
"""Differences from the original that remain after the conversion."""


class ImportRefusedError(ValueError):
    """A checkpoint cannot be turned into weights; the message names the file, the problem and the remedy."""


def default_cube_edge(skeleton: Skeleton) -> float:
    """Edge in metres of the cubes that the paper takes for the first dataset with this skeleton."""
    return next((spec.cube_edge for spec in SPECS.values() if spec.skeleton is skeleton), skeleton.cube_edge)


def import_checkpoint(
    path: Path, name: str, skeleton: Skeleton, *, cube_edge: float | None = None, y_axis: YAxis = "up"
) -> Weights:
    """Convert a checkpoint of the PyTorch re-implementation.

    Args:
        path: File that ``torch.save`` wrote: a state dictionary, or a dictionary with one in it. Names may have a
            prefix, such as ``module.``.
        name: Id of the weights.
        skeleton: Skeleton of the heatmaps, with their order of joints.
        cube_edge: Edge of the cubes it was trained on, metres; None: see :func:`default_cube_edge`.
        y_axis: Direction of the y axis of its training points; up in its readers of MSRA and ITOP.

    Raises:
        ImportRefusedError: The file is missing, damaged, unsafe, or not that network for that skeleton.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImportRefusedError(f"checkpoint '{path}' cannot be read: {error.strerror}") from error
    entry, prefix, found = _find_state(path, _read(path, content))
    first = found.get(_FIRST, found.get(_FIRST.replace("weight", "bias")))
    width = NetworkConfig.width
    if isinstance(first, torch.Tensor):
        width = first.shape[0] if first.dim() else 0
    if not 1 <= width <= 256:
        raise ImportRefusedError(f"checkpoint '{path}': '{_FIRST}' has {width} channels; this is another network")
    config = NetworkConfig(len(skeleton.joint_names), width=width)
    with torch.device("meta"):
        wanted = V2VPoseNet(config).state_dict()
    names = {key: _their_name(key) for key in wanted}
    for key, theirs in names.items():  # before PyTorch 0.4.1, nothing counted batches
        if key.endswith(".num_batches_tracked"):
            found.setdefault(theirs, torch.tensor(0))
    problems = list(_problems({names[key]: value for key, value in wanted.items()}, found, skeleton))
    if problems:
        raise ImportRefusedError(
            f"checkpoint '{path}' is not the V2V-PoseNet of the PyTorch re-implementation for '{skeleton.name}':\n  "
            + "\n  ".join(problems)
        )
    state = {}
    for key, theirs in names.items():
        value = _kernel(found[theirs], y_axis) if wanted[key].dim() == 5 else found[theirs]
        state[key] = value.detach().to(wanted[key].dtype).clone(memory_format=torch.contiguous_format)
    imported: dict[str, Any] = {
        "from": "github.com/dragonbook/V2V-PoseNet-pytorch",
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "entry": entry,
        "prefix": prefix,
        "converted": _conversions(y_axis),
        "assumed": [
            "grid of 88 voxels and sigma of 1.7 heatmap cells, which the file does not hold",
            f"joints in the order of '{skeleton.name}'",
        ],
        "remaining": list(REMAINING),
    }
    edge = default_cube_edge(skeleton) if cube_edge is None else cube_edge
    return Weights(name, skeleton, config, edge, state, {"imported": imported})


def _conversions(y_axis: YAxis) -> list[str]:
    flip = ["kernels mirrored along y: it pointed up, and points down here"] if y_axis == "up" else []
    return ["names", "kernels transposed from x, y, z to z, y, x", *flip]


def _kernel(value: torch.Tensor, y_axis: YAxis) -> torch.Tensor:
    """Return a kernel [.., .., x, y, z] of a convolution, transposed or not, as [.., .., z, y, x] with y down."""
    value = value.permute(0, 1, 4, 3, 2)
    return value.flip(3) if y_axis == "up" else value


def _their_name(key: str) -> str:
    block = next(block for block in _BLOCKS if key.startswith(f"{block}."))
    inside = [_INSIDE.get(part, part) for part in key[len(block) + 1 :].split(".")]
    return ".".join((_BLOCKS[block], *inside))


def _read(path: Path, content: bytes) -> Any:
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < _SAFE_TORCH:
        raise ImportRefusedError(
            f"reading checkpoints is not safe with PyTorch {torch.__version__}, as a crafted file could run code "
            "(CVE-2025-32434, CVE-2026-24747): run the import with PyTorch 2.10 or later, any other machine will do"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:  # from a PyTorch before 1.6, which did not write archives; or damaged
        unpacked = 0
    if unpacked > len(content):  # torch.save compresses nothing
        raise ImportRefusedError(
            f"checkpoint '{path}' has {len(content)} bytes and would unpack to {unpacked}; torch.save did not write it "
            "so: get it from where it was made"
        )
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle raises whatever it stumbles upon
        objects = re.search(r"GLOBAL (\S+)", str(error))
        if objects is None:
            raise ImportRefusedError(
                f"checkpoint '{path}' cannot be read; it is damaged or not written by torch.save: fetch it again"
            ) from error
        raise ImportRefusedError(
            f"checkpoint '{path}' holds more than tensors ({objects[1]}). Restoring such objects can run any code, so "
            "they are never read. If you trust the file, load it in the program that made it and save the weights "
            "alone: torch.save(network.state_dict(), 'weights.pth')"
        ) from error


def _find_state(path: Path, content: Any) -> tuple[str, str, dict[str, torch.Tensor]]:
    """Return the network's state dictionary, under which key it was, and its names' prefix, which is taken off."""
    entries = {"": content, **content} if isinstance(content, dict) else {}
    states = {
        str(entry): (prefix, state)
        for entry, state in entries.items()
        if isinstance(state, dict) and (prefix := _prefix(state)) is not None
    }
    if not states:
        holds = ", ".join(map(str, list(content)[:8])) if isinstance(content, dict) else type(content).__name__
        raise ImportRefusedError(
            f"checkpoint '{path}' holds no V2V-PoseNet of the PyTorch re-implementation: there are no tensors of its "
            f"layers, such as '{_FIRST}', in it or one level below. It holds: {holds or 'nothing'}"
        )
    if len(states) > 1:
        raise ImportRefusedError(
            f"checkpoint '{path}' holds several networks ({', '.join(states)}): save the right one alone, "
            f"torch.save(checkpoint['{next(iter(states))}'], 'weights.pth')"
        )
    ((entry, (prefix, state)),) = states.items()
    if prefix.endswith("basic_model.") or any("spatial_softmax." in str(key) for key in state):
        raise ImportRefusedError(
            f"checkpoint '{path}' is of the variant with integral pose loss (integral-pose/), whose network returns "
            "logits for a softmax and no heatmaps; only networks of the heatmap loss (src/) can be imported"
        )
    return entry, prefix, {str(key).removeprefix(prefix): value for key, value in state.items()}


def _prefix(state: dict[Any, Any]) -> str | None:
    """Return what comes before the names of the network's tensors; None where most of its blocks are not there."""
    found = {
        (key[: place.start()], place[0])
        for key, value in state.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor) and (place := _BLOCK.search(key))
    }
    counts = Counter(prefix for prefix, _ in found).most_common(1)
    return counts[0][0] if counts and counts[0][1] > len(_BLOCKS) / 2 else None


def _problems(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor], skeleton: Skeleton) -> Iterator[str]:
    """Yield what keeps a state dictionary from being the wanted one, a line each."""
    shared = [key for key in wanted if isinstance(found.get(key), torch.Tensor)]
    head = found.get("output_layer.weight")
    if isinstance(head, torch.Tensor) and head.dim() and head.shape[0] != len(skeleton.joint_names):
        yield (
            f"it has {head.shape[0]} heatmaps, but '{skeleton.name}' has {len(skeleton.joint_names)} joints: "
            "choose another skeleton"
        )
    shapes = [
        f"{key} {list(found[key].shape)} instead of {list(wanted[key].shape)}"
        for key in shared
        if found[key].shape != wanted[key].shape
    ]
    # Of the others, the values are not looked at: without memory of their own, a few bytes can be a huge tensor.
    broken = [key for key in shared if found[key].shape == wanted[key].shape and not found[key].isfinite().all()]
    for what, keys in (
        ("missing", [key for key in wanted if key not in shared]),
        ("unexpected", [key for key in found if key not in wanted]),
        ("of another shape", shapes),
        ("not finite", broken),
    ):
        if keys:
            rest = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
            yield f"{what}: {', '.join(keys[:5])}{rest}"
