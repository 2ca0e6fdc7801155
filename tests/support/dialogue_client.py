"""A client of one simulated API, without sockets and without waiting."""

from __future__ import annotations

import json
from typing import Any

from conditions import Home, audio, wire_message
from wsproxy.catalog import load
from wsproxy.simulate import simulated_apis
from wsproxy.simulate.api import Action, ApiQuotas, ApiRequest
from wsproxy.simulate.dialogue_api import DialogueApi

CATALOG = load()
APIS = {
    f"{name}.{api.name}": (name, api)
    for name, api in simulated_apis(CATALOG)
    if api.dialogue is not None and api.url.startswith("ws")
}
ID = "11111111-2222-4333-8444-555555555555"


class Client:
    """A client of one simulated API, and what it received."""

    def __init__(self, name: str, path: str | None = None) -> None:
        provider, self.api = APIS[name]
        found = CATALOG.provider(provider)
        assert found is not None
        self.home = Home(found, self.api)
        request = ApiRequest.parse(path or self.home.path, {"host": "127.0.0.1:9"}, request_id=ID)
        self.server = DialogueApi(request, ApiQuotas(), self.api)
        self.now = 0.0
        self.received: list[Action] = [*self.server.opened(self.now)]

    def send(self, message: str | bytes | dict[str, Any], after: float = 0.1) -> list[Action]:
        """Send a message `after` seconds; returns the answer."""
        if isinstance(message, dict):
            message = json.dumps(message)
        actions = self.wait(after)
        if isinstance(message, str):
            actions += self.server.text(message, self.now)
        else:
            actions += self.server.binary(message, self.now)
        return self._note(actions)

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass."""
        self.now += seconds
        due = self.server.deadline()
        return [*self.server.on_deadline(self.now)] if due is not None and due <= self.now else []

    def _note(self, actions: list[Action]) -> list[Action]:
        self.received += actions
        return actions

    def speak(self, seconds: float = 4.0) -> list[Action]:
        """Send speech in real time, and wait for the rest of the answer."""
        text = self.api.dialogue.audio if self.api.dialogue else ""
        found: list[Action] = []
        for chunk in audio(seconds):
            assert isinstance(chunk, bytes)
            found += self.send(wire_message(text or "{audio}", self.api.envelope, ID, chunk))
        return [*found, *self._note(self.wait(1.0))]

    def set_up(self) -> None:
        assert self.api.dialogue is not None
        for text in self.api.dialogue.setup:
            self.send(wire_message(text, self.api.envelope, ID))
