"""Silent failures that were searched out after all rules for others were changed."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    ELEVENLABS_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    answered,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    gemini_audio,
    gemini_content,
    gemini_ready,
    pcm,
    realtime,
    response_done,
    scribe_audio,
    spoken_turn,
    transcribed,
)
from wire_session import WireSession


def spoken_on(*, cancelled: bool) -> WireSession:
    """The user interrupts a long answer; the app sends the next one to speak."""
    session = cartesia_tts().accept().app(cartesia_text("answer-1") | {"transcript": HELLO * 12})

    def chunk(data: bytes) -> Json:
        ids = {"type": "chunk", "context_id": "answer-1", "done": False, "status_code": 206}
        return {**ids, "data": b64(data), "step_time": 20.0}

    data = list(chunks(pcm(12.0, 24_000), 9600))
    session.stream(data[:20], 0.12, chunk, from_client=False)
    if cancelled:
        session.app({"context_id": "answer-1", "cancel": True})
    session.app(cartesia_text("answer-2"))
    if not cancelled:
        session.stream(data[20:], 0.12, chunk, from_client=False)
    done = {"type": "done", "context_id": "answer-1", "done": True, "status_code": 200}
    cartesia_says(session.server(done), "answer-2")
    return session.app_closes(1000, after=1.0)


def started_early(*, early: bool) -> WireSession:
    """Someone speaks at once after a tap; the connection is still being made."""
    query = "model_id=scribe_v2_realtime&audio_format=pcm_16000"
    url = f"wss://api.elevenlabs.io/v1/speech-to-text/realtime?{query}"
    session = WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).accept()
    sound = list(chunks(pcm(4.0), 3200))
    if early:
        session.app(*(scribe_audio(data) for data in sound[:8]))
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "model_id": "scribe_v2_realtime"}
    started = {"message_type": "session_started", "session_id": REQUEST_ID, "config": config}
    session.server(started, after=0.7)
    if not early:
        session.app(*(scribe_audio(data) for data in sound[:8]))
    session.stream(sound[8:], 0.1, scribe_audio)
    session.app(scribe_audio(b"") | {"commit": True})
    text = "delta echo foxtrot" if early else "go alpha bravo charlie delta echo foxtrot"
    session.server({"message_type": "committed_transcript", "text": text}, after=0.4)
    return session.app_closes(1000)


def in_bursts(*, slow: bool) -> WireSession:
    """The answer comes in bursts, each shorter than the time until the next one."""
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(32_000), 3200), 0.1, gemini_audio)
    for number, data in enumerate(chunks(pcm(8.0, 24_000), 9600)):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
        wait = 1.3 if slow and number % 4 == 0 and number else 0.05
        session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=wait)
    session.server(gemini_content({"generationComplete": True}))
    return session.server(gemini_content({"turnComplete": True})).app_closes(1000, after=1.0)


def other_script(*, strange: bool) -> WireSession:
    """The words of a user, of whom one turn is transcribed in another script."""
    session = realtime()
    texts = ["I would estimate around that.", "پررپ" if strange else "Yes.", "Around 12 hours."]
    for text in texts:
        transcribed(spoken_turn(session), text)
        answered(session).server(response_done("completed")).wait(1.5)
    return session.app_closes(1000, after=1.0)


def broken_record(*, twice: bool) -> WireSession:
    """A gateway takes each chunk of the answer from two places of a message."""
    session = WireSession("ws://127.0.0.1:8787/voice").accept()
    session.server({"type": "session.ready", "audio": {"outputSampleRate": 24000}})

    def said(data: bytes) -> Json:
        return {"type": "input.audio", "audio": b64(data), "mimeType": "audio/pcm;rate=16000"}

    session.stream(chunks(pcm(2.0), 3200), 0.1, said)
    session.stream(chunks(bytes(32_000), 3200), 0.1, said)
    for data in chunks(pcm(4.0, 24_000), 9600):
        delta = {"type": "output.audio", "audio": b64(data), "mimeType": "audio/pcm;rate=24000"}
        session.server(delta, after=0.1)
        if twice:
            session.server(delta)
    return session.server({"type": "output.done"}).app_closes(1000, after=2.0)


REPORTS = [
    Report(
        "xi-first-words",
        "message order",
        "DevEmperor/DictateKeyboard#216",
        "Fix missing first words in realtime dictation",
        "the transcript begins in the middle of the sentence",
        "audio is sent before the session is started",
        lambda: started_early(early=True),
        ("before", "session_started|ready|open|started"),
        lambda: started_early(early=False),
        "the audio is kept until it is",
        ("before the",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "gem-in-bursts",
        "pace",
        "livekit/agents#3604",
        "Audio hiccups and cuts with Gemini Live API in LiveKit",
        "the agent's voice has gaps",
        "the service sends audio in bursts, slower than it is played",
        lambda: in_bursts(slow=True),
        ("of real time|slower|gap|ran out|late|pause",),
        lambda: in_bursts(slow=False),
        "faster than it is played",
        ("slower", "gap", "ran out"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "oai-other-script",
        "wrong words",
        "livekit/agents#3443",
        "Inconsistent Language Transcription: User Input Transcribed in Different Language but AI "
        "Correctly Interprets Meaning",
        "a turn of the user is shown in another language",
        "the transcription detects the language of each turn by itself",
        lambda: other_script(strange=True),
        ("language|script|alphabet",),
        lambda: other_script(strange=False),
        "all turns are in one",
        ("language", "script"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "gateway-broken-record",
        "repetition",
        "bielcarpi/hermes-live-voice#66",
        "fix(gemini): prevent duplicate audio chunks caused by overlapping parts aliases",
        "the voice sounds like a broken record",
        "the gateway sends each chunk of audio twice",
        lambda: broken_record(twice=True),
        ("twice|repeat|again|duplicate",),
        lambda: broken_record(twice=False),
        "once",
        ("twice", "repeat"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""

UNSOLVED = [
    # Sentences are lawfully sent ahead, each in a context of its own.
    Report(
        "cartesia-speaks-on",
        "message order",
        "bolna-ai/bolna#68",
        "Cartesia interruption not working",
        "after an interruption the agent ends its answer, and then says the next one",
        "the app does not cancel the context of the old answer",
        lambda: spoken_on(cancelled=False),
        ("context|answer-1", "cancel|still|earlier|went on|goes on"),
        lambda: spoken_on(cancelled=True),
        "it is cancelled",
        ("not cancel", "went on"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use."""
