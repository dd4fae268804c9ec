# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""People that never were: shapes, poses, motion and the rooms about them."""
