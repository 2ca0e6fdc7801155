"""An API that fails its session as a catalog condition describes."""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.catalog.envelope import wrap
from wsproxy.catalog.model import Refusal, Simulate

from .api import Action, ApiAnswer, SimulatedApi, SimulatedEnding, is_end, is_failure
from .trigger import Trigger

_PLACEHOLDER = "00000000-0000-4000-8000-000000000000"  # request id in the catalog's bodies


class ConditionApi(SimulatedApi):
    """Wraps an API, and fails its session at a given point, whatever the client does.

    Failures of the API itself are suppressed, so that the session ends with this failure. If
    the failure is only a message, the session continues.

    Args:
        api: the API to wrap.
        script: the failure.
        trigger: when to fail; None for the trigger of the script.
    """

    def __init__(self, api: SimulatedApi, script: Simulate, trigger: Trigger | None = None) -> None:
        super().__init__(api.request, api.limits)
        self._api = api
        self._script = script
        self._trigger = trigger or Trigger(script.after)
        self._opened = 0.0
        self._last = 0.0  # time of the last message
        self._messages = 0  # of the client after the setup
        self._done = False
        self.answer_headers = api.answer_headers

    @property
    def audio_seconds(self) -> float:
        return self._api.audio_seconds

    def refusal(self) -> Refusal | None:
        refuse = self._script.refuse
        if refuse is None:
            return None
        body = refuse.body.replace(_PLACEHOLDER, self.request.request_id)
        return Refusal(refuse.status, refuse.headers, body, refuse.content_type)

    def answer(self, body: bytes) -> ApiAnswer:
        refusal = self.refusal()
        return ApiAnswer.of(refusal) if refusal is not None else self._api.answer(body)

    def opened(self, now: float) -> Sequence[Action]:
        self._opened = self._last = now
        if self._trigger.kind == "open":
            return self._failure()
        return _harmless(self._api.opened(now))

    def text(self, message: str, now: float) -> Sequence[Action]:
        counts = self._api.follows_setup(message)
        return self._after(self._api.text(message, now), now, counts=counts)

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        counts = self._api.follows_setup(message)
        return self._after(self._api.binary(message, now), now, counts=counts)

    def deadline(self) -> float | None:
        due = [at for at in (self._own_deadline(), self._api_deadline()) if at is not None]
        return min(due, default=None)

    def _own_deadline(self) -> float | None:
        if self._done:
            return None
        if self._trigger.kind == "seconds":
            return self._opened + self._trigger.amount
        return self._last + self.limits.silence

    def _api_deadline(self) -> float | None:
        return None if self._api.deadline_fails else self._api.deadline()

    def on_deadline(self, now: float) -> Sequence[Action]:
        own, api = self._own_deadline(), self._api_deadline()
        if api is not None and (own is None or api < own):
            return _harmless(self._api.on_deadline(now))
        # A session without audio fails as well, although its trigger is audio.
        return self._failure()

    def _after(self, actions: Sequence[Action], now: float, *, counts: bool) -> Sequence[Action]:
        self._last = now
        if self._done:
            return actions
        self._messages += counts
        actions = _harmless(actions)
        # The session fails even if the client ends it before the trigger.
        if not self._is_now() and not is_end(actions):
            return actions
        failure = [*_messages_in(actions), *self._failure()]
        return failure if is_end(failure) else [*failure, *_endings_in(actions)]

    def _is_now(self) -> bool:
        match self._trigger.kind:
            case "audio":
                return self._messages > 0
            case "frames":
                return self._messages >= self._trigger.amount
            case "seconds of audio":
                return self._api.audio_seconds >= self._trigger.amount
        return False

    def _failure(self) -> list[Action]:
        script, self._done = self._script, True
        actions: list[Action] = []
        if script.message:
            actions.append(wrap(self._api.envelope, script.message))
        if script.close is not None:
            actions.append(script.close)
        elif script.end:
            actions.append(SimulatedEnding("reset" if script.end == "reset" else "eof"))
        return actions


def _messages_in(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions if isinstance(action, str | bytes)]


def _endings_in(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, str | bytes)]


def _harmless(actions: Sequence[Action]) -> Sequence[Action]:
    return () if is_failure(actions) else actions
