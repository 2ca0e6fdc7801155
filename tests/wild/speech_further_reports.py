"""Further reports of speech output and of telephone calls that show no error message."""

from __future__ import annotations

import json

from audio_samples import mulaw, wav
from bug_report import Report
from call_quiet_reports import (
    STREAM,
    call,
    hangs_up,
    heard,
    hiss,
    listens,
    mark,
    media,
    quiet,
    says,
)
from deepgram_reports import speaking
from provider_sessions import (
    AZURE_REQUEST,
    HELLO,
    Json,
    azure_audio,
    azure_message,
    azure_tts,
    b64,
    chunks,
    pcm,
)
from reported_audio import EDGE, edge_message
from speech_quiet_reports import LONG
from wire_session import Message, WireSession

CLEAR = {"event": "clear", "streamSid": STREAM}


# -- calls


def asks(session: WireSession, seconds: float = 2.0) -> WireSession:
    """The caller says something."""
    return session.stream(chunks(mulaw(pcm(seconds, 8000)), 160), 0.02, heard)


def silent_agent(*, speaks: bool) -> WireSession:
    """The caller asks three times."""
    session = call()
    for _ in range(3):
        listens(asks(session), 4.0)
        if speaks:
            listens(says(session, mulaw(pcm(2.0, 8000))), 2.0)
    return hangs_up(session)


def plivo(rate: int) -> WireSession:
    """The app says in each message what its audio is."""
    session = WireSession("wss://voice.example.com/plivo", agent="Plivo").accept()
    form = {"encoding": "audio/x-l16", "sampleRate": 8000}
    start = {"callId": "c1", "streamId": "s1", "tracks": ["inbound"], "mediaFormat": form}
    session.app({"event": "start", "sequenceNumber": 0, "start": start})

    def inbound(data: bytes) -> Message:
        return {
            "event": "media",
            "streamId": "s1",
            "media": {"track": "inbound", "payload": b64(data)},
        }

    session.stream(chunks(hiss(0.5), 320), 0.02, inbound)
    for data in chunks(pcm(8.0, rate), 8000):
        audio = {"contentType": "audio/x-l16", "sampleRate": 8000, "payload": b64(data)}
        session.server({"event": "playAudio", "media": audio}, after=0.02)
    session.stream(chunks(hiss(18.0), 320), 0.02, inbound)
    return session.app({"event": "stop", "streamId": "s1"}).app_closes(1000)


def wiped(*, before_it_plays: bool) -> WireSession:
    """The greeting lasts four seconds; the app sends clear."""
    session = says(call(), mulaw(pcm(4.0, 8000))).server(mark("greeting"))
    if before_it_plays:
        listens(session, 0.1).server(CLEAR).app(mark("greeting"))
        listens(session, 6.0)
    else:
        asks(listens(session, 3.0), 0.5).server(CLEAR).app(mark("greeting"))
    listens(asks(session), 0.5)
    return hangs_up(listens(says(session, mulaw(pcm(2.0, 8000))), 3.0))


def dead_air(*, speaks: bool) -> WireSession:
    session = WireSession("wss://voice.example.com/telnyx", agent="Telnyx").accept()
    session.app({"event": "connected", "version": "1.0.0"})
    form = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    start = {"call_control_id": "v3:1", "media_format": form}
    session.app({"event": "start", "sequence_number": "1", "start": start, "stream_id": "s1"})

    def inbound(data: bytes) -> Message:
        return {
            "event": "media",
            "stream_id": "s1",
            "media": {"track": "inbound", "payload": b64(data)},
        }

    session.stream(quiet(0.2), 0.02, inbound)
    if speaks:
        for data in chunks(mulaw(pcm(2.0, 8000)), 4000):
            session.server({"event": "media", "media": {"payload": b64(data)}})
    session.stream(quiet(6.0 if speaks else 1.4), 0.02, inbound)
    stop = {"call_control_id": "v3:1", "reason": "normal_clearing"}
    return session.app({"event": "stop", "stream_id": "s1", "stop": stop}).app_closes(1000)


