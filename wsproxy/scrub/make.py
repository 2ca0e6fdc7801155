"""One trace in, a public one out, or none at all."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import diagnose
from wsproxy.errors import NotPublic
from wsproxy.mutate.draft import Draft, Item
from wsproxy.mutate.make import place
from wsproxy.session import Session
from wsproxy.trace import (
    Bytes,
    Eof,
    Failure,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.trace.replacement import new_file

from .aliases import Aliases, words
from .check import Private, left, private_in
from .heads import Heads
from .known import Known, known_of
from .suspicious import suspicious
from .texts import Texts
from .traffic import Traffic
from .work import check_work

_MODE = "scrub"  # of a trace that was made here
_HOWS = ("eof", "close-notify", "reset")
_WHERES = (
    "dns",
    "connect",
    "proxy",
    "tls-server",
    "tls-client",
    "http",
    "handshake",
    "recorder",
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A trace that was made public.

    Attributes:
        session: what it holds now, findings included.
        was: id of the first finding of the trace that it was made of, "" where there is none.
        now: id of its own first one.
        notes: what could not be kept as it was.
    """

    path: Path
    session: Session
    was: str
    now: str
    notes: tuple[str, ...]


def scrub(
    path_in: Path,
    path_out: Path | None = None,
    *,
    hosts: bool = False,
    force: bool = False,
    catalog: Catalog | None = None,
    key: bytes | None = None,
) -> Scrubbed:
    """Make a public trace of another one.

    It has its name once it was checked, and mode 0600.

    Args:
        path_out: the file, or a folder for it; None: the folder of `path_in`.
        hosts: the names of hosts are replaced too.
        force: replace a file that is there; never `path_in`.
        catalog: by whose knowledge; None: all that is known.
        key: decides the made-up names; None: a new one. Traces with the same key have the
            same names for the same things.

    Raises:
        TraceError: `path_in` cannot be read.
        LimitExceeded: it holds more than fits in memory, or more text than a recording of its
            size has.
        UsageError: the file cannot be written.
        NotPublic: something of people would be in it; nothing is written.
    """
    catalog = catalog or load()
    draft = Draft.read(path_in, catalog)
    check_work(draft, path_in)
    was = first_finding(Session.read(path_in), catalog)
    known = known_of(catalog, draft.start.provider, draft.start.api)
    private = private_in(draft, known)
    session_id = secrets.token_hex(8)
    start = replace(draft.start, session=session_id, mode=_MODE)
    path = place(path_in, path_out, start, catalog, force=force)
    aliases = Aliases(key, private.avoided)
    notes = _make_public(draft, known, aliases, private, hosts=hosts)
    changes = ["scrub hosts" if hosts else "scrub"]
    with new_file(path, force=force) as new:
        session = draft.write(new.file, session_id, changes, mode=_MODE)
        made = Draft.read(new.hidden, catalog)
        if found := [*suspicious(made, aliases), *left(made, private, known)]:
            raise NotPublic(found)
    return Scrubbed(path, session, was, first_finding(session, catalog), tuple(notes))


def first_finding(session: Session, catalog: Catalog) -> str:
    """Id of what a session is explained as, "" where nothing is found in it."""
    return next((finding.id for finding in diagnose(session, catalog)), "")


def is_scrubbed(path: Path, catalog: Catalog) -> bool:
    """Whether a trace was made by `scrub`, and nothing in it looks like a credential.

    Raises:
        TraceError: it cannot be read.
        LimitExceeded: it holds more than fits in memory, or more text than a recording of its
            size has.
    """
    start = Session.glance(path).start
    if start is None or start.mode != _MODE:
        return False
    draft = Draft.read(path, catalog)
    check_work(draft, path)
    return not suspicious(draft, Aliases())


def _make_public(
    draft: Draft, known: Known, aliases: Aliases, private: Private, *, hosts: bool
) -> list[str]:
    """Replace everything in a draft that is not known to be harmless."""
    request = draft.request
    hidden = (
        frozenset(w.casefold() for w in words(request.host)) if hosts and request else frozenset()
    )
    texts = Texts(known, aliases, private.said, hidden)
    heads = Heads(texts, hosts=hosts, started_at_ns=draft.start.started_at_ns)
    traffic = Traffic(draft, texts, random.Random(secrets.token_bytes(16)))
    traffic.scrub()
    draft.start = _start(draft.start, known)
    items = []
    for item in draft.items:
        record = _other(item.record, heads, texts)
        if record is not None:
            items.append(Item(record, item.number))
    draft.items = items
    return list(dict.fromkeys(traffic.notes))


def _start(start: Start, known: Known) -> Start:
    host, _, port = (start.client or "").rpartition(":")
    local = host in ("127.0.0.1", "localhost", "[::1]", "::1")
    client = None if start.client is None else f"{host if local else '192.0.2.1'}:{_port(port)}"
    return replace(
        start,
        capture="messages" if start.capture == "messages" else "wire",
        client=client,
        provider=known.provider.id if known.provider else None,
        api=known.api.name if known.api else None,
    )


def _port(text: str) -> str:
    return "50000" if text.isdecimal() else "0"


def _other(record: Record, heads: Heads, texts: Texts) -> Record | None:
    """A record that is no message; None for a kind of which nothing is known."""
    match record:
        case FrameRecord():
            rule, taken = record.broken_rule, record.redacted
            return replace(
                record,
                broken_rule=None if rule is None else texts.failure(rule),
                digest=None,  # by which a guess of the payload could be tested
                redacted=None if taken is None else [heads.redacted(entry) for entry in taken],
            )
        case Bytes():
            return record
        case Request():
            return heads.request(record)
        case Response():
            return heads.response(record)
        case Failure():
            where = record.where if record.where in _WHERES else "connect"
            return replace(record, where=where, message=texts.failure(record.message))
        case Gap():
            return replace(record, reason=texts.failure(record.reason))
        case Eof():
            return replace(record, how=record.how if record.how in _HOWS else "eof")
    return None
