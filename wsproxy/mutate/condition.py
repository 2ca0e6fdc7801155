"""Makes a session fail with a condition of the catalog, as the simulated API does."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wsproxy import catalog
from wsproxy.catalog import Dialogue
from wsproxy.catalog.model import Api as Known
from wsproxy.catalog.model import Close as CloseFrame
from wsproxy.catalog.model import Simulate
from wsproxy.diagnose.audio import Format, declared
from wsproxy.errors import UnknownCondition, UsageError, one_of
from wsproxy.simulate import Limits, Moment, Step
from wsproxy.simulate.api import Action, Ending, Request, is_end
from wsproxy.simulate.played import Played
from wsproxy.simulate.scripted import Scripted
from wsproxy.wire import Close, Opcode, header

from .change import Change
from .draft import Draft, Item, Message, messages, open_message
from .ending import closing, drop_tail, ended
from .handshake import refuse
from .keepalive import kind

_NEAR = 4  # ids that a message names


@dataclass(frozen=True, slots=True)
class Condition(Change):
    """From a moment on the server does what the catalog says of a condition.

    What came after goes. Where the condition is only a message, the session goes on.

    Attributes:
        id: of the condition, or its last part.
        after: when, as for `wsproxy simulate`; empty: as the catalog says.
    """

    id: str
    after: str = ""

    @classmethod
    def parse(cls, text: str, after: str = "") -> Condition:
        """Take an id, and a moment such as "3s", "20frames" or "silence".

        Raises:
            UsageError: there is no such moment.
        """
        if after:
            Moment.parse(after)
        return cls(text.strip(), after.strip())

    def __str__(self) -> str:
        return f"condition {self.id}" + (f" after {self.after}" if self.after else "")

    def apply(self, draft: Draft) -> None:
        found = self._find(draft)
        script = found.simulate
        assert script is not None  # or it would not have been found
        moment = Moment.parse(self.after) if self.after else None
        failing = _failing(draft, script, moment)
        refusal = failing.refusal()
        if refusal is not None:
            if moment is not None:
                raise UsageError(f"{self}: {found.id} refuses the upgrade, and comes before all")
            refuse(draft, refusal, self)
            return
        chosen = moment or Moment(script.after)
        point = _Search(draft, failing, chosen, self).point(by_user=moment is not None)
        if is_end(point.actions):
            _fail(draft, point)
        else:
            _say(draft, point)

    def _find(self, draft: Draft) -> catalog.Condition:
        """The condition; of several whose ids end so, the one of the session's own API."""
        here = _possible(draft)
        wanted = f".{self.id.lower()}"
        own = [c for c in here if f".{c.id.lower()}".endswith(wanted)]
        if len(own) == 1:
            return own[0]
        try:
            found = draft.catalog.condition(self.id)
            step = Step(found)  # refuses what no server brings about
        except UnknownCondition:
            raise
        except UsageError as error:
            raise UsageError(f"{error}{_near(here, self.id)}") from None
        provider, api = draft.start.provider or "", draft.start.api or ""
        if not step.applies(provider, api, plain=draft.plain):
            raise UsageError(
                f"{found.id} does not happen in this session, which is of {draft.whose}"
                f"{' (plain HTTP)' if draft.plain else ''}{_near(here, self.id)}"
            )
        return found


def _possible(draft: Draft) -> list[catalog.Condition]:
    """The conditions that a server can bring about in the session."""
    provider, api = draft.start.provider or "", draft.start.api or ""
    return [
        condition
        for condition in draft.catalog.conditions
        if condition.simulated and Step(condition).applies(provider, api, plain=draft.plain)
    ]


def _near(here: Sequence[catalog.Condition], wanted: str) -> str:
    names = {condition.id.rpartition(".")[2].lower(): condition.id for condition in here}
    last = wanted.rpartition(".")[2].lower()
    close = difflib.get_close_matches(last, names, n=_NEAR, cutoff=0.5)
    return f"; did you mean {one_of([names[name] for name in close])}?" if close else ""


# -- what the server does


class _Heard(Played):
    """Hears the client, and says nothing: what the server said is in the recording."""

    def __init__(self, request: Request, limits: Limits, known: Known, form: Format | None) -> None:
        setup = known.dialogue.setup if known.dialogue else ()
        super().__init__(
            request, limits, replace(known, dialogue=Dialogue(setup=setup, close="client"))
        )
        self._form = form
        self._binary = 0  # bytes

    @property
    def audio_seconds(self) -> float:
        if self._form is not None and self._form.from_client and self._form.bytes_per_second:
            return self._form.duration(self._binary)
        return super().audio_seconds

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        self._binary += len(message)
        return super().binary(message, now)


def _failing(draft: Draft, script: Simulate, moment: Moment | None) -> Scripted:
    """A server that fails the session's client."""
    known = draft.api or Known("", "")
    limits = Limits(silence=known.limits.silence) if known.limits.silence else Limits()
    heard = _Heard(_request(draft), limits, known, declared(draft.session, draft.api))
    return Scripted(heard, script, moment)


def _request(draft: Draft) -> Request:
    request, provider = draft.request, draft.catalog.provider(draft.start.provider or "")
    names = provider.request_ids.headers if provider is not None else ()
    response = draft.response
    pairs = [(h[0], h[1]) for h in response.headers] if response is not None else []
    ids = (header(pairs, name) for name in names)
    return Request.parse(
        request.path if request is not None else "/",
        {h[0].lower(): h[1] for h in request.headers} if request is not None else {},
        request_id=next((found for found in ids if found), str(uuid.uuid4())),
    )


