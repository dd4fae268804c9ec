# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether weights may be tested on a dataset, by what they say of their training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.weights import Weights
from ...recorded.datasets.specs import DatasetSpec

# What the networks after several epochs of a run have in common.
_OF_A_RUN = ("recipe", "grid", "width", "seed", "epochs")


def check_trained_on(members: Mapping[str, Weights], spec: DatasetSpec, test_subject: int | None = None) -> list[str]:
    """Compare the training of weights with the test, and with each other. Weights that do not tell are passed over.

    Args:
        members: Weights whose joints are averaged, by name.
        test_subject: Subject of MSRA that is tested on.

    Returns:
        Warnings.

    Raises:
        ValueError: The tested subject was trained on, or the weights were trained on different data.
    """
    configs = {name: member.training["config"] for name, member in members.items() if "config" in member.training}
    data = {name: found for name, member in members.items() if (found := _data(member)) is not None}
    for name, (dataset, left_out) in data.items():
        if dataset == spec.name and left_out >= 0 and left_out != test_subject:
            raise ValueError(
                f"'{name}' was trained on subject {test_subject}, on which it is to be tested: subject {left_out} was "
                f"left out of its training, so test it with --subject {left_out}, or name the weights that were "
                f"trained with --subject {test_subject}"
            )
    if len(set(data.values())) > 1:
        trained = "; ".join(f"'{name}' on {_text(*each)}" for name, each in data.items())
        raise ValueError(f"the weights were trained on different data, leave some out: {trained}")
    warnings = [
        f"'{name}' was trained on {_text(*each)}, not on {spec.name}: it has never seen this dataset, and the "
        "published results are of networks that were trained on it"
        for name, each in data.items()
        if each[0] != spec.name
    ]
    differing = {key: _values(configs, key) for key in _OF_A_RUN}
    differences = "; ".join(f"{key} {' and '.join(values)}" for key, values in differing.items() if len(values) > 1)
    if differences:
        warnings.append(
            f"the weights are not of one training run ({differences}), as those of the published results are"
        )
    return warnings


def _data(weights: Weights) -> tuple[str, int] | None:
    """Dataset, empty for synthetic data, and the subject that was left out, or -1; None if the weights do not tell."""
    config = weights.training.get("config", {})
    # Weights that are older than the training on datasets say in words what they were trained on.
    dataset = config.get("dataset", "" if "data" in weights.training and config else None)
    return None if dataset is None else (dataset, config.get("test_subject", -1))


def _text(dataset: str, left_out: int) -> str:
    if not dataset:
        return "synthetic data"
    return dataset if left_out < 0 else f"{dataset} without subject {left_out}"


def _values(configs: Mapping[str, Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(config[key]) for config in configs.values() if key in config))
