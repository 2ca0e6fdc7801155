"""More places of credentials, collected independently of the other lists.

The places of all lists are in PLACES.
"""

from __future__ import annotations

import gzip

from credential_echoes import PLACES, echo, other
from credential_places import (
    HEX32,
    HEX40,
    OPAQUE,
    PREFIXED,
    b64,
    body,
    json_of,
    message,
    place,
    query,
    raw,
    reason,
    upgrade,
)
from wsproxy.trace import FrameRecord, Record

__all__ = ["PLACES"]

# -- names

for name in (
    "connectionString",
    "dsn",
    "access_code",
    "authorization_code",
    "mot_de_passe",
    "passwort",
    "PHPSESSID",
    "psk",
    "xsrf",
    "salt",
    "oauth_verifier",
):
    place(f"message, {name}", message(f'{{"cfg":{{"{name}":"{{}}"}}}}'), OPAQUE)
place("message, list of tokens", message('{"tokens":["{}"]}'), OPAQUE)
place("matrix parameter jsessionid", query("/v1/listen;jsessionid={}"), OPAQUE, HEX40)
place("code in a URL in a message", message('{"url":"https://x.example/f?code={}"}'), OPAQUE)
place("name of a header", lambda key: [upgrade((key, "1"))], PREFIXED)
place("name of a parameter", lambda key: [upgrade(path=f"/v1/listen?{key}=1")], PREFIXED)

# -- shapes

for kind, key in {
    "SendGrid": "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",
    "DigitalOcean": f"dop_v1_{HEX32}{HEX32}",
    "Twilio": f"SK{HEX32}",
    "PASETO": f"v2.local.{OPAQUE}{OPAQUE}{OPAQUE}",
    "SDES": f"inline:{OPAQUE}Xw5Rz8Lq1Nf3",
}.items():
    place(f"key of {kind} in a message", message('{"thing":"{}"}'), key)
    place(f"key of {kind} in a close reason", reason("denied({})"), key)
place("password in prose", body(lambda key: f"login: password is {key} and user bob"), OPAQUE)

# -- markup

place(
    "name in the cell before, HTML",
    body(lambda key: f"<table><tr><td>X-Api-Key</td><td>{key}</td></tr></table>"),
    OPAQUE,
    HEX40,
)
place("CDATA", body(lambda key: f"<a><password><![CDATA[{key}]]></password></a>"), OPAQUE, HEX40)

# -- packed, and encoded

for size in (8, 12):
    place(
        f"binary, header of {size} bytes, then gzip",
        raw(lambda key, size=size: b"\x11\x10\x11" + bytes(size - 3) + gzip.compress(json_of(key))),  # type: ignore[misc]
        OPAQUE,
        HEX40,
    )
for name, spell in {
    "base64 of UTF-16": lambda key: b64(key.encode("utf-16-le")),
    "hex of UTF-16": lambda key: key.encode("utf-16-le").hex(),
    "hex with 0x": lambda key: "0x" + key.encode().hex(),
}.items():
    place(f"echo in {name}", echo("Token {}", other(spell)), OPAQUE, HEX40)


# -- fragments


def in_fragments(text: str, *borders: int) -> list[Record]:
    ends = [*borders, len(text)]
    starts = [0, *borders]
    return [
        FrameRecord(2 + n, True, 0 if n else 1, text[start:end].encode(), fin=end == len(text))
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


for kind, blanks in {"spaces": " " * 600, "lines": "\r\n" * 400, "escaped": "\\n" * 400}.items():
    place(
        f"{kind} around a colon, borders between them",
        lambda key, blanks=blanks: in_fragments(  # type: ignore[misc]
            f'{{"api_key"{blanks}:{blanks}"{key}"}}', 300, 600
        ),
        OPAQUE,
    )
