"""What looks like a credential where the catalog knows of none: by name, shape or entropy.

- A *name* that speaks of a secret by itself ("api_secret", "X-Access-Token") is enough. One
  that often means something else ("key", "session", "token") counts with a value that looks
  random.
- A *shape* that is used for keys only counts in any text: a JWT, AWS's key ids, "sk_...",
  a private key, a password in a URL. 32 and more hexadecimal digits are one as a whole value,
  unless the name says that it is an id or a checksum.
- *Entropy*: a long word of digits, small and capital letters without any pattern, in the
  head of a request or the body of a POST, under a name that does not say that it is an id.

Request ids, UUIDs, audio in base64 and transcripts must pass all of them.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter

from . import shapes
from .fingerprint import PLACEHOLDER

# Names, with case, dashes and underscores taken off. These are enough by themselves.
_STRONG = re.compile(
    r"apikey|secret|passw(?:or)?d?|passphrase|passcode|privatekey|accesskey|signingkey|encryptionkey"
    r"|accountkey|subscriptionkey|authkey|masterkey|licensekey|tokenkey|keytoken|sharedkey"
    r"|(access|auth|api|refresh|session|bearer|client|csrf|xsrf|security|websocket|stream)token"
    r"|^(id|user|temp|ws|xi|bot|app|service|secret|login|device|push)token"
    r"|credential|authorization|signature|jwt|cookie|gladiakey|^(x)?goog[a-z]*key|^pwd$|userpwd|^pass$|^creds?$"
    r"|sessid|sessionid$|connectsid|connectionstring|^dsn$|(access|auth|authorization|security|recovery)code$"
    r"|passwort|kennwort|motdepasse|contrasena|wachtwoord"
)
# The words of these say something only together with a value that looks random.
_WEAK = re.compile(
    r"key|keys|token|tokens|auth|authentication|authenticate|sig|session|pass|pwd|pin|sas|hmac|"
    r"ticket|bearer|otp|totp|mfa|nonce|sid|grant|assertion|psk|csrf|xsrf|salt|verifier|byok"
)
# Of these a UUID is a secret as well, and of the last ones a short number.
_TICKET = re.compile(r"token|auth|ticket|bearer|sig|sas|hmac|pass|pwd|otp|grant|assertion")
_PIN = re.compile(r"pin|otp|totp|mfa|pass|pwd")
_SHORT_NUMBER = re.compile(r"\d{4,12}")
# A name that ends with one of these is that of something else.
_NO_SECRET = re.compile(
    r"count|counts|type|name|names|expiry|expires|expire|ttl|at|in|seconds|ms|limit|max|"
    r"min|length|version|algorithm|alg|term|terms|event|status|state|mode|kind|format|"
    r"headers|url|uri|scheme|method|required|enabled|usage|index|path|error|message|"
    r"phrase"
)
_HARMLESS = re.compile(
    r"secwebsocketkey|secwebsocketaccept|secwebsocketprotocol|secwebsocketextensions|"
    r"secwebsocketversion|idempotencykey|cachekey|xcachekey|surrogatekey|partitionkey|"
    r"routingkey|publickey|primarykey|sortkey|foreignkey|timesignature|keysignature|"
    r"wwwauthenticate|proxyauthenticate|xamzsignedheaders|xamzalgorithm|clearsitedata|"
    r"accesscontrolallowcredentials"
)
# Names of ids and checksums: random by nature, and no secret.
_ID = re.compile(
    r"(id|ids|uuid|guid|hash|sha|sha1|sha256|sha512|md5|crc32c?|etag|digest|checksum|trace|"
    r"traceparent|tracestate|tracecontext|context|span|ray|nonce|match|fingerprint|revision|"
    r"commit|build|version|accept|secwebsocketkey|idempotencykey|b3|baggage|xamzid2|"
    r"date|agent|boundary|model|voice|handle)$"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=:-]{16,4096}")
_MAX_HEX_ALONE = 128  # digits
_PARTS = re.compile(r"[._~+/=:-]")
_HEX_BEGUN = re.compile(r"[0-9a-fA-F]{8,}")
_MIXED = re.compile(r"[a-z][A-Z]|[!$%*@^|~]")
_IDENTIFIER = re.compile(r"[a-z]{2,}+\d{0,2}+(?:[_.-](?:[a-z]{2,}+\d{0,2}+|v?\d{1,5}+))++")
_LAST_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,39}+)[\s\"'\\:=#]{0,6}$")
_NUMBERS = re.compile(r"[\d.,:TZ+-]*")  # a date, a version, a number


@functools.lru_cache(maxsize=4096)
def squashed(name: str) -> str:
    """A name without what spellings differ in."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@functools.lru_cache(maxsize=4096)
def strength(name: str) -> int:
    """How much a name speaks of a secret: 2 by itself, 1 with a random value, 0 not at all."""
    flat = squashed(name)
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or _HARMLESS.fullmatch(flat) or _NO_SECRET.fullmatch(words[-1]):
        return 0
    if _STRONG.search(flat):
        return 0 if words[-1] in ("id", "ids") else 2
    return 1 if any(map(_WEAK.fullmatch, words)) and words[-1] not in ("id", "ids") else 0


