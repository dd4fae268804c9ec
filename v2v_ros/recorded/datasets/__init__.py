# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Readers of published datasets of hands and bodies."""

# Here, where nothing needs to be imported to know them; they are those of specs.SPECS.
NAMES = ("icvl", "nyu", "msra", "hands2017", "itop_side", "itop_top")
