"""Reports about speech output: starts late, is cut off, comes in pieces, or is refused."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    AZURE_KEY,
    AZURE_REQUEST,
    HELLO,
    Json,
    azure_audio,
    azure_message,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    pcm,
)
from speech_context_reports import contexts
from speech_context_reports import says as context_says
from speech_quiet_reports import KEY, LONG
from wire_session import BROWSER, WireSession

# -- Cartesia


def cartesia_chunk(context: str, data: bytes) -> Json:
    fields = {"type": "chunk", "context_id": context, "data": b64(data), "done": False}
    return fields | {"status_code": 206, "step_time": 20.0}


def word_by_word(*, apart: bool) -> WireSession:
    """The words come from a language model, one each 0.1 s."""
    session = cartesia_tts().accept()
    words = HELLO.split()
    for number, word in enumerate(words):
        context = f"turn-1-{number}" if apart else "turn-1"
        goes_on = not apart and number + 1 < len(words)
        session.app(cartesia_text(context) | {"transcript": f"{word} ", "continue": goes_on})
        if apart:
            for data in chunks(pcm(0.5, 24_000), 9600):
                session.server(cartesia_chunk(context, data), after=0.02)
            session.server({"type": "done", "context_id": context, "done": True})
        session.wait(0.1)
    if not apart:
        cartesia_says(session.wait(0.2), "turn-1")
    return session.app_closes(1000, after=3.0)


def held_for_more(*, delay: int | None) -> WireSession:
    """Complete sentences; the service waits for more text before it begins."""
    session = cartesia_tts().accept()
    setting: Json = {} if delay is None else {"max_buffer_delay_ms": delay}
    for turn in range(3):
        context = f"turn-{turn}"
        text = {"transcript": "Yes, of course. ", "continue": True}
        session.app(cartesia_text(context) | text | setting)
        session.wait(3.05 if delay is None else 0.15)
        for data in chunks(pcm(1.2, 24_000), 9600):
            session.server(cartesia_chunk(context, data), after=0.02)
        session.app(cartesia_text(context) | {"transcript": "", "continue": False}, after=0.5)
        session.server({"type": "done", "context_id": context, "done": True}, after=0.1)
        session.wait(5.0)
    return session.app_closes(1000)


def punctuation(*, alone: bool) -> WireSession:
    """The language model sends an ellipsis first."""
    session = cartesia_tts().accept()
    if alone:
        session.app(cartesia_text("turn-1") | {"transcript": "...", "continue": True})
        error = "Invalid transcript: the transcript has no characters that can be spoken"
        fields = {"type": "error", "context_id": "turn-1", "done": True, "status_code": 400}
        return session.server(fields | {"error": error}, after=0.1).app_closes(1000, after=1.0)
    session.app(cartesia_text("turn-1") | {"transcript": f"... {HELLO}"})
    return cartesia_says(session.wait(0.2), "turn-1").app_closes(1000, after=2.0)


# -- Azure: text in pieces


def text_stream() -> WireSession:
    """The second version of the API takes a text while it is written."""
    host = "eastasia.tts.speech.microsoft.com"
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    session = WireSession(
        f"wss://{host}/cognitiveservices/websocket/v2", headers, agent=BROWSER
    ).accept()
    context = {"context": {"system": {"name": "SpeechSDK", "version": "1.40.0"}}}
    session.app(azure_message("speech.config", context))
    voice = {"bidirectionalStreamingMode": True, "voiceName": "en-US-AvaMultilingualNeural"}
    audio = {"outputFormat": "raw-24khz-16bit-mono-pcm"}
    session.app(azure_message("synthesis.context", {"synthesis": {"audio": audio, "input": voice}}))
    return session.server(azure_message("turn.start", {"context": {}}), after=0.1)


def piece(path: str, text: str = "") -> str:
    head = f"Path: {path}\r\nX-RequestId: {AZURE_REQUEST}\r\nContent-Type: text/plain\r\n\r\n"
    return head + text


def pieces(*, cached: bool) -> WireSession:
    """Two sentences, with five seconds between them."""
    session = text_stream()
    session.app(*(piece("text.piece", f"{word} ") for word in HELLO.split()))
    if not cached:
        session.stream(chunks(pcm(2.0, 24_000), 9600), 0.02, azure_audio, from_client=False)
    session.wait(5.0).app(*(piece("text.piece", f"{word} ") for word in HELLO.split()))
    session.app(piece("text.end"))
    seconds = 4.0 if cached else 2.0
    session.stream(chunks(pcm(seconds, 24_000), 9600), 0.02, azure_audio, from_client=False)
    return session.server(azure_message("turn.end", {})).app_closes(1000, after=1.0)


def no_first_chunk(*, comes: bool) -> WireSession:
    session = text_stream()
    session.server(azure_message("response", {"audio": {"type": "inline"}}))
    session.app(*(piece("text.piece", f"{word} ") for word in HELLO.split()))
    if not comes:
        return session.app_closes(1000, after=38.0)
    session.app(piece("text.end"))
    session.stream(chunks(pcm(2.0, 24_000), 9600), 0.02, azure_audio, from_client=False)
    return session.server(azure_message("turn.end", {})).app_closes(1000, after=1.0)


# -- others


def closed_early(*, early: bool) -> WireSession:
    """A server of one's own sends binary audio, then that it is complete."""
    session = WireSession("ws://agents.internal:5010/api/voice/tts/ws", agent=BROWSER).accept()
    session.app({"text": LONG * 5})
    session.stream(chunks(pcm(20.0 if early else 55.0), 32_000), 0.05, from_client=False)
    if not early:
        session.server({"status": "completed"})
    return session.server_closes(1000)


