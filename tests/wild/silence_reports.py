"""Reports about silence, pauses, repeated words and rates of samples."""

from __future__ import annotations

import json

from bug_report import Report
from deepgram_reports import assemblyai, assemblyai_good
from dictation_reports import SERVER_VAD, heard, settings_of_today, transcribing, transcription
from provider_sessions import (
    AZURE_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    azure_audio,
    azure_listening,
    azure_message,
    azure_phrase,
    b64,
    chunks,
    deepgram_result,
    gemini_content,
    gemini_good,
    gemini_ready,
    listening,
    openai_error,
    pcm,
    scribe,
    scribe_audio,
    wav_header,
)
from reported_access import azure_end, azure_transcribed, scribe_good
from wire_session import WireSession

TOO_SMALL = (
    "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
    "buffer only has 0.00ms of audio."
)
NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. See "
    "https://dpgr.am/net0001"
)


def commits_again() -> WireSession:
    session = transcribing(transcription("gpt-4o-transcribe", SERVER_VAD))
    heard(session, HELLO).app({"type": "input_audio_buffer.commit"}, after=0.5)
    session.server(openai_error("input_audio_buffer_commit_empty", TOO_SMALL), after=0.1)
    return session.app_closes(1000, after=0.5)


def hello_three_times() -> WireSession:
    session = scribe().stream(chunks(pcm(0.7), 3200), 0.1, scribe_audio)
    session.server({"message_type": "partial_transcript", "text": "Hello"})
    session.stream(chunks(bytes(32_000 * 2), 3200), 0.1, scribe_audio)
    session.server({"message_type": "committed_transcript", "text": "Hello Hello Hello"})
    return session.app_closes(1000, after=1.0)


def silence_first(seconds: float) -> WireSession:
    """A file that begins with silence, sent at twice its speed."""
    data = bytes(int(32_000 * seconds)) + pcm(3.0)
    session = azure_listening().stream(chunks(data, 3200), 0.05, azure_audio)
    if seconds < 10:
        session.server(azure_phrase("Success", "Good morning."), after=0.2)
    else:
        session.server(azure_phrase("InitialSilenceTimeout", duration=15.0), after=0.2)
    return session.app(azure_audio(b"")).server(azure_end()).app_closes(1000)


