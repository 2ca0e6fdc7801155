"""Which conditions match a session, most specific first.

An intermediary that answered in place of the provider comes before everything else. The order of
the provider's conditions is: the server's last text message, the close reason, the close code; for
a refused upgrade, error headers and body fields, then the status. The words of an error are
recognized in a message, a refusal and a close reason alike. Conditions that are marked `general`,
and those of RFC 6455, are only considered if no other condition of the provider matches. An
unknown failure has no condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .cross_match import values_elsewhere
from .envelope import Json, json_object, read
from .envelope import field as field_of
from .loader import Catalog
from .model import GENERIC, Condition, Match, Pattern
from .pattern_cost import LENGTH
from .server_sentence import ServerSentence, server_sentences
from .session_like import ResponseLike, SessionLike

# The names that APIs use for the same field.
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
# Characters of a text that patterns are matched against. Errors start with the relevant words,
# and the cost of a pattern in a user's catalog may grow with the square of this.
MAX_MATCHED = LENGTH
MAX_BODY = 16 << 10  # the same, of the body of a response
# JSON values that are parsed in one direction; each takes about 60 bytes of memory.
MAX_VALUES = 300_000

_POINTER = re.compile(r"(?i)^\s*see error message for details\.?\s*$")

# Stages of matching, the most specific first.
_STAGES = ("message", "reason", "answer", "ending", "code", "message-code", "status", "elsewhere")


@dataclass(frozen=True, slots=True)
class MatchedFact:
    """One fact of the session that matched.

    Attributes:
        name: e.g. "close code", "close reason", "message error", "header dg-error".
        value: the value in the session.
        frame: number of the frame it is in; None outside of frames.
    """

    name: str
    value: str
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A condition that matches a session.

    Attributes:
        facts: the facts that matched.
        values: named groups of the patterns, such as the milliseconds in a close reason.
        stage: what matched: "message", "reason", "answer" (headers or body of a refusal),
            "ending", "elsewhere" (the words of the condition, in another place than it names),
            "code", "message-code" or "status".
        pointer: the Close frame, if its reason only refers to the message.
    """

    condition: Condition
    match: Match
    facts: tuple[MatchedFact, ...]
    stage: str
    values: Mapping[str, str] = field(default_factory=dict)
    pointer: int | None = None

    @property
    def about_end(self) -> bool:
        """Whether it is about how the session ended, not about a message in it."""
        return self.match.kind != "message" if self.stage != "elsewhere" else self._ends

    @property
    def _ends(self) -> bool:
        return self.facts[0].name != "message"

    @property
    def vague(self) -> bool:
        """Whether only a code or a status matched, or the condition is a general one."""
        of_number = self.stage in ("code", "status")
        return of_number or self.condition.general or self.condition.provider == GENERIC


def candidates(session: SessionLike, catalog: Catalog) -> list[Hit]:
    """The conditions that match, most specific first.

    Args:
        session: a Session, or an object with its attributes.

    Returns:
        One hit for each condition, and one at most for how the session ended. Empty where no
        condition matches, or the session has not ended.
    """
    facts = _EndingFacts(session, catalog)
    generic = catalog.conditions_of(GENERIC)
    between = facts.hits(c for c in generic if c.intermediary)
    if between:
        return between[:1]  # the provider has not answered
    own = facts.hits(c for c in catalog.conditions_of(session.provider) if _applies(c, session.api))
    found = _distinct([hit for hit in own if not hit.condition.general])
    if explains(session, found):
        return found
    general = (hit for hit in own if hit.condition.general)
    found = _distinct([*found, *sorted(general, key=lambda hit: hit.condition.order)])
    if explains(session, found):
        return found
    return _distinct([*found, *facts.hits(c for c in generic if not c.intermediary)])


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    """Leave out hits that a better one includes.

    A session ends in one way: of the conditions of its end the first one is kept, and none that
    only a close code shows where an error message explains it.
    """
    found: list[Hit] = []
    for hit in hits:
        if any(set(hit.facts) < set(better.facts) for better in found):
            continue
        if hit.about_end and any(b.about_end or _replaces(b, hit) for b in found):
            continue
        found.append(hit)
    return found


def _replaces(message: Hit, end: Hit) -> bool:
    """Whether an error message makes the bare code of the end needless."""
    return message.condition.severity == "error" and end.stage == "code"


