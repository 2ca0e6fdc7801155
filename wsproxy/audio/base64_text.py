"""Audio as base64 text, as it is carried in JSON."""

from __future__ import annotations

import binascii

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\\\r\n"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def is_base64(text: bytes) -> bool:
    """Whether it is base64, with or without padding; JSON may escape its slashes."""
    return not text.strip().translate(None, _ALPHABET)


def decode_base64(text: bytes) -> bytes:
    """Decode base64 in either alphabet, with or without padding; nothing if it is invalid.

    Google's Python SDK sends the alphabet for URLs, other SDKs the usual one.
    """
    if b"-" in text or b"_" in text:
        text = text.translate(_URL_SAFE)
    for padded in (text, text + b"=" * (-len(text) % 4), text[: len(text) // 4 * 4]):
        try:
            return binascii.a2b_base64(padded)
        except binascii.Error:
            continue
    return b""
