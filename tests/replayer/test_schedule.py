"""The schedule, without sockets: times are given, nothing waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_builder import TraceBuilder, upgrade_request
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.replayer.endpoint import Endpoint
from wsproxy.replayer.pace import Pace
from wsproxy.replayer.progress import ExpectedEnding, Item, SideProgress
from wsproxy.replayer.schedule import Schedule
from wsproxy.replayer.script import Script, Step
from wsproxy.wire import Close, Frame, FrameParser, Garbage, Opcode

MS = 1_000_000
KEY = b"abcd"

AUDIO = Frame(Opcode.BINARY, b"a" * 100, mask=KEY)
KEEPALIVE = Frame(Opcode.TEXT, b'{"type":"KeepAlive"}', mask=KEY)
RESULTS = Frame(Opcode.TEXT, b'{"type":"Results"}')
FAILURE = Frame(Opcode.CLOSE, Close(1011, "NET-0001").serialize())
ANSWER = Frame(Opcode.CLOSE, Close(1011).serialize(), mask=KEY)


def write(path: Path, events: list[tuple[int, bool, Item]], ending: str | None = None) -> Path:
    """A trace of these events: (ms from the upgrade, from the client, what)."""
    builder = TraceBuilder(path, upgrade_request("/")).accept(at=7)
    for ms, from_client, item in events:
        match item:
            case Frame():
                builder.data(from_client, item.serialize(), at=ms + 7)
            case Garbage():
                builder.data(from_client, item.data, at=ms + 7)
            case ExpectedEnding():
                builder.eof(from_client, item.how, at=ms + 7)
    return builder.done(ending, at=builder.ms)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Script]:
    def read(side: str, *events: tuple[int, bool, Item], ending: str | None = None) -> Script:
        path = tmp_path / "t.wstrace"
        path.unlink(missing_ok=True)
        return Script.read(write(path, list(events), ending), side)

    return read


def schedule(script: Script, *, pace: str = "recorded", timeout_ms: int = 10_000) -> Schedule:
    out = Schedule(replace(script, pace=Pace.parse(pace)), timeout_ns=timeout_ms * MS)
    out.open(0)
    return out


def taken(schedule: Schedule, now_ms: float) -> list[Step]:
    out = []
    while (step := schedule.next_step(int(now_ms * MS))) is not None:
        out.append(step)
    return out


def times(steps: list[Step]) -> list[int]:
    return [step.t_ns // MS for step in steps]


STALL = [
    (0, True, AUDIO),
    (20, True, AUDIO),
    (12_020, False, FAILURE),
    (12_021, True, ANSWER),
    (12_022, False, ExpectedEnding("eof")),
    (12_023, True, ExpectedEnding("eof")),
]


def test_schedule_client_follows_clock_and_closes_after_server(
    script: Callable[..., Script],
) -> None:
    plan = schedule(script("client", *STALL))
    assert times(taken(plan, 0)) == [0]
    assert plan.next_wake_ns() == 20 * MS
    assert times(taken(plan, 19)) == []
    assert times(taken(plan, 20)) == [20]
    assert times(taken(plan, 13_000)) == []  # the server is late; the client keeps the silence
    plan.receive(14_000 * MS, FAILURE)
    assert plan.next_wake_ns() == 14_001 * MS
    assert times(taken(plan, 14_001)) == [12_021]
    plan.receive(14_002 * MS, ExpectedEnding("eof"))
    assert times(taken(plan, 14_003)) == [12_023]
    assert plan.is_over(14_003 * MS)
    assert len(plan.lateness) == len(plan.script.steps)


def test_schedule_client_waits_recorded_time_plus_timeout_for_end(
    script: Callable[..., Script],
) -> None:
    plan = schedule(script("client", *STALL), timeout_ms=5_000)
    taken(plan, 20)
    assert not plan.is_over(17_022 * MS)
    assert plan.next_wake_ns() == 17_023 * MS
    assert plan.is_over(17_023 * MS)
    assert len(plan.lateness) < len(plan.script.steps)


def test_schedule_endless_messages_do_not_prolong_wait(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", *STALL), timeout_ms=5_000)
    taken(plan, 20)
    for ms in range(100, 17_000, 100):
        plan.receive(ms * MS, RESULTS)
    assert plan.is_over(17_023 * MS)


@pytest.mark.parametrize("chunks", [[100, 100], [200], [7] * 29, [150, 150]])
def test_schedule_server_waits_for_bytes_of_any_chunking(
    script: Callable[..., Script], chunks: list[int]
) -> None:
    plan = schedule(script("server", *STALL))
    sent = 0
    for index, size in enumerate(chunks):
        now = 50 * (index + 1)
        plan.receive(now * MS, Frame(Opcode.BINARY, b"x" * size))
        before, sent = sent, sent + size
        if before < 200 <= sent:
            met = now
    assert plan.next_wake_ns() == (met + 12_000) * MS  # the recorded delay follows
    assert times(taken(plan, met + 11_999)) == []
    assert times(taken(plan, met + 12_000)) == [12_020]


def test_schedule_fast_server_waits_for_prerequisite_only(
    script: Callable[..., Script],
) -> None:
    plan = schedule(script("server", *STALL), pace="fast")
    assert taken(plan, 1) == []
    plan.receive(2 * MS, AUDIO)
    assert taken(plan, 2) == []
    plan.receive(3 * MS, AUDIO)
    assert times(taken(plan, 3)) == [12_020]


def test_schedule_fast_client_waits_for_prerequisite(script: Callable[..., Script]) -> None:
    plan = schedule(
        script("client", (0, True, AUDIO), (500, False, RESULTS), (900, True, AUDIO)), pace="fast"
    )
    assert times(taken(plan, 0)) == [0]
    assert taken(plan, 1000) == []
    plan.receive(1001 * MS, RESULTS)
    assert times(taken(plan, 1001)) == [900]


def test_schedule_gate_timeout_is_spent_once(script: Callable[..., Script]) -> None:
    plan = schedule(
        script(
            "server",
            (0, True, AUDIO),
            (10, True, AUDIO),
            (11, False, RESULTS),
            (20, True, AUDIO),
            (21, False, RESULTS),
        ),
        timeout_ms=1_000,
    )
    plan.receive(5 * MS, AUDIO)
    assert taken(plan, 1_004) == []
    assert plan.next_wake_ns() == 1_005 * MS
    assert taken(plan, 1_005) == []  # given up; the recorded delay follows
    assert plan.abandoned_gates == 1
    assert times(taken(plan, 1_006)) == [11]
    plan.receive(1_010 * MS, AUDIO)
    assert times(taken(plan, 1_011)) == [21]  # the missing chunk is forgiven here as well
    assert plan.abandoned_gates == 1


def test_schedule_progress_restarts_gate_timeout(script: Callable[..., Script]) -> None:
    frames = [(i, True, AUDIO) for i in range(10)]
    plan = schedule(script("server", *frames, (10, False, RESULTS)), timeout_ms=1_000)
    for second in range(10):
        plan.receive(second * 900 * MS, AUDIO)
        assert plan.abandoned_gates == 0
        taken(plan, second * 900)
    assert times(taken(plan, 9 * 900 + 1)) == [10]


def test_schedule_incomplete_text_message_does_not_count(script: Callable[..., Script]) -> None:
    plan = schedule(
        script("server", (0, True, KEEPALIVE), (1, False, RESULTS)), pace="fast", timeout_ms=5_000
    )
    plan.receive(1 * MS, Frame(Opcode.TEXT, b"{", fin=False))
    plan.receive(2 * MS, Frame(Opcode.PING, b""))
    assert taken(plan, 2) == []
    plan.receive(3 * MS, Frame(Opcode.CONTINUATION, b"}"))
    assert times(taken(plan, 3)) == [1]


def test_schedule_server_waits_for_garbage(script: Callable[..., Script]) -> None:
    plan = schedule(
        script("server", (0, True, Garbage(b"\x8b\x80abcd", "")), (1, False, FAILURE)), pace="fast"
    )
    assert taken(plan, 1) == []
    for item in FrameParser().feed(b"\x8b\x80abcd"):
        plan.receive(2 * MS, item)
    assert times(taken(plan, 2)) == [1]


def test_schedule_pongs_answer_received_pings(script: Callable[..., Script]) -> None:
    plan = schedule(
        script(
            "client",
            (100, False, Frame(Opcode.PING, b"one")),
            (130, True, Frame(Opcode.PONG, b"one", mask=KEY)),
            (500, True, AUDIO),
        )
    )
    plan.receive(200 * MS, Frame(Opcode.PING, b"other"))
    assert plan.next_wake_ns() == 230 * MS
    (pong,) = taken(plan, 230)
    assert isinstance(pong.item, Frame)
    assert (pong.item.opcode, pong.item.payload) == (Opcode.PONG, b"other")
    plan.receive(240 * MS, Frame(Opcode.PING, b"more"))  # all were answered, so are these
    assert len(taken(plan, 240)) == 1
    assert times(taken(plan, 500)) == [500]


def test_schedule_pongs_keep_order_of_pings(script: Callable[..., Script]) -> None:
    plan = schedule(
        script(
            "client",
            (0, False, Frame(Opcode.PING, b"one")),
            (30, True, Frame(Opcode.PONG, b"one", mask=KEY)),
        )
    )
    for payload in (b"a", b"b"):  # answered after 30 ms; beyond the recording, so at once
        plan.receive(0, Frame(Opcode.PING, payload))
    assert plan.next_wake_ns() == 30 * MS
    assert taken(plan, 29) == []
    items = [step.item for step in taken(plan, 30)]
    assert [item.payload for item in items if isinstance(item, Frame)] == [b"a", b"b"]


@pytest.mark.parametrize("how", ["eof", "reset"])
def test_schedule_after_own_end_sends_nothing(how: str, script: Callable[..., Script]) -> None:
    plan = schedule(
        script(
            "client",
            (10, False, Frame(Opcode.PING, b"x")),
            (210, True, Frame(Opcode.PONG, b"x", mask=KEY)),
            (260, True, ExpectedEnding(how)),
            (400, False, ExpectedEnding("eof")),
        )
    )
    plan.receive(150 * MS, Frame(Opcode.PING, b"x"))  # to be answered at 350
    assert [step.item for step in taken(plan, 260)] == [ExpectedEnding(how)]
    assert taken(plan, 400) == []


def test_schedule_pings_do_not_prolong_wait(script: Callable[..., Script]) -> None:
    plan = schedule(
        script(
            "client",
            (0, False, Frame(Opcode.PING, b"one")),
            (30, True, Frame(Opcode.PONG, b"one", mask=KEY)),
        ),
        timeout_ms=1_000,
    )
    plan.receive(1_020 * MS, Frame(Opcode.PING, b"late"))
    assert plan.is_over(1_030 * MS)


def test_schedule_missing_ping_delays_nothing(script: Callable[..., Script]) -> None:
    plan = schedule(
        script(
            "client",
            (100, False, Frame(Opcode.PING, b"one")),
            (130, True, Frame(Opcode.PONG, b"one", mask=KEY)),
            (200, True, AUDIO),
        )
    )
    assert times(taken(plan, 200)) == [200]


def test_schedule_unanswered_pings_stay_unanswered(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", (100, False, Frame(Opcode.PING, b"one")), (200, True, AUDIO)))
    plan.receive(50 * MS, Frame(Opcode.PING, b"one"))
    assert times(taken(plan, 200)) == [200]


def test_schedule_unsolicited_pong_is_a_step(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", (5, True, Frame(Opcode.PONG, b"alive", mask=KEY))))
    assert times(taken(plan, 5)) == [5]


def test_schedule_early_close_is_answered_and_steps_dropped(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", *STALL))
    plan.receive(0, Frame(Opcode.CLOSE, Close(1008).serialize()))
    assert times(taken(plan, 0)) == [0]  # it was due all the same
    assert times(taken(plan, 20)) == [20, 12_021]
    plan.receive(30 * MS, ExpectedEnding("eof"))
    assert times(taken(plan, 40)) == [12_023]


def test_schedule_unrecorded_close_ends_replay(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", (0, True, AUDIO), (5_000, True, AUDIO)))
    taken(plan, 0)
    plan.receive(10 * MS, FAILURE)
    assert taken(plan, 10) == []
    assert plan.is_over(10 * MS)
    assert (plan.dropped, plan.early_ns) == (1, 4_990 * MS)


def test_schedule_messages_in_flight_at_close_are_not_required(
    script: Callable[..., Script],
) -> None:
    plan = schedule(
        script(
            "server",
            (0, True, AUDIO),
            (10, False, FAILURE),
            (11, True, AUDIO),
            (20, False, ExpectedEnding("reset")),
        )
    )
    plan.receive(0, AUDIO)
    assert times(taken(plan, 20)) == [10, 20]
    assert plan.is_over(20 * MS)


def test_schedule_reset_ends_replay_at_once(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", *STALL))
    plan.receive(5 * MS, ExpectedEnding("reset"))
    assert taken(plan, 30) == []
    assert plan.is_over(30 * MS)


def test_schedule_late_step_lateness_is_measured(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", (0, True, AUDIO), (20, True, AUDIO)))
    taken(plan, 3)
    taken(plan, 20)
    assert list(plan.lateness) == [3 * MS, 0]


def test_schedule_stopped_recording_waits_recorded_duration(script: Callable[..., Script]) -> None:
    plan = schedule(script("client", (0, True, AUDIO), (8_000, False, RESULTS), ending="stopped"))
    taken(plan, 0)
    assert not plan.is_over(7_999 * MS)
    assert plan.is_over(8_000 * MS)


@pytest.fixture
def endpoint(script: Callable[..., Script], tmp_path: Path) -> Endpoint:
    recording = SessionWriter(tmp_path / "replay.wstrace", new_start(Clock(0, 0)))
    return Endpoint(schedule(script("client")), recording)


def test_endpoint_masked_frame_gets_new_key(
    script: Callable[..., Script], endpoint: Endpoint
) -> None:
    (step,) = script("client", (0, True, AUDIO)).steps
    (first, recorded), (second, _) = endpoint.encode(step), endpoint.encode(step)
    assert first == recorded
    assert first != second
    for data in (first, second):
        (frame,) = FrameParser().feed(data)
        assert isinstance(frame, Frame)
        assert frame.payload == AUDIO.payload


def test_endpoint_unmasked_client_frame_stays_unmasked(
    script: Callable[..., Script], endpoint: Endpoint
) -> None:
    bare = Frame(Opcode.TEXT, b"x")
    (step,) = script("client", (0, True, bare)).steps
    assert endpoint.encode(step) == (bare.serialize(), bare.serialize())


def test_script_steps_have_prerequisites_and_frame_numbers(script: Callable[..., Script]) -> None:
    steps = script("server", *STALL).steps
    assert [step.number for step in steps] == [3, 0]
    assert steps[0].prerequisite == SideProgress(binary=200)
    assert steps[0].prerequisite_ns == 20 * MS
    assert steps[1].prerequisite == SideProgress(binary=200, closes=1)


@st.composite
def sessions(draw: st.DrawFn) -> list[tuple[int, bool, Item]]:
    """Any traffic, then perhaps a Close from either side, and ends."""
    kinds: list[Frame] = [AUDIO, KEEPALIVE, Frame(Opcode.PING, b"p"), Frame(Opcode.PONG, b"p")]
    events: list[tuple[int, bool, Item]] = []
    now = 0
    for _ in range(draw(st.integers(0, 12))):
        now += draw(st.integers(0, 500))
        from_client = draw(st.booleans())
        frame = draw(st.sampled_from(kinds))
        mask = KEY if from_client else None
        events.append((now, from_client, Frame(frame.opcode, frame.payload, mask=mask)))
    first = draw(st.booleans())
    for from_client in draw(st.sampled_from([[], [first], [first, not first]])):
        now += draw(st.integers(0, 500))
        mask = KEY if from_client else None
        events.append((now, from_client, Frame(Opcode.CLOSE, b"\x03\xe8", mask=mask)))
    for from_client in draw(st.sampled_from([[], [first], [first, not first]])):
        now += draw(st.integers(0, 500))
        events.append((now, from_client, ExpectedEnding(draw(st.sampled_from(["eof", "reset"])))))
    return events


@given(
    events=sessions(),
    conversation=sessions(),
    side=st.sampled_from(["client", "server"]),
    pace=st.sampled_from(["recorded", "fast"]),
)
def test_schedule_any_peer_behaviour_ends(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[int, bool, Item]],
    conversation: list[tuple[int, bool, Item]],
    side: str,
    pace: str,
) -> None:
    path = write(tmp_path_factory.mktemp("t") / "t.wstrace", events)
    plan = schedule(Script.read(path, side), pace=pace, timeout_ms=3_000)
    other = [
        (ms, item) for ms, from_client, item in conversation if from_client is (side == "server")
    ]
    now = 0
    for _ in range(200):
        while other and other[0][0] * MS <= now:
            plan.receive(now, other.pop(0)[1])
        while plan.next_step(now) is not None:
            pass
        if plan.is_over(now):
            return
        # Each wake is later than now: a driver that sleeps until then is never busy.
        wake = plan.next_wake_ns()
        assert wake > now
        now = min([wake, *(ms * MS for ms, _ in other[:1] if ms * MS > now)])
    raise AssertionError("the schedule never ends")
