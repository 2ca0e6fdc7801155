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

from distill_harness import (
    CATALOG,
    MS,
    against,
    needs_both,
    recorded,
    sent,
)
from trace_builder import TraceBuilder, close
from wsproxy.compare import compare, failure_differences
from wsproxy.compare.compared_outcome import OUTCOME_FIELDS, ComparedOutcome
from wsproxy.distill import Distillation, DistillReport
from wsproxy.distill.script_parts import Parts
from wsproxy.distill.search import minimal_subset
from wsproxy.errors import TraceError, UsageError
from wsproxy.replayer import RECORDED_PACE, ClientOptions, Pace
from wsproxy.replayer.progress import SideProgress
from wsproxy.replayer.script import Script
from wsproxy.wire import Close, Frame, Opcode

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
FAST, CAUSAL = Pace.parse("fast"), Pace.parse("causal")


# -- what it takes and writes


def test_distillation_successful_session_raises(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "call.wstrace").client("end", at=1).closed(1000, at=5)
    with pytest.raises(UsageError, match="did not fail"):
        Distillation(trace, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))
    open_ = recorded(tmp_path / "open.wstrace").client("end", at=1).done("stopped", at=5)
    with pytest.raises(UsageError, match="did not fail"):
        Distillation(open_, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))


def test_distillation_bad_files_raise(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "call.wstrace").closed(1008, at=5)
    options = ClientOptions("ws://127.0.0.1:1")
    there = tmp_path / "there.wstrace"
    there.write_text("mine")
    for out, expected in [
        (there, "already exists"),
        (trace, "never overwritten"),
        (tmp_path, "a folder"),
        (tmp_path / "no" / "x.wstrace", "cannot write"),
    ]:
        with pytest.raises(UsageError, match=expected):
            Distillation(trace, out, options)
    with pytest.raises(UsageError, match="never overwritten"):
        Distillation(trace, trace, options, force=True)
    with pytest.raises(TraceError):
        Distillation(there, tmp_path / "new.wstrace", options)
    assert there.read_text() == "mine"
    assert sorted(tmp_path.glob(".*")) == []


def test_distillation_result_is_private_and_attempts_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    trace = (
        recorded(tmp_path / "call.wstrace").client("a", at=1).client("b", at=2).client("end", at=3)
    )
    report, _ = against(needs_both, trace.closed(1008, "both", at=5))
    assert report.trace == tmp_path / "call-distilled.wstrace"
    assert stat.S_IMODE(report.trace.stat().st_mode) == 0o600
    assert list(temporary.iterdir()) == []


def test_distillation_credential_in_message_is_redacted(tmp_path: Path) -> None:
    secret = "very-secret-key"

    async def wants_the_key(connection: ServerConnection) -> None:
        first = json.loads(await connection.recv())
        await connection.close(1008 if first["api_key"] == secret else 1000, "known")

    builder = recorded(tmp_path / "call.wstrace")
    builder.client('{"api_key": "REDACTED"}', at=1)
    report, _ = against(
        wants_the_key, builder.closed(1008, "known", at=5), fields=[("api_key", secret)]
    )
    assert sent(report.trace) == [b'{"api_key": "REDACTED"}']
    assert report.session is not None
    assert report.session.broken == []


