"""Writes the trace of a session that has already ended.

Used for traces that are edited, anonymized, distilled or recovered: without a clock, a network
or retries. If the trace cannot be written, there is none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from wsproxy.session import Session
from wsproxy.trace import End, Record, Start, TraceWriter

from .annotator import Annotate
from .end_record import end_record


class OfflineTraceWriter:
    """Writes records unchanged, then findings and an end record derived from them.

    Args:
        file: unbuffered, at its beginning.
        start: the first record.
        annotate: explains the session, from memory.

    Attributes:
        session: what was written so far.

    Raises:
        OSError: from the file, by any method.
    """

    def __init__(self, file: BinaryIO, start: Start, annotate: Annotate) -> None:
        self.session = Session()
        self._writer = TraceWriter(file, start.session)
        self._annotate = annotate
        self.add(start)

    def add(self, record: Record) -> None:
        """Write the next record."""
        self.session.add(record)
        self._writer.write(record)

    def end(self, t_ns: int, ending: str) -> None:
        """End the session with an end record derived from its records.

        Args:
            t_ns: time of the end.
            ending: the ending if the records do not determine it.
        """
        end = end_record(self.session, t_ns, self.session.derived_ending or ending)
        self._end_as(replace(end, complete=not self.session.gaps))

    def end_incomplete(self, recorded: End) -> None:
        """End a session with missing records whose ending is known.

        Args:
            recorded: how it ended; the counts are those of the records that were written.
        """
        counted = end_record(self.session, recorded.t_ns, recorded.ending)
        self._end_as(
            replace(
                counted,
                closed_by=recorded.closed_by,
                close_code=recorded.close_code,
                close_reason=recorded.close_reason,
                complete=False,
            )
        )

    def _end_as(self, end: End) -> None:
        """Write the findings, then the given end record with their ids."""
        self.session.end = end
        annotation = self._annotate(self.session, None, lambda: None)
        for finding in annotation.findings:
            self.add(finding)
        self.add(replace(end, findings=[finding.id for finding in annotation.findings]))
        self.finish()

    def finish(self) -> None:
        """Write pending records and the seek table."""
        self._writer.finish()
