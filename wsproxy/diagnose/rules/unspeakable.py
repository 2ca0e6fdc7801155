"""Rules about texts to speak that are written for a machine, or for the eye."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsproxy.catalog.envelope import json_object
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts

from .spoken_texts import markdown_in_text, speaks_texts, texts_of

_SHOWN = 60  # characters of a text
_LONGEST = 20_000  # characters of a text that may be an object
# What language models mark as not being a part of their answer.
_MARKED = re.compile(r"(?i)</?(?:think|thinking|reasoning|tool_call|function_call|tool_response)>")
_ADDRESS = re.compile(r"(?i)\bhttps?://[^\s<>]{4,80}")
_EMOJI = re.compile(r"[\u2600-\u27bf\U0001f300-\U0001faff]")


def machine_text(facts: SessionFacts) -> list[Evidence]:
    """A text to speak is an object in JSON, or has the marks of a model's reasoning or calls."""
    for message, text in _texts(facts):
        marked = _MARKED.search(text)
        shown = marked[0] if marked else text.strip() if _is_object(text) else ""
        if shown:
            found = f"the text in frame {message.frame} has {quoted(shown, _SHOWN)}"
            return [Evidence(found, (message.frame,), message.t_ns)]
    return []


def _is_object(text: str) -> bool:
    text = text.strip()
    if not text.startswith("{") or not text.endswith("}") or len(text) > _LONGEST:
        return False
    return bool(json_object(text))


def signs_in_text(facts: SessionFacts) -> list[Evidence]:
    """A text to speak has an emoji, or an address of the web."""
    if facts.measured(machine_text) or facts.measured(markdown_in_text):
        return []
    for message, text in _texts(facts):
        if found := _ADDRESS.search(text) or _EMOJI.search(text):
            shown = f"the text in frame {message.frame} has {quoted(found[0], _SHOWN)}"
            return [Evidence(shown, (message.frame,), message.t_ns)]
    return []


def _texts(facts: SessionFacts) -> Iterator[tuple[ServerMessage, str]]:
    if speaks_texts(facts):
        for message in facts.client_json:
            for text in texts_of(message):
                yield message, text


RULES: tuple[Measure, ...] = (machine_text, signs_in_text)
