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
    data = b"".join(
        _mulaw_codes()[block.view(np.uint16)].tobytes() if mulaw else block.astype("<i2").tobytes()
        for block in blocks
    )
    return wav_header(len(data), channels, rate, mulaw=mulaw) + data + b"\0" * (len(data) % 2)


def wav_header(size: int, channels: int, rate: int, *, mulaw: bool = False) -> bytes:
    """What precedes the samples in a WAV file.

    Args:
        size: bytes of all samples; after an odd number a zero byte has to follow them.
        mulaw: as for `wav_file`.
    """
    width, tag = (1, _MULAW) if mulaw else (2, _PCM)
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, width * 8
    )
    if mulaw:
        form += struct.pack("<H", 0)  # bytes of further fields
    chunks = _chunk(b"fmt ", form)
    if mulaw:
        chunks += _chunk(b"fact", struct.pack("<I", size // channels))
    chunks += b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + size + size % 2) + b"WAVE" + chunks


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


@cache
def _mulaw_codes() -> NDArray[np.uint8]:
    """The code of each sample, by the sample as an unsigned number."""
    samples = np.arange(1 << 16, dtype=np.uint16).astype(np.int16)
    return np.frombuffer(g711.MULAW.encode(samples.tolist()), np.uint8)
