"""What a trace says of a credential that was taken out of it, and the key behind that.

What stays is that there was one, its length, and a keyed fingerprint: two traces of one
machine can be told to use the same credential, and nobody else can test a guess.
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
from wsproxy.trace.replacement import Replacement

logger = logging.getLogger(__name__)

KEY_SIZE = 32  # bytes
PLACEHOLDER = "REDACTED"
MIN_HIDDEN = 6  # characters of a credential that is looked for elsewhere as well

KEYED_DIGEST = "hmac-sha256:"  # before the digest of a payload that was made under the key

Entry = dict[str, Any]  # of a record's `redacted`


def unreadable(where: str, size: int) -> Entry:
    """What is said of so many bytes that were left out as nobody could look into them."""
    return {"where": where, "name": "", "length": size, "why": "unreadable"}


def over_budget(where: str, size: int) -> Entry:
    """What is said of so many bytes that were left out as they were too much work."""
    return {"where": where, "name": "", "length": size, "why": "budget"}


def fingerprint_key(folder: Path | None = None) -> bytes:
    """The key of this installation's fingerprints, KEY_SIZE random bytes, made on first use.

    A file of another size is no key: anybody can test guesses of a credential against a
    fingerprint under an empty one. It is replaced, and that is told; nothing is lost but
    that older fingerprints compare with new ones.

    Args:
        folder: where it is kept; None: with the user's settings. If it cannot be kept there,
            which is told, the key lives as long as the process.
    """
    folder = folder or config_folder()
    path = folder / "fingerprint.key"
    made = secrets.token_bytes(KEY_SIZE)
    try:
        kept = _read(path)
        if kept is not None and len(kept) == KEY_SIZE:
            return kept
        if kept is not None:
            logger.warning(
                "wsproxy: %s is damaged (%d bytes, not %d) and is replaced: fingerprints from now "
                "on compare with no earlier ones",
                path,
                len(kept),
                KEY_SIZE,
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # If another process was first, its key is everybody's.
        replaced = Replacement(path, replace=kept is not None)
        with suppress(FileExistsError), replaced as new:
            new.file.write(made)
            new.commit()
        kept = _read(path)
        return kept if kept is not None and len(kept) == KEY_SIZE else made
    except OSError as error:
        logger.warning(
            "wsproxy: the key of fingerprints cannot be kept in %s: %s; they compare within this "
            "run only",
            folder,
            error.strerror or error,
        )
        return made


def _read(path: Path) -> bytes | None:
    """What is in a file, None if there is none."""
    try:
        with path.open("rb") as file:
            return file.read(KEY_SIZE + 1)
    except FileNotFoundError:
        return None


class Describer:
    """Says of a credential what a trace may say.

    Args:
        key: see `fingerprint_key`.
        shapes: what the keys of a provider look like, as (id, pattern).
    """

    def __init__(self, key: bytes, shapes: Iterable[tuple[str, re.Pattern[str]]] = ()) -> None:
        self._key = key
        self._shapes = tuple(shapes)

    def __call__(self, where: str, name: str, secret: str, why: str = "") -> Entry:
        """The map for a record's `redacted`.

        Args:
            where: "header", "query", "subprotocol", "path", "body", "message" or "close".
            name: of the header, parameter or field.
            why: "name", "shape" or "entropy" if a rule found it, "repeated" if it had been
                taken out elsewhere before; empty: the catalog names the place.
        """
        digest = hmac.new(self._key, secret.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return {
            "where": where,
            "name": name,
            "fingerprint": digest.hexdigest()[:12],
            "length": len(secret),
            **self._look(secret),
            **({"why": why} if why else {}),
        }

    def keyed(self, digest: str) -> str:
        """The digest of a payload under the key: a guess of what it holds cannot be tested.

        Args:
            digest: SHA-256, hexadecimal; one that is keyed already stays.
        """
        if digest.startswith(KEYED_DIGEST):
            return digest
        return KEYED_DIGEST + hmac.new(self._key, digest.encode(), hashlib.sha256).hexdigest()

    def _look(self, secret: str) -> Entry:
        """What is wrong with a key by the look of it, and nothing of the key."""
        bare = secret.strip().strip("\"'").strip()
        around = ["white space"] if secret != secret.strip() else []
        around += ["quotation marks"] if bare != secret.strip() else []
        like = [name for name, shape in self._shapes if shape.search(bare)]
        found: Entry = {"around": " and ".join(around)} if around else {}
        return found | ({"like": like} if like else {})
