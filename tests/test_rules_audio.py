"""Audio that is not what was declared."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_samples import (
    BASE64,
    BLOCKS,
    CATALOG,
    CLUSTER,
    FLAC,
    FLAC_FRAME,
    HTML,
    KINDS,
    MOOF,
    MP3_FRAME,
    OPUS,
    PCM,
    PCM8K,
    WEBM,
    Api,
    Said,
    _frame,
    alaw,
    case,
    floats,
    listen,
    mulaw,
    noise,
    opus_pages,
    scaled,
    stereo,
    swapped,
    wav,
)
from wsproxy.audio.sniff import sniff
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.rules.audio import (
    RULES,
    all_zero_audio,
    clipping,
    container_header_missing,
    empty_audio_message,
    format_mismatch,
    odd_bytes,
    rate_mismatch,
    wrong_endianness,
)
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.trace import Gap

LISTEN = ("deepgram", "listen", "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000")
NO_ENCODING = ("deepgram", "listen", "/v1/listen?model=nova-3")
STREAMING = ("assemblyai", "streaming", "/v3/ws?sample_rate=16000&encoding=pcm_s16le")


def cut(data: bytes, size: int = 3200) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def found(
    rule: Measure, case: SessionFacts
) -> tuple[str, tuple[int, ...], float | None, str | None]:
    [evidence] = rule(case)
    return evidence.text, tuple(evidence.frames), evidence.value, evidence.unit


def findings(case: SessionFacts) -> dict[str, list[Evidence]]:
    return {rule.__name__: found for rule in RULES if (found := rule(case))}


# -- good sessions


CLOSE = '{"type": "CloseStream"}'
MULAW8K = listen("encoding=mulaw&sample_rate=8000")
SONIOX = ("soniox", "stt", "/transcribe-websocket")
SPEECHMATICS = ("speechmatics", "rt", "/v2/en")
REVAI = "/speechtotext/v1/stream?content_type=audio/x-raw;layout=interleaved;rate=16000;format={}"
GOOD: list[tuple[str, Api, Sequence[Said]]] = [
    ("linear16", LISTEN, [*cut(PCM), CLOSE]),
    ("pcm_s16le", STREAMING, [*cut(PCM), '{"type": "Terminate"}']),
    ("the default encoding", ("assemblyai", "streaming", "/v3/ws"), cut(PCM)),
    ("8 kHz", listen("encoding=linear16&sample_rate=8000"), cut(PCM8K, 320)),
    ("an odd rest", LISTEN, cut(PCM[:-1])),
    ("mulaw", MULAW8K, cut(mulaw(PCM8K), 160)),
    ("mulaw, odd", MULAW8K, cut(mulaw(PCM8K), 161)),
    ("pcm_mulaw", ("assemblyai", "streaming", "/v3/ws?encoding=pcm_mulaw"), cut(mulaw(PCM8K))),
    ("alaw", listen("encoding=alaw&sample_rate=8000"), cut(alaw(PCM8K), 160)),
    ("linear32", listen("encoding=linear32&sample_rate=16000"), cut(floats(PCM))),
    ("Ogg/Opus", NO_ENCODING, cut(OPUS, 1000)),
    ("Ogg/Opus, declared", listen("encoding=ogg-opus&sample_rate=48000"), cut(OPUS, 1000)),
    ("Ogg/Opus, as opus", listen("encoding=opus&sample_rate=16000"), cut(OPUS, 1000)),
    ("Opus packets", listen("encoding=opus&sample_rate=48000"), cut(noise(20_000), 160)),
    ("WebM", NO_ENCODING, [WEBM + CLUSTER + BLOCKS, BLOCKS]),
    ("WAV", NO_ENCODING, cut(wav(PCM, 16_000))),
    ("WAV, stereo", listen("channels=2"), cut(wav(stereo(PCM, PCM), channels=2))),
    ("MP3", NO_ENCODING, [MP3_FRAME] * 30),
    ("FLAC", listen("encoding=flac&sample_rate=44100"), [FLAC, FLAC_FRAME, FLAC_FRAME]),
    ("stereo", listen("encoding=linear16&sample_rate=16000&channels=2"), cut(stereo(PCM, PCM))),
    ("text to speech", ("deepgram", "speak", "/v1/speak"), ['{"type": "Speak", "text": "Hi"}']),
    ("JSON and base64", ("openai", "realtime", "/v1/realtime"), ['{"audio": "AAAA"}']),
    ("an API that is not known", ("acme", "listen", "/"), cut(wav(PCM))),
    ("the format is asked for elsewhere", ("gladia", "live", "/v2/live"), cut(PCM)),
    (
        "raw, in a message",
        SONIOX,
        ['{"audio_format": "pcm_s16le", "sample_rate": 16000}', *cut(PCM)],
    ),
    ("auto", SONIOX, ['{"audio_format": "auto"}', *cut(wav(PCM)), b""]),
    ("the message with the format is lost", SONIOX, cut(PCM)),
    (
        "file",
        SPEECHMATICS,
        ['{"message": "StartRecognition", "audio_format": {"type": "file"}}', *cut(wav(PCM))],
    ),
    ("x-raw", ("revai", "stream", REVAI.format("S16LE;channels=1")), [*cut(PCM), "EOS"]),
    (
        "x-wav",
        ("revai", "stream", "/speechtotext/v1/stream?content_type=audio/x-wav"),
        cut(wav(PCM)),
    ),
    ("a pause, bridged with silence", LISTEN, cut(bytes(90_000))),
    ("a control message in a binary frame", NO_ENCODING, [b'{"type": "KeepAlive"}', *cut(OPUS)]),
    ("control messages in binary frames", LISTEN, [b'{"type": "KeepAlive"}'] * 3),
    ("packets that look like mu-law", listen("encoding=g729"), cut(mulaw(PCM8K), 160)),
    ("packets of Opus that do", listen("encoding=opus"), cut(mulaw(PCM8K), 160)),
    ("nothing", LISTEN, []),
]


@pytest.mark.parametrize(("api", "said"), [g[1:] for g in GOOD], ids=[g[0] for g in GOOD])
def test_a_good_session_has_no_finding(api: Api, said: Sequence[Said]) -> None:
    assert findings(case(api, said)) == {}


# -- each rule, where it finds something and where it does not


MISMATCHES: list[tuple[str, Api, Sequence[Said], str, int]] = [
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
        "the audio is, by its statistics, mu-law; declared: linear16 at 8000 Hz (frame 1)",
        24_000,
    ),
    (
        "16 bits as mu-law",
        MULAW8K,
        cut(PCM8K, 320),
        "the audio is, by its statistics, 16-bit PCM; declared: mulaw at 8000 Hz (frame 1)",
        32_768,
    ),
    (
        "A-law as mu-law",
        MULAW8K,
        cut(alaw(PCM8K), 160),
        "the audio is, by its statistics, A-law; declared: mulaw at 8000 Hz (frame 1)",
        24_000,
    ),
    (
        "floating point as linear16",
        LISTEN,
        cut(floats(PCM)),
        "the audio is, by its statistics, 32-bit float PCM; declared: linear16 at 16000 Hz "
        "(frame 1)",
        32_768,
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
    ("api", "said", "text", "size"), [m[1:] for m in MISMATCHES], ids=[m[0] for m in MISMATCHES]
)
def test_format_mismatch(api: Api, said: Sequence[Said], text: str, size: int) -> None:
    wrong = case(api, said)
    frame = wrong.audio.where(n > 0 for n in wrong.audio.lengths).numbers[0]
    assert found(format_mismatch, wrong) == (text, (frame,), size, "bytes looked at")


def test_no_format_mismatch_where_it_cannot_be_told() -> None:
    little, unknown = cut(PCM[:3000]), cut(noise(40_000))
    for said in (little, unknown, [mulaw(PCM8K)[:2000]], [bytes(40_000)]):
        assert format_mismatch(case(LISTEN, said)) == []
        assert format_mismatch(case(MULAW8K, said)) == []
        assert format_mismatch(case(NO_ENCODING, said)) == []
    # An encoding that is not known, and one that 32-bit samples may look like.
    assert format_mismatch(case(listen("encoding=new"), cut(wav(PCM)))) == []
    wide = array("i", (s << 16 for s in array("h", PCM))).tobytes()
    assert format_mismatch(case(listen("encoding=linear32"), cut(wide))) == []


def test_only_what_the_app_sends_is_looked_at() -> None:
    speak = case(("deepgram", "speak", "/v1/speak?encoding=mulaw"), ['{"type": "Flush"}'])
    for number in range(20):
        speak.session.add(_frame(number, False, PCM[number * 3201 :][:3201]))
    speak.session.add(_frame(99, False, b""))
    assert speak.session.received.head
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
def test_container_header_missing(name: str, data: bytes, start: str) -> None:
    text = f"the audio starts in the middle of {name}, with the bytes {start} (frame 2)"
    size = min(len(data), 32_768)
    wrong = case(NO_ENCODING, ['{"type": "KeepAlive"}', *cut(data, 1000)])
    expected = {
        "container_header_missing": [Evidence(text, (2,), 200_000_000, size, "bytes looked at")]
    }
    assert findings(wrong) == expected


def test_no_header_is_missing_where_the_trace_has_a_hole() -> None:
    wrong = case(NO_ENCODING, cut(opus_pages()))
    assert container_header_missing(wrong)
    wrong.session.add(Gap(5, 6, "the disk was full"))
    assert container_header_missing(wrong) == []
    cut_off = case(NO_ENCODING, [opus_pages()], cut=1000)
    assert container_header_missing(cut_off) == []


def test_odd_bytes() -> None:
    said = [*cut(PCM)[:3], PCM[:3201], PCM[:1], *cut(PCM)[:2]]
    wrong = case(LISTEN, ['{"type": "KeepAlive"}', *said])
    text = "2 messages of 7 have an odd number of bytes, a sample of linear16 has 2: frame 5, 6"
    assert found(odd_bytes, wrong) == (text, (5, 6), 2.0, "messages")
    one = case(STREAMING, [PCM[:3201], PCM[:3200]])
    text = "1 message of 2 has an odd number of bytes, a sample of pcm_s16le has 2: frame 1"
    assert found(odd_bytes, one) == (text, (1,), 1.0, "messages")


def test_no_odd_bytes() -> None:
    assert odd_bytes(case(LISTEN, [PCM[:3200], PCM[:3201]])) == []  # the rest of a file
    assert odd_bytes(case(MULAW8K, cut(mulaw(PCM8K), 161))) == []
    assert odd_bytes(case(NO_ENCODING, cut(wav(PCM), 1001))) == []
    assert odd_bytes(case(LISTEN, cut(wav(PCM), 1001))) == []  # another rule's matter
    # Of a message in several frames only the whole counts.
    assert odd_bytes(case(LISTEN, cut(PCM, 1001), fin=False)) == []


def test_wrong_endianness() -> None:
    text = (
        "the median magnitude is 10496 of 32768 in the declared byte order, "
        "and 291 with the bytes swapped (frame 2)"
    )
    wrong = case(LISTEN, ['{"type": "KeepAlive"}', *cut(swapped(PCM))])
    assert found(wrong_endianness, wrong) == (text, (2,), 10496.0, "of 32768")
    assert list(findings(wrong)) == ["wrong_endianness"]
    declared_big = ("revai", "stream", REVAI.format("S16BE"))
    assert found(wrong_endianness, case(declared_big, cut(PCM)))[2] == 10496.0
    assert wrong_endianness(case(declared_big, cut(swapped(PCM)))) == []


def test_bytes_are_not_swapped_where_one_is_missing() -> None:
    shifted = PCM[1:]
    assert sniff(shifted) == "16-bit PCM, big-endian"
    control = b'{"type":"KeepAlive" }'
    assert len(control) % 2
    for said in ([shifted[:3199], *cut(shifted[3199:])], [control, *cut(PCM)]):
        assert wrong_endianness(case(LISTEN, said)) == []
    assert wrong_endianness(case(LISTEN, cut(swapped(PCM)), fin=False)) == []


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
def test_rate_mismatch(api: Api, data: bytes, expected: list[tuple[str, float, str]]) -> None:
    evidence = rate_mismatch(case(api, cut(data)))
    assert [(e.text, e.value, e.unit) for e in evidence] == expected
    assert all(e.frames == (1,) and e.t_ns == 100_000_000 for e in evidence)


def test_all_zero_audio() -> None:
    wrong = case(LISTEN, cut(bytes(96_000)))
    text = (
        "the first 65536 of 96000 bytes of audio, and all that is kept of its end, are zero; "
        "declared: linear16 at 16000 Hz (frame 1)"
    )
    assert found(all_zero_audio, wrong) == (text, (1,), 65_536.0, "bytes")
    assert list(findings(wrong)) == ["all_zero_audio"]
    long = case(LISTEN, cut(bytes(320_000)))
    assert found(all_zero_audio, long)[0].startswith("the first 65536 of 320000 bytes of audio")
    companded = case(MULAW8K, cut(b"\xff\x7f" * 12_000))
    assert "are silence; declared: mulaw at 8000 Hz" in found(all_zero_audio, companded)[0]
    assert list(findings(companded)) == ["all_zero_audio"]
    assert all_zero_audio(case(listen("encoding=alaw&sample_rate=8000"), [b"\xd5" * 24_000]))
    assert all_zero_audio(case(NO_ENCODING, [bytes(24_000)]))


def test_audio_that_is_not_all_zero() -> None:
    nothing = cut(bytes(320_000))
    result = '{"channel": {"alternatives": [{"transcript": "%s"}]}}'
    assert all_zero_audio(case(LISTEN, nothing, [result % ""]))
    assert all_zero_audio(case(LISTEN, nothing, [result % "", result % "hello"])) == []
    assert all_zero_audio(case(LISTEN, [*nothing, PCM[:3200]])) == []
    assert all_zero_audio(case(LISTEN, [PCM[:3200], *nothing])) == []
    assert all_zero_audio(case(LISTEN, cut(bytes(63_998)))) == []  # shorter than 2 s
    assert all_zero_audio(case(NO_ENCODING, [bytes(23_999)])) == []
    assert all_zero_audio(case(LISTEN, [b"\xff\x7f" * 40_000])) == []
    assert all_zero_audio(case(MULAW8K, [b"\xd5" * 40_000])) == []


def test_clipping() -> None:
    wrong = case(LISTEN, cut(scaled(PCM, 8)))
    text = (
        "1.9 % of the first 32768 samples are at full scale, in 201 runs of 3 and more, up to 4 "
        "(frame 1)"
    )
    assert found(clipping, wrong) == (text, (1,), 1.87, "%")
    assert list(findings(wrong)) == ["clipping"]


def test_clipping_of_a_made_wave() -> None:
    tone = [round(12_000 * math.sin(i / 10)) for i in range(10_000)]
    tone[100:400:100] = [32_767] * 3  # peaks, each alone
    tone[5000:5199] = 100 * [32_767] + 99 * [-32_768]
    data = array("h", tone).tobytes()
    text = (
        "2.0 % of the first 10000 samples are at full scale, in 2 runs of 3 and more, up to 100 "
        "(frame 1)"
    )
    assert found(clipping, case(LISTEN, cut(data))) == (text, (1,), 1.99, "%")
    # Half as much of two channels; a run is one of a channel.
    channels = listen("encoding=linear16&sample_rate=16000&channels=2")
    assert clipping(case(channels, cut(stereo(data, bytes(len(data)))))) == []
    tone[5200:5210] = [-32_767] * 10
    both = stereo(array("h", tone).tobytes(), bytes(len(data)))
    text = (
        "1.0 % of the first 20000 samples are at full scale, in 3 runs of 3 and more, up to 100 "
        "(frame 1)"
    )
    assert found(clipping, case(channels, cut(both))) == (text, (1,), 1.04, "%")


def test_no_clipping() -> None:
    assert clipping(case(LISTEN, cut(PCM))) == []
    peaks = array("h", PCM)
    peaks[::50] = array("h", [32_767] * len(peaks[::50]))  # 2 %, but each alone
    assert clipping(case(LISTEN, cut(peaks.tobytes()))) == []
    # What is not what was declared is not clipped.
    assert clipping(case(LISTEN, cut(b"\xff\x7f" * 20_000))) == []
    assert clipping(case(LISTEN, cut(wav(scaled(PCM, 6))))) == []


def test_clipping_of_companded_audio() -> None:
    alaw8k = listen("encoding=alaw&sample_rate=8000")
    text = (
        "2.0 % of the first 24000 samples are at full scale, in 120 runs of 3 and more, up to 5 "
        "(frame 1)"
    )
    loud = scaled(PCM8K, 20)
    assert found(clipping, case(MULAW8K, cut(mulaw(loud), 160)))[0] == text
    assert found(clipping, case(alaw8k, cut(alaw(loud), 160)))[0] == text
    assert clipping(case(MULAW8K, cut(mulaw(PCM8K), 160))) == []
    assert clipping(case(alaw8k, cut(alaw(PCM8K), 160))) == []


def test_empty_audio_message() -> None:
    wrong = case(LISTEN, [PCM[:3200], b"", b"", PCM[:3200], CLOSE, b""])
    text = "2 of 4 binary messages are empty: frame 2, 3"
    assert found(empty_audio_message, wrong) == (text, (2, 3), 2.0, "messages")
    before_the_end = case(STREAMING, [PCM[:3200], b"", '{"type": "Terminate"}'])
    text = "1 of 2 binary messages is empty: frame 2"
    assert found(empty_audio_message, before_the_end) == (text, (2,), 1.0, "messages")
    revai = ("revai", "stream", REVAI.format("S16LE"))
    assert found(empty_audio_message, case(revai, [b"", "EOS"]))[1] == (1,)
    assert found(empty_audio_message, case(LISTEN, [b"", b""]))[2] == 2.0


def test_no_empty_audio_message() -> None:
    assert empty_audio_message(case(LISTEN, [PCM[:3200], b""])) == []  # meant as the end
    assert empty_audio_message(case(LISTEN, [PCM[:3200], CLOSE, b"", b""])) == []
    assert empty_audio_message(case(SONIOX, [PCM[:3200], b"", b""])) == []
    assert empty_audio_message(case(LISTEN, [b"", PCM[:3200]], fin=False)) == []
    assert empty_audio_message(case(("acme", "x", "/"), [b"", PCM[:3200]])) == []


# -- all of them


@settings(max_examples=200)
@given(
    st.sampled_from([g[1] for g in GOOD]),
    st.lists(
        st.binary(max_size=40)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        | st.sampled_from([*(k[1][:9000] for k in KINDS), '{"audio_format": "pcm_s16le"}']),
        max_size=12,
    ),
    st.booleans(),
    st.sampled_from([0, 1, 5000]),
)
def test_any_session_is_judged(api: Api, said: list[Said], fin: bool, missing: int) -> None:
    judged = case(api, said, fin=fin, cut=missing)
    for rule in RULES:
        for evidence in rule(judged):
            assert evidence.text
            assert all(1 <= number <= len(said) for number in evidence.frames)


def test_every_rule_has_its_condition() -> None:
    conditions = [c for c in CATALOG.conditions_of("traffic") if c.id.startswith("traffic.audio.")]
    assert [c.matches[0].rule for c in conditions] == [
        *("format_mismatch", "container_header_missing", "wrong_endianness", "rate_mismatch"),
        *("odd_bytes", "empty_audio_message", "all_zero_audio", "clipping"),
    ]
    assert {c.matches[0].rule for c in conditions} == {rule.__name__ for rule in RULES}
    assert {c.severity for c in conditions} == {"warning"}


def test_diagnose_tells_it() -> None:
    wrong = case(LISTEN, cut(wav(PCM, 8000)))
    told = {f.id: [e.text for e in f.evidence] for f in diagnose(wrong.session, CATALOG)}
    assert told["traffic.audio.rate-mismatch"] == [
        "the WAV header says 8000 Hz; declared: 16000 Hz (frame 1)"
    ]
    assert "traffic.audio.format-mismatch" in told
    assert "traffic.audio.odd-bytes" not in told