def smallest(size: int) -> WireSession:
    url = "wss://waves-api.smallest.ai/api/v1/lightning-v2/get_speech/stream"
    session = WireSession(url, KEY).accept()
    session.app({"voice_id": "emily", "text": HELLO, "sample_rate": 24000, "language": "en"})
    for data in chunks(pcm(2.0, 24_000), size):
        answer = {"request_id": "r1", "status": "chunk", "data": {"audio": b64(data)}}
        session.server(answer, after=0.02)
    return session.server({"request_id": "r1", "status": "complete"}).app_closes(1000, after=2.0)


def jambonz(*, hangs_up: bool) -> WireSession:
    """The telephone server is the client; the app sends it commands."""
    session = WireSession("wss://app.example.com/llm-streaming", agent="jambonz").accept()
    call = {"call_sid": "c1", "direction": "inbound", "call_status": "trying"}
    session.app({"type": "session:new", "msgid": "m1", "call_sid": "c1", "data": call})
    config = [{"verb": "config", "ttsStream": {"enable": True}}, {"verb": "pause", "length": 60}]
    session.server({"type": "ack", "msgid": "m1", "data": config}, after=0.05)

    def command(name: str, data: Json | None = None) -> Json:
        fields: Json = {} if data is None else {"data": data}
        return {"type": "command", "command": name, "queueCommand": False, **fields}

    opened = {"event_type": "stream_open"}
    session.app({"type": "tts:streaming-event", "call_sid": "c1", "data": opened}, after=0.5)
    tokens = {"id": 1, "tokens": "Thank you for your call. Have a great day. Goodbye!"}
    session.server(command("tts:tokens", tokens), command("tts:flush"), after=0.5)
    result = {"type": "tts:tokens-result", "call_sid": "c1", "data": {"id": 1, "status": "ok"}}
    session.app(result, after=0.02)
    if not hangs_up:
        session.wait(6.0)
    session.server(command("redirect", {"verb": "hangup"}) | {"data": [{"verb": "hangup"}]})
    ended = {"call_sid": "c1", "call_status": "completed"}
    session.app({"type": "call:status", "call_sid": "c1", "data": ended}, after=0.1)
    return session.app_closes(1000)


# -- refused, or closed


