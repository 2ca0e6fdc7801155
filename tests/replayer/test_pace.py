"""Paces: how they are written, and when they make a step due."""

from __future__ import annotations

from pathlib import Path

import pytest

from test_schedule import ANSWER, AUDIO, FAILURE, KEEPALIVE, KEY, MS, RESULTS, taken, times, write
from trace_builder import TraceBuilder, upgrade_request
from wsproxy.errors import UsageError
from wsproxy.replayer.pace import Pace
from wsproxy.replayer.progress import ExpectedEnding, Item
from wsproxy.replayer.schedule import Schedule
from wsproxy.replayer.script import Script
from wsproxy.wire import Frame, Opcode


def text(content: str, *, masked: bool = False) -> Frame:
    return Frame(Opcode.TEXT, content.encode(), mask=KEY if masked else None)


BEGIN = text('{"type":"Begin"}')
TURN = text('{"type":"Turn"}')
FLUSHED = text('{"type":"Flushed"}')
METADATA = text('{"type":"Metadata"}')
FLUSH = text('{"type":"Flush"}', masked=True)


def scheduled(
    folder: Path, side: str, pace: str, *events: tuple[int, bool, Item], **options: str
) -> Schedule:
    path = write(folder / "t.wstrace", list(events))
    script = Script.read(path, side, Pace.parse(pace), **options)
    out = Schedule(script, timeout_ns=10_000 * MS)
    out.open(0)
    return out


@pytest.mark.parametrize(
    ("written", "pace"),
    [
        ("recorded", Pace()),
        ("fast", Pace("fast")),
        ("causal", Pace("causal")),
        ("x2", Pace("recorded", 2.0)),
        ("x0.5", Pace("recorded", 0.5)),
        ("x.25", Pace("recorded", 0.25)),
    ],
)
def test_pace_parse_valid_text_is_read(written: str, pace: Pace) -> None:
    assert Pace.parse(written) == pace
    assert Pace.parse(str(pace)) == pace


@pytest.mark.parametrize("written", ["", "slow", "x", "x0", "x-1", "xnan", "xinf", "x1e9", "2x"])
def test_pace_parse_invalid_text_raises(written: str) -> None:
    with pytest.raises(UsageError, match="pace"):
        Pace.parse(written)


STALL = [(0, True, AUDIO), (20, True, AUDIO), (12_020, False, FAILURE), (12_021, True, ANSWER)]


@pytest.mark.parametrize(("pace", "at"), [("x2", [0, 10]), ("x0.5", [0, 40])])
def test_schedule_client_at_other_speed_scales_times(
    pace: str, at: list[int], tmp_path: Path
) -> None:
    plan = scheduled(tmp_path, "client", pace, *STALL)
    assert times(taken(plan, at[0])) == [at[0]]
    assert taken(plan, at[1] - 1) == []
    assert times(taken(plan, at[1])) == [at[1]]


def test_schedule_server_at_other_speed_keeps_gate(tmp_path: Path) -> None:
    plan = scheduled(tmp_path, "server", "x4", *STALL)
    assert taken(plan, 9_000) == []
    plan.receive(9_000 * MS, Frame(Opcode.BINARY, bytes(200)))
    assert plan.next_wake_ns() == 12_000 * MS  # 12 s after the audio, four times as fast


def test_schedule_causal_client_waits_for_kind(tmp_path: Path) -> None:
    plan = scheduled(
        tmp_path, "client", "causal", (50, False, BEGIN), (60, True, AUDIO), (80, True, AUDIO)
    )
    plan.receive(100 * MS, TURN)
    assert taken(plan, 2_000) == []
    plan.receive(2_000 * MS, BEGIN)
    assert times(taken(plan, 2_009)) == []
    assert times(taken(plan, 2_010)) == [60]
    assert times(taken(plan, 2_030)) == [80]


def test_schedule_causal_client_keeps_audio_pace(tmp_path: Path) -> None:
    """Answers that come sooner do not make it send faster than it did."""
    plan = scheduled(
        tmp_path,
        "client",
        "causal",
        (0, True, AUDIO),
        (90, False, METADATA),
        (100, True, AUDIO),
        (200, True, AUDIO),
    )
    taken(plan, 0)
    plan.receive(1 * MS, METADATA)
    assert taken(plan, 99) == []
    assert times(taken(plan, 100)) == [100]
    assert times(taken(plan, 200)) == [200]


