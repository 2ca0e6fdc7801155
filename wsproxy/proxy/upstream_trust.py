"""The file of certificates that mitmproxy trusts for servers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsproxy.intercept import ca_bundle, trust


@contextmanager
def bundle() -> Iterator[Path]:
    """A PEM file of the usual certificates and those of the environment, for a `with`."""
    with tempfile.TemporaryDirectory(prefix="wsproxy-trust-") as folder:
        certificates = trust.upstream_certificates(os.environ)
        yield ca_bundle.write(Path(folder) / "trusted.pem", certificates)
