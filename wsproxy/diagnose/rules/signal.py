"""Rules about the samples that the app sends, over all of the session.

`audio.report` describes what is measured, and where. The rules in `audio` compare the beginning of
the audio with its declaration; what they report is not reported again here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wsproxy.audio.report import (
    BYTE_ORDER,
    CLIPPING,
    COMPANDED_AS_PCM,
    DC_OFFSET,
    DIGITAL_SILENCE,
    FLOAT_AS_INT,
    INT_AS_FLOAT,
    MISALIGNED,
    NEAR_SILENCE,
    OTHER_FLOAT,
    OTHER_LAW,
    PCM_AS_COMPANDED,
    SECOND_HEADER,
    STEREO_AS_MONO,
    WRONG_RATE,
    AudioFault,
)
from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.diagnose.wav_header import wav_header_fields

from . import audio

_OTHER_SAMPLES = frozenset(
    {BYTE_ORDER, FLOAT_AS_INT, INT_AS_FLOAT, COMPANDED_AS_PCM, PCM_AS_COMPANDED, OTHER_LAW}
    | {OTHER_FLOAT}
)
# Faults that change how many bytes a second of audio has.
_CHANGE_PACE = _OTHER_SAMPLES - {BYTE_ORDER, OTHER_LAW} | {WRONG_RATE, STEREO_AS_MONO}
_MOST = 0.5  # of the audio with such a fault, from which on it explains the pace of all of it
_SHOWN = 5  # places in the evidence of one rule
_NAMES = {
    "linear16": "16-bit PCM",
    "pcm_s16be": "16-bit PCM, big-endian",
    "float32": "32-bit float PCM",
    "float64": "64-bit float PCM",
    "pcm_f32be": "32-bit float PCM, big-endian",
    "mulaw": "mu-law",
    "alaw": "A-law",
}


def _faults(facts: SessionFacts, kinds: frozenset[str] | set[str]) -> list[AudioFault]:
    if not facts.audio.from_client:
        return []
    return [fault for fault in facts.signal.faults if fault.kind in kinds]


def _evidence(
    faults: Sequence[AudioFault], text: Callable[[AudioFault], str], figure: str, unit: str
) -> list[Evidence]:
    """Evidence of each fault: what was measured, and where."""
    out = []
    for fault in faults[:_SHOWN]:
        where = fault.where
        place = f"{where.start_s:.1f} s" if where.seconds < 0.05 else _between(fault)
        line = f"{text(fault)}, at {place} of the audio (frame {where.frame})"
        value = fault.figures.get(figure, where.seconds)
        number = round(float(value), 2) if not isinstance(value, str) else None
        out.append(Evidence(line, (where.frame,), where.t_ns, number, unit))
    if len(faults) > _SHOWN:
        more = len(faults) - _SHOWN
        out.append(Evidence(f"{more} more places", (), None, float(more), "places"))
    return out


def _between(fault: AudioFault) -> str:
    return f"{fault.where.start_s:.1f} to {fault.where.end_s:.1f} s"


def pace_is_explained(facts: SessionFacts) -> bool:
    """Whether the pace of the audio follows from samples that are not what is declared."""
    wrong = sum(fault.where.seconds for fault in _faults(facts, _CHANGE_PACE))
    return wrong > _MOST * facts.signal.duration_s > 0


def wrong_rate(facts: SessionFacts) -> list[Evidence]:
    """The pace of the audio shows another sample rate than the declared one."""

    def text(fault: AudioFault) -> str:
        numbers = {name: float(value) for name, value in fault.figures.items()}
        # Twice as many samples may be those of a second channel.
        doubled = numbers["found_hz"] == 2 * numbers["declared_hz"]
        channels = f", or two channels of {numbers['declared_hz']:.0f} Hz" if doubled else ""
        found = f"{numbers['found_hz']:.0f} Hz{channels}"
        return (
            f"{numbers['chunk_samples']:.0f} samples every {numbers['interval_ms']:.1f} ms are "
            f"{found}; declared: {numbers['declared_hz']:.0f} Hz; that is why the audio seems to "
            f"be sent at {numbers['pace']:.1f} times real time"
        )

    return _evidence(_faults(facts, {WRONG_RATE}), text, "found_hz", "Hz")


def other_samples(facts: SessionFacts) -> list[Evidence]:
    """Samples are in another encoding than declared, somewhere in the session."""
    if facts.measured(audio.format_mismatch) or facts.measured(audio.wrong_endianness):
        return []

    def text(fault: AudioFault) -> str:
        found = str(fault.figures["found"])
        return f"the audio is {_NAMES.get(found, found)}; declared: {fault.figures['declared']}"

    return _evidence(_faults(facts, _OTHER_SAMPLES), text, "", "s")


def misaligned_samples(facts: SessionFacts) -> list[Evidence]:
    """After half a sample was lost, samples are misaligned."""

    def text(_: AudioFault) -> str:
        return "samples are misaligned after a message with half a sample"

    return _evidence(_faults(facts, {MISALIGNED}), text, "", "s")


def stereo_as_mono(facts: SessionFacts) -> list[Evidence]:
    """Two channels alternate where one is declared."""

    def text(_: AudioFault) -> str:
        return "the samples of two channels alternate; declared: 1 channel"

    return _evidence(_faults(facts, {STEREO_AS_MONO}), text, "found_channels", "channels")


def second_header(facts: SessionFacts) -> list[Evidence]:
    """The header of a container appears in mid-stream."""

    def text(fault: AudioFault) -> str:
        return f"another {fault.figures['container']} header is in the stream"

    faults = [f for f in _faults(facts, {SECOND_HEADER}) if f.where.start_s > 0]
    return _evidence(faults, text, "", "s")


def silent_part(facts: SessionFacts) -> list[Evidence]:
    """Seconds of digital silence in audio that is not silent throughout."""
    report = facts.signal
    if report.peak_dbfs is None or facts.measured(audio.all_zero_audio):
        return []

    def text(fault: AudioFault) -> str:
        return f"{fault.where.seconds:.1f} s of digital silence"

    return _evidence(_faults(facts, {DIGITAL_SILENCE}), text, "", "s")


def too_quiet(facts: SessionFacts) -> list[Evidence]:
    """Sounds and pauses are there, but hardly above silence."""

    def text(fault: AudioFault) -> str:
        return f"the level is {float(fault.figures['level_dbfs']):.0f} dBFS"

    return _evidence(_faults(facts, {NEAR_SILENCE}), text, "level_dbfs", "dBFS")


def clipped_part(facts: SessionFacts) -> list[Evidence]:
    """A part of the audio is clipped."""
    if facts.measured(audio.clipping):
        return []

    def text(fault: AudioFault) -> str:
        return f"{float(fault.figures['clipped_percent']):.1f} % of the samples are at full scale"

    return _evidence(_faults(facts, {CLIPPING}), text, "clipped_percent", "%")


def dc_offset(facts: SessionFacts) -> list[Evidence]:
    """The samples are not centered at zero."""

    def text(fault: AudioFault) -> str:
        return f"the mean is {float(fault.figures['offset_percent']):+.1f} % of full scale"

    return _evidence(_faults(facts, {DC_OFFSET}), text, "offset_percent", "%")


RULES: tuple[Measure, ...] = (
    wrong_rate,
    other_samples,
    misaligned_samples,
    stereo_as_mono,
    second_header,
    wav_header_fields,
    silent_part,
    too_quiet,
    clipped_part,
    dc_offset,
)
