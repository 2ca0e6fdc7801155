"""General words for a failure, for a sentence that says why a server ended something normally."""

from __future__ import annotations

import re

_SEARCHED = 2000  # characters
_FAILURE = re.compile(
    r"""(?ix)\b(?:
    abort\w{0,3} | crash\w{0,3} | panic\w{0,3} | fail(?:ed|ure|s|ing)? | errors? | exception | fatal
    | died | dead | killed | gone | lost | missing | dropped | broken? | corrupt\w{0,3} | stalled
    | unable | cannot | can't | could\ ?n[o']t | did\ ?n[o']t | unexpected\w{0,2} | invalid
    | malformed | denied | reject\w{0,3} | refused | forbidden | banned
    | unavailable | unsupported | unreachable
    | exceed\w{0,3} | exhaust\w{0,3} | overload\w{0,3} | out\ of\ (?:memory|space|range)
    | not\ (?:found|allowed|supported|available|permitted|processed|accepted)
    )\b"""
)
_NO_FAILURE = re.compile(
    r"""(?ix)\b(?:no|0|zero|without(?:\ any|\ an)?)\s+(?:\w{1,20}\s+)?
    (?:errors?|failures?|exceptions?)\b"""
)
# Who may end something as is his right: "aborted by the user", "client is gone".
_USER = re.compile(r"(?i)\b(?:user|client|caller|customer|peer|participant)\b")


def reports_failure(text: str) -> bool:
    """Whether a sentence says that something failed, and not only that the user ended it.

    For sentences without a class of error: these words are too general to say more.
    """
    shown = _NO_FAILURE.sub(" ", text[:_SEARCHED])
    return _FAILURE.search(shown) is not None and _USER.search(shown) is None
