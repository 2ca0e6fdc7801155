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
from wsproxy.audio.levels import full_scale_marks, median_level, run_lengths
from wsproxy.audio.sniff import SNIFFED_BYTES, TEXT_KINDS, sniff
from wsproxy.catalog.envelope import field, json_object
from wsproxy.diagnose.evidence import Evidence, named, plural, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session import KEPT_AUDIO, FrameColumns
from wsproxy.session.declared_audio import DeclaredFormat

CLIPPED = 0.01  # share of samples at full scale above which clipping is audible
_MIN_RUN = 3  # consecutive samples at full scale; a single one may be a peak
_SILENT_SECONDS = 3.0  # of digital silence, from which on it is reported
_SILENT_BYTES = 24_000  # the same, where the duration is unknown
_OPUS_RATE = 48_000  # Hz at which any Opus stream may be played (RFC 7845, section 5.1)
_ANY_CONTAINER = ("", "auto", "file")


# -- what the session has of it


def _sent_format(case: SessionFacts) -> DeclaredFormat | None:
    """The declared format of what the app sends, if anything was sent."""
    declared = case.format
    sent = declared is not None and declared.from_client and case.session.sent.head
    return declared if sent else None


def _head(case: SessionFacts) -> bytes:
    return case.session.sent.head


def _first(case: SessionFacts) -> tuple[int, ...]:
    """The frame with the first byte of audio."""
    numbers = case.audio.where(bool(length) for length in case.audio.lengths).numbers
    return tuple(numbers[:1])


def _whole(case: SessionFacts) -> bool:
    """Whether what is kept is the beginning, without a hole in it."""
    session = case.session
    lost = session.gaps or session.losses
    return not lost and len(_head(case)) >= min(KEPT_AUDIO, case.audio.size)


def _declarable(case: SessionFacts) -> bool:
    """Whether a session with this API says what its audio is, so that silence means a container."""
    audio = case.api.audio if case.api else None
    if audio is None:
        return False
    return bool(audio.encoding_query) or (bool(audio.encoding_field) and bool(case.client_json))


def _at(case: SessionFacts, text: str, value: float, unit: str) -> list[Evidence]:
    frames = _first(case)
    t_ns = case.session.frame(frames[0]).t_ns if frames else None
    where = f" (frame {frames[0]})" if frames else ""
    return [Evidence(text + where, frames, t_ns, value, unit)]


# -- rules


def format_mismatch(case: SessionFacts) -> list[Evidence]:
    """The bytes are of another format than the one declared, or no audio at all."""
    form = _sent_format(case)
    if form is None:
        return []
    kind = sniff(_head(case))
    if not (_not_audio(case, kind) if kind in TEXT_KINDS else _contradicts(case, form, kind)):
        return []
    what = (
        "the audio's first bytes are"
        if kind not in SAMPLE_KINDS
        else "the audio is, by its statistics,"
    )
    beginning = f" ({quoted(_head(case)[:40].decode('utf-8', 'replace'))!r})"
    shown = beginning if kind in TEXT_KINDS else ""
    text = f"{what} {kind}{shown}; declared: {quoted(str(form))}"
    return _at(case, text, float(min(len(_head(case)), SNIFFED_BYTES)), "bytes looked at")


def _not_audio(case: SessionFacts, kind: str) -> bool:
    """Whether text is there in the place of audio, and not a control message in a wrong frame."""
    first = next(iter(case.session.binaries(from_client=True)), None)
    if kind != "JSON" or first is None:
        return True
    message = json_object(first.data.decode("utf-8", "replace")) or {}
    name = case.vocabulary.kind
    said = field(message, name) if name else next(iter(message), None)
    return said not in case.vocabulary.client


def _contradicts(case: SessionFacts, form: DeclaredFormat, kind: str) -> bool:
    """Whether bytes of this kind cannot be what is declared."""
    kind = kind.removesuffix(HEADLESS)
    if bare_name(form.encoding) in _ANY_CONTAINER:
        return kind in SAMPLE_KINDS and _declarable(case)
    if form.samples is not None:
        return kind in (SAMPLE_KINDS | CONTAINERS) - form.samples.accepted_kinds
    if allowed := containers_for(form.encoding):
        # Packets without a container may look like 8-bit samples.
        samples = SAMPLE_KINDS - {MULAW, ALAW, COMPANDED}
        return kind in (CONTAINERS | samples) - allowed
    return False


