"""Writes the trace of a session that has ended already.

For traces that are mutated, scrubbed, distilled or recovered: no clock, no network, no retries
on disk faults. If the trace cannot be written, there is none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from wsproxy.session import Session
from wsproxy.trace import End, Record, Start, TraceWriter

from .end_record import end_record
from .session_writer import Diagnose


class OfflineTraceWriter:
    """Writes records unchanged, then findings and the end record that follow from them.

    Args:
        file: unbuffered, at its beginning.
        start: the first record.
        diagnose: names the findings.

    Attributes:
        session: what was written so far.

    Raises:
        OSError: from the file, by any method.
    """

    def __init__(self, file: BinaryIO, start: Start, diagnose: Diagnose) -> None:
        self.session = Session()
        self._writer = TraceWriter(file, start.session)
        self._diagnose = diagnose
        self.add(start)

    def add(self, record: Record) -> None:
        """Take the next record."""
        self.session.add(record)
        self._writer.write(record)

    def end(self, t_ns: int, ending: str) -> None:
        """End the session with what its records show.

        Args:
            t_ns: when.
            ending: what to call it where they do not show how.
        """
        end = end_record(self.session, t_ns, self.session.derived_ending or ending)
        self._end_as(replace(end, complete=not self.session.gaps))

    def end_incomplete(self, recorded: End) -> None:
        """End a session with missing records whose ending is known.

        Args:
            recorded: says how it ended; what is counted are the records that were written.
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
        """Write the findings and the end record, which names them."""
        self.session.end = end
        findings = self._diagnose(self.session)
        for finding in findings:
            self.add(finding)
        self.add(replace(end, findings=[finding.id for finding in findings]))
        self.finish()

    def finish(self) -> None:
        """Write what is pending, and the seek table."""
        self._writer.finish()
