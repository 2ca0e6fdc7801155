"""Silent failures that were searched out after the rules for others were changed."""

from __future__ import annotations

from audio_samples import mulaw, scaled
from bug_report import Report
from provider_reports import soniox_stt
from provider_sessions import (
    HELLO,
    LISTEN,
    Json,
    answered,
    append,
    azure_audio,
    azure_listening,
    azure_message,
    b64,
    chunks,
    committed,
    deepgram,
    deepgram_metadata,
    deepgram_result,
    pcm,
    realtime,
    response_done,
    spoken_turn,
)
from quiet_reports import speechmatics_forced
from wire_session import WireSession


def doubled(*, twice: bool) -> WireSession:
    """A bench sends noise to an agent; while it waits for the agent, two tasks send it."""
    session = WireSession("ws://127.0.0.1:7860/ws/bench").accept()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": form}
    session.app({"event": "start", "streamSid": "MZ1", "start": start})
    sound = mulaw(scaled(pcm(12.0, 8000), 0.5, 200.0))

    def sent(data: bytes) -> Json:
        return {"event": "media", "streamSid": "MZ1", "media": {"payload": b64(data)}}

    parts = list(chunks(sound, 160))
    for number, data in enumerate(parts):
        session.app(sent(data), after=0.02)
        if twice and number % 150 > 75:
            session.app(sent(parts[number - 1]), after=0.0)
    answer = chunks(sound[:24_000], 1600)
    session.stream(answer, 0.02, sent, from_client=False)
    return session.app({"event": "stop", "streamSid": "MZ1"}).app_closes(1000, after=3.0)


def live_translation(*, stops: bool) -> WireSession:
    """A server of one's own sends all lines so far, each with its translation."""
    session = WireSession("ws://10.0.0.5:8000/asr?language=pt&target_language=en").accept()
    session.server({"type": "config", "useAudioWorklet": False})
    lines: list[Json] = []
    for number in range(6):
        session.stream(chunks(pcm(3.0), 3200), 0.1)
        line = {
            "speaker": 1,
            "text": f"Bom dia número {number}.",
            "start": "0:00:01",
            "end": "0:00:03",
        }
        translated = {"translation": f"Good morning number {number}."}
        lines.append(line | ({} if stops and number > 1 else translated))
        session.server({"status": "active_transcription", "lines": list(lines)})
        if number == 1:
            session.stream(chunks(bytes(320_000), 3200), 0.1)
    session.app(b"").server({"type": "ready_to_stop"}, after=0.3)
    return session.app_closes(1000)


def conversation(*, empty: bool) -> WireSession:
    """Speech is recognized; its translations are empty texts."""
    session = azure_listening()
    for number in range(3):
        session.stream(chunks(pcm(3.0), 3200), 0.1, azure_audio)
        texts = [
            {"Language": each, "Text": "" if empty else "Guten Morgen."} for each in ("de", "fr")
        ]
        phrase: Json = {"RecognitionStatus": "Success", "Text": HELLO, "DisplayText": HELLO}
        phrase |= {"Offset": number * 30_000_000, "Duration": 28_000_000}
        translation = {"TranslationStatus": "Success", "Translations": texts}
        session.server(azure_message("translation.phrase", phrase | {"Translation": translation}))
    session.app(azure_audio(b"")).server(azure_message("turn.end", {}), after=0.2)
    return session.app_closes(1000)


def empty_final(*, empty: bool) -> WireSession:
    """A short answer after others."""
    session = deepgram(LISTEN).accept()
    session.stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 3.0))
    session.stream(chunks(bytes(64_000) + pcm(1.0), 3200), 0.1)
    session.server(deepgram_result("yes", 5.0, 0.8, final=False))
    session.stream(chunks(bytes(96_000), 3200), 0.1)
    session.server(deepgram_result("" if empty else "Yes.", 5.0, 1.5))
    session.stream(chunks(bytes(160_000), 3200), 0.1)
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(13.0)).server_closes(1000)


