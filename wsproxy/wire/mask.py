"""Masking of payloads (RFC 6455, section 5.3)."""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:
    # websockets has no C extension where it was installed without a compiler, or on PyPy.
    from websockets.utils import apply_mask

__all__ = ["apply_mask"]
