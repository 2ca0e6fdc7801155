"""Detects credentials that the catalog does not name: by name, shape or entropy.

- Name: a name that always means a secret ("api_secret", "X-Access-Token") is enough. One that often
  means something else ("key", "session", "token") counts with a value that looks random.
- Shape: a format that is used only for keys counts in any text: a JWT, AWS's key ids, "sk_...", a
  private key, a password in a URL. 32 and more hexadecimal digits count as a complete value, unless
  the name is that of an id or a checksum.
- Entropy: a long word of digits, lower-case and capital letters without a pattern counts in the
  head of a request and in the body of a POST, unless the name is that of an id.

No heuristic may match request ids, UUIDs, audio in base64 and transcripts.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import re
import unicodedata
from collections import Counter

from . import key_formats
from .fingerprint import PLACEHOLDER

# Normalized names. Each of these is enough on its own.
_STRONG = re.compile(
    r"apikey|secret|passw(?:or)?d?|passphrase|passcode|privatekey|accesskey|signingkey|encryptionkey"
    r"|accountkey|subscriptionkey|authkey|masterkey|licensekey|tokenkey|keytoken|sharedkey"
    r"|(access|auth|api|refresh|session|bearer|client|csrf|xsrf|security|websocket|stream)token"
    r"|^(id|user|temp|ws|xi|bot|app|service|secret|login|device|push)token"
    r"|credential|auth?ori[sz]ation|signature|jwt|cookie|gladiakey|^(x)?goog[a-z]*key|^pass$|^creds?$"
    r"|^(user|db|my)?pwd?$|appkey|mnemonic|(seed|recovery|backup|pass)phrase|apischlussel"
    r"|sessid|sessionid$|connectsid|connectionstring|^dsn$|connstr|privkey"
    r"|(access|auth|authorization|security|recovery|verification|activation|unlock|pairing)code$"
    r"|passwort|kennwort|motdepasse|contrasena|wachtwoord|losenord|adgangskode|salasana|palavrapasse"
    r"|^(senha|haslo|sifre|heslo|jelszo|lozinka|passord|matkhau|katasandi)$"
    r"|^(api)?clave(api|secreta|deapi|acceso|deacceso)?$"
)
# These words count only with a value that looks random.
_WEAK = re.compile(
    r"key|keys|token|tokens|auth|authentication|authenticate|sig|session|pass|pwd|pin|sas|hmac|"
    r"ticket|bearer|otp|totp|mfa|nonce|sid|grant|assertion|psk|csrf|xsrf|salt|verifier|byok|seed|"
    r"schlussel|schluessel|llave|chave|authn|authz|authdata|access|ak|sk|licen[sc]e|vault|pem|cvv|"
    r"private|tok|presigned"
)
_PHRASE = re.compile(r"pass|seed|recovery|backup|mnemonic")  # these may have spaces
# With these, a UUID is a secret too; with the second ones, also a short number.
_TICKET = re.compile(r"token|auth|ticket|bearer|sig|sas|hmac|pass|pwd|otp|grant|assertion")
_PIN = re.compile(r"pin|otp|totp|mfa|pass|pwd")
_SHORT_NUMBER = re.compile(r"\d{4,12}")
# A name that ends with one of these is not a secret's.
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
# Names of ids and checksums: random, but not secret.
_ID = re.compile(
    r"(id|ids|uuid|guid|hash|sha|sha1|sha256|sha512|md5|crc32c?|etag|digest|checksum|trace|"
    r"traceparent|tracestate|tracecontext|context|span|ray|nonce|match|fingerprint|revision|"
    r"commit|build|version|accept|secwebsocketkey|idempotencykey|b3|baggage|xamzid2|"
    r"date|agent|boundary|model|voice|handle)$"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Ids of calls, streams and accounts of Twilio, and of services whose messages are alike; "SK" is
# that of a key.
_SID = re.compile(r"(?!SK)[A-Z]{2}[0-9a-f]{32}")

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=:-]{16,4096}")
_MAX_HEX_ALONE = 128  # digits
_PARTS = re.compile(r"[._~+/=:-]")
_HEX_BEGUN = re.compile(r"[0-9a-fA-F]{8,}")
_MIXED = re.compile(r"[a-z][A-Z]|[!$%*@^|~]")
_IDENTIFIER = re.compile(r"[a-z]{2,}+\d{0,2}+(?:[_.-](?:[a-z]{2,}+\d{0,2}+|v?\d{1,5}+))++")
_LAST_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,39}+)[\s\"'\\:=#]{0,6}$")
_NUMBERS = re.compile(r"[\d.,:TZ+-]*")  # a date, a version, a number


# Names in other alphabets; the second ones count only with a value that looks random.
_FOREIGN_STRONG = (
    *("пароль", "секрет", "токен", "密码", "密碼", "密钥", "密鑰", "口令", "令牌"),
    *("パスワード", "トークン", "暗証番号", "비밀번호", "암호", "토큰", "كلمة المرور", "סיסמה"),
    *("รหัสผ่าน", "κωδικός", "гасло"),
)
_FOREIGN_WEAK = ("ключ", "キー", "鍵", "인증키", "مفتاح", "מפתח", "κλειδί", "पासवर्ड")
# Latin letters with accents, of which the words above have none.
_ACCENTED = ("contraseña", "schlüssel", "hasło", "şifre", "lösenord", "mật khẩu", "jelszó")


def _folded(name: str) -> str:
    """A name without accents and full-width letters; of a message, as its bytes in Latin-1."""
    if name.isascii():
        return name
    with contextlib.suppress(UnicodeError):  # it was escaped, or is not UTF-8
        name = name.encode("latin-1").decode()
    return unicodedata.normalize("NFKD", name.replace("ł", "l"))


def _unaccented(name: str) -> str:
    return "".join(c for c in _folded(name) if not unicodedata.combining(c))


@functools.lru_cache(maxsize=4096)
def normalized(name: str) -> str:
    """A name in lower case, without separators and accents."""
    return "".join(filter(str.isalnum, _folded(name).lower()))


_FOREIGN_SECRET = re.compile("|".join(map(normalized, _FOREIGN_STRONG)))
_FOREIGN_KEY = re.compile("|".join(map(normalized, _FOREIGN_WEAK)))
_FOREIGN_SPELLINGS = frozenset(
    spelled.lower()
    for name in (*_FOREIGN_STRONG, *_FOREIGN_WEAK, *_ACCENTED)
    for cased in (name, name.capitalize())
    for spelled in (cased.encode(), json.dumps(cased)[1:-1].encode())
)
_FULL_WIDTH = (b"\xef\xbd", b"\\uff4", b"\\uff5")


def may_have_foreign_name(data: bytes) -> bool:
    """Whether a text may have a name of a credential that is not in ASCII letters."""
    if data.isascii() and b"\\u" not in data:
        return False
    low = data.lower()
    return any(name in low for name in (*_FOREIGN_SPELLINGS, *_FULL_WIDTH))


@functools.lru_cache(maxsize=4096)
def name_strength(name: str) -> int:
    """2: the name alone means a secret; 1: with a random value; 0: not at all."""
    flat = normalized(name)
    if not flat.isascii():
        return 2 if _FOREIGN_SECRET.search(flat) else 1 if _FOREIGN_KEY.search(flat) else 0
    words = [word.lower() for word in _WORD.findall(_unaccented(name))]
    if not words or _HARMLESS.fullmatch(flat):
        return 0
    if _NO_SECRET.fullmatch(words[-1]) and not (words[-1] == "phrase" and _PHRASE.search(flat)):
        return 0
    if _STRONG.search(flat):
        return 0 if words[-1] in ("id", "ids") else 2
    return 1 if any(map(_WEAK.fullmatch, words)) and words[-1] not in ("id", "ids") else 0


def explicit_length(name: str) -> int:
    """Length of the part of a name that alone means a secret, characters."""
    found = _STRONG.search(normalized(name)) if name_strength(name) == 2 else None
    return len(found[0]) if found is not None else 0


@functools.lru_cache(maxsize=4096)
def is_id_name(name: str) -> bool:
    """Whether a name is that of an id or a checksum."""
    return _ID.search(normalized(name)) is not None


def entropy(value: str) -> float:
    """Shannon entropy of a value's characters, bits per character."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def ends_with_id_name(before: str) -> bool:
    """Whether the text before a value ends with the name of an id: "Request ID: "."""
    name = _LAST_NAME.search(before)
    if name is None:
        return False
    words = _WORD.findall(name[1])
    return any(_ID.fullmatch(word.lower()) for word in (name[1], *words[-1:]))