def test_distill_report_as_json_has_documented_names(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    builder.client("a", at=1).client("x", at=2).client("b", at=3).client("end", at=4)
    report, _ = against(needs_both, builder.closed(1008, "both", at=50))
    as_json = report.as_json()
    assert json.loads(json.dumps(as_json)) == as_json
    assert report.session is not None
    assert as_json["trace"] == str(tmp_path / "call-distilled.wstrace")
    assert as_json["session"] == report.session.id
    assert (as_json["reproduced"], as_json["checked"], as_json["minimal"]) == (True, True, True)
    assert as_json["messages"] == {"recorded": 4, "distilled": 3}
    assert as_json["frames_sent"] == {"recorded": 5, "distilled": 4}
    assert as_json["duration_s"]["recorded"] == 0.052


# -- the parts


def parts_of(builder: TraceBuilder) -> Parts:
    return Parts(Script.read(builder.done("stopped", at=builder.ms + 10), "client", CAUSAL))


def test_parts_of_script_are_messages_control_frames_garbage(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "t.wstrace")
    builder.client("setup", at=1).client(Frame(Opcode.BINARY, b"a", fin=False), at=2)
    builder.client(Frame(Opcode.PING, b"p"), at=3).client(Frame(Opcode.CONTINUATION, b"b"), at=4)
    builder.client("late", at=5).server(close(1008), at=6)
    builder.client(b"after the server's Close", at=7)
    builder.client(close(1008), at=8)
    parts = parts_of(builder)
    assert parts.parts == [(0,), (1, 3), (2,), (4,)]
    assert parts.setup_parts() == (0,)
    reduced = parts.build_script(parts.without(parts.full, {0, 2}), FAST)
    payloads = [step.item.payload for step in reduced.steps if isinstance(step.item, Frame)]
    assert payloads == [b"a", b"b", b"late", Close(1008).serialize()]
    assert parts.build_script(parts.full, FAST).steps == parts.script.steps


def test_parts_without_part_removes_or_keeps_time(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "t.wstrace")
    for n, ms in enumerate([100, 300, 700, 800]):
        builder.client(bytes([n]), at=ms)
    parts = parts_of(builder)

    def times(gone: set[int], *, keep_time: bool = False) -> list[int]:
        script = parts.build_script(
            parts.without(parts.full, gone, keep_time=keep_time), RECORDED_PACE
        )
        return [*(step.t_ns // MS for step in script.steps), script.end_ns // MS]

    assert times(set()) == [100, 300, 700, 800, 810]
    assert times({1}) == [100, 500, 600, 610]
    assert times({1}, keep_time=True) == [100, 700, 800, 810]
    assert times({0, 1, 2, 3}) == [10]
    assert times({0, 1, 2, 3}, keep_time=True) == [810]
    shorter = parts.without(parts.full, {1}, keep_time=True)
    assert parts.pauses(shorter) == [0, 2, 3]
    assert [
        step.t_ns // MS
        for step in parts.build_script(parts.without_pauses(shorter, [0, 2]), FAST).steps
    ] == [0, 0, 100]
    # What was a pause in the place of a part goes with the part that it is before.
    assert parts.without(shorter, {2}).gaps == ()


def test_parts_prerequisites_of_removed_parts_are_dropped(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "t.wstrace")
    builder.server({"type": "Begin"}, at=1).client("settings", at=2).server(
        {"type": "Applied"}, at=3
    )
    builder.client(b"a", at=4).client('{"type": "x"}', at=5).server({"type": "Error"}, at=6).client(
        b"b", at=7
    )
    parts = parts_of(builder)
    (last,) = parts.build_script(parts.without(parts.full, {0, 1, 2}), FAST).steps
    assert last.prerequisite == SideProgress(texts={"Begin": 1, "Error": 1})
    steps = parts.build_script(parts.without(parts.full, {1}), FAST).steps
    assert steps[1].prerequisite == SideProgress(texts={"Begin": 1, "Applied": 1})


@given(st.integers(0, 60), st.data())
def test_minimal_subset_any_removal_is_insufficient(size: int, data: st.DataObject) -> None:
    """Also where what is enough is not so for everything that has more in it."""
    one = st.sets(st.integers(0, max(0, size - 1)), max_size=4).map(frozenset)
    needed = data.draw(st.lists(one, min_size=1, max_size=3))
    odd = data.draw(st.booleans())
    asked: list[tuple[int, ...]] = []

    async def enough(kept: Sequence[int]) -> bool:
        asked.append(tuple(kept))
        is_complete = len(kept) == size
        return any(n <= set(kept) for n in needed) and (
            is_complete or not odd or len(kept) % 3 != 1
        )

    every = range(size)
    if not any(n <= set(every) for n in needed):
        return
    found = list(asyncio.run(minimal_subset(every, enough)))
    assert found == sorted(found)
    assert asyncio.run(enough(found))
    for item in found:
        assert not asyncio.run(enough([other for other in found if other != item]))


def test_minimal_subset_single_item_needs_few_tests() -> None:
    asked = 0

    async def enough(kept: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        return {1234, 2999} <= set(kept)

    assert asyncio.run(minimal_subset(range(3000), enough)) == [1234, 2999]
    assert asked < 60


# -- what the same failure is


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.wstrace"))[::5], ids=lambda p: p.stem)
def test_outcome_fields_are_all_known(path: Path) -> None:
    assert set(ComparedOutcome.read(path, CATALOG).fields()) <= OUTCOME_FIELDS


def test_failure_differences_ignore_shorter_session(tmp_path: Path) -> None:
    paths = []
    for name, reason, results in [("a", "x", 3), ("b", "x", 0), ("c", "y", 3)]:
        builder = recorded(tmp_path / f"{name}.wstrace", "deepgram", "listen")
        for n in range(results):
            builder.server({"type": "Metadata"}, at=n)
        paths.append(builder.closed(1008, reason, at=10))
    fewer, other = compare(paths[0], paths[1]), compare(paths[0], paths[2])
    assert fewer.differences
    assert failure_differences(fewer) == []
    assert [found.field for found in failure_differences(other)] == ["close_reason"]


def test_distill_report_exit_status_is_documented() -> None:
    found = DistillReport(3, trace=Path("x"), checked=True)
    assert found.exit_status == 0
    assert replace(found, checked=None).exit_status == 0
    assert replace(found, checked=False).exit_status == 1
    assert replace(found, checked=None, error_status=2).exit_status == 2
    assert replace(found, trace=None).exit_status == 1
