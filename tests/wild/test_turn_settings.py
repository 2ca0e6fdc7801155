"""What follows from settings of turn detection, and from texts that are not for a voice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bug_report import explanation
from deepgram_reports import speaking
from provider_sessions import (
    REALTIME_SESSION,
    Json,
    answered,
    append,
    chunks,
    committed,
    openai,
    pcm,
    response_done,
    session_event,
)
from wire_session import WireSession

pytestmark = pytest.mark.one_python


def found(session: WireSession, folder: Path) -> dict[str, Mapping[str, Any]]:
    explained = explanation(session.write(folder / "session.wstrace"))
    return {each["id"].removeprefix("traffic."): each for each in explained["findings"]}


def conversation(**settings: object) -> WireSession:
    """A session whose turn detection has these settings."""
    audio: Json = dict(REALTIME_SESSION["audio"])
    audio["input"] = audio["input"] | {"turn_detection": {"type": "server_vad", **settings}}
    config = REALTIME_SESSION | {"audio": audio}
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": config})
    return session.server(session_event("session.updated", config), after=0.1)


def asks(session: WireSession, silence: float = 0.5) -> WireSession:
    session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
    session.stream(chunks(bytes(int(silence * 48_000)), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
    return committed(session)


def ends(session: WireSession) -> WireSession:
    return session.server(response_done("completed")).app_closes(1000, after=1.0)


def unheard(**settings: object) -> WireSession:
    """The service reports no speech."""
    session = conversation(**settings)
    session.stream(chunks(pcm(3.0, 24_000), 4800), 0.1, append)
    session.stream(chunks(bytes(480_000), 4800), 0.1, append)
    return session.app_closes(1000)


def talks_over(**settings: object) -> WireSession:
    """The user speaks while a long answer is played, which came at once."""
    session = answered(asks(conversation(**settings)), 6.0)
    session.server(response_done("completed"))
    session.stream(chunks(pcm(2.0, 24_000) + bytes(48_000), 4800), 0.1, append)
    return session.app_closes(1000, after=4.0)


def test_high_threshold_is_a_cause_of_an_agent_that_does_not_answer(tmp_path: Path) -> None:
    seen = found(unheard(threshold=0.9), tmp_path)["outcome.agent-silent"]["seen"]

    assert any("threshold=0.9 (frame 2), and no start of speech" in each for each in seen)


def test_usual_threshold_is_no_cause(tmp_path: Path) -> None:
    seen = found(unheard(threshold=0.5), tmp_path)["outcome.agent-silent"]["seen"]

    assert not any("threshold" in each for each in seen)


def test_long_silence_before_each_answer_is_a_notice(tmp_path: Path) -> None:
    session = ends(answered(asks(conversation(silence_duration_ms=3000), 3.0)))

    notice = found(session, tmp_path)["notice.waits-long"]

    assert notice["severity"] == "notice"
    assert "silence_duration_ms=3000 (frame 2); the answers began" in notice["evidence"][0]["text"]


@pytest.mark.parametrize(("set_ms", "silence"), [(500, 3.0), (3000, 0.5)])
def test_answers_that_do_not_wait_for_a_long_silence_are_no_notice(
    set_ms: int, silence: float, tmp_path: Path
) -> None:
    session = ends(answered(asks(conversation(silence_duration_ms=set_ms), silence)))

    assert "notice.waits-long" not in found(session, tmp_path)


def test_speech_during_an_answer_that_cannot_be_interrupted_is_a_notice(tmp_path: Path) -> None:
    notice = found(talks_over(interrupt_response=False), tmp_path)["notice.interruption-off"]

    assert "interrupt_response=false (frame 2); the user spoke" in notice["evidence"][0]["text"]


def test_speech_during_other_answers_is_no_such_notice(tmp_path: Path) -> None:
    assert "notice.interruption-off" not in found(talks_over(), tmp_path)


def test_setting_against_interruption_that_nothing_came_of_is_no_notice(tmp_path: Path) -> None:
    session = ends(answered(asks(conversation(interrupt_response=False))))

    assert "notice.interruption-off" not in found(session, tmp_path)


def says(text: str) -> WireSession:
    session = speaking().app({"type": "Speak", "text": text}, {"type": "Flush"})
    session.stream(chunks(pcm(2.0, 24_000), 9600), 0.02, from_client=False)
    session.server({"type": "Flushed", "sequence_id": 0})
    return session.app({"type": "Close"}).server_closes(1000, after=2.0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"name": "get_weather", "arguments": {"city": "Rome"}}', '{"name": "get_weather"'),
        ("<think>The user wants the weather.</think> It is sunny.", "has <think>"),
        ("<tool_call>get_weather</tool_call>", "has <tool_call>"),
    ],
)
def test_text_for_a_machine_is_found(text: str, shown: str, tmp_path: Path) -> None:
    finding = found(says(text), tmp_path)["speech.machine-text"]

    assert shown in finding["evidence"][0]["text"]


@pytest.mark.parametrize(
    "text", ["It is sunny today.", "I think so: {it} is fine.", "{}", "A < B, and B > C."]
)
def test_text_for_a_voice_is_not_taken_for_one_for_a_machine(text: str, tmp_path: Path) -> None:
    ids = found(says(text), tmp_path)

    assert not {"speech.machine-text", "notice.signs-in-text"} & set(ids)


@pytest.mark.parametrize(
    "text", ["Great! \U0001f389 It works.", "See https://example.com/help?a=1."]
)
def test_signs_for_the_eye_are_a_notice(text: str, tmp_path: Path) -> None:
    assert found(says(text), tmp_path)["notice.signs-in-text"]["severity"] == "notice"
