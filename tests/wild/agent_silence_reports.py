"""Reports that were tried after the rules about turns had been written: agents that fall silent."""

from __future__ import annotations

from array import array

from agent_limit_reports import azure_speaks, azure_speech_closes, user_turn
from audio_samples import mulaw
from bug_report import Report
from elevenlabs_reports import greets, user_speaks
from openai_reports import beta
from provider_sessions import (
    HELLO,
    Json,
    answered,
    append,
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
    openai,
    openai_good,
    pcm,
    response_done,
    session_event,
    spoken_turn,
)
from realtime_setting_reports import known_setting
from wire_session import WireSession

TWO_RATES = "Multiple frame rates in the concatenated frames: {24000, 16000}"
INVALID_ARGUMENT = "Request contains an invalid argument."
NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."
UNSUPPORTED_VOICE = "Unsupported voice my_custom_voice_model."


# -- xAI


def xai() -> WireSession:
    key = {"Authorization": "Bearer xai-" + "Synthetic0" * 4}
    session = WireSession("wss://api.x.ai/v1/realtime?model=grok-voice-latest", key).accept()
    session.server({"type": "session.created", "session": {"id": "sess_1", "voice": "ara"}})
    return session.server({"type": "conversation.created", "conversation": {"id": "conv_1"}})


def xai_settings(rate: int) -> Json:
    form = {"format": {"type": "audio/pcm", "rate": rate}}
    audio = {"input": form, "output": {"format": {"type": "audio/pcm", "rate": 24000}}}
    return {"voice": "Ara", "turn_detection": {"type": "server_vad"}, "audio": audio}


def xai_two_rates(*, early: bool = True) -> WireSession:
    """The microphone is sent at once, before the settings say that it has 16 kHz."""
    session = xai()
    if early:
        session.stream(chunks(bytes(16_000), 3200), 0.1, append)
    session.app({"type": "session.update", "session": xai_settings(16_000)})
    session.server({"type": "session.updated", "session": xai_settings(16_000)}, after=0.1)
    session.stream(chunks(pcm(2.0), 3200), 0.1, append)
    if early:
        fault = {"type": "error", "event_id": "e5845cc2", "params": TWO_RATES}
        session.server({**fault, "code": "internal_error", "message": "ValueError"})
        session.stream(chunks(bytes(32_000 * 4), 3200), 0.1, append)
        return session.app_closes(1000)
    session.stream(chunks(bytes(32_000), 3200), 0.1, append)
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


def xai_no_user_audio() -> WireSession:
    """The app speaks a text of its own; it sends the microphone after a response only."""
    session = xai().app({"type": "session.update", "session": xai_settings(16_000)})
    session.server({"type": "session.updated", "session": xai_settings(16_000)}, after=0.1)
    content = [{"type": "output_text", "text": HELLO}]
    item = {"type": "force_message", "role": "assistant", "content": content}
    session.app({"type": "conversation.item.create", "item": item})
    session.server({"type": "conversation.item.added", "item": {"id": "item_1"}}, after=0.1)
    answered(session).server(response_done("completed"))
    return session.app_closes(1000, after=40.0)


# -- Gemini Live


