"""What a trial run of a command has shown, by host."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_HOSTS = 1000


@dataclass(slots=True)
class ObservedHost:
    """The connections of a command to one host.

    Attributes:
        trusted: TLS connections whose client accepted the recorder's certificate.
        rejected: those whose client did not.
        requests: HTTP requests, WebSocket upgrades among them.
        upgrades: WebSocket upgrades.
        passed: TLS connections that were passed through, because it is no speech API.
    """

    trusted: int = 0
    rejected: int = 0
    requests: int = 0
    upgrades: int = 0
    passed: int = 0


@dataclass(slots=True)
class ObservedHosts:
    """The hosts, by name; of a command that connects to very many, the first ones."""

    hosts: dict[str, ObservedHost] = field(default_factory=dict)

    def at(self, host: str) -> ObservedHost:
        """What is known about a host, to be changed."""
        if host not in self.hosts and len(self.hosts) >= MAX_HOSTS:
            return ObservedHost()
        return self.hosts.setdefault(host, ObservedHost())