# -- when


@dataclass(frozen=True, slots=True)
class _Point:
    """Where the session fails.

    Attributes:
        index: of the first item that comes after.
        actions: what the server does.
    """

    index: int
    t_ns: int
    actions: Sequence[Action]


@dataclass(frozen=True, slots=True)
class _Search:
    """Plays the client's messages to the failing server, until that fails."""

    draft: Draft
    failing: Scripted
    moment: Moment
    option: Condition

    def point(self, *, by_user: bool) -> _Point:
        """Where the failure comes.

        Args:
            by_user: the moment was asked for: it has to be in the session.

        Raises:
            UsageError: it is not, or there is no session.
        """
        opened_ns = self.draft.opened_ns(self.option)
        actions = self.failing.opened(0.0)
        if actions:
            return self._at(opened_ns, len(self.draft.items), actions)
        end = self._end()
        for message in self._messages(end):
            t_ns = message.items[-1].t_ns
            due = self._due(opened_ns, t_ns)
            if due is not None:
                return self._at(*due)
            now = (t_ns - opened_ns) / 1e9
            content = message.content
            if message.is_text:
                actions = self.failing.text(content.decode("utf-8", "replace"), now)
            else:
                actions = self.failing.binary(content, now)
            if actions:
                index = self.draft.items.index(message.items[-1]) + 1
                return _Point(index, t_ns, actions)
        return self._after_all(opened_ns, end, by_user=by_user)

    def _messages(self, end: int) -> Iterator[Message]:
        whole = (m for m in messages(self.draft.items[:end], from_client=True) if m.finished)
        return iter(sorted(whole, key=lambda message: message.items[-1].t_ns))

    def _end(self) -> int:
        """Index of the item with which the session is over.

        A client that falls silent does not say that it is done.
        """
        first = self.draft.first_end()
        api = self.draft.api
        if self.moment.kind != "silence" or api is None or not api.vocabulary.end:
            return first
        for message in messages(self.draft.items[:first], from_client=True):
            if kind(api, message) in api.vocabulary.end:
                return self.draft.items.index(message.items[0])
        return first

    def _due(self, opened_ns: int, before_ns: int) -> tuple[int, int, Sequence[Action]] | None:
        """Whether the failure comes by the clock before the next message: (when, ...)."""
        deadline = self.failing.deadline()
        if deadline is None:
            return None
        t_ns = opened_ns + round(deadline * 1e9)
        if t_ns >= before_ns:
            return None
        return t_ns, len(self.draft.items), self.failing.due(deadline)

    def _after_all(self, opened_ns: int, end: int, *, by_user: bool) -> _Point:
        """The client has said all: the failure comes when it is silent for too long."""
        draft = self.draft
        deadline = self.failing.deadline()
        assert deadline is not None  # it has not failed
        t_ns = opened_ns + round(deadline * 1e9)
        over_ns = draft.items[end].t_ns if end < len(draft.items) else draft.end_ns
        if by_user and self.moment.kind not in ("open", "silence"):
            if self.moment.kind != "seconds":
                raise UsageError(f"{self.option}: the client sends less than that")
            if t_ns > over_ns:
                at = (over_ns - opened_ns) / 1e9
                raise UsageError(f"{self.option}: the session is over {at:.3f} s after the upgrade")
        return self._at(t_ns, end, self.failing.due(deadline))

    def _at(self, t_ns: int, end: int, actions: Sequence[Action]) -> _Point:
        """By the clock: after all that came until then, before an index."""
        items = self.draft.items[:end]
        index = next((n for n, item in enumerate(items) if item.t_ns > t_ns), len(items))
        return _Point(index, t_ns, actions)


# -- the change


def _fail(draft: Draft, point: _Point) -> None:
    """Put the failure in the place of what came after."""
    broken_off = open_message(draft.items[: point.index], from_client=False)
    tail: list[Item] = []
    for action in point.actions:
        match action:
            case CloseFrame(code, reason):
                tail += closing(draft, point.t_ns, Close(code, reason))
            case Ending(how):
                tail += ended(point.t_ns, how)
            case _:
                tail.append(_said(draft, point.t_ns, action))
    drop_tail(draft, point.index, tail)
    if broken_off is not None:
        # The server cannot say anything else in the middle of a message (RFC 6455, section 5.4).
        draft.remove(broken_off.items)


def _say(draft: Draft, point: _Point) -> None:
    """Put the server's message where it belongs, or as soon as it is not saying another."""
    items, index = draft.items, point.index
    if open_message(items[:index], from_client=False) is not None:
        index = next((n + 1 for n in range(index, len(items)) if _finishes(items[n])), len(items))
    before_ns = items[index - 1].t_ns
    after_ns = items[index].t_ns if index < len(items) else draft.end_ns
    t_ns = min(max(point.t_ns, before_ns), after_ns)
    items[index:index] = [
        _said(draft, t_ns, action) for action in point.actions if isinstance(action, str | bytes)
    ]


def _finishes(item: Item) -> bool:
    """Whether the server has said a message with this frame."""
    frame = item.frame
    return frame is not None and not frame.from_client and frame.fin and frame.opcode < Opcode.CLOSE


def _said(draft: Draft, t_ns: int, action: Action) -> Item:
    text = isinstance(action, str)
    payload = action.encode() if isinstance(action, str) else action
    assert isinstance(payload, bytes)
    return draft.new_frame(t_ns, False, Opcode.TEXT if text else Opcode.BINARY, payload)