def headers(*, each: bool) -> WireSession:
    """Each sentence is a WAV file of mu-law."""
    session = call()
    for _ in range(3):
        data = mulaw(pcm(1.5, 8000))
        session.server(media(wav(data, 8000, bits=8, tag=7) if each else data))
        listens(session, 3.0)
    return hangs_up(session)


def talked_over(*, clears: bool) -> WireSession:
    """A long answer was sent at once; the caller speaks while it is played."""
    session = listens(asks(call()), 0.5)
    listens(says(session, mulaw(pcm(9.0, 8000))), 2.0)
    asks(session, 1.0)
    if clears:
        session.server(CLEAR)
    listens(asks(session, 1.0), 1.0)
    return hangs_up(listens(says(session, mulaw(pcm(2.0, 8000))), 9.0))


def freeswitch(kind: str) -> WireSession:
    """mod_audio_stream sends binary audio, and takes one JSON message."""
    session = WireSession("ws://voice.internal:8765/", agent="mod_audio_stream").accept()
    session.stream(chunks(hiss(0.5, 16_000), 640), 0.02)
    for data in chunks(pcm(3.0, 16_000), 16_000):
        fields = {"audioDataType": "raw", "sampleRate": 16000, "audioData": b64(data)}
        message: Json = {"type": kind, "data": fields}
        session.server(message if kind == "streamAudio" else {"type": kind, "media": b64(data)})
    session.stream(chunks(hiss(4.0, 16_000), 640), 0.02)
    return session.app_closes(1000)


# -- services that speak


def inworld(*, times: bool) -> WireSession:
    url = "wss://api.inworld.ai/tts/v1/voice:streamBidirectional"
    session = WireSession(url, {"Authorization": "Basic " + "U3ludGhldGlj" * 4}).accept()
    config = {"audioEncoding": "LINEAR16", "sampleRateHertz": 24000}
    create = {"voiceId": "Ashley", "modelId": "inworld-tts-1.5-max", "timestampType": "WORD"}
    session.app({"contextId": "c1", "create": create | {"audioConfig": config}})
    session.server({"result": {"contextId": "c1", "contextCreated": {}, "status": {"code": 0}}})
    session.app({"contextId": "c1", "send_text": {"text": HELLO, "flush_context": {}}})
    for data in chunks(pcm(1.5, 24_000), 9600):
        chunk: Json = {"audioContent": b64(data)}
        if times:
            words = {"words": ["Good"], "wordStartTimeSeconds": [0.1], "wordEndTimeSeconds": [0.3]}
            chunk["timestampInfo"] = {"wordAlignment": words}
        session.server({"result": {"contextId": "c1", "audioChunk": chunk}}, after=0.02)
    session.server({"result": {"contextId": "c1", "flushCompleted": {}, "status": {"code": 0}}})
    session.app({"contextId": "c1", "close_context": {}})
    session.server({"result": {"contextId": "c1", "contextClosed": {}}})
    return session.app_closes(1000, after=1.0)


def async_speech(*, forced: bool) -> WireSession:
    """Short texts: each waits for more, or is forced."""
    url = "wss://api.async.ai/text_to_speech/websocket/ws?version=v1"
    session = WireSession(url, {"x-api-key": "sk_" + "0123456789abcdef" * 2}).accept()
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000}
    session.app(
        {"model_id": "asyncflow_v2.0", "voice": {"mode": "id", "id": "v1"}, "output_format": output}
    )

    def audio() -> None:
        for data in chunks(pcm(1.0, 24_000), 9600):
            session.server({"audio": b64(data), "final": False}, after=0.02)

    for number in range(3):
        force: Json = {"force": True} if forced else {}
        session.app({"transcript": "Just a moment. ", **force})
        session.wait(0.3)
        if forced or number:
            audio()
        session.wait(6.0)
    session.app({"transcript": ""}, after=0.1).server({"audio": "", "final": True}, after=0.2)
    return session.app_closes(1000)


