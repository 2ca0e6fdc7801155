"""What is recorded of caught connections, and what is left alone."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import ssl
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

import wsproxy
from caught_programs import Catching, Ran, catching, own_address, require_catch, run_direct, serving
from tls_certificates import Certificate
from wire_servers import unused_port
from wire_witness import wait_until
from wsproxy.intercept.catch import availability, target
from wsproxy.session import Session
from wsproxy.trace import find_traces

require_catch()

HOST = own_address() or ""
API = "api.deepgram.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of the API and of another server; a client trusts it only if its test says so."""
    return Certificate.make(tmp_path_factory.mktemp("tls") / "server.pem", (API, "git.example.com"))


@pytest.fixture(scope="module")
def recorder(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Catching]:
    trusted = f"ssl_verify_upstream_trusted_ca={certificate.path}"
    with catching(tmp_path_factory.mktemp("catch"), trusted) as running:
        yield running


def echo(session: ServerConnection) -> None:
    for message in session:
        session.send(message)


@contextlib.contextmanager
def api(certificate: Certificate | None = None) -> Iterator[int]:
    """A server that echoes messages; yields its port."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.path)
    with serve(echo, HOST, 0, ssl=context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


CLIENT = textwrap.dedent("""
    import socket, ssl, sys
    sys.path[:0] = PATH
    from websockets.sync.client import connect

    host, port, name, scheme, *trusted = sys.argv[1:]
    context = ssl.create_default_context(cafile=trusted[0]) if scheme == "wss" else None
    sock = socket.create_connection((host, int(port)))
    try:
        with connect(f"{scheme}://{name}/v1/listen", sock=sock, ssl=context) as session:
            session.send("hello")
            print(session.recv())
    except (OSError, EOFError) as error:
        print(type(error).__name__, getattr(error, "verify_message", ""))
""")


def client(port: int, name: str, scheme: str, *trusted: Path) -> list[str]:
    """A client that ignores the environment."""
    text = CLIENT.replace("PATH", repr(sys.path[1:]))
    return [sys.executable, "-I", "-c", text, HOST, str(port), name, scheme, *map(str, trusted)]


def run(
    recorder: Catching, argv: list[str], *ports: int, env: Mapping[str, str] | None = None
) -> tuple[Ran, list[Session]]:
    """Run a program; returns also the sessions that were recorded of it."""
    before = set(find_traces([recorder.out]))
    ran = recorder.run(argv, ports, env)
    recorder.running.drain(10)
    wait_until(lambda: all(Session.read(each).end for each in find_traces([recorder.out])))
    new = [each for each in find_traces([recorder.out]) if each not in before]
    return ran, [Session.read(each) for each in new]


@pytest.mark.parametrize("name", [API, "speech.example.com"])
def test_catch_plain_websocket_is_recorded_of_any_host(recorder: Catching, name: str) -> None:
    with api() as port:
        ran, sessions = run(recorder, client(port, name, "ws"), port)
    assert ran == Ran("hello\n", 0)
    (session,) = sessions
    assert session.request is not None
    assert session.start is not None
    assert session.request.host == name
    assert session.start.mode == "catch"
    assert (session.sent.frames, session.received.frames) == (2, 2)


def test_catch_tls_to_an_api_is_recorded(recorder: Catching, certificate: Certificate) -> None:
    with api(certificate) as port:
        ran, sessions = run(recorder, client(port, API, "wss", recorder.running.ca), port)
    assert ran == Ran("hello\n", 0)
    (session,) = sessions
    assert session.start is not None
    assert session.start.provider == "deepgram"


def test_catch_tls_of_a_program_without_the_variables_is_left_alone_and_reported(
    recorder: Catching, certificate: Certificate
) -> None:
    """An empty environment, as of `sudo`, does not name the CA: it would be rejected."""
    env = {"WSPROXY_CA": str(recorder.running.ca)}
    with api(certificate) as port:
        argv = client(port, API, "wss", certificate.path)
        ran, sessions = run(recorder, ["/usr/bin/env", "-i", *argv], port, env=env)
        assert ran == Ran("hello\n", 0)
        assert not sessions
        ((kind, count),) = recorder.running.past.items()
        assert (kind.address, count) == ((API, port), 1)
        assert kind.why.startswith("its environment does not have the recorder's CA")
        assert kind.program.startswith("python")
        trusting = client(port, API, "wss", recorder.running.ca)
        kept, recorded = run(recorder, trusting, port, env=env)
    assert kept == ran
    assert len(recorded) == 1
    assert not recorder.running.past


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (b"", True),
        (b"A=1\0B=\0", True),
        (b"\0\0\0", False),
        (b"gunicorn: worker [app]\0\0", False),
    ],
)
def test_target_environment_that_a_title_has_overwritten_is_unknown(
    monkeypatch: pytest.MonkeyPatch, data: bytes, known: bool
) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: data)
    assert target.environment(4711) == (data if known else None)


def test_catch_tls_to_another_host_is_passed_through(
    recorder: Catching, certificate: Certificate
) -> None:
    """The client sees the server's own certificate."""
    with api(certificate) as port:
        argv = client(port, "git.example.com", "wss", certificate.path)
        ran, sessions = run(recorder, argv, port)
    assert ran == Ran("hello\n", 0)
    assert not sessions
    assert recorder.running.relayed == {"git.example.com": 1}


