"""The results of a trial run of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wsproxy.errors import Setting
from wsproxy.intercept import past_connections
from wsproxy.intercept.loaded_clients import LoadedClient
from wsproxy.intercept.observed_hosts import ObservedHost
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.wording import plural

from .result import CheckResult

_MAX_HOSTS = 5  # that are named of those that are no speech APIs


def results(
    status: int,
    observed: Mapping[str, ObservedHost],
    past: Mapping[PastConnection, int],
    loaded: Sequence[LoadedClient],
    *,
    ways: Sequence[str],
    catches: bool,
) -> Iterator[CheckResult]:
    """What the run has shown.

    Args:
        status: the exit status of the command.
        observed: hosts whose connections came to the recorder.
        past: connections that did not.
        loaded: the clients that the command has loaded.
        ways: how the clients of the command can be recorded.
        catches: whether `wsproxy run` catches such connections.
    """
    yield CheckResult("trial", "ok", f"the command exited with status {status}")
    for client in loaded:
        yield CheckResult("trial", "ok", f"it has loaded {client.name} {client.version}".rstrip())
    apis = {host: each for host, each in observed.items() if not each.passed}
    for host, each in apis.items():
        yield _api(host, each)
    yield from _others([host for host, each in observed.items() if each.passed])
    for line in past_connections.lines(past):
        yield _past(line, catches)
    if not apis:
        yield CheckResult(
            "trial",
            "note" if catches and past else "problem",
            "the command opened no connection to a known speech API through the recorder",
            "proxy variables and preloads do not reach its client, or it opened none",
            "\n".join(ways),
        )


def _api(host: str, each: ObservedHost) -> CheckResult:
    if each.rejected and not each.trusted:
        return CheckResult(
            "trial",
            "problem",
            f"{host}: the client does not trust the recorder's CA "
            f"({plural(each.rejected, 'connection')})",
            "the first connection fails; the next ones are passed through, not recorded",
            "let the client trust the CA in WSPROXY_CA, or use a ws:// base URL",
        )
    counts = f"{plural(each.requests, 'request')}, {plural(each.upgrades, 'WebSocket upgrade')}"
    if each.rejected:
        return CheckResult(
            "trial",
            "warning",
            f"{host}: {counts}, but {plural(each.rejected, 'connection')} of another client that "
            "does not trust the recorder's CA",
            "these are not recorded",
            "let that client trust the CA in WSPROXY_CA",
        )
    return CheckResult("trial", "ok", f"{host}: {counts}")


def _others(hosts: Sequence[str]) -> Iterator[CheckResult]:
    if hosts:
        more = ", ..." if len(hosts) > _MAX_HOSTS else ""
        yield CheckResult(
            "trial",
            "note",
            f"passed through, because they are no known speech APIs: "
            f"{', '.join(hosts[:_MAX_HOSTS])}{more}",
            settings=(Setting("hosts"),),
        )


def _past(line: str, catches: bool) -> CheckResult:
    if catches:
        why = "they read no proxy variables; `wsproxy run` catches them, which a trial run does not"
        return CheckResult("trial", "note", line, why)
    why = "they are not recorded; in this trial run they have reached their servers"
    return CheckResult("trial", "warning", line, why, "use the base URL: docs/sdks.md")
