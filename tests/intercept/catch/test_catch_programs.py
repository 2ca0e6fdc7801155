"""Programs behave the same whether their connections are caught or not."""

from __future__ import annotations

import shutil
import socket
import socketserver
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from caught_programs import Catching, catching, own_address, require_catch, run_direct, serving
from wire_servers import unused_port
from wsproxy.system.tcp import reset_on_close

require_catch()

C_PROGRAM = Path(__file__).parents[2] / "data" / "catch" / "connects.c"
HOST = own_address() or ""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catching]:
    with catching(tmp_path_factory.mktemp("catch")) as running:
        yield running


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


def python(text: str, *arguments: object) -> list[str]:
    """A Python program without any settings of the environment."""
    return [sys.executable, "-I", "-c", textwrap.dedent(text), HOST, *map(str, arguments)]


def test_catch_static_program_sees_the_same_results(
    recorder: Catching, port: int, tmp_path: Path
) -> None:
    """Errors, flags, time limits, interrupted calls; on x86_64 also calls of 32-bit programs."""
    if (compiler := shutil.which("gcc")) is None:
        pytest.skip("gcc is not installed")
    program = tmp_path / "connects"
    subprocess.run(
        [compiler, "-static", "-no-pie", "-o", program, C_PROGRAM], check=True, timeout=60
    )
    closed = unused_port()
    argv = [str(program), HOST, str(port), str(closed)]
    direct = run_direct(argv)
    assert direct.status == 0
    assert "blocking: ping" in direct.output
    assert recorder.run(argv, [port, closed]) == direct
    assert not recorder.running.past


ASYNC = """
    import asyncio, sys

    host, port, closed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    async def call(number):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"%d" % number)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def main():
        print(sorted(await asyncio.gather(*map(call, range(100)))))
        try:
            await asyncio.open_connection(host, closed)
        except OSError as error:
            print(error)

    asyncio.run(main())
"""


def test_catch_asyncio_program_sees_the_same_results(recorder: Catching, port: int) -> None:
    closed = unused_port()
    argv = python(ASYNC, port, closed)
    direct = run_direct(argv)
    assert "Connect call failed" in direct.output
    assert recorder.run(argv, [port, closed]) == direct


def test_catch_ipv6_program_sees_the_same_results(recorder: Catching) -> None:
    host = own_address(socket.AF_INET6)
    if host is None:
        pytest.skip("this machine has no IPv6 address besides that of loopback")
    closed = unused_port()
    with serving(host=host) as number:
        argv = [*python(ASYNC)[:-1], host, str(number), str(closed)]
        direct = run_direct(argv)
        assert "Connect call failed" in direct.output
        assert recorder.run(argv, [number, closed]) == direct
    assert recorder.running.relayed == {host: 100}


THREADS = """
    import socket, sys, threading

    def call():
        with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
            sock.sendall(b"ping")
            answers.append(sock.recv(4))

    answers = []
    threads = [threading.Thread(target=call) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(answers.count(b"ping"))
"""

CHILDREN = """
    import os, socket, sys

    for _ in range(500):
        if os.fork() == 0:
            with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
                sock.sendall(b"ping")
                os._exit(0 if sock.recv(4) == b"ping" else 1)
    print([os.wait()[1] for _ in range(500)].count(0))
"""


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("program", "good"), [(THREADS, "200\n"), (CHILDREN, "500\n")], ids=["threads", "children"]
)
def test_catch_many_threads_and_processes_are_unharmed(
    recorder: Catching, port: int, program: str, good: str
) -> None:
    ran = recorder.run(python(program, port), [port])
    assert (ran.output, ran.status) == (good, 0)


NODE = """
    const net = require('net');
    const [host, port, closed] = process.argv.slice(1);
    const socket = net.connect(port, host, () => socket.end('ping'));
    socket.on('data', data => console.log(String(data)));
    socket.on('close', () => net.connect(closed, host).on('error', e => console.log(e.code)));
"""


def test_catch_node_program_sees_the_same_results(recorder: Catching, port: int) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    closed = unused_port()
    argv = [node, "-e", NODE, HOST, str(port), str(closed)]
    direct = run_direct(argv)
    assert direct.output == "ping\nECONNREFUSED\n"
    assert recorder.run(argv, [port, closed]) == direct


STATE = """
    import os, pathlib, resource, sys

    os.umask(mask := os.umask(0))
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    masks = ("SigBlk", "SigIgn", "SigCgt")
    # Signals 32 and 33 are those of the C library.
    print([int(line[8:], 16) & 0x7FFFFFFF for line in lines if line[:6] in masks])
    print(mask, os.getcwd(), sys.orig_argv, sorted(os.listdir("/proc/self/fd")))
    print([resource.getrlimit(each) for each in range(15)])
    print(sorted(os.environb.items()), os.nice(0), os.getpgid(0), os.getsid(0))
"""


def test_catch_program_starts_in_the_same_state(recorder: Catching) -> None:
    """Signals, umask, limits, folder, arguments, environment, descriptors, process group."""
    argv = python(STATE)
    env = {"PATH": "/usr/bin:/bin", "ODD": "\udcff\n=x", "LC_ALL": "C"}
    assert recorder.run(argv, [443], env) == run_direct(argv, env)


@pytest.mark.parametrize("script", ["exit 7", "kill -9 $$", "kill -TERM $$"])
def test_catch_exit_status_is_the_programs(recorder: Catching, script: str) -> None:
    argv = ["sh", "-c", script]
    assert recorder.run(argv, [443]) == run_direct(argv)


def test_catch_missing_program_is_an_error(recorder: Catching) -> None:
    with pytest.raises(FileNotFoundError):
        recorder.start(["/nonexistent/program"], [443])


class _Greeting(socketserver.BaseRequestHandler):
    """Speaks first, and answers when the client has ended its direction."""

    def handle(self) -> None:
        self.request.sendall(b"220 hello\r\n")
        received = b""
        while data := self.request.recv(4096):
            received += data
        self.request.sendall(received)


class _Reset(socketserver.BaseRequestHandler):
    """Resets the connection when it has received something."""

    def handle(self) -> None:
        self.request.recv(4)
        reset_on_close(self.request)
        self.request.close()


TALK = """
    import socket, sys

    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    if sys.argv[3] == "wait":
        print(sock.recv(100))
    sock.sendall(b"ping")
    if sys.argv[3] == "wait":
        sock.shutdown(socket.SHUT_WR)
    try:
        print(sock.recv(100), sock.recv(100))
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("handler", "argument", "expected"),
    [
        (_Greeting, "wait", "b'220 hello\\r\\n'\nb'ping' b''\n"),
        (_Reset, "send", "[Errno 104] Connection reset by peer\n"),
    ],
    ids=["greeting", "reset"],
)
def test_catch_other_protocols_pass_unchanged(
    recorder: Catching,
    handler: type[socketserver.BaseRequestHandler],
    argument: str,
    expected: str,
) -> None:
    """Greetings of servers, half-closed connections, resets."""
    with serving(handler) as number:
        argv = python(TALK, number, argument)
        assert run_direct(argv).output == expected
        assert recorder.run(argv, [number]).output == expected
