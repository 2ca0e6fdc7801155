"""Each compared field turns the verdict, and is named; what is volatile does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from session_changes import (
    ID,
    Change,
    answered,
    asked,
    body,
    broken,
    closed_by_app,
    closing,
    corrupt,
    counted_otherwise,
    cut_to,
    each,
    is_text,
    later,
    of_audio,
    plus,
    reworded,
    same,
    segmented_otherwise,
    without,
)
from sessions import (
    APP,
    FAILED,
    LISTEN,
    MS,
    REFUSED,
    RESET,
    SERVER,
    SPEAK,
    STALLED,
    Records,
    audio,
    closed,
    result,
    text_message,
    write,
)
from wsproxy.compare import STANDARD, Comparison, Tolerances, compare
from wsproxy.trace import Eof, Failure, FrameRecord, Request
from wsproxy.wire import Opcode

pytestmark = pytest.mark.one_python

_API = {id(SPEAK): "speak"}


@pytest.fixture
def turned(tmp_path: Path) -> Callable[..., Comparison]:
    """Compare a session with the same after a change."""
    numbers = itertools.count()

    def turn(base: Records, change: Change, rules: Tolerances = STANDARD, **options: Any) -> Any:
        api = _API.get(id(base), "listen")
        number = next(numbers)
        left = write(tmp_path / f"{number}a.wstrace", base, api=api)
        right = write(tmp_path / f"{number}b.wstrace", change(list(base)), api=api)
        return compare(left, right, rules=rules, **options)

    return turn


# -- what has to turn the verdict: the base, the change, and exactly these fields

TURNS: dict[str, tuple[Records, Change, set[str]]] = {
    "method": (LISTEN, each(Request, method="POST"), {"method"}),
    "path": (LISTEN, asked("/v1/other?model=nova-3&keyterm=one&keyterm=two"), {"path"}),
    "parameter": (
        LISTEN,
        asked("/v1/listen?model=nova-2&keyterm=one&keyterm=two"),
        {"query.model"},
    ),
    "one of several": (LISTEN, asked("/v1/listen?model=nova-3&keyterm=one"), {"query.keyterm"}),
    "new parameter": (
        LISTEN,
        asked("/v1/listen?model=nova-3&keyterm=one&keyterm=two&punctuate=true"),
        {"query.punctuate"},
    ),
    "model id": (
        SPEAK,
        asked("/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=24000&voice_id=x"),
        {"query.voice_id"},
    ),
    "subprotocol": (
        LISTEN,
        each(
            Request, headers=[["Upgrade", "websocket"], ["Sec-WebSocket-Protocol", "v2, REDACTED"]]
        ),
        {"subprotocol"},
    ),
    "close code": (STALLED, closing(code=1008), {"close_code"}),
    "close reason": (STALLED, closing(reason="NET-0001 and more"), {"close_reason"}),
    "condition": (STALLED, closing(reason="NET-0000"), {"close_reason", "condition"}),
    "closed by": (STALLED, closed_by_app, {"closed_by"}),
    "warning": (LISTEN, reworded("audio is late", "audio is early"), {"error"}),
    "warning's code": (LISTEN, reworded("SLOW", "FAST"), {"error"}),
    "warning lost": (LISTEN, without("Warning"), {"messages"}),
    "warning twice": (
        LISTEN,
        plus(
            text_message(
                1071, SERVER, {"type": "Warning", "code": "SLOW", "description": "audio is late"}
            )
        ),
        {"messages"},
    ),
    "answer lost": (LISTEN, without("Metadata"), {"messages"}),
    "answer twice": (
        LISTEN,
        plus(text_message(2110.5, SERVER, {"type": "Metadata"})),
        {"messages"},
    ),
    "answer's kind": (LISTEN, reworded("Metadata", "Farewell"), {"messages"}),
    "flushed lost": (SPEAK, without("Flushed", times=1), {"messages"}),
    "flushed twice": (SPEAK, plus(text_message(801, SERVER, {"type": "Flushed"})), {"messages"}),
    "answer before audio": (
        SPEAK,
        lambda rs: [replace(r, t_ns=95 * MS) if is_text(r, '"sequence_id": 0') else r for r in rs],
        {"messages"},
    ),
    "no interim results": (LISTEN, without('"is_final": false'), {"nondeterministic"}),
    "voice activity": (
        LISTEN,
        plus(*(text_message(140 + 200 * n, SERVER, {"type": "SpeechStarted"}) for n in range(5))),
        {"nondeterministic"},
    ),
    "transcript": (
        LISTEN,
        reworded("Over the lazy dog", "Under a crazy frog"),
        {"transcript"},
    ),
    "one word of eleven": (LISTEN, reworded("lazy", "busy"), {"transcript"}),
    "case": (LISTEN, reworded("Over the lazy", "over the LAZY"), {"transcript"}),
    "punctuation": (LISTEN, reworded("dog, it was.", "dog it was?"), {"transcript"}),
    "channel of a result": (
        LISTEN,
        reworded('"channel_index": [0, 1]', '"channel_index": [0, 2]'),
        {"results"},
    ),
    "field of an answer": (
        [*LISTEN, text_message(2110.2, SERVER, {"type": "Metadata", "channels": 1})],
        reworded('"channels": 1', '"channels": 2'),
        {"messages"},
    ),
    "id that is missing": (LISTEN, reworded('"request_id": "r1", ', ""), {"messages"}),
    "slightly longer speech": (
        SPEAK,
        of_audio(lambda c: [*c, bytes(960)], SERVER),
        {"audio_received"},
    ),
    "byte of speech": (SPEAK, of_audio(corrupt, SERVER), {"audio_received"}),
    "result lost": (LISTEN, without("The quick brown fox"), {"transcript", "messages"}),
    "half the speech": (SPEAK, of_audio(lambda c: c[:15] + c[20:], SERVER), {"audio_received"}),
    "longer speech": (SPEAK, of_audio(lambda c: [*c, bytes(4800)], SERVER), {"audio_received"}),
    "no speech": (SPEAK, of_audio(lambda c: [], SERVER), {"audio_received", "messages"}),
    "violation": (LISTEN, broken(SERVER), {"violations"}),
    "violation sent": (LISTEN, broken(APP), {"violations_sent"}),
    "byte of audio": (LISTEN, of_audio(corrupt), {"audio_sent"}),
    "less audio": (LISTEN, of_audio(lambda c: c[:-1]), {"audio_sent"}),
    "more audio": (LISTEN, of_audio(lambda c: [*c, b"more"]), {"audio_sent"}),
    "less audio before a failure": (STALLED, of_audio(lambda c: c[:-1]), {"audio_sent"}),
    "no stall": (
        STALLED,
        plus(*(audio(600 + 100 * n, APP, b"z" * 320) for n in range(90))),
        {"audio_sent"},
    ),
    "field of a message": (
        LISTEN,
        reworded('"numerals": true', '"numerals": false'),
        {"messages_sent"},
    ),
    "figure in a text": (SPEAK, reworded("5 seconds", "6 seconds"), {"messages_sent"}),
    "text to speak": (SPEAK, reworded("Go.", "Stay."), {"messages_sent"}),
    "message lost": (LISTEN, without("CloseStream"), {"messages_sent"}),
    "message before a failure lost": (
        [*STALLED, text_message(10_495, APP, {"type": "Finalize"})],
        without("Finalize"),
        {"messages_sent"},
    ),
    "message twice": (SPEAK, plus(text_message(432, APP, {"type": "Flush"})), {"messages_sent"}),
    "message in another place": (
        LISTEN,
        lambda rs: [replace(r, t_ns=1000 * MS) if is_text(r, "CloseStream") else r for r in rs],
        {"messages_sent"},
    ),
    "no keepalive": (LISTEN, without("KeepAlive"), {"messages_sent"}),
    "another keepalive": (
        LISTEN,
        reworded('"KeepAlive"', '"KeepAlive", "n": 1'),
        {"messages_sent"},
    ),
    "status": (REFUSED, answered(status=402), {"status"}),
    "error header": (
        REFUSED,
        answered(headers=[["dg-error", "Other"], ["date", "today"]]),
        {"error_headers"},
    ),
    "body": (REFUSED, body(err_msg="no rate"), {"body"}),
    "body that is no JSON": (REFUSED, answered(body=b"<html>"), {"body"}),
    "reset": (RESET, each(Eof, how="eof"), {"ending"}),
    "reset by the app": (RESET, each(Eof, from_client=APP), {"closed_by"}),
    "where it failed": (FAILED, each(Failure, where="dns"), {"failed_where"}),
}

# Some fields follow from others: with another close code there is another condition.
FOLLOW = {"condition", "close_code", "close_reason"}


@pytest.mark.parametrize("name", TURNS)
def test_compare_single_change_is_different_and_named(
    name: str, turned: Callable[..., Comparison]
) -> None:
    base, change, fields = TURNS[name]
    found = turned(base, change)
    named = {difference.field for difference in found.differences}
    assert not found.same
    assert named >= fields
    assert named - fields <= FOLLOW


def test_compare_every_field_is_covered(turned: Callable[..., Comparison]) -> None:
    """A field that is added to the comparison gets its mutation."""
    named = set().union(*(fields for _, _, fields in TURNS.values()))
    compared = set()
    for base in (LISTEN, SPEAK, STALLED, REFUSED, RESET, FAILED):
        compared |= set(turned(base, same).compared)
    asked_for = {name for name in compared if name.startswith("query.")}
    assert compared - asked_for - named == {"api"}  # see below
    assert named & asked_for


@pytest.mark.parametrize("base", [LISTEN, SPEAK, STALLED, REFUSED, RESET, FAILED])
def test_compare_session_with_itself_is_reproduced(
    base: Records, turned: Callable[..., Comparison]
) -> None:
    for rules in (Tolerances(), Tolerances(strict=True), Tolerances(max_wer=0.0)):
        found = turned(base, same, rules)
        assert found.verdict == "reproduced"
        assert found.differences == []
        assert found.sent == "equal"


def test_compare_different_apis_is_different(tmp_path: Path) -> None:
    left = write(tmp_path / "a.wstrace", LISTEN)
    for api in ("speak", "listen-v2"):
        right = write(tmp_path / f"{api}.wstrace", LISTEN, api=api)
        assert "api" in [d.field for d in compare(left, right).differences]
    speak = write(tmp_path / "b.wstrace", SPEAK, api="speak")
    assert compare(left, speak).verdict == "different"


# -- what must not

KEEPS: dict[str, tuple[Records, Change]] = {
    "times": (LISTEN, later(700)),
    "ids of messages": (LISTEN, reworded('"r1"', '"r2"')),
    "ids of an answer": (REFUSED, body(request_id="r2")),
    "header that is no error": (
        REFUSED,
        answered(headers=[["dg-error", "Bad Request"], ["date", "tomorrow"], ["x", "y"]]),
    ),
    "id in a reason": (
        [*STALLED[:-2], closed(10_500, SERVER, 1011, f"NET-0001 {ID}1 after 10 s")],
        closing(reason=f"NET-0001 {ID}2 after 11.5 s"),
    ),
    "time in a warning": (
        [
            *LISTEN,
            text_message(1075, SERVER, {"type": "Warning", "description": "2026-01-02T03:04:05Z"}),
        ],
        reworded("2026-01-02T03:04:05Z", "2027-01-02T03:04:06Z"),
    ),
    "credential": (
        LISTEN,
        asked("/v1/listen?model=nova-3&keyterm=one&keyterm=two&token=other&request_id=7"),
    ),
    "order of parameters": (
        LISTEN,
        asked("/v1/listen?keyterm=one&token=REDACTED&model=nova%2D3&keyterm=two"),
    ),
    "message's credential": (
        [*LISTEN, text_message(22, APP, {"type": "Configure", "xi_api_key": "one"})],
        reworded('"one"', '"another"'),
    ),
    "order of fields": (
        LISTEN,
        reworded(
            '{"type": "Configure", "features": {"numerals": true}}',
            '{"features":{"numerals":true},"type":"Configure"}',
        ),
    ),
    "interim results": (LISTEN, counted_otherwise),
    "segments": (LISTEN, segmented_otherwise),
    "a keepalive more": (LISTEN, plus(text_message(1900, APP, {"type": "KeepAlive"}))),
    "smaller chunks": (LISTEN, of_audio(cut_to(77))),
    "larger chunks": (LISTEN, of_audio(cut_to(3000))),
    "speech in other chunks": (
        SPEAK,
        of_audio(lambda c: c[:19] + [bytes(480)] * 2 + c[20:], SERVER),
    ),
    "audio on its way at a failure": (
        [*STALLED, audio(10_490, APP, b"x" * 320)],
        plus(audio(10_499, APP, b"y" * 320)),
    ),
    "message on its way at a failure": (
        STALLED,
        plus(text_message(10_480, APP, {"type": "Finalize"})),
    ),
    "result on its way when the app left": (
        [*LISTEN[:-4], closed(2090, APP, 1000)],
        without("it was"),
    ),
    "pings": (LISTEN, plus(FrameRecord(500 * MS, SERVER, int(Opcode.PING), b"p"))),
    "mask and length on the wire": (LISTEN, each(FrameRecord, mask=b"abcd", wire_length=99)),
}


@pytest.mark.parametrize("name", KEEPS)
def test_compare_volatile_change_is_reproduced(
    name: str, turned: Callable[..., Comparison]
) -> None:
    base, change = KEEPS[name]
    assert turned(base, change).differences == []


# -- of one side only, and strictly


def test_compare_without_client_sent_ignores_sent_messages(
    turned: Callable[..., Comparison],
) -> None:
    for name in ("parameter", "subprotocol", "byte of audio", "message lost", "no keepalive"):
        base, change, _ = TURNS[name]
        found = turned(base, change, client_sent=False)
        assert found.same, name
        assert found.sent == ""
        assert "audio_sent" not in found.compared


STRICT: dict[str, tuple[Change, str]] = {
    "payload": (reworded('"r1"', '"r2"'), "frame_received"),
    "chunks": (of_audio(cut_to(77)), "frame_sent"),
    "fin": (
        lambda rs: [
            part
            for r in rs
            for part in (
                [replace(r, fin=False), FrameRecord(r.t_ns + 1, APP, 0, b"")]
                if isinstance(r, FrameRecord) and is_text(r, "Configure")
                else [r]
            )
        ],
        "frame_sent",
    ),
    "control frame": (plus(FrameRecord(500 * MS, SERVER, 9, b"p")), "frame_received"),
    "last frame": (without("Metadata"), "frame_received"),
    "order": (
        lambda rs: (
            [replace(r, t_ns=1 + 950 * MS) if is_text(r, "quick brown fox") else r for r in rs]
            + [result(940, "", final=False)]
        ),
        "frame_received",
    ),
}


@pytest.mark.parametrize("name", STRICT)
def test_compare_strict_changed_frame_is_different(
    name: str, turned: Callable[..., Comparison]
) -> None:
    change, field = STRICT[name]
    found = turned(LISTEN, change, Tolerances(strict=True))
    (difference,) = (d for d in found.differences if d.field.startswith("frame_"))
    assert difference.field == field
    assert difference.recorded_frame and difference.replayed_frame
    assert difference.recorded != difference.replayed


@pytest.mark.parametrize("name", ["times", "mask and length on the wire"])
def test_compare_strict_changed_times_and_masks_is_reproduced(
    name: str, turned: Callable[..., Comparison]
) -> None:
    base, change = KEEPS[name]
    assert turned(base, change, Tolerances(strict=True)).same


def test_compare_strict_volatile_value_is_different(turned: Callable[..., Comparison]) -> None:
    base, change = KEEPS["ids of an answer"]
    found = turned(base, change, Tolerances(strict=True))
    assert [difference.field for difference in found.differences] == ["body"]


# -- tolerances: asked for, in both directions

WITHIN: dict[str, tuple[Records, Change, Tolerances]] = {
    "one word of eleven": (LISTEN, reworded("lazy", "busy"), Tolerances(max_wer=0.1)),
    "case and punctuation": (
        LISTEN,
        reworded("Over the lazy dog, it", "over the LAZY dog it"),
        Tolerances(max_wer=0.0),
    ),
    "longer speech": (
        SPEAK,
        of_audio(lambda c: [*c, bytes(960)], SERVER),
        Tolerances(audio_tolerance=0.1),
    ),
    "other speech": (SPEAK, of_audio(corrupt, SERVER), Tolerances(audio_tolerance=0.0)),
}


@pytest.mark.parametrize("name", WITHIN)
def test_compare_within_tolerance_is_reproduced(
    name: str, turned: Callable[..., Comparison]
) -> None:
    base, change, rules = WITHIN[name]
    found = turned(base, change, rules)
    assert found.same
    assert found.tolerance == rules.tolerance != {}
    exact = turned(base, change)
    assert exact.verdict == "different"
    assert exact.tolerance == {}


@pytest.mark.parametrize(
    ("base", "change", "rules"),
    [
        (LISTEN, reworded("lazy dog", "busy cat"), Tolerances(max_wer=0.1)),
        (LISTEN, reworded("lazy", "busy"), Tolerances(audio_tolerance=0.5)),
        (SPEAK, of_audio(lambda c: [*c, bytes(9600)], SERVER), Tolerances(audio_tolerance=0.1)),
        (SPEAK, of_audio(corrupt, SERVER), Tolerances(max_wer=0.5)),
    ],
)
def test_compare_beyond_tolerance_is_different(
    base: Records, change: Change, rules: Tolerances, turned: Callable[..., Comparison]
) -> None:
    assert turned(base, change, rules).verdict == "different"


def test_compare_different_message_counts_is_different(tmp_path: Path) -> None:
    def trace(name: str, amount: str) -> Path:
        text = f"Please transfer {amount} hundred dollars from my savings to my checking account."
        records = [*LISTEN[:-5], result(2100, text, final=True), *LISTEN[-4:]]
        return write(tmp_path / name, records)

    left = trace("a.wstrace", "two")
    (difference,) = compare(left, trace("b.wstrace", "nine")).differences
    assert difference.field == "transcript"
    assert "two hundred" in difference.recorded
    assert "nine hundred" in difference.replayed
    assert compare(left, trace("c.wstrace", "two")).same
