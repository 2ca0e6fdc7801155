"""Heads are redacted; fingerprints show whether two traces use the same credential."""

from __future__ import annotations

import errno
import os
import queue
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard

from wire_bytes import MASK, accepted, close, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy import catalog
from wsproxy.catalog import CredentialPlaces
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.redact import PLACEHOLDER, HeadRedactor, fingerprint_key
from wsproxy.trace import atomic_file

PROVIDERS = catalog.load().providers


def secrets_of(credentials: CredentialPlaces) -> tuple[list[str], str, list[str]]:
    """Headers and query with a credential in every place, and the credentials."""
    secrets: list[str] = []

    def secret(where: str) -> str:
        secrets.append(f"s3cr3t+{where}/{len(secrets):04}==")
        return secrets[-1]

    headers = [f"{name}: {secret(name)}" for name in credentials.headers]
    headers += [f"{n.title()}: Token {secret(n)}" for n in credentials.headers]
    query = "&".join(f"{n}={quote(secret(n), safe='')}" for n in credentials.query)
    items = [item for name in credentials.subprotocols for item in (name, secret("item"))]
    items += [f"{prefix}{secret('prefix')}" for prefix in credentials.subprotocol_prefixes]
    if items:
        headers.append(f"Sec-WebSocket-Protocol: {', '.join(items)}")
    return headers, query, secrets


def decompressed(path: Path) -> bytes:
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return b"".join(iter(lambda: reader.read(1 << 16), b""))


@pytest.mark.parametrize("answer", [101, 401])
def test_head_redactor_planted_credentials_reach_no_trace_and_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: int
) -> None:
    """Credentials in each provider's places of a request, repeated in the response."""
    caplog.set_level("DEBUG", logger="wsproxy")
    done: queue.Queue[Path] = queue.Queue()
    settings = ProxySettings(port=0, out=tmp_path / "traces", confdir=tmp_path / "conf")

    def repeat(peer: Peer) -> None:
        lines = peer.read_head().decode().split("\r\n")
        echoed = [line for line in lines[1:] if "s3cr3t" in line]
        echoed.append(f"Location: http://elsewhere{lines[0].split(' ')[1]}")
        if answer == 101:
            peer.send_head(accepted(*echoed), close(1000))
        else:
            body = "\n".join(echoed).encode()
            extra = [*echoed, f"Content-Length: {len(body)}", "", ""]
            peer.send_head("\r\n".join(["HTTP/1.1 401 No", *extra]).encode() + body)
        peer.until_end()

    with (
        background(settings, on_end=lambda recording: done.put(recording.path)) as running,
        serving(repeat) as upstream,
    ):
        assert running.address is not None
        for provider in PROVIDERS:
            headers, query, secrets = secrets_of(provider.credentials)
            peer = through_connect(running.address[1], upstream, tls=False)
            peer.send_head(upgrade(f"/v1/listen?model=x&{query}", "127.0.0.1", *headers))
            assert str(answer).encode() in peer.read_head()
            if answer == 101:
                peer.send(close(1000, mask=MASK))
            peer.close()
            path = done.get(timeout=PATIENCE)
            content = decompressed(path)
            assert b"model=x" in content
            for secret in secrets:
                for form in (secret, quote(secret), quote(secret, safe="")):
                    assert form.encode() not in content, (provider.id, secret)
                    assert form not in caplog.text
            assert b"s3cr3t" not in content
            assert content.count(PLACEHOLDER.encode()) >= len(secrets)


def redactor(key: bytes = b"k" * 32) -> HeadRedactor:
    return HeadRedactor(catalog.load().credentials, key)


def test_fingerprint_same_credential_in_any_place_is_equal() -> None:
    one = redactor()([("Authorization", "Token abcdef123")], "/v1/listen?token=abcdef123")
    two = redactor()([("authorization", "Bearer abcdef123"), ("xi-api-key", "other")])
    prints = [each["fingerprint"] for each in one.entries + two.entries]
    assert prints[0] == prints[1] == prints[2] != prints[3]
    assert [each["length"] for each in one.entries] == [9, 9]


