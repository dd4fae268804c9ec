"""The former place of :class:`Intrinsics`, which programs go on to import from here."""

from .geometry.camera import Intrinsics

__all__ = ["Intrinsics"]