def clearness(name: str) -> int:
    """Characters of a name that speak of a secret by themselves."""
    found = _STRONG.search(squashed(name)) if strength(name) == 2 else None
    return len(found[0]) if found is not None else 0


@functools.lru_cache(maxsize=4096)
def is_id(name: str) -> bool:
    """Whether a name is that of an id or a checksum."""
    return _ID.search(squashed(name)) is not None


def entropy(value: str) -> float:
    """Bits a character, by how often each is there."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def names_id(before: str) -> bool:
    """Whether what stands before a value ends with the name of an id: "Request ID: "."""
    name = _LAST_NAME.search(before)
    if name is None:
        return False
    words = _WORD.findall(name[1])
    return any(_ID.fullmatch(word.lower()) for word in (name[1], *words[-1:]))


def looks_random(value: str) -> bool:
    """Whether a value is one long word with letters and digits in no order, and no UUID."""
    return (
        _TOKEN.fullmatch(value) is not None
        and any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
        and _UUID.fullmatch(value) is None
        and _NUMBERS.fullmatch(value) is None
        and "://" not in value
        and entropy(value) >= 3.0
    )


def by_name(name: str, value: str) -> bool:
    """Whether a name, with this value, is that of a credential."""
    strong = strength(name)
    if not strong or PLACEHOLDER in value:
        return False
    if strong == 1:
        # "Unknown key: sample_rate_hertz_16000" names a parameter.
        named = squashed(name) in ("key", "keys") and _IDENTIFIER.fullmatch(value) is not None
        return (looks_random(value) and not named) or _is_ticket(name, value)
    return len(value) >= 4 and not (" " in value.strip() and "passw" not in squashed(name))


def _is_ticket(name: str, value: str) -> bool:
    """Whether a UUID or a short number is a secret under this name."""
    words = [word.lower() for word in _WORD.findall(name)]
    if _UUID.fullmatch(value):
        return any(map(_TICKET.fullmatch, words))
    return _SHORT_NUMBER.fullmatch(value) is not None and any(map(_PIN.fullmatch, words))


def by_shape(name: str, value: str) -> bool:
    """Whether a whole value has the shape of a key."""
    if PLACEHOLDER in value:
        return False
    if shapes.is_hexadecimal(value):
        return not is_id(name)
    return shapes.is_key(value)


def by_entropy(name: str, value: str) -> bool:
    """Whether a value is too random for anything but a key; see the module's text."""
    return (
        24 <= len(value) <= 512
        and not is_id(name)
        and looks_random(value)
        and any(c.isupper() for c in value)
        and any(c.islower() for c in value)
        and not is_words(value)
        and entropy(value) >= 3.8
    )


def why(name: str, value: str, *, random: bool = False) -> str:
    """The rule by which a value is taken for a credential, empty if by none.

    Args:
        random: whether entropy counts.
    """
    if by_name(name, value):
        return "name"
    if by_shape(name, value):
        return "shape"
    return "entropy" if random and by_entropy(name, value) else ""


def says_no_secret(name: str) -> bool:
    """Whether a name says that its value is something else: a type, a time, an id."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (_NO_SECRET.fullmatch(words[-1]) is not None or is_id(name))


def begins_hex(value: str) -> bool:
    """Whether a value that goes on may be a key of hexadecimal digits."""
    return _HEX_BEGUN.fullmatch(value) is not None


def like_a_key(value: str) -> bool:
    """Whether a value that a text has after a name is no word of the text."""
    return len(value) >= 4 and (
        len(value) >= 24 or any(c.isdigit() for c in value) or _MIXED.search(value) is not None
    )


def alone(text: str) -> list[tuple[int, int]]:
    """Where a text is that is one random word and nothing else."""
    whole = text.strip().strip("\"'")
    value = whole.partition("=")[2]
    word = value if value.strip("=") else whole  # else it is the padding of base64
    if not 16 <= len(word) <= 4096 or not looks_random(word) or is_words(whole):
        return []
    start = text.rindex(word)
    return [(start, start + len(word))] if sum(c.isdigit() for c in word) > 1 else []


def is_words(value: str) -> bool:
    """Whether a value has words in it, with separators between them."""
    return any(len(part) > 3 and part.isalpha() for part in _PARTS.split(value))


def alone_in_hex(text: str) -> list[tuple[int, int]]:
    """Where a text is that is 32 to 128 hexadecimal digits and nothing else."""
    word = text.strip().strip("\"'")
    if len(word) > _MAX_HEX_ALONE or not shapes.is_hexadecimal(word):
        return []
    start = text.index(word)
    return [(start, start + len(word))]


def holds_keys(name: str) -> bool:
    """Whether an object or a list of this name may hold a key: "token", "auth", "key"."""
    return squashed(name) in (
        "token",
        "tokens",
        "key",
        "keys",
        "auth",
        "authentication",
        "bearer",
        "ticket",
    )
