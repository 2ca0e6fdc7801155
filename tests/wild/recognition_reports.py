"""Reports about Amazon, IBM and Azure: audio of another form, and ends that are missing."""

from __future__ import annotations

import base64
import json
from array import array

from audio_samples import stereo, wav
from bug_report import Report
from deepgram_reports import webm
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    aws_audio,
    aws_exception,
    aws_transcript,
    azure_audio,
    azure_listening,
    azure_phrase,
    azure_stt,
    chunks,
    pcm,
    watson,
    watson_listening,
    watson_result,
)
from reported_access import azure_end, azure_transcribed, watson_good
from stt_sentence_reports import aws
from wire_session import Message, WireSession
from wsproxy.catalog.envelope import wrap

NO_NEW_AUDIO = "Your request timed out because no new audio was received for 15 seconds."
TRANSCODE = "unable to transcode data stream audio/l16 -> audio/x-float-array"
SEE_BEFORE = "see the previous message for the error details."
LISTENING = '{\n   "state": "listening"\n}'
PCM_16K = "language-code=en-US&media-encoding=pcm&sample-rate=16000"


# -- Amazon Transcribe


def partial(text: str) -> Message:
    result: Json = {"IsPartial": True, "StartTime": 0.0, "EndTime": 1.6, "ResultId": REQUEST_ID}
    result["Alternatives"] = [{"Transcript": text, "Items": []}]
    head = {":message-type": "event", ":event-type": "TranscriptEvent"}
    content = {":content-type": "application/json", "Transcript": {"Results": [result]}}
    return wrap("event-stream", json.dumps(head | content))


def two_channels_for_one() -> WireSession:
    both = stereo(pcm(4.0), pcm(8.0)[len(pcm(4.0)) :])
    session = aws(PCM_16K).stream(chunks(both, 6400), 0.1, aws_audio)
    session.app(aws_audio(b"")).server(aws_transcript(""), after=0.3)
    return session.server_closes(1000)


def one_channel() -> WireSession:
    session = aws(PCM_16K).stream(chunks(pcm(4.0), 3200), 0.1, aws_audio)
    session.app(aws_audio(b"")).server(aws_transcript(HELLO), after=0.3)
    return session.server_closes(1000)


def short_and_not_ended() -> WireSession:
    session = aws(PCM_16K).stream(chunks(pcm(2.0), 3200), 0.1, aws_audio)
    return session.server(partial("Good morning")).app_closes(1000, after=8.0)


def microphone_closed() -> WireSession:
    """The connection is left open."""
    session = aws("language-code=en-US&media-encoding=pcm&sample-rate=44100")
    session.stream(chunks(pcm(3.0, 44_100), 8820), 0.1, aws_audio).server(partial("Good morning"))
    session.server(aws_exception("BadRequestException", NO_NEW_AUDIO), after=15.1)
    return session.server_closes(1000)


# -- IBM


def unsigned_token(expires: int) -> str:
    """An IAM token, with a signature that signs nothing."""

    def part(content: Json) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    times = {"iat": expires - 3600, "exp": expires, "iss": "https://iam.cloud.ibm.com/identity"}
    return f"{part({'alg': 'RS256'})}.{part(times)}.{'U3ludGhldGlj' * 8}"


def token_of_an_hour_ago() -> WireSession:
    headers = {"Authorization": f"Bearer {unsigned_token(1_789_999_900)}"}
    body = {"code": 401, "error": "Unauthorized", "trace": REQUEST_ID}
    return watson(headers).refuse(401, "Unauthorized", body)


def telephone_rate(model: str) -> WireSession:
    url = f"wss://stream.watsonplatform.net/speech-to-text/api/v1/recognize?model={model}"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 8}).accept()
    start = {"action": "start", "content-type": "audio/l16;rate=8000;channels=1"}
    session.app(start | {"interim_results": True, "inactivity_timeout": 30}).server(LISTENING)
    return session.stream(chunks(pcm(2.0, 8000), 1600), 0.1)


def too_low_for_the_model() -> WireSession:
    session = telephone_rate("en-US_BroadbandModel").server({"error": TRANSCODE})
    return session.server_closes(1011, SEE_BEFORE)


