# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the nodes publish: messages, transforms, markers and what other packages want."""