def test_catch_api_that_refuses_connections_is_recorded(recorder: Catching) -> None:
    """Its name is known from an earlier connection to the same address."""
    text = """
        import socket, sys
        host, port, closed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        with socket.create_connection((host, port)) as sock:
            sock.sendall(b"GET /v1/projects HTTP/1.1\\r\\nHost: api.deepgram.com\\r\\n\\r\\n")
            sock.recv(1)
        print(socket.socket().connect_ex((host, closed)))
    """
    closed = unused_port()
    with api() as port:
        argv = [sys.executable, "-I", "-c", textwrap.dedent(text), HOST, str(port), str(closed)]
        ran, sessions = run(recorder, argv, port, closed)
        assert ran == run_direct(argv) == Ran(f"{errno.ECONNREFUSED}\n", 0)
    (session,) = (each for each in sessions if each.failure is not None)
    assert session.request is not None
    assert session.failure is not None
    assert session.request.host == API
    assert session.failure.where == "connect"


LATE = """
    import pathlib, socket, sys, time

    host, port, signal, result = sys.argv[1:]
    while not pathlib.Path(signal).exists():
        time.sleep(0.01)
    pathlib.Path(result).write_text(str(socket.socket().connect_ex((host, int(port)))))
"""


@pytest.mark.parametrize("connects_before", [False, True])
def test_catch_recorder_that_is_gone_leaves_the_program_alone(
    recorder: Catching, tmp_path: Path, connects_before: bool
) -> None:
    """As if it had been killed: connections in progress are refused, later ones are direct."""
    signal, result = tmp_path / "signal", tmp_path / "result"
    with serving() as port:
        argv = [sys.executable, "-I", "-c", textwrap.dedent(LATE), HOST, str(port)]
        command = recorder.start([*argv, str(signal), str(result)], [port])
        if connects_before:
            signal.touch()
            assert command.connections.recv(1, socket.MSG_PEEK)
        command.connections.close()
        command.close()
        signal.touch()
        wait_until(result.exists)
        wait_until(result.read_text)
    assert int(result.read_text()) == (errno.ECONNREFUSED if connects_before else 0)


def test_catch_other_network_namespace_is_left_alone(recorder: Catching) -> None:
    """Such as that of a container; its loopback address is another one."""
    if shutil.which("unshare") is None or run_direct(["unshare", "-n", "true"]).status:
        pytest.skip("network namespaces cannot be made here")
    text = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], 443)))"
    argv = ["unshare", "-n", sys.executable, "-I", "-c", text, HOST]
    assert recorder.run(argv, [443]) == run_direct(argv)
    ((kind, count),) = recorder.running.past.items()
    assert (kind.address, count) == ((HOST, 443), 1)
    assert kind.program.startswith("python")
    assert kind.why == "it uses another network namespace"


