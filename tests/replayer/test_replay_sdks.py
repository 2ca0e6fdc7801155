"""The real SDKs against a replay of their session: they meet the recorded failure again.

Each is recorded while it fails, then it runs against the recording: by base URL, or unchanged
through the proxy at the API's real host name over TLS, where no API is (`ways`). All of that is
in this process but the SDKs and the proxy; the last test does the same with the commands.
"""

# ruff: noqa: F811 (fixtures are imported)
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import wsproxy
from sdk_clients import CLIENTS, EACH, ON_EACH_PYTHON, Client, Record, RecordHere, Run, Seen, Serve
from test_sdks import (  # noqa: F401 (fixtures)
    audio,
    authority,
    confdir,
    node_packages,
    python_packages,
    record,
    record_here,
    run,
    serve,
)
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.session import Session

# As in test_sdks.py.
pytestmark = [
    pytest.mark.sdk,
    pytest.mark.timeout(300),
    pytest.mark.flaky(reruns=1, only_rerun="Hung"),
]

HOSTS = {
    "listen": "api.deepgram.com",
    "speak": "api.deepgram.com",
    "streaming": "streaming.assemblyai.com",
}
# Its arguments, what it saw, and its trace.
Failed: TypeAlias = tuple[Sequence[str], Seen, Path]
REPLAY = [sys.executable, "-m", "wsproxy", "replay", "server"]
# What a client does, under which condition of the API.
FAILURES = {
    "stalled": (("stall",), ""),
    "refused": ((), "refused"),
    "reset": ((), "rfc6455.end.server-reset"),
}


def condition_of(client: Client, failure: str) -> str:
    _, condition = FAILURES[failure]
    if condition != "refused":
        return condition
    return "rfc6455.upgrade.401" if client.api == "streaming" else "deepgram.upgrade.INVALID_AUTH"


# How a recorder carries a refusal or a reset, test_relay.py asks of each mitmproxy.
FAILURES_ON_EACH_PYTHON = {"stalled"}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.one_python] * (name not in FAILURES_ON_EACH_PYTHON))
        for name in FAILURES
    ]
)
def failed(
    request: pytest.FixtureRequest, client: Client, serve: Serve, record_here: RecordHere
) -> Failed:
    """A client that failed: (its arguments, what it saw, its trace)."""
    args, _ = FAILURES[request.param]
    condition = condition_of(client, request.param)
    with serve(client, condition or None, tls=True) as served:
        url = served.url.replace("127.0.0.1", "localhost")
        return args, *record_here(client, url, *args)


def behaved(seen: Seen) -> tuple[Any, ...]:
    """What a client saw, without its texts: those name hosts, ports and ids."""
    return (
        [error["code"] for error in seen["errors"]],
        seen["transcript"],
        seen["audio"],
        # The sync SDKs report the end on a thread that may be stopped before.
        [message for message in seen["messages"] if message != "closed"],
    )


def behaves_alike(client: Client, again: Seen, seen: Seen, trace: Path) -> bool:
    """Whether a client saw what it saw at the first time.

    Of what had come and was not read yet, a reset takes some away or none: as it happens. A sync
    SDK reports the error of a reset on its thread as well, if that still runs then.
    """
    now, then = behaved(again), behaved(seen)
    if Session.read(trace).ending != "reset":
        return now == then
    parts = [(now[1], then[1]), (now[3], then[3])]
    if client.mode == "sync":
        parts.append((now[0], then[0]))
    elif now[0] != then[0]:
        return False
    return all(a[: len(b)] == b[: len(a)] for a, b in parts)


# AssemblyAI's SDKs may close on the Error message, before the server's Close comes; so it is a
# matter of the moment who closes first, then as now.
WHO_CLOSED = {"closed_by", "close_code", "close_reason", "ending", "messages_sent"}


def may_differ(client: Client, args: Sequence[str]) -> set[str]:
    return WHO_CLOSED if client.api == "streaming" and "stall" in args else set()


def ways(client: Client, args: Sequence[str]) -> set[str]:
    """How a client reaches the replay: by its URL, and through its proxy.

    The server that it meets is the same one: only one client of each kind goes both ways in each
    failure, the others through the proxy in a stalled session and by URL in the rest.
    """
    if client.wss_only:
        return {"proxy"}
    if str(client) in ON_EACH_PYTHON:
        return {"url", "proxy"}
    return {"proxy"} if "stall" in args else {"url"}


def same_failure(trace: Path, replayed: Path) -> bool:
    """The recording and the replay have the same first finding."""
    first, second = (diagnose(Session.read(path), load())[0].id for path in (trace, replayed))
    return first == second


# Each client with one of the failures.
@pytest.mark.sweep(keep=5)
@pytest.mark.parametrize("client", EACH)
def test_sdk_against_replay_server_gets_recorded_failure(
    client: Client, failed: Failed, run: Run, confdir: Path, tmp_path: Path
) -> None:
    args, seen, trace = failed

    def check(again: Seen) -> None:
        verdict = served.verdict()
        different = {difference.field for difference in verdict.differences}
        assert different <= may_differ(client, args), verdict
        # "unproven": the same on a machine too busy to keep the pace.
        assert verdict.verdict in ("different" if different else "reproduced", "unproven")
        assert verdict.sent == "equal"
        assert behaves_alike(client, again, seen, trace), (again, seen)
        assert verdict.trace is not None
        assert same_failure(trace, verdict.trace)

    with wsproxy.serve(trace, timeout=5, out=tmp_path / "again", confdir=confdir) as served:
        if "url" in ways(client, args):
            check(run(client, served.url, *args))
        if "proxy" in ways(client, args):
            # Unchanged, at the real host name over TLS: no API is there.
            check(run(client, f"wss://{HOSTS[client.api]}", *args, **dict[str, Any](served.env)))


@pytest.mark.one_python
def test_sdk_with_other_chunk_size_gets_recorded_failure(
    serve: Serve, record: Record, run: Run, tmp_path: Path
) -> None:
    client = CLIENTS[0]
    with serve(client, None, tls=True) as served:
        seen, _ = record(client, served.url.replace("127.0.0.1", "localhost"), "stall")
    (trace,) = (tmp_path / "out").glob("*.wstrace")
    out = tmp_path / "replayed"
    again = run(
        client,
        "wss://api.deepgram.com",
        "stall",
        prefix=[*REPLAY, str(trace), "--out", str(out), "--timeout", "5", "--"],
        CHUNK="640",
    )
    assert behaved(again)[0] == behaved(seen)[0]
    (replayed,) = out.glob("*.wstrace")
    assert same_failure(trace, replayed)
