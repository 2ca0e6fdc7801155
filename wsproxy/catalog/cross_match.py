"""The words of a condition, in another place than the condition names.

One provider reports the same error in a message, in the body or a header of a refusal, or in a
close reason, depending on when it is noticed. A condition names one of these places. Its words are
compared here with what the server said in the other ones; numbers that belong to a place (close
code, status) are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .model import Condition, Match, Pattern
from .pattern_cost import LENGTH
from .server_sentence import ServerSentence

_KINDS = frozenset({"type", "event", "message_type", "kind"})
_TEXTS = frozenset({"message", "err_msg", "error", "reason", "detail", "details", "description"})
_TEXTS |= {"Message", "title", "error_message", "error_description", "msg"}
_NAMES = frozenset({"code", "err_code", "error_code", "category", "status", "error_type", "slug"})
_NAMES |= {":exception-type"}
_REFUSALS = ("refused", "http")
_TEXT_HEADER = re.compile(r"(?i)error|reason|message")


def values_elsewhere(
    condition: Condition, match: Match, sentence: ServerSentence
) -> Mapping[str, str] | None:
    """The named groups of a match's words in a sentence from another place.

    A condition of a refusal is only looked for in other parts of a refusal: what it says of the
    upgrade would be wrong of an open session.

    Returns:
        None where a word does not occur, or the match has none.
    """
    place = _place(sentence)
    of_refusal = match.kind in _REFUSALS
    if match.kind not in (*_REFUSALS, "message", "close") or match.sent or match.closed_by:
        return None
    if of_refusal and (place not in _REFUSALS or match.status is not None):
        return None
    if not of_refusal and any(place == other.kind for other in condition.matches):
        return None  # it names the words in that place itself
    values: dict[str, str] = {}
    compared = 0
    for pattern, words in _words(match, sentence):
        found = next((f for word in words if (f := pattern.search(word[:LENGTH]))), None)
        if found is None:
            return None
        compared += 1
        values.update({key: text for key, text in found.groupdict().items() if text})
    return values if compared else None


def _place(sentence: ServerSentence) -> str:
    """The kind of match that reads this place."""
    return {"message": "message", "close reason": "close"}.get(sentence.where, "refused")


def _words(match: Match, sentence: ServerSentence) -> Iterator[tuple[Pattern, list[str]]]:
    """The patterns of a match, each with the words that it is compared with."""
    names = [*sentence.names, *(re.sub(r"[\s-]+", "_", name) for name in sentence.names)]
    for pattern in (match.reason, match.error, match.body_text):
        if pattern is not None:
            yield pattern, [sentence.text]
    if match.error_code is not None:
        yield re.compile(f"^{re.escape(match.error_code)}$"), names
    for name, pattern in match.headers:
        yield pattern, [sentence.text] if _TEXT_HEADER.search(name) else []
    for path, pattern in (*match.fields, *match.body):
        first, _, last = path.rpartition(".")
        if last in _KINDS and not first:
            if not any(pattern.search(word) for word in ("error", "Error", *names)):
                yield pattern, []
        elif last in _TEXTS:
            yield pattern, [sentence.text]
        elif last in _NAMES or last in _KINDS:
            yield pattern, names
        else:
            yield pattern, []
