"""What the app's audio is, against what the session declares it to be.

Only what the app sends is looked at: what a server sends is not the app's to mend. All of it
rests on the beginning of the audio, which is what a `Session` keeps.
"""

from __future__ import annotations

from array import array
from itertools import groupby
from statistics import median

from wsproxy.audio.containers import CUT, ContainerHeader, read_header
from wsproxy.audio.samples import ALAW, COMPANDED, FLOAT32, KINDS, MULAW, PCM16, PCM16_BE, unpack
from wsproxy.catalog.envelope import field, json_object
from wsproxy.diagnose.evidence import Evidence, named, plural, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session import KEPT_AUDIO, FrameColumns
from wsproxy.session.declared_audio import LOOKED_AT, TEXTS, AudioFormat, sniff

CLIPPED = 0.01  # share of the samples at full scale, from which on it is heard
_RUN = 3  # samples at full scale one after another; a single one may be a peak
_SILENT_SECONDS = 3.0  # of audio that is all zero, from which on it is told
_SILENT_BYTES = 24_000  # the same, where bytes do not tell the duration
_OPUS_RATE = 48_000  # Hz at which any Opus stream may be played (RFC 7845, section 5.1)

_MULAW, _ALAW = ("mulaw", "ulaw", "pcm_mulaw"), ("alaw", "pcm_alaw")
_ORDER = {  # of 16-bit samples, by the declared encoding
    **dict.fromkeys(("linear16", "pcm_s16le", "s16le", "pcm16", "l16"), PCM16),
    **dict.fromkeys(("pcm_s16be", "s16be"), PCM16_BE),
}
# Kinds of bytes, as `sniff` names them, that are right for a declared encoding.
_RAW: dict[str, frozenset[str]] = {
    **dict.fromkeys(_ORDER, frozenset({PCM16, PCM16_BE})),
    **dict.fromkeys(("pcm_f32le", "f32le"), frozenset({FLOAT32})),
    # 32-bit samples that were made of 16-bit ones look like these.
    "linear32": frozenset({FLOAT32, PCM16, PCM16_BE}),
    **dict.fromkeys(_MULAW, frozenset({MULAW, COMPANDED})),
    **dict.fromkeys(_ALAW, frozenset({ALAW, COMPANDED})),
}
_OGG = frozenset({"Ogg", "Ogg/Opus", "Ogg/Vorbis", "Ogg/FLAC", "Ogg/Speex"})
_CODED: dict[str, frozenset[str]] = {
    "flac": frozenset({"FLAC", "Ogg/FLAC", "Ogg"}),
    **dict.fromkeys(("ogg-opus", "ogg_opus"), frozenset({"Ogg/Opus", "Ogg"})),
    "opus": frozenset({"Ogg/Opus", "Ogg", "WebM", "WebM or Matroska", "Matroska"}),
    "speex": frozenset({"Ogg/Speex", "Ogg"}),
    **dict.fromkeys(("amr-nb", "amr"), frozenset({"AMR"})),
    "amr-wb": frozenset({"AMR-WB"}),
    "mp3": frozenset({"MP3"}),
    "aac": frozenset({"AAC (ADTS)", "MP4"}),
    "wav": frozenset({"WAV"}),
    "webm": frozenset({"WebM", "WebM or Matroska", "Matroska"}),
    "ogg": _OGG,
}
_CONTAINERS = frozenset({"RIFF, not WAV", "AIFF", "AU", "CAF", "MP4"}).union(_OGG, *_CODED.values())
_ANY_CONTAINER = ("", "auto", "file")
# Names that a `ContainerHeader` has for what is declared under others.
_IN_WAV = {
    **{name: "linear16" for name, kind in _ORDER.items() if kind == PCM16},
    **dict.fromkeys(_MULAW, "mulaw"),
    **dict.fromkeys(_ALAW, "alaw"),
    **dict.fromkeys(("pcm_f32le", "f32le"), "float32"),
}
# Codes of the loudest samples either way, where a byte is a sample.
_FULL_SCALE = {**dict.fromkeys(_MULAW, (0x00, 0x80)), **dict.fromkeys(_ALAW, (0x2A, 0xAA))}
# Bytes of silence beside zero.
_SILENCE = {**dict.fromkeys(_MULAW, b"\xff\x7f"), **dict.fromkeys(_ALAW, b"\xd5\x55")}


