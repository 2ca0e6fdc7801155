"""Compare two sessions and state the differences."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.catalog import load

from . import received, sent
from .compared_outcome import ComparedOutcome
from .difference import STANDARD, Difference, Tolerances, merged_keys
from .frames import first_frame_difference
from .latency import compare_latency
from .received import compare_received, same_segmentation
from .request import request_fields
from .sent import compare_sent
from .session_pair import SessionPair
from .transcript import MAX_COUNTED, MAX_WORDS, TranscriptDistance, compare_transcripts
from .volatile_values import Normalizer, first_difference, mask_volatile_value

_NEVER_COMPARED = (
    "headers of the request and of the response, except the named ones",
    "pings and pongs",
    "times and durations",
)
_FRAMES = {"frame_sent": True, "frame_received": False}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison of two sessions.

    Attributes:
        verdict: "reproduced", "different" or "not-reproduced".
        recorded, replayed: the outcome of each session, for JSON.
        sent: how the clients' messages compare: "equal", "re-chunked", "different audio",
            "different messages"; "" where they are not compared.
        wer: word errors per word of the recorded transcript; None if neither has words.
        latency: by name, "recorded", "replayed" and "delta" in ms.
        compared: names of all compared fields.
        not_compared: what the sessions hold that was not compared, one text each.
        tolerance: the tolerances that were set: "wer", "audio".
        notes: what qualifies the verdict.
    """

    verdict: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]
    differences: list[Difference]
    sent: str = ""
    wer: float | None = None
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    tolerance: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether the verdict is "reproduced"."""
        return self.verdict == "reproduced"

    @property
    def equal(self) -> list[str]:
        """Names of the compared fields that are equal."""
        different = {difference.field for difference in self.differences}
        return [name for name in self.compared if name not in different]

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
        client_sent: whether to compare the client's request and messages; False where wsproxy
            itself sent them.

    Raises:
        TraceError: a trace cannot be read.
        CatalogError: a catalog file is invalid.
    """
    pair = SessionPair.read(recorded, replayed, rules, load())
    left, right = pair.digests
    distance = compare_transcripts(left.transcript, right.transcript)
    differences = _endings(pair) + compare_received(pair, distance)
    sent_summary = ""
    if client_sent:
        found = compare_sent(pair)
        sent_summary = found.summary
        differences = _requests(pair) + differences + found.differences
    if rules.strict:
        differences += _frames(pair)
    variable_fields = rules.variation.fields
    differences = [each for each in differences if each.field not in variable_fields]
    compared = _compared(pair, distance, client_sent=client_sent)
    return Comparison(
        _verdict(pair.left, pair.right, differences),
        pair.left.as_json(),
        pair.right.as_json(),
        differences,
        sent_summary,
        round(distance.rate, 4) if distance else None,
        compare_latency(left, right),
        [name for name in compared if name not in variable_fields],
        [] if rules.strict else _not_compared(pair, distance, client_sent=client_sent),
        rules.tolerance,
        _notes(pair, distance),
    )


def compare_endings(recorded: Path, replayed: Path) -> Comparison:
    """Compare only how two sessions ended: for traces that hold too much to compare.

    Raises:
        TraceError: a trace cannot be read.
        CatalogError: a catalog file is invalid.
    """
    pair = SessionPair.read_endings(recorded, replayed, load())
    differences = _endings(pair)
    return Comparison(
        _verdict(pair.left, pair.right, differences),
        pair.left.as_json(),
        pair.right.as_json(),
        differences,
        compared=merged_keys(pair.left.fields(), pair.right.fields()),
        not_compared=[*_NEVER_COMPARED, "messages, audio and transcripts"],
    )


def _verdict(left: ComparedOutcome, right: ComparedOutcome, differences: list[Difference]) -> str:
    if not differences:
        return "reproduced"
    if right.ending == "open" and left.ending != "open":
        return "not-reproduced"
    if left.failed and not right.failed:
        return "not-reproduced"
    return "different"


def _request_fields(pair: SessionPair) -> tuple[dict[str, Any], dict[str, Any]]:
    left, right = pair.left.session, pair.right.session
    return request_fields(left, pair.catalog), request_fields(right, pair.catalog)


