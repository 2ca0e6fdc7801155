"""Which values of a message are regenerated, and which stay unchanged."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.replayer.progress import MAX_KINDS, Gate, ProgressCounter
from wsproxy.replayer.value_rewriter import (
    ObservedIds,
    ValueRewriter,
    fields_to_fill,
    fill_credentials,
    time_shift_since,
)
from wsproxy.wire import Frame, Opcode

SESSION = "3d8f6779-46de-4d06-87ce-7ac2ad2dd098"
OTHER = "ffffffff-46de-4d06-87ce-7ac2ad2dd098"
CONTEXT = "0f0e0d0c-1111-4222-8333-444455556666"


def message(**fields: object) -> Frame:
    return Frame(Opcode.TEXT, json.dumps(fields).encode())


def given_by(*messages: Frame) -> ObservedIds:
    given = ObservedIds()
    for each in messages:
        given.observe(each)
    return given


def sent(rewriter: ValueRewriter, **fields: object) -> dict[str, object]:
    out = json.loads(rewriter.rewrite(message(**fields)).payload)
    assert isinstance(out, dict)
    return out


def test_rewrite_server_id_becomes_live_id() -> None:
    rewriter = ValueRewriter(True, given_by(message(type="Begin", id=SESSION)))
    rewriter.live_ids.observe(message(type="Begin", id=OTHER))
    assert sent(rewriter, type="Resume", session_id=SESSION)["session_id"] == OTHER


def test_rewrite_second_message_of_kind_has_own_id() -> None:
    recorded = given_by(message(type="Item", id=SESSION), message(type="Item", id=CONTEXT))
    rewriter = ValueRewriter(True, recorded)
    rewriter.live_ids.observe(message(type="Item", id=OTHER))
    rewriter.live_ids.observe(message(type="Item", id=OTHER.replace("f", "e")))
    assert sent(rewriter, type="Cancel", id=CONTEXT)["id"] == OTHER.replace("f", "e")


def test_rewrite_client_id_becomes_one_new_id() -> None:
    rewriter = ValueRewriter(True, ObservedIds())
    first = sent(rewriter, type="Speak", context_id=CONTEXT)["context_id"]
    assert first != CONTEXT
    assert len(str(first)) == len(CONTEXT)
    assert sent(rewriter, type="Flush", contextId=CONTEXT.upper())["contextId"] == first
    assert sent(ValueRewriter(True, ObservedIds()), context_id=CONTEXT)["context_id"] != first


def test_rewrite_server_uses_client_id_and_keeps_own() -> None:
    rewriter = ValueRewriter(False, given_by(message(type="Speak", context_id=CONTEXT)))
    rewriter.live_ids.observe(message(type="Speak", context_id=OTHER))
    out = sent(rewriter, type="Audio", context_id=CONTEXT, request_id=SESSION)
    assert out == {"type": "Audio", "context_id": OTHER, "request_id": SESSION}


def test_rewrite_id_without_live_id_stays() -> None:
    rewriter = ValueRewriter(True, given_by(message(type="Begin", id=SESSION)))
    assert sent(rewriter, session_id=SESSION)["session_id"] == SESSION


def test_rewrite_client_time_is_shifted() -> None:
    rewriter = ValueRewriter(True, ObservedIds(), timedelta(hours=25))
    out = sent(rewriter, timestamp="2024-01-31T23:30:00.250Z", text="at 2024-01-31T23:30:00Z")
    assert out == {"timestamp": "2024-02-02T00:30:00.250Z", "text": "at 2024-01-31T23:30:00Z"}


def test_rewrite_id_like_value_stays() -> None:
    rewriter = ValueRewriter(True, ObservedIds())
    same = {"text": CONTEXT, "model_id": "nova-3", "id": 12, "paid": "0" * 31}
    assert sent(rewriter, **same) == same


def test_rewrite_azure_header_ids_are_rewritten() -> None:
    content = b"X-RequestId: 0123456789abcdef0123456789abcdef\r\nPath: audio\r\n\r\n" + bytes(2000)
    frame = Frame(Opcode.BINARY, content)
    rewriter = ValueRewriter(True, ObservedIds(), azure=True).rewrite(frame)
    assert rewriter.payload != content
    assert rewriter.payload[-2000:] == content[-2000:]
    assert ValueRewriter(True, ObservedIds()).rewrite(frame) is frame


def test_rewrite_without_ids_only_credentials_are_filled() -> None:
    rewriter = ValueRewriter(
        True, ObservedIds(), timedelta(1), {"api_key": 'k"ey'}, rewrite_ids=False
    )
    content = {"api_key": "REDACTED", "id": CONTEXT, "time": "2024-01-31T23:30:00Z"}
    frame = rewriter.rewrite(message(**content))
    assert json.loads(frame.payload) == content
    assert json.loads(rewriter.with_credentials(frame).payload) == {**content, "api_key": 'k"ey'}
    assert rewriter.with_credentials(message(text="hello")).payload == message(text="hello").payload


def test_fill_credentials_only_placeholder_is_replaced() -> None:
    payload = b'{"xi_api_key": "REDACTED", "authorization": "Bearer REDACTED", "t": "REDACTED"}'
    names = ("xi_api_key", "authorization")
    assert fields_to_fill(payload, names) == list(names)
    assert json.loads(fill_credentials(payload, {"xi_api_key": "\\1", "authorization": "s"})) == {
        "xi_api_key": "\\1",
        "authorization": "Bearer s",
        "t": "REDACTED",
    }
    assert fields_to_fill(b'{"t": "REDACTED"}', names) == []


@given(st.binary(max_size=400), st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.booleans())
def test_rewrite_any_message_keeps_length(payload: bytes, opcode: Opcode, fin: bool) -> None:
    rewriter = ValueRewriter(
        True, given_by(Frame(opcode, payload)), timedelta(days=10**6), azure=True
    )
    frame = Frame(opcode, payload + b'{"id":"' + SESSION.encode() + b'"}', fin)
    assert len(rewriter.rewrite(frame).payload) == len(frame.payload)


@pytest.mark.parametrize("start", [0, 1_700_000_000_123_456_789, (1 << 63) - 1])
def test_time_shift_since_any_start_is_valid(start: int) -> None:
    assert time_shift_since(start, start + 5_000_000_000).total_seconds() in (5, 0)


def test_observe_flood_of_kinds_is_bounded() -> None:
    flood = [message(type=f"kind {n}", session_id=SESSION) for n in range(2 * MAX_KINDS)]
    counter = ProgressCounter(Gate("once", by_kind=True))
    for each in flood:
        counter.add(each)
    assert len(counter.progress.texts) == MAX_KINDS
    assert len(given_by(*flood).values) == MAX_KINDS
    assert counter.add(flood[0])  # what is known still counts
