"""Makes a session fail with a condition of the catalog, as the simulated API does."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wsproxy import catalog
from wsproxy.catalog import Dialogue
from wsproxy.catalog.model import Api, ClosePattern, Simulate
from wsproxy.errors import UnknownCondition, UsageError, one_of
from wsproxy.session.declared_audio import DeclaredFormat, declared_format
from wsproxy.simulate import ApiQuotas, PlanStep, Trigger
from wsproxy.simulate.api import Action, ApiRequest, SimulatedEnding, is_end
from wsproxy.simulate.condition_api import ConditionApi
from wsproxy.simulate.dialogue_api import DialogueApi
from wsproxy.wire import Close, Opcode, header

from .change import Change
from .draft import Draft, DraftMessage, DraftRecord, messages, open_message
from .ending import closing_handshake, connection_end, replace_tail
from .handshake import refuse
from .keepalive import message_kind

_MAX_SUGGESTIONS = 4  # ids in a message


@dataclass(frozen=True, slots=True)
class FailWithCondition(Change):
    """Makes the server fail with a condition, as the catalog describes it.

    Everything after the failure is removed. If the condition is only a message, the session
    continues.

    Attributes:
        id: of the condition, or its last part.
        after: the trigger, as for `wsproxy simulate`; empty: the catalog's.
    """

    id: str
    after: str = ""

    @classmethod
    def parse(cls, text: str, after: str = "") -> FailWithCondition:
        """Take an id, and a trigger such as "3s", "20frames" or "silence".

        Raises:
            UsageError: the trigger is invalid.
        """
        if after:
            Trigger.parse(after)
        return cls(text.strip(), after.strip())

    def __str__(self) -> str:
        return f"condition {self.id}" + (f" after {self.after}" if self.after else "")

    def apply(self, draft: Draft) -> None:
        found = self._find(draft)
        script = found.simulate
        assert script is not None  # `_find` returns only these
        trigger = Trigger.parse(self.after) if self.after else None
        failing_api = _failing_api(draft, script, trigger)
        refusal = failing_api.refusal()
        if refusal is not None:
            if trigger is not None:
                raise UsageError(
                    f"{self}: {found.id} refuses the upgrade, so it cannot happen later"
                )
            refuse(draft, refusal, self)
            return
        chosen = trigger or Trigger(script.after)
        point = _FailureSearch(draft, failing_api, chosen, self).point(by_user=trigger is not None)
        if is_end(point.actions):
            _insert_failure(draft, point)
        else:
            _insert_message(draft, point)

    def _find(self, draft: Draft) -> catalog.Condition:
        """The condition; of several with this last part, the one of the session's API."""
        here = _possible_conditions(draft)
        wanted = f".{self.id.lower()}"
        own = [c for c in here if f".{c.id.lower()}".endswith(wanted)]
        if len(own) == 1:
            return own[0]
        try:
            found = draft.catalog.condition(self.id)
            step = PlanStep(found)  # rejects conditions that no server can cause
        except UnknownCondition:
            raise
        except UsageError as error:
            raise UsageError(f"{error}{_suggestions(here, self.id)}") from None
        provider, api = draft.start.provider or "", draft.start.api or ""
        if not step.applies(provider, api, plain=draft.is_plain_http):
            raise UsageError(
                f"{found.id} does not happen in this session, which is of {draft.api_title}"
                f"{' (plain HTTP)' if draft.is_plain_http else ''}{_suggestions(here, self.id)}"
            )
        return found


def _possible_conditions(draft: Draft) -> list[catalog.Condition]:
    """The conditions that a server can cause in the session."""
    provider, api = draft.start.provider or "", draft.start.api or ""
    return [
        condition
        for condition in draft.catalog.conditions
        if condition.simulated
        and PlanStep(condition).applies(provider, api, plain=draft.is_plain_http)
    ]


