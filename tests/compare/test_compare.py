"""The parts of a comparison: kinds, messages, volatile values, latency, hostile input."""

from __future__ import annotations

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from sessions import (
    APP,
    LISTEN,
    MS,
    SERVER,
    SPEAK,
    STALLED,
    Records,
    audio,
    closed,
    opened,
    result,
    text_message,
    write,
)
from wsproxy.catalog import load
from wsproxy.compare import Comparison, Tolerances, compare, kind_of
from wsproxy.compare.excerpt import around_difference
from wsproxy.compare.message_kinds import Role, role_of
from wsproxy.compare.volatile_values import is_volatile, mask_volatile, mask_volatile_value
from wsproxy.trace import FrameRecord
from wsproxy.wire import Opcode


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("Begin", Role.COUNTED),
        ("Flushed", Role.COUNTED),
        ("Error 3006", Role.COUNTED),
        ("SpeechMetadata", Role.COUNTED),
        ("Termination", Role.COUNTED),
        ("SpeechStarted", Role.NONDETERMINISTIC),
        ("UtteranceEnd", Role.NONDETERMINISTIC),
        ("AudioAdded", Role.NONDETERMINISTIC),
        ("speech.hypothesis", Role.NONDETERMINISTIC),
        ("input_audio_buffer.speech_started", Role.NONDETERMINISTIC),
    ],
)
def test_role_of_kind_is_expected(kind: str, role: Role) -> None:
    assert role_of(kind, load().api("deepgram", "listen")) is role


def chunk(data: bytes) -> dict[str, Any]:
    return {"message_type": "input_audio_chunk", "audio_base_64": base64.b64encode(data).decode()}


def test_compare_audio_in_json_is_one_stream(tmp_path: Path) -> None:
    def trace(name: str, chunks: list[bytes]) -> Path:
        sent = [text_message(100 + n, APP, chunk(data)) for n, data in enumerate(chunks)]
        records = [*opened("/"), *sent, closed(500, APP, 1000)]
        return write(tmp_path / name, records, provider="elevenlabs", api="stt")

    left = trace("a", [b"abcdef", b"ghi"])
    assert compare(left, trace("b", [b"abcdef", b"ghi"])).sent == "equal"
    assert compare(left, trace("c", [b"abc", b"defghi"])).sent == "re-chunked"
    other = compare(left, trace("d", [b"abc", b"defgXi"]))
    assert other.sent == "different audio"
    assert "byte 7" in other.differences[0].replayed


def test_compare_different_audio_names_time_and_frames(tmp_path: Path) -> None:
    path = "/v1/listen?encoding=linear16&sample_rate=16000"

    def trace(name: str, *chunks: bytes) -> Path:
        sent = [audio(100 + 10 * n, APP, data) for n, data in enumerate(chunks)]
        return write(tmp_path / name, [*opened(path), *sent, closed(900, APP, 1000)])

    left = trace("a", bytes(16_000), bytes(32_000))
    right = trace("b", bytes(16_000), bytes(8_000), bytes(8_000) + b"\1" + bytes(15_999))
    (difference,) = compare(left, right).differences
    assert difference.field == "audio_sent"
    assert "byte 32000 (1.000 s)" in difference.replayed
    assert (difference.recorded_frame, difference.replayed_frame) == (2, 3)


def test_compare_changed_message_shows_surroundings(tmp_path: Path) -> None:
    def trace(name: str, word: str) -> Path:
        text = "a " * 500 + word + " z" * 500
        records = [*opened("/"), text_message(30, APP, {"type": "Speak", "text": text})]
        return write(tmp_path / name, records, api="speak")

    (difference,) = compare(trace("a", "left"), trace("b", "right")).differences
    assert "left" in difference.recorded
    assert "right" in difference.replayed
    assert len(difference.recorded) < 200
    assert (difference.recorded_frame, difference.replayed_frame) == (1, 1)


def test_compare_long_sequence_shows_surroundings(tmp_path: Path) -> None:
    flushes: Records = [text_message(100 + n, SERVER, {"type": "Flushed"}) for n in range(100)]
    left = write(tmp_path / "a", [*opened("/"), *flushes], api="speak")
    changed = [*flushes[:50], text_message(150, SERVER, {"type": "Cleared"}), *flushes[51:]]
    right = write(tmp_path / "b", [*opened("/"), *changed], api="speak")
    (difference,) = compare(left, right).differences
    assert difference.recorded[0] == difference.recorded[-1] == "…"
    assert "Cleared" in difference.replayed
    assert len(difference.replayed) < 40
    assert (difference.recorded_frame, difference.replayed_frame) == (51, 51)


