"""What a process sets up before it trains or evaluates."""

from __future__ import annotations

import ctypes
import sys

import torch

KEPT = 1 << 30  # bytes
_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)


def settle() -> None:
    """For a process beside others like it: one thread, and memory kept."""
    torch.set_num_threads(1)
    keep_memory()


def keep_memory() -> None:
    """Keep the memory that a step frees for the next one, where the C library is glibc: handed back, it would be zeroed anew each time."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tune is not None and tune(_MMAP, KEPT):  # alone, the other would only keep the library from adapting
        tune(_TRIM, KEPT)
