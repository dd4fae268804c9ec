# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Synthetic hands and bodies, rendered to depth: training data and a camera for everybody."""
