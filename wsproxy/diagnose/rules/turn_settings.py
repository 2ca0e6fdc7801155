"""Rules about the app's settings of turn detection: what follows from them, and surprises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wsproxy.catalog.envelope import Json
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts

from .dialogue_facts import agent_turns, spoken_turns, user_speech
from .good_ending import good_timeline

_PARENTS = ("turn_detection", "automaticActivityDetection", "realtimeInputConfig")
_SILENCES = ("silence_duration_ms", "silenceDurationMs")
_HIGH = 0.75  # of a threshold from 0 to 1, whose default is 0.5
_LONG_MS = 1500.0  # milliseconds; the defaults are below 1000
_WAITED = 0.8  # of that time, by which answers begin at least that late
_SPOKE = 1.0  # seconds of the user's speech while the agent speaks
_DEPTH = 8  # of objects in a message


class _Setting(NamedTuple):
    name: str
    value: object
    frame: int

    @property
    def text(self) -> str:
        return quoted(f"{self.name}={self.value} (frame {self.frame})".replace("False", "false"))


def _settings(facts: SessionFacts) -> dict[str, _Setting]:
    """The app's settings of turn detection, each with its last value."""
    found = {}
    for message in facts.client_json:
        for name, value in _of(message.content, _DEPTH):
            found[name] = _Setting(name, value, message.frame)
    return found


def _of(content: Json, depth: int) -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if not isinstance(value, dict) or not depth:
            continue
        if name in _PARENTS:
            yield from ((n, v) for n, v in value.items() if not isinstance(v, dict))
        yield from _of(value, depth - 1)


def threshold_high(facts: SessionFacts) -> list[Evidence]:
    """The app set a high threshold for speech, and the service heard none."""
    found = _settings(facts)
    threshold, low = found.get("threshold"), found.get("startOfSpeechSensitivity")
    is_high = threshold is not None and _number(threshold) >= _HIGH
    setting = threshold if is_high else low if low and "LOW" in str(low.value) else None
    if setting is None or any(m.kind.endswith("speech_started") for m in facts.server_json):
        return []
    return [Evidence(f"{setting.text}, and no start of speech was reported", (setting.frame,))]


def _number(setting: _Setting) -> float:
    return float(setting.value) if isinstance(setting.value, int | float) else 0.0


def waits_long(facts: SessionFacts) -> list[Evidence]:
    """The app set a long silence before the end of a turn, and the answers come that late."""
    timeline, found = good_timeline(facts), _settings(facts)
    setting = next((found[name] for name in _SILENCES if name in found), None)
    if timeline is None or setting is None or agent_turns(facts) is None:
        return []
    silence = _number(setting)
    waits = [each.seconds for each in timeline.latency.turns]
    if silence < _LONG_MS or not waits or min(waits) < _WAITED * silence / 1000:
        return []
    text = f"{setting.text}; the answers began {min(waits):.1f} to {max(waits):.1f} s after the "
    text += "user's last sound"
    return [Evidence(text, (setting.frame,), None, round(min(waits), 1), "s")]


def interruption_off(facts: SessionFacts) -> list[Evidence]:
    """The app set that the user cannot interrupt, and the user spoke during an answer."""
    found = _settings(facts)
    off, handling = found.get("interrupt_response"), found.get("activityHandling")
    setting = off if off is not None and off.value is False else None
    if handling is not None and "NO_INTERRUPTION" in str(handling.value):
        setting = handling
    if setting is None:
        return []
    for turn in spoken_turns(facts):
        begun, played_ns = turn.first_audio_ns, turn.first_audio_ns + int(turn.played_s * 1e9)
        for region in user_speech(facts):
            if begun < region.t_ns < played_ns and region.seconds >= _SPOKE:
                text = f"{setting.text}; the user spoke for {region.seconds:.1f} s (frame "
                text += f"{region.frame}) while an answer was played"
                return [Evidence(text, (setting.frame, region.frame), region.t_ns)]
    return []


RULES: tuple[Measure, ...] = (threshold_high, waits_long, interruption_off)
