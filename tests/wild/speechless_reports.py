"""Reports of speech to text without an error: no words, words again, late words, no end."""

from __future__ import annotations

from audio_samples import wav
from bug_report import Report
from deepgram_reports import KEEP_ALIVE, webm
from dictation_reports import COMPLETED, transcribing, transcription
from missing_event_reports import ended, result, speech
from provider_reports import soniox_stt
from provider_sessions import (
    DEEPGRAM_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    append,
    azure_audio,
    azure_listening,
    azure_message,
    b64,
    chunks,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
)
from quiet_reports import PAUSE
from reported_access import azure_end
from stt_more_reports import whisper_live_kit
from wire_session import BROWSER, WireSession

SENTENCES = (
    "Good morning, this is Tom.",
    "The parcel has not arrived yet.",
    "Could you look where it is now?",
)
"""What a caller says, one after the other."""
FUNASR: Json = {
    "mode": "2pass",
    "chunk_size": [5, 10, 5],
    "chunk_interval": 10,
    "wav_name": "microphone",
    "wav_format": "pcm",
    "audio_fs": 16000,
    "is_speaking": True,
}


# -- Words that come again


def xai_utterance(*, restated: bool) -> WireSession:
    """Segments are final; the message that ends the utterance has the complete text."""
    url = "wss://api.x.ai/v1/stt?encoding=pcm&sample_rate=16000&interim_results=true"
    session = WireSession(url, {"Authorization": "Bearer xai-" + "Synthetic0" * 8}).accept()
    session.server({"type": "transcript.created", "id": REQUEST_ID})

    def partial(text: str, start: float, end: float, final: bool, ends: bool) -> None:
        times = {"start": start, "duration": end - start, "words": []}
        kind = {"type": "transcript.partial", "is_final": final, "speech_final": ends}
        session.server(kind | times | {"text": text})

    for at in (0.0, 6.0):
        session.stream(chunks(speech(at, 2.0), 3200), 0.1)
        partial("my order", at, at + 1.0, False, False)
        partial("my order number", at, at + 2.0, True, False)
        session.stream(chunks(speech(at + 2.0, 2.0), 3200), 0.1)
        partial("is four two one", at + 2.0, at + 4.0, True, False)
        session.stream([PAUSE] * 20, 0.1)
        if restated:
            partial("My order number is four two one.", at, at + 4.0, True, True)
    said = "My order number is four two one. " * 2
    session.app({"type": "audio.done"})
    session.server({"type": "transcript.done", "text": said, "duration": 12.0}, after=0.2)
    return session.app_closes(1000)


def voxtral_turns(*, cumulative: bool = False, flushed: int = 3) -> WireSession:
    """Three turns, each ended with a flush; `flushed` of them are answered."""
    url = "wss://api.mistral.ai/v1/audio/transcriptions/realtime"
    headers = {"Authorization": "Bearer " + "Synthetic0" * 3 + "ab"}
    model = "voxtral-mini-transcribe-realtime-2602"
    session = WireSession(f"{url}?model={model}", headers).accept()
    session.server({"type": "session.created", "session": {"request_id": REQUEST_ID}})
    audio = {"encoding": "pcm_s16le", "sample_rate": 16000}
    session.app({"type": "session.update", "session": {"audio_format": audio}})

    def send(data: bytes) -> Json:
        return {"type": "input_audio.append", "audio": b64(data)}

    for number, sentence in enumerate(SENTENCES):
        session.stream(chunks(speech(number * 3.0, 3.0), 3200), 0.1, send)
        for word in sentence.split():
            session.server({"type": "transcription.text.delta", "text": f"{word} "})
        session.stream([PAUSE] * 5, 0.1, send).app({"type": "input_audio.flush"})
        if number < flushed:
            said = SENTENCES[: number + 1] if cumulative else (sentence,)
            done: Json = {
                "type": "transcription.done",
                "text": " ".join(said),
                "language": "en",
            }
            session.server(done | {"segments": []}, after=0.3)
        session.stream([PAUSE] * (20 if number < flushed else 100), 0.1, send)
        if number == flushed:
            return session.app_closes(1000)
    session.app({"type": "input_audio.end"})
    rest = " ".join(SENTENCES) if cumulative else ""
    last = {"type": "transcription.done", "text": rest, "language": "en", "segments": []}
    return session.server(last, after=0.2).app_closes(1000)


# -- Audio that is withheld, and ends that never come