def explains(session: SessionLike, hits: Sequence[Hit]) -> bool:
    """Whether one of the hits explains how the session ended.

    A warning in a message, or an error that the session survived, does not.
    """
    if session.failed:
        return any(h.match.kind != "message" or h.condition.severity == "error" for h in hits)
    return bool(hits)


def _applies(condition: Condition, api: str | None) -> bool:
    return not condition.apis or api in condition.apis


def _rank(hit: Hit) -> tuple[int, int, int, bool, bool, int]:
    match = hit.match
    frame = hit.facts[0].frame if hit.facts and not hit.about_end else None
    exact = [ranges.exact for ranges in (match.code, match.status) if ranges is not None]
    return (
        _STAGES.index(hit.stage),
        -(frame or 0),
        -len(hit.facts),
        not all(exact),
        not hit.condition.apis,
        hit.condition.order,
    )


class _EndingFacts:
    """The facts about the end of a session, parsed once for all conditions."""

    def __init__(self, session: SessionLike, catalog: Catalog) -> None:
        self.session = session
        api = catalog.api(session.provider, session.api)
        self._envelope = api.envelope if api else ""
        self._response_headers: dict[str, list[str]] | None = None
        self._server_json: list[tuple[int, Json]] | None = None
        self._client_json: list[tuple[int, Json]] | None = None
        self._body: Json | None = None
        self._sentences: Sequence[ServerSentence] | None = None

    def hits(self, conditions: Iterable[Condition]) -> list[Hit]:
        """The best match of each condition that matches, the most specific first."""
        found = (hit for condition in conditions if (hit := self._hit(condition)) is not None)
        return sorted(found, key=_rank)

    def _hit(self, condition: Condition) -> Hit | None:
        hits = [hit for match in condition.matches if (hit := self._match(condition, match))]
        if not hits and not condition.general and condition.provider != GENERIC:
            hits = [
                hit for match in condition.matches if (hit := self._elsewhere(condition, match))
            ]
        return min(hits, key=_rank) if hits else None

    def _elsewhere(self, condition: Condition, match: Match) -> Hit | None:
        """The condition by its words, where the server said them in another place."""
        found = _MatchResult()
        if not self._requested(match, found):
            return None
        for sentence in self._server_sentences():
            if match.kind == "close" and not self.session.failed:
                break
            values = values_elsewhere(condition, match, sentence)
            if values is not None:
                fact = MatchedFact(sentence.where, sentence.text, sentence.frame)
                return Hit(condition, match, (fact, *found.facts), "elsewhere", values)
        return None

    def _server_sentences(self) -> Sequence[ServerSentence]:
        if self._sentences is None:
            self._sentences = server_sentences(self.session, self._envelope)
        return self._sentences

    def _match(self, condition: Condition, match: Match) -> Hit | None:
        close = self.session.close
        found = _MatchResult(close.frame if close and match.kind == "close" else None)
        match match.kind:
            case "message":
                matches = self._message(match, found)
            case "close":
                matches = self._close(match, found)
            case "refused" | "http":
                matches = self._answer(match, found)
            case "ending":
                matches = self._ending(match, found)
            case _:
                return None  # measured by diagnose/
        if not matches or not self._requested(match, found):
            return None
        if match.sent and not self._client_message(match, found):
            return None
        pointer = self._pointer(found) if match.kind == "message" else None
        return Hit(condition, match, tuple(found.facts), _stage(match), dict(found.values), pointer)

    def _requested(self, match: Match, found: _MatchResult) -> bool:
        """Whether the request is the one that a match names, if it names one."""
        request, host = self.session.request, self.session.recorded_host
        named = _MatchResult()  # outside of frames
        if match.request is not None and (
            request is None or not named.search("request", match.request, request.path)
        ):
            return False
        if match.host is not None and (
            host is None or not named.search("host", match.host, host.lower())
        ):
            return False
        found.merge(named)
        return True

    # -- in-band messages

    def _message(self, match: Match, found: _MatchResult) -> bool:
        for frame, message in self._server_messages():
            trial = _MatchResult(frame)
            if _message_matches(match, message, trial):
                found.merge(trial)
                return True
        return False

    def _server_messages(self) -> Iterable[tuple[int, Json]]:
        """The server's JSON messages before the Close frame, newest first."""
        if self._server_json is None:
            close = self.session.close
            self._server_json = [
                (frame, message)
                for frame, message in json_messages(self.session, self._envelope, from_client=False)
                if close is None or frame < close.frame
            ]
            self._server_json.reverse()
        return self._server_json

    def _pointer(self, found: _MatchResult) -> int | None:
        close = self.session.close
        if close is None or not _POINTER.match(close.reason[:MAX_MATCHED]):
            return None
        found.facts.append(MatchedFact("close reason", close.reason, close.frame))
        return close.frame

    def _client_message(self, match: Match, found: _MatchResult) -> bool:
        if self._client_json is None:
            self._client_json = json_messages(self.session, self._envelope, from_client=True)
        for frame, message in self._client_json:
            trial = _MatchResult(frame)
            if all(_field(name, p, message, trial, "sent") for name, p in match.sent):
                found.merge(trial)
                return True
        return False

    # -- the Close frame

    def _close(self, match: Match, found: _MatchResult) -> bool:
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

    # -- refused upgrades and plain HTTP responses

    def _answer(self, match: Match, found: _MatchResult) -> bool:
        response = self.session.response
        endings = ("refused", "http") if match.http else (match.kind,)
        if response is None or self.session.ending not in endings:
            return False
        if match.status is not None:
            if response.status not in match.status:
                return False
            found.facts.append(MatchedFact("status", str(response.status)))
        headers = self._headers_by_name(response)
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

    def _headers_by_name(self, response: ResponseLike) -> Mapping[str, Sequence[str]]:
        """The response headers by lower-case name."""
        if self._response_headers is None:
            self._response_headers = {}
            for header in response.headers:
                self._response_headers.setdefault(header[0].lower(), []).append(header[1])
        return self._response_headers

    def _headers(
        self, match: Match, headers: Mapping[str, Sequence[str]], found: _MatchResult
    ) -> bool:
        for name, pattern in match.headers:
            values = headers.get(name.lower(), ())
            if not any(found.search(f"header {name}", pattern, value) for value in values):
                return False
        return True

    def _json_body(self, match: Match, response: ResponseLike, found: _MatchResult) -> bool:
        if not match.body:
            return True
        if self._body is None:
            self._body = json_object(_text(response.body)) or {}
        return all(_field(name, pattern, self._body, found, "body") for name, pattern in match.body)

    # -- endings without a Close frame

    def _ending(self, match: Match, found: _MatchResult) -> bool:
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


