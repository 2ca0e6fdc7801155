"""Rules that compare the audio with its declared format."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest

from audio_rules import (
    LISTEN,
    MULAW8K,
    NO_ENCODING,
    REVAI,
    SPEECHMATICS,
    STREAMING,
    cut,
    findings,
    found,
)
from audio_samples import (
    BASE64,
    BLOCKS,
    CLUSTER,
    FLAC,
    FLAC_FRAME,
    HTML,
    MOOF,
    OPUS,
    PCM,
    PCM8K,
    WEBM,
    Api,
    SentMessage,
    _frame,
    alaw,
    facts_of,
    floats,
    listen,
    mulaw,
    noise,
    opus_pages,
    swapped,
    wav,
)
from wsproxy.audio.sniff import sniff
from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.rules.audio import (
    container_header_missing,
    format_mismatch,
    odd_bytes,
    other_inside_wav,
    rate_mismatch,
    wrong_endianness,
)
from wsproxy.diagnose.rules.signal import other_samples, second_header, stereo_as_mono
from wsproxy.trace import Gap

# -- each rule, where it finds something and where it does not


AZURE = ("azure_speech", "stt", "/speech/universal/v2")


def azure(data: bytes) -> bytes:
    head = b"Path: audio\r\nX-RequestId: 0A\r\nContent-Type: audio/x-wav\r\n"
    return len(head).to_bytes(2, "big") + head + data


MISMATCHES: list[tuple[str, Api, Sequence[SentMessage], str, float]] = [
    (
        "WebM behind a WAV header",
        AZURE,
        [azure(wav(b"")), *map(azure, cut(WEBM + CLUSTER + BLOCKS))],
        "after its WAV header of 16000 Hz, 16 bits, 1 channel, the audio continues with WebM data "
        "(frame 1)",
        len(WEBM + CLUSTER + BLOCKS),
    ),
    (
        "WAV of another format behind a WAV header",
        AZURE,
        [azure(wav(b"")), *map(azure, cut(wav(PCM[:6400], 48_000, bits=32)))],
        "after its WAV header of 16000 Hz, 16 bits, 1 channel, the audio continues with a WAV "
        "header of 48000 Hz, 32 bits, 1 channel (frame 1)",
        6444,
    ),
    (
        "WAV as linear16",
        LISTEN,
        ['{"type": "KeepAlive"}', b"", *cut(wav(PCM))],
        "the audio's first bytes are WAV; declared: linear16 at 16000 Hz (frame 3)",
        32_768,
    ),
    (
        "WAV for the default encoding",
        ("assemblyai", "streaming", "/v3/ws"),
        cut(wav(PCM[:6400])),
        "the audio's first bytes are WAV; declared: pcm_s16le at 16000 Hz (frame 1)",
        6444,
    ),
    (
        "the middle of WebM as linear16",
        LISTEN,
        [BLOCKS],
        "the audio's first bytes are WebM without its beginning; declared: linear16 at 16000 Hz "
        "(frame 1)",
        len(BLOCKS),
    ),
    (
        "Ogg/Opus as FLAC",
        listen("encoding=flac&sample_rate=16000"),
        cut(OPUS[:5000]),
        "the audio's first bytes are Ogg/Opus; declared: flac at 16000 Hz (frame 1)",
        5000,
    ),
    (
        "raw samples, nothing declared",
        NO_ENCODING,
        cut(PCM),
        "the audio is, by its statistics, 16-bit PCM; declared: a container "
        "(no encoding declared) (frame 1)",
        32_768,
    ),
    (
        "raw samples, a file declared",
        SPEECHMATICS,
        ['{"message": "StartRecognition", "audio_format": {"type": "file"}}', *cut(PCM)],
        "the audio is, by its statistics, 16-bit PCM; declared: a container "
        "(no encoding declared) (frame 2)",
        32_768,
    ),
    (
        "raw samples, Opus declared",
        listen("encoding=opus&sample_rate=16000"),
        cut(PCM[:4800]),
        "the audio is, by its statistics, 16-bit PCM; declared: opus at 16000 Hz (frame 1)",
        4800,
    ),
    (
        "mu-law as linear16",
        listen("encoding=linear16&sample_rate=8000"),
        cut(mulaw(PCM8K), 160),
        "the audio is, by its statistics, mu-law in 1.5 s of 1.5 s; declared: linear16 at 8000 Hz "
        "(frame 1)",
        1.5,
    ),
    (
        "16 bits as mu-law",
        MULAW8K,
        cut(PCM8K, 320),
        "the audio is, by its statistics, 16-bit PCM in 6.0 s of 6.0 s; declared: mulaw at 8000 Hz "
        "(frame 1)",
        6.0,
    ),
    (
        "A-law as mu-law",
        MULAW8K,
        cut(alaw(PCM8K), 160),
        "the audio is, by its statistics, A-law in 3.0 s of 3.0 s; declared: mulaw at 8000 Hz "
        "(frame 1)",
        3.0,
    ),
    (
        "floating point as linear16",
        LISTEN,
        cut(floats(PCM)),
        "the audio is, by its statistics, 32-bit float PCM in 6.0 s of 6.0 s; declared: "
        "linear16 at 16000 Hz (frame 1)",
        6.0,
    ),
    (
        "x-raw",
        ("revai", "stream", REVAI.format("S16LE")),
        [wav(PCM)],
        "the audio's first bytes are WAV; declared: "
        "audio/x-raw;layout=interleaved;rate=16000;format=s16le (frame 1)",
        32_768,
    ),
    (
        "an error page",
        NO_ENCODING,
        [HTML],
        "the audio's first bytes are HTML ('<!DOCTYPE html><html><body>404 Not Found'); "
        "declared: a container (no encoding declared) (frame 1)",
        len(HTML),
    ),
    (
        "JSON that is no control message",
        LISTEN,
        [b'{"error": "gone"}'],
        'the audio\'s first bytes are JSON (\'{"error": "gone"}\'); declared: linear16 at 16000 Hz '
        "(frame 1)",
        17,
    ),
    (
        "base64",
        MULAW8K,
        [BASE64],
        f"the audio's first bytes are base64 text ({BASE64[:40].decode()!r}); declared: mulaw at "
        "8000 Hz (frame 1)",
        12_000,
    ),
    (
        "text where no encoding can be declared",
        ("gladia", "live", "/v2/live"),
        [b"Internal Server Error. Please try again."],
        "the audio's first bytes are text ('Internal Server Error. Please try again.'); declared: "
        "a container (no encoding declared) (frame 1)",
        40,
    ),
]


@pytest.mark.parametrize(
    ("api", "messages", "text", "value"),
    [m[1:] for m in MISMATCHES],
    ids=[m[0] for m in MISMATCHES],
)
def test_format_mismatch_is_found(
    api: Api, messages: Sequence[SentMessage], text: str, value: float
) -> None:
    wrong = facts_of(api, messages)
    assert wrong.audio.first_content is not None
    frame = wrong.audio.first_content.frame
    unit = "s" if " s of " in text else "bytes examined"
    assert found(format_mismatch, wrong) == (text, (frame,), value, unit)


def test_format_mismatch_ambiguous_audio_has_no_finding() -> None:
    little, unknown = cut(PCM[:3000]), cut(noise(40_000))
    for messages in (little, unknown, [mulaw(PCM8K)[:2000]], [bytes(40_000)]):
        assert format_mismatch(facts_of(LISTEN, messages)) == []
        assert format_mismatch(facts_of(MULAW8K, messages)) == []
        assert format_mismatch(facts_of(NO_ENCODING, messages)) == []
    # An encoding that is not known, and one that 32-bit samples may look like.
    assert format_mismatch(facts_of(listen("encoding=new"), cut(wav(PCM)))) == []
    wide = array("i", (s << 16 for s in array("h", PCM))).tobytes()
    assert format_mismatch(facts_of(listen("encoding=linear32"), cut(wide))) == []


def test_format_mismatch_server_audio_has_no_finding() -> None:
    speak = facts_of(("deepgram", "speak", "/v1/speak?encoding=mulaw"), ['{"type": "Flush"}'])
    for number in range(20):
        speak.session.add(_frame(number, False, PCM[number * 3201 :][:3201]))
    speak.session.add(_frame(99, False, b""))
    assert speak.audio.head
    assert findings(speak) == {}


CUT_OFF = [
    ("Ogg", opus_pages(), "4f 67 67 53 00 00 00 00"),
    ("Ogg", opus_pages()[50:], opus_pages()[50:58].hex(" ")),
    ("WebM", BLOCKS, BLOCKS[:8].hex(" ")),
    ("WebM", CLUSTER + BLOCKS, "1f 43 b6 75 01 ff ff ff"),
    ("WAV", wav(PCM)[12:], "66 6d 74 20 10 00 00 00"),
    ("MP4", MOOF, "00 00 00 64 6d 6f 6f 66"),
    ("FLAC", FLAC_FRAME, "ff f8 c9 18 00 c2 " + FLAC_FRAME[6:8].hex(" ")),
]


@pytest.mark.parametrize(("name", "data", "start"), CUT_OFF)
def test_container_header_missing_is_found(name: str, data: bytes, start: str) -> None:
    text = f"the audio starts in the middle of {name}, with the bytes {start} (frame 2)"
    size = min(len(data), 32_768)
    wrong = facts_of(NO_ENCODING, ['{"type": "KeepAlive"}', *cut(data, 1000)])
    expected = {
        "container_header_missing": [Evidence(text, (2,), 200_000_000, size, "bytes examined")]
    }
    assert findings(wrong) == expected


def test_container_header_missing_trace_with_gap_has_no_finding() -> None:
    wrong = facts_of(NO_ENCODING, cut(opus_pages()))
    assert container_header_missing(wrong)
    wrong.session.add(Gap(5, 6, "the disk was full"))
    assert container_header_missing(wrong) == []
    cut_off = facts_of(NO_ENCODING, [opus_pages()], cut=1000)
    assert container_header_missing(cut_off) == []


def test_odd_bytes_is_found() -> None:
    messages = [*cut(PCM)[:3], PCM[:3201], PCM[:1], *cut(PCM)[:2]]
    wrong = facts_of(LISTEN, ['{"type": "KeepAlive"}', *messages])
    text = "2 messages of 7 have an odd number of bytes, a sample of linear16 has 2: frame 5, 6"
    assert found(odd_bytes, wrong) == (text, (5, 6), 2.0, "messages")
    one = facts_of(STREAMING, [PCM[:3201], PCM[:3200]])
    text = "1 message of 2 has an odd number of bytes, a sample of pcm_s16le has 2: frame 1"
    assert found(odd_bytes, one) == (text, (1,), 1.0, "messages")


def test_odd_bytes_last_or_fragmented_message_has_no_finding() -> None:
    assert odd_bytes(facts_of(LISTEN, [PCM[:3200], PCM[:3201]])) == []  # the rest of a file
    assert odd_bytes(facts_of(MULAW8K, cut(mulaw(PCM8K), 161))) == []
    assert odd_bytes(facts_of(NO_ENCODING, cut(wav(PCM), 1001))) == []
    assert odd_bytes(facts_of(LISTEN, cut(wav(PCM), 1001))) == []  # another rule's matter
    # Of a message in several frames only the whole counts.
    assert odd_bytes(facts_of(LISTEN, cut(PCM, 1001), fin=False)) == []


def test_wrong_endianness_is_found() -> None:
    text = (
        "3.0 s of 3.0 s are noise in the declared byte order, and audio with the bytes swapped; "
        "declared: linear16 at 16000 Hz (frame 2)"
    )
    wrong = facts_of(LISTEN, ['{"type": "KeepAlive"}', *cut(swapped(PCM))])
    assert found(wrong_endianness, wrong) == (text, (2,), 3.0, "s")
    assert list(findings(wrong)) == ["wrong_endianness"]
    declared_big = ("revai", "stream", REVAI.format("S16BE"))
    assert found(wrong_endianness, facts_of(declared_big, cut(PCM)))[2] == 3.0
    assert wrong_endianness(facts_of(declared_big, cut(swapped(PCM)))) == []


def test_wrong_endianness_odd_offset_has_no_finding() -> None:
    shifted = PCM[1:]
    assert sniff(shifted) == "16-bit PCM, big-endian"
    control = b'{"type":"KeepAlive" }'
    assert len(control) % 2
    for messages in ([shifted[:3199], *cut(shifted[3199:])], [control, *cut(PCM)]):
        assert wrong_endianness(facts_of(LISTEN, messages)) == []
    assert wrong_endianness(facts_of(LISTEN, cut(swapped(PCM)), fin=False)) == []


RATES: list[tuple[Api, bytes, list[tuple[str, float, str]]]] = [
    (
        LISTEN,
        wav(PCM, 44_100, 2, 24),
        [
            ("the WAV header says 44100 Hz; declared: 16000 Hz (frame 1)", 44_100, "Hz"),
            ("the WAV header says 2 channels; declared: 1 channel (frame 1)", 2, "channels"),
            (
                "the WAV header says 24-bit PCM; declared: linear16 (frame 1)",
                24,
                "bits a sample",
            ),
        ],
    ),
    (
        ("assemblyai", "streaming", "/v3/ws"),
        wav(PCM, 8000),
        [("the WAV header says 8000 Hz; declared: 16000 Hz (frame 1)", 8000, "Hz")],
    ),
    (
        MULAW8K,
        wav(alaw(PCM8K), 8000, bits=8, tag=6),
        [("the WAV header says alaw; declared: mulaw (frame 1)", 8, "bits a sample")],
    ),
    (
        listen("sample_rate=8000&channels=2"),
        OPUS,
        [
            ("the Ogg/Opus header says 16000 Hz; declared: 8000 Hz (frame 1)", 16_000, "Hz"),
            ("the Ogg/Opus header says 1 channel; declared: 2 channels (frame 1)", 1, "channels"),
        ],
    ),
    (
        listen("encoding=flac&sample_rate=48000"),
        FLAC,
        [("the FLAC header says 44100 Hz; declared: 48000 Hz (frame 1)", 44_100, "Hz")],
    ),
    (LISTEN, wav(PCM), []),
    (NO_ENCODING, wav(PCM, 44_100, 2, 24), []),
    (listen("sample_rate=16000"), wav(PCM), []),
    (listen("encoding=linear16"), wav(PCM, 8000), []),  # no rate is declared
    (listen("encoding=ogg-opus&sample_rate=48000"), OPUS, []),
    (MULAW8K, wav(mulaw(PCM8K), 8000, bits=8, tag=7), []),
    (LISTEN, PCM, []),
]


@pytest.mark.parametrize(("api", "data", "expected"), RATES)
def test_rate_mismatch_is_found(
    api: Api, data: bytes, expected: list[tuple[str, float, str]]
) -> None:
    evidence = rate_mismatch(facts_of(api, cut(data)))
    assert [(e.text, e.value, e.unit) for e in evidence] == expected
    assert all(e.frames == (1,) and e.t_ns == 100_000_000 for e in evidence)


def test_same_header_behind_a_wav_header_is_no_other_format() -> None:
    """It is one header too many, which `second_header` reports."""
    messages = [azure(wav(b"")), *map(azure, cut(wav(PCM)))]
    assert other_inside_wav(facts_of(AZURE, messages)) == []


def test_what_is_behind_a_wav_header_is_not_judged_as_samples() -> None:
    """Integers of 32 bits look like two channels of 16 bits."""
    samples = array("i", (sample << 16 for sample in array("h", PCM))).tobytes()
    messages = [azure(wav(b"")), *map(azure, cut(wav(samples, 48_000, bits=32)))]
    facts = facts_of(AZURE, messages)
    assert [rule(facts) for rule in (stereo_as_mono, second_header, other_samples)] == [[]] * 3
