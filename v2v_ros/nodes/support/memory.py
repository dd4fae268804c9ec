"""Memory that the C library holds back although nobody uses it."""

from __future__ import annotations

import ctypes

PERIOD = 10.0  # seconds; the next image then takes some milliseconds longer, as its memory has to be asked for anew


def release_free_memory() -> bool:
    """Give free memory back to the system where the C library is glibc; returns whether anything was given back.

    Images come and go in two threads at once, between other things that stay. The heap is never free at its end, so
    glibc keeps it, and over hours the process grows by what lies between. Takes about a millisecond.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(ctypes.c_size_t(0)))
