"""Reports about transcription requests that are refused before anything is sent."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    AZURE_KEY,
    DEEPGRAM_KEY,
    REQUEST_ID,
    Json,
    chunks,
    deepgram,
    pcm,
)
from reported_access import azure_transcribed
from wire_session import BROWSER, PYTHON, WireSession

FLUX = "model=flux-general-en&sample_rate=16000&encoding=linear16&mip_opt_out=false"
NOT_AUTHORIZED: Json = {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}
GRANTED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzeW50aGV0aWMifQ.U3ludGhldGljU2lnbmF0dXJl"
NO_OPERATION = (
    "This operation requires either deployment=<deployment-id> or intent=transcription present "
    "on the querystring."
)


def flux(query: str) -> WireSession:
    """The request."""
    return deepgram(f"{FLUX}&{query}", "/v2/listen")


def flux_refused(query: str) -> WireSession:
    return flux(query).refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def flux_good(query: str) -> WireSession:
    session = flux(query).accept({"dg-request-id": REQUEST_ID})
    session.server({"type": "Connected", "request_id": REQUEST_ID, "sequence_id": 0})
    session.stream(chunks(pcm(2.0), 2560), 0.08)
    turn = {"type": "TurnInfo", "event": "EndOfTurn", "turn_index": 0, "sequence_id": 1}
    session.server(turn | {"transcript": "good morning", "audio_window_end": 2.0, "words": []})
    return session.app({"type": "CloseStream"}).server_closes(1000)


def deepgram_401(headers: dict[str, str], agent: str = PYTHON) -> WireSession:
    query = "encoding=linear16&sample_rate=48000&channels=1"
    session = WireSession(f"wss://api.deepgram.com/v1/listen?{query}", headers, agent=agent)
    return session.refuse(401, "Unauthorized", NOT_AUTHORIZED | {"request_id": REQUEST_ID})


def key_without_scheme() -> WireSession:
    return deepgram_401({"Authorization": DEEPGRAM_KEY}, "Starscream/4.0.4")


def key_with_scheme() -> WireSession:
    return deepgram_401({"Authorization": f"Token {DEEPGRAM_KEY}"}, "Starscream/4.0.4")


def granted_token_as_key() -> WireSession:
    return deepgram_401({"Sec-WebSocket-Protocol": f"token, {GRANTED}"}, BROWSER)


def key_as_subprotocol() -> WireSession:
    return deepgram_401({"Sec-WebSocket-Protocol": f"token, {DEEPGRAM_KEY}"}, BROWSER)


def subprotocols_without_space() -> WireSession:
    return deepgram_401({"Sec-WebSocket-Protocol": f"token,{DEEPGRAM_KEY}"}, "node")


def voice_model_at_listen() -> WireSession:
    query = "model=aura-asteria-en&encoding=linear16&container=wav&detect_language=true"
    session = deepgram(f"{query}&filler_words=false&punctuation=true", agent="Dart/3.4 (dart:io)")
    return session.refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def unknown_model_at_listen() -> WireSession:
    query = "model=nova-9&encoding=linear16&sample_rate=16000"
    session = deepgram(query, agent="Dart/3.4 (dart:io)")
    return session.refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def azure_openai(query: str) -> WireSession:
    return WireSession(
        f"wss://contoso.openai.azure.com/openai/v1/realtime{query}", {"api-key": AZURE_KEY}
    )


def no_operation() -> WireSession:
    body = {"code": "OperationNotSupported", "message": NO_OPERATION}
    return azure_openai("").refuse(400, "Bad Request", body)


def wrong_deployment() -> WireSession:
    body = {"error": {"code": "DeploymentNotFound", "message": "The deployment does not exist."}}
    return azure_openai("?model=none").refuse(404, "Not Found", body)


def azure_speech(language: str) -> WireSession:
    host = "westus.stt.speech.microsoft.com"
    path = f"/speech/recognition/interactive/cognitiveservices/v1?language={language}&format=simple"
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    return WireSession(f"wss://{host}{path}", headers)


def other_kind_of_subscription() -> WireSession:
    body = {"Message": "Language parameter not supported for this kind of subscription"}
    return azure_speech("en-US").refuse(403, "Forbidden", body)


def unknown_locale() -> WireSession:
    return azure_speech("en-za").refuse(400, "Bad Request", b"")


REPORTS = [
    Report(
        "dg-flux-eager",
        "parameter",
        "livekit/agents#5199",
        "Deepgram: Invalid response status when `0.8`, `0.85` is passed as `eager_eot_threshold`",
        "400 for a value that the documentation allows",
        "eager_eot_threshold is above eot_threshold, which is 0.7 if it is not set",
        lambda: flux_refused("eager_eot_threshold=0.8&keyterm=Candidate&keyterm=Tidyhire"),
        ("eager_eot_threshold", r"0\.8", r"\beot_threshold", r"0\.7"),
        lambda: flux_good("eager_eot_threshold=0.5&keyterm=Candidate"),
        "the threshold is lower",
        ("eager_eot_threshold",),
        ("credential", "no such model"),
    ),
    Report(
        "dg-flux-empty-keyterm",
        "parameter",
        "pipecat-ai/pipecat#5643",
        "fix(deepgram): normalize Flux connection settings that would fail the handshake",
        "400; the service stays down for the rest of the call",
        "one keyterm is empty",
        lambda: flux_refused("keyterm=&keyterm=Tidyhire"),
        ("keyterm", "empty|blank|no value|without a value"),
        lambda: flux_good("keyterm=Tidyhire"),
        "the keyterm has a value",
        ("keyterm",),
        ("credential", "no such model"),
    ),
    Report(
        "dg-bare-key",
        "credentials",
        "deepgram-devs/deepgram-live-transcripts-ios#1",
        'Websocket Errors : notAnUpgrade(401) and "masked and rsv data is not currently supported"',
        "401 with a new key",
        "the word Token is missing in front of the key",
        key_without_scheme,
        ("Token", "scheme|in front|before the key|without|missing|prefix"),
        key_with_scheme,
        "the scheme is there; the key is wrong",
        ("without .*scheme", "scheme is missing", "without Token"),
    ),
    Report(
        "dg-granted-token",
        "credentials",
        "deepgram/deepgram-js-sdk#392",
        "How do I instanciate the deepgram client with an access token obtained via my backend",
        "401 with a token that was just granted",
        "an access token is sent as a key: its scheme is bearer, not token",
        granted_token_as_key,
        ("bearer",),
        key_as_subprotocol,
        "a key is sent as a key",
        ("bearer",),
        ("quota",),
    ),
    Report(
        "dg-aura-at-listen",
        "model",
        "tempo-riz/deepgram_speech_to_text#17",
        "Connection WebSocketChannelException in flutter",
        "the connection is not upgraded",
        "a model for speech synthesis is asked for where speech is transcribed",
        voice_model_at_listen,
        ("aura-asteria-en", "synthesi|text[- ]to[- ]speech|speaks|no such model"),
        unknown_model_at_listen,
        "another model",
        ("synthesi", "aura"),
        ("credential",),
    ),
    Report(
        "azure-openai-no-operation",
        "parameter",
        "maximhq/bifrost#3760",
        "[Bug]: Realtime URL builder cannot produce Azure's ?intent=transcription form",
        "400 at the upgrade",
        "the URL has neither a deployment nor intent=transcription",
        no_operation,
        ("intent=transcription",),
        wrong_deployment,
        "the deployment does not exist",
        ("intent=transcription",),
        ("credential", "key belongs"),
    ),
    Report(
        "az-kind-of-subscription",
        "credentials",
        "Azure-Samples/cognitive-services-speech-sdk#41",
        "All samples error out with WebSocket Upgrade failed with an authentication error (403)",
        "403 with a valid key",
        "the key is of another kind of resource",
        other_kind_of_subscription,
        ("kind of subscription",),
        azure_transcribed,
        "the key is of the right kind",
        ("subscription",),
    ),
    Report(
        "az-en-za",
        "parameter",
        "Azure-Samples/cognitive-services-speech-sdk#53",
        "en-ZA language does not seem to work",
        "400 with one language, success with another",
        "the service does not know the language",
        unknown_locale,
        ("en-za", "language"),
        azure_transcribed,
        "a language that the service knows",
        ("en-za",),
        ("credential",),
    ),
    Report(
        "dg-no-space",
        "credentials",
        "deepgram/deepgram-js-sdk#321",
        "STT is broken in 3.4.0 and up (returns 401 error)",
        "401 since an update of the SDK; the key is valid",
        "the subprotocols have no space after the comma, which the service needed then",
        subprotocols_without_space,
        ("401|not accept|credential", "space"),
        key_as_subprotocol,
        "there is a space",
        (r"\bspace\b",),
        ("quota",),
    ),
]
