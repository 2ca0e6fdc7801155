"""Reports of speech to text in which an event or a result that was asked for never comes."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from deepgram_reports import assemblyai
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
    chunks,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
    transcribe,
)
from quiet_reports import PAUSE, aws_guess
from reported_access import azure_end
from wire_session import WireSession

TELEPHONE = (
    "model=nova-2&encoding=mulaw&sample_rate=8000&channels=1&interim_results=true&punctuate=true"
    "&endpointing=300&utterance_end_ms=1000&smart_format=true&language=en-US"
)
EVENTS = (
    "model=nova-2-general&encoding=linear16&sample_rate=16000&channels=1&interim_results=true"
    "&utterance_end_ms=2000&vad_events=true&endpointing=true"
)
NUMBERS = (
    "model=enhanced-phonecall&encoding=mulaw&sample_rate=8000&interim_results=true"
    "&endpointing=1000&utterance_end_ms=1000&smart_format=true&filler_words=true&language=en"
)
SILENCE = b"\xff" * 800  # 100 ms of a telephone


def speech(at: float, seconds: float, rate: int = 16_000) -> bytes:
    """A part of what one person says."""
    return pcm(at + seconds, rate)[len(pcm(at, rate)) :]


def result(
    text: str, start: float, duration: float, *, final: bool = True, ends: bool = False
) -> Json:
    return deepgram_result(text, start, duration, final=final) | {"speech_final": ends}


def utterance_end(last_word: float) -> Json:
    return {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last_word}


def call(query: str, seconds: float) -> WireSession:
    return listening(query).stream(chunks(mulaw(pcm(seconds, 8000)), 800), 0.1)


def ended(session: WireSession, seconds: float) -> WireSession:
    session.app({"type": "CloseStream"}).server(deepgram_metadata(seconds), after=0.2)
    return session.server_closes(1000)


# -- Deepgram


def never_speech_final(*, ends: bool) -> WireSession:
    """What is said is final; then comes silence, and a request to finalize."""
    session = call(TELEPHONE, 3.0)
    session.server(result("Yes I would like to know where it is", 0.0, 2.4, final=False))
    session.stream([SILENCE] * 10, 0.1)
    session.server(result("Yes, I would like to know where it is.", 0.0, 3.4, ends=ends))
    for number in range(2):
        session.stream([SILENCE] * 34, 0.1)
        session.server(result("", 3.4 * (number + 1), 3.4))
        if ends and not number:
            session.server(utterance_end(2.9))
    session.app({"type": "Finalize"})
    session.server(result("", 10.2, 0.6) | {"from_finalize": True}, after=0.1)
    session.stream([SILENCE] * 20, 0.1)
    return ended(session, 12.8)


def never_utterance_end(*, comes: bool) -> WireSession:
    session = listening(EVENTS)
    for at in (0.0, 11.0):
        start = {"type": "SpeechStarted", "channel": [0, 1], "timestamp": at + 0.1}
        session.stream(chunks(speech(at, 3.0), 3200), 0.1).server(start)
        session.server(result("good morning", at, 2.0, final=False))
        session.stream([PAUSE] * 4, 0.1).server(result(HELLO, at, 3.3, ends=True))
        session.stream([PAUSE] * 25, 0.1)
        if comes:
            session.server(utterance_end(at + 2.9))
        session.stream([PAUSE] * 15, 0.1).server(result("", at + 3.3, 4.0))
        session.stream([PAUSE] * 36, 0.1).server(result("", at + 7.3, 3.6))
    return ended(session, 22.0)


def number_held(*, final: bool) -> WireSession:
    """Digits, and then silence; the interim result of the digits is repeated."""
    session = call(NUMBERS, 4.0)
    session.server(result("My number is 4 1 5", 0.0, 2.4, final=False))
    session.server(result("My number is 415 555 0134", 0.0, 4.0, final=False))
    session.stream([SILENCE] * 11, 0.1)
    if final:
        session.server(result("My number is 415-555-0134.", 0.0, 5.0, ends=True))
        session.server(utterance_end(3.9), after=0.5)
        session.stream([SILENCE] * 30, 0.1)
        return ended(session, 8.1)
    for number in range(1, 9):
        heard = 4.0 + 1.5 * number
        session.stream([SILENCE] * 15, 0.1)
        session.server(result("My number is 415 555 0134", 0.0, heard, final=False))
    return session.app_closes(1000)


def speakers(*, named: bool) -> WireSession:
    """The app asks for the speaker of each word."""
    query = "punctuate=true&diarize=true&interim_results=false&encoding=linear16&sample_rate=16000"
    session = listening(query)
    for at in (0.0, 3.0, 6.0):
        session.stream(chunks(speech(at, 3.0), 3200), 0.1)
        answer = result(HELLO, at, 3.0, ends=True)
        for word in answer["channel"]["alternatives"][0]["words"] if named else []:
            word["speaker"] = 0
        session.server(answer)
    return ended(session, 9.0)


# -- AssemblyAI, Amazon, Azure


def same_word_again(*, each: bool) -> WireSession:
    """A question is answered with the same word three times."""
    session = assemblyai("/v2/realtime/ws?sample_rate=16000")
    session.server({"message_type": "SessionBegins", "session_id": REQUEST_ID, "expires_at": "x"})

    def audio(data: bytes) -> Json:
        return {"audio_data": b64(data)}

    for number, at in enumerate((0.0, 6.0, 12.0)):
        session.stream([PAUSE] * 10, 0.1, audio)
        session.stream(chunks(speech(0.1, 0.8), 3200), 0.1, audio)
        session.stream([PAUSE] * 42, 0.1, audio)
        if each or not number:
            times = {"audio_start": round(at * 1000) + 1000, "audio_end": round(at * 1000) + 1800}
            word = {"start": times["audio_start"], "end": times["audio_end"], "text": "Yes."}
            final = {"message_type": "FinalTranscript", "text": "Yes.", "confidence": 0.97}
            session.server(final | times | {"words": [word | {"confidence": 0.97}]})
    session.app({"terminate_session": True})
    return session.server({"message_type": "SessionTerminated"}).server_closes(1000)


def audio_stops(*, silence: bool) -> WireSession:
    """The bridge sends audio only while the caller speaks, and does not end the stream."""
    session = transcribe().stream(chunks(pcm(3.0), 3200), 0.1, aws_audio)
    session.server(aws_guess("one two three four five six"))
    if silence:
        session.stream([PAUSE] * 20, 0.1, aws_audio)
        session.server(aws_transcript("One, two, three, four, five, six, seven."))
        session.app(aws_audio(b"")).server_closes(1000, after=0.3)
        return session
    return session.app_closes(1000, after=12.0)


def stopped_recognition(*, waits: bool) -> WireSession:
    """The user presses a button right after the last word."""
    session = azure_listening().stream(chunks(pcm(4.0), 3200), 0.1, azure_audio)
    guess = {"Text": "good morning the parcel has", "Offset": 1_000_000, "Duration": 32_000_000}
    session.server(azure_message("speech.hypothesis", guess)).app(azure_audio(b""))
    if waits:
        session.server(azure_phrase("Success", HELLO, 3.9), after=0.6)
        session.server(azure_end())
    return session.app_closes(1000, after=0.05)


REPORTS = [
    Report(
        "dg-never-speech-final",
        "missing event",
        "deepgram/deepgram-js-sdk#343",
        "Transcription finalized, but speech is never finalized even when explicitly requested",
        "results are final, and no result ends the speech, even after Finalize",
        "neither speech_final nor the UtteranceEnd that was asked for comes in seconds of silence",
        lambda: never_speech_final(ends=False),
        ("speech_final|UtteranceEnd|end of (the |a )?(speech|utterance|turn)|endpoint",),
        lambda: never_speech_final(ends=True),
        "the result has speech_final, and UtteranceEnd comes",
        ("speech_final", "UtteranceEnd"),
        ("credential", "audio is silent", "not recognized"),
        complete=True,
    ),
    Report(
        "dg-never-utterance-end",
        "missing event",
        "deepgram/deepgram-js-sdk#241",
        "UtteranceEnd does not seem to be being called",
        "no UtteranceEnd, although there is more than enough silence",
        "utterance_end_ms asks for UtteranceEnd after 2 s without words, and none comes",
        lambda: never_utterance_end(comes=False),
        ("UtteranceEnd|utterance_end_ms",),
        lambda: never_utterance_end(comes=True),
        "UtteranceEnd comes after each utterance",
        ("UtteranceEnd", "utterance_end_ms"),
        ("credential", "audio is silent", "not recognized"),
        complete=True,
    ),
    Report(
        "dg-number-held",
        "missing result",
        "deepgram/deepgram-js-sdk#281",
        "Deegram doesn't detect speech end",
        "after a number that is spoken fast no result is final, however long the silence",
        "interim results of the same words go on, and none is final",
        lambda: number_held(final=False),
        ("final",),
        lambda: number_held(final=True),
        "the result is final a second after the last word",
        ("never final", "no final", "interim"),
        ("credential", "audio is silent", "no words"),
    ),
    Report(
        "dg-no-speakers",
        "missing field",
        "deepgram-devs/live-transcription-fastapi#2",
        "Cannot start diarization",
        "no result contains a speaker, although diarize is on",
        "diarize asks for a speaker with each word, and no word has one",
        lambda: speakers(named=False),
        ("diariz|speaker",),
        lambda: speakers(named=True),
        "each word has its speaker",
        ("diariz", "speaker"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "aai-same-word-again",
        "missing result",
        "livekit/agents#1189",
        "AssemblyAI STT plugin short utterances not being detected",
        "short answers like yes or no are not transcribed",
        "the service transcribes a word once when it is said several times in a row",
        lambda: same_word_again(each=False),
        (
            r"speech|said|spoken|utterance",
            "no (words|transcript|result|text)|not (transcribed|recognized)|without|nothing|lost",
        ),
        lambda: same_word_again(each=True),
        "each answer has its transcript",
        ("no words", "no transcript", "not recognized", "without"),
        ("credential", "audio is silent", "too quiet"),
        complete=True,
    ),
    Report(
        "aws-audio-stops",
        "missing result",
        "jambonz/freeswitch-modules#113",
        'aws_transcribe usually missing `"is_final": true`',
        "the last word and the final result of a sentence are missing",
        "after the sentence comes neither silence nor the end of the stream",
        lambda: audio_stops(silence=False),
        ("final|partial|interim", "end|silence|stop"),
        lambda: audio_stops(silence=True),
        "silence follows, and then the end of the stream",
        ("no final", "partial", "interim"),
        ("credential", "audio is silent", "real time"),
    ),
    Report(
        "az-stopped-at-once",
        "missing result",
        "Azure-Samples/cognitive-services-speech-sdk#247",
        "Final Recognization is not captured after stopContinuousRecognitionAsync is called",
        "interim results of the last words, and no final one after the stop",
        "the client closes the connection at once, and does not wait for the final phrase",
        lambda: stopped_recognition(waits=False),
        ("final|hypothes|interim|partial", "clos|wait"),
        lambda: stopped_recognition(waits=True),
        "the client waits for the phrase and the end of the turn",
        ("no final", "interim", "not wait"),
        ("credential", "audio is silent", "real time"),
    ),
]
"""Reports."""
