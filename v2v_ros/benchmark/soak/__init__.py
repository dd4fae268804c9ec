# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether the pose node stays what it is for hours: memory, file handles, threads and latency over time."""
