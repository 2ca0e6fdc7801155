"""Who may use the server: the one who has its URL, in a browser that asks it by its own name.

The server listens on the loopback address, which every program and every web page on this machine
can reach. So each path begins with a random token. A page of another site whose name was made to
point to this address (DNS rebinding) is refused by the `Host` header, and what changes something
by the `Origin` header.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

_NAMES = ("127.0.0.1", "localhost", "[::1]")


def new_token() -> str:
    """A token that cannot be guessed: 256 bits."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Decides whether a request is served.

    Attributes:
        port: that the server listens on.
        token: that the path of each URL begins with.
    """

    port: int
    token: str = field(default_factory=new_token, repr=False)

    @property
    def hosts(self) -> frozenset[str]:
        """Values of the `Host` header that are served."""
        return frozenset(f"{name}:{self.port}" for name in _NAMES)

    def refusal(self, host: str, token: str) -> str:
        """Why a request is refused, a sentence; "" if it is served.

        Args:
            host: its `Host` header.
            token: the first part of its path.
        """
        if host.lower() not in self.hosts:
            return "This server answers only at the URL that it printed."
        # Compared as bytes: the path may hold any character.
        if not hmac.compare_digest(token.encode(errors="replace"), self.token.encode()):
            return "This needs the complete URL that `wsproxy view` printed."
        return ""

    def is_own_origin(self, origin: str | None, host: str) -> bool:
        """Whether a page of this server made a request.

        Args:
            origin: its `Origin` header; None without one, as of a program that is no browser.
            host: its `Host` header.
        """
        return origin is not None and host.lower() in self.hosts and origin == f"http://{host}"
