"""Reports about models, voices and parameters."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    LISTEN,
    NATIVE_AUDIO,
    REQUEST_ID,
    append,
    azure_speaking,
    chunks,
    deepgram,
    deepgram_refusal,
    gemini,
    gemini_audio,
    gemini_good,
    gemini_ready,
    openai_error,
    openai_good,
    pcm,
    realtime,
    session_event,
)
from reported_access import azure_spoken, gemini_closed
from wire_session import WireSession

PREVIEW = "models/gemini-live-2.5-flash-preview"
NO_MODEL = (
    f"{PREVIEW} is not found for API version v1beta, or is not supported for bidiGenerateContent."
    " Call"
)
KEYWORDS = "Keywords are not supported for Nova-3. Please use `keyterm` instead."
NO_COMBINATION = "Bad Request: No such model/language/tier combination found."
COMMIT = (
    "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
    "buffer only has 0.00ms of audio."
)
OUTPUT_MODALITIES = "Unknown parameter: 'session.output_modalities'."
MEDIA_CHUNKS = "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."
NOT_ENABLED = "Operation is not implemented, or supported, or enabled."


def gemini_without_model() -> WireSession:
    return gemini(PREVIEW).server_closes(1008, NO_MODEL, after=0.1)


def gemini_stale_handle() -> WireSession:
    resumed = {"sessionResumption": {"handle": REQUEST_ID}}
    session = gemini(setup=resumed)
    return session.server_closes(1008, "BidiGenerateContent session not found", after=0.1)


def azure_wrong_voice() -> WireSession:
    session = azure_speaking("ar-SY-AmanyNeural")
    return session.server_closes(1007, "Unsupported voice ar-SY-AmanyNeural.", after=0.1)


def deepgram_400(query: str, code: str, message: str) -> WireSession:
    body = deepgram_refusal(code, message)
    return deepgram(query).refuse(400, "Bad Request", body, {"dg-error": message})


def nova3_keywords() -> WireSession:
    query = "model=nova-3&language=en-GB&encoding=linear16&sample_rate=24000&channels=1"
    return deepgram_400(f"{query}&keywords=Jonty", "INVALID_QUERY_PARAMETER", KEYWORDS)


def nova3_french() -> WireSession:
    query = "model=nova-3-general&interim_results=true&encoding=linear16&channels=1"
    query += "&utterance_end_ms=1000&language=fr&sample_rate=16000"
    return deepgram_400(query, "Bad Request", NO_COMBINATION)


def utterance_end_too_short() -> WireSession:
    message = "Invalid 'utterance_end_ms' value of '999'."
    return deepgram_400(LISTEN + "&utterance_end_ms=999", "Bad Request", message)


def azure_openai_preview() -> WireSession:
    """A session of the GA kind at an endpoint that knows the beta's."""
    host = "contoso-voice.openai.azure.com"
    path = "/openai/realtime?api-version=2024-10-01-preview&deployment=gpt-4o-realtime-preview"
    session = WireSession(f"wss://{host}{path}", {"api-key": "Synthetic0" * 3 + "ab"}).accept()
    return session.server(session_event("session.created", {"modalities": ["audio", "text"]}))


def realtime_unknown_parameter() -> WireSession:
    session = azure_openai_preview()
    session.app({"type": "session.update", "session": {"output_modalities": ["text"]}})
    session.server(
        openai_error("unknown_parameter", OUTPUT_MODALITIES, "session.output_modalities")
    )
    return session.app_closes(1000, after=0.5)


