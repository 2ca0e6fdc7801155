"""Reports about ends that come too early or not at all, and what no service of speech sent."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import assemblyai, assemblyai_good, webm
from dictation_reports import settings_of_today
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    WATSON,
    aws_audio,
    aws_transcript,
    azure_stt,
    chunks,
    deepgram,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    gemini_audio,
    gemini_content,
    gemini_good,
    gemini_ready,
    listening,
    openai,
    openai_error,
    pcm,
    watson_result,
)
from recognition_reports import one_channel
from reported_access import azure_transcribed
from stt_sentence_reports import aws
from wire_session import BROWSER, WireSession

GO_AWAY = (
    "Connection aborted because the client failed to close the connection after receiving a GoAway "
    "signal once the session durat"
)
ENDIANNESS = (
    "could not detect endianness after looking at the tail 0 non-zero byte string in a data stream "
    "of 30024 bytes. Is the bytestream really PCM data?"
)
BETA = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
PROMPT = "You%20are%20a%20transcription%20assistant.%20Keep%20names%20as%20they%20are."


def detects_language() -> WireSession:
    query = "model=nova-2&encoding=linear16&sample_rate=8000&channels=1&detect_language=true"
    return deepgram(query).refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def audio_behind_the_end() -> WireSession:
    """The message that ends the stream overtakes what is queued."""
    session = listening().stream(chunks(pcm(4.0), 3200), 0.1)
    session.server(deepgram_result("good morning the", 0.0, 3.9)).app({"type": "CloseStream"})
    session.stream(chunks(pcm(2.0), 3200), 0.01)
    return session.server(deepgram_metadata(4.0)).server_closes(1000)


def prompt_in_the_url() -> WireSession:
    path = f"/v3/ws?sample_rate=16000&format_turns=true&prompt={PROMPT}"
    session = assemblyai(path).server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(pcm(3.9), 3200), 0.1)
    session.app({"type": "ForceEndpoint"}).app({"type": "Terminate"}, after=0.3)
    done = {"type": "Termination", "audio_duration_seconds": 4, "session_duration_seconds": 4}
    return session.server(done, after=0.2).server_closes(1000)


def forces_the_endpoint() -> WireSession:
    session = assemblyai("/v3/ws?sample_rate=16000&end_of_turn_confidence_threshold=1.0")
    session.server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(pcm(3.0), 3200), 0.1).app({"type": "ForceEndpoint"})
    words = [{"text": "good", "start": 100, "end": 400, "confidence": 0.9, "word_is_final": True}]
    turn = {
        "type": "Turn",
        "turn_order": 0,
        "end_of_turn": True,
        "transcript": "good morning the p",
    }
    return session.server(turn | {"words": words}, after=0.2).app_closes(1000, after=0.1)


def recorder_for_pcm() -> WireSession:
    session = aws("language-code=en-US&media-encoding=pcm&sample-rate=44100")
    session.stream(chunks(webm(8.0), 4000), 1.0, aws_audio).app(aws_audio(b""))
    return session.server(aws_transcript(""), after=0.3).server_closes(1000)


def microphone_of_zeros(data: bytes) -> WireSession:
    url = f"wss://stream.watsonplatform.net{WATSON}"
    token = {"Authorization": "Bearer " + "Synthetic0" * 8}
    session = WireSession(url, token, agent=BROWSER).accept()
    start = {"action": "start", "content-type": "audio/l16;rate=16000", "interim_results": True}
    session.app(start).server('{\n   "state": "listening"\n}')
    session.stream(chunks(data, 1024), 0.032)
    if data.strip(b"\0"):
        session.app({"action": "stop"}).server(watson_result("good morning "), after=0.3)
        return session.server('{\n   "state": "listening"\n}').app_closes(1000)
    session.server({"error": ENDIANNESS})
    return session.server_closes(1011, "see the previous message for the error details.")


def another_server_answers() -> WireSession:
    headers = {"Server": "nginx", "Content-Type": "text/html"}
    return azure_stt("eastasia").refuse(502, "Bad Gateway", BAD_GATEWAY, headers)


def ignores_go_away() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(3.0), 3200), 0.1, gemini_audio)
    session.server(gemini_content({"inputTranscription": {"text": HELLO}})).wait(560.0)
    session.server(b'{"goAway": {"timeLeft": "50s"}}')
    session.stream(chunks(pcm(4.0), 3200), 0.1, gemini_audio).wait(46.0)
    return session.server_closes(1008, GO_AWAY[:123])


def token_of_a_gateway() -> WireSession:
    url = "wss://openai-proxy.example.net/v1/realtime?model=gpt-4o-realtime-preview"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 6})
    return session.refuse(403, "Forbidden", b"", {"Content-Type": "text/plain"})


def header_of_the_beta() -> WireSession:
    session = openai("/v1/realtime?intent=transcription", {"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(openai_error("beta_api_shape_disabled", BETA), after=0.1)
    return session.server_closes(4000, "invalid_request_error.beta_api_shape_disabled")


REPORTS = [
    Report(
        "dg-detects-language",
        "parameter",
        "jambonz/jambonz-feature-server#1109",
        "feat: Deepgram language detection",
        "400 with detect_language",
        "the language is detected in recorded files only, not in a stream",
        detects_language,
        ("detect_language",),
        deepgram_good,
        "no language detection",
        ("detect_language",),
        ("credential", "model does not exist"),
    ),
    Report(
        "dg-audio-behind-the-end",
        "order",
        "deepgram/deepgram-dotnet-sdk#341",
        "CloseStream Option to Queue Message",
        "the last seconds are missing in the transcript",
        "CloseStream is sent at once, and audio that was queued comes after it",
        audio_behind_the_end,
        ("CloseStream", "after"),
        deepgram_good,
        "CloseStream is the last message",
        ("after CloseStream", "after its end"),
        ("credential",),
        complete=True,
    ),
    Report(
        "aai-prompt",
        "parameter",
        "crmitchelmore/justspeaktoit#60",
        "fix: remove invalid prompt parameter from AssemblyAI streaming WebSocket",
        "empty results, each time",
        "the URL has a prompt, which this API does not have",
        prompt_in_the_url,
        ("prompt",),
        assemblyai_good,
        "no prompt",
        ("prompt",),
        ("credential", "digital silence"),
    ),
    Report(
        "aai-forces-the-endpoint",
        "missing end",
        "coval-ai/benchmarks#236",
        "Fix AssemblyAI streaming WER truncation",
        "transcripts end in the middle of a word",
        "the app leaves after ForceEndpoint, without Terminate: the rest is never sent",
        forces_the_endpoint,
        ("Terminate|end message",),
        assemblyai_good,
        "Terminate is sent",
        ("without Terminate", "end message"),
        ("credential", "silen"),
        complete=True,
    ),
    Report(
        "aws-recorder-for-pcm",
        "format",
        "aws-amplify/docs#5737",
        "Amplify Predictions: Bug in Transcribing a PCM Audio byte buffer to Text",
        "an empty transcript",
        "a browser's recorder gives WebM, and PCM is declared",
        recorder_for_pcm,
        ("webm",),
        one_channel,
        "PCM",
        ("webm",),
        ("credential", "digital silence"),
    ),
    Report(
        "ibm-microphone-of-zeros",
        "silence",
        "watson-developer-cloud/speech-javascript-sdk#143",
        "Speech to text microphone streaming demo app throws error",
        "an error about the order of bytes",
        "the driver of the microphone gives zeros only",
        lambda: microphone_of_zeros(bytes(96_000)),
        ("zero|silen",),
        lambda: microphone_of_zeros(pcm(3.0)),
        "speech",
        ("zero", "silen"),
        ("credential", "byte order is wrong|other order"),
    ),
    Report(
        "az-another-server",
        "network",
        "Azure-Samples/cognitive-services-speech-sdk#1029",
        "Segmentation fault and CPU spike with websocket 502 error",
        "502 for each connection",
        "an entry for the host's name leads to another server",
        another_server_answers,
        ("502", "gateway|in place of|intermedia|proxy"),
        azure_transcribed,
        "the service answers",
        ("502",),
        ("credential", "quota"),
    ),
    Report(
        "gem-ignores-go-away",
        "limit",
        "mahmoodhozhabri/VisionAssistantPro#281",
        "error for Media Transcription and Dubbing...",
        "1008 after ten minutes",
        "the time of a session is over; the service said so before, and the app went on",
        ignores_go_away,
        ("GoAway|session dura|duration",),
        gemini_good,
        "a short session",
        ("GoAway",),
        ("credential", "policy was violated|violates a policy", "network"),
        complete=True,
    ),
    Report(
        "oai-token-of-a-gateway",
        "credentials",
        "innate-inc/innate-os#310",
        "fix openai token renewal on reconnect",
        "403 when it connects again",
        "the token of the proxy is valid for ten minutes, and was not renewed",
        token_of_a_gateway,
        ("403", "token|credential|key"),
        settings_of_today,
        "a new token",
        ("403",),
        ("region|location", "quota is used"),
    ),
    Report(
        "oai-header-of-the-beta",
        "parameter",
        "onyx-dot-app/onyx#11322",
        "fix(voice): unbreak OpenAI STT after Realtime Beta API deprecation",
        "blank transcripts",
        "the header of the beta selects an API that was withdrawn",
        header_of_the_beta,
        ("no longer supported", "beta"),
        settings_of_today,
        "no such header",
        ("beta",),
        ("credential", "quota"),
    ),
]
