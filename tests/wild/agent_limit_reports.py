"""Reports about what other voice agents and speech output refuse, leave out, or end."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import agent as deepgram_agent
from deepgram_reports import agent_good as deepgram_agent_good
from deepgram_reports import agent_settings
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import agent_good as elevenlabs_agent_good
from elevenlabs_reports import greets
from provider_sessions import (
    AZURE_KEY,
    HELLO,
    OPENAI_KEY,
    Json,
    azure_audio,
    azure_message,
    azure_speaking,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    elevenlabs,
    gemini,
    gemini_audio,
    gemini_content,
    gemini_good,
    gemini_ready,
    gemini_says,
    openai_good,
    pcm,
)
from tool_call_reports import TOOLS
from wire_session import WireSession

INVALID_ARGUMENT = "Request contains an invalid argument."
LEAKED = "Your API key was reported as leaked. Please use another API key."
DEADLINE = "Deadline expired before operation could complete."
EXPIRED = "API key expired. Please renew the API key."
ABORTED = "The operation was aborted"
QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to:"
)
AGENT_QUOTA = "received 1002 (protocol error) This request exceeds your quota limit."
NO_VARIABLE = "Missing required dynamic variables in first message: {'username'}"
THINK_WARNING = "The think provider's request failed."
THINK_FAILED = "Failed to think. Please check your agent.think settings."
STANDARD_VOICE = (
    "Starting September 1st, 2021 standard voices will no longer be supported for new users. "
    "Please use n"
)
THROTTLED = "Throttled due to too many requests"


# -- Gemini Live


def user_turn(session: WireSession, seconds: float = 2.0) -> WireSession:
    session.stream(chunks(pcm(seconds), 3200), 0.1, gemini_audio)
    return session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)


def setup_twice() -> WireSession:
    """A gateway makes a setup of each session.update: the second adds tools."""
    session = gemini_ready().app({"setup": {"model": "models/gemini-2.5-flash", **TOOLS}})
    return session.server_closes(1007, INVALID_ARGUMENT, after=0.1)


def manual_activity(*, signals: bool) -> WireSession:
    detection = {"automaticActivityDetection": {"disabled": True}}
    session = gemini_ready({"realtimeInputConfig": detection})
    if signals:
        session.app({"realtimeInput": {"activityStart": {}}})
    user_turn(session, 4.0)
    if not signals:
        return session.app_closes(1000, after=15.0)
    session.app({"realtimeInput": {"activityEnd": {}}})
    return gemini_says(session.wait(0.3)).app_closes(1000, after=1.0)


def key_is_leaked() -> WireSession:
    return gemini().server_closes(1008, LEAKED, after=0.2)


def key_is_expired() -> WireSession:
    return gemini().server_closes(1007, EXPIRED, after=0.2)


def deadline() -> WireSession:
    session = gemini_says(user_turn(gemini_ready()).wait(0.3))
    gemini_says(user_turn(session.wait(520.0)).wait(0.3))
    session.server(b'{"goAway": {"timeLeft": "50s"}}', after=5.0)
    gemini_says(user_turn(session.wait(20.0)).wait(0.3))
    return session.server_closes(1011, DEADLINE, after=24.0)


def leaves_after_go_away() -> WireSession:
    session = gemini_says(user_turn(gemini_ready()).wait(0.3))
    session.server(b'{"goAway": {"timeLeft": "50s"}}', after=540.0)
    return session.app_closes(1000, after=3.0)


def through_a_gateway(seconds: float) -> WireSession:
    url = "wss://campaign-api.example.com/api/v1/ai/v1/ws/gemini"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 3}).accept()
    session.app({"setup": {"model": "models/gemini-2.5-flash-native-audio-preview-12-2025"}})
    session.server(b'{"setupComplete": {}}', after=0.1)
    gemini_says(user_turn(session).wait(0.3))
    gemini_says(user_turn(session.wait(60.0)).wait(0.3))
    return session.wait(seconds - session.now)


def aborted_at_150_s() -> WireSession:
    return through_a_gateway(150.0).server_closes(1008, ABORTED)


def ends_before_150_s() -> WireSession:
    return through_a_gateway(100.0).app_closes(1000)


def declared_as_16k(rate: int) -> WireSession:
    """Audio of this rate, in real time; its mimeType says 16 kHz."""
    session = gemini_ready({"inputAudioTranscription": {}})
    for _ in range(2):
        session.stream(chunks(pcm(4.0, rate), rate // 5), 0.1, gemini_audio)
        session.stream(chunks(bytes(rate), rate // 5), 0.1, gemini_audio)
        session.server(gemini_content({"inputTranscription": {"text": "Mm."}}), after=0.2)
        gemini_says(session)
    return session.app_closes(1000, after=1.0)


def search_without_quota() -> WireSession:
    return gemini(setup={"tools": [{"googleSearch": {}}]}).server_closes(1011, QUOTA, after=0.3)


# -- ElevenLabs agents


def agent_without_quota() -> WireSession:
    session = greets(elevenlabs_agent())
    return session.server({"type": "error", "message": AGENT_QUOTA}, after=3.0).server_closes(1000)


def agent_ends_the_call() -> WireSession:
    return greets(elevenlabs_agent()).server_closes(1000, after=3.0)


def variable_missing(variables: Json | None = None) -> WireSession:
    query = "agent_id=agent_0123456789abcdef&token=" + "Synthetic0" * 4
    session = elevenlabs("convai/conversation", query)
    data: Json = {"type": "conversation_initiation_client_data"}
    session.app(data | ({"dynamic_variables": variables} if variables else {}))
    return session.server_closes(1008, NO_VARIABLE, after=0.2)


# -- Deepgram's agent


def think_settings() -> Json:
    settings = agent_settings()
    provider = {"type": "groq", "model": "openai/gpt-oss-20b", "reasoning_mode": "none"}
    endpoint = {"url": "https://api.groq.com/openai/v1/chat/completions"}
    settings["agent"]["think"] = {"provider": provider, "endpoint": endpoint, "prompt": "Hi"}
    return settings


def think_fails() -> WireSession:
    session = deepgram_agent().app(think_settings()).server({"type": "SettingsApplied"}, after=0.1)
    session.app({"type": "InjectUserMessage", "content": "What is the capital of France?"})
    session.server({"type": "ConversationText", "role": "user", "content": "What is the capital"})
    warning = {"type": "Warning", "code": "THINK_REQUEST_FAILED", "description": THINK_WARNING}
    session.server(warning, after=0.6)
    session.server(
        {"type": "Error", "code": "FAILED_TO_THINK", "description": THINK_FAILED}, after=0.3
    )
    return session.server_closes(None)


def function_called(*, answered: bool) -> WireSession:
    settings = agent_settings()
    function = {"name": "get_weather", "description": "The weather.", "parameters": {}}
    settings["agent"]["think"]["functions"] = [function]
    session = deepgram_agent().app(settings).server({"type": "SettingsApplied"}, after=0.1)
    session.stream(chunks(pcm(2.0), 3200), 0.1).stream(chunks(bytes(16_000), 3200), 0.1)
    session.server({"type": "UserStartedSpeaking"})
    session.server({"type": "ConversationText", "role": "user", "content": HELLO}, after=0.2)
    call = {"id": "fc_1", "name": "get_weather", "arguments": "{}", "client_side": True}
    session.server({"type": "FunctionCallRequest", "functions": [call]}, after=0.5)
    if not answered:
        session.stream(chunks(bytes(32_000 * 15), 3200), 0.1)
        return session.app_closes(1000)
    answer = {"type": "FunctionCallResponse", "id": "fc_1", "name": "get_weather", "content": "4"}
    session.app(answer, after=0.3)
    session.server({"type": "ConversationText", "role": "assistant", "content": "Four."}, after=0.4)
    session.stream(chunks(pcm(1.5, 24_000), 9600), 0.01, from_client=False)
    return session.server({"type": "AgentAudioDone"}).app_closes(1000, after=2.0)


# -- Cartesia


def cartesia_stops(*, stops: bool = True) -> WireSession:
    """The third context gets some chunks of audio, and no done."""
    session = cartesia_tts().accept()
    for number in range(2):
        session.app(cartesia_text(f"ctx-{number}"), after=1.0)
        cartesia_says(session, f"ctx-{number}")
    session.app(cartesia_text("ctx-2"), after=1.0)
    if not stops:
        return cartesia_says(session, "ctx-2").app_closes(1000, after=2.0)
    for data in chunks(pcm(0.6, 24_000), 9600):
        chunk = {"type": "chunk", "context_id": "ctx-2", "data": b64(data), "done": False}
        session.server({**chunk, "status_code": 206, "step_time": 20.0}, after=0.05)
    return session.app_closes(1000, after=20.0)


def cartesia_is_gone(*, gone: bool = True) -> WireSession:
    """The connection ends as the text of the second answer is sent."""
    session = cartesia_tts().accept()
    session.app(cartesia_text("ctx-1"))
    cartesia_says(session.wait(0.1), "ctx-1")
    session.app(cartesia_text("ctx-2"), after=25.0)
    if gone:
        return session.drop(by_client=False, after=0.005).drop(by_client=True)
    return cartesia_says(session.wait(0.1), "ctx-2").app_closes(1000, after=1.0)


# -- Azure


def azure_deployments_path(key: str = "api-key") -> WireSession:
    query = "model=gpt-4o-realtime&api-version=2024-10-01-preview&deployment=gpt-4o-realtime"
    path = f"/openai/deployments/my-realtime/realtime?{query}"
    url = f"wss://contoso-voice.openai.azure.com{path}"
    session = WireSession(url, {key: AZURE_KEY if key == "api-key" else f"Bearer {OPENAI_KEY}"})
    body = {"error": {"code": "404", "message": "Resource not found"}}
    return session.refuse(404, "Resource Not Found", body, {"apim-request-id": "1"})


def azure_speech_closes(reason: str, *, voice: str = "en-US-AriaNeural") -> WireSession:
    session = azure_speaking(voice)
    session.server(azure_message("turn.start", {"context": {"serviceTag": "1"}}), after=0.1)
    return session.server_closes(1007, reason, after=0.1)


def azure_speaks() -> WireSession:
    session = azure_speaking("en-US-AriaNeural")
    session.server(azure_message("turn.start", {"context": {"serviceTag": "1"}}), after=0.1)
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server(azure_audio(data), after=0.02)
    return session.server(azure_message("turn.end", {})).app_closes(1000, after=0.5)


POLICY = ("policy of the peer", "policy was violated")
UTF_8 = ("UTF-8", "not valid text")

REPORTS = [
    Report(
        "gem-setup-twice",
        "message order",
        "BerriAI/litellm#31494",
        "fix: gemini realtime double setup",
        "silence after the first response; 1007",
        "a second setup is sent: it may be the first message only",
        setup_twice,
        ("setup", "second|twice|again|once|first message"),
        gemini_good,
        "one setup",
        ("second setup", "twice"),
        UTF_8,
    ),
    Report(
        "gem-manual-activity",
        "message order",
        "pipecat-ai/pipecat#4146",
        "Fix Gemini Live local VAD by sending correct activity events to server",
        "the agent never answers",
        "the server's detection is off, and the app sends neither activityStart nor activityEnd",
        lambda: manual_activity(signals=False),
        ("activity(Start|End)",),
        lambda: manual_activity(signals=True),
        "the app sends both",
        ("activity(Start|End)",),
        ("fault of the server",),
    ),
    Report(
        "gem-leaked-key",
        "credentials",
        "googleapis/python-genai#1710",
        "Gemini Live API rejects valid API key for 2.5 Flash Native Audio model",
        "1008 at once; another model works",
        "the key was reported as leaked",
        key_is_leaked,
        ("leaked",),
        gemini_good,
        "another key",
        ("leaked",),
        POLICY,
    ),
    Report(
        "gem-expired-key-1007",
        "credentials",
        "yagudaev/voiceclaw#155",
        "Surface Gemini close reason in setup-failure errors",
        "1007 during the setup",
        "the key has expired",
        key_is_expired,
        ("key expired|key has expired",),
        gemini_good,
        "a key that has not expired",
        ("expired",),
        UTF_8,
    ),
    Report(
        "gem-deadline-announced",
        "session limit",
        "kizuna-ai-lab/sokuji#179",
        "feat(gemini): Auto-reconnect on session timeout with session resumption",
        "the translation turns off every seven to ten minutes",
        "the longest time of a connection, which goAway announced",
        deadline,
        ("goAway|announced|longest|limit",),
        leaves_after_go_away,
        "the app ends the session when it is announced",
        ("deadline expired",),
        complete=True,
    ),
    Report(
        "gem-gateway-150-s",
        "unknown",
        "autonomous-ai/autonomous-os#238",
        "Gemini Live WS is terminated at exactly 150s in the campaign-api path",
        "1008 in the middle of a conversation",
        "a limit of the gateway's own",
        aborted_at_150_s,
        ("operation was aborted",),
        ends_before_150_s,
        "the app ends the session before",
        ("aborted",),
        POLICY,
        complete=True,
    ),
    Report(
        "gem-24k-as-16k",
        "format",
        "BerriAI/litellm#40617",
        "fix(gemini/vertex realtime): declare the real input audio sample rate",
        "wrong words are heard",
        "audio of 24 kHz, and a mimeType that says 16 kHz",
        lambda: declared_as_16k(24_000),
        ("16,?000|16 kHz", "24,?000|24 kHz"),
        lambda: declared_as_16k(16_000),
        "audio of 16 kHz",
        ("24,?000", "24 kHz"),
    ),
    Report(
        "gem-search-quota",
        "quota",
        "sohzm/cheating-daddy#477",
        "Session closed on 0.8.0",
        "each session is closed as soon as it starts",
        "searching is enabled, for which the free plan has no quota",
        search_without_quota,
        ("exceeded your current quota",),
        gemini_good,
        "no search",
        ("quota",),
        ("the service failed", "fault of the server"),
    ),
    Report(
        "xi-agent-quota-exceeded",
        "quota",
        "elevenlabs/packages#911",
        "Quota-exceeded terminations never reach onError",
        "the agent says its greeting, and the conversation ends",
        "the quota of the workspace is used up",
        agent_without_quota,
        ("exceeds your quota",),
        agent_ends_the_call,
        "the agent ends the call",
        ("quota",),
        ("violated the protocol", "protocol violation"),
    ),
    Report(
        "xi-agent-variable",
        "parameter",
        "simliai/create-simli-app-elevenlabs#1",
        "Unable to pass dynamic variables",
        "the server disconnects as soon as the agent has a variable",
        "the app does not send the variable that the first message needs",
        variable_missing,
        ("dynamic variables", "username"),
        elevenlabs_agent_good,
        "an agent without variables",
        ("dynamic variables",),
        POLICY,
    ),
    Report(
        "dga-think-fails",
        "server fault",
        "deepgram/deepgram-python-sdk#762",
        "[Docs]: reasoning_mode is undocumented, and two of its five accepted values fail",
        "no answer; a warning and an error",
        "the provider of the model refuses the request",
        think_fails,
        ("think",),
        deepgram_agent_good,
        "another model",
        ("failed to think", "FAILED_TO_THINK"),
        ("did not accept the credentials",),
    ),
    Report(
        "dga-function-unanswered",
        "missing result",
        "deepgram/dg_react_agent#11",
        "Add onFunctionCall callback for client-side function calling",
        "the agent falls silent when it calls a function",
        "the app does not answer the function call",
        lambda: function_called(answered=False),
        ("function call", "get_weather"),
        lambda: function_called(answered=True),
        "the app answers",
        ("not answered", "no answer"),
    ),
    Report(
        "ca-no-done",
        "missing end",
        "livekit/agents-js#681",
        "brian/fix-cartesia-tts-chunk-timeout",
        "one answer is never finished, and all later ones wait",
        "audio stops within an answer, and done is never sent",
        cartesia_stops,
        ("done|not (been )?(finished|completed)|stopped|breaks off|incomplete",),
        lambda: cartesia_stops(stops=False),
        "done is sent",
        ("never finished", "without done", "not complete"),
    ),
    Report(
        "ca-gone-in-flight",
        "network",
        "pipecat-ai/pipecat#5361",
        "fix(cartesia): retain and replay in-flight TTS transcripts across a websocket reconnect",
        "an answer is never spoken",
        "the connection ends without a Close after its text was sent",
        cartesia_is_gone,
        ("without a Close|without closing|no Close|ended|reset",),
        lambda: cartesia_is_gone(gone=False),
        "the connection holds",
        ("without a Close",),
        ("inactiv", "idle"),
    ),
    Report(
        "azure-deployments-path",
        "parameter",
        "openai/openai-python#2120",
        "Azure Realtime API URL is generated wrong based on a endpoint",
        "404 on the upgrade",
        "the path has /deployments/, as the other APIs of this service have it",
        azure_deployments_path,
        ("404", "path|address|deployments"),
        openai_good,
        "another service",
        ("404",),
        ("did not accept the credentials", "does not exist.*model"),
    ),
    Report(
        "azure-standard-voice",
        "model",
        "Azure-Samples/cognitive-services-speech-sdk#1268",
        "Starting September 1st, 2021 standard voices will no longer be supported for new users",
        "1007, no audio",
        "the SSML names a standard voice, which the service no longer has",
        lambda: azure_speech_closes(STANDARD_VOICE, voice="en-US-AriaRUS"),
        ("standard voices",),
        azure_speaks,
        "a neural voice",
        ("standard voices",),
        UTF_8,
    ),
    Report(
        "azure-throttled",
        "rate limit",
        "Azure-Samples/cognitive-services-speech-sdk#1075",
        "Text To Speech (SSML) not working anymore",
        "1007, no audio",
        "too many requests",
        lambda: azure_speech_closes(THROTTLED),
        ("too many requests",),
        azure_speaks,
        "not too many",
        ("too many requests",),
        UTF_8,
    ),
]
