"""Whether two sessions are the same, and what differs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.catalog import load
from wsproxy.diagnose.audio import declared
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

from . import sequence
from .audio import first_audio_difference
from .frames import first_frame_difference
from .latency import latency
from .messages import Messages, Part
from .outcome import Outcome
from .request import asked
from .sequence import ENOUGH, Item, Passing, Sequence
from .story import ON_ITS_WAY_NS, Story
from .text import around_difference
from .transcript import MAX_WORDS, Distance, distance
from .volatile import stable_value

SAME_AUDIO = 0.1  # part of the server's audio that may be missing, or too much
_KINDS_SHOWN = 12  # on either side of the first one that differs

# What is always compared, besides how it was asked for and ended.
_RECEIVED = ("messages", "passing", "violations", "audio_received")
_SENT = ("messages_sent", "violations_sent", "audio_sent")
_FRAMES = {"frame_sent": True, "frame_received": False}


@dataclass(frozen=True, slots=True)
class Rules:
    """How strictly two sessions are compared.

    Attributes:
        strict: every frame has to be equal, and no value is volatile.
        max_wer: word errors for each word of the recorded transcript up to which two
            transcripts are the same.
    """

    strict: bool = False
    max_wer: float = 0.1


STANDARD = Rules()


@dataclass(frozen=True, slots=True)
class Difference:
    """A compared field with another value.

    Attributes:
        recorded_frame, replayed_frame: numbers of the frames that it is about, if any.
    """

    field: str
    recorded: Any
    replayed: Any
    recorded_frame: int | None = None
    replayed_frame: int | None = None

    def as_json(self) -> dict[str, Any]:
        out = {"field": self.field, "recorded": self.recorded, "replayed": self.replayed}
        if self.recorded_frame is not None or self.replayed_frame is not None:
            out["frames"] = {"recorded": self.recorded_frame, "replayed": self.replayed_frame}
        return out


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sessions have in common.

    Attributes:
        verdict: "reproduced", "different" or "not-reproduced".
        recorded, replayed: what each session came to, for JSON.
        sent: how the apps' messages compare: "equal", "re-chunked", "different audio",
            "different messages"; "" where they are not compared.
        wer: word errors for each word of the recorded transcript; None without any words.
        latency: by name, "recorded", "replayed" and "delta" in ms.
        compared: names of all fields that were compared.
        notes: what qualifies the verdict.
    """

    verdict: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]
    differences: list[Difference]
    sent: str = ""
    wer: float | None = None
    latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return self.verdict == "reproduced"

    @property
    def equal(self) -> list[str]:
        """Names of the fields that were compared, and are the same."""
        other = {difference.field for difference in self.differences}
        return [name for name in self.compared if name not in other]

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "recorded": self.recorded,
            "replayed": self.replayed,
            "differences": [difference.as_json() for difference in self.differences],
            "sent": self.sent,
            "wer": self.wer,
            "latency": {name: dict(values) for name, values in self.latency.items()},
            "compared": self.compared,
            "notes": self.notes,
        }


def compare(
    recorded: Path,
    replayed: Path,
    *,
    rules: Rules = STANDARD,
    client_sent: bool = True,
) -> Comparison:
    """Compare two traces.

    Args:
        client_sent: whether what the app asked for and sent is compared; not where it was
            this program that sent it.

    Raises:
        TraceError: one of them cannot be read.
        CatalogError: a catalog file has a mistake.
    """
    pair = _Pair(recorded, replayed, rules)
    differences = pair.endings() + pair.received()
    sent = ""
    if client_sent:
        found = pair.sent()
        sent = found.word
        differences = pair.requests() + differences + found.differences
    if rules.strict:
        differences += pair.frames()
    heard = pair.heard
    return Comparison(
        _verdict(pair.left, pair.right, differences),
        pair.left.as_json(),
        pair.right.as_json(),
        differences,
        sent,
        round(heard.rate, 4) if heard else None,
        latency(pair.left.story, pair.right.story),
        pair.compared(client_sent=client_sent),
        pair.notes(),
    )


def _verdict(left: Outcome, right: Outcome, differences: list[Difference]) -> str:
    if not differences:
        return "reproduced"
    if right.ending == "open" and left.ending != "open":
        return "not-reproduced"
    if left.failed and not right.failed:
        return "not-reproduced"
    return "different"


@dataclass(frozen=True, slots=True)
class _Sent:
    """How what two apps sent compares."""

    word: str
    differences: list[Difference]


