"""Ordinary sessions are accepted: short chunks, silence in any encoding, declared values."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conditions import good, wire_message
from dialogue_client import APIS, ID, Client
from sessions import APP, SERVER, audio, closed, opened, text_message, write
from traces import read_trace
from wsproxy.audio.similarity import AudioStarts
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import Api, load
from wsproxy.catalog.envelope import field, read
from wsproxy.cli.scrub import _what_to_do
from wsproxy.errors import NotPublic
from wsproxy.scrub import scrub
from wsproxy.scrub.aliases import Aliases
from wsproxy.scrub.allowlist import allowlist_for
from wsproxy.scrub.texts import SpokenText, TextScrubber
from wsproxy.session import Session
from wsproxy.trace import FrameRecord

pytestmark = pytest.mark.one_python

CATALOG = load()
HEARING = {
    f"{provider.id}.{api.name}": (provider.id, api)
    for provider in CATALOG.providers
    for api in provider.apis
    if api.dialogue is not None and not api.dialogue.say
}
SPEECH = speech(1.5)
SOUNDS = {
    "8 zero bytes": [bytes(8)] * 30,
    "20 ms of zeros": [bytes(640)] * 30,
    "40 ms of zeros": [bytes(1920)] * 30,
    "mu-law silence": [b"\xff" * 160] * 60,
    "A-law silence": [b"\xd5" * 160] * 60,
    "silence around speech": [bytes(640)] * 9 + [SPEECH[3200:9600]] + [bytes(640)] * 9,
    "short chunks": [SPEECH[at : at + 20] for at in range(3200, 6400, 20)],
}


def session(path: Path, provider: str, api: Api, chunks: Sequence[bytes]) -> Path:
    """A session that sends these chunks of audio."""
    text = (api.dialogue.audio if api.dialogue else "") or "{audio}"
    frames = [wire_message(text, api.envelope, "", chunk) for chunk in chunks]
    records = [
        audio(50 + n, APP, each) if isinstance(each, bytes) else text_message(50 + n, APP, each)
        for n, each in enumerate(frames)
    ]
    masked = [replace(each, mask=b"mask") for each in records]
    target = "/" + api.url.split("/", 3)[3]
    return write(path, [*opened(target), *masked], provider=provider, api=api.name)


# Each API with one of the sounds, each sound with some APIs.
@pytest.mark.sweep(keep=14)
@pytest.mark.sweep(kind=lambda name: name)
@pytest.mark.parametrize("name", HEARING)
@pytest.mark.parametrize("sound", SOUNDS)
def test_scrub_session_of_any_api_is_accepted(sound: str, name: str, tmp_path: Path) -> None:
    trace = session(tmp_path / "in.wstrace", *HEARING[name], SOUNDS[sound])
    scrub(trace, tmp_path / "out.wstrace", catalog=CATALOG)


def test_scrub_short_chunks_that_stay_are_refused(tmp_path: Path) -> None:
    """A waveform in chunks that are too short to compare by themselves is still found."""
    one, two = AudioStarts(), AudioStarts()
    for number, at in enumerate(range(3200, 12800, 20)):
        one.add(f"frame {number}", [SPEECH[at : at + 20]])
        two.add(f"frame {number}", [SPEECH[at : at + 20]])
    assert one.first_same(two) == "frame 0"


def test_scrub_text_in_an_audio_field_is_still_checked(tmp_path: Path) -> None:
    secret = "the customer is called Winterbottom"
    append = {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(secret.encode()).decode(),
    }
    trace = write(
        tmp_path / "a.wstrace",
        [*opened("/v1/realtime?model=gpt-realtime"), text_message(50, APP, append)],
        provider="openai",
        api="realtime",
    )
    try:
        made = scrub(trace, tmp_path / "b.wstrace").path
    except NotPublic:
        return
    payloads = b"".join(r.payload for r in read_trace(made)[0] if isinstance(r, FrameRecord))
    assert append["audio"].encode() not in payloads


def played(path: Path, name: str) -> tuple[Path, Api]:
    """A session that was held with the simulated API, with its answers."""
    client = Client(name)
    now = iter(range(30, 1_000_000, 20))
    records: list[FrameRecord] = []

    def add(message: object, side: bool) -> None:
        if isinstance(message, bytes):
            records.append(audio(next(now), side, message))
        elif isinstance(message, str):
            records.append(text_message(next(now), side, message))

    heard = 0
    behaviour = good(client.home)
    dialogue = client.api.dialogue
    assert dialogue is not None
    messages = behaviour.messages[: len(dialogue.setup)] if not dialogue.say else behaviour.messages
    if not dialogue.say:
        text = dialogue.audio or "{audio}"
        chunks = [SPEECH[at : at + 3200] for at in range(0, len(SPEECH), 3200)]
        messages = [*messages, *(wire_message(text, client.api.envelope, ID, c) for c in chunks)]
    for message in [*messages, *behaviour.ends]:
        client.send(message)
        add(message, APP)
        for each in client.received[heard:]:
            add(each, SERVER)
        heard = len(client.received)
    masked = [replace(each, mask=b"mask") if each.from_client else each for each in records]
    target, provider = client.home.path, client.home.provider.id
    return write(
        path, [*opened(target), *masked], provider=provider, api=client.api.name
    ), client.api


@pytest.mark.sweep(keep=12)
@pytest.mark.parametrize("name", APIS)
def test_scrub_played_session_keeps_kinds_and_replaces_what_was_said(
    name: str, tmp_path: Path
) -> None:
    trace, api = played(tmp_path / "a.wstrace", name)
    made = scrub(trace, tmp_path / "b.wstrace", catalog=CATALOG)
    assert made.finding_before == made.finding_after
    before, after = (contents(path, api) for path in (trace, made.path))
    kind = api.vocabulary.kind or "type"
    assert [field(each, kind) for each in after] == [field(each, kind) for each in before]
    said = " ".join(
        text for each in before for path in api.transcripts for text in texts(each, path)
    )
    now = json.dumps(after)
    assert not [word for word in said.split() if len(word) > 5 and f"{word} " in now]


def texts(content: dict[str, Any], path: str) -> list[str]:
    value = field(content, path)
    return [value] if isinstance(value, str) and " " in value else []


def contents(path: Path, api: Api) -> list[dict[str, Any]]:
    """The JSON of the server's messages."""
    found = []
    for record in read_trace(path)[0]:
        if isinstance(record, FrameRecord) and not record.from_client and record.opcode in (1, 2):
            text = record.payload.decode("utf-8", "replace")
            found.append(read(api.envelope, text if record.opcode == 1 else record.payload)[0])
    return [each for each in found if each is not None]


