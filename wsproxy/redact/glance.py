"""Says whether a message is worth reading for credentials.

Nearly all messages hold none, and for them a look is all that there is: regular expressions
for the names of fields, and for what keys begin with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .find import FIELDS, Finder, readable

# What a value that needs reading begins with, after a quote or a space. Each expression begins
# with one literal, which is found at the speed of memchr; one for both would take ten times as
# long over audio in base64.
_BEGINS = (
    rb"(?:eyJ|A[KS]IA|AIza|ya29\.|[serpx][kati][-_t]|whsec|gh[pousr]_|xox|auth_t|temp:|-----BEGIN"
    rb"|[Bb]earer|[Bb]asic|[Tt]oken[ :=]|[Kk]ey[ :=])"
)
_QUOTED = re.compile(b'"(?:' + _BEGINS + rb"|[0-9a-fA-F]{32})")
_SPACED = re.compile(b" " + _BEGINS)
_URL = re.compile(b":(?=//)")
_MAX_NAMES = 8192  # names of fields that are known to be harmless


class Glance:
    """Says whether a payload is worth reading; nearly all are not.

    Args:
        find: knows the names.
    """

    def __init__(self, find: Finder) -> None:
        self._find = find
        self._harmless: set[bytes] = set()

    def __call__(self, data: bytes) -> bool:
        names = FIELDS.findall(data)
        if not self._harmless.issuperset(names) and self._speaking(names):
            return True
        if _QUOTED.search(data) or _SPACED.search(data) or _URL.search(data):
            return True
        return b"=" in data and (b"?" in data or b"&" in data)

    def _speaking(self, names: Sequence[bytes]) -> bool:
        if len(self._harmless) > _MAX_NAMES:
            self._harmless.clear()
        new = {name for name in names if name not in self._harmless}
        speaking = {name for name in new if self._find.speaks(readable(name))}
        self._harmless |= new - speaking
        return bool(speaking)