class _Pair:
    """Two sessions, and what of them differs."""

    def __init__(self, recorded: Path, replayed: Path, rules: Rules) -> None:
        self._paths = (recorded, replayed)
        self._rules = rules
        self._catalog = load()
        self.left = Outcome.read(recorded, self._catalog)
        self.right = Outcome.read(replayed, self._catalog)
        self.heard: Distance | None = distance(
            self.left.story.transcript, self.right.story.transcript
        )

    @property
    def _stories(self) -> tuple[Story, Story]:
        return self.left.story, self.right.story

    # -- how it was asked for, and how it ended

    def _asked(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return asked(self.left.session, self._catalog), asked(self.right.session, self._catalog)

    def requests(self) -> list[Difference]:
        a, b = self._asked()
        return [Difference(n, a.get(n), b.get(n)) for n in _names(a, b) if a.get(n) != b.get(n)]

    def endings(self) -> list[Difference]:
        recorded, replayed = self.left.fields(), self.right.fields()
        frames = tuple(
            outcome.session.close.frame if outcome.session.close else None
            for outcome in (self.left, self.right)
        )
        out = []
        for name in _names(recorded, replayed):
            a, b = recorded.get(name), replayed.get(name)
            if self._compared(a) != self._compared(b):
                of_close = name in ("close_code", "close_reason")
                out.append(Difference(name, a, b, *(frames if of_close else (None, None))))
        return out

    def _compared(self, value: Any) -> Any:
        return value if self._rules.strict else stable_value(value)

    # -- what the server said

    def received(self) -> list[Difference]:
        return [
            *self._messages(),
            *self._passing(),
            *self._errors(),
            *self._violations(from_client=False),
            *self._audio_received(),
            *self._transcripts(),
        ]

    def _messages(self) -> list[Difference]:
        left, right = self._stories
        a, b = left.received.sequence, right.received.sequence
        at = sequence.first_difference(a, b, _due_from_server(left), _due_from_server(right))
        return [] if at is None else [_at("messages", a, b, at)]

    def _passing(self) -> list[Difference]:
        """Kinds that are a matter of the moment, and came often on one side only."""
        a, b = (story.received.sequence.passing for story in self._stories)
        lost = [_counted(p, None) for key, p in a.items() if key not in b and p.count >= ENOUGH]
        new = [_counted(None, p) for key, p in b.items() if key not in a and p.count >= ENOUGH]
        return lost + new

    def _errors(self) -> list[Difference]:
        """What errors and warnings say; how many there are is told by `messages`."""
        for a, b in zip(*(story.errors for story in self._stories), strict=False):
            if a[1] != b[1]:
                return [Difference("error", *around_difference(a[1], b[1]), a[0], b[0])]
        return []

    def _violations(self, *, from_client: bool) -> list[Difference]:
        a, b = (
            (story.sent if from_client else story.received).violations for story in self._stories
        )
        if list(a) == list(b):
            return []
        name = "violations_sent" if from_client else "violations"
        first = [next((frame for frame in v.values() if frame), None) for v in (a, b)]
        return [Difference(name, list(a), list(b), *first)]

    def _audio_received(self) -> list[Difference]:
        a, b = (
            story.received.sound.due if story.left else story.received.sound.size
            for story in self._stories
        )
        allowed = 0.0 if self._rules.strict else SAME_AUDIO * max(a, b)
        return [] if abs(a - b) <= allowed else [Difference("audio_received", _bytes(a), _bytes(b))]

    def _transcripts(self) -> list[Difference]:
        heard = self.heard
        if heard is None or heard.rate <= self._rules.max_wer:
            return []
        return [
            Difference(
                "transcript",
                heard.recorded or None,
                heard.replayed or None,
                heard.recorded_frame,
                heard.replayed_frame,
            )
        ]

    # -- what the app sent

    def sent(self) -> _Sent:
        messages = [
            *self._messages_sent(),
            *self._keepalives(),
            *self._violations(from_client=True),
        ]
        audio = self._audio_sent()
        if messages:
            return _Sent("different messages", messages + audio)
        if audio:
            return _Sent("different audio", audio)
        left, right = (story.sent.sound for story in self._stories)
        return _Sent("equal" if left.cuts == right.cuts else "re-chunked", [])

    def _messages_sent(self) -> list[Difference]:
        left, right = self._stories
        a, b = left.sent.sequence, right.sent.sequence
        at = sequence.first_difference(a, b, _due_from_app(left), self._firm)
        if at is None:
            return []
        x, y = (seq.items[at] if at < len(seq.items) else None for seq in (a, b))
        if x is None or y is None or x.kind != y.kind:
            return [_at("messages_sent", a, b, at)]
        return [self._content(x.frame, y.frame)]

    def _content(self, left: int, right: int) -> Difference:
        """Two messages of one kind: what they say is read again, now that it is needed."""
        said = [
            _said(path, frame, story)
            for path, frame, story in zip(self._paths, (left, right), self._stories, strict=True)
        ]
        return Difference("messages_sent", *around_difference(*said), left, right)

    def _keepalives(self) -> list[Difference]:
        """An app that keeps the session open, and one that does not or says something else."""
        left, right = self._stories
        a, b = left.sent.sequence.passing, right.sent.sequence.passing
        lost = next((p for k, p in a.items() if k not in b and _in_time(left, p.t_ns)), None)
        new = next((p for k, p in b.items() if k not in a and _in_time(right, p.t_ns)), None)
        if lost is None and new is None:
            return []
        if lost is not None and new is not None:
            return [self._content(lost.frame, new.frame)]
        return [_counted(lost, new, "messages_sent")]

    @property
    def _on_its_way_ns(self) -> int:
        """How long before the end an app may have sent what the other had no time for."""
        return ON_ITS_WAY_NS + max(story.sent.sound.step_ns for story in self._stories)

    def _firm(self, item: Item) -> bool:
        """Whether the second app sent something so early that the first had time for it."""
        right = self.right.story
        ended = right.received.ended_ns
        return not right.cut_short or ended is None or item.t_ns < ended - self._on_its_way_ns

    def _audio_sent(self) -> list[Difference]:
        left, right = self._stories
        a, b = left.sent.sound, right.sent.sound
        if a.size == b.size and a.content == b.content:
            return []
        found = first_audio_difference(*self._paths, left.api, right.api)
        if found is not None:
            there = f"{b.size} bytes, others from byte {found.offset}{self._second(found.offset)}"
            return [
                Difference(
                    "audio_sent",
                    _bytes(a.size),
                    f"{there} on",
                    found.recorded_frame,
                    found.replayed_frame,
                )
            ]
        due = a.due if left.cut_short else a.size
        ended = right.received.ended_ns
        firm = b.size
        if right.cut_short and ended is not None:
            firm = b.until(ended - self._on_its_way_ns)
        if b.size < due or firm > a.size:
            return [
                Difference("audio_sent", _bytes(due if b.size < due else a.size), _bytes(b.size))
            ]
        return []

    def _second(self, offset: int) -> str:
        form = declared(self.left.session, self.left.story.api)
        if form is None or not form.from_client or not form.bytes_per_second:
            return ""
        return f" ({form.duration(offset):.3f} s)"

    # -- all of it

    def frames(self) -> list[Difference]:
        out = []
        for name, from_client in _FRAMES.items():
            found = first_frame_difference(*self._paths, from_client=from_client)
            if found is not None:
                out.append(
                    Difference(
                        name,
                        found.recorded,
                        found.replayed,
                        found.recorded_frame,
                        found.replayed_frame,
                    )
                )
        return out

    def compared(self, *, client_sent: bool) -> list[str]:
        """Names of what is compared; of what neither session has, nothing is."""
        left, right = self._stories
        names = [
            *(_names(*self._asked()) if client_sent else []),
            *_names(self.left.fields(), self.right.fields()),
            *_RECEIVED,
        ]
        if left.errors or right.errors:
            names.append("error")
        if self.heard is not None:
            names.append("transcript")
        if client_sent:
            names += _SENT
        return names + (list(_FRAMES) if self._rules.strict else [])

    def notes(self) -> list[str]:
        notes = []
        for name, outcome in (("recorded", self.left), ("replayed", self.right)):
            if not outcome.session.complete:
                notes.append(f"the {name} session is not complete: only what is there is compared")
            if outcome.story.transcript.cut:
                notes.append(f"the {name} transcript is compared up to word {MAX_WORDS}")
        return notes


def _names(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*a, *b]))


