"""What of `[[api.promise]]` a session asks for, and whether it came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.exchange import Patterns
from wsproxy.catalog.promise import Promise
from wsproxy.catalog.success import MessagePattern, first_match, needed_names

from .message import SessionMessage
from .transcript import Result
from .transcript_result import count_words

_SHOWN = 100  # characters of a setting

Content = Mapping[str, Any]


class Pause(NamedTuple):
    """Audio without words.

    Attributes:
        frame, t_ns: of the words before it.
        seconds: of audio.
    """

    frame: int
    t_ns: int
    seconds: float


@dataclass(slots=True)
class AskedPromise:
    """A promise that the client's settings ask for.

    Attributes:
        setting: which asks for it; empty: it comes unasked.
        due: how many final results with words had to have it.
        words: in them.
        came: whether it came: in any of these, or since the last words.
        missed: the first pause after which it did not come; None if there is none.
    """

    promise: Promise
    setting: str = ""
    due: int = 0
    words: int = 0
    came: bool = False
    missed: Pause | None = None


class _Keeping(NamedTuple):
    """The messages of a kind that may keep a promise.

    Attributes:
        patterns: which they match.
        names: of fields, see `needed_names`.
    """

    asked: AskedPromise
    patterns: Patterns
    names: frozenset[str] | None


class PromiseTracker:
    """Collects which promises are asked for and kept, message by message.

    Args:
        api: whose messages these are; None if unknown.
    """

    def __init__(self, api: Api | None) -> None:
        self._waiting = list(api.promises) if api else []
        self._asked: list[AskedPromise] = []
        # Of what was asked for, what messages of a kind may keep, and of those of any other kind.
        self._kept_by: dict[str, list[_Keeping]] = {"": []}
        self._words: tuple[int, int, float] | None = None  # frame, time, and seconds of audio
        for promise in [each for each in self._waiting if not each.settings]:
            self._ask(promise, "")

    def _ask(self, promise: Promise, setting: str) -> None:
        self._waiting.remove(promise)
        self._asked.append(AskedPromise(promise, setting))
        self._find_kinds()

    def _find_kinds(self) -> None:
        """Find the kinds of messages that matter, so that all others cost next to nothing."""
        listed = [(asked, asked.promise.messages) for asked in self._asked]
        kinds = {"", *(pattern.kind for _, patterns in listed for pattern in patterns)}
        self._kept_by = {kind: _of_kind(listed, kind) for kind in kinds}

    def add_settings(self, kind: str, content: Content) -> None:
        """Add a message of the client, or the parameters of the URL as `query`."""
        for asked in [a for a in self._asked if first_match(a.promise.unless, kind, content)]:
            self._asked.remove(asked)
            self._find_kinds()
        for promise in tuple(self._waiting):
            if (setting := first_match(promise.settings, kind, content)) is not None:
                self._ask(promise, _as_sent(setting, content))

    def add_result(self, result: Result, content: Content, sent_s: float | None) -> None:
        """Add a result with words of the user.

        Args:
            sent_s: seconds of audio that had been sent; None if unknown.
        """
        if not self._asked:
            return  # nearly always
        if sent_s is not None:
            end_s = sent_s if result.start_s is None else min(sent_s, result.start_s)
            self._end_pause(end_s)
            self._words = result.frame, result.t_ns, sent_s
        for asked in self._asked:
            said = any(text in result.text for text in asked.promise.texts)
            if asked.promise.pause:
                asked.came = said
            elif result.final and not asked.came:
                asked.due += 1
                asked.words += count_words(result.text)
                fields = (field_of(content, path) for path in asked.promise.fields)
                asked.came = said or any(value is not None for value in fields)

    def add_message(self, message: SessionMessage) -> None:
        """Add a message of the server; a result comes to `add_result` first."""
        content = message.content
        if content is None:
            return
        for asked, patterns, names in self._kept_by.get(message.kind, self._kept_by[""]):
            if asked.came or (names is not None and names.isdisjoint(content)):
                continue
            asked.came = first_match(patterns, message.kind, content) is not None

    def _end_pause(self, end_s: float) -> None:
        """Note what did not come in the audio since the last words."""
        frame, t_ns, since_s = self._words or (0, 0, end_s)
        pause = Pause(frame, t_ns, end_s - since_s)
        for asked in self._asked:
            least = asked.promise.pause
            if least and pause.seconds >= least and not asked.came:
                asked.missed = asked.missed or pause

    def settle(self, sent_s: float | None) -> list[AskedPromise]:
        """What was asked for, after all audio.

        Args:
            sent_s: seconds of audio that were sent; None if unknown.
        """
        if sent_s is not None:
            self._end_pause(sent_s)
        return self._asked


def _of_kind(listed: Sequence[tuple[AskedPromise, Patterns]], kind: str) -> list[_Keeping]:
    """What messages of a kind may keep."""
    found = [
        (asked, tuple(p for p in patterns if p.kind in ("", kind))) for asked, patterns in listed
    ]
    return [
        _Keeping(asked, patterns, needed_names(patterns)) for asked, patterns in found if patterns
    ]


def _as_sent(setting: MessagePattern, content: Content) -> str:
    """The fields of a setting with the values that the client sent."""
    sent = ((path.removeprefix("query."), field_of(content, path)) for path, _ in setting.fields)
    return ", ".join(
        f"{path}={value if isinstance(value, str) else json.dumps(value)}"[:_SHOWN]
        for path, value in sent
    )