def realtime_commits_nothing() -> WireSession:
    session = realtime().stream(chunks(pcm(0.5, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    session.app({"type": "input_audio_buffer.commit"})
    session.server(openai_error("input_audio_buffer_commit_empty", COMMIT), after=0.05)
    return session.app_closes(1000, after=0.5)


def gemini_media_chunks() -> WireSession:
    session = gemini_ready()
    blob = {"mime_type": "audio/pcm;rate=16000", "data": "AAAA" * 800}
    session.app({"realtime_input": {"media_chunks": [blob]}}, after=0.1)
    return session.server_closes(1007, MEDIA_CHUNKS, after=0.05)


def gemini_not_enabled() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(1.0), 3200), 0.1, gemini_audio)
    return session.server_closes(1008, NOT_ENABLED)


REPORTS = [
    Report(
        "gem-model-withdrawn",
        "model",
        "google/adk-python#3964",
        "<Live Model Name> is not found for API version v1alpha",
        "an agent that worked stops with 1008, which the client calls a policy violation",
        "the model was withdrawn, or does not exist under this API version",
        gemini_without_model,
        (r"model|gemini-live-2\.5-flash-preview", "not found|not supported|does not exist"),
        gemini_stale_handle,
        "1008 with another reason",
        ("model",),
        ("policy of the peer", "policy was violated"),
    ),
    Report(
        "gem-stale-handle",
        "session state",
        "yeyu2/Youtube_demos#5",
        "gemini_api_update_042025 - received 1008 (policy violation)",
        "each start of the app ends with 1008",
        "a session handle that was saved in a file has expired",
        gemini_stale_handle,
        ("session not found",),
        gemini_without_model,
        "1008 with another reason",
        ("session not found",),
        ("policy of the peer", "policy was violated", "model does not"),
    ),
    Report(
        "az-unsupported-voice",
        "model",
        "microsoft/cognitive-services-speech-sdk-js#470",
        "Recently added voice `ar-SY-AmanyNeural` returns `Unsupported voice` error",
        "1007 for one voice, audio for others",
        "the service does not have this voice",
        azure_wrong_voice,
        ("voice", "ar-SY-AmanyNeural"),
        azure_spoken,
        "a voice that exists",
        ("unsupported",),
        ("UTF-8", "not valid text", "quota"),
    ),
    Report(
        "dg-keywords-nova-3",
        "parameter",
        "deepgram/deepgram-js-sdk#474",
        "nova-3 returns HTTP 400 when `keywords` param is used in streaming WebSocket",
        "400, which a browser shows as 1006; the same request works with nova-2",
        "this model takes `keyterm` in place of `keywords`",
        nova3_keywords,
        ("keywords", "keyterm"),
        utterance_end_too_short,
        "another parameter is at fault",
        ("keyword", "keyterm"),
        ("model does not exist",),
    ),
    Report(
        "dg-french-nova-3",
        "model",
        "deepgram/deepgram-python-sdk#547",
        "STT returns 400 error when using French language (language=fr) with nova-3-general model",
        "400 with one language, success with another",
        "the model does not have this language",
        nova3_french,
        ("model", "language", r"language=fr|language fr|'fr'|`fr`|\bfr\b"),
        utterance_end_too_short,
        "another parameter is at fault",
        ("model/language",),
        ("misspelled language", "no language code", "not a language code"),
    ),
    Report(
        "oai-unknown-parameter",
        "parameter",
        "openai/openai-python#2638",
        "Unknown parameter: 'session.output_modalities' While using gpt realtime api",
        "an error event; the configuration has no effect",
        "the endpoint's version knows the field under its older name",
        realtime_unknown_parameter,
        (r"session\.output_modalities",),
        openai_good,
        "an endpoint that knows it",
        ("unknown parameter",),
    ),
    Report(
        "oai-commit-empty",
        "parameter",
        "betalgo/openai#674",
        "realtime SendPreRecordedAudio buffer too small",
        "an error event although a file was sent",
        "server VAD had committed the audio; the app's own commit finds nothing",
        realtime_commits_nothing,
        (r"commit|buffer", "empty|too small|no audio|nothing|100 ?ms"),
        openai_good,
        "the app leaves the commit to the server",
        ("buffer too small",),
    ),
    Report(
        "gem-media-chunks",
        "parameter",
        "mastra-ai/mastra#18287",
        "realtime_input.media_chunks rejected by Gemini Live v1alpha (WS close 1007)",
        "the session ends at the first message with audio",
        "the message has the deprecated field `media_chunks`",
        gemini_media_chunks,
        ("media_chunks",),
        lambda: gemini_closed(1007, "User location is not supported for the API use."),
        "1007 with another reason",
        ("media_chunks",),
        ("UTF-8", "binary frame", "not valid text"),
    ),
    Report(
        "gem-not-enabled",
        "model",
        "googleapis/js-genai#1236",
        'WebSocket Error 1008: "Operation is not implemented, or supported, or enabled"',
        "1008 in the middle of a conversation",
        "this preview model lacks an operation; an earlier one works",
        gemini_not_enabled,
        ("not implemented",),
        gemini_good,
        f"the same session with {NATIVE_AUDIO}, answered",
        ("not implemented", "1008"),
        ("policy of the peer", "policy was violated", "API key"),
    ),
]
