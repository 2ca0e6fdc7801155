"""The transcript of a session, and the comparison of two transcripts."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions import (
    LISTEN,
    MS,
    SERVER,
    SPEAK,
    Records,
    audio,
    opened,
    text_message,
    write,
)
from wsproxy.catalog import load
from wsproxy.catalog.envelope import wrap
from wsproxy.compare import Tolerances, compare
from wsproxy.compare.session_digest import SessionDigest
from wsproxy.compare.transcript import word_errors
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode


def matrix(a: Sequence[str], b: Sequence[str]) -> int:
    """The Levenshtein distance as the textbook has it."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
    return row[-1]


_words = st.lists(st.sampled_from("abcd"), max_size=30)


@given(_words, _words)
def test_word_errors_of_two_texts_is_levenshtein_distance(a: list[str], b: list[str]) -> None:
    assert word_errors(a, b) == matrix(a, b)


def test_word_errors_of_long_texts_is_counted() -> None:
    choose = random.Random(1)
    words = [str(choose.randint(0, 500)) for _ in range(20_000)]
    assert word_errors(words, words) == 0
    assert word_errors(words, ["other", *words[1:-1]]) == 2


@pytest.fixture
def digest_of(tmp_path: Path) -> Any:
    """The story of a session at an API, without its handshake."""

    def read(
        records: Records, provider: str = "deepgram", api: str | None = "listen"
    ) -> SessionDigest:
        number = len(list(tmp_path.iterdir()))
        path = write(
            tmp_path / f"{number}.wstrace", [*opened("/"), *records], provider=provider, api=api
        )
        return SessionDigest.read(path, load())

    return read


def turn(order: int, text: str, *, end: bool, formatted: bool = False) -> dict[str, Any]:
    return {
        "type": "Turn",
        "turn_order": order,
        "transcript": text,
        "end_of_turn": end,
        "turn_is_formatted": formatted,
    }


def flux(event: str, text: str) -> dict[str, Any]:
    return {"type": "TurnInfo", "event": event, "turn_index": 0, "transcript": text}


def tokens(*texts: tuple[str, bool]) -> dict[str, Any]:
    return {"tokens": [{"text": text, "is_final": final} for text, final in texts]}


def amazon(text: str, partial: bool) -> dict[str, Any]:
    alternatives = [{"Transcript": text}, {"Transcript": "something else"}]
    results = [{"IsPartial": partial, "Alternatives": alternatives}]
    return {
        ":message-type": "event",
        ":event-type": "TranscriptEvent",
        "Transcript": {"Results": results},
    }


def rev(kind: str, *values: str) -> dict[str, Any]:
    return {"type": kind, "elements": [{"type": "text", "value": value} for value in values]}


def xai(kind: str, text: str) -> dict[str, Any]:
    return {"type": f"transcript.{kind}", "text": text, "is_final": True, "duration": 1.0}


# provider, api, the server's messages, and the words of what is final in them
FINALS: list[tuple[str, str, list[dict[str, Any]], str]] = [
    ("assemblyai", "streaming", [turn(0, "hel", end=False), turn(0, "hello", end=True)], "hello"),
    (
        "assemblyai",
        "streaming",
        [
            turn(0, "hello you", end=True),
            turn(0, "Hello, you.", end=True, formatted=True),
            turn(1, "bye", end=True),
        ],
        "Hello you bye",
    ),
    # The last message repeats all of them.
    ("xai", "stt", [xai("partial", "hello"), xai("done", "hello")], "hello"),
    ("xai", "stt", [xai("done", "hello")], "hello"),
    ("deepgram", "listen-v2", [flux("Update", "hel"), flux("EagerEndOfTurn", "hello")], ""),
    ("deepgram", "listen-v2", [flux("Update", "hel"), flux("EndOfTurn", "hello")], "hello"),
    (
        "soniox",
        "stt",
        [
            tokens(("Hel", True), ("li", False)),
            tokens(("lo", True), (" wor", True)),
            tokens(("ld.", True)),
        ],
        "Hello world",
    ),
    (
        "gladia",
        "live",
        [
            {"type": "transcript", "data": {"is_final": final, "utterance": {"text": text}}}
            for text, final in (("one", False), ("one two", True))
        ],
        "one two",
    ),
    (
        "revai",
        "stream",
        [rev("partial", "one"), rev("final", "One", " ", "two", "."), rev("final", "Three")],
        "One two Three",
    ),
    (
        "elevenlabs",
        "stt",
        [
            {"message_type": "partial_transcript", "text": "hi"},
            {"message_type": "committed_transcript", "text": "Hi there"},
        ],
        "Hi there",
    ),
    (
        "speechmatics",
        "rt",
        [
            {"message": kind, "metadata": {"transcript": text}}
            for kind, text in (("AddPartialTranscript", "a"), ("AddTranscript", "A b. "))
        ],
        "A b",
    ),
    (
        "openai",
        "realtime",
        [
            {"type": "conversation.item.input_audio_transcription.delta", "delta": "on"},
            {"type": "conversation.item.input_audio_transcription.completed", "transcript": "one"},
            {"type": "response.output_audio_transcript.done", "transcript": "new every time"},
        ],
        "one",
    ),
    (
        "deepgram",
        "agent",
        [
            {"type": "ConversationText", "role": "user", "content": "my words"},
            {"type": "ConversationText", "role": "assistant", "content": "its words"},
        ],
        "my words",
    ),
    (
        "hume",
        "evi",
        [
            {
                "type": "user_message",
                "interim": interim,
                "message": {"role": "user", "content": "so"},
            }
            for interim in (True, False)
        ],
        "so",
    ),
    (
        "deepgram",
        "listen",
        [
            {
                "type": "Results",
                "is_final": True,
                "channel_index": [channel, 2],
                "channel": {"alternatives": [{"transcript": text}]},
            }
            for channel, text in ((1, "one"), (0, "zero"), (1, "two"))
        ],
        "zero one two",
    ),
]


