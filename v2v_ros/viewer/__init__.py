# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A look at depth and skeletons in the browser, without ROS."""
