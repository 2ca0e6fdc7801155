"""The server's own sentence about a failure, from wherever it stood.

A server says why it failed in a close reason, in an error message before the close, in the body
of a refusal (JSON, plain text, an HTML page) or in one of its headers. `error_fields` reads the
sentence out of JSON; this module finds the places, and decides which sentence comes first.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from .envelope import is_nested_deeply, read
from .error_fields import EMPTY_WORDS, ErrorFields, end_fields, error_fields, is_error
from .failure_words import reports_failure
from .session_like import CloseLike, ResponseLike, SessionLike

MAX_SENTENCE = 1000  # characters kept of a sentence
MAX_PARSED = 64 << 10  # characters of a body that are read
_MAX_MESSAGE = 16 << 10  # characters of a message: a longer one carries audio, not an error
_WORDLESS = "error"  # in place of the words of an error that has none
_MAX_HEADER = 32  # bytes before the JSON of a binary message
_RECENT_NS = 5 * 10**9  # ns before the end in which an error message explains the end

_POINTER = re.compile(
    r"(?i)^\W*(?:please )?(?:see|check|refer to|look at)\b.{0,30}\b(?:message|error|response|frame)"
    r"\b.{0,40}$"
)
# A message that is neither JSON nor a transcript.
_PLAIN_ERROR = re.compile(
    r"(?i)^\W{0,3}(?:error|exception|fatal(?: error)?|failed)\W{0,2}[:\-\]]\s*(.+)"
)
_SOCKET_IO = re.compile(r"^\d{1,3}(?=[\[{])")
_WORTH_PARSING = re.compile(
    r"(?i)err|fail|exception|fault|fatal|code|status|success|\"ok\"|clos|termin|disconn|goodbye|end"
)
_ERROR_HEADER = re.compile(r"(?i)error|^grpc-message$|^x-deny|^x-block|^x-reason")
_DESCRIPTION = re.compile(r'(?i)error_description="([^"]{3,500})"')
_HTML = re.compile(r"(?i)^\s*(?:<!doctype|<html|<head|<center|<h1|<!--)")
_XML_MESSAGE = re.compile(r"(?is)<message>(.{3,500}?)</message>")
_SHOWN_TAGS = tuple(
    re.compile(rf"(?is)<{tag}\b[^>]{{0,300}}>(.{{1,600}}?)</{tag}>") for tag in ("title", "h1", "p")
)
_TAG = re.compile(r"<[^>]{0,300}>")
# In a refusal, texts that only repeat its status.
_STATUS_WORDS = frozenset(status.phrase.lower() for status in HTTPStatus)
# Those of an error that are a message by themselves; one word may be a transcript.
_STATUS_MESSAGES = frozenset(s.phrase.lower() for s in HTTPStatus if s >= 400 and " " in s.phrase)
_LONGEST_STATUS = max(map(len, _STATUS_MESSAGES)) + 4  # with what stands around it


@dataclass(frozen=True, slots=True)
class ServerSentence:
    """What the server said.

    Attributes:
        text: the sentence, on one line; a name where the server gives no sentence.
        where: "close reason", "message", "body", "page" or "header NAME".
        names: the names or numbers of the error that stood with it.
        parameter: the field or parameter that the server names, or "".
        frame, t_ns: where it is; None outside of frames.
        ends: whether it explains how the session ended; a session may survive an error message.
    """

    text: str
    where: str
    names: tuple[str, ...] = ()
    parameter: str = ""
    frame: int | None = None
    t_ns: int | None = None
    ends: bool = True

    @property
    def is_prose(self) -> bool:
        """Whether it is more than a name."""
        return " " in self.text.strip() or not self.text.isascii()


def server_sentences(session: SessionLike, envelope: str = "") -> list[ServerSentence]:
    """What the server said about a failure, the most relevant first.

    Args:
        envelope: of the API, see `envelope`.

    Returns:
        Distinct sentences; none where the server said nothing of a failure.
    """
    if session.response is not None and session.ending in ("refused", "http"):
        return _of_refusal(session.response)
    return _of_session(session, envelope)


def contains(whole: str, part: str) -> bool:
    """Whether a text contains another one, whatever their spaces and capital letters."""
    return _folded(part) in _folded(whole)


def _folded(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .…")


# -- a refusal


def _of_refusal(response: ResponseLike) -> list[ServerSentence]:
    found = [*_of_body(response.body), *_of_headers(response.headers)]
    found = [s for s in found if _says_something(s.text) and _folded(s.text) not in _STATUS_WORDS]
    found.sort(key=lambda sentence: not sentence.is_prose)
    return _distinct(found)


def _of_body(body: bytes | None) -> Iterator[ServerSentence]:
    text = (body or b"")[:MAX_PARSED].decode("utf-8", "replace").strip()
    if not text:
        return
    if _HTML.match(text):
        yield ServerSentence(_page(text), "page")
    elif (content := _json(text)) is not None:
        fields = error_fields(content)
        yield _sentence(fields, "body")
    elif text.startswith("<"):
        if found := _XML_MESSAGE.search(text):
            yield ServerSentence(_line(found[1]), "body")
    elif (not text.startswith(("{", "[")) and text.isprintable()) or _is_text(text):
        yield ServerSentence(_line(text), "body")


def _is_text(text: str) -> bool:
    return "\ufffd" not in text and sum(c.isprintable() or c.isspace() for c in text) == len(text)


def _page(text: str) -> str:
    """The title, heading and first paragraph of a page, without what repeats another one."""
    parts: list[str] = []
    for pattern in _SHOWN_TAGS:
        if found := pattern.search(text):
            part = _line(html.unescape(_TAG.sub(" ", found[1])))
            if part and not any(contains(other, part) for other in parts):
                parts.append(part)
    return ": ".join(parts)[:MAX_SENTENCE]


def _of_headers(headers: Sequence[Sequence[str]]) -> Iterator[ServerSentence]:
    for name, value in ((header[0], header[1]) for header in headers):
        if name.lower() == "www-authenticate":
            found = _DESCRIPTION.search(value)
            if found:
                yield ServerSentence(_line(found[1]), f"header {name}")
        elif _ERROR_HEADER.search(name) and any(c.isalpha() for c in value):
            content = _json(value)
            fields = error_fields(content) if content is not None else ErrorFields(value)
            yield _sentence(fields, f"header {name}")


# -- messages and the close


def _of_session(session: SessionLike, envelope: str) -> list[ServerSentence]:
    close = session.close
    errors = list(_error_messages(session, envelope))
    reason = None if close is None or close.from_client else _of_reason(close)
    if reason is None:
        return _distinct(errors)
    last = errors[0] if errors and errors[0].ends else None
    if last is None or (contains(last.text, reason.text) and not _is_beginning(reason, last)):
        return _distinct([reason, *errors])
    # The message has room for all of it, a reason has 123 bytes; but a name is no sentence.
    if reason.is_prose and not last.is_prose:
        return _distinct([reason, *errors])
    return _distinct([last, reason, *errors[1:]])


def _is_beginning(reason: ServerSentence, message: ServerSentence) -> bool:
    return _folded(message.text).startswith(_folded(reason.text))


def _of_reason(close: CloseLike) -> ServerSentence | None:
    text = _line(close.reason)
    if not _says_something(text) or _POINTER.match(text):
        return None
    content = _json(text)
    fields = error_fields(content) if content is not None else ErrorFields(text)
    return _sentence(fields, "close reason", close.frame, close.t_ns)


def _error_messages(session: SessionLike, envelope: str) -> Iterator[ServerSentence]:
    """The server's error messages before the Close frame, newest first.

    One that has no words is only shown where it is the last message of all.
    """
    close = session.close
    kept: list[tuple[int, int, str | bytes]] = [
        (message.frame, message.t_ns, message.text)
        for message in session.messages(from_client=False)
    ]
    kept += [(b.frame, b.t_ns, b.data) for b in session.binaries(from_client=False)]
    kept.sort(key=lambda item: -item[0])
    end_ns = close.t_ns if close is not None else kept[0][1] if kept else 0
    newest = True
    for frame, t_ns, content in kept:
        if close is not None and frame >= close.frame:
            continue
        fields = _fields_of_message(envelope, content, failed=session.failed)
        if fields is not None:
            ends = newest or end_ns - t_ns <= _RECENT_NS
            found = _sentence(fields, "message", frame, t_ns, ends=ends)
            if _says_something(found.text):
                yield found
            elif newest:
                yield replace(found, text=found.text or _WORDLESS)
        newest = False


def _fields_of_message(envelope: str, content: str | bytes, *, failed: bool) -> ErrorFields | None:
    """The error in a message; None where it is another message."""
    if len(content) > _MAX_MESSAGE:
        return None
    if isinstance(content, bytes) and not envelope:
        content = _without_header(content)
        if not content.startswith(b"{"):
            return None
    shown = content if isinstance(content, str) else content.decode("utf-8", "replace")
    if len(shown) <= _LONGEST_STATUS and _folded(shown) in _STATUS_MESSAGES:
        return ErrorFields(_line(shown))
    if not _WORTH_PARSING.search(shown):
        return None
    parsed: object = read(envelope, content)[0] if envelope else None
    if parsed is None:
        parsed = _json(_SOCKET_IO.sub("", shown.strip(" \r\n\x1e")))
    if parsed is None:
        plain = _PLAIN_ERROR.match(shown) if failed else None
        return ErrorFields(_line(plain[1])) if plain else None
    if is_error(parsed):
        return error_fields(parsed)
    end = end_fields(parsed)
    return end if failed or (end is not None and reports_failure(end.text)) else None


def _without_header(content: bytes) -> bytes:
    """JSON at the end of a binary message, after a header of a protocol of its own."""
    begin = content.find(b"{", 0, _MAX_HEADER)
    return content[begin:] if begin > 0 and content.endswith(b"}") else content


# -- texts


def _json(text: str) -> object | None:
    """The object or list that a text is; None where it is something else."""
    if not text.lstrip().startswith(("{", "[")) or is_nested_deeply(text):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _sentence(
    fields: ErrorFields,
    where: str,
    frame: int | None = None,
    t_ns: int | None = None,
    *,
    ends: bool = True,
) -> ServerSentence:
    text = fields.text if _says_something(fields.text) else " ".join(fields.names[:1])
    return ServerSentence(_line(text), where, fields.names, fields.parameter, frame, t_ns, ends)


def _line(text: str) -> str:
    return " ".join(text[: 2 * MAX_SENTENCE].split())[:MAX_SENTENCE]


def _says_something(text: str) -> bool:
    folded = _folded(text)
    return any(c.isalpha() for c in folded) and folded not in EMPTY_WORDS


def _distinct(found: Sequence[ServerSentence]) -> list[ServerSentence]:
    out: list[ServerSentence] = []
    for sentence in found:
        if not any(contains(other.text, sentence.text) for other in out):
            out.append(sentence)
    return out
