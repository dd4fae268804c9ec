# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A progress bar for work that takes a while."""

from __future__ import annotations

from typing import Any


class Progress:
    """A bar on the terminal; none when quiet, when the output is no terminal, or when tqdm is not installed.

    Args:
        total: Number that the bar counts to.
        unit: Unit of that number.
        quiet: Whether to show nothing.
    """

    def __init__(self, total: float, unit: str, *, quiet: bool = False) -> None:
        self._bar: Any = None
        if quiet:
            return
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            return
        form = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}<{remaining}]"
        self._bar = tqdm(total=total, unit=unit, leave=False, bar_format=form, disable=None)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def at(self, value: float, total: float) -> None:
        """Move to a value of a total that was not known before."""
        if self._bar is not None:
            self._bar.total = total
            self.to(value)

    def to(self, value: float) -> None:
        """Move to a value; beyond the total stays at it."""
        if self._bar is not None:
            self._bar.update(min(value, self._bar.total) - self._bar.n)

    def step(self) -> None:
        """Move on by one."""
        if self._bar is not None:
            self._bar.update(1)
