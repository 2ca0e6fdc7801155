"""Every sample trace against a server that does something else: no verdict says reproduced.

The server replays another condition of the same provider, or a session that went well.
"""

from __future__ import annotations

import asyncio
import json
from functools import cache, partial
from pathlib import Path

import pytest

from sample_traces import TRACES, kind
from sweeps import values_that_run
from test_both_ends import records, side_by_side
from wsproxy.catalog import candidates, load
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.session import Session

pytestmark = [pytest.mark.one_python, pytest.mark.xdist_group("unlike_ends")]

SESSIONS = {name: Session.read(path) for name, path in TRACES.items()}
GOOD = {
    "listen": "wire/accepted-listen.wstrace",
    "listen-v2": "wire/accepted-flux.wstrace",
    "speak": "wire/accepted-speak.wstrace",
    "streaming": "wire/accepted-assemblyai.wstrace",
}


@cache
def condition_of(name: str) -> str | None:
    found = candidates(SESSIONS[name], load())
    return found[0].condition.id if found else None


def is_plain(name: str) -> bool:
    return SESSIONS[name].ending == "http"


CONDITIONS = [name for name in TRACES if not name.startswith("wire/")]


def another(name: str) -> str:
    """The next sample of another condition of the same provider, and of the same protocol."""
    like = [
        each
        for each in CONDITIONS
        if is_plain(each) is is_plain(name) and SESSIONS[each].provider == SESSIONS[name].provider
    ]
    at = like.index(name)
    own = condition_of(name)
    return next(each for each in like[at + 1 :] + like[:at] if condition_of(each) != own)


UNLIKE = [(name, another(name)) for name in CONDITIONS]
# What is a failure at all, against a session that went well.
BEHAVING = [
    (name, GOOD[SESSIONS[name].api or ""])
    for name in CONDITIONS
    if SESSIONS[name].api in GOOD
    and not is_plain(name)
    and condition_of(name) != condition_of(GOOD[SESSIONS[name].api or ""])
]


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Verdict]:
    out = records(tmp_path_factory.mktemp("unlike"))

    async def one(name: str, other: str, timeout: float = 1) -> Verdict:
        async with ReplayServer(TRACES[other], ServerOptions(timeout=timeout), out) as server:
            url = server.url.replace("ws:", "http:") if is_plain(name) else server.url
            client = ClientOptions(url, timeout=timeout)
            return await replay_client(TRACES[name], client, out)

    async def all_of_them() -> dict[tuple[str, str], Verdict]:
        pairs: list[tuple[str, str]] = values_that_run(request, "pair")
        found = await side_by_side([partial(one, *pair) for pair in pairs])
        verdicts = dict(zip(pairs, found, strict=True))
        for pair, verdict in verdicts.items():
            # Of many at once, a busy machine does not answer each within a second.
            if verdict.replayed.get("failed_where") == "handshake":
                verdicts[pair] = await one(*pair, timeout=10)
        return verdicts

    return asyncio.run(all_of_them())


def values(verdict: Verdict) -> dict[str, tuple[object, object]]:
    return {each.field: (each.recorded, each.replayed) for each in verdict.differences}


@pytest.mark.sweep(kind=lambda pair: kind(pair[0]), keep=2)
@pytest.mark.parametrize("pair", UNLIKE, ids="-".join)
def test_replay_against_other_condition_is_different(
    pair: tuple[str, str], verdicts: dict[tuple[str, str], Verdict]
) -> None:
    name, other = pair
    verdict = verdicts[pair]
    report = json.dumps(verdict.as_json(), indent=1)
    assert verdict.verdict in ("different", "not-reproduced"), report
    found = values(verdict)
    assert found["condition"][0] == condition_of(name), report
    assert found["condition"][1] != found["condition"][0], report
    was, now = SESSIONS[name], SESSIONS[other]
    if was.response and now.response and was.response.status != now.response.status:
        assert found["status"] == (was.response.status, now.response.status), report
    elif was.close and now.close and was.close.code != now.close.code:
        assert found["close_code"][0] == was.close.code, report


@pytest.mark.sweep(kind=lambda pair: kind(pair[0]), keep=2)
@pytest.mark.parametrize("pair", BEHAVING, ids="-".join)
def test_replay_against_good_session_is_not_reproduced(
    pair: tuple[str, str], verdicts: dict[tuple[str, str], Verdict]
) -> None:
    name, _ = pair
    verdict = verdicts[pair]
    report = json.dumps(verdict.as_json(), indent=1)
    assert verdict.verdict in ("different", "not-reproduced"), report
    assert values(verdict)["condition"][0] == condition_of(name), report


def test_replay_pairs_of_conditions_are_sufficient() -> None:
    assert len(UNLIKE) > 150
    assert len(BEHAVING) > 50
    assert all(Path(TRACES[name]).exists() for name in GOOD.values())
