"""Takes credentials out of the body of a request or a response."""

from __future__ import annotations

import re

from .fingerprint import PLACEHOLDER, Entry
from .head import Redactor
from .messages import Cleaned, Cleaner
from .repeats import Repeats

_FORM = re.compile(rb"[A-Za-z0-9_.%~*+\[\]-]{1,128}=[^\s{}\"<>]*")
# RFC 7578, section 4.2: the name of a part, and what it holds.
_PART = re.compile(
    r'name="?([^"\r\n;]{1,64})"?[^\r\n]*\r?\n(?:[^\r\n]+\r?\n){0,8}\r?\n([^\r\n]{1,4096})'
)


def clean(body: bytes, redact: Redactor, repeats: Repeats, *, cut: bool = False) -> Cleaned:
    """A body without credentials: JSON, a form, or any text.

    Args:
        cut: it goes on where it ends.
    """
    if _FORM.match(body) and b"=" in body and body[:1] not in b"{[":
        text = body.decode("utf-8", "surrogateescape")
        kept, taken, secrets = redact.query(text, "body")
        for secret in secrets:
            repeats.learn(secret)
        body, form = kept.encode("utf-8", "surrogateescape"), taken
    else:
        body, form = _parts(body, redact, repeats)
    cleaned = Cleaner(redact, repeats, "body").whole(body, cut=cut)
    return Cleaned(cleaned.data, [*form, *cleaned.taken])


def _parts(body: bytes, redact: Redactor, repeats: Repeats) -> tuple[bytes, list[Entry]]:
    """The parts of a multipart form."""
    if b"name=" not in body[:1024]:
        return body, []
    text, taken, at, out = body.decode("latin-1"), [], 0, []
    for match in _PART.finditer(text):
        name, value = match[1], match[2]
        why = redact.find_in_body.rule(name, value)
        if why is None:
            continue
        out += [text[at : match.start(2)], PLACEHOLDER]
        at = match.end(2)
        taken.append(redact.describe("body", name, value, why))
        repeats.learn(value)
    return "".join([*out, text[at:]]).encode("latin-1"), taken
