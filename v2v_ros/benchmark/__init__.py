# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How fast the way from a depth image to a skeleton is on a machine, and what the machine could do at best."""

from __future__ import annotations

from .suite import BenchmarkPlan, run_benchmark

__all__ = ["BenchmarkPlan", "run_benchmark"]
