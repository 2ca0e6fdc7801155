"""What is checked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CA_KEY = "mitmproxy-ca.pem"  # the key and its certificate
CA_CERTIFICATE = "mitmproxy-ca-cert.pem"


@dataclass(frozen=True, slots=True)
class Setup:
    """A command of wsproxy, and where it is used.

    Attributes:
        env: the environment of the app.
        is_run: for `wsproxy run`, which sets variables for the app; else for `wsproxy record`.
        listen: the address of --listen.
        catch: the value of --catch.
        cmd: the app's command; empty: unknown.
        folder: the working directory.
    """

    env: Mapping[str, str] = field(repr=False)
    is_run: bool
    listen: tuple[str, int]
    out: Path
    confdir: Path
    catch: str = "auto"
    cmd: tuple[str, ...] = ()
    folder: Path = Path()

    @property
    def ca(self) -> Path:
        """The CA certificate that apps have to trust, PEM."""
        return self.confdir / CA_CERTIFICATE

    @property
    def ca_key(self) -> Path:
        """The key of the CA, with its certificate, PEM."""
        return self.confdir / CA_KEY

    def which(self, program: str) -> str | None:
        """The path of a program as the app finds it."""
        return shutil.which(program, path=self.env.get("PATH"))
