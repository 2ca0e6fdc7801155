"""The leak check: `scrub` writes nothing if private data is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import wsproxy.scrub.allowlist
import wsproxy.scrub.http_head
import wsproxy.scrub.leak_check
import wsproxy.scrub.texts
import wsproxy.scrub.traffic
from scrub_sessions import (
    MAIL,
    PLANTED,
    frames,
    session,
    unpacked,
)
from sessions import APP, SERVER, closed, opened, result, text_message, write
from wsproxy.audio.noise import Noise
from wsproxy.catalog import load
from wsproxy.errors import NotPublic
from wsproxy.scrub import scrub
from wsproxy.scrub.allowlist import Allowlist


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("scrub") / "planted.wstrace", session())


def leaks(monkeypatch: pytest.MonkeyPatch, trace: Path, owner: object, name: str, made: Any) -> Any:
    monkeypatch.setattr(owner, name, made)
    out = trace.with_name("leaking.wstrace")
    with pytest.raises(NotPublic) as caught:
        scrub(trace, out)
    assert not out.exists()
    assert not list(trace.parent.glob(".leaking*"))
    found = " ".join(caught.value.found)
    assert not any(planted in found for planted in PLANTED), "no value is shown"
    return caught.value


def same(_self: object, value: Any, *_: object, **__: object) -> Any:
    return value


def test_leak_check_unscrubbed_text_is_found(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.texts.TextScrubber, "replace", same)
    assert any("a spoken word" in line for line in error.found)
    assert any("an id, address or number" in line for line in error.found)


def test_leak_check_unscrubbed_message_is_found(
    monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.texts.TextScrubber, "message_bytes", same)
    assert any(line.startswith("frame ") for line in error.found)


def test_leak_check_unscrubbed_audio_is_found(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    error = leaks(monkeypatch, trace, Noise, "replace", same)
    assert any("audio of the original" in line for line in error.found)


@pytest.mark.parametrize("name", ["_parameter", "_header"])
def test_leak_check_unscrubbed_part_of_the_request_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    kept = {
        "_parameter": lambda _self, part: part,
        "_header": lambda _self, _name, value: value,
    }
    error = leaks(monkeypatch, trace, wsproxy.scrub.http_head.HeadScrubber, name, kept[name])
    assert any(line.startswith("request ") for line in error.found)


def test_leak_check_unscrubbed_close_reason_is_found(
    monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.texts.TextScrubber, "error_text", same)
    assert any("an id" in line for line in error.found)


def test_leak_check_remaining_credential_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "sk_" + "a1B2c3D4" * 5
    records = [
        *opened("/v1/listen?model=nova-3"),
        text_message(50, APP, {"type": "Auth", "note": secret}),
    ]
    path = write(tmp_path / "secret.wstrace", records)
    error = leaks(monkeypatch, path, wsproxy.scrub.texts.TextScrubber, "replace", same)
    assert any("looks like a credential" in line for line in error.found)
    assert secret not in str(error)
    monkeypatch.undo()
    assert secret.encode() not in unpacked(scrub(path, tmp_path / "ok.wstrace").path)


def test_scrub_error_that_repeats_speech_is_replaced(tmp_path: Path) -> None:
    speech = "the connection was closed because of the audio"
    records = [
        *opened("/v1/listen?model=nova-3"),
        result(50, speech, final=True),
        text_message(60, SERVER, {"type": "Error", "description": f"cannot say: {speech}"}),
        closed(70, SERVER, 1011, "NET-0001"),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    assert b"connection was closed" not in unpacked(made)


def test_allowlist_speech_field_keeps_no_listed_value() -> None:
    known = Allowlist(load(), "deepgram", "listen")
    assert known.keeps("model", "nova-3")
    assert known.keeps("type", "Results")
    for name, value in [("model", MAIL), ("transcript", "Results"), ("name", "Ada"), ("x", "y z")]:
        assert not known.keeps(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("digits", "4111"), ("birthday", "1987-03-04"), ("x_pin", "1234"), ("to", "Ada")],
)
def test_scrub_short_personal_value_is_replaced(name: str, value: str, tmp_path: Path) -> None:
    records = [
        *opened("/v1/listen?model=nova-3"),
        text_message(50, APP, {"type": "Configure", name: value}),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    message = json.loads(frames(made)[0].payload)
    assert message.pop("type") == "Configure"
    assert len(message) == 1
    assert value not in message.values()
    assert (name in message) == (name == "to"), "a name that no document has goes as well"


def test_leak_check_unscrubbed_field_name_is_found(
    monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    known = wsproxy.scrub.allowlist.Allowlist
    error = leaks(monkeypatch, trace, known, "keeps_name_at", lambda *_: True)
    assert any("a word or number that no document lists" in line for line in error.found)
