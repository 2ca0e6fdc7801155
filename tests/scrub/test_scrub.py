"""A scrubbed trace holds no personal data, and keeps its failure."""

from __future__ import annotations

import base64
import json
import random
import stat
import struct
import uuid
import zlib
from array import array
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrub_sessions import (
    CHANCE,
    CHUNKS,
    MAIL,
    PLANTED,
    REQUEST_ID,
    SENTENCE,
    VOICE,
    WORDS,
    found,
    frames,
    header_dict,
    session,
    tone,
    unpacked,
)
from sessions import APP, MS, SERVER, audio, opened, text_message, write
from traces import KINDS as RECORD_KINDS
from traces import RECORDS, make_trace, read_trace
from wsproxy.audio.container_noise import replace_audio
from wsproxy.audio.containers import read_header
from wsproxy.audio.noise import Noise, NoiseSource
from wsproxy.audio.sniff import sniff
from wsproxy.errors import UsageError, WsproxyError
from wsproxy.scrub import scrub
from wsproxy.session import Session
from wsproxy.trace import Bytes, Failure, FrameRecord, Record, Request, Response, Start
from wsproxy.wire import Opcode


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("scrub") / "planted.wstrace", session())


@pytest.fixture(scope="module")
def public(trace: Path) -> Path:
    return scrub(trace, trace.with_name("public.wstrace")).path


# -- what is replaced, and what is kept


@pytest.mark.parametrize("planted", PLANTED)
def test_scrub_planted_data_is_replaced(planted: str, trace: Path, public: Path) -> None:
    assert found(planted, unpacked(trace))
    assert not found(planted, unpacked(public))


def test_scrub_audio_is_replaced(public: Path) -> None:
    content = unpacked(public)
    assert not any(chunk[at : at + 16] in content for chunk in CHUNKS[1:] for at in (64, 640, 3000))


def test_scrub_frames_keep_all_but_their_content(trace: Path, public: Path) -> None:
    def shape(path: Path) -> list[tuple[object, ...]]:
        return [
            (f.t_ns, f.from_client, f.opcode, f.fin, f.rsv, f.mask, f.wire_length, len(f.payload))
            for f in frames(path)
        ]

    assert shape(public) == shape(trace)


def test_scrub_failure_is_explained_as_before(trace: Path, public: Path) -> None:
    now, was = Session.read(public), Session.read(trace)
    assert now.findings[0].id == "deepgram.listen.NET-0001"
    assert now.close is not None
    assert was.close is not None
    assert now.close.reason.startswith("NET-0001 for ")
    assert len(now.close.reason) == len(was.close.reason)


def test_scrub_same_word_is_replaced_equally_everywhere(public: Path) -> None:
    texts = [json.loads(f.payload) for f in frames(public) if f.opcode == Opcode.TEXT]
    interim, final = (t["channel"]["alternatives"][0]["transcript"] for t in texts[:2])
    assert final.startswith(interim)
    keyterms = texts[2]["keyterms"]
    assert keyterms[0] in final
    assert len(final) == len(SENTENCE)
    assert [c for c in final if not c.isalnum()] == [c for c in SENTENCE if not c.isalnum()]
    assert [c.isupper() for c in final] == [c.isupper() for c in SENTENCE]


def test_scrub_same_id_is_replaced_equally_everywhere(public: Path) -> None:
    records, _ = read_trace(public)
    answer = next(r for r in records if isinstance(r, Response))
    ids = {json.loads(f.payload).get("request_id") for f in frames(public) if f.opcode == 1}
    (other,) = ids - {None}
    assert answer.headers == [["dg-request-id", other]]
    assert str(uuid.UUID(other)) == other != REQUEST_ID


def test_scrub_request_keeps_documented_parameters(public: Path) -> None:
    request = next(r for r in read_trace(public)[0] if isinstance(r, Request))
    assert request.path.startswith(
        "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&keyterm="
    )
    agent = header_dict(request)["User-Agent"]
    assert agent.startswith("Python/3.13 websockets/17.4 ")
    assert request.host == "api.example.com" or request.host.endswith(".test")


def test_scrub_start_names_the_original_session(trace: Path, public: Path) -> None:
    old, new = (read_trace(path)[0][0] for path in (trace, public))
    assert isinstance(old, Start)
    assert isinstance(new, Start)
    assert (new.origin, new.mode, new.changes) == (old.session, "scrub", ["scrub"])
    assert new.session != old.session
    assert stat.S_IMODE(public.stat().st_mode) == 0o600