class _MatchResult:
    """The facts that have matched so far; `frame` is the current frame."""

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

    def merge(self, other: _MatchResult) -> None:
        self.facts += other.facts
        self.values.update(other.values)


def _stage(match: Match) -> str:
    match match.kind:
        case "message":
            # Several conditions may share an error code, as they may share a close code.
            return "message" if match.error or match.fields else "message-code"
        case "close":
            return "reason" if match.reason else "code"
        case "refused" | "http":
            text = match.headers or match.body or match.body_text or match.request or match.host
            return "answer" if text else "status"
    return "ending"


def _message_matches(match: Match, message: Json, found: _MatchResult) -> bool:
    if match.error_code is not None:
        code = message.get("error_code", message.get("code"))
        if str(code) != match.error_code:
            return False
        found.facts.append(MatchedFact("message error_code", str(code), found.frame))
    if match.error is not None and not _field("err_msg", match.error, message, found, "message"):
        return False
    return all(_field(name, pattern, message, found, "message") for name, pattern in match.fields)


def _field(name: str, pattern: Pattern, message: Json, found: _MatchResult, where: str) -> bool:
    """Whether a field matches, under any of its names."""
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
    """The messages of one direction that are JSON objects, without their envelopes.

    Returns:
        (frame, object), in the order of the frames. Of messages with more than MAX_VALUES
        values in total, the oldest are left out.
    """
    contents: list[tuple[int, str | bytes]] = [
        (message.frame, message.text) for message in session.messages(from_client=from_client)
    ]
    if envelope:
        kept = session.binaries(from_client=from_client)
        contents = sorted([*contents, *((b.frame, b.data) for b in kept)], key=lambda c: c[0])
    found: list[tuple[int, Json]] = []
    left = MAX_VALUES
    for frame, content in reversed(contents):
        left -= _max_values(content)
        if left < 0:
            break
        if (message := read(envelope, content)[0]) is not None:
            found.append((frame, message))
    found.reverse()
    return found


def _max_values(content: str | bytes) -> int:
    """An upper bound of the number of values in JSON."""
    if isinstance(content, bytes):
        return content.count(b",") + content.count(b"[") + content.count(b"{")
    return content.count(",") + content.count("[") + content.count("{")


def _text(body: bytes | None) -> str:
    return (body or b"").decode("utf-8", "replace")
