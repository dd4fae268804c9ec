# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The ROS nodes. Nothing outside this folder imports rclpy."""
