"""What is compared, what is not, and that each compared field can turn a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from trace_builder import TraceBuilder, upgrade_request
from wsproxy.compare import STANDARD, Tolerances
from wsproxy.replayer.pace import Pace
from wsproxy.replayer.schedule import Schedule
from wsproxy.replayer.script import Script
from wsproxy.replayer.verdict import ReplayResult, Verdict, judge_result
from wsproxy.trace import Failure, read_limits
from wsproxy.wire import Close, Frame, Opcode

MS = 1_000_000
KEY = b"abcd"
NET_0001 = Close(1011, "NET-0001")


@dataclass(frozen=True)
class Case:
    """A session in short."""

    status: int = 101
    headers: tuple[tuple[str, str], ...] = (("dg-error", "Nope"), ("date", "today"))
    body: Any = field(default_factory=lambda: {"err_code": "NOPE", "request_id": "1"})
    sent: tuple[str | bytes, ...] = (b"a" * 100,)
    sent_late: tuple[bytes, ...] = ()
    received: tuple[str, ...] = ('{"type":"Results"}',)
    close: Close | None = NET_0001
    closed_by_client: bool = False
    end: str | None = "eof"
    failure: str | None = None
    stopped: bool = False

    def write(self, path: Path) -> Path:
        request = upgrade_request("/v1/listen")
        builder = TraceBuilder(path, request, began_ns=0, provider="deepgram", api="listen")
        if self.failure:
            builder.add(Failure(MS, self.failure, False))
        elif self.status != 101:
            body = json.dumps(self.body).encode() if not isinstance(self.body, str) else b"text"
            headers = [list(pair) for pair in self.headers]
            builder.refuse(self.status, body, *headers)
        else:
            self._frames(builder.accept())
        return builder.done("stopped" if self.stopped else None, at=110)

    def _frames(self, builder: TraceBuilder) -> None:
        builder.client(*self.sent, at=2).server(*self.received, at=3)
        builder.client(*self.sent_late, at=103)
        if self.close is not None:
            closing = Frame(Opcode.CLOSE, self.close.serialize())
            (builder.client if self.closed_by_client else builder.server)(closing, at=104)
        if self.end is not None:
            builder.eof(self.closed_by_client, self.end, at=105)


def judge(
    recorded: Path, replayed: Path, schedule: Schedule, rules: Tolerances = STANDARD
) -> Verdict:
    return judge_result(ReplayResult.of(recorded, replayed, schedule), rules)


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., Verdict]:
    def judged(recorded: Case, replayed: Case, side: str = "client") -> Verdict:
        left = recorded.write(tmp_path / "left.wstrace")
        right = replayed.write(tmp_path / "right.wstrace")
        return judge(left, right, Schedule(Script.read(left, side), timeout_ns=MS))

    return judged


FAILED = Case()
REFUSED = Case(status=401)
GOOD = Case(close=Close(1000), received=('{"type":"Results"}', '{"type":"Metadata"}'))
OPEN = Case(close=None, end=None, stopped=True)
CUT = Case(close=None, end="eof")


@pytest.mark.parametrize("case", [FAILED, REFUSED, GOOD, OPEN, CUT, Case(failure="handshake")])
@pytest.mark.parametrize("side", ["client", "server"])
def test_judge_session_with_itself_is_reproduced(
    case: Case, side: str, compare: Callable[..., Verdict]
) -> None:
    verdict = compare(case, case, side)
    assert verdict.verdict == "reproduced"
    assert verdict.differences == []


@pytest.mark.parametrize(
    ("recorded", "change", "field", "verdict"),
    [
        (FAILED, {"close": Close(1008, "NET-0001")}, "close_code", "different"),
        (FAILED, {"close": Close(1011, "NET-0000")}, "close_reason", "different"),
        (FAILED, {"close": Close(1011, "NET-0000")}, "condition", "different"),
        (FAILED, {"closed_by_client": True}, "closed_by", "different"),
        (FAILED, {"close": None}, "ending", "different"),
        (FAILED, {"close": Close(1000)}, "close_code", "not-reproduced"),
        (FAILED, {"status": 401}, "status", "different"),
        (FAILED, {"received": ()}, "messages", "different"),
        (FAILED, {"received": ('{"type":"Error","err_code":"X"}',)}, "messages", "different"),
        (FAILED, {"close": None, "end": None, "stopped": True}, "ending", "not-reproduced"),
        (CUT, {"end": "reset"}, "ending", "different"),
        (CUT, {"closed_by_client": True}, "closed_by", "different"),
        (REFUSED, {"status": 402}, "status", "different"),
        (REFUSED, {"body": {"err_code": "OTHER"}}, "body", "different"),
        (REFUSED, {"body": "text"}, "body", "different"),
        (REFUSED, {"headers": (("dg-error", "Other"),)}, "error_headers", "different"),
        (REFUSED, {"status": 101, "close": Close(1000)}, "status", "not-reproduced"),
        (GOOD, {"close": Close(1011)}, "close_code", "different"),
        (GOOD, {"received": ('{"type":"Results"}',)}, "messages", "different"),
        (GOOD, {"received": tuple(reversed(GOOD.received))}, "messages", "different"),
        (OPEN, {"close": Close(1000), "stopped": False}, "ending", "different"),
        (Case(failure="handshake"), {"failure": "http"}, "failed_where", "different"),
    ],
)
def test_judge_each_changed_field_is_different(
    recorded: Case,
    change: dict[str, Any],
    field: str,
    verdict: str,
    compare: Callable[..., Verdict],
) -> None:
    found = compare(recorded, replace(recorded, **change))
    assert found.verdict == verdict
    assert field in [difference.field for difference in found.differences]


@pytest.mark.parametrize(
    ("recorded", "change"),
    [
        (REFUSED, {"body": {"err_code": "NOPE", "request_id": "2"}}),
        (REFUSED, {"headers": (("dg-error", "Nope"), ("date", "tomorrow"))}),
        (FAILED, {"received": ('{"type":"Results"}',) * 5}),
        (FAILED, {"received": ('{"type":"Results","is_final":true}',)}),
        (FAILED, {"sent": (b"b",)}),  # as the client it is ours
    ],
)
def test_judge_volatile_change_is_reproduced(
    recorded: Case, change: dict[str, Any], compare: Callable[..., Verdict]
) -> None:
    assert compare(recorded, replace(recorded, **change)).verdict == "reproduced"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ((b"a" * 99,), "audio_sent"),
        ((b"a" * 50 + b"b" * 50,), "audio_sent"),
        ((b"a" * 100, "hello"), "messages_sent"),
        ((), "messages_sent"),
    ],
)
def test_judge_server_changed_client_message_is_different(
    sent: tuple[str | bytes, ...], field: str, compare: Callable[..., Verdict]
) -> None:
    verdict = compare(FAILED, replace(FAILED, sent=sent), "server")
    assert verdict.verdict == "different"
    assert field in [difference.field for difference in verdict.differences]


@pytest.mark.parametrize(
    "change",
    [
        {"sent": (b"a" * 60, b"a" * 40)},
        {"sent": (b"a",) * 100},
        {"sent_late": (b"b" * 9,)},
    ],
)
def test_judge_rechunked_or_late_audio_is_reproduced(
    change: dict[str, Any], compare: Callable[..., Verdict]
) -> None:
    assert compare(FAILED, replace(FAILED, **change), "server").verdict == "reproduced"


def test_judge_client_without_stall_is_different(compare: Callable[..., Verdict]) -> None:
    verdict = compare(FAILED, replace(FAILED, sent=(b"a" * 100, b"b" * 9)), "server")
    assert [difference.field for difference in verdict.differences] == ["audio_sent"]


def test_judge_more_audio_before_client_end_is_different(
    compare: Callable[..., Verdict],
) -> None:
    recorded = replace(GOOD, closed_by_client=True)
    verdict = compare(recorded, replace(recorded, sent=(b"a" * 200,)), "server")
    assert [difference.field for difference in verdict.differences] == ["audio_sent"]


def test_difference_has_values_and_frames(compare: Callable[..., Verdict]) -> None:
    verdict = compare(FAILED, replace(FAILED, close=Close(1008, "NET-0001"), sent=(b"a", b"b")))
    (code, *_) = verdict.as_json()["differences"]
    assert code == {
        "field": "close_code",
        "recorded": 1011,
        "replayed": 1008,
        "frames": {"recorded": 3, "replayed": 4},
    }


def test_verdict_as_json_has_documented_names(compare: Callable[..., Verdict]) -> None:
    out = compare(FAILED, FAILED).as_json()
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
        "lateness_ms",
        "notes",
        "trace",
    ]
    assert list(out["lateness_ms"]) == ["p50", "p99", "max"]
    assert out["recorded"]["condition"] == "deepgram.listen.NET-0001"
    json.dumps(out)


def test_judge_late_replay_notes_pace(tmp_path: Path) -> None:
    trace = FAILED.write(tmp_path / "t.wstrace")
    schedule = Schedule(Script.read(trace, "client"), timeout_ns=MS)
    schedule.open(0)
    schedule.next_step(60_000 * MS)
    verdict = judge(trace, trace, schedule)
    assert verdict.lateness_ms.max == pytest.approx(59_999, abs=2)
    assert any("pace" in note for note in verdict.notes)


def test_judge_rules_of_caller_are_used(tmp_path: Path) -> None:
    left = FAILED.write(tmp_path / "a.wstrace")
    right = replace(FAILED, received=('{"type": "Results"}',)).write(tmp_path / "b.wstrace")
    schedule = Schedule(Script.read(left, "client"), timeout_ns=MS)
    assert judge(left, right, schedule).reproduced
    strict = judge(left, right, schedule, rules=Tolerances(strict=True))
    assert [difference.field for difference in strict.differences] == ["frame_received"]


@pytest.mark.parametrize(
    ("change", "expected", "fields"),
    [
        ({}, "unproven", []),
        ({"close": Close(1008)}, "different", ["close_code", "close_reason", "condition"]),
        ({"close": Close(1000)}, "not-reproduced", ["close_code", "close_reason", "condition"]),
    ],
    ids=["same", "different", "good"],
)
def test_judge_flood_over_the_limit_compares_the_endings(
    change: dict[str, Any],
    expected: str,
    fields: list[str],
    compare: Callable[..., Verdict],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that sends 34 MB of the same text: the trace of the replay is too dense."""
    monkeypatch.setattr(read_limits, "VALUES", 100)
    monkeypatch.setattr(read_limits, "VALUES_A_BYTE", 0)
    flood = ('{"type":"Results"}',) * 200
    verdict = compare(FAILED, replace(FAILED, received=flood, **change))
    assert verdict.verdict == expected
    assert [each.field for each in verdict.differences] == fields
    assert verdict.recorded["close_code"] == 1011
    (note,) = (note for note in verdict.notes if "compared" in note)
    assert note.startswith("only the endings of the sessions are compared: ")
    assert "over 100 JSON values to compare" in note
    assert "messages, audio and transcripts" in verdict.not_compared


