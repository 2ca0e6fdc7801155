"""The same session with other details: nothing here changes why it failed.

A variation makes another session of one, or none where it does not apply.
"""

from __future__ import annotations

import base64
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from traces import make_trace, read_trace
from wire_session import MASK, Event, WireSession
from wsproxy.trace import End, Eof, Failure, Response
from wsproxy.wire import Frame, Opcode

Variation = Callable[[WireSession], WireSession | None]
Json = Any

_ERROR = re.compile(rb'(?i)"[a-z_.]{0,20}(?:error|err_|fail)[a-z_.]{0,20}"')  # no base64
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_IN_ENVELOPE = re.compile(rb"(?i)path:|:message-type")  # headers before the audio
_SEED = 7


def events_of(session: WireSession) -> list[Event]:
    """What happened, in the order of time."""
    return sorted(session.events, key=lambda event: event.at)


def changed(session: WireSession, events: Sequence[Event], **values: Any) -> WireSession | None:
    """The session with other events, or another `url` or `headers`; None if all are the same."""
    events = sorted(events, key=lambda event: event.at)
    if events == events_of(session) and not values:
        return None
    url, headers = values.get("url", session.url), values.get("headers", session.headers)
    other = WireSession(url, headers, agent=session.agent)
    other.events = list(events)
    other.now = max((event.at for event in events), default=0.0)
    return other


def is_message(event: Event) -> bool:
    what = event.what
    return isinstance(what, Frame) and what.opcode in (Opcode.TEXT, Opcode.BINARY) and not what.rsv


def is_of_client(event: Event) -> bool:
    what = event.what
    return isinstance(what, Frame) and what.mask is not None


def with_payload(event: Event, payload: bytes) -> Event:
    assert isinstance(event.what, Frame)
    return replace(event, what=replace(event.what, payload=payload))


def payload_of(event: Event) -> bytes:
    assert isinstance(event.what, Frame)
    return event.what.payload


def _json_of(data: bytes | None) -> Json:
    try:
        return json.loads(data) if data and data[:1] == b"{" else None
    except ValueError:
        return None


# -- how JSON is written


def _rewritten(session: WireSession, write: Callable[[Json], str]) -> WireSession | None:
    """The session with its JSON written in another way, in messages and in a refusal."""
    out = []
    for event in events_of(session):
        what = event.what
        if is_message(event) and (content := _json_of(payload_of(event))) is not None:
            out.append(with_payload(event, write(content).encode()))
        elif isinstance(what, Response) and (content := _json_of(what.body)) is not None:
            body = write(content).encode()
            fields = [[n, v] for n, v in what.headers if n.lower() != "content-length"]
            fields.append(["Content-Length", str(len(body))])
            out.append(
                replace(event, what=replace(what, headers=fields, body=body, body_length=len(body)))
            )
        else:
            out.append(event)
    return changed(session, out)


def pretty_json(session: WireSession) -> WireSession | None:
    return _rewritten(session, lambda content: json.dumps(content, indent=2) + "\n")


def reversed_keys(session: WireSession) -> WireSession | None:
    def turned(value: Json) -> Json:
        if isinstance(value, dict):
            return {name: turned(item) for name, item in reversed(value.items())}
        return [turned(item) for item in value] if isinstance(value, list) else value

    return _rewritten(session, lambda content: json.dumps(turned(content)))


def further_fields(session: WireSession) -> WireSession | None:
    """The server's messages have fields that say nothing, the first and the last ones."""
    out = []
    for event in events_of(session):
        content = _json_of(payload_of(event)) if is_message(event) else None
        if content is not None and len(content) > 1 and not is_of_client(event):
            more = {"debug": None, "warnings": [], **content, "hop": {"region": "eu-1", "n": 3}}
            event = with_payload(event, json.dumps(more).encode())
        out.append(event)
    return changed(session, out)


# -- frames


def server_sends_binary(session: WireSession) -> WireSession | None:
    """The server's JSON comes in binary messages."""
    return changed(session, [_as_binary(event) for event in events_of(session)])


def _as_binary(event: Event) -> Event:
    if not is_message(event) or is_of_client(event) or _json_of(payload_of(event)) is None:
        return event
    assert isinstance(event.what, Frame)
    return replace(event, what=replace(event.what, opcode=Opcode.BINARY))


