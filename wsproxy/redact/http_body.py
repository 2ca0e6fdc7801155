"""Redacts the body of a request or response."""

from __future__ import annotations

import re

from .fingerprint import PLACEHOLDER, Entry
from .http_head import HeadRedactor
from .known_secrets import KnownSecrets
from .messages import MessageRedactor, RedactedMessage

_FORM = re.compile(rb"[A-Za-z0-9_.%~*+\[\]-]{1,128}+=[^\s{}\"<>]*+")
# RFC 7578, section 4.2: the name of a part, and its content.
_PART = re.compile(r'name=(?:"([^"\r\n]*+)"|([^"\r\n;]++))')
_LINE_ENDS = re.compile(r"\r?\n")
_HEAD_ENDS = re.compile(r"\r?\n\r?\n")


def redact_body(
    body: bytes, redact: HeadRedactor, known: KnownSecrets, *, cut: bool = False
) -> RedactedMessage:
    """A body without credentials: JSON, a form, or any text.

    Args:
        cut: it continues after its end.

    Raises:
        OverBudget: it exceeds the work limit.
    """
    if _FORM.match(body) and b"=" in body and body[:1] not in b"{[":
        text = body.decode("utf-8", "surrogateescape")
        kept, entries, secrets = redact.form(text)
        for secret in secrets:
            known.learn(secret)
        body, form = kept.encode("utf-8", "surrogateescape"), entries
    else:
        body, form = _parts(body, redact, known)
    cleaned = MessageRedactor(redact, known, "body", metadata=True).redact(body, cut=cut)
    return RedactedMessage(cleaned.data, [*form, *cleaned.entries])


def _parts(body: bytes, redact: HeadRedactor, known: KnownSecrets) -> tuple[bytes, list[Entry]]:
    """Redact the parts of a multipart form."""
    if b"name=" not in body[:1024]:
        return body, []
    text, entries, at, out = body.decode("latin-1"), [], 0, []
    match = _PART.search(text)
    while match is not None:
        begins = _HEAD_ENDS.search(text, match.end())
        if begins is None:
            break
        start = begins.end()
        ends = _LINE_ENDS.search(text, start)
        end = ends.start() if ends else len(text)
        name, value = match[1] or match[2] or "", text[start:end]
        why = redact.find_in_body.why_credential(name, value)
        if why is not None:
            out += [text[at:start], PLACEHOLDER]
            at = end
            entries.append(redact.describe("body", name, value, why))
            known.learn(value)
        match = _PART.search(text, end)
    return "".join([*out, text[at:]]).encode("latin-1"), entries
