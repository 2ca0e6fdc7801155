"""HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as the recorder reads them."""

from __future__ import annotations

import pytest

from wsproxy.errors import UsageError
from wsproxy.intercept.user_proxies import UserProxies, UserProxy

TLS, PLAIN, ALL = "http://tls:1", "http://plain:2", "socks5h://all:3"


@pytest.mark.parametrize(
    ("env", "tls", "plain"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": TLS}, TLS, None),
        ({"HTTP_PROXY": PLAIN}, None, PLAIN),
        ({"ALL_PROXY": ALL}, ALL, ALL),
        ({"ALL_PROXY": ALL, "HTTPS_PROXY": TLS}, TLS, ALL),
        ({"https_proxy": TLS, "HTTPS_PROXY": ALL}, TLS, None),
        ({"wss_proxy": TLS, "ws_proxy": PLAIN}, TLS, PLAIN),
        ({"https_proxy": "", "HTTPS_PROXY": " "}, None, None),
    ],
)
def test_user_proxies_of_environment_are_those_of_the_scheme(
    env: dict[str, str], tls: str | None, plain: str | None
) -> None:
    found = UserProxies.of_environment(env)
    for expected, is_tls in ((tls, True), (plain, False)):
        proxy = found.of("api.example.com", 443, tls=is_tls)
        assert (None if proxy is None else str(proxy)) == expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://proxy:3128", ("http", "proxy", 3128, None, None)),
        ("proxy:3128", ("http", "proxy", 3128, None, None)),
        ("http://proxy/", ("http", "proxy", 80, None, None)),
        ("https://proxy", ("https", "proxy", 443, None, None)),
        ("socks5://a:b@[::1]", ("socks5", "::1", 1080, "a", "b")),
        ("http://us%40er:p%3Aw%2F@proxy:1", ("http", "proxy", 1, "us@er", "p:w/")),
        ("http://user@proxy:1", ("http", "proxy", 1, "user", "")),
    ],
)
def test_user_proxy_parse_has_the_parts_of_the_url(text: str, parts: tuple[object, ...]) -> None:
    proxy = UserProxy.parse(text, "HTTPS_PROXY")
    assert (proxy.scheme, proxy.host, proxy.port, proxy.user, proxy.password) == parts
    for secret in filter(None, (proxy.user, proxy.password)):
        assert f"{secret}@" not in str(proxy)
        assert f"'{secret}'" not in repr(proxy)


@pytest.mark.parametrize(
    "text", ["ftp://user:pa55@proxy", "http://", "http://proxy:pa55", "http://[pa55", "://pa55"]
)
def test_user_proxy_parse_invalid_value_is_an_error_without_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"^HTTPS_PROXY names no proxy") as error:
        UserProxy.parse(text, "HTTPS_PROXY")
    assert "pa55" not in str(error.value)


@pytest.mark.parametrize(
    ("entry", "matching", "other"),
    [
        ("*", ["a.example", "10.0.0.1", "::2"], []),
        ("example.com", ["example.com", "a.Example.com", "example.com."], ["badexample.com"]),
        (".example.com", ["a.example.com", "example.com"], ["example.org"]),
        ("*.example.com", ["a.example.com"], ["example.org"]),
        ("example.com:443", ["example.com"], ["other.com"]),
        ("example.com:80", [], ["example.com"]),
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.11", "10.0.0.1.example.com"]),
        ("10.0.0.0/8", ["10.200.3.4"], ["11.0.0.1", "10.example.com"]),
        ("10.0.0.0/99", [], ["10.0.0.1"]),
        ("fd00::/8", ["fd00::1", "[fd00::1]"], ["fe80::1", "10.0.0.1"]),
        ("[fd00::1]:443", ["fd00::1"], ["fd00::2"]),
        ("fd00::1", ["fd00::1"], ["fd00::2"]),
        ("", [], ["example.com"]),
        (".", [], ["example.com"]),
    ],
)
def test_user_proxies_excepts_hosts_that_no_proxy_names(
    entry: str, matching: list[str], other: list[str]
) -> None:
    found = UserProxies.of_environment({"NO_PROXY": f"first.example, {entry}", "ALL_PROXY": ALL})
    assert all(found.excepts(host, 443) for host in matching)
    assert not any(found.excepts(host, 443) for host in other)
    assert not any(found.of(host, 443, tls=True) for host in matching)


def test_user_proxies_of_this_machine_is_none() -> None:
    found = UserProxies.of_environment({"ALL_PROXY": ALL})
    assert not any(found.of(host, 443, tls=True) for host in ("localhost", "127.0.0.1", "::1"))
