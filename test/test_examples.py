# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Examples in docstrings run as they are written."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ("estimator.estimator", "geometry.camera", "geometry.estimate", "model.heatmaps", "model.voxels")


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"v2v_ros.{module}"))
    assert outcome.attempted > 0 and outcome.failed == 0
