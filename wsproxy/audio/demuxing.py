"""Containers taken apart while they arrive: the packets of Ogg, WebM, AMR and MP4.

Only what a decoder needs is read. Bytes that fit nowhere are skipped up to the next place where
the container can be entered again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from .containers import AMR_SIZES, AMR_WB_SIZES, read_vint

_MAX_START = 16  # of the head of an element
_MAX_BLOCK = 8192  # bytes of a block of audio
_MAX_HELD = 4 << 20  # bytes of an element that has not arrived completely


@dataclass(frozen=True, slots=True)
class Codec:
    """How packets are coded.

    Attributes:
        name: the decoder, as FFmpeg names it.
        header: what it needs in advance.
        rate: samples a second, 0 if the packets tell it.
        channels: their number.
    """

    name: str
    header: bytes = b""
    rate: int = 0
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Restart:
    """The header of a container, at the start of a stream or in its middle."""


Packet = bytes
Item = Packet | Codec | Restart


class Demuxer(Protocol):
    """Takes a container apart."""

    def feed(self, data: bytes) -> Iterator[Item]:
        """The items that are complete with these bytes."""
        ...


class OggDemuxer:
    """Ogg (RFC 3533) with Opus, Vorbis, Speex or FLAC."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._packet = bytearray()
        self._headers: list[bytes] = []
        self._left = 0  # header packets that are still to come

    def feed(self, data: bytes) -> Iterator[Item]:
        """The items that are complete with these bytes."""
        self._held += data
        while True:
            at = self._held.find(b"OggS\0")
            if at < 0:
                del self._held[:-4]
                return
            del self._held[:at]
            page = self._held
            if len(page) < 27 or len(page) < 27 + page[26]:
                return
            lacing = bytes(page[27 : 27 + page[26]])
            body = 27 + len(lacing)
            if len(page) < body + sum(lacing):
                return
            flags, content = page[5], bytes(page[body : body + sum(lacing)])
            del self._held[: body + len(content)]
            yield from self._page(flags, lacing, content)

    def _page(self, flags: int, lacing: bytes, content: bytes) -> Iterator[Item]:
        if flags & 2:
            yield Restart()
            self._headers.clear()
        if not flags & 1:
            self._packet.clear()
        at = 0
        for size in lacing:
            self._packet += content[at : at + size]
            at += size
            if size < 255:
                packet = bytes(self._packet)
                self._packet.clear()
                yield from self._complete(packet)

    def _complete(self, packet: bytes) -> Iterator[Item]:
        started = self._start(packet)
        if started is not None:
            self._left = started
            self._headers = [packet]
        elif self._left:
            self._left -= 1
            self._headers.append(packet)
        elif packet:
            yield packet
            return
        if self._headers and not self._left:
            codec = _ogg_codec(self._headers)
            self._headers = []
            if codec:
                yield codec

    def _start(self, packet: bytes) -> int | None:
        """How many header packets follow this one, None if it is none."""
        if packet.startswith((b"OpusHead", b"Speex   ")):
            return 1
        if packet.startswith(b"\x01vorbis"):
            return 2
        if packet.startswith(b"\x7fFLAC"):
            return int.from_bytes(packet[7:9], "big")
        return None


def _ogg_codec(headers: list[bytes]) -> Codec | None:
    first = headers[0]
    if first.startswith(b"OpusHead") and len(first) >= 19:
        return Codec("opus", first, 48_000, first[9])
    if first.startswith(b"\x01vorbis") and len(headers) == 3 and len(first) >= 16:
        sizes = b"".join(_lacing(len(header)) for header in headers[:2])
        rate = int.from_bytes(first[12:16], "little")
        return Codec("vorbis", b"\x02" + sizes + b"".join(headers), rate, first[11])
    if first.startswith(b"Speex   ") and len(first) >= 52:
        return Codec("speex", first, int.from_bytes(first[36:40], "little"), first[48])
    if first.startswith(b"\x7fFLAC") and len(first) >= 51:
        return Codec("flac", first[17:51])
    return None