def looks_random(value: str) -> bool:
    """Whether a value is one long word of mixed letters and digits, and not a UUID."""
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
    """Whether a name makes this value a credential."""
    strength = name_strength(name)
    if not strength or PLACEHOLDER in value:
        return False
    if strength == 1:
        # "Unknown key: sample_rate_hertz_16000" names a parameter.
        named = normalized(name) in ("key", "keys") and _IDENTIFIER.fullmatch(value) is not None
        if normalized(name).endswith("sid") and _SID.fullmatch(value):
            return False
        return (looks_random(value) and not named) or _is_ticket(name, value)
    return len(value) >= 4 and not (" " in value.strip() and not _PHRASE.search(normalized(name)))


def _is_ticket(name: str, value: str) -> bool:
    """Whether this name makes a UUID or a short number a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    if _UUID.fullmatch(value):
        return any(map(_TICKET.fullmatch, words))
    return _SHORT_NUMBER.fullmatch(value) is not None and any(map(_PIN.fullmatch, words))


def by_shape(name: str, value: str) -> bool:
    """Whether a complete value has the format of a key."""
    if PLACEHOLDER in value:
        return False
    if key_formats.is_hex_key(value):
        return not is_id_name(name)
    return key_formats.is_key(value)


def by_entropy(name: str, value: str) -> bool:
    """Whether a value is random enough for a key; see the module's docstring."""
    return (
        24 <= len(value) <= 512
        and not is_id_name(name)
        and looks_random(value)
        and any(c.isupper() for c in value)
        and any(c.islower() for c in value)
        and not has_words(value)
        and entropy(value) >= 3.8
    )


