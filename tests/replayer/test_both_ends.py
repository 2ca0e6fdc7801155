"""Every sample trace, replayed from both ends through the recording proxy.

The replay server stands for the API, at the API's own host name; the replay client for the
app. The proxy between them records the session anew, and that recording has to be the
sample, frame for frame.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from sample_traces import TRACES, kind
from sweeps import values_that_run
from wsproxy.catalog import load
from wsproxy.compare import Tolerances, compare
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, FrameRecord, TraceReader
from wsproxy.wire import Opcode, is_upgrade

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.xdist_group("both_ends"),
    pytest.mark.sweep(kind=kind),
]

AT_ONCE = 16
T = TypeVar("T")


def records(folder: Path) -> ReplayRecording:
    catalog = load()
    return ReplayRecording(folder, HeadRedactor(catalog.credentials, b"key", catalog.key_shapes))


def carried(path: Path, *, from_client: bool) -> list[tuple[object, ...]]:
    """What a direction carried, without times and masking keys, Pongs last.

    A Pong answers its Ping when that comes, not at its place among the messages.
    """
    out: list[tuple[object, ...]] = []
    with TraceReader(path) as reader:
        for record in reader:
            if getattr(record, "from_client", None) is not from_client:
                continue
            match record:
                case FrameRecord():
                    masked = record.mask is not None
                    out.append((record.opcode, record.fin, record.rsv, masked, record.payload))
                case Bytes():
                    out.append(("bytes", record.data))
                case Eof():
                    out.append(("end", record.how))
    return sorted(out, key=lambda item: item[0] == Opcode.PONG)


async def side_by_side(work: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(make: Callable[[], Awaitable[T]]) -> T:
        async with room:
            return await make()

    return list(await asyncio.gather(*(one(make) for make in work)))


@dataclass(frozen=True)
class Replayed:
    """A sample that was replayed: both verdicts, and what the proxy between them recorded."""

    as_client: Verdict
    as_server: Verdict
    recorded: Path


async def both_ends(name: str, proxy: str, folder: Path) -> tuple[Verdict, Verdict]:
    trace = TRACES[name]
    request = Session.read(trace).request
    assert request is not None
    scheme = "ws" if is_upgrade((h[0], h[1]) for h in request.headers) else "http"
    options = ServerOptions(timeout=30, proxied=True)
    async with ReplayServer(trace, options, records(folder / "server")) as server:
        # The proxy leads every host to this machine, at the port that is asked for.
        to = f"{scheme}://{request.host}:{server.address[1]}"
        secret = [("X-Sample", name)]
        client = ClientOptions(to, proxy=proxy, timeout=30, headers=secret)
        as_client = await replay_client(trace, client, records(folder / "client"))
        async with asyncio.timeout(20):
            return as_client, await server.verdict()


@pytest.fixture(scope="module")
def replayed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Replayed]:
    """The samples that tests ask for."""
    names: list[str] = values_that_run(request, "name")
    folder = tmp_path_factory.mktemp("both-ends")
    script = Path(__file__).parents[1] / "support" / "redirect_to_localhost.py"
    settings = ProxySettings(
        port=0, out=folder / "proxy", confdir=folder / "ca", options=(f"scripts={script}",)
    )
    with pytest.MonkeyPatch.context() as patch, background(settings) as running:
        patch.setenv("DEEPGRAM_API_KEY", "0123456789" * 4)
        patch.setenv("ASSEMBLYAI_API_KEY", "01234567" * 4)
        assert running.address is not None
        proxy = f"http://127.0.0.1:{running.address[1]}"

        async def all_of_them() -> list[tuple[Verdict, Verdict]]:
            return await side_by_side([partial(both_ends, name, proxy, folder) for name in names])

        verdicts = dict(zip(names, asyncio.run(all_of_them()), strict=True))
    through = {
        Session.read(path).request_header("X-Sample") or "": path
        for path in (folder / "proxy").glob("*.wstrace")
    }
    return {name: Replayed(*verdicts[name], through[name]) for name in names}


@pytest.mark.parametrize("name", TRACES)
def test_replay_of_both_ends_is_reproduced(name: str, replayed: dict[str, Replayed]) -> None:
    for verdict in (replayed[name].as_client, replayed[name].as_server):
        assert verdict.verdict == "reproduced", json.dumps(verdict.as_json(), indent=1)


@pytest.mark.parametrize("from_client", [True, False], ids=["client", "server"])
@pytest.mark.parametrize("name", TRACES)
def test_replay_of_both_ends_frames_are_equal(
    name: str, from_client: bool, replayed: dict[str, Replayed]
) -> None:
    there = carried(replayed[name].recorded, from_client=from_client)
    assert there == carried(TRACES[name], from_client=from_client)


@pytest.mark.parametrize("name", TRACES)
def test_replay_of_both_ends_bytes_are_equal(name: str, replayed: dict[str, Replayed]) -> None:
    found = compare(TRACES[name], replayed[name].recorded, rules=Tolerances(strict=True))
    assert found.differences == [], json.dumps(found.as_json(), indent=1)