def _bytes(count: int) -> str:
    return f"{count} bytes"


def _counted(a: Passing | None, b: Passing | None, name: str = "passing") -> Difference:
    left, right = (f"{p.count} x {p.kind}" if p else None for p in (a, b))
    return Difference(name, left, right, a.frame if a else None, b.frame if b else None)


def _at(name: str, a: Sequence, b: Sequence, at: int) -> Difference:
    """Two orders of messages, each shown around the first kind that differs."""
    frames = [seq.items[at].frame if at < len(seq.items) else None for seq in (a, b)]
    return Difference(name, _kinds(a, at), _kinds(b, at), *frames)


def _kinds(told: Sequence, at: int) -> list[str]:
    first = at - _KINDS_SHOWN if at > _KINDS_SHOWN + 1 else 0
    last = at + _KINDS_SHOWN
    kinds = [item.kind for item in told.items[first:last]]
    return [*(["…"] if first else []), *kinds, *(["…"] if last < len(told.items) else [])]


def _due_from_server(story: Story) -> Callable[[Item], bool]:
    """Which messages had to come, or came so early that they do not depend on the moment.

    What came after the app had ended the session was on its way; of results and audio also
    what came just before.
    """
    ended = story.sent.ended_ns
    if not story.left or ended is None:
        return lambda item: True
    return lambda item: item.t_ns < (ended - ON_ITS_WAY_NS if item.run else ended)


def _due_from_app(story: Story) -> Callable[[Item], bool]:
    """Which messages the app had sent when the server ended the session."""
    ended = story.received.ended_ns
    if not story.cut_short or ended is None:
        return lambda item: True
    return lambda item: item.t_ns < ended


def _in_time(story: Story, t_ns: int) -> bool:
    ended = story.received.ended_ns
    return not story.cut_short or ended is None or t_ns < ended - ON_ITS_WAY_NS


def _said(path: str | os.PathLike[str], frame: int, story: Story) -> str:
    """What the app's message that began with a frame says."""
    messages = Messages(story.api)
    with TraceReader(path) as reader:
        number = 0
        for record in reader:
            if not isinstance(record, FrameRecord):
                continue
            number += 1
            part: Part | None = None
            if record.from_client and record.opcode <= Opcode.BINARY:
                part = messages.take(number, record)
            if part is not None and part.frame == frame and part.done:
                return story.said(part)
    return ""
