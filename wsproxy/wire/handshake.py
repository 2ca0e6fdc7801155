"""The parts of the opening handshake that decide how frames are read (RFC 6455, section 4)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Headers = Iterable[tuple[str, str]]


def header(headers: Headers, name: str) -> str | None:
    """The value of a header, or None; repeated ones are joined (RFC 9110, section 5.3)."""
    name = name.lower()
    values = [value for key, value in headers if key.lower() == name]
    return ", ".join(values) if values else None


def is_upgrade(headers: Headers) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, section 4.1)."""
    return "websocket" in (header(headers, "upgrade") or "").lower()


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept value that answers a Sec-WebSocket-Key (section 4.2.2)."""
    encoded = key.strip().encode("utf-8", "surrogateescape")
    return base64.b64encode(hashlib.sha1(encoded + _GUID).digest()).decode()


@dataclass(frozen=True, slots=True)
class Deflate:
    """Agreed parameters of permessage-deflate (RFC 7692, section 7.1).

    Attributes:
        server_no_context_takeover, client_no_context_takeover: the side starts each
            message with an empty window.
        server_max_window_bits, client_max_window_bits: base-2 logarithm of the side's
            window, 8 to 15.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15

    @classmethod
    def parse(cls, extensions: str | None) -> Deflate | None:
        """Read the Sec-WebSocket-Extensions of a response.

        Args:
            extensions: the header's value, or None.

        Returns:
            The parameters; None if permessage-deflate was not agreed on, or in a way
            that RFC 7692 does not know.
        """
        for extension in (extensions or "").split(","):
            name, *parameters = (part.strip() for part in extension.split(";"))
            if name.lower() == "permessage-deflate":
                return cls._from_parameters(parameters)
        return None

    @classmethod
    def _from_parameters(cls, parameters: list[str]) -> Deflate | None:
        values: dict[str, bool | int] = {}
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            key, value = key.strip().lower(), value.strip().strip('"')
            if key.endswith("_no_context_takeover") and not value:
                values[key] = True
            elif key.endswith("_max_window_bits") and value in _WINDOW_BITS:
                values[key] = int(value)
            else:
                return None
        try:
            return cls(**values)  # type: ignore[arg-type]  # a wrong key is a TypeError
        except TypeError:
            return None


_WINDOW_BITS = frozenset(str(bits) for bits in range(8, 16))
