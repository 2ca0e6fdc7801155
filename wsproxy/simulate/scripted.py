"""An API that fails every session the way that a catalog condition says."""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.catalog.model import Refusal, Simulate

from .api import Action, Api, Ending, is_end, is_failure

_PLACEHOLDER = "00000000-0000-4000-8000-000000000000"  # request id in the catalog's bodies


class Scripted(Api):
    """Wraps an API: it behaves well until the failure is due, whatever the client does.

    What the API itself would fail the session for is left out, so that it is this failure
    that the session meets.

    Args:
        api: the one to wrap.
        script: what to do, and when.
    """

    def __init__(self, api: Api, script: Simulate) -> None:
        super().__init__(api.request, api.limits)
        self._api = api
        self._script = script
        self._last = 0.0  # when the last message came

    @property
    def audio_seconds(self) -> float:
        return self._api.audio_seconds

    def refusal(self) -> Refusal | None:
        refuse = self._script.refuse
        if refuse is None:
            return None
        body = refuse.body.replace(_PLACEHOLDER, self.request.request_id)
        return Refusal(refuse.status, refuse.headers, body, refuse.content_type)

    def opened(self, now: float) -> Sequence[Action]:
        self._last = now
        if self._script.after == "open":
            return self._failure()
        return _harmless(self._api.opened(now))

    def text(self, message: str, now: float) -> Sequence[Action]:
        return self._after(self._api.text(message, now), now)

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        return self._after(self._api.binary(message, now), now)

    def deadline(self) -> float | None:
        return self._last + self.limits.silence

    def due(self, now: float) -> Sequence[Action]:
        # Also where it waits for audio: every session fails, one without audio too.
        return self._failure()

    def _after(self, actions: Sequence[Action], now: float) -> Sequence[Action]:
        self._last = now
        actions = _harmless(actions)
        if self._script.after == "audio":
            results = [a for a in actions if isinstance(a, str | bytes)]
            return [*results, *self._failure()]
        # A client that ends the session before it was silent is not let off either.
        return self._failure() if is_end(actions) else actions

    def _failure(self) -> list[Action]:
        script = self._script
        actions: list[Action] = [script.message] if script.message else []
        if script.close is not None:
            actions.append(script.close)
        elif script.end == "reset":
            actions.append(Ending("reset"))
        else:
            actions.append(Ending("eof"))
        return actions


def _harmless(actions: Sequence[Action]) -> Sequence[Action]:
    return () if is_failure(actions) else actions
