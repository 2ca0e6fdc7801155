"""Reports of sessions without an error message: no answer, lost words, two answers, wrong times."""

from __future__ import annotations

import json

from bug_report import Report
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    aws_audio,
    aws_transcript,
    azure_audio,
    azure_listening,
    azure_message,
    azure_phrase,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    elevenlabs,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    pcm,
    scribe_audio,
    speechmatics,
    speechmatics_final,
    transcribe,
    wav_header,
)
from stt_refused_reports import flux
from wire_session import Message, WireSession
from wsproxy.catalog.envelope import wrap

PAUSE = bytes(3200)  # 100 ms at 16 kHz


def turn_info(event: str, number: int, heard: float, text: str = "") -> Json:
    turn = {"type": "TurnInfo", "event": event, "turn_index": 0, "sequence_id": number}
    return turn | {"transcript": text, "audio_window_end": heard, "words": []}


def flux_stalls(event: str = "") -> WireSession:
    """A turn starts; then comes nothing, whatever is said. Or its end, with `event`."""
    session = flux("eot_threshold=0.85&eot_timeout_ms=7000").accept({"dg-request-id": REQUEST_ID})
    session.server({"type": "Connected", "request_id": REQUEST_ID, "sequence_id": 0})
    session.stream(chunks(pcm(1.0), 2560), 0.08)
    session.server(turn_info("StartOfTurn", 1, 0.9, "so"))
    for number in range(2, 8):
        session.stream(chunks(pcm(3.0), 2560), 0.08)
        if event:
            session.server(turn_info("Update", number, number * 3 - 5, "so where is it"))
    if event:
        session.server(turn_info(event, 9, 19.0, "So where is the parcel?"))
        session.app({"type": "CloseStream"}).server_closes(1000)
        return session
    return session.app_closes(1000)


def gemini_zeros(trailing: int) -> WireSession:
    """Speech, half a second of zeros, the end of the stream, and then `trailing` zeros."""
    session = gemini_ready().stream(chunks(pcm(3.0), 3200), 0.1, gemini_audio)
    session.stream([PAUSE] * 5, 0.1, gemini_audio)
    if trailing:
        session.stream([PAUSE] * trailing, 0.1, gemini_audio)
        return gemini_says(session).app_closes(1000, after=2.0)
    session.app({"realtimeInput": {"audioStreamEnd": True}})
    return session.app_closes(1000, after=20.0)


def gemini_text(text: str, complete: bool) -> Json:
    turns = [{"role": "user", "parts": [{"text": text}]}]
    return {"clientContent": {"turns": turns, "turnComplete": complete}}


def gemini_context(complete: bool) -> WireSession:
    session = gemini_ready().app(gemini_text("The user looks at the page of prices.", complete))
    if complete:
        gemini_says(session, 1.0).wait(1.0)
    session.stream(chunks(pcm(3.0), 3200), 0.1, gemini_audio)
    session.stream([PAUSE] * 30, 0.1, gemini_audio)
    if complete:
        return gemini_says(session).app_closes(1000, after=2.0)
    return session.app_closes(1000, after=8.0)


def gemini_two_texts(first_complete: bool) -> WireSession:
    """The text is one message, and a request for an answer another."""
    session = gemini_ready().app(gemini_text("Where is my parcel?", first_complete))
    session.app(gemini_text(".", True), after=0.02)
    if first_complete:
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(pcm(0.4, 24_000))}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.4)
        session.server(gemini_content({"interrupted": True}))
        session.server(gemini_content({"turnComplete": True}))
    return gemini_says(session.wait(0.3)).app_closes(1000, after=2.0)


def azure_headers(each: bool) -> WireSession:
    session = azure_listening()
    for data in chunks(pcm(6.0), 3200):
        session.app(azure_audio((wav_header() if each else b"") + data), after=0.1)
    session.server(azure_phrase("Success", HELLO, 5.8)).app(azure_audio(b""))
    session.server(azure_message("turn.end", {}), after=0.1)
    return session.app_closes(1000)


def azure_word(status: str) -> WireSession:
    session = azure_listening().stream(chunks(pcm(1.2), 3200), 0.1, azure_audio)
    guess = {"Text": "parcel", "Offset": 2_000_000, "Duration": 9_000_000}
    session.server(azure_message("speech.hypothesis", guess))
    session.stream([PAUSE] * 20, 0.1, azure_audio)
    session.server(azure_phrase(status, "Parcel." if status == "Success" else "", 1.0))
    session.app(azure_audio(b"")).server(azure_message("turn.end", {}), after=0.1)
    return session.app_closes(1000)