def interrupted(*, truncates: bool) -> WireSession:
    """The user interrupts a long answer; the app stops its player."""
    session = answered(spoken_turn(realtime()), 6.0)
    session.server(response_done("completed"))
    session.stream(chunks(pcm(1.0, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 3000})
    if truncates:
        ids = {"item_id": "item_2", "content_index": 0, "audio_end_ms": 1500}
        session.app({"type": "conversation.item.truncate", **ids})
        session.server({"type": "conversation.item.truncated", **ids})
    session.stream(chunks(pcm(1.0, 24_000) + bytes(24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 5000})
    committed(session)
    return answered(session).server(response_done("completed")).app_closes(1000, after=2.0)


def soniox_leaves(*, ends: bool) -> WireSession:
    session = soniox_stt().stream(chunks(pcm(3.0), 3200), 0.1)
    words = [
        {"text": f"{w} ", "start_ms": 300 * n, "end_ms": 300 * n + 250}
        for n, w in enumerate(HELLO.split())
    ]
    heard = {"final_audio_proc_ms": 0, "total_audio_proc_ms": 3000}
    session.server({"tokens": [each | {"is_final": False} for each in words], **heard})
    if not ends:
        return session.app_closes(1000, after=0.05)
    session.app("")
    heard = {"final_audio_proc_ms": 3000, "total_audio_proc_ms": 3000}
    session.server({"tokens": [each | {"is_final": True} for each in words], **heard}, after=0.3)
    return session.server({"tokens": [], "finished": True, **heard}).server_closes(1000)


def idles(*, leaves: bool) -> WireSession:
    """A file is sent at once; then the library ends the stream, and closes."""
    session = deepgram(LISTEN).accept().app(*chunks(pcm(60.0), 8000))
    session.app({"type": "CloseStream"})
    if leaves:
        return session.app_closes(1000, after=0.02)
    for number in range(6):
        session.server(deepgram_result(HELLO, number * 10.0, 10.0), after=0.4)
    return session.server(deepgram_metadata(60.0)).server_closes(1000)


REPORTS = [
    Report(
        "bench-sends-twice",
        "pace",
        "ServiceNow/eva#78",
        "Stop double sending audio to assistant during perturbations",
        "the recorded audio is more than twice as long as the call",
        "two tasks send audio at the same time while the agent is waited for",
        lambda: doubled(twice=True),
        ("of real time|times real time|faster|twice|more than",),
        lambda: doubled(twice=False),
        "one task sends",
        ("faster", "twice"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "sm-finalized-early",
        "missing result",
        "pipecat-ai/pipecat#4732",
        "Fix `SpeechmaticsSTTService` truncating trailing tokens at end of turn",
        "the last words of a turn are missing",
        "the app ends the utterance while its last words are still being transcribed",
        lambda: speechmatics_forced(2.4),
        ("ForceEndOfUtterance|ended an utterance",),
        lambda: speechmatics_forced(5.7),
        "the words go up to the end of the sound",
        ("ended an utterance", "forced"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "az-empty-translations",
        "missing result",
        "microsoft/cognitive-services-speech-sdk-js#618",
        "Empty translations in final recognition for ConversationTranslator",
        "translations are empty",
        "the service sends the recognized text, and empty translations",
        lambda: conversation(empty=True),
        ("translation", "empty|no |without|missing"),
        lambda: conversation(empty=False),
        "the translations have words",
        ("translation",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "dg-answer-dropped",
        "missing result",
        "pipecat-ai/pipecat#455",
        "Bot stops responding randomly - No frames not emitted by deepgram STT",
        "the agent does not react to a short answer",
        "the interim result has the word, and the final one is empty",
        lambda: empty_final(empty=True),
        ("interim", "final", "empty|missing"),
        lambda: empty_final(empty=False),
        "the final result has the word",
        ("empty",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "oai-believes-it-was-heard",
        "message order",
        "2FastLabs/agent-squad#561",
        "Realtime session never sends conversation.item.truncate after barge-in — model context "
        "keeps audio the user never heard",
        "the agent refers to sentences that were not played",
        "the app does not truncate the answer that the user interrupted",
        lambda: interrupted(truncates=False),
        ("truncate",),
        lambda: interrupted(truncates=True),
        "it is truncated",
        ("did not truncate",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "soniox-closes-first",
        "missing end",
        "pipecat-ai/pipecat#5401",
        "SonioxSTTService.stop closes WebSocket before sending end-of-audio",
        "the last words never become final",
        "the app closes the connection before it ends the audio",
        lambda: soniox_leaves(ends=False),
        ("final", "clos|left|end"),
        lambda: soniox_leaves(ends=True),
        "the app sends the empty message, and waits",
        ("never became final",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "dg-closes-after-file",
        "missing end",
        "deepgram/deepgram-python-sdk#37",
        "Idling transcriber",
        "the program waits for ever after the end of a file",
        "the file is sent at once, and the connection is closed before the results come",
        lambda: idles(leaves=True),
        ("left|clos", "before|wait|result|Metadata"),
        lambda: idles(leaves=False),
        "the app waits for the results",
        ("left", "before the answer"),
        ("credential", "no audio"),
    ),
]
"""Reports."""

UNSOLVED = [
    # Which of the fields of an unknown server an app needs is not in the session.
    Report(
        "wlk-translation-stops",
        "missing result",
        "QuentinFuxa/WhisperLiveKit#224",
        "Translation with NLLB stops workinga after slience",
        "no translation any more after a pause",
        "new lines come without their translation",
        lambda: live_translation(stops=True),
        ("translation",),
        lambda: live_translation(stops=False),
        "each line has one",
        ("translation",),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use."""
