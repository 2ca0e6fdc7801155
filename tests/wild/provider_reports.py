"""Further reports about other providers, judged before anything was changed for them."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    AZURE_REQUEST,
    HELLO,
    REQUEST_ID,
    Json,
    aws_audio,
    aws_exception,
    azure_message,
    azure_speaking,
    azure_tts,
    b64,
    cartesia_tts,
    chunks,
    pcm,
    speechmatics,
    speechmatics_final,
    transcribe,
)
from reported_access import azure_spoken, cartesia_good, speechmatics_good, watson_good
from reported_audio import aws_good
from wire_session import BROWSER, WireSession

TOO_BIG = "Your stream is too big. Reduce the frame size and try your request again."
EXPIRED = (
    "Signature expired: 20260921T140320Z is now earlier than 20260921T140820Z "
    "(20260921T141320Z - 5 min.)"
)
TOO_LARGE = "Websocket message size cannot exceed 65536 bytes"
EXHAUSTED = (
    'Status(StatusCode="ResourceExhausted", Detail="the duration of the data sent in '
    "`mts.v1.InputChannel"
)
NO_CLIENT = "No STT client found for model: inworld/stt-v1"


# -- Amazon, Azure


def aws_not_audio() -> WireSession:
    """The first data ends the stream, in good order."""
    session = transcribe().app(aws_audio(b"\x00\x01\x02" * 7), after=0.1)
    return session.server_closes(1000, "Streaming completed successfully")


def aws_too_big() -> WireSession:
    session = transcribe().app(aws_audio(pcm(4.0)[:65_000]), after=0.1)
    session.server(aws_exception("BadRequestException", TOO_BIG))
    return session.server_closes(1000)


def aws_expired() -> WireSession:
    session = transcribe().stream(chunks(pcm(1.0), 3200), 0.1, aws_audio)
    session.server(aws_exception("BadRequestException", EXPIRED))
    return session.server_closes(1000)


def azure_too_long() -> WireSession:
    session = azure_tts().accept()
    session.app(azure_message("speech.config", {"context": {}}))
    head = (
        f"Path: ssml\r\nX-RequestId: {AZURE_REQUEST}\r\nContent-Type: application/ssml+xml\r\n\r\n"
    )
    voice = f'<voice name="en-US-AriaNeural">{HELLO * 1800}</voice>'
    session.app(f"{head}<speak version='1.0' xml:lang='en-US'>{voice}</speak>")
    return session.server_closes(1007, TOO_LARGE)


def azure_exhausted() -> WireSession:
    session = azure_speaking("en-US-AriaNeural")
    return session.server_closes(1013, EXHAUSTED, after=0.5)


def edge_token() -> WireSession:
    url = (
        "wss://speech.platform.bing.com/consumer/speech/synthesize/readaloud/edge/v1"
        f"?TrustedClientToken={'0A' * 16}&Sec-MS-GEC={'0B' * 32}"
        f"&Sec-MS-GEC-Version=1-132.0.2917.0&ConnectionId={'0c' * 16}"
    )
    return WireSession(url, agent=BROWSER).refuse(403, "Forbidden", b"")


# -- Inworld, Soniox, Speechmatics, Gladia, Cartesia, Sarvam, IBM


def inworld(model: str) -> WireSession:
    url = "wss://api.inworld.ai/stt/v1/transcribe:streamBidirectional"
    session = WireSession(url, {"Authorization": "Basic " + "U3ludGhldGlj" * 4}).accept()
    config = {"modelId": model, "audioEncoding": "LINEAR16", "sampleRateHertz": 16000}
    session.app({"transcribe_config": config | {"numberOfChannels": 1, "language": "en-US"}})
    return session.app({"audio_chunk": {"content": b64(pcm(0.1))}}, after=0.1)


def inworld_no_client() -> WireSession:
    session = inworld("inworld/stt-v1")
    fault = {"error": {"code": 3, "message": NO_CLIENT, "details": []}}
    return session.server(fault).server_closes(1000)


def inworld_good() -> WireSession:
    session = inworld("groq/whisper-large-v3-turbo")
    session.stream(chunks(pcm(2.0), 3200), 0.1, lambda d: {"audio_chunk": {"content": b64(d)}})
    session.server({"result": {"transcription": {"transcript": HELLO, "isFinal": True}}})
    return session.app_closes(1000)


def soniox_tts() -> WireSession:
    session = WireSession("wss://tts-rt.soniox.com/tts-websocket").accept()
    start = {"api_key": "0" * 64, "model": "tts-rt-v1", "stream_id": "a", "voice": "Maya"}
    session.app(start | {"audio_format": "pcm_s16le", "sample_rate": 24000, "language": "en"})
    return session.app({"stream_id": "a", "text": HELLO, "text_end": False})


def soniox_408() -> WireSession:
    session = soniox_tts()
    for _ in range(3):
        session.app({"type": "keepalive"}, after=10.0)
    fault = {"stream_id": "a", "error_code": 408, "error_message": "Request timeout"}
    return session.server(fault).app_closes(1000, after=0.5)


def soniox_spoken() -> WireSession:
    session = soniox_tts().app({"stream_id": "a", "text": "", "text_end": True})
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server({"stream_id": "a", "audio": b64(data), "audio_end": False})
    session.server({"stream_id": "a", "audio_end": True})
    return session.server({"stream_id": "a", "terminated": True}).app_closes(1000, after=0.5)


def soniox_stt() -> WireSession:
    session = WireSession("wss://stt-rt.soniox.com/transcribe-websocket").accept()
    start = {"api_key": "0" * 64, "model": "stt-rt-v3", "audio_format": "pcm_s16le"}
    return session.app(start | {"sample_rate": 16000, "num_channels": 1})


def tokens(text: str, at: int) -> Json:
    words = text.split()
    all_ = [
        {"text": f"{w} ", "start_ms": at + 200 * n, "end_ms": at + 200 * n + 190, "is_final": True}
        for n, w in enumerate(words)
    ]
    return {"tokens": all_, "final_audio_proc_ms": at + 2000, "total_audio_proc_ms": at + 2000}


def soniox_dead_socket() -> WireSession:
    """The server is gone after 10 seconds; the client's side does not see it."""
    session = soniox_stt()
    for number in range(5):
        session.stream(chunks(pcm(2.0), 3200), 0.1).server(tokens(HELLO, number * 2000))
    for _ in range(20):
        session.stream(chunks(pcm(2.0), 3200), 0.1)
    return session.drop(by_client=True)


