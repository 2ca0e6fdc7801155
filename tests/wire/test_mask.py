"""Masking works where websockets was installed without its C extension."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_SPEEDUPS = """
import sys
sys.modules["websockets.speedups"] = None  # importing it fails from now on
from wsproxy.wire import Frame, FrameParser, Opcode
import wsproxy.redact
for size in (0, 1, 4, 5, 1000):
    payload = bytes(range(250)) * 4
    sent = Frame(Opcode.BINARY, payload[:size], mask=b"abcd").serialize()
    [frame] = FrameParser().feed(sent)
    assert frame.payload == payload[:size]
    assert size < 4 or frame.payload not in sent
"""


def test_mask_without_speedups_is_applied() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_SPEEDUPS], check=True, timeout=60)
