# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Nodes in child processes, an observer of what they publish, and the demonstration."""
