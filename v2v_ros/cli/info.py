# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v info``: versions, devices, skeletons and weights."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from .common import Commands, command, print_rows


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command(commands, "info", run, "Show versions, devices, skeletons and shipped weights.", "v2v info")


def run(_: argparse.Namespace) -> dict[str, Any]:
    import torch

    from ..geometry.skeletons import SKELETONS
    from ..model import weights

    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    listing = []
    for name in weights.shipped():
        loaded = weights.load(name)
        config = loaded.config
        listing.append(
            {
                "name": name,
                "skeleton": loaded.skeleton.name,
                "grid": config.grid,
                "width": config.width,
                "cube_edge_m": loaded.cube_edge,
                "hash": loaded.hash,
                "joint_refiner": loaded.refiner is not None,
                "samples": loaded.training.get("samples"),
                "held_out_error_mm": loaded.training.get("held_out", {}).get("val/error_mm"),
                "held_out_median_mm": loaded.training.get("held_out", {}).get("val/median_mm"),
            }
        )
    detectors = []
    for name in weights.shipped_detectors():
        detector = weights.load_detector(name)
        training = detector.training
        detectors.append(
            {
                "name": name,
                "hash": detector.hash,
                "samples": training.get("samples"),
                "hand_recall": training.get("held_out", {}).get("hand_recall"),
                "body_recall": training.get("held_out", {}).get("body_recall"),
            }
        )
    print_rows([("v2v_ros", __version__), ("torch", torch.__version__), ("devices", ", ".join(devices))])
    print("\nskeletons")
    for skeleton in SKELETONS.values():
        edge = f"cube {skeleton.cube_edge:g} m"
        print(f"  {skeleton.name:8} {skeleton.kind:5} {len(skeleton.joint_names):2} joints, {edge}")
    print("\nshipped weights")
    for entry in listing:
        print(
            f"  {entry['name']}: {entry['skeleton']}, grid {entry['grid']}, width {entry['width']}, "
            f"hash {entry['hash']}\n    joint error on held-out synthetic data: mean {entry['held_out_error_mm']} mm, "
            f"median {entry['held_out_median_mm']} mm"
        )
    print("\nshipped detectors")
    for entry in detectors:
        print(
            f"  {entry['name']}: hands and bodies, hash {entry['hash']}\n"
            f"    found on held-out synthetic scenes with 1 false alarm in 100: {entry['hand_recall']} of the hands, "
            f"{entry['body_recall']} of the bodies"
        )
    return {
        "version": __version__,
        "torch": torch.__version__,
        "devices": devices,
        "skeletons": {s.name: list(s.joint_names) for s in SKELETONS.values()},
        "weights": listing,
        "detector_weights": detectors,
    }
