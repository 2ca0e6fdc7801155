"""The parts of a comparison: words, kinds, messages, volatile values, latency, hostile input."""

from __future__ import annotations

import base64
import json
import random
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions import (
    APP,
    LISTEN,
    MS,
    SERVER,
    SPEAK,
    STALLED,
    Records,
    audio,
    closed,
    opened,
    result,
    said,
    write,
)
from wsproxy.catalog import load
from wsproxy.compare import Comparison, Rules, compare, kind_of
from wsproxy.compare.kinds import Role, role_of
from wsproxy.compare.story import Story
from wsproxy.compare.text import around_difference
from wsproxy.compare.transcript import word_errors
from wsproxy.compare.volatile import is_volatile, stable, stable_value
from wsproxy.envelope import wrap
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

# -- words


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
def test_word_errors_are_the_levenshtein_distance(a: list[str], b: list[str]) -> None:
    assert word_errors(a, b) == matrix(a, b)


def test_long_texts_are_compared() -> None:
    choose = random.Random(1)
    words = [str(choose.randint(0, 500)) for _ in range(20_000)]
    assert word_errors(words, words) == 0
    assert word_errors(words, ["other", *words[1:-1]]) == 2


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """The story of a session at an API, without its handshake."""

    def read(records: Records, provider: str = "deepgram", api: str | None = "listen") -> Story:
        number = len(list(tmp_path.iterdir()))
        path = write(
            tmp_path / f"{number}.wstrace", [*opened("/"), *records], provider=provider, api=api
        )
        return Story.read(path, load())

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
def test_final_results_are_told_from_interim_ones(
    provider: str, api: str, messages: list[dict[str, Any]], words: str, told: Any
) -> None:
    story = told([said(100 + n, SERVER, m) for n, m in enumerate(messages)], provider, api)
    assert " ".join(story.transcript.words()) == words.casefold()


@pytest.mark.parametrize(("partial", "words"), [(False, "so"), (True, "")])
def test_results_in_an_envelope(partial: bool, words: str, told: Any) -> None:
    data = wrap("event-stream", json.dumps(amazon("so", partial)))
    assert isinstance(data, bytes)
    story = told([audio(100, SERVER, data)], "aws_transcribe", "stream")
    assert " ".join(story.transcript.words()) == words


def test_scripts_without_spaces_count_by_characters(told: Any) -> None:
    message = {"type": "Turn", "transcript": "音声を認識", "end_of_turn": True}
    story = told([said(100, SERVER, message)], "assemblyai", "streaming")
    assert len(story.transcript.words()) == 5


def test_compare_more_words_than_are_kept_compares_the_rest_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.compare.transcript.MAX_WORDS", 20)

    def trace(name: str, last: str) -> Path:
        many = [said(n, SERVER, turn(n, "word " * 10, end=True)) for n in range(30, 34)]
        records = [*opened("/"), *many, said(40, SERVER, turn(40, last, end=True))]
        return write(tmp_path / name, records, provider="assemblyai", api="streaming")

    left = trace("a", "two hundred")
    found = compare(left, left)
    assert found.wer == 0.0
    assert found.same
    assert any("transcript" in note for note in found.notes)
    assert not compare(left, trace("b", "nine hundred")).same


# -- kinds and messages


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("Begin", Role.ANSWER),
        ("Flushed", Role.ANSWER),
        ("Error 3006", Role.ANSWER),
        ("SpeechMetadata", Role.ANSWER),
        ("Termination", Role.ANSWER),
        ("SpeechStarted", Role.PASSING),
        ("UtteranceEnd", Role.PASSING),
        ("AudioAdded", Role.PASSING),
        ("speech.hypothesis", Role.PASSING),
        ("input_audio_buffer.speech_started", Role.PASSING),
    ],
)
def test_what_is_counted(kind: str, role: Role) -> None:
    assert role_of(kind, load().api("deepgram", "listen")) is role


def test_what_an_agent_says_is_not_counted(told: Any) -> None:
    talk = [{"type": "AgentThinking"}, {"type": "AgentAudioDone"}] * 4
    story = told([said(100 + n, SERVER, m) for n, m in enumerate(talk)], "deepgram", "agent")
    assert story.received.sequence.kinds == ["AgentThinking", "AgentAudioDone"]


def chunk(data: bytes) -> dict[str, Any]:
    return {"message_type": "input_audio_chunk", "audio_base_64": base64.b64encode(data).decode()}


