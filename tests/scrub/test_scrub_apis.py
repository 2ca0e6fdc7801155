"""Good sessions of all APIs keep their structure; every failure of the catalog is still found."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sessions import APP, SERVER, audio, closed, opened, text_message, write
from traces import read_trace
from wsproxy.catalog import Api, Condition, Dialogue, load
from wsproxy.catalog.envelope import read, wrap
from wsproxy.catalog.examples import ExampleResponse, ExampleSession, example_session
from wsproxy.catalog.match import candidates
from wsproxy.diagnose import diagnose
from wsproxy.scrub import scrub
from wsproxy.scrub.aliases import Aliases
from wsproxy.scrub.allowlist import allowlist_for
from wsproxy.scrub.binary_messages import azure_text, scrub_binary
from wsproxy.scrub.http_head import HeadScrubber
from wsproxy.scrub.texts import SpokenText, TextScrubber
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Record, Request, Response

pytestmark = pytest.mark.one_python

CATALOG = load()
PROVIDERS = sorted({c.provider for c in CATALOG.conditions if c.examples})
DIALOGUES = {
    f"{provider.id}-{api.name}": (provider.id, api, api.dialogue)
    for provider in CATALOG.providers
    for api in provider.apis
    if api.dialogue is not None
}
TONE = array("h", (int(8000 * math.sin(n / 9)) for n in range(1600))).tobytes()
WORDS = ["Hello.", "hello", "Hi."]


# -- good sessions


def filled(text: str) -> str:
    return text.replace("{audio}", base64.b64encode(TONE).decode()).replace("{id}", "f00dcafe" * 4)


def session(api: Api, dialogue: Dialogue) -> Iterator[Record]:
    """A session as the API's documents describe it."""
    yield from opened("/" + api.url.split("/", 3)[3])
    at = 30
    given = (
        (APP, dialogue.setup),
        (SERVER, dialogue.opening),
        (APP, dialogue.say or [dialogue.audio or "{audio}"] * 5),
        (SERVER, dialogue.reply),
        (APP, dialogue.end),
        (SERVER, dialogue.farewell),
    )
    for side, texts in given:
        for text in texts:
            at += 50
            yield message(at, side, text, api)
    yield closed(at + 50, dialogue.close == "client", 1000)
    yield closed(at + 51, dialogue.close != "client", 1000)


def message(at: int, side: bool, text: str, api: Api) -> FrameRecord:
    if text == "{audio}":
        return audio(at, side, TONE)
    sound = TONE if "audio/x-wav" in text or "AudioEvent" in text else b""
    content = wrap(api.envelope, filled(text), sound)
    return (
        audio(at, side, content) if isinstance(content, bytes) else text_message(at, side, content)
    )


def findings(path: Path) -> list[str]:
    return [finding.id for finding in diagnose(Session.read(path), CATALOG)]


def skeleton(value: Any) -> Any:
    """Names, kinds of values, and texts that are not speech."""
    if isinstance(value, dict):
        return {name: skeleton(item) for name, item in value.items()}
    if isinstance(value, list):
        return [skeleton(item) for item in value]
    return type(value).__name__


def messages(path: Path, api: Api) -> list[Any]:
    found = []
    for record in read_trace(path)[0]:
        if isinstance(record, FrameRecord) and record.opcode in (1, 2):
            text = record.payload.decode("utf-8", "replace")
            content = text if record.opcode == 1 else record.payload
            found.append(read(api.envelope, content)[0] or len(record.payload))
    return found


@pytest.mark.sweep(keep=15)
@pytest.mark.parametrize("name", DIALOGUES)
def test_scrub_good_session_keeps_findings_and_structure(name: str, tmp_path: Path) -> None:
    provider, api, dialogue = DIALOGUES[name]
    records = [
        replace(each, mask=b"mask") if isinstance(each, FrameRecord) and each.from_client else each
        for each in session(api, dialogue)
    ]
    trace = write(tmp_path / "a.wstrace", records, provider=provider, api=api.name)
    made = scrub(trace, tmp_path / "b.wstrace", catalog=CATALOG)
    assert made.notes == ()
    assert findings(made.path) == findings(trace)
    was, now = messages(trace, api), messages(made.path, api)
    assert [skeleton(each) for each in now] == [skeleton(each) for each in was]
    kind = api.vocabulary.kind or "type"
    assert [kind_of(each, kind) for each in now] == [kind_of(each, kind) for each in was]
    said_now = json.dumps(now)
    assert not any(f'"{word}"' in said_now for word in WORDS)
    before, after = (Session.read(each) for each in (trace, made.path))
    assert (after.ending, after.failed, after.provider, after.api) == (
        *(before.ending, before.failed),
        *(before.provider, before.api),
    )


def kind_of(message: Any, kind: str) -> Any:
    return message.get(kind) if isinstance(message, dict) else message


