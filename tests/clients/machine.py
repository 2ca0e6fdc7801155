"""A network and a file system of its own, in which the hosts of the APIs are this machine.

The programs find the hosts by /etc/hosts and trust them by the bundles that they always use, so
nothing about them has to be changed for the matrix. Only processes of the namespaces see this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from OpenSSL import crypto

from wsproxy.intercept import ca_bundle
from wsproxy.intercept.java_trust_store import trust_store

# For documentation (RFC 5737); it is not on the loopback network, whose connections are local.
ADDRESS = "198.51.100.7"
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs")


def entering() -> list[str]:
    """The command that runs another one in namespaces of its own."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *as_root, "--mount", "--net", "--"]


def obstacle() -> str | None:
    """Why there can be no namespaces here; None if there can."""
    for tool in ("unshare", "ip", "mount"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    tried = subprocess.run(
        [*entering(), "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True
    )
    return tried.stderr.strip() or None


def make_network() -> None:
    """Start the loopback interface, with the hosts' address."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")


def name_hosts(folder: Path, names: Iterable[str]) -> None:
    """Let names resolve to the address."""
    hosts = folder / "hosts"
    lines = ["127.0.0.1 localhost", f"{ADDRESS} {' '.join(names)}"]
    hosts.write_text("\n".join(lines) + "\n")
    _mount(hosts, Path("/etc/hosts"))


def trust(folder: Path, ca: Path, bundles: Sequence[Path]) -> None:
    """Add an authority to the system's certificates, to Java's, and to these bundles."""
    certificates = folder / "certs"
    shutil.copytree(_SYSTEM_CERTIFICATES, certificates, symlinks=True)
    pem = ca.read_text()
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, pem.encode())
    (certificates / f"{int(certificate.subject_name_hash()):08x}.0").write_text(pem)
    with (certificates / "ca-certificates.crt").open("a") as file:
        file.write(pem)
    if (java := certificates / "java" / "cacerts").exists():
        java.unlink()
        java.write_bytes(trust_store(ca_bundle.read(ca)))
    _mount(certificates, _SYSTEM_CERTIFICATES)
    for number, bundle in enumerate(bundles):
        own = folder / f"bundle-{number}.pem"
        own.write_text(bundle.read_text() + "\n" + pem)
        _mount(own, bundle)


def _mount(source: Path, target: Path) -> None:
    _run("mount", "--bind", str(source), str(target))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
