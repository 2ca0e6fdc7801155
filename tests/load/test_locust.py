"""The Locust user, on Locust's own master and workers."""

from __future__ import annotations

import asyncio
import csv
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from replay_sessions import build, close_1011, close_utf8, records
from wsproxy.replayer import ReplayServer, ServerOptions, Verdict

LOCUSTFILE = """
from wsproxy.load.locust import TraceUser
from wsproxy.replayer import lateness

lateness.LATE_NS = 30_000_000_000  # as for all tests, see conftest.py

class Caller(TraceUser):
    trace = {trace!r}
    out = {out!r}
    timeout = 20.0
    pace = "causal"  # on a busy machine that of a clock may not be kept
    replays = 1
    label = "call"
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Ran:
    """What Locust said, and what the server saw."""

    status: int
    output: str
    stats: dict[str, dict[str, str]]
    failures: list[dict[str, str]]
    served: list[Verdict]
    kept: list[Path]

    def count(self, name: str) -> int:
        return int(self.stats[name]["Request Count"])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def collect(server: ReplayServer, served: list[Verdict], count: int) -> None:
    """Add the server's verdicts to a list until it has as many."""
    while len(served) < count:
        served.append(await server.verdict())


async def locust(client: Path | None, server: Path, folder: Path, sessions: int) -> Ran:
    """Replay one trace with Locust, in two workers, against another as the server."""
    script, out = folder / "locustfile.py", folder / "kept"
    script.write_text(LOCUSTFILE.format(trace=str(client or ""), out=str(out)))
    options = ServerOptions(sessions=0, timeout=20)
    async with ReplayServer(server, options, records(folder / "server")) as running:
        port = str(free_port())
        arguments = ["-m", "locust", "-f", str(script), "--headless", "--only-summary"]
        arguments += ["-u", str(sessions), "-r", "100", "--wsproxy-sessions", str(sessions)]
        arguments += ["--processes", "2", "--master-bind-port", port, "--master-port", port]
        arguments += ["--host", running.url, "--csv", str(folder / "table"), "-t", "90s"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        served: list[Verdict] = []
        collected = asyncio.ensure_future(collect(running, served, sessions if client else 0))
        try:
            output, _ = await process.communicate()
            # The last verdicts may come after the client's end.
            await asyncio.wait([collected], timeout=60 if process.returncode == 0 else 1)
        finally:
            collected.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
    stats = {row["Name"]: row for row in rows(folder / "table_stats.csv")}
    failures = rows(folder / "table_failures.csv")
    status = process.returncode
    assert status is not None
    return Ran(status, output.decode(), stats, failures, served, sorted(out.glob("*.wstrace")))


@pytest.mark.sweep(keep=0)
def test_locust_two_workers_replay_200_sessions(tmp_path: Path) -> None:
    trace = build(close_1011, tmp_path / "trace")
    ran = asyncio.run(locust(trace, trace, tmp_path, 200))
    assert ran.status == 0, ran.output
    assert ran.output.count("reported as ready") == 2
    assert ran.count("call session") == ran.count("call upgrade") == ran.count("call close") == 200
    assert ran.failures == []
    assert [verdict.verdict for verdict in ran.served] == ["reproduced"] * 200
    assert ran.kept == []


@pytest.mark.one_python
def test_locust_unreproduced_sessions_are_failures(tmp_path: Path) -> None:
    client, server = build(close_1011, tmp_path / "trace"), build(close_utf8, tmp_path / "trace")
    ran = asyncio.run(locust(client, server, tmp_path, 20))
    assert ran.status == 1, ran.output
    assert int(ran.stats["call session"]["Failure Count"]) == ran.count("call session") == 20
    (failure,) = ran.failures
    assert failure["Occurrences"] == "20"
    assert "different: close_code, close_reason" in failure["Error"]
    assert len(ran.kept) == 20


@pytest.mark.one_python
def test_locust_user_without_trace_fails(tmp_path: Path) -> None:
    ran = asyncio.run(locust(None, build(close_1011, tmp_path / "trace"), tmp_path, 2))
    assert ran.status == 1, ran.output
    assert "Caller needs a trace and a host" in ran.failures[0]["Error"]
