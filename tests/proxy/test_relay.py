"""Every scenario, every way through the recorder: not touched, and all there."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mitmproxy.proxy.server
import pytest
from mitmproxy import ctx
from mitmproxy.proxy.server import ConnectionHandler

from relay_scenarios import (
    HELLO,
    RESULT,
    SCENARIOS,
    SOME,
    fin,
    watch,
)
from tls_certificates import Certificate
from wire_bytes import Split, frame, split
from wire_servers import Scenario, Upstream, Witnessed, connect_proxy
from wire_witness import PATIENCE, Peer, direct, through_connect, through_socks5, wait_until
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.proxy.relay import Leg
from wsproxy.recorder import SessionWriter
from wsproxy.recorder.live_session import LiveSession
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, FrameRecord, Record, TraceReader


@dataclass
class Rig:
    """A recorder in one mode, the servers behind it, and the traces that it completes."""

    upstream: dict[bool, Upstream]
    running: RunningProxy
    mode: str
    traces: dict[str, Path] = field(default_factory=dict)
    ended: threading.Condition = field(default_factory=threading.Condition)

    def take(self, recording: SessionWriter) -> None:
        with self.ended:
            request = recording.session.request
            self.traces[request.path if request else ""] = recording.path
            self.ended.notify_all()

    def play(
        self, scenario: Scenario, *, client_tls: bool, server_tls: bool
    ) -> tuple[Witnessed, Path]:
        """Play a scenario through the recorder; returns what was seen and its trace."""
        upstream = self.upstream[server_tls]
        seen = upstream.play(scenario, lambda: self.connect(upstream, tls=client_tls))
        return seen, self.trace(seen.server.head.split(b" ", 2)[1].decode())

    def trace(self, path: str) -> Path:
        """The completed trace of the session with this path."""
        with self.ended:
            assert self.ended.wait_for(lambda: path in self.traces, PATIENCE), "no trace"
            return self.traces[path]

    def connect(self, upstream: Upstream, *, tls: bool) -> Peer:
        assert self.running.address is not None
        port = self.running.address[1]
        if self.mode.startswith("reverse"):
            return direct(port, tls=tls)
        if self.mode == "socks5":
            return through_socks5(port, upstream.port, tls=tls)
        return through_connect(port, upstream.port, tls=tls)


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Upstream]]:
    certificate = Certificate.make(tmp_path_factory.mktemp("upstream") / "server.pem")
    with Upstream() as plain, Upstream(certificate) as encrypted:
        yield {False: plain, True: encrypted}


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA of all recorders of this module."""
    return tmp_path_factory.mktemp("ca")


@contextmanager
def recorder(
    mode: str, upstreams: dict[bool, Upstream], confdir: Path, out: Path, *options: str
) -> Iterator[Rig]:
    rigs: list[Rig] = []
    settings = ProxySettings(
        port=0, mode=mode, out=out, confdir=confdir, options=("ssl_insecure=true", *options)
    )
    with background(settings, on_end=lambda recording: rigs[0].take(recording)) as running:
        rigs.append(Rig(upstreams, running, mode))
        yield rigs[0]


class Rigs:
    """A recorder, kept while tests of the same mode follow each other.

    Not a fixture with parameters, which pytest makes anew for each test; and one at a time, as
    mitmproxy's state is global.
    """

    def __init__(self, upstreams: dict[bool, Upstream], confdir: Path, out: Path) -> None:
        self._upstreams, self._confdir, self._out = upstreams, confdir, out
        self._stack = ExitStack()
        self._rig: Rig | None = None
        self._mode = ""

    def of(self, mode: str) -> Rig:
        """The recorder of a mode, which is the only one then."""
        if self._rig is None or self._mode != mode:
            self.close()
            self._rig = self._stack.enter_context(self._running(mode))
            self._mode = mode
        return self._rig

    def close(self) -> None:
        self._rig = None
        self._stack.close()

    @contextmanager
    def _running(self, mode: str) -> Iterator[Rig]:
        with connect_proxy() as proxy:
            full = {
                "reverse-http": f"reverse:ws://127.0.0.1:{self._upstreams[False].port}",
                "reverse-https": f"reverse:wss://127.0.0.1:{self._upstreams[True].port}",
                "upstream": f"upstream:http://127.0.0.1:{proxy}",
            }.get(mode, mode)
            with recorder(full, self._upstreams, self._confdir, self._out / mode) as running:
                yield running


@pytest.fixture(scope="module")
def rigs(
    upstreams: dict[bool, Upstream], confdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rigs]:
    rigs = Rigs(upstreams, confdir, tmp_path_factory.mktemp("traces"))
    yield rigs
    rigs.close()


@pytest.fixture
def alone(rigs: Rigs) -> None:
    """For a test with a recorder of its own."""
    rigs.close()