def soniox_good() -> WireSession:
    session = soniox_stt()
    for number in range(3):
        session.stream(chunks(pcm(2.0), 3200), 0.1).server(tokens(HELLO, number * 2000))
    session.app("").server({"tokens": [], "finished": True})
    return session.server_closes(1000)


def speechmatics_raw() -> WireSession:
    session = speechmatics({"type": "raw"})
    fault = {"message": "Error", "type": "protocol_error", "reason": "Unsupported Data"}
    return session.server(fault, after=0.1).server_closes(1003, "protocol_error")


def speechmatics_not_audio() -> WireSession:
    """What a failed download left is sent as a file."""
    session = speechmatics({"type": "file"})
    session.server({"message": "RecognitionStarted", "id": "1"}, after=0.1)
    session.app(b"Not found.\n").app({"message": "EndOfStream", "last_seq_no": 1}, after=5.0)
    reason = "Invalid audio type: Could not determine type of stream."
    fault = {"message": "Error", "type": "invalid_audio_type", "reason": reason}
    return session.server(fault).server_closes(1003, "invalid_audio_type")


def speechmatics_waits() -> WireSession:
    """The client has sent a short file, and waits for the rest of its transcript."""
    session = speechmatics().server({"message": "RecognitionStarted", "id": "1"}, after=0.1)
    for number, data in enumerate(chunks(pcm(4.0), 3200), 1):
        session.app(data, after=0.1).server({"message": "AudioAdded", "seq_no": number})
    session.server(speechmatics_final("Good morning. ", 0.2, 1.8))
    return session.app_closes(1000, after=8.0)


def gladia() -> WireSession:
    session = WireSession("wss://api.gladia.io/v2/live?token=" + "Synthetic0" * 4).accept()
    session.server({"type": "start_session", "session_id": REQUEST_ID})
    return session.stream(chunks(pcm(3.0), 3200), 0.1)