def test_scrub_hosts_option_replaces_hosts(tmp_path: Path, trace: Path) -> None:
    made = scrub(trace, tmp_path / "h.wstrace", hosts=True).path
    assert b"example.com" not in unpacked(made)
    start = read_trace(made)[0][0]
    assert isinstance(start, Start)
    assert (start.provider, start.api) == ("deepgram", "listen")


def test_scrub_same_key_gives_the_same_names(tmp_path: Path, trace: Path) -> None:
    def texts(path: Path) -> list[bytes]:
        return [f.payload for f in frames(path) if f.opcode == Opcode.TEXT]

    one, two = (scrub(trace, tmp_path / f"{n}.wstrace", key=b"k").path for n in range(2))
    other = scrub(trace, tmp_path / "o.wstrace", key=b"o").path
    assert texts(one) == texts(two) != texts(other)


def test_scrub_scrubbed_trace_is_accepted(tmp_path: Path, public: Path) -> None:
    again = scrub(public, tmp_path / "again.wstrace")
    assert again.finding_after == again.finding_before == "deepgram.listen.NET-0001"


# -- other places


def test_scrub_invalid_bytes_and_failures_are_scrubbed(tmp_path: Path) -> None:
    records = [
        *opened("/v1/listen?model=nova-3"),
        Bytes(30 * MS, SERVER, b"\x83\x04what Ada said", "reserved opcode 0x3 (section 5.2)"),
        Failure(40 * MS, "connect", False, f"[Errno 111] Connect call failed for {MAIL}"),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    new = read_trace(made)[0]
    garbage = next(r for r in new if isinstance(r, Bytes))
    assert garbage.data[:2] == b"\x83\x04"
    assert isinstance(garbage, Bytes)
    assert isinstance(records[2], Bytes)
    assert len(garbage.data) == len(records[2].data)
    assert b"Ada" not in garbage.data
    failure = next(r for r in new if isinstance(r, Failure))
    assert failure.message.startswith("[Errno 111] Connect call failed for ")


def test_scrub_message_in_fragments_is_one_message(tmp_path: Path) -> None:
    text = json.dumps({"type": "Results", "transcript": SENTENCE}, ensure_ascii=False).encode()
    records = [
        *opened("/v1/listen?model=nova-3"),
        FrameRecord(30 * MS, SERVER, 1, text[:40], fin=False),
        FrameRecord(31 * MS, SERVER, 9, b"x"),
        FrameRecord(32 * MS, SERVER, 0, text[40:]),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    one, ping, two = frames(made)
    assert (len(one.payload), len(ping.payload), len(two.payload)) == (40, 1, len(text) - 40)
    assert set(json.loads(one.payload + two.payload)) == {"type", "transcript"}
    assert not any(word.encode() in unpacked(made) for word in WORDS)


def test_scrub_base64_audio_becomes_noise_of_the_same_length(tmp_path: Path) -> None:
    packed = base64.b64encode(CHUNKS[2]).decode()
    records = [*opened("/v1/ws"), text_message(50, SERVER, {"type": "Audio", "audio": packed})]
    trace = write(tmp_path / "a.wstrace", records, provider="assemblyai", api="tts")
    message = json.loads(frames(scrub(trace, tmp_path / "b.wstrace").path)[0].payload)
    noise = base64.b64decode(message["audio"], validate=True)
    assert len(noise) == len(CHUNKS[2])
    assert noise != CHUNKS[2]


def event(body: bytes, **headers: str) -> bytes:
    """A message of AWS's event streams."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
        for name, text in headers.items()
    )
    start = struct.pack(">II", 16 + len(packed) + len(body), len(packed))
    data = start + zlib.crc32(start).to_bytes(4, "big") + packed + body
    return data + zlib.crc32(data).to_bytes(4, "big")


def test_scrub_event_stream_envelope_stays_valid(tmp_path: Path) -> None:
    transcript_event = {"Transcript": {"Results": [{"Alternatives": [{"Transcript": SENTENCE}]}]}}
    records = [
        *opened("/stream-transcription-websocket?language-code=en-US"),
        audio(40, APP, event(CHUNKS[3], **{":event-type": "AudioEvent"})),
        audio(
            60,
            SERVER,
            event(json.dumps(transcript_event).encode(), **{":event-type": "TranscriptEvent"}),
        ),
    ]
    trace = write(tmp_path / "a.wstrace", records, provider="aws_transcribe", api="stream")
    made = scrub(trace, tmp_path / "b.wstrace").path
    from wsproxy.catalog.envelope import read

    sent, received = frames(made)
    message, noise = read("event-stream", sent.payload)
    assert message == {":event-type": "AudioEvent"}
    assert len(noise) == len(CHUNKS[3])
    assert noise != CHUNKS[3]
    message, _ = read("event-stream", received.payload)
    assert message is not None
    assert message[":event-type"] == "TranscriptEvent"
    assert "Transcript" in message
    assert not any(word.encode() in unpacked(made) for word in WORDS)


def test_scrub_azure_header_lines_stay(tmp_path: Path) -> None:
    head = "Path: speech.phrase\r\nX-RequestId: 0123456789abcdef0123456789abcdef\r\n"
    text = f'{head}Content-Type: application/json\r\n\r\n{{"DisplayText": "{WORDS[0]}"}}'
    records = [
        *opened("/speech/recognition/conversation/cognitiveservices/v1"),
        text_message(50, SERVER, text),
    ]
    trace = write(tmp_path / "a.wstrace", records, provider="azure_speech", api="stt")
    made = scrub(trace, tmp_path / "b.wstrace").path
    lines = frames(made)[0].payload.decode().split("\r\n")
    assert lines[0] == "Path: speech.phrase"
    assert lines[1].startswith("X-RequestId: ")
    assert "0123456789abcdef" not in lines[1]
    assert WORDS[0].encode() not in unpacked(made)


# -- the output file


@pytest.mark.parametrize("kind", ["itself", "symbolic link", "hard link", "part 2", "of a link"])
def test_scrub_to_its_own_input_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wstrace", session())
    before = source.read_bytes()
    out = tmp_path / "other.wstrace"
    match kind:
        case "itself":
            out = tmp_path / "." / "a.wstrace"
        case "symbolic link":
            out.symlink_to(source)
        case "hard link":
            out.hardlink_to(source)
        case "part 2":
            out = tmp_path / "a.part2.wstrace"
        case "of a link":
            out, source = source, out
            source.symlink_to(out)
    with pytest.raises(UsageError) as caught:
        scrub(source, out, force=True)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "a.wstrace").read_bytes() == before
    assert not Session.read(tmp_path / "a.wstrace").losses


def test_scrub_beside_parts_of_another_trace_is_refused(tmp_path: Path, trace: Path) -> None:
    """Readers would take them for parts of the new trace and report it as damaged."""
    write(tmp_path / "new.part2.wstrace", session())
    with pytest.raises(UsageError, match=r"new\.part2\.wstrace exists and would be read as a part"):
        scrub(trace, tmp_path / "new.wstrace", force=True)
    assert not (tmp_path / "new.wstrace").exists()


# -- noise


KINDS = ["16-bit PCM", "16-bit PCM, big-endian", "32-bit float PCM", "mu-law", "A-law", ""]


@pytest.mark.sweep(keep=2)
@pytest.mark.one_python
@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.binary(max_size=400), max_size=5))
def test_noise_any_pieces_keep_their_sizes(kind: str, pieces: list[bytes]) -> None:
    noise = Noise(kind, NoiseSource(random.Random(1)))
    assert [len(noise.replace(piece)) for piece in pieces] == [len(piece) for piece in pieces]


@pytest.mark.parametrize("loud", [20, 800, 9000])
def test_noise_voice_keeps_its_level_and_encoding(loud: int) -> None:
    voice = tone(1.0, loud)
    made = Noise("16-bit PCM", NoiseSource(random.Random(1))).replace(voice)
    levels = [sum(map(abs, array("h", data))) / len(data) for data in (voice, made)]
    assert levels[1] == pytest.approx(levels[0], rel=0.2)
    assert sniff(made) == sniff(voice) == "16-bit PCM"


def test_noise_silence_needs_no_random_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session may have hours of silence."""
    monkeypatch.setattr(NoiseSource, "samples", None)
    for kind, data in [("16-bit PCM", b"\0\0"), ("mu-law", b"\xff"), ("A-law", b"\xd5")]:
        assert Noise(kind, NoiseSource(random.Random(1))).replace(data * 3200) == data * 3200


@given(st.lists(st.tuples(st.sampled_from([0, 300, -20_000]), st.integers(1, 40)), max_size=12))
def test_noise_pauses_keep_their_position(runs: list[tuple[int, int]]) -> None:
    samples = array("h", [value for value, count in runs for _ in range(count)])
    made = array("h", Noise("16-bit PCM", NoiseSource(random.Random(1))).replace(samples.tobytes()))
    assert len(made) == len(samples)
    for at in range(len(samples) - 15):
        if not any(samples[at : at + 16]):
            assert not any(made[at : at + 16])


def test_noise_silence_and_clipping_stay() -> None:
    silence = bytes(3200)
    loud = array("h", [32767] * 90 + [100, -100] * 800).tobytes()
    noise = Noise("16-bit PCM", NoiseSource(random.Random(1)))
    assert noise.replace(silence) == silence
    made = array("h", noise.replace(loud))
    assert made.count(32767) + made.count(-32767) == 90
    assert noise.replace(silence + VOICE[6400:9600])[:3200] == silence


def wav(data: bytes) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    notes = b"LIST" + struct.pack("<I", 12) + b"INFOZanzibar"
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + notes
    return b"RIFF\xff\xff\xff\xff" + chunks + b"data" + struct.pack("<I", len(data)) + data


def ogg_page(packets: list[bytes], *, first: bool = False) -> bytes:
    lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    head = b"OggS\0" + bytes([2 if first else 0]) + bytes(16) + bytes(4) + bytes([len(lacing)])
    return head + lacing + b"".join(packets)


OPUS = [
    ogg_page([b"OpusHead\x01\x01\x38\x01\x80\x3e\0\0\0\0\0"], first=True),
    ogg_page([b"OpusTags" + struct.pack("<I", 8) + b"Zanzibar" + bytes(4)]),
    ogg_page([b"\x48" + CHANCE.randbytes(60) for _ in range(20)]),
]
WEBM = (
    b"\x1aE\xdf\xa3\x87\x42\x82\x84webm"
    + b"\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff"
    + b"\x15I\xa9f\x8b\x7b\xa9\x88Zanzibar"
    + b"\x1fC\xb6u\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0"
    + b"".join(b"\xa3\xc0\x81\0\0\x80" + CHANCE.randbytes(60) for _ in range(9))
)
MP3 = b"ID3\x04\0\0\0\0\0\x0aZanzibar\0\0" + b"".join(
    b"\xff\xfb\x90\x64" + CHANCE.randbytes(413) for _ in range(5)
)
STREAMS = {
    "WAV": wav(VOICE),
    "Ogg/Opus": b"".join(OPUS),
    "WebM": WEBM,
    "MP3": MP3,
    "FLAC": b"fLaC\x80\0\0\x22"
    + bytes(10)
    + b"\x0a\xc4\x42\xf0"
    + bytes(20)
    + CHANCE.randbytes(900),
    "AMR": b"#!AMR\n" + b"".join(b"\x3c" + CHANCE.randbytes(31) for _ in range(9)),
    "AAC (ADTS)": b"".join(
        b"\xff\xf1\x50\x40\x19\x1f\xfc" + CHANCE.randbytes(193) for _ in range(5)
    ),
    "MP4": b"\0\0\0\x18ftypM4A \0\0\0\0" + CHANCE.randbytes(600),
}


@pytest.mark.parametrize("name", STREAMS)
def test_scrub_container_keeps_its_header_and_holds_noise(name: str, tmp_path: Path) -> None:
    original = STREAMS[name]
    assert sniff(original) == name
    records = [*opened("/v1/listen?model=nova-3")]
    records += [audio(50 + at, APP, original[at : at + 500]) for at in range(0, len(original), 500)]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace")
    noise = b"".join(f.payload for f in frames(made.path))
    assert len(noise) == len(original)
    assert sniff(noise) == name
    assert read_header(noise) == read_header(original)
    assert b"Zanzibar" not in noise
    assert bool(made.notes) == (name in ("FLAC", "MP4"))
    tail = [original[at : at + 20] for at in range(len(original) // 2, len(original) - 20, 20)]
    assert not any(piece in noise for piece in tail)


@given(st.sampled_from(sorted(STREAMS)), st.binary(max_size=300), st.integers(0, 600))
def test_container_noise_damaged_stream_is_filled(name: str, other: bytes, cut: int) -> None:
    damaged = STREAMS[name][:cut] + other
    assert len(replace_audio(name, damaged, random.Random(1).randbytes).data) == len(damaged)


@pytest.mark.one_python
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORD_KINDS["start"], st.lists(RECORDS, max_size=10))
def test_scrub_any_trace_is_written_or_raises_wsproxy_error(
    tmp_path: Path, start: Record, records: list[Record]
) -> None:
    path = make_trace(tmp_path / "wild.wstrace", [start, *records])
    out = tmp_path / "public.wstrace"
    out.unlink(missing_ok=True)
    try:
        scrub(path, out)
    except WsproxyError:
        assert not out.exists()
    else:
        Session.read(out)