# On each Python every scenario in one mode with TLS and in one without, and SOME in all modes.
ALL_ON_EACH_PYTHON = {("regular", "wss"), ("reverse-http", "ws")}
CASES = [
    pytest.param(
        mode,
        client_tls,
        server_tls,
        scenario,
        id=f"{mode}-{label}-{scenario}",
        marks=[pytest.mark.one_python]
        * ((mode, label) not in ALL_ON_EACH_PYTHON and scenario not in SOME),
    )
    for mode, client_tls, server_tls, label, scenarios in (
        ("regular", False, False, "ws", SCENARIOS),
        ("regular", True, True, "wss", SCENARIOS),
        ("reverse-http", False, False, "ws", SCENARIOS),
        ("reverse-https", True, True, "wss", SCENARIOS),
        ("reverse-https", False, True, "ws-to-wss", SOME),
        ("socks5", False, False, "ws", SOME),
        ("socks5", True, True, "wss", SOME),
        ("upstream", False, False, "ws", SOME),
        ("upstream", True, True, "wss", SOME),
    )
    for scenario in scenarios
    if scenario.tls is None or scenario.tls == client_tls == server_tls
]


def kind(mode: str, client_tls: bool, server_tls: bool, scenario: Scenario) -> object:
    """Of those in all modes, each mode and pair of schemes, ended by either side."""
    if scenario in SOME:
        return mode, client_tls, server_tls, scenario.closed_by
    return scenario.name


@pytest.mark.sweep(kind=kind)
@pytest.mark.parametrize(("mode", "client_tls", "server_tls", "scenario"), CASES)
def test_relay_scenario_is_unchanged_and_recorded(
    rigs: Rigs, mode: str, client_tls: bool, server_tls: bool, scenario: Scenario
) -> None:
    rig = rigs.of(mode)
    upstream = rig.upstream[server_tls]
    expected = upstream.play(scenario, lambda: direct(upstream.port, tls=server_tls))
    seen, trace = rig.play(scenario, client_tls=client_tls, server_tls=server_tls)
    check_not_touched(scenario, expected, seen, same_tls=client_tls == server_tls)
    check_all_there(scenario, seen, trace)


def test_upstream_runs_of_a_scenario_have_paths_of_their_own(
    upstreams: dict[bool, Upstream],
) -> None:
    """Else the trace of one server's run is taken for that of another's."""

    def path(*, tls: bool) -> bytes:
        upstream = upstreams[tls]
        run = upstream.play(SCENARIOS[0], lambda: direct(upstream.port, tls=tls))
        return run.server.head.split(b" ")[1]

    assert path(tls=False) != path(tls=True)


def check_not_touched(
    scenario: Scenario, expected: Witnessed, seen: Witnessed, *, same_tls: bool
) -> None:
    assert headers(seen.server.head) == headers(expected.server.head)
    assert seen.client.head == expected.client.head
    for end in ("client", "server"):
        here, there = getattr(seen, end), getattr(expected, end)
        ends = [how for how in there.saw if same_tls or how != "close-notify"]
        assert [how for how in here.saw if same_tls or how != "close-notify"] == ends
        if scenario.exact:
            assert here.received == there.received
    if not scenario.exact:
        # The side that is cut off gets rid of more or less; the other says a fixed thing.
        check_cut_off(seen)


def check_cut_off(seen: Witnessed) -> None:
    assert seen.client.sent.startswith(seen.server.received)
    assert seen.server.sent.startswith(seen.client.received)
    if "reset" in seen.server.did:
        assert seen.client.received == seen.server.sent
    else:
        assert seen.server.received == seen.client.sent


def headers(head: bytes) -> list[bytes]:
    """The head's lines without the path, which counts the runs."""
    return head.split(b"\r\n")[1:]


def check_all_there(scenario: Scenario, seen: Witnessed, path: Path) -> None:
    with TraceReader(path) as reader:
        records = list(reader)
        assert not reader.losses
    for peer, other, from_client in (
        (seen.client, seen.server, True),
        (seen.server, seen.client, False),
    ):
        check_direction(scenario, peer, other, records, from_client=from_client)
    session = Session.read(path)
    assert (session.ending, session.closed_by) == (scenario.ending, scenario.closed_by)
    assert session.complete
    assert session.end is not None
    assert session.end.ending == scenario.ending
    if scenario.exact:
        assert session.end.bytes_sent == len(seen.client.sent)
        assert session.end.bytes_received == len(seen.server.sent)
    assert session.end.frames_sent == session.sent.frames
    assert session.end.frames_received == session.received.frames


def check_direction(
    scenario: Scenario,
    peer: Peer,
    other: Peer,
    records: Sequence[Record],
    *,
    from_client: bool,
) -> None:
    mine = [r for r in records if getattr(r, "from_client", None) is from_client]
    wire = [r for r in mine if isinstance(r, FrameRecord | Bytes)]
    if scenario.extensions:
        check_inflated(peer, wire)
    else:
        recorded = b"".join(on_the_wire(r) for r in wire)
        if scenario.exact:
            assert recorded == peer.sent
        else:
            assert peer.sent.startswith(recorded)
            assert recorded.startswith(other.received)
    ends = [r.how for r in mine if isinstance(r, Eof)]
    if "reset" in other.did:
        # The other side cut the connection: what this one did then reached nobody.
        assert ends == peer.did[: len(ends)]
    else:
        assert ends == peer.did


