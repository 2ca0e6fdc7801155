"""Rules about the samples of all of the audio."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from audio_rules import LISTEN, MULAW8K, cut
from audio_samples import PCM, facts_of, stereo, wav
from live_source import live
from planted_audio import Samples, base_speech, encoded, limited
from planted_audio import stereo as stereo_of
from wsproxy.audio.synthetic_speech import speech
from wsproxy.diagnose.rules.audio import (
    all_zero_audio,
    clipping,
    format_mismatch,
    wrong_endianness,
)
from wsproxy.diagnose.rules.likely_causes import arrives_at_lower_rate
from wsproxy.diagnose.rules.repetition import repeated_audio
from wsproxy.diagnose.rules.signal import (
    RULES,
    clipped_part,
    dc_offset,
    misaligned_samples,
    other_samples,
    pace_is_explained,
    second_header,
    silent_part,
    silent_start,
    silent_to_end,
    stereo_as_mono,
    too_quiet,
    wrong_rate,
)
from wsproxy.diagnose.rules.timing import audio_too_fast
from wsproxy.diagnose.session_facts import Measure
from wsproxy.diagnose.wav_header import wav_header_fields


@pytest.mark.one_python
def test_wrong_rate_explains_the_pace() -> None:
    facts = live(48_000)
    found = wrong_rate(facts)
    assert found[0].text.startswith(
        "4096 samples every 85.3 ms are 48000 Hz; declared: 16000 Hz; that is why the audio seems "
        "to be sent at 3.0 times real time"
    )
    assert (found[0].frames, found[0].value, found[0].unit) == ((1,), 48_000.0, "Hz")
    assert pace_is_explained(facts)
    assert audio_too_fast(facts) == []


def test_wrong_rate_of_the_declared_rate_has_no_finding() -> None:
    facts = live(16_000)
    assert wrong_rate(facts) == []
    assert not pace_is_explained(facts)


def test_lower_rate_of_arrival_is_a_possible_cause() -> None:
    facts = live(8000, chunk=800)
    assert wrong_rate(facts) == []  # the voice could be a woman's
    (found,) = arrives_at_lower_rate(facts)
    assert found.text == (
        "8000 samples arrive in a second, as from a live source at 8000 Hz; declared: 16000 Hz. "
        "A file that is sent at 0.50 times real time looks the same"
    )
    assert (found.frames, found.value, found.unit) == ((1,), 8000.0, "Hz")


@pytest.mark.one_python
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_lower_rate_of_arrival_is_not_that_of_another_rate(rate: int) -> None:
    assert arrives_at_lower_rate(live(rate)) == []


def test_stereo_as_mono_is_found() -> None:
    found = stereo_as_mono(facts_of(LISTEN, cut(stereo(PCM, PCM))))
    assert found[0].text.startswith("the samples of two channels alternate; declared: 1 channel")
    assert stereo_as_mono(facts_of(LISTEN, cut(PCM))) == []


def test_stereo_of_a_sound_card_names_its_rate() -> None:
    """44.1 kHz is no multiple of a rate that a program would send a file at."""
    samples = speech(6.0, 44_100)
    live_pace = [stereo(piece, piece) for piece in cut(samples, 8820)]
    found = stereo_as_mono(facts_of(LISTEN, live_pace))
    assert "by their pace they are at 44100 Hz; declared: 16000 Hz" in found[0].text
    other = [stereo(piece, piece) for piece in cut(PCM * 3, 3200)]
    assert "by their pace" not in stereo_as_mono(facts_of(LISTEN, other))[0].text


@pytest.mark.parametrize(("offset", "name"), [(32, "BlockAlign is 4"), (28, "ByteRate is ")])
def test_wav_header_with_wrong_fields_is_found(offset: int, name: str) -> None:
    data = bytearray(wav(PCM))
    assert wav_header_fields(facts_of(LISTEN, cut(bytes(data)))) == []
    data[offset] = 4
    found = wav_header_fields(facts_of(LISTEN, cut(bytes(data))))
    assert name in found[0].text


# -- each rule, in a minute of speech of which three seconds have the fault

SECOND = 16_000
BEGIN, END = 2 * SECOND, 5 * SECOND
WHAT: list[tuple[Measure, Callable[[Samples], bytes], str, str]] = [
    (silent_part, lambda x: bytes(2 * len(x)), r"3\.\d s of digital silence", "s"),
    (clipped_part, lambda x: encoded(limited(x * 20.0), "linear16"), r"\d % of the samples", "%"),
    (dc_offset, lambda x: encoded(limited(x + 3500.0), "linear16"), r"\+10\.\d % of full", "%"),
    (dc_offset, lambda x: encoded(limited(x - 3500.0), "linear16"), r"-10\.\d % of full", "%"),
    (other_samples, lambda x: encoded(x, "pcm_s16be"), "16-bit PCM, big-endian", "s"),
    (stereo_as_mono, lambda x: stereo_of(x, x), "two channels alternate", "channels"),
    (second_header, lambda x: wav(encoded(x, "linear16")), "another WAV header", "s"),
]


@pytest.mark.parametrize(
    ("rule", "convert", "says", "unit"), WHAT, ids=[f"{w[0].__name__} {w[2]}" for w in WHAT]
)
def test_signal_rule_finds_its_fault_and_no_other_rule_does(
    rule: Measure, convert: Callable[[Samples], bytes], says: str, unit: str
) -> None:
    samples = base_speech(SECOND)[: 60 * SECOND]
    before, after = (encoded(part, "linear16") for part in (samples[:BEGIN], samples[END:]))
    facts = facts_of(LISTEN, cut(before + convert(samples[BEGIN:END]) + after))

    found = {each.__name__: shown for each in RULES if (shown := each(facts))}

    assert list(found) == [rule.__name__]
    [evidence] = found[rule.__name__]
    assert re.search(says, evidence.text)
    assert evidence.unit == unit
    # Messages of 0.1 s, of which the 21st is the first one with the fault.
    assert evidence.frames[0] == pytest.approx(21, abs=5)


def test_silent_to_end_is_found_after_audible_audio_only() -> None:
    zeros = bytes(2 * 25 * SECOND)
    [evidence] = silent_to_end(facts_of(LISTEN, cut(PCM + zeros)))
    assert re.match(r"2\d\.\d s of digital silence, at", evidence.text)
    assert silent_to_end(facts_of(LISTEN, cut(PCM + zeros + PCM))) == []
    assert silent_to_end(facts_of(LISTEN, cut(PCM + zeros[: 2 * 10 * SECOND]))) == []
    assert silent_to_end(facts_of(LISTEN, cut(zeros))) == []


def test_silent_start_is_found_before_audible_audio_only() -> None:
    zeros = bytes(2 * 5 * SECOND)
    [evidence] = silent_start(facts_of(LISTEN, cut(zeros + PCM)))
    assert re.match(r"5\.\d s of digital silence, at 0\.0 to", evidence.text)
    assert silent_start(facts_of(LISTEN, cut(PCM + zeros + PCM))) == []
    assert silent_start(facts_of(LISTEN, cut(zeros))) == []


def test_too_quiet_is_found() -> None:
    quiet = encoded(limited(base_speech(SECOND)[: 20 * SECOND] / 1500.0), "linear16")
    [evidence] = too_quiet(facts_of(LISTEN, cut(quiet)))
    assert re.match(r"the level is -\d\d dBFS, at 0\.\d to 20\.0 s of the audio", evidence.text)
    assert evidence.unit == "dBFS"
    assert too_quiet(facts_of(LISTEN, cut(PCM))) == []


def test_misaligned_samples_begin_where_half_a_sample_is_lost() -> None:
    data = base_speech(SECOND)[: 20 * SECOND].tobytes()
    chunks = [*cut(data[:64_000])[:-1], data[60_800:63_999], *cut(data[64_000:])]
    [evidence] = misaligned_samples(facts_of(LISTEN, chunks))
    assert ", at 2.0 to " in evidence.text
    assert evidence.frames in ((20,), (21,))
    assert other_samples(facts_of(LISTEN, chunks)) == []


def test_constant_that_is_not_zero_is_neither_clipped_nor_an_offset() -> None:
    speech = encoded(base_speech(8000)[: 8000 * 10], "mulaw")
    facts = facts_of(MULAW8K, cut(speech + bytes(8000 * 4) + speech, 800))
    assert [rule.__name__ for rule in RULES if rule(facts)] == ["silent_part"]


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("convert", "rule"),
    [
        (lambda x: encoded(x, "float32"), format_mismatch),
        (lambda x: encoded(x, "pcm_s16be"), wrong_endianness),
        (lambda x: bytes(2 * len(x)), all_zero_audio),
        (lambda x: encoded(limited(x * 20.0), "linear16"), clipping),
    ],
)
def test_fault_of_all_of_the_audio_is_reported_once(
    convert: Callable[[Samples], bytes], rule: Measure
) -> None:
    facts = facts_of(LISTEN, cut(convert(base_speech(SECOND)[: 10 * SECOND])))
    assert rule(facts)
    assert [each.__name__ for each in RULES if each(facts)] == []


POOL = 8192


def pool_of_buffers(data: bytes, part: int = 1024) -> list[bytes]:
    """The complete pool each time, of which one part is new."""
    pool, out = bytearray(POOL), []
    for number, chunk in enumerate(cut(data, part)):
        at = number * part % POOL
        pool[at : at + len(chunk)] = chunk
        out.append(bytes(pool))
    return out


REPEATED = [
    (pool_of_buffers(PCM), "each message repeats 7168 of the 8192 bytes before it, in place"),
    (
        [chunk for chunk in cut(PCM) for _ in range(2)],
        "the same 3200 bytes of audio are sent twice",
    ),
    (
        [PCM[at : at + 3200] for at in range(0, 32_000, 1600)],
        "each message begins with the last 1600 of 3200 bytes before it",
    ),
]
TONE = (b"\x00\x00\x10\x20\x20\x40\x10\x20\x00\x00\xf0\xe0\xe0\xc0\xf0\xe0" * 200) * 10


@pytest.mark.parametrize(("messages", "says"), REPEATED)
def test_repeated_audio_is_found_with_its_figures(messages: list[bytes], says: str) -> None:
    [evidence] = repeated_audio(facts_of(LISTEN, messages))
    assert evidence.text.startswith(says)


@pytest.mark.parametrize("data", [PCM, bytes(64_000), b"\xff" * 64_000, TONE])
def test_repeated_audio_speech_silence_and_tones_have_no_evidence(data: bytes) -> None:
    assert repeated_audio(facts_of(LISTEN, cut(data))) == []


def test_repeated_audio_source_of_one_message_has_no_evidence() -> None:
    assert repeated_audio(facts_of(LISTEN, cut(PCM)[5:6] * 20)) == []


def test_repeated_audio_pieces_of_one_noise_have_no_evidence() -> None:
    """As `scrub` makes them: each overlaps the one before, each pair by another length."""
    noise = random.Random(1).randbytes(8192)
    pieces = [noise[at : at + 3200] for at in (0, 1072, 1500, 3400, 4000)]
    assert repeated_audio(facts_of(LISTEN, pieces)) == []
    window = [noise[at : at + 3200] for at in (0, 1072, 2144, 3216, 4288)]
    (evidence,) = repeated_audio(facts_of(LISTEN, window))
    assert evidence.text.startswith("each message begins with the last 2128 of 3200 bytes before")
