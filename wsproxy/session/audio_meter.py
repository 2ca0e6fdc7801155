"""How much audio a direction has carried so far, and how much of it is audible speech.

The format is the one that is declared at the time. Samples are judged by their peaks, in pieces of
100 ms: 16-bit PCM and mu-law.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.audio.encodings import MULAW, PCM16, AudioFormat
from wsproxy.catalog import Api
from wsproxy.trace import FrameRecord

from .audio_carrier import CarriedAudio
from .format_timeline import AudioSession, format_timeline

PIECE = 0.1  # seconds of audio that are judged at once
HANGOVER = 0.3  # seconds after an audible piece that still count as speech
_EVERY = 8  # samples: one of these is looked at
# What is not audible: high bytes of samples under -33 dBFS, and codes under the same level.
_QUIET_PCM = bytes(b for b in range(256) if min(b, 255 - b) < 3)
_QUIET_MULAW = bytes(b for b in range(256) if b & 0x7F > 0x60)
_WAV_HEADER = 44  # bytes


class AudioMeter:
    """Measures the audio of one direction while a session is read.

    Args:
        session: for the formats that it declares.
        api: of the session; None if unknown.

    Attributes:
        messages, size: number of messages with audio, and their bytes.
        first_ns, last_ns: time of the first and of the last one; None without audio.
        speech_ns: time of the last message with audible speech; None if there was none.
        seconds: of audio so far; None where the format does not give them.
        speech: seconds of audible speech so far; None where it is not decoded.
    """

    def __init__(self, session: AudioSession, api: Api | None, *, from_client: bool) -> None:
        self.messages = 0
        self.size = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.speech_ns: int | None = None
        self.seconds: float | None = 0.0
        self.speech: float | None = 0.0
        self._session = session
        self._api = api
        self._from_client = from_client
        self._declarations = -1
        self._per_second = 0
        self._step = 0  # bytes of a piece
        self._quiet = b""  # the bytes that are not loud, of those looked at; b"": not decoded
        self._stride = self._offset = 0
        self._pending = bytearray()
        self._quiet_for = HANGOVER

    def add(self, t_ns: int, carried: CarriedAudio) -> None:
        """Add the audio of the direction's next message."""
        self._count(1, carried.size, t_ns, t_ns)
        if self.speech is not None:
            data = carried.data()
            self._pending += data[_WAV_HEADER:] if data[:4] == b"RIFF" else data
            if len(self._pending) >= self._step:
                self._judge_pending(t_ns)

    def add_all(self, frames: Sequence[FrameRecord]) -> None:
        """Add messages of one frame each that are audio and nothing else, at least one."""
        size = sum([len(frame.payload) + frame.cut for frame in frames])
        self._count(len(frames), size, frames[0].t_ns, frames[-1].t_ns)
        if self.speech is None:
            return
        pending, step = self._pending, self._step
        for frame in frames:
            pending += frame.payload
            if len(pending) >= step:
                self._judge_pending(frame.t_ns)

    def _count(self, messages: int, size: int, first_ns: int, last_ns: int) -> None:
        """Count messages with audio, in the format that is declared now."""
        self.messages += messages
        self.size += size
        if self.first_ns is None:
            self.first_ns = first_ns
        self.last_ns = last_ns
        declarations = self._session.audio.declarations
        if declarations != self._declarations:
            self._declarations = declarations
            self._set_format(self._declared(first_ns))
        if not self._per_second or self.seconds is None:
            self.seconds = self.speech = None
            return
        self.seconds += size / self._per_second

    def _declared(self, t_ns: int) -> AudioFormat:
        """The format that is declared at a time."""
        tracks = self._session.audio.tracks(from_client=self._from_client)
        track = tracks[0] if tracks else None
        formats = format_timeline(self._session, self._api, track, from_client=self._from_client)
        return formats.at(t_ns) or AudioFormat("", 0)

    def _set_format(self, declared: AudioFormat) -> None:
        self._per_second = declared.bytes_per_second
        self._step = max(2, int(self._per_second * PIECE) // 2 * 2)
        samples = declared.samples
        self._pending.clear()
        self._quiet = b""
        if samples is not None and samples.is_pcm16:
            self._quiet = _QUIET_PCM
            self._stride, self._offset = 2 * _EVERY, int(samples.kind == PCM16)
        elif samples is not None and samples.kind == MULAW:
            self._quiet = _QUIET_MULAW
            self._stride, self._offset = _EVERY, 0

    def _judge_pending(self, t_ns: int) -> None:
        """Judge the complete pieces that have arrived."""
        if not self._quiet or self.speech is None:
            self.speech = None
            return
        pending, step = self._pending, self._step
        end = len(pending) // step * step
        length = step / self._per_second
        for start in range(0, end, step):
            seen = bytes(pending[start + self._offset : start + step : self._stride])
            loud = bool(seen.translate(None, self._quiet))
            self._quiet_for = 0.0 if loud else self._quiet_for + length
            if self._quiet_for < HANGOVER:
                self.speech += length
            if loud:
                self.speech_ns = t_ns
        del pending[:end]