def on_the_wire(record: FrameRecord | Bytes) -> bytes:
    if isinstance(record, Bytes):
        return record.data
    size = record.wire_length - len(record.payload) - 2 - (4 if record.mask else 0)
    return frame(
        record.opcode,
        record.payload,
        fin=record.fin,
        rsv=record.rsv,
        mask=record.mask,
        length_size=size,
    )


def check_inflated(peer: Peer, records: list[FrameRecord | Bytes]) -> None:
    """Compare frame by frame; of a compressed message the inflated text, as a whole."""
    frames, rest = split(bytes(peer.sent))
    assert not rest
    assert len(records) == len(frames)
    seen = [record for record in records if isinstance(record, FrameRecord)]
    for record, sent in zip(seen, frames, strict=True):
        assert Split(
            record.fin, record.rsv, record.opcode, record.mask, b"", record.wire_length
        ) == Split(sent.fin, sent.rsv, sent.opcode, sent.mask, b"", sent.wire_length)
        if record.deflated:  # unreadable payload may contain a credential
            assert (record.payload, record.cut) == (b"", len(sent.payload))
            assert record.redacted is not None
            assert [entry["why"] for entry in record.redacted] == ["unreadable"]
    control = [(r.opcode, r.payload) for r in seen if r.opcode >= 8]
    assert control == [(f.opcode, f.payload) for f in frames if f.opcode >= 8]
    if not any(r.deflated for r in seen):
        text = b"".join(r.payload for r in seen if r.opcode < 8)
        expected = b'{"word":"spoken"}' * 81 + b"not compressed" if len(frames) > 3 else text
        assert text == expected


@pytest.mark.usefixtures("alone")
def test_relay_idle_session_outlives_the_timeout_of_mitmproxy(
    upstreams: dict[bool, Upstream],
    confdir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: tuple[str, ...] = ()
    if hasattr(mitmproxy.proxy.server, "TCP_TIMEOUT"):
        monkeypatch.setattr(mitmproxy.proxy.server, "TCP_TIMEOUT", 1)  # seconds; mitmproxy 11
    else:
        options = ("tcp_timeout=1",)
    upstream = upstreams[False]
    others_cut = threading.Event()

    def server(peer: Peer) -> None:
        assert others_cut.wait(PATIENCE)
        peer.send(RESULT)
        peer.until(len(HELLO))
        fin(peer)

    def client(peer: Peer) -> None:
        # A tunnel that begins to be idle after this session did, and is cut for it.
        idle = rig.connect(upstream, tls=False)
        idle.until_end()
        assert idle.saw == ["eof"]
        idle.close()
        others_cut.set()
        peer.until(len(RESULT))
        peer.send(HELLO)
        watch(peer)

    scenario = Scenario("idle", server, client, "eof", "server")
    with recorder("regular", upstreams, confdir, tmp_path, *options) as rig:
        check_all_there(scenario, *rig.play(scenario, client_tls=False, server_tls=False))


@pytest.mark.usefixtures("alone")
def test_relay_unrecorded_session_is_unchanged(
    upstreams: dict[bool, Upstream], confdir: Path, tmp_path: Path
) -> None:
    upstream = upstreams[False]
    with recorder("regular", upstreams, confdir, tmp_path, "wsproxy_host=^nobody$") as rig:
        for scenario in SOME:
            expected = upstream.play(scenario, lambda: direct(upstream.port, tls=False))
            seen = upstream.play(scenario, lambda: rig.connect(upstream, tls=False))
            check_not_touched(scenario, expected, seen, same_tls=True)
        settled()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("alone")
def test_relay_after_sessions_leaves_nothing(
    upstreams: dict[bool, Upstream], confdir: Path, tmp_path: Path
) -> None:
    """After many sessions with all kinds of ends: no file, thread, task or connection."""
    kinds = [s for s in SCENARIOS if not s.name.startswith(("big", "stalled"))]

    def play(rig: Rig, times: int) -> None:
        for number in range(times):
            scenario = kinds[number % len(kinds)]
            tls = scenario.tls if scenario.tls is not None else number % 2 == 0
            rig.play(scenario, client_tls=tls, server_tls=tls)

    with recorder("regular", upstreams, confdir, tmp_path) as rig:
        play(rig, 5)
        before = settled()
        play(rig, 2 * len(kinds))
        # What was just being closed then may be among what was there before.
        wait_until(lambda: Counter(settled()) <= Counter(before))
        record = ctx.master.addons.get("record")
        assert (record._live, record._flows) == ({}, {})


def settled() -> dict[str, int]:
    """What there is once mitmproxy has let go of all connections."""
    wait_until(lambda: not ctx.master.addons.get("proxyserver").connections)
    gc.collect()
    return {
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        **Counter(
            kind.__name__
            for each in gc.get_objects()
            for kind in (asyncio.Task, Leg, LiveSession, SessionWriter, ConnectionHandler)
            if isinstance(each, kind) and not (isinstance(each, asyncio.Task) and each.done())
        ),
    }
