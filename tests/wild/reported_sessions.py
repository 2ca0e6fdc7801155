"""Reports about timeouts, limits of sessions, faults of servers, missing ends and good sessions."""

from __future__ import annotations

import json

from bug_report import Report
from provider_sessions import (
    answered,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    elevenlabs_audio,
    elevenlabs_tts,
    gemini_audio,
    gemini_ready,
    gemini_says,
    listening,
    openai_error,
    pcm,
    realtime,
    response_done,
    speechmatics,
    speechmatics_final,
    spoken_turn,
)
from reported_access import cartesia_good, speechmatics_good
from reported_audio import NET_0001, NO_AUDIO_LATER
from wire_session import WireSession

SIXTY_MINUTES = "Your session hit the maximum duration of 60 minutes."
DEADLINE = "Deadline expired before operation could complete."
EXHAUSTED = (
    "Request trace id: a7393b0b090c3a69, [ORIGINAL ERROR] generic::resource_exhausted: "
    "com.google.cloud.privacy.dlp.common.excep"
)
NO_TEXT = (
    "Have not received a new text input within the timeout of 20 seconds. Streaming input "
    "terminated. Please make sure to eit"
)
SORRY = "We are sorry, something went wrong. You are not charged for this request."
ACTIVE = (
    "Conversation already has an active response in progress: resp_1. Wait until the response is "
    "finished before creating a new one."
)
PING_TIMEOUT = "keepalive ping timeout"


def realtime_for_an_hour() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    for _ in range(59):
        session.stream([bytes(4800)], 60.0, _append)
    return session.server_closes(1001, SIXTY_MINUTES, after=50.0)


def _append(data: bytes) -> dict[str, str]:
    return {"type": "input_audio_buffer.append", "audio": b64(data)}


def realtime_server_leaves() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    return session.server_closes(1001, after=3.0)


def gemini_ten_minutes() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    gemini_says(session.wait(0.3))
    session.stream([bytes(3200)] * 9, 60.0, gemini_audio)
    session.server(json.dumps({"goAway": {"timeLeft": "50s"}}).encode())
    session.stream([bytes(3200)] * 5, 10.0, gemini_audio)
    return session.server_closes(1011, DEADLINE)


def gemini_exhausted() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    return session.server_closes(1011, EXHAUSTED)


def elevenlabs_no_text() -> WireSession:
    session = elevenlabs_tts().app({"text": "Good morning. ", "flush": True})
    session.stream(chunks(pcm(1.0, 24_000), 9600), 0.02, elevenlabs_audio, from_client=False)
    return session.server_closes(1008, NO_TEXT, after=20.0)


def elevenlabs_sorry() -> WireSession:
    session = elevenlabs_tts().app({"text": "Good morning. ", "flush": True})
    return session.server_closes(1008, SORRY, after=1.0)


def elevenlabs_good() -> WireSession:
    session = elevenlabs_tts().app({"text": "Good morning. "}, {"text": ""})
    session.stream(chunks(pcm(1.0, 24_000), 9600), 0.02, elevenlabs_audio, from_client=False)
    return session.server({"audio": None, "isFinal": True}).server_closes(1000)


def cartesia_idle() -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("ctx-1"))
    return cartesia_says(session.wait(0.1), "ctx-1").server_closes(1000, after=300.0)


def deepgram_thread_blocked() -> WireSession:
    session = listening().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(deepgram_result("good morning", 0.0, 3.0))
    return session.server_closes(1011, NET_0001, after=10.1)


def deepgram_kept_alive() -> WireSession:
    session = listening().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(deepgram_result("good morning", 0.0, 3.0))
    for _ in range(4):
        session.app({"type": "KeepAlive"}, after=4.0)
    session.app({"type": "CloseStream"}).server(deepgram_metadata(3.0))
    return session.server_closes(1000)


def speechmatics_leaves_early() -> WireSession:
    session = speechmatics().server({"message": "RecognitionStarted", "id": "1"}, after=0.1)
    for number, data in enumerate(chunks(pcm(30.0), 32_000), 1):
        session.app(data, after=0.02).server({"message": "AudioAdded", "seq_no": number})
    session.app({"message": "EndOfStream", "last_seq_no": 30})
    session.server(speechmatics_final("Good morning. ", 0.2, 1.8), after=2.0)
    session.server(speechmatics_final("The parcel. ", 2.0, 3.8), after=4.0)
    return session.app_closes(1000, after=4.0)


