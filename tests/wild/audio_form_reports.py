"""Reports about audio in a form that nobody can use."""

from __future__ import annotations

from audio_samples import wav
from bug_report import Report
from provider_reports import inworld_good, sarvam_good
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    azure_audio,
    azure_listening,
    azure_phrase,
    b64,
    chunks,
    pcm,
    watson,
    watson_result,
    wav_header,
)
from reported_access import (
    azure_end,
    azure_transcribed,
)
from server_reports import twilio, twilio_gets_mulaw
from wire_session import WireSession

TRANSCODE = "unable to transcode data stream audio/ogg -> audio/x-float-array "


def raw_as_ogg() -> WireSession:
    start = {"action": "start", "content-type": "audio/ogg;codecs=opus", "interim_results": True}
    session = watson().accept().app(start).server('{\n   "state": "listening"\n}')
    session.stream(chunks(pcm(2.0, 48_000), 9600), 0.1)
    return session.app({"action": "stop"}).server({"error": TRANSCODE}).server_closes(1011)


def ogg_not_decoded() -> WireSession:
    start = {"action": "start", "content-type": "audio/l16;rate=16000", "interim_results": True}
    session = watson().accept().app(start).server('{\n   "state": "listening"\n}')
    session.stream(chunks(pcm(2.0), 3200), 0.1).app({"action": "stop"})
    return session.server(watson_result("good morning ")).app_closes(1000)


def vosk(config: bool) -> WireSession:
    """A server of one's own, which takes 8 kHz unless another rate is sent."""
    session = WireSession("ws://127.0.0.1:2700/", agent="websocket-client-php").accept()
    if config:
        session.app({"config": {"sample_rate": 16000}})
    for number, data in enumerate(chunks(wav_header() + pcm(4.0), 8000)):
        words = "good morning" if config and number > 6 else ""
        session.app(data, after=0.02).server({"partial": words})
    session.app({"eof": 1})
    return session.server({"text": "good morning" if config else ""}).app_closes(1000)


def header_in_each_chunk() -> WireSession:
    url = "wss://api.inworld.ai/tts/v1/voice:streamBidirectional"
    session = WireSession(url, {"Authorization": "Basic " + "U3ludGhldGlj" * 4}).accept()
    config = {"audioEncoding": "LINEAR16", "sampleRateHertz": 24000}
    create = {"voiceId": "Ashley", "modelId": "inworld-tts-1.5-max", "audioConfig": config}
    session.app({"context_id": "ctx-1", "create": create})
    session.app({"context_id": "ctx-1", "send_text": {"text": HELLO, "flush_context": {}}})
    for data in chunks(pcm(1.5, 24_000), 9600):
        content = b64(wav(data, 24_000))
        session.server({"result": {"contextId": "ctx-1", "audioChunk": {"audioContent": content}}})
    session.server({"result": {"contextId": "ctx-1", "flushCompleted": {}}})
    return session.app_closes(1000, after=1.0)


def wav_is_raw() -> WireSession:
    url = "wss://api.sarvam.ai/text-to-speech/ws?model=bulbul:v2"
    session = WireSession(url, {"Api-Subscription-Key": "sk_" + "0" * 32}).accept()
    config = {"target_language_code": "en-IN", "speaker": "anushka", "output_audio_codec": "wav"}
    session.app({"type": "config", "data": {**config, "speech_sample_rate": 22050}})
    session.app({"type": "text", "data": {"text": HELLO}}, {"type": "flush"})
    for data in chunks(pcm(1.5, 22_050), 8820):
        body = {"content_type": "audio/wav", "audio": b64(data), "request_id": REQUEST_ID}
        session.server({"type": "audio", "data": body})
    return session.app_closes(1000, after=2.0)


def second_header() -> WireSession:
    """The SDK makes a header; the source begins with another one."""
    session = azure_listening(wav_header())
    session.stream(chunks(wav_header() + pcm(4.0), 3200), 0.1, azure_audio)
    session.server(azure_phrase("Success", HELLO), azure_end())
    return session.app_closes(1000)


def pcm_to_the_telephone() -> WireSession:
    """The agent's audio comes at 16 kHz, and is passed on to the telephone as it is."""
    return twilio(pcm(2.0, 16_000))


REPORTS = [
    Report(
        "ibm-raw-as-ogg",
        "format",
        "watson-developer-cloud/python-sdk#541",
        "Opus audio format not working with the sample Python code for Watson Speech to Text",
        "an error: the stream cannot be transcoded",
        "raw samples are sent, and Ogg with Opus is declared",
        raw_as_ogg,
        ("transcode|ogg", "pcm|raw|not ogg|another format"),
        ogg_not_decoded,
        "raw samples are declared",
        ("transcode", "another format"),
    ),
    Report(
        "vosk-no-rate",
        "sample rate",
        "alphacep/vosk-server#161",
        "Getting different outputs in php client samples",
        "empty texts for a good file",
        "the sample rate is never sent; the server takes another one",
        lambda: vosk(config=False),
        ("empty|0 words|no words",),
        lambda: vosk(config=True),
        "the rate is sent",
        ("empty", "0 words"),
    ),
    Report(
        "sarvam-wav-is-raw",
        "format",
        "livekit/agents#7248",
        "fix(sarvam): map wav output codec to audio/pcm to prevent missing RIFF error",
        "the decoder finds no RIFF header",
        "wav was asked for, and raw samples come",
        wav_is_raw,
        ("wav", "pcm|raw|header"),
        sarvam_good,
        "no speech is asked for",
        ("wav",),
        complete=True,
    ),
    Report(
        "az-second-header",
        "format",
        "microsoft/cognitive-services-speech-sdk-js#937",
        "[Bug]: Duplicate wav header is sent when source is wav",
        "the beginning of the audio is noisy",
        "the SDK sends a WAV header, and the source begins with another one",
        second_header,
        ("header", "second|again|twice|another|two|duplicate"),
        azure_transcribed,
        "one header",
        ("second",),
        complete=True,
    ),
    Report(
        "twilio-gets-pcm",
        "format",
        "elevenlabs/examples#126",
        "Websocket audio format is different on signed URL",
        "the caller hears nothing useful",
        "16-bit samples at 16 kHz are passed on to the telephone, which takes mu-law at 8 kHz",
        pcm_to_the_telephone,
        ("pcm|16-bit", "mu-?law|agreed|declare"),
        twilio_gets_mulaw,
        "mu-law at 8 kHz",
        ("another encoding",),
    ),
    Report(
        "inworld-headers",
        "format",
        "inworld-ai/inworld-api-examples#21",
        "For LINEAR16, each audio chunk contains wav header",
        "a click at each chunk",
        "each chunk is a WAV file of its own",
        header_in_each_chunk,
        ("WAV", "header|each|RIFF|file"),
        inworld_good,
        "no WAV",
        ("WAV",),
        complete=True,
    ),
]