def test_compare_messages_beyond_limit_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.compare.sequence.MAX_ITEMS", 10)
    flushes: Records = [text_message(100 + n, SERVER, {"type": "Flushed"}) for n in range(20)]
    left = write(tmp_path / "a", [*opened("/"), *flushes], api="speak")
    right = write(tmp_path / "b", [*opened("/"), *flushes[:-1]], api="speak")
    assert [d.field for d in compare(left, right).differences] == ["messages"]


def test_compare_message_after_result_in_flight_is_required(tmp_path: Path) -> None:
    """The app leaves on an error: results of the last moment need not come, the error must."""
    begun: Records = [*opened("/v1/listen?model=nova-3"), audio(100, APP, b"a" * 320)]
    error = text_message(1980, SERVER, {"type": "Error", "description": "too slow"})
    left = closed(2000, APP, 1000)
    last = result(1960, "", final=True)
    complete = write(tmp_path / "a", [*begun, last, error, left])
    sooner = write(tmp_path / "b", [*begun, error, left])
    without = write(tmp_path / "c", [*begun, left])
    assert compare(complete, sooner).same
    assert compare(sooner, complete).same
    (difference,) = compare(complete, without).differences
    assert (difference.field, difference.recorded_frame) == ("messages", 3)
    (difference,) = compare(without, complete).differences
    assert (difference.field, difference.replayed_frame) == ("messages", 3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No messages received for 5 seconds", "No messages received for 12.5 seconds"),
        ("20.0 ms. Expected", "19.9 ms. Expected"),
        ("id 9a8b7c6d-1111-4000-8000-000000000001", "id 00000000-1111-4000-8000-000000000002"),
        ("at 2026-01-02T03:04:05Z", "at 2027-11-12T13:14:15.678Z"),
    ],
)
def test_mask_volatile_measurements_ids_times_are_masked(one: str, other: str) -> None:
    assert mask_volatile(one) == mask_volatile(other)


@pytest.mark.parametrize(
    ("one", "other"), [("NET-0001", "NET-0000"), ("code 3006", "code 3007"), ("a", "b")]
)
def test_mask_volatile_error_texts_stay_different(one: str, other: str) -> None:
    assert mask_volatile(one) != mask_volatile(other)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"Results","is_final":false}', "Results"),
        ('{"message_type":"FinalTranscript"}', "FinalTranscript"),
        ('{"type":"Error","error_code":3006}', "Error 3006"),
        ('{"b":1,"a":2}', "{a, b}"),
        ("[1]", "text"),
        ("hello", "text"),
        ("[" * 100_000, "text"),
    ],
)
def test_kind_of_message_is_expected(text: str, kind: str) -> None:
    assert kind_of(text.encode()) == kind


@pytest.mark.parametrize(
    "name",
    ["request_id", "id", "sessionId", "X-RequestId", "X-Timestamp", "created_at", "last_seq_no"],
)
def test_is_volatile_id_and_time_names_are_volatile(name: str) -> None:
    assert is_volatile(name)


@pytest.mark.parametrize(
    "name", ["model_id", "voice_id", "agentId", "text", "utterance_end_ms", "format", "period"]
)
def test_is_volatile_other_names_are_not_volatile(name: str) -> None:
    assert not is_volatile(name)


def test_mask_volatile_without_numbers_keeps_numbers() -> None:
    assert mask_volatile_value({"text": "5 seconds"}, numbers=False) == {"text": "5 seconds"}
    assert mask_volatile_value({"text": "5 seconds"}) == {"text": "<n> seconds"}


def test_around_difference_long_values_are_shortened() -> None:
    left, right = around_difference("a" * 1000 + "b", "a" * 1000 + "c" * 1000)
    assert left == "…" + "a" * 40 + "b"
    assert right == "…" + "a" * 40 + "c" * 80 + "…"
    assert around_difference("one", "two") == ("one", "two")


def test_latency_missing_on_one_side_is_omitted(tmp_path: Path) -> None:
    found = compare(write(tmp_path / "a", LISTEN), write(tmp_path / "b", LISTEN)).latency
    assert {name: values["recorded"] for name, values in found.items()} == {
        "upgrade": 20.0,
        "first_message": 130.0,
        "first_transcript": 50.0,
        "final_transcript": 100.0,
        "close": 1.0,
    }
    speak = write(tmp_path / "c", SPEAK, api="speak")
    assert set(compare(tmp_path / "a", speak).latency) == {"upgrade", "first_message", "close"}


def test_latency_of_both_sides_has_delta(tmp_path: Path) -> None:
    late = [*STALLED[:-2], closed(12_500, SERVER, 1011, "NET-0001")]
    left, right = write(tmp_path / "a", STALLED), write(tmp_path / "b", late)
    found = compare(left, right)
    assert found.same
    assert found.latency["close"] == {"recorded": 10_000.0, "replayed": 12_000.0, "delta": 2_000.0}


