# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth from files: lists of frames, bags and datasets, and predicting on them."""
