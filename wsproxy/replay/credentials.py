"""Puts the user's own credentials where the recording's were taken out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from wsproxy.errors import Setting, UsageError
from wsproxy.redact import MIN_HIDDEN, PLACEHOLDER

from .handshake import Pairs, printable, query_pairs

_MADE_UP = "wsproxy-replay-placeholder"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the user gives for this replay.

    Attributes:
        headers: (name, value); they replace the recorded ones of the same name.
        query: (name, value); likewise.
        subprotocol: replaces the recorded Sec-WebSocket-Protocol.
        variables: names of environment variables that hold the provider's key.
        environment: the environment.
        made_up: fill what is missing with something made up: the server is on this machine.
    """

    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    subprotocol: str | None = field(default=None, repr=False)
    variables: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    made_up: bool = False

    def fill(self, headers: Pairs, path: str) -> tuple[Pairs, str]:
        """Headers and path to send.

        Raises:
            UsageError: a credential is missing; the message names all that are.
        """
        missing: list[Setting] = []
        filled = self._headers(headers, missing)
        path = self._path(path, missing)
        self._ask(missing)
        return filled, path

    def for_fields(
        self, names: Iterable[str], given: Mapping[str, str], own: Collection[str]
    ) -> dict[str, str]:
        """Values for JSON fields of messages whose credentials were taken out.

        Args:
            names: of the fields.
            given: what the user gives for them.
            own: the fields that are known to hold the provider's key. No other gets it: it
                may be a key for somebody else.

        Raises:
            UsageError: one is missing.
        """
        secret = self._secret()
        other = _MADE_UP if self.made_up else None
        values = {name: given.get(name, secret if name in own else other) for name in names}
        self._ask([_missing("fields", n) for n, value in values.items() if not value])
        return {name: value for name, value in values.items() if value}

    def used(self, headers: Pairs, path: str) -> tuple[str, ...]:
        """What `fill` puts where a credential was taken out, to be hidden in a new trace.

        The catalog may not know the place: whoever recorded may have had another one.

        Returns:
            The longest first, as one may hold another.
        """
        given = {name.lower(): value for name, value in self.headers}
        if self.subprotocol is not None:
            given["sec-websocket-protocol"] = self.subprotocol
        secrets = {self._secret() or ""}
        for name, recorded in headers:
            before, found, after = recorded.partition(PLACEHOLDER)
            if found and name.lower() in given:
                secrets.add(given[name.lower()].removeprefix(before).removesuffix(after))
        asked = dict(self.query)
        taken = {name for name, part in query_pairs(path) if _is_taken(part)}
        secrets.update(asked[name] for name in taken & asked.keys())
        secrets |= {quote(secret) for secret in secrets}
        kept = (secret for secret in secrets if len(secret) >= MIN_HIDDEN)
        return tuple(sorted(kept, key=len, reverse=True))

    def _ask(self, missing: list[Setting]) -> None:
        if not missing:
            return
        text = f"the trace contains no credentials; missing: {', '.join(map(_name, missing))}"
        if self.variables:
            text += f" (also read from {' or '.join(self.variables)})"
        raise UsageError(text, *missing)

    def _secret(self) -> str | None:
        for name in self.variables:
            if value := self.environment.get(name):
                if not value.isprintable():
                    raise UsageError(f"{name} holds a line break or another control character")
                return value
        return _MADE_UP if self.made_up else None

    def _headers(self, headers: Pairs, missing: list[Setting]) -> Pairs:
        given = {name.lower(): (name, value) for name, value in self.headers}
        if any(not value.isprintable() for _, value in self.headers):
            raise UsageError("a header with a line break or another control character")
        if self.subprotocol is not None and not self.subprotocol.isprintable():
            raise UsageError("a subprotocol with a control character")
        if self.subprotocol is not None:
            given["sec-websocket-protocol"] = ("Sec-WebSocket-Protocol", self.subprotocol)
        out: Pairs = []
        for name, recorded in headers:
            value = recorded
            if name.lower() in given:
                value = given.pop(name.lower())[1]
            elif PLACEHOLDER in recorded:
                secret = self._secret()
                if secret is None:
                    missing.append(_missing_header(name, recorded))
                else:
                    value = recorded.replace(PLACEHOLDER, secret)
            out.append([name, value])
        return out + [[name, value] for name, value in given.values()]

    def _path(self, path: str, missing: list[Setting]) -> str:
        given = {name: f"{quote(name)}={quote(value)}" for name, value in self.query}
        parts = []
        for name, part in query_pairs(path):
            if name in given:
                parts.append(given.pop(name))
            elif _is_taken(part):
                secret = self._secret()
                if secret is None:
                    missing.append(_missing("query", name))
                else:
                    parts.append(f"{part.partition('=')[0]}={quote(secret)}")
            else:
                parts.append(part)
        parts += given.values()
        before = path.partition("?")[0]
        return before + ("?" + "&".join(parts) if parts else "")


def _is_taken(part: str) -> bool:
    """Whether a parameter's value was taken out."""
    return part.partition("=")[2] == PLACEHOLDER


def _missing(setting: str, name: str) -> Setting:
    return Setting(setting, f"{printable(name)}=...")


def _name(missing: Setting) -> str:
    """What is missing, without its value: the name of a header, a parameter or a field."""
    if missing.name == "subprotocol":
        return "Sec-WebSocket-Protocol"
    return missing.value.partition(":" if missing.name == "headers" else "=")[0]


def _missing_header(name: str, recorded: str) -> Setting:
    name, value = printable(name), printable(recorded).replace(PLACEHOLDER, "...")
    if name.lower() == "sec-websocket-protocol":
        return Setting("subprotocol", value)
    return Setting("headers", f"{name}: {value}")
