"""Reports about conversations with an agent: turns, interruptions, and how they end."""

from __future__ import annotations

from array import array

from bug_report import Report
from deepgram_reports import agent as deepgram_agent
from deepgram_reports import agent_good as deepgram_agent_good
from deepgram_reports import agent_settings
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import agent_good as elevenlabs_agent_good
from elevenlabs_reports import greets, user_speaks
from provider_sessions import (
    HELLO,
    NATIVE_AUDIO,
    REQUEST_ID,
    Json,
    b64,
    chunks,
    gemini,
    gemini_audio,
    gemini_content,
    gemini_good,
    gemini_ready,
    gemini_says,
    pcm,
)
from wire_session import WireSession

TEXT_ALONE = "The requested combination of response modalities (TEXT) is not supported by the model"
NO_SPEECH = (
    "We waited too long for a websocket message. Please ensure that you're sending binary messages "
    "containing user speech."
)


# -- Deepgram's agent


def agent_speaks_long() -> WireSession:
    """The device stops its microphone while it plays, and sends KeepAlive in its place."""
    session = deepgram_agent().app(agent_settings()).server({"type": "SettingsApplied"}, after=0.1)
    session.stream(chunks(pcm(2.0), 3200), 0.1).stream(chunks(bytes(16_000), 3200), 0.1)
    session.server({"type": "ConversationText", "role": "user", "content": HELLO}, after=0.2)
    session.server({"type": "ConversationText", "role": "assistant", "content": "Once upon a day"})
    for data in chunks(pcm(12.0, 24_000), 48_000):
        session.server(data, after=0.3)
    session.app({"type": "KeepAlive"}, after=2.0)
    fault = {"type": "Error", "description": NO_SPEECH, "code": "CLIENT_MESSAGE_TIMEOUT"}
    return session.server(fault, after=6.0).server_closes(None)


def thinks_nothing() -> WireSession:
    settings = agent_settings()
    provider = {"type": "aws_bedrock", "model": "openai.gpt-oss-120b-1:0"}
    settings["agent"]["think"] = {"provider": provider, "prompt": "Be brief."}
    session = deepgram_agent().app(settings).server({"type": "SettingsApplied"}, after=0.1)
    session.app({"type": "InjectUserMessage", "content": "Which day is it?"}, after=0.2)
    return session.app_closes(1000, after=25.0)


def thinks_aloud() -> WireSession:
    session = deepgram_agent().app(agent_settings()).server({"type": "SettingsApplied"}, after=0.1)
    session.app({"type": "InjectUserMessage", "content": "Which day is it?"}, after=0.2)
    session.server({"type": "ConversationText", "role": "assistant", "content": "Monday."})
    session.stream(chunks(pcm(1.5, 24_000), 9600), 0.01, from_client=False)
    return session.server({"type": "AgentAudioDone"}).app_closes(1000, after=2.0)


# -- Gemini Live


def text_alone() -> WireSession:
    setup = {"generationConfig": {"responseModalities": ["TEXT"]}}
    return gemini(NATIVE_AUDIO, setup).server_closes(1007, TEXT_ALONE, after=0.1)


def quiet(data: bytes, share: float) -> bytes:
    return array("h", (round(sample * share) for sample in array("h", data))).tobytes()


def hears_itself() -> WireSession:
    """The microphone has what the speaker plays: the agent interrupts itself, turn by turn."""
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    for _ in range(4):
        for data in chunks(pcm(3.0, 24_000), 9600):
            part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
            session.server(gemini_content({"modelTurn": {"parts": [part]}}))
        echo = bytes(4800) + quiet(pcm(3.0), 0.3)
        session.stream(chunks(echo[:48_000], 3200), 0.1, gemini_audio)
        session.server(
            gemini_content({"interrupted": True}), gemini_content({"turnComplete": True})
        )
        session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    return session.app_closes(1000, after=1.0)


def interrupted_turn(session: WireSession) -> WireSession:
    session.server(gemini_content({"interrupted": True}))
    return session.server(gemini_content({"turnComplete": True}))