def test_comparison_as_json_has_documented_names(tmp_path: Path) -> None:
    trace = write(tmp_path / "a", LISTEN)
    out = compare(trace, trace).as_json()
    assert list(out) == [
        "verdict",
        "recorded",
        "replayed",
        "differences",
        "sent",
        "wer",
        "latency",
        "compared",
        "not_compared",
        "tolerance",
        "notes",
    ]
    assert out["recorded"]["transcript"] == "The quick brown fox jumps. Over the lazy dog, it was."
    assert out["recorded"]["messages"] == ["Results", "Warning", "Results", "Metadata"]
    assert out["recorded"]["nondeterministic"] == ["Results (interim)"]
    json.dumps(out)


HOSTILE: dict[str, bytes] = {
    "deep list": b"[" * 200_000,
    "deep object": b'{"a":' * 200_000,
    "deep inside": b'{"type":"Error","x":' + b"[" * 900 + b"]" * 900 + b"}",
    "deep audio": b'{"type":"x","audio":' + b'{"audio":' * 900 + b"1" + b"}" * 901,
    "huge": b'{"type":"Turn","transcript":"' + b"x" * (3 << 20) + b'","end_of_turn":true}',
    "no UTF-8": b'{"type":"Error","error":"\xff\xfe"}\xc3',
    "surrogate": b'{"type":"Error","error":"\\ud800","\\udfff":1}',
    "large number": b'{"type":"Error","code":' + b"9" * 5000 + b"}",
    "no numbers": b'{"type":"Error","a":NaN,"b":-Infinity}',
    "wrong types": b'{"type":7,"transcript":[1],"end_of_turn":"yes","turn_order":true,"tokens":5}',
    "lists": b'{"channel":[],"channel_index":[],"tokens":[[],null],"Transcript":{"Results":3}}',
    "kind is huge": b'{"type":"' + b"k" * 100_000 + b'"}',
    "empty": b"",
    "one word": b'{"type":"Turn","end_of_turn":true,"transcript":"' + b"w" * 900_000 + b'"}',
}


# Each message with some APIs, each API with some messages.
@pytest.mark.one_python
@pytest.mark.sweep(kind=lambda name: name, keep=2)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "api",
    [
        ("deepgram", "listen"),
        ("assemblyai", "streaming"),
        ("soniox", "stt"),
        ("openai", "realtime"),
        ("aws_transcribe", "stream"),
        ("azure_speech", "stt"),
        ("gemini", "live"),
        (None, None),
    ],
)
def test_compare_hostile_messages_does_not_raise(
    name: str, api: tuple[str | None, str | None], tmp_path: Path
) -> None:
    data = HOSTILE[name]
    frames = [
        FrameRecord((30 + 2 * n + opcode) * MS, side, opcode, data)
        for n, side in enumerate((APP, SERVER))
        for opcode in (int(Opcode.TEXT), int(Opcode.BINARY))
    ]
    left = write(tmp_path / "a", [*opened("/"), *frames], provider=api[0], api=api[1])
    right = write(tmp_path / "b", [*opened("/"), *frames[1:]], provider=api[0], api=api[1])
    assert compare(left, left, rules=Tolerances(strict=True)).same
    found: Comparison = compare(left, right)
    assert not found.same
    json.dumps(found.as_json())


def test_compare_endless_query_does_not_raise(tmp_path: Path) -> None:
    left = write(tmp_path / "a", opened("/?" + "a=1&" * 5000))
    right = write(tmp_path / "b", opened("/?" + "a=1&" * 5001))
    assert [d.field for d in compare(left, right).differences] == ["query"]


def test_compare_audio_in_flight_is_not_rechunked(tmp_path: Path) -> None:
    left = write(tmp_path / "a", STALLED)
    right = write(tmp_path / "b", [*STALLED, audio(10_499, APP, b"late")])
    assert compare(left, right).sent == "equal"


def test_compare_large_traces_uses_bounded_memory(tmp_path: Path) -> None:
    def trace(name: str, size: int) -> Path:
        count = (16 << 20) // size
        sent = [audio(100 + n, APP, bytes([1]) * size) for n in range(count)]
        return write(tmp_path / name, [*opened("/v1/listen"), *sent, closed(9000, APP, 1000)])

    left, right = trace("a", 64 << 10), trace("b", 32 << 10)
    tracemalloc.start()
    try:
        found = compare(left, right, rules=Tolerances(strict=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.sent == "re-chunked"
    assert [difference.field for difference in found.differences] == ["frame_sent"]
    assert peak < 8 << 20
