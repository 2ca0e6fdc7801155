"""Raw samples as arrays: 16-bit integers and 32-bit floats, in either byte order."""

from __future__ import annotations

import sys
from array import array


def samples_from_bytes(data: bytes, *, typecode: str = "h", big_endian: bool = False) -> array[int]:
    """Unpack 16-bit samples; an odd byte at the end is left out.

    Args:
        data: the packed samples.
        typecode: "h" for signed numbers, "H" for unsigned ones.
        big_endian: the byte order of `data`.
    """
    samples = array(typecode, data[: len(data) // 2 * 2])
    if big_endian != (sys.byteorder == "big"):
        samples.byteswap()
    return samples


def bytes_from_samples(samples: array[int], *, big_endian: bool = False) -> bytes:
    """Pack 16-bit samples."""
    if big_endian != (sys.byteorder == "big"):
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def floats_from_bytes(data: bytes) -> array[float]:
    """Unpack little-endian 32-bit floats; up to 3 bytes at the end are left out."""
    values = array("f", data[: len(data) // 4 * 4])
    if sys.byteorder == "big":
        values.byteswap()
    return values


def bytes_from_floats(values: array[float]) -> bytes:
    """Pack 32-bit floats as little-endian bytes."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
