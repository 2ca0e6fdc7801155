"""Reports of speech to text with an error, a refusal or a close."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import KEEP_ALIVE
from dictation_reports import SERVER_VAD, heard, transcribing, transcription
from provider_sessions import (
    AZURE_KEY,
    ELEVENLABS_KEY,
    HELLO,
    REQUEST_ID,
    append,
    aws_audio,
    aws_exception,
    aws_transcript,
    b64,
    chunks,
    deepgram_result,
    listening,
    openai,
    openai_error,
    pcm,
    scribe_audio,
    session_event,
    transcribe,
)
from reported_audio import aws_good
from wire_session import NODE, WireSession

TRANSPOSED = (
    "The model_id 'scribe_realtime_v2' is invalid. Supported models: 'scribe_v2_realtime', "
    "'scribe_v2_realtime_turbo', 'scribe_v2_realtime_lite'."
)
TERMS = "You have not accepted the terms of service for this feature."
TIMED_OUT = "Your request timed out because no new audio was received for 15 seconds."
NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. "
    "See https://dpgr.am/net0001"
)


def scribe_model(model: str) -> WireSession:
    """A page that ships with a model id that does not exist."""
    query = f"model_id={model}&token=sutkn_" + "Synthetic0" * 3
    session = WireSession(f"wss://api.elevenlabs.io/v1/speech-to-text/realtime?{query}").accept()
    if model == "scribe_realtime_v2":
        fault = {"message_type": "invalid_request", "error": TRANSPOSED}
        return session.server(fault, after=0.2).server_closes(1008, "invalid_request")
    return scribe_spoken(session)


def scribe_spoken(session: WireSession) -> WireSession:
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "model_id": "scribe_v2_realtime"}
    session.server({"message_type": "session_started", "session_id": REQUEST_ID, "config": config})
    session.stream(chunks(pcm(3.0), 3200), 0.1, scribe_audio)
    session.app(scribe_audio(b"") | {"commit": True})
    session.server({"message_type": "committed_transcript", "text": HELLO}, after=0.3)
    return session.app_closes(1000, after=0.5)


def scribe_terms(*, accepted: bool) -> WireSession:
    url = "wss://api.elevenlabs.io/v1/speech-to-text/realtime?model_id=scribe_v2_realtime"
    session = WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).accept()
    if accepted:
        return scribe_spoken(session)
    fault = {"message_type": "unaccepted_terms", "error": TERMS}
    return session.server(fault, after=0.1).server_closes(1008, "unaccepted_terms")


def aws_consent() -> WireSession:
    """The agent speaks for 20 seconds, and the app sends no audio in that time."""
    session = transcribe().stream(chunks(pcm(1.0), 3200), 0.1, aws_audio).wait(15.0)
    return session.server(aws_exception("BadRequestException", TIMED_OUT)).server_closes(1000)


def aws_listens() -> WireSession:
    """Silence is sent in that time."""
    session = transcribe().stream([bytes(3200)] * 200, 0.1, aws_audio)
    session.stream(chunks(pcm(2.0), 3200), 0.1, aws_audio).app(aws_audio(b""))
    return session.server(aws_transcript(HELLO), after=0.3).server_closes(1000)


def model_beside_intent() -> WireSession:
    """The URL names the model of a conversation, which then is that of a transcription."""
    session = openai("/v1/realtime?intent=transcription&model=gpt-4o-mini-transcribe").accept()
    session.server(session_event("session.created", transcription(None, SERVER_VAD)))
    settings = transcription("gpt-4o-mini-transcribe", SERVER_VAD)
    session.app({"type": "session.update", "session": settings})
    message = 'Model "gpt-4o-mini-transcribe" is not supported in transcription mode.'
    session.server(openai_error("invalid_model", message), after=0.1)
    return session.server_closes(4000, "invalid_request_error.invalid_model")


def azure_transcription(*, fails: bool) -> WireSession:
    """Azure's resource has no deployment for the transcription."""
    host = "resource.openai.azure.com"
    url = f"wss://{host}/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-4o-realtime"
    session = WireSession(url, {"api-key": AZURE_KEY}, agent=NODE).accept()
    session.server(session_event("session.created"))
    turns = {"type": "server_vad", "create_response": False}
    settings = {"input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "ja"}}
    session.app({"type": "session.update", "session": settings | {"turn_detection": turns}})
    session.server(session_event("session.updated"), after=0.1)
    for number in range(2):
        item = f"item_{number}"
        session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
        session.stream(chunks(bytes(24_000), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
        session.server({"type": "input_audio_buffer.committed", "item_id": item})
        kind = "conversation.item.input_audio_transcription"
        place = {"item_id": item, "content_index": 0}
        if fails:
            text = f"Input transcription failed for item '{item}'."
            error = {"type": "server_error", "code": None, "message": text, "param": None}
            session.server({"type": f"{kind}.failed", "error": error} | place, after=0.4)
        else:
            done = {"type": f"{kind}.completed", "transcript": HELLO}
            session.server(done | place, after=0.4)
    return session.app_closes(1000, after=1.0)


def agent_of_a_long_answer(*, kept: bool) -> WireSession:
    """The pipeline stops the audio while the bot speaks."""
    session = listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0))
    if kept:
        for _ in range(3):
            session.app(KEEP_ALIVE, after=4.0)
        return session.app({"type": "CloseStream"}).server_closes(1000)
    return session.server_closes(1011, NET_0001, after=12.1)


def dropped_in_the_middle(*, dropped: bool) -> WireSession:
    session = transcribing(transcription("gpt-4o-mini-transcribe", SERVER_VAD))
    heard(session, HELLO)
    if not dropped:
        return session.app_closes(1000, after=0.5)
    session.stream(chunks(pcm(1.0, 24_000), 4800), 0.1, append)
    return session.drop(by_client=False)


def ephemeral_only(*, ephemeral: bool) -> WireSession:
    url = "wss://resource.openai.azure.com/openai/v1/realtime?intent=transcription"
    fields = {"Authorization": "Bearer ek_" + "Synthetic0" * 4} if ephemeral else {}
    session = WireSession(url, fields or {"api-key": AZURE_KEY})
    if not ephemeral:
        message = "This operation requires ephemeral  authentication."
        return session.refuse(
            401, "Unauthorized", {"error": {"code": "Unauthorized", "message": message}}
        )
    session.accept()
    settings = transcription("gpt-live-transcribe", None)
    session.server(session_event("session.created", settings))
    session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    kind = "conversation.item.input_audio_transcription.completed"
    session.server({"type": kind, "item_id": "item_1", "transcript": HELLO}, after=0.3)
    return session.app_closes(1000)


def voxtral_model(*, known: bool) -> WireSession:
    model = "voxtral-mini-transcribe-realtime-2602"
    url = f"wss://api.mistral.ai/v1/audio/transcriptions/realtime?model={model}"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 3 + "ab"})
    if not known:
        fault = {"object": "error", "message": f"Invalid model: {model}", "type": "invalid_model"}
        return session.refuse(400, "Bad Request", fault | {"param": None, "code": "1500"})
    session.accept().server({"type": "session.created", "session": {"request_id": REQUEST_ID}})
    audio = {"encoding": "pcm_s16le", "sample_rate": 16000}
    session.app({"type": "session.update", "session": {"audio_format": audio}})
    sound = chunks(pcm(3.0), 3200)
    session.stream(sound, 0.1, lambda data: {"type": "input_audio.append", "audio": b64(data)})
    session.server({"type": "transcription.text.delta", "text": HELLO})
    session.app({"type": "input_audio.end"})
    done = {"type": "transcription.done", "text": HELLO, "language": "en", "segments": []}
    return session.server(done, after=0.3).server_closes(1000)


