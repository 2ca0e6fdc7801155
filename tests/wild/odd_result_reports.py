"""Reports of speech to text that works and gives odd results: twice, late, in other languages."""

from __future__ import annotations

from audio_samples import stereo
from bug_report import Report
from dictation_reports import COMPLETED, SERVER_VAD, transcribing, transcription
from missing_event_reports import ended, result, speech
from provider_reports import gladia_final, soniox_stt, tokens
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    append,
    azure_audio,
    azure_listening,
    azure_message,
    chunks,
    elevenlabs,
    listening,
    scribe_audio,
    wav_header,
)
from quiet_reports import PAUSE
from reported_access import azure_end
from wire_session import WireSession

RUSSIAN = ("Доброе утро.", "Посылка ещё не пришла.", "Где она сейчас?")
SOUNDS_LIKE = ("Dobra yeah ultra.", "Pass silk a yes shown a pre slow.", "Did uh nasty chess?")


# -- Channels and copies


def two_channels(channels: int) -> WireSession:
    """A telephone call, one side in each channel."""
    session = azure_listening(wav_header(8000, channels))
    sides = [speech(at, 6.0, 8000) for at in (0.0, 6.0)]
    data = stereo(sides[0], sides[1]) if channels == 2 else sides[0]
    for number, part in enumerate(chunks(data, 16_000 * channels)):
        session.stream(chunks(part, 1600 * channels), 0.1, azure_audio)
        fields = {"RecognitionStatus": "Success", "DisplayText": HELLO, "Channel": 0}
        times = {"Offset": number * 10_000_000, "Duration": 9_000_000}
        session.server(azure_message("speech.phrase", fields | times))
    session.app(azure_audio(b"")).server(azure_end(), after=0.2)
    return session.app_closes(1000)


