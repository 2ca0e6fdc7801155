"""What a comparison of hostile texts costs: time with their length, and no more."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions import SERVER, audio, opened, text_message, write
from wsproxy.compare import compare
from wsproxy.compare.transcript import (
    MAX_COUNTED,
    Transcript,
    compare_transcripts,
    word_errors,
)
from wsproxy.compare.volatile_values import Normalizer, first_difference, mask_volatile
from wsproxy.session.transcript_result import TranscriptResult

pytestmark = pytest.mark.cost

# Each is what some pattern of `volatile` may be made to look for again and again.
PIECES = [
    "a-",
    "a_",
    "0a",
    "1.",
    "1 ",
    "1" + " " * 50,
    "12 m",
    "2026-01-02T",
    "9a8b7c6d-1111-",
    "aA1",
    "requestId",
    "0123456789abcdeg ",
    "\u97f3",
    "<id>",
]


def seconds(work: Callable[[], object]) -> float:
    """CPU time, the least of some."""
    gc.collect()
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.sweep(keep=7)
@pytest.mark.parametrize("piece", PIECES)
def test_mask_volatile_cost_is_linear(piece: str) -> None:
    def cost(size: int) -> float:
        text = (piece * size)[:size]
        value = {"a": text, "x_id": text, text[:300]: [text]}
        return seconds(lambda: (mask_volatile(text), Normalizer(numbers=True).value(value)))

    one, two = cost(1 << 15), cost(1 << 16)
    assert two < 3 * one + 0.02


# Of the minimum length of each pattern, and with letters only where the pattern allows it.
SHORTEST = {
    "abcdefab-cdef-abcd-efab-cdefabcdefab": "<id>",
    "abcdefabcdefabcd": "<id>",
    "ABCDEFABCDEFABCD": "<id>",
    "ABCDEFGHJKMNPQRSTVWXYZABCD": "<id>",
    "aB3_-aB3_-aB3_-aB3_-": "<id>",
    "2026-01-02T10:11": "<time>",
    "2026-01-02 10:11": "<time>",
    "\u0662\u0660\u0662\u0666-\u0660\u0661-\u0660\u0662 10:11": "<time>",
}


@pytest.mark.parametrize("text", SHORTEST)
@pytest.mark.parametrize("around", ["{}", "x {}", "{} x", "x\u00e9 ({}), x"])
def test_mask_volatile_shortest_of_each_kind_is_masked(text: str, around: str) -> None:
    """It searches for what all of them have before it searches for each of them."""
    assert mask_volatile(around.format(text), numbers=False) == around.format(SHORTEST[text])


def transcript(words: list[str]) -> Transcript:
    made = Transcript()
    for start in range(0, len(words), 1000):
        text = " ".join(words[start : start + 1000])
        made.add(start + 1, TranscriptResult(text, has_text=True, final=True))
    return made


@pytest.mark.parametrize("distinct", [2, 1_000_000])
def test_compare_transcripts_cost_is_linear(distinct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsproxy.compare.transcript.MAX_COUNTED", 2000)

    def cost(size: int) -> float:
        left = transcript([f"a{n * 7919 % distinct}" for n in range(size)])
        right = transcript([f"b{n * 104729 % distinct}" for n in range(size)])
        return seconds(lambda: compare_transcripts(left, right))

    one, two = cost(30_000), cost(60_000)
    assert two < 2.5 * one + 0.05


def test_compare_transcripts_beyond_limit_is_upper_bound() -> None:
    left = [f"a{n}" for n in range(MAX_COUNTED + 500)]
    right = ["b", *left[1:-1], "c"]
    found = compare_transcripts(transcript(left), transcript(right))
    assert found is not None
    assert found.bounded
    assert word_errors(["b", *left[1:50], "c"], left[:51]) == 2
    assert 2 / len(left) <= found.rate <= 502 / len(left)


def test_compare_megabyte_transcripts_notes_uncounted_words(tmp_path: Path) -> None:
    def trace(name: str, letter: str) -> Path:
        results = [
            text_message(
                100 + n,
                SERVER,
                {
                    "type": "Turn",
                    "turn_order": n,
                    "end_of_turn": True,
                    "transcript": " ".join(f"{letter}{n}{m}" for m in range(5000)),
                },
            )
            for n in range(20)
        ]
        records = [*opened("/"), *results]
        return write(tmp_path / name, records, provider="assemblyai", api="streaming")

    left, right = trace("a", "a"), trace("b", "b")
    began = time.process_time()
    found = compare(left, right)
    assert time.process_time() - began < 20  # quadratic, it takes minutes
    assert found.verdict == "different"
    assert found.wer == 1.0
    assert any("at most" in note for note in found.notes)


def test_compare_audio_difference_at_end_is_found_quickly(tmp_path: Path) -> None:
    size = 16 << 20
    data = bytes(size)
    left = write(tmp_path / "a", [*opened("/"), audio(100, SERVER, data)], provider=None, api=None)
    other = audio(100, SERVER, data[:-1] + b"x")
    right = write(tmp_path / "b", [*opened("/"), other], provider=None, api=None)
    began = time.process_time()
    (difference,) = compare(left, right).differences
    assert time.process_time() - began < 5
    assert f"byte {size - 1}" in difference.replayed


def test_first_difference_of_many_fields_cost_is_linear() -> None:
    def cost(size: int) -> float:
        a = {f"n{n}": [n] for n in range(size)}
        b = {**a, "z": 1}
        return seconds(lambda: first_difference(a, b))

    assert cost(40_000) < 3 * cost(20_000) + 0.02
