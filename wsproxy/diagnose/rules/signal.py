"""Rules about parts of the audio that the app sends.

`audio.report` describes what is measured, and where. What holds for most of the audio is reported
by the rules in `audio`, and not again here.
"""

from __future__ import annotations

from wsproxy.audio.report import (
    BYTE_ORDER,
    CLIPPING,
    DC_OFFSET,
    DIGITAL_SILENCE,
    MISALIGNED,
    NEAR_SILENCE,
    OTHER_LAW,
    SECOND_HEADER,
    STEREO_AS_MONO,
    WRONG_RATE,
    AudioFault,
)
from wsproxy.diagnose.evidence import Evidence, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.diagnose.signal_faults import (
    OTHER_SAMPLES,
    faults_of,
    found_samples,
    holds_for_most,
    located,
)
from wsproxy.diagnose.wav_header import wav_header_fields
from wsproxy.session.audio_carrier import BASE64_JSON

from . import audio
from .repetition import repeated_audio

_SILENT_END = 20.0  # seconds of digital silence at the end, from which on a source seems dead
_AT_END = 1.0  # seconds of the audio that belong to its end
# Faults that change how many bytes a second of audio has.
_CHANGE_PACE = OTHER_SAMPLES - {OTHER_LAW} | {WRONG_RATE, STEREO_AS_MONO}
# The rate of many sound cards, Hz: no program sends a file at the pace that it seems to have then.
_CAPTURED = 44_100
_FIRM = 0.05  # of that rate, for the jitter of timers and what was sent before the samples
_MIN_WALL = 1.0  # seconds of a pace that means something


def pace_is_explained(facts: SessionFacts) -> bool:
    """Whether the pace of the audio follows from samples that are not what is declared."""
    return holds_for_most(facts, _CHANGE_PACE)


def wrong_rate(facts: SessionFacts) -> list[Evidence]:
    """The pace of the audio shows another sample rate than the declared one."""
    if facts.measured(audio.other_inside_wav) or not facts.timeline.declarations:
        return []

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

    return located(faults_of(facts, {WRONG_RATE}), text, "found_hz", "Hz")


def other_samples(facts: SessionFacts) -> list[Evidence]:
    """Samples are in another encoding than declared, somewhere in the session."""
    if facts.measured(audio.format_mismatch) or facts.measured(audio.wrong_endianness):
        return []
    if not facts.timeline.declarations:
        return []

    def text(fault: AudioFault) -> str:
        return f"the audio is {found_samples(fault)}; declared: {fault.figures['declared']}"

    return located(faults_of(facts, OTHER_SAMPLES | {BYTE_ORDER}), text, "", "s")


def misaligned_samples(facts: SessionFacts) -> list[Evidence]:
    """After half a sample was lost, samples are misaligned."""

    def text(_: AudioFault) -> str:
        return "samples are misaligned after a message with half a sample"

    return located(faults_of(facts, {MISALIGNED}), text, "", "s")


def stereo_as_mono(facts: SessionFacts) -> list[Evidence]:
    """Two channels alternate where one is declared."""
    if facts.measured(audio.other_inside_wav):
        return []

    def text(_: AudioFault) -> str:
        return f"the samples of two channels alternate; declared: 1 channel{_captured_at(facts)}"

    return located(faults_of(facts, {STEREO_AS_MONO}), text, "found_channels", "channels")


def _captured_at(facts: SessionFacts) -> str:
    """The rate of each of two channels, if their pace can be no other than a sound card's."""
    track, report = facts.audio, facts.signal
    wall = seconds(track.span_ns)
    if wall < _MIN_WALL or not report.rate:
        return ""
    before_last = 1 - track.last_size / track.size
    rate = report.duration_s * before_last * report.rate / 2 / wall
    if report.rate == _CAPTURED or abs(rate / _CAPTURED - 1) > _FIRM:
        return ""
    return f"; by their pace they are at {_CAPTURED} Hz; declared: {report.rate} Hz"