def container_header_missing(case: SessionFacts) -> list[Evidence]:
    """A container is expected, and the stream starts in the middle of one."""
    form = _sent_format(case)
    if form is None or form.samples is not None or not _whole(case):
        return []
    kind = sniff(_head(case))
    if not kind.endswith(HEADLESS):
        return []
    start = _head(case)[:8].hex(" ")
    text = (
        f"the audio starts in the middle of {kind.removesuffix(HEADLESS)}, with the bytes {start}"
    )
    return _at(case, text, float(min(len(_head(case)), SNIFFED_BYTES)), "bytes looked at")


def odd_bytes(case: SessionFacts) -> list[Evidence]:
    """Messages that end in the middle of a 16-bit sample."""
    form = _sent_format(case)
    if form is None or form.samples is None or not form.samples.is_pcm16:
        return []
    kind = sniff(_head(case))
    if kind in TEXT_KINDS or kind.removesuffix(HEADLESS) in CONTAINERS:
        return []
    odd = _odd(case)
    if not odd:
        return []
    text = (
        f"{plural(len(odd), 'message')} of {len(case.audio)} "
        f"{'has' if len(odd) == 1 else 'have'} an odd number of bytes, "
        f"a sample of {bare_name(form.encoding)} has 2: {named(odd.numbers)}"
    )
    frames = tuple(odd.numbers[:5])
    return [Evidence(text, frames, odd.times_ns[0], float(len(odd)), "messages")]


def _odd(case: SessionFacts) -> FrameColumns:
    """Whole messages with an odd number of bytes; what is left over at the end may be one."""
    audio, last = case.audio, case.audio.numbers[-1:]
    odd = audio.where(length % 2 == 1 for length in audio.lengths)
    return odd.where(n not in last and case.session.frame(n).fin for n in odd.numbers)


def wrong_endianness(case: SessionFacts) -> list[Evidence]:
    """16-bit samples whose bytes are in the other order than declared."""
    form = _sent_format(case)
    if form is None or form.samples is None or not form.samples.is_pcm16:
        return []
    if sniff(_head(case)) not in {PCM16, PCM16_BE} - {form.samples.kind}:
        return []
    # After an odd byte, the two bytes of a sample look as if they were swapped.
    if _odd(case) or not _unbroken(case):
        return []
    start, big_endian = _head(case)[:SNIFFED_BYTES], form.samples.kind == PCM16_BE
    declared = median_level(start, big_endian=big_endian)
    swapped = median_level(start, big_endian=not big_endian)
    text = (
        f"the median magnitude is {declared} of 32768 in the declared byte order, "
        f"and {swapped} with the bytes swapped"
    )
    return _at(case, text, float(declared), "of 32768")


def _unbroken(case: SessionFacts) -> bool:
    """Whether samples are where they should be: no hole, and no message in several frames."""
    return _whole(case) and all(case.session.frame(n).fin for n in case.audio.numbers)


def rate_mismatch(case: SessionFacts) -> list[Evidence]:
    """A header in the stream says another rate, or other channels or samples, than declared."""
    form = _sent_format(case)
    header = read_header(_head(case)) if form else None
    if form is None or header is None:
        return []
    # Of a container, only what the session says itself counts: the defaults are for raw audio.
    raw = form.samples is not None
    rate = form.rate if raw or "rate" in form.explicit else 0
    channels = form.channels if raw or "channels" in form.explicit else 0
    out = []
    if rate and header.rate and header.rate != rate and not _plays_at(header, rate):
        text = f"the {header.name} header says {header.rate} Hz; declared: {rate} Hz"
        out += _at(case, text, float(header.rate), "Hz")
    if channels and header.channels and header.channels != channels:
        in_header, declared = plural(header.channels, "channel"), plural(channels, "channel")
        text = f"the {header.name} header says {in_header}; declared: {declared}"
        out += _at(case, text, float(header.channels), "channels")
    expected = form.samples.wav_name if form.samples else ""
    if expected and header.encoding and header.encoding != expected:
        name = bare_name(form.encoding)
        text = f"the {header.name} header says {header.encoding}; declared: {name}"
        out += _at(case, text, float(header.bits), "bits a sample")
    return out


