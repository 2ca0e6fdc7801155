"""Silent failures that were held back until the rules for others were changed."""

from __future__ import annotations

import numpy as np

from audio_samples import floats, mulaw, scaled
from bug_report import Report
from call_quiet_reports import call, hangs_up, hiss, listens, quiet, says
from provider_sessions import (
    HELLO,
    LISTEN,
    Json,
    append,
    azure_audio,
    azure_listening,
    azure_phrase,
    b64,
    chunks,
    committed,
    deepgram,
    deepgram_metadata,
    deepgram_result,
    openai,
    pcm,
    response_done,
    session_event,
    speechmatics,
    speechmatics_final,
    transcribed,
)
from voice_agent_reports import hume, hume_good, hume_input
from wire_session import Message, WireSession

DTMF = (697.0, 1209.0)  # Hz of the key 1


# -- speech-to-text


def hidden_tab(*, hidden: bool) -> WireSession:
    """Browsers let the timers of a hidden tab run once a second."""
    session = azure_listening()
    session.stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
    session.server(azure_phrase("Success", "Good morning.", 2.0))
    session.stream(chunks(pcm(2.5), 3200), 1.0 if hidden else 0.1, azure_audio)
    if not hidden:
        session.server(azure_phrase("Success", HELLO, 2.5))
    return session.app_closes(1000)


def inworld_stt(*, ends_turn: bool) -> WireSession:
    """A file with one sentence; the service finds the end of the turn by itself."""
    url = "wss://api.inworld.ai/stt/v1/transcribe:streamBidirectional"
    session = WireSession(url, {"Authorization": "Basic " + "U3ludGhldGlj" * 4}).accept()
    config = {"modelId": "assemblyai/universal", "audioEncoding": "LINEAR16", "language": "en-US"}
    session.app({"transcribeConfig": config | {"sampleRateHertz": 16000, "numberOfChannels": 1}})

    def chunk(data: bytes) -> Message:
        return {"audioChunk": {"content": b64(data)}}

    def said(text: str) -> Json:
        return {"result": {"transcription": {"transcript": text, "isFinal": True}}}

    session.stream(chunks(pcm(3.0) + bytes(32_000), 3200), 0.1, chunk)
    session.server({"result": {"speechStopped": {}}}, said(HELLO))
    if ends_turn:
        session.app({"endTurn": {}})
    session.app({"closeStream": {}})
    if ends_turn:
        session.server(said("Thank you."), after=0.3)
    return session.server_closes(1000, after=0.2)