@pytest.mark.parametrize(
    ("sent", "side", "expected"),
    [
        ((b"a" * 100,), "server", "equal"),
        ((b"a" * 50,) * 2, "server", "re-chunked"),
        ((b"a" * 100,), "client", ""),
    ],
)
def test_judge_server_reports_what_client_sent(
    sent: tuple[bytes, ...], side: str, expected: str, compare: Callable[..., Verdict]
) -> None:
    assert compare(FAILED, replace(FAILED, sent=sent), side).sent == expected


def test_judge_incomplete_recording_is_noted(tmp_path: Path) -> None:
    left = FAILED.write(tmp_path / "a.wstrace")
    cut = tmp_path / "cut.wstrace"
    cut.write_bytes(left.read_bytes()[:-60])
    schedule = Schedule(Script.read(cut, "client"), timeout_ns=MS)
    assert any("not complete" in note for note in judge(cut, left, schedule).notes)


BROKEN = replace(FAILED, close=Close(1002, "protocol error"))  # no matter of time
ANOTHER = replace(FAILED, close=Close(4999, "another"))


def test_judge_timeout_at_other_point_is_unproven(tmp_path: Path) -> None:
    recorded = replace(FAILED, sent=tuple(bytes([n]) * 100 for n in range(10)))
    left = recorded.write(tmp_path / "left.wstrace")
    right = FAILED.write(tmp_path / "right.wstrace")
    schedule = Schedule(Script.read(left, "client"), timeout_ns=MS)
    played = replace(ReplayResult.of(left, right, schedule), dropped=9, early_ns=60_000 * MS)
    assert judge_result(played).verdict == "unproven"
    assert judge_result(replace(played, dropped=2)).verdict == "reproduced"
    assert judge_result(replace(played, early_ns=20 * MS)).verdict == "reproduced"
    assert judge_result(replace(played, early_ns=0, pace=Pace("fast"))).verdict == "unproven"


