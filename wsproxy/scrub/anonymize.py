"""Scrubs a trace: reads one, and writes one that is safe to publish, or none at all.

A few kilobytes of zstd can unpack to 100 MB of text, and each word of a text and each value of JSON
is looked up, replaced and searched for. The work for each byte of a recording's file is limited; a
trace that needs more is rejected.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import diagnose
from wsproxy.errors import LimitExceeded, NotPublic
from wsproxy.mutate.draft import Draft, DraftRecord, messages
from wsproxy.mutate.pipeline import output_path
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, Failure, FrameRecord, Gap, Record, Request, Response, Start
from wsproxy.trace.atomic_file import new_file
from wsproxy.trace.read_limits import VARIABLE
from wsproxy.wire import Opcode

from .aliases import Aliases, words
from .allowlist import Allowlist, allowlist_for
from .http_head import HeadScrubber, parameters
from .leak_check import PrivateData, collect_private, find_credentials, find_leaks
from .texts import TextScrubber, is_text
from .traffic import FrameScrubber

_MODE = "scrub"  # `Start.mode` of a scrubbed trace
_EOF_KINDS = ("eof", "close-notify", "reset")
_FAILURE_PLACES = (
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
    """A scrubbed trace.

    Attributes:
        session: of the scrubbed trace, including its findings.
        finding_before: id of the first finding of the original; "" for none.
        finding_after: id of the first finding of the scrubbed trace; "" for none.
        notes: what could not be kept unchanged.
    """

    path: Path
    session: Session
    finding_before: str
    finding_after: str
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
    """Write a scrubbed copy of a trace.

    The file gets its name after the leak check. It has mode 0600.

    Args:
        path_out: the file, or a folder for it; None: the folder of `path_in`.
        hosts: also replace the names of hosts.
        force: replace an existing file; never `path_in`.
        catalog: None: the default catalog.
        key: decides the synthetic names; None: a random key. With the same key, equal names
            become equal in all traces.

    Raises:
        TraceError: `path_in` cannot be read.
        LimitExceeded: it does not fit in memory, or has more text than a recording of its size.
        UsageError: the file cannot be written.
        NotPublic: it would hold private data; nothing is written.
    """
    catalog = catalog or load()
    draft = Draft.read(path_in, catalog)
    check_work(draft, path_in)
    finding_before = first_finding(Session.read(path_in, catalog=catalog), catalog)
    allowlist = allowlist_for(catalog, draft.start.provider, draft.start.api)
    private = collect_private(draft, allowlist)
    session_id = secrets.token_hex(8)
    start = replace(draft.start, session=session_id, mode=_MODE)
    path = output_path(path_in, path_out, start, catalog, force=force)
    aliases = Aliases(key, private.avoided)
    notes = _make_public(draft, allowlist, aliases, private, hosts=hosts)
    changes = ["scrub hosts" if hosts else "scrub"]
    with new_file(path, force=force) as new:
        draft.write(new.file, session_id, changes, mode=_MODE)
        scrubbed = Draft.read(new.hidden, catalog)
        # The second check takes long where the first finds more than it can look through.
        if found := find_credentials(scrubbed, aliases) or find_leaks(scrubbed, private, allowlist):
            raise NotPublic(found)
    session = Session.read(path, catalog=catalog)
    return Scrubbed(path, session, finding_before, first_finding(session, catalog), tuple(notes))


def first_finding(session: Session, catalog: Catalog) -> str:
    """Id of a session's first finding; "" for none."""
    return next((finding.id for finding in diagnose(session, catalog)), "")


def is_scrubbed(path: Path, catalog: Catalog) -> bool:
    """Whether a trace was made by `scrub`, and nothing in it looks like a credential.

    Raises:
        TraceError: it cannot be read.
        LimitExceeded: it does not fit in memory, or has more text than a recording of its size.
    """
    start = Session.summary(path).start
    if start is None or start.mode != _MODE:
        return False
    draft = Draft.read(path, catalog)
    check_work(draft, path)
    return not find_credentials(draft, Aliases())


def _make_public(
    draft: Draft, allowlist: Allowlist, aliases: Aliases, private: PrivateData, *, hosts: bool
) -> list[str]:
    """Replace everything in a draft that is not on the allowlist."""
    request = draft.request
    hidden = (
        frozenset(w.casefold() for w in words(request.host)) if hosts and request else frozenset()
    )
    texts = TextScrubber(allowlist, aliases, private.spoken, hidden, _declared(draft, allowlist))
    heads = HeadScrubber(texts, hosts=hosts, started_at_ns=draft.start.started_at_ns)
    traffic = FrameScrubber(draft, texts, random.Random(secrets.token_bytes(16)))
    traffic.scrub()
    draft.start = _start(draft.start, allowlist, heads)
    items = []
    for item in draft.items:
        record = _scrub_record(item.record, heads, texts)
        if record is not None:
            items.append(DraftRecord(record, item.number))
    draft.items = items
    return list(dict.fromkeys(traffic.notes))


