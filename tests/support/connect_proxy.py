"""A proxy for CONNECT that reaches no server: it echoes what it gets, or refuses."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

REFUSED = b"HTTP/1.1 502 Bad Gateway\r\n\r\n[Errno 111] Connect call failed ('10.0.0.9', 443)"
UNKNOWN = b"HTTP/1.1 502 Bad Gateway\r\n\r\n[Errno -2] Name or service not known"
UNRESOLVED = b"HTTP/1.1 502 Bad Gateway\r\n\r\n[Errno -3] Temporary failure in name resolution"
_REFUSALS = {"refused": REFUSED, "unknown": UNKNOWN, "unresolved": UNRESOLVED}


@dataclass
class ConnectProxy:
    """A running proxy.

    Attributes:
        url: of it.
        targets: of the CONNECT requests so far, "host:port". Hosts that begin with "refused",
            "unknown" or "unresolved" are refused as mitmproxy does it.
    """

    url: str
    targets: list[str] = field(default_factory=list)


@contextlib.contextmanager
def connect_proxy() -> Iterator[ConnectProxy]:
    """Run a proxy for the body of a `with`."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            target = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass
            proxy.targets.append(target)
            if (refusal := _REFUSALS.get(target.partition(".")[0])) is not None:
                self.wfile.write(refusal)
                return
            # In one piece with what the server says: nothing of it may be lost.
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\nhello\n")
            for line in self.rfile:
                self.wfile.write(b"echo " + line)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy = ConnectProxy(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
