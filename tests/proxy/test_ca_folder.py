"""The folder of the recorder's CA."""

from __future__ import annotations

import os
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wsproxy.proxy import ca_folder

FILES = {
    *("mitmproxy-ca.pem", "mitmproxy-ca.p12", "mitmproxy-ca-cert.pem", "mitmproxy-ca-cert.cer"),
    *("mitmproxy-ca-cert.p12", "mitmproxy-dhparam.pem"),
}


def is_consistent(folder: Path) -> bool:
    """Whether the certificate that apps trust is that of the key."""
    certificate = (folder / "mitmproxy-ca-cert.pem").read_text()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(folder / "mitmproxy-ca.pem")
    return certificate in (folder / "mitmproxy-ca.pem").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_ca_folder_recorders_that_start_together_use_one_ca(tmp_path: Path) -> None:
    ready = threading.Barrier(8)

    def certificate(number: int) -> bytes:
        ready.wait()
        ca_folder.prepare(tmp_path)
        return (tmp_path / "mitmproxy-ca-cert.pem").read_bytes()

    with ThreadPoolExecutor(ready.parties) as pool:
        found = set(pool.map(certificate, range(ready.parties)))
    assert len(found) == 1
    assert is_consistent(tmp_path)


def test_ca_folder_prepare_creates_all_files_and_keeps_them(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    ca_folder.prepare(folder)
    assert {path.name for path in folder.iterdir()} == FILES
    assert is_consistent(folder)
    if os.name == "posix":
        assert (folder / "mitmproxy-ca.pem").stat().st_mode & 0o077 == 0
    before = (folder / "mitmproxy-ca.pem").read_bytes()
    ca_folder.prepare(folder)
    assert (folder / "mitmproxy-ca.pem").read_bytes() == before
