# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Diagnostics: whether a node works, and what to do when it does not."""
