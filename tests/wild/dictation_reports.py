"""Reports about dictation: what is set, what is committed, and who waits for whom."""

from __future__ import annotations

from bug_report import Report
from provider_reports import soniox_stt, tokens
from provider_sessions import (
    ELEVENLABS_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    answered,
    append,
    b64,
    chunks,
    committed,
    gemini_content,
    gemini_ready,
    gemini_says,
    openai,
    openai_error,
    pcm,
    response_done,
    scribe_audio,
    session_event,
    spoken_turn,
    transcribed,
)
from wire_session import WireSession

EXPIRED = "Your session hit the maximum duration of 60 minutes."
UNKNOWN = "Unknown parameter: 'session.input_audio_transcription.enabled'."
COMPLETED = "conversation.item.input_audio_transcription.completed"
SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}


def transcription(model: str | None, turns: Json | None) -> Json:
    """A session of this kind, as the service describes it."""
    named = {"model": model, "language": "en"} if model else None
    form = {"type": "audio/pcm", "rate": 24000}
    heard = {"format": form, "transcription": named, "turn_detection": turns}
    return {"type": "transcription", "audio": {"input": heard}}


def transcribing(settings: Json) -> WireSession:
    """A session that the app configures."""
    session = openai("/v1/realtime?intent=transcription").accept()
    session.server(session_event("session.created", transcription(None, SERVER_VAD)))
    session.app({"type": "session.update", "session": settings})
    return session.server(session_event("session.updated", settings), after=0.1)