def elevenlabs_large_answer() -> WireSession:
    """A client with a limit of 1 MiB for a message."""
    session = elevenlabs_tts().app({"text": "Good morning. " * 40, "flush": True})
    session.server(elevenlabs_audio(pcm(18.0, 24_000)), after=2.0)
    return session.app_closes(1009, "frame exceeds limit of 1048576 bytes")


def elevenlabs_refuses_size() -> WireSession:
    session = elevenlabs_tts().app({"text": "Good morning. " * 5000, "flush": True})
    return session.server_closes(1009, "message too big")


def gemini_pong_late() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.ping(from_client=True, answered=False)
    session.stream(chunks(bytes(3200 * 200), 3200), 0.1, gemini_audio)
    return session.app_closes(1011, PING_TIMEOUT)


def gemini_pinged() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.ping(from_client=True)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    return gemini_says(session.wait(0.3)).app_closes(1000, after=1.0)


def realtime_asked_twice() -> WireSession:
    session = spoken_turn(realtime())
    session.app({"type": "response.create"}, after=0.2)
    session.server(openai_error("conversation_already_has_active_response", ACTIVE))
    answered(session).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def realtime_asked_twice_and_silent() -> WireSession:
    session = spoken_turn(realtime())
    session.app({"type": "response.create"}, after=0.2)
    session.server(openai_error("conversation_already_has_active_response", ACTIVE))
    error = {"type": "server_error", "code": None, "message": "The server had an error."}
    session.server(response_done("failed", {"type": "failed", "error": error}), after=0.5)
    return session.app_closes(1000, after=5.0)


def realtime_cancel_too_late() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    session.app({"type": "response.cancel"}, after=0.1)
    text = "Cancellation failed: no active response found"
    session.server(openai_error("response_cancel_not_active", text))
    return session.app_closes(1000, after=1.0)


