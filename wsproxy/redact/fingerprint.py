"""The entries that replace redacted credentials, and the key of their fingerprints.

An entry has the place of a credential, its length and a keyed fingerprint. The fingerprint shows
whether two traces of one machine use the same credential. Without the key, nobody can test a guess.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from wsproxy.catalog.loader import config_folder
from wsproxy.trace.atomic_file import Replacement

logger = logging.getLogger(__name__)

KEY_SIZE = 32  # bytes
PLACEHOLDER = "REDACTED"
MIN_SECRET = 6  # characters of a credential that is searched for in other places

KEYED_DIGEST = "hmac-sha256:"  # prefix of a keyed digest

Entry = dict[str, Any]  # of a record's `redacted`


def unreadable(where: str, size: int) -> Entry:
    """The entry for `size` bytes that were omitted because they could not be decoded."""
    return {"where": where, "name": "", "length": size, "why": "unreadable"}


def over_budget(where: str, size: int) -> Entry:
    """The entry for `size` bytes that were omitted because of the work limit."""
    return {"where": where, "name": "", "length": size, "why": "budget"}


def fingerprint_key(folder: Path | None = None) -> bytes:
    """The key of this installation's fingerprints: KEY_SIZE random bytes, created on first use.

    A file of another size is not a key: with an empty key, anyone could test a guess against a
    fingerprint. The file is replaced and a warning is logged. Earlier fingerprints then no longer
    compare with new ones.

    Args:
        folder: where it is stored; None: with the user's settings. If it cannot be stored, a
            warning is logged and the key is valid for this process only.
    """
    folder = folder or config_folder()
    path = folder / "fingerprint.key"
    new_key = secrets.token_bytes(KEY_SIZE)
    try:
        stored = _read(path)
        if stored is not None and len(stored) == KEY_SIZE:
            return stored
        if stored is not None:
            logger.warning(
                "wsproxy: %s is damaged (%d bytes instead of %d) and was replaced; new "
                "fingerprints do not match earlier ones",
                path,
                len(stored),
                KEY_SIZE,
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # If another process was first, its key is used.
        replaced = Replacement(path, replace=stored is not None)
        with suppress(FileExistsError), replaced as new:
            new.file.write(new_key)
            new.commit()
        stored = _read(path)
        return stored if stored is not None and len(stored) == KEY_SIZE else new_key
    except OSError as error:
        logger.warning(
            "wsproxy: cannot store the key of fingerprints in %s: %s; fingerprints of this run "
            "match no others",
            folder,
            error.strerror or error,
        )
        return new_key


def _read(path: Path) -> bytes | None:
    """The content of a file; None if it does not exist."""
    try:
        with path.open("rb") as file:
            return file.read(KEY_SIZE + 1)
    except FileNotFoundError:
        return None


class EntryBuilder:
    """Builds the entries of `redacted`.

    Args:
        key: see `fingerprint_key`.
        shapes: formats of the providers' keys, as (id of the provider, pattern).
    """

    def __init__(self, key: bytes, shapes: Iterable[tuple[str, re.Pattern[str]]] = ()) -> None:
        self._key = key
        self._shapes = tuple(shapes)

    def __call__(self, where: str, name: str, secret: str, why: str = "") -> Entry:
        """The map for a record's `redacted`.

        Args:
            where: "header", "query", "subprotocol", "path", "body", "message" or "close".
            name: of the header, parameter or field.
            why: the heuristic that found it: "name", "shape" or "entropy"; "repeated" if it was
                redacted before; empty if the catalog names the place.
        """
        digest = hmac.new(self._key, secret.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return {
            "where": where,
            "name": name,
            "fingerprint": digest.hexdigest()[:12],
            "length": len(secret),
            **self._format_hints(secret),
            **({"why": why} if why else {}),
        }

    def keyed(self, digest: str) -> str:
        """The keyed digest of a payload: without the key, a guess of its content cannot be tested.

        Args:
            digest: SHA-256, hexadecimal; a keyed digest is returned unchanged.
        """
        if digest.startswith(KEYED_DIGEST):
            return digest
        return KEYED_DIGEST + hmac.new(self._key, digest.encode(), hashlib.sha256).hexdigest()

    def _format_hints(self, secret: str) -> Entry:
        """Hints on a wrong key: characters around it, and the providers with this key format."""
        stripped = secret.strip().strip("\"'").strip()
        around = ["white space"] if secret != secret.strip() else []
        around += ["quotation marks"] if stripped != secret.strip() else []
        providers = [name for name, shape in self._shapes if shape.search(stripped)]
        found: Entry = {"around": " and ".join(around)} if around else {}
        return found | ({"like": providers} if providers else {})