def is_interrupted() -> WireSession:
    """A user who interrupts once, with other words."""
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    for data in chunks(pcm(3.0, 24_000), 9600):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}))
    session.stream(chunks(bytes(8000) + pcm(9.0)[96_000:], 3200), 0.1, gemini_audio)
    interrupted_turn(session)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    return gemini_says(session.wait(0.3)).app_closes(1000, after=1.0)


# -- Hume, Ultravox, ElevenLabs, an app's own server


def hume() -> WireSession:
    session = WireSession("wss://api.hume.ai/v0/evi/chat?api_key=" + "Synthetic0" * 4).accept()
    ids = {"chat_group_id": REQUEST_ID, "chat_id": REQUEST_ID, "request_id": "1"}
    session.server({"type": "chat_metadata", **ids})
    audio = {"encoding": "linear16", "sample_rate": 16000, "channels": 1}
    return session.app({"type": "session_settings", "audio": audio})


def hume_input(data: bytes) -> Json:
    return {"type": "audio_input", "data": b64(data)}


def hume_file() -> WireSession:
    """A file is sent at once; it ends with the last word."""
    session = hume().app(*(hume_input(data) for data in chunks(pcm(4.0), 32_000)))
    return session.app_closes(1000, after=30.0)


def hume_good() -> WireSession:
    session = hume().stream(chunks(pcm(2.0) + bytes(32_000), 3200), 0.1, hume_input)
    said = {"role": "user", "content": HELLO}
    session.server({"type": "user_message", "message": said, "interim": False}, after=0.3)
    said = {"role": "assistant", "content": "Hello."}
    session.server({"type": "assistant_message", "id": "1", "message": said})
    for number, data in enumerate(chunks(pcm(1.5, 48_000), 48_000)):
        session.server({"type": "audio_output", "id": "1", "index": number, "data": b64(data)})
    return session.server({"type": "assistant_end"}).app_closes(1000, after=2.0)


def ultravox() -> WireSession:
    host = "prod-voice-pgaenaxiea-uc.a.run.app"
    session = WireSession(f"wss://{host}/calls/{REQUEST_ID}/server_web_socket?apiVersion=1")
    session.accept().server({"type": "call_started", "callId": REQUEST_ID})
    session.server({"type": "state", "state": "listening"})
    session.stream(chunks(pcm(2.0, 48_000), 9600), 0.1)
    said = {"type": "transcript", "role": "user", "medium": "voice", "text": HELLO}
    session.server({**said, "final": True, "ordinal": 0}, after=0.3)
    session.server({"type": "state", "state": "speaking"})
    session.stream(chunks(pcm(1.5, 48_000), 9600), 0.05, from_client=False)
    said = {"type": "transcript", "role": "agent", "medium": "voice", "text": "Hello."}
    return session.server({**said, "final": True, "ordinal": 1})


def ultravox_goes() -> WireSession:
    """The app closes; the server ends the connection without a Close of its own."""
    return ultravox().app_goes(1000, "")


def ultravox_breaks() -> WireSession:
    return ultravox().drop(by_client=False, how="reset")


def same_event_id() -> WireSession:
    """The audio after an interruption has its number; the app's SDK drops it."""
    session = user_speaks(greets(elevenlabs_agent()), seconds=1.0)
    session.server({"type": "interruption", "interruption_event": {"event_id": 4}})
    text = {"agent_response": HELLO}
    session.server({"type": "agent_response", "agent_response_event": text}, after=0.2)
    event = {"audio_base_64": b64(b"\x55" * 80), "event_id": 4}
    for _ in range(6):
        session.server({"type": "audio", "audio_event": event})
    return user_speaks(greets(session), seconds=1.0).app_closes(1000, after=2.0)


def toy(*, answers: bool) -> WireSession:
    """A toy that asks its server for a Pong while the server tells a story."""
    session = WireSession("wss://toy.example.com/ws/esp32", agent="arduino-WebSocket-Client")
    session.accept().server({"type": "auth", "volume_control": 70})
    session.app({"type": "start_of_audio"}).stream(chunks(pcm(2.0), 3200), 0.1)
    session.server({"type": "server", "msg": "RESPONSE.CREATED"}, after=0.5)
    for _ in range(3):
        session.stream(chunks(pcm(15.0, 24_000), 48_000), 1.0, from_client=False)
        session.ping(from_client=True, answered=answers)
    if answers:
        session.server({"type": "server", "msg": "RESPONSE.COMPLETE"})
        return session.app_closes(1000)
    return session.drop(by_client=True, after=2.0)


