"""Dialogues of the catalog: who speaks first, ids that belong together, turns and their ends."""

from __future__ import annotations

import base64
import itertools
import json
import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from conditions import audio, good, wire_message
from dialogue_client import APIS, ID, Client
from wsproxy.catalog import Api, ClosePattern, load
from wsproxy.catalog.envelope import field, read
from wsproxy.simulate import Simulator
from wsproxy.simulate.api import Action, ApiQuotas, ApiRequest
from wsproxy.simulate.dialogue_api import DialogueApi

PLACEHOLDER = re.compile(r"\{=?[a-z][\w.]*\}")


def contents(api: Api, actions: Sequence[Action]) -> list[dict[str, Any]]:
    """The JSON of the server's messages."""
    messages = [each for each in actions if isinstance(each, str | bytes)]
    found = (read(api.envelope, each)[0] for each in messages)
    return [each for each in found if each is not None]


def kinds(api: Api, actions: Sequence[Action]) -> list[str]:
    """The types of the server's messages, each once in a row; "audio" for binary ones."""
    found = []
    for action in actions:
        if not isinstance(action, str | bytes):
            continue
        content = read(api.envelope, action)[0]
        kind = field(content, api.vocabulary.kind or "type") if content else "audio"
        found.append(str(kind or next(iter(content or {"": ""}))))
    return [kind for kind, _ in itertools.groupby(found)]


# -- who speaks first


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("openai.realtime", ["session.created"]),
        ("deepgram.agent", ["Welcome"]),
        ("deepgram.listen-v2", ["Connected"]),
        ("elevenlabs.agent", ["conversation_initiation_metadata"]),
        ("elevenlabs.stt", ["session_started"]),
        ("hume.evi", ["chat_metadata"]),
        ("assemblyai.tts", ["Begin"]),
        ("revai.stream", ["connected"]),
        ("gladia.live", ["start_session"]),
        ("gemini.live", []),
        ("speechmatics.rt", []),
        ("azure_speech.stt", []),
        ("soniox.stt", []),
        ("xai.realtime", ["session.created", "conversation.created"]),
        ("xai.stt", ["transcript.created"]),
        ("mistral.realtime", ["session.created"]),
        ("sarvam.stt", []),
        ("fireworks.stt", []),
        ("rime.tts", []),
        ("cartesia.tts", []),
    ],
)
def test_dialogue_after_the_upgrade_sends_what_the_api_sends_first(
    name: str, first: list[str]
) -> None:
    client = Client(name)
    assert kinds(client.api, client.received) == first


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("openai.realtime", "session.updated"),
        ("deepgram.agent", "SettingsApplied"),
        ("elevenlabs.agent", "agent_response"),
        ("gemini.live", "setupComplete"),
        ("speechmatics.rt", "RecognitionStarted"),
        ("assemblyai.agent", "session.ready"),
        ("xai.realtime", "session.updated"),
        ("mistral.realtime", "session.updated"),
    ],
)
def test_dialogue_setup_is_answered(name: str, answer: str) -> None:
    client = Client(name)
    before = len(client.received)
    client.set_up()
    assert kinds(client.api, client.received[before:])[0] == answer


@pytest.mark.asyncio
async def test_simulator_openai_client_that_waits_first_gets_session_created() -> None:
    async with (
        Simulator() as server,
        connect(f"{server.url}/v1/realtime?model=gpt-realtime", proxy=None) as session,
    ):
        assert json.loads(await session.recv())["type"] == "session.created"


def test_dialogue_without_its_optional_setup_hears_the_client() -> None:
    client = Client("openai.realtime")
    found = kinds(client.api, client.speak())
    assert found[0] == "input_audio_buffer.speech_started"
    assert "session.updated" not in found


# -- transcripts and turns


def said(api: Api, content: dict[str, Any]) -> list[str]:
    """The transcripts in a message; the words of a list together."""
    words = [*content.get("elements", ()), *content.get("tokens", ())]
    if words:
        return [" ".join(str(word.get("value") or word.get("text")).strip() for word in words)]
    paths = [path for path in api.transcripts if path != "delta"]  # which is audio as well
    return [text for path in paths if isinstance(text := field(content, path), str) and text]


HEARING = [
    name
    for name, (_, api) in APIS.items()
    if api.transcripts and api.dialogue and not api.dialogue.say
]


