"""Audio is one stream in whatever carries it, where the API has audio; elsewhere it is content."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sessions import APP, SERVER, closed, frame_record, opened, write
from wsproxy.catalog.envelope import wrap
from wsproxy.compare import compare
from wsproxy.wire import Opcode

Carried = Callable[[bytes], str | bytes]
Recorded = Callable[..., Path]
AUDIO = bytes(range(256)) * 30
OTHER = AUDIO[:5000] + b"x" + AUDIO[5001:]


def json_with(make: Callable[[str], Any], end: str = "") -> Callable[[bytes], str]:
    """What makes a message of audio: JSON with base64."""
    return lambda data: json.dumps(make(base64.b64encode(data).decode())) + end


def data_of(text: str) -> dict[str, Any]:
    return {"mimeType": "audio/pcm;rate=24000", "data": text}


def gemini(text: str) -> dict[str, Any]:
    parts = [{"text": "so"}, {"inlineData": data_of(text)}]
    return {"serverContent": {"modelTurn": {"parts": parts}}}


CARRIERS: dict[str, tuple[str, str, bool, Carried]] = {
    "binary": ("deepgram", "listen", APP, lambda data: data),
    "azure": ("azure_speech", "stt", APP, lambda data: wrap("azure", "", data)),
    "event-stream": ("aws_transcribe", "stream", APP, lambda data: wrap("event-stream", "", data)),
    "json": (
        "openai",
        "realtime",
        APP,
        json_with(lambda text: {"type": "input_audio_buffer.append", "audio": text}),
    ),
    "delta": (
        "openai",
        "realtime",
        SERVER,
        json_with(lambda text: {"type": "response.audio.delta", "delta": text}),
    ),
    "one of several items": ("gemini", "live", SERVER, json_with(gemini)),
    "several texts": (
        "gemini",
        "live",
        APP,
        json_with(lambda text: {"realtimeInput": {"mediaChunks": [data_of(text), data_of("")]}}),
    ),
    "json in binary": (
        "gemini",
        "live",
        SERVER,
        lambda data: json_with(gemini, "\n")(data).encode(),
    ),
}


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Record a session in which one side sends these messages."""
    numbers = itertools.count()

    def record(
        provider: str | None, api: str | None, side: bool, messages: Sequence[str | bytes]
    ) -> Path:
        frames = [
            frame_record(100 + 20 * n, side, Opcode.TEXT, each.encode())
            if isinstance(each, str)
            else frame_record(100 + 20 * n, side, Opcode.BINARY, each)
            for n, each in enumerate(messages)
        ]
        records = [*opened("/x"), *frames, closed(9000, APP, 1000), closed(9001, SERVER, 1000)]
        return write(tmp_path / f"{next(numbers)}.wstrace", records, provider=provider, api=api)

    return record


def chunks(carried: Carried, size: int, audio: bytes = AUDIO) -> list[str | bytes]:
    return [carried(audio[at : at + size]) for at in range(0, len(audio), size)]


@pytest.mark.parametrize("name", CARRIERS)
def test_compare_audio_in_each_carrier_is_one_stream(name: str, recorded: Recorded) -> None:
    provider, api, side, carried = CARRIERS[name]
    # The first chunks are so short that they are audio by their place alone.
    left, right, other = (
        recorded(provider, api, side, chunks(carried, size, audio))
        for size, audio in ((1000, AUDIO), (30, AUDIO), (1000, OTHER))
    )
    found = compare(left, right)
    assert found.same, found.differences
    assert found.recorded["audio_sent"] + found.recorded["audio_received"] == len(AUDIO)
    (difference,) = compare(left, other).differences
    assert difference.field == ("audio_sent" if side else "audio_received")
    assert "byte 5000" in difference.replayed
    assert difference.recorded_frame == 6


def test_compare_base64_where_the_api_has_no_audio_is_content(recorded: Recorded) -> None:
    """Two items of a conversation are not one, whatever audio is in them."""
    item = json_with(
        lambda text: {
            "type": "conversation.item.create",
            "item": {"content": [{"type": "input_audio", "audio": text}]},
        }
    )
    left, right = (recorded("openai", "realtime", APP, chunks(item, n)) for n in (8000, 4000))
    found = compare(left, right)
    assert found.sent == "different messages"
    assert found.recorded["audio_sent"] == 0
    assert compare(left, left).same


def test_compare_base64_of_unknown_api_is_content(recorded: Recorded) -> None:
    carried = CARRIERS["json"][3]
    left, right = (recorded(None, None, APP, chunks(carried, n)) for n in (8000, 4000))
    assert compare(left, right).sent == "different messages"
    other = recorded(None, None, APP, chunks(carried, 8000, OTHER))
    assert compare(left, other).differences[0].path == "audio"


def test_compare_audio_of_many_frames_needs_one_digest(recorded: Recorded) -> None:
    """Audio is read in blocks, whose bounds depend on what the server sends between."""
    left = recorded("deepgram", "listen", APP, chunks(lambda data: data, 10))
    right = recorded("deepgram", "listen", APP, [AUDIO])
    found = compare(left, right)
    assert (found.same, found.sent) == (True, "re-chunked")
    assert compare(left, left).sent == "equal"