def _lacing(size: int) -> bytes:
    return b"\xff" * (size // 255) + bytes([size % 255])


# -- WebM (RFC 8794, RFC 9559)

_EBML, _CODEC, _CODEC_PRIVATE, _TRACK_ENTRY = 0x1A45DFA3, 0x86, 0x63A2, 0xAE
_CLUSTER, _TIMECODE, _SIMPLE_BLOCK, _BLOCK = 0x1F43B675, 0xE7, 0xA3, 0xA1
# Elements whose content is read: Segment, Cluster, Tracks, TrackEntry, BlockGroup, Audio.
_MASTERS = frozenset({0x18538067, _CLUSTER, 0x1654AE6B, _TRACK_ENTRY, 0xA0, 0xE1})
_CHANNELS = 0x9F
# Elements that are passed over.
_SKIPPED = frozenset(
    {0x114D9B74, 0x1C53BB6B, 0x1549A966, 0x1254C367, 0xEC, 0xBF, _TIMECODE, 0xA7, 0xAB, 0x9B, 0xFB}
    | {0xD7, 0x73C5, 0x83, 0x88, 0xB9, 0x55AA, 0x9C, 0x22B59C, 0x22B59D, 0x536E, 0x56AA, 0x56BB}
    | {0x2AD7B1, 0x4489, 0xB5, 0x6264, 0x78B5, 0x258688, 0x6DE7, 0x6DF8, 0x55EE, 0xAA, 0x23E383}
    | {0x75A1, 0x75A2, 0xEE, 0xA6, 0xA5, 0xA4}
)
_WEBM_CODECS = {
    b"A_OPUS": ("opus", 48_000),
    b"A_VORBIS": ("vorbis", 0),
    b"A_AAC": ("aac", 0),
    b"A_FLAC": ("flac", 0),
    b"A_PCM/FLOAT/IEEE": ("pcm_f32le", 0),
    b"A_PCM/INT/LIT": ("pcm_s16le", 0),
}


class WebmDemuxer:
    """WebM, and Matroska with one track of audio.

    Args:
        headless: whether the stream starts in the middle; then it is taken for Opus, as browsers
            record it.
    """

    def __init__(self, *, headless: bool = False) -> None:
        self._held = bytearray()
        self._skip = 0
        self._track: dict[int, bytes] = {}
        self._headless = headless

    def feed(self, data: bytes) -> Iterator[Item]:
        """The items that are complete with these bytes."""
        if self._headless:
            self._headless = False
            yield Codec("opus", b"OpusHead\x01\x01" + b"\0\0\x80\xbb\0\0\0\0\0", 48_000, 1)
        self._held += data
        while self._held:
            if self._skip:
                skipped = min(self._skip, len(self._held))
                del self._held[:skipped]
                self._skip -= skipped
                continue
            held = bytes(self._held[:12])
            name, id_size = read_vint(held, 0, keep_mark=True)
            size, size_size = read_vint(held, id_size, keep_mark=False) if id_size else (0, 0)
            if not (id_size and size_size) and len(held) >= 12:
                self._resynchronize()
                continue
            if not (id_size and size_size):
                return
            start = id_size + size_size
            if name in _MASTERS:
                del self._held[:start]
                yield from self._begin(name)
            elif name in (_EBML, _CODEC, _CODEC_PRIVATE, _CHANNELS, _SIMPLE_BLOCK, _BLOCK):
                if size > _MAX_HELD:
                    self._resynchronize()
                    continue
                if len(self._held) < start + size:
                    return
                content = bytes(self._held[start : start + size])
                del self._held[: start + size]
                yield from self._element(name, content)
            elif name in _SKIPPED:
                del self._held[:start]
                self._skip = size
            else:
                self._resynchronize()

    def _resynchronize(self) -> None:
        """Skip to the next cluster or block, or all but the last bytes."""
        found = [
            at for mark in (b"\x1fC\xb6u", b"\x1aE\xdf\xa3") if (at := self._held.find(mark, 1)) > 0
        ]
        block = next(self._blocks(), None)
        if block is not None:
            found.append(block)
        # An element may begin in the last bytes.
        del self._held[: min(found, default=max(1, len(self._held) - _MAX_START))]

    def _blocks(self) -> Iterator[int]:
        """Where blocks of track 1 may begin, by their first bytes."""
        held = bytes(self._held)
        at = held.find(b"\xa3", 1)
        while 0 < at < len(held) - _MAX_START:
            size, width = read_vint(held, at + 1, keep_mark=False)
            if width and 4 < size < _MAX_BLOCK and held[at + 1 + width] == 0x81:
                yield at
            at = held.find(b"\xa3", at + 1)

    def _begin(self, name: int) -> Iterator[Item]:
        if name == _TRACK_ENTRY:
            self._track = {}
        elif name == _CLUSTER and self._track:
            yield from self._codec()

    def _codec(self) -> Iterator[Item]:
        track, self._track = self._track, {}
        found = _WEBM_CODECS.get(track.get(_CODEC, b"").rstrip(b"\0"))
        channels = int.from_bytes(track.get(_CHANNELS, b"\1"), "big") or 1
        if found:
            yield Codec(found[0], track.get(_CODEC_PRIVATE, b""), found[1], channels)

    def _element(self, name: int, content: bytes) -> Iterator[Item]:
        if name == _EBML:
            yield Restart()
        elif name in (_SIMPLE_BLOCK, _BLOCK):
            _, width = read_vint(content, 0, keep_mark=False)
            if width and len(content) > width + 3:
                yield content[width + 3 :]
        else:
            self._track[name] = content


class AmrDemuxer:
    """AMR files (RFC 4867, section 5)."""

    def __init__(self, *, wide: bool) -> None:
        self._held = bytearray()
        self._magic = b"#!AMR-WB\n" if wide else b"#!AMR\n"
        self._sizes = AMR_WB_SIZES if wide else AMR_SIZES
        self._codec = Codec("amrwb", rate=16_000) if wide else Codec("amrnb", rate=8000)

    def feed(self, data: bytes) -> Iterator[Item]:
        """The items that are complete with these bytes."""
        self._held += data
        while self._held:
            if self._held.startswith(self._magic[: len(self._held)]):
                if len(self._held) < len(self._magic):
                    return
                del self._held[: len(self._magic)]
                yield Restart()
                yield self._codec
                continue
            size = 1 + self._sizes[self._held[0] >> 3 & 15]
            if len(self._held) < size:
                return
            yield bytes(self._held[:size])
            del self._held[:size]


class Mp4Demuxer:
    """Fragmented MP4 (ISO/IEC 14496-12): pieces that can be decoded each by itself.

    A packet is the header of the stream with one fragment, or a complete file.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._head = b""
        self._fragment = bytearray()

    def feed(self, data: bytes) -> Iterator[Item]:
        """The items that are complete with these bytes."""
        self._held += data
        while len(self._held) >= 8:
            size = int.from_bytes(self._held[:4], "big")
            name = bytes(self._held[4:8])
            if size < 8 or size > 16 * _MAX_HELD:
                self._held.clear()
                return
            if len(self._held) < size:
                return
            box = bytes(self._held[:size])
            del self._held[:size]
            yield from self._box(name, box)

    def _box(self, name: bytes, box: bytes) -> Iterator[Item]:
        match name:
            case b"ftyp":
                yield Restart()
                self._head = box
                self._fragment.clear()
                yield Codec("mp4")
            case b"moov":
                # A file has its samples before or after its index.
                if self._fragment:
                    yield self._head + bytes(self._fragment) + box
                    self._fragment.clear()
                self._head += box
            case b"moof":
                self._fragment = bytearray(box)
            case b"mdat":
                self._fragment += box
                if b"moov" in self._head[:4096] or len(self._head) > 64:
                    yield self._head + bytes(self._fragment)
                    self._fragment.clear()
