"""23 reports that were rebuilt before the others; their sources are not recorded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from audio_samples import BLOCKS, floats, mulaw, noise
from bug_report import Report
from provider_sessions import (
    AZURE_KEY,
    DEEPGRAM_KEY,
    answered,
    append,
    azure_audio,
    azure_listening,
    b64,
    cartesia_text,
    cartesia_tts,
    chunks,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    elevenlabs,
    elevenlabs_audio,
    gemini,
    listening,
    openai,
    openai_error,
    openai_good,
    pcm,
    realtime,
    response_done,
    sent_as,
    session_event,
    spoken_turn,
    transcribe,
    watson_listening,
)
from reported_access import (
    azure_transcribed,
    cartesia_good,
    gemini_closed,
    watson_with_password,
)
from reported_audio import NET_0001, NO_AUDIO_LATER, SEE_BEFORE, aws_good, watson_muted
from reported_settings import NO_COMBINATION, deepgram_400, nova3_french, utterance_end_too_short
from wire_session import BROWSER, WireSession

FIVE = (
    "Maximum simultaneous contexts per WebSocket connection exceeded (5). Please close an existing "
    "context before opening a new "
)
WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)
NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."
OVER_QUOTA = "This request exceeds your quota limit."


def language_english() -> WireSession:
    query = "model=nova-3&punctuate=true&interim_results=true&encoding=linear16&sample_rate=16000"
    return deepgram_400(f"{query}&channels=1&language=english", "Bad Request", NO_COMBINATION)


def webm_continued() -> WireSession:
    """MediaRecorder's chunks after a reconnect: no header, no beginning of a cluster."""
    url = "wss://api.deepgram.com/v1/listen?language=en-US&model=nova-2&interim_results=true"
    headers = {"Sec-WebSocket-Protocol": f"token, {DEEPGRAM_KEY}"}
    session = WireSession(url, headers, agent=BROWSER).accept({"Sec-WebSocket-Protocol": "token"})
    session.stream((noise(400, n) + BLOCKS[:600] for n in range(16)), 0.25)
    session.app({"type": "CloseStream"}).server(deepgram_metadata(0.0))
    return session.server_closes(1000)


def audio_as_base64() -> WireSession:
    session = listening().stream(chunks(pcm(4.0), 2048), 0.064, sent_as("base64"))
    return session.server_closes(1011, NET_0001, after=10.0)


def assemblyai(chunk: int, every: float, rate: int, text: str) -> WireSession:
    query = "sample_rate=16000&formatted_finals=true&token=" + "Synthetic0" * 4
    session = WireSession(f"wss://streaming.assemblyai.com/v3/ws?{query}", agent=BROWSER).accept()
    session.server({"type": "Begin", "id": "1", "expires_at": 1790000600})
    for turn, data in enumerate(chunks(pcm(5.0, rate), chunk * 12)):
        session.stream(chunks(data, chunk), every)
        words = {"turn_order": turn, "end_of_turn": True, "transcript": text, "words": []}
        session.server({"type": "Turn", "turn_is_formatted": False, **words})
    session.app({"type": "Terminate"})
    session.server({"type": "Termination", "audio_duration_seconds": 15})
    return session.server_closes(1000)


def transcription_session(model: str) -> WireSession:
    session = openai(f"/v1/realtime?intent=transcription{model}").accept()
    session.server(session_event("session.created"))
    audio = {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}
    return session.app(
        {"type": "session.update", "session": {"type": "transcription", "audio": audio}}
    )


def model_in_url() -> WireSession:
    text = 'Model "gpt-4o-mini-transcribe" is not supported in transcription mode.'
    session = transcription_session("&model=gpt-4o-mini-transcribe")
    session.server(openai_error("invalid_model", text))
    return session.server_closes(4000, "invalid_request_error.invalid_model")


