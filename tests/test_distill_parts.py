"""What distill takes and writes, the parts of a session, and what the same failure is."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from tapes import (
    CATALOG,
    MS,
    Tape,
    against,
    needs_both,
    sent,
)
from wsproxy.compare import compare, of_failure
from wsproxy.compare.outcome import OUTCOME, Outcome
from wsproxy.distill import Distillation, Report
from wsproxy.distill.parts import Parts
from wsproxy.distill.search import minimal
from wsproxy.errors import TraceError, UsageError
from wsproxy.replay import RECORDED, ClientOptions, Pace
from wsproxy.replay.progress import Progress
from wsproxy.replay.script import Script
from wsproxy.wire import Close, Frame, Opcode

SAMPLES = Path(__file__).parent.parent / "recordings" / "samples"
FAST, CAUSAL = Pace.parse("fast"), Pace.parse("causal")


# -- what it takes and writes


def test_a_session_that_did_not_fail_is_refused(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().client(1, "end").closed(5, 1000)
    with pytest.raises(UsageError, match="did not fail"):
        Distillation(trace, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))
    open_ = Tape(tmp_path / "open.wstrace").accept().client(1, "end").done(5)
    with pytest.raises(UsageError, match="did not fail"):
        Distillation(open_, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))


def test_bad_files(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().closed(5, 1008)
    options = ClientOptions("ws://127.0.0.1:1")
    there = tmp_path / "there.wstrace"
    there.write_text("mine")
    for out, said in [
        (there, "already exists"),
        (trace, "never overwritten"),
        (tmp_path, "a folder"),
        (tmp_path / "no" / "x.wstrace", "cannot write"),
    ]:
        with pytest.raises(UsageError, match=said):
            Distillation(trace, out, options)
    with pytest.raises(UsageError, match="never overwritten"):
        Distillation(trace, trace, options, force=True)
    with pytest.raises(TraceError):
        Distillation(there, tmp_path / "new.wstrace", options)
    assert there.read_text() == "mine"
    assert sorted(tmp_path.glob(".*")) == []


def test_the_new_trace_is_private_and_the_attempts_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    trace = Tape(tmp_path / "call.wstrace").accept().client(1, "a").client(2, "b").client(3, "end")
    report, _ = against(needs_both, trace.closed(5, 1008, "both"))
    assert report.trace == tmp_path / "call-distilled.wstrace"
    assert stat.S_IMODE(report.trace.stat().st_mode) == 0o600
    assert list(temporary.iterdir()) == []


def test_a_credential_in_a_message_is_taken_out_again(tmp_path: Path) -> None:
    secret = "very-secret-key"

    async def wants_the_key(connection: ServerConnection) -> None:
        first = json.loads(await connection.recv())
        await connection.close(1008 if first["api_key"] == secret else 1000, "known")

    tape = Tape(tmp_path / "call.wstrace").accept()
    tape.client(1, '{"api_key": "REDACTED"}')
    report, _ = against(wants_the_key, tape.closed(5, 1008, "known"), fields=[("api_key", secret)])
    assert sent(report.trace) == [b'{"api_key": "REDACTED"}']
    assert report.session is not None
    assert report.session.broken == []


def test_the_report_as_json(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    tape.client(1, "a").client(2, "x").client(3, "b").client(4, "end")
    report, _ = against(needs_both, tape.closed(50, 1008, "both"))
    said = report.as_json()
    assert json.loads(json.dumps(said)) == said
    assert report.session is not None
    assert said["trace"] == str(tmp_path / "call-distilled.wstrace")
    assert said["session"] == report.session.id
    assert (said["reproduced"], said["checked"], said["minimal"]) == (True, True, True)
    assert said["messages"] == {"recorded": 4, "distilled": 3}
    assert said["frames_sent"] == {"recorded": 5, "distilled": 4}
    assert said["duration_s"]["recorded"] == 0.052


# -- the parts


def parts_of(tape: Tape) -> Parts:
    return Parts(Script.read(tape.done(tape.last + 10), "client", CAUSAL))


def test_parts_are_messages_control_frames_and_bytes(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.wstrace").accept()
    tape.client(1, "setup").client(2, b"a", fin=False).client(3, b"p", opcode=Opcode.PING)
    tape.client(4, b"b", opcode=Opcode.CONTINUATION).client(5, "late")
    tape.frame(6, False, Close(1008).serialize(), opcode=Opcode.CLOSE)
    tape.client(7, b"after the server's Close")
    tape.frame(8, True, Close(1008).serialize(), opcode=Opcode.CLOSE)
    parts = parts_of(tape)
    assert parts.parts == [(0,), (1, 3), (2,), (4,)]
    assert parts.setup() == (0,)
    reduced = parts.make(parts.without(parts.whole, {0, 2}), FAST)
    payloads = [step.item.payload for step in reduced.steps if isinstance(step.item, Frame)]
    assert payloads == [b"a", b"b", b"late", Close(1008).serialize()]
    assert parts.make(parts.whole, FAST).steps == parts.script.steps


def test_a_part_goes_with_its_time_or_leaves_a_pause(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.wstrace").accept()
    for n, ms in enumerate([100, 300, 700, 800]):
        tape.client(ms, bytes([n]))
    parts = parts_of(tape)

    def times(gone: set[int], *, hold: bool = False) -> list[int]:
        script = parts.make(parts.without(parts.whole, gone, hold=hold), RECORDED)
        return [*(step.t_ns // MS for step in script.steps), script.end_ns // MS]

    assert times(set()) == [100, 300, 700, 800, 810]
    assert times({1}) == [100, 500, 600, 610]
    assert times({1}, hold=True) == [100, 700, 800, 810]
    assert times({0, 1, 2, 3}) == [10]
    assert times({0, 1, 2, 3}, hold=True) == [810]
    shorter = parts.without(parts.whole, {1}, hold=True)
    assert parts.pauses(shorter) == [0, 2, 3]
    assert [
        step.t_ns // MS for step in parts.make(parts.without_pauses(shorter, [0, 2]), FAST).steps
    ] == [0, 0, 100]
    # What was a pause in the place of a part goes with the part that it is before.
    assert parts.without(shorter, {2}).gaps == ()


def test_what_no_longer_comes_is_not_waited_for(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.wstrace").accept()
    tape.server(1, {"type": "Begin"}).client(2, "settings").server(3, {"type": "Applied"})
    tape.client(4, b"a").client(5, '{"type": "x"}').server(6, {"type": "Error"}).client(7, b"b")
    parts = parts_of(tape)
    (last,) = parts.make(parts.without(parts.whole, {0, 1, 2}), FAST).steps
    assert last.cause == Progress(texts={"Begin": 1, "Error": 1})
    steps = parts.make(parts.without(parts.whole, {1}), FAST).steps
    assert steps[1].cause == Progress(texts={"Begin": 1, "Applied": 1})


@given(st.integers(0, 60), st.data())
def test_of_what_is_minimal_nothing_can_be_left_out(size: int, data: st.DataObject) -> None:
    """Also where what is enough is not so for everything that has more in it."""
    one = st.sets(st.integers(0, max(0, size - 1)), max_size=4).map(frozenset)
    needed = data.draw(st.lists(one, min_size=1, max_size=3))
    odd = data.draw(st.booleans())
    asked: list[tuple[int, ...]] = []

    async def enough(kept: Sequence[int]) -> bool:
        asked.append(tuple(kept))
        whole = len(kept) == size
        return any(n <= set(kept) for n in needed) and (whole or not odd or len(kept) % 3 != 1)

    every = range(size)
    if not any(n <= set(every) for n in needed):
        return
    found = list(asyncio.run(minimal(every, enough)))
    assert found == sorted(found)
    assert asyncio.run(enough(found))
    for item in found:
        assert not asyncio.run(enough([other for other in found if other != item]))


def test_a_needle_is_found_in_few_attempts() -> None:
    asked = 0

    async def enough(kept: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        return {1234, 2999} <= set(kept)

    assert asyncio.run(minimal(range(3000), enough)) == [1234, 2999]
    assert asked < 60


# -- what the same failure is


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.wstrace"))[::5], ids=lambda p: p.stem)
def test_how_a_session_ended_is_the_whole_of_its_outcome(path: Path) -> None:
    assert set(Outcome.read(path, CATALOG).fields()) <= OUTCOME


def test_the_same_failure_is_not_the_same_session(tmp_path: Path) -> None:
    paths = []
    for name, reason, results in [("a", "x", 3), ("b", "x", 0), ("c", "y", 3)]:
        tape = Tape(tmp_path / f"{name}.wstrace", "deepgram", "listen").accept()
        for n in range(results):
            tape.server(n, {"type": "Metadata"})
        paths.append(tape.closed(10, 1008, reason))
    fewer, other = compare(paths[0], paths[1]), compare(paths[0], paths[2])
    assert fewer.differences
    assert of_failure(fewer) == []
    assert [found.field for found in of_failure(other)] == ["close_reason"]


def test_exit_statuses() -> None:
    found = Report(3, trace=Path("x"), checked=True)
    assert found.exit_status == 0
    assert replace(found, checked=None).exit_status == 0
    assert replace(found, checked=False).exit_status == 1
    assert replace(found, checked=None, failed=2).exit_status == 2
    assert replace(found, trace=None).exit_status == 1
