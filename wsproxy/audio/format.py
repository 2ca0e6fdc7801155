"""How a stream of audio is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from .encodings import Encoding, encoding_named


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of a stream of audio.

    Attributes:
        encoding: as the API names it, "" where nothing declares it (a container is expected).
        rate: samples a second, 0 if unknown.
        channels: their number.
    """

    encoding: str
    rate: int
    channels: int = 1

    @property
    def samples(self) -> Encoding | None:
        """The encoding of its samples; None where it is compressed, in a container, or unknown."""
        return encoding_named(self.encoding)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels; 0 where the encoding has no fixed size."""
        return self.samples.sample_bytes * self.channels if self.samples else 0

    @property
    def bytes_per_second(self) -> int:
        """0 where the number of bytes does not determine the duration."""
        return self.sample_bytes * self.rate

    def duration(self, size: int) -> float:
        """The duration of `size` bytes in seconds; 0.0 where it is unknown."""
        return size / self.bytes_per_second if self.bytes_per_second else 0.0

    def __str__(self) -> str:
        if not self.encoding:
            return "a container (no encoding declared)"
        rate = f" at {self.rate} Hz" if self.rate else ""
        channels = f", {self.channels} channels" if self.channels != 1 else ""
        return f"{self.encoding}{rate}{channels}"