def _plays_at(header: ContainerHeader, rate: int) -> bool:
    """Whether the rate in the header is only the one of the source, before it was coded."""
    return header.name == "Ogg/Opus" and rate == _OPUS_RATE


def all_zero_audio(case: SessionFacts) -> list[Evidence]:
    """Everything kept of the audio is digital silence, and nothing was heard in it."""
    form = _sent_format(case)
    if form is None or not _long(form, case.audio.size) or _heard(case):
        return []
    kept = [_head(case), *(b.data for b in case.session.binaries(from_client=True))]
    law = form.samples.law if form.samples else None
    for name, values in (("zero", b"\0"), ("silence", law.silence if law else b"")):
        if values and not any(data.strip(values) for data in kept):
            size = len(_head(case))
            text = (
                f"the first {size} of {case.audio.size} bytes of audio, and all that is kept of "
                f"its end, are {name}; declared: {quoted(str(form))}"
            )
            return _at(case, text, float(size), "bytes")
    return []


def _long(form: DeclaredFormat, size: int) -> bool:
    """Whether it is more than what bridges a pause."""
    if form.bytes_per_second:
        return form.duration(size) >= _SILENT_SECONDS
    return size >= _SILENT_BYTES


def _heard(case: SessionFacts) -> bool:
    """Whether the server found words in the audio."""
    paths = case.api.transcripts if case.api else ()
    texts = (field(said.content, path) for said in case.server_json for path in paths)
    return any(isinstance(text, str) and text.strip() for text in texts)


def clipping(case: SessionFacts) -> list[Evidence]:
    """Samples at full scale one after another: the source is louder than its numbers go."""
    form = _sent_format(case)
    if form is None or form.samples is None:
        return []
    if sniff(_head(case)) not in form.samples.accepted_kinds:
        return []
    marks = full_scale_marks(_head(case), form.samples)
    if len(marks) - marks.count(0) <= CLIPPED * len(marks):
        return []
    runs = [
        length
        for channel in range(form.channels)
        for length in run_lengths(marks[channel :: form.channels])
        if length >= _MIN_RUN
    ]
    share = sum(runs) / len(marks)
    if share <= CLIPPED:
        return []
    text = (
        f"{100 * share:.1f} % of the first {len(marks)} samples are at full scale, in "
        f"{plural(len(runs), 'run')} of {_MIN_RUN} and more, up to {max(runs)}"
    )
    return _at(case, text, round(100 * share, 2), "%")


def empty_audio_message(case: SessionFacts) -> list[Evidence]:
    """Binary messages without a byte, before the app says that it is done."""
    form = case.format
    # Where the API has no message for its end, an empty one may be it.
    if form is None or not form.from_client or not case.vocabulary.end:
        return []
    ended = _end_marker(case)
    audio = case.audio if ended is None else case.audio.where(n < ended for n in case.audio.numbers)
    empty = audio.where(not length for length in audio.lengths)
    empty = empty.where(case.session.frame(number).fin for number in empty.numbers)
    at_the_end = ended is None and audio.numbers[-1:] == empty.numbers
    if not empty or at_the_end:  # one at the very end is meant as the end
        return []
    verb = "is" if len(empty) == 1 else "are"
    text = f"{len(empty)} of {plural(len(audio), 'binary message')} {verb} empty"
    frames = tuple(empty.numbers[:5])
    return [
        Evidence(
            f"{text}: {named(empty.numbers)}",
            frames,
            empty.times_ns[0],
            float(len(empty)),
            "messages",
        )
    ]


def _end_marker(case: SessionFacts) -> int | None:
    """The frame with which the app says that it is done."""
    ends = case.vocabulary.end
    said = [said.frame for said in case.client_json if said.kind in ends]
    said += [m.frame for m in case.session.messages(from_client=True) if m.text.strip() in ends]
    return min(said, default=None)


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
