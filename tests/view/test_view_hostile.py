"""Traces of strangers, and files that change while they are shown, through the server."""

from __future__ import annotations

import gc
import http.client
import io
import json
import os
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

import hostile_traces
from sessions import APP, SERVER, Records, audio, closed, opened, write
from view_server import OpenSession, view_server
from wire_witness import wait_until
from wsproxy.audio.kept_samples import KeptSamples
from wsproxy.catalog import load
from wsproxy.report.html.reading import SessionContent, read_content
from wsproxy.trace import lock
from wsproxy.view.folder import SessionFolder, session_id
from wsproxy.view.handlers import Handler
from wsproxy.view.live_content import LiveContent
from wsproxy.view.recording import recorded_among

MB = 1_000_000
MAX_PAGE = 6 * MB  # of a session without audio, with the scripts
MAX_ROW, MAX_ERROR = 8_000, 2_100  # bytes
# Cheap to make; each is hostile in a way of its own.
QUICK = (
    "many_failures_gaps_and_findings_that_are_kept",
    "a_hundred_thousand_ends_of_streams",
    "a_text_of_15_mb_in_wide_characters",
    "ten_thousand_headers",
    "a_path_of_a_megabyte",
    "lists_in_lists",
    "times_at_the_edges",
    "a_seek_table_that_lies",
)


