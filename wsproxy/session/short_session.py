"""All records of a short session, or none of a longer one."""

from __future__ import annotations

from collections.abc import Iterator

from wsproxy.trace import Bytes, FrameRecord, Record, Response

# A session with at most so many records is kept complete, if the payloads are small.
_ALL_RECORDS, _ALL_BYTES = 64, 16 << 10


class FewRecords:
    """Keeps the records of a session as long as they are few.

    Attributes:
        complete: whether all records are kept; else none is.
    """

    def __init__(self) -> None:
        self.complete = True
        self._records: list[Record] = []
        self._size = 0

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def add(self, record: Record) -> None:
        """Add the next record."""
        self._records.append(record)
        match record:
            case FrameRecord(payload=data) | Bytes(data=data):
                self._size += len(data)
            case Response(body=body):
                self._size += len(body or b"")
        if len(self._records) > _ALL_RECORDS or self._size > _ALL_BYTES:
            self.discard()

    def discard(self) -> None:
        """Keep none, from now on."""
        self.complete = False
        self._records.clear()
