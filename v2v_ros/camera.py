# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The former place of :class:`Intrinsics`, which programs go on to import from here."""

from .geometry.camera import Intrinsics

__all__ = ["Intrinsics"]