def _requests(pair: SessionPair) -> list[Difference]:
    a, b = _request_fields(pair)
    return [Difference(n, a.get(n), b.get(n)) for n in merged_keys(a, b) if a.get(n) != b.get(n)]


def _endings(pair: SessionPair) -> list[Difference]:
    recorded, replayed = pair.left.fields(), pair.right.fields()
    closes = [outcome.session.close for outcome in (pair.left, pair.right)]
    first, other = (close.frame if close else None for close in closes)
    out = []
    for name in merged_keys(recorded, replayed):
        a, b = recorded.get(name), replayed.get(name)
        same = a == b if pair.rules.strict else mask_volatile_value(a) == mask_volatile_value(b)
        if not same:
            is_close_field = name in ("close_code", "close_reason")
            frames = (first, other) if is_close_field else (None, None)
            out.append(Difference(name, a, b, *frames, _differing_path(a, b)))
    return out


def _differing_path(a: Any, b: Any) -> str | None:
    """The path at which two JSON values differ; None if they are equal or are not nested."""
    found = first_difference(mask_volatile_value(a), mask_volatile_value(b))
    return (found[0] or None) if found is not None else None


def _frames(pair: SessionPair) -> list[Difference]:
    out = []
    for name, from_client in _FRAMES.items():
        found = first_frame_difference(*pair.paths, from_client=from_client)
        if found is not None:
            frames = (found.recorded_frame, found.replayed_frame)
            out.append(Difference(name, found.recorded, found.replayed, *frames))
    return out


def _compared(
    pair: SessionPair, distance: TranscriptDistance | None, *, client_sent: bool
) -> list[str]:
    """Names of the compared fields; a field that neither session has is not listed."""
    compared = merged_keys(*_request_fields(pair)) if client_sent else []
    compared += merged_keys(pair.left.fields(), pair.right.fields())
    compared += received.FIELDS
    if distance is not None and distance.equal and same_segmentation(*pair.digests):
        compared.append("results")
    if any(digest.errors for digest in pair.digests):
        compared.append("error")
    if distance is not None:
        compared.append("transcript")
    if client_sent:
        compared += sent.FIELDS
    if pair.rules.strict:
        compared += _FRAMES
    return compared


def _not_compared(
    pair: SessionPair, distance: TranscriptDistance | None, *, client_sent: bool
) -> list[str]:
    """What these two sessions hold that has no influence on the verdict."""
    left, right = pair.digests
    found = list(_NEVER_COMPARED)
    found += pair.rules.variation.descriptions()
    recorded, replayed = pair.left.fields(), pair.right.fields()
    found += [
        f"{name}: ids, times and figures in it"
        for name in merged_keys(recorded, replayed)
        if recorded.get(name) != replayed.get(name)
        and mask_volatile_value(recorded.get(name)) == mask_volatile_value(replayed.get(name))
    ]
    if distance is not None and not same_segmentation(left, right):
        found.append("results: their division into messages, and values besides the words")
    if pair.rules.audio_tolerance is not None and (left.received.audio.size or 0):
        found.append("audio_received: its content")
    if not client_sent:
        found.append("what was sent: the replay sent it")
    else:
        normalizer = Normalizer()
        for outcome in (pair.left, pair.right):
            request_fields(outcome.session, pair.catalog, normalizer)
        found += [f"{path}: {reason}" for path, reason in normalizer.not_compared.items()]
    not_compared = {**left.not_compared, **right.not_compared}
    return [*found, *(f"{path}: {reason}" for path, reason in not_compared.items())]


def _notes(pair: SessionPair, distance: TranscriptDistance | None) -> list[str]:
    notes = []
    for name, outcome in (("recorded", pair.left), ("replayed", pair.right)):
        if not outcome.session.complete:
            notes.append(f"the {name} session is not complete: only the recorded part is compared")
        if outcome.digest.transcript.truncated:
            notes.append(f"the {name} transcript is compared as one text after word {MAX_WORDS}")
        if outcome.digest.truncated_bytes:
            notes.append(
                f"{outcome.digest.truncated_bytes} bytes of the {name} session's messages are "
                "missing from its trace and were not compared"
            )
    if distance is not None and distance.bounded:
        notes.append(
            f"more than {MAX_COUNTED} words differ: the others count as errors, and the word error "
            "rate is at most this value"
        )
    return notes