@pytest.mark.parametrize("name", HEARING)
def test_dialogue_speech_gives_sentences_that_differ(name: str) -> None:
    client = Client(name)
    client.set_up()
    replies = contents(client.api, client.speak(8.0))
    texts = [text for content in replies for text in said(client.api, content)]
    assert len(set(texts)) > 2
    assert max(len(text.split()) for text in texts) >= 4


@pytest.mark.parametrize("name", APIS)
def test_dialogue_leaves_no_placeholder(name: str) -> None:
    client = Client(name)
    behaviour = good(client.home)
    for message in behaviour.messages:
        client.send(message)
    client.speak(3.0)
    for message in behaviour.ends:
        client.send(message)
    texts = [
        each.decode("latin-1") if isinstance(each, bytes) else str(each)
        for each in client.received
        if not isinstance(each, ClosePattern)
    ]
    assert texts
    assert [found for text in texts for found in PLACEHOLDER.findall(text)] == []


def test_dialogue_hears_base64_of_either_alphabet() -> None:
    usual, url_safe = Client("gemini.live"), Client("gemini.live")
    for client, encode in ((usual, base64.b64encode), (url_safe, base64.urlsafe_b64encode)):
        client.set_up()
        for chunk in audio(2.3):
            media = {"data": encode(chunk).decode(), "mimeType": "audio/pcm;rate=16000"}
            client.send({"realtimeInput": {"audio": media}})
    texts = [
        [text for content in contents(client.api, client.received)
         for text in said(client.api, content)]
        for client in (usual, url_safe)
    ]  # fmt: skip
    assert texts[0] == texts[1] != []


def test_dialogue_silence_has_no_reply() -> None:
    client = Client("speechmatics.rt")
    client.set_up()
    found = [action for _ in range(30) for action in client.send(bytes(3200))]
    assert kinds(client.api, found) == ["AudioAdded"]
    numbers = [content["seq_no"] for content in contents(client.api, found)]
    assert numbers == list(range(1, 31))


def test_dialogue_openai_response_is_created_before_its_audio() -> None:
    client = Client("openai.realtime")
    client.set_up()
    events = contents(client.api, client.speak(2.3))
    order = [event["type"] for event in events]
    for earlier, later in itertools.pairwise(
        [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.output_item.added",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.done",
        ]
    ):
        assert order.index(earlier) < order.index(later)
    (created,) = [event["response"] for event in events if event["type"] == "response.created"]
    (done,) = [event["response"] for event in events if event["type"] == "response.done"]
    audio_ids = {e["response_id"] for e in events if e["type"] == "response.output_audio.delta"}
    assert {created["id"]} == {done["id"]} == audio_ids
    assert (created["status"], done["status"]) == ("in_progress", "completed")
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids)


def test_dialogue_openai_without_turn_detection_waits_for_the_client() -> None:
    client = Client("openai.realtime")
    client.send({"type": "session.update", "session": {"turn_detection": None}})
    assert "response.created" not in kinds(client.api, client.speak(4.0))
    committed = kinds(client.api, client.send({"type": "input_audio_buffer.commit"}))
    assert "conversation.item.input_audio_transcription.completed" in committed
    assert "response.created" not in committed
    answer = kinds(client.api, client.send({"type": "response.create"}))
    assert (answer[0], answer[-1]) == ("response.created", "response.done")


def test_dialogue_openai_transcription_session_has_no_response() -> None:
    client = Client("openai.realtime", "/v1/realtime?intent=transcription")
    found = kinds(client.api, client.speak())
    assert "conversation.item.input_audio_transcription.completed" in found
    assert "response.created" not in found


def test_dialogue_xai_sends_interim_results_only_if_asked() -> None:
    asked, unasked = Client("xai.stt"), Client("xai.stt", "/v1/stt?sample_rate=16000")
    finals = [
        {content["is_final"] for content in contents(client.api, client.speak())}
        for client in (asked, unasked)
    ]
    assert finals == [{False, True}, {True}]


def test_dialogue_sarvam_reports_speech_only_if_asked() -> None:
    asked, unasked = Client("sarvam.stt"), Client("sarvam.stt", "/speech-to-text/ws")
    assert kinds(asked.api, asked.speak(2.3)) == ["events", "data"]
    signals = [
        content["data"].get("signal_type") for content in contents(asked.api, asked.received)
    ]
    assert signals == ["START_SPEECH", "END_SPEECH", None]
    assert kinds(unasked.api, unasked.speak(2.3)) == ["data"]


