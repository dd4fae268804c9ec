# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The parts of the pose node: inputs, a worker, its processing and how it recovers."""