def edge_long(spoken: int) -> WireSession:
    """The service reports each word that it speaks, with its time."""
    words = (LONG * 4).split()
    session = WireSession(EDGE).accept()
    metadata = {"sentenceBoundaryEnabled": "false", "wordBoundaryEnabled": "true"}
    options = {"metadataoptions": metadata, "outputFormat": "raw-24khz-16bit-mono-pcm"}
    session.app(
        edge_message("speech.config", json.dumps({"context": {"synthesis": {"audio": options}}}))
    )
    session.app(
        "X-RequestId:0a0a\r\nContent-Type:application/ssml+xml\r\nPath:ssml\r\n\r\n"
        f"<speak version='1.0' xml:lang='en-US'><voice name='en-US-EmmaNeural'>{' '.join(words)}"
        "</voice></speak>"
    )
    session.server(edge_message("turn.start", '{"context": {}}'), after=0.1)
    for number, word in enumerate(words[:spoken]):
        text = {"Text": word, "Length": len(word), "BoundaryType": "WordBoundary"}
        data = {"Offset": number * 3_000_000, "Duration": 2_500_000, "text": text}
        boundary = {"Metadata": [{"Type": "WordBoundary", "Data": data}]}
        session.server(edge_message("audio.metadata", json.dumps(boundary)))
        session.server(azure_audio(pcm(0.3, 24_000)), after=0.01)
    return session.server(edge_message("turn.end", "{}")).app_closes(1000, after=0.1)


def opening_hours(text: str) -> WireSession:
    session = azure_tts().accept()
    output = {"synthesis": {"audio": {"outputFormat": "raw-24khz-16bit-mono-pcm"}}}
    session.app(azure_message("synthesis.context", output))
    session.app(
        f"Path: ssml\r\nX-RequestId: {AZURE_REQUEST}\r\nContent-Type: application/ssml+xml\r\n\r\n"
        '<speak version="1.0" xml:lang="en-US"><voice name="en-US-JennyNeural">'
        f"{text}</voice></speak>"
    )
    session.server(azure_message("turn.start", {"context": {}}), after=0.1)
    session.stream(chunks(pcm(4.0, 24_000), 9600), 0.01, azure_audio, from_client=False)
    return session.server(azure_message("turn.end", {})).app_closes(1000, after=1.0)


def flush(after: float) -> WireSession:
    """A boundary of sentences is found at once; the flush waits for a timer."""
    session = speaking()
    for _ in range(3):
        session.app({"type": "Speak", "text": HELLO + " "}).app({"type": "Flush"}, after=after)
        session.stream(chunks(pcm(2.0, 24_000), 9600), 0.02, from_client=False)
        session.server({"type": "Flushed", "sequence_id": 0}).wait(4.0)
    return session.app({"type": "Close"}).server_closes(1000)