def _declared(draft: Draft, allowlist: Allowlist) -> frozenset[str]:
    """The values of the request's parameters that stay."""
    query = draft.request.path.partition("?")[2] if draft.request else ""
    return frozenset(
        value
        for name, value in parameters(query)
        if allowlist.keeps_name(name) and allowlist.keeps(name, value)
    )


def _start(start: Start, allowlist: Allowlist, heads: HeadScrubber) -> Start:
    host, _, port = (start.client or "").rpartition(":")
    local = host in ("127.0.0.1", "localhost", "[::1]", "::1")
    client = None if start.client is None else f"{host if local else '192.0.2.1'}:{_port(port)}"
    return replace(
        start,
        capture="messages" if start.capture == "messages" else "wire",
        client=client,
        origin_host=None if start.origin_host is None else heads.host(start.origin_host),
        provider=allowlist.provider.id if allowlist.provider else None,
        api=allowlist.api.name if allowlist.api else None,
    )


def _port(text: str) -> str:
    return "50000" if text.isdecimal() else "0"


def _scrub_record(record: Record, heads: HeadScrubber, texts: TextScrubber) -> Record | None:
    """Scrub a record except the payload of frames; None for an unknown kind."""
    match record:
        case FrameRecord():
            rule, entries = record.broken_rule, record.redacted
            return replace(
                record,
                broken_rule=None if rule is None else texts.error_text(rule),
                digest=None,  # a guess of the payload could be tested with it
                redacted=None if entries is None else [heads.redacted(entry) for entry in entries],
            )
        case Bytes():
            return record
        case Request():
            return heads.request(record)
        case Response():
            return heads.response(record)
        case Failure():
            where = record.where if record.where in _FAILURE_PLACES else "connect"
            return replace(record, where=where, message=texts.error_text(record.message))
        case Gap():
            return replace(record, reason=texts.error_text(record.reason))
        case Eof():
            return replace(record, how=record.how if record.how in _EOF_KINDS else "eof")
    return None


# Cost of a record, and the amount of other data that costs as much as a word.
_RECORD = 2  # words, for each record
_MARKS = 8  # brackets and commas
_TEXT = 128  # bytes of text, such as base64
_BINARY = 512  # bytes of audio
_LARGE = 2 << 20  # bytes of one text, beyond which memory counts
_LARGE_TEXT = 8  # bytes beyond that

_WORDY = bytes(
    97 if chr(n).isalnum() or n == 95 or n >= 128 else 91 if chr(n) in "[]{}," else 32
    for n in range(256)
)


def check_work(draft: Draft, path: Path) -> None:
    """Reject a trace that needs more work than its size allows.

    Args:
        path: of the trace, for the message.

    Raises:
        LimitExceeded: it has too many words, values or records for its size.
    """
    if sum(_work(draft)) > draft.words:
        raise LimitExceeded(
            f"{path}: it has more text than a recording of its size; "
            f"with {VARIABLE}=1 in the environment it is scrubbed all the same"
        )


def _work(draft: Draft) -> Iterator[int]:
    """The cost of each part, in words."""
    envelope = draft.api.envelope if draft.api else ""
    for side in (True, False):
        for message in messages(draft.items, from_client=side):
            content = message.content
            if message.is_text or envelope or is_text(content):
                yield _text(content)
            else:
                yield len(content) // _BINARY
    for item in draft.items:
        yield _RECORD + sum(map(_text, _texts(item.record))) + 4 * len(_redacted(item.record))


def _texts(record: object) -> Iterable[bytes]:
    """The texts of a record, without messages."""
    match record:
        case FrameRecord():
            rule = [(record.broken_rule or "").encode("utf-8", "replace")]
            return rule if record.opcode < Opcode.CLOSE else [*rule, record.payload]
        case Bytes():
            return [record.data] if is_text(record.data) else []
        case Request() | Response():
            path = record.path if isinstance(record, Request) else record.reason
            texts = (path, *(text for pair in record.headers for text in pair))
            return [" ".join(texts).encode("utf-8", "replace"), record.body or b""]
        case Failure(message=text) | Gap(reason=text):
            return [text.encode("utf-8", "replace")]
    return []


def _redacted(record: object) -> list[object]:
    return getattr(record, "redacted", None) or []


def _text(content: bytes) -> int:
    if not content:
        return 0
    kinds = content.translate(_WORDY)
    words = kinds.count(b" a") + kinds.count(b"[a") + kinds.startswith(b"a")
    large = max(0, len(content) - _LARGE) // _LARGE_TEXT
    return words + kinds.count(b"[") // _MARKS + len(content) // _TEXT + large
