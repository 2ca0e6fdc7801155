"""What is reported about TLS that was passed through, or that a client refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wsproxy.system.address import authority
from wsproxy.wording import plural

NO_REMEDIES: Mapping[str, str] = MappingProxyType({})
MAX_LINES = 50  # different servers and reasons; the others are counted together


@dataclass(frozen=True, slots=True)
class Reason:
    """Why TLS is not intercepted.

    Attributes:
        text: completes "passed through: 3 connections to api.example.com: ...".
        kind: "no-proxy", "rejected", "client-certificate", "unverified" or "failed".
    """

    text: str
    kind: str


IN_NO_PROXY = Reason("NO_PROXY names it", "no-proxy")
REJECTED = Reason("the client does not trust the recorder's CA", "rejected")
CLIENT_CERTIFICATE = Reason("the server asks for a client certificate", "client-certificate")


def unverified(problem: str) -> Reason:
    """The certificate of the server does not verify."""
    return Reason(f"its certificate does not verify ({problem})", "unverified")


def failed(problem: str) -> Reason:
    """TLS between the recorder and the server, or the client, failed otherwise."""
    return Reason(f"the recorder's own TLS connection failed ({problem})", "failed")


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int
    reason: Reason
    is_speech_api: bool
    passed: bool


class PassThroughReport:
    """Counts connections by server and reason."""

    def __init__(self) -> None:
        self._counts: dict[_Server, int] = {}
        self._others = 0

    def add(
        self, host: str, port: int, reason: Reason, *, is_speech_api: bool, passed: bool
    ) -> bool:
        """Count a connection that was passed through, or that the client has ended instead.

        Returns:
            Whether it is the first of its kind.
        """
        server = _Server(host, port, reason, is_speech_api, passed)
        if server not in self._counts and len(self._counts) >= MAX_LINES:
            self._others += 1
            return False
        self._counts[server] = self._counts.get(server, 0) + 1
        return self._counts[server] == 1

    def lines(self, remedies: Mapping[str, str] = NO_REMEDIES) -> list[str]:
        """What to print at the end: speech APIs first, for they should have been recorded.

        Args:
            remedies: how a connection can be recorded, by the kind of reason; {host} stands for
                the server's name.
        """
        counts = self._counts.copy()  # the recorder's thread continues
        ordered = sorted(counts, key=lambda server: not server.is_speech_api)
        lines = [_line(server, counts[server], remedies) for server in ordered]
        if self._others:
            lines.append(f"passed through: {plural(self._others, 'connection')} to other servers")
        return lines


def _line(server: _Server, count: int, remedies: Mapping[str, str]) -> str:
    where = server.host if server.port == 443 else authority(server.host, server.port)
    verb = "passed through" if server.passed else "failed"
    text = f"{verb}: {plural(count, 'connection')} to {where}: {server.reason.text}"
    if not server.passed:
        text += "; its next connections there are passed through"
    if not server.is_speech_api:
        return text
    remedy = remedies.get(server.reason.kind, "").format(host=server.host)
    advice = f". To record this speech API: {remedy}" if remedy else ""
    return f"warning: not recorded: {text}{advice}"
