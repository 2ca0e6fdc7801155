"""Gives memory that is free inside the process back to the system."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def return_free_memory() -> None:
    """Collect garbage, and give free memory back where the C library is glibc.

    After work with large objects glibc keeps their memory for later, separately for each thread.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # there is no such function
        ctypes.CDLL(None).malloc_trim(0)