def _suggestions(here: Sequence[catalog.Condition], wanted: str) -> str:
    names = {condition.id.rpartition(".")[2].lower(): condition.id for condition in here}
    last = wanted.rpartition(".")[2].lower()
    close = difflib.get_close_matches(last, names, n=_MAX_SUGGESTIONS, cutoff=0.5)
    return f"; did you mean {one_of([names[name] for name in close])}?" if close else ""


# -- the server


class _SilentApi(DialogueApi):
    """Follows the client and sends nothing: the server's messages are in the recording."""

    def __init__(
        self, request: ApiRequest, limits: ApiQuotas, api: Api, audio_format: DeclaredFormat | None
    ) -> None:
        setup = api.dialogue.setup if api.dialogue else ()
        super().__init__(
            request, limits, replace(api, dialogue=Dialogue(setup=setup, close="client"))
        )
        self._audio_format = audio_format
        self._binary = 0  # bytes

    @property
    def audio_seconds(self) -> float:
        if (
            self._audio_format is not None
            and self._audio_format.from_client
            and self._audio_format.bytes_per_second
        ):
            return self._audio_format.duration(self._binary)
        return super().audio_seconds

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        self._binary += len(message)
        return super().binary(message, now)


def _failing_api(draft: Draft, script: Simulate, trigger: Trigger | None) -> ConditionApi:
    """A server that fails in this session."""
    api = draft.api or Api("", "")
    limits = ApiQuotas(silence=api.limits.silence) if api.limits.silence else ApiQuotas()
    silent_api = _SilentApi(_request(draft), limits, api, declared_format(draft.session, draft.api))
    return ConditionApi(silent_api, script, trigger)


def _request(draft: Draft) -> ApiRequest:
    request, provider = draft.request, draft.catalog.provider(draft.start.provider or "")
    names = provider.request_ids.headers if provider is not None else ()
    response = draft.response
    pairs = [(h[0], h[1]) for h in response.headers] if response is not None else []
    ids = (header(pairs, name) for name in names)
    return ApiRequest.parse(
        request.path if request is not None else "/",
        {h[0].lower(): h[1] for h in request.headers} if request is not None else {},
        request_id=next((found for found in ids if found), str(uuid.uuid4())),
    )


# -- the time of the failure


@dataclass(frozen=True, slots=True)
class _FailurePoint:
    """Where the session fails.

    Attributes:
        index: of the first item after the failure.
        actions: of the server.
    """

    index: int
    t_ns: int
    actions: Sequence[Action]


