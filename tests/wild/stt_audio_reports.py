"""Reports about audio that a transcription service cannot use, or not as it is declared."""

from __future__ import annotations

from collections.abc import Iterable

from audio_form_reports import vosk
from audio_samples import OPUS, alaw, floats, mulaw, stereo
from bug_report import Report
from deepgram_reports import webm
from provider_sessions import (
    ELEVENLABS_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    aws_audio,
    aws_transcript,
    azure_audio,
    azure_listening,
    azure_phrase,
    chunks,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
    scribe_audio,
    wav_header,
)
from reported_access import azure_end, azure_transcribed, scribe_good
from stt_sentence_reports import aws
from wire_session import BROWSER, NODE, Message, WireSession

VOSK_URL = "ws://127.0.0.1:2700/"
MULAW = "model=nova-2&encoding=mulaw&sample_rate=8000&interim_results=true"


# -- Vosk


def vosk_listens(agent: str = BROWSER) -> WireSession:
    session = WireSession(VOSK_URL, agent=agent).accept()
    return session.app({"config": {"sample_rate": 16000}})


def vosk_gets_webm() -> WireSession:
    session = vosk_listens()
    for data in chunks(webm(6.0), 1000):
        session.app(data, after=0.25).server({"partial": ""})
    return session.app_closes(1000, after=1.0)


def vosk_eof(eof: Message, answers: Iterable[Message]) -> WireSession:
    session = vosk_listens("websocat")
    for number, data in enumerate(chunks(pcm(4.0), 8000)):
        session.app(data, after=0.25).server({"partial": "good morning" if number > 6 else ""})
    return session.app(eof, after=1.0).server(*answers).app_closes(1000, after=60.0)


def eof_in_binary() -> WireSession:
    return vosk_eof(b'{"eof" : 1}', [{"partial": "good morning"}])


def eof_ignored() -> WireSession:
    return vosk_eof({"eof": 1}, [])


# -- servers of one's own