def energy_filter(*, gated: bool) -> WireSession:
    """A second after the last loud frame, the app's filter stops the audio."""
    query = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&endpointing=1500"
    session = listening(query).stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(deepgram_result("good morning the parcel", 0.0, 2.9, final=False))
    session.stream([PAUSE] * (10 if gated else 20), 0.1)
    if gated:
        for _ in range(3):
            session.app(KEEP_ALIVE, after=5.0)
        session.stream(chunks(speech(3.0, 2.0), 3200), 0.1)
        session.stream([PAUSE] * 10, 0.1)
        session.server(result(f"{HELLO} Hello?", 0.0, 7.0, ends=True))
    else:
        session.server(result(HELLO, 0.0, 4.9, ends=True)).stream([PAUSE] * 20, 0.1)
    return ended(session, 7.0)


def soniox_stalled(*, audio: bool) -> WireSession:
    """The telephone's stream ends in the middle of what is said."""
    session = soniox_stt()
    words = ("Good", "morning,", "the", "parcel", "has", "not")

    def heard(count: int, *, final: bool, end: bool = False) -> Json:
        all_ = [
            {"text": f"{word} ", "start_ms": 400 * n, "end_ms": 400 * n + 300, "is_final": final}
            for n, word in enumerate(words[:count])
        ]
        mark = [{"text": "<end>", "is_final": True}] if end else []
        done = {"final_audio_proc_ms": 2600 if final else 0, "total_audio_proc_ms": count * 450}
        return {"tokens": all_ + mark} | done

    for second in range(3):
        session.stream(chunks(speech(second * 1.0, 1.0), 3200), 0.1)
        session.server(heard(2 * second + 2, final=False))
    if audio:
        session.stream([PAUSE] * 15, 0.1).server(heard(6, final=True, end=True))
        session.stream([PAUSE] * 10, 0.1).app("")
        session.server({"tokens": [], "finished": True}, after=0.2)
        return session.server_closes(1000)
    for _ in range(2):
        session.app({"type": "keepalive"}, after=6.0)
    return session.app_closes(1000, after=3.0)


def funasr_microphone(*, ends: bool) -> WireSession:
    """A page streams the microphone; it never says that the speaker has finished."""
    session = WireSession("ws://asr.example.net:10096/", agent=BROWSER).accept().app(FUNASR)
    for number, sentence in enumerate(SENTENCES):
        session.stream(chunks(speech(number * 3.0, 3.0), 1920), 0.06)
        for mode in ("2pass-online", "2pass-offline"):
            text = {"mode": mode, "text": sentence, "wav_name": "microphone", "is_final": False}
            session.server(text)
    if ends:
        session.app({"is_speaking": False})
        last = {"mode": "2pass-offline", "text": "", "wav_name": "microphone", "is_final": True}
        session.server(last, after=0.3)
    return session.app_closes(1000, after=1.0 if ends else 8.0)


def azure_hypotheses(*, phrases: bool) -> WireSession:
    """A page recognizes the microphone for 24 seconds."""
    session = azure_listening()
    for number in range(8):
        session.stream(chunks(speech(number * 3.0, 2.0), 3200), 0.1, azure_audio)
        times = {"Offset": number * 30_000_000, "Duration": 18_000_000}
        text = SENTENCES[number % 3]
        session.server(azure_message("speech.hypothesis", {"Text": text.lower()} | times))
        session.stream([PAUSE] * 10, 0.1, azure_audio)
        if phrases:
            fields = {"RecognitionStatus": "Success", "DisplayText": text}
            session.server(azure_message("speech.phrase", fields | times))
    if phrases:
        session.app(azure_audio(b"")).server(azure_end(), after=0.2)
    return session.app_closes(1000, after=1.0)


# -- Late words


def azure_latency(grows: float) -> WireSession:
    """Ten utterances; the result of each comes `grows` seconds later than that of the last."""
    session = azure_listening()
    late: list[tuple[float, str]] = []
    at = 0.0
    for number in range(12):
        session.stream(chunks(speech(number * 2.0, 2.0), 3200), 0.1, azure_audio)
        fields = {"RecognitionStatus": "Success", "DisplayText": SENTENCES[number % 3]}
        times = {"Offset": round(at * 1e7), "Duration": 19_000_000}
        late.append((at + 2.3 + grows * number, azure_message("speech.phrase", fields | times)))
        for _ in range(10):
            session.stream([PAUSE], 0.1, azure_audio)
        at += 3.0
        while late and late[0][0] <= at:
            session.server(late.pop(0)[1])
    session.app(azure_audio(b""))
    for _, message in late:
        session.server(message, after=grows + 0.1)
    return session.server(azure_end(), after=0.1).app_closes(1000)


# -- No words, or words of nobody


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


# -- Settings and formats


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


