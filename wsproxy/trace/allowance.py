"""How much a trace may hold for its size.

A few kilobytes of zstd can unpack to gigabytes, or to millions of records. What was recorded
never does: the times alone of real frames take over 5 bytes each, and digital silence packs
a few hundred times. What a file has beyond that is read as well, up to a fixed amount, which
holds an hour of anything real.
"""

from __future__ import annotations

import os

BYTES_A_RECORD = 4  # of the file; a frame of a real session takes 5.9 and more
RATIO = 256  # bytes of content for a byte of the file
RECORDS = 200_000  # beyond that
SIZE = 512 << 20  # bytes beyond that
# A block that is larger than most is one frame: a file sent in one message. Of those that pack
# as silence does, a trace has few.
LARGE = 16 << 20  # bytes unpacked
LARGE_RATIO = 64  # bytes of its content for a byte of the file, from which it is dense
DENSE = 80 << 20  # bytes unpacked of all dense blocks of a trace: one frame of any size

# Records that are neither frames nor bytes. A session has a handful, and a gap for each time
# that the recorder fell behind.
NOTES = 1000  # of any trace
BYTES_A_NOTE = 64  # of the file, for each one more
NOTE_SIZE = 8 << 20  # bytes of them all, unpacked: several requests of the largest size
NOTE_RATIO = 16  # bytes more for a byte of the file

# What is kept in memory, by commands that need all of a trace at once.
HELD = 96 << 20  # bytes of any trace
HELD_RATIO = 64  # bytes more for a byte of the file
# Words and values that are replaced, where that is asked for; JSON that comes again and again,
# as interim results do, packs to less than a byte for each.
WORDS = 200_000  # of any trace
WORDS_A_BYTE = 4  # more, of the file
MOST_WORDS = 8_000_000  # of any trace: minutes of work
# JSON values that are compared, and 32 bytes of text as one. An hour of results that are sent
# anew every 100 ms, with their words and without any audio, has 2.2 for each byte.
VALUES = 1_000_000  # of any trace
VALUES_A_BYTE = 3  # more, of the file
MOST_VALUES = 16_000_000  # of any trace

# Bytes that are unpacked while the next sound block is looked for after damage.
SEARCHED = 2 << 30  # of any trace
SEARCHED_RATIO = 16  # bytes more for a byte of the file

VARIABLE = "WSPROXY_NO_LIMITS"  # of the environment; 1 reads whatever there is
_NO_LIMIT = 1 << 62


class Allowance:
    """What may still be read. Traces that are read by one command can share one.

    Attributes:
        held: bytes that may be held in memory at once.
        words: words of what was read that may be replaced.
        values: JSON values of what was read that may be compared.
        records: records that may still be read.
        size: bytes of content that may still be unpacked.
        searched: bytes that may still be unpacked to find the next sound block.
        notes: records of the trace, other than frames and bytes, that may still be read.
        note_size: bytes that those may still have, unpacked.
    """

    def __init__(self) -> None:
        unlimited = os.environ.get(VARIABLE, "") not in ("", "0")
        self.records = _NO_LIMIT if unlimited else RECORDS
        self.size = _NO_LIMIT if unlimited else SIZE
        self.searched = SEARCHED
        self.held = _NO_LIMIT if unlimited else HELD
        self.words = _NO_LIMIT if unlimited else WORDS
        self.values = _NO_LIMIT if unlimited else VALUES
        self._unlimited = unlimited
        self._before = self.records, self.searched
        self.begin_trace()

    def begin_trace(self) -> None:
        """Another trace is read with it.

        Records that the last one might have had for its size, and did not have, are not for
        this one to waste. Content is: it is quick, and silence in long messages may need it.
        """
        self.records, self.searched = self._before = (
            min(self.records, self._before[0]),
            min(self.searched, self._before[1]),
        )
        self._dense = DENSE
        self.notes = _NO_LIMIT if self._unlimited else NOTES
        self.note_size = _NO_LIMIT if self._unlimited else NOTE_SIZE

    def take(self, packed: int, unpacked: int) -> bool:
        """Count a block.

        Args:
            packed: its bytes in the file.
            unpacked: bytes of its content.

        Returns:
            Whether it may be read.
        """
        if unpacked > max(LARGE, packed * LARGE_RATIO) and not self._unlimited:
            if unpacked > self._dense:
                return False
            self._dense -= unpacked
        self.records += packed // BYTES_A_RECORD
        self.held += packed * HELD_RATIO
        if not self._unlimited:
            self.words = min(self.words + packed * WORDS_A_BYTE, MOST_WORDS)
            self.values = min(self.values + packed * VALUES_A_BYTE, MOST_VALUES)
        self.notes += packed // BYTES_A_NOTE
        self.note_size += packed * NOTE_RATIO
        left = self.size + packed * RATIO - unpacked
        if left < 0:
            return False  # and nothing is taken: the next trace may be a real one
        self.size = left
        return True

    def take_note(self, size: int) -> bool:
        """Count a record that is neither a frame nor bytes.

        Args:
            size: its bytes, unpacked.

        Returns:
            Whether it may be read.
        """
        self.notes -= 1
        self.note_size -= size
        return self.notes >= 0 and self.note_size >= 0
