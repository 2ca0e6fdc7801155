"""Encodings and their aliases, ITU-T G.711, and levels."""

from __future__ import annotations

from array import array

import pytest

from audio_samples import PCM8K
from wsproxy.audio import g711
from wsproxy.audio.containers import is_container
from wsproxy.audio.encodings import AudioFormat, bare_name, containers_for, encoding_named
from wsproxy.audio.pcm import bytes_from_samples, samples_from_bytes
from wsproxy.audio.sample_statistics import exceeds_noise
from wsproxy.audio.sniff import is_plain_text


@pytest.mark.parametrize(
    ("name", "sample_bytes", "kind"),
    [
        ("linear16", 2, "16-bit PCM"),
        ("PCM_S16LE", 2, "16-bit PCM"),
        ("audio/x-raw;layout=interleaved;rate=16000;format=S16BE", 2, "16-bit PCM, big-endian"),
        ("audio/pcm;rate=16000", 2, "16-bit PCM"),
        ("pcm_f32le", 4, "32-bit float PCM"),
        ("linear24", 3, ""),
        ("pcm_f32be", 4, ""),
        ("ulaw", 1, "mu-law"),
        ("pcm_alaw", 1, "A-law"),
    ],
)
def test_encoding_alias_has_its_sample_size_and_kind(
    name: str, sample_bytes: int, kind: str
) -> None:
    encoding = encoding_named(name)
    assert encoding is not None
    assert (encoding.sample_bytes, encoding.kind) == (sample_bytes, kind)
    assert AudioFormat(name, 8000, 2).bytes_per_second == 16_000 * sample_bytes


@pytest.mark.parametrize("name", ["", "opus", "flac", "g729", "audio/x-raw", "linear12"])
def test_encoding_without_fixed_sample_size_is_none(name: str) -> None:
    assert encoding_named(name) is None
    assert AudioFormat(name, 8000).duration(100) == 0.0


def test_containers_for_media_type_are_those_of_its_name() -> None:
    assert bare_name("audio/ogg") == "ogg"
    assert "Ogg/Opus" in containers_for("audio/ogg")
    assert containers_for("linear16") == frozenset()


@pytest.mark.parametrize("law", [g711.MULAW, g711.ALAW])
def test_g711_encode_error_is_at_most_half_a_step(law: g711.Law) -> None:
    samples = samples_from_bytes(PCM8K)
    for sample, code in zip(samples, law.encode(samples), strict=True):
        half_step = max(8, (abs(sample) + 132) / 32)
        # The two lowest bits are ignored.
        assert abs(law.values[code] - sample) <= half_step + 4


@pytest.mark.parametrize("law", [g711.MULAW, g711.ALAW])
def test_g711_encode_of_decoded_codes_is_identity(law: g711.Law) -> None:
    codes = bytes(range(256))
    again = law.encode(law.decode(codes))
    assert [law.values[code] for code in again] == list(law.values)
    assert law.encode(array("h", [-32768, 32767])) == bytes(law.codes_by_value[::255])


def test_g711_silence_is_the_quietest_codes() -> None:
    for law, codes in ((g711.MULAW, {0x7F, 0xFF}), (g711.ALAW, {0x55, 0xD5})):
        assert {c for c in range(256) if abs(law.values[c]) == law.quietest} == codes
    assert g711.MULAW.codes_by_value[::255] == (0x00, 0x80)
    assert g711.ALAW.codes_by_value[::255] == (0x2A, 0xAA)


@pytest.mark.parametrize("big_endian", [False, True])
def test_pcm_samples_survive_packing_in_either_byte_order(big_endian: bool) -> None:
    packed = bytes_from_samples(array("h", [1, -2]), big_endian=big_endian)
    assert packed == (b"\0\1\xff\xfe" if big_endian else b"\1\0\xfe\xff")
    assert list(samples_from_bytes(packed + b"x", big_endian=big_endian)) == [1, -2]


@pytest.mark.parametrize(("level", "expected"), [(100, False), (3000, True)])
@pytest.mark.parametrize("name", ["linear16", "mulaw", "alaw"])
def test_exceeds_noise_is_the_same_for_each_encoding(name: str, level: int, expected: bool) -> None:
    encoding = encoding_named(name)
    samples = array("h", [0, level, -level, 0])
    assert encoding is not None
    data = encoding.law.encode(samples) if encoding.law else bytes_from_samples(samples)
    assert exceeds_noise(data, encoding) is expected


@pytest.mark.parametrize("name", ["linear32", "opus"])
def test_exceeds_noise_of_other_encodings_is_unknown(name: str) -> None:
    assert exceeds_noise(b"\1\2\3\4", encoding_named(name)) is None


def test_is_container_accepts_a_single_mpeg_frame_header() -> None:
    assert is_container(b"\xff\xfb\x90\x00" + bytes(300))
    assert not is_container(b"\xff\xff\xff\xff" + bytes(300))


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"pong", True), ("größer".encode(), True), (b"abc", False), (b"\0\0\0\0", False)],
)
def test_is_plain_text_is_true_for_words_only(data: bytes, expected: bool) -> None:
    assert is_plain_text(data) is expected
