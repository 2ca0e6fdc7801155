"""Changes to the request, and another answer to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.catalog.model import Refusal
from wsproxy.errors import InvalidValue, UsageError
from wsproxy.recording import MAX_BODY
from wsproxy.redact import Redactor
from wsproxy.trace import Request, Response

from .change import Change
from .draft import Draft, Item
from .places import Value, parse_number

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_MAX_GIVEN = 64 << 10  # characters of a name with its value
# What says that the upgrade is accepted, or describes another body.
_OF_THE_OLD = ("upgrade", "connection", "content-length", "content-type", "transfer-encoding")
_PHRASES = {499: "Client Closed Request"}


def _request(draft: Draft, option: object) -> Request:
    request = draft.request
    if request is None:
        raise UsageError(f"{option}: there is no request in the trace")
    return request


def _check(change: str, form: str, name: str, value: str) -> None:
    # Whatever it is, it may be a credential: it is not repeated.
    if any(char in name + value for char in "\r\n\0"):
        raise InvalidValue(change, None, "it has a line break in it")
    if not name or len(name) + len(value) > _MAX_GIVEN:
        raise InvalidValue(change, None, f"expected {form}")


@dataclass(frozen=True, slots=True)
class Query(Change):
    """Sets or removes a query parameter.

    Attributes:
        value: None: it is removed.
        taken: of a credential that was taken out of it, as in `Request.redacted`.
    """

    name: str
    value: str | None = field(default=None, repr=False)
    taken: tuple[dict[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Query:
        """Read "NAME=VALUE", "NAME=" (an empty value) or "NAME" (removes it).

        Raises:
            UsageError: it has no name, or a line break in it.
        """
        name, equals, value = text.partition("=")
        _check("query", "NAME=VALUE, NAME= or NAME", name.strip(), value)
        return cls(name.strip(), value if equals else None)

    def __str__(self) -> str:
        return f"query {self.name}" + ("" if self.value is None else f"={self.value}")

    def clean(self, redact: Redactor) -> Query:
        if not self.value:
            return self
        done = redact([], f"?{quote(self.name)}={quote(self.value)}")
        value = unquote_plus(done.path.partition("=")[2])
        return replace(self, value=value, taken=tuple(done.taken))

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
        redacted = _without(request.redacted, ("query",), self.name)
        draft.replace_head(replace(request, path=path, redacted=[*redacted, *self.taken]))


@dataclass(frozen=True, slots=True)
class Header(Change):
    """Sets or removes a header of the request.

    Attributes:
        value: None: it is removed.
        taken: as of `Query`.
    """

    name: str
    value: str | None = field(default=None, repr=False)
    taken: tuple[dict[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Header:
        """Read "NAME: VALUE" or "NAME:" (removes it).

        Raises:
            UsageError: it is neither, or no HTTP header.
        """
        name, colon, value = text.partition(":")
        form = "'NAME: VALUE', or 'NAME:' to remove it"
        if not colon or not _TOKEN.fullmatch(name.strip()):
            raise InvalidValue("header", None, f"expected {form}")
        _check("header", form, name.strip(), value)
        return cls(name.strip(), value.strip() or None)

    def __str__(self) -> str:
        return f"header {self.name}:" + ("" if self.value is None else f" {self.value}")

    def clean(self, redact: Redactor) -> Header:
        if self.value is None:
            return self
        done = redact([(self.name, self.value)])
        return replace(self, value=done.headers[0][1], taken=tuple(done.taken))

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
        redacted = _without(request.redacted, where, self.name)
        draft.replace_head(replace(request, headers=headers, redacted=[*redacted, *self.taken]))


def _without(
    redacted: Iterable[dict[str, Any]], where: tuple[str, ...], name: str
) -> list[dict[str, Any]]:
    """What was taken out elsewhere."""
    return [
        entry
        for entry in redacted
        if entry.get("where") not in where or str(entry.get("name", "")).lower() != name.lower()
    ]


@dataclass(frozen=True, slots=True)
class Status(Change):
    """The request is answered with another status than 101, and no frame is sent."""

    code: int
    body: str = ""

    @classmethod
    def parse(cls, text: str) -> Status:
        """Read "401" or "401:BODY".

        Raises:
            UsageError: the status is none of 200 to 599, or the body longer than 64 KiB.
        """
        code, _, body = text.partition(":")
        form = "CODE or CODE:BODY, such as 503; a code is 200 to 599"
        value = Value("status", code, form)  # the body may hold a credential
        number = parse_number(code, value, 599)
        if number < 200:
            raise value.wrong()
        if len(body.encode("utf-8", "replace")) > MAX_BODY:
            raise value.wrong(f"the body is longer than {MAX_BODY} bytes")
        return cls(number, body)

    def __str__(self) -> str:
        more = "…" if len(self.body) > 120 else ""
        return f"status {self.code}" + (f":{self.body[:120]}{more}" if self.body else "")

    def apply(self, draft: Draft) -> None:
        kind = "application/json" if self.body.lstrip().startswith(("{", "[")) else "text/plain"
        refuse(draft, Refusal(self.code, (), self.body, kind if self.body else ""), self)


def refuse(draft: Draft, refusal: Refusal, option: object) -> None:
    """Answer the request otherwise; headers such as the request id stay.

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
        if header[0].lower() not in (*_OF_THE_OLD, *names)
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
    draft.items = [Item(request), Item(response)]
    draft.end_ns = response.t_ns


def phrase(status: int) -> str:
    """The words for a status (RFC 9110, section 15)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _PHRASES.get(status, "")
