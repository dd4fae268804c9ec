# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The paper's comparison of representations: pixels or voxels in, coordinates or voxels out."""