def model_of_the_telephone() -> WireSession:
    session = telephone_rate("en-US_NarrowbandModel").app({"action": "stop"})
    session.server(watson_result("good morning "), after=0.2)
    return session.server(LISTENING).app_closes(1000)


def closed_a_second_later() -> WireSession:
    session = watson_listening().stream(chunks(pcm(5.0), 2048), 0.064)
    interim = {"final": False, "alternatives": [{"transcript": "good morning the parcel "}]}
    session.server({"results": [interim], "result_index": 0}).app({"action": "stop"})
    return session.app_closes(1000, after=1.0)


# -- Azure Speech


def not_recognized(session: WireSession, status: str) -> WireSession:
    session.app(azure_audio(b"")).server(azure_phrase(status), after=0.5)
    return session.server(azure_end()).app_closes(1000)


def webm_for_pcm() -> WireSession:
    session = azure_listening().stream(chunks(webm(8.0), 1500), 0.25, azure_audio)
    return not_recognized(session, "InitialSilenceTimeout")


def file_of_32_bits() -> WireSession:
    """The SDK writes its own header, and then the file with another one."""
    samples = array("i", (sample << 16 for sample in array("h", pcm(2.0, 48_000)))).tobytes()
    file = wav(samples, 48_000, bits=32)
    session = azure_listening().stream(chunks(file, 3200), 0.05, azure_audio)
    return not_recognized(session, "NoMatch")


def microphone_of_44100() -> WireSession:
    session = azure_listening().stream(chunks(pcm(4.0, 44_100), 8820), 0.1, azure_audio)
    session.server(azure_phrase("Success", "Good mourning."), after=0.3)
    return session.app(azure_audio(b"")).server(azure_end()).app_closes(1000)


def loopback_of_the_system() -> WireSession:
    data = pcm(4.0, 44_100)
    session = azure_listening().stream(chunks(stereo(data, data), 17_640), 0.1, azure_audio)
    return not_recognized(session, "NoMatch")


def quiet_room() -> WireSession:
    noise = array("h", ((n * 7919 % 23) - 11 for n in range(16_000 * 6))).tobytes()
    session = azure_listening().stream(chunks(noise, 3200), 0.1, azure_audio)
    session.server(azure_phrase("InitialSilenceTimeout", duration=5.0))
    return session.server(azure_end()).app_closes(1000)


def too_many_at_once() -> WireSession:
    return azure_stt("francecentral").refuse(429, "Too Many Requests", b"")


def wrong_key_at_azure() -> WireSession:
    return azure_stt("francecentral").refuse(401, "Unauthorized", b"")


