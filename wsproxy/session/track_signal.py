"""The samples of a track, analyzed while a session is read, in the format declared at each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from wsproxy.audio.analyzer import AudioAnalyzer
from wsproxy.audio.report import AudioReport, SpeechSoFar
from wsproxy.audio.sample_listener import SampleListener
from wsproxy.catalog import Catalog

from .audio_track import Analyzer, AudioTrack
from .format_timeline import AudioSession, format_timeline


class ApiSession(AudioSession, Protocol):
    """The part of a `Session` that says which API it uses."""

    @property
    def provider(self) -> str | None: ...
    @property
    def api(self) -> str | None: ...


MakeAnalyzer = Callable[[ApiSession, Catalog, Callable[[bool], None], AudioTrack], Analyzer]


class TrackSignal:
    """Analyzes the audio of a track.

    Args:
        session: for the formats that it declares.
        catalog: knows the formats of APIs.
        on_block: called with the direction whenever a part of the audio was analyzed.
        track: whose audio it is.
        listener: receives the decoded samples as well.
    """

    def __init__(
        self,
        session: ApiSession,
        catalog: Catalog,
        on_block: Callable[[bool], None],
        track: AudioTrack,
        listener: SampleListener | None = None,
    ) -> None:
        self._session = session
        self._api = catalog.api(session.provider, session.api)
        self._track = track
        self._declarations = (-1, -1)
        self._analyzer = AudioAnalyzer(listener=listener)
        self._on_block = on_block
        self._blocks = 0

    def add(self, data: bytes, frame: int, t_ns: int) -> None:
        """Add the audio of the next message."""
        self._follow_declarations(frame, t_ns)
        self._analyzer.add(data, frame, t_ns)
        self._report_block()

    def add_all(self, data: Sequence[bytes], frames: Sequence[int], times: Sequence[int]) -> None:
        """Add the audio of the next messages, between which nothing was declared."""
        self._follow_declarations(frames[0], times[0])
        self._analyzer.add_all(data, frames, times)
        self._report_block()

    def _report_block(self) -> None:
        if self._analyzer.blocks != self._blocks:
            self._blocks = self._analyzer.blocks
            self._on_block(self._track.from_client)

    def _follow_declarations(self, frame: int, t_ns: int) -> None:
        declarations = self._session.declaration_count, len(self._track.media)
        if declarations != self._declarations:
            self._declarations = declarations
            side = self._track.from_client
            formats = format_timeline(self._session, self._api, self._track, from_client=side)
            self._analyzer.change_format(formats.at(t_ns), frame, t_ns)

    def settle(self) -> None:
        """Analyze all messages so far."""
        self._analyzer.settle()
        self._blocks = self._analyzer.blocks

    def speech_before(self, frame: int | None) -> SpeechSoFar | None:
        """The speech before a frame, see `AudioAnalyzer.speech_before`."""
        return self._analyzer.speech_before(frame)

    @property
    def last_frame(self) -> int:
        """Of the messages that were analyzed, 0 if there are none."""
        return self._analyzer.last_frame

    @property
    def duration_s(self) -> float:
        """Seconds of audio in the messages so far, as far as they are analyzed."""
        return self._analyzer.duration_s

    def report(self) -> AudioReport:
        """The result for all messages so far."""
        return self._analyzer.report()
