"""Output to a terminal or a file that cannot represent every character."""

from __future__ import annotations

import codecs
import io
import sys

_ERRORS = "wsproxy-replace"
_ASCII = "wsproxy-ascii"

# Replacements for the non-ASCII characters that wsproxy itself prints.
_INSTEAD = str.maketrans(
    {
        "→": "->",
        "←": "<-",
        "↑": "^",
        "↓": "v",
        "…": "...",
        "─": "-",
        "━": "-",
        "│": "|",
        "├": "+",
        "└": "+",
        "●": "*",
        "×": "x",
        "μ": "u",
        "µ": "u",
        "–": "-",
        "—": "-",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
    }
)


def make_printable() -> None:
    """Let stdout and stderr replace characters that they cannot encode, instead of failing."""
    codecs.register_error(_ERRORS, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=_encoding(stream.encoding), errors=_ERRORS)


def can_print(text: str) -> bool:
    """Whether stdout has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


def _encoding(name: str) -> str | None:
    """The encoding to use instead, None to keep it.

    click assumes that ASCII is a mistake and prints UTF-8, unless ASCII has another name.
    """
    if codecs.lookup(name).name != "ascii":
        return None
    codecs.register(_find)
    return _ASCII


def _find(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != _ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        known.streamreader,
        known.streamwriter,
        known.incrementalencoder,
        known.incrementaldecoder,
        name=_ASCII,
    )


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_INSTEAD)
    return "".join(char if char.isascii() else "?" for char in text), error.end
