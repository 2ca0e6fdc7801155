"""Eight reports that were tried after all others: what agents and speech output ignore."""

from __future__ import annotations

import random
from array import array

from audio_samples import mulaw
from bug_report import Report
from openai_reports import beta
from provider_sessions import (
    ELEVENLABS_KEY,
    HELLO,
    VOICE,
    Json,
    append,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    elevenlabs_audio,
    gemini_audio,
    gemini_good,
    gemini_ready,
    openai,
    openai_good,
    pcm,
    realtime,
    response_done,
    spoken_turn,
)
from wire_session import WireSession


def mp3_comes(*, asked: bool) -> WireSession:
    """The format is named in a header, which this API does not have."""
    query = "model_id=eleven_multilingual_v2" + ("&output_format=pcm_24000" if asked else "")
    url = f"wss://api.elevenlabs.io/v1/text-to-speech/{VOICE}/stream-input?{query}"
    headers = {"xi-api-key": ELEVENLABS_KEY}
    session = WireSession(url, headers if asked else headers | {"output_format": "pcm_24000"})
    session.accept().app({"text": " ", "voice_settings": {"stability": 0.32}})
    session.app({"text": "Hello my friend "}, {"text": "How are you today? "}, {"text": ""})
    noise = random.Random(4)
    frame = b"\xff\xfb\x90\x64" + noise.randbytes(413)
    data = pcm(1.5, 24_000) if asked else b"".join(frame for _ in range(60))
    for piece in chunks(data, 8340):
        session.server(elevenlabs_audio(piece), after=0.2)
    return session.server({"audio": None, "isFinal": True}, after=0.1).server_closes(1000)


def same_context(*, ended: bool) -> WireSession:
    """A second text for a context while the first one is spoken."""
    session = cartesia_tts().accept()
    first, second = cartesia_text("context-1"), cartesia_text("context-1")
    session.app(first | {"continue": not ended})
    for data in chunks(pcm(0.8, 24_000), 9600):
        fields = {"type": "chunk", "context_id": "context-1", "data": b64(data), "done": False}
        session.server({**fields, "status_code": 206, "step_time": 20.0}, after=0.1)
    session.app(second | {"transcript": "And this is the second text.", "continue": True})
    if ended:
        done = {"type": "done", "context_id": "context-1", "done": True, "status_code": 200}
        return session.server(done, after=0.05).app_closes(1000, after=15.0)
    session.app(second | {"transcript": "", "continue": False}, after=0.5)
    return cartesia_says(session, "context-1").app_closes(1000, after=2.0)


def cancelled_context(*, again: bool) -> WireSession:
    """After an interruption, the next answer is sent to the context that was cancelled."""
    session = cartesia_tts().accept().app(cartesia_text("context-1") | {"continue": True})
    for data in chunks(pcm(1.0, 24_000), 9600):
        fields = {"type": "chunk", "context_id": "context-1", "data": b64(data), "done": False}
        session.server({**fields, "status_code": 206, "step_time": 20.0}, after=0.1)
    session.app({"context_id": "context-1", "cancel": True})
    name = "context-1" if again else "context-2"
    session.app(cartesia_text(name) | {"transcript": "Is there anything else?"}, after=3.0)
    if again:
        return session.app_closes(1000, after=15.0)
    return cartesia_says(session.wait(0.2), name).app_closes(1000, after=2.0)


def first_words(*, modalities: list[str]) -> WireSession:
    """The app asks for a greeting, and lists only text."""
    session = beta({"output_audio_format": "g711_ulaw", "input_audio_format": "g711_ulaw"})
    request: Json = {"modalities": modalities, "instructions": "Greet the caller."}
    session.app({"type": "response.create", "response": request}, after=0.3)
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created | {"modalities": modalities}})
    ids = {"response_id": "resp_1", "item_id": "item_2"}
    if "audio" in modalities:
        for data in chunks(mulaw(pcm(1.5, 8000)), 800):
            session.server({"type": "response.audio.delta", **ids, "delta": b64(data)})
        session.server({"type": "response.audio.done", **ids})
    else:
        session.server({"type": "response.text.delta", **ids, "delta": HELLO}, after=0.4)
        session.server({"type": "response.text.done", **ids, "text": HELLO})
    session.server(response_done("completed"))
    session.stream(chunks(b"\xff\x7e\xfe\x7f" * 16_000, 160), 0.02, append)
    return session.app_closes(1000)


def no_answer_to_upgrade() -> WireSession:
    """The upgrade is sent, and nothing comes back until the app gives up."""
    session = openai("/v1/realtime?intent=transcription")
    return session.fail("handshake", "timed out", from_client=True, after=10.0)


