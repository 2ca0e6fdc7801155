"""Places of credentials in sessions with speech APIs, for `test_redact_places`.

The list is independent of the catalog. It comes from the providers' documents and SDKs, other
WebSocket software, and attempts to find gaps. A place takes a credential and returns the records of
a session that contains it there.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import msgpack
import zstandard

from wsproxy.trace import FrameRecord, Record, Request, Response

# Synthetic keys in the formats of real ones; none was ever valid.
OPAQUE = "Zk3vQ9xT7mB2nR8sW4yH6jL1pD5f"
HEX40 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
HEX32 = "5d41402abc4b2a76b9719d911017c592"
PREFIXED = "sk_7c9e6679b7425f40de944be07fc1f90ae7"
SPECIAL = "p4ss+W0rd/9x=Zq7&k2"
UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PASSCODE = "Blau4711Kraut"


def _b64url(data: object) -> str:
    return (
        base64.urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode())
        .decode()
        .rstrip("=")
    )


def jwt(size: int = 40) -> str:
    """A JSON Web Token with about `size` bytes of claims."""
    claims = {
        "sub": "u-82731",
        "scope": ("read:speech write:files " * size)[:size],
        "jti": "Q7w8E9r1T2y3",
    }
    signature = "dBjftJeZ4CVP3mB92K27uhbUJU1p1r7wW1gFWFOEjXk"
    return f"{_b64url({'alg': 'HS256', 'typ': 'JWT'})}.{_b64url(claims)}.{signature}"


JWT = jwt()
LONG_JWT = jwt(4000)

Records = list[Record]


@dataclass(frozen=True)
class Place:
    """A place for a credential.

    Attributes:
        name: unique.
        records: the session's, with a credential in that place.
        keys: what is planted there.
    """

    name: str
    records: Callable[[str], Records]
    keys: tuple[str, ...] = (OPAQUE, HEX40, PREFIXED)


PLACES: list[Place] = []
BARE = (OPAQUE, HEX40, PREFIXED)
NAMED = (OPAQUE, HEX40, PREFIXED, SPECIAL, JWT)


def place(name: str, records: Callable[[str], Records], *keys: str) -> None:
    PLACES.append(Place(name, records, keys or NAMED))


# -- records


def upgrade(*headers: tuple[str, str], path: str = "/v1/listen?model=nova-3") -> Request:
    lines = [["Host", "api.example.com"], *map(list, headers)]
    return Request(1, "GET", "wss", "api.example.com", 443, path, headers=lines)


def text(content: str, *, client: bool = True) -> FrameRecord:
    return FrameRecord(2, client, 1, content.encode("utf-8", "surrogateescape"))


def binary(content: bytes, *, client: bool = True) -> FrameRecord:
    return FrameRecord(2, client, 2, content)


def closed(reason: str, code: int = 1008) -> FrameRecord:
    return FrameRecord(3, False, 8, code.to_bytes(2, "big") + reason.encode()[:123])


def refused(body: bytes | str, *headers: tuple[str, str]) -> Response:
    content = body.encode() if isinstance(body, str) else body
    lines = list(map(list, headers))
    return Response(2, 401, "Unauthorized", headers=lines, body=content, body_length=len(content))


def header(name: str, before: str = "", after: str = "") -> Callable[[str], Records]:
    return lambda key: [upgrade((name, f"{before}{key}{after}"))]


def query(pattern: str) -> Callable[[str], Records]:
    return lambda key: [upgrade(path=pattern.replace("{}", quote(key, safe="")))]


def message(pattern: str) -> Callable[[str], Records]:
    """A text message; {} in it stands for the credential as JSON spells it."""
    return lambda key: [upgrade(), text(pattern.replace("{}", json.dumps(key)[1:-1]))]


def raw(make: Callable[[str], bytes]) -> Callable[[str], Records]:
    return lambda key: [upgrade(), binary(make(key))]


def reason(pattern: str) -> Callable[[str], Records]:
    return lambda key: [upgrade(), closed(pattern.replace("{}", key))]


def body(make: Callable[[str], bytes | str]) -> Callable[[str], Records]:
    return lambda key: [upgrade(), refused(make(key))]


# -- documented places of the APIs

PROTOCOL = "Sec-WebSocket-Protocol"
for name in (
    "Authorization",
    "xi-api-key",
    "X-API-Key",
    "api-key",
    "Ocp-Apim-Subscription-Key",
    "x-goog-api-key",
    "X-Gladia-Key",
    "X-Hume-Api-Key",
    "api-subscription-key",
    "X-Amz-Security-Token",
    "Proxy-Authorization",
    "X-Access-Token",
    "X-Auth-Token",
    "Gradium-Api-Key",
):
    place(f"header {name}", header(name))
for scheme in ("Bearer ", "Token ", "Key ", "ApiKey ", "Bearer\t", "Bearer;", "Bearer Bearer "):
    place(f"Authorization {scheme!r}", header("Authorization", scheme))
place("Authorization Token token=", header("Authorization", 'Token token="', '"'))
place("Authorization quoted", header("Authorization", '"', '"'))
place("Cookie", header("Cookie", "lang=en; session=", "; a=b"))
place("Sec-WebSocket-Extensions", header("Sec-WebSocket-Extensions", "x-auth; token="))
place("User-Agent", header("User-Agent", "app/"), OPAQUE, HEX40, PREFIXED, JWT)
place("Origin", header("Origin", "https://user:", "@app.example"), OPAQUE, HEX40, PREFIXED)
place("Referer", header("Referer", "https://app.example/?token="), OPAQUE, HEX40, PREFIXED)
place("unknown header", header("X-Thing"), OPAQUE, HEX40, PREFIXED, JWT)

ITEMS = (OPAQUE, HEX40, PREFIXED)  # of a subprotocol: RFC 9110 tokens
for before in (
    "openai-insecure-api-key.",
    "api-subscription-key.",
    "xai-client-secret.",
    "token, ",
    "bearer, ",
    "Bearer ",
    "authorization, ",
    "Authorization.",
    "realtime, openai-insecure-api-key.",
    "OpenAI-Insecure-API-Key.",
    "openai_insecure_api_key.",
    "access_token, ",
    "access-token.",
    "jwt, ",
    "auth-",
):
    place(f"subprotocol {before!r}", header(PROTOCOL, before), *ITEMS)
place("subprotocol jwt.JWT", header(PROTOCOL, "jwt."), JWT)
place("subprotocol alone", header(PROTOCOL, "v1, "), *ITEMS, JWT)
place(
    "subprotocol Kubernetes",
    lambda key: [upgrade((PROTOCOL, "base64url.bearer.authorization.k8s.io." + plain_b64url(key)))],
)
place(
    "subprotocol AWS AppSync",
    lambda key: [upgrade((PROTOCOL, "graphql-ws, header-" + _b64url({"x-api-key": key})))],
)


def plain_b64url(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


for pattern in (
    "/v1?token={}",
    "/v1?api_key={}",
    "/v1?apikey={}",
    "/v1?key={}",
    "/v1?jwt={}",
    "/v1?access_token={}",
    "/v1?authorization=Bearer%20{}",
    "/v1?Ocp-Apim-Subscription-Key={}",
    "/v1?X-Amz-Signature={}",
    "/v1?conversation_signature={}",
    "/v1?API-KEY={}",
    "/v1?%74oken={}",
    "/v1?token[]={}",
    "/v1?auth[token]={}",
    "/v1?a=b;token={}",
    "/v1;token={}/x",
    "/v1#token={}",
    "/v1?a=1#access_token={}&b=2",
    "/v1?client_secret={}",
    "/v1?callback=https%3A%2F%2Fh.example%2Fx%3Ftoken%3D{}",
    "/v1?callback=https%3A%2F%2Fu%3A{}%40h.example%2Fx",
):
    # A password in a URL has no "/" in it that is not encoded.
    place(f"path {pattern}", query(pattern), *(NAMED if "u%3A" not in pattern else BARE))
place(
    "callback encoded twice",
    lambda key: [
        upgrade(path="/v1?cb=" + quote(quote(f"https://h/x?token={quote(key, safe='')}", safe="")))
    ],
)
place("bare query", query("/v1?{}"), PREFIXED, JWT, OPAQUE, HEX40)
place("path segment", query("/v1/stream/{}"), PREFIXED, JWT, HEX40)
place("path segment after token", query("/v1/token/{}/x"), OPAQUE, HEX40, PREFIXED)
place("path segment after api-key", query("/api-key/{}"), OPAQUE, HEX40, PREFIXED)
place("ticket", query("/v1?ticket={}"), UUID, OPAQUE, HEX32)
place("token UUID", query("/v1?token={}"), UUID)
place("key shape in a model", query("/v1?model={}"), PREFIXED, JWT)

# -- messages: names, in every lay-out

for field in (
    "api_key",
    "apiKey",
    "API-KEY",
    "xi-api-key",
    "xi_api_key",
    "authorization",
    "access_token",
    "session_token",
    "secret_access_key",
    "client_secret",
    "password",
    "pwd",
    "passcode",
    "passphrase",
    "auth_token",
    "privateKey",
):
    place(f"message {field}", message(f'{{"type":"start","{field}":"{{}}"}}'))
place("message pwd of words", message('{"pwd":"{}"}'), PASSCODE)
place("message passcode of words", message('{"passcode":"{}"}'), PASSCODE)
place("message pin", message('{"pin":"{}"}'), "48291377")
place("message passcode number", message('{"passcode":{}}'), "48291377")
for name, pattern in {
    "blanks before the colon": '{"api_key"         : "{}"}',
    "600 blanks": '{"api_key"' + " " * 600 + ':"{}"}',
    "new line, indented": '{"api_key":\n          "{}"}',
    "tabs and returns": '{"api_key"\t\r\n:\t\r\n"{}"}',
    "escaped name": '{"\\u0061pi\\u005fkey":"{}"}',
    "name all in escapes": '{"\\u0061\\u0070\\u0069\\u005f\\u006b\\u0065\\u0079":"{}"}',
    "scheme": '{"authorization":"Bearer {}"}',
    "object with key": '{"api_key":{"key":"{}"}}',
    "object with value": '{"client_secret":{"value":"{}","expires_at":1}}',
    "object in object": '{"credentials":{"deepgram":{"key":"{}"}}}',
    "list": '{"api_keys":["{}"],"api_key":["{}"]}',
    "list of lists": '{"credentials":[["a","{}"]]}',
    "headers as lines": '{"headers":["x-api-key: {}","accept: */*"]}',
    "headers as pairs": '{"headers":[["authorization","{}"]]}',
    "headers as pairs with scheme": '{"headers":[["Authorization","Bearer {}"]]}',
    "headers as names and values": '{"headers":[{"name":"x-api-key","value":"{}"}]}',
    "headers as keys and values": '{"headers":[{"key":"Authorization","value":"Bearer {}"}]}',
    "flat list": '{"headers":["authorization","{}"]}',
    "single quotes": "{'api_key': '{}'}",
    "no quotes": "{api_key: {}}",
    "YAML": "type: start\napi_key: {}\n",
    "header line": "x-api-key: {}",
    "Authorization line": "Authorization: Bearer {}",
    "INI": "[auth]\napi_key = {}\n",
    "prose": '{"type":"Error","message":"bad api_key={} given"}',
    "XML": "<request><api_key>{}</api_key></request>",
    "cut": '{"type":"start","api_key":"{}',
    "colon in front": ':"api_key":"{}"',
    "deep list": "[" * 3000 + '{"api_key":"{}"}' + "]" * 3000,
}.items():
    place(f"message, {name}", message(pattern), OPAQUE, HEX40, PREFIXED)

# -- the same kinds, laid out in other ways

for pattern in (
    '{"auth":{"type":"bearer","token":"{}"}}',
    '{"auth":["bearer","{}"]}',
    '{"type":"connection_init","payload":{"Authorization":"Bearer {}"}}',
    '{"token":{"value":"{}"}}',
    '{"key":{"value":"{}"}}',
    '{"params":["api_key","{}"]}',
    '{"api key":"{}"}',
    '{"query":"?token={}"}',
    '{"connection":"postgres://u:{}@h/db"}',
    '{"c":"Endpoint=https://x;AccountKey={};E=1"}',
    '{"sas":"sv=1&sig={}"}',
    '{"headers":{"Cookie":"sid={}"}}',
    '{"AppKey":"{}"}',
    '{"a":1}\n{"api_key":"{}"}',
    'data: {"api_key":"{}"}',
    '{"args":["--api-key={}"]}',
    '{"args":["--api-key","{}"]}',
    '{"env":["API_KEY={}"]}',
    '{"curl":"curl -H \'Authorization: Token {}\' x"}',
    '{"a":"token is {}"}',
    '{"a":"Incorrect API key provided: {}."}',
    "AUTH {}",
    '{"data":"{\\"token\\":\\"{}\\"}"}',
):
    place(f"message {pattern!r}", message(pattern), *BARE)
for pattern in ("/v1/{}", "/v1/key={}", "/v1?a&{}", "/v1?opts%5Btoken%5D={}", "/v1?sig={}"):
    place(f"path, {pattern}", query(pattern), *BARE)
for name, before in (
    ("Authorization", "Negotiate "),
    ("Forwarded", "secret="),
    ("Link", "<https://h/?token="),
    ("X-Debug", "token="),
    ("Accept", "app/"),
):
    place(f"header {name}: {before}", header(name, before), *BARE)


def nested(depth: int) -> Callable[[str], Records]:
    def records(key: str) -> Records:
        content = json.dumps({"api_key": key})
        for _ in range(depth):
            content = json.dumps({"config": content})
        return [upgrade(), text(content)]

    return records


for depth in (1, 2, 3, 5, 8):
    place(f"JSON in JSON, {depth} deep", nested(depth))


def json_of(key: str) -> bytes:
    return json.dumps({"type": "start", "api_key": key}).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


for name, make in {
    "JSON": json_of,
    "JSON with a BOM": lambda key: b"\xef\xbb\xbf" + json_of(key),
    "white space, then JSON": lambda key: b" " * 100 + json_of(key),
    "a type byte, then JSON": lambda key: b"\x01" + json_of(key),
    "8 bytes, then JSON": lambda key: b"\x11\x10\x00\x00\x00\x00\x00\x37" + json_of(key),
    "UTF-16 with a BOM": lambda key: json_of(key).decode().encode("utf-16"),
    "UTF-16 LE": lambda key: json_of(key).decode().encode("utf-16-le"),
    "UTF-16 BE": lambda key: json_of(key).decode().encode("utf-16-be"),
    "MessagePack": lambda key: msgpack.packb({"type": "start", "api_key": key}),
    "MessagePack, nested": lambda key: msgpack.packb({"a": [1, {"authorization": key}]}),
    "CBOR": lambda key: b"\xa1\x67api_key\x78" + bytes([len(key)]) + key.encode(),
    "Protocol Buffers": lambda key: b"\x0a\x07api_key\x12" + bytes([len(key)]) + key.encode(),
    "event stream": lambda key: (
        b"\0\0\0\x50\0\0\0\x30\x0dauthorization\x07\0" + bytes([len(key)]) + key.encode()
    ),
    "gzip": lambda key: gzip.compress(json_of(key)),
    "header, then gzip": lambda key: b"\x11\x10\x11\x00" + gzip.compress(json_of(key)),
    "zlib": lambda key: zlib.compress(json_of(key)),
    "zstd": lambda key: zstandard.compress(json_of(key)),
    "header lines": lambda key: (
        b"\x00\x20Path: start\r\nAuthorization: " + key.encode() + b"\r\n\r\n"
    ),
}.items():
    place(f"binary, {name}", raw(make), OPAQUE, HEX40, PREFIXED)


def made_text(make: Callable[[str], str]) -> Callable[[str], list[Record]]:
    return lambda key: [upgrade(), text(make(key))]


TEXTS: dict[str, Callable[[str], str]] = {
    "base64 of JSON": lambda key: json.dumps({"data2": b64(json_of(key))}),
    "base64 of JSON, url-safe": lambda key: json.dumps({"x": plain_b64url(json_of(key).decode())}),
    "base64 of base64 of JSON": lambda key: json.dumps({"x": b64(b64(json_of(key)).encode())}),
    "hex of JSON": lambda key: json.dumps({"x": json_of(key).hex()}),
    "base64 alone": lambda key: b64(json_of(key)),
}
for name, make_text in TEXTS.items():
    place(f"message, {name}", made_text(make_text), OPAQUE, HEX40, PREFIXED)

# -- keys by their shape, alone or in a text

SHAPES = (
    PREFIXED,
    JWT,
    "AKIA4Q7WSE8R9TYU1IOP",
    "AIzaSyD4k7R9mQ2xW8vB3nT6jL1pH5fG0cZsYuE",
    "ghp_9aB3cD5eF7gH1iJ2kL4mN6oP8qR0sT1uV2wX",
    "xoxb-271828182845-314159265358-aB3dE5fG7hJ9",
    "EAACq7Wt3kZAbMdBO4xK9vR2mZCyT6uLpZBn8sQ1hFgJ5eDiXwVcKoZAr0lNjUb3zYtHkGZDqMf7aPx2vSE4ZC9iTwLdR6ZBnOy1uKmQ5hZD",
)
for name, pattern in {
    "alone": "{}",
    "after =": '{"m":"got key={}"}',
    "after :": '{"m":"got:{}"}',
    "in brackets": '{"m":"got [{}]"}',
    "in angle brackets": '{"m":"got <{}>"}',
    "in single quotes": '{"m":"got \'{}\'"}',
    "after a new line": '{"m":"got\\n{}"}',
    "after a slash": '{"m":"app/{}"}',
    "value": '{"x":"{}"}',
    "with a dot after it": '{"m":"got {}."}',
}.items():
    place(f"message, shape {name}", message(pattern), *SHAPES)
place("message, long JWT", message('{"token":"{}"}'), LONG_JWT)
place("message, long JWT alone", message("{}"), LONG_JWT)
place("message, token alone in hex", message("{}"), HEX40)


def control(opcode: int) -> Callable[[str], list[Record]]:
    return lambda key: [upgrade(), FrameRecord(2, True, opcode, key.encode()[:125])]


for opcode, name in ((9, "ping"), (10, "pong")):
    place(name, control(opcode), PREFIXED, HEX40, OPAQUE)
for pattern in ("{}", "bad key {}", "key={}", "invalid:{}", "bad_key_{}", "Invalid token {}!"):
    place(f"close reason {pattern}", reason(pattern), PREFIXED, HEX40)
place("close reason, token alone", reason("{}"), OPAQUE)
place("close reason, Bearer", reason("no such key: Bearer {}"), OPAQUE, HEX40, PREFIXED)

# -- bodies of answers

for name, make_body in {
    "token alone": lambda key: key,
    "token in JSON": lambda key: json.dumps({"token": key}),
    "JSON string": lambda key: json.dumps(key),
    "form": lambda key: "grant=x&client_secret=" + quote(key, safe=""),
    "hidden input": lambda key: f'<form><input type=hidden name=csrf_token value="{key}"></form>',
    "hidden input, value first": lambda key: f"<input value='{key}' name='state' type='hidden'>",
    "meta": lambda key: f'<meta name="api-key" content="{key}">',
    "attribute": lambda key: f'<div data-api-key="{key}">',
    "script": lambda key: f'<script>var api_key = "{key}";</script>',
    "link": lambda key: f'<a href="https://h/x?a=1&amp;token={key}">x</a>',
    "XML": lambda key: f"<Error><AccessToken>{key}</AccessToken></Error>",
    "gzip without Content-Encoding": lambda key: gzip.compress(json_of(key)),
    "zlib without Content-Encoding": lambda key: zlib.compress(json_of(key)),
    "UTF-16": lambda key: json_of(key).decode().encode("utf-16"),
    "multipart": lambda key: (
        f'--x\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{key}\r\n--x--'
    ),
    "multipart with many headers": lambda key: (
        '--x\r\nContent-Disposition: form-data; name="api_key"'
        + "\r\nX-A: b" * 20
        + f"\r\n\r\n{key}\r\n--x--"
    ),
    "prose": lambda key: f"Invalid credentials. Authorization: Token {key}",
}.items():
    place(f"body, {name}", body(make_body), OPAQUE, HEX40, PREFIXED)