@pytest.mark.parametrize(("provider", "api", "messages", "words"), FINALS)
def test_transcript_of_final_and_interim_results_has_final_words(
    provider: str, api: str, messages: list[dict[str, Any]], words: str, digest_of: Any
) -> None:
    digest = digest_of(
        [text_message(100 + n, SERVER, m) for n, m in enumerate(messages)], provider, api
    )
    assert " ".join(digest.transcript.words()) == words.casefold()


@pytest.mark.parametrize(("partial", "words"), [(False, "so"), (True, "")])
def test_transcript_of_enveloped_results_has_final_words(
    partial: bool, words: str, digest_of: Any
) -> None:
    data = wrap("event-stream", json.dumps(amazon("so", partial)))
    assert isinstance(data, bytes)
    digest = digest_of([audio(100, SERVER, data)], "aws_transcribe", "stream")
    assert " ".join(digest.transcript.words()) == words


def test_transcript_without_spaces_counts_characters(digest_of: Any) -> None:
    message = {"type": "Turn", "transcript": "音声を認識", "end_of_turn": True}
    digest = digest_of([text_message(100, SERVER, message)], "assemblyai", "streaming")
    assert len(digest.transcript.words()) == 5


def test_compare_words_beyond_limit_are_compared_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.compare.transcript.MAX_WORDS", 20)

    def trace(name: str, last: str) -> Path:
        many = [text_message(n, SERVER, turn(n, "word " * 10, end=True)) for n in range(30, 34)]
        records = [*opened("/"), *many, text_message(40, SERVER, turn(40, last, end=True))]
        return write(tmp_path / name, records, provider="assemblyai", api="streaming")

    left = trace("a", "two hundred")
    found = compare(left, left)
    assert found.wer == 0.0
    assert found.same
    assert any("transcript" in note for note in found.notes)
    assert not compare(left, trace("b", "nine hundred")).same


def test_transcript_of_agent_messages_is_empty(digest_of: Any) -> None:
    talk = [{"type": "AgentThinking"}, {"type": "AgentAudioDone"}] * 4
    digest = digest_of(
        [text_message(100 + n, SERVER, m) for n, m in enumerate(talk)], "deepgram", "agent"
    )
    assert digest.received.sequence.kinds == ["AgentThinking", "AgentAudioDone"]


def test_transcript_of_fragmented_messages_is_complete(digest_of: Any) -> None:
    parts = [
        FrameRecord(100 * MS, SERVER, int(Opcode.TEXT), b'{"type":"Met', fin=False),
        FrameRecord(101 * MS, SERVER, int(Opcode.CONTINUATION), b'adata"}'),
    ]
    assert digest_of(parts).received.sequence.kinds == ["Metadata"]


def test_compare_word_error_rate_respects_max_wer(tmp_path: Path) -> None:
    changed = [
        FrameRecord(r.t_ns, r.from_client, r.opcode, r.payload.replace(b"lazy", b"busy"))
        if isinstance(r, FrameRecord)
        else r
        for r in LISTEN
    ]
    left, right = write(tmp_path / "a", LISTEN), write(tmp_path / "b", changed)
    assert compare(left, right).wer == pytest.approx(1 / 11, abs=1e-4)
    assert compare(left, right, rules=Tolerances(max_wer=0.1)).same
    assert not compare(left, right).same
    (difference,) = compare(left, right, rules=Tolerances(max_wer=0.05)).differences
    assert difference.field == "transcript"
    assert "lazy" in difference.recorded
    assert "busy" in difference.replayed
    with TraceReader(left) as reader:
        frames = [record for record in reader if isinstance(record, FrameRecord)]
    assert difference.recorded_frame is not None
    assert b"lazy" in frames[difference.recorded_frame - 1].payload
    assert difference.replayed_frame == difference.recorded_frame


def test_compare_without_words_has_no_word_error_rate(tmp_path: Path) -> None:
    trace = write(tmp_path / "a", SPEAK, api="speak")
    found = compare(trace, trace)
    assert found.wer is None
    assert "transcript" not in found.compared
