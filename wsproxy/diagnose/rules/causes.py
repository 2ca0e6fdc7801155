"""What is no fault by itself, but the likely cause of one that happened.

No condition of `catalog/traffic.toml` names these: the causes of conditions do (`when`), and
come first where the session shows them.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from statistics import median

from wsproxy.audio.containers import container_name
from wsproxy.audio.encodings import SAMPLE_KINDS
from wsproxy.audio.sniff import TEXT_KINDS, sniff
from wsproxy.diagnose.evidence import Evidence, plural, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts

_STOPPED = 1.0  # seconds without audio at the end, at the least
_TIMES = 5  # the usual distance of two audio messages, from which on it has stopped


def no_audio(case: SessionFacts) -> list[Evidence]:
    """The app sent no audio at all."""
    form = case.format
    if form is None or not form.from_client or not case.session.accepted or case.audio:
        return []
    return [Evidence("the app sent no audio at all", (), case.ended_ns, 0.0, "messages")]


def only_keepalives(case: SessionFacts) -> list[Evidence]:
    """The app kept the session open and sent no audio."""
    names = case.vocabulary.keepalive
    kept = [said for said in case.client_json if said.kind in names]
    if not kept or not no_audio(case):
        return []
    text = f"the app sent {plural(len(kept), 'keepalive')} and no audio"
    return [Evidence(text, (kept[0].frame,), kept[0].t_ns, float(len(kept)), "messages")]


def audio_stopped(case: SessionFacts) -> list[Evidence]:
    """The audio came steadily, and then no more."""
    form, audio = case.format, case.audio.until(case.ended_ns)
    if form is None or not form.from_client or len(audio) < 3:
        return []
    gaps = array("q", (b - a for a, b in pairwise(audio.times_ns)))
    usual, since = median(gaps), case.ended_ns - audio.times_ns[-1]
    if seconds(since) < _STOPPED or since < _TIMES * usual:
        return []
    number = audio.numbers[-1]
    text = (
        f"audio came every {usual / 1e6:.0f} ms until frame {number}, "
        f"{seconds(since):.1f} s before the end"
    )
    return [Evidence(text, (number,), audio.times_ns[-1], seconds(since), "s")]


def raw_undeclared(case: SessionFacts) -> list[Evidence]:
    """The bytes are in no container, and no encoding is declared."""
    form, head = case.format, _head(case)
    if form is None or form.encoding or not head:
        return []
    kind = sniff(head)
    if kind not in SAMPLE_KINDS:
        return []
    return [_first(case, f"the audio is {kind} in no container, and no encoding is declared")]


def text_for_audio(case: SessionFacts) -> list[Evidence]:
    """What was sent as audio is text of some kind."""
    head = _head(case)
    if not head or (kind := sniff(head)) not in TEXT_KINDS:
        return []
    shown = quoted(head[:40].decode("latin-1"), 40)
    return [_first(case, f"what was sent as audio is {kind}: {shown}")]


def container_and_encoding(case: SessionFacts) -> list[Evidence]:
    """A container is sent, and raw samples are declared."""
    form, head = case.format, _head(case)
    if form is None or not form.bytes_per_second or not head:
        return []
    kind = container_name(head)
    if kind is None:
        return []
    return [_first(case, f"the audio begins as {kind}, and {form} is declared")]


def small_chunks(case: SessionFacts) -> list[Evidence]:
    """Most audio messages are shorter than the API allows."""
    limits, form, audio = case.limits, case.format, case.audio
    if form is None or not form.bytes_per_second or len(audio) < 2:
        return []
    middle = form.duration(int(median(audio.lengths)))
    if not middle < limits.shortest_chunk:
        return []
    text = f"half of the {len(audio)} audio messages last {middle * 1000:.0f} ms or less"
    return [Evidence(text, tuple(audio.numbers[:1]), audio.times_ns[0], middle * 1000, "ms")]


def large_chunks(case: SessionFacts) -> list[Evidence]:
    """There are audio messages longer than the API allows."""
    limits, form, audio = case.limits, case.format, case.audio
    if form is None or not form.bytes_per_second or not audio:
        return []
    longest = max(audio.lengths)
    if not limits.longest_chunk or form.duration(longest) <= limits.longest_chunk:
        return []
    at = audio.lengths.index(longest)
    number, milliseconds = audio.numbers[at], form.duration(longest) * 1000
    text = f"frame {number} holds {milliseconds:.0f} ms of audio"
    return [Evidence(text, (number,), audio.times_ns[at], milliseconds, "ms")]


def short_rest(case: SessionFacts) -> list[Evidence]:
    """Only the last audio message is shorter than the API allows."""
    limits, form, audio = case.limits, case.format, case.audio
    if form is None or not form.bytes_per_second or len(audio) < 2:
        return []
    least = limits.shortest_chunk * form.bytes_per_second
    if audio.lengths[-1] >= least or any(length < least for length in audio.lengths[:-1]):
        return []
    milliseconds = form.duration(audio.lengths[-1]) * 1000
    text = f"the last audio message (frame {audio.numbers[-1]}) lasts {milliseconds:.0f} ms"
    number, t_ns = audio.numbers[-1], audio.times_ns[-1]
    return [Evidence(text, (number,), t_ns, milliseconds, "ms")]


def written_by_hand(case: SessionFacts) -> list[Evidence]:
    """The last text looks like a programming language's own form of an object."""
    for message in case.session.messages(from_client=True)[-1:]:
        if message.text.lstrip().startswith(("{'", "[object ")):
            text = f"frame {message.frame} is no JSON but an object printed: "
            text += quoted(message.text, 60)
            length = float(len(message.text))
            return [Evidence(text, (message.frame,), message.t_ns, length, "characters")]
    return []


def _head(case: SessionFacts) -> bytes:
    form = case.format
    return case.session.sent.head if form is not None and form.from_client else b""


def _first(case: SessionFacts, text: str) -> Evidence:
    """About the first audio message."""
    numbers = tuple(case.audio.numbers[:1])
    t_ns = case.audio.times_ns[0] if case.audio else None
    return Evidence(text, numbers, t_ns, float(len(_head(case))), "bytes looked at")


RULES: tuple[Measure, ...] = (
    no_audio,
    only_keepalives,
    audio_stopped,
    raw_undeclared,
    text_for_audio,
    container_and_encoding,
    small_chunks,
    large_chunks,
    short_rest,
    written_by_hand,
)
