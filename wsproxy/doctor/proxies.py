"""The proxies that the environment names. Their user names and passwords are not printed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from wsproxy.catalog import load
from wsproxy.errors import UsageError
from wsproxy.intercept.user_proxies import UserProxies, UserProxy

from .result import CheckResult
from .setup import Setup

_TIMEOUT = 3.0  # seconds
_MAX_HOSTS = 5  # that are named


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check the proxies, and what NO_PROXY excepts from them."""
    try:
        proxies = UserProxies.of_environment(setup.env)
    except UsageError as error:
        why = "the recorder does not start with it"
        yield CheckResult("proxy", "problem", str(error), why, "correct or unset the variable")
        return
    named = [each for each in (proxies.tls, proxies.plain) if each is not None]
    for proxy in dict.fromkeys(named):
        yield _answer(proxy, setup)
    if not named:
        yield (
            CheckResult("proxy", "ok", "no proxy variable is set")
            if setup.is_run
            else CheckResult(
                "proxy",
                "note",
                "no proxy variable is set",
                "the app does not use the recorder by itself",
                "export HTTPS_PROXY=http://HOST:PORT of the recorder, or use the app's base URL",
            )
        )
    if not setup.is_run:
        yield from _exceptions(proxies)


def _answer(proxy: UserProxy, setup: Setup) -> CheckResult:
    try:
        socket.create_connection((proxy.host, proxy.port), _TIMEOUT).close()
    except OSError as error:
        return CheckResult(
            "proxy",
            "problem",
            f"the proxy {proxy} of the environment does not answer: {error.strerror or error}",
            "the recorder connects to servers through it"
            if setup.is_run
            else "the app and the recorder connect to servers through it",
            "start it, or correct or unset HTTPS_PROXY and its likes",
        )
    login = ", with user name and password" if proxy.user is not None else ""
    return CheckResult("proxy", "ok", f"{proxy} answers{login}")


def _exceptions(proxies: UserProxies) -> Iterator[CheckResult]:
    """APIs that an app reaches directly although it has a proxy."""
    urls = [api.url for provider in load().providers for api in provider.apis if api.url]
    hosts = dict.fromkeys(url.partition("://")[2].partition("/")[0] for url in urls)
    excepted = [host for host in hosts if proxies.excepts(host, 443)]
    if excepted:
        more = ", ..." if len(excepted) > _MAX_HOSTS else ""
        yield CheckResult(
            "proxy",
            "warning",
            f"NO_PROXY excepts speech APIs: {', '.join(excepted[:_MAX_HOSTS])}{more}",
            "the app connects to them directly, past the recorder",
            "take them out of NO_PROXY, or use `wsproxy run`",
        )
