"""Further reports about Deepgram and AssemblyAI, judged before anything was changed for them."""

from __future__ import annotations

from audio_samples import CLUSTER, WEBM, block
from bug_report import Report
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    b64,
    chunks,
    deepgram,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
    wav_header,
)
from reported_audio import NET_0001, two_speakers
from wire_session import WireSession

NET_0000 = (
    "Deepgram did not provide a response message within the timeout window. "
    "See https://dpgr.am/net0000"
)
UNPARSABLE = "Text message received from client did not match any of the formats we expect."
FLUSHES = "Rate limit exceeded for flushes. Please try again later."
DEPRECATED = (
    "Model deprecated. See docs for new model information: "
    "https://www.assemblyai.com/docs/speech-to-text/universal-streaming"
)
KEEP_ALIVE: Json = {"type": "KeepAlive"}


def webm(seconds: float) -> bytes:
    """What a browser's recorder gives, at about 32 kbit/s; the frames have random bytes."""
    return WEBM + CLUSTER + b"".join(block(240, n) for n in range(round(seconds / 0.06)))


def webm_as_pcm() -> WireSession:
    session = listening().stream(chunks(webm(6.0), 1500), 0.25)
    return session.server_closes(1011, NET_0000, after=10.0)


def webm_declared_by_itself() -> WireSession:
    session = listening("model=nova-2&interim_results=true").stream(chunks(webm(2.0), 1500), 0.25)
    session.server(deepgram_result(HELLO, 0.0, 2.0)).app({"type": "CloseStream"})
    return session.server(deepgram_metadata(2.0)).server_closes(1000)


def webm_without_header() -> WireSession:
    """The recorder runs on while the connection is a new one."""
    session = listening("model=nova-2&interim_results=true&smart_format=true")
    session.stream(chunks(webm(8.0)[4000:], 1500), 0.25)
    for _ in range(3):
        session.app(KEEP_ALIVE, after=3.0)
    return session.app_closes(1000)


def whisper_405() -> WireSession:
    query = "model=whisper-large&encoding=linear16&sample_rate=16000&interim_results=false"
    return deepgram(query + "&utterance_end_ms=500&vad_events=true").refuse(
        405, "Method Not Allowed", b"", {"dg-request-id": REQUEST_ID}
    )


def keepalive_as_binary() -> WireSession:
    session = listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0))
    for _ in range(3):
        session.app(b'{"type": "KeepAlive"}', after=4.0)
    return session.server_closes(1011, NET_0001, after=1.0)


def keepalive_as_text() -> WireSession:
    session = listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0))
    for _ in range(3):
        session.app(KEEP_ALIVE, after=4.0)
    session.app({"type": "CloseStream"}).server(deepgram_metadata(2.0))
    return session.server_closes(1000)


def only_keepalives() -> WireSession:
    session = listening()
    for _ in range(6):
        session.app(KEEP_ALIVE, after=4.5)
    return session.server_closes(1011, NET_0001, after=3.0)


def a_file_in_each_message() -> WireSession:
    """Each chunk of 10 seconds is a WAV file of its own."""
    session = listening("model=nova-2&language=en-US&smart_format=true&encoding=linear16")
    session.app(wav_header() + pcm(10.0), after=10.0)
    session.server(deepgram_metadata(10.0), after=0.3)
    for _ in range(2):
        session.app(wav_header() + pcm(10.0), after=10.0).app(KEEP_ALIVE)
    return session.app_closes(1000, after=3.0)


def stereo_48k() -> WireSession:
    session = listening().stream(chunks(two_speakers(12.0), 19_200), 0.1)
    for at in range(3):
        session.server(deepgram_result("", at * 3.0, 3.0))
    session.app({"type": "CloseStream"}).server(deepgram_metadata(12.0))
    return session.server_closes(1000)


# -- Voice Agent, text to speech


def agent() -> WireSession:
    session = WireSession(
        "wss://agent.deepgram.com/v1/agent/converse", {"Authorization": "Token " + "0" * 40}
    )
    session.accept().server({"type": "Welcome", "request_id": REQUEST_ID})
    return session


def agent_settings() -> Json:
    audio = {
        "input": {"encoding": "linear16", "sample_rate": 16000},
        "output": {"encoding": "linear16", "sample_rate": 24000, "container": "none"},
    }
    think = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "Be brief."}
    listen = {"provider": {"type": "deepgram", "model": "nova-3"}}
    speak = {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}
    return {
        "type": "Settings",
        "audio": audio,
        "agent": {"listen": listen, "think": think, "speak": speak},
    }


def agent_unparsable() -> WireSession:
    session = agent()
    settings = agent_settings()
    session.app({"type": "SettingsConfiguration", **{k: settings[k] for k in ("audio", "agent")}})
    session.stream(chunks(pcm(0.3), 3200), 0.1)
    fault = {"type": "Error", "description": UNPARSABLE, "code": "UNPARSABLE_CLIENT_MESSAGE"}
    return session.server(fault).server_closes(None)


