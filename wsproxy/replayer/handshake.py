"""The opening handshake of a replay: HTTP/1.1 heads as bytes, fresh where they must be.

Pure, like wire/: bytes in, values out.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from wsproxy.errors import TraceError
from wsproxy.recorder import MAX_BODY, BodySnapshot, body_snapshot
from wsproxy.redact import PLACEHOLDER
from wsproxy.trace import Request, Response
from wsproxy.wire import Deflate, accept_key, header
from wsproxy.wire.http_body import BodyReader
from wsproxy.wire.http_head import MAX_HEAD, HttpHead, find_head_end

MAX_HEADERS = 2000

Pairs = list[list[str]]

# What belongs to one connection, or to its proxy, and not to the session.
_HOP = frozenset(
    {
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "content-encoding",  # bodies are recorded decoded
    }
)
# What a server makes anew for each answer.
_FRESH_ANSWER = _HOP | {
    "connection",
    "upgrade",
    "date",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "set-cookie",
}


_ABSOLUTE_FORM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/?#]*")
_STATUS = re.compile(r"[0-9]{3}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_WINDOWS = frozenset(str(bits) for bits in range(8, 16))


class BadHead(Exception):
    """What came is no HTTP/1.1 head."""


@dataclass(frozen=True, slots=True)
class Head:
    """The start line, split at its first two spaces, and the headers."""

    start: tuple[str, str, str]
    headers: Pairs

    def get(self, name: str) -> str | None:
        return header(((h[0], h[1]) for h in self.headers), name)

    @property
    def status(self) -> int:
        """Of a response.

        Raises:
            BadHead: it is no response.
        """
        if not self.start[0].startswith("HTTP/") or not _STATUS.fullmatch(self.start[1]):
            raise BadHead("the answer is not HTTP")
        return int(self.start[1])


def parse_head(data: bytes | bytearray) -> tuple[Head, int] | None:
    """Read a head.

    Returns:
        The head and its length in bytes, or None where it is not complete.

    Raises:
        BadHead: it is over MAX_HEAD, or no HTTP.
    """
    size = find_head_end(data)
    if size is None:
        if len(data) > MAX_HEAD:
            raise BadHead("the head does not end")
        # Whatever else speaks first on this port is told early.
        if data[:2] == b"\x16\x03":
            raise BadHead("what came is TLS, and this port takes ws:// and http:// only")
        if data and not data[:1].isalpha():
            raise BadHead("what came is not HTTP")
        return None
    head = HttpHead.parse(bytes(data[:size]))
    line = _text(head.start_line)
    start = line.split(" ", 2)
    if len(start) < 2 or not (line.startswith("HTTP/") or line.endswith("HTTP/1.1")):
        raise BadHead("what came is not HTTP/1.1")
    if len(head.fields) >= MAX_HEADERS:
        raise BadHead(f"a head with over {MAX_HEADERS} headers")
    if any(b":" not in field.raw for field in head.fields):
        raise BadHead("a header without a colon")
    headers = [[_text(field.name), _text(field.value)] for field in head.fields]
    return Head((start[0], start[1], start[2] if len(start) > 2 else ""), headers), size


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def head_size(data: bytes | bytearray) -> int | None:
    """Length of the head at the beginning, None where it is not complete; see `parse_head`."""
    parsed = parse_head(data)
    return parsed[1] if parsed else None


def content_length(headers: Pairs) -> int | None:
    """The body's length in bytes, None where no number says it."""
    length = header(((h[0], h[1]) for h in headers), "content-length") or ""
    return int(length) if _LENGTH.fullmatch(length) else None


