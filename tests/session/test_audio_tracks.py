"""Audio in whatever carries it: carriers, tracks and their totals."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable, Sequence

import msgpack
import pytest

from audio_samples import facts_of, listen
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog.envelope import wrap
from wsproxy.diagnose.rules.likely_causes import no_audio
from wsproxy.diagnose.rules.messages import invalid_json, text_as_audio
from wsproxy.diagnose.rules.timing import first_audio_late
from wsproxy.session import Session
from wsproxy.session.audio_track import KEPT_HEAD, AudioCursor, AudioTrack
from wsproxy.session.size_histogram import SizeHistogram
from wsproxy.trace import FrameRecord

PCM = speech(3, 16_000)
CHUNK = 3200
CHUNKS = [PCM[at : at + CHUNK] for at in range(0, len(PCM), CHUNK)]
MS = 1_000_000
Wrapped = Callable[[bytes], bytes | str]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def message(t_ms: int, from_client: bool, content: bytes | str, **values: object) -> FrameRecord:
    payload = content.encode() if isinstance(content, str) else content
    opcode = 1 if isinstance(content, str) else 2
    values = {"wire_length": len(payload) + 6, **values}
    return FrameRecord(t_ms * MS, from_client, opcode, payload, **values)  # type: ignore[arg-type]


def fold(contents: Sequence[bytes | str], *, from_client: bool = True) -> Session:
    session = Session()
    for number, content in enumerate(contents):
        session.add(message(100 * number, from_client, content))
    return session


CARRIERS: dict[str, tuple[str, str, Wrapped]] = {
    "binary": ("binary", "", lambda data: data),
    "openai": (
        "base64-json",
        "audio",
        lambda data: json.dumps({"type": "input_audio_buffer.append", "audio": b64(data)}),
    ),
    "openai server": (
        "base64-json",
        "delta",
        lambda data: json.dumps({"type": "response.output_audio.delta", "delta": b64(data)}),
    ),
    "gemini": (
        "base64-json",
        "data",
        lambda data: json.dumps(
            {"realtimeInput": {"audio": {"data": b64(data), "mimeType": "audio/pcm;rate=16000"}}}
        ),
    ),
    "gemini server": (
        "base64-json",
        "data",
        lambda data: json.dumps(
            {
                "serverContent": {
                    "modelTurn": {
                        "parts": [
                            {"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": b64(half)}}
                            for half in (data[:1600], data[1600:])
                        ]
                    }
                }
            }
        ).encode(),
    ),
    "elevenlabs": (
        "base64-json",
        "user_audio_chunk",
        lambda data: json.dumps({"user_audio_chunk": b64(data)}),
    ),
    "elevenlabs agent": (
        "base64-json",
        "audio_base_64",
        lambda data: json.dumps(
            {"type": "audio", "audio_event": {"audio_base_64": b64(data), "event_id": 1}}
        ),
    ),
    "cartesia, hume": (
        "base64-json",
        "data",
        lambda data: json.dumps({"type": "chunk", "data": b64(data), "done": False}),
    ),
    "escaped slashes": (
        "base64-json",
        "audio",
        lambda data: '{"audio":"' + b64(data).replace("/", "\\/") + '"}',
    ),
    "URL-safe, without padding": (
        "base64-json",
        "audio",
        lambda data: json.dumps({"audio": base64.urlsafe_b64encode(data).decode().rstrip("=")}),
    ),
    "a field nobody knows": (
        "base64-json",
        "zz",
        lambda data: json.dumps({"kind": 7, "zz": b64(data)}),
    ),
    "azure": (
        "framed",
        "",
        lambda data: wrap("azure", '{"Path": "audio", "X-RequestId": "1"}', data),
    ),
    "aws": ("framed", "", lambda data: wrap("event-stream", "", data)),
    "base64 text": ("base64-text", "", b64),
    "base64 as a JSON string": ("base64-text", "", lambda data: json.dumps(b64(data))),
    "twilio": (
        "twilio-json",
        "payload",
        lambda data: json.dumps(
            {"event": "media", "media": {"track": "inbound", "chunk": "1", "payload": b64(data)}}
        ),
    ),
    "node": (
        "buffer-json",
        "",
        lambda data: json.dumps({"type": "Buffer", "data": list(data)}),
    ),
    "node, in a field": (
        "buffer-json",
        "",
        lambda data: json.dumps({"audio": {"type": "Buffer", "data": list(data)}}),
    ),
    "typed array": (
        "buffer-json",
        "",
        lambda data: json.dumps({str(at): value for at, value in enumerate(data)}),
    ),
    "data URL": ("data-url", "", lambda data: "data:audio/wav;base64," + b64(data)),
    "data URL in a field": (
        "data-url",
        "",
        lambda data: json.dumps({"audio": "data:audio/wav;base64," + b64(data)}),
    ),
    "kind of the field's name": (
        "base64-json",
        "audio",
        lambda data: json.dumps({"type": "audio", "audio": b64(data)}),
    ),
    "hexadecimal": (
        "hex-json",
        "audio",
        lambda data: json.dumps({"event": "task_continued", "data": {"audio": data.hex()}}),
    ),
    "MessagePack": (
        "msgpack",
        "audio",
        lambda data: msgpack.packb({"event": "audio", "audio": data}),
    ),
    "printed by Python": (
        "printed-bytes",
        "",
        lambda data: "b'" + "".join(f"\\x{b:02x}" for b in data) + "'",
    ),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_track_of_each_carrier_has_the_same_audio(name: str) -> None:
    carrier, field, wrapped = CARRIERS[name]
    for from_client in (True, False):
        session = fold([wrapped(chunk) for chunk in CHUNKS], from_client=from_client)
        [track] = session.audio.tracks(from_client=from_client)
        assert session.audio.tracks(from_client=not from_client) == []
        assert (track.carrier, track.json_field) == (carrier, field)
        assert (track.messages, track.size) == (len(CHUNKS), len(PCM))
        assert track.head == PCM[:KEPT_HEAD]
        assert (track.sizes.shortest, track.sizes.longest) == (CHUNK, CHUNK)
        assert track.first is not None and track.last is not None
        assert (track.first.frame, track.last.frame) == (1, len(CHUNKS))
        assert track.longest_gap.length_ns == 100 * MS


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"Results","channel":{"alternatives":[{"transcript":"' + "a word " * 60 + '"}]}}',
        json.dumps({"token": "eyJhbGciOiJIUzI1NiJ9" + "a" * 200}),
        json.dumps({"type": "x", "image_url": "data:image/png;base64," + b64(bytes(500))}),
        json.dumps({"inlineData": {"mimeType": "image/jpeg", "data": b64(PCM[:9000])}}),
        json.dumps({"id": "0123456789abcdef" * 20}),
        json.dumps({"words": [{"start": n / 10, "end": n / 10 + 0.1} for n in range(100)]}),
        json.dumps({"embedding": [1, 2, 3]}),
        "[object Object" + "x" * 20,
        "b'short'",
        "",
    ],
)
def test_track_text_that_is_no_audio_is_none(text: str) -> None:
    assert fold([text] * 5).audio.tracks(from_client=True) == []


def test_track_object_printed_as_text_is_a_track_without_bytes() -> None:
    [track] = fold(["[object Blob]"] * 3).audio.tracks(from_client=True)
    assert (track.carrier, track.messages, track.size) == ("object-text", 3, 0)


def test_track_short_last_chunk_in_json_counts() -> None:
    wrapped = CARRIERS["openai"][2]
    [track] = fold([wrapped(CHUNKS[3]), wrapped(b"\1\2\3\4")]).audio.tracks(from_client=True)
    assert (track.messages, track.size) == (2, CHUNK + 4)


def call_media(track: str, data: bytes) -> str:
    media = {"track": track, "payload": b64(data)}
    return json.dumps({"event": "media", "streamSid": "MZ1", "media": media})


def test_track_of_10_ms_of_a_call_is_audio_from_the_first_message_on() -> None:
    contents = [call_media("inbound", PCM[at : at + 80]) for at in range(0, 8000, 80)]
    [track] = fold(contents).audio.tracks(from_client=True)
    assert (track.carrier, track.messages, track.size) == ("twilio-json", 100, 8000)


@pytest.mark.parametrize("size", [80, 160])
def test_track_of_both_sides_of_a_call_are_two(size: int) -> None:
    contents = [
        call_media(track, PCM[at : at + size])
        for at in range(0, 8000, size)
        for track in ("inbound", "outbound")
    ]
    tracks = fold(contents).audio.tracks(from_client=True)
    assert [each.json_field for each in tracks] == ["payload", "payload outbound"]
    assert [each.size for each in tracks] == [8000, 8000]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"event": "media", "media": {"payload": "so short"}, "a": "x " * 50}),
        json.dumps({"type": "audio", "id": "0123456789abcdef" * 4, "more": "x " * 50}),
        json.dumps({"type": "text", "audio": "0123456789abcdef" * 4, "more": "x " * 50}),
    ],
)
def test_track_of_short_texts_that_are_no_audio_is_none(text: str) -> None:
    assert fold([text] * 5).audio.tracks(from_client=True) == []


DECLARED: dict[str, tuple[str, bytes]] = {
    "at the path": ('{"type": "x", "event": {"audio": "AAEC"}}', b"\0\1\2"),
    "beside a long text": (json.dumps({"a": "so " * 50, "event": {"audio": "AAEC"}}), b"\0\1\2"),
    "at another path": ('{"type": "x", "audio": "AAEC"}', b""),
    "of a kind with audio": ('{"type": "response.audio.delta", "delta": "AAEC"}', b"\0\1\2"),
    "of a kind with text": ('{"type": "response.text.delta", "delta": "AAEC"}', b""),
    "no base64": ('{"type": "x", "event": {"audio": "!?"}}', b""),
    "no text": ('{"type": "x", "event": {"audio": null}}', b""),
}


@pytest.mark.parametrize("name", DECLARED)
def test_track_short_audio_counts_where_the_api_has_audio(name: str) -> None:
    text, found = DECLARED[name]
    session = Session()
    session.audio.declare_fields(["event.audio", "delta"])
    session.add(message(100, True, text))
    assert sum(each.size for each in session.audio.tracks(from_client=True)) == len(found)
    assert not fold([text]).audio.tracks(from_client=True)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_track_of_json_in_binary_messages_that_end_with_a_line(end: str) -> None:
    text = json.dumps({"inlineData": {"mimeType": "audio/pcm", "data": b64(PCM)}}) + end
    (track,) = fold([text.encode()]).audio.tracks(from_client=True)
    assert (track.carrier, track.size) == ("base64-json", len(PCM))


def test_track_of_base64_in_lines_has_no_escapes() -> None:
    text = json.dumps({"audio": base64.encodebytes(PCM).decode()}).replace("/", "\\/")
    (track,) = fold([text]).audio.tracks(from_client=True)
    assert track.head == PCM[:KEPT_HEAD]


def test_track_short_text_in_the_same_field_of_another_kind_does_not_count() -> None:
    transcript = json.dumps({"type": "response.output_audio_transcript.delta", "delta": "Good"})
    contents = [CARRIERS["openai server"][2](CHUNKS[3]), transcript]
    [track] = fold(contents, from_client=False).audio.tracks(from_client=False)
    assert track.messages == 1


@pytest.mark.parametrize("name", ["binary", "openai", "azure"])
def test_track_fragmented_message_is_one_message(name: str) -> None:
    content = CARRIERS[name][2](CHUNKS[3])
    payload = content.encode() if isinstance(content, str) else content
    session = Session()
    first, rest = payload[:1000], payload[1000:]
    session.add(message(1, True, payload))
    opcode = 1 if isinstance(content, str) else 2
    session.add(FrameRecord(2 * MS, True, opcode, first, fin=False, wire_length=1006))
    session.add(FrameRecord(3 * MS, True, 0, rest, wire_length=len(rest) + 6))
    [track] = session.audio.tracks(from_client=True)
    assert (track.messages, track.size, track.fragmented) == (2, 2 * CHUNK, 1)
    assert track.last is not None and (track.last.frame, track.last.t_ns) == (2, 2 * MS)


def test_track_of_messages_that_were_cut_counts_the_missing_bytes() -> None:
    session = Session()
    whole = str(CARRIERS["openai"][2](CHUNKS[3])).encode()
    session.add(message(1, True, whole[:1000].decode(), cut=len(whole) - 1000))
    session.add(message(2, True, CHUNKS[3][:100], cut=CHUNK - 100))
    json_track, binary = sorted(session.audio.tracks(from_client=True), key=lambda t: t.carrier)
    assert binary.size == pytest.approx(CHUNK, abs=3) or json_track.size == CHUNK
    assert {t.carrier for t in (json_track, binary)} == {"binary", "base64-json"}
    assert all(track.size == pytest.approx(CHUNK, abs=3) for track in (json_track, binary))


def test_track_fastest_window_is_found_with_its_start() -> None:
    track = AudioTrack(True, "binary")
    times = [*range(0, 10_000, 100), *range(10_000, 12_000, 20), *range(12_000, 20_000, 100)]
    for frame, t_ms in enumerate(times, 1):
        track.add(frame, t_ms * MS, 3200)
    assert track.fastest.size == pytest.approx((2000 // 20 + 3000 // 100 + 1) * 3200, abs=3200)
    assert track.fastest.start is not None
    assert times[track.fastest.start.frame - 1] == pytest.approx(8000, abs=2100)


@pytest.mark.cost
def test_track_memory_does_not_grow_with_the_session() -> None:
    def grown(count: int) -> int:
        track = AudioTrack(True, "binary")
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for frame in range(1, count + 1):
            track.add(frame, frame * 20 * MS, 640 + frame % 3000)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return after - before

    assert grown(120_000) < 1.5 * grown(15_000)


def test_cursor_of_a_long_track_is_right_at_any_time() -> None:
    cursor = AudioCursor()
    for chunk in range(1, 50_001):
        cursor.add(chunk * 20 * MS, chunk * 640)
    for chunk in (1, 7, 100, 2049, 25_000, 48_999, 49_500, 50_000):
        assert cursor.size_at(chunk * 20 * MS) == pytest.approx(chunk * 640, abs=640 * 2)
        at = cursor.time_at(chunk * 640)
        assert at is not None and at / MS / 20 == pytest.approx(chunk, abs=32)
    assert cursor.time_at(50_000 * 640) == 50_000 * 20 * MS
    assert cursor.time_at(50_000 * 640 + 1) is None
    assert cursor.size_at(0) == 0
    assert cursor.size_at(10**15) == 50_000 * 640


def test_sizes_select_counts_and_keeps_the_first_places() -> None:
    sizes = SizeHistogram()
    for frame in range(1, 101):
        sizes.add(100 if frame % 10 else 7, frame, frame * MS)
    short = sizes.select(lambda size: size < 50)
    assert (short.count, short.shortest, short.longest) == (10, 7, 7)
    assert short.frames == (10, 20, 30, 40, 50, 60)
    assert short.without(20).frames == (10, 30, 40, 50, 60)
    assert short.without(20).count == 9
    assert not sizes.select(lambda size: size > 100)
    assert (sizes.median, len(sizes)) == (100, 100)


def test_sizes_of_many_kinds_are_bounded_and_about_right() -> None:
    sizes = SizeHistogram()
    for frame in range(1, 100_001):
        sizes.add(frame, frame, frame)
    assert len(sizes) == 100_000
    assert sizes.median == pytest.approx(50_000, rel=0.05)
    assert (sizes.shortest, sizes.longest) == (1, 100_000)
    assert sizes.select(lambda size: size > 50_000).count == pytest.approx(50_000, rel=0.05)
    assert len(sizes._buckets) < 1000


def test_rule_text_as_audio_counts_all_messages_of_a_long_session() -> None:
    texts = [b64(CHUNKS[number % 20]) for number in range(500)]
    facts = facts_of(listen("encoding=linear16&sample_rate=16000"), texts)
    [evidence] = text_as_audio(facts)
    assert (evidence.value, evidence.frames) == (500.0, (1, 2, 3, 4, 5))
    assert "frame 1, 2, 3, 4, 5 and 495 more" in evidence.text
    assert invalid_json(facts) == []  # it is one fault, not two
    assert no_audio(facts) == []
    assert first_audio_late(facts) == []
