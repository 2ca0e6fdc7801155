"""A good session of every API that can be simulated: recorded, and nothing is wrong with it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from conditions import Home, good, talk
from test_conditions import settings_to_localhost, side_by_side
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.proxy.embedding import background
from wsproxy.session import Session
from wsproxy.simulate import ApiQuotas, Simulator, simulated_apis

pytestmark = pytest.mark.xdist_group("conditions")

CATALOG = load()


def places() -> list[Home]:
    found = []
    for name, api in simulated_apis(CATALOG):
        provider = CATALOG.provider(name)
        assert provider is not None
        # A plain HTTP exchange that did not fail is not recorded; a retired API has none.
        if api.url.startswith("ws") and (name, api.name) != ("assemblyai", "realtime-v2"):
            found.append(Home(provider, api))
    return found


PLACES = {f"{place.provider.id}.{place.api.name}": place for place in places()}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    """A recording of a good session of each."""
    folder = tmp_path_factory.mktemp("good")

    async def hold(name: str, place: Home, proxy: str) -> None:
        behaviour = good(place)
        behaviour.stalls = 1.0
        # The limits as documented: these sessions are short.
        async with Simulator(limits=ApiQuotas(linger=0.5)) as api:
            await talk(api.url, place, behaviour, proxy=proxy, case=name)

    async def hold_all(proxy: str) -> None:
        await side_by_side([partial(hold, n, p, proxy) for n, p in PLACES.items()])

    with background(settings_to_localhost(folder)) as running:
        assert running.address is not None
        asyncio.run(hold_all(f"http://127.0.0.1:{running.address[1]}"))
    found = [Session.read(path, catalog=CATALOG) for path in sorted(folder.glob("*.wstrace"))]
    return {session.request_header("X-Case") or "": session for session in found}


def test_good_sessions_cover_many_apis() -> None:
    assert len(PLACES) >= 25
    assert len({place.provider.id for place in PLACES.values()}) >= 14


@pytest.mark.parametrize("name", PLACES)
def test_good_session_has_no_problem(name: str, sessions: dict[str, Session]) -> None:
    session = sessions[name]
    assert (session.provider, session.api) == tuple(name.split("."))
    assert session.accepted
    assert not session.failed
    assert session.received.frames > 1
    assert session.heuristic_redactions == []  # nothing in it was taken for a credential
    findings = diagnose(session, CATALOG)
    assert [(f.id, f.evidence) for f in findings if f.severity != "info"] == []


@pytest.mark.parametrize("name", PLACES)
def test_good_session_outcome_is_succeeded(name: str, sessions: dict[str, Session]) -> None:
    session = sessions[name]
    found = outcome(session, diagnose(session, CATALOG))
    assert found is not None
    assert found.kind == "succeeded", found.reason
