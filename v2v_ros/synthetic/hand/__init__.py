# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Hands that never were: shapes, poses, motion and surroundings."""
