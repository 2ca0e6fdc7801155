"""Reports about credentials, quota, rate and concurrency limits, regions and addresses."""

from __future__ import annotations

import base64

from bug_report import Report
from provider_sessions import (
    answered,
    azure_audio,
    azure_listening,
    azure_phrase,
    azure_speaking,
    azure_stt,
    azure_tts,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    deepgram,
    deepgram_refusal,
    gemini,
    openai_error,
    openai_good,
    pcm,
    realtime,
    response_done,
    scribe,
    scribe_audio,
    speechmatics,
    speechmatics_final,
    spoken_turn,
    watson,
    watson_listening,
    watson_result,
)
from wire_session import WireSession

RATE_LIMIT = (
    "Rate limit reached for gpt-4o-mini-realtime in organization org-xx on requests per day (RPD): "
    "Limit 1000, Used 1000, Requested 1. Please try again in 1m26.4s."
)
NO_CREDITS = "You have no credits remaining. Add credits to continue using the API."
UNPAID = (
    "Project does not have enough credits for an ASR request and does not have an overage "
    "agreement."
)


def watson_with_password() -> WireSession:
    basic = base64.b64encode(b"synthetic-user:synthetic-password").decode()
    refused = {"code": 401, "error": "Unauthorized"}
    return watson({"Authorization": f"Basic {basic}"}).refuse(401, "Unauthorized", refused)


def watson_good() -> WireSession:
    session = watson_listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.app({"action": "stop"}).server(watson_result("good morning "), after=0.2)
    return session.server('{\n   "state": "listening"\n}').app_closes(1000)


def azure_key_of_other_region() -> WireSession:
    headers = {"x-ms-region": "West Europe"}
    return azure_stt().refuse(401, "Unauthorized", b"", headers)


def azure_transcribed() -> WireSession:
    session = azure_listening().stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
    session.app(azure_audio(b"")).server(azure_phrase("Success", "Good morning."), after=0.2)
    return session.server(azure_end()).app_closes(1000)


def azure_end() -> str:
    return "Path: turn.end\r\nX-RequestId: " + "0A" * 16 + "\r\n\r\n{}"


def azure_management_host() -> WireSession:
    body = {"error": {"code": "404", "message": "Resource not found"}}
    return azure_tts("westeurope.api.cognitive.microsoft.com").refuse(404, "Not Found", body)


def azure_spoken() -> WireSession:
    session = azure_speaking("en-US-AriaNeural")
    tag = '{"context": {"serviceTag": "1"}}'
    session.server(f"Path: turn.start\r\nX-RequestId: {'0A' * 16}\r\n\r\n{tag}", after=0.1)
    session.stream(chunks(pcm(2.0, 24_000), 9600), 0.01, azure_audio, from_client=False)
    return session.server(azure_end()).app_closes(1000)


def azure_host_undefined() -> WireSession:
    session = azure_tts("undefined.tts.speech.microsoft.com")
    return session.fail("dns", "[Errno -2] Name or service not known")


def azure_unreachable() -> WireSession:
    return azure_tts().fail("connect", "timed out", after=10.0)


def gemini_closed(code: int, reason: str) -> WireSession:
    return gemini().server_closes(code, reason, after=0.1)


def scribe_over_quota() -> WireSession:
    session = scribe().stream(chunks(pcm(1.0), 3200), 0.1, scribe_audio)
    session.server({"message_type": "quota_exceeded", "error": "You have exceeded your quota."})
    return session.server_closes(1000)


def scribe_good() -> WireSession:
    session = scribe().stream(chunks(pcm(2.0), 3200), 0.1, scribe_audio)
    session.server({"message_type": "partial_transcript", "text": "good"})
    session.server({"message_type": "committed_transcript", "text": "Good morning."}, after=0.2)
    return session.app_closes(1000)


def azure_over_quota() -> WireSession:
    session = azure_listening().stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
    return session.server_closes(1007, "Quota exceeded. Cid: ")


