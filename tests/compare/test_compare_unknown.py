"""Sessions of an API that the catalog does not know, and what other recordings show to vary."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sessions import APP, SERVER, audio, closed, opened, text_message, write
from wsproxy.compare import Comparison, Tolerances, compare, learn
from wsproxy.compare.volatile_values import Normalizer, first_difference
from wsproxy.errors import UsageError
from wsproxy.trace import FrameRecord
from wsproxy.wire import Opcode

Message = dict[str, Any] | str | bytes
Recorded = Callable[..., Path]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Record a session at an unknown API, in which one side says something."""
    numbers = itertools.count()

    def record(*messages: Message, side: bool = SERVER, code: int = 1000, reason: str = "") -> Path:
        frames: list[FrameRecord] = [
            audio(100 + n, side, content)
            if isinstance(content, bytes)
            else text_message(100 + n, side, content)
            for n, content in enumerate(messages)
        ]
        records = [
            *opened("/x"),
            *frames,
            closed(900, SERVER, code, reason),
            closed(901, APP, code),
        ]
        return write(tmp_path / f"{next(numbers)}.wstrace", records, provider=None, api=None)

    return record


UNLIKE: dict[str, tuple[list[Message], list[Message], str | None]] = {
    "value": ([{"a": "b"}], [{"a": "c"}], "a"),
    "value deep inside": ([{"a": [{"b": 1}]}], [{"a": [{"b": 2}]}], "a.0.b"),
    "type of a value": ([{"a": 1}], [{"a": "1"}], "a"),
    "truth for a number": ([{"a": 1}], [{"a": True}], "a"),
    "item of a list": ([{"a": [1, 2]}], [{"a": [1]}], "a.1"),
    "field beside a kind": ([{"type": "x", "a": 1}], [{"type": "x"}], "a"),
    "interim by name": ([{"type": "partial", "a": 1}], [{"type": "partial", "a": 2}], "a"),
    "figure in a text": ([{"a": "wait 5 seconds"}], [{"a": "wait 6 seconds"}], "a"),
    "list": (["[1, 2]"], ["[1, 3]"], "1"),
    "text": (["hello"], ["hullo"], None),
    "number of messages": ([{"a": 1}, {"a": 1}], [{"a": 1}], None),
    "order": ([{"a": 1}, {"b": 1}], [{"b": 1}, {"a": 1}], None),
    "id by name that is a word": ([{"id": "approved"}], [{"id": "denied"}], "id"),
    "id that is missing": ([{"n": 1, "id": "x1"}], [{"n": 1, "id": None}], "id"),
    "time by name that is a word": ([{"at": "home"}], [{"at": "work"}], "at"),
    "white space at the end": (["hello"], ["hello "], None),
    "white space around a value": ([{"a": "x"}], [{"a": " x\n"}], "a"),
    "Unicode normal form": ([{"a": "\u00e9"}], [{"a": "e\u0301"}], "a"),
    "integer or not": (['{"a": 1}'], ['{"a": 1.0}'], "a"),
    "confidence": ([{"confidence": 0.9}], [{"confidence": 0.1}], "confidence"),
    "what lies very deep": (
        ['{"a":' * 80 + "1" + "}" * 80],
        ['{"a":' * 80 + "2" + "}" * 80],
        ".".join(["a"] * 51),
    ),
}


@pytest.mark.parametrize("side", [SERVER, APP])
@pytest.mark.parametrize("name", UNLIKE)
def test_compare_unknown_api_other_content_is_different(
    name: str, side: bool, recorded: Recorded
) -> None:
    one, other, path = UNLIKE[name]
    left, right = recorded(*one, side=side), recorded(*other, side=side)
    found = compare(left, right)
    assert found.verdict == "different"
    (difference,) = found.differences
    assert difference.field == ("messages" if side is SERVER else "messages_sent")
    assert difference.path == path
    assert difference.recorded != difference.replayed
    assert compare(left, recorded(*one, side=side)).verdict == "reproduced"


def test_compare_lists_headers_and_pings_as_not_compared(tmp_path: Path) -> None:
    ping = FrameRecord(50, SERVER, int(Opcode.PING), b"x")
    records = [
        [*opened("/x", **{"X-Model": model}), *pings, closed(900, SERVER, 1000)]
        for model, pings in (("a", [ping]), ("b", []))
    ]
    one, other = (write(tmp_path / f"{n}.wstrace", each) for n, each in enumerate(records))
    found = compare(one, other)
    assert found.same
    assert any("headers" in line for line in found.not_compared)
    assert "pings and pongs" in found.not_compared
    assert compare(one, other, rules=Tolerances(strict=True)).not_compared == []


