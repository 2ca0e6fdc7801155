"""Peaks of a waveform, samples that are kept for listening, and WAV files of them."""

from __future__ import annotations

import io
import math
import wave
from pathlib import Path

import numpy as np
import pytest

from wsproxy.audio import waveform as module
from wsproxy.audio.g711 import MULAW
from wsproxy.audio.kept_samples import KeptSamples
from wsproxy.audio.wav_file import wav_file
from wsproxy.audio.waveform import Waveform

RATE = 16_000


def tone(hz: float, seconds: float, rate: int = RATE, level: int = 16_000) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hz * times)).astype(np.int16)


def whole_of(samples: KeptSamples, start: int = 0, divisor: int = 1) -> np.ndarray:
    return np.concatenate(list(samples.blocks(start, divisor)))


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("block", [160, 1000, 44_100])
def test_waveform_peaks_are_those_of_each_interval_whatever_the_blocks(
    rate: int, block: int
) -> None:
    samples = np.zeros(rate * 3, np.int16)
    loud, end = math.ceil(1.3 * rate), math.ceil(1.4 * rate)
    samples[loud:end] = 12_800
    samples[loud + 5] = -25_600
    found = Waveform()
    for at in range(0, len(samples), block):
        found.add(samples[at : at + block], 1, rate)
    assert len(found.low) == len(found.high) == 150
    assert [n for n, peak in enumerate(found.high) if peak == 50] == [65, 66, 67, 68, 69]
    assert [n for n, peak in enumerate(found.low) if peak == -100] == [65]
    assert set(found.low[:64] + found.high[:64]) == {0}


def test_waveform_of_two_channels_has_the_peaks_of_both() -> None:
    found = Waveform()
    found.add(np.array([0, 256, -512, 0] * 320, np.int16), 2, RATE)
    assert (max(found.high), min(found.low)) == (1, -2)


def test_waveform_quiet_sound_is_not_silence() -> None:
    found = Waveform()
    found.add(tone(300, 1, level=3), 1, RATE)
    assert set(found.high) == {1}
    found = Waveform()
    found.add(np.zeros(RATE, np.int16), 1, RATE)
    assert set(found.high) == {0}


def test_waveform_of_a_long_stream_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_INTERVALS", 100)
    found = Waveform()
    for number in range(70):
        found.add(np.full(RATE, number * 256, np.int16), 1, RATE)
    assert len(found.high) <= 100
    assert found.per_second == 50 / 64
    assert list(found.high) == sorted(found.high)
    assert found.high[-1] == 69
    assert len(found.high) == pytest.approx(70 * found.per_second, abs=1)


@pytest.mark.parametrize(
    ("rate", "kept"),
    [(8000, 8000), (16_000, 16_000), (24_000, 24_000), (44_100, 22_050), (48_000, 16_000)],
)
def test_kept_samples_sound_the_same_at_a_lower_rate(rate: int, kept: int) -> None:
    samples = KeptSamples(1 << 30)
    whole = tone(1000, 2, rate)
    for at in range(0, len(whole), 1234):
        samples.add(whole[at : at + 1234], 1, rate)
    assert samples.rate == kept
    assert samples.seconds == pytest.approx(2.0, abs=0.01)
    found = whole_of(samples)[:, 0].astype(float)
    middle = slice(kept // 2, kept)
    expected = tone(1000, 2, kept)[: len(found)].astype(float)
    assert np.abs(found[middle] - expected[middle]).max() < 16_000 * 0.03


def test_kept_samples_drop_what_a_lower_rate_cannot_hold() -> None:
    samples = KeptSamples(1 << 30)
    samples.add(tone(15_000, 1, 48_000), 1, 48_000)  # an alias of 1 kHz at 16 kHz
    assert np.abs(whole_of(samples)[1000:-1000]).max() < 16_000 * 0.02


def test_kept_samples_are_the_last_ones() -> None:
    samples = KeptSamples(RATE * 2)
    for number in range(10):
        samples.add(np.full(RATE // 2, number, np.int16), 1, RATE)
    assert samples.seconds == pytest.approx(1.0, abs=0.5)
    assert samples.start_s + samples.seconds == pytest.approx(5.0)
    assert whole_of(samples)[-1, 0] == 9


def test_kept_samples_are_divided_without_seams() -> None:
    samples = KeptSamples(1 << 30)
    whole = tone(400, 2)
    for at in range(0, len(whole), 1001):
        samples.add(whole[at : at + 1001], 1, RATE)
    found = whole_of(samples, start=2000, divisor=2)[:, 0].astype(float)
    expected = whole[2000::2][: len(found)].astype(float)
    assert len(found) == pytest.approx(15_000, abs=20)
    assert np.abs(found - expected)[50:].max() < 16_000 * 0.03


def test_kept_samples_in_another_format_are_converted() -> None:
    samples = KeptSamples(1 << 30)
    samples.add(tone(500, 1, 16_000), 1, 16_000)
    stereo = np.repeat(tone(500, 1, 8000), 2)
    samples.add(stereo, 2, 8000)
    assert (samples.rate, samples.channels) == (16_000, 1)
    assert samples.seconds == pytest.approx(2.0, abs=0.001)


def test_kept_samples_keep_two_channels_apart() -> None:
    samples = KeptSamples(1 << 30)
    samples.add(np.array([100, -200] * RATE, np.int16), 2, RATE)
    assert whole_of(samples)[500].tolist() == [100, -200]


def test_wav_file_of_pcm_is_read_by_others() -> None:
    whole = tone(440, 0.5).reshape(-1, 2)
    with wave.open(io.BytesIO(wav_file([whole[:99], whole[99:]], 2, RATE))) as read:
        assert read.getparams()[:4] == (2, 2, RATE, len(whole))
        assert read.readframes(len(whole)) == whole.tobytes()


def test_wav_file_of_mulaw_has_its_codes(tmp_path: Path) -> None:
    whole = tone(440, 0.1001).reshape(-1, 1)
    data = wav_file([whole[:7], whole[7:]], 1, RATE, mulaw=True)
    codes = MULAW.encode(whole[:, 0].tolist())
    assert codes in data
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert data[20:22] == b"\x07\x00"
    assert len(data) % 2 == 0
