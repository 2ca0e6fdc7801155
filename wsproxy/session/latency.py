"""How long things took in a session: running figures, a bounded list of each turn."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import itemgetter

from .audio_meter import AudioMeter
from .transcript import Result

KEPT_TURNS = 200  # of the utterances and of the turns of an agent
KEPT_LAGS = 2000
_MAX_WAITING = 4096  # messages whose place in the client's audio is not known yet
_PAUSE_NS = 100_000_000  # after the last speech, for an answer to it
_first = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Turn:
    """A wait for audio.

    Attributes:
        t_ns: when it began: the text to speak, or the last audible speech of the user.
        seconds: to the first audio of the server.
    """

    t_ns: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the transcript was behind the audio when a result arrived.

    Attributes:
        frame, t_ns: of the result.
        seconds: audio that was sent, beyond the end of the result's place in the audio.
    """

    frame: int
    t_ns: int
    seconds: float


@dataclass(slots=True)
class Latency:
    """The latencies of a session, seconds; None where there was nothing to measure.

    Attributes:
        upgrade: from the request to the response.
        first_message: from the upgrade to the first message of the server.
        first_interim, first_final: from the first audio of the client to the first result with
            words.
        lag_min, lag_max: audio that was sent when a result arrived, beyond the end of its place
            in the audio.
        lags: of results, at most KEPT_LAGS of them, evenly over the session.
        lag_stride: of so many results one has its lag in `lags`; doubled when these are too many.
        finalization: from the last audible speech to the last final result after it.
        utterances: of text to speak: from the text to the first audio.
        turns: of an agent: from the last audible speech of the user to the first audio.
    """

    upgrade: float | None = None
    first_message: float | None = None
    first_interim: float | None = None
    first_final: float | None = None
    lag_min: float | None = None
    lag_max: float | None = None
    finalization: float | None = None
    lags: list[Lag] = field(default_factory=list)
    lag_stride: int = 1
    utterances: list[Turn] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    _lag_count: int = 0
    _asked_ns: int | None = None
    _answered_speech_ns: int | None = None
    # What waits until the audio before it is analyzed: the last final result, and messages with
    # audio of the server, by frame and time.
    _last_final: tuple[int, int] | None = None
    _answers: list[tuple[int, int]] = field(default_factory=list)

    def add_result(self, result: Result, sent: AudioMeter) -> None:
        """Add a result of the user's speech, at the time of its message."""
        if result.end_s is not None and sent.seconds is not None and result.text:
            lag = sent.seconds - result.end_s
            self.lag_min = lag if self.lag_min is None else min(lag, self.lag_min)
            self.lag_max = lag if self.lag_max is None else max(lag, self.lag_max)
            self._keep_lag(Lag(result.frame, result.t_ns, lag))
        if not result.text or sent.first_ns is None:
            return
        since_first = _seconds(result.t_ns - sent.first_ns)
        if result.final:
            self.first_final = since_first if self.first_final is None else self.first_final
            self._last_final = result.frame, result.t_ns
        elif self.first_interim is None:
            self.first_interim = since_first

    def _keep_lag(self, lag: Lag) -> None:
        if self._lag_count % self.lag_stride == 0:
            self.lags.append(lag)
            if len(self.lags) > KEPT_LAGS:
                del self.lags[1::2]
                self.lag_stride *= 2
        self._lag_count += 1

    def add_text(self, t_ns: int) -> None:
        """Add a text to speak."""
        self._asked_ns = t_ns if self._asked_ns is None else self._asked_ns

    def add_server_audio(self, frame: int, t_ns: int) -> None:
        """Add a message with audio of the server."""
        if self._asked_ns is not None:
            if len(self.utterances) < KEPT_TURNS:
                self.utterances.append(Turn(self._asked_ns, _seconds(t_ns - self._asked_ns)))
            self._asked_ns = None
        if len(self.turns) < KEPT_TURNS:
            self._answers.append((frame, t_ns))

    @property
    def has_many_waiting(self) -> bool:
        """Whether `follow_speech` should come soon, because much waits for it."""
        return len(self._answers) >= _MAX_WAITING

    def follow_speech(self, sent: AudioMeter, until: float) -> None:
        """Measure what waited for the analysis of the client's audio.

        Args:
            until: the frame up to which all of it is analyzed; what came later waits.
        """
        if self._last_final is not None and self._last_final[0] <= until:
            frame, t_ns = self._last_final
            self._last_final = None
            speech = sent.speech_before(frame)
            if speech is not None and speech.last_ns is not None:
                self.finalization = _seconds(t_ns - speech.last_ns)
        known = bisect_right(self._answers, until, key=_first)
        answers, self._answers = self._answers[:known], self._answers[known:]
        for frame, t_ns in answers:
            speech = sent.speech_before(frame)
            if speech is not None and speech.last_ns is not None:
                self._add_answer(t_ns, speech.last_ns)

    def _add_answer(self, t_ns: int, speech: int) -> None:
        """Add a message with audio of the server, and the time of the last speech before it."""
        if speech != self._answered_speech_ns:
            # Audio that goes on while the user speaks does not answer it.
            began = self._answered_speech_ns is None or t_ns - speech > _PAUSE_NS
            if began and len(self.turns) < KEPT_TURNS:
                self.turns.append(Turn(speech, _seconds(t_ns - speech)))
            self._answered_speech_ns = speech


def _seconds(ns: int) -> float:
    return round(ns / 1e9, 6)