def test_dialogue_mistral_ends_with_all_that_was_said() -> None:
    client = Client("mistral.realtime")
    client.set_up()
    client.speak(8.0)
    done = contents(client.api, client.send({"type": "input_audio.end"}))[-1]
    found = [c["text"] for c in contents(client.api, client.received) if "delta" in c["type"]]
    assert len(found) > 1
    assert done["text"] == "".join(found).strip()


def test_dialogue_fireworks_segment_is_updated_until_its_words_are_final() -> None:
    client = Client("fireworks.stt")
    segments = [content["segments"][0] for content in contents(client.api, client.speak(8.0))]
    states: dict[int, list[bool]] = {}
    for segment in segments:
        states.setdefault(segment["id"], []).append(segment["words"][-1]["is_final"])
    assert len(states) > 1
    assert all(state[-1] and not any(state[:-1]) for state in states.values())


# -- ids that belong together


@pytest.mark.parametrize(
    ("name", "text", "identifier"),
    [("rime.tts", "text", "contextId"), ("resemble.tts", "data", "request_id")],
)
def test_dialogue_audio_has_the_clients_id(name: str, text: str, identifier: str) -> None:
    client = Client(name)
    for number in (7, 8):
        client.send({text: f"This is text {number}.", identifier: number})
        client.wait(0.2)
        found = contents(client.api, client.send({text: f"And text {number}.", identifier: number}))
        assert {content[identifier] for content in found} <= {number}
    unnamed = Client(name)
    unnamed.send({text: "Without an id."})
    found = contents(unnamed.api, unnamed.wait(0.2))
    assert {content[identifier] for content in found} == {None if name == "rime.tts" else 0}


def test_dialogue_rime_times_the_words_of_the_text() -> None:
    client = Client("rime.tts")
    client.send({"text": "Good morning to you. "})
    found = contents(client.api, client.send({"operation": "flush"}))
    (times,) = [content["word_timestamps"] for content in found if content["type"] == "timestamps"]
    assert times["words"] == ["Good", "morning", "to", "you."]
    assert times["start"][1:] == times["end"][:-1] != []
    actions = client.send({"operation": "eos"})
    assert [action.code for action in actions if isinstance(action, ClosePattern)] == [1000]


def test_dialogue_cartesia_contexts_are_the_clients() -> None:
    client = Client("cartesia.tts")
    for name in ("one", "two"):
        client.send({"context_id": name, "transcript": f"This is text {name}.", "continue": True})
    for name in ("two", "one"):
        answer = {"context_id": name, "transcript": "And its end.", "continue": False}
        found = contents(client.api, client.send(answer, after=0.0))
        assert {content["context_id"] for content in found} == {name}
        assert (found[0]["type"], found[-1]["type"]) == ("chunk", "done")


def test_dialogue_elevenlabs_contexts_are_the_clients() -> None:
    client = Client("elevenlabs.tts-multi")
    client.send({"text": " ", "context_id": "first"})
    client.send({"text": "Good morning. ", "context_id": "second", "flush": True})
    client.send({"text": "Good evening. ", "context_id": "first", "flush": True}, after=0.0)
    client.send({"context_id": "second", "close_context": True})
    found = [content["contextId"] for content in contents(client.api, client.received)]
    assert [name for name, _ in itertools.groupby(found)] == ["second", "first", "second"]
    assert contents(client.api, client.received)[-1]["is_final"] is True


def test_dialogue_azure_turn_has_the_clients_request_id() -> None:
    client = Client("azure_speech.stt")
    client.set_up()
    head = '{"Path": "audio", "X-RequestId": "%s", "Content-Type": "audio/x-wav"}'
    for chunk in audio(2.3):
        assert isinstance(chunk, bytes)
        client.send(wire_message(head % "ABC123", "azure", ID, chunk))
    found = contents(client.api, client.received)
    assert {content["X-RequestId"] for content in found} == {"ABC123"}
    assert [path for path, _ in itertools.groupby(content["Path"] for content in found)] == [
        "turn.start",
        "speech.startDetected",
        "speech.hypothesis",
        "speech.endDetected",
        "speech.phrase",
        "turn.end",
    ]


def test_dialogue_azure_message_without_audio_ends_the_turn() -> None:
    client = Client("azure_speech.stt")
    client.set_up()
    head = '{"Path": "audio", "X-RequestId": "A"}'
    for chunk in audio(1.2):
        assert isinstance(chunk, bytes)
        client.send(wire_message(head, "azure", ID, chunk))
    found = contents(client.api, client.send(wire_message(head, "azure", ID, b"")))
    assert [content["Path"] for content in found][-1] == "turn.end"


