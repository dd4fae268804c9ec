# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training of joint refiners on the peaks of a frozen pose network."""
