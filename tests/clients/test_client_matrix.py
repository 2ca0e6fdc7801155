"""Each client of the table, direct and under `wsproxy run`: the same, and recorded completely.

Not part of `make test`: `make clients` runs it, and prints how many clients were skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from client_table import GROUPS, Client, Group, rows
from machine import obstacle
from matrix import Outcome, is_named, run_group

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

SESSIONS = [
    pytest.param(
        group, client, id=f"{group.name}:{client.name}", marks=pytest.mark.xdist_group(group.name)
    )
    for group, client in rows()
]
EACH_GROUP = [
    pytest.param(group, id=group.name, marks=pytest.mark.xdist_group(group.name))
    for group in GROUPS
]


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Outcome]]:
    """By the names of groups, and ways of running them."""
    why = obstacle()
    if why is not None:
        pytest.skip(f"no namespaces: {why}")
    return _Lazily(tmp_path_factory.mktemp("matrix"))


class _Lazily(dict[str, dict[str, Outcome]]):
    """Runs a group on the first access, and skips if it was skipped before."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._failed: dict[str, BaseException] = {}

    def __missing__(self, name: str) -> dict[str, Outcome]:
        if name in self._failed:
            raise self._failed[name]
        folder = self._folder / name
        folder.mkdir()
        group = next(each for each in GROUPS if each.name == name)
        try:
            self[name] = run_group(group, folder)
        except BaseException as error:
            self._failed[name] = error
            raise
        return self[name]


@pytest.mark.parametrize(("group", "client"), SESSIONS)
def test_client_under_run_sees_what_it_sees_direct(
    outcomes: dict[str, dict[str, Outcome]], group: Group, client: Client
) -> None:
    direct, run = outcomes[group.name]["direct"], outcomes[group.name]["run"]
    assert "failed" not in direct.printed(client), direct
    assert "error" not in direct.printed(client) or not direct.printed(client)["error"], direct
    assert len(direct.sessions_of(client)) == bool(client.place)
    assert run.printed(client) == direct.printed(client)


@pytest.mark.parametrize(("group", "client"), SESSIONS)
def test_client_under_run_is_recorded_completely_or_named(
    outcomes: dict[str, dict[str, Outcome]], group: Group, client: Client
) -> None:
    if not client.place:
        pytest.skip("opens no session")
    run = outcomes[group.name]["run"]
    (session,) = run.sessions_of(client)
    if group.is_recorded:
        assert session["complete"], (session, run.traced, run.report)
        assert session["frames"] > 3
    else:
        assert is_named(run, client), run.report


@pytest.mark.parametrize("group", EACH_GROUP)
def test_group_under_run_ends_as_it_ends_direct(
    outcomes: dict[str, dict[str, Outcome]], group: Group
) -> None:
    direct, run = outcomes[group.name]["direct"], outcomes[group.name]["run"]
    assert run.status == direct.status
    assert run.errors == direct.errors
    assert run.printed_besides(group.clients) == direct.printed_besides(group.clients)
    # No session that the upstream has not seen.
    seen = [each["place"] for each in run.sessions if each["recorded"]]
    assert sorted(run.traced) == sorted(seen)
