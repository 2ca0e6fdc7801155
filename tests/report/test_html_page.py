"""The page of a session: what it shows is what the commands print, and nothing in it is markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from html_page import (
    MARKUP,
    MARKUP_PARTS,
    PATH,
    RATE,
    Element,
    Page,
    assert_shows_what_commands_say,
    listening,
    page_of,
)
from mutations import good_records
from sessions import APP, SERVER, Records, audio, closed, opened, result, text_message, write
from speech_sessions import spoken
from traces import make_trace
from wsproxy.trace import Request, Response
from wsproxy.wire import Opcode

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
SHOWN = (
    "deepgram/deepgram.listen.NET-0001.wstrace",
    "deepgram/deepgram.upgrade.402.wstrace",
    "deepgram/deepgram.agent.FAILED_TO_SPEAK.wstrace",
    "assemblyai/assemblyai.streaming.3007-rate.wstrace",
    "wire/accepted-listen.wstrace",
    "wire/accepted-speak.wstrace",
    "wire/server-no-frame.wstrace",
    "wire/reset-by-server.wstrace",
)


@pytest.mark.parametrize("name", SHOWN)
def test_page_shows_what_explain_and_show_say(name: str) -> None:
    assert_shows_what_commands_say(page_of(SAMPLES / name), SAMPLES / name)


@pytest.mark.parametrize("name", SHOWN)
def test_page_links_to_frames_that_it_lists(name: str) -> None:
    page = page_of(SAMPLES / name)
    listed = {e.attributes["id"] for e in page.root.all("tr") if "id" in e.attributes}
    named = {
        f"f{number}"
        for finding in page.data("findings")
        for evidence in finding["evidence"]
        for number in evidence["frames"][:8]
    }
    assert named <= listed
    assert page.unclosed == []


def hostile(path: Path) -> Path:
    """A session with markup in every place that a peer controls."""
    headers = [["Upgrade", "websocket"], [MARKUP, MARKUP], ["X-Request-Id", MARKUP]]
    said = {"type": MARKUP, MARKUP: MARKUP, "message": MARKUP, "description": MARKUP}
    records: Records = [
        Request(0, MARKUP, "wss", MARKUP, 443, f"/v1/listen?encoding={MARKUP}", headers=headers),
        Response(20, 101, MARKUP, headers=headers),
        result(100, MARKUP, final=False),
        result(200, MARKUP, final=True),
        text_message(300, APP, said),
        text_message(400, SERVER, {"type": "Error", **said}),
        audio(500, APP, MARKUP.encode()),
        closed(
            600,
            SERVER,
            1011,
            "".join(MARKUP_PARTS)[:100].replace("\u2028", "").replace("\u2029", ""),
        ),
    ]
    return write(path, records)


def refused(path: Path) -> Path:
    headers = [["Upgrade", "websocket"]]
    answer = Response(20, 403, MARKUP, headers=[["Server", MARKUP]], body=MARKUP.encode())
    return write(
        path, [Request(0, "GET", "wss", "api.deepgram.com", 443, "/", headers=headers), answer]
    )


@pytest.mark.parametrize("make", [hostile, refused])
def test_page_nothing_in_a_trace_is_markup(tmp_path: Path, make: Any) -> None:
    page = page_of(make(tmp_path / "<img src=x onerror=canary()>.wstrace"))
    plain = page_of(write(tmp_path / "plain.wstrace", listening()))
    tags, attributes = names(plain)
    for found, allowed in zip(names(page), (tags, attributes), strict=True):
        assert found - allowed <= {"blockquote", "h4", "pre", "ul", "strong", "open", "role"}
    assert page.unclosed == []
    assert [e.text for e in executable(page)] == [e.text for e in executable(plain)]
    assert "canary" in page.html
    assert "\x1b" not in page.html
    assert "\u202e" not in page.html
    for script in page.root.all("script"):
        if script.attributes.get("type") == "application/json":
            json.loads(script.text)


def executable(page: Page) -> list[Element]:
    """The scripts that run."""
    return [e for e in page.root.all("script") if e.attributes.get("type") in {None, "module"}]


def names(page: Page) -> tuple[set[str], set[str]]:
    elements = page.root.all()
    return {e.tag for e in elements}, {name for e in elements for name in e.attributes}


def test_page_data_keeps_hostile_text_verbatim(tmp_path: Path) -> None:
    page = page_of(hostile(tmp_path / "a.wstrace"))
    assert MARKUP in [r["text"] for r in page.data("transcript")["results"]]
    frames = page.data("frames")
    assert json.loads(frames["content"][2])["message"] == MARKUP


def test_page_policy_allows_what_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    page = page_of(write(tmp_path / "a.wstrace", listening()))
    (policy,) = (
        e.attributes["content"] or ""
        for e in page.root.all("meta")
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(e.text.encode()).digest()).decode()}'"
        for e in executable(page)
    }
    (allowed,) = re.findall(r"script-src ([^;]*)", policy)
    assert set(allowed.split()) == hashes
    (nonce,) = re.findall(r"style-src 'nonce-([\w-]+)'", policy)
    assert {e.attributes.get("nonce") for e in page.root.all("style")} == {nonce}
    assert "unsafe" not in policy
    links = [e.attributes.get(name) for e in page.root.all() for name in ("src", "href")]
    assert all(link is None or link.startswith("#") for link in links)
    assert not page.root.all(style="")
    assert not any("style" in e.attributes for e in page.root.all())


def test_page_of_the_same_trace_is_the_same_and_nonces_differ_between_traces(
    tmp_path: Path,
) -> None:
    one = write(tmp_path / "a.wstrace", listening())
    other = write(tmp_path / "b.wstrace", listening(words="other words"))
    assert page_of(one).html == page_of(one).html
    nonces = {page_of(path).root.all("style")[0].attributes["nonce"] for path in (one, other)}
    assert len(nonces) == 2


def test_page_frames_are_columns_of_one_length(tmp_path: Path) -> None:
    frames = page_of(write(tmp_path / "a.wstrace", listening())).data("frames")
    assert frames["ranges"] == [[1, 34]]
    assert {len(frames[name]) for name in ("t", "side", "op", "length", "content")} == {34}
    assert frames["side"][:2] == "cc"
    assert frames["op"].endswith("88")
    assert frames["t"][0] == 0.1
    assert frames["length"][0] == RATE // 10 * 2
    assert frames["content"][-1].startswith("1000")


def test_page_embeds_the_audio_that_was_sent(tmp_path: Path) -> None:
    page = page_of(write(tmp_path / "a.wstrace", listening()))
    (track,) = page.data("tracks")
    assert track["side"] == "c"
    assert track["duration"] == 3.0
    file = base64.b64decode(page.root.one("script", id=track["audio"]["element"]).text)
    assert file[:4] == b"RIFF"
    assert file[44:] == spoken(3.0, RATE)
    assert track["map"][0] == [0.0, 0.1, 1]
    assert track["map"][-1][:2] == [3.0, 3.1]
    assert len(track["peaks"]["low"]) == 150
    assert max(track["peaks"]["high"]) > 20
    assert track["note"] == ""


def test_page_without_audio_says_so(tmp_path: Path) -> None:
    page = page_of(write(tmp_path / "a.wstrace", listening()), max_audio=0)
    (track,) = page.data("tracks")
    assert track["audio"] is None
    assert "not in this file" in track["note"]
    assert track["note"] in page.root.one("section", id="audio").text
    assert len(track["peaks"]["low"]) == 150
    assert not page.root.all("script", type="application/octet-stream")


def test_page_of_more_audio_than_allowed_has_its_end(tmp_path: Path) -> None:
    page = page_of(write(tmp_path / "a.wstrace", listening()), max_audio=16_000)
    (track,) = page.data("tracks")
    assert track["audio"]["start"] + track["audio"]["seconds"] == pytest.approx(3.0, abs=0.05)
    assert track["audio"]["seconds"] < 2.0
    assert "maximum size of its audio" in track["note"]
    element = page.root.one("script", id=track["audio"]["element"])
    assert len(element.text) <= 16_000


def test_page_base64_in_a_message_is_replaced_by_its_length(tmp_path: Path) -> None:
    data = base64.b64encode(spoken(1.0, RATE)).decode()
    records = [*opened("/"), text_message(100, APP, {"type": "audio", "audio": data})]
    frames = page_of(write(tmp_path / "a.wstrace", records)).data("frames")
    content = json.loads(frames["content"][0])
    assert content["audio"] == f"{data[:24]}… ({len(data)} characters)"
    assert frames["short"] == [1]


def test_page_of_an_open_session_says_that_it_is_incomplete(tmp_path: Path) -> None:
    page = page_of(make_trace(tmp_path / "a.wstrace", good_records()[:-1]))
    (sentence,) = page.data("session")["incomplete"]
    assert "still open" in sentence
    assert sentence in page.root.one("p", class_="warning").text


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"where": "header", "name": "Authorization", "length": 40}, "header Authorization"),
        ({"where": "message"}, "message a key"),
        ({"more": 1200}, "? 1,200 more"),
        ({"where": 1, "name": [], "length": "x"}, "1 a key"),
    ],
)
def test_page_names_what_was_redacted_in_the_handshake(
    entry: dict[str, Any], shown: str, tmp_path: Path
) -> None:
    request, *rest = opened("/v1/listen")
    assert isinstance(request, Request)
    records: Records = [replace(request, redacted=[entry]), *rest]
    page = page_of(write(tmp_path / "a.wstrace", records))
    assert f"Redacted: {shown}" in page.root.one("section", id="handshake").text


def test_page_unusual_frames_have_notes(tmp_path: Path) -> None:
    records = opened("/")
    first = text_message(100, APP, "begin")
    first.fin = False
    rest = audio(200, APP, b"end")
    rest.opcode = int(Opcode.CONTINUATION)
    page = page_of(write(tmp_path / "a.wstrace", [*records, first, rest]))
    assert page.data("frames")["notes"] == {"1": {"fin": False}}
    assert page.data("frames")["content"] == ["begin", "end"]
    assert "more fragments follow" in page.root.one("tr", id="f1").text


def test_page_silence_before_the_end_is_a_gap(tmp_path: Path) -> None:
    """The app sent nothing for the last 3 s, which is why the server closed."""
    records = [*opened(PATH), audio(100, APP, b"ab" * 800), closed(3100, SERVER, 1011, "NET-0001")]
    page = page_of(write(tmp_path / "a.wstrace", records))
    (gap,) = page.data("lanes")["gaps"]
    assert gap == {"side": "c", "start": 0.1, "end": 3.1, "after_frame": 1}
