# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whole scenes, still and moving, as a depth camera sees them."""