def fragmented(session: WireSession) -> WireSession | None:
    """Each message has two frames."""
    out = []
    for event in events_of(session):
        if not is_message(event) or len(payload_of(event)) < 40:
            out.append(event)
            continue
        assert isinstance(event.what, Frame)
        data, half = event.what.payload, len(event.what.payload) // 2
        begin = replace(event.what, payload=data[:half], fin=False)
        rest = replace(event.what, opcode=Opcode.CONTINUATION, payload=data[half:])
        out += [replace(event, what=begin), Event(event.at, rest)]
    return changed(session, out)


def deflated(session: WireSession) -> WireSession | None:
    """Both sides compress their messages (RFC 7692), as agreed."""
    if any(isinstance(event.what, Frame) and event.what.rsv for event in session.events):
        return None
    agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    out = []
    for event in events_of(session):
        what = event.what
        if isinstance(what, Response) and what.status == 101:
            fields = [*what.headers, ["Sec-WebSocket-Extensions", agreed]]
            out.append(replace(event, what=replace(what, headers=fields)))
        elif is_message(event):
            assert isinstance(what, Frame)
            deflate = zlib.compressobj(wbits=-15)
            data = deflate.compress(what.payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
            out.append(
                replace(
                    event, what=replace(what, rsv=4, payload=data.removesuffix(b"\0\0\xff\xff"))
                )
            )
        else:
            out.append(event)
    headers = {**session.headers, "Sec-WebSocket-Extensions": "permessage-deflate"}
    return changed(session, out, headers=headers)


def cut_frames(session: WireSession) -> WireSession | None:
    """Of long frames only the beginning is recorded."""
    if not any(is_message(event) and len(payload_of(event)) > 1500 for event in session.events):
        return None
    other = changed(session, session.events, headers=session.headers)
    assert other is not None
    other.max_payload = 1500
    return other


# -- audio


def runs_of_audio(events: Sequence[Event]) -> Iterator[list[int]]:
    """The indices of the app's messages with audio that follow each other, at least four."""
    run: list[int] = []
    last = None
    for at, event in enumerate(events):
        if not is_message(event) or not is_of_client(event):
            continue
        kind = _carrier(event)
        if kind is None or kind != last:
            if len(run) > 3:
                yield run
            run = []
        if kind is not None:
            run.append(at)
        last = kind
    if len(run) > 3:
        yield run


def _carrier(event: Event) -> tuple[str, ...] | None:
    """How a message carries audio: alone, or the names of the fields around it."""
    data = payload_of(event)
    content = _json_of(data)
    if content is not None:
        return _place(content)
    assert isinstance(event.what, Frame)
    is_plain = event.what.opcode == Opcode.BINARY and len(data) >= 160
    return () if is_plain and not _IN_ENVELOPE.search(data[:400]) else None


def _place(content: Json) -> tuple[str, ...] | None:
    for name, value in content.items():
        if isinstance(value, str) and _BASE64.fullmatch(value):
            return (name,)
        if isinstance(value, dict) and (rest := _place(value)) is not None:
            return (name, *rest)
    return None


def _audio(event: Event) -> bytes:
    place = _carrier(event)
    if not place:
        return payload_of(event)
    content = _json_of(payload_of(event))
    for name in place:
        content = content[name]
    return base64.b64decode(content)


def _with_audio(event: Event, data: bytes) -> Event:
    place = _carrier(event)
    if not place:
        return with_payload(event, data)
    content = inner = _json_of(payload_of(event))
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = base64.b64encode(data).decode()
    return with_payload(event, json.dumps(content).encode())


def longer_chunks(session: WireSession) -> WireSession | None:
    """Two messages of audio are one, which comes when the second one came."""
    events = events_of(session)
    gone: set[int] = set()
    for run in runs_of_audio(events):
        for first, second in zip(run[::2], run[1::2], strict=False):
            gone.add(first)
            data = _audio(events[first]) + _audio(events[second])
            events[second] = _with_audio(events[second], data)
    return changed(session, [event for at, event in enumerate(events) if at not in gone])


def shorter_chunks(session: WireSession) -> WireSession | None:
    """Each message of audio is two, at twice the pace."""
    events = events_of(session)
    more = []
    for run in runs_of_audio(events):
        times = [events[at].at for at in run]
        pace = sorted(b - a for a, b in pairwise(times))[len(run) // 2]
        for at in run:
            data, half = _audio(events[at]), len(_audio(events[at])) // 4 * 2
            before = events[at - 1].at + 1e-6
            first = replace(_with_audio(events[at], data[:half]), at=events[at].at - pace / 2)
            more.append(replace(first, at=max(before, first.at)))
            events[at] = _with_audio(events[at], data[half:])
    return changed(session, [*events, *more])


# -- times


def jitter(session: WireSession) -> WireSession | None:
    """Messages come a little early or late, in the same order."""
    events, shifts = events_of(session), random.Random(_SEED)
    out = list(events)
    for at, (before, event, after) in enumerate(
        zip(events, events[1:], events[2:], strict=False), start=1
    ):
        room = 0.1 * min(event.at - before.at, after.at - event.at)
        if is_message(event):
            out[at] = replace(event, at=event.at + shifts.uniform(-room, room))
    return changed(session, out)


def slow_start(session: WireSession) -> WireSession | None:
    """The server takes 1.6 seconds more for its answer to the request."""
    return changed(session, [replace(event, at=event.at + 1.6) for event in session.events])


def pings(session: WireSession) -> WireSession | None:
    """The server sends a Ping, and the app a Pong, after the upgrade."""
    events = events_of(session)
    if not isinstance(events[0].what, Response) or events[0].what.status != 101:
        return None
    begin = events[0].at
    step = (events[1].at - begin) / 3 if len(events) > 1 else 0.01
    pair = (Frame(Opcode.PING, b"1"), Frame(Opcode.PONG, b"1", mask=MASK))
    more = [Event(begin + step * number, what) for number, what in enumerate(pair, start=1)]
    return changed(session, [*events, *more])


# -- the end, where an error message says why


def _before_end(session: WireSession) -> WireSession | None:
    """The session up to the server's Close; None if no message reports an error."""
    events = events_of(session)
    for at, event in enumerate(events):
        if isinstance(event.what, Eof | Failure):
            return None
        if isinstance(event.what, Frame) and event.what.opcode == Opcode.CLOSE:
            said = (payload_of(e) for e in events[:at] if is_message(e) and not is_of_client(e))
            has_error = any(_ERROR.search(data[:2000]) for data in said)
            if is_of_client(event) or not has_error:
                return None
            other = changed(session, events[:at])
            assert other is not None
            return other.wait(event.at - other.now)
    return None


def server_closes_normally(session: WireSession) -> WireSession | None:
    """After the error message, the server closes with 1000 and without a reason."""
    other = _before_end(session)
    return other.server_closes(1000) if other is not None else None


def app_closes(session: WireSession) -> WireSession | None:
    """After the error message, the app closes."""
    other = _before_end(session)
    return other.app_closes(1000) if other is not None else None


def no_close(session: WireSession) -> WireSession | None:
    """After the error message, the server ends the connection."""
    other = _before_end(session)
    return other.drop(by_client=False) if other is not None else None


class StoppedSession(WireSession):
    """A session of which the recorder did not see the end, because it was killed."""

    def write(self, path: Path) -> Path:
        records = [r for r in read_trace(super().write(path))[0] if not isinstance(r, End)]
        return make_trace(path, records, finish=False)


def recording_stops(session: WireSession) -> WireSession | None:
    """The recorder is killed in the middle of the session."""
    events = events_of(session)
    if len(events) < 8 or any(isinstance(e.what, Failure) for e in events):
        return None
    other = StoppedSession(session.url, session.headers, agent=session.agent)
    other.events = events[: len(events) // 2]
    other.now = other.events[-1].at
    return other


# -- the request


def reversed_query(session: WireSession) -> WireSession | None:
    path, _, query = session.url.partition("?")
    names = query.split("&")
    url = f"{path}?{'&'.join(reversed(names))}"
    return changed(session, session.events, url=url) if len(names) > 1 else None


def lower_case_headers(session: WireSession) -> WireSession | None:
    """As HTTP/2 and many servers write them, in another order."""
    out = []
    for event in session.events:
        if isinstance(event.what, Response):
            fields = [[name.lower(), value] for name, value in reversed(event.what.headers)]
            event = replace(event, what=replace(event.what, headers=fields))
        out.append(event)
    headers = {name.lower(): value for name, value in reversed(session.headers.items())}
    return changed(session, out, headers=headers)


VARIATIONS: tuple[Variation, ...] = (
    pretty_json,
    reversed_keys,
    further_fields,
    server_sends_binary,
    fragmented,
    deflated,
    longer_chunks,
    shorter_chunks,
    jitter,
    slow_start,
    pings,
    server_closes_normally,
    app_closes,
    no_close,
    reversed_query,
    lower_case_headers,
)
"""Those that leave everything to see: not `cut_frames`, nor `recording_stops`."""