def _head_bytes(start: str, headers: Pairs) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        # It would be another head than the one that was recorded.
        raise TraceError("the recorded handshake holds a line break inside a header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def request_bytes(request: Request) -> bytes:
    """The request on the wire.

    Raises:
        TraceError: the recorded one is not fit to be sent.
    """
    if any(char.isspace() for char in request.method + request.path):
        raise TraceError("the recorded request line is damaged")
    return _head_bytes(f"{request.method} {request.path} HTTP/1.1", request.headers)


def _without_host(target: str) -> str:
    found = _ABSOLUTE_FORM.match(target)
    return target[found.end() :] if found else target


def origin_form(target: str) -> str:
    """The path and query of a recorded request's target (RFC 9112, section 3.2).

    A trace may hold anything. What names a host, as a proxy is asked, would have the server
    that the user names reach another one: of a URL its path is left.

    Raises:
        TraceError: it is neither a path nor a URL.
    """
    path = _without_host(target)
    if path != target and not path.startswith("/"):
        path = f"/{path}"
    if not path.startswith("/"):
        raise TraceError(f"the recorded request asks for {printable(target)!r}, which is no path")
    return path


def fresh_request_headers(recorded: Pairs, host: str) -> Pairs:
    """The recorded headers for another connection: its host, a new key.

    Of extensions permessage-deflate is offered if it was, and nothing else. Headers that
    were not there are not added: a handshake that was refused for what it lacked is
    refused again.
    """
    out: Pairs = []
    for name, value in recorded:
        match name.lower():
            case lower if lower in _HOP:
                continue
            case "host":
                out.append([name, host])
            case "sec-websocket-extensions":
                offered = [part.strip() for part in value.split(",") if _is_deflate(part)]
                if offered:
                    out.append([name, ", ".join(offered)])
            case "sec-websocket-key":
                out.append([name, base64.b64encode(os.urandom(16)).decode()])
            case _:
                out.append([name, value])
    return out


def _is_deflate(extension: str) -> bool:
    return extension.partition(";")[0].strip().lower() == "permessage-deflate"


def answer_bytes(response: Response) -> bytes:
    """The answer to an upgrade on the wire, with its body."""
    # The space stays where there is no reason (RFC 9112, section 4).
    start = f"HTTP/1.1 {response.status} {response.reason}"
    return _head_bytes(start, response.headers) + (response.body or b"")


def accept(recorded: Response, asked: Head) -> Pairs:
    """Headers of the 101 that answers this request as the recorded server did.

    Args:
        asked: the app's request; its key is answered, and of its subprotocols the
            recorded one is chosen if it is offered.
    """
    out: Pairs = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    out.append(["Sec-WebSocket-Accept", accept_key(asked.get("sec-websocket-key") or "")])
    agreed = agree(recorded, asked.get("sec-websocket-extensions"))
    if agreed is not None:
        out.append(["Sec-WebSocket-Extensions", agreed])
    offered = [p.strip() for p in (asked.get("sec-websocket-protocol") or "").split(",")]
    for name, value in recorded.headers:
        lower = name.lower()
        if lower in _FRESH_ANSWER or PLACEHOLDER in value:
            continue
        if lower == "sec-websocket-protocol" and value not in offered:
            continue  # an app must fail a connection with a subprotocol that it did not ask for
        out.append([name, value])
    return out


def agree(recorded: Response, offers: str | None) -> str | None:
    """The Sec-WebSocket-Extensions of the answer: compression as recorded, if it is offered.

    Args:
        offers: the app's header, None without.

    Returns:
        None where there is no compression: it was not used, or this app offers none that
        the recorded parameters can go with (RFC 7692, section 7.1).
    """
    used = header(((h[0], h[1]) for h in recorded.headers), "sec-websocket-extensions")
    offer = next((part for part in (offers or "").split(",") if _is_deflate(part)), None)
    if Deflate.parse(used) is None or offer is None:
        return None
    wanted = dict(_parameters(offer))
    agreed = dict(_parameters(used or ""))
    if "client_max_window_bits" not in wanted:
        agreed.pop("client_max_window_bits", None)  # only who offers it can be asked for it
    if "server_no_context_takeover" in wanted:
        agreed["server_no_context_takeover"] = ""
    if limit := wanted.get("server_max_window_bits"):
        agreed["server_max_window_bits"] = min(
            limit, agreed.get("server_max_window_bits", limit), key=int
        )
    parameters = [f"{name}={value}" if value else name for name, value in agreed.items()]
    return "; ".join(["permessage-deflate", *parameters])


def _parameters(extension: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the first extension's parameters, window sizes only if they are ones."""
    for part in extension.partition(",")[0].split(";")[1:]:
        name, _, value = part.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name.endswith("_no_context_takeover"):
            yield name, ""
        elif name.endswith("_max_window_bits"):
            yield name, value if value in _WINDOWS else ""


def refuse(recorded: Response) -> Pairs:
    """Headers of the recorded refusal, with the length of the body that was kept."""
    out = [[name, value] for name, value in recorded.headers if name.lower() not in _FRESH_ANSWER]
    out.append(["Content-Length", str(len(recorded.body or b""))])
    out.append(["Connection", "close"])
    return out


class Body:
    """Reads the body of a message, and keeps its first MAX_BODY bytes.

    Args:
        head: of a response.

    Attributes:
        done: the body is complete, or so much of it was read that the rest is not needed.
    """

    def __init__(self, head: Head) -> None:
        self._prefix = bytearray()
        self._size = 0
        self._coding = head.get("content-encoding")
        self._is_chunked = "chunked" in (head.get("transfer-encoding") or "").lower()
        self._length = content_length(head.headers)
        self._reader = BodyReader(chunked=self._is_chunked, length=self._length)
        bodiless = head.start[0].startswith("HTTP/") and head.start[1] in ("204", "304")
        self.done = self._reader.done or bodiless

    @classmethod
    def of_request(cls, head: Head) -> Body:
        """The body of a request: it is empty unless the head declares one (section 6.3)."""
        body = cls(head)
        body.done = body.done or not (body._is_chunked or body._length)
        return body

    def snapshot(self) -> BodySnapshot:
        """The stored part of it."""
        return body_snapshot(bytes(self._prefix), self._size, self._coding)

    def feed(self, data: bytes) -> None:
        """Add the next bytes."""
        data = self._reader.feed(data)
        self._size += len(data)
        self._prefix += data[: MAX_BODY - len(self._prefix)]
        # An endless body is cut: what distinguishes errors is at its beginning.
        self.done = self._reader.done or self._size > 16 * MAX_BODY


def printable(text: str) -> str:
    """What of a stranger's text may go into an error message."""
    return "".join(char for char in text if char.isprintable())[:200]


def query_pairs(path: str) -> list[tuple[str, str]]:
    """The query's parameters as they are written: (decoded name, raw part)."""
    query = path.partition("?")[2]
    return [(unquote_plus(part.partition("=")[0]), part) for part in query.split("&") if part]
