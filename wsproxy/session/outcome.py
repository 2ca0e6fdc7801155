"""Whether a session succeeded: proof of success, a failure, or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wsproxy.catalog.success import AUDIO, WORDS
from wsproxy.trace import Response
from wsproxy.wording import plural

from .messages import CloseInfo
from .success_tracker import FailedObject, OwedAnswer
from .timeline import Timeline

SUCCEEDED, FAILED, UNPROVEN = "succeeded", "failed", "unproven"
OUTCOMES = (SUCCEEDED, FAILED, UNPROVEN)
PATIENCE = 2.0  # seconds of silence of the server after which an owed answer is missing


class SessionEnd(Protocol):
    """The facts of a session's end, as `Session` has them."""

    @property
    def ending(self) -> str: ...
    @property
    def failed(self) -> bool: ...
    @property
    def closed_by(self) -> str | None: ...
    @property
    def ended_ns(self) -> int: ...
    @property
    def close(self) -> CloseInfo | None: ...
    @property
    def response(self) -> Response | None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a session succeeded.

    Attributes:
        kind: one of OUTCOMES.
        reason: why, in one line with figures.
        frames: numbers of the frames that show it.
        figures: what was measured, by name; None where it is unknown.
    """

    kind: str
    reason: str
    frames: Sequence[int] = ()
    figures: Mapping[str, float | None] = field(default_factory=dict)


def outcome_of(session: SessionEnd, timeline: Timeline) -> Outcome:
    """The outcome of a session.

    An error of the server that the session survived is no failure by itself.
    """
    figures = _figures(timeline)
    failed = failed_objects(timeline)
    if session.failed:
        return Outcome(FAILED, *_abnormal_end(session), figures)
    if failed:
        return Outcome(FAILED, _failed_text(failed[0]), (failed[0].frame,), figures)
    if missing := missing_answers(session, timeline):
        text = f"{missing[0].expect} did not come; {figures_text(timeline)}"
        return Outcome(FAILED, text, (missing[0].frame,), figures)
    proof = proof_of(timeline)
    if proof is not None:
        return Outcome(SUCCEEDED, figures_text(timeline), (proof,) if proof else (), figures)
    return Outcome(UNPROVEN, _unproven_text(timeline), (), figures)


def proof_of(timeline: Timeline) -> int | None:
    """The frame that proves success, 0 where it has none; None without proof."""
    proof = timeline.api.success.proof if timeline.api else (WORDS,)
    if timeline.success.proof_frame is not None:
        return timeline.success.proof_frame
    if WORDS in proof and timeline.transcript.words > 0:
        return timeline.transcript.last_frame or 0
    if AUDIO in proof and timeline.received.size > 0:
        return 0
    return None


def failed_objects(timeline: Timeline) -> list[FailedObject]:
    """The objects that failed without a later one that was good."""
    return [one for one in timeline.success.failed if not one.recovered]


def missing_answers(session: SessionEnd, timeline: Timeline) -> list[OwedAnswer]:
    """The answers that did not come, although the server had time for them.

    Where the client left at once, nobody knows what would have come. A server that closes
    normally after the client's end message has answered it.
    """
    owed = timeline.success.owed
    if not owed or session.failed or session.ending in ("unfinished", "stopped"):
        return []
    if session.closed_by == "server":
        ends = timeline.api.vocabulary.end if timeline.api else ()
        return [one for one in owed if one.kind not in ends]
    return [one for one in owed if waited(session, timeline, one.t_ns) >= PATIENCE]


def waited(session: SessionEnd, timeline: Timeline, since_ns: int) -> float:
    """Seconds for which the server had been silent at the end, from a time on at most."""
    return (session.ended_ns - max(since_ns, timeline.last_server_ns or 0)) / 1e9


def figures_text(timeline: Timeline) -> str:
    """What was sent and what came back, such as "5.0 s of speech, 12 words"."""
    parts = []
    origin = timeline.api.audio.origin if timeline.api else "client"
    if timeline.texts:
        parts.append(f"{plural(timeline.characters, 'character')} to speak")
    if origin != "server" and (timeline.sent.messages or not timeline.texts):
        parts.append(_sent_text(timeline))
    if origin != "server":
        parts.append(plural(timeline.transcript.words, "word"))
    if origin != "client":
        parts.append(_received_text(timeline))
    return ", ".join(parts)


def _sent_text(timeline: Timeline) -> str:
    sent = timeline.sent
    if not sent.messages:
        return "no audio sent"
    if sent.seconds is None:
        return f"{plural(sent.messages, 'message')} of audio"
    if sent.speech is None:
        return f"{sent.seconds:.1f} s of audio"
    if sent.speech:
        return f"{sent.speech:.1f} s of speech"
    return f"{sent.seconds:.1f} s of audio without audible speech"


def _received_text(timeline: Timeline) -> str:
    received = timeline.received
    if not received.messages:
        return "no audio received"
    if received.seconds is None:
        return f"{plural(received.messages, 'message')} of audio received"
    return f"{received.seconds:.1f} s of audio received"


def _unproven_text(timeline: Timeline) -> str:
    if timeline.api is None:
        text = f"the API is unknown to wsproxy: {figures_text(timeline)}"
        return f"{text}, {plural(timeline.server_messages, 'message')} of the server"
    if not timeline.api.success.proof:
        return "wsproxy does not know how this API shows success"
    if not any(p in (WORDS, AUDIO) for p in timeline.api.success.proof):
        expected = " or ".join(map(str, timeline.api.success.messages[:3]))
        return f"{_sent_text(timeline)}, no {expected}"
    return figures_text(timeline)


def _abnormal_end(session: SessionEnd) -> tuple[str, Sequence[int]]:
    """How the session ended, and the frames that show it."""
    by = f" by the {session.closed_by}" if session.closed_by else ""
    match session.ending:
        case "close" if session.close is not None:
            close = session.close
            reason = f" {close.reason}" if close.reason else ""
            return f"closed{by} with {close.code or 'no code'}{reason}", (close.frame,)
        case "refused" | "http" if session.response is not None:
            what = "upgrade" if session.ending == "refused" else "request"
            return f"the {what} was refused with HTTP {session.response.status}", ()
        case "eof":
            return f"the connection was ended{by} without a Close frame", ()
        case "reset":
            return f"the connection was reset{by}", ()
    return "there was no session", ()


def _failed_text(failed: FailedObject) -> str:
    sentence = f": {failed.sentence}" if failed.sentence else ""
    state = "" if failed.state == failed.kind else f" is {failed.state}"
    return f"{failed.kind}{state}{sentence}"


def _figures(timeline: Timeline) -> dict[str, float | None]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return {
        "audio_sent_s": rounded(timeline.sent.seconds),
        "speech_sent_s": rounded(timeline.sent.speech),
        "audio_received_s": rounded(timeline.received.seconds),
        "words": timeline.transcript.words,
        "agent_words": timeline.transcript.agent_words,
        "characters_sent": timeline.characters,
    }