def test_fingerprint_other_key_is_different() -> None:
    taken = [redactor(key)([("Authorization", "abcdef123")]).entries for key in (b"a", b"b")]
    assert taken[0][0]["fingerprint"] != taken[1][0]["fingerprint"]


def test_head_redactor_scheme_and_harmless_headers_stay() -> None:
    redacted = redactor()(
        [("Authorization", "Token abc"), ("X-Other", "abc"), ("Authorization", "")], "/p?q=1&x"
    )
    assert redacted.headers == [
        ["Authorization", "Token REDACTED"],
        ["X-Other", "abc"],
        ["Authorization", ""],
    ]
    assert redacted.path == "/p?q=1&x"


def test_head_redactor_subprotocols_in_two_headers_are_redacted() -> None:
    redacted = redactor()(
        [("Sec-WebSocket-Protocol", "token"), ("Sec-WebSocket-Protocol", "abcdef123, json")]
    )
    assert [value for _, value in redacted.headers] == ["token", "REDACTED, json"]


def test_head_redactor_parameter_name_escaped_or_in_other_case_is_redacted() -> None:
    assert redactor()([], "/p?%54oken=abc&TOKEN=d+e").path == "/p?%54oken=REDACTED&TOKEN=REDACTED"


def test_fingerprint_key_is_stored_with_mode_0600(tmp_path: Path) -> None:
    folder = tmp_path / "settings"
    key = fingerprint_key(folder)
    assert fingerprint_key(folder) == key
    assert len(key) == 32
    assert ((folder / "fingerprint.key").stat().st_mode & 0o777) == 0o600


FIRST = """
import sys
from pathlib import Path
from wsproxy.redact import fingerprint_key
print(fingerprint_key(Path(sys.argv[1])).hex())
"""


@pytest.mark.one_python
def test_fingerprint_key_concurrent_processes_share_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST, str(tmp_path / "settings")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(6)]
    outputs = {process.communicate()[0] for process in started}
    assert outputs == {
        (tmp_path / "settings" / "fingerprint.key").read_bytes().hex().encode() + b"\n"
    }


def test_fingerprint_key_created_by_another_process_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file appears after the second process looked for it."""
    theirs = bytes(range(32))
    sync = os.fsync

    def meanwhile(fd: int) -> None:
        sync(fd)
        (tmp_path / "fingerprint.key").write_bytes(theirs)

    monkeypatch.setattr(os, "fsync", meanwhile)
    assert fingerprint_key(tmp_path) == theirs
    assert (tmp_path / "fingerprint.key").read_bytes() == theirs


@pytest.mark.parametrize("left", [b"", b"x" * 31, b"x" * 33])
def test_fingerprint_key_damaged_file_is_replaced_with_a_warning(
    tmp_path: Path, left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """After a crash or a full disk: with an empty key, anyone could test a guess."""
    path = tmp_path / "fingerprint.key"
    path.write_bytes(left)
    key = fingerprint_key(tmp_path)
    assert len(key) == 32
    assert not key.startswith(b"xx")
    assert path.read_bytes() == key
    assert path.stat().st_mode & 0o777 == 0o600
    (warning,) = caplog.messages
    assert "is damaged" in warning
    assert fingerprint_key(tmp_path) == key
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_fingerprint_key_full_disk_is_reported_and_leaves_no_file(
    tmp_path: Path,
    fails: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fails == "write":
        monkeypatch.setattr(atomic_file._File, "write", full)
    else:
        monkeypatch.setattr(os, "fsync", full)
    assert len(fingerprint_key(tmp_path)) == 32
    assert list(tmp_path.iterdir()) == []
    (warning,) = caplog.messages
    assert f"cannot store the key of fingerprints in {tmp_path}: No space left on device" in warning


def test_fingerprint_key_unreadable_file_is_not_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "fingerprint.key").mkdir()
    assert len(fingerprint_key(tmp_path)) == 32
    assert "Is a directory" in caplog.messages[0]
