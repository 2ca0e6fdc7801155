"""Clients that have rejected the recorder's CA, by host: for this run and for later ones.

The connection on which a client rejects the CA has failed. Its next connection to that host is
passed through, also in another run of `wsproxy`: the file is in the folder of the CA. A client
is known by the way it begins TLS, so another client of the same app is still recorded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from wsproxy.system.regular_file import read_text
from wsproxy.trace.atomic_file import Replacement

logger = logging.getLogger(__name__)

FILE = "wsproxy-rejections.json"
EXPIRY = 30 * 86400.0  # seconds: the client may have been changed since
MAX_CLIENTS = 1000  # the oldest are forgotten
_VERSION = 1


@dataclass(frozen=True, slots=True)
class TlsClient:
    """A client of one host.

    Attributes:
        fingerprint: of its TLS client hello.
    """

    host: str
    fingerprint: str


def identity(ca: Path) -> str:
    """What identifies a CA.

    Raises:
        OSError: its file cannot be read.
    """
    return hashlib.sha256(ca.read_bytes()).hexdigest()[:16]


class Rejections:
    """The clients that have rejected the CA.

    Args:
        folder: that of the CA.
        ca: the `identity` of the CA; rejections of another CA are void.
    """

    def __init__(self, folder: Path, ca: str) -> None:
        self.path = folder / FILE
        self._ca = ca
        self._clients = self._read()

    def __contains__(self, client: TlsClient) -> bool:
        return client in self._clients

    def hosts(self) -> set[str]:
        """The hosts at which a client has rejected the CA."""
        return {client.host for client in self._clients}

    def add(self, client: TlsClient) -> None:
        """Remember a client; a file that cannot be written is logged."""
        self._clients = {**self._read(), **self._clients, client: time.time()}
        for oldest in list(self._clients)[:-MAX_CLIENTS]:
            del self._clients[oldest]
        try:
            self._write()
        except OSError as error:
            logger.warning(
                "wsproxy: %s cannot be written, so the next run tries to record %s again: %s",
                self.path,
                client.host,
                error.strerror or error,
            )

    def _read(self) -> dict[TlsClient, float]:
        """The clients of the file, with the Unix time of their rejection, oldest first."""
        oldest = time.time() - EXPIRY
        found: dict[TlsClient, float] = {}
        # A file that is missing, damaged, or of another version, is written anew.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(read_text(self.path))
            if content["version"] == _VERSION and content["ca"] == self._ca:
                for each in content["clients"][-MAX_CLIENTS:]:
                    if oldest < (since := float(each["time"])):
                        found[TlsClient(str(each["host"]), str(each["fingerprint"]))] = since
        return found

    def _write(self) -> None:
        clients = [
            {"host": client.host, "fingerprint": client.fingerprint, "time": round(since)}
            for client, since in self._clients.items()
        ]
        content = {"version": _VERSION, "ca": self._ca, "clients": clients}
        with Replacement(self.path) as new:
            new.file.write(json.dumps(content, indent=1).encode() + b"\n")
            new.commit(sync_name=False)
