"""Rules that compare the audio that the app sends with the format that the session declares.

The server's audio is not examined: the app cannot change it. What samples are is measured over all
of the audio, see `signal`. The first bytes tell only what has no samples to measure: a container,
text, or audio whose encoding is not declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from wsproxy.audio.containers import (
    CONTAINERS,
    HEADLESS,
    ContainerHeader,
    container_name,
    read_header,
    wav_content,
)
from wsproxy.audio.encodings import ALAW, COMPANDED, MULAW, SAMPLE_KINDS, bare_name, containers_for
from wsproxy.audio.report import BYTE_ORDER, CLIPPING, AudioFault, AudioReport
from wsproxy.audio.sniff import SNIFFED_BYTES, TEXT_KINDS, sniff
from wsproxy.catalog.envelope import field, json_object
from wsproxy.diagnose.evidence import Evidence, frame_list, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.diagnose.signal_faults import OTHER_SAMPLES, faults_of, found_samples, holds_for_most
from wsproxy.session.audio_track import KEPT_HEAD
from wsproxy.session.declared_audio import DeclaredFormat
from wsproxy.session.format_timeline import MESSAGE, FormatDeclaration
from wsproxy.session.size_histogram import SizeSelection
from wsproxy.wording import plural

CLIPPED = 0.01  # share of samples at full scale above which clipping is audible
_SILENT_SECONDS = 3.0  # of digital silence, from which on it is reported
_SILENT_BYTES = 24_000  # the same, where the duration is unknown
_SILENT_DBFS = -70.0  # highest peak of silence: that of A-law, which has no zero, is -72 dBFS
_ROUNDING_S = 0.05  # at the end of the audio, which is no complete step of the analysis
_OPUS_RATE = 48_000  # Hz at which any Opus stream may be played (RFC 7845, section 5.1)
_ANY_CONTAINER = ("", "auto", "file")


# -- facts


def _sent_format(facts: SessionFacts) -> DeclaredFormat | None:
    """The declared format of what the app sends, if anything was sent."""
    return facts.client_format if facts.client_audio_head else None


def _is_unbroken_start(facts: SessionFacts) -> bool:
    """Whether the session keeps the start of the audio without a gap."""
    session = facts.session
    lost = session.gaps or session.losses
    return not lost and len(facts.client_audio_head) >= min(KEPT_HEAD, facts.audio.size)


def _declarable(facts: SessionFacts) -> bool:
    """Whether this API can declare an encoding, so that none means a container."""
    audio = facts.api.audio if facts.api else None
    if audio is None:
        return False
    return bool(audio.encoding_query) or (bool(audio.encoding_field) and bool(facts.client_json))


def _audio_evidence(facts: SessionFacts, text: str, value: float, unit: str) -> list[Evidence]:
    first = facts.audio.first_content
    if first is None:
        return [Evidence(text, (), None, value, unit)]
    return [Evidence(f"{text} (frame {first.frame})", (first.frame,), first.t_ns, value, unit)]


# -- rules


def format_mismatch(facts: SessionFacts) -> list[Evidence]:
    """The audio is in another format than the declared one, or is not audio."""
    if inside := facts.measured(other_inside_wav):
        return inside
    declared = _sent_format(facts)
    if declared is None:
        return []
    if declared.samples is not None and holds_for_most(facts, OTHER_SAMPLES):
        return _other_samples(facts, declared)
    kind = sniff(facts.client_audio_head)
    if not (_not_audio(facts, kind) if kind in TEXT_KINDS else _contradicts(facts, declared, kind)):
        return []
    what = (
        "the audio's first bytes are"
        if kind not in SAMPLE_KINDS
        else "the audio is, by its statistics,"
    )
    beginning = f" ({quoted(facts.client_audio_head[:40].decode('utf-8', 'replace'))!r})"
    shown = beginning if kind in TEXT_KINDS else ""
    text = f"{what} {kind}{shown}; declared: {quoted(str(declared))}"
    return _audio_evidence(
        facts, text, float(min(len(facts.client_audio_head), SNIFFED_BYTES)), "bytes examined"
    )


def other_inside_wav(facts: SessionFacts) -> list[Evidence]:
    """A WAV header is followed by another container, or by a header that contradicts it.

    A library that writes the header by itself, such as Azure's, does so before a file as well.
    """
    outer, content = facts.audio.header, wav_content(facts.client_audio_head[:SNIFFED_BYTES])
    if outer is None or outer.name != "WAV" or not content:
        return []
    name, inner = container_name(content), read_header(content)
    if name is None or name.endswith(HEADLESS) or inner == outer:
        return []
    found = f"a {name} header of {_described(inner)}" if inner and inner.rate else f"{name} data"
    text = f"after its WAV header of {_described(outer)}, the audio continues with {found}"
    return _audio_evidence(facts, text, float(len(content)), "bytes examined")


def _described(header: ContainerHeader) -> str:
    bits = f", {header.bits} bits" if header.bits else ""
    return f"{header.rate} Hz{bits}, {plural(header.channels, 'channel')}"


def _other_samples(facts: SessionFacts, declared: DeclaredFormat) -> list[Evidence]:
    """Evidence of the samples that most of the audio is."""
    faults = faults_of(facts, OTHER_SAMPLES)
    longest = max(faults, key=lambda fault: fault.where.seconds)
    seconds = sum(fault.where.seconds for fault in faults)
    text = (
        f"the audio is, by its statistics, {found_samples(longest)} in "
        f"{_share_of_all(facts, seconds)}; declared: {quoted(str(declared))}"
    )
    return [_first_place(faults, text, round(seconds, 1), "s")]


def _share_of_all(facts: SessionFacts, seconds: float) -> str:
    return f"{seconds:.1f} s of {facts.signal.duration_s:.1f} s"


def _first_place(faults: Sequence[AudioFault], text: str, value: float, unit: str) -> Evidence:
    where = faults[0].where
    return Evidence(f"{text} (frame {where.frame})", (where.frame,), where.t_ns, value, unit)


def _not_audio(facts: SessionFacts, kind: str) -> bool:
    """Whether text replaces the audio; a control message in a binary frame does not."""
    first = next(iter(facts.session.binaries(from_client=True)), None)
    if kind != "JSON" or first is None:
        return True
    content = json_object(first.data.decode("utf-8", "replace")) or {}
    name = facts.vocabulary.kind
    kind_sent = field(content, name) if name else next(iter(content), None)
    return kind_sent not in facts.vocabulary.client


def _contradicts(facts: SessionFacts, declared: DeclaredFormat, kind: str) -> bool:
    """Whether bytes of this kind contradict the declared format."""
    kind = kind.removesuffix(HEADLESS)
    if bare_name(declared.encoding) in _ANY_CONTAINER:
        return kind in SAMPLE_KINDS and _declarable(facts)
    if declared.samples is not None:
        return kind in CONTAINERS
    if allowed := containers_for(declared.encoding):
        # Packets without a container may look like 8-bit samples.
        samples = SAMPLE_KINDS - {MULAW, ALAW, COMPANDED}
        return kind in (CONTAINERS | samples) - allowed
    return False


def container_header_missing(facts: SessionFacts) -> list[Evidence]:
    """A container is expected, but the stream starts in the middle of one."""
    declared = _sent_format(facts)
    if declared is None or declared.samples is not None or not _is_unbroken_start(facts):
        return []
    kind = sniff(facts.client_audio_head)
    if not kind.endswith(HEADLESS):
        return []
    start = facts.client_audio_head[:8].hex(" ")
    text = (
        f"the audio starts in the middle of {kind.removesuffix(HEADLESS)}, with the bytes {start}"
    )
    return _audio_evidence(
        facts, text, float(min(len(facts.client_audio_head), SNIFFED_BYTES)), "bytes examined"
    )


def odd_bytes(facts: SessionFacts) -> list[Evidence]:
    """Messages end in the middle of a 16-bit sample."""
    declared = _sent_format(facts)
    if declared is None or declared.samples is None or not declared.samples.is_pcm16:
        return []
    kind = sniff(facts.client_audio_head)
    if kind in TEXT_KINDS or kind.removesuffix(HEADLESS) in CONTAINERS:
        return []
    odd = _odd_messages(facts)
    if not odd:
        return []
    text = (
        f"{plural(odd.count, 'message')} of {facts.audio.messages} "
        f"{'has' if odd.count == 1 else 'have'} an odd number of bytes, "
        f"a sample of {bare_name(declared.encoding)} has 2: "
        f"{frame_list(odd.frames, of=odd.count)}"
    )
    return [Evidence(text, odd.frames[:5], odd.places[0].t_ns, float(odd.count), "messages")]


def _odd_messages(facts: SessionFacts) -> SizeSelection:
    """Messages with an odd number of bytes, but for the last message."""
    audio = facts.audio
    odd = audio.sizes.select(lambda size: size % 2 == 1)
    if audio.last_size % 2 == 1 and audio.last is not None:
        odd = odd.without(audio.last.frame)
    return odd


def wrong_endianness(facts: SessionFacts) -> list[Evidence]:
    """16-bit samples are in the opposite byte order to the declared one."""
    declared = _sent_format(facts)
    if declared is None or declared.samples is None or not declared.samples.is_pcm16:
        return []
    # After an odd number of bytes, samples look as if they were swapped.
    if _odd_messages(facts) or not _is_aligned(facts):
        return []
    if not holds_for_most(facts, {BYTE_ORDER}):
        return []
    faults = faults_of(facts, {BYTE_ORDER})
    seconds = sum(fault.where.seconds for fault in faults)
    text = (
        f"{_share_of_all(facts, seconds)} are noise in the declared byte order, and audio with the "
        f"bytes swapped; declared: {quoted(str(declared))}"
    )
    return [_first_place(faults, text, round(seconds, 1), "s")]


def _is_aligned(facts: SessionFacts) -> bool:
    """Whether samples are aligned: no gap, and no message in several frames."""
    return _is_unbroken_start(facts) and not facts.audio.fragmented


def rate_mismatch(facts: SessionFacts) -> list[Evidence]:
    """A header in the stream contradicts the declared rate, channels or encoding."""
    declared = _sent_format(facts)
    header = facts.audio.header if declared and facts.audio.from_client else None
    if declared is None or header is None:
        return []
    # The defaults of an API are for raw audio: they do not apply to a container.
    raw = declared.samples is not None
    rate = declared.rate if raw or "rate" in declared.explicit else 0
    channels = declared.channels if raw or "channels" in declared.explicit else 0
    out = []
    if rate and header.rate and header.rate != rate and not _plays_at(header, rate):
        text = f"the {header.name} header says {header.rate} Hz; declared: {rate} Hz"
        out += _audio_evidence(facts, text, float(header.rate), "Hz")
    if channels and header.channels and header.channels != channels:
        in_header, expected = plural(header.channels, "channel"), plural(channels, "channel")
        text = f"the {header.name} header says {in_header}; declared: {expected}"
        out += _audio_evidence(facts, text, float(header.channels), "channels")
    wav_name = declared.samples.wav_name if declared.samples else ""
    if wav_name and header.encoding and header.encoding != wav_name:
        name = bare_name(declared.encoding)
        text = f"the {header.name} header says {header.encoding}; declared: {name}"
        out += _audio_evidence(facts, text, float(header.bits), "bits a sample")
    return out


def _plays_at(header: ContainerHeader, rate: int) -> bool:
    """Whether the rate in the header is only that of the source, before it was encoded."""
    return header.name == "Ogg/Opus" and rate == _OPUS_RATE


def declared_late(facts: SessionFacts) -> list[Evidence]:
    """The session declares another format of the audio than before, after the audio had begun."""
    first, audio = facts.audio.first, facts.audio
    if first is None or not audio.from_client or facts.api is None:
        return []
    for before, after in pairwise(facts.timeline.declarations):
        if after.source != MESSAGE or after.t_ns <= first.t_ns or _is_alike(before, after):
            continue
        old, new = (f"{quoted(d.format.encoding)} at {d.format.rate} Hz" for d in (before, after))
        count = audio.cursor.count_at(after.t_ns)
        text = f"{plural(count, 'audio message')} had been sent as {old} when frame {after.frame} "
        text += f"declared {new}"
        return [Evidence(text, (after.frame,), after.t_ns, float(count), "messages")]
    return []


def _is_alike(one: FormatDeclaration, other: FormatDeclaration) -> bool:
    """Whether two declarations are of the same samples, under any name."""
    a, b = one.format, other.format
    return a.samples is None or (a.samples, a.rate, a.channels) == (b.samples, b.rate, b.channels)


def all_zero_audio(facts: SessionFacts) -> list[Evidence]:
    """All of the audio is digital silence, and the server recognized no words."""
    declared = _sent_format(facts)
    if not facts.audio or not facts.audio.from_client or _has_transcript(facts):
        return []
    stated = f"; declared: {quoted(str(declared))}" if declared else ""
    report = facts.signal
    if not report.duration_s:
        return _zero_bytes(facts, stated)
    if report.size < facts.audio.size or report.duration_s < _SILENT_SECONDS:
        return []
    # Zero bytes are meant as silence also where they stand for another sample, as in mu-law.
    quiet = report.peak_dbfs is None or report.peak_dbfs <= _SILENT_DBFS
    if not _is_constant(report) or not (quiet or not facts.client_audio_head.strip(b"\0")):
        return []
    seconds = f"{report.duration_s:.1f} s"
    text = f"{seconds} of {seconds} of audio are digital silence{stated}"
    return _audio_evidence(facts, text, round(report.duration_s, 1), "s")


def _is_constant(report: AudioReport) -> bool:
    """Whether all samples are the same."""
    return report.silence.seconds >= report.duration_s - _ROUNDING_S


def _zero_bytes(facts: SessionFacts, stated: str) -> list[Evidence]:
    """Bytes without a known encoding are all zero."""
    size, head = facts.audio.size, facts.client_audio_head
    kept = [head, *(b.data for b in facts.session.binaries(from_client=True))]
    if size < _SILENT_BYTES or any(data.strip(b"\0") for data in kept):
        return []
    text = (
        f"the first {len(head)} of {size} bytes of audio, and all that was recorded of its end, "
        f"are zero{stated}"
    )
    return _audio_evidence(facts, text, float(len(head)), "bytes")


def _has_transcript(facts: SessionFacts) -> bool:
    """Whether the server recognized words in the audio."""
    paths = facts.api.transcripts if facts.api else ()
    texts = (field(message.content, path) for message in facts.server_json for path in paths)
    return any(isinstance(text, str) and text.strip() for text in texts)


def clipping(facts: SessionFacts) -> list[Evidence]:
    """Consecutive samples are at full scale: the source is louder than samples can express."""
    report = facts.signal
    # The peaks of decoded audio are not those of its source: only stretches are judged there.
    if not facts.audio.from_client or report.container not in ("", "WAV"):
        return []
    if report.clipped_share <= CLIPPED:
        return []
    # A constant is silence, and what is not what was declared is not clipped.
    if _is_constant(report) or facts.measured(format_mismatch):
        return []
    percent = 100 * report.clipped_share
    text = f"{percent:.1f} % of the samples in {report.duration_s:.1f} s of audio are at full scale"
    if faults := faults_of(facts, {CLIPPING}):
        return [_first_place(faults, text, round(percent, 2), "%")]
    return _audio_evidence(facts, text, round(percent, 2), "%")


def empty_audio_message(facts: SessionFacts) -> list[Evidence]:
    """The app sent empty binary messages before its end message."""
    # If the API has no end message, an empty one may be it.
    if facts.client_format is None or not facts.vocabulary.end:
        return []
    audio, ended = facts.audio, _end_marker(facts)
    empty, messages = audio.sizes.select(lambda size: not size), audio.messages
    if ended is not None:
        empty = empty.before(ended)
        messages = audio.cursor.count_at((facts.session.time_of(ended) or 0) - 1)
    elif empty.count == 1 and not audio.last_size:
        return []  # the last one may be an end message
    if not empty:
        return []
    verb = "is" if empty.count == 1 else "are"
    text = f"{empty.count} of {plural(messages, 'binary message')} {verb} empty"
    return [
        Evidence(
            f"{text}: {frame_list(empty.frames, of=empty.count)}",
            empty.frames[:5],
            empty.places[0].t_ns,
            float(empty.count),
            "messages",
        )
    ]


def _end_marker(facts: SessionFacts) -> int | None:
    """The frame of the app's end message."""
    ends = facts.vocabulary.end
    frames = [message.frame for message in facts.client_json if message.kind in ends]
    frames += [m.frame for m in facts.session.messages(from_client=True) if m.text.strip() in ends]
    return min(frames, default=None)


RULES: tuple[Measure, ...] = (
    format_mismatch,
    container_header_missing,
    wrong_endianness,
    rate_mismatch,
    odd_bytes,
    empty_audio_message,
    declared_late,
    all_zero_audio,
    clipping,
)
