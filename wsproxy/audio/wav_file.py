"""WAV files of 16-bit PCM or mu-law."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from . import g711

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PCM, _MULAW = 1, 7  # format tags


def wav_file(
    blocks: Iterable[NDArray[np.int16]], channels: int, rate: int, *, mulaw: bool = False
) -> bytes:
    """A WAV file.

    Args:
        blocks: samples: a row for each time, a column for each channel.
        mulaw: one byte a sample, instead of two.
    """
    width, tag = (1, _MULAW) if mulaw else (2, _PCM)
    data = b"".join(
        _mulaw_codes()[block.view(np.uint16)].tobytes() if mulaw else block.astype("<i2").tobytes()
        for block in blocks
    )
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, width * 8
    )
    if mulaw:
        form += struct.pack("<H", 0)  # bytes of further fields
    chunks = _chunk(b"fmt ", form)
    if mulaw:
        chunks += _chunk(b"fact", struct.pack("<I", len(data) // channels))
    chunks += _chunk(b"data", data)
    return _chunk(b"RIFF", b"WAVE" + chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


@cache
def _mulaw_codes() -> NDArray[np.uint8]:
    """The code of each sample, by the sample as an unsigned number."""
    samples = np.arange(1 << 16, dtype=np.uint16).astype(np.int16)
    return np.frombuffer(g711.MULAW.encode(samples.tolist()), np.uint8)