def second_header(facts: SessionFacts) -> list[Evidence]:
    """The header of a container appears in mid-stream."""

    def text(fault: AudioFault) -> str:
        return f"another {fault.figures['container']} header is in the stream"

    # Where raw samples are declared, the first header is one as well; `format_mismatch` has it.
    first = facts.audio.first.frame if facts.audio.first else 0
    of_container = facts.audio.header is not None or bool(facts.signal.container)
    if facts.measured(audio.other_inside_wav) or _has_files_in_messages(facts):
        return []
    faults = [
        fault
        for fault in faults_of(facts, {SECOND_HEADER})
        if fault.where.start_s > 0 or (of_container and fault.where.frame > first)
    ]
    return located(faults, text, "", "s")


def _has_files_in_messages(facts: SessionFacts) -> bool:
    """Whether each message of the app is to be a WAV file, as the settings declare."""
    if facts.audio.carrier != BASE64_JSON:
        return False
    return any(each.format.encoding == "wav" for each in facts.timeline.declarations)


def silent_part(facts: SessionFacts) -> list[Evidence]:
    """Seconds of digital silence in audio that is not silent throughout."""
    report = facts.signal
    if report.peak_dbfs is None or facts.measured(audio.all_zero_audio):
        return []
    return located(faults_of(facts, {DIGITAL_SILENCE}), _silence, "", "s")


def silent_start(facts: SessionFacts) -> list[Evidence]:
    """The audio begins with seconds of digital silence, and is not silent throughout."""
    first = facts.measured(silent_part)[:1]
    starts = [fault.where.start_s for fault in faults_of(facts, {DIGITAL_SILENCE})[:1]]
    return first if starts and starts[0] < _AT_END else []


def silent_to_end(facts: SessionFacts) -> list[Evidence]:
    """After audible audio, only digital silence was sent, for long, up to the end of the audio."""
    report = facts.signal
    if report.peak_dbfs is None or facts.measured(audio.all_zero_audio):
        return []
    last = faults_of(facts, {DIGITAL_SILENCE})[-1:]
    if not last or last[0].where.seconds < _SILENT_END or not last[0].where.start_s:
        return []
    if last[0].where.end_s < report.duration_s - _AT_END or _listened(facts):
        return []
    return located(last, _silence, "", "s")


def _listened(facts: SessionFacts) -> bool:
    """Whether an agent spoke not long before the end: who listens to it is silent."""
    turns = facts.exchange.agent_turns if facts.exchange is not None else None
    if turns is None or not turns.last_audio_ns:
        return False
    return seconds(facts.ended_ns - turns.last_audio_ns) < _SILENT_END


def _silence(fault: AudioFault) -> str:
    return f"{fault.where.seconds:.1f} s of digital silence"


def too_quiet(facts: SessionFacts) -> list[Evidence]:
    """Sounds and pauses are there, but hardly above silence."""

    def text(fault: AudioFault) -> str:
        return f"the level is {float(fault.figures['level_dbfs']):.0f} dBFS"

    return located(faults_of(facts, {NEAR_SILENCE}), text, "level_dbfs", "dBFS")


def clipped_part(facts: SessionFacts) -> list[Evidence]:
    """A part of the audio is clipped."""
    if facts.measured(audio.clipping):
        return []

    def text(fault: AudioFault) -> str:
        return f"{float(fault.figures['clipped_percent']):.1f} % of the samples are at full scale"

    return located(faults_of(facts, {CLIPPING}), text, "clipped_percent", "%")


def dc_offset(facts: SessionFacts) -> list[Evidence]:
    """The samples are not centered at zero."""

    def text(fault: AudioFault) -> str:
        return f"the mean is {float(fault.figures['offset_percent']):+.1f} % of full scale"

    return located(faults_of(facts, {DC_OFFSET}), text, "offset_percent", "%")


RULES: tuple[Measure, ...] = (
    wrong_rate,
    other_samples,
    misaligned_samples,
    stereo_as_mono,
    second_header,
    repeated_audio,
    wav_header_fields,
    silent_part,
    silent_start,
    silent_to_end,
    too_quiet,
    clipped_part,
    dc_offset,
)