def faint(data: bytes) -> bytes:
    return array("h", (sample // 4000 for sample in array("h", data))).tobytes()


def gemini_hardly_audible(*, faintly: bool = True) -> WireSession:
    session = gemini_ready({"outputAudioTranscription": {}})
    for _ in range(2):
        user_turn(session)
        for data in chunks(pcm(3.0, 24_000), 9600):
            sound = b64(faint(data) if faintly else data)
            part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}
            session.server(gemini_content({"modelTurn": {"parts": [part]}}))
        session.server(gemini_content({"outputTranscription": {"text": HELLO}}))
        session.server(gemini_content({"generationComplete": True}))
        session.server(gemini_content({"turnComplete": True}), after=0.5)
    return session.app_closes(1000, after=1.0)


def gemini_turns_without_audio() -> WireSession:
    """After a greeting, turns of the agent begin and end without any audio."""
    session = gemini_ready({"inputAudioTranscription": {}})
    gemini_says(session.wait(0.5))
    session.server(gemini_content({"interrupted": True}))
    for _ in range(3):
        user_turn(session)
        session.server(gemini_content({"inputTranscription": {"text": "Where is my parcel?"}}))
        session.server(gemini_content({"turnComplete": True}), after=0.4)
        session.stream(chunks(bytes(32_000 * 5), 3200), 0.1, gemini_audio)
    return session.app_closes(1000)


def gemini_client_content() -> WireSession:
    """A text in the middle of a conversation, in the message for the history."""
    session = gemini("models/gemini-3.1-flash-live-preview").server(b'{"setupComplete": {}}')
    gemini_says(user_turn(session).wait(0.3))
    turn = {"role": "user", "parts": [{"text": "The user pressed 1."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}}, after=2.0)
    return session.server_closes(1007, INVALID_ARGUMENT, after=0.1)


# -- OpenAI


def semantic(*, create: bool) -> WireSession:
    session = openai().accept().server(session_event("session.created"))
    detection = {"type": "semantic_vad", "create_response": create, "interrupt_response": True}
    fields: Json = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    spoken_turn(session)
    kind = "conversation.item.input_audio_transcription.completed"
    session.server({"type": kind, "item_id": "item_1", "transcript": HELLO}, after=0.5)
    if not create:
        session.stream(chunks(bytes(48_000 * 14), 4800), 0.1, append)
        return session.app_closes(1000)
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


def gated(*, gate: bool) -> WireSession:
    """The app sends audio only while it finds speech: the server never hears the end of it."""
    session = openai("/v1/realtime?intent=transcription").accept()
    audio: Json = {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-realtime-whisper"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        }
    }
    session.server({"type": "session.created", "session": {"type": "transcription"}})
    session.app({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
    session.server({"type": "session.updated", "session": {"type": "transcription"}}, after=0.1)
    kind = "conversation.item.input_audio_transcription"
    for number in range(2):
        item = {"item_id": f"item_{number}", "content_index": 0}
        session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 40})
        session.server({"type": f"{kind}.delta", **item, "delta": "Good morning"}, after=0.2)
        if gate:
            session.wait(25.0)
        else:
            session.stream(chunks(bytes(48_000 * 3), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
        session.server({"type": "input_audio_buffer.committed", "item_id": f"item_{number}"})
        session.server({"type": f"{kind}.completed", **item, "transcript": HELLO}, after=0.2)
    return session.app_closes(1000, after=1.0)


def closes_after_update() -> WireSession:
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-12-17"
    session = openai(path, {"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(session_event("session.created", {"modalities": ["text", "audio"]}))
    session.app({"type": "session.update", "session": {"voice": "alloy", "modalities": ["text"]}})
    return session.server_closes(1000, after=0.2)


def no_quota() -> WireSession:
    formats = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
    session = beta(formats)
    session.stream(chunks(mulaw(pcm(2.0, 8000) + bytes(16_000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2080})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    error = {"type": "insufficient_quota", "code": "insufficient_quota", "message": NO_QUOTA}
    session.server(response_done("failed", {"type": "failed", "error": error}), after=0.3)
    session.stream(chunks(mulaw(bytes(48_000)), 160), 0.02, append)
    return session.app_closes(1000)


# -- speech output


def cartesia_done_at_once() -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("ctx-1"))
    done = {"type": "done", "context_id": "ctx-1", "done": True, "status_code": 200}
    return session.server(done, after=0.3).app_closes(1000, after=1.0)


def cartesia_good() -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("ctx-1"))
    return cartesia_says(session.wait(0.1), "ctx-1").app_closes(1000, after=1.0)


def smallest(*, complete: bool) -> WireSession:
    url = "wss://waves-api.smallest.ai/api/v1/lightning-v2/get_speech/stream"
    key = {"Authorization": "Bearer " + "Synthetic0" * 4}
    session = WireSession(url, key).accept()
    session.app({"voice_id": "emily", "text": HELLO, "sample_rate": 24000, "language": "en"})
    for data in chunks(pcm(0.6, 24_000), 14_400):
        chunk = {"request_id": "req_1", "status": "chunk", "data": {"audio": b64(data)}}
        session.server(chunk, after=0.1)
    if complete:
        session.server({"request_id": "req_1", "status": "complete", "message": "All chunks sent"})
    return session.server_closes(1000)


def azure_429() -> WireSession:
    query = "api-version=2024-10-01-preview&deployment=gpt-4o-realtime-preview"
    url = f"wss://contoso-voice.openai.azure.com/openai/realtime?{query}"
    session = WireSession(url, {"api-key": "Synthetic0" * 3 + "ab"})
    return session.refuse(429, "Too Many Requests", b"", {"apim-request-id": "1"})


# -- ElevenLabs agents


def initiated(*, nested: bool) -> WireSession:
    """The data of the app, one level too deep: the agent talks with its defaults."""
    session = elevenlabs("convai/conversation", "agent_id=agent_0123456789abcdef")
    kind = "conversation_initiation_client_data"
    data = {"dynamic_variables": {"user": "Sam"}}
    session.app({"type": kind, kind: data} if nested else {"type": kind, **data})
    formats = {"agent_output_audio_format": "ulaw_8000", "user_input_audio_format": "ulaw_8000"}
    start = {"conversation_id": "conv_1", **formats}
    name = "conversation_initiation_metadata"
    session.server({"type": name, f"{name}_event": start}, after=0.1)
    user_speaks(greets(session))
    said = {"user_transcript": HELLO}
    session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.2)
    return greets(session).app_closes(1000, after=2.0)


UTF_8 = ("UTF-8", "not valid text")

REPORTS = [
    Report(
        "xai-two-rates",
        "message order",
        "pipecat-ai/pipecat#3480",
        "Fix an issue where Grok Realtime would error out when running with SmallWebRTC",
        "an error as soon as the user speaks",
        "audio was sent before the settings gave its rate",
        xai_two_rates,
        ("Multiple frame rates",),
        lambda: xai_two_rates(early=False),
        "the audio begins after the settings",
        ("frame rates",),
    ),
    Report(
        "xai-no-user-audio",
        "missing audio",
        "pipecat-ai/pipecat#5380",
        "xAI Realtime: _send_user_audio drops all input audio until _create_response runs",
        "the agent greets, and never reacts to the caller",
        "the app sends no audio",
        xai_no_user_audio,
        ("no audio (was )?sent|sent no audio|no audio at all",),
        lambda: xai_two_rates(early=False),
        "audio is sent",
        ("no audio",),
        ("the agent did not answer", "fault of the server"),
        complete=True,
    ),
    Report(
        "gem-hardly-audible",
        "missing result",
        "google-gemini/gemini-live-api-examples#40",
        "the model streams full-length audio at near-zero amplitude",
        "the caller hears silence while every metric looks healthy",
        "the audio of the agent is nearly silent",
        gemini_hardly_audible,
        ("silen(t|ce)|quiet|inaudible|level",),
        lambda: gemini_hardly_audible(faintly=False),
        "its audio has a usual level",
        ("silent", "quiet", "inaudible"),
    ),
    Report(
        "gem-turns-without-audio",
        "missing result",
        "googleapis/python-genai#2333",
        "Live API: phantom server_content.interrupted=True wedges model into zero-audio state",
        "the agent greets, and says nothing any more",
        "its turns end without audio",
        gemini_turns_without_audio,
        ("no audio|without audio|did not answer",),
        gemini_good,
        "its turns have audio",
        ("without audio", "did not answer"),
    ),
    Report(
        "gem-client-content",
        "unknown",
        "google/adk-python#5076",
        "feat: add Gemini 3.1 Flash Live support for run_live()",
        "1007 when a text is sent in a conversation",
        "this model takes no clientContent in the middle of a conversation",
        gemini_client_content,
        ("invalid",),
        gemini_good,
        "no text is sent",
        ("invalid",),
        UTF_8,
    ),
    Report(
        "oai-create-response-false",
        "missing result",
        "RageAgainstThePixel/com.openai.unity#434",
        "Setting response=false in SemanticVAD cause model to not responding",
        "the words are transcribed, and the model does not reply",
        "create_response is false: a response has to be asked for",
        lambda: semantic(create=False),
        ("create_response", r"response\.create"),
        lambda: semantic(create=True),
        "create_response is true",
        ("create_response",),
        ("fault of the server",),
    ),
    Report(
        "oai-gated-audio",
        "timeout",
        "bolna-ai/bolna#711",
        "OpenAI realtime whisper hears speech but final transcript comes too late",
        "final transcripts come 25 s after the words",
        "audio is sent only while somebody speaks: the server does not hear the end",
        lambda: gated(gate=True),
        ("late|pause|silence|stops|gap",),
        lambda: gated(gate=False),
        "the audio goes on between the turns",
        ("late", "gated", "pause"),
        complete=True,
    ),
    Report(
        "oai-1000-after-update",
        "unknown",
        "community.openai.com/t#1082530",
        "Constantly disconnecting after session update with Realtime API",
        "1000 after session.update",
        "not known",
        closes_after_update,
        ("closed",),
        openai_good,
        "the session goes on",
        ("server closed", "without a reason"),
    ),
    Report(
        "oai-failed-quota",
        "quota",
        "twilio-samples/speech-assistant-openai-realtime-api-node#37",
        "No Answer?",
        "response.done is failed, and the caller hears nothing",
        "the account has no quota",
        no_quota,
        ("quota",),
        known_setting,
        "the account has quota",
        ("quota",),
        ("server fault",),
    ),
    Report(
        "ca-done-without-audio",
        "missing result",
        "livekit/agents#4171",
        "Bug: Random TTS Error - no audio frames were pushed for text",
        "no audio for a valid text, now and then",
        "the service sends done without any audio",
        cartesia_done_at_once,
        ("no audio",),
        cartesia_good,
        "audio comes",
        ("no audio",),
    ),
    Report(
        "smallest-cut-short",
        "missing end",
        "smallest-inc/smallest-python-sdk#115",
        "WavesStreamingTTS: a stream cut short by a clean socket close looks like a finished one",
        "audio is cut short, and nothing says so",
        "the server closes without complete",
        lambda: smallest(complete=False),
        ("complete|incomplete|last message",),
        lambda: smallest(complete=True),
        "complete is sent",
        ("never came", "incomplete"),
    ),
    Report(
        "azure-unsupported-voice",
        "model",
        "Azure-Samples/cognitive-services-speech-sdk#1281",
        "SynthesisCanceled Error",
        "1007, no audio",
        "the name of the voice has a typing error",
        lambda: azure_speech_closes(UNSUPPORTED_VOICE, voice="my_custom_voice_model"),
        ("Unsupported voice",),
        azure_speaks,
        "a voice that exists",
        ("unsupported voice",),
        UTF_8,
    ),
    Report(
        "azure-openai-429",
        "rate limit",
        "Azure-Samples/aisearch-openai-rag-audio#37",
        "there is a issue, I couldn't find how to fix",
        "429 on the upgrade",
        "too many requests for the deployment's quota",
        azure_429,
        ("429", "too many|limit"),
        openai_good,
        "another service",
        ("429",),
        ("did not accept the credentials",),
    ),
    Report(
        "xi-nested-initiation",
        "parameter",
        "jambonz/jambonz-feature-server#1144",
        "fix initial message format in elevenlabs",
        "the agent ignores the variables and settings of the app",
        "the fields are one level too deep",
        lambda: initiated(nested=True),
        ("conversation_initiation_client_data",),
        lambda: initiated(nested=False),
        "the fields stand beside type",
        ("conversation_initiation_client_data",),
        complete=True,
    ),
]
