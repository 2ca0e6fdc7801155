"""From audio to made words: where something is loud is a word; which one is the audio's doing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.audio.encoding import FRAME, PcmFormat

_WORDS = (  # noqa: SIM905  # sentences are easier to read than a list
    "the quick river carries small boats along green banks while people walk over stone bridges "
    "and children watch birds from open windows every morning before work begins in town where "
    "old friends drink coffee at round tables near a station with seven trains that leave on time"
).split()
_GAP = 4  # quiet frames that end a word
_LONGEST = 80  # frames; a longer sound is taken for more than one word


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """A word heard, with its place in the session's audio in seconds."""

    text: str
    start: float
    end: float

    @property
    def confidence(self) -> float:
        """Made as well: 0.90 to 0.99, the same for the same word."""
        return round(0.9 + len(self.text) % 10 / 100, 2)


class Recognizer:
    """Listens to one session's audio, frame by frame. The same audio gives the same words.

    Attributes:
        words: those that were heard and not yet taken.
        in_word: whether a word is being heard.
        quiet: seconds since the last sound.
    """

    def __init__(self, audio: PcmFormat) -> None:
        self.format = audio
        self.words: list[RecognizedWord] = []
        self._bytes = 0
        self._rest = b""
        self._frames = 0
        self._start = -1  # frame at which the word at hand began
        self._last_loud = 0  # frame after the last loud one
        self._crc = 0

    @property
    def seconds(self) -> float:
        """Length of all audio so far."""
        return self._bytes / self.format.bytes_per_second

    @property
    def in_word(self) -> bool:
        return self._start >= 0

    @property
    def word_start(self) -> float:
        """Where the word at hand began, seconds."""
        return self._start * FRAME

    @property
    def quiet(self) -> float:
        return (self._frames - self._last_loud) * FRAME

    def hear(self, data: bytes) -> Iterator[float]:
        """Take audio; yields the time, in seconds of audio, after each frame."""
        self._bytes += len(data)
        data = self._rest + data
        size = self.format.frame_bytes
        whole = len(data) // size * size
        self._rest = data[whole:]
        for start in range(0, whole, size):
            self._frame(data[start : start + size])
            yield self._frames * FRAME

    def take(self) -> list[RecognizedWord]:
        """The words so far, which are then forgotten; a word at hand ends here."""
        self._end_word()
        words, self.words = self.words, []
        return words

    def _frame(self, frame: bytes) -> None:
        loud = self.format.loud(frame)
        if loud is None:
            # Compressed: words of 0.3 s, and a pause every 3 s.
            loud = self._frames % 300 < 220 and self._frames % 40 < 30
        self._frames += 1
        if loud:
            if self._start < 0:
                self._start, self._crc = self._frames - 1, 0
            self._crc = zlib.crc32(frame, self._crc)
            self._last_loud = self._frames
            if self._frames - self._start >= _LONGEST:
                self._end_word()
        elif self._start >= 0 and self._frames - self._last_loud >= _GAP:
            self._end_word()

    def _end_word(self) -> None:
        if self._start < 0:
            return
        text = _WORDS[self._crc % len(_WORDS)]
        word = RecognizedWord(
            text, round(self._start * FRAME, 3), round(self._last_loud * FRAME, 3)
        )
        self.words.append(word)
        self._start = -1


def sentence(words: list[RecognizedWord]) -> str:
    """Words as a sentence: with a capital letter and a full stop."""
    text = " ".join(word.text for word in words)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
