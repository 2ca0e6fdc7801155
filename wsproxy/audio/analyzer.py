"""The audio of one direction of a session, analyzed while it is read."""

from __future__ import annotations

from .encodings import AudioFormat
from .report import AudioReport


class AudioAnalyzer:
    """Analyzes a stream of audio chunk by chunk, in bounded memory.

    Args:
        declared: the format that the session declares; None where nothing is declared. What the
            bytes contain counts for more: a container is decoded by its own header.
    """

    def __init__(self, declared: AudioFormat | None = None) -> None:
        self._declared = declared
        self._size = 0
        self._chunks = 0

    def add(self, data: bytes, frame: int, t_ns: int) -> None:
        """Add the next chunk of the stream.

        Args:
            data: the audio of one message, without what carries it (base64, JSON, headers).
            frame: number of the frame that it begins in.
            t_ns: time of that frame.
        """
        self._size += len(data)
        self._chunks += 1

    def change_format(self, declared: AudioFormat | None, frame: int, t_ns: int) -> None:
        """Declare another format for the chunks that follow."""
        self._declared = declared

    def report(self) -> AudioReport:
        """The result for all chunks so far; more may be added afterwards."""
        return AudioReport(format=self._declared, size=self._size, chunks=self._chunks)