def agent_good() -> WireSession:
    session = agent().app(agent_settings()).server({"type": "SettingsApplied"}, after=0.1)
    session.stream(chunks(pcm(2.0), 3200), 0.1).stream(chunks(bytes(16_000), 3200), 0.1)
    session.server({"type": "UserStartedSpeaking"})
    session.server({"type": "ConversationText", "role": "user", "content": HELLO}, after=0.2)
    session.server({"type": "ConversationText", "role": "assistant", "content": "Hello."})
    session.stream(chunks(pcm(1.5, 24_000), 9600), 0.01, from_client=False)
    session.server({"type": "AgentAudioDone"})
    return session.app_closes(1000, after=2.0)


def speaking() -> WireSession:
    url = (
        "wss://api.deepgram.com/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=24000"
    )
    session = WireSession(url, {"Authorization": "Token " + "0" * 40}).accept()
    return session.server({"type": "Metadata", "request_id": REQUEST_ID, "model_name": "aura-2"})


def spoken(session: WireSession, text: str) -> WireSession:
    session.app({"type": "Speak", "text": text}).app({"type": "Flush"})
    session.stream(chunks(pcm(1.5, 24_000), 9600), 0.02, from_client=False)
    return session.server({"type": "Flushed", "sequence_id": 0})


def speak_too_much() -> WireSession:
    session = speaking()
    for _ in range(3):
        spoken(session, HELLO * 19)
    session.app({"type": "Speak", "text": HELLO * 19}).app({"type": "Flush"})
    return session.drop(by_client=False)


def speak_flush_limit() -> WireSession:
    session = speaking()
    for _ in range(3):
        spoken(session, HELLO)
    session.app({"type": "Speak", "text": HELLO}).app({"type": "Flush"})
    warning = {"type": "Warning", "warn_code": "EXCESSIVE_FLUSH", "warn_msg": FLUSHES}
    return session.server(warning).app_closes(1000, after=0.05)


def speak_good() -> WireSession:
    return spoken(spoken(speaking(), HELLO), HELLO).app({"type": "Close"}).server_closes(1000)


# -- AssemblyAI


def assemblyai(path: str = "/v3/ws?sample_rate=16000&encoding=pcm_s16le") -> WireSession:
    host = "streaming.assemblyai.com" if path.startswith("/v3") else "api.assemblyai.com"
    return WireSession(f"wss://{host}{path}", {"Authorization": "0123456789abcdef" * 2}).accept()


def model_deprecated() -> WireSession:
    session = assemblyai("/v2/realtime/ws?sample_rate=16000")
    return session.server({"error": DEPRECATED}, after=0.1).server_closes(4010, DEPRECATED[:120])


def token_padding() -> WireSession:
    reason = "Unauthorized connection: Incorrect padding"
    return assemblyai().server_closes(1008, reason, after=0.1)


def too_short() -> WireSession:
    session = assemblyai("/v2/realtime/ws?sample_rate=16000")
    session.server({"message_type": "SessionBegins", "session_id": REQUEST_ID, "expires_at": "x"})
    session.stream(chunks(pcm(0.4), 1280), 0.04, lambda data: {"audio_data": b64(data)})
    return session.server({"error": "Audio duration is too short"}).server_closes(4033)


def assemblyai_good() -> WireSession:
    session = assemblyai().server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(pcm(2.0), 3200), 0.1)
    words = [{"text": "good", "start": 100, "end": 400, "confidence": 0.9, "word_is_final": True}]
    turn = {"type": "Turn", "turn_order": 0, "end_of_turn": True, "transcript": "good morning"}
    session.server(turn | {"words": words}).app({"type": "Terminate"})
    done = {"type": "Termination", "audio_duration_seconds": 2, "session_duration_seconds": 2}
    return session.server(done).server_closes(1000)


