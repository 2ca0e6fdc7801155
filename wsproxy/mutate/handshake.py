"""Changes the request, or the response to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.catalog.model import Refusal
from wsproxy.errors import InvalidValue, UsageError
from wsproxy.recorder import MAX_BODY
from wsproxy.redact import HeadRedactor
from wsproxy.trace import Request, Response

from .change import Change, Value, parse_number
from .draft import Draft, DraftRecord

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_MAX_GIVEN = 64 << 10  # characters of a name and its value
# Headers that accept the upgrade, or describe the old body.
_REPLACED_HEADERS = ("upgrade", "connection", "content-length", "content-type", "transfer-encoding")
_PHRASES = {499: "Client Closed Request"}


def _request(draft: Draft, option: object) -> Request:
    request = draft.request
    if request is None:
        raise UsageError(f"{option}: there is no request in the trace")
    return request


def _check(change: str, expected: str, name: str, value: str) -> None:
    # Whatever it is, it may be a credential: it is not repeated.
    if any(char in name + value for char in "\r\n\0"):
        raise InvalidValue(change, None, "it has a line break in it")
    if not name or len(name) + len(value) > _MAX_GIVEN:
        raise InvalidValue(change, None, f"expected {expected}")


@dataclass(frozen=True, slots=True)
class SetQuery(Change):
    """Sets or removes a query parameter.

    Attributes:
        value: None: remove it.
        redacted_entries: of credentials in it, as in `Request.redacted`.
    """

    name: str
    value: str | None = field(default=None, repr=False)
    redacted_entries: tuple[dict[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> SetQuery:
        """Read "NAME=VALUE", "NAME=" (an empty value) or "NAME" (remove it).

        Raises:
            UsageError: it has no name, or contains a line break.
        """
        name, equals, value = text.partition("=")
        _check("query", "NAME=VALUE, NAME= or NAME", name.strip(), value)
        return cls(name.strip(), value if equals else None)

    def __str__(self) -> str:
        return f"query {self.name}" + ("" if self.value is None else f"={self.value}")

    def without_credentials(self, redact: HeadRedactor) -> SetQuery:
        if not self.value:
            return self
        done = redact([], f"?{quote(self.name)}={quote(self.value)}")
        value = unquote_plus(done.path.partition("=")[2])
        return replace(self, value=value, redacted_entries=tuple(done.entries))

    def apply(self, draft: Draft) -> None:
        request = _request(draft, self)
        before, _, query = request.path.partition("?")
        parts = []
        given = None if self.value is None else f"{quote(self.name)}={quote(self.value)}"
        found = False
        for part in query.split("&") if query else ():
            if unquote_plus(part.partition("=")[0]) != self.name:
                parts.append(part)
                continue
            if given is not None and not found:
                parts.append(given)
            found = True
        if given is not None and not found:
            parts.append(given)
        elif given is None and not found:
            raise UsageError(f"{self}: the request has no such query parameter")
        path = before + ("?" + "&".join(parts) if parts else "")
        redacted = _other_entries(request.redacted, ("query",), self.name)
        draft.replace_head(
            replace(request, path=path, redacted=[*redacted, *self.redacted_entries])
        )


@dataclass(frozen=True, slots=True)
class SetHeader(Change):
    """Sets or removes a header of the request.

    Attributes:
        value: None: remove it.
        redacted_entries: as in `SetQuery`.
    """

    name: str
    value: str | None = field(default=None, repr=False)
    redacted_entries: tuple[dict[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> SetHeader:
        """Read "NAME: VALUE" or "NAME:" (remove it).

        Raises:
            UsageError: it is invalid, or not an HTTP header.
        """
        name, colon, value = text.partition(":")
        expected = "'NAME: VALUE', or 'NAME:' to remove it"
        if not colon or not _TOKEN.fullmatch(name.strip()):
            raise InvalidValue("header", None, f"expected {expected}")
        _check("header", expected, name.strip(), value)
        return cls(name.strip(), value.strip() or None)

    def __str__(self) -> str:
        return f"header {self.name}:" + ("" if self.value is None else f" {self.value}")

    def without_credentials(self, redact: HeadRedactor) -> SetHeader:
        if self.value is None:
            return self
        done = redact([(self.name, self.value)])
        return replace(self, value=done.headers[0][1], redacted_entries=tuple(done.entries))

    def apply(self, draft: Draft) -> None:
        request = _request(draft, self)
        lower = self.name.lower()
        headers: list[list[str]] = []
        new = [] if self.value is None else [[self.name, self.value]]
        found = False
        for header in request.headers:
            if header[0].lower() != lower:
                headers.append(header)
                continue
            headers += [] if found else new
            found = True
        if not found and not new:
            raise UsageError(f"{self}: the request has no such header")
        headers += [] if found else new
        where = ("subprotocol",) if lower == "sec-websocket-protocol" else ("header",)
        redacted = _other_entries(request.redacted, where, self.name)
        draft.replace_head(
            replace(request, headers=headers, redacted=[*redacted, *self.redacted_entries])
        )


def _other_entries(
    redacted: Iterable[dict[str, Any]], where: tuple[str, ...], name: str
) -> list[dict[str, Any]]:
    """The entries for other names or places."""
    return [
        entry
        for entry in redacted
        if entry.get("where") not in where or str(entry.get("name", "")).lower() != name.lower()
    ]


@dataclass(frozen=True, slots=True)
class SetStatus(Change):
    """Makes the server respond with another status than 101; all frames are removed."""

    code: int
    body: str = ""

    @classmethod
    def parse(cls, text: str) -> SetStatus:
        """Read "401" or "401:BODY".

        Raises:
            UsageError: the status is not 200 to 599, or the body is longer than 64 KiB.
        """
        code, _, body = text.partition(":")
        expected = "CODE or CODE:BODY, such as 503; a code is 200 to 599"
        value = Value("status", code, expected)  # the body may hold a credential
        number = parse_number(code, value, 599)
        if number < 200:
            raise value.error()
        if len(body.encode("utf-8", "replace")) > MAX_BODY:
            raise value.error(f"the body is longer than {MAX_BODY} bytes")
        return cls(number, body)

    def __str__(self) -> str:
        more = "…" if len(self.body) > 120 else ""
        return f"status {self.code}" + (f":{self.body[:120]}{more}" if self.body else "")

    def apply(self, draft: Draft) -> None:
        kind = "application/json" if self.body.lstrip().startswith(("{", "[")) else "text/plain"
        refuse(draft, Refusal(self.code, (), self.body, kind if self.body else ""), self)


def refuse(draft: Draft, refusal: Refusal, option: object) -> None:
    """Replace the response by a refusal; headers such as the request id are kept.

    Raises:
        UsageError: there is no request.
    """
    request = _request(draft, option)
    old = draft.response
    body = refusal.body.encode("utf-8", "surrogateescape")
    names = {name.lower() for name, _ in refusal.headers}
    kept = [
        header
        for header in (old.headers if old is not None else [])
        if header[0].lower() not in (*_REPLACED_HEADERS, *names)
        and not header[0].lower().startswith("sec-websocket-")
    ]
    new = [[name, value] for name, value in refusal.headers]
    new += [["Content-Type", refusal.content_type]] if refusal.content_type else []
    new.append(["Content-Length", str(len(body))])
    response = Response(
        old.t_ns if old is not None else draft.end_ns,
        refusal.status,
        phrase(refusal.status),
        headers=[*kept, *new],
        body=body[:MAX_BODY],
        body_length=len(body),
        redacted=old.redacted if old is not None else [],
    )
    draft.items = [DraftRecord(request), DraftRecord(response)]
    draft.end_ns = response.t_ns


def phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110, section 15)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _PHRASES.get(status, "")
