"""A hundred faults in 3 minutes of speech: each is found at its place, and nothing else is."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import pytest

from planted_audio import (
    CONTAINERS,
    SECONDS,
    TOLERANCE_S,
    Convert,
    Planted,
    Samples,
    base_speech,
    changed,
    contained,
    contained_stream,
    encoded,
    limited,
    misaligned,
    per_second,
    raw_format_fault,
    raw_signal_fault,
    stereo,
    wrong_rate,
)
from wsproxy.audio import report
from wsproxy.audio.encodings import AudioFormat

# In one worker: the speech is made once.
pytestmark = [pytest.mark.one_python, pytest.mark.xdist_group("planted_audio")]

RATES = (8000, 16_000, 48_000)
SIGNAL = [
    (encoding, rate, kind, seed + 10 * n)
    for seed, kind in enumerate(
        (report.DIGITAL_SILENCE, report.NEAR_SILENCE, report.CLIPPING, report.DC_OFFSET)
    )
    for n, (encoding, rate) in enumerate(
        (
            ("linear16", 16_000),
            ("linear16", 24_000),
            ("linear24", 16_000),
            ("linear32", 16_000),
            ("pcm_s16be", 16_000),
            ("float32", 16_000),
            ("mulaw", 8000),
            ("alaw", 8000),
        )
    )
    # The smallest sample of A-law is 8: pauses are digital silence.
    if encoding != "alaw" or kind not in (report.DIGITAL_SILENCE, report.NEAR_SILENCE)
]


FORMAT = [
    (kind, encoding, rate, partial(encoded, encoding=real), real, seed)
    for kind, encoding, rate, real in (
        (report.BYTE_ORDER, "linear16", 16_000, "pcm_s16be"),
        (report.BYTE_ORDER, "linear16", 8000, "pcm_s16be"),
        (report.BYTE_ORDER, "pcm_s16be", 16_000, "linear16"),
        (report.FLOAT_AS_INT, "linear16", 16_000, "float32"),
        (report.FLOAT_AS_INT, "linear16", 24_000, "float32"),
        (report.INT_AS_FLOAT, "float32", 16_000, "linear16"),
        (report.COMPANDED_AS_PCM, "linear16", 8000, "mulaw"),
        (report.COMPANDED_AS_PCM, "linear16", 8000, "alaw"),
        (report.PCM_AS_COMPANDED, "mulaw", 8000, "linear16"),
        (report.PCM_AS_COMPANDED, "alaw", 8000, "linear16"),
        (report.OTHER_LAW, "mulaw", 8000, "alaw"),
        (report.OTHER_LAW, "alaw", 8000, "mulaw"),
    )
    for seed in (1, 2, 3)
]


@pytest.mark.sweep(kind=lambda kind: kind)
@pytest.mark.parametrize(("encoding", "rate", "kind", "seed"), SIGNAL)
def test_analyzer_signal_fault_is_located(encoding: str, rate: int, kind: str, seed: int) -> None:
    raw_signal_fault(encoding, rate, kind, seed).check()


@pytest.mark.sweep(kind=lambda kind, encoding, real: (kind, encoding, real))
@pytest.mark.parametrize(("kind", "encoding", "rate", "convert", "real", "seed"), FORMAT)
def test_analyzer_other_format_is_located(
    kind: str, encoding: str, rate: int, convert: Convert, real: str, seed: int
) -> None:
    found = raw_format_fault(kind, encoding, rate, convert, seed).check()
    assert found.faults[0].figures["found"] == real


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(4))
def test_analyzer_lost_byte_is_located(seed: int) -> None:
    misaligned(16_000, seed).check()


CHANNELS = {
    "the same": lambda x: stereo(x, x),
    "one of them silent": lambda x: stereo(x, x * 0),
    "different speakers": lambda x: stereo(x, np.roll(x, len(x) // 3) // 2),
    "two microphones": lambda x: stereo(x, x // 10 * 9 + np.arange(len(x)) % 7),
}


@pytest.mark.sweep(kind=lambda channels: channels)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("channels", CHANNELS)
def test_analyzer_stereo_as_mono_is_located(channels: str, seed: int) -> None:
    raw_format_fault(report.STEREO_AS_MONO, "linear16", 16_000, CHANNELS[channels], seed).check()


@pytest.mark.sweep
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_analyzer_two_speakers_on_the_telephone_are_located(seed: int) -> None:
    other = base_speech(8000)[::-1]

    def speakers(samples: Samples) -> bytes:
        return stereo(samples, other[: len(samples)])

    raw_format_fault(report.STEREO_AS_MONO, "linear16", 8000, speakers, seed).check()


def test_analyzer_hiss_of_a_line_is_not_two_channels() -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 8000 * 30)
    spectrum, at = np.fft.rfft(noise), np.fft.rfftfreq(len(noise), 1 / 8000)
    spectrum[(at < 640) | (at > 3360)] = 0
    assert _analyzed("linear16", 8000, limited(np.fft.irfft(spectrum))).faults == ()


@pytest.mark.sweep(kind=lambda complete: complete, keep=3)
@pytest.mark.parametrize(
    ("declared", "real", "chunk"),
    [
        (16_000, 48_000, 4096),
        (16_000, 48_000, 960),
        (8000, 48_000, 960),
        (16_000, 44_100, 2048),
        (16_000, 24_000, 480),
        (24_000, 48_000, 4096),
    ],
)
@pytest.mark.parametrize("complete", [False, True])
def test_analyzer_wrong_rate_is_located(
    declared: int, real: int, chunk: int, complete: bool
) -> None:
    planted = wrong_rate(declared, real, chunk, seed=real + chunk, complete=complete)
    if complete:
        planted.end = None
    assert planted.check().faults[0].figures["found_hz"] == real


# -- headers


@pytest.mark.parametrize("container", ["WAV", "WebM", "Ogg/Opus", "FLAC"])
def test_analyzer_header_in_raw_samples_is_located(container: str) -> None:
    samples = base_speech(16_000)
    planted = Planted(report.SECOND_HEADER, AudioFormat("linear16", 16_000))
    planted.send(encoded(samples[: 16_000 * 71], "linear16"), 3200, 0.1)
    planted.send(contained(samples[:16_000], container), 3200, 0.1)
    planted.earliest = planted.latest = 71.0
    found = [f for f in planted.analyzed().faults if f.kind == report.SECOND_HEADER]
    assert [round(fault.where.start_s, 1) for fault in found] == [71.0]
    assert found[0].figures == {"container": container}


@pytest.mark.parametrize("container", ["WAV", "WebM", "Ogg/Opus"])
def test_analyzer_second_header_in_container_is_located(container: str) -> None:
    samples = base_speech(16_000)[: 16_000 * 90]
    first, second = samples[: 16_000 * 47], samples[16_000 * 47 :]
    data = contained(first, container) + contained(second, container)
    planted = contained_stream(report.SECOND_HEADER, data, 90)
    planted.earliest = planted.latest = 47.0
    planted.check()


@pytest.mark.parametrize("container", ["WebM", "Ogg/Opus", "MP4"])
def test_analyzer_missing_header_is_found(container: str) -> None:
    data = contained(base_speech(16_000)[: 16_000 * 60], container)
    middle = {"MP4": data.find(b"moof") - 4}.get(container, len(data) // 3)
    contained_stream(report.MISSING_HEADER, data[middle:], 60).check()


@pytest.mark.parametrize(("offset", "value"), [(32, 4), (32, 1), (28, 64), (28, 1)])
def test_analyzer_wrong_wav_header_is_found(offset: int, value: int) -> None:
    data = bytearray(contained(base_speech(16_000)[:160_000], "WAV"))
    data[offset] = value
    contained_stream(report.WRONG_WAV_HEADER, bytes(data), 10).check()


# -- faults of the signal in containers


@pytest.mark.sweep
@pytest.mark.parametrize("container", CONTAINERS)
def test_analyzer_signal_faults_in_container_are_located(container: str) -> None:
    samples = base_speech(16_000)
    expected: list[tuple[str, float, float]] = []
    kinds = [report.DIGITAL_SILENCE, report.CLIPPING]
    if "Opus" not in container and container != "WebM":  # Opus removes an offset
        kinds.append(report.DC_OFFSET)
    for number, kind in enumerate(kinds):
        # Each in a third of the stream of its own.
        begin = number * SECONDS // 3 * 16_000
        part = samples[begin : begin + SECONDS // 3 * 16_000]
        wrong, start, end = changed(part, 16_000, kind, number, SECONDS // 3)
        samples = np.concatenate([samples[:begin], wrong, samples[begin + len(part) :]])
        expected.append((kind, start + begin / 16_000, end + begin / 16_000))
    found = contained_stream("", contained(samples, container)).analyzed()
    assert sorted(fault.kind for fault in found.faults) == sorted(kind for kind, _, _ in expected)
    for kind, start, end in expected:
        where = next(fault.where for fault in found.faults if fault.kind == kind)
        assert where.start_s == pytest.approx(start, abs=TOLERANCE_S)
        assert where.end_s == pytest.approx(end, abs=TOLERANCE_S)


# -- the same without a fault


@pytest.mark.sweep
@pytest.mark.parametrize("container", CONTAINERS)
def test_analyzer_speech_in_container_has_no_fault(container: str) -> None:
    found = contained_stream("", contained(base_speech(16_000), container)).analyzed()
    plain = _analyzed("linear16", 16_000, base_speech(16_000))
    assert found.faults == ()
    assert found.container == container
    assert found.duration_s == pytest.approx(SECONDS, rel=0.02)
    # LAME lowers the level before it encodes.
    assert found.rms_dbfs == pytest.approx(plain.rms_dbfs, abs=0.6 if container == "MP3" else 0.2)
    assert found.speech.seconds == pytest.approx(plain.speech.seconds, rel=0.03)


@pytest.mark.sweep(kind=lambda encoding: encoding)
@pytest.mark.parametrize(
    ("encoding", "rate"),
    [
        *product(("linear16", "pcm_s16be", "linear24", "linear32", "float32"), RATES),
        ("mulaw", 8000),
        ("alaw", 8000),
    ],
)
def test_analyzer_speech_without_fault_has_none(encoding: str, rate: int) -> None:
    found = _analyzed(encoding, rate, base_speech(rate))
    assert found.faults == ()
    assert found.duration_s == pytest.approx(SECONDS)
    assert found.rate_estimate is not None
    assert found.rate_estimate.rate == rate


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
@pytest.mark.parametrize("pitch", [60, 100, 200, 300, 440])
def test_analyzer_companded_tone_is_clipped_only_beyond_full_scale(
    encoding: str, pitch: int
) -> None:
    tone = np.sin(2 * np.pi * pitch * np.arange(8000 * 10) / 8000)
    full = _analyzed(encoding, 8000, limited(32_000 * tone))
    cut = _analyzed(encoding, 8000, limited(48_000 * tone))
    assert (full.clipped_share, full.clipping.count) == (0, 0)
    assert cut.clipping.seconds == pytest.approx(10, abs=0.1)


def _analyzed(encoding: str, rate: int, samples: Samples) -> report.AudioReport:
    planted = Planted("", AudioFormat(encoding, rate))
    planted.send(encoded(samples, encoding), per_second(planted.declared) // 50, 0.02)
    return planted.analyzed()