def soniox(*, opened: bool) -> WireSession:
    """The connection is a new one, after the first was closed while it was idle."""
    session = WireSession("wss://tts-rt.soniox.com/tts-websocket").accept()
    setup: Json = {"api_key": "synthetic", "model": "tts-rt-v1", "stream_id": "turn-7"}
    if opened:
        voice = {"voice": "Maya", "language": "en", "sample_rate": 24000}
        session.app(setup | voice | {"audio_format": "pcm_s16le"})
    session.app({"stream_id": "turn-7", "text": HELLO, "text_end": True})
    if not opened:
        message = "Stream turn-7 not found. Send a start message first."
        error = {"stream_id": "turn-7", "error_code": 400, "error_message": message}
        return session.server(error, after=0.1).app_closes(1000, after=5.0)
    for data in chunks(pcm(2.0, 24_000), 9600):
        session.server({"stream_id": "turn-7", "audio": b64(data), "audio_end": False}, after=0.05)
    session.server({"stream_id": "turn-7", "audio": "", "audio_end": True})
    session.server({"stream_id": "turn-7", "terminated": True})
    return session.app_closes(1000, after=2.0)


def six_contexts(reason: str) -> WireSession:
    """A call of a tool is followed by another one; each answer has a new context."""
    session = contexts()
    for number in range(6):
        context = {"context_id": f"turn-{number}"}
        session.app({"text": "One moment, please. ", **context}, after=0.1)
        if number < 3:
            context_says(session, f"turn-{number}", 0.4, 0.02)
    return session.server_closes(1008, reason, after=0.1)


def xi_lost(*, lost: bool) -> WireSession:
    session = contexts().app({"text": LONG, "context_id": "turn-1"})
    session.app({"text": " ", "flush": True, "context_id": "turn-1"})
    context_says(session.wait(0.4), "turn-1", 1.2)
    if lost:
        return session.drop(by_client=False, after=0.2)
    context_says(session, "turn-1", 6.0, 0.02)
    session.app({"context_id": "turn-1", "close_context": True})
    session.server({"isFinal": True, "contextId": "turn-1"}, after=0.1)
    return session.app({"close_socket": True}).app_closes(1000)


