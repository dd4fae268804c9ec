# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How depth cameras see: noise, holes, flying pixels and faults."""