def test_audio_inside_of_json_is_one_stream(tmp_path: Path) -> None:
    def trace(name: str, chunks: list[bytes]) -> Path:
        sent = [said(100 + n, APP, chunk(data)) for n, data in enumerate(chunks)]
        records = [*opened("/"), *sent, closed(500, APP, 1000)]
        return write(tmp_path / name, records, provider="elevenlabs", api="stt")

    left = trace("a", [b"abcdef", b"ghi"])
    assert compare(left, trace("b", [b"abcdef", b"ghi"])).sent == "equal"
    assert compare(left, trace("c", [b"abc", b"defghi"])).sent == "re-chunked"
    other = compare(left, trace("d", [b"abc", b"defgXi"]))
    assert other.sent == "different audio"
    assert "byte 7" in other.differences[0].replayed


def test_messages_in_fragments_are_whole(told: Any) -> None:
    parts = [
        FrameRecord(100 * MS, SERVER, int(Opcode.TEXT), b'{"type":"Met', fin=False),
        FrameRecord(101 * MS, SERVER, int(Opcode.CONTINUATION), b'adata"}'),
    ]
    assert told(parts).received.sequence.kinds == ["Metadata"]


def test_the_first_difference_in_audio_has_its_second_and_frames(tmp_path: Path) -> None:
    path = "/v1/listen?encoding=linear16&sample_rate=16000"

    def trace(name: str, *chunks: bytes) -> Path:
        sent = [audio(100 + 10 * n, APP, data) for n, data in enumerate(chunks)]
        return write(tmp_path / name, [*opened(path), *sent, closed(900, APP, 1000)])

    left = trace("a", bytes(16_000), bytes(32_000))
    right = trace("b", bytes(16_000), bytes(8_000), bytes(8_000) + b"\1" + bytes(15_999))
    (difference,) = compare(left, right).differences
    assert difference.field == "audio_sent"
    assert "byte 32000 (1.000 s)" in difference.replayed
    assert (difference.recorded_frame, difference.replayed_frame) == (2, 3)


def test_a_changed_message_is_shown_around_the_change(tmp_path: Path) -> None:
    def trace(name: str, word: str) -> Path:
        text = "a " * 500 + word + " z" * 500
        records = [*opened("/"), said(30, APP, {"type": "Speak", "text": text})]
        return write(tmp_path / name, records, api="speak")

    (difference,) = compare(trace("a", "left"), trace("b", "right")).differences
    assert "left" in difference.recorded
    assert "right" in difference.replayed
    assert len(difference.recorded) < 200
    assert (difference.recorded_frame, difference.replayed_frame) == (1, 1)


def test_a_long_order_of_messages_is_shown_around_the_change(tmp_path: Path) -> None:
    flushes: Records = [said(100 + n, SERVER, {"type": "Flushed"}) for n in range(100)]
    left = write(tmp_path / "a", [*opened("/"), *flushes], api="speak")
    changed = [*flushes[:50], said(150, SERVER, {"type": "Cleared"}), *flushes[51:]]
    right = write(tmp_path / "b", [*opened("/"), *changed], api="speak")
    (difference,) = compare(left, right).differences
    assert difference.recorded[0] == difference.recorded[-1] == "…"
    assert "Cleared" in difference.replayed
    assert len(difference.replayed) < 40
    assert (difference.recorded_frame, difference.replayed_frame) == (51, 51)


def test_of_more_messages_than_are_told_apart_the_rest_is_compared_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.compare.sequence.MAX_ITEMS", 10)
    flushes: Records = [said(100 + n, SERVER, {"type": "Flushed"}) for n in range(20)]
    left = write(tmp_path / "a", [*opened("/"), *flushes], api="speak")
    right = write(tmp_path / "b", [*opened("/"), *flushes[:-1]], api="speak")
    assert [d.field for d in compare(left, right).differences] == ["messages"]


def test_what_follows_a_result_on_its_way_has_to_be_there(tmp_path: Path) -> None:
    """The app leaves on an error: results of the last moment need not come, the error must."""
    begun: Records = [*opened("/v1/listen?model=nova-3"), audio(100, APP, b"a" * 320)]
    error = said(1980, SERVER, {"type": "Error", "description": "too slow"})
    left = closed(2000, APP, 1000)
    last = result(1960, "", final=True)
    whole = write(tmp_path / "a", [*begun, last, error, left])
    sooner = write(tmp_path / "b", [*begun, error, left])
    without = write(tmp_path / "c", [*begun, left])
    assert compare(whole, sooner).same
    assert compare(sooner, whole).same
    (difference,) = compare(whole, without).differences
    assert (difference.field, difference.recorded_frame) == ("messages", 3)
    (difference,) = compare(without, whole).differences
    assert (difference.field, difference.replayed_frame) == ("messages", 3)