# -- what the request declares, and limits of the service


def test_scrub_error_that_repeats_a_kept_parameter_is_unchanged(tmp_path: Path) -> None:
    error = {"type": "Error", "description": "Invalid 'utterance_end_ms' value of '1999'."}
    path = "/v1/listen?model=nova-2&utterance_end_ms=1999&tag=4711"
    trace = write(
        tmp_path / "a.wstrace",
        [
            *opened(path),
            text_message(50, SERVER, error),
            closed(60, SERVER, 1008, "1999 is invalid, 4711 too"),
        ],
    )
    made = Session.read(scrub(trace, tmp_path / "b.wstrace").path)
    assert [json.loads(each.text) for each in made.messages(from_client=False)] == [error]
    assert made.close is not None
    assert made.close.reason.startswith("1999 is invalid, ")
    assert "4711" not in made.close.reason  # a tag is the user's


@pytest.mark.parametrize(
    "text",
    [
        "Input text exceeds maximum character limit of 2000.",
        "Rate limit reached on tokens per minute: Limit 40000, Used 39999, Requested 1000.",
        "Make sure to use a correct regional API endpoint. Please include the request id.",
        "You have 12 credits remaining, while 300 credits are required for this request.",
        "Could not deserialize speech context; only SSML input is valid, not plain text.",
        "The feature is in beta for your region, contact your sales representative.",
        "Please reconnect with exponential backoff, the service is not healthy.",
    ],
)
def test_scrub_sentence_with_limits_and_plain_words_stays(text: str) -> None:
    texts = TextScrubber(
        allowlist_for(CATALOG, "openai", "realtime"), Aliases(b"key"), SpokenText()
    )
    assert texts.error_text(text) == text


@pytest.mark.parametrize("text", ["Call 40711 now", "account 27413", "the code 1234567 of limits"])
def test_scrub_number_that_is_no_limit_is_replaced(text: str) -> None:
    texts = TextScrubber(
        allowlist_for(CATALOG, "openai", "realtime"), Aliases(b"key"), SpokenText()
    )
    number = next(word for word in text.split() if word.isdecimal())
    assert number not in texts.error_text(text).split()


def test_scrub_api_versions_stay(tmp_path: Path) -> None:
    path = "/openai/realtime?api-version=2024-10-01-preview&deployment=contoso"
    trace = write(tmp_path / "a.wstrace", opened(path), provider="openai", api="realtime")
    made = Session.read(scrub(trace, tmp_path / "b.wstrace").path)
    assert made.request is not None
    assert "api-version=2024-10-01-preview" in made.request.path
    assert "contoso" not in made.request.path


# -- refusals


def test_scrub_refusal_says_how_to_leave_the_places_out() -> None:
    found = NotPublic(
        [
            "frame 12: a spoken word",
            "frame 12: an id, address or number of the original",
            "frame 14, message 'x': looks like a credential (by its shape)",
            "request header 'X-Trace': a word or number that no document lists",
            "request parameter 'tag': a word or number that no document lists",
        ]
    )
    advice = _what_to_do(Path("my call.wstrace"), found)
    assert "wsproxy show --full 'my call.wstrace'" in advice
    assert "--drop 12 --drop 14 --header 'X-Trace:' --query tag --out" in advice
    assert advice.startswith("nothing was written; ")


def test_scrub_refusal_outside_of_the_frames_names_the_response() -> None:
    advice = _what_to_do(Path("a.wstrace"), NotPublic(["response body: a spoken word"]))
    assert "--drop 1" not in advice
    assert "`wsproxy mutate --status CODE`" in advice