REPORTS = [
    Report(
        "ca-word-by-word",
        "contexts",
        "bolna-ai/bolna#100",
        "Cartesia Audio Cutting",
        "each word is spoken alone, with a break after it",
        "each word is a request with a context of its own, in place of a continuation",
        lambda: word_by_word(apart=True),
        ("context|continue|continuation|request", "word|each|short|separate|alone"),
        lambda: word_by_word(apart=False),
        "the words continue one context",
        ("each word", "of its own", "separate"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "ca-held-for-more",
        "latency",
        "livekit/agents#5032",
        "Improve Audio Generation Quality for Cartesia TTS Plugin",
        "each answer begins three seconds too late",
        "the service waits for more text, for max_buffer_delay_ms: 3000 by default",
        lambda: held_for_more(delay=None),
        ("max_buffer_delay|buffer|wait", "late|delay|3\\.\\d s|after"),
        lambda: held_for_more(delay=0),
        "the request says max_buffer_delay_ms 0",
        ("max_buffer_delay", "late"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "az-pieces-kept",
        "missing end",
        "Azure-Samples/cognitive-services-speech-sdk#2542",
        "Text cached without audio chunks return when doing text stream tts",
        "a sentence is spoken only when more text comes",
        "the service keeps the pieces of a text until there is more, or the text ends",
        lambda: pieces(cached=True),
        ("no audio|kept|keeps|late|until|only when|wait",),
        lambda: pieces(cached=False),
        "the first sentence is spoken at once",
        ("kept", "only when", "no audio"),
        ("credential",),
        complete=True,
    ),
    Report(
        "az-no-first-chunk",
        "missing end",
        "Azure-Samples/cognitive-services-speech-sdk#2922",
        "How to use the stream input feature in TTS",
        "a time-out of the SDK: no first audio chunk",
        "the stream of text is not ended, and the service waits for more",
        lambda: no_first_chunk(comes=False),
        ("no audio",),
        lambda: no_first_chunk(comes=True),
        "the text is ended",
        ("no audio",),
        ("credential",),
    ),
    Report(
        "smallest-odd-chunks",
        "format",
        "livekit/agents#890",
        "added plugin for smallest.ai tts models",
        "buffer size must be a multiple of element size",
        "the service cuts the samples in the middle",
        lambda: smallest(4801),
        ("middle of a sample|half|split|odd",),
        lambda: smallest(4800),
        "each message has complete samples",
        ("sample", "odd"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "jambonz-hangs-up",
        "missing end",
        "jambonz/jambonz-feature-server#1338",
        "Event needed to detect end of streaming TTS so that a hangup can be sent after playing",
        "the goodbye is not heard",
        "hangup is sent right after the text",
        lambda: jambonz(hangs_up=True),
        ("hang|hung", "play|spoke|heard|before|after"),
        lambda: jambonz(hangs_up=False),
        "the app waits before it hangs up",
        ("hang up", "hangup", "hung up"),
        ("credential",),
        complete=True,
    ),
    Report(
        "soniox-stream-not-opened",
        "message order",
        "pipecat-ai/pipecat#4914",
        "SonioxTTSService streams text to a stale stream after WebSocket reconnect",
        "dead air after a reconnection",
        "the start message of the stream went to the connection before",
        lambda: soniox(opened=False),
        ("start message|not found|not (been )?(opened|started)|before",),
        lambda: soniox(opened=True),
        "the stream is opened in this connection",
        ("not found", "start message"),
        ("credential", "quota"),
    ),
    Report(
        "xi-six-contexts",
        "concurrency",
        "pipecat-ai/pipecat#4041",
        "ElevenLabs TTS: WebSocket context limit (5) exceeded during rapid tool-call turns",
        "1008 in the middle of a conversation",
        "a sixth context is opened while five are open",
        lambda: six_contexts(
            "Maximum simultaneous contexts per WebSocket connection exceeded (5). Please close an "
            "existing context before opening a n"
        ),
        ("context", "5|many|limit|maximum|simultaneous"),
        lambda: six_contexts("We are sorry, something went wrong."),
        "1008 with another reason",
        ("too many contexts", "simultaneous"),
        ("credential", "quota"),
    ),
    Report(
        "ca-punctuation",
        "parameter",
        "cartesia-ai/cartesia-js#78",
        "feat(tts): enhance streaming resilience and improved DX for LLM integrations",
        "an error: invalid transcript",
        "the text has no word, only an ellipsis",
        lambda: punctuation(alone=True),
        ("transcript|text",),
        lambda: punctuation(alone=False),
        "the ellipsis comes with words",
        ("Invalid transcript",),
        ("credential", "quota"),
    ),
    Report(
        "xi-lost-in-sentence",
        "network",
        "livekit/agents#4135",
        "Bug Report: ElevenLabs TTS retries NOT handled correctly",
        "websocket closed unexpectedly; the sentence is not finished",
        "the connection ends without a Close in the middle of the audio",
        lambda: xi_lost(lost=True),
        ("without a Close",),
        lambda: xi_lost(lost=False),
        "the context is completed",
        ("without a Close",),
        ("credential", "quota"),
    ),
]
"""Reports."""

UNSOLVED = [
    # The rate of the audio is not declared: at 8 kHz, it would be twice as long.
    Report(
        "own-closed-early",
        "missing result",
        "ModelEngine-Group/nexent#2747",
        "[Bug] TTS WebSocket connection interrupted before playback completes",
        "a minute of speech ends after 20 seconds",
        "the server closes with 1000 before it has sent all; its message of completion is missing",
        lambda: closed_early(early=True),
        ("short|characters|complet|too (few|little)|fast|less",),
        lambda: closed_early(early=False),
        "all of the speech comes, and the message",
        ("short", "too little", "too fast"),
        ("credential", "no audio"),
    ),
]
"""Reports whose sign has a lawful use."""