@pytest.mark.parametrize(
    ("pace", "late_ms", "recorded", "replayed", "verdict"),
    [
        # A silence that the replay's own lateness may have made.
        ("recorded", 60_000, FAILED, FAILED, "unproven"),
        ("recorded", 0, FAILED, FAILED, "reproduced"),
        # What is no matter of time was reproduced however late; what was not, may come of it.
        ("recorded", 60_000, BROKEN, BROKEN, "reproduced"),
        ("recorded", 60_000, BROKEN, ANOTHER, "unproven"),
        ("recorded", 0, BROKEN, ANOTHER, "different"),
        # At another pace a timeout need not come.
        ("x2", 0, FAILED, FAILED, "reproduced"),
        ("x2", 0, FAILED, ANOTHER, "unproven"),
        ("fast", 0, FAILED, ANOTHER, "unproven"),
        ("fast", 0, BROKEN, ANOTHER, "different"),
        ("causal", 0, FAILED, ANOTHER, "different"),
        # Without a clock nothing is late.
        ("fast", 60_000, BROKEN, ANOTHER, "different"),
    ],
)
def test_judge_timing_of_replay_decides_unproven(
    pace: str, late_ms: int, recorded: Case, replayed: Case, verdict: str, tmp_path: Path
) -> None:
    left = recorded.write(tmp_path / "left.wstrace")
    right = replayed.write(tmp_path / "right.wstrace")
    schedule = Schedule(Script.read(left, "client", Pace.parse(pace)), timeout_ns=MS)
    schedule.open(0)
    schedule.next_step(late_ms * MS + 2 * MS)
    judged = judge(left, right, schedule)
    assert judged.verdict == verdict
    assert judged.exit_status == {"reproduced": 0, "unproven": 125}.get(verdict, 1)
