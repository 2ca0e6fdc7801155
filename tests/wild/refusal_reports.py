"""Reports about requests that are refused, by a service or in front of it."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import assemblyai, assemblyai_good
from provider_sessions import (
    AZURE_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    aws_audio,
    aws_exception,
    aws_transcript,
    azure_speaking,
    b64,
    chunks,
    openai_good,
    pcm,
    speechmatics,
    transcribe,
    watson,
    wav_header,
)
from reported_access import (
    azure_spoken,
    azure_transcribed,
    speechmatics_good,
    watson_good,
)
from reported_audio import aws_good
from wire_session import BROWSER, NODE, WireSession

PAID_ONLY = (
    "This feature is paid-only and requires you to add a credit card. Please visit "
    "https://app.assemblyai.com/ to add a credit card to your account."
)
SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
CONCURRENT = (
    "The request is throttled because you have exceeded the concurrent request limit allowed for "
    "your sub"
)
NO_DEPLOYMENT: Json = {"error": {"code": "404", "message": "Resource not found"}}


# -- not paid, not authorized, too many


def paid_only() -> WireSession:
    session = assemblyai("/v2/realtime/ws?sample_rate=16000")
    return session.server({"error": PAID_ONLY}, after=0.1).server_closes(4003, PAID_ONLY[:120])


def token_of_another_kind() -> WireSession:
    fault = {"message": "Error", "type": "not_authorised", "reason": "Not Authorized"}
    return speechmatics().server(fault, after=0.1).server_closes(4001, "not_authorised")


def answers_200() -> WireSession:
    headers = {"Authorization": "Bearer " + "Synthetic0" * 3}
    session = WireSession("ws://trial.asr.api.speechmatics.com/v2", headers)
    return session.refuse(200, "OK", b"")


def signature_differs() -> WireSession:
    session = transcribe()
    for number in range(4):
        session.stream(chunks(pcm(2.0), 3200), 0.1, aws_audio)
        session.server(aws_transcript(f"Good morning {number}."))
    session.server(aws_exception("BadRequestException", SIGNATURE))
    return session.server_closes(1000)


def throttled() -> WireSession:
    session = azure_speaking("en-US-AriaNeural")
    return session.server_closes(1007, "Throttled due to too many requests", after=0.2)


def throttled_4429() -> WireSession:
    session = azure_speaking("en-US-AriaNeural")
    return session.server_closes(4429, CONCURRENT, after=0.2)


def legacy_host() -> WireSession:
    url = (
        "wss://speech.platform.bing.com/speech/recognition/interactive/cognitiveservices/v1"
        f"?format=simple&language=en-US&Ocp-Apim-Subscription-Key={AZURE_KEY}"
    )
    return WireSession(url, agent=BROWSER).refuse(403, "Forbidden", b"")


def unknown_gateway() -> WireSession:
    url = "wss://agent-gateway.livekit.cloud/v1/stt?model=assemblyai/universal-streaming"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 8})
    return session.refuse(401, "Unauthorized", b"")


def wrong_path() -> WireSession:
    host = "contoso-voice.openai.azure.com"
    url = f"wss://{host}/realtime?api-version=alpha&deployment=gpt-4o-realtime-preview"
    return WireSession(url, {"api-key": "Synthetic0" * 3 + "ab"}).refuse(
        404, "Resource Not Found", NO_DEPLOYMENT
    )


# -- gateways and servers of one's own


def moved() -> WireSession:
    url = "wss://apps.example.com/hosted/demo/8080"
    headers = {"Server": "nginx/1.30.2", "Location": "/hosted/demo/8080/"}
    return WireSession(url, agent=BROWSER).refuse(308, "Permanent Redirect", b"", headers)


def backend_500() -> WireSession:
    query = "language=en&sample_rate=16000&codec=opus&uid=x&stt_service=soniox"
    url = f"wss://api.example.com/v4/listen?{query}"
    headers = {"Server": "uvicorn", "Via": "1.1 google", "Content-Type": "text/plain"}
    session = WireSession(url, agent="Dart/3.9 (dart:io)")
    return session.refuse(500, "Internal Server Error", b"Internal Server Error", headers)


def own_server_ok() -> WireSession:
    session = WireSession("wss://api.example.com/v4/listen?language=en", agent=NODE).accept()
    session.stream(chunks(pcm(2.0), 3200), 0.1).server({"type": "transcript", "text": HELLO})
    return session.app_closes(1000, after=1.0)


def compresses() -> WireSession:
    """The app compresses although the server did not agree to it."""
    session = WireSession("wss://voice.example.com/stream", agent=NODE).accept()
    session.app_deflates({"type": "start", "encoding": "linear16", "sample_rate": 16000})
    return session.server_closes(1002, after=0.02)


def custom_model_gone() -> WireSession:
    url = "wss://api.hume.ai/v0/evi/chat?config_id=1&api_key=" + "Synthetic0" * 4
    session = WireSession(url, agent=BROWSER).accept()
    session.server({"type": "chat_metadata", "chat_group_id": "1", "chat_id": REQUEST_ID})
    session.stream(chunks(pcm(2.0), 3200), 0.1, lambda d: {"type": "audio_input", "data": b64(d)})
    said = {"role": "user", "content": HELLO}
    session.server({"type": "user_message", "message": said, "interim": False})
    fault = {"type": "error", "code": "E0705", "slug": "custom_language_model_disconnected"}
    text = "Custom language model wss://ws.example.com disconnected."
    return session.server(fault | {"message": text}, after=0.5).server_closes(1000)


# -- audio


def file_in_one_message() -> WireSession:
    start = {"action": "start", "content-type": "audio/wav", "interim_results": True}
    session = watson().accept().app(start).server('{\n   "state": "listening"\n}')
    session.app(wav_header() + pcm(60.0) * 3, after=0.5)
    return session.server_closes(1009, after=0.3)


REPORTS = [
    Report(
        "aai-paid-only",
        "quota",
        "smithakolan/DeepSeek-R1-AI-Voice-Agent#1",
        "Credit Card Required?",
        "an error, and the session closes",
        "the account has no means of payment, which this feature needs",
        paid_only,
        ("paid|credit card|billing",),
        assemblyai_good,
        "an account with credit",
        ("paid", "credit"),
    ),
    Report(
        "sm-not-authorised",
        "credentials",
        "speechmatics/speechmatics-js-sdk#45",
        "[Enhancement] Better error message for `not_authorised`",
        "an error of type not_authorised",
        "the token was made for another product",
        token_of_another_kind,
        ("not.?authori[sz]ed|not accept|credentials",),
        speechmatics_good,
        "the token is of the right type",
        ("not.?authori",),
    ),
    Report(
        "sm-200",
        "unknown",
        "speechmatics/speechmatics-python#35",
        "Trial Server Websocket Connection",
        "the library reports HTTP 200",
        "the token; the answer does not say so",
        answers_200,
        ("200", "not|no (upgrade|websocket)|web server"),
        speechmatics_good,
        "101",
        ("200",),
    ),
    Report(
        "aws-signature-differs",
        "credentials",
        "aws-samples/amazon-transcribe-live-meeting-assistant#137",
        "Stops transcribing Chime calls without error messaging",
        "the transcript stops after 39 minutes",
        "the signature of a message is not the one that the service computes",
        signature_differs,
        ("signature", "does not match|not match"),
        aws_good,
        "the signatures are right",
        ("signature",),
        complete=True,
    ),
    Report(
        "az-throttled",
        "rate limit",
        "microsoft/cognitive-services-speech-sdk-js#471",
        "Unable to contact server. StatusCode: 1006, Unexpected server response: 401",
        "1007 for some of 30 requests",
        "too many requests at once",
        throttled,
        ("throttled|too many requests",),
        azure_spoken,
        "one request",
        ("throttled",),
        ("UTF-8",),
    ),
    Report(
        "az-4429",
        "concurrency",
        "Azure-Samples/cognitive-services-speech-sdk#2305",
        "Error code: 4429. Error details: The request is throttled",
        "4429",
        "the limit of concurrent requests of the price tier is reached",
        throttled_4429,
        ("concurrent", "throttled|limit|too many"),
        azure_spoken,
        "below the limit",
        ("concurrent",),
    ),
    Report(
        "az-legacy-host",
        "credentials",
        "Azure-Samples/SpeechToText-WebSockets-Javascript#38",
        "Getting 403",
        "403 on the upgrade",
        "the service does not accept the key",
        legacy_host,
        ("403", "key|token|credentials|access"),
        azure_transcribed,
        "the key is accepted",
        ("403",),
    ),
    Report(
        "lk-gateway-401",
        "credentials",
        "livekit-examples/agent-starter-python#31",
        "Error 401 on wss://agent-gateway.livekit.cloud/v1/stt",
        "401 on the upgrade",
        "the gateway does not accept the credentials",
        unknown_gateway,
        ("401", "credentials|key|token"),
        own_server_ok,
        "101",
        ("401",),
    ),
    Report(
        "azure-openai-wrong-path",
        "endpoint",
        "Azure-Samples/aisearch-openai-rag-audio#6",
        "wss path to Azure OpenAI corrected",
        "404 on the upgrade",
        "the path lacks /openai, and there is no such API version",
        wrong_path,
        ("404", "path|address|url|endpoint|not found"),
        openai_good,
        "the right path",
        ("404",),
        ("credentials",),
    ),
    Report(
        "redirect-308",
        "gateway",
        "mcdonc/klangk#1232",
        "Hosted-app proxy 308-redirects slash-less /hosted/<ws>/<port>, breaking WebSocket clients",
        "the WebSocket does not open",
        "nginx redirects to the address with a slash at its end; clients do not follow",
        moved,
        ("308|redirect", "/hosted/demo/8080/|location|slash|address"),
        own_server_ok,
        "101",
        ("redirect",),
    ),
    Report(
        "backend-500",
        "server fault",
        "BasedHardware/omi#5269",
        "Bug: /v4/listen WebSocket 500s on stt_service=soniox — 100% failure rate at external LB",
        "500 on each upgrade with one setting",
        "a fault of the server",
        backend_500,
        ("500", "server|internal"),
        own_server_ok,
        "101",
        ("500",),
    ),
    Report(
        "rsv1",
        "compression",
        "websockets/ws#1140",
        "Error: RSV1 must be clear",
        "1002 after the first message",
        "the app compresses, which the server did not agree to",
        compresses,
        ("compress|deflate|rsv", "agree|negotiat|extension|without|not"),
        own_server_ok,
        "no compression",
        ("compress",),
    ),
    Report(
        "hume-custom-model",
        "server fault",
        "HumeAI/hume-react-sdk#300",
        "No Websocket Reconnect on custom_language_model_disconnected",
        "an error after some minutes",
        "the app's own language model closes its connection: a message is too big for its gateway",
        custom_model_gone,
        ("custom language model",),
        openai_good,
        "no error",
        ("custom language model",),
    ),
    Report(
        "ibm-too-big",
        "size",
        "ratchetphp/Pawl#92",
        "Connection closed (1009 - ) FRAME::CLOSE_TOO_BIG = 1009",
        "1009",
        "the file is sent in one message, which is larger than the service takes",
        file_in_one_message,
        ("1009|too (big|large)", "big|large|size|MB|MiB|bytes"),
        watson_good,
        "small messages",
        ("too (big|large)",),
    ),
]
