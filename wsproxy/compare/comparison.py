"""Whether two sessions are the same, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.catalog import load

from . import received, sent
from .difference import STANDARD, Difference, Tolerances, names
from .frames import first_frame_difference
from .latency import latency
from .outcome import Outcome
from .received import compare_received, same_cuts
from .request import asked
from .sent import compare_sent
from .session_pair import SessionPair
from .transcript import MAX_COUNTED, MAX_WORDS, Distance, distance
from .volatile_values import Normalizer, first_difference, stable_value

_NEVER_COMPARED = (
    "headers of the request and of its answer, but for those that are named",
    "pings and pongs",
    "times, and how long what took",
)
_FRAMES = {"frame_sent": True, "frame_received": False}


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
        not_compared: what is in the sessions and was not, a text each.
        tolerance: the tolerances that were given, by name: "wer", "audio".
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
    not_compared: list[str] = field(default_factory=list)
    tolerance: Mapping[str, float] = field(default_factory=dict)
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
            "not_compared": self.not_compared,
            "tolerance": dict(self.tolerance),
            "notes": self.notes,
        }


def compare(
    recorded: Path,
    replayed: Path,
    *,
    rules: Tolerances = STANDARD,
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
    pair = SessionPair.read(recorded, replayed, rules, load())
    left, right = pair.stories
    heard = distance(left.transcript, right.transcript)
    differences = _endings(pair) + compare_received(pair, heard)
    word = ""
    if client_sent:
        found = compare_sent(pair)
        word = found.word
        differences = _requests(pair) + differences + found.differences
    if rules.strict:
        differences += _frames(pair)
    varies = rules.varying.fields
    differences = [each for each in differences if each.field not in varies]
    compared = _compared(pair, heard, client_sent=client_sent)
    return Comparison(
        _verdict(pair.left, pair.right, differences),
        pair.left.as_json(),
        pair.right.as_json(),
        differences,
        word,
        round(heard.rate, 4) if heard else None,
        latency(left, right),
        [name for name in compared if name not in varies],
        [] if rules.strict else _not_compared(pair, heard, client_sent=client_sent),
        rules.tolerance,
        _notes(pair, heard),
    )


def _verdict(left: Outcome, right: Outcome, differences: list[Difference]) -> str:
    if not differences:
        return "reproduced"
    if right.ending == "open" and left.ending != "open":
        return "not-reproduced"
    if left.failed and not right.failed:
        return "not-reproduced"
    return "different"


def _asked(pair: SessionPair) -> tuple[dict[str, Any], dict[str, Any]]:
    return asked(pair.left.session, pair.catalog), asked(pair.right.session, pair.catalog)


def _requests(pair: SessionPair) -> list[Difference]:
    a, b = _asked(pair)
    return [Difference(n, a.get(n), b.get(n)) for n in names(a, b) if a.get(n) != b.get(n)]


def _endings(pair: SessionPair) -> list[Difference]:
    recorded, replayed = pair.left.fields(), pair.right.fields()
    closes = [outcome.session.close for outcome in (pair.left, pair.right)]
    first, other = (close.frame if close else None for close in closes)
    out = []
    for name in names(recorded, replayed):
        a, b = recorded.get(name), replayed.get(name)
        same = a == b if pair.rules.strict else stable_value(a) == stable_value(b)
        if not same:
            of_close = name in ("close_code", "close_reason")
            frames = (first, other) if of_close else (None, None)
            out.append(Difference(name, a, b, *frames, _place(a, b)))
    return out


def _place(a: Any, b: Any) -> str | None:
    """Where two JSON values differ."""
    found = first_difference(stable_value(a), stable_value(b))
    return (found[0] or None) if found is not None else None


def _frames(pair: SessionPair) -> list[Difference]:
    out = []
    for name, from_client in _FRAMES.items():
        found = first_frame_difference(*pair.paths, from_client=from_client)
        if found is not None:
            frames = (found.recorded_frame, found.replayed_frame)
            out.append(Difference(name, found.recorded, found.replayed, *frames))
    return out


def _compared(pair: SessionPair, heard: Distance | None, *, client_sent: bool) -> list[str]:
    """Names of what is compared; of what neither session has, nothing is."""
    compared = names(*_asked(pair)) if client_sent else []
    compared += names(pair.left.fields(), pair.right.fields())
    compared += received.FIELDS
    if heard is not None and heard.equal and same_cuts(*pair.stories):
        compared.append("results")
    if any(story.errors for story in pair.stories):
        compared.append("error")
    if heard is not None:
        compared.append("transcript")
    if client_sent:
        compared += sent.FIELDS
    if pair.rules.strict:
        compared += _FRAMES
    return compared


def _not_compared(pair: SessionPair, heard: Distance | None, *, client_sent: bool) -> list[str]:
    """What is in these two sessions, and does not turn the verdict."""
    left, right = pair.stories
    found = list(_NEVER_COMPARED)
    found += pair.rules.varying.listed()
    recorded, replayed = pair.left.fields(), pair.right.fields()
    found += [
        f"{name}: ids, times and figures in it"
        for name in names(recorded, replayed)
        if recorded.get(name) != replayed.get(name)
        and stable_value(recorded.get(name)) == stable_value(replayed.get(name))
    ]
    if heard is not None and not same_cuts(left, right):
        found.append("results: how they are cut, and what is in them besides the words")
    if pair.rules.audio_tolerance is not None and (left.received.sound.size or 0):
        found.append("audio_received: what is in it")
    if not client_sent:
        found.append("what was sent: it is the replay's own")
    else:
        asking = Normalizer()
        for outcome in (pair.left, pair.right):
            asked(outcome.session, pair.catalog, asking)
        found += [f"{path}: {why}" for path, why in asking.left_out.items()]
    places = {**left.left_out, **right.left_out}
    return [*found, *(f"{place}: {why}" for place, why in places.items())]


def _notes(pair: SessionPair, heard: Distance | None) -> list[str]:
    notes = []
    for name, outcome in (("recorded", pair.left), ("replayed", pair.right)):
        if not outcome.session.complete:
            notes.append(f"the {name} session is not complete: only what is there is compared")
        if outcome.story.transcript.cut:
            notes.append(
                f"of the {name} transcript, what follows word {MAX_WORDS} is compared as one"
            )
        if outcome.story.cut:
            notes.append(
                f"{outcome.story.cut} bytes of the {name} session's messages are not in its trace, "
                "and not compared"
            )
    if heard is not None and heard.bounded:
        notes.append(
            f"over {MAX_COUNTED} words may differ: those that were not counted are taken to be "
            "wrong, and the word error rate is at most what is given"
        )
    return notes
