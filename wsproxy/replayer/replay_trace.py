"""Record replays: the folder, and the beginning of each trace."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose.annotation import annotate
from wsproxy.errors import UsageError
from wsproxy.recorder import Annotate, Clock, SessionWriter, new_start, trace_path
from wsproxy.redact import HeadRedactor, SessionRedactor, fingerprint_key
from wsproxy.session import Session


@dataclass(frozen=True, slots=True)
class ReplayRecording:
    """How and where replays are recorded.

    Attributes:
        folder: for the traces; created if it does not exist.
        redact: removes credentials from what is recorded.
        annotate: explains the recorded session when it ends.
        keep: whether to keep a trace after its session has been judged.
    """

    folder: Path
    redact: HeadRedactor
    annotate: Annotate | None = None
    keep: bool = True

    @classmethod
    def into(
        cls, folder: Path, catalog: Catalog | None = None, *, keep: bool = True
    ) -> ReplayRecording:
        """Record into a folder, with redaction and findings.

        Args:
            catalog: None: the catalog of `catalog.load`.
            keep: whether to keep a trace after its session has been judged.
        """
        catalog_in_use = catalog or load()
        redact = HeadRedactor(
            catalog_in_use.credentials, fingerprint_key(), catalog_in_use.key_shapes
        )
        return cls(folder, redact, partial(annotate, catalog=catalog_in_use), keep)

    @classmethod
    @contextlib.contextmanager
    def discarded(cls) -> Iterator[ReplayRecording]:
        """Record into a temporary folder, which is removed at the end of the `with`.

        Each trace is removed as soon as its session has been judged.

        Raises:
            UsageError: a temporary folder cannot be created.
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
            yield cls.into(Path(name), keep=False)

    def check(self, *, create: bool = True) -> None:
        """Check that traces can be written.

        Args:
            create: create the folder; otherwise only check whether it could be created.

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

    def warm_up(self, session: Session) -> None:
        """Load what the diagnosis of a session needs, before a replay waits for it."""
        if self.annotate is not None:
            self.annotate(session, None, lambda: None)

    def begin(
        self,
        original: Session,
        clock: Clock,
        mode: str,
        client: str | None,
        credentials: tuple[str, ...] = (),
    ) -> SessionWriter:
        """Begin a recording; its first record states what is replayed.

        Args:
            original: the session that is replayed.
            mode: "replay-client" or "replay-server".
            client: the client's address, "host:port".
            credentials: values to redact wherever they occur.

        Raises:
            UsageError: the file cannot be created.
        """
        start = new_start(
            clock,
            mode=mode,
            origin=original.id,
            origin_host=original.recorded_host,
            provider=original.provider,
            api=original.api,
            client=client,
        )
        try:
            redactor = SessionRedactor(self.redact, credentials)
            path = trace_path(self.folder, start)
            return SessionWriter(
                path, start, annotate=self.annotate if self.keep else None, redactor=redactor
            )
        except OSError as error:
            raise UsageError(f"cannot write into {self.folder}: {error.strerror}") from None


def completed_trace(recording: SessionWriter) -> Path:
    """The trace of a session that has ended.

    Raises:
        UsageError: a part of it could not be written, so that the session cannot be judged.
    """
    if recording.error is not None:
        error = recording.error.strerror or recording.error
        raise UsageError(f"cannot write {recording.path}: {error}")
    return recording.path
