"""Sessions that end with 1000: in `FAILED` something failed that the wire shows, in `GOOD` nothing.

The sentences are of no service; they avoid the words that the catalog classifies errors by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elevenlabs_reports import agent, greets, user_speaks
from provider_reports import gladia, gladia_final, soniox_stt, tokens
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    answered,
    append,
    aws_audio,
    aws_transcript,
    azure_audio,
    azure_listening,
    azure_message,
    azure_phrase,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    deepgram_result,
    elevenlabs_audio,
    elevenlabs_tts,
    gemini_audio,
    gemini_ready,
    gemini_says,
    listening,
    pcm,
    realtime,
    response_done,
    scribe,
    scribe_audio,
    speechmatics,
    speechmatics_final,
    transcribe,
    watson_listening,
    watson_result,
)
from wire_session import WireSession

Json = dict[str, Any]
Make = Callable[[], WireSession]


# -- known APIs


def deepgram_closes(reason: str) -> WireSession:
    """Words came; the server closes with this reason in the middle of the speech."""
    session = listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0))
    return session.stream(chunks(pcm(2.0), 3200), 0.1).server_closes(1000, reason)


def openai_closes(reason: str) -> WireSession:
    session = realtime().stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    answered(session).server(response_done("completed"))
    return session.server_closes(1000, reason, after=0.5)


def azure_second_phrase(status: str, text: str) -> WireSession:
    session = azure_listening().stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
    session.server(azure_phrase("Success", HELLO))
    session.stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
    session.server(azure_phrase(status, text)).app(azure_audio(b""))
    return session.server(azure_message("turn.end", {})).app_closes(1000)


def soniox_then(last: Json) -> WireSession:
    session = soniox_stt().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(tokens(HELLO, 2000)).stream(chunks(pcm(1.0), 3200), 0.1)
    return session.server(last).server_closes(1000)


def gladia_then(last: Json) -> WireSession:
    session = gladia().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(gladia_final(HELLO)).app({"type": "stop_recording"})
    return session.server(last).server_closes(1000)


def speechmatics_then(last: Json) -> WireSession:
    session = speechmatics().server({"message": "RecognitionStarted", "id": REQUEST_ID})
    session.stream(chunks(pcm(3.0), 3200), 0.1).server(speechmatics_final(HELLO, 0.2, 2.8))
    session.server(last).app({"message": "EndOfStream", "last_seq_no": 30})
    return session.server({"message": "EndOfTranscript"}, after=0.3).app_closes(1000)


def cartesia_second(last: Json) -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("one"))
    cartesia_says(session, "one").app(cartesia_text("two"))
    return session.server(last).app_closes(1000, after=1.0)


def cartesia_two() -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("one"))
    cartesia_says(session, "one").app(cartesia_text("two"))
    return cartesia_says(session, "two").app_closes(1000, after=1.0)


def elevenlabs_then(last: Json) -> WireSession:
    session = elevenlabs_tts().app({"text": HELLO}, {"text": ""})
    session.stream(chunks(pcm(1.5, 24_000), 9600), 0.02, elevenlabs_audio, from_client=False)
    return session.server(last).server_closes(1000)


def scribe_then(last: Json) -> WireSession:
    session = scribe().stream(chunks(pcm(2.0), 3200), 0.1, scribe_audio)
    session.server({"message_type": "committed_transcript", "text": HELLO})
    return session.server(last).app_closes(1000, after=1.0)


def watson_then(last: Json) -> WireSession:
    session = watson_listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(watson_result("good morning ")).app({"action": "stop"})
    return session.server(last).app_closes(1000, after=0.5)


def aws_closes(reason: str) -> WireSession:
    session = transcribe().stream(chunks(pcm(2.0), 3200), 0.1, aws_audio)
    session.server(aws_transcript(HELLO)).app(aws_audio(b""))
    return session.server_closes(1000, reason)


def gemini_closes(reason: str) -> WireSession:
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    return gemini_says(session.wait(0.3)).server_closes(1000, reason, after=1.0)


def elevenlabs_agent_then(last: Json) -> WireSession:
    session = user_speaks(greets(agent()))
    session.server(last)
    return session.app_closes(1000, after=1.0)


# -- servers that no catalog knows


def own(*messages: Any, reason: str = "", by_app: bool = False, words: bool = True) -> WireSession:
    session = WireSession("ws://asr.example.net:9090/stream", agent="asr-client/2").accept()
    session.app({"type": "start", "language": "en", "sample_rate": 16000})
    session.stream(chunks(pcm(3.0), 3200), 0.1)
    if words:
        session.server({"type": "transcript", "text": HELLO, "is_final": True})
    session.server(*messages)
    end = session.app_closes if by_app else session.server_closes
    return end(1000, reason, after=0.2)


FAILED: dict[str, Make] = {
    "dg-reason": lambda: deepgram_closes("Trial period is over"),
    "dg-reason-crash": lambda: deepgram_closes("decoder crashed"),
    "oai-reason": lambda: openai_closes("Upstream speech pipeline died"),
    "aws-reason": lambda: aws_closes("Could not process the remainder of the stream"),
    "gem-reason": lambda: gemini_closes("Operation was aborted."),
    "az-second-phrase": lambda: azure_second_phrase("Error", ""),
    "sx-error-after-words": lambda: soniox_then(
        {"error_code": 503, "error_message": "Cannot continue request. Please restart."}
    ),
    "gl-error-after-words": lambda: gladia_then(
        {"type": "error", "data": {"message": "post processing stage fell over"}}
    ),
    "sm-error-in-session": lambda: speechmatics_then(
        {"message": "Error", "type": "job_error", "reason": "A worker went missing"}
    ),
    "ca-second-context": lambda: cartesia_second(
        {"type": "error", "context_id": "two", "error": "nope", "done": True, "status_code": 500}
    ),
    "xi-error-after-audio": lambda: elevenlabs_then(
        {"error": "synthesis_stage", "message": "The last part could not be spoken", "code": 1000}
    ),
    "scribe-error-after-words": lambda: scribe_then(
        {"message_type": "transcriber_error", "error": "Lost the decoder"}
    ),
    "ibm-error-after-words": lambda: watson_then({"error": "lost connection with the engine"}),
    "xi-agent-error": lambda: elevenlabs_agent_then(
        {"type": "error", "error_event": {"error_type": "llm_down", "message": "Brain went away"}}
    ),
    "own-reason": lambda: own(reason="out of memory"),
    "own-reason-worker": lambda: own(reason="worker 7 was killed"),
    "own-status-aborted": lambda: own({"status": "aborted", "reason": "GPU worker is gone"}),
    "own-plain-text": lambda: own("Internal server error"),
    "own-json-rpc": lambda: own(
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "decoder is gone"}}
    ),
    "own-bare-error": lambda: own({"type": "error"}, by_app=True),
    "own-error-flag": lambda: own({"error": True}),
    "own-not-ok": lambda: own({"ok": False, "msg": "segment 2 was dropped"}, by_app=True),
}

GOOD: dict[str, Make] = {
    "dg-reason": lambda: deepgram_closes("Stream finished"),
    "dg-reason-errors": lambda: deepgram_closes("completed with 0 errors"),
    "oai-reason": lambda: openai_closes("Session ended by the client's request"),
    "aws-reason": lambda: aws_closes("Streaming completed successfully"),
    "gem-reason": lambda: gemini_closes("Normal closure."),
    "az-second-phrase": lambda: azure_second_phrase("Success", "The error is mine."),
    "sx-finished": lambda: soniox_then({"tokens": [], "finished": True, "error_code": None}),
    "gl-end": lambda: gladia_then({"type": "post_final_transcript", "error": None, "data": {}}),
    "sm-warning": lambda: speechmatics_then(
        {"message": "Info", "type": "recognition_quality", "reason": "No error was found"}
    ),
    "ca-second-context": cartesia_two,
    "xi-final": lambda: elevenlabs_then({"audio": None, "isFinal": True, "error": None}),
    "scribe-words-of-errors": lambda: scribe_then(
        {"message_type": "committed_transcript", "text": "Error: the connection failed."}
    ),
    "ibm-stop": lambda: watson_then({"state": "listening"}),
    "xi-agent-ping": lambda: (
        greets(agent())
        .server({"type": "ping", "ping_event": {"event_id": 1, "error": False}})
        .app_closes(1000, after=1.0)
    ),
    "own-reason": lambda: own(reason="bye"),
    "own-reason-user": lambda: own(reason="user left the room"),
    "own-reason-aborted": lambda: own(reason="Aborted by the user"),
    "own-error-flag": lambda: own({"error": False}),
    "own-status-done": lambda: own({"status": "done", "reason": "end of audio", "code": 0}),
    "own-plain-text": lambda: own("END"),
    "own-json-rpc": lambda: own({"jsonrpc": "2.0", "id": 1, "result": {"errors": [], "ok": True}}),
    "own-ok": lambda: own({"ok": True, "msg": "no segment was dropped"}, by_app=True),
}
