"""What each change does, and that the new trace is valid."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutations import (
    BINARY,
    CLOSE,
    MS,
    ORIGINAL,
    SOME,
    TEXT,
    S,
    changed,
    end_of,
    frame,
    frames,
    good_records,
    head,
    simple,
)
from traces import make_trace, read_trace
from wsproxy.errors import UsageError
from wsproxy.mutate import Change, Chunk, Corrupt, Cut, Drop, KeepAlive, Replace, Stall, mutate
from wsproxy.trace import Bytes, End, Eof, FrameRecord, Record, Start
from wsproxy.wire import RSV1, Opcode


def audio(records: Iterable[Record]) -> bytes:
    return b"".join(f.payload for f in frames(records, from_client=True) if f.opcode == BINARY)


@pytest.mark.parametrize("change", SOME, ids=str)
def test_mutate_change_gives_a_valid_trace_and_keeps_the_original(
    change: Change, good_trace: Path
) -> None:
    before = good_trace.read_bytes()
    assert changed(good_trace, change)
    assert good_trace.read_bytes() == before


@pytest.mark.parametrize("change", SOME, ids=str)
def test_change_text_parses_to_the_same_change(change: Change) -> None:
    name, _, value = str(change).partition(" ")
    value, _, after = value.partition(" after ")
    again = type(change).parse(value, after) if after else type(change).parse(value)  # type: ignore[attr-defined]
    assert again == change
    assert name


@given(st.lists(st.sampled_from(SOME), min_size=2, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutate_any_changes_give_a_valid_trace_or_none(
    good_trace: Path, changes: list[Change]
) -> None:
    with contextlib.suppress(UsageError):  # one that an earlier one made impossible
        changed(good_trace, *changes)


def test_mutate_several_changes_are_applied_in_order(good_trace: Path) -> None:
    cut_first = changed(good_trace, Cut.parse("..3s"), Stall.parse("3s+1s"))
    stall_first = changed(good_trace, Stall.parse("3s+1s"), Cut.parse("..3s"))
    assert simple(cut_first) != simple(stall_first)


# -- time


def test_cut_interval_removes_both_sides_and_closes_the_gap(good_trace: Path) -> None:
    records = changed(good_trace, Cut.parse("2s..8s"))
    kept = [f for f in ORIGINAL if not 2 * S <= f[0] < 8 * S]
    assert simple(records) == [(t if t < 2 * S else t - 6 * S, *rest) for t, *rest in kept]
    assert end_of(records).t_ns == 5300 * MS


def test_cut_to_the_end_keeps_the_ending(good_trace: Path) -> None:
    records = changed(good_trace, Cut.parse("3s.."))
    assert [f.opcode for f in frames(records)][-2:] == [CLOSE, CLOSE]
    assert len(frames(records)) == 23
    assert end_of(records).ending == "close"
    assert end_of(records).t_ns == 3 * S


def test_cut_from_the_beginning_keeps_the_handshake(good_trace: Path) -> None:
    records = changed(good_trace, Cut.parse("..8s"))
    assert [record.t_ns for record in records[:4]] == [0, 0, 100 * MS, 100 * MS]
    assert audio(records)[0] == 20


def test_cut_message_in_fragments_is_removed_completely(tmp_path: Path) -> None:
    parts = [
        frame(1 * S, True, TEXT, "a", fin=False),
        frame(2 * S, False, TEXT, "b", fin=False),
        frame(3 * S, True, Opcode.CONTINUATION, "a"),
        frame(4 * S, False, Opcode.CONTINUATION, "b"),
        frame(5 * S, False, Opcode.PING, "p"),
        Bytes(6 * S, False, b"\xff", "x"),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *parts, End(7 * S, "unfinished")])
    records = changed(path, Cut.parse("1.5s..3.5s"))
    assert [(f.t_ns, f.payload) for f in frames(records)] == [
        (1 * S, b"a"), (1500 * MS, b"a"), (3 * S, b"p"),
    ]  # fmt: skip
    assert not any(f.broken_rule for f in frames(records))
    assert end_of(records).ending == "unfinished"


def test_stall_records_after_it_are_delayed(good_trace: Path) -> None:
    records = changed(good_trace, Stall.parse("5s+15s"))
    assert simple(records) == [(t if t <= 5 * S else t + 15 * S, *rest) for t, *rest in ORIGINAL]
    assert end_of(records).t_ns == 26300 * MS


def test_stall_client_only_keeps_the_servers_times(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a"),
        frame(2 * S, True, BINARY, "b"),
        frame(3 * S, False, TEXT, "x"),
        frame(4 * S, True, CLOSE, b""),
        frame(5 * S, False, CLOSE, b""),
        Eof(6 * S, False),
        Eof(7 * S, True),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(7 * S, "close")])
    records = changed(path, Stall.parse("1s+10s:client"))
    # The server's records after the client's Close are a reaction to it.
    assert [(f.t_ns // S, f.from_client) for f in frames(records)] == [
        (1, True), (3, False), (12, True), (14, True), (15, False),
    ]  # fmt: skip
    assert [r.t_ns // S for r in records if isinstance(r, Eof)] == [16, 17]
    assert end_of(records).closed_by == "client"


def test_stall_client_only_keeps_the_time_of_the_servers_close(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a"),
        frame(2 * S, True, BINARY, "b"),
        frame(3 * S, False, CLOSE, b""),
        frame(4 * S, True, CLOSE, b""),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(4 * S, "close")])
    records = changed(path, Stall.parse("1s+10s:client"))
    assert [f.t_ns // S for f in frames(records)] == [1, 3, 12, 14]
    assert end_of(records).closed_by == "server"


# -- KeepAlive


def test_keepalive_drop_removes_all(good_trace: Path) -> None:
    records = changed(good_trace, KeepAlive.parse("drop"))
    assert simple(records) == [f for f in ORIGINAL if b"KeepAlive" not in f[3]]


def test_keepalive_add_fills_the_clients_silence(good_trace: Path) -> None:
    records = changed(good_trace, KeepAlive.parse("add:1s"))
    new = [f for f in simple(records) if f not in ORIGINAL]
    # Silent: 2.1 to 5.0, 5.0 to 8.0, 9.9 to 11.0.
    assert [t for t, *_ in new] == [3100 * MS, 4100 * MS, 6 * S, 7 * S, 10900 * MS]
    assert {f[1:3] for f in new} == {(True, TEXT)}
    assert {f[3] for f in new} == {b'{"type": "KeepAlive"}'}


@pytest.mark.parametrize(("provider", "api", "text"), [("soniox", "stt", {"type": "keepalive"})])
def test_keepalive_add_uses_the_message_of_the_api(
    tmp_path: Path, provider: str, api: str, text: object
) -> None:
    path = make_trace(tmp_path / "t.wstrace", [*head(provider, api), End(5 * S, "stopped")])
    records = changed(path, KeepAlive.parse("add:2s"))
    assert [json.loads(f.payload) for f in frames(records)] == [text] * 2


def test_keepalive_add_within_a_message_is_not_inserted(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a", fin=False),
        frame(9 * S, True, Opcode.CONTINUATION, "b"),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(11 * S, "stopped")])
    records = changed(path, KeepAlive.parse("add:1s"))
    assert [f.t_ns // MS for f in frames(records)] == [1000, 9000, 10000]


# -- audio


@pytest.mark.parametrize("size", [1, 7, 640, 3200, 5000, 1 << 20])
def test_chunk_any_size_keeps_the_audio(tmp_path: Path, size: int) -> None:
    short = [r for r in good_records() if getattr(r, "opcode", 0) != BINARY or r.t_ns < 400 * MS]
    path = make_trace(tmp_path / "t.wstrace", short)
    records = changed(path, Chunk(size=size))
    assert audio(records) == audio(short)
    chunks = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    assert all(len(f.payload) == size for f in chunks[:-1])


def test_chunk_smaller_keeps_rate_pauses_and_text_messages(good_trace: Path) -> None:
    records = changed(good_trace, Chunk.parse("20ms"))
    chunks = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    assert {len(f.payload) for f in chunks} == {640}
    first, second = chunks[:100], chunks[100:]
    assert [f.t_ns for f in first] == [(200 + 20 * n) * MS for n in range(100)]
    assert [f.t_ns for f in second] == [(8000 + 20 * n) * MS for n in range(100)]
    assert [f for f in simple(records) if f[2] != BINARY] == [f for f in ORIGINAL if f[2] != BINARY]


def test_chunk_larger_is_sent_at_the_time_of_its_first_byte(good_trace: Path) -> None:
    records = changed(good_trace, Chunk(size=4800))
    chunks = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    times = [f.t_ns for f in chunks if f.t_ns < 5 * S]
    assert times == [(200 + 150 * n) * MS for n in range(14)]
    assert len(chunks[13].payload) == 64000 - 13 * 4800  # what is left before the KeepAlive


def test_chunk_burst_is_sent_at_once(tmp_path: Path) -> None:
    burst = [frame(1 * S, True, BINARY, bytes(100)) for _ in range(3)]
    last = frame(1 * S, True, TEXT, "end")
    path = make_trace(
        tmp_path / "t.wstrace", [*head(None, None), *burst, last, End(2 * S, "stopped")]
    )
    records = changed(path, Chunk(size=50))
    assert [(f.t_ns, len(f.payload)) for f in frames(records)] == [(1 * S, 50)] * 6 + [(1 * S, 3)]


# -- frames


def test_drop_numbers_are_those_of_the_original(good_trace: Path) -> None:
    records = changed(good_trace, Drop.parse("1..20"), Drop.parse("#22"))
    assert simple(records) == [ORIGINAL[20], *ORIGINAL[22:]]


@pytest.mark.parametrize(("text", "at"), [("3", 1600), ("3:0", 0), ("3:3199", 3199)])
def test_corrupt_offset_flips_the_byte(good_trace: Path, text: str, at: int) -> None:
    (_, _, _, old), new = ORIGINAL[2], simple(changed(good_trace, Corrupt.parse(text)))[2][3]
    assert [n for n in range(len(old)) if old[n] != new[n]] == [at]
    assert old[at] ^ new[at] == 0xFF
    assert len(new) == len(old)


def test_replace_payload_keeps_the_rest_of_the_frame(good_trace: Path) -> None:
    records = changed(good_trace, Replace.parse("3=a=b é"))
    assert simple(records)[2] == (*ORIGINAL[2][:3], "a=b é".encode())
    assert frames(records)[2].wire_length == 2 + 4 + 6


def test_replace_compressed_message_becomes_uncompressed(tmp_path: Path) -> None:
    deflated: dict[str, Any] = {"rsv": RSV1}
    script = [
        frame(1 * S, False, TEXT, "x" * 1000, fin=False, **deflated),
        frame(2 * S, False, Opcode.CONTINUATION, "y" * 1000),
        frame(3 * S, False, TEXT, "z" * 1000, **deflated),
    ]
    script = [dataclasses.replace(r, wire_length=20) for r in script if isinstance(r, FrameRecord)]
    extension = ["Sec-WebSocket-Extensions", "permessage-deflate"]
    path = make_trace(
        tmp_path / "t.wstrace", [*head(more=[extension]), *script, End(4 * S, "stopped")]
    )
    first, second, third = frames(changed(path, Replace.parse("2=new")))
    assert (first.rsv, first.wire_length, second.wire_length) == (0, 4 + 1000, 2 + 3)
    assert (third.rsv, third.wire_length) == (RSV1, 20)
    assert not any(f.broken_rule for f in (first, second, third))


def test_mutate_broken_rules_are_recorded(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, TEXT, "a", fin=False),
        frame(2 * S, True, Opcode.CONTINUATION, "b"),
        frame(3 * S, False, Opcode.PING, "p"),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(4 * S, "stopped")])
    (rest, _) = frames(changed(path, Drop.parse("1")))
    assert rest.broken_rule == "continuation frame without a message (section 5.4)"
    long = frames(changed(path, Replace.parse("3=" + "x" * 126)))[2]
    assert long.broken_rule == "control frame with over 125 bytes (section 5.5)"


def test_mutate_capture_messages_adds_no_masks(tmp_path: Path) -> None:
    start, *rest = head()
    assert isinstance(start, Start)
    script = [FrameRecord(1 * S, True, 2, b"abcd", wire_length=4)]
    records = [
        dataclasses.replace(start, capture="messages"),
        *rest,
        *script,
        End(9 * S, "stopped"),
    ]
    path = make_trace(tmp_path / "t.wstrace", records)
    made = mutate(path, None, [KeepAlive.parse("add:4s"), Replace.parse("1=xy")])
    found = frames(read_trace(made.path)[0])
    assert [(f.mask, f.wire_length) for f in found] == [(None, 2), (None, 21)]
    assert not any(f.broken_rule for f in found)