def gladia_final(text: str) -> Json:
    utterance = {"text": text, "start": 0.2, "end": 2.9, "language": "en", "words": []}
    data = {"id": "00-1", "is_final": True, "utterance": utterance}
    return {"type": "transcript", "session_id": REQUEST_ID, "data": data}


def gladia_no_stop() -> WireSession:
    """The connection ends with the speech; the last words never come."""
    return gladia().app_closes(1000)


def gladia_good() -> WireSession:
    session = gladia().server(gladia_final(HELLO)).app({"type": "stop_recording"})
    session.server({"type": "stop_recording", "acknowledged": True, "data": {}}, after=0.3)
    session.server({"type": "end_session", "session_id": REQUEST_ID})
    return session.server_closes(1000)


def cartesia_401() -> WireSession:
    return cartesia_tts().refuse(401, "Unauthorized", b"")


def sarvam(wrap: bool) -> WireSession:
    url = (
        "wss://api.sarvam.ai/speech-to-text/ws?language-code=en-IN&model=saarika:v2.5"
        "&sample_rate=16000&input_audio_codec=pcm_s16le"
    )
    session = WireSession(url, {"Api-Subscription-Key": "sk_" + "0" * 32}).accept()
    fields: Json = {"sample_rate": "16000", "encoding": "audio/wav"}
    return session.stream(
        chunks(pcm(4.0), 3200),
        0.1,
        (lambda data: {"audio": {"data": b64(data), **fields}}) if wrap else bytes,
    )


def sarvam_binary() -> WireSession:
    return sarvam(wrap=False).app_closes(1000, after=5.0)


def sarvam_good() -> WireSession:
    result = {"request_id": REQUEST_ID, "transcript": HELLO, "language_code": "en-IN"}
    session = sarvam(wrap=True).server({"type": "data", "data": result}, after=0.3)
    return session.app_closes(1000, after=1.0)


def watson_token() -> WireSession:
    url = (
        "wss://stream.watsonplatform.net/speech-to-text/api/v1/recognize"
        "?model=en-US_BroadbandModel&watson-token=abc"
    )
    return WireSession(url, agent=BROWSER).refuse(400, "Bad Request", b"")


