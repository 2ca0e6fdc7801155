"""Of an agent's session, what the app set up is compared; what the agent says is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from session_changes import reworded
from sessions import APP, SERVER, Records, closed, opened, text_message, write
from wsproxy.compare import compare

AGENT: Records = [
    *opened("/v1/agent/converse"),
    text_message(30, SERVER, {"type": "Welcome", "request_id": "r1"}),
    text_message(40, APP, {"type": "Settings", "agent": {"language": "en"}}),
    text_message(50, SERVER, {"type": "SettingsApplied", "agent": {"language": "en"}}),
    text_message(60, SERVER, {"type": "ConversationText", "role": "user", "content": "hello"}),
    text_message(70, SERVER, {"type": "ConversationText", "role": "assistant", "content": "hi"}),
    text_message(80, SERVER, {"type": "AgentAudioDone", "n": 1}),
    closed(90, SERVER, 1000),
    closed(91, APP, 1000),
]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (
            'Applied", "agent": {"language": "en"',
            'Applied", "agent": {"language": "de"',
            "messages",
        ),
        ('"hello"', '"hallo"', "transcript"),
        ('"hi"', '"good morning"', None),
        ('"n": 1', '"n": 2', None),
        ('"r1"', '"r2"', None),
    ],
)
def test_compare_agent_setup_is_compared_speech_is_not(
    old: str, new: str, field: str | None, tmp_path: Path
) -> None:
    left = write(tmp_path / "a.wstrace", AGENT, api="agent")
    right = write(tmp_path / "b.wstrace", reworded(old, new)(list(AGENT)), api="agent")
    found = compare(left, right)
    assert [difference.field for difference in found.differences] == ([field] if field else [])
    assert "AgentAudioDone: what an agent says" in found.not_compared
