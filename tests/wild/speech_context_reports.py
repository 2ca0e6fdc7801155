"""Reports about several texts that share a connection, each in a context of its own."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    HELLO,
    VOICE,
    Json,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    elevenlabs,
    pcm,
)
from speech_quiet_reports import LONG
from wire_session import WireSession

# -- ElevenLabs


def contexts() -> WireSession:
    query = "model_id=eleven_flash_v2_5&output_format=pcm_24000"
    return elevenlabs(f"text-to-speech/{VOICE}/multi-stream-input", query)


def says(session: WireSession, context: str, seconds: float, every: float = 0.1) -> WireSession:
    for data in chunks(pcm(seconds, 24_000), 9600):
        session.server({"audio": b64(data), "contextId": context}, after=every)
    return session


def barge_in(*, tagged: bool) -> WireSession:
    """The app closes the context of an answer while it is spoken, and begins another answer."""
    first: Json = {"context_id": "turn-1"} if tagged else {}
    session = contexts().app({"text": LONG, **first}, {"text": " ", "flush": True, **first})
    name = "turn-1" if tagged else "default"
    says(session.wait(0.3), name, 1.6)
    session.app({"context_id": "turn-1", "close_context": True})
    if tagged:
        session.server({"isFinal": True, "contextId": name})
    else:
        says(session, name, 4.0)
    second = {"context_id": "turn-2"}
    session.app({"text": HELLO + " ", **second}, {"text": " ", "flush": True, **second})
    says(session.wait(0.3), "turn-2", 2.0, 0.02)
    session.app({"close_context": True, **second})
    session.server({"isFinal": True, "contextId": "turn-2"}, after=0.1)
    return session.app({"close_socket": True}).app_closes(1000)


def turns(*, closes: bool) -> WireSession:
    """Each answer has a context of its own."""
    session = contexts()
    for number in range(4):
        context = {"context_id": f"turn-{number}"}
        session.app({"text": HELLO + " ", **context}, {"text": " ", "flush": True, **context})
        says(session.wait(0.3), f"turn-{number}", 2.0, 0.02)
        if closes:
            session.app({"close_context": True, **context})
            session.server({"isFinal": True, "contextId": f"turn-{number}"}, after=0.1)
        session.wait(20.0)
    return session.app_closes(1000)


def closed_context(*, goes_on: bool) -> WireSession:
    context = {"context_id": "turn-1"}
    session = contexts().app({"text": LONG, **context}, {"text": " ", "flush": True, **context})
    says(session.wait(0.3), "turn-1", 1.6)
    session.app({"close_context": True, **context})
    if goes_on:
        says(session, "turn-1", 3.2)
    session.server({"isFinal": True, "contextId": "turn-1"}, after=0.1)
    return session.app({"close_socket": True}).app_closes(1000)


def closed_at_once(*, silent: bool, reports_end: bool) -> WireSession:
    """The app closes the context of each answer with its last text; one answer is silent."""
    session = contexts()
    for number in range(3):
        context = {"context_id": f"turn-{number}"}
        session.app({"text": " ", **context}, {"text": "Yes, of course. ", **context})
        session.app({"flush": True, **context}, {"close_context": True, **context})
        session.wait(0.3)
        is_silent = silent and number == 1
        if not is_silent:
            says(session, f"turn-{number}", 1.5, 0.02)
        if reports_end or not is_silent:
            session.server({"isFinal": True, "contextId": f"turn-{number}"})
        session.wait(12.0)
    return session.app({"close_socket": True}).app_closes(1000)


# -- Cartesia


def abandoned_context(*, finished: bool) -> WireSession:
    """The connection is used again; the answer before was interrupted."""
    session = cartesia_tts().accept().app(cartesia_text("turn-1") | {"transcript": LONG})
    data = list(chunks(pcm(8.0, 24_000), 9600))

    def chunk(piece: bytes) -> Json:
        fields = {"type": "chunk", "context_id": "turn-1", "data": b64(piece), "done": False}
        return fields | {"status_code": 206, "step_time": 20.0}

    for piece in data if finished else data[:8]:
        session.server(chunk(piece), after=0.1)
    done = {"type": "done", "context_id": "turn-1", "done": True, "status_code": 200}
    if finished:
        session.server(done).wait(1.0)
    session.app(cartesia_text("turn-2"))
    if not finished:
        for piece in data[8:]:
            session.server(chunk(piece), after=0.02)
        session.server(done)
    return cartesia_says(session.wait(0.1), "turn-2").app_closes(1000, after=2.0)


REPORTS = [
    Report(
        "xi-other-context-closed",
        "contexts",
        "bolna-ai/bolna#784",
        "fix: scope ElevenLabs synthesizer frames by context_id to stop barge-in audio leak",
        "the interrupted answer goes on after a barge-in",
        "the text has no context_id: the context that is closed is not the one that speaks",
        lambda: barge_in(tagged=False),
        ("context", "without|no context_id|not |never|other|default|unknown"),
        lambda: barge_in(tagged=True),
        "the text names its context",
        ("without context_id", "never opened", "default context"),
        ("credential", "quota", "no audio"),
        complete=True,
    ),
    Report(
        "xi-closed-before-audio",
        "missing result",
        "pipecat-ai/pipecat#5271",
        "ElevenLabs TTS: close_context sent before synthesis starts causes silent audio",
        "a short answer is silent, and the pipeline waits",
        "the context is closed with its text; the service ends it without any audio",
        lambda: closed_at_once(silent=True, reports_end=True),
        ("no audio|without (any )?audio", "turn-1|context|text"),
        lambda: closed_at_once(silent=False, reports_end=True),
        "each context has audio",
        ("no audio", "without any audio"),
        ("credential", "quota"),
    ),
    Report(
        "xi-turn-lost",
        "missing result",
        "pipecat-ai/pipecat#4681",
        "turn-end close_context races server-side synthesis - intermittent silent turns",
        "a turn has no audio, no error and no isFinal; the next one is spoken",
        "the service drops a context that is closed before its synthesis began",
        lambda: closed_at_once(silent=True, reports_end=False),
        ("no audio|without (any )?audio", "turn-1|context|text"),
        lambda: closed_at_once(silent=False, reports_end=True),
        "each context has audio",
        ("no audio", "without any audio"),
        ("credential", "quota"),
    ),
    Report(
        "xi-contexts-not-closed",
        "contexts",
        "bolna-ai/bolna#733",
        "fix(elevenlabs): close_context on end_of_llm_stream so isFinal fires",
        "the end of an answer is never noticed",
        "isFinal comes when a context is closed, and none is closed",
        lambda: turns(closes=False),
        ("context", "clos|isFinal|end"),
        lambda: turns(closes=True),
        "each context is closed",
        ("not closed", "never closed", "isFinal"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""

UNSOLVED = [
    # A context that is closed still speaks the text that it has: the message that closes it after
    # an interruption is the one that ends a complete answer.
    Report(
        "xi-audio-after-close",
        "contexts",
        "pipecat-ai/pipecat#1942",
        "Elevenlabs keeps talking after interruption",
        "the agent goes on speaking after it was interrupted",
        "audio of a context still comes after the message that closes it",
        lambda: closed_context(goes_on=True),
        ("context", "after", "clos"),
        lambda: closed_context(goes_on=False),
        "no audio comes after that message",
        ("after .*clos",),
        ("credential", "no audio"),
        complete=True,
    ),
    # Contexts may speak at the same time; only the app knows that it has given one up.
    Report(
        "ca-abandoned-context",
        "contexts",
        "livekit/agents#7081",
        "fix(cartesia): ignore stale frames from previous contexts on pooled websockets",
        "the end of the last answer is heard before the new one",
        "the answer before was neither cancelled nor awaited; its audio comes after the new text",
        lambda: abandoned_context(finished=False),
        ("context", "turn-1|earlier|previous|before|another|two"),
        lambda: abandoned_context(finished=True),
        "the answer before was complete",
        ("earlier context", "previous context"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use."""
