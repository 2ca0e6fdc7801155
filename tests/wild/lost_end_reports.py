"""Further reports of speech to text without an error message, searched out after the changes."""

from __future__ import annotations

import struct
from array import array

from audio_samples import mulaw, stereo
from bug_report import Report
from deepgram_reports import webm
from missing_event_reports import ended, result, speech, utterance_end
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    aws_audio,
    aws_transcript,
    azure_audio,
    azure_listening,
    azure_message,
    chunks,
    listening,
    pcm,
    speechmatics,
    speechmatics_final,
    wav_header,
)
from quiet_reports import PAUSE
from reported_access import azure_end
from stt_sentence_reports import aws
from wire_session import WireSession

CHINESE = "model=nova-2&language=zh&punctuate=true&smart_format=true&diarize=false"
CHINESE += "&encoding=linear16&sample_rate=16000"
SPACED = ("早上好 包裹还没有到 我不知道它在哪里", "请问 你能帮我查一下吗 谢谢", "好的 我等你的电话")
POINTED = ("早上好，包裹还没有到。我不知道它在哪里。", "请问，你能帮我查一下吗？谢谢。", "好的。")
SENTENCES = ("OK, thanks, Alex. That's great.", "Where is it now?", "I see, I will call you later.")
CALL = "model=nova-2&language=en&smart_format=true&encoding=mulaw&channels=1&interim_results=true"
CALL += "&utterance_end_ms=1000&vad_events=true&endpointing=300"