def realtime_interrupted() -> WireSession:
    session = answered(spoken_turn(realtime()), 0.5)
    session.server(response_done("cancelled", {"type": "cancelled", "reason": "turn_detected"}))
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "oai-60-minutes",
        "session limit",
        "pollen-robotics/reachy_mini_conversation_app#134",
        "Websocket session hit the maximum duration of 60 minutes",
        "the app throws an exception after an hour",
        "a session may last 60 minutes",
        realtime_for_an_hour,
        ("60 minutes|maximum duration",),
        realtime_server_leaves,
        "1001 without a reason, after a few seconds",
        ("60 minutes", "maximum duration"),
        ("retrying fails",),
    ),
    Report(
        "gem-10-minutes",
        "session limit",
        "google/adk-python#4140",
        "Google ADK Session Resumption Not Working with Gemini Live API",
        "1011 after 10 minutes although resumption is configured",
        "a connection may last 10 minutes; the server announces it with `goAway`",
        gemini_ten_minutes,
        ("goAway|deadline|going away|announced",),
        gemini_exhausted,
        "1011 with another reason, after a few seconds",
        ("goAway", "deadline"),
        ("unexpected condition",),
    ),
    Report(
        "gem-resource-exhausted",
        "server fault",
        "pipecat-ai/pipecat#976",
        "I have used pipecat for several months, stability is always a problem",
        "conversations end with 1011 at random",
        "the provider's own resources are exhausted",
        gemini_exhausted,
        ("resource_exhausted",),
        gemini_ten_minutes,
        "1011 with another reason",
        ("exhausted",),
        ("unexpected condition", "your quota"),
    ),
    Report(
        "xi-no-text-20s",
        "timeout",
        "elevenlabs/elevenlabs-docs#426",
        "Wrong warning message",
        "1008 with a reason that ends in the middle of a word",
        "no text was sent for 20 seconds; a close reason has room for 123 bytes",
        elevenlabs_no_text,
        ("text", r"20 ?s|20 seconds"),
        elevenlabs_sorry,
        "1008 with another reason",
        ("20 seconds", "timeout"),
        ("policy of the peer", "policy was violated"),
    ),
    Report(
        "xi-something-went-wrong",
        "server fault",
        "pipecat-ai/pipecat#1426",
        "non-reproducable Elevenlabs policy violation errors",
        "1008, which the client calls a policy violation",
        "a fault of the service",
        elevenlabs_sorry,
        ("something went wrong",),
        elevenlabs_no_text,
        "1008 with another reason",
        ("something went wrong",),
        ("policy of the peer", "policy was violated"),
    ),
    Report(
        "ca-idle-5-minutes",
        "timeout",
        "livekit/agents#2281",
        "Neuphonic and Cartesia websockets raise an error after long periods of silence",
        "the first sentence after a long pause fails, the next one works",
        "the server ends a connection without messages for 5 minutes; the pool keeps it",
        cartesia_idle,
        (r"idle|inactiv|no message|sent nothing|silence|30\d(\.\d)? s.* (last|silen)",),
        cartesia_good,
        "the app closes after the last sentence",
        ("idle", "inactiv"),
        complete=True,
    ),
    Report(
        "dg-blocked-thread",
        "keepalive",
        "deepgram/deepgram-python-sdk#478",
        "keepalive is not working as expected with asyncwebsocket",
        "1011 NET-0001 although keepalive is switched on",
        "the thread that sends audio and KeepAlive messages is blocked",
        deepgram_thread_blocked,
        ("stopped|no audio .*10", "audio"),
        deepgram_kept_alive,
        "KeepAlive messages are sent during the pause",
        ("no audio reached", "NET-0001"),
        (NO_AUDIO_LATER,),
    ),
    Report(
        "sm-no-end-of-transcript",
        "missing end",
        "speechmatics/speechmatics-js-sdk#111",
        "RT: Add option to disable timeout on `stopRecognition()`",
        "the end of the transcript of a file is missing",
        "the client waits 10 seconds after EndOfStream and leaves before EndOfTranscript",
        speechmatics_leaves_early,
        ("EndOfTranscript",),
        speechmatics_good,
        "the client waits for it",
        ("EndOfTranscript",),
    ),
    Report(
        "xi-client-1009",
        "client library",
        "elevenlabs/elevenlabs-python#586",
        'Misleading "Message Too Big" (1009) Error',
        "1009 (message too big), which seems to come from the service",
        "the client's library closes: a message is larger than its limit of 1 MiB",
        elevenlabs_large_answer,
        ("app|client", r"1009|too big|limit|1048576"),
        elevenlabs_refuses_size,
        "the server closes with 1009",
        ("the app closed", "the app's"),
        ("ElevenLabs closed", "server refused"),
    ),
    Report(
        "gem-pong-late",
        "client library",
        "aicc2025/sip-to-ai#14",
        "keep Gemini Live calls alive across connection drops",
        "calls end with 1011 keepalive ping timeout",
        "the client's library closes: it waits 20 seconds for a Pong",
        gemini_pong_late,
        ("ping", "app|client"),
        gemini_pinged,
        "the Pong comes",
        ("ping timeout", "no pong"),
        ("unexpected condition", "Gemini closed"),
    ),
    Report(
        "oai-active-response",
        "good session",
        "openai/openai-agents-python#1466",
        "Conversation already has an active response in progress",
        "an error event, taken for the end of the conversation",
        "nothing: the session goes on, the answer comes",
        realtime_asked_twice,
        ("active response|no problems|well|succeeded",),
        realtime_asked_twice_and_silent,
        "the response fails",
        ("all went well", "no problems found", "succeeded"),
        ("retrying fails", "the session failed"),
        fine=True,
    ),
    Report(
        "oai-cancel-not-active",
        "good session",
        "openai/openai-agents-js#220",
        "fix(realtime-ws): stop accidental cancellation error",
        "an error event after each interruption",
        "nothing: the response had ended before it was cancelled",
        realtime_cancel_too_late,
        (r"cancel|no problems|well|succeeded",),
        realtime_asked_twice_and_silent,
        "the response fails",
        ("all went well", "no problems found", "succeeded"),
        ("the session failed",),
        fine=True,
    ),
    Report(
        "oai-interrupted",
        "good session",
        "livekit/agents#2967",
        "correctly emit errors when the response is done",
        "`response.done` without status completed, taken for a failure",
        "nothing: the user interrupts the agent, which is cancelled, then answers",
        realtime_interrupted,
        ("no problems|well|succeeded|no error|closed normally",),
        realtime_asked_twice_and_silent,
        "the response fails",
        ("all went well", "no problems found", "succeeded"),
        ("failed",),
        fine=True,
    ),
    Report(
        "dg-closed-ok",
        "good session",
        "deepgram/deepgram-python-sdk#127",
        "LiveTranscription",
        "an exception ConnectionClosedOK in the log",
        "nothing: the stream was ended with 1000; the client sends once more",
        deepgram_good,
        ("no problems|well|succeeded|closed normally",),
        deepgram_thread_blocked,
        "the stream times out",
        ("all went well", "no problems found", "succeeded"),
        ("failed",),
        fine=True,
    ),
]
