"""Connections that go past the recorder are seen."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from caught_programs import own_address, serving
from wire_witness import wait_until
from wsproxy.intercept import connection_watch, lsof_connections, proc_connections
from wsproxy.intercept.connection_watch import ConnectionWatch
from wsproxy.intercept.past_connections import MAX_LINES, PastConnection, lines

HOST = own_address() or ""

HOLD = """
    import os, socket, sys

    if sys.argv[3] == "child" and os.fork():
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    sock.sendall(b"!")
    print(sock.recv(1), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def port() -> Iterator[int]:
    if not Path("/proc/net/tcp").exists():
        pytest.skip("there is no /proc/net/tcp")
    if not HOST:
        pytest.skip("this machine has no address besides those of loopback")
    with serving(host="0.0.0.0") as number:
        yield number


def holding(host: str, port: int, where: str) -> subprocess.Popen[str]:
    """A program that holds a connection until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", textwrap.dedent(HOLD), host, str(port), where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "b'!'\n"
    return process


@pytest.mark.parametrize("where", ["here", "child"])
def test_watch_connection_of_a_program_or_its_child_is_found_once(port: int, where: str) -> None:
    with holding(HOST, port, where) as process:
        with ConnectionWatch(process.pid, [port]) as watch:
            wait_until(lambda: watch.found)
        watch.look()
        assert process.stdin is not None
        process.stdin.close()
    ((kind, count),) = watch.found.items()
    assert (kind.address, kind.why, count) == ((HOST, port), "", 1)
    assert kind.program.startswith("python")


@pytest.mark.parametrize(("host", "other_port"), [("127.0.0.1", False), (HOST, True)])
def test_watch_loopback_and_other_ports_do_not_count(
    port: int, host: str, other_port: bool
) -> None:
    with holding(host, port, "here") as process:
        watch = ConnectionWatch(process.pid, [port + other_port])
        watch.look()
        assert process.stdin is not None
        process.stdin.close()
    assert not watch.found


def test_watch_connections_of_other_programs_do_not_count(port: int) -> None:
    with (
        socket.create_connection((HOST, port)),
        subprocess.Popen(["sleep", "60"]) as other,
    ):
        watch = ConnectionWatch(other.pid, [port])
        watch.look()
        other.kill()
    assert not watch.found


@pytest.fixture
def with_lsof(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    if not lsof_connections.is_available():
        pytest.skip("lsof is not installed")
    monkeypatch.setattr(proc_connections, "is_available", lambda: False)
    monkeypatch.setattr(connection_watch, "LSOF_INTERVAL", 0.1)


@pytest.mark.usefixtures("with_lsof")
def test_watch_with_lsof_finds_the_same(port: int) -> None:
    with holding(HOST, port, "child") as process:
        with ConnectionWatch(process.pid, [port]) as watch:
            wait_until(lambda: watch.found)
        watch.look()
        assert process.stdin is not None
        process.stdin.close()
    ((kind, count),) = watch.found.items()
    assert (kind.address, count) == ((HOST, port), 1)
    assert kind.program.startswith("python")


def test_lsof_output_is_read_field_by_field() -> None:
    text = "p10\ncpython3.11\nf3\nn10.0.0.2:5000->192.0.2.1:443\nf4\nn*:8080\nf5\n"
    text += "n127.0.0.1:1->127.0.0.1:443\np11\ncnode\nf3\nn[fd00::2]:1->[2001:db8::1]:443\n"
    text += "n10.0.0.2:5001->192.0.2.1:22\nn10.0.0.2:5002->host:https\n"
    assert list(lsof_connections.parse(text, [443])) == [
        ("10 10.0.0.2:5000->192.0.2.1:443", PastConnection(("192.0.2.1", 443), "python3.11")),
        ("11 [fd00::2]:1->[2001:db8::1]:443", PastConnection(("2001:db8::1", 443), "node")),
    ]


def test_lsof_processes_are_those_below_the_first() -> None:
    table = "    1     0\n  10     1\n  11    10\n  12    11\n  20     1\n"
    assert lsof_connections.with_descendants(10, table) == [10, 11, 12]


def test_lines_of_many_kinds_are_bounded() -> None:
    kinds = {PastConnection(("192.0.2.1", port), "a"): 1 for port in range(MAX_LINES + 5)}
    assert len(lines(kinds)) == MAX_LINES + 1
    assert lines(kinds)[-1] == "went past the recorder: 5 connections to other addresses"