REPORTS = [
    Report(
        "xi-model-transposed",
        "model",
        "elevenlabs/ui#82",
        "realtime-transcriber-01 uses an invalid model_id (scribe_realtime_v2), so it "
        "never transcribes",
        "the connection opens and closes at once; it looks like the microphone or the network",
        "the words of the model id are transposed",
        lambda: scribe_model("scribe_realtime_v2"),
        ("scribe_realtime_v2", "model"),
        lambda: scribe_model("scribe_v2_realtime"),
        "the model exists",
        ("invalid", "model"),
        ("credential|api key", "microphone"),
    ),
    Report(
        "xi-unaccepted-terms",
        "access",
        "joewongjc/type4me#101",
        "feat(asr): add ElevenLabs Scribe v2 realtime STT provider",
        "realtime transcription closes at once for some accounts",
        "the account has not accepted the terms for this feature",
        lambda: scribe_terms(accepted=False),
        ("terms",),
        lambda: scribe_terms(accepted=True),
        "the terms are accepted",
        ("terms",),
        ("the api key is (wrong|not valid|invalid)",),
    ),
    Report(
        "aws-consent-of-20-s",
        "timeout",
        "livekit/agents#2099",
        "AWS STT (Transcribe) Timeout",
        "the service stops after 15 s, while the agent reads a text of 20 s",
        "the app sends no audio while the agent speaks",
        aws_consent,
        ("no (new )?audio|without audio", "15"),
        aws_listens,
        "silence is sent in that time",
        ("timed out", "no new audio"),
        ("credential",),
    ),
    Report(
        "oai-model-beside-intent",
        "model",
        "livekit/agents-js#1756",
        "openai: realtime STT (transcription session) rejects every model with "
        "invalid_model — caused by the `model` URL query param",
        "each transcription model is refused",
        "the URL names the model: that is the one of a conversation",
        model_beside_intent,
        ("model", "URL"),
        aws_good,
        "another API",
        ("model",),
        ("credential",),
    ),
    Report(
        "azure-oai-transcription-failed",
        "missing result",
        "openai/openai-agents-js#297",
        "RealtimeAgent with AzureOpenAI: inputAudioTranscription fails with gpt-4o-transcribe",
        "the agent answers, but what the user said is never transcribed",
        "the transcription of each item fails at the service",
        lambda: azure_transcription(fails=True),
        ("transcription", "fail"),
        lambda: azure_transcription(fails=False),
        "the transcriptions are complete",
        ("fail",),
        ("credential", "audio is silent"),
    ),
    Report(
        "dg-net-0001-at-pipecat",
        "timeout",
        "pipecat-ai/pipecat#1113",
        "Connection Issues with Deepgram Service",
        "1011 in the middle of a conversation; then the bot hears nothing",
        "neither audio nor a KeepAlive is sent for ten seconds",
        lambda: agent_of_a_long_answer(kept=False),
        ("no audio|did not receive audio", "KeepAlive|timeout|in time|seconds|[0-9] s"),
        lambda: agent_of_a_long_answer(kept=True),
        "a KeepAlive is sent every four seconds",
        ("timeout", "no audio"),
        ("credential",),
        complete=True,
    ),
    Report(
        "oai-stt-dropped",
        "connection",
        "livekit/agents#1763",
        "OPENAI STT error APIStatusError",
        "the SDK says that the connection closed unexpectedly (-1)",
        "the connection ends without a Close",
        lambda: dropped_in_the_middle(dropped=True),
        ("without a close|no close|dropped|lost|ended", "connection|session|server"),
        lambda: dropped_in_the_middle(dropped=False),
        "the app closes",
        ("without a close", "dropped", "lost"),
        ("credential", "quota"),
        complete=True,
    ),
    Report(
        "azure-oai-ephemeral",
        "credentials",
        "BerriAI/litellm#38635",
        "[Bug]: gpt-live-transcribe is not accessible through lite llm",
        "401 although the key is valid for other models",
        "this operation takes only ephemeral credentials, not the key of the resource",
        lambda: ephemeral_only(ephemeral=False),
        ("ephemeral",),
        lambda: ephemeral_only(ephemeral=True),
        "an ephemeral token is sent",
        ("ephemeral",),
        ("another resource", "key is (wrong|expired|not valid)"),
    ),
    Report(
        "mistral-invalid-model",
        "model",
        "Beingpax/VoiceInk#533",
        "[Bug] Voxtral Realtime intermittently fails with 'Invalid model: "
        "voxtral-mini-transcribe-realtime-2602'",
        "400 for a model that works at other times",
        "the service does not know the model at this time",
        lambda: voxtral_model(known=False),
        (
            "Invalid model|model does not exist|model is (not|in)",
            "voxtral-mini-transcribe-realtime",
        ),
        lambda: voxtral_model(known=True),
        "the model is known",
        ("model",),
        ("credential",),
    ),
]
"""Reports."""
