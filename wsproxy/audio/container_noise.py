"""Noise that replaces the audio of containers, whose headers are kept.

Kept is what identifies the format: magic numbers, stream headers, headers of pages, blocks and
frames. Replaced is what may identify people: titles, tags, comments. `containers` lists the
formats and their documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .containers import AMR_SIZES, AMR_WB_SIZES, adts_length, mp3_length, read_vint

NoiseBytes = Callable[[int], bytes]  # that number of bytes of noise

_BAD_CHECKSUMS = "a decoder will stop at the first frame: its checksums are not valid any more"


@dataclass(frozen=True, slots=True)
class NoisyStream:
    """A stream whose audio was replaced with noise.

    Attributes:
        note: what is invalid in the container, empty if nothing is.
    """

    data: bytes
    note: str = ""


def replace_audio(name: str, data: bytes, noise: NoiseBytes) -> NoisyStream:
    """Replace the audio of a stream with noise.

    Args:
        name: the container, as `containers.container_name` returned it.
        noise: returns random bytes.
    """
    if name.startswith("Ogg"):
        return NoisyStream(_ogg(data, noise))
    if name.startswith(("WebM", "Matroska")):
        return NoisyStream(_webm(data, noise))
    match name:
        case "MP3":
            return NoisyStream(_frames(_without_id3(data), noise, mp3_length, 4))
        case "AAC (ADTS)":
            return NoisyStream(_frames(data, noise, adts_length, 7))
        case "AMR" | "AMR-WB":
            return NoisyStream(_amr(data, noise, wide=name == "AMR-WB"))
        case "FLAC":
            return NoisyStream(_flac(data, noise), _BAD_CHECKSUMS)
    kept = 16 if name.startswith("FLAC") else 12
    return NoisyStream(
        data[:kept] + noise(len(data[kept:])),
        f"of the {name} stream, only the magic number is kept",
    )


def wav_header(data: bytes) -> bytes | None:
    """The header of a WAV stream up to its samples, without titles and comments.

    Returns:
        None where the samples do not start in `data`.
    """
    order = "big" if data.startswith(b"RIFX") else "little"
    out = bytearray(data[:12])
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], order)  # type: ignore[arg-type]  # mypy widens the two literals to str
        out += data[at : at + 8]
        at += 8
        if name == b"data":
            return bytes(out)
        content = data[at : at + size + size % 2]
        out += content if name in (b"fmt ", b"fact", b"ds64") else bytes(len(content))
        at += len(content)
    return None


# -- Ogg (RFC 3533)


def _ogg(data: bytes, noise: NoiseBytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(data):
        start = data.find(b"OggS\0", at)
        start = len(data) if start < 0 else start
        out += noise(start - at)
        at = start
        if len(data) < at + 27 or len(data) < at + 27 + data[at + 26]:
            out += noise(len(data) - at)
            break
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        body = at + 27 + len(lacing)
        page = bytearray(data[at:body])
        content = data[body : body + sum(lacing)]
        page += _ogg_body(page[5], lacing, content, noise)
        if len(content) == sum(lacing):
            page[22:26] = bytes(4)
            page[22:26] = _ogg_sum(page).to_bytes(4, "little")
        out += page
        at = body + len(content)
    return bytes(out)


def _ogg_body(flags: int, lacing: bytes, content: bytes, noise: NoiseBytes) -> bytes:
    if flags & 2 and len(content) < 256:
        return content  # the first page identifies the codec
    if content.startswith(b"OpusTags") and len(content) > 16:
        vendor = len(content) - 16  # RFC 7845, section 5.2; no comments
        return b"OpusTags" + vendor.to_bytes(4, "little") + b"x" * vendor + bytes(4)
    replaced = bytearray(noise(len(content)))
    at, begins = 0, not flags & 1
    for size in lacing:
        if begins and at < len(content):
            replaced[at] = content[at]  # an Opus packet's first byte determines its duration
        begins = size < 255
        at += size
    return bytes(replaced)


def _ogg_table() -> Iterator[int]:
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        yield crc


_OGG_TABLE = tuple(_ogg_table())


def _ogg_sum(page: bytes | bytearray) -> int:
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _OGG_TABLE[crc >> 24 ^ byte]
    return crc


# -- WebM (RFC 8794, RFC 9559)

_MASTERS = frozenset(
    {0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xA0, 0x1549A966, 0x1254C367, 0x7373, 0x67C8, 0x63C0}
)
# Numbers, codec names, indexes: elements that are kept completely.
_KEPT = frozenset(
    {0x1A45DFA3, 0x114D9B74, 0x1C53BB6B, 0xE1, 0x86, 0x63A2, 0xD7, 0x73C5, 0x83, 0x9C, 0x22B59C}
    | {0x56AA, 0x56BB, 0x2AD7B1, 0x4489, 0xE7, 0xA7, 0xAB, 0x9B, 0x75A2, 0xFB, 0x68CA, 0x55EE}
)
_BLOCKS = frozenset({0xA3, 0xA1})
_CLUSTER = b"\x1fC\xb6u"
_DEEPEST = 8


def _webm(data: bytes, noise: NoiseBytes) -> bytes:
    out = bytearray()
    while len(out) < len(data):
        out += _elements(data, len(out), len(data), noise, 0)
        if len(out) < len(data):  # synchronization is lost until the next cluster
            found = data.find(_CLUSTER, len(out) + 1)
            out += noise((found if found > 0 else len(data)) - len(out))
    return bytes(out)


def _elements(data: bytes, at: int, end: int, noise: NoiseBytes, depth: int) -> bytes:
    """The elements from an offset on, up to the first unknown one."""
    out = bytearray()
    while at < end and depth < _DEEPEST:
        name, id_size = read_vint(data, at, keep_mark=True)
        size, size_size = read_vint(data, at + id_size, keep_mark=False)
        known = name in _MASTERS or name in _KEPT or name in _BLOCKS
        if not id_size or not size_size or (depth == 0 and not known):
            break
        start = at + id_size + size_size
        unknown = size == (1 << 7 * size_size) - 1
        stop = end if unknown else min(end, start + size)
        out += data[at:start]
        if name in _MASTERS:
            inside = _elements(data, start, stop, noise, depth + 1)
            out += inside
            if len(inside) < stop - start:
                if unknown:
                    break
                out += noise(stop - start - len(inside))
        elif name in _KEPT:
            out += data[start:stop]
        elif name in _BLOCKS:  # track, time, flags, and an Opus packet's first byte
            out += data[start:stop][:5] + noise(max(0, stop - start - 5))
        else:
            out += b"x" * (stop - start)
        at = stop
    return bytes(out)


# -- streams of frames


def _frames(data: bytes, noise: NoiseBytes, length: Callable[[bytes], int], kept: int) -> bytes:
    out = bytearray()
    at = 0
    while at < len(data):
        size = length(data[at : at + 7])
        if size:
            out += data[at : at + kept] + noise(max(0, min(size, len(data) - at) - kept))
        elif at == 0 and data.startswith(b"ID3"):
            size = 10 + sum((byte & 127) << 7 * (3 - n) for n, byte in enumerate(data[6:10]))
            out += data[:size]
        else:
            found = data.find(b"\xff", at + 1)
            size = (found if found > 0 else len(data)) - at
            out += noise(size)
        at += size
    return bytes(out)


def _without_id3(data: bytes) -> bytes:
    """Replace the frames of an ID3 tag with zeros, which are padding."""
    if not data.startswith(b"ID3") or len(data) < 10:
        return data
    size = sum((byte & 127) << 7 * (3 - n) for n, byte in enumerate(data[6:10]))
    return data[:10] + bytes(len(data[10 : 10 + size])) + data[10 + size :]


def _amr(data: bytes, noise: NoiseBytes, *, wide: bool) -> bytes:
    """RFC 4867, section 5.3."""
    sizes = AMR_WB_SIZES if wide else AMR_SIZES
    at = data.find(b"\n") + 1 or len(data)
    out = bytearray(data[:at][:15])
    out += noise(at - len(out))
    while at < len(data):
        size = min(sizes[data[at] >> 3 & 15], len(data) - at - 1)
        out += data[at : at + 1] + noise(size)
        at += 1 + size
    return bytes(out)


def _flac(data: bytes, noise: NoiseBytes) -> bytes:
    """RFC 9639, section 8: all metadata blocks but the first one become padding."""
    out = bytearray(data[:4])
    at, last = 4, False
    while not last and at + 4 <= len(data):
        last, size = bool(data[at] & 0x80), int.from_bytes(data[at + 1 : at + 4], "big")
        content = data[at + 4 : at + 4 + size]
        if data[at] & 0x7F:
            out += bytes([data[at] & 0x80 | 1]) + data[at + 1 : at + 4] + bytes(len(content))
        else:
            out += data[at : at + 4] + content[:18] + bytes(len(content[18:]))  # no MD5
        at += 4 + len(content)
    return bytes(out) + noise(max(0, len(data) - at))