def delayed_twice(data: bytes, delay: float) -> bytes:
    """The same sound by two ways, one of which is longer."""
    samples = array("h", data)
    late = array("h", bytes(int(delay * 16_000) * 2)) + samples
    padded = samples + array("h", bytes(int(delay * 16_000) * 2))
    return struct.pack(f"<{len(late)}h", *((a + b) // 2 for a, b in zip(padded, late, strict=True)))


# -- Deepgram


def microphone_again(*, restarted: bool) -> WireSession:
    """The recorder of a browser is stopped and started; the connection stays the same."""
    session = listening("model=nova-2&smart_format=true&interim_results=true")
    session.stream(chunks(webm(5.0), 1000), 0.25)
    session.server(result("Hello.", 0.0, 4.8, ends=True))
    if restarted:
        session.app({"type": "KeepAlive"}, after=3.0).wait(3.0)
        session.stream(chunks(webm(6.0), 1000), 0.25)
        session.server(result("", 4.8, 3.0), result("", 7.8, 3.0))
    return ended(session, 10.8 if restarted else 4.8)


def dictated_in(query: str, texts: tuple[str, ...]) -> WireSession:
    session = listening(query)
    for number, text in enumerate(texts):
        session.stream(chunks(speech(number * 4.0, 4.0), 3200), 0.1)
        session.server(result(text, number * 4.0, 4.0, ends=True))
    return ended(session, 12.0)


def telephone_at(rate: int, *, words: bool) -> WireSession:
    """Twilio sends 8,000 samples a second."""
    session = listening(f"{CALL}&sample_rate={rate}")
    session.stream(chunks(mulaw(pcm(8.0, 8000)), 160), 0.02)
    session.server(result("good morning" if words else "", 0.0, 4.0, ends=words))
    session.stream([b"\xff" * 160] * 75, 0.02)
    if words:
        session.server(utterance_end(3.8))
    return ended(session, 9.5 * 8000 / rate)


def finalize_unanswered(*, answered: bool) -> WireSession:
    """All words are final already when the app asks to finalize, and waits."""
    session = listening().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(result(HELLO, 0.0, 3.0, ends=True)).stream([PAUSE] * 10, 0.1)
    session.app({"type": "Finalize"})
    if answered:
        session.server(result("", 3.0, 1.0) | {"from_finalize": True}, after=0.1)
        session.app({"type": "CloseStream"}).server_closes(1000)
        return session
    for _ in range(6):
        session.app({"type": "KeepAlive"}, after=5.0)
    return session.app_closes(1000, after=2.0)


# -- Amazon


def by_two_ways(*, twice: bool) -> WireSession:
    """What is said reaches the recorder of a meeting by two ways."""
    session = aws("language-code=en-US&media-encoding=pcm&sample-rate=16000")
    data = delayed_twice(pcm(12.0), 0.4 if twice else 0.0)
    for part, text in zip(chunks(data, 128_000), SENTENCES, strict=False):
        session.stream(chunks(part, 3200), 0.1, aws_audio)
        session.server(aws_transcript(f"{text} {text}" if twice else text))
    session.app(aws_audio(b""))
    return session.server_closes(1000, after=0.3)


def interface_of(rate: int) -> WireSession:
    """The page declares 44,100 Hz, whatever the sound card has."""
    session = aws("language-code=en-US&media-encoding=pcm&sample-rate=44100")
    session.stream(chunks(pcm(6.0, rate), rate // 5), 0.1, aws_audio)
    text = HELLO if rate == 44_100 else ""
    session.server(aws_transcript(text)).app(aws_audio(b""))
    return session.server_closes(1000, after=0.3)


# -- Azure, Speechmatics


def two_channels(channels: int) -> WireSession:
    """What the bridge of a telephone system sends; results have no Channel at all."""
    session = azure_listening(wav_header(8000, channels))
    sides = [speech(at, 8.0, 8000) for at in (0.0, 8.0)]
    data = stereo(sides[0], sides[1]) if channels == 2 else sides[0]
    for number, part in enumerate(chunks(data, 32_000 * channels)):
        session.stream(chunks(part, 320 * channels), 0.02, azure_audio)
        best = {"Confidence": 0.96, "Lexical": "hello", "Display": "Hello."}
        fields = {"RecognitionStatus": "Success", "DisplayText": "Hello.", "NBest": [best]}
        times = {"Offset": number * 20_000_000, "Duration": 18_000_000}
        session.server(azure_message("speech.phrase", fields | times))
    session.app(azure_audio(b"")).server(azure_end(), after=0.2)
    return session.app_closes(1000)


def half_of_a_file(phrases: int) -> WireSession:
    """Ten sentences in a file; the turn ends without an error."""
    session = azure_listening()
    session.stream(chunks(pcm(60.0), 32_000), 0.5, azure_audio).app(azure_audio(b""))
    for number in range(phrases):
        fields = {"RecognitionStatus": "Success", "DisplayText": f"Sentence {number}."}
        times = {"Offset": number * 60_000_000, "Duration": 55_000_000}
        session.server(azure_message("speech.phrase", fields | times), after=0.3)
    session.server(azure_end(), after=0.3)
    return session.app_closes(1000)


def left_without_end(*, ends: bool) -> WireSession:
    """The microphone is switched off, and the client leaves its context."""
    session = speechmatics().server({"message": "RecognitionStarted", "id": REQUEST_ID}, after=0.1)
    for number, data in enumerate(chunks(pcm(6.0), 6400), 1):
        session.app(data, after=0.2).server({"message": "AudioAdded", "seq_no": number})
    session.server(speechmatics_final("Good morning. ", 0.1, 1.9))
    partial = speechmatics_final("The parcel has", 2.3, 3.9) | {"message": "AddPartialTranscript"}
    session.server(partial)
    if ends:
        session.app({"message": "EndOfStream", "last_seq_no": 30})
        session.server(speechmatics_final("The parcel has not arrived. ", 2.3, 5.8), after=0.8)
        session.server({"message": "EndOfTranscript"})
    return session.app_closes(1000)


REPORTS = [
    Report(
        "dg-microphone-again",
        "missing result",
        "deepgram-devs/node-live-example#14",
        "Doesn't work after microphone stop and restart",
        "after the microphone was stopped and started, results are empty",
        "the recorder begins a new WebM file in the same connection",
        lambda: microphone_again(restarted=True),
        ("header|container|webm", "second|again|new|middle"),
        lambda: microphone_again(restarted=False),
        "the microphone is not started again",
        ("second", "again"),
        ("credential", "audio is silent", "too quiet"),
        complete=True,
    ),
    Report(
        "dg-no-punctuation",
        "missing field",
        "deepgram/deepgram-python-sdk#577",
        "No punctuate for zh-CN streaming STT",
        "Chinese words come without punctuation marks, English ones with them",
        "punctuate is on, and the model has it not for this language",
        lambda: dictated_in(CHINESE, SPACED),
        ("punctuat|smart_format",),
        lambda: dictated_in(CHINESE, POINTED),
        "the sentences have punctuation marks",
        ("punctuat",),
        ("credential", "audio is silent", "script"),
        complete=True,
    ),
    Report(
        "dg-telephone-at-16k",
        "sample rate",
        "deepgram/deepgram-python-sdk#385",
        "UtteranceEnd never triggers",
        "no UtteranceEnd comes",
        "the telephone sends 8,000 samples a second, and 16,000 are declared",
        lambda: telephone_at(16_000, words=False),
        ("rate|8000",),
        lambda: telephone_at(8000, words=True),
        "8,000 are declared",
        ("rate", "real time"),
        ("credential", "audio is silent"),
    ),
    Report(
        "dg-finalize-unanswered",
        "missing event",
        "vellum-ai/vellum-assistant#37537",
        "feat(stt): add utterance finalize to the streaming transcriber contract and Deepgram",
        "callers wait for the confirmation of a finalize request for ever",
        "a Finalize without audio that is not final yet need not be answered",
        lambda: finalize_unanswered(answered=False),
        ("finali[sz]e",),
        lambda: finalize_unanswered(answered=True),
        "a result with from_finalize comes",
        ("finali[sz]e",),
        ("credential", "audio is silent", "never final"),
        complete=True,
    ),
    Report(
        "aws-by-two-ways",
        "twice",
        "aws-samples/amazon-transcribe-live-meeting-assistant#542",
        "Human speech transcribed twice: meeting audio reaches combined_audio by two routes",
        "every sentence is transcribed twice, in the same result",
        "the audio holds everything twice, the second time a little later",
        lambda: by_two_ways(twice=True),
        ("twice|repeat|again|double|echo",),
        lambda: by_two_ways(twice=False),
        "the audio holds it once",
        ("twice", "repeat", "again"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "aws-sound-card",
        "sample rate",
        "amazon-archives/amazon-transcribe-websocket-static#21",
        "Higher sample rate breaks stream",
        "results come, and all are empty, with one sound card only",
        "the card delivers 192,000 samples a second, and 44,100 are declared",
        lambda: interface_of(192_000),
        ("rate|times real time|faster than",),
        lambda: interface_of(44_100),
        "the card has the declared rate",
        ("rate", "real time"),
        ("credential", "audio is silent"),
    ),
    Report(
        "az-no-channel-id",
        "channels",
        "Azure-Samples/cognitive-services-speech-sdk#1485",
        "I am transcribing stereo (2 channel) audio using streaming api but not seeing channel id",
        "words of both channels come, without a channel",
        "the streaming API does not split the recognition by channels",
        lambda: two_channels(2),
        ("channel",),
        lambda: two_channels(1),
        "one channel",
        ("channel",),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "az-half-of-a-file",
        "missing result",
        "Azure-Samples/cognitive-services-speech-sdk#500",
        "The speech-to-text result may be incomplete",
        "of ten sentences in a file, the first five or six are recognized",
        "the service ends the turn after half of the audio, without an error",
        lambda: half_of_a_file(5),
        (
            "speech|audio|sentence",
            "no (more )?(words|results)|stopp|missing|incomplete|not (all|transcribed)|after the",
        ),
        lambda: half_of_a_file(10),
        "all sentences have a phrase",
        ("no words", "stopp", "missing", "incomplete"),
        ("credential", "audio is silent"),
        complete=True,
    ),
    Report(
        "sm-no-end-of-stream",
        "missing result",
        "speechmatics/speechmatics-python-sdk#38",
        "Realtime transcription from microphone: Best practices for sending EndOfStream",
        "the last words are missing when the microphone is closed",
        "the client closes the connection without EndOfStream",
        lambda: left_without_end(ends=False),
        ("final|interim|partial|EndOfStream", "end|clos"),
        lambda: left_without_end(ends=True),
        "EndOfStream is sent, and the client waits for EndOfTranscript",
        ("never final", "EndOfStream", "interim"),
        ("credential", "audio is silent", "real time"),
    ),
]
"""Reports."""