def azure_offsets(again: float) -> WireSession:
    """Two phrases, half a minute of silence, and two more; the times of the third from `again`."""
    session = azure_listening()

    def phrase(text: str, offset: float) -> None:
        session.stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
        fields = {"RecognitionStatus": "Success", "DisplayText": text, "Duration": 18_000_000}
        content = fields | {"Offset": round(offset * 1e7)}
        session.server(azure_message("speech.phrase", content), after=0.3)

    phrase("Good morning.", 0.1)
    phrase("The parcel has not arrived.", 2.2)
    session.stream([PAUSE] * 300, 0.1, azure_audio)
    phrase("Are you still there?", again)
    phrase("I am.", again + 2.2)
    session.app(azure_audio(b"")).server(azure_message("turn.end", {}), after=0.1)
    return session.app_closes(1000)


def cartesia_drops(spoken: bool) -> WireSession:
    session = cartesia_tts().accept().app(cartesia_text("first"))
    cartesia_says(session, "first").wait(8.0)
    session.app(cartesia_text("second"))
    if spoken:
        cartesia_says(session, "second").wait(1.0)
    return session.drop(by_client=False, after=0.02)


def speechmatics_forced(end: float) -> WireSession:
    """The app ends the utterance as soon as its own VAD hears the end; words come up to `end`."""
    session = speechmatics().server({"message": "RecognitionStarted", "id": REQUEST_ID}, after=0.1)
    for number, data in enumerate(chunks(pcm(6.0), 6400), 1):
        session.app(data, after=0.2).server({"message": "AudioAdded", "seq_no": number})
    session.app({"message": "ForceEndOfUtterance"})
    session.server(speechmatics_final("My name is. ", 0.2, end), after=0.05)
    times = {"start_time": end, "end_time": end}
    session.server({"message": "EndOfUtterance", "metadata": times})
    for number, data in enumerate([bytes(6400)] * 20, 31):
        session.app(data, after=0.2).server({"message": "AudioAdded", "seq_no": number})
    session.app({"message": "EndOfStream", "last_seq_no": 50})
    return session.server({"message": "EndOfTranscript"}, after=0.3).app_closes(1000)


def aws_guess(text: str) -> Message:
    head = {":message-type": "event", ":event-type": "TranscriptEvent"}
    head[":content-type"] = "application/json"
    result = {"IsPartial": True, "StartTime": 0.0, "EndTime": 1.6, "ResultId": REQUEST_ID}
    result["Alternatives"] = [{"Transcript": text, "Items": []}]
    return wrap("event-stream", json.dumps(head | {"Transcript": {"Results": [result]}}))


def aws_file(waits: bool) -> WireSession:
    session = transcribe().stream(chunks(pcm(4.0), 3200), 0.1, aws_audio)
    session.server(aws_guess("hello"))
    if waits:
        session.app(aws_audio(b"")).server(aws_transcript("Hello world."), after=0.8)
        return session.server_closes(1000)
    return session.app_closes(1000)