def mutes_for_the_agent() -> WireSession:
    session = listening().stream(chunks(pcm(4.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 3.9)).wait(10.1)
    return session.server_closes(1011, NET_0001)


def keeps_alive_for_the_agent() -> WireSession:
    session = listening().stream(chunks(pcm(4.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 3.9))
    for _ in range(3):
        session.app({"type": "KeepAlive"}, after=4.0)
    return session.app({"type": "CloseStream"}).server_closes(1000)


def samples_of_the_context() -> WireSession:
    session = assemblyai("/v3/ws?sample_rate=16000&format_turns=true")
    session.server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(pcm(8.0, 48_000), 9600), 0.1).app({"type": "Terminate"})
    done = {"type": "Termination", "audio_duration_seconds": 24, "session_duration_seconds": 8}
    return session.server(done, after=0.2).server_closes(1000)


def bot_of_16_khz() -> WireSession:
    def audio(data: bytes) -> Json:
        blob = {"data": b64(data), "mimeType": "audio/pcm;rate=48000"}
        return {"realtimeInput": {"audio": blob}}

    session = gemini_ready({"inputAudioTranscription": {}})
    session.stream(chunks(pcm(8.0), 3200), 0.1, audio)
    words = {"inputTranscription": {"text": " mmm guh"}}
    session.server(gemini_content(words)).server(gemini_content({"turnComplete": True}))
    return session.app_closes(1000, after=2.0)


def timeout_of_10_ms() -> WireSession:
    host = "wss://westeurope.stt.speech.microsoft.com"
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US&format=simple"
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    session = WireSession(f"{host}{path}&initialSilenceTimeoutMs=10", headers).accept()
    context = {"context": {"system": {"name": "SpeechSDK", "version": "1.29.0"}}}
    session.app(azure_message("speech.config", context)).app(azure_audio(wav_header()))
    session.server(
        azure_message("turn.start", json.loads(f'{{"context": {{"serviceTag": "{REQUEST_ID}"}}}}'))
    )
    session.stream(chunks(bytes(6400) + pcm(0.4), 3200), 0.1, azure_audio)
    session.server(azure_phrase("InitialSilenceTimeout", duration=0.01), after=0.1)
    return session.server(azure_end()).app_closes(1000)


REPORTS = [
    Report(
        "oai-commits-again",
        "order",
        "goodroot/hyprwhspr#63",
        "realtime-ws transcribe mode: double buffer commit causes 'buffer too small' error",
        "an error, although the words have come",
        "server VAD had committed the audio: the app's own commit finds an empty buffer",
        commits_again,
        ("too small|empty", "commit"),
        settings_of_today,
        "the app commits nothing",
        ("too small", "empty"),
        ("credential", "silen"),
        complete=True,
    ),
    Report(
        "xi-words-three-times",
        "duplicate",
        "elevenlabs/elevenlabs-python#686",
        "[API Bug] Scribe v2 Realtime WebSocket: committed_transcript returns triplicated text",
        "the word comes three times in one transcript",
        "the service repeats it",
        hello_three_times,
        ("three times|3 times|repeat",),
        scribe_good,
        "other words",
        ("three times", "3 times", "repeat"),
        ("credential", "app sent the audio twice"),
        complete=True,
    ),
    Report(
        "az-begins-with-silence",
        "silence",
        "Azure-Samples/cognitive-services-speech-sdk#2080",
        "Some question about speech , return nothing if audio begin with a long silence",
        "nothing is recognized in a file that has speech",
        "the file begins with silence that is longer than the time limit for it",
        lambda: silence_first(20.0),
        ("silen",),
        lambda: silence_first(3.0),
        "a short silence",
        ("InitialSilence",),
        ("credential", "sample rate|encoding"),
    ),
    Report(
        "dg-mutes-for-the-agent",
        "timeout",
        "deepgram/deepgram-dotnet-sdk#239",
        "LiveAudio KeepAlive",
        "the connection closes while the agent speaks",
        "neither audio nor KeepAlive is sent for ten seconds",
        mutes_for_the_agent,
        ("KeepAlive|no audio",),
        keeps_alive_for_the_agent,
        "KeepAlive is sent",
        ("No audio reached",),
        ("credential",),
    ),
    Report(
        "aai-48-for-16",
        "rate",
        "AssemblyAI/realtime-transcription-browser-js-example#15",
        "Transcription not showing up **SOLVED**",
        "no transcript",
        "the browser's samples have 48 kHz, and 16 kHz are declared",
        samples_of_the_context,
        ("48 ?000|48 kHz",),
        assemblyai_good,
        "16 kHz",
        ("48000",),
        ("credential", "digital silence"),
    ),
    Report(
        "gem-16-as-48",
        "rate",
        "vellum-ai/vellum-assistant#25790",
        "fix(meet): pass 16kHz sampleRate to STT resolver; drop dead MeetAudioIngestError brand",
        "garbled words",
        "the samples have 16 kHz, and 48 kHz are declared",
        bot_of_16_khz,
        ("16 ?000|16 kHz|rate is too high|lower sample rate",),
        gemini_good,
        "16 kHz are declared",
        ("lower sample rate",),
        ("credential",),
    ),
    Report(
        "az-timeout-of-10-ms",
        "parameter",
        "Azure-Samples/cognitive-services-speech-sdk#2142",
        "Is SpeechServiceConnection_InitialSilenceTimeoutMs Work on Javascript SDK",
        "the session ends at once",
        "the time limit for silence at the beginning is set to 10 ms",
        timeout_of_10_ms,
        ("initialSilenceTimeoutMs|10 ms",),
        azure_transcribed,
        "the default",
        ("initialSilenceTimeoutMs",),
        ("credential", "microphone is muted"),
    ),
]
