"""Addresses as users give them, and the URLs that are printed for them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from tls_certificates import Certificate
from wsproxy.api.proxy import Proxy
from wsproxy.cli.record import _greeting
from wsproxy.errors import UsageError
from wsproxy.intercept.environment import for_command
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, _ConnectionCounter, background
from wsproxy.system.address import authority, is_loopback, parse_address, public_url


@pytest.mark.parametrize(
    ("text", "address", "spelt"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080), "127.0.0.1:8080"),
        (":8080", ("127.0.0.1", 8080), "127.0.0.1:8080"),
        ("0", ("127.0.0.1", 0), "127.0.0.1:0"),
        ("[::1]:8080", ("::1", 8080), "[::1]:8080"),
        ("::1:8080", ("::1", 8080), "[::1]:8080"),
        ("localhost:1", ("localhost", 1), "localhost:1"),
    ],
)
def test_parse_address_valid_text_is_read(text: str, address: tuple[str, int], spelt: str) -> None:
    assert parse_address(text) == address
    assert authority(*address) == spelt
    assert parse_address(spelt) == address


@pytest.mark.parametrize("text", ["", "localhost", "localhost:", "x:65536", "x:-1", "x:1a"])
def test_parse_address_invalid_text_raises(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse_address(text)


def test_authority_without_port_has_brackets_for_ipv6() -> None:
    assert [authority(host) for host in ("::1", "[::1]", "h")] == ["[::1]", "[::1]", "h"]


def test_is_loopback_of_host_is_expected() -> None:
    assert all(
        map(is_loopback, ("localhost", "LocalHost.", "127.0.0.2", "::1", "::ffff:127.0.0.1"))
    )
    assert not any(map(is_loopback, ("", "0.0.0.0", "localhost.example.com", "192.0.2.1", "::")))


def check_urls(text: str, port: int) -> None:
    """All URLs in a text lead to the port of ::1."""
    urls = [word.strip("(),;") for word in text.replace("=", " ").split() if "://" in word]
    assert urls
    for url in urls:
        assert (urlsplit(url).hostname, urlsplit(url).port) == ("::1", port), url


@pytest.mark.parametrize("mode", ["regular", "socks5", "reverse:wss://api.deepgram.com"])
def test_urls_of_ipv6_address_have_brackets(mode: str, tmp_path: Path) -> None:
    ca = Certificate.make(tmp_path / "ca.pem").path
    running = RunningProxy(("::1", 4711), ca, False, _ConnectionCounter(), cast("Any", None))
    check_urls("\n".join(_greeting(ProxySettings(mode=mode), running)), 4711)
    env = for_command(running, mode, tmp_path, {})
    check_urls(" ".join(value for value in env.values() if "://" in value), 4711)
    check_urls(Proxy(("::1", 4711), ca, {}).url, 4711)


def test_background_ipv6_port_in_use_is_named(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        taken = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with taken:
        port = taken.getsockname()[1]
        settings = ProxySettings("::1", port, out=tmp_path / "out", confdir=tmp_path / "ca")
        with (
            pytest.raises(UsageError, match=rf"cannot listen on \[::1\]:{port}"),
            background(settings),
        ):
            pass


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("wss://api.example/v1?token=s3cret", "wss://api.example/v1"),
        ("wss://api.example#s3cret", "wss://api.example"),
        ("http://u:s3cret@proxy:3128", "http://proxy:3128"),
        ("u:s3cret@proxy", "proxy"),
        ("reverse:https://u:s3@cret@h:1/x", "reverse:https://h:1/x"),
        ("http://[::1]:80/?s3cret", "http://[::1]:80/"),
        ("ws://h:99999/?k=s3cret", "ws://h:99999/"),
        ("http://u:s3cret?x@h", "http://..."),
        ("u:s3cret", "..."),
        ("", ""),
    ],
)
def test_public_url_of_any_text_has_no_credential(url: str, public: str) -> None:
    assert public_url(url) == public