def scribe_pauses(commits: bool) -> WireSession:
    """The app has to commit; the service does it at last, after a long time."""
    query = "model_id=scribe_v2_realtime&audio_format=pcm_16000&commit_strategy=manual"
    session = elevenlabs("speech-to-text/realtime", query)
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "commit_strategy": "manual"}
    start = {"message_type": "session_started", "session_id": REQUEST_ID, "config": config}
    session.server(start).stream(chunks(pcm(3.0), 3200), 0.1, scribe_audio)
    session.server({"message_type": "partial_transcript", "text": HELLO})
    if commits:
        session.stream([PAUSE] * 5, 0.1, scribe_audio)
        session.app(scribe_audio(PAUSE) | {"commit": True})
    else:
        session.stream([PAUSE] * 150, 0.1, scribe_audio)
    session.server({"message_type": "committed_transcript", "text": HELLO}, after=0.2)
    return session.app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "dg-flux-stalls",
        "no answer",
        "pipecat-ai/pipecat#5735",
        "Deepgram Flux STT: no detection or recovery when the stream stays open but is silent",
        "the caller hears nothing; no turn ends",
        "the service sends nothing more after the start of a turn, although audio goes on",
        flux_stalls,
        (
            r"end of (the|a) turn|EndOfTurn|turn .*(not|never|no) |(sent|said|came) nothing|stopped"
            r"|no (further |more )?(message|result|event|word)s?",
        ),
        lambda: flux_stalls("EndOfTurn"),
        "updates go on, and the turn ends",
        ("EndOfTurn", "turn .*never", "stopped"),
        ("audio is silent", "credential", "quota", "no audio"),
    ),
    Report(
        "gem-audio-end-unheard",
        "no answer",
        "openclaw/openclaw#152830",
        "Gemini 3.8 Live never ends the user's turn after the bridge stops streaming silence",
        "no answer when the microphone is muted after a sentence",
        "audioStreamEnd ends no turn; the service needs audio after the speech to hear its end",
        lambda: gemini_zeros(0),
        ("no answer|not answer|nothing", "audioStreamEnd|audio .*(stop|ended)|no audio after"),
        lambda: gemini_zeros(20),
        "zeros go on, and the agent answers",
        ("not answer", "audioStreamEnd"),
        ("no speech", "credential", "too quiet"),
    ),
    Report(
        "gem-turn-left-open",
        "no answer",
        "google-gemini/live-api-web-console#60",
        "turnComplete: false in ClientContentMessage prevents later response",
        "after a text that gives context, what is said gets no answer",
        "turnComplete is false: the model waits for the rest of that turn",
        lambda: gemini_context(False),
        ("turnComplete",),
        lambda: gemini_context(True),
        "turnComplete is true",
        ("turnComplete",),
        ("no speech", "credential", "silent"),
    ),
    Report(
        "gem-text-answered-twice",
        "two answers",
        "livekit/agents#3870",
        "Duplicate responses to user text for Gemini Live API",
        "the agent begins an answer, and then gives another one",
        "the text and the request to answer it each have turnComplete: the second interrupts",
        lambda: gemini_two_texts(True),
        ("turnComplete|clientContent|two |twice|second", "interrupt"),
        lambda: gemini_two_texts(False),
        "only the second message completes the turn",
        ("twice", "interrupt"),
        ("user spoke", "echo", "credential"),
        complete=True,
    ),
    Report(
        "az-header-in-each-chunk",
        "time stamps",
        "Azure-Samples/cognitive-services-speech-sdk#2578",
        "Audio offset get wrong after some time when streaming audios",
        "the offsets drift, the more the more chunks there are",
        "each chunk is a WAV file: its header is taken as audio",
        lambda: azure_headers(True),
        ("header",),
        lambda: azure_headers(False),
        "one header at the beginning",
        ("header",),
        ("credential",),
        complete=True,
    ),
    Report(
        "az-word-lost",
        "missing result",
        "Azure-Samples/cognitive-services-speech-sdk#2043",
        "InitialSilenceTimeout error after recognizing a word",
        "the word is recognized, and the final result is empty",
        "a phrase of status InitialSilenceTimeout follows a hypothesis that has the word",
        lambda: azure_word("InitialSilenceTimeout"),
        ("interim|hypothes|partial", "final|InitialSilenceTimeout|empty"),
        lambda: azure_word("Success"),
        "the phrase has the word",
        ("InitialSilenceTimeout", "empty"),
        ("no speech", "audio is silent", "credential"),
    ),
    Report(
        "ca-dropped-before-audio",
        "network",
        "pipecat-ai/pipecat#5305",
        "Cartesia: the reply is lost when the websocket is reconnected",
        "one answer is never spoken; the client connects again at once",
        "the connection ends without a Close after the text and before its audio",
        lambda: cartesia_drops(False),
        ("without a Close|dropped|broke|ended the connection", "no audio|audio"),
        lambda: cartesia_drops(True),
        "the audio of the second text came before that",
        ("no audio",),
        ("credential", "quota"),
    ),
    Report(
        "aws-end-of-file",
        "missing result",
        "qasim9872/aws-transcribe#19",
        "Transcription missing end of the file",
        "the last words of a file are missing",
        "the app closes the connection when the file is sent, before the final result",
        lambda: aws_file(False),
        ("final|interim|partial|empty", "clos|end"),
        lambda: aws_file(True),
        "the app ends the stream and waits",
        ("no final", "interim"),
        ("credential", "audio is silent", "real time"),
    ),
    Report(
        "xi-committed-late",
        "latency",
        "livekit/agents#4087",
        "Elevenlabs Scribe v2 never commits the turn",
        "the agent answers 10 to 15 seconds after the end of the speech",
        "commit_strategy is manual, and the app never commits",
        lambda: scribe_pauses(False),
        ("commit",),
        lambda: scribe_pauses(True),
        "the app commits after the speech",
        ("commit",),
        ("credential", "audio is silent"),
    ),
    Report(
        "az-offset-from-zero",
        "time stamps",
        "Azure-Samples/cognitive-services-speech-sdk#1902",
        "Offset get to zero, when there is a silence in the audio",
        "after a long silence the offsets begin at zero again",
        "the service counts from zero again in the middle of the session",
        lambda: azure_offsets(0.0),
        ("time|offset", "back|again|restart|earlier"),
        lambda: azure_offsets(34.6),
        "the offsets go on",
        ("go back", "again", "restart"),
        ("credential", "real time"),
        complete=True,
    ),
    Report(
        "sm-end-forced",
        "missing result",
        "pipecat-ai/pipecat#4484",
        "SpeechmaticsSTTService: trailing tokens clipped by immediate finalize",
        "the last words of a turn are missing",
        "ForceEndOfUtterance is sent at once: the words that were not yet recognized are lost",
        lambda: speechmatics_forced(3.1),
        (r"ForceEndOfUtterance|last \d|without words|no words|words end|not transcribed|up to",),
        lambda: speechmatics_forced(5.9),
        "the words go up to the end of the speech",
        ("ForceEndOfUtterance", "no words", "without words"),
        ("credential", "audio is silent"),
        complete=True,
    ),
]
"""Reports."""
