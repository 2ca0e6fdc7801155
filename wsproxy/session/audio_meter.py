"""How much audio a direction has carried so far, and how much of it is audible speech.

The format is the one that is declared at the time. Samples are judged by their peaks, in pieces of
100 ms: 16-bit PCM and mu-law.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from wsproxy.audio.encodings import MULAW, PCM16, AudioFormat
from wsproxy.catalog import Api

from .audio_carrier import CarriedAudio
from .format_timeline import AudioSession, format_timeline

PIECE = 0.1  # seconds of audio that are judged at once
HANGOVER = 0.3  # seconds after an audible piece that still count as speech
# The level from which on a piece is audible: -33 dBFS.
_LOUD_PCM = 3  # of 127, the high byte of a sample
_LOUD_MULAW = 31  # of 127, how far a code is from silence
_EVERY = 8  # samples: one of these is looked at
# The bytes below it.
_QUIET_PCM = bytes(b for b in range(256) if min(b, 255 - b) < _LOUD_PCM)
_QUIET_MULAW = bytes(b for b in range(256) if 127 - (b & 0x7F) < _LOUD_MULAW)
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
        self._quiet: bytes | None = None  # bytes that are not loud; None: it is not decoded
        self._stride = self._offset = 0
        self._pending = b""
        self._quiet_for = HANGOVER

    def add(self, t_ns: int, carried: CarriedAudio) -> None:
        """Add the audio of the direction's next message."""
        self._count((t_ns,), (carried.size,))
        if self.speech is not None:
            self._judge((t_ns,), (carried.data(),))

    def add_binaries(
        self, times: Sequence[int], payloads: Sequence[bytes], lengths: Sequence[int]
    ) -> None:
        """Add complete binary messages that are audio, between which nothing was declared.

        Args:
            times: of their frames, ns.
            payloads: as much as was recorded of them.
            lengths: bytes of all of each.
        """
        self._count(times, lengths)
        if self.speech is not None:
            self._judge(times, payloads)

    def _count(self, times: Sequence[int], sizes: Sequence[int]) -> None:
        size = sum(sizes)
        self.messages += len(sizes)
        self.size += size
        if self.first_ns is None:
            self.first_ns = times[0]
        self.last_ns = times[-1]
        declarations = self._session.declaration_count
        if declarations != self._declarations:
            self._declarations = declarations
            self._set_format(self._declared(times[0]))
        if not self._per_second or self.seconds is None:
            self.seconds = self.speech = None
        else:
            self.seconds += size / self._per_second

    def _judge(self, times: Sequence[int], data: Sequence[bytes]) -> None:
        """Judge the complete pieces that have arrived."""
        audio = b"".join(data)
        if b"RIFF" in audio:
            data = [each[_WAV_HEADER:] if each[:4] == b"RIFF" else each for each in data]
            audio = b"".join(data)
        known = len(self._pending)
        pending = self._pending + audio
        end = len(pending) // self._step * self._step
        self._pending = pending[end:]
        if not end:
            return
        if self._quiet is None or self.speech is None:
            self.speech = None
            return
        loud_end = self._count_speech(pending, end, self._quiet)
        if loud_end:
            ends = list(accumulate(map(len, data), initial=known))[1:]
            self.speech_ns = times[bisect_left(ends, loud_end)]

    def _count_speech(self, pending: bytes, end: int, quiet: bytes) -> int:
        """Add the speech of complete pieces; returns the end of the last audible one, or 0."""
        assert self.speech is not None
        step, length, loud_end = self._step, self._step / self._per_second, 0
        for start in range(0, end, step):
            seen = pending[start + self._offset : start + step : self._stride]
            if seen.translate(None, quiet):
                self._quiet_for = 0.0
                loud_end = start + step
            else:
                self._quiet_for += length
            if self._quiet_for < HANGOVER:
                self.speech += length
        return loud_end

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
        self._pending = b""
        self._quiet = None
        if samples is not None and samples.is_pcm16:
            big = samples.kind != PCM16
            self._quiet = _QUIET_PCM
            self._stride, self._offset = 2 * _EVERY, 0 if big else 1
        elif samples is not None and samples.kind == MULAW:
            self._quiet = _QUIET_MULAW
            self._stride, self._offset = _EVERY, 0
