"""Reports what would be redacted from a record or text, without redacting it.

`scrub` and `bundle` use it to refuse a trace in which a credential may be left.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from wsproxy import catalog
from wsproxy.trace import Bytes, End, Failure, FindingRecord, FrameRecord, Gap, Record, Start

from . import heuristics
from .finder import CredentialFinder, OverBudget
from .fingerprint import PLACEHOLDER
from .http_head import HeadRedactor
from .session_redactor import SessionRedactor

# Fields of the app's messages with random values that are not secret: audio.
_MEDIA = re.compile(r"audio|data|chunk|delta|payload|media|image|frame|buffer|content|sample|text")
_FIELD = re.compile(r'"([^"\\]{1,64})"\s{0,8}:\s{0,8}"([A-Za-z0-9._~+/=-]{24,128})"')


@dataclass(frozen=True, slots=True)
class Suspect:
    """What looks like a credential, without its value.

    Attributes:
        where: "header", "query", "subprotocol", "path", "body", "message", "close" or "text".
        name: of the header, parameter or field; empty without one.
        why: "name", "shape" or "entropy"; "place" where the catalog names the place; "budget"
            if it exceeds the work limit.
    """

    where: str
    name: str
    why: str


@functools.cache
def _redactor() -> HeadRedactor:
    known = catalog.load()
    return HeadRedactor(known.credentials, b"", known.key_shapes)


def suspects(item: Record | str | bytes) -> list[Suspect]:
    """Everything in a record or a text that looks like a credential.

    Each record is checked on its own, a fragment like a complete message.
    """
    redact = _redactor()
    match item:
        case str():
            return _in_text(item, redact.find)
        case bytes():
            return _in_text(item.decode("latin-1"), redact.find)
        case Start(changes=changes):
            return [each for text in changes or () for each in suspects(text)]
        case FindingRecord(title=title, evidence=evidence):
            return [each for text in (title, *evidence) for each in suspects(text)]
        case End(close_reason=reason):
            return suspects(reason or "")
        case Failure(message=text) | Gap(reason=text):
            return suspects(text)
        case Bytes(data=data):
            return _in_text(data.decode("latin-1"), redact.find)
    cleaned = SessionRedactor(redact)(item)
    before = len(getattr(item, "redacted", None) or ())
    entries = (getattr(cleaned, "redacted", None) or [])[before:]
    found = [Suspect(e["where"], e["name"], e.get("why") or "place") for e in entries]
    if isinstance(item, FrameRecord) and item.from_client and not found:
        found += _random_fields(item.payload.decode("latin-1"))
    return [each for each in found if each.why not in ("repeated", "unreadable")]


def _in_text(text: str, find: CredentialFinder) -> list[Suspect]:
    try:
        return [Suspect("text", each.name, each.why or "place") for each in find(text)]
    except OverBudget:
        return [Suspect("text", "", "budget")]


def _random_fields(text: str) -> list[Suspect]:
    """Short fields of the app's messages with random values, which are not redacted."""
    return [
        Suspect("message", name, "entropy")
        for name, value in _FIELD.findall(text[: 1 << 16])
        if PLACEHOLDER not in value
        and not _MEDIA.search(name.lower())
        and heuristics.by_entropy(name, value)
    ]
