"""Detects that a server asks for a client certificate."""

from __future__ import annotations

import weakref
from typing import Any

from OpenSSL import SSL


class CertificateRequests:
    """Which of the watched TLS connections were asked for a certificate.

    pyOpenSSL has no public interface for it. OpenSSL calls this callback of a client only for a
    CertificateRequest (RFC 8446, section 4.3.2).
    """

    def __init__(self) -> None:
        self._asked: weakref.WeakSet[SSL.Connection] = weakref.WeakSet()
        # OpenSSL does not keep the callbacks alive.
        self._callbacks: weakref.WeakKeyDictionary[SSL.Connection, Any]
        self._callbacks = weakref.WeakKeyDictionary()

    def watch(self, tls: SSL.Connection) -> None:
        """Watch a connection whose handshake has not begun."""
        weak = weakref.ref(tls)

        def on_request(ssl: object, arg: object) -> int:
            if (connection := weak()) is not None:
                self._asked.add(connection)
            return 1  # continue, without a certificate

        ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # not public
        lib: Any = SSL._lib  # type: ignore[attr-defined]
        self._callbacks[tls] = ffi.callback("int(SSL *, void *)", on_request)
        lib.SSL_set_cert_cb(tls._ssl, self._callbacks[tls], ffi.NULL)

    def __contains__(self, tls: SSL.Connection) -> bool:
        return tls in self._asked
