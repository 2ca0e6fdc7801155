"""Rules that compare the audio that the app sends with the format that the session declares.

The server's audio is not examined: the app cannot change it. All rules but `empty_audio_message`
and `odd_bytes` examine only the start of the audio, which is what a `Session` keeps.
"""

from __future__ import annotations

from wsproxy.audio.containers import CONTAINERS, HEADLESS, ContainerHeader, read_header
from wsproxy.audio.encodings import (
    ALAW,
    COMPANDED,
    MULAW,
    PCM16,
    PCM16_BE,
    SAMPLE_KINDS,
    bare_name,
    containers_for,
)
from wsproxy.audio.sample_statistics import full_scale_marks, median_level, run_lengths
from wsproxy.audio.sniff import SNIFFED_BYTES, TEXT_KINDS, sniff
from wsproxy.catalog.envelope import field, json_object
from wsproxy.diagnose.evidence import Evidence, frame_list, plural, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_track import KEPT_HEAD
from wsproxy.session.declared_audio import DeclaredFormat
from wsproxy.session.size_histogram import SizeSelection

CLIPPED = 0.01  # share of samples at full scale above which clipping is audible
_MIN_RUN = 3  # consecutive samples at full scale; a single one may be a peak
_SILENT_SECONDS = 3.0  # of digital silence, from which on it is reported
_SILENT_BYTES = 24_000  # the same, where the duration is unknown
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
    """The bytes are in another format than the declared one, or are not audio."""
    declared = _sent_format(facts)
    if declared is None:
        return []
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
        return kind in (SAMPLE_KINDS | CONTAINERS) - declared.samples.accepted_kinds
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
    if sniff(facts.client_audio_head) not in {PCM16, PCM16_BE} - {declared.samples.kind}:
        return []
    # After an odd number of bytes, samples look as if they were swapped.
    if _odd_messages(facts) or not _is_aligned(facts):
        return []
    start, big_endian = facts.client_audio_head[:SNIFFED_BYTES], declared.samples.kind == PCM16_BE
    level = median_level(start, big_endian=big_endian)
    swapped = median_level(start, big_endian=not big_endian)
    text = (
        f"the median magnitude is {level} of 32768 in the declared byte order, "
        f"and {swapped} with the bytes swapped"
    )
    return _audio_evidence(facts, text, float(level), "of 32768")


def _is_aligned(facts: SessionFacts) -> bool:
    """Whether samples are aligned: no gap, and no message in several frames."""
    return _is_unbroken_start(facts) and not facts.audio.fragmented


def rate_mismatch(facts: SessionFacts) -> list[Evidence]:
    """A header in the stream contradicts the declared rate, channels or encoding."""
    declared = _sent_format(facts)
    header = read_header(facts.client_audio_head) if declared else None
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


def all_zero_audio(facts: SessionFacts) -> list[Evidence]:
    """All recorded audio is digital silence, and the server recognized no words."""
    declared = _sent_format(facts)
    if not facts.audio.from_client or _has_transcript(facts):
        return []
    if declared is None:
        return _silent_samples(facts)
    if not _is_long(declared, facts.audio.size):
        return []
    kept = [facts.client_audio_head, *(b.data for b in facts.session.binaries(from_client=True))]
    law = declared.samples.law if declared.samples else None
    for name, values in (("zero", b"\0"), ("silence", law.silence if law else b"")):
        if values and not any(data.strip(values) for data in kept):
            size = len(facts.client_audio_head)
            text = (
                f"the first {size} of {facts.audio.size} bytes of audio, and all that was recorded "
                f"of its end, are {name}; declared: {quoted(str(declared))}"
            )
            return _audio_evidence(facts, text, float(size), "bytes")
    return _silent_samples(facts)


def _silent_samples(facts: SessionFacts) -> list[Evidence]:
    """All samples are the same: those after a header, and out of any carrier."""
    seconds = facts.signal.duration_s
    if facts.signal.peak_dbfs is not None or seconds < _SILENT_SECONDS:
        return []
    text = f"all {seconds:.1f} s of audio are digital silence"
    return _audio_evidence(facts, text, round(seconds, 1), "s")


def _is_long(declared: DeclaredFormat, size: int) -> bool:
    """Whether the silence is longer than one that bridges a pause."""
    if declared.bytes_per_second:
        return declared.duration(size) >= _SILENT_SECONDS
    return size >= _SILENT_BYTES


def _has_transcript(facts: SessionFacts) -> bool:
    """Whether the server recognized words in the audio."""
    paths = facts.api.transcripts if facts.api else ()
    texts = (field(message.content, path) for message in facts.server_json for path in paths)
    return any(isinstance(text, str) and text.strip() for text in texts)


def clipping(facts: SessionFacts) -> list[Evidence]:
    """Consecutive samples are at full scale: the source is louder than samples can express."""
    declared = _sent_format(facts)
    if declared is None or declared.samples is None:
        return []
    if sniff(facts.client_audio_head) not in declared.samples.accepted_kinds:
        return []
    marks = full_scale_marks(facts.client_audio_head, declared.samples)
    if len(marks) - marks.count(0) <= CLIPPED * len(marks):
        return []
    runs = [
        length
        for channel in range(declared.channels)
        for length in run_lengths(marks[channel :: declared.channels])
        if length >= _MIN_RUN
    ]
    share = sum(runs) / len(marks)
    if share <= CLIPPED:
        return []
    text = (
        f"{100 * share:.1f} % of the first {len(marks)} samples are at full scale, in "
        f"{plural(len(runs), 'run')} of at least {_MIN_RUN}, the longest of {max(runs)}"
    )
    return _audio_evidence(facts, text, round(100 * share, 2), "%")


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
    all_zero_audio,
    clipping,
)
