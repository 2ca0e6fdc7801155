"""An API that fails its session the way that a catalog condition says."""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.catalog.envelope import wrap
from wsproxy.catalog.model import Refusal, Simulate

from .api import Action, ApiAnswer, SimulatedApi, SimulatedEnding, is_end, is_failure
from .trigger import Trigger

_PLACEHOLDER = "00000000-0000-4000-8000-000000000000"  # request id in the catalog's bodies


class ConditionApi(SimulatedApi):
    """Wraps an API: it behaves well until the failure is due, whatever the client does.

    What the API itself would fail the session for is left out, so that it is this failure
    that the session meets. Where the failure is only a message, the session goes on.

    Args:
        api: the one to wrap.
        script: what to do.
        moment: when; None: as the script says.
    """

    def __init__(self, api: SimulatedApi, script: Simulate, moment: Trigger | None = None) -> None:
        super().__init__(api.request, api.limits)
        self._api = api
        self._script = script
        self._moment = moment or Trigger(script.after)
        self._opened = 0.0
        self._last = 0.0  # when the last message came
        self._messages = 0  # that came after the set-up
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
        if self._moment.kind == "open":
            return self._failure()
        return _harmless(self._api.opened(now))

    def text(self, message: str, now: float) -> Sequence[Action]:
        begun = self._api.begun
        return self._after(self._api.text(message, now), now, begun=begun)

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        begun = self._api.begun
        return self._after(self._api.binary(message, now), now, begun=begun)

    def deadline(self) -> float | None:
        if self._done:
            return None
        if self._moment.kind == "seconds":
            return self._opened + self._moment.amount
        return self._last + self.limits.silence

    def due(self, now: float) -> Sequence[Action]:
        # Also where it waits for audio: every session fails, one without audio too.
        return self._failure()

    def _after(self, actions: Sequence[Action], now: float, *, begun: bool) -> Sequence[Action]:
        self._last = now
        if self._done:
            return actions
        self._messages += begun
        actions = _harmless(actions)
        # A client that ends the session before it was time is not let off.
        if not self._is_now() and not is_end(actions):
            return actions
        failure = [*_said(actions), *self._failure()]
        return failure if is_end(failure) else [*failure, *_ends(actions)]

    def _is_now(self) -> bool:
        match self._moment.kind:
            case "audio":
                return self._messages > 0
            case "frames":
                return self._messages >= self._moment.amount
            case "seconds of audio":
                return self._api.audio_seconds >= self._moment.amount
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


def _said(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions if isinstance(action, str | bytes)]


def _ends(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, str | bytes)]


def _harmless(actions: Sequence[Action]) -> Sequence[Action]:
    return () if is_failure(actions) else actions
