"""Reports of speech to text without an error: words that come again, late, or never final."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import KEEP_ALIVE
from missing_event_reports import ended, result, speech
from provider_reports import soniox_stt
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    azure_audio,
    azure_listening,
    azure_message,
    b64,
    chunks,
    deepgram_result,
    listening,
    pcm,
)
from quiet_reports import PAUSE
from reported_access import azure_end
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
]
"""Reports."""
