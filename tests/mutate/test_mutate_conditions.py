"""Good sessions that are changed to fail with a condition of the catalog."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from conditions import ANYWHERE, good, home, is_plain
from mutations import (
    BINARY,
    CATALOG,
    CLOSE,
    MS,
    ORIGINAL,
    TEXT,
    S,
    changed,
    closes,
    end_of,
    frame,
    frames,
    head,
    simple,
)
from traces import make_trace
from wsproxy.catalog import Condition as Known
from wsproxy.diagnose import diagnose
from wsproxy.mutate import FailWithCondition, Stall
from wsproxy.session import Session
from wsproxy.trace import End, Eof, Request, Response
from wsproxy.wire import Close, Opcode

pytestmark = pytest.mark.one_python


def good_session(condition: Known, folder: Path) -> Path:
    """A good session of the condition's API."""
    place = home(condition)
    if condition.id == "deepgram.upgrade.self-hosted-url":
        host = "deepgram.example"
    else:
        host = place.host if place else ANYWHERE
    records = head(
        place.provider.id if place else None,
        place.api.name if place else None,
        host=host,
        path=place.path if place else "/",
    )
    if is_plain(condition):
        request = records[1]
        assert isinstance(request, Request)
        answer = Response(100 * MS, 200, "OK", body=b"{}", body_length=2)
        records[1:] = [
            dataclasses.replace(request, headers=[["Host", host]], method="POST"),
            answer,
        ]
        return make_trace(folder / "t.wstrace", [*records, End(200 * MS, "http")])
    behaviour = good(place)
    for n, message in enumerate([*behaviour.messages, *behaviour.ends]):
        opcode = TEXT if isinstance(message, str) else BINARY
        records.append(frame((200 + 100 * n) * MS, True, opcode, message))
    if place is None:
        return make_trace(folder / "t.wstrace", [*records, End(2 * S, "stopped")])
    close = Close(1000).serialize()
    records += [frame(2 * S, False, CLOSE, close), frame(2001 * MS, True, CLOSE, close)]
    records += [Eof(2002 * MS, False), Eof(2003 * MS, True)]
    return make_trace(folder / "t.wstrace", [*records, End(2003 * MS, "close")])


# A user has to have asked for this, or been elsewhere, for the answer to mean it.
ASKED_FOR = {
    "aws_transcribe.upgrade.presigned-expiry",
    "azure_speech.upgrade.404-resource-host",
    "elevenlabs.tts.model-without-websocket",
    "gemini.live.token-of-another-method",
    "openai.realtime.transcription-model-in-url",
}
SIMULATED = [c for c in CATALOG.conditions if c.simulated and c.id not in ASKED_FOR]


@pytest.mark.sweep(kind=lambda condition: condition.provider, keep=4)
@pytest.mark.parametrize("condition", SIMULATED, ids=lambda c: c.id)
def test_condition_good_session_fails_with_it(condition: Known, tmp_path: Path) -> None:
    path = good_session(condition, tmp_path)
    assert condition.id not in [f.id for f in diagnose(Session.read(path), CATALOG)]
    records = changed(path, FailWithCondition.parse(condition.id))
    assert end_of(records).findings[0] == condition.id
    made = next(p for p in tmp_path.glob("*.wstrace") if p != path)
    assert diagnose(Session.read(made), CATALOG)[0].id == condition.id


def test_condition_later_records_are_removed(good_trace: Path) -> None:
    records = changed(good_trace, FailWithCondition.parse("deepgram.listen.NET-0000", "1s"))
    kept = [f for f in ORIGINAL if f[0] <= 1100 * MS]  # the upgrade is done at 100 ms
    assert simple(records)[: len(kept)] == kept
    assert closes(records) == [(False, 1011, "NET-0000"), (True, 1011, "")]
    tail = records[3 + len(kept) :]
    assert [(r.kind, r.t_ns) for r in tail[:4]] == [
        ("frame", 1100 * MS), ("frame", 1101 * MS), ("eof", 1102 * MS), ("eof", 1102 * MS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("after", "client_frames"), [("open", 0), ("audio", 1), ("7frames", 7), ("1audio", 10)]
)
def test_condition_trigger_sets_the_time(good_trace: Path, after: str, client_frames: int) -> None:
    records = changed(good_trace, FailWithCondition.parse("deepgram.listen.DATA-0000", after))
    sent = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    assert len(sent) == client_frames
    if sent:
        assert closes(records)[0] == (False, 1008, "DATA-0000")
        assert frames(records)[client_frames].t_ns == sent[-1].t_ns


def test_condition_silence_removes_the_clients_end_message(
    good_trace: Path,
) -> None:
    records = changed(good_trace, FailWithCondition.parse("deepgram.listen.NET-0001"))
    assert not any(b"CloseStream" in f.payload for f in frames(records))
    last = [f for f in frames(records, from_client=True) if f.opcode == BINARY][-1]
    close = next(f for f in frames(records) if f.opcode == CLOSE)
    assert close.t_ns - last.t_ns == 10 * S


def test_condition_silence_within_the_session_triggers_it(good_trace: Path) -> None:
    records = changed(
        good_trace, Stall.parse("5s+15s"), FailWithCondition.parse("deepgram.listen.NET-0001")
    )
    close = next(f for f in frames(records) if f.opcode == CLOSE)
    assert close.t_ns == 15 * S
    assert len(frames(records)) == 22 + 2


def test_condition_message_only_keeps_the_session(good_trace: Path) -> None:
    records = changed(good_trace, FailWithCondition.parse("deepgram.listen.no-audio-decoded", "1s"))
    new = [f for f in simple(records) if f not in ORIGINAL]
    assert len(simple(records)) == len(ORIGINAL) + 1
    assert [(t, from_client, opcode) for t, from_client, opcode, _ in new] == [
        (1100 * MS, False, TEXT)
    ]


def test_condition_message_within_another_is_inserted_after_it(tmp_path: Path) -> None:
    script = [
        frame(1 * S, False, TEXT, "{", fin=False),
        frame(2 * S, True, BINARY, bytes(100)),
        frame(3 * S, False, Opcode.CONTINUATION, "}"),
        frame(4 * S, True, BINARY, bytes(100)),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(5 * S, "stopped")])
    sent = frames(
        changed(path, FailWithCondition.parse("listen.no-audio-decoded")), from_client=False
    )
    assert [f.t_ns // S for f in sent] == [1, 3, 3]
    ended = frames(changed(path, FailWithCondition.parse("listen.NET-0000")), from_client=False)
    assert [f.opcode for f in ended] == [CLOSE]
    assert not any(f.broken_rule for f in [*sent, *ended])


def test_condition_request_id_is_the_sessions(good_trace: Path, tmp_path: Path) -> None:
    records = changed(good_trace, FailWithCondition.parse("deepgram.upgrade.INVALID_AUTH"))
    response = records[2]
    assert isinstance(response, Response)
    assert ["dg-request-id", "r-1"] in response.headers
    assert b"00000000-0000" not in (response.body or b"")


def test_condition_ambiguous_id_is_that_of_the_sessions_api(good_trace: Path) -> None:
    records = changed(good_trace, FailWithCondition.parse("net-0001"))
    assert end_of(records).findings[0] == "deepgram.listen.NET-0001"
