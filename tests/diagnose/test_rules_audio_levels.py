"""Rules about the audio's level: silence, clipping and empty messages."""

from __future__ import annotations

import math
from array import array

import pytest

from audio_rules import (
    CLOSE,
    LISTEN,
    MULAW8K,
    NO_ENCODING,
    REVAI,
    SONIOX,
    STREAMING,
    cut,
    findings,
    found,
)
from audio_samples import (
    PCM,
    PCM8K,
    alaw,
    facts_of,
    listen,
    mulaw,
    scaled,
    stereo,
    wav,
)
from wsproxy.diagnose.rules.audio import all_zero_audio, clipping, empty_audio_message


def test_all_zero_audio_is_found() -> None:
    wrong = facts_of(LISTEN, cut(bytes(96_000)))
    text = "3.0 s of 3.0 s of audio are digital silence; declared: linear16 at 16000 Hz (frame 1)"
    assert found(all_zero_audio, wrong) == (text, (1,), 3.0, "s")
    assert list(findings(wrong)) == ["all_zero_audio"]
    long = facts_of(LISTEN, cut(bytes(320_000)))
    assert found(all_zero_audio, long)[0].startswith("10.0 s of 10.0 s of audio")
    companded = facts_of(MULAW8K, cut(b"\xff\x7f" * 12_000))
    assert "are digital silence; declared: mulaw at 8000 Hz" in found(all_zero_audio, companded)[0]
    assert list(findings(companded)) == ["all_zero_audio"]
    assert all_zero_audio(facts_of(listen("encoding=alaw&sample_rate=8000"), [b"\xd5" * 24_000]))
    assert all_zero_audio(facts_of(MULAW8K, cut(bytes(24_000))))
    assert all_zero_audio(facts_of(NO_ENCODING, [bytes(24_000)]))


def test_all_zero_audio_with_sound_has_no_finding() -> None:
    nothing = cut(bytes(320_000))
    result = '{"channel": {"alternatives": [{"transcript": "%s"}]}}'
    assert all_zero_audio(facts_of(LISTEN, nothing, [result % ""]))
    assert all_zero_audio(facts_of(LISTEN, nothing, [result % "", result % "hello"])) == []
    assert all_zero_audio(facts_of(LISTEN, [*nothing, PCM[:3200]])) == []
    assert all_zero_audio(facts_of(LISTEN, [PCM[:3200], *nothing])) == []
    assert all_zero_audio(facts_of(LISTEN, cut(bytes(63_998)))) == []  # shorter than 2 s
    assert all_zero_audio(facts_of(NO_ENCODING, [bytes(23_999)])) == []
    assert all_zero_audio(facts_of(LISTEN, [b"\xff\x7f" * 40_000])) == []
    assert all_zero_audio(facts_of(MULAW8K, [b"\xd5" * 40_000])) == []


def test_clipping_is_found() -> None:
    wrong = facts_of(LISTEN, cut(scaled(PCM, 8)))
    text = "1.4 % of the samples in 3.0 s of audio are at full scale (frame 2)"
    assert found(clipping, wrong) == (text, (2,), 1.44, "%")
    assert list(findings(wrong)) == ["clipping"]


def test_clipping_synthetic_wave_has_its_share_and_runs() -> None:
    tone = [round(12_000 * math.sin(i / 10)) for i in range(10_000)]
    tone[100:400:100] = [32_767] * 3  # peaks, each alone
    tone[5000:5199] = 100 * [32_767] + 99 * [-32_768]
    data = array("h", tone).tobytes()
    text = "2.0 % of the samples in 0.6 s of audio are at full scale (frame 1)"
    assert found(clipping, facts_of(LISTEN, cut(data))) == (text, (1,), 1.99, "%")
    # Half as much of two channels; a run is one of a channel.
    channels = listen("encoding=linear16&sample_rate=16000&channels=2")
    assert clipping(facts_of(channels, cut(stereo(data, bytes(len(data)))))) == []
    tone[5200:5210] = [-32_767] * 10
    both = stereo(array("h", tone).tobytes(), bytes(len(data)))
    text = "1.0 % of the samples in 0.6 s of audio are at full scale (frame 1)"
    assert found(clipping, facts_of(channels, cut(both))) == (text, (1,), 1.04, "%")


def test_clipping_below_threshold_has_no_finding() -> None:
    assert clipping(facts_of(LISTEN, cut(PCM))) == []
    peaks = array("h", PCM)
    peaks[::50] = array("h", [32_767] * len(peaks[::50]))  # 2 %, but each alone
    assert clipping(facts_of(LISTEN, cut(peaks.tobytes()))) == []
    # What is not what was declared is not clipped.
    assert clipping(facts_of(LISTEN, cut(b"\xff\x7f" * 20_000))) == []
    assert clipping(facts_of(LISTEN, cut(wav(scaled(PCM, 6))))) == []


def test_clipping_companded_audio_is_found() -> None:
    alaw8k = listen("encoding=alaw&sample_rate=8000")
    loud = scaled(PCM8K, 20)
    for api, codes in ((MULAW8K, mulaw(loud)), (alaw8k, alaw(loud))):
        text, _, percent, _ = found(clipping, facts_of(api, cut(codes, 160)))
        assert text.startswith("5.2 % of the samples in 3.0 s of audio are at full scale")
        assert percent == pytest.approx(5.2, abs=0.05)
    assert clipping(facts_of(MULAW8K, cut(mulaw(PCM8K), 160))) == []
    assert clipping(facts_of(alaw8k, cut(alaw(PCM8K), 160))) == []


def test_empty_audio_message_is_found() -> None:
    wrong = facts_of(LISTEN, [PCM[:3200], b"", b"", PCM[:3200], CLOSE, b""])
    text = "2 of 4 binary messages are empty: frame 2, 3"
    assert found(empty_audio_message, wrong) == (text, (2, 3), 2.0, "messages")
    before_the_end = facts_of(STREAMING, [PCM[:3200], b"", '{"type": "Terminate"}'])
    text = "1 of 2 binary messages is empty: frame 2"
    assert found(empty_audio_message, before_the_end) == (text, (2,), 1.0, "messages")
    revai = ("revai", "stream", REVAI.format("S16LE"))
    assert found(empty_audio_message, facts_of(revai, [b"", "EOS"]))[1] == (1,)
    assert found(empty_audio_message, facts_of(LISTEN, [b"", b""]))[2] == 2.0


def test_empty_audio_message_as_end_has_no_finding() -> None:
    assert empty_audio_message(facts_of(LISTEN, [PCM[:3200], b""])) == []  # meant as the end
    assert empty_audio_message(facts_of(LISTEN, [PCM[:3200], CLOSE, b"", b""])) == []
    assert empty_audio_message(facts_of(SONIOX, [PCM[:3200], b"", b""])) == []
    assert empty_audio_message(facts_of(LISTEN, [b"", PCM[:3200]], fin=False)) == []
    assert empty_audio_message(facts_of(("acme", "x", "/"), [b"", PCM[:3200]])) == []