def test_compare_unknown_api_other_error_is_different(recorded: Recorded) -> None:
    left = recorded({"type": "error", "message": "no model"})
    (difference,) = compare(left, recorded({"type": "error", "message": "no rate"})).differences
    assert (difference.field, difference.path) == ("error", "message")


def test_compare_unknown_api_errors_beyond_limit_are_counted(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.compare.session_digest._MAX_ERRORS", 2)
    errors = [{"type": "error", "n": n} for n in range(4)]
    left = recorded(*errors)
    assert not compare(left, recorded(*errors[:3], {"type": "error", "n": 7})).same
    assert compare(left, recorded(*errors)).same


def test_compare_unknown_api_other_byte_is_different(recorded: Recorded) -> None:
    left = recorded(b"abcd" * 1000)
    (difference,) = compare(left, recorded(b"abcd" * 999 + b"abXd")).differences
    assert difference.field == "audio_received"
    assert "byte 3998" in difference.replayed


ALIKE: dict[str, tuple[Message, Message, str]] = {
    "id": ({"request_id": "r1"}, {"request_id": "r2"}, "{request_id}: request_id: by heuristic"),
    "UUID": (
        {"a": "x 9a8b7c6d-1111-4000-8000-000000000001"},
        {"a": "x 9a8b7c6d-1111-4000-8000-000000000002"},
        "{a}: a: in part, by heuristic",
    ),
    "random token": (
        {"a": "req_AbCdEfGh12345678IjKl"},
        {"a": "req_ZyXwVuTs98765432RqPo"},
        "{a}: a: in part, by heuristic",
    ),
    "time": ({"created_at": 1732000000}, {"created_at": 1732000009}, "created_at: by heuristic"),
    "latency": ({"latency_ms": 3.2}, {"latency_ms": 9.1}, "latency_ms: by heuristic"),
    "sequence": ({"seq": 1}, {"seq": 7}, "seq: by heuristic"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_compare_unknown_api_lists_masked_values(name: str, recorded: Recorded) -> None:
    one, other, listed = ALIKE[name]
    found = compare(recorded(one), recorded(other))
    assert found.verdict == "reproduced"
    assert any(listed in line for line in found.not_compared), found.not_compared
    assert found.as_json()["not_compared"] == found.not_compared


def test_first_difference_of_nan_is_none() -> None:
    assert first_difference({"a": float("nan")}, {"a": float("nan")}) is None


def test_normalizer_many_masked_values_list_is_bounded() -> None:
    normalizer = Normalizer()
    normalizer.value({f"n{n}_id": n for n in range(1000)})
    assert len(normalizer.not_compared) == 100


# -- what varies


@pytest.fixture
def chat(recorded: Recorded) -> Callable[..., Path]:
    """A session whose scores and ticks vary."""

    def record(score: int, ticks: int, answer: str = "yes") -> Path:
        ticking: list[Message] = [{"type": "tick"}] * ticks
        scored = {"type": "x", "score": score, "words": [{"c": score}, {"c": score}]}
        return recorded(scored, *ticking, {"type": "answer", "text": answer})

    return record


def judged(recorded: Path, replayed: Path, *same_as: Path) -> Comparison:
    return compare(recorded, replayed, rules=Tolerances(variation=learn(recorded, same_as)))


def test_compare_learned_variation_is_reproduced(chat: Callable[..., Path]) -> None:
    left, again = chat(1, 1), chat(2, 3)
    assert judged(left, chat(5, 9)).verdict == "different"
    found = judged(left, chat(5, 9), again)
    assert found.verdict == "reproduced"
    assert "x: score: varies" in found.not_compared
    assert "x: words.*.c: varies" in found.not_compared
    assert "received messages tick: number and place vary" in found.not_compared


def test_compare_unlearned_variation_is_different(chat: Callable[..., Path]) -> None:
    left, again = chat(1, 1), chat(2, 3)
    (difference,) = judged(left, chat(5, 9, "no"), again).differences
    assert (difference.field, difference.path) == ("messages", "text")
    assert judged(left, chat(5, 2), chat(2, 1)).verdict == "different"  # as many ticks in both


def test_learn_equal_recordings_finds_no_variation(chat: Callable[..., Path]) -> None:
    assert not learn(chat(1, 1), [chat(1, 1), chat(1, 1)])


def test_learn_different_fields_finds_them(recorded: Recorded) -> None:
    left, again = recorded("a", reason="one"), recorded("a", reason="two")
    found = judged(left, recorded("a", reason="three"), again)
    assert found.same
    assert "close_reason" not in found.compared
    assert "close_reason: varies" in found.not_compared
    assert judged(left, recorded("b", reason="three"), again).verdict == "different"


def test_learn_other_ending_raises(recorded: Recorded) -> None:
    with pytest.raises(UsageError, match="close_code"):
        learn(recorded("a"), [recorded("a", code=1011)])