REPORTS = [
    Report(
        "aws-completed",
        "unknown",
        "amazon-archives/amazon-transcribe-websocket-static#2",
        'Websocket connection closed with "Streaming completed successfully"',
        "1000 as soon as data is sent",
        "not known from the wire: what is sent is not audio of the declared format",
        aws_not_audio,
        ("no transcript|no result|0 words|not proven|unproven|odd|audio",),
        aws_good,
        "audio is sent, words come",
        ("unproven", "odd number"),
    ),
    Report(
        "aws-too-big",
        "size",
        "aws/aws-sdk-js-v3#6338",
        "Transcribe erro Your stream is too big",
        "BadRequestException",
        "the messages are larger than the service takes",
        aws_too_big,
        ("too big|frame size",),
        aws_good,
        "messages of 100 ms",
        ("too big",),
    ),
    Report(
        "aws-signature-expired",
        "credentials",
        "awslabs/amazon-transcribe-streaming-sdk#17",
        "BadRequestException: Signature expired Exception",
        "BadRequestException in the middle of a file",
        "the signature expired: the file is sent faster than it is processed",
        aws_expired,
        ("signature expired",),
        aws_good,
        "in real time",
        ("expired",),
    ),
    Report(
        "az-65536",
        "size",
        "kxxt/aspeak#7",
        "Speech synthesis canceled: CancellationReason.Error",
        "1007 for a long text",
        "a message with more than 65,536 bytes",
        azure_too_long,
        ("65536",),
        azure_spoken,
        "a sentence",
        ("65536",),
        ("UTF-8", "not valid text"),
    ),
    Report(
        "az-exhausted-1013",
        "rate limit",
        "Azure-Samples/cognitive-services-speech-sdk#1839",
        "mts.v1.InputChannel websocket error code: 1013",
        "1013 with a reason that ends in the middle",
        "the service's resources for this account are exhausted",
        azure_exhausted,
        ("ResourceExhausted|exhausted|limit",),
        azure_spoken,
        "a voice answers",
        ("exhausted",),
    ),
    Report(
        "edge-403",
        "credentials",
        "rany2/edge-tts#458",
        "WSServerHandshakeError: 403, message='Invalid response status'",
        "403 for each request, since one day",
        "the token that the client computes is no longer accepted",
        edge_token,
        ("403", "key|token|credential|accept|forbidden|permission"),
        azure_spoken,
        "the service with a key",
        ("403",),
        ("quota", "rate limit", "status is 401", "The key has"),
    ),
    Report(
        "inworld-no-client",
        "model",
        "inworld-ai/inworld-api-examples#71",
        'Streaming STT rejects documented model id with "No STT client found"',
        "an error message, then 1000",
        "the model is not available",
        inworld_no_client,
        ("No STT client found", "model"),
        inworld_good,
        "another model",
        ("No STT client", "invalid"),
    ),
    Report(
        "sx-tts-408",
        "timeout",
        "livekit/agents#6225",
        "Soniox TTS throws 408 timeout and breaks the stream",
        "408 in a stream although keepalive messages are sent",
        "text_end was never sent; keepalive holds the connection, not the stream",
        soniox_408,
        ("timeout|timed out|in time", "text_end"),
        soniox_spoken,
        "text_end is sent",
        ("408", "timeout"),
    ),
    Report(
        "sx-dead-socket",
        "missing result",
        "livekit/agents#7357",
        "fix(soniox): detect a silently dropped STT socket instead of hanging",
        "no transcripts, and no error",
        "the connection is dead in one direction: results stopped after 10 seconds",
        soniox_dead_socket,
        (
            "stopped|nothing came|no (message|transcript|result)",
            r"4\d\.\d s|40\.\d|3\d\.\d s|speech",
        ),
        soniox_good,
        "the server answers to the end",
        ("stopped",),
    ),
    Report(
        "sm-raw-without-encoding",
        "parameter",
        "speechmatics/speechmatics-js-sdk#26",
        "Error trying to use speechmatics from my browser",
        "protocol_error: Unsupported Data",
        "audio_format has the type raw, but no encoding and no sample rate",
        speechmatics_raw,
        ("protocol_error|Unsupported Data", "audio_format|encoding|protocol"),
        speechmatics_good,
        "encoding and rate are there",
        ("protocol_error", "unsupported"),
        ("wrong order",),
    ),
    Report(
        "sm-not-audio",
        "format",
        "speechmatics/speechmatics-js-sdk#53",
        "Events not being sent, only until after the connection was closed",
        "an invalid file gives no error until the stream ends",
        "the file holds the text Not found, not audio",
        speechmatics_not_audio,
        ("audio type|type of stream|not audio",),
        speechmatics_good,
        "audio",
        ("audio type",),
    ),
    Report(
        "gl-no-stop",
        "missing end",
        "pipecat-ai/pipecat#5405",
        "GladiaSTTService.stop disconnects before sending stop_recording",
        "the last words are missing",
        "the client leaves without stop_recording",
        gladia_no_stop,
        ("end message|stop_recording",),
        gladia_good,
        "stop_recording is sent",
        ("without",),
    ),
    Report(
        "ca-401",
        "credentials",
        "pipecat-ai/rtvi-infra-examples#4",
        "Web Socket Error",
        "401 on the upgrade",
        "the key is not accepted",
        cartesia_401,
        ("401", "key|credential"),
        cartesia_good,
        "a key that is accepted",
        ("401",),
        ("quota",),
    ),
    Report(
        "sarvam-binary",
        "carrier",
        "pipecat-ai/pipecat#5127",
        "feat(sarvam): add realtime streaming STT",
        "no transcript",
        "the audio is sent in binary messages; the API takes base64 in JSON",
        sarvam_binary,
        ("binary|bytes", "base64|JSON"),
        sarvam_good,
        "base64 in JSON",
        ("form that the API does not take",),
    ),
    Report(
        "ibm-token-400",
        "credentials",
        "watson-developer-cloud/speech-javascript-sdk#22",
        "Invalid token not calling error event",
        "400 on the upgrade",
        "the token in the URL is not valid; the answer does not say so",
        watson_token,
        ("400",),
        watson_good,
        "a token that is valid",
        ("400",),
        ("quota", "rate limit"),
    ),
]
