"""Reports about services that speak a text, without an error message.

Nothing is heard, words are missing or read wrongly, times of words are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audio_samples import MP3_FRAME
from bug_report import Report
from deepgram_reports import speaking
from elevenlabs_reports import tts_good
from provider_sessions import (
    HELLO,
    VOICE,
    azure_audio,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    elevenlabs,
    elevenlabs_audio,
    elevenlabs_tts,
    pcm,
)
from reported_audio import edge_asks, edge_message
from wire_session import NODE, WireSession

KEY = {"Authorization": "Bearer " + "Synthetic0" * 4}
LONG = (
    "The parcel was handed to the carrier on Monday evening, and it is expected at the depot on "
    "Wednesday before ten o'clock. From there it takes one more day to your door. "
)


# -- ElevenLabs: one text


def pause_tag(*, parsed: bool) -> WireSession:
    query = "model_id=eleven_turbo_v2&output_format=pcm_24000"
    query += "&enable_ssml_parsing=true" if parsed else ""
    session = elevenlabs(f"text-to-speech/{VOICE}/stream-input", query)
    session.app({"text": " ", "voice_settings": {"stability": 0.5, "similarity_boost": 0.8}})
    session.app({"text": 'One moment. <break time="1.5s" /> Your parcel is here. '}, {"text": ""})
    session.wait(0.3)
    for data in chunks(pcm(4.0, 24_000), 9600):
        session.server(elevenlabs_audio(data), after=0.02)
    return session.server({"audio": None, "isFinal": True}).server_closes(1000)


def short_text() -> WireSession:
    session = elevenlabs_tts().app({"text": "Sure. "}, after=0.2)
    return session.app_closes(1000, after=10.0)


# -- others


def word_times(*, come: bool) -> WireSession:
    session = cartesia_tts().accept()
    session.app(cartesia_text("turn-1") | {"add_timestamps": True, "language": "ja"})
    if come:
        words = HELLO.split()
        times = {"words": words, "start": [0.2 * n for n in range(len(words))]}
        times["end"] = [0.2 * n + 0.2 for n in range(len(words))]
        session.server({"type": "timestamps", "context_id": "turn-1", "word_timestamps": times})
    return cartesia_says(session.wait(0.2), "turn-1").app_closes(1000, after=2.0)


def playht(*, unspoken: bool) -> WireSession:
    """Three sentences, each a request; the service says when each begins and ends."""
    session = WireSession("wss://ws.fal.run/playht-fal/playht-tts/ws?fal_jwt_token=synthetic.a.b")
    session.accept()
    for number in range(3):
        request = {"text": HELLO, "voice": "s3://voice/manifest.json", "output_format": "wav"}
        fields = {"request_id": f"request-{number}", "sample_rate": 24000, "speed": 1.0}
        session.app(request | fields)
        session.server({"type": "start", "request_id": f"request-{number}"}, after=0.2)
        if number != 1 or not unspoken:
            session.stream(chunks(pcm(2.0, 24_000), 9600), 0.02, from_client=False)
        session.server({"type": "end", "request_id": f"request-{number}"}, after=0.05)
        session.wait(3.0)
    return session.app_closes(1000)


def packed(value: Any) -> bytes:
    """MessagePack of a message of Fish Audio: strings, bytes, integers, maps."""
    match value:
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return bytes([value]) if value < 128 else b"\xcd" + value.to_bytes(2, "big")
        case str():
            data = value.encode()
            size = len(data)
            return (bytes([0xA0 | size]) if size < 32 else b"\xd9" + bytes([size])) + data
        case bytes():
            return b"\xc5" + len(value).to_bytes(2, "big") + value
    assert isinstance(value, Mapping)
    items = b"".join(packed(name) + packed(each) for name, each in value.items())
    return bytes([0x80 | len(value)]) + items


def fish(*, flushed: bool) -> WireSession:
    """The audio of a text comes when the next text comes, or the text is flushed."""
    session = WireSession("wss://api.fish.audio/v1/tts/live", KEY | {"model": "s1"}).accept()
    request = {"text": "", "format": "pcm", "sample_rate": 24000, "latency": "balanced"}
    session.app(packed({"event": "start", "request": request}))

    def audio() -> None:
        for data in chunks(pcm(2.0, 24_000), 9600):
            session.server(packed({"event": "audio", "audio": data}), after=0.02)

    for number in range(3):
        session.app(packed({"event": "text", "text": HELLO + " "}))
        if flushed:
            session.app(packed({"event": "flush"}))
        session.wait(0.3)
        if flushed or number:
            audio()
        session.wait(8.0)
    return session.app_closes(1000)


def minimax(*, speaks: bool) -> WireSession:
    """Audio is hexadecimal."""
    fine = {"base_resp": {"status_code": 0, "status_msg": "success"}, "session_id": "s1"}
    session = WireSession("wss://api.minimax.io/ws/v1/t2a_v2", KEY).accept()
    session.server({"event": "connected_success", **fine})
    settings = {"sample_rate": 24000, "bitrate": 128000, "format": "pcm", "channel": 1}
    start = {"event": "task_start", "model": "speech-02-turbo", "audio_setting": settings}
    session.app(start | {"voice_setting": {"voice_id": "male-qn-qingse", "speed": 1}})
    session.server({"event": "task_started", **fine}, after=0.1)
    session.app({"event": "task_continue", "text": HELLO})
    if not speaks:
        return session.app_closes(1000, after=12.0)
    for data in chunks(pcm(2.0, 24_000), 9600):
        fields = {"event": "task_continued", "is_final": False, "data": {"audio": data.hex()}}
        session.server(fields | fine, after=0.05)
    session.server({"event": "task_continued", "is_final": True, "data": {"audio": ""}, **fine})
    session.app({"event": "task_finish"}).server({"event": "task_finished", **fine})
    return session.app_closes(1000, after=2.0)


def gradium(*, complete: bool) -> WireSession:
    url = "wss://eu.api.gradium.ai/api/speech/tts"
    session = WireSession(url, {"x-api-key": "gsk_" + "0123456789abcdef" * 4}).accept()
    setup = {"model_name": "default", "voice_id": "YTpq7expH9539ERJ", "output_format": "pcm"}
    session.app({"type": "setup", **setup})
    session.server({"type": "ready", "request_id": "r1", "sample_rate": 48000}, after=0.1)
    words = HELLO.split()
    session.app(*({"type": "text", "text": f"{word} "} for word in words))
    session.app({"type": "flush", "flush_id": 1})
    for number, word in enumerate(words if complete else words[:-3]):
        times = {"start_s": number * 0.3, "stop_s": number * 0.3 + 0.3}
        session.server({"type": "text", "text": word, **times}, after=0.02)
        session.server({"type": "audio", "audio": b64(pcm(0.3, 48_000))})
    session.server({"type": "flushed", "flush_id": 1})
    return session.app_closes(1000, after=4.0)


def spelling(seconds: float) -> WireSession:
    session = speaking().app({"type": "Speak", "text": "The word clinic is spelled C-L-I-N-I-C."})
    session.app({"type": "Flush"})
    session.stream(chunks(pcm(seconds, 24_000), 9600), 0.02, from_client=False)
    session.server({"type": "Flushed", "sequence_id": 0})
    return session.app({"type": "Close"}, after=4.0).server_closes(1000)


def rime_bytes(size: int) -> WireSession:
    query = "speaker=cove&modelId=mistv2&audioFormat=pcm&samplingRate=24000&lang=eng"
    session = WireSession(f"wss://users-ws.rime.ai/ws3?{query}", KEY).accept()
    session.app({"text": HELLO, "contextId": "ctx-1"}, {"operation": "flush"})
    for data in chunks(pcm(2.0, 24_000), size):
        session.server({"type": "chunk", "data": b64(data), "contextId": "ctx-1"}, after=0.02)
    session.server({"type": "done", "contextId": "ctx-1"})
    return session.app({"operation": "eos"}, after=2.0).server_closes(1000)


def edge_again(*, answers: bool) -> WireSession:
    """A second text in the connection."""
    session = edge_asks()
    session.stream(chunks(pcm(1.0), 3200), 0.01, azure_audio, from_client=False)
    session.server(edge_message("turn.end", "{}"))
    session.app(
        "X-RequestId:0b0b\r\nContent-Type:application/ssml+xml\r\nPath:ssml\r\n\r\n"
        "<speak version='1.0' xml:lang='en-US'><voice name='en-US-EmmaNeural'>Where is my parcel?"
        "</voice></speak>",
        after=2.0,
    )
    if not answers:
        return session.drop(by_client=False, after=30.0)
    session.server(edge_message("turn.start", '{"context": {}}'), after=0.1)
    session.stream(chunks(pcm(1.0), 3200), 0.01, azure_audio, from_client=False)
    return session.server(edge_message("turn.end", "{}")).app_closes(1000, after=0.1)


def own_speech(*, as_asked: bool) -> WireSession:
    """A server of one's own; the URL asks for MP3."""
    query = "voice=af_heart&response_format=mp3&sample_rate=24000"
    session = WireSession(f"ws://tts.internal:11540/v1/audio/speech/stream?{query}", agent=NODE)
    session.accept().app({"text": HELLO, "speed": 1.0})
    data = MP3_FRAME * 60 if as_asked else pcm(2.0, 24_000)
    session.stream(chunks(data, 8340), 0.05, from_client=False)
    return session.server({"type": "done", "duration": 2.0}).app_closes(1000, after=2.0)


