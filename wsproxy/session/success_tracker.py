"""What of `[api.success]` has been seen in a session: proof, owed answers, failed objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import (
    ExpectedAnswer,
    MessagePattern,
    ObjectState,
    Success,
    first_match,
)

from .message import SessionMessage

MAX_OPEN = 1000  # answers that are owed at a time
KEPT_FAILED = 20  # objects
_MAX_SENTENCE = 500  # characters kept of the server's words


@dataclass(frozen=True, slots=True)
class OwedAnswer:
    """An answer that the server owes.

    Attributes:
        frame, t_ns: of the message that began the wait.
        kind: of that message.
        expect: the messages that end it, as text.
    """

    frame: int
    t_ns: int
    kind: str
    expect: str


@dataclass(frozen=True, slots=True)
class FailedObject:
    """An object, such as a response, whose state is a failure.

    Attributes:
        kind: of the message that reports it.
        state: as the API names it.
        sentence: the server's own words; empty if there are none.
        recovered: whether a later object of the same kind was good.
    """

    frame: int
    t_ns: int
    kind: str
    state: str
    sentence: str
    recovered: bool = False


class SuccessTracker:
    """Collects what an API's success looks like, message by message.

    Args:
        api: whose messages these are; None if unknown.

    Attributes:
        proof_frame: of the first message that is proof; None if there was none.
        answers: how many owed answers came to their end.
        failed_count: how many objects failed; `failed` has the first ones.
    """

    def __init__(self, api: Api | None) -> None:
        success = api.success if api else Success()
        self.proof_frame: int | None = None
        self.answers = 0
        self.failed_count = 0
        self._proof = success.messages
        self._answers = success.answers
        self._states = success.states
        self._owed: dict[tuple[int, str], OwedAnswer] = {}
        self._failed: list[tuple[ObjectState, FailedObject]] = []
        self._kinds = {
            side: {pattern.kind for pattern in self._patterns(from_client=side)}
            for side in (True, False)
        }
        self._good_at: dict[int, int] = {}  # frame of the last good object, by `_states` index

    def add(self, message: SessionMessage) -> None:
        """Add a message of either side."""
        kind, kinds = message.kind, self._kinds[message.from_client]
        if kind not in kinds and "" not in kinds:
            return  # nearly always
        content: Mapping[str, Any] = message.content or {}
        for index, answer in enumerate(self._answers):
            self._add_answer(index, answer, message, content)
        if message.from_client:
            return
        if self.proof_frame is None and first_match(self._proof, kind, content):
            self.proof_frame = message.frame
        for index, state in enumerate(self._states):
            if state.message.matches(kind, content):
                self._add_state(index, state, message, content)

    def _patterns(self, *, from_client: bool) -> Iterator[MessagePattern]:
        """The patterns that a sender's messages are compared with."""
        for answer in self._answers:
            yield from answer.after if from_client else answer.after_server
            yield from answer.unless if from_client else answer.expect
        if not from_client:
            yield from self._proof
            yield from (state.message for state in self._states)

    def _add_answer(
        self,
        index: int,
        answer: ExpectedAnswer,
        message: SessionMessage,
        content: Mapping[str, Any],
    ) -> None:
        begins = answer.after if message.from_client else answer.after_server
        ends = answer.unless if message.from_client else answer.expect
        name = field_of(content, answer.id) if answer.id else ""
        key = index, str(name)[:100]
        if first_match(begins, message.kind, content) and len(self._owed) < MAX_OPEN:
            expect = str(answer.expect[0])
            self._owed.setdefault(
                key, OwedAnswer(message.frame, message.t_ns, message.kind, expect)
            )
        if not first_match(ends, message.kind, content):
            return
        if name is not None:
            self.answers += self._owed.pop(key, None) is not None
            return
        # A message without an id, such as an error, ends all of them.
        for other in [owed for owed in self._owed if owed[0] == index]:
            del self._owed[other]

    def _add_state(
        self, index: int, state: ObjectState, message: SessionMessage, content: Mapping[str, Any]
    ) -> None:
        value = field_of(content, state.field)
        if value in state.good:
            self._good_at[index] = message.frame
        if value not in state.failed:
            return
        self.failed_count += 1
        words = (field_of(content, path) for path in state.sentence)
        sentence = next((word for word in words if isinstance(word, str) and word), "")
        found = FailedObject(
            message.frame, message.t_ns, message.kind, str(value), sentence[:_MAX_SENTENCE]
        )
        if len(self._failed) >= KEPT_FAILED:
            self._failed.pop()  # the first ones and the last one are kept
        self._failed.append((state, found))

    @property
    def owed(self) -> list[OwedAnswer]:
        """The answers that have not come, oldest first."""
        return list(self._owed.values())

    @property
    def failed(self) -> list[FailedObject]:
        """The objects that failed: the first ones, and the last one."""
        return [
            FailedObject(
                one.frame,
                one.t_ns,
                one.kind,
                one.state,
                one.sentence,
                self._good_at.get(self._states.index(state), 0) > one.frame,
            )
            for state, one in self._failed
        ]
