"""Checks whether a scrubbed trace still holds private data, or a possible credential.

The check reads both traces again with its own code: JSON with a parser, its own search for base64,
audio by its waveform. It shares only the documented lists with the code that replaces. It reports
place and reason, never a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from wsproxy.audio.similarity import AudioStarts, windows
from wsproxy.mutate.draft import Draft, messages
from wsproxy.redact import PLACEHOLDER, suspects
from wsproxy.trace import Bytes, End, FrameRecord, Record, Request, Response
from wsproxy.wire import Opcode

from .aliases import EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID, Aliases
from .allowlist import Allowlist
from .http_head import parameters
from .texts import SpokenText, is_distinctive, is_text, word_triples
from .trace_fields import (
    Fields,
    TraceField,
    fields,
    long_words,
    open_envelope,
    trace_fields,
    without_harmless,
)

_MAX_LEAKS = 100
_IDS = (UUID, EMAIL, HEXADECIMAL, MIXED, PHONE)


@dataclass(frozen=True, slots=True)
class Leak:
    """Private data or a possible credential in a scrubbed trace.

    Attributes:
        place: such as "frame 12" or "request header X-Name".
        why: what it is.
    """

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(slots=True)
class PrivateData:
    """The private data of a trace.

    Attributes:
        spoken: speech, including words that documents list too.
        words: all words and numbers that no document lists, casefolded.
        ids: ids, addresses and telephone numbers.
        audio: pieces of audio.
        waves: audio by its place.
    """

    spoken: SpokenText = field(default_factory=SpokenText)
    words: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    audio: set[bytes] = field(default_factory=set)
    waves: AudioStarts = field(default_factory=AudioStarts)

    @property
    def avoided(self) -> set[str]:
        """Words that must not be used as synthetic words."""
        return self.words | self.spoken.words


def collect_private(draft: Draft, allowlist: Allowlist) -> PrivateData:
    """Collect the private data of a trace."""
    found = PrivateData()
    public: set[str] = set()  # words of parameters of the request that stay
    for place in trace_fields(draft, allowlist):
        for names, text in place.fields:
            if place.is_kept(names, text, allowlist):
                public.update(long_words(text) if place.kind == "parameter" else ())
                continue
            text_left = without_harmless(text, allowlist)
            found.ids.update(_ids(text_left))
            found.words.update(w for w in long_words(text_left) if w not in allowlist.vocabulary)
            if _is_spoken(allowlist, names, text, place):
                found.spoken.add(text)
        for data in place.audio:
            found.audio.update(windows(data))
        found.waves.add(place.name, place.audio)
    found.words -= public
    return found


def find_leaks(scrubbed: Draft, private: PrivateData, allowlist: Allowlist) -> list[Leak]:
    """Private data that is left in a scrubbed trace, in order."""
    out: dict[str, Leak] = {}
    now = AudioStarts()
    for place in trace_fields(scrubbed, allowlist):
        now.add(place.name, place.audio)
        for why in _reasons(place, private, allowlist):
            found = Leak(place.name, why)
            out.setdefault(str(found), found)
        if len(out) >= _MAX_LEAKS:
            break
    if name := private.waves.first_same(now):
        found = Leak(name, "audio similar to the original's")
        out.setdefault(str(found), found)
    return list(out.values())


def _ids(text: str) -> set[str]:
    """Ids, addresses and telephone numbers in a text."""
    rest = TIME.sub(" ", text)
    return {each[0] for pattern in _IDS for each in pattern.finditer(rest)} - {PLACEHOLDER}


def _is_spoken(allowlist: Allowlist, names: tuple[str, ...], text: str, place: TraceField) -> bool:
    if not names:
        return not place.is_free_text and text.strip() not in allowlist.kinds
    if not place.is_message(names):
        return False
    if place.kind == "parameter" and text != PLACEHOLDER:
        return True  # no document lists it
    return any(map(allowlist.is_speech_field, names)) or allowlist.is_user_defined(names)


def _reasons(place: TraceField, private: PrivateData, allowlist: Allowlist) -> Iterator[str]:
    for names, text in place.fields:
        if place.is_kept(names, text, allowlist):
            continue
        text_left = without_harmless(text, allowlist)
        if not private.ids.isdisjoint(_ids(text_left)):
            yield "an id, address or number of the original"
        found = long_words(text_left)
        if not private.words.isdisjoint(found):
            yield "a word or number that no document lists"
        spoken = [word for word in found if word != PLACEHOLDER.casefold()]
        strict = place.is_message(names) and (
            allowlist.is_speech_field(names[-1]) or allowlist.is_user_defined(names)
        )
        if any(
            w in private.spoken.words and (strict or w not in allowlist.vocabulary) for w in spoken
        ):
            yield "a spoken word"
        if any(run in private.spoken.runs for run in word_triples(spoken)) and any(
            map(is_distinctive, spoken)
        ):
            yield "spoken words"
    for data in place.audio:
        if _contains_audio(private.audio, data):
            yield "audio of the original"


def _contains_audio(audio: set[bytes], data: bytes) -> bool:
    """Whether at least a quarter of some audio is in a collection of pieces."""
    found = windows(data)
    same = sum(window in audio for window in found)
    return same > 0 and 4 * same >= len(found)


def find_credentials(scrubbed: Draft, aliases: Aliases) -> list[Leak]:
    """What looks like a credential in a scrubbed trace, except synthetic names.

    A synthetic name looks as random as the original.

    Args:
        aliases: those of the trace.
    """
    found: dict[str, Leak] = {}
    for place, record in _records(scrubbed, aliases):
        for suspect in suspects(record):
            where = f"{place}, {suspect.where} {suspect.name[:40]!r}"
            each = Leak(where, f"looks like a credential (by its {suspect.why})")
            found.setdefault(str(each), each)
    return list(found.values())


def _records(scrubbed: Draft, aliases: Aliases) -> Iterator[tuple[str, Record]]:
    yield "start", scrubbed.start
    for item in scrubbed.items:
        match item.record:
            case Request() as request:
                path, mark, query = request.path.partition("?")
                names = "&".join(_parameter(*pair, aliases) for pair in parameters(query))
                head = _headers(request.headers, aliases)
                body = _content(request.body, aliases) if request.body else None
                yield "request", replace(request, path=path + mark + names, headers=head, body=body)
            case Response() as response:
                head = _headers(response.headers, aliases)
                body = _content(response.body, aliases) if response.body else None
                yield "response", replace(response, headers=head, body=body)
            case FrameRecord() as frame if frame.opcode < Opcode.CLOSE:
                pass  # as messages, see below
            case FrameRecord() as control:
                yield f"frame {item.number}", _control(control, aliases)
            case End(close_reason=reason) as end:
                yield "end", replace(end, close_reason=reason and aliases.without_aliases(reason))
            case Bytes() as garbage:
                yield "invalid bytes", garbage
            case record:
                yield record.kind, record
    envelope = scrubbed.api.envelope if scrubbed.api else ""
    for side in (True, False):
        for message in messages(scrubbed.items, from_client=side):
            content = message.content
            if envelope:
                found, _ = open_envelope(envelope, content, is_text=message.is_text)
            elif message.is_text or is_text(content):
                found = fields(content.decode("utf-8", "replace"))
            else:
                continue  # audio, which is replaced completely
            text = FrameRecord(0, side, int(Opcode.TEXT), _lines(found, aliases))
            yield f"frame {message.items[0].number}", text


def _control(frame: FrameRecord, aliases: Aliases) -> FrameRecord:
    code = frame.payload[:2] if frame.opcode == Opcode.CLOSE else b""
    text = frame.payload[len(code) :].decode("utf-8", "surrogateescape")
    return replace(
        frame, payload=code + aliases.without_aliases(text).encode("utf-8", "surrogateescape")
    )


def _parameter(name: str, value: str, aliases: Aliases) -> str:
    return name + "=" + quote(aliases.without_aliases(value), errors="replace")


def _headers(headers: list[list[str]], aliases: Aliases) -> list[list[str]]:
    return [[h[0], ", ".join(map(aliases.without_aliases, h[1].split(", ")))] for h in headers]


def _content(content: bytes, aliases: Aliases) -> bytes:
    return _lines(fields(content.decode("utf-8", "replace")), aliases)


def _lines(found: Fields, aliases: Aliases) -> bytes:
    """Texts, one per line, with their names."""
    lines = []
    for names, text in found:
        neutral = aliases.without_aliases(text)
        if not names:
            lines.append(neutral)
        elif text:
            holder = names[-2:-1] if names[-1] == "value" and len(names) > 1 else names[-1:]
            lines.append(json.dumps({holder[0]: neutral}, ensure_ascii=False))
    return "\n".join(lines).encode("utf-8", "replace")