# -- what the session has of it


def _form(case: SessionFacts) -> AudioFormat | None:
    """The declared format of what the app sends, if anything was sent."""
    form = case.format
    return form if form is not None and form.from_client and case.session.sent.head else None


def _encoding(form: AudioFormat) -> str:
    """The declared encoding by its bare name, of a media type as well.

    E.g. "s16le" of "audio/x-raw;layout=interleaved;rate=16000;format=s16le;channels=1".
    """
    media, _, rest = form.encoding.partition(";")
    if not media.startswith("audio/"):
        return form.encoding
    values = dict(part.strip().split("=", 1) for part in rest.split(";") if "=" in part)
    name = media.removeprefix("audio/").removeprefix("x-")
    return values.get("format", "") if name == "raw" else name


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
    form = _form(case)
    if form is None:
        return []
    kind = sniff(_head(case))
    if not (_not_audio(case, kind) if kind in TEXTS else _contradicts(case, form, kind)):
        return []
    what = (
        "the audio's first bytes are" if kind not in KINDS else "the audio is, by its statistics,"
    )
    beginning = f" ({quoted(_head(case)[:40].decode('utf-8', 'replace'))!r})"
    shown = beginning if kind in TEXTS else ""
    text = f"{what} {kind}{shown}; declared: {quoted(str(form))}"
    return _at(case, text, float(min(len(_head(case)), LOOKED_AT)), "bytes looked at")


def _not_audio(case: SessionFacts, kind: str) -> bool:
    """Whether text is there in the place of audio, and not a control message in a wrong frame."""
    first = next(iter(case.session.binaries(from_client=True)), None)
    if kind != "JSON" or first is None:
        return True
    message = json_object(first.data.decode("utf-8", "replace")) or {}
    name = case.vocabulary.kind
    said = field(message, name) if name else next(iter(message), None)
    return said not in case.vocabulary.client


def _contradicts(case: SessionFacts, form: AudioFormat, kind: str) -> bool:
    """Whether bytes of this kind cannot be what is declared."""
    kind = kind.removesuffix(CUT)
    encoding = _encoding(form)
    if encoding in _ANY_CONTAINER:
        return kind in KINDS and _declarable(case)
    if encoding in _RAW:
        return kind in (KINDS | _CONTAINERS) - _RAW[encoding]
    if encoding in _CODED:
        # Packets without a container may look like samples of a byte.
        samples = KINDS - {MULAW, ALAW, COMPANDED}
        return kind in (_CONTAINERS | samples) - _CODED[encoding]
    return False


def container_header_missing(case: SessionFacts) -> list[Evidence]:
    """A container is expected, and the stream starts in the middle of one."""
    form = _form(case)
    if form is None or _encoding(form) in _RAW or not _whole(case):
        return []
    kind = sniff(_head(case))
    if not kind.endswith(CUT):
        return []
    start = _head(case)[:8].hex(" ")
    text = f"the audio starts in the middle of {kind.removesuffix(CUT)}, with the bytes {start}"
    return _at(case, text, float(min(len(_head(case)), LOOKED_AT)), "bytes looked at")


