"""Reports of speech to text without an error: no words, words of nobody, and odd settings."""

from __future__ import annotations

from audio_samples import wav
from bug_report import Report
from deepgram_reports import webm
from dictation_reports import COMPLETED, transcribing, transcription
from missing_event_reports import ended, result, speech
from provider_sessions import (
    DEEPGRAM_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    append,
    b64,
    chunks,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
)
from quiet_reports import PAUSE
from speechless_reports import NEVER, SENTENCES
from stt_more_reports import whisper_live_kit
from wire_session import BROWSER, WireSession


def live_kit_silence(*, words: bool) -> WireSession:
    """After a pause, the server shows only how long the silence lasts."""
    session = whisper_live_kit("en").accept().server({"type": "config", "useAudioWorklet": True})
    lines: list[Json] = []
    for number, sentence in enumerate(SENTENCES):
        session.stream(chunks(speech(number * 4.0, 4.0), 3200), 0.1)
        begins = f"0:00:{number * 7:02}"
        if words or not number:
            line = {
                "speaker": 1,
                "text": sentence,
                "start": begins,
                "end": f"0:00:{number * 7 + 4:02}",
            }
            lines.append(line)
        else:
            lines[-1] = lines[-1] | {"end": f"0:00:{number * 7 + 4:02}"}
        answer = {"status": "active_transcription", "buffer_transcription": ""}
        session.server(answer | {"lines": list(lines), "remaining_time_transcription": 0.0})
        session.stream([PAUSE] * 30, 0.1)
        silent = {"speaker": -2, "text": "", "start": f"0:00:{number * 7 + 4:02}", "end": begins}
        lines.append(silent)
        session.server(answer | {"lines": list(lines), "remaining_time_transcription": 0.0})
    session.app(b"").server({"type": "ready_to_stop"}, after=0.3)
    return session.app_closes(1000)


def scribe_at_a_gateway(*, words: bool) -> WireSession:
    """A gateway to several services, each with the same messages."""
    headers = {"Authorization": "Bearer " + "Synthetic0" * 8}
    session = WireSession("wss://gateway.example.net/v1/stt", headers).accept()
    settings = {"sample_rate": "16000", "encoding": "pcm_s16le", "language": "en"}
    model = "elevenlabs/scribe_v2_realtime"
    session.app({"type": "session.create", "model": model, "settings": settings})
    session.server({"type": "session.created", "session_id": REQUEST_ID}, after=0.2)
    for number, sentence in enumerate(SENTENCES):
        sound = chunks(speech(number * 4.0, 4.0), 3200)
        session.stream(sound, 0.1, lambda data: {"type": "input_audio", "audio": b64(data)})
        if words:
            session.server({"type": "interim_transcript", "transcript": sentence.lower()})
            session.server({"type": "final_transcript", "transcript": sentence, "language": "en"})
    session.app({"type": "session.finalize"}).server({"type": "session.finalized"}, after=0.3)
    return session.app({"type": "session.close"}).server_closes(1000)


