"""A trace read once for a page: the session, its findings, its frames and its audio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from wsproxy.catalog import Catalog
from wsproxy.diagnose import Finding, diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.errors import LimitExceeded
from wsproxy.session import Session
from wsproxy.session.audio_track import AudioTrack, TrackKey
from wsproxy.session.outcome import Outcome
from wsproxy.session.timeline import Timeline
from wsproxy.trace import Bytes, FrameRecord, FrameRun, Record, TraceReader, bounded

from .frame_table import FrameTable
from .track_recorder import TrackRecorder

MAX_AUDIO = "20MB"  # of a page, by default
KEPT_RESULTS = 2000  # transcript results from the beginning, and as many from the end
MAX_SHOWN_TRACKS = 4
MAX_NAMED = 200  # frames of the evidence that are shown in any case
_KEPT_GARBAGE = 100  # pieces of bytes that are no frame
_STEP = 2000  # records after which progress is reported


@dataclass(slots=True)
class SessionContent:
    """What a page shows of a session.

    Attributes:
        path: of its trace.
        name: of its trace, as it is shown.
        max_audio: bytes of all audio, before it is encoded in base64.
        frames: in columns.
        garbage: bytes outside of frames, the first ones.
    """

    path: Path
    name: Path
    session: Session
    catalog: Catalog
    max_audio: int
    frames: FrameTable = field(default_factory=FrameTable)
    garbage: list[Bytes] = field(default_factory=list)
    findings: Sequence[Finding] = ()

    @classmethod
    def empty(
        cls, path: Path, catalog: Catalog, *, max_audio: int, name: Path | None = None
    ) -> SessionContent:
        """The content of a session of which nothing was read so far.

        Args:
            max_audio, name: as for `read_content`.
        """
        max_bytes = max_audio * 3 // 4
        recorder = partial(TrackRecorder, max_bytes=max_bytes)
        session = Session.analyzing(catalog, KEPT_RESULTS, recorder)
        return cls(path, name or path, session, catalog, max_bytes)

    def add(self, record: Record | FrameRun) -> None:
        """Add a record that the session has read."""
        if isinstance(record, FrameRecord):
            self.frames.add(record)
        elif isinstance(record, FrameRun):
            self.frames.add_run(record)
        elif isinstance(record, Bytes) and len(self.garbage) < _KEPT_GARBAGE:
            self.garbage.append(record)

    def diagnose(self) -> None:
        """Find out what is wrong, as far as the session was read."""
        self.findings = diagnose(self.session, self.catalog)

    @property
    def timeline(self) -> Timeline:
        """Of the session."""
        timeline = self.session.timeline
        assert timeline is not None, "it was read with a catalog"
        return timeline

    @property
    def outcome(self) -> Outcome:
        """Of the session, with its findings."""
        found = outcome(self.session, self.findings)
        assert found is not None, "it was read with a catalog"
        return found

    def recorder(self, key: TrackKey) -> TrackRecorder:
        """What a track was recorded with.

        Args:
            key: of a track that there is.
        """
        track = self.session.audio.track(key)
        assert track is not None and isinstance(track.analyzer, TrackRecorder)
        return track.analyzer

    @property
    def tracks(self) -> list[tuple[AudioTrack, TrackRecorder]]:
        """The audio of both directions, the app's first; the tracks with the most audio of each."""
        return [
            (track, track.analyzer)
            for side in (True, False)
            for track in self.session.audio.tracks(from_client=side)[: MAX_SHOWN_TRACKS // 2]
            if isinstance(track.analyzer, TrackRecorder)
        ]


def read_content(
    path: Path,
    catalog: Catalog,
    *,
    max_audio: int,
    name: Path | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> SessionContent:
    """Read a trace.

    Args:
        max_audio: bytes that all audio may have in the page, in base64; 0: none is embedded.
        name: of the trace, as it is shown; None: its path.
        step: is called with what is being done.

    Raises:
        TraceError: it cannot be read.
    """
    content = SessionContent.empty(path, catalog, max_audio=max_audio, name=name)
    for number, record in enumerate(content.session.reading(path)):
        content.add(record)
        if number % _STEP == 0:
            step(f"reading {path.name}: {number} records")
    step(f"explaining {path.name}")
    content.diagnose()
    add_evidence(content)
    content.session.settle()
    return content


def named_frames(findings: Sequence[Finding]) -> list[int]:
    """The frames of the evidence, those of the most important findings first."""
    found = dict.fromkeys(
        number for finding in findings for each in finding.evidence for number in each.frames
    )
    return list(found)[:MAX_NAMED]


def add_evidence(content: SessionContent) -> None:
    """Read the trace of a long session again for frames of the evidence that are not kept."""
    table = content.frames
    missing = {
        number
        for number in named_frames(content.findings)
        if number <= table.count and not table.keeps(number)
    }
    if not missing:
        return
    with TraceReader(content.path) as reader, suppress(LimitExceeded):
        frames = (record for record in bounded(reader) if isinstance(record, FrameRecord))
        for number, record in enumerate(islice(frames, max(missing)), 1):
            if number in missing:
                table.add_between(number, record)
