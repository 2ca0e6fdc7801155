"""Containers and streams of compressed frames, identified by their first bytes.

The formats are those of RFC 3533 (Ogg), RFC 7845 (Opus in Ogg), RFC 9559 (Matroska, of which
WebM is a part), RFC 9639 (FLAC), RFC 4867 (AMR), RIFF/WAVE, and ISO/IEC 11172-3, 13818-7
and 14496-12 (MP3, ADTS, MP4).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

HEADLESS = " without its beginning"  # suffix of a name: the stream starts in its middle

_MAGICS = (
    (b"RF64", "WAV"),
    (b"RIFX", "WAV"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"#!AMR-WB", "AMR-WB"),
    (b"#!AMR", "AMR"),
    (b".snd", "AU"),
    (b"caff", "CAF"),
)
_OGG_CODECS = (
    (b"OpusHead", "Ogg/Opus"),
    (b"\x01vorbis", "Ogg/Vorbis"),
    (b"\x7fFLAC", "Ogg/FLAC"),
    (b"Speex   ", "Ogg/Speex"),
)
# Every name that `container_name` returns.
CONTAINERS = frozenset(
    {name for _, name in (*_MAGICS, *_OGG_CODECS)}
    | {"Ogg", "RIFF, not WAV", "AIFF", "WebM", "Matroska", "WebM or Matroska", "MP4", "AAC (ADTS)"}
)
_FIRST_PAGE = 0x02  # flag of an Ogg page: the first of its stream
_CLUSTER = b"\x1fC\xb6u"
_BLOCK_START, _TIMECODE = b"\xa3", 0xE7
# A block of track 1: its mark, its size as an EBML number of one to eight bytes, the track.
_SIZES = b"|".join(
    b"[\\x%02x-\\x%02x].{%d}" % (0x80 >> more, 0xFF >> more, more) for more in range(8)
)
_BLOCK_OF_1 = re.compile(b"\\xa3(?=(?:" + _SIZES + b")\\x81)", re.DOTALL)


def container_name(head: bytes) -> str | None:
    """Identify the container or compressed stream that these bytes belong to.

    Args:
        head: the first bytes of a stream; 32 KiB are enough.

    Returns:
        Its name, one of CONTAINERS, followed by HEADLESS where the bytes are from the middle
        of a stream; None where it is none of these.
    """
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    if head.startswith(b"RIFF"):
        return "WAV" if head[8:12] in (b"WAVE", b"") else "RIFF, not WAV"
    if head.startswith(b"FORM") and head[8:11] == b"AIF":
        return "AIFF"
    return _ogg(head) or _matroska(head) or _mp4(head) or _wav_inside(head) or _compressed(head)


def is_container(head: bytes) -> bool:
    """Whether a stream declares its own format; unlike `container_name`, one MPEG frame suffices.

    Args:
        head: the first message of a stream, which may be shorter than two frames.
    """
    return container_name(head) is not None or bool(mp3_length(head) or adts_length(head))


def _ogg(head: bytes) -> str | None:
    at = head.find(b"OggS\0")
    if at < 0 or len(head) < at + 27 or head[at + 5] > 7:
        return None
    if not head[at + 5] & _FIRST_PAGE:
        return f"Ogg{HEADLESS}"
    if at:
        return None
    packet = head[27 + head[26] :]
    return next((name for magic, name in _OGG_CODECS if packet.startswith(magic)), "Ogg")


def _matroska(head: bytes) -> str | None:
    if head.startswith(b"\x1aE\xdf\xa3"):
        document = head[:64].partition(b"\x42\x82")[2][1:9]
        return {b"webm": "WebM", b"matroska": "Matroska"}.get(
            b"webm" if document.startswith(b"webm") else document, "WebM or Matroska"
        )
    if _cluster(head) or _blocks(head):
        return f"WebM{HEADLESS}"
    return None


def _cluster(head: bytes) -> bool:
    at = head.find(_CLUSTER) + 4
    return at >= 4 and head[at + _vint_length(head, at) :][:1] == bytes([_TIMECODE])


def _vint_length(head: bytes, at: int) -> int:
    """The size in bytes of the EBML number at this offset."""
    return 9 - head[at].bit_length() if at < len(head) and head[at] else 1


def read_vint(data: bytes, at: int, *, keep_mark: bool) -> tuple[int, int]:
    """Decode an EBML number: its value, and its size in bytes (0 where there is none)."""
    if at >= len(data) or not data[at]:
        return 0, 0
    size = 9 - data[at].bit_length()
    if size > (4 if keep_mark else 8) or at + size > len(data):
        return 0, 0
    value = int.from_bytes(data[at : at + size], "big")
    return value if keep_mark else value & (1 << 7 * size) - 1, size


def _blocks(head: bytes) -> bool:
    """Whether three blocks of track 1 follow each other: the middle of a cluster."""
    return any(_three_blocks(head, found.start()) for found in _BLOCK_OF_1.finditer(head))


def _three_blocks(head: bytes, at: int) -> bool:
    for _ in range(3):
        size, width = read_vint(head, at + 1, keep_mark=False)
        start = at + 1 + width
        if head[at : at + 1] != _BLOCK_START or head[start : start + 1] != b"\x81" or not width:
            return False
        at = start + size
    return True


def _mp4(head: bytes) -> str | None:
    match head[4:8]:
        case b"ftyp":
            return "MP4"
        case b"moof" | b"styp" | b"sidx" if int.from_bytes(head[:4], "big") >= 8:
            return f"MP4{HEADLESS}"
    return None


def _wav_inside(head: bytes) -> str | None:
    sizes = (b"\x10\0\0\0", b"\x12\0\0\0", b"\x28\0\0\0")  # of the three forms of "fmt "
    begun = head.removeprefix(b"WAVE")
    return f"WAV{HEADLESS}" if begun[:4] == b"fmt " and begun[4:8] in sizes else None


# -- streams of frames, each with a header


def _compressed(head: bytes) -> str | None:
    for name, length in (("MP3", mp3_length), ("AAC (ADTS)", adts_length)):
        if _two_frames(head, length):
            return name
    return f"FLAC{HEADLESS}" if _is_flac_frame(head) else None


def _two_frames(head: bytes, length: Callable[[bytes], int]) -> bool:
    """Whether a second frame of the same kind follows where the first header says."""
    size = length(head[:7])
    second = head[size : size + 7]
    # The sync word, version and layer are the same in every frame of a stream.
    return size > 0 and length(second) > 0 and second[:2] == head[:2]


_BITRATES = {  # kbit/s of MPEG-1 and of MPEG-2 layer III
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = (44_100, 48_000, 32_000)


def mp3_length(header: bytes) -> int:
    """The size in bytes of the MP3 frame with this header, 0 if it is not one."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    halved = {3: 0, 2: 1, 0: 2}[version]  # times that the sample rate is halved
    kbits = _BITRATES[3 if version == 3 else 2][bitrate]
    samples = 1152 if version == 3 else 576
    return samples // 8 * kbits * 1000 // (_MP3_RATES[rate] >> halved) + (header[2] >> 1 & 1)