# -- volatile values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No messages received for 5 seconds", "No messages received for 12.5 seconds"),
        ("20.0 ms. Expected", "19.9 ms. Expected"),
        ("id 9a8b7c6d-1111-4000-8000-000000000001", "id 00000000-1111-4000-8000-000000000002"),
        ("at 2026-01-02T03:04:05Z", "at 2027-11-12T13:14:15.678Z"),
    ],
)
def test_stable_forgets_measures_ids_and_times(one: str, other: str) -> None:
    assert stable(one) == stable(other)


@pytest.mark.parametrize(
    ("one", "other"), [("NET-0001", "NET-0000"), ("code 3006", "code 3007"), ("a", "b")]
)
def test_stable_keeps_what_tells_errors_apart(one: str, other: str) -> None:
    assert stable(one) != stable(other)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"Results","is_final":false}', "Results"),
        ('{"message_type":"FinalTranscript"}', "FinalTranscript"),
        ('{"type":"Error","error_code":3006}', "Error 3006"),
        ('{"b":1,"a":2}', "{a, b}"),
        ("[1]", "text"),
        ("hello", "text"),
        ("[" * 100_000, "text"),
    ],
)
def test_kinds_of_messages(text: str, kind: str) -> None:
    assert kind_of(text.encode()) == kind


@pytest.mark.parametrize(
    "name",
    ["request_id", "id", "sessionId", "X-RequestId", "X-Timestamp", "created_at", "last_seq_no"],
)
def test_ids_and_times_are_told_by_their_names(name: str) -> None:
    assert is_volatile(name)


