"""Reports about services that speak a text: what was asked, and what came of it."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import speaking
from elevenlabs_reports import tts_good
from provider_sessions import (
    DEEPGRAM_KEY,
    ELEVENLABS_KEY,
    HELLO,
    REQUEST_ID,
    VOICE,
    Json,
    azure_speaking,
    b64,
    chunks,
    elevenlabs,
    elevenlabs_audio,
    elevenlabs_tts,
    pcm,
)
from wire_session import Message, WireSession

FREE_PLAN = (
    "Free users cannot use library voices via the API. Please upgrade your subscription to use "
    "this voice."
)
UNUSUAL = (
    "Unusual activity detected. Free Tier usage disabled. If you are using a proxy/VPN you might "
    "need to purchase a Paid Plan to not trigger our abuse detectors."
)
WRONG_SPEAKER = (
    "400: {\"error\": \"Speaker 'anthony' doesn't match list of available voices for language "
    "'eng' in model 'mistv2'.\"}"
)
NO_CONTEXT = "context_id is required when 0 contexts are open (payload=SEND_TEXT)"
LONG = (
    "The parcel was handed to the carrier on Monday evening and it is expected at the depot on "
    "Wednesday before ten o'clock. "
)


# -- refused


def model_without_websocket() -> WireSession:
    query = "model_id=eleven_v3&output_format=pcm_24000&inactivity_timeout=180"
    url = f"wss://api.elevenlabs.io/v1/text-to-speech/{VOICE}/multi-stream-input?{query}"
    return WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).refuse(403, "Forbidden", b"")


def another_model_refused() -> WireSession:
    query = "model_id=eleven_flash_v2_5&output_format=pcm_24000"
    url = f"wss://api.elevenlabs.io/v1/text-to-speech/{VOICE}/multi-stream-input?{query}"
    return WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).refuse(403, "Forbidden", b"")


def opt_out(value: str) -> WireSession:
    query = f"encoding=linear16&model=aura-2-theia-en&sample_rate=24000&mip_opt_out={value}"
    url = f"wss://api.deepgram.com/v1/speak?{query}"
    return WireSession(url, {"Authorization": f"Token {DEEPGRAM_KEY}"})


def capital_false() -> WireSession:
    """The body is not shown by the client's library."""
    return opt_out("False").refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def small_false() -> WireSession:
    return opt_out("false").refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def voice_of_paid_plans() -> WireSession:
    fault = {"message": FREE_PLAN, "error": "payment_required", "code": 1008}
    session = elevenlabs_tts().app({"text": HELLO + " "}).server(fault, after=0.2)
    return session.server_closes(1008, FREE_PLAN[:120])


def unusual_activity() -> WireSession:
    fault = {"message": UNUSUAL, "error": "detected_unusual_activity", "code": 1008}
    session = elevenlabs_tts().app({"text": HELLO + " "}).server(fault, after=0.2)
    return session.server_closes(1008, UNUSUAL[:120])


def ssml_invalid() -> WireSession:
    session = azure_speaking("zh-CN-YunxiNeural")
    return session.server_closes(1007, "SSML is invalid", after=0.2)


# -- ElevenLabs: where a text ends


def spoken(session: WireSession, seconds: float = 1.5) -> WireSession:
    for data in chunks(pcm(seconds, 24_000), 9600):
        session.server(elevenlabs_audio(data), after=0.02)
    return session


def text_after_the_end() -> WireSession:
    """Two tasks send: the flush of the first ends the text of the second."""
    session = elevenlabs_tts().app({"text": LONG}, {"text": "", "flush": True})
    session.app({"text": "It weighs four kilograms. "}, {"text": LONG}, after=0.03)
    spoken(session.wait(0.3), 4.0).server({"audio": None, "isFinal": True})
    return session.app_closes(1000, after=19.0)


def words(text: str) -> list[Message]:
    return [{"text": f"{word} "} for word in text.split()]


def aligned(data: bytes, text: str) -> Json:
    times = [40 * number for number in range(len(text))]
    known = {"chars": list(text), "charStartTimesMs": times, "charDurationsMs": [40] * len(text)}
    return {"audio": b64(data), "isFinal": None, "normalizedAlignment": known, "alignment": known}


def last_word_missing() -> WireSession:
    """The text is never ended: its last word stays in the buffer of the service."""
    session = elevenlabs_tts().app(*words(HELLO), after=0.05)
    session.server(aligned(pcm(2.0, 24_000), HELLO.rsplit(" ", 1)[0] + " "), after=0.3)
    return session.app_closes(1000, after=4.0)


def last_word_flushed() -> WireSession:
    session = elevenlabs_tts().app(*words(HELLO), after=0.05)
    session.app({"text": " ", "flush": True}).server(aligned(pcm(2.4, 24_000), HELLO), after=0.3)
    return session.app_closes(1000, after=4.0)


