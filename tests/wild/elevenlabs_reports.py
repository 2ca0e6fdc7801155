"""Further reports about ElevenLabs, judged before anything was changed for them."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from provider_sessions import (
    ELEVENLABS_KEY,
    HELLO,
    VOICE,
    b64,
    chunks,
    elevenlabs,
    elevenlabs_audio,
    elevenlabs_tts,
    pcm,
)
from wire_session import WireSession

CANNOT_PARSE = (
    "Could not parse input message, make sure it is a json and follows the schema outlined in "
    "protocol."
)
VOICES_FIRST = "voices can only be set in the first message."
BROADCAST = (
    "Invalid message received: could not broadcast input array from shape (4800,) into shape (320,)"
)
OVERRIDE = "Override for field 'first_message' is not allowed by config."
INTERRUPTED = "Interrupted message doesn't match the last agent message"
MISCONFIGURED = "The AI agent you are trying to reach appears to be misconfigured"


def tts_good() -> WireSession:
    session = elevenlabs_tts().app({"text": HELLO + " "}, {"text": ""})
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server(elevenlabs_audio(data))
    return session.server({"audio": None, "isFinal": True}).server_closes(1000)


def cannot_parse() -> WireSession:
    session = elevenlabs_tts().app({"text": HELLO + " "})
    session.server(elevenlabs_audio(pcm(0.5, 24_000)))
    session.app('{"text": ""')
    fault = {"message": CANNOT_PARSE, "error": "invalid_input_message", "code": 1008}
    return session.server(fault).server_closes(1008, CANNOT_PARSE)


def dialogue() -> WireSession:
    query = "model_id=eleven_v3_conversational&output_format=pcm_8000"
    url = f"wss://api.elevenlabs.io/v1/text-to-dialogue/stream-input?{query}"
    session = WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).accept()
    return session.app({"voices": [{"voice_id": VOICE}], "text": " "})


def voices_twice() -> WireSession:
    session = dialogue().app({"text": HELLO})
    session.server(elevenlabs_audio(pcm(1.0, 8000)))
    session.app({"voices": [{"voice_id": VOICE}], "text": HELLO})
    return session.server_closes(1008, VOICES_FIRST)


# -- agents


def agent() -> WireSession:
    session = elevenlabs("convai/conversation", "agent_id=agent_0123456789abcdef")
    formats = {"agent_output_audio_format": "ulaw_8000", "user_input_audio_format": "ulaw_8000"}
    start = {"conversation_id": "conv_1", **formats}
    kind = "conversation_initiation_metadata"
    session.app({"type": "conversation_initiation_client_data"})
    return session.server({"type": kind, f"{kind}_event": start}, after=0.1)


def greets(session: WireSession) -> WireSession:
    text = {"agent_response": HELLO}
    session.server({"type": "agent_response", "agent_response_event": text}, after=0.2)
    for number in range(4):
        event = {"audio_base_64": b64(mulaw(pcm(0.5, 8000))), "event_id": number + 1}
        session.server({"type": "audio", "audio_event": event})
    return session


def user_speaks(session: WireSession, size: int = 320, seconds: float = 2.0) -> WireSession:
    data = mulaw(pcm(seconds, 8000))
    return session.stream(
        chunks(data, size), size / 8000, lambda each: {"user_audio_chunk": b64(each)}
    )


def agent_good() -> WireSession:
    session = user_speaks(greets(agent()))
    said = {"user_transcript": HELLO}
    session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.2)
    return greets(session).app_closes(1000, after=2.0)


def chunks_of_600_ms() -> WireSession:
    session = user_speaks(greets(agent()), 4800, 0.6)
    return session.server_closes(1008, BROADCAST)


def override() -> WireSession:
    session = elevenlabs("convai/conversation", "agent_id=agent_0123456789abcdef")
    agents = {"agent": {"first_message": "Hello User!"}}
    data = {"type": "conversation_initiation_client_data", "conversation_config_override": agents}
    return session.app(data).server_closes(1008, OVERRIDE, after=0.1)


def branch() -> WireSession:
    query = "agent_id=agent_0123456789abcdef&branch_id=agtbrch_0123&token=" + "Synthetic0" * 4
    session = elevenlabs("convai/conversation", query)
    session.app({"type": "conversation_initiation_client_data"})
    return session.server_closes(3000, "Request error", after=0.1)


def interrupted() -> WireSession:
    session = greets(agent())
    session.server({"type": "interruption", "interruption_event": {"event_id": 4}}, after=0.2)
    return session.server_closes(1008, INTERRUPTED)


def misconfigured() -> WireSession:
    session = user_speaks(greets(agent()))
    return session.server_closes(1002, MISCONFIGURED)


def bare_1011() -> WireSession:
    return user_speaks(greets(agent()), seconds=0.4).server_closes(1011)


POLICY = ("policy of the peer", "policy was violated")

REPORTS = [
    Report(
        "xi-end-of-stream",
        "parameter",
        "elevenlabs/elevenlabs-python#167",
        "End of stream error",
        "1008 when the text has been sent",
        "the last message is not the JSON that the API expects",
        cannot_parse,
        ("could not parse|not valid JSON|invalid_input_message",),
        tts_good,
        "the message is right",
        ("parse", "not valid JSON"),
        POLICY,
    ),
    Report(
        "xi-voices-first",
        "parameter",
        "pipecat-ai/pipecat#5601",
        'socket closed with 1008 "voices can only be set in the first message"',
        "sentences are missing, the connection was made again",
        "a later message sets the voices again",
        voices_twice,
        ("voices can only be set",),
        tts_good,
        "another API, one voice",
        ("voices",),
        POLICY,
    ),
    Report(
        "xi-600-ms",
        "size",
        "elevenlabs/elevenlabs-docs#642",
        "could not broadcast input array from shape (4800,) into shape (320,)",
        "1008 as soon as the user speaks",
        "chunks of 600 ms; at the time, the service took 40 ms",
        chunks_of_600_ms,
        ("could not broadcast",),
        agent_good,
        "chunks of 40 ms",
        ("broadcast",),
        POLICY,
    ),
    Report(
        "xi-override",
        "parameter",
        "elevenlabs/packages#23",
        "Settings overrides on non-eligible agent does not return an error",
        "the connection ends at once; the SDK gives no error",
        "the agent does not allow the override of this field",
        override,
        ("override", "first_message"),
        agent_good,
        "no override",
        ("override",),
        POLICY,
    ),
    Report(
        "xi-branch-3000",
        "unknown",
        "elevenlabs/packages#626",
        "WebSocket close code 3000 'Request error' connecting to agent branch",
        "3000 with two words",
        "not known; the server gives no details",
        branch,
        ("request error|3000",),
        agent_good,
        "the agent's main branch",
        ("3000", "request error"),
        ("credentials", "quota"),
    ),
    Report(
        "xi-interrupted",
        "server fault",
        "elevenlabs/packages#14",
        "Interruption results in closed connection",
        "the connection ends when the user interrupts",
        "a fault of the service, which was corrected",
        interrupted,
        ("doesn't match the last agent message",),
        agent_good,
        "no interruption",
        ("doesn't match",),
        POLICY,
    ),
    Report(
        "xi-misconfigured",
        "parameter",
        "elevenlabs/examples#137",
        "[docs] fix websocket example",
        "1002 after the agent's first words",
        "the agent's own language model has wrong details",
        misconfigured,
        ("misconfigured",),
        agent_good,
        "the agent is configured",
        ("misconfigured",),
        ("RFC 6455 was violated", "broken frame", "does not follow the protocol"),
    ),
    Report(
        "xi-bare-1011",
        "unknown",
        "elevenlabs/elevenlabs-docs#768",
        "WebSocket Disconnects After First Message in ElevenLabs Conversational AI",
        "1011 without a reason after the agent's first message",
        "not known; the server gives no reason",
        bare_1011,
        ("1011",),
        agent_good,
        "the conversation goes on",
        ("1011",),
        ("quota", "credentials"),
    ),
]
