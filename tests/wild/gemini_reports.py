"""Further reports about Gemini Live, judged before anything was changed for them."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    NATIVE_AUDIO,
    chunks,
    gemini,
    gemini_audio,
    gemini_good,
    gemini_ready,
    gemini_says,
    pcm,
)
from reported_access import gemini_closed
from wire_session import WireSession

INTERNAL = "Internal error occurred."
INVALID_ARGUMENT = "Request contains an invalid argument."
NO_AUDIO_MODEL = (
    "The audio content type (CONTENT_TYPE_AUDIO) is not supported for this model configuration."
)
NO_VOICES = "Cannot extract voices from a non-audio request."
TWO_MODALITIES = (
    "Request trace id: 4ad28f357e6c292e, [ORIGINAL ERROR] generic::invalid_argument: Error in "
    "program Instantiation for language"
)
NO_PROJECT = "Permission denied on resource project None."
RESOURCE_FIELD = "Invalid resource field value in the request."
VERTEX = (
    "wss://us-central1-aiplatform.googleapis.com/ws/"
    "google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
)


def talking(seconds: float = 2.0) -> WireSession:
    """A turn that is answered; the user goes on."""
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    gemini_says(session.wait(0.3))
    return session.stream(chunks(pcm(seconds), 3200), 0.1, gemini_audio)


def internal_error() -> WireSession:
    return talking().server_closes(1011, INTERNAL)


def invalid_argument() -> WireSession:
    return talking(0.4).server_closes(1007, INVALID_ARGUMENT)


def closed_before_setup() -> WireSession:
    return gemini("models/gemini-3-flash-live-preview").server_closes(1000, after=0.2)


def deaf() -> WireSession:
    """The setup is complete, and nothing comes any more."""
    session = gemini_ready().stream(chunks(pcm(6.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(160_000), 3200), 0.1, gemini_audio)
    return session.app_closes(1000, after=10.0)


def no_audio_model() -> WireSession:
    return talking().server_closes(1007, NO_AUDIO_MODEL)


def text_of_native_audio() -> WireSession:
    setup = {"generationConfig": {"responseModalities": ["TEXT"]}}
    return gemini(NATIVE_AUDIO, setup).server_closes(1007, NO_VOICES, after=0.1)


def both_modalities() -> WireSession:
    setup = {"generationConfig": {"responseModalities": ["AUDIO", "TEXT"]}}
    return gemini("models/gemini-2.0-flash-exp", setup).server_closes(
        1007, TWO_MODALITIES[:123], after=0.1
    )


def vertex(model: str) -> WireSession:
    session = WireSession(VERTEX, {"Authorization": "Bearer " + "Synthetic0" * 8}).accept()
    setup = {"model": model, "generationConfig": {"responseModalities": ["AUDIO"]}}
    return session.app({"setup": setup})


def vertex_without_project() -> WireSession:
    model = "projects/None/locations/us-central1/publishers/google/models/gemini-live-2.5-flash"
    return vertex(model).server_closes(1008, NO_PROJECT, after=0.1)


def vertex_bare_1008() -> WireSession:
    model = "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash-native"
    return vertex(model).server_closes(1008, after=0.1)


def doubled_model_path() -> WireSession:
    model = "models/projects/p/locations/us-central1/publishers/google/models/gemini-2.0-flash-live"
    return gemini(model).server_closes(1007, RESOURCE_FIELD, after=0.1)


def closes(code: int, reason: str = "") -> WireSession:
    return gemini_closed(code, reason)


WORDS_OF_RFC = ("UTF-8", "not valid text", "binary frame")
POLICY = ("policy of the peer", "policy was violated")

REPORTS = [
    Report(
        "gem-internal-1011",
        "server fault",
        "livekit/agents#2274",
        "WebSocket closes with code 1011 when using google.beta.realtime.RealtimeModel",
        "1011 in the middle of a conversation",
        "an internal error of the service",
        internal_error,
        ("internal error",),
        invalid_argument,
        "1007",
        ("internal error",),
    ),
    Report(
        "gem-1007-reconnects",
        "parameter",
        "yagudaev/voiceclaw#397",
        "drop stale audio queue on Gemini 1007 close to break reconnect loop",
        "1007 in the middle of a conversation, and again after each reconnect",
        "not known; the server says that the request contains an invalid argument",
        invalid_argument,
        ("invalid argument",),
        internal_error,
        "1011",
        ("invalid argument",),
        WORDS_OF_RFC,
    ),
    Report(
        "gem-closed-in-setup",
        "unknown",
        "google-gemini/gemini-cli#27178",
        "Voice Mode fails with 'Connection Closed. Code: 1000' despite correct audio format",
        "1000 without a reason",
        "not known; the server closes before setupComplete, at this model's setup",
        closed_before_setup,
        ("setupComplete|before it was ready|before the session was ready|never (reported|ready)",),
        gemini_good,
        "setupComplete comes",
        ("setupComplete",),
    ),
    Report(
        "gem-deaf",
        "missing result",
        "googleapis/js-genai#840",
        'No Response from Websocket after "Setup Complete" Message',
        "no message after setupComplete",
        "not known: audible speech is sent and nothing is answered",
        deaf,
        ("did not answer|no answer|not answered",),
        gemini_good,
        "the agent answers",
        ("did not answer",),
    ),
    Report(
        "gem-no-audio-model",
        "model",
        "hkjarral/AVA-AI-Voice-Agent-for-Asterisk#541",
        "The audio content type (CONTENT_TYPE_AUDIO) is not supported",
        "1007 after 36 seconds of a call",
        "the model's configuration does not take audio",
        no_audio_model,
        ("audio content type|CONTENT_TYPE_AUDIO", "not supported"),
        invalid_argument,
        "1007 with another reason",
        ("CONTENT_TYPE",),
        WORDS_OF_RFC,
    ),
    Report(
        "gem-text-of-native-audio",
        "parameter",
        "livekit/livekit#4103",
        "Unable to use modalities for Gemini 2.5 flash native audio model",
        "1007 as soon as the session is set up",
        "a native audio model is asked for text",
        text_of_native_audio,
        ("non-audio request|voices", "modalit|TEXT|native"),
        gemini_good,
        "it is asked for audio",
        ("voices", "1007"),
        WORDS_OF_RFC,
    ),
    Report(
        "gem-two-modalities",
        "parameter",
        "google-gemini/cookbook#379",
        "Two outputs from gemini-2.0-flash",
        "1007 as soon as the session is set up",
        "both audio and text are asked for; one of them is possible",
        both_modalities,
        ("program Instantiation", "modalit|AUDIO.{0,6}TEXT"),
        gemini_good,
        "one is asked for",
        ("Instantiation",),
        WORDS_OF_RFC,
    ),
    Report(
        "gem-project-none",
        "credentials",
        "GoogleCloudPlatform/generative-ai#3061",
        "[Bug]: gemini-live-2.5-flash-native-audio",
        "1008, which the client calls a policy violation",
        "the project is not set: its name is None",
        vertex_without_project,
        ("permission denied", "project None"),
        gemini_good,
        "a key of another API",
        ("permission",),
        POLICY,
    ),
    Report(
        "gem-model-path-twice",
        "parameter",
        "mastra-ai/mastra#10257",
        "GeminiLiveVoice Vertex AI WebSocket Connection Fails",
        "1007 as soon as the session is set up",
        "the model's path has the prefix models/ in front of projects/",
        doubled_model_path,
        ("Invalid resource field value",),
        gemini_good,
        "a model's name",
        ("resource field",),
        WORDS_OF_RFC,
    ),
    Report(
        "gem-vertex-bare-1008",
        "unknown",
        "livekit/livekit#4026",
        "Google Native Audio Model Support for Vertex",
        "1008 without a reason",
        "not known; the server gives no reason",
        vertex_bare_1008,
        ("1008",),
        gemini_good,
        "the session works",
        ("1008",),
    ),
]
