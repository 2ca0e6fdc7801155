"""Raw samples of any encoding as numpy arrays, in units of 16-bit samples."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from . import g711
from .encodings import Encoding
from .signal_meter import FULL_SCALE, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .signal_meter import Samples

_LIMIT = 4.0 * FULL_SCALE  # floats beyond are no audio; they are limited to it


def decode_pcm(data: bytes | memoryview, encoding: Encoding) -> Samples:
    """Decode raw samples.

    Args:
        data: samples from the start of one on; a part of one at the end is left out.
        encoding: how they are encoded.

    Returns:
        Interleaved samples, -32768 to 32767 at full scale: integers of 16-bit and G.711 samples,
        floats of all others. Floats that are not finite become 0.
    """
    data = data[: len(data) // encoding.sample_bytes * encoding.sample_bytes]
    if encoding.law is not None:
        return law_table(encoding.law)[np.frombuffer(data, np.uint8)]
    if encoding.is_float:
        return _floats(np.frombuffer(data, f"{encoding.order}f{encoding.sample_bytes}"))
    match encoding.sample_bytes:
        case 1:
            return (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * np.int16(256)
        case 2:
            return np.frombuffer(data, f"{encoding.order}i2").astype(np.int16, copy=False)
        case 3:
            return _three_bytes(data, encoding.order)
    values = np.frombuffer(data, f"{encoding.order}i4").astype(np.float32)
    return values * np.float32(1 / (1 << 16))


def _floats(values: NDArray[np.floating]) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        scaled = values.astype(np.float32) * np.float32(FULL_SCALE)
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=_LIMIT, neginf=-_LIMIT)
    return np.clip(scaled, -_LIMIT, _LIMIT, out=scaled)


def _three_bytes(data: bytes | memoryview, order: str) -> NDArray[np.float32]:
    parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
    low, middle, high = (0, 1, 2) if order == "<" else (2, 1, 0)
    top = parts[:, high].astype(np.int8).astype(np.float32)
    return top * 256 + parts[:, middle] + parts[:, low] * np.float32(1 / 256)


@lru_cache(maxsize=2)
def law_table(law: g711.Law) -> NDArray[np.int16]:
    """The sample of each code."""
    return np.array(law.values, np.int16)


def scale_of(encoding: Encoding) -> Scale:
    """What full scale and silence are in decoded samples of this encoding."""
    if encoding.law is not None:
        return Scale(max(encoding.law.values), 2.0 * encoding.law.quietest, rounded=True)
    if encoding.is_float or encoding.sample_bytes > 2:
        return Scale(32766.9, 0.01)
    return Scale(32767.0 - (encoding.sample_bytes == 1) * 255)
