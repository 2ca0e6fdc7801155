"""Places where a known credential is repeated in another spelling; adds to `PLACES`."""

from __future__ import annotations

import gzip
import html
import json
from collections.abc import Callable
from urllib.parse import quote

from credential_places import (
    HEX40,
    JWT,
    OPAQUE,
    PLACES,
    PREFIXED,
    SPECIAL,
    Records,
    b64,
    binary,
    closed,
    place,
    plain_b64url,
    refused,
    text,
    upgrade,
)
from wsproxy.trace import Failure, FrameRecord, Record, Response

__all__ = ["PLACES"]


def echo(
    scheme: str, make_echo: Callable[[str], Record], name: str = "Authorization"
) -> Callable[[str], Records]:
    """A key in a header, and the server repeats it."""
    return lambda key: [upgrade((name, scheme.replace("{}", key))), make_echo(key)]


def error(pattern: str) -> Callable[[str], Record]:
    return lambda key: text(
        json.dumps({"type": "Error", "message": pattern.replace("{}", key)}), client=False
    )


# -- repetitions in another spelling

ECHOED = (OPAQUE, HEX40, PREFIXED, SPECIAL, JWT)
for scheme in (
    "Bearer {}",
    "Token {}",
    "Key {}",
    "ApiKey {}",
    "Bearer;{}",
    "Bearer\t{}",
    "Bearer Bearer {}",
    '"{}"',
    'Token token="{}"',
    "Bearer '{}'",
    "{}",
):
    place(f"echo after {scheme!r}", echo(scheme, error("bad key {} given")), *ECHOED)
place(
    "echo of Basic's password",
    lambda key: [
        upgrade(("Authorization", "Basic " + b64(f"me:{key}".encode()))),
        error("bad password {}")(key),
    ],
)
place(
    "echo of a cookie",
    lambda key: [upgrade(("Cookie", f"lang=en; sid={key}")), error("no session {}")(key)],
    OPAQUE,
    HEX40,
    PREFIXED,
)
place(
    "echo of a query with a scheme",
    lambda key: [
        upgrade(path=f"/v1?authorization=Bearer%20{quote(key, safe='')}"),
        error("bad {}")(key),
    ],
)


def other(spell: Callable[[str], str]) -> Callable[[str], Record]:
    return lambda key: text('{"type":"Error","message":"bad ' + spell(key) + '"}', client=False)


def each(pattern: str, key: str, keep: str = "") -> str:
    return "".join(c if c in keep else pattern.format(ord(c)) for c in key)


ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
for name, spell in {
    "\\u for what is no letter": lambda key: each("\\u{:04X}", key, ALNUM),
    "\\u for all": lambda key: each("\\u{:04x}", key),
    "\\u in JSON in JSON": lambda key: each("\\\\u{:04x}", key, ALNUM),
    "escaped slashes": lambda key: key.replace("/", "\\/"),
    "percent": lambda key: quote(key, safe=""),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "percent for all": lambda key: each("%{:02x}", key),
    "HTML": lambda key: html.escape(key),
    "HTML for all": lambda key: each("&#{};", key),
    "base64": lambda key: b64(key.encode()),
    "base64, one byte before": lambda key: b64(b":" + key.encode()),
    "base64, two bytes before": lambda key: b64(b"k:" + key.encode()),
    "base64, url-safe": plain_b64url,
    "base64 of base64": lambda key: b64(b64(key.encode()).encode()),
    "hex": lambda key: key.encode().hex(),
    "capitals": lambda key: key.upper(),
    "first 12": lambda key: key[:12] + "...",
    "last 12": lambda key: "..." + key[-12:],
    "glued": lambda key: "X" + key + "X",
}.items():
    place(f"echo, {name}", echo("Bearer {}", other(spell)), *ECHOED)
place(
    "echo, HTML in a body",
    echo("Bearer {}", lambda key: refused(f"<p>No key {each('&#x{:X};', key, ALNUM)}</p>")),
    *ECHOED,
)
place("echo, close reason cut", echo("Bearer {}", lambda key: closed("x" * 93 + key)), *ECHOED)
place("echo, close reason of 30", echo("Token {}", lambda key: closed("bad " + key[:30])), *ECHOED)
place(
    "echo, UTF-16",
    echo("Bearer {}", lambda key: binary(f"bad {key}".encode("utf-16-le"), client=False)),
    *ECHOED,
)
place(
    "echo, in audio",
    echo("Bearer {}", lambda key: binary(b"\x80\xff" * 99 + key.encode() + b"\x80\xff" * 99)),
    *ECHOED,
)
place("echo, ping", echo("Bearer {}", lambda key: FrameRecord(2, False, 9, key.encode()[:125])))
place(
    "echo, answer's header",
    echo("Bearer {}", lambda key: Response(2, 101, headers=[["X-Key", "is " + key]])),
)
place(
    "echo, failure", echo("Bearer {}", lambda key: Failure(2, "http", False, f"cannot send {key}"))
)
place(
    "echo, Set-Cookie",
    echo("Bearer {}", lambda key: Response(2, 101, headers=[["Set-Cookie", f"k={key}; Path=/"]])),
)
place(
    "echo, gzip body",
    echo("Bearer {}", lambda key: refused(gzip.compress(f"no key {key}".encode()))),
    *ECHOED,
)
place(
    "echo in a transcript field",
    echo(
        "Bearer {}", lambda key: text(json.dumps({"transcript": f"it is {key} ok"}), client=False)
    ),
)