# -- ordinary sessions that were refused once


def test_scrub_muted_microphone_is_accepted(tmp_path: Path) -> None:
    append = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(1920)).decode()}
    records = [*opened("/v1/realtime?model=gpt-realtime")]
    records += [text_message(50 + n, APP, append) for n in range(50)]
    trace = write(tmp_path / "a.wstrace", records, provider="openai", api="realtime")
    made = scrub(trace, tmp_path / "b.wstrace").path
    payloads = {r.payload for r in read_trace(made)[0] if isinstance(r, FrameRecord)}
    assert payloads == {json.dumps(append).encode()}


def test_scrub_wav_header_alone_is_accepted_and_stays(tmp_path: Path) -> None:
    header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0"
    head = '{"Path": "audio", "X-RequestId": "a", "Content-Type": "audio/x-wav"}'
    parts = [header, *(TONE[at : at + 640] for at in range(0, len(TONE), 640))]
    packed = [wrap("azure", head, part) for part in parts]
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US"
    frames = [audio(50 + n, APP, each) for n, each in enumerate(packed) if isinstance(each, bytes)]
    trace = write(
        tmp_path / "a.wstrace", [*opened(path), *frames], provider="azure_speech", api="stt"
    )
    made = scrub(trace, tmp_path / "b.wstrace").path
    payloads = [r.payload for r in read_trace(made)[0] if isinstance(r, FrameRecord)]
    assert payloads[0].endswith(header)
    assert not any(TONE[640:672] in payload for payload in payloads)


@pytest.mark.parametrize(
    ("api", "text"),
    [
        (("openai", "realtime"), 'Model "gpt-4o-mini-transcribe" is not supported in this mode.'),
        (("openai", "realtime"), "Invalid value: 'audio/pcm'. Unknown parameter: 'session.type'"),
        (("elevenlabs", "agent"), "This request exceeds your quota limit."),
        (("elevenlabs", "tts-multi"), "Maximum simultaneous contexts per connection exceeded (5)"),
        (("deepgram", "listen"), "Bad Request: No such model/language/tier combination found."),
        (("assemblyai", "streaming"), "Input duration violation: 20.5 ms. Expected 50 to 1000 ms"),
        (("gemini", "live"), "API key expired. Please renew the API key."),
        (("soniox", "stt"), "Audio data decode timeout"),
        (("cartesia", "tts"), "Your account has reached its concurrency limit, try again later"),
        ((None, None), "HTTP 503: the upstream server did not answer within 30 seconds"),
    ],
)
def test_scrub_error_sentence_of_the_service_stays_readable(
    api: tuple[str | None, str | None], text: str
) -> None:
    assert (
        TextScrubber(allowlist_for(CATALOG, *api), Aliases(b"key"), SpokenText()).error_text(text)
        == text
    )


# -- every failure that the catalog has an example of


def cleaned(sketch: ExampleSession) -> ExampleSession:
    """A scrubbed short session."""
    api = CATALOG.api(sketch.provider, sketch.api)
    texts = TextScrubber(
        allowlist_for(CATALOG, sketch.provider, sketch.api), Aliases(b"key"), SpokenText()
    )
    heads = HeadScrubber(texts, hosts=False)
    for each in sketch.received + sketch.sent:
        mine = each in sketch.sent
        if api is not None and api.envelope == "azure":
            each.text = azure_text(each.text, texts, bytes, from_client=mine)
        else:
            each.text = texts.message(each.text, bytes, from_client=mine)
    for packed in sketch.binary_messages:
        packed.data = scrub_binary(
            packed.data, api.envelope if api else "", texts, bytes, from_client=False
        )
    if sketch.close is not None:
        sketch.close.reason = texts.error_text(sketch.close.reason)
    if sketch.request is not None:
        asked = Request(0, "GET", "wss", sketch.request.host, 443, sketch.request.path)
        made = heads.request(asked)
        sketch.request = replace(sketch.request, path=made.path, host=made.host)
    if sketch.response is not None:
        was = sketch.response
        answer = heads.response(
            Response(0, was.status, headers=[list(h) for h in was.headers], body=was.body)
        )
        sketch.response = ExampleResponse(was.status, answer.headers, answer.body)
    return sketch


def explained(sketch: ExampleSession) -> list[str]:
    return [hit.condition.id for hit in candidates(sketch, CATALOG)][:1]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_scrub_failure_of_the_catalog_is_explained_as_before(provider: str) -> None:
    conditions: list[Condition] = [c for c in CATALOG.conditions if c.provider == provider]
    other = {}
    for condition in conditions:
        for number, example in enumerate(condition.examples):
            before = explained(example_session(condition, example, CATALOG))
            after = explained(cleaned(example_session(condition, example, CATALOG)))
            if before != after:
                other[f"{condition.id} {number}"] = (before, after)
    assert other == {}
