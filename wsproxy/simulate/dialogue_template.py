"""Fills the templates of the server's messages in a dialogue of the catalog.

Placeholders in a string of JSON are replaced with text; "{=NAME}" as a complete string is
replaced with a JSON value of another kind: a number, a list, true.

{id}               the id of the session
{uuid.NAME}        a UUID: the same for the same name in the session
{turn.NAME}        an id with the prefix NAME_: the same for the same name in the turn
{session.NAME}     the same in the session
{event}            an id of this message
{client.PATH}      the value at a dotted path of the client's messages in this turn, or before;
                   "{=client.PATH}" is null if the client did not send it
{text}, {interim}  what the client said, as a sentence, or the words so far
{said}             all its sentences so far
{answer}           what the server says in its turn; {hello}: what it says first
{audio}            base64 of speech; the message is repeated for each piece of it
{created}, {host}, {ws}  the time of the request (ISO 8601), its Host header, ws or wss
{=words}           a list of `Dialogue.word`, with {word}, {=start}, {=end}, {=confidence}
{=start}, {=end}, {=duration}, {=total}        seconds of audio; with _ms, _ticks (100 ns)
{=turn}, {=chunks}, {=sequence}, {=epoch}      counts of turns, of the client's messages with
                   audio, of the server's messages; Unix time of the request
{=spoken}          the words of the client's text, and their times in the speech:
                   {"words": [...], "start": [...], "end": [...]}
{=final}           whether the text is the final one
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

AUDIO = "{audio}"
Values: TypeAlias = Mapping[str, Any]

_PLACEHOLDER = re.compile(r'"\{=(?P<value>[\w.-]+)\}"|\{(?P<text>[A-Za-z][\w.:-]*)\}')
_SCALES = {"_ms": 1000, "_ticks": 10_000_000}


def fill(template: str, values: Values, lookup: Callable[[str], object]) -> str:
    """Replace the placeholders of a template; unknown ones stay.

    Args:
        values: by name.
        lookup: returns the value of a name that is not in them; None for an unknown name.
    """

    def replaced(found: re.Match[str]) -> str:
        name = found["value"] or found["text"]
        value = _value(name, values)
        if value is None:
            value = lookup(name)
        if value is None and not (found["value"] and name.startswith("client.")):
            return found[0]
        if found["value"]:
            return json.dumps(value)
        return json.dumps(str(value), ensure_ascii=False)[1:-1]

    return _PLACEHOLDER.sub(replaced, template)


def _value(name: str, values: Values) -> object:
    """A value by its name, scaled by its suffix."""
    if name in values:
        return values[name]
    for suffix, scale in _SCALES.items():
        seconds = values.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if isinstance(seconds, float):
            return round(seconds * scale)
    return None


def opaque_id(prefix: str, *parts: object) -> str:
    """An id such as "item_1f0c...", the same for the same parts."""
    digest = hashlib.sha256("\0".join(map(str, (prefix, *parts))).encode()).hexdigest()
    return f"{prefix}_{digest[:20]}"


def named_uuid(*parts: object) -> str:
    """A UUID, the same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(map(str, parts))))
