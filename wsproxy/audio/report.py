"""What the audio of one direction of a session is: figures, located regions and faults.

Positions are seconds of audio from the start of the stream, by the format that was declared at
that place (or by the container). A region also has the number and the time of the frame in
which it begins, so that it can be found in the recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .encodings import AudioFormat

# Kinds of `AudioFault`.
DIGITAL_SILENCE = "digital-silence"  # the same sample throughout
NEAR_SILENCE = "near-silence"  # sound, but too quiet to be recognized
CLIPPING = "clipping"
DC_OFFSET = "dc-offset"
BYTE_ORDER = "byte-order"  # 16-bit samples in the other byte order
MISALIGNED = "misaligned"  # an odd byte was lost or added
FLOAT_AS_INT = "float-as-int"
INT_AS_FLOAT = "int-as-float"
COMPANDED_AS_PCM = "companded-as-pcm"  # mu-law or A-law where PCM is declared
PCM_AS_COMPANDED = "pcm-as-companded"
OTHER_LAW = "other-law"  # mu-law where A-law is declared, or the reverse
OTHER_FLOAT = "other-float"  # floats of another size or byte order
STEREO_AS_MONO = "stereo-as-mono"
WRONG_RATE = "wrong-rate"
SECOND_HEADER = "second-header"  # a container starts again in mid-stream
MISSING_HEADER = "missing-header"  # a container starts in its middle
WRONG_WAV_HEADER = "wrong-wav-header"  # BlockAlign or ByteRate contradict the other fields
FAULT_KINDS = frozenset(
    {
        DIGITAL_SILENCE,
        NEAR_SILENCE,
        CLIPPING,
        DC_OFFSET,
        BYTE_ORDER,
        MISALIGNED,
        FLOAT_AS_INT,
        INT_AS_FLOAT,
        COMPANDED_AS_PCM,
        PCM_AS_COMPANDED,
        OTHER_LAW,
        OTHER_FLOAT,
        STEREO_AS_MONO,
        WRONG_RATE,
        SECOND_HEADER,
        MISSING_HEADER,
        WRONG_WAV_HEADER,
    }
)


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of audio.

    Attributes:
        start_s, end_s: its bounds, seconds of audio from the start of the stream.
        frame: number of the frame with its first byte.
        t_ns: time of that frame.
        end_t_ns: time of the frame with its last byte.
    """

    start_s: float
    end_s: float
    frame: int
    t_ns: int
    end_t_ns: int

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.end_s - self.start_s

    def until(self, other: Region) -> Region:
        """The region that ends where another one does."""
        return Region(self.start_s, other.end_s, self.frame, self.t_ns, other.end_t_ns)


@dataclass(frozen=True, slots=True)
class AudioFault:
    """Something that is wrong with the audio, and where.

    Attributes:
        kind: one of FAULT_KINDS.
        where: the stretch of audio with the fault.
        figures: what was measured, by name: numbers in the unit that the name ends with (`_hz`,
            `_s`, `_percent`, `_dbfs`), and the names of formats.
    """

    kind: str
    where: Region
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Regions:
    """All stretches of one sort: their totals, and the bounds of the first and last of them.

    Attributes:
        count: how many there are.
        seconds: their total duration.
        kept: the first and the last of them, in order; all, unless there are very many.
    """

    count: int = 0
    seconds: float = 0.0
    kept: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechSoFar:
    """The speech up to some frame of a session.

    Attributes:
        seconds: of its segments.
        last_ns: time of the frame with the end of the last one; None if there is none.
    """

    seconds: float = 0.0
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """The sample rate that the arrival of the audio implies.

    Attributes:
        rate: the standard rate that fits, Hz; 0 if none does.
        arrival_rate: samples of one channel that arrived a second.
        chunk_samples: samples of one channel in the most frequent chunk size.
        interval_ms: median time between chunks.
    """

    rate: int
    arrival_rate: float
    chunk_samples: int
    interval_ms: float


@dataclass(frozen=True, slots=True)
class AudioReport:
    """The audio of one direction of a session.

    Attributes:
        format: the declared format, the last one if it changed; None if nothing is known.
        container: the container, as `containers.container_name` names it; "" for raw samples.
        rate: samples a second of the decoded audio, 0 if unknown.
        channels: channels of the decoded audio, 0 if unknown.
        size: bytes.
        chunks: how many there were.
        duration_s: seconds of audio, as decoded.
        rms_dbfs, peak_dbfs: level of all of it; None where nothing was decoded, or all is zero.
        speech_dbfs: RMS level of the speech segments; None if there is none.
        dc_offset: mean sample, as a share of full scale.
        clipped_share: share of samples that are in runs at full scale.
        silence: digital silence.
        near_silence: sound that is too quiet to be recognized.
        clipping: stretches with clipped samples.
        speech: segments that rise above the background, by energy; music may be among them.
        channel_correlation: of the first two channels, -1 to 1; None for one channel.
        quieter_channel_dbfs: RMS level of the quieter one of the first two channels; None for one
            channel, and where it is all zero.
        bandwidth_hz: the frequency below which 99 % of the energy of speech is, None if unknown.
        rate_estimate: what the arrival implies; None if the audio did not arrive at a steady pace.
        faults: in the order of their positions; at most MAX_FAULTS of one kind.
        unmeasured: what could not be measured and why, one sentence each.
    """

    format: AudioFormat | None = None
    container: str = ""
    rate: int = 0
    channels: int = 0
    size: int = 0
    chunks: int = 0
    duration_s: float = 0.0
    rms_dbfs: float | None = None
    peak_dbfs: float | None = None
    speech_dbfs: float | None = None
    dc_offset: float = 0.0
    clipped_share: float = 0.0
    silence: Regions = Regions()
    near_silence: Regions = Regions()
    clipping: Regions = Regions()
    speech: Regions = Regions()
    channel_correlation: float | None = None
    quieter_channel_dbfs: float | None = None
    bandwidth_hz: float | None = None
    rate_estimate: RateEstimate | None = None
    faults: tuple[AudioFault, ...] = ()
    unmeasured: tuple[str, ...] = ()


MAX_FAULTS = 20  # of one kind that a report lists