def quiet_caller(*, quietly: bool) -> WireSession:
    """The agent greets; it does not react to a caller who is hardly audible."""
    if not quietly:
        return gemini_good()
    session = gemini_ready()
    faint = array("h", (sample // 250 for sample in array("h", pcm(4.0)))).tobytes()
    session.stream(chunks(faint + bytes(32_000 * 2) + faint, 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(32_000 * 8), 3200), 0.1, gemini_audio)
    return session.app_closes(1000)


def app_rejects_stream(*, known: bool) -> WireSession:
    """The app's own check of the call's token fails: it closes the stream of Twilio."""
    session = WireSession("wss://voice.example.com/media", agent="twilio-media-streams").accept()
    start: Json = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"]}
    start["mediaFormat"] = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    session.app({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": "MZ1"})
    if known:
        return session.app({"event": "stop", "streamSid": "MZ1"}, after=5.0).app_closes(1000)
    return session.server_closes(1008, "Unknown call", after=0.02)


def only_a_call() -> WireSession:
    """tool_choice names a function: each response is a call of it, also after its result."""
    session = realtime()
    choice = {"type": "function", "name": "list_emails"}
    tool = {"type": "function", "name": "list_emails", "parameters": {"type": "object"}}
    fields = {"type": "realtime", "tools": [tool], "tool_choice": choice}
    session.app({"type": "session.update", "session": fields})
    session.server({"type": "session.updated", "session": fields}, after=0.1)
    spoken_turn(session)
    for number in range(2):
        created = {"object": "realtime.response", "id": f"resp_{number}", "status": "in_progress"}
        session.server({"type": "response.created", "response": created}, after=0.3)
        item: Json = {"type": "function_call", "id": f"item_{number}", "call_id": f"call_{number}"}
        item |= {"name": "list_emails", "arguments": "{}", "status": "completed"}
        session.server({"type": "response.output_item.done", "item": item}, after=0.2)
        done = response_done("completed")
        done["response"] |= {"id": f"resp_{number}", "output": [item]}
        session.server(done)
        output = {"type": "function_call_output", "call_id": f"call_{number}", "output": "[]"}
        session.app({"type": "conversation.item.create", "item": output}, after=0.3)
        if not number:
            session.app({"type": "response.create"})
    return session.app_closes(1000, after=15.0)


REPORTS = [
    Report(
        "xi-format-in-header",
        "parameter",
        "elevenlabs/elevenlabs-python#251",
        "WebSocket text-to-speech with Input streaming - always return in MP3 format",
        "MP3 comes, whatever output_format is given",
        "output_format is not in the URL",
        lambda: mp3_comes(asked=False),
        ("mp3|output_format",),
        lambda: mp3_comes(asked=True),
        "it is in the URL",
        ("mp3",),
        complete=True,
    ),
    Report(
        "ca-continued-after-end",
        "order",
        "cartesia-ai/cartesia-python#59",
        "TTS: Audio generation stops when sending second text with continue_=True on same context",
        "the audio of the first text stops",
        "the first text ended the context (continue is false), and a second one continues it",
        lambda: same_context(ended=True),
        ("continue|context|after the (message|end)|ended",),
        lambda: same_context(ended=False),
        "the first text continues",
        ("ended", "after the end"),
    ),
    Report(
        "ca-cancelled-context",
        "order",
        "bolna-ai/bolna#402",
        "fix: reset Cartesia context_id after interruption to prevent hangup audio being ignored",
        "no audio after an interruption",
        "the next text is sent to the cancelled context",
        lambda: cancelled_context(again=True),
        ("cancel|context|no audio",),
        lambda: cancelled_context(again=False),
        "it has a context of its own",
        ("cancel", "no audio"),
    ),
    Report(
        "oai-upgrade-unanswered",
        "network",
        "openclaw/openclaw#75197",
        "voice-call OpenAI realtime transcription times out during Twilio media stream",
        "the connection times out",
        "not known: nothing answers the upgrade",
        no_answer_to_upgrade,
        ("no answer|not answer|timed out|unanswered|without an? (answer|response)",),
        openai_good,
        "it is answered",
        ("timed out",),
        ("API key", "quota"),
    ),
    Report(
        "gem-quiet-caller",
        "audio",
        "pipecat-ai/pipecat#2893",
        "Twillo - Speaker Volume",
        "the agent does not react to a quiet caller",
        "the audio is hardly louder than silence",
        lambda: quiet_caller(quietly=True),
        ("quiet|level|dBFS|silen",),
        lambda: quiet_caller(quietly=False),
        "it is loud enough",
        ("quiet|silen",),
    ),
    Report(
        "twilio-unknown-call",
        "credentials",
        "openclaw/openclaw#11493",
        "voice-call Plugin - Media Stream Token Validation Fails (Bidirectional Calls Broken)",
        "the stream closes at once with 1008",
        "the app's own check of the call fails",
        lambda: app_rejects_stream(known=False),
        ("unknown call|1008",),
        lambda: app_rejects_stream(known=True),
        "it knows the call",
        ("unknown call",),
        ("Twilio (rejects|refuses)",),
    ),
    Report(
        "oai-tool-choice-forces-call",
        "parameter",
        "openai/openai-realtime-api-beta#74",
        "Incorrect Realtime Item Type and Missing Audio Output with tool_choice function",
        "no audio after the function's result",
        "tool_choice names a function: the agent never speaks",
        only_a_call,
        ("tool_choice|function|no audio",),
        openai_good,
        "tool_choice is auto",
        ("tool_choice",),
    ),
    Report(
        "oai-greeting-in-text",
        "missing result",
        "twilio-samples/speech-assistant-openai-realtime-api-python#9",
        "First voice message",
        "the caller hears no greeting",
        "response.create lists only text in its modalities",
        lambda: first_words(modalities=["text"]),
        (r"\btext\b",),
        lambda: first_words(modalities=["text", "audio"]),
        "it lists audio too",
        ("in text",),
        complete=True,
    ),
]
