"""Fill the user's credentials into a recorded request where they were redacted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from wsproxy.errors import Setting, UsageError
from wsproxy.redact import MIN_SECRET, PLACEHOLDER

from .handshake import Pairs, printable, query_pairs

_SYNTHETIC_CREDENTIAL = "wsproxy-replay-placeholder"


@dataclass(frozen=True, slots=True)
class CredentialFiller:
    """The credentials for a replay.

    Attributes:
        headers: (name, value); they replace recorded headers of the same name.
        query: (name, value); they replace recorded parameters of the same name.
        subprotocol: replaces the recorded Sec-WebSocket-Protocol.
        variables: names of environment variables that hold the provider's key.
        environment: the environment.
        synthetic: fill in a synthetic credential where one is missing: the server is on this
            machine.
    """

    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    subprotocol: str | None = field(default=None, repr=False)
    variables: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    synthetic: bool = False

    def fill(self, headers: Pairs, path: str) -> tuple[Pairs, str]:
        """The headers and the path to send.

        Raises:
            UsageError: credentials are missing; the message names all of them.
        """
        missing: list[Setting] = []
        filled = self._headers(headers, missing)
        path = self._path(path, missing)
        self._raise_missing(missing)
        return filled, path

    def fill_fields(
        self, names: Iterable[str], given: Mapping[str, str], provider_fields: Collection[str]
    ) -> dict[str, str]:
        """Values for JSON fields of messages whose credentials were redacted.

        Args:
            names: of the fields.
            given: the user's values by field name.
            provider_fields: the fields that hold the provider's key. No other field gets it,
                since it may hold the key of a third party.

        Raises:
            UsageError: a value is missing.
        """
        credential = self._credential()
        other = _SYNTHETIC_CREDENTIAL if self.synthetic else None
        values = {
            name: given.get(name, credential if name in provider_fields else other)
            for name in names
        }
        self._raise_missing([_missing("fields", n) for n, value in values.items() if not value])
        return {name: value for name, value in values.items() if value}

    def filled_values(self, headers: Pairs, path: str) -> tuple[str, ...]:
        """The values that `fill` puts in place of redacted credentials.

        A new recording redacts them, because the catalog may not know their places.

        Returns:
            The longest first, as one may contain another.
        """
        given = {name.lower(): value for name, value in self.headers}
        if self.subprotocol is not None:
            given["sec-websocket-protocol"] = self.subprotocol
        credentials = {self._credential() or ""}
        for name, recorded in headers:
            before, found, after = recorded.partition(PLACEHOLDER)
            if found and name.lower() in given:
                credentials.add(given[name.lower()].removeprefix(before).removesuffix(after))
        options = dict(self.query)
        redacted_names = {name for name, part in query_pairs(path) if _is_redacted(part)}
        credentials.update(options[name] for name in redacted_names & options.keys())
        credentials |= {quote(credential) for credential in credentials}
        kept = (credential for credential in credentials if len(credential) >= MIN_SECRET)
        return tuple(sorted(kept, key=len, reverse=True))

    def _raise_missing(self, missing: list[Setting]) -> None:
        if not missing:
            return
        text = f"the trace contains no credentials; missing: {', '.join(map(_name, missing))}"
        if self.variables:
            text += f" (also read from {' or '.join(self.variables)})"
        raise UsageError(text, *missing)

    def _credential(self) -> str | None:
        for name in self.variables:
            if value := self.environment.get(name):
                if not value.isprintable():
                    raise UsageError(f"{name} holds a line break or another control character")
                return value
        return _SYNTHETIC_CREDENTIAL if self.synthetic else None

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
                credential = self._credential()
                if credential is None:
                    missing.append(_missing_header(name, recorded))
                else:
                    value = recorded.replace(PLACEHOLDER, credential)
            out.append([name, value])
        return out + [[name, value] for name, value in given.values()]

    def _path(self, path: str, missing: list[Setting]) -> str:
        given = {name: f"{quote(name)}={quote(value)}" for name, value in self.query}
        parts = []
        for name, part in query_pairs(path):
            if name in given:
                parts.append(given.pop(name))
            elif _is_redacted(part):
                credential = self._credential()
                if credential is None:
                    missing.append(_missing("query", name))
                else:
                    parts.append(f"{part.partition('=')[0]}={quote(credential)}")
            else:
                parts.append(part)
        parts += given.values()
        before = path.partition("?")[0]
        return before + ("?" + "&".join(parts) if parts else "")


def _is_redacted(part: str) -> bool:
    """Whether a parameter's value was redacted."""
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
