"""The table of clients, and what is printed about those that a command has loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wsproxy.cli import client_hints
from wsproxy.intercept import clients, loaded_clients
from wsproxy.intercept.clients import BY_BASE_URL, BY_CATCH, BY_PRELOAD, BY_VARIABLES, NOT, Means
from wsproxy.intercept.loaded_clients import LoadedClient

SDKS = (Path(__file__).parents[2] / "docs" / "sdks.md").read_text()
BOTH = Means(preload=True, catch=True)
NEITHER = Means(preload=False, catch=False)


@pytest.mark.parametrize("client", clients.all_clients(), ids=lambda each: each.name)
def test_client_entry_names_a_way_and_libraries_that_exist(client: clients.Client) -> None:
    names = {(each.runtime, each.name) for each in clients.all_clients()}
    assert client.runtime in ("python", "node")
    assert {(client.runtime, name) for name in client.uses} <= names
    assert client.http2 or client.proxy or client.base_url
    assert bool(client.before) <= any(
        each.since == client.before for each in clients.all_clients() if each.name == client.name
    )


@pytest.mark.parametrize(
    ("name", "version", "language"),
    re.findall(r"^\| (\S+) (\d\S+) \((Python|Node)\)", SDKS, re.MULTILINE),
)
def test_client_of_the_sdk_page_has_an_entry(name: str, version: str, language: str) -> None:
    found = clients.find(language.lower(), name, version)
    assert found is not None
    assert found.base_url


@pytest.mark.parametrize(
    ("runtime", "name", "version", "expected"),
    [
        ("python", "deepgram-sdk", "3.11.0", "DeepgramClientOptions"),
        ("python", "deepgram-sdk", "7.17.0", "DeepgramClientEnvironment"),
        ("python", "deepgram-sdk", "", "DeepgramClientEnvironment"),
        ("node", "@deepgram/sdk", "5.0.0-beta.1", "new DeepgramClient"),
    ],
)
def test_find_client_takes_the_entry_for_the_version(
    runtime: str, name: str, version: str, expected: str
) -> None:
    found = clients.find(runtime, name, version)
    assert found is not None
    assert expected in found.base_url


@pytest.mark.parametrize(
    ("name", "installed", "means", "expected"),
    [
        ("websockets", {"websockets": "17.4"}, NEITHER, BY_VARIABLES),
        ("websockets", {"websockets": "14.2"}, NEITHER, BY_BASE_URL),
        ("websockets", {"websockets": "14.2"}, BOTH, BY_PRELOAD),
        ("httpx-ws", {"httpx-ws": "0.9"}, NEITHER, BY_VARIABLES),
        ("deepgram-sdk", {"deepgram-sdk": "4.8.1", "websockets": "14.2"}, NEITHER, BY_BASE_URL),
        ("deepgram-sdk", {"deepgram-sdk": "4.8.1", "websockets": "15.0"}, NEITHER, BY_VARIABLES),
        (
            "pipecat-ai",
            {"pipecat-ai": "1.14", "websockets": "15.0", "aiohttp": "3.14"},
            BOTH,
            f"{BY_VARIABLES} or {BY_PRELOAD}",
        ),
        (
            "deepgram-sdk",
            {"deepgram-sdk": "7.17.0", "websockets": "17.4"},
            NEITHER,
            f"{BY_VARIABLES} or {BY_BASE_URL}",
        ),
        ("tornado", {"tornado": "6.5"}, Means(preload=False, catch=True), BY_CATCH),
        ("amazon-transcribe", {"amazon-transcribe": "0.6.4"}, BOTH, NOT),
    ],
)
def test_client_route_depends_on_its_version_and_its_libraries(
    name: str, installed: dict[str, str], means: Means, expected: str
) -> None:
    client = clients.find("python", name, installed[name])
    assert client is not None
    assert clients.route(client, installed[name], installed, means) == expected


def test_loaded_clients_are_read_in_the_order_of_the_table(tmp_path: Path) -> None:
    """What is no report is left out: the command could write to the folder."""
    folder = tmp_path / "clients"
    loaded_clients.prepare(folder)
    reported = [
        LoadedClient("node", "@deepgram/sdk", "5.13.0"),
        LoadedClient("python", "websockets", "14.2"),
    ]
    for each in reported:
        (folder / each.file_name).touch()
    (folder / "python evil%0A 1").touch()
    (folder / "other").touch()
    assert loaded_clients.read(folder) == reported[::-1]
    assert loaded_clients.read(tmp_path / "none") == []


def test_client_hints_name_each_client_with_its_own_way() -> None:
    loaded = [
        LoadedClient("python", "websockets", "14.2"),
        LoadedClient("python", "deepgram-sdk", "3.11.0"),
        LoadedClient("python", "amazon-transcribe", "0.6.4"),
    ]
    lines = client_hints.lines(loaded, ["chromium", "chromium", "unknown-program"])
    assert lines == [
        "How the clients of this command can be recorded:",
        "  deepgram-sdk 3.11.0: base URL DeepgramClient(KEY, "
        "DeepgramClientOptions(url='http://127.0.0.1:8080'))",
        "  amazon-transcribe 0.6.4: its streams are HTTP/2, which is not recorded",
        "  websockets 14.2: update it to 15 or newer, which reads HTTPS_PROXY",
        "  chromium: give it flags: wsproxy run -- sh -c 'PROGRAM $WSPROXY_CHROMIUM_FLAGS URL'",
        "  base URLs are for: wsproxy run --listen 127.0.0.1:8080 "
        "--mode reverse:wss://api.deepgram.com -- CMD",
        "  `wsproxy doctor -- CMD` checks this set-up",
    ]


def test_client_hints_fit_on_a_screen_however_many_clients_there_are() -> None:
    loaded = [LoadedClient(each.runtime, each.name, "99") for each in clients.all_clients()]
    lines = client_hints.lines(loaded, [])
    assert len(lines) == client_hints.MAX_LINES + 4
    assert lines[client_hints.MAX_LINES + 1].endswith(" more: docs/sdks.md")


def test_client_hints_without_clients_name_the_base_url() -> None:
    lines = client_hints.lines([], ["my-go-app"])
    assert lines[0].startswith("Setting the app's base URL always works")
    assert "--mode reverse:wss://api.deepgram.com -- CMD" in lines[1]
