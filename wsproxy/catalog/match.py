"""Which conditions fit a session, most specific first.

The order is: what the server said last in a text message, then the reason of the Close
frame, then its code; of a refused upgrade the error headers and body fields, then the
status. A condition that is marked `general`, and those of RFC 6455 itself, are only looked
at where nothing of the provider's own fits. What is not known stays without a condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .envelope import Json, json_object, read
from .envelope import field as field_of
from .loader import Catalog
from .model import GENERIC, Condition, Match, Pattern
from .pattern_cost import LENGTH

# The names under which APIs give the same thing.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "err_code": ("err_code", "category", "error_code", "code", "error_type", "type"),
    "err_msg": (
        "err_msg",
        "message",
        "details",
        "error",
        "error_message",
        "description",
        "reason",
        "detail",
        "title",
        "error.message",
        "detail.message",
        "data.message",
        "Message",
    ),
}
# Characters of a text that a pattern is tried on: an error's words come first in it, and a
# pattern of a user's own may cost the square of that.
MAX_MATCHED = LENGTH
MAX_BODY = 16 << 10  # the same, of the body of an answer
# Values in all messages of a direction that are read as JSON: each takes some 60 bytes.
MAX_VALUES = 300_000

_POINTER = re.compile(r"(?i)^\s*see error message for details\.?\s*$")

# How well a match tells one condition from another: the earlier, the better.
_STAGES = ("message", "reason", "answer", "ending", "code", "message-code", "status")


class MessageLike(Protocol):
    @property
    def frame(self) -> int: ...
    @property
    def t_ns(self) -> int: ...
    @property
    def text(self) -> str: ...


class BinaryLike(Protocol):
    @property
    def frame(self) -> int: ...
    @property
    def t_ns(self) -> int: ...
    @property
    def data(self) -> bytes: ...


class CloseLike(Protocol):
    @property
    def frame(self) -> int: ...
    @property
    def t_ns(self) -> int: ...
    @property
    def from_client(self) -> bool: ...
    @property
    def code(self) -> int | None: ...
    @property
    def reason(self) -> str: ...


class RequestLike(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def host(self) -> str: ...


class ResponseLike(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Sequence[Sequence[str]]: ...
    @property
    def body(self) -> bytes | None: ...


class FailureLike(Protocol):
    @property
    def where(self) -> str: ...
    @property
    def message(self) -> str: ...


class SessionLike(Protocol):
    """What is needed of a `wsproxy.session.Session`."""

    @property
    def provider(self) -> str | None: ...
    @property
    def api(self) -> str | None: ...
    @property
    def ending(self) -> str: ...
    @property
    def close(self) -> CloseLike | None: ...
    @property
    def closed_by(self) -> str | None: ...
    @property
    def failure(self) -> FailureLike | None: ...
    @property
    def request(self) -> RequestLike | None: ...
    @property
    def response(self) -> ResponseLike | None: ...
    @property
    def failed(self) -> bool: ...
    def messages(self, *, from_client: bool) -> Sequence[MessageLike]: ...
    def binaries(self, *, from_client: bool) -> Sequence[BinaryLike]: ...


@dataclass(frozen=True, slots=True)
class MatchedFact:
    """One thing in the session that fitted.

    Attributes:
        name: e.g. "close code", "close reason", "message error", "header dg-error".
        value: what the session has there.
        frame: number of the frame it is in; None outside of frames.
    """

    name: str
    value: str
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A condition that fits a session.

    Attributes:
        facts: what fitted.
        values: named groups of the patterns, such as the milliseconds that a reason names.
        stage: what told: "message", "reason", "answer" (headers or body of a refusal),
            "ending", "code", "message-code" or "status".
        pointer: frame of a Close whose reason only points at the message, None if none.
    """

    condition: Condition
    match: Match
    facts: tuple[MatchedFact, ...]
    stage: str
    values: Mapping[str, str] = field(default_factory=dict)
    pointer: int | None = None


def candidates(session: SessionLike, catalog: Catalog) -> list[Hit]:
    """The conditions that fit, most specific first.

    Args:
        session: a Session, or anything that looks like one.

    Returns:
        One hit a condition. Empty where the session ended in a way that the catalog does
        not know, or has not ended.
    """
    facts = _Facts(session, catalog)
    own = [
        hit
        for condition in catalog.conditions_of(session.provider)
        if _applies(condition, session.api) and (hit := facts.hit(condition)) is not None
    ]
    found = _distinct(sorted((hit for hit in own if not hit.condition.general), key=_rank))
    if explains(session, found):
        return found
    found += sorted((hit for hit in own if hit.condition.general), key=lambda h: h.condition.order)
    if explains(session, found):
        return found
    generic = [
        hit
        for condition in catalog.conditions_of(GENERIC)
        if (hit := facts.hit(condition)) is not None
    ]
    return [*found, *sorted(generic, key=_rank)]


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    """Without those that say less than a better one, of the same things in the session."""
    found: list[Hit] = []
    for hit in hits:
        if not any(set(hit.facts) < set(better.facts) for better in found):
            found.append(hit)
    return found


