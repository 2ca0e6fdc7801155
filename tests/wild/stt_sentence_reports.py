"""Reports about transcriptions that the server ends or refuses, in words of its own."""

from __future__ import annotations

import json
import struct

from bug_report import Report
from deepgram_reports import assemblyai, assemblyai_good
from order_reports import transcribed
from provider_reports import gladia_good
from provider_sessions import (
    AZURE_KEY,
    ELEVENLABS_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    answered,
    aws_audio,
    aws_exception,
    azure_audio,
    azure_message,
    b64,
    chunks,
    openai_good,
    pcm,
    realtime,
    response_done,
    spoken_turn,
    watson,
    wav_header,
)
from reported_access import azure_transcribed, scribe_good, speechmatics_good, watson_good
from reported_audio import aws_good
from server_reports import own_server
from wire_session import NODE, WireSession

NO_ODIA = (
    'Status(StatusCode="InvalidArgument", Detail="Language Identification doesn\'t support or-in")'
)
NOT_ON_V1 = "Language identification with DetectContinuous not supported on v1."
LANGUAGES = "[en-US, zh-CN, de-DE, it-IT, fr-FR, ko-KR, en-AU, pt-BR, ja-JP, es-US, fr-CA, en-GB]"
ENUM = (
    "1 validation error detected: Value 'ar-SA' at 'languageCode' failed to satisfy constraint: "
    f"Member must satisfy enum value set: {LANGUAGES}"
)
NO_SUCH_RATE = (
    "The requested language doesn't support the specified sample rate. Use the correct sample "
    "rate then try again."
)
NEXT_PACKET = (
    "[Timeout waiting next packet] Handle response: pre-handle: schedule request: allocate "
    "session: wait next packet timeout, session has ended"
)
TOO_FEW = "Stream was 15 bytes but needs to be at least 100 bytes."
DURATION = "Input duration violation: 20.0 ms. Expected between 50 and 1000 ms"
FAILED = "conversation.item.input_audio_transcription.failed"


def scribe_in(language: str) -> WireSession:
    url = "wss://api.elevenlabs.io/v1/speech-to-text/realtime?model_id=scribe_v2_realtime"
    query = f"&audio_format=pcm_16000&commit_strategy=manual&language_code={language}"
    session = WireSession(url + query, {"xi-api-key": ELEVENLABS_KEY}).accept()
    return session.server_closes(1008, "invalid_request", after=0.1)


def streaming_mode() -> WireSession:
    raw = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
    config = {"language": "en", "enable_partials": True, "streaming_mode": True}
    headers = {"Authorization": "Bearer " + "Synthetic0" * 3}
    session = WireSession("wss://eu2.rt.speechmatics.com/v2/", headers).accept()
    start = {"message": "StartRecognition", "audio_format": raw, "transcription_config": config}
    return session.app(start).server_closes(1003, "protocol_error", after=0.1)


def chunks_refused() -> WireSession:
    session = WireSession("wss://api.gladia.io/v2/live?token=" + "Synthetic0" * 4).accept()
    session.server({"type": "start_session", "session_id": REQUEST_ID})
    fault = {"status_code": 402, "message": "Your quota of transcription hours is exceeded"}
    reply = {"type": "audio_chunk", "session_id": REQUEST_ID, "acknowledged": False}
    for data in chunks(pcm(3.0), 3200):
        session.app(data, after=0.1).server(reply | {"error": fault, "data": None})
    return session.app({"type": "stop_recording"}).app_closes(1000, after=2.0)


def key_in_the_query() -> WireSession:
    query = f"sample_rate=16000&auth_key={'0123456789abcdef' * 2}"
    session = WireSession(f"wss://api.assemblyai.com/v2/realtime/ws?{query}").accept()
    session.server({"error": "Not authorized"}, after=0.1)
    session.app({"audio_data": b64(pcm(0.2))})
    return session.server_closes(4001, "Not authorized")


def wrong_key() -> WireSession:
    session = assemblyai("/v2/realtime/ws?sample_rate=16000")
    session.server({"error": "Not authorized"}, after=0.1)
    return session.server_closes(4001, "Not authorized")