def buffered_lines() -> WireSession:
    """Short lines come as they are typed; the service waits for more."""
    session = elevenlabs_tts()
    for _ in range(4):
        session.app({"text": "All is well. "}, after=3.0)
    session.app({"text": ""}, after=3.0)
    spoken(session.wait(0.3), 3.0).server({"audio": None, "isFinal": True})
    return session.server_closes(1000)


def contexts_closed(keepalive: Json) -> WireSession:
    query = "model_id=eleven_flash_v2_5&output_format=pcm_24000"
    session = elevenlabs(f"text-to-speech/{VOICE}/multi-stream-input", query)
    context = {"context_id": "ctx-1"}
    session.app({"text": " ", **context}, {"text": HELLO + " ", "flush": True, **context})
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server({"audio": b64(data), "contextId": "ctx-1"}, after=0.02)
    session.server({"isFinal": True, "contextId": "ctx-1"})
    session.app({"close_context": True, **context}).app(keepalive, after=10.0)
    return session.app({"close_socket": True}, after=8.0)


def default_context_open() -> WireSession:
    return contexts_closed({"text": ""}).app_closes(1000, after=2.0)


def no_context_open() -> WireSession:
    return contexts_closed({"text": "", "context_id": "ctx-1"}).server_closes(1000)


# -- Rime, Inworld, Deepgram


def rime(speaker: str) -> WireSession:
    query = f"speaker={speaker}&modelId=mistv2&audioFormat=pcm&samplingRate=24000&lang=eng"
    key = {"Authorization": "Bearer " + "Synthetic0" * 4}
    session = WireSession(f"wss://users.rime.ai/ws2?{query}", key).accept()
    return session.app({"text": HELLO, "contextId": "ctx-1"})


def rime_wrong_speaker() -> WireSession:
    return rime("anthony").server_closes(1011, WRONG_SPEAKER, after=0.2)


def rime_silent() -> WireSession:
    session = rime("cove").app({"operation": "flush"})
    return session.app({"text": HELLO, "contextId": "ctx-2"}, after=6.0).app_closes(1000, after=6.0)


def rime_good() -> WireSession:
    session = rime("cove").app({"operation": "flush"})
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server({"type": "chunk", "data": b64(data), "contextId": "ctx-1"}, after=0.02)
    return session.app({"operation": "eos"}).server_closes(1000)


def inworld_speaks(session: WireSession, context: str) -> WireSession:
    config = {"audioEncoding": "LINEAR16", "sampleRateHertz": 24000}
    create = {"voiceId": "Ashley", "modelId": "inworld-tts-1.5-max", "audioConfig": config}
    session.app({"contextId": context, "create": create})
    session.server({"result": {"contextId": context, "contextCreated": {}, "status": {"code": 0}}})
    session.app({"contextId": context, "send_text": {"text": HELLO, "flush_context": {}}})
    for data in chunks(pcm(1.5, 24_000), 9600):
        chunk = {"audioContent": b64(data)}
        session.server({"result": {"contextId": context, "audioChunk": chunk}}, after=0.02)
    session.server({"result": {"contextId": context, "flushCompleted": {}, "status": {"code": 0}}})
    session.app({"contextId": context, "close_context": {}})
    return session.server({"result": {"contextId": context, "contextClosed": {}}})


def inworld() -> WireSession:
    url = "wss://api.inworld.ai/tts/v1/voice:streamBidirectional"
    return WireSession(url, {"Authorization": "Basic " + "U3ludGhldGlj" * 4}).accept()


def inworld_without_context() -> WireSession:
    session = inworld_speaks(inworld(), "ctx-1").app({"send_text": {"text": ""}}, after=60.0)
    status = {"code": 3, "message": NO_CONTEXT, "details": []}
    session.server({"result": {"status": status}}, after=0.1)
    return inworld_speaks(session.wait(5.0), "ctx-2").app_closes(1000, after=2.0)


def inworld_good() -> WireSession:
    return inworld_speaks(inworld_speaks(inworld(), "ctx-1").wait(60.0), "ctx-2").app_closes(1000)


def texts(*parts: str) -> WireSession:
    session = speaking().app(*({"type": "Speak", "text": part} for part in parts))
    session.app({"type": "Flush"})
    session.stream(chunks(pcm(3.0, 24_000), 9600), 0.02, from_client=False)
    session.server({"type": "Flushed", "sequence_id": 0})
    return session.app({"type": "Close"}).server_closes(1000)


def joined_without_space() -> WireSession:
    return texts("Perfect, 12345.", "Let me check that we're in your area.")


def joined_with_space() -> WireSession:
    return texts("Perfect, 12345. ", "Let me check that we're in your area.")


POLICY = ("policy of the peer", "policy was violated")