@pytest.mark.parametrize(
    "name", ["model_id", "voice_id", "agentId", "text", "utterance_end_ms", "format", "period"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_volatile(name)


def test_an_apps_figures_are_its_own() -> None:
    assert stable_value({"text": "5 seconds"}, figures=False) == {"text": "5 seconds"}
    assert stable_value({"text": "5 seconds"}) == {"text": "<n> seconds"}


def test_long_values_are_shortened_to_where_they_differ() -> None:
    left, right = around_difference("a" * 1000 + "b", "a" * 1000 + "c" * 1000)
    assert left == "…" + "a" * 40 + "b"
    assert right == "…" + "a" * 40 + "c" * 80 + "…"
    assert around_difference("one", "two") == ("one", "two")


# -- latency


def test_latency_is_of_what_both_have(tmp_path: Path) -> None:
    found = compare(write(tmp_path / "a", LISTEN), write(tmp_path / "b", LISTEN)).latency
    assert {name: values["recorded"] for name, values in found.items()} == {
        "upgrade": 20.0,
        "first_message": 130.0,
        "first_transcript": 50.0,
        "final_transcript": 100.0,
        "close": 1.0,
    }
    speak = write(tmp_path / "c", SPEAK, api="speak")
    assert set(compare(tmp_path / "a", speak).latency) == {"upgrade", "first_message", "close"}


def test_latency_has_its_delta(tmp_path: Path) -> None:
    late = [*STALLED[:-2], closed(12_500, SERVER, 1011, "NET-0001")]
    left, right = write(tmp_path / "a", STALLED), write(tmp_path / "b", late)
    found = compare(left, right)
    assert found.same
    assert found.latency["close"] == {"recorded": 10_000.0, "replayed": 12_000.0, "delta": 2_000.0}


# -- verdicts and their JSON


def test_the_json_has_the_agreed_names(tmp_path: Path) -> None:
    trace = write(tmp_path / "a", LISTEN)
    out = compare(trace, trace).as_json()
    assert list(out) == [
        "verdict",
        "recorded",
        "replayed",
        "differences",
        "sent",
        "wer",
        "latency",
        "compared",
        "not_compared",
        "tolerance",
        "notes",
    ]
    assert out["recorded"]["transcript"] == "The quick brown fox jumps. Over the lazy dog, it was."
    assert out["recorded"]["messages"] == ["Results", "Warning", "Results", "Metadata"]
    assert out["recorded"]["passing"] == ["Results (interim)"]
    json.dumps(out)


def test_the_word_error_rate_has_its_limit(tmp_path: Path) -> None:
    changed = [
        FrameRecord(r.t_ns, r.from_client, r.opcode, r.payload.replace(b"lazy", b"busy"))
        if isinstance(r, FrameRecord)
        else r
        for r in LISTEN
    ]
    left, right = write(tmp_path / "a", LISTEN), write(tmp_path / "b", changed)
    assert compare(left, right).wer == pytest.approx(1 / 11, abs=1e-4)
    assert compare(left, right, rules=Rules(max_wer=0.1)).same
    assert not compare(left, right).same
    (difference,) = compare(left, right, rules=Rules(max_wer=0.05)).differences
    assert difference.field == "transcript"
    assert "lazy" in difference.recorded
    assert "busy" in difference.replayed
    with TraceReader(left) as reader:
        frames = [record for record in reader if isinstance(record, FrameRecord)]
    assert b"lazy" in frames[difference.recorded_frame - 1].payload
    assert difference.replayed_frame == difference.recorded_frame


def test_without_words_there_is_no_rate(tmp_path: Path) -> None:
    trace = write(tmp_path / "a", SPEAK, api="speak")
    found = compare(trace, trace)
    assert found.wer is None
    assert "transcript" not in found.compared


# -- hostile input

HOSTILE: dict[str, bytes] = {
    "deep list": b"[" * 200_000,
    "deep object": b'{"a":' * 200_000,
    "deep inside": b'{"type":"Error","x":' + b"[" * 900 + b"]" * 900 + b"}",
    "deep audio": b'{"type":"x","audio":' + b'{"audio":' * 900 + b"1" + b"}" * 901,
    "huge": b'{"type":"Turn","transcript":"' + b"x" * (3 << 20) + b'","end_of_turn":true}',
    "no UTF-8": b'{"type":"Error","error":"\xff\xfe"}\xc3',
    "surrogate": b'{"type":"Error","error":"\\ud800","\\udfff":1}',
    "large number": b'{"type":"Error","code":' + b"9" * 5000 + b"}",
    "no numbers": b'{"type":"Error","a":NaN,"b":-Infinity}',
    "wrong types": b'{"type":7,"transcript":[1],"end_of_turn":"yes","turn_order":true,"tokens":5}',
    "lists": b'{"channel":[],"channel_index":[],"tokens":[[],null],"Transcript":{"Results":3}}',
    "kind is huge": b'{"type":"' + b"k" * 100_000 + b'"}',
    "empty": b"",
    "one word": b'{"type":"Turn","end_of_turn":true,"transcript":"' + b"w" * 900_000 + b'"}',
}


@pytest.mark.one_python
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "api",
    [
        ("deepgram", "listen"),
        ("assemblyai", "streaming"),
        ("soniox", "stt"),
        ("openai", "realtime"),
        ("aws_transcribe", "stream"),
        ("azure_speech", "stt"),
        ("gemini", "live"),
        (None, None),
    ],
)
def test_hostile_messages_do_not_raise(
    name: str, api: tuple[str | None, str | None], tmp_path: Path
) -> None:
    data = HOSTILE[name]
    frames = [
        FrameRecord((30 + 2 * n + opcode) * MS, side, opcode, data)
        for n, side in enumerate((APP, SERVER))
        for opcode in (int(Opcode.TEXT), int(Opcode.BINARY))
    ]
    left = write(tmp_path / "a", [*opened("/"), *frames], provider=api[0], api=api[1])
    right = write(tmp_path / "b", [*opened("/"), *frames[1:]], provider=api[0], api=api[1])
    assert compare(left, left, rules=Rules(strict=True)).same
    found: Comparison = compare(left, right)
    assert not found.same
    json.dumps(found.as_json())


def test_a_query_without_end(tmp_path: Path) -> None:
    left = write(tmp_path / "a", opened("/?" + "a=1&" * 5000))
    right = write(tmp_path / "b", opened("/?" + "a=1&" * 5001))
    assert [d.field for d in compare(left, right).differences] == ["query"]


# -- how much is looked at


def test_audio_that_was_on_its_way_does_not_count_as_cut_otherwise(tmp_path: Path) -> None:
    left = write(tmp_path / "a", STALLED)
    right = write(tmp_path / "b", [*STALLED, audio(10_499, APP, b"late")])
    assert compare(left, right).sent == "equal"


def test_traces_stream_by(tmp_path: Path) -> None:
    def trace(name: str, size: int) -> Path:
        count = (16 << 20) // size
        sent = [audio(100 + n, APP, bytes([1]) * size) for n in range(count)]
        return write(tmp_path / name, [*opened("/v1/listen"), *sent, closed(9000, APP, 1000)])

    left, right = trace("a", 64 << 10), trace("b", 32 << 10)
    tracemalloc.start()
    try:
        found = compare(left, right, rules=Rules(strict=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.sent == "re-chunked"
    assert [difference.field for difference in found.differences] == ["frame_sent"]
    assert peak < 8 << 20