def realtime_over_daily_limit() -> WireSession:
    session = spoken_turn(realtime())
    error = {"type": "requests", "code": "rate_limit_exceeded", "message": RATE_LIMIT}
    session.server(response_done("failed", {"type": "failed", "error": error}))
    return session.app_closes(1000, after=5.0)


def realtime_near_daily_limit() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    limits = [{"name": "requests", "limit": 1000, "remaining": 1, "reset_seconds": 86.4}]
    session.server({"type": "rate_limits.updated", "rate_limits": limits})
    return session.app_closes(1000, after=1.0)


def realtime_without_credits() -> WireSession:
    session = realtime().stream(chunks(pcm(1.0, 24_000), 4800), 0.1, _append)
    return session.server(openai_error(None, NO_CREDITS)).server_closes(1000)


def _append(data: bytes) -> dict[str, str]:
    audio = base64.b64encode(data).decode()
    return {"type": "input_audio_buffer.append", "audio": audio}


def speechmatics_too_many() -> WireSession:
    fault = {"message": "Error", "type": "quota_exceeded", "reason": "Concurrent Quota Exceeded"}
    return speechmatics().server(fault, after=0.1).server_closes(4005, "quota_exceeded")


def speechmatics_good() -> WireSession:
    session = speechmatics().server({"message": "RecognitionStarted", "id": "1"}, after=0.1)
    for number, data in enumerate(chunks(pcm(2.0), 3200), 1):
        session.app(data, after=0.1).server({"message": "AudioAdded", "seq_no": number})
    session.app({"message": "EndOfStream", "last_seq_no": 20})
    session.server(speechmatics_final("Good morning. ", 0.2, 1.8), after=0.5)
    return session.server({"message": "EndOfTranscript"}).app_closes(1000)


def cartesia_too_many() -> WireSession:
    return cartesia_tts().refuse(429, "Too Many Requests", b"")


def cartesia_good() -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("ctx-1"))
    return cartesia_says(session.wait(0.1), "ctx-1").app_closes(1000)


def deepgram_unpaid() -> WireSession:
    body = deepgram_refusal("ASR_PAYMENT_REQUIRED", UNPAID)
    return deepgram().refuse(402, "Payment Required", body, {"dg-error": UNPAID})


def deepgram_too_many() -> WireSession:
    message = "Too many requests. Please try again later"
    body = deepgram_refusal("TOO_MANY_REQUESTS", message)
    return deepgram().refuse(429, "Too Many Requests", body, {"dg-error": message})


