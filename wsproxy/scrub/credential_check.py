"""Looks for what may be a credential in a trace that is to be made public.

A name that was made up looks as random as what it stands for; it is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from wsproxy.mutate.draft import Draft, messages
from wsproxy.redact import suspects
from wsproxy.trace import Bytes, End, FrameRecord, Record, Request, Response
from wsproxy.wire import Opcode

from .aliases import Aliases
from .http_head import parameters
from .leak_check import Leak
from .texts import is_text
from .trace_fields import Fields, fields, opened


def suspicious(made: Draft, aliases: Aliases) -> list[Leak]:
    """What of it looks like a credential and was not made up.

    Args:
        aliases: with which it was made.
    """
    found: dict[str, Leak] = {}
    for place, record in _records(made, aliases):
        for suspect in suspects(record):
            where = f"{place}, {suspect.where} {suspect.name[:40]!r}"
            each = Leak(where, f"looks like a credential (by its {suspect.why})")
            found.setdefault(str(each), each)
    return list(found.values())


def _records(made: Draft, aliases: Aliases) -> Iterator[tuple[str, Record]]:
    yield "start", made.start
    for item in made.items:
        match item.record:
            case Request() as request:
                path, mark, query = request.path.partition("?")
                names = "&".join(_parameter(*pair, aliases) for pair in parameters(query))
                head = _headers(request.headers, aliases)
                body = _content(request.body, aliases) if request.body else None
                yield "request", replace(request, path=path + mark + names, headers=head, body=body)
            case Response() as response:
                head = _headers(response.headers, aliases)
                body = _content(response.body, aliases) if response.body else None
                yield "response", replace(response, headers=head, body=body)
            case FrameRecord() as frame if frame.opcode < Opcode.CLOSE:
                pass  # as messages, below
            case FrameRecord() as control:
                yield f"frame {item.number}", _control(control, aliases)
            case End(close_reason=reason) as end:
                yield "end", replace(end, close_reason=reason and aliases.neutral(reason))
            case Bytes() as garbage:
                yield "bytes that are no frame", garbage
            case record:
                yield record.kind, record
    envelope = made.api.envelope if made.api else ""
    for side in (True, False):
        for message in messages(made.items, from_client=side):
            content = message.content
            if envelope:
                found, _ = opened(envelope, content, is_text=message.is_text)
            elif message.is_text or is_text(content):
                found = fields(content.decode("utf-8", "replace"))
            else:
                continue  # audio, of which nothing is left
            text = FrameRecord(0, side, int(Opcode.TEXT), _lines(found, aliases))
            yield f"frame {message.items[0].number}", text


def _control(frame: FrameRecord, aliases: Aliases) -> FrameRecord:
    code = frame.payload[:2] if frame.opcode == Opcode.CLOSE else b""
    text = frame.payload[len(code) :].decode("utf-8", "surrogateescape")
    return replace(frame, payload=code + aliases.neutral(text).encode("utf-8", "surrogateescape"))


def _parameter(name: str, value: str, aliases: Aliases) -> str:
    return name + "=" + quote(aliases.neutral(value), errors="replace")


def _headers(headers: list[list[str]], aliases: Aliases) -> list[list[str]]:
    return [[h[0], ", ".join(map(aliases.neutral, h[1].split(", ")))] for h in headers]


def _content(content: bytes, aliases: Aliases) -> bytes:
    return _lines(fields(content.decode("utf-8", "replace")), aliases)


def _lines(found: Fields, aliases: Aliases) -> bytes:
    """Texts, each under the name that it has."""
    lines = []
    for names, text in found:
        neutral = aliases.neutral(text)
        if not names:
            lines.append(neutral)
        elif text:
            holder = names[-2:-1] if names[-1] == "value" and len(names) > 1 else names[-1:]
            lines.append(json.dumps({holder[0]: neutral}, ensure_ascii=False))
    return "\n".join(lines).encode("utf-8", "replace")
