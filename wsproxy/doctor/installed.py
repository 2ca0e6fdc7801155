"""The clients in the app's environment, and how each is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from wsproxy.intercept import clients
from wsproxy.intercept.clients import Client, Means
from wsproxy.system.regular_file import read_text

from . import app_python, catching, startup
from .result import CheckResult, State
from .setup import Setup


def check(setup: Setup) -> Iterator[CheckResult]:
    """Look at the Python of the app and at ./node_modules."""
    catches = setup.is_run and catching.obstacle(setup) is None
    python = app_python.find(setup)
    if python is not None:
        yield CheckResult("clients", "ok", f"the app's Python: {python.program} ({python.version})")
        preload = setup.is_run and not startup.isolating_flag(setup)
        yield from _clients(setup, "python", python.packages, Means(preload, catches))
    yield from _clients(setup, "node", _node_modules(setup), Means(setup.is_run, catches))


def _clients(
    setup: Setup, runtime: str, packages: Mapping[str, str], means: Means
) -> Iterator[CheckResult]:
    for name in dict.fromkeys(each.name for each in clients.all_clients()):
        if name in packages:
            client = clients.find(runtime, name, packages[name])
            if client is not None:
                yield _result(setup, client, packages, means)


def _result(setup: Setup, client: Client, packages: Mapping[str, str], means: Means) -> CheckResult:
    version = packages[client.name]
    route = clients.route(client, version, packages, means)
    beside = ", ".join(f"{name} {packages[name]}" for name in client.uses if name in packages)
    title = f"{client.name} {version}" + (f" with {beside}" if beside else "")
    if route == clients.NOT:
        why = "its streams are HTTP/2, which is not recorded as a session"
        return CheckResult("clients", "note", f"{title}: not recorded", why)
    if clients.BY_BASE_URL not in route:
        return CheckResult("clients", "ok", f"{title}: recorded through {route}")
    ways = [client.proxy] if client.proxy else []
    if client.base_url:
        ways.append(f"base URL {client.base_url}")
    if not setup.is_run:
        ways.insert(0, "use `wsproxy run`")
    what = "not recorded by itself"
    why = "it reads no proxy variables, and goes past the recorder"
    if route != clients.BY_BASE_URL:
        what = "not recorded by itself in each case"
        why = "a part of it reads no proxy variables, such as its asynchronous client"
    state: State = "note" if client.general else "warning"
    return CheckResult("clients", state, f"{title}: {what}", why, "; or ".join(ways))


def _node_modules(setup: Setup) -> dict[str, str]:
    found = {}
    for client in clients.all_clients():
        if client.runtime == "node":
            path = setup.folder / "node_modules" / client.name / "package.json"
            try:
                found[client.name] = str(json.loads(read_text(path))["version"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found