REPORTS = [
    Report(
        "ibm-password-401",
        "credentials",
        "IBM/watson-streaming-stt#3",
        "Credentials in call to WebSocketApp",
        "HTTP 401 on the upgrade, with a name and password as in an old example",
        "the service takes an API key, not a name and password",
        watson_with_password,
        (r"credentials|unauthorized", "401"),
        watson_good,
        "the same session with a token is transcribed",
        ("401", "credentials", "unauthorized"),
        ("AssemblyAI", "quota"),
    ),
    Report(
        "az-key-of-other-region",
        "credentials",
        "Azure-Samples/cognitive-services-speech-sdk#966",
        "Authentication error (401)",
        "the SDK reports an authentication error although the key is copied from the portal",
        "the key belongs to a resource in another region",
        azure_key_of_other_region,
        ("key", "region"),
        azure_transcribed,
        "the same request with the right key is transcribed",
        ("401", "credentials", "region"),
        ("AssemblyAI",),
    ),
    Report(
        "az-wrong-host",
        "endpoint",
        "livekit/agents#2082",
        "azure tts or stt : WebSocket upgrade failed (with westeurope endpoints)",
        "the upgrade fails with 404 at the host that the portal shows",
        "this host serves other APIs; speech has hosts of its own for each region",
        azure_management_host,
        ("404|not found", r"address|endpoint|host|path|url"),
        azure_spoken,
        "the same request at the speech host gives audio",
        ("404", "not found"),
        ("credentials",),
    ),
    Report(
        "az-host-undefined",
        "DNS",
        "Azure-Samples/cognitive-services-speech-sdk#2020",
        "getaddrinfo ENOTFOUND undefined.tts.speech.microsoft.com",
        "the SDK reports 1006 and that it cannot contact the server",
        "the region was not set, so that the host name begins with `undefined`",
        azure_host_undefined,
        (r"resolve|DNS|name", r"undefined\.tts\.speech\.microsoft\.com"),
        azure_unreachable,
        "the name resolves, but the connection times out",
        (r"\bDNS\b|resolve",),
        ("credentials",),
    ),
    Report(
        "gem-location",
        "region",
        "google-gemini/cookbook#781",
        "Request contains an invalid argument in LiveAPI",
        "1007, which the client calls invalid frame payload data",
        "the API is not offered where the request came from",
        lambda: gemini_closed(1007, "User location is not supported for the API use."),
        ("location is not supported",),
        lambda: gemini_closed(1007, "Request contains an invalid argument."),
        "the same code with another reason",
        ("location",),
        ("UTF-8", "binary frame", "not valid text"),
    ),
    Report(
        "xi-scribe-quota",
        "quota",
        "elevenlabs/packages#354",
        "quota_exceeded errors can not be handled when using scribe connections",
        "audio can no longer be sent; the SDK reports no error",
        "the quota is used up; the server says so in a message, then closes normally",
        scribe_over_quota,
        ("quota",),
        scribe_good,
        "the same session with quota left",
        ("quota",),
    ),
    Report(
        "az-quota-1007",
        "quota",
        "Azure-Samples/cognitive-services-speech-sdk#2785",
        "Connection was closed by the remote host.",
        "recognition stops half way with code 1007",
        "the quota of the resource is exceeded; the reason of the close says so",
        azure_over_quota,
        ("quota",),
        azure_transcribed,
        "the same session with quota left",
        ("quota",),
        ("UTF-8", "not valid text", "SSML"),
    ),
    Report(
        "oai-requests-per-day",
        "rate limit",
        "openai/openai-agents-js#1022",
        "About gpt-realtime Rate-Limit",
        "the agent stops answering; the session stays open",
        "the limit of requests a day is reached: `response.done` has status failed",
        realtime_over_daily_limit,
        ("rate limit", r"requests per day|RPD|1m26"),
        realtime_near_daily_limit,
        "a `rate_limits.updated` message in a session that works",
        ("rate limit reached", "failed"),
    ),
    Report(
        "oai-no-credits",
        "quota",
        "vierisid/jarvis#453",
        "Fix hosted realtime voice errors showing the upstream provider's message in chat",
        "a hosted voice session stops with an error event that has no code",
        "the account has no credits left",
        realtime_without_credits,
        ("credits",),
        openai_good,
        "the same session with credits",
        ("credits",),
    ),
    Report(
        "sm-concurrent-quota",
        "concurrency",
        "speechmatics/speechmatics-js-sdk#59",
        "Concurrent Quota Exceeded",
        "some sessions fail at random with an error of type quota_exceeded",
        "more sessions are open at once than the contract allows, because old ones are not ended",
        speechmatics_too_many,
        ("concurrent|at once|same time|too many sessions",),
        speechmatics_good,
        "the same session, alone",
        ("concurrent", "quota"),
        ("out of credit",),
    ),
    Report(
        "ca-too-many-sockets",
        "concurrency",
        "livekit/agents#2010",
        "Websocket Connection Concurrency Limit",
        "the upgrade is refused with 429 although one conversation is running",
        "pooled connections count against the plan's limit of concurrent ones",
        cartesia_too_many,
        (r"concurren|too many|at once|limit",),
        cartesia_good,
        "a connection below the limit",
        ("concurren", "too many", "429"),
        ("AssemblyAI", "ElevenLabs"),
    ),
    Report(
        "dg-no-credits-402",
        "quota",
        "deepgram/deepgram-js-sdk#353",
        "Unhandled Error : 429 / 402",
        "the SDK throws an unhandled error with code 1006 and no text",
        "the project has no credits: the upgrade is refused with 402",
        deepgram_unpaid,
        ("credit|balance|payment",),
        deepgram_too_many,
        "a refusal with 429",
        ("credit", "balance", "payment"),
        ("1006",),
    ),
]