REPORTS = [
    Report(
        "aws-two-channels",
        "channels",
        "awslabs/amazon-transcribe-streaming-sdk#10",
        "wave Audio file format limitation",
        "a file of two channels is not transcribed; one of one channel is",
        "two interleaved channels are sent, and one is expected",
        two_channels_for_one,
        ("two channels|stereo|2 channels",),
        one_channel,
        "one channel",
        ("two channels", "stereo"),
        ("credential", "silen"),
    ),
    Report(
        "aws-short-not-ended",
        "missing end",
        "aws/aws-sdk-cpp#1683",
        "TranscribeStreaming streaming short audio data does not work",
        "the service waits for more audio after a short sentence",
        "no empty audio event ends the stream",
        short_and_not_ended,
        ("ended|empty|end of", "final"),
        one_channel,
        "the stream is ended",
        ("never ended", "no final"),
        ("credential", "digital silence|is silent"),
    ),
    Report(
        "aws-microphone-closed",
        "timeout",
        "qasim9872/aws-transcribe#14",
        "Your request timed out because no new audio was received for 15 seconds.",
        "an exception some time after the last word",
        "the app sends no audio for 15 seconds, and does not end the stream",
        microphone_closed,
        ("no new audio|no audio", "15"),
        one_channel,
        "the stream is ended",
        ("no new audio", "15 s"),
        ("credential", "signature"),
    ),
    Report(
        "ibm-token-of-an-hour",
        "credentials",
        "watson-developer-cloud/node-sdk#849",
        "STT: Websocket Recognize stream - API Key times out after 1 hour",
        "each connection fails an hour after the start of the app",
        "the IAM token has expired: it is valid for an hour, and the app keeps it",
        token_of_an_hour_ago,
        ("token|credential", "expire"),
        watson_good,
        "a token that is valid",
        ("expire", "credential"),
        ("quota",),
    ),
    Report(
        "ibm-8k-broadband",
        "model",
        "watson-developer-cloud/unity-sdk#358",
        "[speech-to-text] Service will not accept 8000Hz audio",
        "an error as soon as audio comes at 8 kHz; 22 kHz works",
        "audio at 8 kHz needs a narrowband model",
        too_low_for_the_model,
        ("8000|8 kHz", "narrow|broadband"),
        model_of_the_telephone,
        "a narrowband model",
        ("broadband",),
        ("credential", "no audio"),
    ),
    Report(
        "ibm-closed-too-soon",
        "missing result",
        "IBM/watson-streaming-stt#4",
        "Bug fix: Added the last non-finalized transcript",
        "the end of the recording is missing in the transcript",
        "the app closes a second after it has stopped, before the final result has come",
        closed_a_second_later,
        ("final|last words", "left|clos|before"),
        watson_good,
        "the app waits for the result",
        ("no final", "before"),
        ("credential", "silen"),
    ),
    Report(
        "az-webm-for-pcm",
        "format",
        "microsoft/cognitive-services-speech-sdk-js#262",
        "Speech is never recognized from PushStream",
        "empty results after some time",
        "what a browser's recorder gives, WebM with Opus, is sent as PCM",
        webm_for_pcm,
        ("webm",),
        azure_transcribed,
        "PCM",
        ("webm",),
        ("credential", "nobody|no one spoke|did not speak"),
    ),
    Report(
        "az-file-of-32-bits",
        "format",
        "microsoft/cognitive-services-speech-sdk-js#803",
        "SDK returns no match, but the online recognizer works.",
        "NoMatch for a file that is recognized elsewhere",
        "the file has 32 bits at 48 kHz; the stream is declared with 16 bits at 16 kHz",
        file_of_32_bits,
        ("48000|48 kHz|32.bit|32 bits",),
        azure_transcribed,
        "samples as they are declared",
        ("48000", "32 bit"),
        ("credential", "silen"),
    ),
    Report(
        "az-44100-as-16000",
        "sample rate",
        "microsoft/cognitive-services-speech-sdk-js#501",
        "What are the actually supported formats for input audio?",
        "words, and more of them wrong than elsewhere",
        "the samples are at 44.1 kHz, and 16 kHz is declared",
        microphone_of_44100,
        ("44100|44.1",),
        azure_transcribed,
        "samples at 16 kHz",
        ("44100", "another sample rate"),
        ("credential",),
        complete=True,
    ),
    Report(
        "az-loopback",
        "format",
        "Azure-Samples/cognitive-services-speech-sdk#1166",
        "Speech to text from Output audio",
        "nothing is recognized of what the system plays",
        "the samples are stereo at 44.1 kHz; the stream is declared as mono at 16 kHz",
        loopback_of_the_system,
        ("44100|44.1", "stereo|two channels|2 channels"),
        azure_transcribed,
        "samples as they are declared",
        ("stereo", "two channels", "44100"),
        ("credential", "silen"),
    ),
    Report(
        "az-quiet-room",
        "silence",
        "Azure-Samples/cognitive-services-speech-sdk#2562",
        "Keep getting speechsdk.ResultReason.NoMatch error with USB microphone on Raspberry Pi",
        "NoMatch, each time",
        "nobody spoke: the audio is as good as silent",
        quiet_room,
        ("silen|quiet|no speech",),
        azure_transcribed,
        "speech",
        ("silen", "no speech"),
        ("credential", "format"),
    ),
    Report(
        "az-429",
        "concurrency",
        "microsoft/cognitive-services-speech-sdk-js#654",
        "Unable to contact server. StatusCode: 1006, undefined Reason: undefined",
        "1006, more often as usage grows",
        "more connections are opened at once than the resource allows",
        too_many_at_once,
        ("too many|concurren|rate limit",),
        wrong_key_at_azure,
        "401",
        ("too many", "concurren"),
        ("credential", "wrong key"),
    ),
]
