# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Networks and what surrounds them: grids to heatmaps to joints, depth images to detections, and their weights."""
