"""Counts the records that could not be written, until a gap record in the trace says so."""

from __future__ import annotations

from dataclasses import replace

from wsproxy.trace import Gap

REMOVED = "the file was removed while it was being written; earlier records are lost"


class LostRecords:
    """The records that a trace lacks since its last gap record; all times are the session's, ns.

    A disk that is full, gone or read-only loses records; they are counted, never kept: the
    session may go on for hours.
    """

    def __init__(self) -> None:
        self._gap: Gap | None = None

    @property
    def writing_failed(self) -> bool:
        """Whether a write has failed since the last gap record, even if it lost nothing."""
        return self._gap is not None

    def add(self, records: int, now_ns: int, fault: OSError | None) -> None:
        """Add records that could not be written because of this fault."""
        if self._gap is None:
            why = (fault.strerror or fault) if fault is not None else ""
            self._gap = Gap(now_ns, now_ns, f"cannot write: {why}")
        self._gap = replace(self._gap, until_ns=now_ns, records=self._gap.records + records)

    def add_removed(self, records: int, since_ns: int, now_ns: int) -> None:
        """Add the records of a file that was removed while it was being written."""
        before = self._gap.records if self._gap is not None else 0
        self._gap = Gap(since_ns, now_ns, REMOVED, before + records)

    def gap(self, now_ns: int) -> Gap | None:
        """The gap up to now; None if no record is missing."""
        if self._gap is None or not self._gap.records:
            return None
        return replace(self._gap, until_ns=now_ns)

    def clear(self) -> None:
        """The trace can be written, and a gap record says what is missing."""
        self._gap = None
