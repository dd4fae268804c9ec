# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Calls of commands that have commands of their own by now, as they were written before."""

from __future__ import annotations

from collections.abc import Sequence

# Which evaluation an option chose; the first that was given decided.
_EVALUATIONS = {
    "--motion": "motion",
    "--tracks": "tracks",
    "--predictions": "predictions NAME FILE ... --truth FILE (or --data DIR)",
    "--truth": "predictions NAME FILE ... --truth FILE (or --data DIR)",
    "--dataset": "dataset NAME --data DIR --weights FILE",
    "--data": "dataset NAME --data DIR --weights FILE",
    "--detector": "detector",
    "--calibrate": "calibrate --weights FILE",
    "--frames": "recorded FRAMES.json ...",
}


def new_spelling(arguments: Sequence[str]) -> str | None:
    """Return how a call is written now; None for one that is not written as before."""
    name, *rest = arguments or ("",)
    options = [word.partition("=")[0] for word in rest if word.startswith("-")]
    if name == "evaluate" and rest and rest[0] in options and rest[0] not in ("-h", "--help"):
        chosen = next((text for option, text in _EVALUATIONS.items() if option in options), None)
        return f"v2v evaluate {chosen or 'synthetic'}"
    if name == "benchmark" and "--data" in options:
        return "v2v data speed NAME --data DIR"
    return None
