"""Changes of the records of a session, to compare it with the original."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sessions import APP, MS, Records, audio, closed, result
from wsproxy.trace import FrameRecord, Record, Request, Response
from wsproxy.wire import Opcode

Change = Callable[[Records], Records]

ID = "00000000-1111-4000-8000-00000000000"


def same(records: Records) -> Records:
    return records


def each(kind: type, **values: Any) -> Change:
    """Other values in every record of a kind."""
    return lambda records: [replace(r, **values) if isinstance(r, kind) else r for r in records]


def is_text(record: Record, words: str) -> bool:
    return (
        isinstance(record, FrameRecord)
        and record.opcode == Opcode.TEXT
        and words.encode() in record.payload
    )


def reworded(old: str, new: str) -> Change:
    """Another text in every text message that holds it."""

    def change(records: Records) -> Records:
        assert any(is_text(r, old) for r in records), f"nobody says {old}"
        return [
            replace(r, payload=r.payload.replace(old.encode(), new.encode()))
            if isinstance(r, FrameRecord) and is_text(r, old)
            else r
            for r in records
        ]

    return change


def without(words: str, *, times: int = 1000) -> Change:
    """The first messages that hold a text are missing."""

    def change(records: Records) -> Records:
        hits = [r for r in records if is_text(r, words)][:times]
        assert hits
        return [r for r in records if not any(r is hit for hit in hits)]

    return change


def plus(*added: Record) -> Change:
    return lambda records: [*records, *added]


def asked(path: str) -> Change:
    return each(Request, path=path)


def of_audio(change: Callable[[list[bytes]], list[bytes]], from_client: bool = APP) -> Change:
    """Other audio, spread over the same time."""

    def changed(records: Records) -> Records:
        old = [
            r
            for r in records
            if isinstance(r, FrameRecord) and r.opcode == 2 and r.from_client is from_client
        ]
        new = change([r.payload for r in old])
        first, last = old[0].t_ns / MS, old[-1].t_ns / MS
        step = (last - first) / max(1, len(new) - 1)
        rest = [r for r in records if not any(r is o for o in old)]
        return rest + [audio(first + n * step, from_client, data) for n, data in enumerate(new)]

    return changed


def cut_to(size: int) -> Callable[[list[bytes]], list[bytes]]:
    def change(chunks: list[bytes]) -> list[bytes]:
        data = b"".join(chunks)
        return [data[i : i + size] for i in range(0, len(data), size)]

    return change


def corrupt(chunks: list[bytes]) -> list[bytes]:
    return [*chunks[:7], chunks[7][:10] + b"!" + chunks[7][11:], *chunks[8:]]


def later(ms: int) -> Change:
    """All that comes after the upgrade comes later."""
    return lambda records: [
        r if isinstance(r, Request | Response) else replace(r, t_ns=r.t_ns + ms * MS)
        for r in records
    ]


def closing(**values: Any) -> Change:
    """Both Close frames with another code or reason."""

    def change(records: Records) -> Records:
        out: Records = []
        for r in records:
            if isinstance(r, FrameRecord) and r.close is not None:
                code = values.get("code", r.close.code)
                assert code is not None
                r = closed(r.t_ns / MS, r.from_client, code, values.get("reason", r.close.reason))
            out.append(r)
        return out

    return change


def closed_by_app(records: Records) -> Records:
    return [
        replace(r, from_client=not r.from_client)
        if isinstance(r, FrameRecord) and r.close is not None
        else r
        for r in records
    ]


def broken(from_client: bool) -> Change:
    frame = FrameRecord(160 * MS, from_client, 9, b"x", broken_rule="a control frame in parts")
    return plus(frame)


def answered(**values: Any) -> Change:
    return each(Response, **values)


def body(**values: Any) -> Change:
    def change(records: Records) -> Records:
        (response,) = (r for r in records if isinstance(r, Response))
        data = json.loads(response.body or b"{}") | values
        return answered(body=json.dumps(data).encode())(records)

    return change


def counted_otherwise(records: Records) -> Records:
    """Interim results come more often, and not between the same answers."""
    kept = [r for r in records if not is_text(r, '"is_final": false')]
    return kept + [result(130 + 50 * n, "the", final=False) for n in range(15)]


def segmented_otherwise(records: Records) -> Records:
    kept = [r for r in records if not is_text(r, '"is_final": true')]
    texts = ["The quick", "brown fox jumps.", "Over the", "lazy dog, it was."]
    return kept + [
        result(t, text, final=True) for t, text in zip((900, 1050, 2090, 2100), texts, strict=True)
    ]
