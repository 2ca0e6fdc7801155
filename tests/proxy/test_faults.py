"""Every fault at every stage: both ends see what docs/faults.md says, and nothing is kept."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from faults.certificates import HOST, Certificates
from faults.document import AT_ONCE, Outcome, document, outcomes
from faults.play import Recorder, play, recorded_outcomes, recorder
from faults.reasons import REASONS, reasons
from faults.table import CASES, Case
from wire_bytes import BINARY, TEXT, frame, upgrade
from wire_witness import PATIENCE, wait_until
from wsproxy.proxy import failed_attempts
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.replayer.script import Script
from wsproxy.trace import Bytes, Eof, Failure, Request, Response, TraceReader

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
# A look-up of a name leaves a thread of the event loop's own pool; it has a fixed size.
WARM_UP = [case for case in CASES if case.fault.host.endswith(".invalid")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def rig(certificates: Certificates, tmp_path: Path) -> Iterator[Recorder]:
    with recorder(certificates, tmp_path) as way:
        yield way


def test_fault_table_each_fault_is_as_documented_and_leaves_nothing(
    certificates: Certificates, rig: Recorder
) -> None:
    warm_up(certificates, rig)
    before = rig.held()
    documented = DOCUMENT.read_text()
    seen = outcomes(CASES, certificates, rig)
    # A machine that is busy can be late for the time that a connect gets, or read a FIN before the
    # alert that came with it: those once more, and all where that shows in the document.
    again = {each.case: each for each in outcomes(unexplained(seen), certificates, rig)}
    seen = [again.get(each.case, each) for each in seen]
    if document(seen) != documented:
        seen = outcomes(CASES, certificates, rig)
        again = {each.case: each for each in seen}
    check_released(rig, before, "all")
    assert not [f"{case}: {again[case]}" for case in unexplained(seen)]
    assert document(seen).splitlines() == documented.splitlines()


def unexplained(seen: list[Outcome]) -> list[Case]:
    """Cases that differ without a reason, or have a reason and do not differ."""
    return [each.case for each in seen if each.differs != bool(reasons(each.case))]


def test_fault_reasons_are_all_used() -> None:
    assert {name for case in CASES for name in reasons(case)} == set(REASONS)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fault_table_twenty_rounds_leave_nothing(certificates: Certificates, rig: Recorder) -> None:
    play_all(20, certificates, rig)


def check_released(rig: Recorder, before: dict[str, int], what: object) -> None:
    """Fail unless as much is held again as before."""
    try:
        wait_until(lambda: not rig.more_than(before))
    except AssertionError:
        raise AssertionError(f"{what}: {before}, more now: {rig.more_than(before)}") from None


def play_all(rounds: int, certificates: Certificates, rig: Recorder) -> None:
    """Play all faults, each over two schemes by turns, many at a time."""
    kinds = [[c for c in CASES if c.is_mixed is mixed] for mixed in (False, True)]
    warm_up(certificates, rig)
    before = rig.held()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(rounds):
            cases = kinds[number % 2]
            list(pool.map(lambda case: play(case, certificates, rig.way(case)), cases))
    rig.wait_quiet()
    check_released(rig, before, "all")


def warm_up(certificates: Certificates, rig: Recorder) -> None:
    for case in WARM_UP:
        play(case, certificates, rig.way(case))
    rig.wait_quiet()


# -- what the recorder makes of them


@pytest.mark.parametrize("asks_first", [True, False])
def test_record_immediate_reset_of_the_server_is_recorded(
    rig: Recorder, monkeypatch: pytest.MonkeyPatch, asks_first: bool
) -> None:
    """A connection reset as soon as it was made has no peer, which mitmproxy does not expect."""
    stock = asyncio.StreamWriter.get_extra_info
    with socket.create_server((HOST, 0)) as listener:
        server = listener.getsockname()

        def get_extra_info(writer: Any, name: str, default: Any = None) -> Any:
            found = stock(writer, name, default)
            return None if name == "peername" and found == server else found

        monkeypatch.setattr(asyncio.StreamWriter, "get_extra_info", get_extra_info)
        before = rig.held()
        target = f"{server[0]}:{server[1]}"
        with socket.create_connection(rig.address) as client:
            client.settimeout(PATIENCE)
            if asks_first:
                head = upgrade(f"http://{target}/chat", target)
            else:
                head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
            client.sendall(head)
            port = client.getsockname()[1]
            assert client.recv(1000) == b""
        rig.wait_quiet()
        assert "failed by server, connect" in recorded_outcomes(rig.traces(port))
    check_released(rig, before, "reset")


def test_session_writer_incomplete_frame_has_the_time_of_its_beginning(tmp_path: Path) -> None:
    recording = SessionWriter(tmp_path / "x.wstrace", new_start(Clock.start()))
    speech = frame(BINARY, bytes(200))
    recording.data(10, False, speech + speech[:40])
    recording.data(20, False, speech[40:60])
    recording.data(30, True, frame(TEXT, b"meanwhile", mask=bytes(4)))
    recording.eof(Eof(40, False))
    recording.end(50)
    with TraceReader(recording.path) as reader:
        [rest] = [record for record in reader if isinstance(record, Bytes)]
    assert (rest.t_ns, rest.data) == (10, speech[:60])


def test_replay_incomplete_frame_does_not_wait_for_later_data(tmp_path: Path) -> None:
    recording = SessionWriter(tmp_path / "x.wstrace", new_start(Clock.start()))
    recording.add(Request(1, "GET", "ws", HOST, 80, "/"))
    recording.response(Response(2, 101))
    first, later = (frame(TEXT, text, mask=bytes(4)) for text in (b"first", b"later"))
    recording.data(10, True, first)
    recording.data(20, False, frame(BINARY, bytes(200))[:40])
    recording.data(30, True, later)
    recording.eof(Eof(40, False))
    recording.end(50)
    cut_off, end = Script.read(recording.path, "server").steps
    assert (cut_off.t_ns, cut_off.prerequisite_ns) == (18, 8)
    assert (end.t_ns, end.prerequisite_ns) == (38, 28)


def test_failed_attempts_are_counted_for_bounded_endpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_attempts, "MAX_ENDPOINTS", 3)
    attempts = failed_attempts.FailedAttempts()
    for number, host in enumerate(["a", "b", "c", "a", "d"]):
        recording = SessionWriter(tmp_path / f"{number}.wstrace", new_start(Clock.start()))
        recording.add(Request(1, "GET", "wss", host, 443, "/listen"))
        recording.add(Failure(2, "connect", False, "refused"))
        recording.end(3)
        attempts.add(recording.session)
    assert [attempts.next_attempt(host, "/listen") for host in "abcd"] == [3, 1, 2, 2]