REPORTS = [
    Report(
        "dg-webm-as-linear16",
        "format",
        "deepgram/deepgram-python-sdk#509",
        "Live Transcription not working with MediaRecorder",
        "1011 NET-0000 with a browser's recorder; a file in chunks works",
        "the recorder sends WebM, and the URL declares linear16",
        webm_as_pcm,
        ("webm", "linear16|declare|another format|contradict"),
        webm_declared_by_itself,
        "the URL declares no encoding, as a container needs it",
        ("webm", "declare", "format"),
        ("no audio was sent", "started late"),
    ),
    Report(
        "dg-webm-next-connection",
        "format",
        "deepgram-starters/node-live-transcription#6",
        "Isn't receiving transcript events after the reconnect",
        "no transcripts after the connection was made again",
        "the recorder goes on; its header went to the connection before",
        webm_without_header,
        (r"webm|container", r"middle|header"),
        webm_declared_by_itself,
        "the stream has its header",
        ("header", "middle"),
    ),
    Report(
        "dg-whisper-405",
        "model",
        "deepgram/deepgram-dotnet-sdk#304",
        "Live demo code not working, returns 405",
        "the upgrade is refused with 405 and no body",
        "not known: the report suspects the settings, such as the model",
        whisper_405,
        ("405",),
        deepgram_good,
        "another model is accepted",
        ("405",),
        ("credentials", "quota", "rate limit"),
    ),
    Report(
        "dg-keepalive-binary",
        "carrier",
        "deepgram/deepgram-go-sdk#181",
        "Fix KeepAlive Message as Text",
        "NET-0001 although KeepAlive is sent",
        "KeepAlive is sent in binary messages, which are audio",
        keepalive_as_binary,
        ("KeepAlive|control message", "binary"),
        keepalive_as_text,
        "KeepAlive is sent as text",
        ("binary", "1011"),
    ),
    Report(
        "dg-keepalive-only",
        "timeout",
        "deepgram/deepgram-dotnet-sdk#131",
        "Keep Alive functionality does not work unless a message has been received",
        "the connection ends after 30 seconds although KeepAlive is sent",
        "no audio was ever sent: KeepAlive alone does not keep a new session",
        only_keepalives,
        ("KeepAlive", "no audio"),
        keepalive_as_text,
        "audio was sent before",
        ("no audio",),
    ),
    Report(
        "dg-wav-in-each-message",
        "format",
        "deepgram/deepgram-python-sdk#427",
        "websocket send function is not processing subsequent messages",
        "the first chunk of ten seconds is processed, later ones are not",
        "each message is a WAV file with a header of its own",
        a_file_in_each_message,
        ("begins again|second header|another WAV header",),
        deepgram_good,
        "raw audio without headers",
        ("header",),
    ),
    Report(
        "dg-48k-stereo",
        "sample rate",
        "vellum-ai/vellum-assistant#25246",
        "Streaming STT for conversation chat messages",
        "poor or empty transcripts",
        "the device's 48 kHz stereo is sent as 16 kHz mono",
        stereo_48k,
        (r"stereo|two channels|2 channels|48000|48 kHz|96000|3\.\d times|6\.\d times",),
        deepgram_good,
        "16 kHz mono",
        ("stereo", "48000", "rate"),
        ("pace a file",),
    ),
    Report(
        "dga-settings-kind",
        "parameter",
        "deepgram-devs/flask-agent-function-calling-demo#17",
        "Text message received from client did not match any of the formats we expect",
        "an error after the first audio, then 1005",
        "the first message has the kind of an older version of the API",
        agent_unparsable,
        ("did not match|UNPARSABLE|not (understood|parsed|valid)", "SettingsConfiguration|message"),
        agent_good,
        "the message has the kind of this version",
        ("unparsable", "did not match"),
        ("1005",),
    ),
    Report(
        "dgs-2400-characters",
        "rate limit",
        "jambonz/jambonz-feature-server#1214",
        "throttle streaming text to Deepgram",
        "the connection is dropped in a long text",
        "more than 2,400 characters a minute were sent",
        speak_too_much,
        ("ended|characters|dropped",),
        speak_good,
        "less text",
        ("ended", "characters", "reset"),
    ),
    Report(
        "dgs-excessive-flush",
        "rate limit",
        "deepgram/deepgram-python-sdk#617",
        "TTS warning event crashes the connection",
        "the client raises at a warning and leaves",
        "the app flushes more often than allowed",
        speak_flush_limit,
        ("flush",),
        speak_good,
        "fewer flushes",
        ("flush", "EXCESSIVE"),
        complete=True,
    ),
    Report(
        "dga-playback-rate",
        "good session",
        "deepgram-devs/deepgram-ai-agent-demo#73",
        "Audio Playback of Agent message is too fast",
        "the agent's voice is high and fast",
        "nothing on the wire: the page plays 24 kHz as 48 kHz",
        agent_good,
        ("closed normally|succeeded|speech",),
        agent_unparsable,
        "the settings are refused",
        ("closed normally",),
        fine=True,
    ),
    Report(
        "aai-v2-retired",
        "model",
        "AssemblyAI/real-time-captions-demo#2",
        "Model deprecated",
        "an error message, then the end",
        "the API of version 2 is retired",
        model_deprecated,
        ("deprecated|retired",),
        assemblyai_good,
        "version 3 is used",
        ("deprecated", "retired"),
    ),
    Report(
        "aai-token-padding",
        "credentials",
        "AssemblyAI/assemblyai-node-sdk#97",
        "Sporadic Error on `connect` using `StreamingTranscriber`",
        "1008 at once, sometimes",
        "the credential could not be decoded",
        token_padding,
        ("unauthorized|credential|token|key", "padding"),
        assemblyai_good,
        "a credential that is accepted",
        ("padding", "unauthorized"),
        ("policy of the peer", "policy was violated", "account does not", "credential is valid"),
    ),
    Report(
        "aai-chunk-too-short",
        "size",
        "vocodedev/vocode-react-sdk#6",
        "Chunk size not taking effect in SelfHostedConversationConfig",
        "an error message; no transcript",
        "the chunks are shorter than the 100 ms that version 2 takes",
        too_short,
        ("short|small|duration", r"40 ?ms|0\.04|100 ?ms|too short|shorter"),
        assemblyai_good,
        "chunks of 100 ms",
        ("short",),
        ("message is too long",),
    ),
]
