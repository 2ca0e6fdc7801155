"""Looks whether anything of people is left in a trace that is to be made public.

It reads both traces anew, by its own means: JSON with a parser, base64 with its own eyes, audio
by its waveform. What it shares with the part that replaces is what documents enumerate. What it
finds is told by place and reason, never by value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wsproxy.audio.similarity import AudioStarts, windows
from wsproxy.mutate.draft import Draft
from wsproxy.redact import PLACEHOLDER

from .aliases import EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID
from .allowlist import Allowlist
from .texts import TextUse, is_looked_for, runs
from .trace_fields import TraceField, plain, tokens, trace_fields

_MAX_TOLD = 100
_IDS = (UUID, EMAIL, HEXADECIMAL, MIXED, PHONE)


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that may not be made public.

    Attributes:
        place: where, e.g. "frame 12" or "request header X-Name".
        why: what it is.
    """

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(slots=True)
class Private:
    """What of a trace nobody else may see.

    Attributes:
        said: what people said, if it is made of words that documents have too.
        words: all words and numbers that no document enumerates, casefolded.
        ids: ids, addresses and telephone numbers.
        audio: pieces of audio.
        waves: audio by its place.
    """

    said: TextUse = field(default_factory=TextUse)
    words: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    audio: set[bytes] = field(default_factory=set)
    waves: AudioStarts = field(default_factory=AudioStarts)

    @property
    def avoided(self) -> set[str]:
        """Words that nothing that is made up may be."""
        return self.words | self.said.words


def private_in(draft: Draft, known: Allowlist) -> Private:
    """Collect it."""
    found = Private()
    for place in trace_fields(draft, known):
        for names, text in place.fields:
            if place.is_kept(names, text, known):
                continue
            bare = plain(text, known)
            found.ids.update(_ids(bare))
            found.words.update(w for w in tokens(bare) if w not in known.vocabulary)
            if _is_said(known, names, text, place):
                found.said.add(text)
        for data in place.audio:
            found.audio.update(windows(data))
        found.waves.add(place.name, place.audio)
    return found


def leaks(made: Draft, private: Private, known: Allowlist) -> list[Leak]:
    """What of it is in another trace, in that one's order."""
    out: dict[str, Leak] = {}
    now = AudioStarts()
    for place in trace_fields(made, known):
        now.add(place.name, place.audio)
        for why in _reasons(place, private, known):
            found = Leak(place.name, why)
            out.setdefault(str(found), found)
        if len(out) >= _MAX_TOLD:
            break
    if name := private.waves.first_same(now):
        found = Leak(name, "a wave like that of the original's audio")
        out.setdefault(str(found), found)
    return list(out.values())


def _ids(text: str) -> set[str]:
    """Ids, addresses and telephone numbers in a text."""
    rest = TIME.sub(" ", text)
    return {each[0] for pattern in _IDS for each in pattern.finditer(rest)} - {PLACEHOLDER}


def _is_said(known: Allowlist, names: tuple[str, ...], text: str, place: TraceField) -> bool:
    if not names:
        return not place.loose and text.strip() not in known.kinds
    if not place.is_message(names):
        return False
    if place.kind == "parameter" and text != PLACEHOLDER:
        return True  # no document has it
    return any(map(known.is_said, names)) or known.is_own(names)


def _reasons(place: TraceField, private: Private, known: Allowlist) -> Iterator[str]:
    for names, text in place.fields:
        if place.is_kept(names, text, known):
            continue
        bare = plain(text, known)
        if not private.ids.isdisjoint(_ids(bare)):
            yield "an id, an address or a number of the original"
        found = tokens(bare)
        if not private.words.isdisjoint(found):
            yield "a word or a number that no document lists"
        said = [word for word in found if word != PLACEHOLDER.casefold()]
        strict = place.is_message(names) and (known.is_said(names[-1]) or known.is_own(names))
        if any(w in private.said.words and (strict or w not in known.vocabulary) for w in said):
            yield "a word of what was said"
        if any(run in private.said.runs for run in runs(said)) and any(map(is_looked_for, said)):
            yield "words of what was said"
    for data in place.audio:
        if _is_of(private.audio, data):
            yield "audio of the original"


def _is_of(audio: set[bytes], data: bytes) -> bool:
    """Whether a good part of some audio is in a collection of pieces."""
    found = windows(data)
    same = sum(window in audio for window in found)
    return same > 0 and 4 * same >= len(found)