def short_chunks() -> WireSession:
    session = assemblyai().server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(pcm(0.1), 640), 0.02)
    session.server({"type": "Error", "error_code": 3007, "error": DURATION})
    return session.server_closes(3007, DURATION)


def azure_universal(reason: str, path: str = "/speech/universal/v2") -> WireSession:
    host = "centralindia.stt.speech.microsoft.com"
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    session = WireSession(f"wss://{host}{path}", headers, agent=NODE).accept()
    modes = {"languageId": {"mode": "DetectContinuous", "languages": ["or-IN"]}}
    session.app(azure_message("speech.config", {"context": {}}))
    session.app(azure_message("speech.context", modes)).app(azure_audio(wav_header()))
    session.stream(chunks(pcm(0.3), 3200), 0.1, azure_audio)
    return session.server_closes(1007, reason)


def aws(query: str, path: str = "/stream-transcription-websocket") -> WireSession:
    host = "transcribestreaming.us-east-1.amazonaws.com:8443"
    signature = f"X-Amz-Expires=300&X-Amz-Signature={'0123456789abcdef' * 4}"
    session = WireSession(f"wss://{host}{path}?{signature}&{query}")
    return session.accept({"x-amzn-RequestId": REQUEST_ID})


def aws_refuses(session: WireSession, sentence: str) -> WireSession:
    session.app(aws_audio(pcm(0.1)), after=0.1)
    session.server(aws_exception("BadRequestException", sentence))
    return session.server_closes(1000)


def aws_arabic() -> WireSession:
    return aws_refuses(aws("language-code=ar-SA&media-encoding=pcm&sample-rate=16000"), ENUM)


def aws_medical() -> WireSession:
    query = "language-code=en-GB&media-encoding=pcm&sample-rate=8000&specialty=PRIMARYCARE"
    path = "/medical-stream-transcription-websocket"
    return aws_refuses(aws(f"{query}&type=CONVERSATION", path), NO_SUCH_RATE)


def velma(tail: bytes, answer: Json) -> WireSession:
    url = "wss://modulate-developer-apis.com/api/velma-2-stt-streaming?sample_rate=16000"
    session = WireSession(url, {"X-API-Key": "Synthetic0" * 3}).accept()
    session.stream(chunks(pcm(2.0), 3200), 0.1)
    session.server({"type": "utterance", "text": "good morning"})
    return session.app(tail, after=0.1).server(answer).server_closes(1000)


def odd_bytes() -> WireSession:
    return velma(pcm(0.1)[:1599], {"type": "error", "error": "Invalid input audio"})


def volcano(pause: float, answer: bytes) -> WireSession:
    """A protocol of its own: a header of four bytes, and what follows it."""
    headers = {"X-Api-App-Key": "1234567890", "X-Api-Access-Key": "Synthetic0" * 3}
    headers |= {"X-Api-Resource-Id": "volc.bigasr.sauc.duration"}
    url = "wss://openspeech.bytedance.com/api/v3/sauc/bigmodel"
    session = WireSession(url, headers).accept()
    audio = {"format": "pcm", "rate": 16000, "bits": 16, "channel": 1}
    start = json.dumps({"audio": audio, "request": {"model_name": "bigmodel"}}).encode()
    session.app(bytes.fromhex("11101000") + struct.pack(">I", len(start)) + start)
    for data in chunks(pcm(2.0), 3200):
        session.app(bytes.fromhex("11200000") + struct.pack(">I", len(data)) + data, after=0.1)
    session.server(volcano_result("good morning"))
    return session.server(answer, after=pause)


def volcano_result(text: str) -> bytes:
    result = json.dumps({"result": {"text": text}}).encode()
    return bytes.fromhex("11901000") + struct.pack(">II", 1, len(result)) + result


def next_packet() -> WireSession:
    fault = json.dumps({"error": NEXT_PACKET}).encode()
    head = bytes.fromhex("11f01000") + struct.pack(">II", 45000081, len(fault))
    return volcano(8.0, head + fault).server_closes(1000)


def fifteen_bytes() -> WireSession:
    start = {"action": "start", "content-type": "audio/l16;rate=16000;channels=1"}
    session = watson().accept().app(start).server('{\n   "state": "listening"\n}')
    session.app(b"\x00\x01\x02" * 5).app({"action": "stop"})
    return session.server({"error": TOO_FEW}, after=0.2).server_closes(1011)