def get(url: str, path: str = "") -> tuple[int, bytes]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", place.port or 0, timeout=120)
    connection.request("GET", place.path + path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@contextmanager
def updates(url: str, version: int = 0) -> Iterator[Callable[[], str]]:
    """Asks as a start page does; the function returns the next answer."""
    place = f"{url.replace('http', 'ws', 1)}updates"
    own = Origin(f"http://{urlsplit(url).netloc}")
    with connect(place, origin=own, max_size=None) as page:
        page.send(str(version))
        yield lambda: str(page.recv(60))


def check_served(url: str, root: Path, path: Path) -> None:
    """The row, the page and the report of a trace are small, or one line says what is wrong."""
    with updates(url) as answer:
        text = answer()
    assert len(text) < MAX_ROW
    assert len(json.loads(text)["sessions"]) == 1
    session = f"session/{session_id(root, path)}"
    for what in (session, f"{session}/report"):
        status, body = get(url, what)
        assert status in (200, 422), (what, status, body[:500])
        if status == 200:
            assert len(body) < MAX_PAGE, what
            assert body.rstrip().endswith(b"</html>")
        else:
            assert len(body) < MAX_ERROR
            assert body.count(b"\n") == 1


def check_trace(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.wstrace"
    hostile_traces.MAKERS[name](path)
    with view_server(tmp_path) as url:
        check_served(url, tmp_path, path)


@pytest.mark.cost
@pytest.mark.one_python
@pytest.mark.parametrize("name", QUICK)
def test_view_hostile_trace_has_small_answers(tmp_path: Path, name: str) -> None:
    check_trace(tmp_path, name)


@pytest.mark.soak
@pytest.mark.parametrize("name", hostile_traces.MAKERS.keys() - hostile_traces.NO_FILES)
def test_view_each_hostile_trace_has_small_answers(tmp_path: Path, name: str) -> None:
    check_trace(tmp_path, name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize("name", hostile_traces.NO_FILES)
def test_view_special_file_is_one_message_and_others_are_shown(tmp_path: Path, name: str) -> None:
    write(tmp_path / "good.wstrace", [*opened("/v1/listen"), closed(90, SERVER, 1000)])
    hostile_traces.MAKERS[name](tmp_path / "odd.wstrace")
    with view_server(tmp_path) as url:
        with updates(url) as answer:
            assert "good.wstrace" in answer()
        assert get(url, f"session/{session_id(tmp_path, tmp_path / 'good.wstrace')}")[0] == 200
        odd = f"session/{session_id(tmp_path, tmp_path / 'odd.wstrace')}"
        for what in (odd, f"{odd}/trace", f"{odd}/report"):
            status, body = get(url, what)
            assert status in (404, 422)
            assert len(body) < MAX_ERROR and body.count(b"\n") == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize("name", ["a_fifo", "a_link_to_dev_zero"])
def test_view_download_with_a_special_file_as_a_part_is_one_message(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path / "call.wstrace", [*opened("/v1/listen"), closed(90, SERVER, 1000)])
    hostile_traces.MAKERS[name](tmp_path / "call.part2.wstrace")
    with view_server(tmp_path) as url:
        with updates(url) as answer:
            answer()
        status, body = get(url, f"session/{session_id(tmp_path, path)}/trace")
        assert (status, body.count(b"\n")) == (404, 1)
        assert get(url)[0] == 200


def test_view_download_of_parts_has_all_of_them_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "\udcff.wstrace"
    try:
        write(path, [*opened("/v1/listen"), closed(90, SERVER, 1000)])
    except OSError:
        pytest.skip("the file system has no such names")
    part = tmp_path / "\udcff.part2.wstrace"
    part.write_bytes(path.read_bytes())
    with view_server(tmp_path) as url:
        with updates(url) as answer:
            answer()
        status, body = get(url, f"session/{session_id(tmp_path, path)}/trace")
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        names = packed.namelist()
        assert (status, names) == (200, ["?.wstrace", "?.part2.wstrace"])
        assert all(packed.read(name) == part.read_bytes() for name in names)


ODD_NAMES = ("<img src=x onerror=canary()>", "a\u202eb\x1b[31m", "new\nline", "100%20%s%")


@pytest.mark.parametrize("name", [*ODD_NAMES, "\udcff\udcfe"])
def test_view_odd_name_of_a_trace_is_escaped(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.wstrace"
    try:
        write(path, [*opened("/v1/listen"), closed(90, SERVER, 1000)])
    except OSError:
        pytest.skip("the file system has no such names")
    with view_server(tmp_path) as url:
        check_served(url, tmp_path, path)
        status, body = get(url, f"session/{session_id(tmp_path, path)}/trace")
        assert (status, body) == (200, path.read_bytes())
        with updates(url) as answer:
            shown = json.loads(answer())["sessions"][0]["file"]
        assert shown.isprintable() and "\u202e" not in shown


def test_view_message_about_a_name_with_percent_signs_has_them_once(tmp_path: Path) -> None:
    path = tmp_path / "100%20%s.wstrace"
    path.write_bytes(b"junk" * 500)
    with view_server(tmp_path) as url:
        check_served(url, tmp_path, path)
        status, body = get(url, f"session/{session_id(tmp_path, path)}")  # it is listed now
    assert status == 422
    assert b"/100%20%s.wstrace is not a trace" in body


# -- what changes while it is shown


def removed(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    os.truncate(path, 20)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    path.write_bytes(b"junk" * 500)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def without_its_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def records(count: int = 50) -> Records:
    return [*opened("/v1/listen"), *(audio(100 + n, APP, b"12" * 200) for n in range(count))]


@pytest.mark.skipif(os.name == "nt", reason="open files cannot be removed")
@pytest.mark.parametrize(
    "change", [removed, truncated, emptied, overwritten, a_folder, without_its_folder]
)
def test_view_trace_that_is_changed_while_it_is_shown_ends_nothing(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    root = tmp_path / "recordings"
    root.mkdir()
    session = OpenSession(root / "call.wstrace", *records())
    live = LiveContent(session.path, load())
    folder = SessionFolder(root, load())
    folder.poll()
    live.poll()
    name = session_id(root, session.path)
    assert (folder.row(name) or {})["state"] == "recording"
    change(session.path)
    with view_server(root) if root.exists() else view_server(tmp_path) as url:
        for _ in range(3):
            folder._list_at = 0.0
            folder.poll()
            live.poll()
        assert live.version >= 1
        status, body = get(url, f"session/{name}")
        assert status in (200, 404, 422)
        assert status == 200 or body.count(b"\n") == 1
    if change in (removed, without_its_folder):
        assert folder.row(name) is None
    live.close()


def test_view_folder_that_is_removed_and_made_again_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "recordings"
    root.mkdir()
    trace = write(root / "a.wstrace", records())
    folder = SessionFolder(root, load())
    folder.poll()
    shutil.rmtree(root)
    folder._list_at = 0.0
    folder.poll()
    assert folder.ids() == []
    root.mkdir()
    write(trace, records())
    folder._list_at = 0.0
    folder.poll()
    assert [path for _, path in folder.ids()] == [trace]


def test_view_folder_of_many_sessions_is_listed_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write(tmp_path / "0.wstrace", records(1)).read_bytes()
    for number in range(1, 60):
        (tmp_path / f"{number}.wstrace").write_bytes(content)
    listings: list[object] = []
    scandir = os.scandir

    def counted(path: Any) -> Any:
        listings.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    folder = SessionFolder(tmp_path, load())
    folder.poll()
    assert len(folder.ids()) == 60
    assert len(listings) < 6


@pytest.mark.skipif(os.name == "nt", reason="traces are locked with flock")
def test_view_trace_of_which_a_later_part_is_written_is_being_recorded(tmp_path: Path) -> None:
    done = write(tmp_path / "call.wstrace", records(1))
    other = write(tmp_path / "other.wstrace", records(1))
    assert recorded_among([done, other]) == set()
    with (tmp_path / "call.part2.wstrace").open("wb") as part:
        part.write(b"x")
        part.flush()
        lock.hold(part.fileno())
        assert recorded_among([done, other]) == {done}


@pytest.mark.soak
def test_view_folder_of_2000_sessions_is_listed_and_a_new_one_is_a_small_update(
    tmp_path: Path,
) -> None:
    content = write(tmp_path / "0.wstrace", records(5)).read_bytes()
    for number in range(1, 2000):
        (tmp_path / f"{number}.wstrace").write_bytes(content)
    folder = SessionFolder(tmp_path, load())
    polls = 0
    while len((folder.changes(0) or {"sessions": []})["sessions"]) < 2000:
        folder.poll()
        polls += 1
        assert polls < 200
    assert len(json.dumps(folder.changes(0))) < 2000 * 600
    before = folder.version
    write(tmp_path / "new.wstrace", records(5))
    folder._list_at = 0.0
    folder.poll()
    assert len((folder.changes(before) or {"sessions": []})["sessions"]) == 1


def test_view_page_that_is_closed_and_opened_again_has_everything(tmp_path: Path) -> None:
    session = OpenSession(tmp_path / "call.wstrace", *records(10))
    name = session_id(tmp_path, session.path)
    with view_server(tmp_path) as url:
        place = f"session/{name}"
        with updates(url) as answer:
            answer()
        assert b'"count":10' in get(url, place)[1]
        own = Origin(f"http://{urlsplit(url).netloc}")
        address = f"{url.replace('http', 'ws', 1)}{place}/updates"
        for count in (20, 30):
            with connect(address, origin=own) as page:
                page.send("1")
                session.grow(*(audio(500 + count + n, APP, b"12") for n in range(10)))
                assert '"version":' in str(page.recv(30))
            assert f'"count":{count}'.encode() in get(url, place)[1]


def test_view_page_that_was_sent_leaves_no_audio_in_memory(tmp_path: Path) -> None:
    head = opened("/v1/listen?encoding=linear16&sample_rate=16000")
    pieces = [audio(100 + 100 * n, APP, bytes(range(200)) * 16) for n in range(100)]
    session = OpenSession(tmp_path / "call.wstrace", *head, *pieces)
    with view_server(tmp_path) as url:
        with updates(url) as answer:
            answer()
        body = get(url, f"session/{session_id(tmp_path, session.path)}")[1]
        assert b'id="audio-0"' in body
        end = time.monotonic() + 30
        while kept := [each for each in gc.get_objects() if type(each) is KeptSamples]:
            assert time.monotonic() < end, kept
            time.sleep(0.05)
            del kept


def test_view_two_servers_of_one_folder_show_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wstrace", records())
    with view_server(tmp_path) as one, view_server(tmp_path) as other:
        assert urlsplit(one).path != urlsplit(other).path
        check_served(one, tmp_path, path)
        check_served(other, tmp_path, path)
        assert get(f"{one.rpartition('/')[0].rpartition('/')[0]}{urlsplit(other).path}")[0] == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_view_websocket_with_a_wrong_token_or_host_is_refused(tmp_path: Path, host: str) -> None:
    with view_server(tmp_path) as url:
        place = urlsplit(url)
        token = place.path if host == "evil.example" else f"/{'x' * 43}/"
        port = place.port or 0
        origin = Origin(f"http://{host}:{port}")
        with (
            socket.create_connection(("127.0.0.1", port)) as connection,
            pytest.raises(InvalidStatus) as refused,
        ):
            connect(f"ws://{host}:{port}{token}updates", origin=origin, sock=connection)
        assert refused.value.response.status_code == 403


def ask_and_leave(url: str, path: str, is_begun: Callable[[], bool], method: str = "GET") -> None:
    """Send a request, and close the connection once it is begun."""
    place = urlsplit(url)
    head = f"{method} {place.path}{path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
    head += f"Origin: http://{place.netloc}\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", place.port or 0)) as connection:
        connection.sendall(head.encode())
        wait_until(is_begun)


def counted_calls(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[list[Handler]]:
    """For each of these methods, the requests for which the server has called it."""

    def counting(method: Callable[[Handler], None], calls: list[Handler]) -> Any:
        def call(handler: Handler) -> None:
            method(handler)
            calls.append(handler)

        return call

    found: list[list[Handler]] = [[] for _ in names]
    for name, calls in zip(names, found, strict=True):
        monkeypatch.setattr(Handler, name, counting(getattr(Handler, name), calls))
    return found


@pytest.mark.parametrize("what", ["", "/report"])
def test_view_pages_that_nobody_waits_for_are_not_built(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wstrace", records())
    release, built = threading.Event(), []

    def waiting(path: Path, *args: Any, **kwargs: Any) -> SessionContent:
        built.append(path)
        assert release.wait(60)
        return read_content(path, *args, **kwargs)

    monkeypatch.setattr("wsproxy.view.hub.read_content", waiting)
    begun, left = counted_calls(monkeypatch, "prepare", "on_connection_close")
    with view_server(tmp_path) as url:
        with updates(url) as answer:
            answer()
        place = f"session/{session_id(tmp_path, path)}{what}"
        begun.clear()
        left.clear()
        for number in range(8):
            ask_and_leave(url, place, lambda: len(begun) > number)  # noqa: B023  # called here
        wait_until(lambda: len(left) == 8)
        release.set()
        assert get(url, place)[0] == 200
    assert len(built) <= 3  # two threads had begun, and the last one is wanted


@pytest.mark.skipif(os.name == "nt", reason="the command is a script")
def test_view_command_that_nobody_waits_for_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wstrace", records())
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    script = tmp_path / "command"
    # More than fits in between: what is read of it has begun for the server too.
    prints, wait = "head -c 300000 /dev/zero", "while :; do sleep 0.05; done"
    trap = f"trap 'touch {ended}; exit 1' TERM"
    script.write_text(f"#!/bin/sh\n{trap}\n{prints}\ntouch {begun}\n{wait}\n")
    script.chmod(0o755)
    with view_server(tmp_path) as url:
        with updates(url) as answer:
            answer()
        monkeypatch.setattr("wsproxy.view.commands.sys.executable", str(script))
        place = f"session/{session_id(tmp_path, path)}/scrubbed"
        ask_and_leave(url, place, begun.exists, "POST")
        wait_until(ended.exists)