def whisperlive(*, speaks: bool) -> WireSession:
    """An open microphone in a room in which nobody speaks."""
    session = WireSession("ws://10.0.0.7:9090/").accept()
    options = {"language": "en", "task": "transcribe", "model": "medium.en", "use_vad": True}
    session.app({"uid": "u1", **options})
    session.server({"uid": "u1", "message": "SERVER_READY", "backend": "faster_whisper"}, after=0.5)
    room = pcm(12.0) if speaks else scaled(bytes(384_000), 0.0, 260.0)
    texts = ["Good morning.", "The parcel has not arrived."] if speaks else ["Thanks for watching!"]
    for number, data in enumerate(chunks(floats(room), 16_384)):
        session.app(data, after=0.256)
        if number in (15, 35):
            text = texts[min(number // 30, len(texts) - 1)]
            segment = {"start": "1.000", "end": "3.000", "text": f" {text}", "completed": True}
            session.server({"uid": "u1", "segments": [segment]})
    session.app(b"END_OF_AUDIO")
    return session.app_closes(1000, after=1.0)


def two_finals(*, cut: bool) -> WireSession:
    """One short phrase, without a pause in it."""
    session = deepgram(f"{LISTEN}&language=fr").accept()
    talk = pcm(2.0)[6400:57_600]  # without a pause
    session.stream(chunks(talk[:32_000], 3200), 0.1)
    if cut:
        session.server(deepgram_result("Ouais, pourquoi", 0.0, 1.0))
    session.stream(chunks(talk[32_000:], 3200), 0.06)
    text = "pas." if cut else "Ouais, pourquoi pas."
    session.server(deepgram_result(text, 1.0 if cut else 0.0, 0.6 if cut else 1.6))
    session.stream(chunks(bytes(64_000), 3200), 0.1)
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(3.6)).server_closes(1000)


def translated(*, comes: bool) -> WireSession:
    session = speechmatics()
    start = session.events.pop()
    del start
    raw = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
    config = {"language": "de", "max_delay": 5, "enable_partials": False}
    wish = {"target_languages": ["en"]}
    session.app(
        {
            "message": "StartRecognition",
            "audio_format": raw,
            "transcription_config": config,
            "translation_config": wish,
        }
    )
    session.server({"message": "RecognitionStarted", "id": "r1"}, after=0.1)
    for number in range(3):
        session.stream(chunks(pcm(5.0), 3200), 0.1)
        begin, end = number * 5.0, number * 5.0 + 4.0
        session.server(speechmatics_final("Guten Morgen zusammen.", begin, end))
        if comes:
            piece = {"start_time": begin, "end_time": end, "content": "Good morning everybody."}
            session.server({"message": "AddTranslation", "language": "en", "results": [piece]})
    session.app({"message": "EndOfStream", "last_seq_no": 150})
    return session.server({"message": "EndOfTranscript"}, after=0.3).server_closes(1000)


def not_speech_final(*, ends: bool) -> WireSession:
    """An app that answers when a result has speech_final."""
    session = deepgram(f"{LISTEN}&endpointing=300").accept()
    session.stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0) | {"speech_final": ends})
    session.stream(chunks(hiss(9.0, 16_000), 3200), 0.1)
    session.server(*(deepgram_result("", 2.0 + n, 1.0, final=False) for n in range(3)))
    session.stream(chunks(pcm(1.0), 3200), 0.1)
    session.server(deepgram_result("hello", 11.0, 1.0))
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(12.0)).server_closes(1000)


# -- agents


def muted() -> WireSession:
    """The user mutes the microphone right after the last word."""
    return hume().stream(chunks(pcm(2.0), 3200), 0.1, hume_input).app_closes(1000, after=20.0)


def released(*, asks: bool) -> WireSession:
    """Push to talk: the key is released."""
    config: Json = {
        "type": "realtime",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-transcribe"},
                "turn_detection": None,
            }
        },
    }
    session = openai().accept().server(session_event("session.created", config))
    session.app({"type": "session.update", "session": config})
    session.server(session_event("session.updated", config), after=0.1)
    session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    transcribed(committed(session), HELLO)
    if asks:
        session.app({"type": "response.create"})
        created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
        session.server({"type": "response.created", "response": created}, after=0.3)
        for data in chunks(pcm(1.5, 24_000), 9600):
            ids = {"response_id": "resp_1", "item_id": "item_2"}
            session.server({"type": "response.output_audio.delta", **ids, "delta": b64(data)})
        session.server(response_done("completed"))
    return session.app_closes(1000, after=9.0)


def telephone_format(kind: str) -> Json:
    form: Json = {"type": kind, "rate": 24000} if kind == "audio/pcm" else {"type": kind}
    speech = {"format": form, "turn_detection": {"type": "server_vad"}}
    return {
        "type": "realtime",
        "instructions": "Be brief.",
        "audio": {"input": speech, "output": {"format": form, "voice": "marin"}},
    }


def handoff(kind: str) -> WireSession:
    """A bridge to a telephone call; another agent takes over, and the settings are sent again."""
    config = telephone_format("audio/pcmu")
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": config})
    session.server(session_event("session.updated", config), after=0.1)

    def turn(*, answers: bool) -> None:
        session.stream(chunks(mulaw(pcm(2.0, 8000)), 160), 0.02, append)
        session.stream(chunks(mulaw(hiss(1.0)), 160), 0.02, append)
        if not answers:
            return
        session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
        committed(session)
        created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
        session.server({"type": "response.created", "response": created}, after=0.3)
        for data in chunks(mulaw(pcm(1.5, 8000)), 3200):
            ids = {"response_id": "resp_1", "item_id": "item_2"}
            session.server({"type": "response.output_audio.delta", **ids, "delta": b64(data)})
        session.server(response_done("completed"))

    turn(answers=True)
    later = telephone_format(kind)
    session.app({"type": "session.update", "session": later})
    session.server(session_event("session.updated", later), after=0.1)
    for _ in range(3):
        turn(answers=kind == "audio/pcmu")
    return session.app_closes(1000, after=3.0)