def dictated(texts: tuple[str, ...], times: int = 1, *, language: bool = True) -> WireSession:
    """Utterances, each with its transcript that comes so many times."""
    settings = transcription("gpt-4o-mini-transcribe", SERVER_VAD)
    if not language:
        settings["audio"]["input"]["transcription"].pop("language")
    session = transcribing(settings)
    for number, text in enumerate(texts):
        item = f"item_{number}"
        session.stream(chunks(speech(number * 2.0, 2.0, 24_000), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
        session.stream(chunks(bytes(24_000), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
        session.server({"type": "input_audio_buffer.committed", "item_id": item})
        done = {"type": COMPLETED, "item_id": item, "content_index": 0, "transcript": text}
        for _ in range(times):
            session.server(done, after=0.3)
    return session.app_closes(1000, after=1.0)


# -- Languages


def language_left_out(query: str, texts: tuple[str, ...], confidence: float) -> WireSession:
    session = listening(f"model=nova-3&encoding=linear16&sample_rate=16000{query}")
    for number, text in enumerate(texts):
        session.stream(chunks(speech(number * 3.0, 3.0), 3200), 0.1)
        answer = result(text, number * 3.0, 3.0, ends=True)
        best = answer["channel"]["alternatives"][0]
        best["confidence"] = confidence
        for word in best["words"]:
            word["confidence"] = confidence
        session.server(answer)
    return ended(session, 9.0)


# -- Times


def silence_withheld(*, silence: bool) -> WireSession:
    """The app's own detector passes on only speech; the service hears no end."""
    session = WireSession("wss://api.gladia.io/v2/live?token=" + "Synthetic0" * 4).accept()
    session.server({"type": "start_session", "session_id": REQUEST_ID})
    held: Json | None = None
    for number in range(3):
        session.stream(chunks(speech(number * 2.0, 2.0), 3200), 0.1)
        if held:
            session.server(held)
        held = gladia_final(f"Sentence {number} of the caller.")
        begins = number * (8.0 if silence else 2.0)
        held["data"]["utterance"] |= {"start": begins + 0.1, "end": begins + 1.9}
        if silence:
            session.stream([PAUSE] * 8, 0.1).server(held)
            session.stream([PAUSE] * 52, 0.1)
            held = None
        else:
            session.wait(6.0)
    session.app({"type": "stop_recording"})
    for message in [held] if held else []:
        session.server(message, after=0.4)
    session.server({"type": "stop_recording", "acknowledged": True, "data": {}}, after=0.3)
    session.server({"type": "end_session", "session_id": REQUEST_ID})
    return session.server_closes(1000)


def times_drift(each: float) -> WireSession:
    """A marker every three seconds; the times of its words move by `each` with each segment."""
    query = (
        "model_id=scribe_v2_realtime&audio_format=pcm_16000&commit_strategy=vad"
        "&include_timestamps=true&language_code=en&vad_silence_threshold_secs=1.5"
    )
    session = elevenlabs("speech-to-text/realtime", query)
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "commit_strategy": "vad"}
    session.server({"message_type": "session_started", "session_id": REQUEST_ID, "config": config})
    for number in range(12):
        session.stream(chunks(speech(0.1, 1.0), 3200), 0.1, scribe_audio)
        session.stream([PAUSE] * 20, 0.1, scribe_audio)
        start = number * 3.0 + number * each
        words = [
            {"text": text, "start": start + at, "end": start + at + 0.3, "type": "word"}
            for text, at in (("alpha", 0.0), ("bravo", 0.35), ("charlie", 0.7))
        ]
        text = {"text": "Alpha, bravo, charlie.", "language_code": "en", "words": words}
        session.server({"message_type": "committed_transcript_with_timestamps"} | text)
    return session.app_closes(1000, after=0.5)


def behind(lag: float) -> WireSession:
    """A long conversation; what is processed falls behind what was sent."""
    session = soniox_stt()
    for number in range(1, 21):
        session.stream(chunks(speech(number * 2.0 - 2.0, 2.0), 3200), 0.1)
        done = number * 2.0 - lag * number / 20
        answer = tokens("where is it", max(0, round(done * 1000) - 900))
        heard = {"final_audio_proc_ms": round(done * 1000) - 300}
        session.server(answer | heard | {"total_audio_proc_ms": round(done * 1000)})
    session.app("").server({"tokens": [], "finished": True}, after=lag or 0.3)
    return session.server_closes(1000)


def cut_up(query: str, *texts: str) -> WireSession:
    """One sentence without a pause between its words."""
    session = listening(f"model=nova-2&encoding=linear16&sample_rate=16000{query}")
    fluent = b"".join(speech(at, length) for at, length in ((0.2, 1.4), (2.4, 2.3), (5.4, 2.3)))
    part = 6.0 / len(texts)
    for number, text in enumerate(texts):
        sound = fluent[round(number * part) * 32_000 :][: round(part * 32_000)]
        session.stream(chunks(sound[: len(sound) // 2], 3200), 0.1)
        session.server(result(text, number * part, part / 2, final=False))
        session.stream(chunks(sound[len(sound) // 2 :], 3200), 0.1)
        session.server(result(text, number * part, part, ends=True), after=0.1)
    return ended(session, 6.0)


REPORTS = [
    Report(
        "az-channels-ignored",
        "channels",
        "microsoft/cognitive-services-speech-sdk-js#873",
        "Both SpeechRecognizer and ConversationTranscriber completely ignore audio channels",
        "all results have channel 0, also what the second speaker said",
        "the WAV header declares two channels, and the API mixes them to one",
        lambda: two_channels(2),
        ("channel|stereo",),
        lambda: two_channels(1),
        "one channel",
        ("channel", "stereo"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "oai-completed-again",
        "twice",
        "OpenWhispr/openwhispr#770",
        "Duplicate transcriptions happening",
        "the text of a dictation appears three or four times",
        "further events repeat the transcript of the same item",
        lambda: dictated((HELLO,), 4),
        ("twice|again|repeat|more than once|[234] times|duplicate",),
        lambda: dictated((HELLO, HELLO, "Good morning.")),
        "the same words are said twice, in two items",
        ("twice", "again", "repeat", "more than once", "duplicate"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "dg-english-by-default",
        "language",
        "Beingpax/VoiceInk#742",
        'Deepgram "Auto detect" silently sends no language param — defaults to English-only',
        "Russian comes back as garbled English",
        "no language is asked for, so that English is recognized",
        lambda: language_left_out("", SOUNDS_LIKE, 0.31),
        ("language",),
        lambda: language_left_out("&language=multi", RUSSIAN, 0.97),
        "language=multi, and the words have high confidence",
        ("language", "confidence"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "gl-silence-withheld",
        "latency",
        "pipecat-ai/pipecat#3405",
        "Gladia STT is missing some utterances",
        "utterances are missing, or come together after a long delay",
        "the app sends no audio in pauses, so that the service hears no end of the utterance",
        lambda: silence_withheld(silence=False),
        (
            "pause|gap|silence|no audio|stopp?(s|ed)? sending",
            "final|late|transcript|result|end of|wait",
        ),
        lambda: silence_withheld(silence=True),
        "silence is sent, and each result comes at once",
        ("no audio", "gap", "late"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "xi-times-drift",
        "time stamps",
        "elevenlabs/elevenlabs-python#849",
        "[Scribe v2 Realtime API] VAD commits add ~100 ms to subsequent word timestamps",
        "the times of words are later the more segments there were",
        "each segment adds 100 ms to the times of all words after it",
        lambda: times_drift(0.1),
        ("time", "late|drift|behind|shift|ahead|apart|off|beyond|after"),
        lambda: times_drift(0.0),
        "the times are those of the audio",
        ("drift", "shift", "beyond"),
        ("credential", "audio is silent", "real time"),
        complete=True,
    ),
    Report(
        "sx-falls-behind",
        "latency",
        "BasedHardware/omi#1025",
        "Over long term connections STT service (soniox) delays up to 20-30 seconds",
        "the words come later and later",
        "the service falls behind: what it has processed is 15 s old",
        lambda: behind(15.0),
        ("behind|late|lag|delay",),
        lambda: behind(0.0),
        "what is processed is what was sent",
        ("behind", "late", "lag", "delay"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "oai-spanish-for-english",
        "language",
        "tjardoo/openai-client#137",
        "Realtime transcription response is in Spanish (expecting English) with gpt-4o-transcribe",
        "what is said in English sometimes comes back in Spanish",
        "the session names no language: the model guesses it for each utterance",
        lambda: dictated(
            (HELLO, "El paquete todavía no ha llegado y no sé dónde está.", "Where is it now?"),
            language=False,
        ),
        ("language",),
        lambda: dictated((HELLO, "The parcel has not come, and I do not know why.")),
        "the language is named, and all texts are in it",
        ("language",),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "dg-cut-up",
        "too early",
        "jambonz/jambonz-feature-server#502",
        "Receiving transcription before end of transcript when using Deepgram with endpointing.",
        "the transcript comes before the caller has finished",
        "endpointing is 10 ms: a result ends the speech in the middle of the sentence",
        lambda: cut_up("&interim_results=true&endpointing=10", "my mom", "has ordered", "a parcel"),
        ("endpointing",),
        lambda: cut_up("&interim_results=true&endpointing=500", "my mom has ordered a parcel"),
        "endpointing is 500 ms, and one result ends the speech",
        ("endpointing",),
        ("credential", "audio is silent"),
        complete=True,
    ),
]
"""Reports."""