def test_dialogue_gladia_session_url_is_on_the_requests_host() -> None:
    request = ApiRequest.parse(
        "/v2/live", {"host": "localhost:9000"}, request_id=ID, method="POST", secure=True
    )
    answer = DialogueApi(request, ApiQuotas(), APIS["gladia.live"][1]).answer(b"{}")
    body = json.loads(answer.body)
    assert answer.status == 201
    assert body["id"] == ID
    assert body["url"].startswith("wss://localhost:9000/v2/live?token=")


# -- audio of the server


@pytest.mark.parametrize(
    ("name", "setup", "rate"),
    [
        ("cartesia.tts", {"output_format": {"sample_rate": 8000}}, 8000),
        ("cartesia.tts", {"output_format": {"sample_rate": 44100}}, 44100),
    ],
)
def test_dialogue_text_gives_audio_of_its_length_and_rate(
    name: str, setup: dict[str, Any], rate: int
) -> None:
    seconds = []
    for text in ("Short text.", "A text that is a good deal longer than the short one."):
        client = Client(name)
        client.send({"context_id": "a", "transcript": text, **setup})
        found = contents(client.api, client.wait(0.2))
        data = b"".join(base64.b64decode(content.get("data", "")) for content in found)
        samples = array("h", data)
        assert max(samples) > 3000  # speech, not the hiss of a pause
        seconds.append(len(samples) / rate)
    assert 0.4 < seconds[0] < 1.0 < 2.5 < seconds[1] < 4.0


def test_dialogue_hume_audio_is_wav() -> None:
    client = Client("hume.evi")
    found = contents(client.api, client.send({"type": "user_input", "text": "Good morning."}))
    pieces = [base64.b64decode(c["data"]) for c in found if c["type"] == "audio_output"]
    assert pieces
    assert all(piece.startswith(b"RIFF") for piece in pieces)
    assert found[-1]["type"] == "assistant_end"
    assert found[0]["message"]["content"] == "Good morning."


# -- ends


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("assemblyai.tts", "Termination"),
        ("cartesia.stt", "done"),
        ("gladia.live", "end_session"),
        ("speechmatics.rt", "EndOfTranscript"),
        ("assemblyai.agent", "session.ended"),
        ("xai.stt", "transcript.done"),
    ],
)
def test_dialogue_end_of_input_gets_the_rest_and_the_farewell(name: str, last: str) -> None:
    client = Client(name)
    client.set_up()
    if client.api.dialogue and not client.api.dialogue.say:
        text = client.api.dialogue.audio or "{audio}"
        for chunk in audio(1.2):
            assert isinstance(chunk, bytes)
            client.send(wire_message(text, client.api.envelope, ID, chunk), after=0.05)
    assert client.api.dialogue is not None
    actions = client.send(wire_message(client.api.dialogue.end[0], client.api.envelope, ID))
    assert kinds(client.api, actions)[-1] == last
    assert isinstance(actions[-1], ClosePattern)
    if client.api.transcripts:
        assert len(kinds(client.api, actions)) > 1  # the words before the end


# -- APIs without a dialogue

BARE = """
schema = 1
provider = "bare"
name = "Bare"
[recognize]
hosts = ['^bare\\.example$']
[[api]]
name = "stt"
title = "An API without a dialogue"
paths = ['^/bare$']
[[condition]]
id = "bare.stt.busy"
apis = ["stt"]
severity = "error"
title = "Too many requests"
meaning = "The server refused the session."
causes = ["Too many sessions."]
remedies = ["Wait."]
retry = "wait"
source = { document = "test" }
[[condition.match]]
kind = "refused"
status = 429
[condition.simulate]
refuse = { status = 429, body = '{"error": "busy"}' }
[[condition.example]]
matches = true
api = "stt"
refused = { status = 429, body = '{"error": "busy"}' }
[[condition.example]]
matches = false
api = "stt"
refused = { status = 401 }
"""


@pytest.mark.asyncio
async def test_simulator_condition_of_api_without_dialogue_is_not_404(tmp_path: Path) -> None:
    file = tmp_path / "bare.toml"
    file.write_text(BARE)
    catalog = load(file)
    async with Simulator(catalog.condition("bare.stt.busy"), catalog=catalog) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/bare", proxy=None)
    assert refused.value.response.status_code == 429
