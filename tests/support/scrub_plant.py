"""One personal datum at a place of a session, and the APIs that it may be in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LISTEN, AGENT, OPENAI = ("deepgram", "listen"), ("deepgram", "agent"), ("openai", "realtime")
CONVAI, TTS, GEMINI = ("elevenlabs", "agent"), ("elevenlabs", "tts"), ("gemini", "live")
AAI, AAI_AGENT, SM = ("assemblyai", "streaming"), ("assemblyai", "agent"), ("speechmatics", "rt")
SONIOX, GLADIA, HUME = ("soniox", "stt"), ("gladia", "live"), ("hume", "evi")
CARTESIA, AZURE, UNKNOWN = ("cartesia", "tts"), ("azure_speech", "stt"), None
APIS = [
    *(LISTEN, AGENT, OPENAI, CONVAI, TTS, GEMINI, AAI, AAI_AGENT, SM, SONIOX, GLADIA, HUME),
    *(CARTESIA, AZURE, UNKNOWN),
]

# Undocumented words, one for each plant.
_ONSETS = ["br", "dr", "gl", "kr", "pl", "sk", "tr", "zw", "fl", "gr", "shm", "kn"]
_MIDDLES = ["anzi", "oquo", "umbel", "irkas", "ebdul", "yxom"]
_ENDS = ["son", "berg", "ovic", "ardo"]


def _names() -> Iterator[str]:
    for end in _ENDS:
        for middle in _MIDDLES:
            for onset in _ONSETS:
                yield (onset + middle + end).capitalize()


NAME = _names()


@dataclass(frozen=True)
class Plant:
    """One personal datum.

    Attributes:
        what: for the report.
        api: provider and API of the session; None where the catalog knows none.
        place: "app", "server" (a message of theirs), "query", "request", "answer" (a header),
            "path", "host", "close", "refusal" (a body), "ping" or "subprotocol".
        content: what stands there.
        planted: texts of which none may be left.
    """

    what: str
    api: tuple[str, str] | None
    place: str
    content: Any
    planted: tuple[str, ...]


PLANTS: list[Plant] = []


def plant(what: str, api: tuple[str, str] | None, place: str, content: Any, *planted: str) -> None:
    PLANTS.append(Plant(what, api, place, content, planted))
