"""What audio is by its first bytes, and what a session declares it to be."""

from __future__ import annotations

import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_samples import (
    CATALOG,
    FLAC,
    FLAC_FRAME,
    KINDS,
    OGG_FLAC,
    OPUS,
    PCM,
    PCM8K,
    SPEEX,
    VORBIS,
    WEBM,
    facts_of,
    listen,
    mulaw,
    noise,
    opus_pages,
    page,
    scaled,
    swapped,
    wav,
    wide,
)
from wsproxy.audio.containers import ContainerHeader, container_name, read_header
from wsproxy.audio.sniff import sniff
from wsproxy.session.declared_audio import DeclaredFormat, declared_format
from wsproxy.session.request_query import query_parameters


@pytest.mark.parametrize(
    ("kind", "head"), KINDS, ids=[f"{n}-{k}" for n, (k, _) in enumerate(KINDS)]
)
def test_sniff_known_formats_are_identified(kind: str, head: bytes) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize(
    "head",
    [
        wide(3),
        wide(4),
        bytes((s >> 8) + 128 for s in array("h", PCM)),  # 8-bit samples without a sign
        scaled(PCM, 0, 20_000),  # noise, half of it clipped
        bytes(b for code in mulaw(PCM8K) for b in (code, 0xFF)),  # a silent channel beside mu-law
        bytes(b for code in mulaw(PCM8K) for b in (0xFF, code)),
    ],
)
def test_sniff_unknown_data_is_unidentified(head: bytes) -> None:
    assert sniff(head) == "unidentified data"


def test_sniff_examines_the_start_only() -> None:
    assert sniff(PCM[: 32 << 10] + swapped(PCM)) == "16-bit PCM"
    assert sniff(noise(32 << 10) + opus_pages()) == "unidentified data"


@given(
    st.binary(max_size=300), st.sampled_from([k[1][:200] for k in KINDS]), st.binary(max_size=80)
)
def test_sniff_and_read_header_any_bytes_never_raise(
    before: bytes, middle: bytes, after: bytes
) -> None:
    for data in (before, middle + after, before + middle, middle[: len(before)]):
        assert sniff(data)
        read_header(data)


@given(st.binary(min_size=4, max_size=4), st.integers(1000, 20_000))
def test_sniff_never_raises_on_repeated_bytes(unit: bytes, count: int) -> None:
    assert sniff(unit * count)


def test_container_name_flac_frame_needs_its_crc() -> None:
    assert container_name(FLAC_FRAME) == "FLAC without its beginning"
    for bit in range(8):
        assert (
            container_name(FLAC_FRAME[:5] + bytes([FLAC_FRAME[5] ^ 1 << bit]) + FLAC_FRAME[6:])
            is None
        )


EXTENSIBLE = struct.pack("<HHIH14s", 22, 24, 3, 1, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
HEADERS = [
    (wav(b""), ContainerHeader("WAV", "linear16", 16_000, 1, 16)),
    (wav(b"", 8000, 2, 8, tag=7), ContainerHeader("WAV", "mulaw", 8000, 2, 8)),
    (wav(b"", 8000, 1, 8, tag=6), ContainerHeader("WAV", "alaw", 8000, 1, 8)),
    (wav(b"", 48_000, 2, 32, tag=3), ContainerHeader("WAV", "float32", 48_000, 2, 32)),
    (wav(b"", 8000, 1, 8), ContainerHeader("WAV", "8-bit PCM", 8000, 1, 8)),
    (wav(b"", 8000, 1, 4, tag=2), ContainerHeader("WAV", "", 8000, 1, 4)),
    (
        wav(b"", 44_100, 2, 24, 0xFFFE, EXTENSIBLE),
        ContainerHeader("WAV", "24-bit PCM", 44_100, 2, 24),
    ),
    (OPUS, ContainerHeader("Ogg/Opus", "", 16_000, 1)),
    (VORBIS, ContainerHeader("Ogg/Vorbis", "", 44_100, 2)),
    (SPEEX, ContainerHeader("Ogg/Speex", "", 16_000, 1)),
    (OGG_FLAC, ContainerHeader("Ogg/FLAC", "", 44_100, 2)),
    (FLAC, ContainerHeader("FLAC", "", 44_100, 2)),
    (wav(b"")[:30], None),
    (page(b"OpusHead", 2), None),
    (FLAC[:20], None),
    (WEBM, None),
    (PCM, None),
]


@pytest.mark.parametrize(("head", "header"), HEADERS)
def test_read_header_returns_the_declared_format(
    head: bytes, header: ContainerHeader | None
) -> None:
    assert read_header(head) == header


# -- what is declared


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", DeclaredFormat("", 0, 1, from_client=True)),
        (
            "encoding=Linear16",
            DeclaredFormat("linear16", 0, 1, from_client=True, explicit=frozenset({"encoding"})),
        ),
        (
            "sample_rate=8000",
            DeclaredFormat("", 8000, 1, from_client=True, explicit=frozenset({"rate"})),
        ),
        ("channels=2&channels=x", DeclaredFormat("", 0, 1, from_client=True)),
        (
            "channels=2",
            DeclaredFormat("", 0, 2, from_client=True, explicit=frozenset({"channels"})),
        ),
        ("sample_rate=" + "9" * 5000, DeclaredFormat("", 0, 1, from_client=True)),
        ("sample_rate=-8000&channels=0", DeclaredFormat("", 0, 1, from_client=True)),
    ],
)
def test_declared_format_reads_the_query(query: str, expected: DeclaredFormat) -> None:
    session = facts_of(listen(query), []).session
    assert declared_format(session, CATALOG.api("deepgram", "listen")) == expected


def test_declared_format_default_is_not_explicit() -> None:
    session = facts_of(("assemblyai", "streaming", "/v3/ws"), []).session
    assert declared_format(session, CATALOG.api("assemblyai", "streaming")) == DeclaredFormat(
        "pcm_s16le", 16_000, 1, from_client=True
    )


def test_query_parameters_over_200_are_ignored() -> None:
    assert query_parameters(facts_of(listen("a=1&" * 199 + "b=2"), []).session.request) == {
        "a": "1",
        "b": "2",
    }
    assert query_parameters(facts_of(listen("a=1&" * 200 + "b=2"), []).session.request) == {}