def adts_length(header: bytes) -> int:
    """The size in bytes of the ADTS frame with this header, 0 if it is not one."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    size = int.from_bytes(header[3:6], "big") >> 5 & 0x1FFF
    return size if header[2] >> 2 & 15 < 13 and size > 7 else 0


# Bytes of a frame of each type after its first byte (RFC 4867, section 5.3).
AMR_SIZES = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0)
AMR_WB_SIZES = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)


def _is_flac_frame(head: bytes) -> bool:
    """Whether it begins with the header of a FLAC frame, by the CRC of that header."""
    if len(head) < 16 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return False
    block, rate = head[2] >> 4, head[2] & 15
    number = max(1, 8 - (~head[4] & 0xFF).bit_length())  # bytes, as UTF-8 codes it
    size = 4 + number + {6: 1, 7: 2}.get(block, 0) + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    return block != 0 and rate != 15 and len(head) > size and _crc8(head[:size]) == head[size]


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc


# -- headers that declare a format


@dataclass(frozen=True, slots=True)
class ContainerHeader:
    """The format that the header of a container declares.

    Attributes:
        name: the container, one of CONTAINERS.
        encoding: "linear16", "mulaw", "alaw", "float32", "24-bit PCM" and so on; "" where the
            audio is compressed.
        rate: samples a second, 0 where the header does not declare it.
        channels: their number.
        bits: bits of a sample, 0 where the header does not declare it.
    """

    name: str
    encoding: str
    rate: int
    channels: int
    bits: int = 0


def read_header(head: bytes) -> ContainerHeader | None:
    """Read the header at the start of a WAV, Ogg or FLAC stream; None if there is none."""
    name = container_name(head)
    match name:
        case "WAV":
            return _wav_header(head)
        case "Ogg/Opus" | "Ogg/Vorbis" | "Ogg/Speex" | "Ogg/FLAC":
            return _ogg_header(name, head[27 + head[26] :])
        case "FLAC":
            return _flac_header(name, head[4:])
    return None


def wav_content(head: bytes) -> bytes:
    """What follows the header at the start of a WAV stream; empty where that is not known."""
    at = head.find(b"data", 0, 4096) + 8
    return head[at:] if at >= 8 and container_name(head) == "WAV" else b""


_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE  # format tags of RFC 2361


@dataclass(frozen=True, slots=True)
class WavSizes:
    """The sizes that the header of a WAV stream declares twice.

    Attributes:
        block_align: bytes of a sample of all channels.
        expected_block_align: the same by the bits of a sample.
        byte_rate: bytes a second.
        expected_byte_rate: the same by the rate, the channels and the bits.
    """

    block_align: int
    expected_block_align: int
    byte_rate: int
    expected_byte_rate: int


def wav_sizes(head: bytes) -> WavSizes | None:
    """Read the sizes in the header of a WAV stream; None where it is not one of raw samples."""
    header = _wav_header(head) if container_name(head) == "WAV" else None
    if header is None or not header.encoding:
        return None
    number = _wav_fields(head)
    assert number is not None
    expected = header.channels * ((header.bits + 7) // 8)
    return WavSizes(number(12), expected, number(8, 4), expected * header.rate)


def _wav_fields(head: bytes) -> Callable[..., int] | None:
    """Reads the number at an offset, and of a size, in the chunk with the format."""
    at = head.find(b"fmt ", 0, 4096) + 8
    order = "big" if head.startswith(b"RIFX") else "little"
    if at < 8 or len(head) < at + 16:
        return None

    def number(offset: int, size: int = 2) -> int:
        return int.from_bytes(head[at + offset : at + offset + size], order)  # type: ignore[arg-type]  # mypy widens the two literals to str

    return number


def _wav_header(head: bytes) -> ContainerHeader | None:
    number = _wav_fields(head)
    if number is None:
        return None
    tag, channels, rate, bits = number(0), number(2), number(4, 4), number(14)
    if tag == _EXTENSIBLE:
        tag = number(24)
    return ContainerHeader("WAV", _wav_encoding(tag, bits), rate, channels, bits)


def _wav_encoding(tag: int, bits: int) -> str:
    match tag, bits:
        case _, _ if tag == _PCM:
            return "linear16" if bits == 16 else f"{bits}-bit PCM"
        case _, _ if tag == _FLOAT:
            return f"float{bits}"
    return {_ALAW: "alaw", _MULAW: "mulaw"}.get(tag, "")


def _ogg_header(name: str, packet: bytes) -> ContainerHeader | None:
    if name == "Ogg/FLAC":
        return _flac_header(name, packet[13:])
    rate, channels = {"Ogg/Opus": (12, 9), "Ogg/Vorbis": (12, 11), "Ogg/Speex": (36, 48)}[name]
    if len(packet) < max(rate + 4, channels + 1):
        return None
    return ContainerHeader(
        name, "", int.from_bytes(packet[rate : rate + 4], "little"), packet[channels]
    )


def _flac_header(name: str, block: bytes) -> ContainerHeader | None:
    """Read STREAMINFO, which is always the first metadata block."""
    if len(block) < 22:
        return None
    packed = int.from_bytes(block[14:18], "big")  # 20 bits, 3 bits, and more
    return ContainerHeader(name, "", packed >> 12, (packed >> 9 & 7) + 1)
