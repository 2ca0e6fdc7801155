"""Audio that is sent more than once: the same bytes in several messages.

Speech and noise never repeat exactly. Tones do, so audio that repeats within a message is left
out, and so is constant audio, such as silence.
"""

from __future__ import annotations

from itertools import groupby, pairwise

from wsproxy.audio.containers import CONTAINERS
from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session.audio_track import AudioTrack

_MIN_BYTES = 256  # of a message that is compared
_PROBE = 64  # bytes that are looked for in the message before
_TRIES = 64  # places at which the probe is found, and the rest differs
_VALUES = 16  # different bytes that a message with audio has, unless it is constant
_NEARLY = 8  # bytes by which lengths differ where new bytes equal the old ones by chance
_MIN_PAIRS = 3  # pairs of messages that repeat
_TWICE = 0.4  # of all pairs repeat where each message is sent twice
_MOST_TIMES = 3  # that audio of one message comes in a row; a stored sound may come more often
_MOST = 0.9  # of all pairs repeat where the messages overlap


def repeated_audio(facts: SessionFacts) -> list[Evidence]:
    """Messages of the app contain audio of the message before, in their first 64 KiB."""
    return _repeats(facts.audio) if facts.audio.from_client else []


def received_twice(facts: SessionFacts) -> list[Evidence]:
    """Messages of the server contain audio of the message before, and it plays no stored sound."""
    found = (_repeats(track, _MOST_TIMES) for track in facts.tracks(from_client=False)[:1])
    return [evidence for each in found for evidence in each]


def _repeats(audio: AudioTrack, most_times: int | None = None) -> list[Evidence]:
    """Compare the first messages of a track.

    Args:
        audio: the track.
        most_times: how often a message comes in a row at most; None: any number of times.
    """
    if not audio or audio.kind in CONTAINERS or audio.first is None:
        return []
    size = round(audio.sizes.median)
    if size < _MIN_BYTES or audio.sizes.longest != size:
        return []
    head = audio.head
    chunks = [head[at : at + size] for at in range(0, len(head) - size + 1, size)]
    pairs = [pair for pair in pairwise(chunks) if _is_varied(pair[0]) and _is_varied(pair[1])]
    if all(one == other for one, other in pairs):
        return []  # a test that sends one message again and again
    if most_times and any(len(list(same)) > most_times for _, same in groupby(chunks)):
        return []
    for repeats, least, what in (
        (_same, _TWICE, "the same {size} bytes of audio are sent twice"),
        (_unchanged, _MOST, "each message repeats {count} of the {size} bytes before it, in place"),
        (_overlap, _MOST, "each message begins with the last {count} of {size} bytes before it"),
    ):
        counts = [count for one, other in pairs if (count := repeats(one, other))]
        usual = max(set(counts), key=counts.count, default=0)
        # Pieces of one stored noise overlap, too, each pair of them by another length.
        found = [count for count in counts if abs(count - usual) <= _NEARLY]
        if len(found) < _MIN_PAIRS or len(found) < least * len(pairs):
            continue
        text = f"{what.format(count=usual, size=size)} "
        text += f"({len(found)} of {len(pairs)} messages, from frame {audio.first.frame} on)"
        numbers = tuple(place.frame for place in audio.first_places[:5])
        return [Evidence(text, numbers, audio.first.t_ns, float(len(found)), "messages")]
    return []


def _is_varied(chunk: bytes) -> bool:
    """Whether it is neither constant nor periodic, as silence and tones are."""
    period = chunk.find(chunk[:_PROBE], 1)
    is_periodic = period > 0 and chunk[period:] == chunk[:-period]
    return len(set(chunk)) > _VALUES and not is_periodic


def _same(one: bytes, other: bytes) -> int:
    return len(other) if one == other else 0


def _overlap(one: bytes, other: bytes) -> int:
    """How many bytes at the start of a message are the end of the message before."""
    at = 0
    for _ in range(_TRIES):
        at = one.find(other[:_PROBE], at + 1)
        if at < 0:
            return 0
        if other.startswith(one[at:]):
            return len(one) - at
    return 0


def _unchanged(one: bytes, other: bytes) -> int:
    """How many bytes are the same in place, where only one part of the message is new."""
    differences = (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))
    new = len(differences.strip(b"\0"))  # from the first changed byte to the last
    return len(one) - new if 0 < new <= len(one) // 2 else 0
