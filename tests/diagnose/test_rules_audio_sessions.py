"""All rules about audio: good sessions, any session, and their conditions in the catalog."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_rules import (
    CLOSE,
    LISTEN,
    MULAW8K,
    NO_ENCODING,
    REVAI,
    SONIOX,
    SPEECHMATICS,
    STREAMING,
    cut,
    findings,
)
from audio_samples import (
    BLOCKS,
    CATALOG,
    CLUSTER,
    FLAC,
    FLAC_FRAME,
    KINDS,
    MP3_FRAME,
    OPUS,
    PCM,
    PCM8K,
    WEBM,
    Api,
    SentMessage,
    alaw,
    facts_of,
    floats,
    listen,
    mulaw,
    noise,
    stereo,
    wav,
)
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.rules.audio import RULES

# -- good sessions


GOOD: list[tuple[str, Api, Sequence[SentMessage]]] = [
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


@pytest.mark.parametrize(("api", "messages"), [g[1:] for g in GOOD], ids=[g[0] for g in GOOD])
def test_audio_rules_good_session_has_no_finding(api: Api, messages: Sequence[SentMessage]) -> None:
    assert findings(facts_of(api, messages)) == {}


# -- all of them


@pytest.mark.one_python
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
def test_audio_rules_any_session_never_raises(
    api: Api, messages: list[SentMessage], fin: bool, missing: int
) -> None:
    judged = facts_of(api, messages, fin=fin, cut=missing)
    for rule in RULES:
        for evidence in rule(judged):
            assert evidence.text
            assert all(1 <= number <= len(messages) for number in evidence.frames)


def test_audio_rules_each_have_a_condition() -> None:
    conditions = [c for c in CATALOG.conditions_of("traffic") if c.id.startswith("traffic.audio.")]
    assert [c.matches[0].rule for c in conditions] == [
        *("format_mismatch", "container_header_missing", "wrong_endianness", "rate_mismatch"),
        *("odd_bytes", "empty_audio_message", "declared_late", "all_zero_audio", "clipping"),
    ]
    assert {c.matches[0].rule for c in conditions} == {rule.__name__ for rule in RULES}
    assert {c.severity for c in conditions} == {"warning"}


def test_diagnose_reports_the_finding_of_an_audio_rule() -> None:
    wrong = facts_of(LISTEN, cut(wav(PCM, 8000)))
    texts = {f.id: [e.text for e in f.evidence] for f in diagnose(wrong.session, CATALOG)}
    assert texts["traffic.audio.rate-mismatch"] == [
        "the WAV header says 8000 Hz; declared: 16000 Hz (frame 1)"
    ]
    assert "traffic.audio.format-mismatch" in texts
    assert "traffic.audio.odd-bytes" not in texts
