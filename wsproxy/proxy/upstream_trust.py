"""The file of certificates that mitmproxy trusts for servers."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from wsproxy.intercept import ca_bundle, trust
from wsproxy.intercept.ca_bundle import Certificates


def bundle() -> Path:
    """A file of the usual certificates and those of the environment's variables, PEM.

    It is removed when this process ends. mitmproxy keeps what it has loaded from a path, so the
    same certificates have the same path.
    """
    certificates: Certificates = trust.upstream_certificates(os.environ)
    return _file(tuple(certificates))


@functools.cache
def _file(certificates: tuple[bytes, ...]) -> Path:
    fd, name = tempfile.mkstemp(suffix=".pem", dir=_folder().name)
    os.close(fd)
    return ca_bundle.write(Path(name), dict.fromkeys(certificates))


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="wsproxy-trust-")
