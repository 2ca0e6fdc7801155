"""Who may use the server of `wsproxy view`, over plain HTTP."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from sessions import SERVER, closed, opened, result, write
from view_server import view_server
from wsproxy.errors import UsageError
from wsproxy.view.access import new_token
from wsproxy.view.server import serving

Answer = tuple[int, dict[str, str], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("view") / "recordings"
    place.mkdir()
    records = [*opened("/v1/listen"), result(40, "a secret", final=True), closed(90, SERVER, 1000)]
    write(place / "call.wstrace", records)
    (place.parent / "outside.wstrace").write_bytes((place / "call.wstrace").read_bytes())
    (place / "link.txt").write_text("not a trace")
    return place


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with view_server(folder) as found:
        yield found


def ask(
    url: str, path: str | None = None, method: str = "GET", body: str = "", **headers: str
) -> Answer:
    """A request; `path` replaces that of the URL. Underscores in names of headers are hyphens."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", place.port or 0, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, place.path if path is None else path, skip_host="Host" in given)
    for name, value in given.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


def origin(url: str) -> Origin:
    return Origin(f"http://{urlsplit(url).netloc}")


def session_path(url: str) -> str:
    with connect(f"{url.replace('http', 'ws', 1)}updates", origin=origin(url)) as page:
        page.send("0")
        sessions = json.loads(page.recv(30))["sessions"]
    return f"{urlsplit(url).path}session/{sessions[0]['id']}"


def test_page_with_the_token_is_served_with_safe_headers(url: str) -> None:
    status, headers, text = ask(url)
    text = html.unescape(text)
    assert status == 200
    assert "default-src 'none'" in text
    assert "connect-src 'self'" in text
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/", "//", "/wrong/", "/%ff%fe/", "/updates"])
def test_request_without_the_token_is_refused(url: str, path: str) -> None:
    status, headers, text = ask(url, path)
    assert status in {400, 403, 404}
    assert "secret" not in text
    assert urlsplit(url).path.strip("/") not in text
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "localhost.evil.example:{port}", "127.0.0.1", "", "127.0.0.1:1"]
)
def test_request_with_another_host_is_refused(url: str, host: str) -> None:
    named = host.format(port=urlsplit(url).port)
    assert ask(url, Host=named)[0] in {400, 403}


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_request_with_a_loopback_name_is_served(url: str, name: str) -> None:
    assert ask(url, Host=f"{name}:{urlsplit(url).port}")[0] == 200


@pytest.mark.parametrize("what", ["replay", "scrubbed"])
@pytest.mark.parametrize("given", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_post_of_another_page_is_refused(url: str, what: str, given: dict[str, str]) -> None:
    status, _, text = ask(url, f"{session_path(url)}/{what}", "POST", "side=server", **given)
    assert (status, text) == (403, "This is not served to other pages.\n")


@pytest.mark.parametrize("what", ["replay", "scrubbed"])
def test_get_changes_nothing(url: str, what: str) -> None:
    assert ask(url, f"{session_path(url)}/{what}")[0] == 405


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "POST"])
def test_other_methods_are_refused(url: str, method: str) -> None:
    assert ask(url, method=method, Origin=origin(url))[0] == 405


@pytest.mark.parametrize(
    "given",
    ["", "side=other", "side=client", "side=client&target=http://x", "side=client&target=--help"],
)
def test_replay_with_an_invalid_target_is_refused(url: str, given: str) -> None:
    form = "application/x-www-form-urlencoded"
    path = f"{session_path(url)}/replay"
    assert ask(url, path, "POST", given, Origin=origin(url), Content_Type=form)[0] == 400


@pytest.mark.parametrize("given", [None, "http://evil.example", "null"])
def test_websocket_of_another_page_is_refused(url: str, given: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url.replace('http', 'ws', 1)}updates", origin=Origin(given) if given else None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "session", ["../outside.wstrace", "..%2Foutside.wstrace", "call.wstrace", "0" * 20, "link.txt"]
)
@pytest.mark.parametrize("what", ["", "/trace", "/report"])
def test_only_traces_of_the_folder_are_served_by_their_ids(
    url: str, session: str, what: str
) -> None:
    status, _, text = ask(url, f"{urlsplit(url).path}session/{session}{what}")
    assert status == 404
    assert "secret" not in text


def test_page_of_a_session_is_served(url: str) -> None:
    status, _, text = ask(url, session_path(url))
    assert status == 200
    assert "a secret" in text


@pytest.mark.parametrize(
    "query",
    [
        *("frames", "frames?numbers=0", "frames?numbers=1,", "frames?numbers=1-2-3"),
        *("frames?numbers=99999999999", "frames?at=-1", "frames?at=1e9", "frames?at=nan"),
        *("turns?numbers=all", "turns", "results", "results?numbers=%2D1"),
        "frames?numbers=" + ",".join(map(str, range(1, 1000, 3))),
    ],
)
def test_parts_of_a_page_with_an_invalid_query_are_refused(url: str, query: str) -> None:
    status, _, text = ask(url, f"{session_path(url)}/{query}")
    assert (status, "has to be" in text or "have to be" in text) == (400, True)


@pytest.mark.parametrize("what", ["frames", "turns", "results"])
@pytest.mark.parametrize("session", ["", "0" * 20])
def test_parts_of_a_session_that_is_not_followed_are_not_found(
    url: str, what: str, session: str
) -> None:
    path = session_path(url)
    path = f"{path[:-20]}{session}" if session else path
    assert ask(url, f"{path}/{what}?numbers=1-5")[0] == 404
    assert ask(url, f"{path}/{what}?numbers=5-1")[0] == 404


def test_server_listens_on_the_loopback_address_only(url: str) -> None:
    port = urlsplit(url).port or 0
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_server_with_a_port_in_use_reports_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        async def serve() -> None:
            async with serving(folder, port=port, max_audio=0):
                pass

        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            asyncio.run(serve())


def test_tokens_are_long_and_differ() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 40 for token in tokens)