def whisper_live(data: bytes, answers: Iterable[Json]) -> WireSession:
    session = WireSession("ws://asr.example.net:9090/").accept()
    session.app({"uid": "call-1", "language": "en", "task": "transcribe", "use_vad": True})
    session.server({"uid": "call-1", "message": "SERVER_READY", "backend": "faster_whisper"})
    session.stream(chunks(data, len(data) // 40), 0.1).server(*answers)
    return session.app_closes(1000, after=10.0)


def samples_of_16_bits() -> WireSession:
    return whisper_live(pcm(4.0), [])


def samples_of_32_bits() -> WireSession:
    segment = {"start": "0.0", "end": "3.9", "text": HELLO, "completed": True}
    return whisper_live(floats(pcm(4.0)), [{"uid": "call-1", "segments": [segment]}])


def whisper_kit(data: bytes, every: float, text: str) -> WireSession:
    session = WireSession("ws://asr.example.net:8000/asr", agent=BROWSER).accept()
    session.server({"type": "config", "useAudioWorklet": False})
    status = "active_transcription" if text else "no_audio_detected"
    answer: Json = {"status": status, "lines": [], "buffer_transcription": ""}
    if text:
        answer["lines"] = [{"speaker": 1, "text": text, "start": "0:00:00", "end": "0:00:04"}]
    for number, part in enumerate(chunks(data, len(data) // 40)):
        session.app(part, after=every)
        if number % 10 == 9:
            session.server(answer)
    return session.app_closes(1000, after=2.0)


def floats_for_webm() -> WireSession:
    return whisper_kit(floats(pcm(4.0)), 0.1, "")


# -- ElevenLabs, Amazon, Deepgram, Azure, Gladia


def scribe_encoding() -> WireSession:
    """The service knows no `encoding`, and takes 16 kHz, which is its default."""
    query = "model_id=scribe_v2_realtime&encoding=pcm_8000&commit_strategy=vad"
    url = f"wss://api.elevenlabs.io/v1/speech-to-text/realtime?{query}"
    session = WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).accept()
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "model_id": "scribe_v2_realtime"}
    session.server({"message_type": "session_started", "session_id": REQUEST_ID, "config": config})
    session.stream(
        chunks(pcm(6.0, 8000), 1600), 0.1, lambda data: scribe_audio(data) | {"sample_rate": 8000}
    )
    session.server({"message_type": "committed_transcript", "text": "Mourning."}, after=0.3)
    return session.app_closes(1000, after=1.0)


def aws_gets(data: bytes, encoding: str, text: str) -> WireSession:
    session = aws(f"language-code=en-US&media-encoding={encoding}&sample-rate=16000")
    session.stream(chunks(data, 2048), 0.1, aws_audio)
    session.app(aws_audio(b"")).server(aws_transcript(text), after=0.2)
    return session.server_closes(1000)


def ogg_as_pcm() -> WireSession:
    return aws_gets(OPUS, "pcm", "Mhm.")


def ogg_as_ogg() -> WireSession:
    return aws_gets(OPUS, "ogg-opus", HELLO)


def telephone(data: bytes, *texts: str) -> WireSession:
    session = listening(MULAW).stream(chunks(data, 160), 0.02)
    for number, text in enumerate(texts):
        session.server(deepgram_result(text, number * 2.0, 2.0))
    session.app({"type": "CloseStream"}).server(deepgram_metadata(4.0))
    return session.server_closes(1000)


def alaw_as_mulaw() -> WireSession:
    return telephone(alaw(pcm(4.0, 8000)), "more", "")


def mulaw_as_mulaw() -> WireSession:
    return telephone(mulaw(pcm(4.0, 8000)), "good morning", HELLO)


def stereo_of_a_disc() -> WireSession:
    session = azure_listening(wav_header(44_100, 2))
    sound = stereo(pcm(3.0, 44_100), pcm(3.0, 44_100))
    session.stream(chunks(sound, 17_640), 0.1, azure_audio).app(azure_audio(b""))
    session.server(azure_phrase("InitialSilenceTimeout"), azure_end(), after=0.2)
    return session.app_closes(1000)


def gladia_call(every: float, text: str) -> WireSession:
    session = WireSession("wss://api.gladia.io/v2/live?token=" + "Synthetic0" * 4, agent=NODE)
    session.accept().server({"type": "start_session", "session_id": REQUEST_ID})
    session.stream(chunks(mulaw(pcm(3.0, 8000)), 160), every)
    utterance = {"text": text, "start": 0.2, "end": 0.5, "language": "en", "words": []}
    data = {"id": "00-1", "is_final": True, "utterance": utterance}
    session.server({"type": "transcript", "session_id": REQUEST_ID, "data": data})
    session.app({"type": "stop_recording"})
    session.server({"type": "end_session", "session_id": REQUEST_ID}, after=0.3)
    return session.server_closes(1000)


REPORTS = [
    Report(
        "vosk-webm",
        "format",
        "alphacep/vosk-server#257",
        "ReactJS + WebSocket + Vosk",
        "the texts of all answers are empty",
        "the browser's recorder sends WebM; the server takes raw samples",
        vosk_gets_webm,
        ("WebM", "raw|PCM|samples"),
        lambda: vosk(config=True),
        "raw samples",
        ("WebM",),
    ),
    Report(
        "vosk-eof-binary",
        "carrier",
        "alphacep/vosk-server#97",
        "Fix detect EOF",
        "the final result never comes, and the connection stays open",
        "eof is sent in a binary message, which is audio",
        eof_in_binary,
        ("eof|JSON|text", "binary"),
        lambda: vosk(config=True),
        "eof is sent as text",
        ("binary message",),
    ),
    Report(
        "vosk-eof-ignored",
        "missing end",
        "speechcatcher-asr/speechcatcher#14",
        "Server not answering in vosk mode to due lack of eof command",
        "the client waits for ever",
        "the server does not know eof: the final result never comes",
        eof_ignored,
        ("final|eof|last", "never|no |not|missing"),
        lambda: vosk(config=True),
        "the server answers eof",
        ("never came", "no final"),
        ("credential",),
    ),
    Report(
        "whisperlive-int16",
        "format",
        "collabora/WhisperLive#74",
        "Integration with Twilio",
        "no transcript, although the audio is good",
        "16-bit samples are sent; the server takes 32-bit floats",
        samples_of_16_bits,
        ("no (words|transcript|result|answer)|0 words|nothing",),
        samples_of_32_bits,
        "32-bit floats",
        ("no words", "0 words"),
        ("silence|silent speech", "sample rate than"),
    ),
    Report(
        "whisperlivekit-floats",
        "format",
        "SYSTRAN/faster-whisper#1301",
        "Using WhisperLiveKit with binary input from Float32Array",
        "no transcript; WebM works",
        "32-bit floats are sent where the server takes WebM",
        floats_for_webm,
        ("32-bit float", "no (words|transcript|result)|0 words|nothing"),
        lambda: whisper_kit(webm(4.0), 0.1, HELLO),
        "WebM is sent",
        ("float",),
    ),
    Report(
        "xi-encoding",
        "parameter",
        "livekit/agents#5573",
        "ElevenLabs STT stream ignores sample rate configuration",
        "times and words are wrong",
        "the format is given in the parameter encoding, which the API does not have",
        scribe_encoding,
        ("encoding|audio_format|8000|8 kHz", "16 ?000|16 kHz|not (have|know)|ignored"),
        scribe_good,
        "the parameter is audio_format",
        ("encoding=",),
        complete=True,
    ),
    Report(
        "aws-ogg",
        "format",
        "amazon-archives/amazon-transcribe-websocket-static#31",
        "Amazon Transcribe streaming with Node.js using websocket",
        "the transcript is empty, or one sound",
        "an Ogg file is sent, and PCM is declared",
        ogg_as_pcm,
        ("Ogg", "pcm"),
        ogg_as_ogg,
        "Ogg is declared",
        ("another format",),
        complete=True,
    ),
    Report(
        "dg-alaw",
        "format",
        "VapiAI/docs#1219",
        "docs(sip-telnyx): document Telnyx PCMA/PCMU codec mismatch causing audio corruption",
        "the transcript is in pieces, on calls from Europe",
        "the trunk sends A-law, and mu-law is declared",
        alaw_as_mulaw,
        ("A-law", "mu-?law"),
        mulaw_as_mulaw,
        "mu-law is sent",
        ("A-law",),
        ("sample rate",),
        complete=True,
    ),
    Report(
        "az-44k-stereo",
        "sample rate",
        "Azure-Samples/cognitive-services-speech-sdk#695",
        "nodeJS speech to text errors initial silence timeout.",
        "no match: initial silence",
        "the file is 44.1 kHz stereo; 16 kHz mono is what works",
        stereo_of_a_disc,
        ("44[., ]?1|44100", "stereo|2 channels|two channels"),
        azure_transcribed,
        "16 kHz mono",
        ("44",),
        ("was silent", "nobody spoke"),
    ),
    Report(
        "gl-slow",
        "timing",
        "gladiaio/gladia-samples#67",
        "No transcript on live websocket",
        "a single word is transcribed",
        "the app sleeps after each chunk: audio is sent at a sixth of real time",
        lambda: gladia_call(0.12, "Well."),
        ("real time|slower", r"0\.1\d|6(\.0)? times|times slower|slow"),
        lambda: gladia_call(0.02, HELLO),
        "audio is sent in real time",
        ("slower", "real time"),
        ("another encoding",),
        complete=True,
    ),
]