def telnyx_speech(*, ends: bool) -> WireSession:
    """The text has to be ended by an empty one; "force" begins another."""
    session = WireSession(
        "wss://api.telnyx.com/v2/text-to-speech/speech?voice=Telnyx.NaturalHD.astra", KEY
    ).accept()
    session.app({"text": " "}, {"text": HELLO}, {"text": ""} if ends else {"force": True})
    if not ends:
        return session.app_closes(1000, after=15.0)
    for data in chunks(MP3_FRAME * 60, 8340):
        session.server({"audio": b64(data), "text": None, "isFinal": False}, after=0.05)
    session.server({"audio": None, "text": "", "isFinal": True})
    return session.app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "ca-no-word-times",
        "missing result",
        "livekit/agents#6637",
        "fix(cartesia): learn word-timestamp support from the response",
        "no word is ever reported as spoken",
        "add_timestamps is true; for this model and language there are none",
        lambda: word_times(come=False),
        ("timestamps?|word times",),
        lambda: word_times(come=True),
        "the times come",
        ("timestamp",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "xi-ssml-read",
        "parameter",
        "elevenlabs/elevenlabs-docs#110",
        "Mention lack of support for SSML tags on websockets",
        "the tag of a pause does nothing, or is read",
        "SSML is parsed only if the URL asks for it",
        lambda: pause_tag(parsed=False),
        ("SSML|<break|tag", "enable_ssml_parsing|not parsed|read"),
        lambda: pause_tag(parsed=True),
        "the URL asks for it",
        ("SSML", "tag"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "xi-one-word",
        "missing end",
        "TEN-framework/ten-framework#1296",
        "fix: fix 11labs tts no audio for short text and change websockt loop",
        "short answers are silent",
        "a short text is kept back until it is flushed or ended",
        short_text,
        ("no audio", "flush|end|short|keeps|buffer"),
        tts_good,
        "the text is ended",
        ("flush", "no audio"),
        ("credential", "quota"),
    ),
    Report(
        "playht-unspoken",
        "missing result",
        "pipecat-ai/pipecat#897",
        "Update PlayHT to use the latest Websocket connection endpoint",
        "some sentences are not spoken",
        "the service starts and ends a request without any audio",
        lambda: playht(unspoken=True),
        ("no audio|without audio", "request-1|one of|1 of 3|text|second"),
        lambda: playht(unspoken=False),
        "each request has audio",
        ("no audio", "without audio"),
        ("credential",),
    ),
    Report(
        "mm-no-audio",
        "missing result",
        "livekit/agents#3342",
        "feat(plugins): Add Minimax TTS plugin",
        "neither audio nor an error message",
        "not known; the service answers a text with nothing",
        lambda: minimax(speaks=False),
        ("no audio|nothing|no answer",),
        lambda: minimax(speaks=True),
        "audio comes, as hexadecimal text",
        ("no audio", "nothing"),
        ("credential",),
    ),
    Report(
        "gradium-last-words",
        "missing result",
        "pipecat-ai/pipecat#3596",
        "Update GradiumTTSService to flush instead of ending stream",
        "the last words are not spoken",
        "the service confirms the flush before all words are spoken",
        lambda: gradium(complete=False),
        ("not spoken|missing|last|spoken .* of|words",),
        lambda: gradium(complete=True),
        "all words are spoken",
        ("not spoken", "missing"),
        ("credential", "no audio"),
    ),
    Report(
        "rime-half-samples",
        "format",
        "pipecat-ai/pipecat#4952",
        "Emit whole 16-bit samples from RimeTTSService websocket audio",
        "the bot falls silent after an exception in the client",
        "chunks end in the middle of a sample",
        lambda: rime_bytes(4063),
        ("odd|half|middle of a sample|split|byte",),
        lambda: rime_bytes(4062),
        "chunks of complete samples",
        ("odd", "half", "split"),
        ("credential", "no audio", "noise"),
        complete=True,
    ),
    Report(
        "edge-second-text",
        "missing result",
        "Migushthe2nd/MsEdgeTTS#6",
        "reuse a wss connection",
        "the second text gets no answer, and after a while the connection closes",
        "the service answers one text in this connection",
        lambda: edge_again(answers=False),
        ("no audio|not answer|no answer|nothing|unanswered", "text"),
        lambda: edge_again(answers=True),
        "the second text is answered",
        ("no audio", "no answer"),
        ("credential",),
    ),
    Report(
        "own-pcm-for-mp3",
        "format",
        "llama-farm/llamafarm#690",
        "feat: full-duplex speech reasoning pipeline",
        "the player cannot play the audio",
        "the URL asks for MP3; the server ignores that and sends PCM",
        lambda: own_speech(as_asked=False),
        ("mp3", "response_format|PCM|asked|raw|not "),
        lambda: own_speech(as_asked=True),
        "MP3 comes",
        ("PCM", "response_format"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "telnyx-text-not-ended",
        "missing end",
        "ZeframLou/call-me#39",
        "feat: add Telnyx STT and TTS providers",
        "no audio, and no error",
        "an empty text has to end the text; another message is sent",
        lambda: telnyx_speech(ends=False),
        ("no audio",),
        lambda: telnyx_speech(ends=True),
        "an empty text ends it",
        ("no audio",),
        ("credential",),
    ),
    Report(
        "fish-kept-back",
        "missing end",
        "pipecat-ai/pipecat#899",
        "Add Fish Audio TTS service",
        "the last text is not spoken; it comes first when the next one is sent",
        "the service keeps text back until more comes or it is flushed",
        lambda: fish(flushed=False),
        ("flush|kept|keeps|not ended|never ended|buffer|no audio|without audio",),
        lambda: fish(flushed=True),
        "each text is flushed",
        ("flush", "no audio", "kept"),
        ("credential", "not recognized as audio"),
    ),
    Report(
        "dgs-spelling",
        "missing result",
        "deepgram/deepgram-js-sdk#482",
        "Aura audio cuts off when spelling",
        "the speech ends after two to four letters",
        "the service sends only the beginning, and says that it is complete",
        lambda: spelling(1.5),
        ("short|cut|less|fewer|character",),
        lambda: spelling(3.4),
        "the speech is as long as the text",
        ("short", "cut"),
        ("credential", "no audio"),
    ),
]
"""Reports."""