def odd_bytes(case: SessionFacts) -> list[Evidence]:
    """Messages that end in the middle of a 16-bit sample."""
    form = _form(case)
    if form is None or _encoding(form) not in _ORDER:
        return []
    kind = sniff(_head(case))
    if kind in TEXTS or kind.removesuffix(CUT) in _CONTAINERS:
        return []
    odd = _odd(case)
    if not odd:
        return []
    text = (
        f"{plural(len(odd), 'message')} of {len(case.audio)} "
        f"{'has' if len(odd) == 1 else 'have'} an odd number of bytes, "
        f"a sample of {_encoding(form)} has 2: {named(odd.numbers)}"
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
    form = _form(case)
    right = _ORDER.get(_encoding(form)) if form else None
    kind = sniff(_head(case)) if right else ""
    if kind not in {PCM16, PCM16_BE} - {right}:
        return []
    # After an odd byte, the two bytes of a sample look as if they were swapped.
    if _odd(case) or not _unbroken(case):
        return []
    big = right == PCM16_BE
    declared, swapped = (_loudness(_head(case), big_endian=order) for order in (big, not big))
    text = (
        f"read in the declared order, half of the samples are above {declared} of 32768; "
        f"with the bytes swapped, above {swapped}"
    )
    return _at(case, text, float(declared), "of 32768")


def _unbroken(case: SessionFacts) -> bool:
    """Whether samples are where they should be: no hole, and no message in several frames."""
    return _whole(case) and all(case.session.frame(n).fin for n in case.audio.numbers)


def _loudness(head: bytes, *, big_endian: bool) -> int:
    return int(median(map(abs, _signed(head[:LOOKED_AT], big_endian=big_endian))))


def _signed(data: bytes, *, big_endian: bool) -> array[int]:
    return array("h", unpack(data, big_endian=big_endian).tobytes())


def rate_mismatch(case: SessionFacts) -> list[Evidence]:
    """A header in the stream says another rate, or other channels or samples, than declared."""
    form = _form(case)
    header = read_header(_head(case)) if form else None
    if form is None or header is None:
        return []
    # Of a container, only what the session says itself counts: the defaults are for raw audio.
    encoding = _encoding(form)
    raw = encoding in _RAW
    rate = form.rate if raw or "rate" in form.given else 0
    channels = form.channels if raw or "channels" in form.given else 0
    out = []
    if rate and header.rate and header.rate != rate and not _plays_at(header, rate):
        text = f"the {header.name} header says {header.rate} Hz; declared: {rate} Hz"
        out += _at(case, text, float(header.rate), "Hz")
    if channels and header.channels and header.channels != channels:
        says, said = plural(header.channels, "channel"), plural(channels, "channel")
        text = f"the {header.name} header says {says}; declared: {said}"
        out += _at(case, text, float(header.channels), "channels")
    wanted = _IN_WAV.get(encoding)
    if wanted and header.encoding and header.encoding != wanted:
        text = f"the {header.name} header says {header.encoding}; declared: {encoding}"
        out += _at(case, text, float(header.bits), "bits a sample")
    return out


def _plays_at(header: ContainerHeader, rate: int) -> bool:
    """Whether the rate in the header is only the one of the source, before it was coded."""
    return header.name == "Ogg/Opus" and rate == _OPUS_RATE


def all_zero_audio(case: SessionFacts) -> list[Evidence]:
    """Everything kept of the audio is digital silence, and nothing was heard in it."""
    form = _form(case)
    if form is None or not _long(form, case.audio.size) or _heard(case):
        return []
    kept = [_head(case), *(b.data for b in case.session.binaries(from_client=True))]
    for name, values in (("zero", b"\0"), ("silence", _SILENCE.get(_encoding(form), b""))):
        if values and not any(data.strip(values) for data in kept):
            size = len(_head(case))
            text = (
                f"the first {size} of {case.audio.size} bytes of audio, and all that is kept of "
                f"its end, are {name}; declared: {quoted(str(form))}"
            )
            return _at(case, text, float(size), "bytes")
    return []


def _long(form: AudioFormat, size: int) -> bool:
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
    form = _form(case)
    if form is None or sniff(_head(case)) not in _RAW.get(_encoding(form), ()):
        return []
    marks = _full_scale(_head(case), _encoding(form))
    if len(marks) - marks.count(0) <= CLIPPED * len(marks):
        return []
    runs = [run for c in range(form.channels) for run in _runs(marks[c :: form.channels])]
    share = sum(runs) / len(marks)
    if share <= CLIPPED:
        return []
    text = (
        f"{100 * share:.1f} % of the first {len(marks)} samples are at full scale, in "
        f"{plural(len(runs), 'run')} of {_RUN} and more, up to {max(runs)}"
    )
    return _at(case, text, round(100 * share, 2), "%")


def _full_scale(head: bytes, encoding: str) -> bytes:
    """For each sample 1 or 2 where it is as loud as can be, either way, and else 0."""
    if encoding in _FULL_SCALE:
        low, high = _FULL_SCALE[encoding]
        return bytes(1 if code == low else 2 * (code == high) for code in head)
    if encoding in _ORDER:
        samples = _signed(head, big_endian=_ORDER[encoding] == PCM16_BE)
        return bytes(1 if x == 32767 else 2 * (x <= -32767) for x in samples)
    return b""


def _runs(marks: bytes) -> list[int]:
    """The lengths of the runs at full scale."""
    lengths = (sum(1 for _ in run) for mark, run in groupby(marks) if mark)
    return [length for length in lengths if length >= _RUN]


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