def matching_heuristic(name: str, value: str, *, random: bool = False) -> str:
    """The heuristic that matches a value; empty if none does.

    Args:
        random: whether entropy counts.
    """
    if by_name(name, value):
        return "name"
    if by_shape(name, value):
        return "shape"
    return "entropy" if random and by_entropy(name, value) else ""


def is_non_secret_name(name: str) -> bool:
    """Whether a name is that of something else than a secret: a type, a time, an id."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (_NO_SECRET.fullmatch(words[-1]) is not None or is_id_name(name))


def may_begin_hex_key(value: str) -> bool:
    """Whether an incomplete value may be a key of hexadecimal digits."""
    return _HEX_BEGUN.fullmatch(value) is not None


def looks_like_key(value: str) -> bool:
    """Whether a value after a name is more than a word of prose."""
    return len(value) >= 4 and (
        len(value) >= 24 or any(c.isdigit() for c in value) or _MIXED.search(value) is not None
    )


def lone_random_word(text: str) -> list[tuple[int, int]]:
    """The span of the only word of a text if it is random; as a list of one, or empty."""
    stripped = text.strip().strip("\"'")
    value = stripped.partition("=")[2]
    word = value if value.strip("=") else stripped  # otherwise it is the padding of base64
    if not 16 <= len(word) <= 4096 or not looks_random(word) or has_words(stripped):
        return []
    start = text.rindex(word)
    return [(start, start + len(word))] if sum(c.isdigit() for c in word) > 1 else []


def has_words(value: str) -> bool:
    """Whether a value contains words between separators."""
    return any(len(part) > 3 and part.isalpha() for part in _PARTS.split(value))


def lone_hex_key(text: str) -> list[tuple[int, int]]:
    """The span of a text that is 32 to 128 hexadecimal digits; as a list of one, or empty."""
    word = text.strip().strip("\"'")
    if len(word) > _MAX_HEX_ALONE or not key_formats.is_hex_key(word):
        return []
    start = text.index(word)
    return [(start, start + len(word))]


def is_key_container(name: str) -> bool:
    """Whether an object or list of this name may hold a key: "token", "auth", "key"."""
    return normalized(name) in (
        "token",
        "tokens",
        "key",
        "keys",
        "auth",
        "authentication",
        "bearer",
        "ticket",
    )


# A sentence about authentication, and a random word in prose.
_AUTHENTICATION = re.compile(
    r"(?i)\b(?:(?:api|access|subscription)?[ _-]?keys?|tokens?|credentials?|secret|password"
    r"|(?:un)?authori[sz]\w*+|(?:un)?authenticat\w*+)\b"
)
_LONG_WORD = re.compile(r"(?<![\w.~+/=-])[A-Za-z0-9]{24,128}+(?![\w~+/=-])")
_PROSE_BEFORE = re.compile(r"[a-z][:,]?[ ]$")
_PROSE_AFTER = re.compile(r"[ ][a-z]")
_AROUND = 80  # characters
_MARKS = "\"'`\\()<>[]"


def random_words_in_sentences(text: str) -> list[tuple[int, int]]:
    """Spans of random words in sentences about keys: "K is not a valid API key"."""
    found = []
    for match in _LONG_WORD.finditer(text):
        start, end = match.span()
        before = text[max(0, start - _AROUND) : start].rstrip(_MARKS)
        after = text[end : end + _AROUND].lstrip(_MARKS)
        if not (_PROSE_BEFORE.search(before) or _PROSE_AFTER.match(after)):
            continue
        sentence = before.rpartition('"')[2] + " " + after.partition('"')[0]
        if (
            _AUTHENTICATION.search(sentence)
            and by_entropy("", match[0])
            and not ends_with_id_name(before)
        ):
            found.append((start, end))
    return found