REPORTS = [
    Report(
        "xi-v3-websocket",
        "model",
        "livekit/agents#4901",
        'Proper support for ElevenLabs "eleven_v3" in "livekit-plugins-elevenlabs" with ETA',
        "403 on the upgrade; the same key works with another model",
        "the model is not offered over WebSocket",
        model_without_websocket,
        ("eleven_v3", "websocket|not offered|does not have this model"),
        another_model_refused,
        "a model that is offered over WebSocket",
        ("model_id=eleven_flash|not offered over",),
        ("key is wrong", "did not accept the credentials"),
    ),
    Report(
        "dgs-capital-false",
        "parameter",
        "livekit/agents#2237",
        "bug fix: Deepgram TTS: mip_opt_out value must be lower case",
        "400 on the upgrade",
        "Python writes False; the API takes false",
        capital_false,
        ("mip_opt_out=False", "false|lower"),
        small_false,
        "false is written small",
        ("mip_opt_out", "lower case"),
    ),
    Report(
        "xi-paid-voice",
        "quota",
        "dograh-hq/dograh#290",
        "Specific ElevenLabs Voice ID causing unexpected media stream error and Silence",
        "one voice stays silent, others speak",
        "the free plan may not use this voice over the API",
        voice_of_paid_plans,
        ("free users|upgrade your subscription|paid",),
        tts_good,
        "a voice of the account",
        ("free users",),
        POLICY,
    ),
    Report(
        "xi-unusual-activity",
        "quota",
        "livekit/agents#218",
        "In Kitt example, eleven labs API throws many time out errors",
        "1008 for a free account",
        "the free tier is disabled for this account",
        unusual_activity,
        ("unusual activity|free tier",),
        tts_good,
        "the account is in order",
        ("unusual", "free tier"),
        (*POLICY, "did not accept the credentials"),
    ),
    Report(
        "edge-ssml-invalid",
        "parameter",
        "cosin2077/easyVoice#28",
        "SSML is invalid",
        "1007 as soon as the text is sent",
        "the SSML that the app makes is not valid",
        ssml_invalid,
        ("SSML is invalid",),
        rime_good,
        "another API",
        ("SSML",),
        ("UTF-8", "not valid text"),
    ),
    Report(
        "xi-text-after-end",
        "message order",
        "bolna-ai/bolna#746",
        "fix: only flush elevenlabs tts on end_of_llm_stream",
        "the agent stops in the middle of its sentence",
        "text was sent after the message that ends the text",
        text_after_the_end,
        ("after", "end"),
        tts_good,
        "nothing follows the end",
        ("after the (end|message that ends)",),
    ),
    Report(
        "xi-not-flushed",
        "missing end",
        "livekit/agents-js#167",
        "fix(agent): ensure token stream flushes",
        "the last word is not spoken",
        "the text is neither flushed nor ended",
        last_word_missing,
        ("flush|never ended|not ended|end of the text",),
        last_word_flushed,
        "the text is flushed",
        ("never ended", "not flushed"),
    ),
    Report(
        "xi-buffered",
        "timeout",
        "elevenlabs/elevenlabs-python#395",
        "Streaming Input Example Does not Work until whole Input is Send",
        "no audio until all text was sent",
        "the service keeps short text back until there is more of it, or a flush",
        buffered_lines,
        ("flush|buffer|keeps",),
        tts_good,
        "the text is ended at once",
        ("flush", "buffer", "keeps"),
        complete=True,
    ),
    Report(
        "xi-default-context",
        "message order",
        "pipecat-ai/pipecat#5874",
        "a context-less keepalive leaves the default context open",
        "the service does not close when it is asked to",
        "a message without context_id opened another context, which is still open",
        default_context_open,
        ("context", "open|without context_id"),
        no_context_open,
        "the message names its context",
        ("still open", "without context_id"),
        complete=True,
    ),
    Report(
        "rime-wrong-speaker",
        "model",
        "pipecat-ai/pipecat#1989",
        "Rime TTS model parameter not being sent correctly",
        "1011",
        "the speaker is none of this model's",
        rime_wrong_speaker,
        ("anthony", "available voices"),
        rime_good,
        "a speaker of this model",
        ("available voices",),
        ("internal error", "fault of the server"),
    ),
    Report(
        "rime-silent",
        "missing result",
        "pipecat-ai/pipecat#1364",
        "RimeTTSService (websocket) no audio output",
        "no audio, and no error",
        "a fault of the service",
        rime_silent,
        ("no audio",),
        rime_good,
        "audio comes",
        ("no audio",),
    ),
    Report(
        "inworld-no-context",
        "parameter",
        "pipecat-ai/pipecat#4899",
        "idle keepalive without a context sends contextless send_text and is rejected by Inworld",
        "an error each minute, whenever nobody speaks",
        "the keepalive message names no context, and none is open",
        inworld_without_context,
        ("context_id is required",),
        inworld_good,
        "no keepalive is sent",
        ("context_id is required",),
        complete=True,
    ),
    Report(
        "dgs-joined-words",
        "parameter",
        "pipecat-ai/pipecat#3242",
        "Missing space between consecutive Speak messages causes mispronunciation",
        "a word is spelled letter by letter",
        "the texts of two messages are joined without a space",
        joined_without_space,
        ("space",),
        joined_with_space,
        "the first text ends with a space",
        ("space",),
        complete=True,
    ),
]
