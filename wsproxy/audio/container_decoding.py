"""Compressed audio, decoded while it arrives. Uses PyAV, which the extra `audio` installs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .containers import HEADLESS
from .demuxing import AmrDemuxer, Codec, Demuxer, Mp4Demuxer, OggDemuxer, Restart, WebmDemuxer
from .signal_meter import FULL_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARSED = {"MP3": "mp3", "AAC (ADTS)": "aac"}  # streams that FFmpeg's parsers can divide
_MAX_HELD = 32  # packets that a parser holds back at most
_MAX_ERRORS = 1000  # in a row, after which no more is decoded


class DecoderMissing(Exception):
    """Nothing here can decode this audio; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded audio.

    Attributes:
        samples: interleaved, in units of 16-bit samples.
        rate: samples of one channel a second.
        channels: their number.
    """

    samples: NDArray[np.float32]
    rate: int
    channels: int


class ContainerDecoder:
    """Decodes a container or a stream of compressed frames.

    Args:
        name: the container, as `containers.container_name` returned it.

    Raises:
        DecoderMissing: PyAV is not installed, or the container is one that is not decoded.

    Attributes:
        bad_packets: packets that could not be decoded.
    """

    def __init__(self, name: str) -> None:
        self._av = _load_av()
        self._name = name
        self._demuxer = _demuxer(name)
        self._codec = Codec(_PARSED.get(name.removesuffix(HEADLESS), ""))
        self._context: Any = None
        self._flac_head: bytearray | None = bytearray() if name == "FLAC" else None
        self._errors = 0
        self.bad_packets = 0

    def feed(self, data: bytes) -> Iterator[Decoded | Restart]:
        """Decode the next bytes.

        Yields:
            The audio that they complete, and `Restart` where a header begins.
        """
        if self._demuxer is None:
            yield from self._parse(data)
            return
        for item in self._demuxer.feed(data):
            if isinstance(item, Restart):
                yield item
            elif isinstance(item, Codec):
                self._codec = item
                self._context = None
            else:
                yield from self._decode(item)

    def flush(self) -> Iterator[Decoded]:
        """Decode what the decoder still holds at the end of the stream."""
        if self._context is None or self._codec.name == "mp4":
            return
        if self._demuxer is None:
            # The parser returns one packet at a time: that of FLAC holds some of them back.
            for _ in range(_MAX_HELD):
                for packet in self._context.parse(None):
                    yield from self._frames(packet)
        yield from self._frames(None)

    # -- streams without a container

    def _parse(self, data: bytes) -> Iterator[Decoded | Restart]:
        if self._flac_head is not None:
            self._flac_head += data
            if len(self._flac_head) < 42:
                return
            data = bytes(self._flac_head)
            yield Restart()
            self._flac_head = None
            self._codec = Codec("flac", data[8:42])
        elif data.startswith((b"ID3", b"fLaC")):
            yield Restart()
        context = self._open()
        if context is None:
            return
        for packet in context.parse(data):
            yield from self._frames(packet)

    # -- packets

    def _decode(self, packet: bytes) -> Iterator[Decoded]:
        if self._codec.name == "mp4":
            yield from self._decode_file(packet)
        elif self._open() is not None:
            yield from self._frames(self._av.Packet(packet))

    def _open(self) -> Any:
        if self._context is None and self._codec.name:
            self._context = self._av.CodecContext.create(self._codec.name, "r")
            if self._codec.header:
                self._context.extradata = self._codec.header
            if self._codec.rate:
                self._context.sample_rate = self._codec.rate
            if self._codec.name in ("amrnb", "amrwb", "speex", "opus"):
                self._context.layout = "stereo" if self._codec.channels == 2 else "mono"
        return self._context

    def _frames(self, packet: Any) -> Iterator[Decoded]:
        if self._errors > _MAX_ERRORS:
            return
        try:
            frames = self._context.decode(packet)
        except (self._av.error.FFmpegError, ValueError):
            self.bad_packets += packet is not None
            self._errors += 1
            return
        self._errors = 0
        for frame in frames:
            yield _decoded(frame)

    def _decode_file(self, data: bytes) -> Iterator[Decoded]:
        try:
            with self._av.open(io.BytesIO(data)) as file:
                for frame in file.decode(audio=0):
                    yield _decoded(frame)
        except (self._av.error.FFmpegError, IndexError, ValueError):
            self.bad_packets += 1


def _load_av() -> Any:
    try:
        import av  # noqa: PLC0415  # an extra
    except ImportError:
        message = "PyAV is not installed; install wsproxy[audio]"
        raise DecoderMissing(message) from None
    av.logging.set_level(None)
    return av


def _demuxer(name: str) -> Demuxer | None:
    bare = name.removesuffix(HEADLESS)
    if bare.startswith("Ogg"):
        return OggDemuxer()
    match bare:
        case "WebM" | "Matroska" | "WebM or Matroska":
            return WebmDemuxer(headless=name.endswith(HEADLESS))
        case "AMR" | "AMR-WB":
            return AmrDemuxer(wide=bare == "AMR-WB")
        case "MP4":
            return Mp4Demuxer()
        case "MP3" | "AAC (ADTS)" | "FLAC":
            return None
    message = f"{name} is not decoded"
    raise DecoderMissing(message)


def _decoded(frame: Any) -> Decoded:
    values = frame.to_ndarray()
    if frame.format.is_planar:
        values = values.T
    flat = values.reshape(-1)
    if flat.dtype.kind == "f":
        scaled = flat.astype(np.float32) * np.float32(FULL_SCALE)
    elif flat.dtype.itemsize == 4:
        scaled = flat.astype(np.float32) * np.float32(1 / (1 << 16))
    else:
        scaled = flat.astype(np.float32)
    return Decoded(scaled, frame.sample_rate, frame.layout.nb_channels)