def silence_committed(text: str) -> WireSession:
    """The key was pressed, and nobody spoke."""
    settings = transcription("gpt-4o-transcribe", None)
    session = transcribing(settings)
    session.stream([bytes(4800)] * 25, 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"}, after=0.1)
    done = {"type": COMPLETED, "item_id": "item_1", "content_index": 0, "transcript": text}
    return session.server(done, after=0.8).app_closes(1000, after=0.5)


def second_connection(*, header: bool) -> WireSession:
    """The page connects again; its recorder has run on since the first connection."""
    query = (
        "language=en-US&model=nova-2-medical&vad_events=true&smart_format=true"
        "&interim_results=true&utterance_end_ms=2000"
    )
    url = f"wss://api.deepgram.com/v1/listen?{query}"
    fields = {
        "Sec-WebSocket-Protocol": f"token, {DEEPGRAM_KEY}",
        "Origin": "http://localhost:60330",
    }
    session = WireSession(url, fields, agent=BROWSER)
    session.accept({"Sec-WebSocket-Protocol": "token", "dg-request-id": REQUEST_ID})
    sound = webm(8.0)
    session.stream(chunks(sound if header else sound[6000:], 1500), 0.25)
    if header:
        session.server(deepgram_result(HELLO, 0.0, 4.0))
    session.app({"type": "CloseStream"})
    session.server(deepgram_metadata(8.0 if header else 0.0), after=0.2)
    return session.server_closes(1000)


def keywords_of(query: str) -> WireSession:
    session = listening(f"model=nova-2&encoding=linear16&sample_rate=16000&language=en&{query}")
    for number, sentence in enumerate(SENTENCES):
        session.stream(chunks(speech(number * 3.0, 3.0), 3200), 0.1)
        session.server(result(sentence, number * 3.0, 3.0, ends=True))
    return ended(session, 9.0)


def wav_for_vosk(rate: int) -> WireSession:
    """A server of one's own, which takes 8 kHz unless it is set; the app names no rate."""
    session = WireSession("ws://vosk.example.net:2700/", agent="node").accept()
    sound = wav(pcm(6.0, rate), rate)
    for part in chunks(sound, rate * 2):
        session.app(part, after=1.0)
        session.server({"partial": "the the the" if rate != 8000 else "good morning"}, after=0.2)
    session.app({"eof": 1})
    text = "the the the the the the" if rate != 8000 else HELLO.lower()
    return session.server({"text": text}, after=0.3).server_closes(1000)


REPORTS = [
    Report(
        "wlk-stops-after-silence",
        "missing result",
        "QuentinFuxa/WhisperLiveKit#234",
        "Transcription output stops although it seems that the voice is still being detected",
        "after a silence, only its duration is shown",
        "no words come for the speech after the first silence",
        lambda: live_kit_silence(words=False),
        ("stop|no (more|further|new|words|result)|without words|last (words|result)",),
        lambda: live_kit_silence(words=True),
        "words come after each silence",
        ("stopped", "without words", "no (more|further) "),
        NEVER,
    ),
    Report(
        "gateway-no-words",
        "missing result",
        "livekit/agents#4255",
        "ElevenLabs Scribe V2 Realtime STT produces no transcriptions via LiveKit Inference",
        "no transcript at all; with another model all works",
        "not known: the gateway takes the audio of this model, and sends no words",
        lambda: scribe_at_a_gateway(words=False),
        ("speech", "no (words|result|transcript)|0 words|without words|never"),
        lambda: scribe_at_a_gateway(words=True),
        "words come",
        ("0 words", "no words", "never"),
        ("credential", "audio is silent", "sample rate|format"),
    ),
    Report(
        "oai-words-in-silence",
        "noise",
        "TypeWhisper/typewhisper-win#23",
        "fix: filter silence hallucinations from cloud transcription models",
        "text in another language is typed although nobody spoke",
        "only silence was committed; the model makes words of it",
        lambda: silence_committed("ご視聴ありがとうございました。"),
        ("silen|no (audible )?speech|nobody|zeros", "word|text|transcript"),
        lambda: silence_committed(""),
        "the transcript of the silence is empty",
        ("word", "invent", "makes"),
        complete=True,
    ),
    Report(
        "dg-second-connection",
        "container",
        "deepgram/deepgram-js-sdk#301",
        "Deepgram API does not return data upon disconnecting and reconnecting Websocket",
        "the first connection works, the second one gives no transcripts",
        "the recorder runs on: the second stream lacks the header of WebM",
        lambda: second_connection(header=False),
        ("header|middle|begin|start", "webm|container|audio"),
        lambda: second_connection(header=True),
        "the recorder begins with the connection",
        ("header", "middle", "decoded no audio"),
        ("credential", "sample rate"),
    ),
    Report(
        "dg-keywords-in-one",
        "no effect",
        "LeonardoTrapani/hyprvoice#42",
        "fix: send keyterm for Deepgram nova-3/flux instead of dropping keywords",
        "the configured words are not recognized better",
        "all keywords are joined with commas in one parameter, which is one keyword then",
        lambda: keywords_of("keywords=Hyprland,Wayland,PipeWire,Omarchy"),
        ("keywords", "comma|one (keyword|value|word|term)|joined|repeat|separate"),
        lambda: keywords_of("keywords=Hyprland:2&keywords=Wayland&keywords=PipeWire"),
        "a parameter for each keyword",
        ("keywords",),
        NEVER,
        complete=True,
    ),
    Report(
        "vosk-the-the-the",
        "sample rate",
        "alphacep/vosk-server#165",
        "Examples with Buffers for NodeJS",
        "whatever is said becomes `the the the`",
        "the WAV file has 44.1 kHz, and the server is not told so: it takes 8 kHz for granted",
        lambda: wav_for_vosk(44_100),
        ("44100|44\\.1|rate|WAV|header",),
        lambda: wav_for_vosk(8000),
        "the file has 8 kHz",
        ("rate (is|was) not", "repeat", "the the"),
        NEVER,
    ),
]
"""Reports."""
