"""Begins the recording of a replay: its folder, its first records, its file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import annotate
from wsproxy.errors import UsageError
from wsproxy.recorder import Clock, SessionWriter, new_start, trace_path
from wsproxy.redact import HeadRedactor, SessionRedactor, fingerprint_key
from wsproxy.session import Session
from wsproxy.trace import FindingRecord


@dataclass(frozen=True, slots=True)
class ReplayRecording:
    """How replays are recorded.

    Attributes:
        folder: where the traces go; created if it is not there.
        redact: takes credentials out of what is recorded.
        diagnose: names the findings of the new session.
        kept: whether a trace stays once its session has been judged.
    """

    folder: Path
    redact: HeadRedactor
    diagnose: Callable[[Session], list[FindingRecord]] | None = None
    kept: bool = True

    @classmethod
    def into(
        cls, folder: Path, catalog: Catalog | None = None, *, kept: bool = True
    ) -> ReplayRecording:
        """Into a folder, without credentials, with findings.

        Args:
            catalog: what is known; None: as `catalog.load` gives it.
            kept: whether a trace stays once its session has been judged.
        """
        known = catalog or load()
        redact = HeadRedactor(known.credentials, fingerprint_key(), known.key_shapes)
        return cls(folder, redact, partial(annotate, catalog=known), kept)

    @classmethod
    @contextlib.contextmanager
    def discarded(cls) -> Iterator[ReplayRecording]:
        """Into a temporary folder, which is removed at the end of the `with`.

        Each trace is removed as soon as its session has been judged.

        Raises:
            UsageError: there is no folder for temporary files.
        """
        try:
            folder = tempfile.TemporaryDirectory(
                prefix="wsproxy-replay-", ignore_cleanup_errors=True
            )
        except OSError as error:
            raise UsageError(
                f"cannot create a temporary folder: {error.strerror or error}; set TMPDIR to a "
                "folder that can be written to"
            ) from None
        with folder as name:
            yield cls.into(Path(name), kept=False)

    def check(self, *, create: bool = True) -> None:
        """See that traces can be written.

        Args:
            create: create the folder; else it is looked whether it could be.

        Raises:
            UsageError: traces cannot be written there.
        """
        folder = self.folder
        try:
            if create:
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder = next(
                    each for each in (folder, *folder.absolute().parents) if each.exists()
                )
            with tempfile.TemporaryFile(dir=folder, prefix=".wsproxy-probe-"):
                pass
        except OSError as error:
            raise UsageError(f"cannot write into {self.folder}: {error.strerror}") from None

    def begin(
        self,
        original: Session,
        clock: Clock,
        mode: str,
        client: str | None,
        known: tuple[str, ...] = (),
    ) -> SessionWriter:
        """A recording whose first record says what is replayed.

        Args:
            mode: "replay-client" or "replay-server".
            client: the app's address, "host:port".
            known: credentials that are hidden wherever they are.

        Raises:
            UsageError: the file cannot be created.
        """
        start = new_start(
            clock,
            mode=mode,
            origin=original.id,
            provider=original.provider,
            api=original.api,
            client=client,
        )
        try:
            guard = SessionRedactor(self.redact, known)
            path = trace_path(self.folder, start)
            return SessionWriter(path, start, diagnose=self.diagnose, redactor=guard)
        except OSError as error:
            raise UsageError(f"cannot write into {self.folder}: {error.strerror}") from None


def written(recording: SessionWriter) -> Path:
    """The trace of a session that is over.

    Raises:
        UsageError: a part of it could not be written, so that nothing can be said of the session.
    """
    if recording.error is not None:
        error = recording.error.strerror or recording.error
        raise UsageError(f"cannot write {recording.path}: {error}")
    return recording.path