def heard(session: WireSession, text: str | None, rate: int = 24_000) -> WireSession:
    """Server VAD finds what was said; the words come, if there are any."""
    session.stream(chunks(pcm(2.0, rate), rate // 5), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
    session.stream(chunks(bytes(rate), rate // 5), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
    committed(session)
    return session if text is None else transcribed(session, text)


# -- OpenAI


def settings_of_the_beta() -> WireSession:
    session = openai("/v1/realtime?intent=transcription").accept()
    session.server(session_event("session.created", transcription(None, SERVER_VAD)))
    old = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-transcribe"},
        "turn_detection": SERVER_VAD,
    }
    session.app({"type": "transcription_session.update", "session": old})
    heard(session, None)
    return heard(session, None).app_closes(1000, after=5.0)


def settings_of_today() -> WireSession:
    session = transcribing(transcription("gpt-4o-transcribe", SERVER_VAD))
    return heard(heard(session, HELLO), HELLO).app_closes(1000, after=5.0)


def never_commits() -> WireSession:
    session = transcribing(transcription("gpt-realtime-whisper", None))
    session.stream(chunks(pcm(5.0, 24_000), 4800), 0.1, append)
    return session.app_closes(1000, after=10.0)


def field_of_no_api() -> WireSession:
    """The app takes the answers, and waits for the user's words."""
    session = openai("/v1/realtime?model=gpt-4o-realtime-preview").accept()
    session.server(session_event("session.created"))
    named = {"enabled": True, "model": "whisper-1"}
    settings = {"voice": "shimmer", "input_audio_transcription": named}
    session.app({"type": "session.update", "session": settings})
    fault = openai_error("unknown_parameter", UNKNOWN, "session.input_audio_transcription.enabled")
    session.server(fault, after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=3.0)


def kept_open_for_an_hour() -> WireSession:
    session = transcribing(transcription("gpt-4o-mini-transcribe", SERVER_VAD))
    for pause in (600.0, 1500.0, 1492.0):
        heard(session, HELLO).wait(pause)
    session.server(openai_error("session_expired", EXPIRED))
    return session.server_closes(1001)


def samples_of_another_rate(rate: int = 16_000) -> WireSession:
    session = transcribing(transcription("gpt-4o-transcribe", SERVER_VAD))
    return heard(heard(session, "Could.", rate), "The pass.", rate).app_closes(1000, after=1.0)


def key_refused_in_the_close() -> WireSession:
    session = openai("/v1/realtime?model=gpt-4o-realtime-preview-2024-10-01").accept()
    session.app({"type": "session.update", "session": {"turn_detection": SERVER_VAD}})
    return session.server_closes(3000, "invalid_request_error.invalid_api_key", after=0.1)


# -- Soniox


def said(text: str, at: int, *, final: bool) -> Json:
    answer = tokens(text, at)
    for token in answer["tokens"]:
        token["is_final"] = final
    return answer | ({} if final else {"final_audio_proc_ms": at})


def gated_silence() -> WireSession:
    """The app's own detector passes on no silence."""
    session = soniox_stt().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(said(HELLO, 0, final=True))
    fault = {"tokens": [], "error_code": 408, "error_message": "Request timeout."}
    return session.server(fault, after=20.5).server_closes(1000)


def kept_alive() -> WireSession:
    session = soniox_stt().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(said(HELLO, 0, final=True))
    for _ in range(4):
        session.app({"type": "keepalive"}, after=10.0)
    session.app("").server({"tokens": [], "finished": True}, after=0.3)
    return session.server_closes(1000)


def ended_with_empty_binary() -> WireSession:
    session = soniox_stt().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(said(HELLO, 0, final=False)).app(b"")
    fault = {"tokens": [], "error_code": 408, "error_message": "Request timeout."}
    return session.server(fault, after=20.5).server_closes(1000)


def leaves_with_words_open() -> WireSession:
    session = soniox_stt().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(said("Good morning,", 0, final=False))
    session.stream(chunks(pcm(1.0), 3200), 0.1)
    session.server(said(HELLO, 0, final=False))
    return session.app_closes(1000, after=0.05)


# -- ElevenLabs, Gemini


def scribe(query: str) -> WireSession:
    url = "wss://api.elevenlabs.io/v1/speech-to-text/realtime?model_id=scribe_v2_realtime"
    session = WireSession(f"{url}&audio_format=pcm_16000&{query}", {"xi-api-key": ELEVENLABS_KEY})
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "model_id": "scribe_v2_realtime"}
    started = {"message_type": "session_started", "session_id": REQUEST_ID, "config": config}
    session.accept().server(started)
    session.stream(chunks(pcm(3.0), 1600), 0.05, scribe_audio)
    return session.server({"message_type": "partial_transcript", "text": "Good morning"})


def scribe_never_commits() -> WireSession:
    return scribe("commit_strategy=manual").app_closes(1000, after=10.0)


def scribe_commits(query: str, *kinds: str) -> WireSession:
    session = scribe(f"commit_strategy=manual{query}")
    for _ in range(2):
        session.app(scribe_audio(b"") | {"commit": True})
        for kind in kinds:
            session.server({"message_type": kind, "text": HELLO}, after=0.2)
        session.stream(chunks(pcm(3.0), 1600), 0.05, scribe_audio)
    return session.app_closes(1000, after=1.0)


def words_come_twice() -> WireSession:
    kinds = ("committed_transcript_with_timestamps", "committed_transcript")
    return scribe_commits("&include_language_detection=true", *kinds)


def words_come_once() -> WireSession:
    return scribe_commits("", "committed_transcript")


def live_audio(mime: str, text: str) -> WireSession:
    def audio(data: bytes) -> Json:
        return {"realtimeInput": {"audio": {"data": b64(data), "mimeType": mime}}}

    session = gemini_ready({"inputAudioTranscription": {}})
    session.stream(chunks(pcm(3.0), 3200), 0.1, audio)
    session.server(gemini_content({"inputTranscription": {"text": text}}))
    return gemini_says(session.wait(0.3)).app_closes(1000, after=1.0)


def mime_without_rate() -> WireSession:
    return live_audio("audio/pcm", " Goo mor")


def mime_with_rate() -> WireSession:
    return live_audio("audio/pcm;rate=16000", HELLO)


REPORTS = [
    Report(
        "oai-settings-of-the-beta",
        "parameter",
        "openclaw/openclaw#3447",
        "[Bug] voice-call: OpenAI Realtime STT uses outdated API format",
        "speech is found and committed, and never transcribed",
        "the app configures the session with an event of the beta, which has no effect",
        settings_of_the_beta,
        ("transcription_session.update|beta|no longer", "transcri"),
        settings_of_today,
        "the event and the fields of today",
        ("transcription_session", "beta", "no transcript"),
        ("credential", "silen"),
    ),
    Report(
        "oai-never-commits",
        "missing end",
        "openai/openai-agents-python#4616",
        "feat(voice): expose GA streamed transcription options",
        "no transcript once turn detection is off",
        "without turn detection, the app has to commit the audio, and does not",
        never_commits,
        ("commit",),
        settings_of_today,
        "server VAD commits",
        ("commit",),
        ("credential", "silen"),
    ),
    Report(
        "oai-unknown-enabled",
        "parameter",
        "davidmigloz/langchain_dart#624",
        "User Audio Input transcription issue",
        "the user's words are never transcribed",
        "the settings have a field that the API does not know, and are refused as a whole",
        field_of_no_api,
        (r"input_audio_transcription\.enabled",),
        settings_of_today,
        "no such field",
        ("enabled",),
        ("credential", "quota"),
        complete=True,
    ),
    Report(
        "oai-kept-open-an-hour",
        "limit",
        "OpenWhispr/openwhispr#608",
        "Streaming Error out of nowhere.",
        "an error several times a day, although each dictation takes seconds",
        "the connection is kept open between dictations, and ends after an hour",
        kept_open_for_an_hour,
        ("60 minutes|maximum duration",),
        settings_of_today,
        "the app closes after the dictation",
        ("60 minutes", "maximum duration"),
        ("credential", "quota is used"),
        complete=True,
    ),
    Report(
        "oai-16k-declared-24k",
        "sample rate",
        "OpenWhispr/openwhispr#1044",
        "fix(transcription): harden realtime dictation streaming connection",
        "words that nobody said; the saved recording is transcribed well",
        "the samples are at 16 kHz, and 24 kHz is declared",
        samples_of_another_rate,
        ("16000|16 kHz", "24000|24 kHz"),
        lambda: samples_of_another_rate(24_000),
        "samples at 24 kHz",
        ("16000", "16 kHz", "another sample rate"),
        ("credential",),
        complete=True,
    ),
    Report(
        "oai-key-in-the-close",
        "credentials",
        "twilio-samples/speech-assistant-openai-realtime-api-python#4",
        "API error despite of valid API",
        "3000 as soon as the session is configured",
        "the API key is not valid",
        key_refused_in_the_close,
        ("api.key|credential",),
        settings_of_today,
        "a valid key",
        ("key", "credential"),
        ("registered", "quota"),
    ),
    Report(
        "sx-gated-silence",
        "timeout",
        "BasedHardware/omi#12301",
        "fix(stt): keep Soniox sockets alive through VAD-gated silence",
        "408 in nearly each session",
        "the app sends neither audio nor keepalive for 20 seconds",
        gated_silence,
        ("no audio|nothing|sent no", "20|keepalive"),
        kept_alive,
        "keepalives are sent",
        ("no audio", "keepalive"),
        ("credential", "server fault|network"),
        complete=True,
    ),
    Report(
        "sx-ends-with-binary",
        "missing end",
        "stablyai/orca#8360",
        "Add Soniox real-time speech transcription",
        "stopping takes until a timeout",
        "an empty binary message does not end the stream; an empty text message does",
        ended_with_empty_binary,
        ("empty",),
        kept_alive,
        "an empty text message",
        ("empty",),
        ("credential", "network"),
    ),
    Report(
        "sx-words-open",
        "missing result",
        "Natively-AI-assistant/natively-cluely-ai-assistant#44",
        "Fix Soniox STT: Lost Transcripts, Cross-Session Leakage & API Key Handling",
        "no speech detected, although a sentence was said",
        "the app leaves while the last words are not final yet",
        leaves_with_words_open,
        ("final", "end|finalize|clos"),
        kept_alive,
        "the app ends the stream",
        ("no final", "before"),
        ("credential", "silen"),
    ),
    Report(
        "xi-never-commits",
        "missing end",
        "livekit/agents#6598",
        "fix(stt): send the turn commit when a flush yields no buffered audio",
        "partial transcripts only",
        "with commits by hand, the app has to commit, and does not",
        scribe_never_commits,
        ("commit",),
        words_come_once,
        "the app commits",
        ("commit",),
        ("credential", "silen"),
    ),
    Report(
        "xi-words-twice",
        "duplicates",
        "pipecat-ai/pipecat#5196",
        "ElevenLabsRealtimeSTTService pushes duplicate final TranscriptionFrames",
        "each sentence is transcribed twice",
        "with language detection, each commit is answered in two messages with the same words",
        words_come_twice,
        ("twice|two messages|with_timestamps",),
        words_come_once,
        "no language detection",
        ("twice", "two messages"),
        ("credential",),
        complete=True,
    ),
    Report(
        "gem-mime-without-rate",
        "sample rate",
        "mastra-ai/mastra#23722",
        "voice-google-gemini-live: realtime PCM frames omit the sample rate from the mime type",
        "transcripts are worse than they should be",
        "the MIME type of the audio does not name its rate",
        mime_without_rate,
        ("rate", "mime|audio/pcm"),
        mime_with_rate,
        "the rate is named",
        ("no (sample )?rate", "without"),
        ("credential",),
        complete=True,
    ),
]