# -- calls


def asterisk() -> WireSession:
    session = WireSession("wss://voice.example.com/asterisk", agent="Asterisk").accept()
    begin = "MEDIA_START connection_id:media/1 channel:WebSocket/media/1 format:ulaw"
    session.app(f"{begin} optimal_frame_size:160 ptime:20")
    return session.stream(quiet(0.4), 0.02)


def goodbye(*, waits: bool) -> WireSession:
    """The last sentence comes as one long piece, and is written faster than it is played."""
    session = asterisk()
    session.stream(chunks(mulaw(pcm(7.7, 8000)), 800), 0.066, from_client=False)
    if waits:
        session.server("REPORT_QUEUE_DRAINED").stream(quiet(2.8), 0.02).app("QUEUE_DRAINED")
    session.server("HANGUP", after=0.3)
    return session.app_closes(1000)


def overflow(*, heeds: bool) -> WireSession:
    """A long answer is written at once; the queue holds a thousand frames of 20 ms."""
    session = asterisk()
    frames = list(chunks(mulaw(pcm(40.0, 8000)), 1600))
    for data in frames[:90]:
        session.server(data)
    session.app("MEDIA_XOFF")
    if heeds:
        session.stream(quiet(17.0), 0.02).app("MEDIA_XON")
    for data in frames[90:]:
        session.server(data)
    session.stream(quiet(24.0), 0.02)
    if not heeds:
        session.app("MEDIA_XON")
    return session.app_closes(1000)


def key_tone(*, tone: bool) -> WireSession:
    """A program that tests a menu of a telephone line presses a key, or says its digit."""
    times = np.arange(int(0.4 * 8000)) / 8000
    both = sum(np.sin(2 * np.pi * f * times) for f in DTMF)
    sound = (np.asarray(both) * 8000).astype("<i2").tobytes() if tone else pcm(0.8, 8000)
    session = listens(call(), 1.0)
    for _ in range(3):
        listens(says(session, mulaw(sound), 160, 0.02), 4.0)
    return hangs_up(session)