def transcribed(convert: str) -> WireSession:
    """Speech as it is, or as floating-point numbers, in a transcription session."""
    session = transcription_session("").server(session_event("session.updated"))
    data = pcm(3.0, 24_000)
    sent = floats(data) if convert == "float" else data
    for number, part in enumerate(chunks(sent, len(sent) // 3)):
        session.stream(chunks(part, 1920), 0.02, append)
        kind = "conversation.item.input_audio_transcription.completed"
        text = "" if convert == "float" else "Good morning."
        session.server({"type": kind, "item_id": f"item_{number}", "transcript": text})
    return session.app_closes(1000)


def response_failed() -> WireSession:
    message = "The server had an error while processing your request."
    error = {"type": "server_error", "code": None, "message": message}
    session = spoken_turn(realtime())
    session.server(response_done("failed", {"type": "failed", "error": error}))
    return session.app_closes(1000, after=2.0)


def azure_openai(key: str) -> WireSession:
    url = "wss://contoso-voice.openai.azure.com/openai/v1/realtime?model=gpt-realtime"
    body = {"error": {"code": "401", "message": WRONG_KEY}}
    session = WireSession(url, {"api-key": key})
    return session.refuse(401, "Unauthorized", body, {"x-ms-region": "Sweden Central"})


def contexts(count: int) -> WireSession:
    path = "text-to-speech/JBFqnCBsd6RMkjVDRZzb/multi-stream-input"
    session = elevenlabs(path, "model_id=eleven_flash_v2_5&output_format=pcm_24000")
    for number in range(count):
        context = {"context_id": f"00000000-0000-4000-8000-00000000000{number}"}
        session.app({"text": " ", **context}, {"text": "Let me look. ", **context}, after=0.25)
        session.app({"flush": True, **context})
        if number < 5:
            session.server(elevenlabs_audio(pcm(0.3, 24_000)) | context, after=0.02)
    if count > 5:
        return session.server_closes(1008, FIVE)
    return session.app({"close_socket": True}).server_closes(1000)


def agent_session(*, quota: bool) -> WireSession:
    session = elevenlabs("convai/conversation", "agent_id=agent_1")
    session.app({"type": "conversation_initiation_client_data"})
    event = {"conversation_id": "conv_1", "user_input_audio_format": "pcm_16000"}
    event["agent_output_audio_format"] = "pcm_16000"
    kind = "conversation_initiation_metadata"
    session.server({"type": kind, f"{kind}_event": event})
    session.stream(chunks(pcm(1.5), 8000), 0.25, lambda data: {"user_audio_chunk": b64(data)})
    if quota:
        session.server({"type": "error", "message": f"received 1002 (protocol error) {OVER_QUOTA}"})
        return session.server_closes(1002, OVER_QUOTA)
    said = {"user_transcription_event": {"user_transcript": "Good morning."}}
    session.server({"type": "user_transcript", **said})
    answer = {"agent_response_event": {"agent_response": "Hello."}}
    session.server({"type": "agent_response", **answer})
    audio = {"audio_base_64": b64(pcm(1.0)), "event_id": 1}
    session.server({"type": "audio", "audio_event": audio})
    return session.app_closes(1000, after=1.0)


def wav_with_block_align(block: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, block, 16)
    return b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\0\0\0\0"


def azure_block_align() -> WireSession:
    session = azure_listening(wav_with_block_align(4))
    session.stream(chunks(pcm(0.2), 3200), 0.1, azure_audio)
    return session.server_closes(1007, "Unsupported audio format.")


def aws_raw_samples() -> WireSession:
    return transcribe().app(pcm(0.256), after=0.1).server_closes(1000)


def cartesia_unfinished() -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("ctx-1"))
    for data in chunks(pcm(1.2, 24_000), 9600):
        chunk = {"type": "chunk", "context_id": "ctx-1", "data": b64(data), "done": False}
        session.server(chunk | {"status_code": 206})
    return session.app_closes(1000, after=4.0)


def watson_session_timeout() -> WireSession:
    session = watson_listening(-1).stream(chunks(pcm(2.0), 3200), 0.1)
    session.server('{\n   "error": "Session timed out."\n}', after=30.0)
    return session.server_closes(1011, SEE_BEFORE)


def realtime_muted() -> WireSession:
    session = openai().accept().server(session_event("session.created"))
    return session.stream([bytes(1920)] * 150, 0.02, append).app_closes(1000)


def realtime_hello() -> WireSession:
    session = answered(spoken_turn(realtime()))
    return session.server(response_done("completed")).app_closes(1000, after=1.0)


def twilio_forwarded() -> WireSession:
    query = "model=nova-2-phonecall&encoding=mulaw&sample_rate=8000&channels=1"

    def media(data: bytes) -> dict[str, object]:
        return {
            "event": "media",
            "media": {"track": "inbound", "payload": b64(data)},
            "streamSid": "MZ" + "1" * 32,
        }

    session = listening(query).stream(chunks(mulaw(pcm(2.4, 8000)), 160), 0.02, media)
    return session.server_closes(1011, NET_0001, after=10.0)


def twilio_unpacked() -> WireSession:
    query = "model=nova-2-phonecall&encoding=mulaw&sample_rate=8000&channels=1"
    session = listening(query).stream(chunks(mulaw(pcm(2.4, 8000)), 160), 0.02)
    session.server(deepgram_result("Good morning.", 0.0, 2.4), after=0.2)
    session.app({"type": "CloseStream"}).server(deepgram_metadata(2.4))
    return session.server_closes(1000)


def cloudflare_1015() -> WireSession:
    headers = {"Content-Type": "text/plain", "Server": "cloudflare", "CF-RAY": "98-MRS"}
    headers["Retry-After"] = "30"
    return openai().refuse(429, "Too Many Requests", b"error code: 1015", headers)


def realtime_429() -> WireSession:
    error = {"message": NO_QUOTA, "type": "insufficient_quota", "code": "insufficient_quota"}
    return openai().refuse(429, "Too Many Requests", {"error": error | {"param": None}})


def english_as_japanese() -> WireSession:
    session = listening("model=nova-2&language=ja&encoding=linear16&sample_rate=16000")
    session.stream(chunks(pcm(5.0), 3200), 0.1).app({"type": "CloseStream"})
    session.server(deepgram_result("", 0.0, 5.0), deepgram_metadata(5.0))
    return session.server_closes(1000)


def expired_key() -> WireSession:
    return gemini().server_closes(1007, "API key expired. Please renew the API key.", after=0.1)


def _report(
    name: str,
    cause: str,
    session: Callable[[], WireSession],
    says: tuple[str, ...],
    near: Callable[[], WireSession],
    near_never: tuple[str, ...],
    never: tuple[str, ...] = (),
    *,
    kind: str = "",
    fine: bool = False,
) -> Report:
    unknown = ("", "", "")
    return Report(name, kind, *unknown, cause, session, says, near, "", near_never, never, fine)


REPORTS = [
    _report(
        "dg-language-english",
        "`english` is no language code",
        language_english,
        (r"language=english|language english|english",),
        utterance_end_too_short,
        ("english",),
        kind="parameter",
    ),
    _report(
        "dg-webm-after-reconnect",
        "the stream starts in the middle of WebM",
        webm_continued,
        ("webm|container", "header|beginning|middle"),
        deepgram_good,
        ("webm", "header"),
        ("no audio was sent",),
    ),
    _report(
        "dg-base64-text",
        "audio is sent as base64 text",
        audio_as_base64,
        ("base64",),
        deepgram_good,
        ("base64",),
        (NO_AUDIO_LATER,),
    ),
    _report(
        "aai-48k-as-16k",
        "the samples are at 48 kHz, 16 kHz is declared",
        partial(assemblyai, 8192, 4096 / 48_000, 48_000, ""),
        (r"48 ?kHz|48,?000|48\.0 kHz",),
        partial(assemblyai, 3200, 0.1, 16_000, "good morning"),
        (r"48 ?kHz|48,?000",),
        ("pace a file",),
    ),
    _report(
        "oai-transcription-model-in-url",
        "a transcription model in the URL",
        model_in_url,
        ("gpt-4o-mini-transcribe|model", "not supported"),
        partial(transcribed, ""),
        ("not supported",),
        ("leave the session open",),
        kind="model",
    ),
    _report(
        "oai-float32",
        "32-bit floats where PCM16 is declared",
        partial(transcribed, "float"),
        ("float",),
        partial(transcribed, ""),
        ("float",),
    ),
    _report(
        "oai-response-failed",
        "`response.done` with status failed",
        response_failed,
        ("failed|the server had an error",),
        openai_good,
        ("failed",),
    ),
    _report(
        "azure-openai-401",
        "key of another resource, or wrong endpoint",
        partial(azure_openai, "Synthetic0" * 4),
        ("key", "endpoint"),
        watson_with_password,
        ("endpoint",),
        kind="credentials",
    ),
    _report(
        "z-azure-openai-401",
        "the same with a key of 32 hexadecimal digits",
        partial(azure_openai, AZURE_KEY),
        ("key", "endpoint"),
        watson_with_password,
        ("endpoint",),
        ("AssemblyAI",),
        kind="credentials",
    ),
    _report(
        "xi-five-contexts",
        "more than five contexts on one connection",
        partial(contexts, 6),
        ("contexts", "5"),
        partial(contexts, 5),
        ("exceeded",),
        ("policy of the peer", "policy was violated"),
    ),
    _report(
        "xi-agent-quota",
        "quota used up",
        partial(agent_session, quota=True),
        ("quota",),
        partial(agent_session, quota=False),
        ("quota",),
        ("timeout or failure inside", "service failure or a policy"),
        kind="quota",
    ),
    _report(
        "gem-expired-key",
        "the key has expired",
        expired_key,
        ("API key expired",),
        partial(gemini_closed, 1007, "Request contains an invalid argument."),
        ("expired",),
        ("UTF-8", "binary frame"),
        kind="credentials",
    ),
    _report(
        "az-block-align",
        "BlockAlign of the WAV header is 4, not 2",
        azure_block_align,
        ("block ?align|blockalign|wav header|audio format",),
        azure_transcribed,
        ("block ?align", "format"),
        ("SSML",),
    ),
    _report(
        "aws-raw-pcm",
        "raw samples in place of event-stream messages",
        aws_raw_samples,
        ("event-stream|event stream",),
        aws_good,
        ("event-stream", "raw"),
    ),
    _report(
        "ca-never-done",
        "`done` never comes",
        cartesia_unfinished,
        (r"\bdone\b",),
        cartesia_good,
        (r"\bdone\b",),
    ),
    _report(
        "ibm-session-timeout",
        "a session timeout, said in the message before the close",
        watson_session_timeout,
        ("session timed out",),
        watson_muted,
        ("session timed out",),
        ("unexpected condition", "internal error"),
    ),
    _report(
        "x-oai-muted-1920",
        "only zeros were sent",
        realtime_muted,
        ("zero|silence|silent",),
        realtime_hello,
        ("zeros", "digital silence"),
    ),
    _report(
        "x-dg-twilio-json-text",
        "Twilio's media messages are forwarded as text",
        twilio_forwarded,
        ("twilio|media|json",),
        twilio_unpacked,
        ("twilio", "json"),
        (NO_AUDIO_LATER,),
    ),
    _report(
        "x-cf-1015",
        "Cloudflare's rate limit answered",
        cloudflare_1015,
        ("cloudflare", "1015|rate"),
        realtime_429,
        ("cloudflare", "1015"),
    ),
    _report(
        "x-oai-429",
        "quota used up: waiting does not help",
        realtime_429,
        ("quota",),
        cloudflare_1015,
        ("quota",),
        ("wait, then",),
        kind="quota",
    ),
    _report(
        "y-dg-english-as-japanese",
        "every transcript of good speech is empty",
        english_as_japanese,
        ("0 words|no words|empty",),
        deepgram_good,
        ("0 words", "no words", "empty"),
    ),
    _report(
        "x-azure-good",
        "nothing is wrong",
        azure_transcribed,
        ("no problems|well|succeeded|closed normally",),
        azure_block_align,
        ("no problems found", "all went well", "succeeded"),
        fine=True,
    ),
    _report(
        "y-dg-400-plain",
        "the value of a parameter is invalid",
        utterance_end_too_short,
        ("utterance_end_ms",),
        nova3_french,
        ("utterance_end_ms",),
        kind="parameter",
    ),
]
