"""How much audio a direction has carried so far, and how much of it is speech.

The size is counted at once, in the format that is declared at the time. Speech is what the
analysis of the tracks finds, which is up to a block of audio behind.
"""

from __future__ import annotations

from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.report import SpeechSoFar
from wsproxy.catalog import Api

from .audio_carrier import BINARY
from .format_timeline import AudioSession, format_timeline


class AudioMeter:
    """Measures the audio of one direction while a session is read.

    Args:
        session: for its audio, and the formats that it declares.
        api: of the session; None if unknown.

    Attributes:
        messages, size: number of messages with audio, and their bytes.
        first_ns, last_ns: time of the first and of the last one; None without audio.
        seconds: of audio so far; None where the format does not give them.
    """

    def __init__(self, session: AudioSession, api: Api | None, *, from_client: bool) -> None:
        self.messages = 0
        self.size = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.seconds: float | None = 0.0
        self._session = session
        self._api = api
        self._from_client = from_client
        self._declarations = -1
        self._per_second = 0

    def add(self, count: int, size: int, first_ns: int, last_ns: int) -> None:
        """Add messages with audio, between which nothing was declared.

        Args:
            count: their number.
            size: bytes of audio in all of them.
            first_ns, last_ns: times of the first and of the last one.
        """
        self.messages += count
        self.size += size
        if self.first_ns is None:
            self.first_ns = first_ns
        self.last_ns = last_ns
        declarations = self._session.declaration_count
        if declarations != self._declarations:
            self._declarations = declarations
            self._per_second = self._declared(first_ns).bytes_per_second
        if not self._per_second or self.seconds is None:
            self.seconds = None
        else:
            self.seconds += size / self._per_second

    @property
    def speech(self) -> float | None:
        """Seconds of speech in the audio that was analyzed; None where it is not decoded."""
        found = self.speech_before(None)
        return found.seconds if found is not None else None

    @property
    def speech_ns(self) -> int | None:
        """Time of the last message with speech that was analyzed; None if there was none."""
        found = self.speech_before(None)
        return found.last_ns if found is not None else None

    def speech_before(self, frame: int | None) -> SpeechSoFar | None:
        """The speech before a frame, one of the latest ones.

        Args:
            frame: its number; None: all that was analyzed.

        Returns:
            None where the audio is not decoded.
        """
        if self.seconds is None:
            return None
        if not self.messages:
            return SpeechSoFar()
        found = [
            speech
            for track in self._session.audio.tracks(from_client=self._from_client)
            if not (track.carrier == BINARY and self._has_json_in_binary)
            and track.analyzer is not None
            and (speech := track.analyzer.speech_before(frame)) is not None
        ]
        if not found:
            return None
        times = [speech.last_ns for speech in found if speech.last_ns is not None]
        return SpeechSoFar(sum(speech.seconds for speech in found), max(times, default=None))

    @property
    def last_analyzed_frame(self) -> int:
        """Of the messages whose audio was analyzed, 0 if there are none."""
        tracks = self._session.audio.tracks(from_client=self._from_client)
        return max((t.analyzer.last_frame for t in tracks if t.analyzer is not None), default=0)

    def settle(self) -> None:
        """Analyze all audio so far."""
        for track in self._session.audio.tracks(from_client=self._from_client):
            if track.analyzer is not None:
                track.analyzer.settle()

    @property
    def _has_json_in_binary(self) -> bool:
        return self._api is not None and self._api.envelope == "json"

    def _declared(self, t_ns: int) -> AudioFormat:
        """The format that is declared at a time."""
        tracks = self._session.audio.tracks(from_client=self._from_client)
        track = tracks[0] if tracks else None
        formats = format_timeline(self._session, self._api, track, from_client=self._from_client)
        return formats.at(t_ns) or AudioFormat("", 0)