REPORTS = [
    Report(
        "az-hidden-tab",
        "pace",
        "microsoft/cognitive-services-speech-sdk-js#225",
        "JS SDK is misfunctional in inactive webpages",
        "no more words when another tab is shown",
        "the timer of the upload runs once a second in a hidden tab",
        lambda: hidden_tab(hidden=True),
        ("of real time|less than one second|slow",),
        lambda: hidden_tab(hidden=False),
        "the tab is shown",
        ("less than one second", "slow"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "hume-muted",
        "turn detection",
        "HumeAI/hume-react-sdk#68",
        "fix microphone muting",
        "no answer when the microphone is muted right after speaking",
        "a muted microphone sends no audio, and the service waits for it",
        muted,
        ("stopped|no (more )?audio|silence", "speech|agent|answer"),
        hume_good,
        "silence is sent",
        ("stopped", "without silence"),
        ("credential",),
    ),
    Report(
        "asterisk-hangs-up",
        "message order",
        "bolna-ai/bolna#942",
        "fix(sip-trunk): stop HANGUP from clipping a goodbye still being written to Asterisk",
        "the goodbye is cut off",
        "the app hangs up while its last audio waits to be played",
        lambda: goodbye(waits=False),
        ("HANGUP|hang|hung|ended", "play|heard"),
        lambda: goodbye(waits=True),
        "the app waits until the queue is empty",
        ("hung up", "still to be played"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "oai-released-key",
        "parameter",
        "vm0-ai/vm0#8904",
        "fix(voice-chat): PTT release does not trigger agent response — missing response.create",
        "the words are transcribed, and the agent does not answer",
        "turn detection is off, and no answer is requested",
        lambda: released(asks=False),
        ("response", "request"),
        lambda: released(asks=True),
        "the answer is requested",
        ("not requested", "no answer was requested"),
        ("credential",),
    ),
    Report(
        "whisperlive-noise",
        "odd result",
        "collabora/WhisperLive#185",
        'Hallucinating conclusive remarks ("Thanks for watching!", "That\'s all!", etc.) with '
        "non-speech noise just above VAD threshold",
        "words that nobody said",
        "the audio is noise; the model makes words of it",
        lambda: whisperlive(speaks=False),
        ("noise|no speech|not speech|silen|quiet", "word|transcript|text"),
        lambda: whisperlive(speaks=True),
        "somebody speaks",
        ("noise", "no speech"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "asterisk-overflow",
        "limit",
        "NikolayShakin/pipecat-asterisk#1",
        "Fix long audio overflows remote buffer",
        "a part of a long answer is missing",
        "the app sends on although the queue of Asterisk is full",
        lambda: overflow(heeds=False),
        ("XOFF|queue|buffer", "full|drop|lost|discard|overflow|stop"),
        lambda: overflow(heeds=True),
        "the app waits for MEDIA_XON",
        ("XOFF", "full"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "dg-two-finals",
        "turn detection",
        "gojargo/jargo#76",
        "turns: a late final transcript opens a second turn, so one utterance is answered twice",
        "the agent answers one phrase twice",
        "the service ends the utterance in the middle of the phrase: two final results",
        lambda: two_finals(cut=True),
        ("speech|utterance|phrase", "middle|cut|two|pause"),
        lambda: two_finals(cut=False),
        "one result",
        ("in the middle", "cut"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "sm-no-translation",
        "missing result",
        "speechmatics/speechmatics-js-sdk#28",
        "Translations sometimes not sent",
        "transcripts come, and no translations",
        "the service does not send what was asked for",
        lambda: translated(comes=False),
        ("translation", "never|none|no "),
        lambda: translated(comes=True),
        "translations come",
        ("translation",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "oai-handoff-to-pcm",
        "format",
        "openai/openai-agents-js#1366",
        "fix(extensions): force g711 audio format on Twilio session updates",
        "static, and an agent that does not answer any more",
        "the settings are sent again with PCM, and the audio of the call is still mu-law",
        lambda: handoff("audio/pcm"),
        ("pcm", "mu-law|another format|declared|telephone"),
        lambda: handoff("audio/pcmu"),
        "the second settings have the format of the call",
        ("another format", "mu-law", "declared again"),
        ("credential",),
        complete=True,
    ),
    Report(
        "dg-not-speech-final",
        "missing event",
        "deepgram-devs/deepgram-ai-agent-demo#14",
        "STT sometimes hangs and needs extra words to finalise",
        "no answer until the user says something else",
        "the result is final, and its speech_final is false: the end is not reported",
        lambda: not_speech_final(ends=False),
        ("speech_final|end of an utterance|end of the utterance",),
        lambda: not_speech_final(ends=True),
        "speech_final is true",
        ("speech_final", "not reported"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""

UNSOLVED = [
    # The words may be those of audio that the service had still to transcribe.
    Report(
        "inworld-turn-ended-twice",
        "odd result",
        "coval-ai/benchmarks#682",
        "[BENCH-948] Drop the endTurn frame from the Inworld STT provider",
        "words that nobody said, after the sentence",
        "the app ends a turn that the service has ended already",
        lambda: inworld_stt(ends_turn=True),
        ("endTurn|ended", "again|twice|second|after|already"),
        lambda: inworld_stt(ends_turn=False),
        "only the stream is ended",
        ("endTurn",),
        ("credential", "no audio"),
        complete=True,
    ),
    # Tones in the audio of a call are lawful: the caller hears them.
    Report(
        "twilio-key-tones",
        "carrier",
        "MakingChatbots/ivr-tester#56",
        "Execution stuck at DMTFExecution stuck at DMTF",
        "the menu does not react to a key",
        "the key is sent as tones in the audio, which the service does not recognize",
        lambda: key_tone(tone=True),
        ("DTMF|tone|key",),
        lambda: key_tone(tone=False),
        "the digit is said",
        ("DTMF", "tone"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use."""