def explains(session: SessionLike, hits: Sequence[Hit]) -> bool:
    """Whether one of the hits says how the session ended.

    A warning in a message, or an error that the session survived, does not.
    """
    if session.failed:
        return any(h.match.kind != "message" or h.condition.severity == "error" for h in hits)
    return bool(hits)


def _applies(condition: Condition, api: str | None) -> bool:
    return not condition.apis or api in condition.apis


def _rank(hit: Hit) -> tuple[int, int, int, bool, bool, int]:
    match = hit.match
    frame = hit.facts[0].frame if hit.facts and match.kind == "message" else None
    exact = [ranges.exact for ranges in (match.code, match.status) if ranges is not None]
    return (
        _STAGES.index(hit.stage),
        -(frame or 0),
        -len(hit.facts),
        not all(exact),
        not hit.condition.apis,
        hit.condition.order,
    )


class _Facts:
    """A session's ending, taken apart once for all conditions."""

    def __init__(self, session: SessionLike, catalog: Catalog) -> None:
        self.session = session
        api = catalog.api(session.provider, session.api)
        self._envelope = api.envelope if api else ""
        self._response_headers: dict[str, list[str]] | None = None
        self._server_json: list[tuple[int, Json]] | None = None
        self._client_json: list[tuple[int, Json]] | None = None
        self._body: Json | None = None

    def hit(self, condition: Condition) -> Hit | None:
        """The best of the forms of a condition that fit, or None."""
        hits = [hit for match in condition.matches if (hit := self._try(condition, match))]
        return min(hits, key=_rank) if hits else None

    def _try(self, condition: Condition, match: Match) -> Hit | None:
        close = self.session.close
        found = _Found(close.frame if close and match.kind == "close" else None)
        match match.kind:
            case "message":
                fits = self._message(match, found)
            case "close":
                fits = self._close(match, found)
            case "refused" | "http":
                fits = self._answer(match, found)
            case "ending":
                fits = self._ending(match, found)
            case _:
                return None  # diagnose/ measures it
        if not fits or (match.said and not self._said(match, found)):
            return None
        pointer = self._pointer(found) if match.kind == "message" else None
        return Hit(condition, match, tuple(found.facts), _stage(match), dict(found.values), pointer)

    # -- in-band messages

    def _message(self, match: Match, found: _Found) -> bool:
        for frame, message in self._errors():
            trial = _Found(frame)
            if _message_fits(match, message, trial):
                found.take(trial)
                return True
        return False

    def _errors(self) -> Iterable[tuple[int, Json]]:
        """The server's JSON messages before the Close frame, last first."""
        if self._server_json is None:
            close = self.session.close
            self._server_json = [
                (frame, message)
                for frame, message in json_messages(self.session, self._envelope, from_client=False)
                if close is None or frame < close.frame
            ]
            self._server_json.reverse()
        return self._server_json

    def _pointer(self, found: _Found) -> int | None:
        close = self.session.close
        if close is None or not _POINTER.match(close.reason[:MAX_MATCHED]):
            return None
        found.facts.append(MatchedFact("close reason", close.reason, close.frame))
        return close.frame

    def _said(self, match: Match, found: _Found) -> bool:
        if self._client_json is None:
            self._client_json = json_messages(self.session, self._envelope, from_client=True)
        for frame, message in self._client_json:
            trial = _Found(frame)
            if all(_field(name, p, message, trial, "sent") for name, p in match.said):
                found.take(trial)
                return True
        return False

    # -- the Close frame

    def _close(self, match: Match, found: _Found) -> bool:
        close = self.session.close
        if close is None or self.session.ending in ("refused", "http", "failed"):
            return False
        if match.closed_by and match.closed_by != ("client" if close.from_client else "server"):
            return False
        if match.code is not None:
            if close.code not in match.code:
                return False
            code = "none" if close.code is None else str(close.code)
            found.facts.append(MatchedFact("close code", code, close.frame))
        return match.reason is None or found.search("close reason", match.reason, close.reason)

    # -- refused upgrades and plain answers

    def _answer(self, match: Match, found: _Found) -> bool:
        response = self.session.response
        endings = ("refused", "http") if match.http else (match.kind,)
        if response is None or self.session.ending not in endings:
            return False
        if match.status is not None:
            if response.status not in match.status:
                return False
            found.facts.append(MatchedFact("status", str(response.status)))
        request = self.session.request
        if match.request is not None and (
            request is None or not found.search("request", match.request, request.path)
        ):
            return False
        if match.host is not None and (
            request is None or not found.search("host", match.host, request.host.lower())
        ):
            return False
        headers = self._named(response)
        if any(name in headers for name in match.without):
            return False
        return (
            self._headers(match, headers, found)
            and self._json_body(match, response, found)
            and (
                match.body_text is None
                or found.search("body", match.body_text, _text(response.body), MAX_BODY)
            )
        )

    def _named(self, response: ResponseLike) -> Mapping[str, Sequence[str]]:
        """The response's headers by their names in lower case, taken apart once."""
        if self._response_headers is None:
            self._response_headers = {}
            for header in response.headers:
                self._response_headers.setdefault(header[0].lower(), []).append(header[1])
        return self._response_headers

    def _headers(self, match: Match, headers: Mapping[str, Sequence[str]], found: _Found) -> bool:
        for name, pattern in match.headers:
            values = headers.get(name.lower(), ())
            if not any(found.search(f"header {name}", pattern, value) for value in values):
                return False
        return True

    def _json_body(self, match: Match, response: ResponseLike, found: _Found) -> bool:
        if not match.body:
            return True
        if self._body is None:
            self._body = json_object(_text(response.body)) or {}
        return all(_field(name, pattern, self._body, found, "body") for name, pattern in match.body)

    # -- endings without a Close frame

    def _ending(self, match: Match, found: _Found) -> bool:
        if self.session.ending != match.ending:
            return False
        if match.by and self.session.closed_by != match.by:
            return False
        by = self.session.closed_by
        how = f"{match.ending} by the {by}" if by else match.ending
        found.facts.append(MatchedFact("ending", how))
        if match.failed_where is None:
            return True
        failure = self.session.failure
        if failure is None or not match.failed_where.search(failure.where):
            return False
        found.facts.append(MatchedFact("failed at", failure.where))
        if failure.message:
            found.facts.append(MatchedFact("failure", failure.message))
        return True


