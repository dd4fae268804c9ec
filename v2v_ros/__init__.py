# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Metric 3D skeletons of hands and bodies from depth images, with V2V-PoseNet."""

__version__ = "0.1.0"
