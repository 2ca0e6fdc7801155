"""Makes docs/carriers.md: the same speech in every carrier, and what wsproxy measures of it.

python tools/carriers.py > docs/carriers.md
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import numpy as np

from wsproxy.audio.g711 import MULAW
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import Catalog, load
from wsproxy.catalog.envelope import wrap
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

RATE = 16_000
SECONDS = 12.0
CHUNKS = 120
MS = 1_000_000
PAUSE = 1500 * MS  # before the chunk in the middle
RESULT = 3000 * MS  # after the first chunk
_HEAD = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\xff\xff\xff\xff"
)

Wrapped = Callable[[bytes], bytes | str]


@dataclass(frozen=True, slots=True)
class Carried:
    """The speech as an API takes it.

    Attributes:
        name: of the row.
        api: provider, API, and path of the request.
        chunks: the audio of each message.
        wrapped: a message with this audio.
        result: the server's message with the words.
    """

    name: str
    api: tuple[str, str, str]
    chunks: Sequence[bytes]
    wrapped: Wrapped
    result: bytes | str


@dataclass(frozen=True, slots=True)
class Measured:
    """What wsproxy measures of the audio of a session.

    Attributes:
        seconds: its duration.
        level: RMS, dBFS.
        gap: the longest time between two messages, seconds.
        latency: from the first audio to the first words, seconds.
    """

    carrier: str
    seconds: float
    level: float
    gap: float
    latency: float


def main() -> None:
    print(document(), end="")


def document() -> str:
    """The page, as Markdown."""
    lines = [
        "# Any carrier",
        "",
        "wsproxy measures audio in whatever carries it. This page shows it for one recording:",
        f"{SECONDS:.0f} s of speech in {CHUNKS} messages, with a pause in the middle and the first",
        "words after 3 s, sent in ten ways.",
        "",
        "`python tools/carriers.py` generates this page. A test holds the figures within 2 %",
        "of those of binary PCM.",
        "",
        "| audio | carrier | duration | level | longest gap | first words after |",
        "|---|---|---|---|---|---|",
    ]
    catalog = load()
    for each in carried():
        found = measure(each, catalog)
        lines.append(
            f"| {each.name} | `{found.carrier}` | {found.seconds:.2f} s | "
            f"{found.level:.1f} dBFS | {found.gap:.2f} s | {found.latency:.2f} s |"
        )
    return "\n".join(lines) + "\n"


def measure(each: Carried, catalog: Catalog) -> Measured:
    """Send the speech, read the session, and take the figures."""
    session = _session(each, catalog)
    [track] = session.audio.tracks(from_client=True)
    report = track.signal(None)
    assert session.timeline is not None
    latency = session.timeline.latency
    waits = [wait for wait in (latency.first_interim, latency.first_final) if wait is not None]
    return Measured(
        track.carrier,
        report.duration_s,
        report.rms_dbfs or 0.0,
        track.longest_gap.length_ns / 1e9,
        min(waits, default=0.0),
    )


def _session(each: Carried, catalog: Catalog) -> Session:
    provider, api, path = each.api
    session = Session.analyzing(catalog)
    session.add(Start(0, 1, "0" * 16, 0, provider=provider, api=api))
    session.add(Request(0, "GET", "wss", "h", 443, path))
    session.add(Response(1, 101))
    t_ns, answered = 10 * MS, False
    first_ns = t_ns
    for number, chunk in enumerate(each.chunks):
        if number == CHUNKS // 2:
            t_ns += PAUSE
        if not answered and t_ns > first_ns + RESULT:
            session.add(_frame(first_ns + RESULT, False, each.result))
            answered = True
        session.add(_frame(t_ns, True, each.wrapped(chunk)))
        t_ns += 100 * MS
    return session


def _frame(t_ns: int, from_client: bool, content: bytes | str) -> FrameRecord:
    payload = content.encode() if isinstance(content, str) else content
    opcode = 1 if isinstance(content, str) else 2
    return FrameRecord(t_ns, from_client, opcode, payload, wire_length=len(payload) + 6)


def carried() -> list[Carried]:
    """The speech in each carrier."""
    pcm = speech(SECONDS, RATE)
    samples = _cut(pcm)
    query = f"encoding=linear16&sample_rate={RATE}"
    deepgram = ("deepgram", "listen", f"/v1/listen?{query}")
    container = ("deepgram", "listen", "/v1/listen?model=nova-3")
    words = json.dumps(
        {
            "type": "Results",
            "is_final": True,
            "channel": {"alternatives": [{"transcript": "good morning"}]},
        }
    )
    openai_24k = _cut(_resampled(pcm, 24_000))
    companded = _cut(MULAW.encode_pcm(pcm))
    mulaw = ("deepgram", "listen", f"/v1/listen?encoding=mulaw&sample_rate={RATE}")
    return [
        Carried("PCM, binary (Deepgram)", deepgram, samples, bytes, words),
        Carried(
            "PCM, base64 (OpenAI)",
            ("openai", "realtime", "/v1/realtime"),
            openai_24k,
            lambda data: json.dumps({"type": "input_audio_buffer.append", "audio": _b64(data)}),
            json.dumps(
                {
                    "type": "conversation.item.input_audio_transcription.completed",
                    "transcript": "good morning",
                }
            ),
        ),
        Carried(
            "PCM, base64 (Gemini)",
            ("gemini", "live", "/ws"),
            samples,
            lambda data: json.dumps(
                {
                    "realtimeInput": {
                        "audio": {"data": _b64(data), "mimeType": f"audio/pcm;rate={RATE}"}
                    }
                }
            ),
            b'{"serverContent": {"inputTranscription": {"text": "good morning"}}}',
        ),
        Carried(
            "PCM, base64 (ElevenLabs)",
            ("elevenlabs", "stt", f"/v1/speech-to-text/realtime?audio_format=pcm_{RATE}"),
            samples,
            lambda data: json.dumps(
                {"message_type": "input_audio_chunk", "audio_base_64": _b64(data)}
            ),
            json.dumps({"message_type": "committed_transcript", "text": "good morning"}),
        ),
        Carried(
            "WAV, headers before each message (Azure)",
            ("azure_speech", "stt", "/speech/recognition/conversation/cognitiveservices/v1"),
            [_HEAD + samples[0], *samples[1:]],
            lambda data: wrap("azure", '{"Path": "audio", "Content-Type": "audio/x-wav"}', data),
            wrap(
                "azure",
                '{"Path": "speech.phrase", "RecognitionStatus": "Success",'
                ' "DisplayText": "Good morning."}',
            ),
        ),
        Carried(
            "PCM, event-stream (AWS)",
            (
                "aws_transcribe",
                "stream",
                f"/stream-transcription-websocket?media-encoding=pcm&sample-rate={RATE}",
            ),
            samples,
            lambda data: wrap("event-stream", "", data),
            wrap(
                "event-stream",
                json.dumps(
                    {
                        ":message-type": "event",
                        ":event-type": "TranscriptEvent",
                        "Transcript": {
                            "Results": [
                                {
                                    "IsPartial": False,
                                    "Alternatives": [{"Transcript": "good morning"}],
                                }
                            ]
                        },
                    }
                ),
            ),
        ),
        Carried("mu-law, binary (Deepgram)", mulaw, companded, bytes, words),
        *(
            Carried(
                f"{name}, binary (Deepgram)",
                container,
                _cut(_encoded(pcm, form, codec)),
                bytes,
                words,
            )
            for name, form, codec in (
                ("WebM/Opus", "webm", "libopus"),
                ("Ogg/Opus", "ogg", "libopus"),
                ("MP3", "mp3", "libmp3lame"),
            )
        ),
    ]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _cut(data: bytes) -> list[bytes]:
    """CHUNKS parts of about the same size, each of complete samples."""
    size = -(-len(data) // CHUNKS)
    size += size % 2
    return [data[at : at + size] for at in range(0, len(data), size)]


def _resampled(pcm: bytes, rate: int) -> bytes:
    values = np.frombuffer(pcm, "<i2").astype(np.float64)
    at = np.arange(int(len(values) * rate / RATE)) * RATE / rate
    return np.interp(at, np.arange(len(values)), values).astype("<i2").tobytes()


def _encoded(pcm: bytes, container: str, codec: str) -> bytes:
    """The speech as a file of this kind."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = RATE
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=RATE, frame_size=stream.frame_size or 960
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


if __name__ == "__main__":
    main()