REPORTS = [
    Report(
        "twilio-greeting-wiped",
        "message order",
        "vellum-ai/vellum-assistant#37061",
        "fix(calls): clear media-stream audio only after accepted barge-in",
        "the greeting is not heard",
        "the app sends clear before the greeting is played, although nobody speaks",
        lambda: wiped(before_it_plays=True),
        ("clear", "play|lost|drop|wip|heard|wait"),
        lambda: wiped(before_it_plays=False),
        "the caller speaks before the clear",
        ("clear",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "call-header-in-each-sentence",
        "format",
        "bolna-ai/bolna#65",
        "make add_wav_header->False to remove click sound",
        "a click before each sentence",
        "each sentence is a WAV file; its header is played",
        lambda: headers(each=True),
        ("WAV|header",),
        lambda: headers(each=False),
        "raw mu-law",
        ("WAV", "header"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "twilio-nova-talks-on",
        "message order",
        "aws-samples/sample-amazon-nova-sonic-twilio-integration#2",
        "Bot does not handle my interruptions",
        "the bot speaks on when the caller interrupts",
        "no clear message is sent",
        lambda: talked_over(clears=False),
        ("clear",),
        lambda: talked_over(clears=True),
        "clear is sent",
        ("no clear", "without a clear"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "inworld-no-word-times",
        "missing result",
        "pipecat-ai/pipecat#4113",
        "fix(inworld): fallback to full text when TTS timestamps are not received",
        "the agent's words are missing in its memory",
        "times of the words were asked for, and the service sends none",
        lambda: inworld(times=False),
        ("timestamp|times",),
        lambda: inworld(times=True),
        "the times come",
        ("timestamp",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "async-stalls",
        "latency",
        "pipecat-ai/pipecat#2444",
        "fix(asyncai): force flush WS TTS to eliminate stalls",
        "a sentence is spoken when the next one comes, or not at all",
        "the service keeps a short text back until there is more, or it is forced",
        lambda: async_speech(forced=False),
        ("kept|keeps|flush|force|no audio|without audio|late|buffer|until",),
        lambda: async_speech(forced=True),
        "each text is forced",
        ("no audio", "late", "flush", "kept"),
        ("credential",),
    ),
    Report(
        "edge-long-text",
        "missing result",
        "rany2/edge-tts#190",
        "Long text strings produce incomplete audio files",
        "the end of a long text is missing",
        "the service ends the turn in the middle of the text, without an error",
        lambda: edge_long(50),
        ("word|letter|text", "spoken|missing|end"),
        lambda: edge_long(1000),
        "all words are spoken",
        ("not spoken", "of .* were spoken", "missing"),
        ("credential", "no audio"),
    ),
    Report(
        "az-asterisk-read",
        "parameter",
        "microsoft/botframework-telephony#107",
        "Telephony Channel reads out Asterick when text format is markdown",
        "the voice says asterisk",
        "the text has Markdown, which is read as it is",
        lambda: opening_hours("The hours are:\n\n* **Mon-Fri**: 9 to 6\n* **Sat**: 10 to 4\n"),
        ("Markdown|asterisk|\\*",),
        lambda: opening_hours("The hours are: Monday to Friday, 9 to 6; Saturday, 10 to 4."),
        "plain text",
        ("Markdown", "asterisk"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "dgs-flush-by-timer",
        "latency",
        "jambonz/jambonz-feature-server#1454",
        "tts streaming with auto flush on detecting boundary",
        "each answer begins two seconds too late",
        "the text is sent at once, and its flush waits for a timer",
        lambda: flush(2.0),
        ("flush", "late|after|s after"),
        lambda: flush(0.01),
        "the flush follows the text",
        ("flush",),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""

UNSOLVED = [
    # An app that only listens to a call, to transcribe it, sends nothing either.
    Report(
        "twilio-agent-never-speaks",
        "no answer",
        "bolna-ai/bolna#507",
        "Bug Report: Agent Audio Not Transmitted - Complete Silence on Twilio Calls",
        "the caller hears nothing; the app's log shows that speech was made",
        "the app sends the call no audio at all",
        lambda: silent_agent(speaks=False),
        ("no audio|sent nothing|never|no message|not (answer|speak|spoke)|nothing",),
        lambda: silent_agent(speaks=True),
        "the app sends audio",
        ("no audio", "nothing"),
        ("credential", "digital silence"),
    ),
    Report(
        "telnyx-dead-air",
        "no answer",
        "PatterAI/Patter#203",
        "fix(telnyx): guard native-audio realtime engines against premature model end_call",
        "the call ends after 1.6 seconds",
        "the app sends nothing in that time, and the telephone side gives up",
        lambda: dead_air(speaks=False),
        ("no audio|sent nothing|never|no message|nothing",),
        lambda: dead_air(speaks=True),
        "the app speaks at once",
        ("no audio", "nothing"),
        ("credential", "digital silence"),
    ),
    # A slow voice is a deep one, and so are other voices.
    Report(
        "plivo-16k-as-8k",
        "sample rate",
        "bolna-ai/bolna#550",
        "fix: force use_mulaw for all telephony providers in multilingual synthesizer pool",
        "the voice is slow and deep",
        "audio of 16 kHz is sent, and declared as 8 kHz",
        lambda: plivo(16_000),
        ("16000|16 kHz|rate|lower|slow",),
        lambda: plivo(8000),
        "the audio has 8 kHz",
        ("16000", "slow", "pitch"),
        ("credential", "no audio"),
        complete=True,
    ),
    # Nothing in the session says which message the module plays.
    Report(
        "freeswitch-other-message",
        "carrier",
        "amigniter/mod_audio_stream#105",
        "No audio played",
        "the caller hears nothing",
        "the module plays the audio of one message only, streamAudio; the app sends another",
        lambda: freeswitch("Media"),
        ("streamAudio|message|kind|type",),
        lambda: freeswitch("streamAudio"),
        "the message that the module takes",
        ("streamAudio",),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use, or is not in the session."""