POLICY = ("policy of the peer", "policy was violated")
WORDS_OF_RFC = ("UTF-8", "not valid text", "binary frame")

REPORTS = [
    Report(
        "dga-silent-microphone",
        "timeout",
        "deepgram/deepgram-js-sdk#419",
        "Voice Agent closes connection with CLIENT_MESSAGE_TIMEOUT while still speaking",
        "the agent is cut off in a long answer, although KeepAlive is sent",
        "no audio is sent while the device plays; KeepAlive does not replace it",
        agent_speaks_long,
        ("waited too long|no audio|binary messages",),
        deepgram_agent_good,
        "audio goes on",
        ("waited too long",),
        ("neither audio nor a KeepAlive", "sent no KeepAlive"),
    ),
    Report(
        "dga-silent-model",
        "missing result",
        "deepgram/deepgram-python-sdk#759",
        "Voice Agent aws_bedrock think provider returns no output and no error",
        "the agent never answers, and there is no error",
        "the agent's language model gives no output",
        thinks_nothing,
        ("no answer|not answered|nothing|no audio",),
        thinks_aloud,
        "the model answers",
        ("no answer", "no audio"),
        ("sent no audio and no text",),
    ),
    Report(
        "gem-text-alone",
        "parameter",
        "pydantic/pydantic-ai#7269",
        "Add Gemini Live realtime model",
        "1007 as soon as the session is set up",
        "this model answers in audio only",
        text_alone,
        (r"response modalities \(TEXT\)",),
        gemini_good,
        "audio is asked for",
        ("modalities",),
        WORDS_OF_RFC,
    ),
    Report(
        "gem-hears-itself",
        "echo",
        "google-gemini/cookbook#356",
        "live_api_starter.py keeps interrupting itself without getting interrupted",
        "the agent breaks off in each answer",
        "the microphone hears the speaker: there is no echo cancellation",
        hears_itself,
        ("echo|own voice|own audio|own speech",),
        is_interrupted,
        "a user interrupts once",
        ("echo", "own voice"),
    ),
    Report(
        "hume-file-at-once",
        "missing result",
        "HumeAI/hume-python-sdk#132",
        "sending files over using evi",
        "no answer to a file that is sent",
        "the file ends with its last word: no silence says that the turn is over",
        hume_file,
        ("no answer|0 words|no transcript|not answered|nothing",),
        hume_good,
        "a microphone, which goes on",
        ("0 words", "no answer"),
    ),
    Report(
        "uv-closed-ok",
        "good session",
        "pipecat-ai/pipecat#4518",
        "Nuisance error log on every Ultravox websocket close",
        "an error in the log at the end of each call",
        "nothing: the app closes; the server ends the connection without a Close",
        ultravox_goes,
        (),
        ultravox_breaks,
        "the server resets the connection in the middle of a call",
        ("all went well",),
        ("broke", "reset"),
        fine=True,
    ),
    Report(
        "xi-same-event-id",
        "good session",
        "elevenlabs/elevenlabs-python#829",
        "reply to send_multimodal_message is silently dropped",
        "the agent's answer is not played",
        "nothing on the wire: the SDK drops audio with the number of the interruption",
        same_event_id,
        (),
        elevenlabs_agent_good,
        "no interruption",
        ("interrupt",),
        fine=True,
    ),
    Report(
        "toy-no-pong",
        "keepalive",
        "akdeb/ElatoAI#7",
        "client disconnects after 45 seconds of speaking",
        "a toy disconnects in the middle of each story",
        "its library gives up: no Pong comes for its Pings",
        lambda: toy(answers=False),
        ("pong",),
        lambda: toy(answers=True),
        "Pongs come",
        ("no pong", "without a pong"),
    ),
]