NEVER = ("credential", "audio is silent")

REPORTS = [
    Report(
        "xai-restated",
        "twice",
        "pipecat-ai/pipecat#5671",
        "XAISTTService: cumulative speech_final transcript is emitted as a second "
        "TranscriptionFrame, duplicating utterance text",
        "each utterance is in the transcript twice",
        "the result that ends an utterance repeats the words of the final results before it",
        lambda: xai_utterance(restated=True),
        ("repeat|restat|twice|more than once",),
        lambda: xai_utterance(restated=False),
        "no result repeats words",
        ("again", "twice", "repeat", "more than once"),
        NEVER,
        complete=True,
    ),
    Report(
        "mistral-cumulative",
        "twice",
        "pipecat-ai/pipecat#4485",
        "MistralSTTService: TranscriptionStreamDone.text is session-cumulative, not per-utterance",
        "the text of each turn contains all turns before it",
        "the final text is that of the session, not of the turn",
        lambda: voxtral_turns(cumulative=True),
        ("repeat|twice|more than once",),
        voxtral_turns,
        "each final text is that of its turn",
        ("again", "twice", "repeat", "more than once", "cumulat"),
        NEVER,
        complete=True,
    ),
    Report(
        "mistral-flush-unanswered",
        "missing result",
        "pipecat-ai/pipecat#4487",
        "MistralSTTService: flush_audio() doesn't reliably trigger Voxtral per-turn done "
        "event (multi-turn blocker)",
        "the bot is silent after the second turn",
        "no `transcription.done` comes for the second flush",
        lambda: voxtral_turns(flushed=1),
        ("flush|transcription.done", "not|no |never"),
        voxtral_turns,
        "each flush is answered",
        ("flush", "never"),
        NEVER,
    ),
    Report(
        "dg-energy-filter",
        "latency",
        "livekit/agents-js#2242",
        "Deepgram plugin stops sending audio before Deepgram can endpoint, so "
        "speech_final never arrives",
        "no final transcript until the caller speaks again",
        "the app's filter stops the audio before the silence is long enough for an end of speech",
        lambda: energy_filter(gated=True),
        ("no audio|pause|gap|stopp?(s|ed)? sending|withh", "final|end of|late|result"),
        lambda: energy_filter(gated=False),
        "the silence is sent, too",
        ("no audio", "gap", "late"),
        NEVER,
        complete=True,
    ),
    Report(
        "sx-audio-ends-in-mid-sentence",
        "missing result",
        "bolna-ai/bolna#846",
        "fix: add utterance timeout monitor to Soniox transcriber",
        "the call freezes: no final words come",
        "the audio stops in the middle of what is said; without audio, no endpoint is found",
        lambda: soniox_stalled(audio=False),
        ("no audio|audio (stops|stopped|ends|ended)|stopp?(s|ed)? sending|without audio", "final"),
        lambda: soniox_stalled(audio=True),
        "silence follows, and the words become final",
        ("no audio", "never", "stopp"),
        NEVER,
    ),
    Report(
        "funasr-never-final",
        "missing end",
        "modelscope/FunASR#2141",
        "GPU版本 ws里面返回的is_final 一直是false状态",
        "`is_final` is always false",
        "the app never says that the speaker has finished (is_speaking false)",
        lambda: funasr_microphone(ends=False),
        ("final", "is_speaking|end (message|of the audio)|(not|never) end"),
        lambda: funasr_microphone(ends=True),
        "the app says so, and the last result is final",
        ("never",),
        NEVER,
        complete=True,
    ),
    Report(
        "az-no-phrases",
        "missing result",
        "Azure-Samples/cognitive-services-speech-sdk#922",
        "JS: continuous speech recognition not invoking `recognised` event handler.",
        "interim results come, and never a final one",
        "no phrase ever follows the hypotheses",
        lambda: azure_hypotheses(phrases=False),
        ("final|interim", "no |never|not|only"),
        lambda: azure_hypotheses(phrases=True),
        "phrases come",
        ("no final", "never", "only interim"),
        NEVER,
    ),
    Report(
        "az-latency-grows",
        "latency",
        "microsoft/cognitive-services-speech-sdk-js#913",
        "[Bug]: Continuous Recognition Latency Increases as Connection Time increases",
        "the longer the connection, the later the words",
        "the results fall behind the audio more and more",
        lambda: azure_latency(1.2),
        ("late|behind|delay|lag",),
        lambda: azure_latency(0.0),
        "each result comes 0.3 s after its speech",
        ("late", "behind", "delay", "lag"),
        NEVER,
        complete=True,
    ),
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