def test_catch_multipath_tcp_is_left_alone_and_reported(recorder: Catching) -> None:
    text = """
        import socket, sys
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
        print(sock.connect_ex((sys.argv[1], int(sys.argv[2]))))
    """
    with serving() as port:
        argv = [sys.executable, "-I", "-c", textwrap.dedent(text), HOST, str(port)]
        if (direct := run_direct(argv)).status:
            pytest.skip("the kernel has no Multipath TCP")
        assert recorder.run(argv, [port]) == direct
    ((kind, count),) = recorder.running.past.items()
    assert (kind.address, kind.why, count) == ((HOST, port), "it uses Multipath TCP", 1)


def test_catch_socket_of_an_interface_is_left_alone_and_reported(recorder: Catching) -> None:
    """It cannot reach the recorder, which is on the loopback interface."""
    text = """
        import socket, sys
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[2].encode())
        sock.setblocking(False)
        sock.connect_ex((sys.argv[1], 443))
    """
    name = next(name for _, name in socket.if_nameindex() if name != "lo")
    argv = [sys.executable, "-I", "-c", textwrap.dedent(text), HOST, name]
    if run_direct(argv).status:
        pytest.skip("sockets cannot be bound to an interface here")
    recorder.run(argv, [443])
    ((kind, count),) = recorder.running.past.items()
    assert (kind.why, count) == ("its socket is bound to a network interface", 1)


def test_catch_pid_namespace_is_caught_or_reported(recorder: Catching) -> None:
    if shutil.which("unshare") is None or run_direct(["unshare", "-pf", "true"]).status:
        pytest.skip("PID namespaces cannot be made here")
    text = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"
    with serving() as port:
        argv = ["unshare", "-pf", sys.executable, "-I", "-c", text, HOST, str(port)]
        assert recorder.run(argv, [port]) == Ran("0\n", 0)
    assert not recorder.running.past  # a namespace below the supervisor's is visible to it


def test_catch_without_privileges_records_too(recorder: Catching) -> None:
    """Then the command cannot gain privileges: the kernel insists on no_new_privs."""
    text = "print([line for line in open('/proc/self/status') if line.startswith('NoNewPrivs')])"
    for privileged in (True, False) if availability.may_gain_privileges() else (False,):
        argv = [sys.executable, "-I", "-c", text]
        ran = recorder.run(argv, [443], may_gain_privileges=privileged)
        assert ran.output == f"['NoNewPrivs:\\t{int(not privileged)}\\n']\n"


def test_obstacle_of_a_caught_program_is_the_filter(recorder: Catching) -> None:
    """`wsproxy run` inside `wsproxy run`: the outer one catches."""
    text = f"""
        import sys
        sys.path.insert(0, {str(Path(wsproxy.__file__).parents[1])!r})
        from wsproxy.intercept.catch import availability, target
        print(availability.obstacle("sh"))
    """
    ran = recorder.run([sys.executable, "-I", "-c", textwrap.dedent(text)], [443])
    assert "the kernel does not accept the filter" in ran.output


def test_obstacle_program_that_gains_privileges_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "may_gain_privileges", lambda: False)
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o4755)
    why = availability.obstacle(str(program))
    assert why == f"{program} gains privileges (setuid), and could not do so under the filter"


def test_supervisor_keeps_no_descriptors(recorder: Catching) -> None:
    text = """
        import os, pathlib, socket, sys

        supervisor = pathlib.Path(f"/proc/{os.getppid()}/fd")
        counts = []
        for _ in range(4):
            counts.append(len(list(supervisor.iterdir())))
            for number in range(100):
                with socket.socket() as sock:
                    sock.setblocking(number % 2)
                    sock.connect_ex((sys.argv[1], int(sys.argv[2])))
        print(counts)
    """
    with serving() as port:
        argv = [sys.executable, "-I", "-c", textwrap.dedent(text), HOST, str(port)]
        counts = [int(each) for each in recorder.run(argv, [port]).output.strip("[]\n").split(",")]
    assert max(counts) - min(counts) < 20  # connections in progress have some
