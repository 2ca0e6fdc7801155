"""A synthetic speech recognizer: each loud interval becomes a word of a sentence.

The audio decides which sentence; after a pause the next one begins.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.sample_statistics import exceeds_noise

_SENTENCES = tuple(
    map(
        str.split,
        (
            "good morning i am calling about the delivery that was promised for tuesday",
            "the box has not arrived and the number on the card does not answer",
            "could somebody call me back today before five please",
            "i would like to book a table for two people tomorrow evening at seven",
            "we walked along the river and watched small boats pass under the bridge",
            "please send the invoice to the office and a copy to our accountant",
            "my flight leaves on friday and i still need a room near the station",
            "the meeting starts at nine and we will talk about the plan for spring",
            "can you tell me how long the repair will take and what it will cost",
            "thank you for your help that is all i wanted to know today",
        ),
    )
)
_FRAME = 0.010  # seconds of audio that are examined together
_COMPRESSED_RATE = 4000  # assumed bytes a second of compressed audio
_GAP = 4  # quiet frames that end a word
_SENTENCE_GAP = 30  # quiet frames that end a sentence
_MAX_WORD = 80  # frames; a longer sound is split into several words


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """A synthetic word, with its start and end in seconds of the session's audio."""

    text: str
    start: float
    end: float

    @property
    def confidence(self) -> float:
        """Synthetic as well: 0.90 to 0.99, the same for the same word."""
        return round(0.9 + len(self.text) % 10 / 100, 2)


class Recognizer:
    """Recognizes words in one session's audio. The same audio gives the same words.

    Attributes:
        words: recognized words that were not taken yet.
        in_word: whether a word has begun and not ended.
        quiet: seconds since the last sound.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self.format = audio
        self.words: list[RecognizedWord] = []
        self._bytes = 0
        self._frame_bytes = max(1, int(audio.rate * _FRAME)) * audio.sample_bytes
        if not self._frame_bytes:
            self._frame_bytes = int(_COMPRESSED_RATE * _FRAME)
        self._incomplete = b""
        self._frames = 0
        self._start = -1  # frame at which the current word began
        self._last_loud = 0  # frame after the last loud one
        self._crc = 0
        self._sentence: list[str] = []  # words of the current sentence that are left, last first
        self._word_end = 0  # frame after the last word

    @property
    def seconds(self) -> float:
        """Length of all audio so far."""
        return self._bytes / (self.format.bytes_per_second or _COMPRESSED_RATE)

    @property
    def in_word(self) -> bool:
        return self._start >= 0

    @property
    def word_start(self) -> float:
        """Where the current word began, in seconds of audio."""
        return self._start * _FRAME

    @property
    def quiet(self) -> float:
        return (self._frames - self._last_loud) * _FRAME

    def add(self, data: bytes) -> Iterator[float]:
        """Process audio; yields the position after each frame, in seconds of audio."""
        self._bytes += len(data)
        data = self._incomplete + data
        size = self._frame_bytes
        end = len(data) // size * size
        self._incomplete = data[end:]
        for start in range(0, end, size):
            self._frame(data[start : start + size])
            yield self._frames * _FRAME

    def take(self) -> list[RecognizedWord]:
        """Return and remove the words so far; the current word ends here."""
        self._end_word()
        words, self.words = self.words, []
        return words

    def _frame(self, frame: bytes) -> None:
        is_loud = exceeds_noise(frame, self.format.samples)
        if is_loud is None:
            # Compressed: words of 0.3 s, and a pause every 3 s.
            is_loud = self._frames % 300 < 220 and self._frames % 40 < 30
        self._frames += 1
        if is_loud:
            if self._start < 0:
                self._start, self._crc = self._frames - 1, 0
            self._crc = zlib.crc32(frame, self._crc)
            self._last_loud = self._frames
            if self._frames - self._start >= _MAX_WORD:
                self._end_word()
        elif self._start >= 0 and self._frames - self._last_loud >= _GAP:
            self._end_word()

    def _end_word(self) -> None:
        if self._start < 0:
            return
        if not self._sentence or self._start - self._word_end >= _SENTENCE_GAP:
            self._sentence = _SENTENCES[self._crc % len(_SENTENCES)][::-1]
        self._word_end = self._last_loud
        word = RecognizedWord(
            self._sentence.pop(),
            round(self._start * _FRAME, 3),
            round(self._last_loud * _FRAME, 3),
        )
        self.words.append(word)
        self._start = -1


def sentence(words: list[RecognizedWord]) -> str:
    """Words as a sentence: with a capital letter and a full stop."""
    text = " ".join("I" if word.text == "i" else word.text for word in words)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
