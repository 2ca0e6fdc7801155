"""Credentials in more languages, formats and spellings; adds to `PLACES`."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from urllib.parse import quote

from credential_echoes import echo, error, other
from credential_places import (
    HEX40,
    OPAQUE,
    PREFIXED,
    b64,
    body,
    header,
    json_of,
    message,
    place,
    query,
    raw,
    reason,
    upgrade,
)
from credential_unusual import PLACES
from wsproxy.trace import Record, Request

__all__ = ["PLACES"]

MIXED = "q7W2e9R4t1Y8u3I6o5P0a2S7d4F9"

# -- names

for name in (
    *("pw", "mnemonic", "seed", "seed_phrase", "clave_api", "senha", "appKey", "Autorization"),
    *("authn", "access", "ak", "sk", "vault", "pem", "license", "private", "conn_str", "cvv"),
    *("verification_code", "activation_code", "authdata"),
    *("schl\u00fcssel", "contrase\u00f1a", "ha\u0142o".replace("ha", "has"), "L\u00f6senord"),
    *("\u043f\u0430\u0440\u043e\u043b\u044c", "\u5bc6\u7801", "\u30d1\u30b9\u30ef\u30fc\u30c9"),
    *("\ube44\ubc00\ubc88\ud638", "\uff41\uff50\uff49\uff3f\uff4b\uff45\uff59"),
):
    escaped = json.dumps(name)[1:-1]
    place(f"message, {escaped}", message(f'{{"{name}":"{{}}"}}'), OPAQUE)
    if escaped != name:
        place(f"message, {escaped}, escaped", message(f'{{"{escaped}":"{{}}"}}'), OPAQUE)
place("message, passphrase with spaces", message('{"passphrase":"{}"}'), "Tulpen 4711 am Rhein")
place("key of an object of keys", message('{"apiKeys":{"{}":"active"}}'), MIXED, PREFIXED)
place("header X-Api-App-Key, a number", header("X-Api-App-Key"), "5985020325")

# -- keys of other issuers

for before in (
    *("shpat_", "lin_api_", "figd_", "dckr_pat_", "sbp_", "t1.", "GOCSPX-", "pypi-", "tgp_v1_"),
    *("fw_", "vck_", "id_sk_", "my_live_", "hvs.", "ATATT3x", "phx_", "NRAK-", "sq0atp-"),
):
    place(f"key with {before}", message('{"ref":"{}"}'), before + MIXED)
place("Telegram", message('{"m":"https://h/bot{}/x"}'), "7203451698:AA" + MIXED + "xY9_k")
place("webhook, Slack", message('{"u":"https://hooks.slack.com/services/T0A/B0B/{}"}'), MIXED)
place("webhook, Discord", message('{"u":"https://discord.com/api/webhooks/123456/{}"}'), MIXED)

# -- texts

for pattern in (
    "Array\\n(\\n [api_key] => {}\\n)",
    'Config { api_key: Some(\\"{}\\") }',
    "curl -u me:{} https://x",
    "wscat -s token,{} -c wss://x",
    "websocat --basic-auth me:{} wss://x",
    "http -a me:{} https://x",
    'os.environ[\\"OPENAI_API_KEY\\"] = \\"{}\\"',
    "client.setApiKey('{}')",
    "req.setHeader('x-api-key', '{}')",
    "[(b'host', b'x'), (b'x-api-key', b'{}')]",
):
    place(f"error, {pattern[:24]}", message(f'{{"error":"{pattern}"}}'), MIXED)
for pattern in (
    "{} is not a valid API key",
    "'{}' is not authorized",
    "API key ({}) was rejected",
    "the client used credentials {} that expired",
):
    place(f"close reason, {pattern}", reason(pattern), MIXED)
    place(f"error, {pattern}", message(f'{{"error":"{pattern}"}}'), MIXED)
place("body, block of YAML", body(lambda key: f"auth:\n  token: >-\n    {key}\n"), MIXED, HEX40)
place("path, with an ending", query("/stream/{}.json"), MIXED)


def host(key: str) -> list[Record]:
    return [Request(1, "GET", "ws", f"me:{key}@h", 80, "/", headers=[["Host", f"me:{key}@h"]])]


place("user and password in the host", host, OPAQUE, HEX40, PREFIXED)
place("name of an entry", message("CONNECT\nlogin:me\npasscode:{}\nhost:x\n\n\0"), MIXED)

# -- encodings


def wrapped(data: bytes) -> str:
    return base64.encodebytes(data).decode()


for kind, make in {
    "base32": lambda key: base64.b32encode(json_of(key)).decode(),
    "gzip in base64": lambda key: b64(gzip.compress(json_of(key))),
    "base64 in lines": lambda key: wrapped(b" " * 70 + json_of(key)),
    "a list of bytes": lambda key: list(json_of(key)),
}.items():
    place(
        f"message, JSON in {kind}",
        lambda key, make=make: [upgrade(), *message(json.dumps({"x": make(key)}))("")],  # type: ignore[misc]
        OPAQUE,
    )
place("body, JSON in hex in pairs", body(lambda key: "got " + json_of(key).hex(" ")), OPAQUE)
place(
    "list of bytes with a name",
    lambda key: message(json.dumps({"api_key": list(key.encode())}))(""),
    OPAQUE,
)
place(
    "buffer with a name",
    lambda key: message(json.dumps({"token": {"type": "Buffer", "data": list(key.encode())}}))(""),
    MIXED,
)
place("binary, UTF-32", raw(lambda key: json_of(key).decode().encode("utf-32-le")), OPAQUE, HEX40)
place(
    "binary, CBOR with bytes",
    raw(lambda key: b"\xa1\x65token\x58" + bytes([len(key)]) + key.encode()),
    MIXED,
)
place(
    "binary, JSON in other bytes",
    raw(
        lambda key: (
            bytes(range(200, 256)) + b'{"auth":{"apiKey":"%s"}}' % key.encode() + b"\xff" * 9
        )
    ),
    MIXED,
)


def parts(size: int, between: str) -> Callable[[str], str]:
    return lambda key: between.join(key[at : at + size] for at in range(0, len(key), size))


for kind, spell in {
    "octal": lambda key: "".join(f"\\\\{ord(c):03o}" for c in key),
    "\\u{}": lambda key: "".join(f"\\\\u{{{ord(c):x}}}" for c in key),
    "hex with colons": lambda key: key.encode().hex(":"),
    "with spaces": lambda key: "key " + " ".join(key),
    "in groups": lambda key: "key " + parts(4, "-")(key),
    "in lines": lambda key: "key " + parts(7, "\\n")(key),
    "percent, in groups": lambda key: "key " + quote(parts(5, " ")(key)),
}.items():
    bad = other(lambda key, spell=spell: "token: " + spell(key))  # type: ignore[misc]
    place(f"echo, {kind}", echo("Bearer {}", bad), MIXED, HEX40, OPAQUE)
place("echo, a number", echo("{}", error("bad value {}"), "X-Api-Key"), "749681499572")