def test_schedule_causal_client_counts_responses(tmp_path: Path) -> None:
    """The second Flush had waited for the first Flushed, and not for other messages."""
    plan = scheduled(
        tmp_path,
        "client",
        "causal",
        (0, True, FLUSH),
        (10, False, FLUSHED),
        (20, True, FLUSH),
        (30, False, FLUSHED),
        (40, True, FLUSH),
    )
    taken(plan, 0)
    plan.receive(5 * MS, METADATA)
    plan.receive(6 * MS, METADATA)
    assert taken(plan, 100) == []
    plan.receive(100 * MS, FLUSHED)
    assert times(taken(plan, 1_000)) == [20]
    plan.receive(1_000 * MS, FLUSHED)
    assert times(taken(plan, 1_010)) == [40]


def api_trace(path: Path, events: list[tuple[int, bool, Frame]]) -> Path:
    """A session with Deepgram listen, whose results are known to the catalog."""
    request = upgrade_request("/v1/listen?encoding=linear16&sample_rate=16000")
    builder = TraceBuilder(path, request, provider="deepgram", api="listen").accept(at=0)
    for ms, from_client, frame in events:
        builder.data(from_client, frame.serialize(), at=ms)
    return builder.eof(False, at=builder.ms).done(at=builder.ms)


def test_schedule_causal_client_ignores_number_of_results(tmp_path: Path) -> None:
    path = api_trace(
        tmp_path / "t.wstrace",
        [(0, True, AUDIO), *[(10 + i, False, RESULTS) for i in range(9)], (30, True, AUDIO)],
    )
    plan = Schedule(Script.read(path, "client", Pace("causal")), timeout_ns=10_000 * MS)
    plan.open(0)
    taken(plan, 0)
    plan.receive(12 * MS, RESULTS)  # one, where there had been nine
    assert times(taken(plan, 3_000)) == [30]


def test_schedule_causal_server_ignores_number_of_keepalives(tmp_path: Path) -> None:
    path = api_trace(
        tmp_path / "t.wstrace",
        [*[(10 * i, True, KEEPALIVE) for i in range(9)], (100, True, AUDIO), (110, False, RESULTS)],
    )
    plan = Schedule(Script.read(path, "server", Pace("causal")), timeout_ns=10_000 * MS)
    plan.open(0)
    plan.receive(5 * MS, KEEPALIVE)
    assert taken(plan, 50) == []
    plan.receive(50 * MS, AUDIO)
    assert times(taken(plan, 60)) == [110, 110]  # the end came with it


def test_schedule_server_with_frames_gate_counts_messages(tmp_path: Path) -> None:
    plan = scheduled(tmp_path, "server", "fast", *STALL, audio="frames")
    plan.receive(0, Frame(Opcode.BINARY, bytes(5_000)))
    assert taken(plan, 0) == []
    plan.receive(1, Frame(Opcode.BINARY, b"x", fin=False))
    assert taken(plan, 1) == []
    plan.receive(2, Frame(Opcode.CONTINUATION, b""))
    assert times(taken(plan, 2)) == [12_020]


def test_schedule_step_after_late_step_is_not_late(tmp_path: Path) -> None:
    """Both gates are met at once; the first step's delay holds the second up."""
    plan = scheduled(
        tmp_path,
        "server",
        "recorded",
        (0, True, AUDIO),
        (500, False, RESULTS),
        (510, True, AUDIO),
        (520, False, RESULTS),
    )
    plan.receive(0, Frame(Opcode.BINARY, bytes(200)))
    assert taken(plan, 499) == []
    assert times(taken(plan, 500)) == [500, 520]
    assert list(plan.lateness) == [0, 0]


def test_script_tls_end_is_an_end(tmp_path: Path) -> None:
    """The server said that it was done in TLS, before the client's FIN; so it does not wait."""
    builder = TraceBuilder(tmp_path / "t.wstrace", upgrade_request("/")).accept(at=0)
    builder.server(FAILURE).client(ANSWER)
    for at, from_client, how in (
        (3, False, "close-notify"),
        (4, True, "close-notify"),
        (5, True, "eof"),
        (6, False, "eof"),
    ):
        builder.eof(from_client, how, at=at)
    path = builder.done()
    server = Script.read(path, "server")
    assert [step.is_close for step in server.steps] == [True, False]
    assert server.steps[1].item == ExpectedEnding("eof")
    assert server.steps[1].prerequisite.ended == 0
    assert [step.item for step in Script.read(path, "client").steps][1:] == [ExpectedEnding("eof")]
