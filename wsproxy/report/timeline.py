"""The timeline of a session as JSON and as lines for people; docs/json.md describes each field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wsproxy.diagnose.evidence import quoted
from wsproxy.session import Session
from wsproxy.session.audio_meter import AudioMeter
from wsproxy.session.control_events import ControlEvent
from wsproxy.session.latency import Latency, Turn
from wsproxy.session.outcome import Outcome
from wsproxy.session.timeline import Timeline
from wsproxy.session.transcript import Result, SessionTranscript

from .audio_tracks import track_lines, tracks_json
from .latency import latency_figures
from .safe_text import safe, short

_LINE = 200  # characters of a result
_REASON = 1000  # characters of a reason


def timeline_json(session: Session, timeline: Timeline, outcome: Outcome) -> dict[str, Any]:
    """The timeline, as `wsproxy show --timeline --json` prints it.

    Args:
        outcome: of the session, with its findings.
    """
    events = list(timeline.events)
    return {
        "session": session.id,
        "provider": session.provider,
        "api": session.api,
        **outcome_json(outcome),
        "audio": {"sent": _audio(timeline.sent), "received": _audio(timeline.received)},
        "tracks": list(tracks_json(session, timeline.api)),
        "texts": timeline.texts,
        "characters": timeline.characters,
        "transcript": transcript_json(timeline.transcript),
        "events": [_event(event) for event in events],
        "events_not_kept": sum(timeline.events.counts.values()) - len(events),
        "event_counts": {
            "sent": _counts(timeline, from_client=True),
            "received": _counts(timeline, from_client=False),
        },
        "latency": _latency(timeline.latency),
        "owed_answers": [
            {"frame": one.frame, "t_ns": one.t_ns, "expected": one.expect}
            for one in timeline.success.owed
        ],
        "failed_objects": [
            {
                "frame": one.frame,
                "t_ns": one.t_ns,
                "message": one.kind,
                "state": one.state,
                "sentence": one.sentence,
                "recovered": one.recovered,
            }
            for one in timeline.success.failed
        ],
        "server_error_frames": list(timeline.error_frames),
    }


def outcome_json(outcome: Outcome | None) -> dict[str, Any]:
    """The fields of an outcome, as the commands print them; None: it is unknown."""
    return {
        "outcome": outcome.kind if outcome else None,
        "outcome_reason": quoted(outcome.reason, _REASON) if outcome else None,
        "outcome_frames": list(outcome.frames) if outcome else None,
        "figures": dict(outcome.figures) if outcome else None,
    }


def _audio(clock: AudioMeter) -> dict[str, Any]:
    return {
        "messages": clock.messages,
        "bytes": clock.size,
        "seconds": _rounded(clock.seconds),
        "speech_s": _rounded(clock.speech),
        "first_ns": clock.first_ns,
        "last_ns": clock.last_ns,
        "last_speech_ns": clock.speech_ns,
    }


def transcript_counts(transcript: SessionTranscript) -> dict[str, int]:
    """The transcript in numbers."""
    return {
        "words": transcript.words,
        "agent_words": transcript.agent_words,
        "finals": transcript.finals,
        "interims": transcript.interims,
        "empty": transcript.empty,
    }


def transcript_json(transcript: SessionTranscript) -> dict[str, Any]:
    """The transcript, as `wsproxy show --transcript --json` prints it."""
    results = list(transcript)
    return {
        **transcript_counts(transcript),
        "first_interim_ns": transcript.first_interim_ns,
        "first_final_ns": transcript.first_final_ns,
        "last_words_ns": transcript.last_words_ns,
        "results": [result_json(result) for result in results],
        "results_not_kept": transcript.results - len(results),
    }


def result_json(result: Result) -> dict[str, Any]:
    """A transcript result, as the commands print it."""
    return {
        "frame": result.frame,
        "t_ns": result.t_ns,
        "text": result.text,
        "final": result.final,
        "start_s": result.start_s,
        "end_s": result.end_s,
        "words": [
            {"text": word.text, "start_s": word.start_s, "end_s": word.end_s}
            for word in result.words
        ],
        "channel": result.channel,
        "turn": result.turn,
        "by_agent": result.by_agent,
    }


def _event(event: ControlEvent) -> dict[str, Any]:
    return {
        "frame": event.frame,
        "t_ns": event.t_ns,
        "from_client": event.from_client,
        "category": event.category,
        "message": event.kind,
    }


def _counts(timeline: Timeline, *, from_client: bool) -> dict[str, int]:
    counts = timeline.events.counts.items()
    return {category: n for (side, category), n in sorted(counts) if side is from_client}


def _latency(latency: Latency) -> dict[str, Any]:
    return {
        **latency_figures(latency),
        "utterances": [_turn(turn) for turn in latency.utterances],
        "turns": [_turn(turn) for turn in latency.turns],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {"t_ns": turn.t_ns, "seconds": _rounded(turn.seconds)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


# -- for people


def timeline_lines(session: Session, timeline: Timeline, outcome: Outcome) -> Iterator[str]:
    """The timeline as lines: outcome, audio, latencies, then results and events by time."""
    yield f"{outcome.kind}: {safe(outcome.reason)}"
    for line in track_lines(session, timeline.api):
        yield f"{'':>20}{line}"
    for name, value in _latency(timeline.latency).items():
        if isinstance(value, float):
            yield f"{'':>20}{name.removesuffix('_s').replace('_', ' ')}: {value:.3f} s"
    items = [(r.frame, r.t_ns, _result_line(r)) for r in timeline.transcript]
    items += [(e.frame, e.t_ns, _event_line(e)) for e in timeline.events]
    for frame, t_ns, line in sorted(items):
        yield f"{frame:>7}  {t_ns / 1e9:>9.3f}  {line}"


def _result_line(result: Result) -> str:
    place = ""
    if result.start_s is not None and result.end_s is not None:
        place = f" [{result.start_s:.2f} to {result.end_s:.2f} s]"
    who = "agent" if result.by_agent else "final" if result.final else "interim"
    return f"← {who:<8} {short(result.text, _LINE) or '(empty)'}{place}"


def _event_line(event: ControlEvent) -> str:
    arrow = "→" if event.from_client else "←"
    return f"{arrow} {event.category}: {short(event.kind, _LINE)}"
