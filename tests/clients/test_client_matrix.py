"""Each client of the table, direct and under `wsproxy run`: the same, and recorded completely.

Not part of `make test`: `make clients` runs it, and prints how many clients were skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from client_table import GROUPS, Client, Group, rows
from machine import obstacle
from matrix import Outcome, is_named, run_group

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

# The programs wait most of the time.
WORKERS = 3
Outcomes = Mapping[str, "Future[dict[str, Outcome]]"]

EACH_CLIENT = [
    pytest.param(group, client, id=f"{group.name}:{client.name}") for group, client in rows()
]
SESSIONS = [
    pytest.param(group, client, id=f"{group.name}:{client.name}")
    for group, client in rows()
    if client.place
]
EACH_GROUP = [pytest.param(group, id=group.name) for group in GROUPS]


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcomes]:
    """By the names of groups: what happened in each way of running them."""
    why = obstacle()
    if why is not None:
        pytest.skip(f"no namespaces: {why}")
    folder = tmp_path_factory.mktemp("matrix")
    wanted = {
        item.callspec.params["group"].name
        for item in request.session.items
        if hasattr(item, "callspec") and "group" in item.callspec.params
    }

    def run(group: Group) -> dict[str, Outcome]:
        own = folder / group.name
        own.mkdir()
        return run_group(group, own)

    with ThreadPoolExecutor(WORKERS) as pool:
        yield {each.name: pool.submit(run, each) for each in GROUPS if each.name in wanted}


def both(outcomes: Outcomes, group: Group) -> tuple[Outcome, Outcome]:
    """What a group did direct and under `wsproxy run`; skips if it cannot be had."""
    found = outcomes[group.name].result()
    return found["direct"], found["run"]


@pytest.mark.parametrize(("group", "client"), EACH_CLIENT)
def test_client_under_run_sees_what_it_sees_direct(
    outcomes: Outcomes, group: Group, client: Client
) -> None:
    direct, run = both(outcomes, group)
    printed = direct.printed(client)
    assert printed
    if isinstance(printed, dict):
        # `errors` of a WebSocket client are part of what it has to see when its server ends badly.
        failures = ["failed", "error", *(["errors"] if "sdk" in printed else [])]
        assert not any(printed.get(key) for key in failures), printed
    assert len(direct.sessions_of(client)) == bool(client.place)
    assert run.printed(client) == printed


@pytest.mark.parametrize(("group", "client"), SESSIONS)
def test_client_under_run_is_recorded_completely_or_named(
    outcomes: Outcomes, group: Group, client: Client
) -> None:
    _, run = both(outcomes, group)
    (session,) = run.sessions_of(client)
    assert session["frames"] > 3
    if group.is_recorded:
        assert session["complete"], (session, run.traced, run.report)
    else:
        assert not session["recorded"]
        assert is_named(run, client), run.report


@pytest.mark.parametrize("group", EACH_GROUP)
def test_group_under_run_ends_as_it_ends_direct(outcomes: Outcomes, group: Group) -> None:
    direct, run = both(outcomes, group)
    assert run.status == direct.status
    assert run.errors == direct.errors
    assert run.printed_besides(group.clients) == direct.printed_besides(group.clients)
    # There is no trace of a session that the upstream has not seen.
    seen = [each["place"] for each in run.sessions if each["recorded"]]
    assert sorted(run.traced) == sorted(seen)


@pytest.mark.parametrize(
    "group", [pytest.param(each, id=each.name) for each in GROUPS if each.warmed_up]
)
def test_group_that_does_not_trust_the_recorder_fails_once_and_is_named(
    outcomes: Outcomes, group: Group
) -> None:
    first = outcomes[group.name].result()["first"]
    assert first.sessions == []
    for client in group.clients:
        assert is_named(first, client), first.report


def test_run_without_catching_records_nine_of_ten_clients(
    outcomes: Outcomes, record_property: Callable[[str, object], None]
) -> None:
    sessions = []
    for group, client in rows():
        future = outcomes.get(group.name)
        if future is not None and future.exception() is None and client.place:
            sessions += future.result()["off"].sessions_of(client)
    if not sessions:
        pytest.skip("no client could be had")
    recorded = [each for each in sessions if each["complete"]]
    record_property("recorded with --catch off", f"{len(recorded)} of {len(sessions)}")
    assert len(recorded) >= 0.9 * len(sessions)