class _Found:
    """What has fitted so far; `frame` is the frame that is looked at."""

    def __init__(self, frame: int | None = None) -> None:
        self.frame = frame
        self.facts: list[MatchedFact] = []
        self.values: dict[str, str] = {}

    def search(self, name: str, pattern: Pattern, value: str, limit: int = MAX_MATCHED) -> bool:
        result = pattern.search(value[:limit])
        if result is None:
            return False
        self.facts.append(MatchedFact(name, value, self.frame))
        self.values.update({key: text for key, text in result.groupdict().items() if text})
        return True

    def take(self, other: _Found) -> None:
        self.facts += other.facts
        self.values.update(other.values)


def _stage(match: Match) -> str:
    match match.kind:
        case "message":
            # A code alone may stand for several conditions, as a close code may.
            return "message" if match.error or match.fields else "message-code"
        case "close":
            return "reason" if match.reason else "code"
        case "refused" | "http":
            text = match.headers or match.body or match.body_text or match.request or match.host
            return "answer" if text else "status"
    return "ending"


def _message_fits(match: Match, message: Json, found: _Found) -> bool:
    if match.error_code is not None:
        code = message.get("error_code", message.get("code"))
        if str(code) != match.error_code:
            return False
        found.facts.append(MatchedFact("message error_code", str(code), found.frame))
    if match.error is not None and not _field("err_msg", match.error, message, found, "message"):
        return False
    return all(_field(name, pattern, message, found, "message") for name, pattern in match.fields)


def _field(name: str, pattern: Pattern, message: Json, found: _Found, where: str) -> bool:
    """Whether a field, under any of its spellings, fits."""
    for spelling in _SPELLINGS.get(name, (name,)):
        value = field_of(message, spelling)
        if value is None or isinstance(value, (dict, list)):
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)[:MAX_MATCHED]
        # "Too Many Requests" and "TOO_MANY_REQUESTS" are the same code.
        compared = re.sub(r"[\s-]+", "_", text) if name == "err_code" else text
        if result := pattern.search(compared):
            found.facts.append(MatchedFact(f"{where} {spelling}", text, found.frame))
            found.values.update({key: v for key, v in result.groupdict().items() if v})
            return True
    return False


def json_messages(
    session: SessionLike, envelope: str, *, from_client: bool
) -> list[tuple[int, Json]]:
    """The messages kept of a direction that are JSON objects, taken out of their envelopes.

    Returns:
        (frame, object), in the order of the frames. Where all of them have over MAX_VALUES,
        the first ones are left out.
    """
    contents: list[tuple[int, str | bytes]] = [
        (message.frame, message.text) for message in session.messages(from_client=from_client)
    ]
    if envelope:
        kept = session.binaries(from_client=from_client)
        contents = sorted([*contents, *((b.frame, b.data) for b in kept)], key=lambda c: c[0])
    found: list[tuple[int, Json]] = []
    room = MAX_VALUES
    for frame, content in reversed(contents):
        room -= _values(content)
        if room < 0:
            break
        if (message := read(envelope, content)[0]) is not None:
            found.append((frame, message))
    found.reverse()
    return found


def _values(content: str | bytes) -> int:
    """How many values there are in JSON, at the most."""
    if isinstance(content, bytes):
        return content.count(b",") + content.count(b"[") + content.count(b"{")
    return content.count(",") + content.count("[") + content.count("{")


def _text(body: bytes | None) -> str:
    return (body or b"").decode("utf-8", "replace")