def ended_and_left_open() -> WireSession:
    url = "wss://agent-gateway.livekit.cloud/v1/stt?model=auto"
    headers = {"Authorization": "Bearer " + "Synthetic0" * 6}
    session = WireSession(url, headers, agent=NODE).accept()
    settings = {"sample_rate": "16000", "encoding": "pcm_s16le"}
    session.app({"type": "session.create", "settings": settings})
    session.server({"type": "session.created", "session_id": REQUEST_ID})
    audio = chunks(pcm(2.0), 3200)
    session.stream(audio, 0.1, lambda data: {"type": "input_audio", "audio": b64(data)})
    session.server({"type": "final_transcript", "transcript": HELLO, "language": "en"})
    session.app({"type": "session.finalize"})
    fault = {"type": "error", "code": 2007, "message": "session closed due to inactivity"}
    return session.server(fault, after=1800.0).server_closes(1000)


def transcription_fails(code: str | None, kind: str, message: str) -> WireSession:
    """The agent answers all the same."""
    session = answered(spoken_turn(realtime()))
    fault = {"type": kind, "code": code, "message": message, "param": None}
    session.server({"type": FAILED, "item_id": "item_1", "content_index": 0, "error": fault})
    return session.server(response_done("completed")).app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "xi-scribe-en-us",
        "parameter",
        "pipecat-ai/pipecat#5822",
        "ElevenLabsRealtimeSTTService WebSocket rejected with 1008 due to unmapped language code",
        "1008 as soon as the connection is open",
        "language_code takes a language alone, such as en, not en-US",
        lambda: scribe_in("en-US"),
        ("language_code", "en-US"),
        scribe_good,
        "no language is given",
        ("language_code",),
        ("policy was violated",),
    ),
    Report(
        "sm-streaming-mode",
        "parameter",
        "livekit/agents#1859",
        "added new parameters and removed unused one in Speechmatics",
        "1003 as soon as the recognition starts",
        "transcription_config has a field that the API does not have",
        streaming_mode,
        ("protocol_error", "streaming_mode"),
        speechmatics_good,
        "the field is not sent",
        ("streaming_mode",),
        ("cannot accept", "type of data"),
    ),
    Report(
        "gl-chunk-refused",
        "quota",
        "pipecat-ai/pipecat#5772",
        "gladia(stt): surface audio_chunk/translation errors instead of dropping or crashing",
        "no transcript, and no error in the log",
        "the quota is used up: each chunk of audio is answered with an error",
        chunks_refused,
        ("quota",),
        gladia_good,
        "there is quota left",
        ("quota",),
    ),
    Report(
        "aai-key-in-query",
        "credentials",
        "stackoverflow.com/questions#79220522",
        "WebSocket Closed with Code 4001: Not Authorized when connecting to AssemblyAI",
        "4001 with a valid key",
        "the key is in the URL, and not in the header Authorization",
        key_in_the_query,
        ("not authorized|401|credential", "Authorization|header|auth_key"),
        wrong_key,
        "the key is in the header",
        ("no Authorization", "auth_key"),
        ("quota",),
    ),
    Report(
        "aai-20-ms",
        "size",
        "tover0314-w/opentypeless#96",
        "fix: align AssemblyAI streaming frames",
        "no transcript of a dictation",
        "the chunks are 20 ms long; at least 50 ms are taken",
        short_chunks,
        ("20(\\.0)? ?ms", "50"),
        assemblyai_good,
        "chunks of 100 ms",
        ("duration violation", "shorter"),
    ),
    Report(
        "az-lid-odia",
        "parameter",
        "Azure/azure-sdk-for-python#48505",
        "Language Identification rejects `or-IN` (Odia) despite being listed as supported",
        "1007 as soon as audio is sent",
        "the service cannot identify this language",
        lambda: azure_universal(NO_ODIA),
        ("doesn't support or-in",),
        azure_transcribed,
        "no language has to be identified",
        ("doesn't support",),
        ("utf-8",),
    ),
    Report(
        "az-lid-v1",
        "parameter",
        "PaciStardust/HOSCY#37",
        "Multiple Languages in Azure Speech Recognition Options not supported by API ?",
        "1007 with two languages, success with one",
        "this version of the endpoint cannot identify languages continuously",
        lambda: azure_universal(NOT_ON_V1, "/speech/recognition/conversation/cognitiveservices/v1"),
        ("DetectContinuous not supported on v1",),
        azure_transcribed,
        "one language",
        ("DetectContinuous",),
        ("utf-8",),
    ),
    Report(
        "aws-ar-sa",
        "parameter",
        "awslabs/amazon-transcribe-streaming-sdk#40",
        "Some language codes throw Exception",
        "an exception with one language, success with another",
        "the language is not offered for streams",
        aws_arabic,
        ("ar-SA", "languageCode|language-code"),
        aws_good,
        "a language that is offered",
        ("ar-SA",),
        ("signature",),
    ),
    Report(
        "aws-medical-en-gb",
        "parameter",
        "aws/aws-sdk-js-v3#6643",
        "Amazon Transcribe Medical -- ?Correct Sample rate for en-GB",
        "an exception at each sample rate",
        "the medical service takes en-US only",
        aws_medical,
        ("requested language", "en-GB"),
        aws_good,
        "the general service",
        ("requested language",),
    ),
    Report(
        "velma-odd-bytes",
        "format",
        "BasedHardware/omi#10558",
        "fix(stt): sample-align Velma stream frames (verified session-killer)",
        "an error, and 1000, in the middle of good results",
        "a message has an odd number of bytes: it ends in the middle of a sample",
        odd_bytes,
        ("Invalid input audio", "odd|1599|half a sample|whole number of samples"),
        lambda: velma(pcm(0.1)[:1600], {"type": "done"}),
        "the message has whole samples",
        ("odd", "Invalid input"),
        ("closed normally",),
    ),
    Report(
        "volc-next-packet",
        "timeout",
        "xinnan-tech/xiaozhi-esp32-server#1583",
        "[Bug] 豆包ASR流式出现问题，无法使用",
        "a message that the app cannot decode",
        "the app sent no packet for some seconds: the service says so in a binary message",
        next_packet,
        ("Timeout waiting next packet",),
        lambda: volcano(0.3, volcano_result(HELLO)).app_closes(1000),
        "no pause",
        ("Timeout waiting",),
        ("closed normally",),
    ),
    Report(
        "ibm-15-bytes",
        "size",
        "pietrop/digital-paper-edit-electron#52",
        "Ibm watson stt",
        "an error in place of a transcript",
        "15 bytes of audio were sent",
        fifteen_bytes,
        ("15 bytes", "100 bytes"),
        watson_good,
        "two seconds of audio",
        ("100 bytes",),
    ),
    Report(
        "lk-inactivity",
        "timeout",
        "livekit/agents-js#2413",
        "fix: close inference STT sessions",
        "an error half an hour after the end of the conversation",
        "the app left a session open that it had ended",
        ended_and_left_open,
        ("inactivity",),
        own_server,
        "no long pause",
        ("inactivity",),
        ("credential",),
        complete=True,
    ),
    Report(
        "oai-transcription-failed",
        "server fault",
        "openai/openai-realtime-console#46",
        "Audio Transcription failed",
        "the user's words are missing; the agent answers",
        "the transcription of the user's speech failed in the service",
        lambda: transcription_fails(
            None, "server_error", "Input transcription failed for item 'item_1'."
        ),
        ("transcription failed",),
        openai_good,
        "no transcription is asked for",
        ("transcription failed",),
        ("response failed",),
        complete=True,
    ),
    Report(
        "oai-transcription-model",
        "model",
        "2FastLabs/agent-squad#641",
        "Swift Realtime: conversation.item.input_audio_transcription.failed is silently dropped",
        "the user's words are missing; the agent answers",
        "the project may not use the model for transcription",
        lambda: transcription_fails(
            "model_not_found",
            "invalid_request_error",
            "The model `gpt-4o-transcribe` does not exist or you do not have access to it.",
        ),
        ("gpt-4o-transcribe", "model_not_found|does not exist|access"),
        transcribed,
        "the project may use the model",
        ("does not exist",),
        ("response failed",),
        complete=True,
    ),
]