@dataclass(frozen=True, slots=True)
class _FailureSearch:
    """Sends the client's messages to the failing server until it fails."""

    draft: Draft
    failing_api: ConditionApi
    trigger: Trigger
    option: FailWithCondition

    def point(self, *, by_user: bool) -> _FailurePoint:
        """Find the point of the failure.

        Args:
            by_user: the user gave the trigger; it must occur in the session.

        Raises:
            UsageError: it does not, or the upgrade was not accepted.
        """
        opened_ns = self.draft.opened_ns(self.option)
        actions = self.failing_api.opened(0.0)
        if actions:
            return self._point_at(opened_ns, len(self.draft.items), actions)
        end = self._end()
        for message in self._messages(end):
            t_ns = message.items[-1].t_ns
            failure = self._failure_before(opened_ns, t_ns)
            if failure is not None:
                return self._point_at(*failure)
            now = (t_ns - opened_ns) / 1e9
            content = message.content
            if message.is_text:
                actions = self.failing_api.text(content.decode("utf-8", "replace"), now)
            else:
                actions = self.failing_api.binary(content, now)
            if actions:
                index = self.draft.items.index(message.items[-1]) + 1
                return _FailurePoint(index, t_ns, actions)
        return self._after_last_message(opened_ns, end, by_user=by_user)

    def _messages(self, end: int) -> Iterator[DraftMessage]:
        option = (m for m in messages(self.draft.items[:end], from_client=True) if m.finished)
        return iter(sorted(option, key=lambda message: message.items[-1].t_ns))

    def _end(self) -> int:
        """Index of the item that ends the session.

        For a failure by silence, the client's own message that ends the session does so too.
        """
        first = self.draft.first_end()
        api = self.draft.api
        if self.trigger.kind != "silence" or api is None or not api.vocabulary.end:
            return first
        for message in messages(self.draft.items[:first], from_client=True):
            if message_kind(api, message) in api.vocabulary.end:
                return self.draft.items.index(message.items[0])
        return first

    def _failure_before(
        self, opened_ns: int, before_ns: int
    ) -> tuple[int, int, Sequence[Action]] | None:
        """The arguments of `_point_at` if the server fails before the next message, else None."""
        deadline = self.failing_api.deadline()
        if deadline is None:
            return None
        t_ns = opened_ns + round(deadline * 1e9)
        if t_ns >= before_ns:
            return None
        return t_ns, len(self.draft.items), self.failing_api.on_deadline(deadline)

    def _after_last_message(self, opened_ns: int, end: int, *, by_user: bool) -> _FailurePoint:
        """The point of a failure that is due after the client's last message."""
        draft = self.draft
        deadline = self.failing_api.deadline()
        assert deadline is not None  # a server that has not failed has a deadline
        t_ns = opened_ns + round(deadline * 1e9)
        over_ns = draft.items[end].t_ns if end < len(draft.items) else draft.end_ns
        if by_user and self.trigger.kind not in ("open", "silence"):
            if self.trigger.kind != "seconds":
                raise UsageError(f"{self.option}: the client sends less in this session")
            if t_ns > over_ns:
                at = (over_ns - opened_ns) / 1e9
                raise UsageError(f"{self.option}: the session ends {at:.3f} s after the upgrade")
        return self._point_at(t_ns, end, self.failing_api.on_deadline(deadline))

    def _point_at(self, t_ns: int, end: int, actions: Sequence[Action]) -> _FailurePoint:
        """The point at a time, after all items up to it and before index `end`."""
        items = self.draft.items[:end]
        index = next((n for n, item in enumerate(items) if item.t_ns > t_ns), len(items))
        return _FailurePoint(index, t_ns, actions)


# -- the change


def _insert_failure(draft: Draft, point: _FailurePoint) -> None:
    """Replace everything after the point by the failure."""
    unfinished = open_message(draft.items[: point.index], from_client=False)
    tail: list[DraftRecord] = []
    for action in point.actions:
        match action:
            case ClosePattern(code, reason):
                tail += closing_handshake(draft, point.t_ns, Close(code, reason))
            case SimulatedEnding(how):
                tail += connection_end(point.t_ns, how)
            case _:
                tail.append(_server_message(draft, point.t_ns, action))
    replace_tail(draft, point.index, tail)
    if unfinished is not None:
        # The server cannot send other data within a message (RFC 6455, section 5.4).
        draft.remove(unfinished.items)


def _insert_message(draft: Draft, point: _FailurePoint) -> None:
    """Insert the server's message at the point, or after its current message."""
    items, index = draft.items, point.index
    if open_message(items[:index], from_client=False) is not None:
        index = next(
            (n + 1 for n in range(index, len(items)) if _ends_server_message(items[n])), len(items)
        )
    before_ns = items[index - 1].t_ns
    after_ns = items[index].t_ns if index < len(items) else draft.end_ns
    t_ns = min(max(point.t_ns, before_ns), after_ns)
    items[index:index] = [
        _server_message(draft, t_ns, action)
        for action in point.actions
        if isinstance(action, str | bytes)
    ]


def _ends_server_message(item: DraftRecord) -> bool:
    """Whether this frame ends a message of the server."""
    frame = item.frame
    return frame is not None and not frame.from_client and frame.fin and frame.opcode < Opcode.CLOSE


def _server_message(draft: Draft, t_ns: int, action: Action) -> DraftRecord:
    text = isinstance(action, str)
    payload = action.encode() if isinstance(action, str) else action
    assert isinstance(payload, bytes)
    return draft.new_frame(t_ns, False, Opcode.TEXT if text else Opcode.BINARY, payload)
