"""Keys that are recognized by their format alone, anywhere in a text.

Every expression here takes time linear in the text: it begins at the beginning of a word,
repetitions are possessive, and the rest of a pattern after a repetition looks at most 64 characters
ahead.
"""

from __future__ import annotations

import re
import string

from .fingerprint import PLACEHOLDER

# Prefixes of other issuers' keys.
_ISSUERS = "|".join(
    [
        r"shp(?:at|ca|pa|ss)_",
        *("figd_", "sbp_", "vck_", "fw_", "tgp_v1_", "lsv2_", "phx_", "phc_", "sntrys_", "ntn_"),
        *("glrt-", "gldt-", "gloas-", "rubygems_", "pul-", "fo1_", "atlasv1-", "cvtkn_", "ops_"),
        *("pypi-", "GOCSPX-", "SWMTKN-1-"),
        *(r"hv[sbr]\.", r"dp\.(?:pt|st|ct|sa)\.", r"sq0(?:atp|csp|idp)-"),
    ]
)
# A letter of each case and a digit, in the next characters.
_MIXED = r"(?=[A-Za-z0-9]{0,40}\d)(?=[A-Za-z0-9]{0,40}[A-Z])(?=[A-Za-z0-9]{0,40}[a-z])"
# Meta's tokens are one long word of letters and digits. Base64 of audio seldom is: it has other
# characters, unless all samples are positive. Then the upper bytes of samples are small, and two
# of eight characters are among the first of the alphabet.
_POSITIVE_SAMPLES = r"(?:[I-Za-z0-9]{0,4}[A-H]){12}"
_META = rf"EAA{_MIXED}(?!{_POSITIVE_SAMPLES})[A-Za-z0-9]{{93,509}}+(?![A-Za-z0-9+/=_-])"
_META_KEY = re.compile(_META)
# Prefixes of keys. The key extends to the end of the word. These keys may be one long word ...
_ONE_WORD = "|".join(
    [
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",
        r"AIza[0-9A-Za-z_-]{30,}+(?![+/=])",  # otherwise it is part of base64
        r"SK[0-9a-f]{32}(?![0-9A-Za-z])",
        r"inline:[A-Za-z0-9+/]{38,}+=*+",  # RFC 4568, section 6.1
        r"(?:ATATT3x|ATCTT3x|AQVN|EZAK|EZTK)(?=[A-Za-z_=-]{0,60}\d)[A-Za-z0-9_=-]{20,}+",
        _META,
        r"(?:bot)?\d{8,10}:AA[A-Za-z0-9_-]{32,35}+(?![A-Za-z0-9_-])",  # Telegram
    ]
)
# ... and these have a separator.
_SEPARATED = "|".join(
    [
        r"ya29\.[0-9A-Za-z_-]{16,}+",
        r"(?:sk|ek|rk|rt|xi|pat|whsec|gsk|hf|xai|pplx|nvapi|glpat|npm|r8|tok)[-_]"
        r"(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{16,}+",
        r"gh[pousr]_[A-Za-z0-9]{30,}+",
        r"github_pat_[A-Za-z0-9_]{20,}+",
        r"xox[abeoprs]-[A-Za-z0-9-]{10,}+",
        r"auth_tokens/[A-Za-z0-9_-]{8,}+",
        r"temp:[A-Za-z0-9_-]{16,}+",
        r"SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+",
        r"do[op]_v1_[0-9a-f]{32,}+",
        r"v[1-4]\.(?:local|public)\.[A-Za-z0-9_-]{32,}+",
        # One or two words, the last of which announces a key: lin_api_..., dckr_pat_...
        r"(?:[a-z]{2,12}[-_]){0,2}(?:api|pat|key|secret|token|sk|live)[-_](?:v\d[-_])?+"
        rf"(?={_MIXED}[A-Za-z0-9]{{24}})[A-Za-z0-9]++",
        rf"(?:{_ISSUERS})(?=[A-Za-z_=-]{{0,60}}\d)[A-Za-z0-9_=-]{{20,}}+",
        r"(?:NRAK|FLWSECK|CCIPAT|PMAK|CFPAT)[-_][A-Za-z0-9_-]{16,}+",
        rf"t1\.{_MIXED}[A-Za-z0-9_-]{{24,}}+(?:=*+\.[A-Za-z0-9_-]++=*+)?+",  # Yandex
    ]
)
_KEY = re.compile(rf"(?<![A-Za-z0-9_+-])(?:{_ONE_WORD}|{_SEPARATED})[A-Za-z0-9_-]*+")
# Keys after a word that announces them.
_ANNOUNCED = re.compile(
    r"(?i:\b(?:bearer|token|basic|auth|secret|password|(?:api[-_ ]?)?key)"
    r"(?:[ \t]++(?:is|was|provided|given|value)\b){0,2}+)"
    r"(?:[ \t=:;]{1,4}+|,)[\"']?+(?=[^\d\s]{0,80}\d)"
    r"([A-Za-z0-9._~+/=-]{20,}+)"
)
_PASSWORD = re.compile(
    r"(?i:\b(?:password|passphrase|passcode|secret)[ \t]++(?:is|was|provided|given|value)\b)"
    r"[ \t=:;]{1,4}+[\"']?+(?=[^\d\s]{0,80}\d)([^\s\"'<>,;]{8,}+)"
)
# curl -u NAME:PASSWORD, and the same options of other programs
_USER_OPTION = re.compile(
    r"(?<![^\s'\"])(?:-[ua]|--(?:proxy-)?user|--(?:basic-)?auth)[ =]++"
    r"[\"']?+[^\s:\"'\\]{0,64}+:([^\s\"'\\]{6,}+)"
)
# URLs that are credentials themselves.
_WEBHOOK = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/\d{5,24}/"
    r"|\.webhook\.office\.com/webhookb2/|hooks\.zapier\.com/hooks/catch/\d{1,12}/)([A-Za-z0-9_@/-]{8,}+)"
)
_PRIVATE = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]*+(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?"
)
# RFC 7519 and 7516: three or five parts in base64url with dots; the first is a JSON object.
_WORD_WITH_DOTS = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)++")
_JWT_BEGINS = re.compile(r"(?<![A-Za-z0-9])eyJ")
_MIN_PART = 8  # characters of the first two parts
_MAX_PARTS = 5

# Beginnings of these keys.
_KEY_START = re.compile(
    r"(?<![A-Za-z0-9_+-])(?:eyJ|AKIA|ASIA|AIza|ya29\.|ATATT3x|SG\.|gh[pousr]_|github_pat_"
    r"|xox[abeoprs]-|auth_tokens/|temp:|do[op]_v1_|(?:[a-z]{2,12}[-_]){1,2}(?:api|pat|live)[-_](?=[A-Za-z]{0,8}\d)"
    rf"|(?:{_ISSUERS}|(?:sk|ek|rk|whsec|gsk|hf|xai|pplx|nvapi|glpat|npm|r8)[-_])(?=[A-Za-z0-9]{{4}}))"
)
_LONGEST = len("auth_tokens/")
_WORD = string.ascii_letters + string.digits + "._~+/=-"
_MAX_WORD = 1 << 13  # characters at the end of a fragment that are searched
_HEX = re.compile(r"(?<![A-Za-z0-9_%-])[0-9a-fA-F]{32,512}+(?![A-Za-z0-9_-])")

# A long word without these characters is base64; a quick check is enough.
_LONG_WORD = 64
_HEX_BEGINS = re.compile(r"(?<![A-Za-z0-9])[0-9a-fA-F]{32}")
_SHORTEST = 15  # characters of a key: xoxb- and 10 more
_MIN_DIGITS = 6  # different ones in a key

_POSSIBLE_WORD = re.compile(
    rf"eyJ|{_ONE_WORD}|BEGIN|[0-9a-fA-F]{{32}}|^AA[A-Za-z0-9_-]{{32,35}}(?![A-Za-z0-9_-])"
)
_POSSIBLE_KEY = re.compile(rf"{_SEPARATED}|gh[pousr]_|auth_tokens")

Span = tuple[int, int]


def find_keys(text: str) -> list[Span]:
    """Spans of keys, as (start, end)."""
    found = [match.span() for match in _KEY.finditer(text)]
    for announced in (_ANNOUNCED, _PASSWORD, _WEBHOOK, _USER_OPTION):
        found += [m.span(1) for m in announced.finditer(text) if PLACEHOLDER not in m[1]]
    if "-----BEGIN " in text:
        found += [match.span() for match in _PRIVATE.finditer(text)]
    return found + (find_jwts(text) if "eyJ" in text else [])


def is_key(value: str) -> bool:
    """Whether a complete value is one key."""
    if len(value) < _SHORTEST:
        return False
    return any(start == 0 and end == len(value) for start, end in find_keys(value))


def find_jwts(text: str) -> list[Span]:
    """Spans of JSON Web Tokens, of any length."""
    found = []
    for word in _WORD_WITH_DOTS.finditer(text):
        at, parts = word.start(), word[0].split(".")
        found_to = 0
        for n, part in enumerate(parts[:-1]):
            begins = _JWT_BEGINS.search(part) if at >= found_to else None
            if begins is not None:
                complete = min(len(part) - begins.start() - 3, len(parts[n + 1])) >= _MIN_PART
                if complete:
                    more = parts[n : n + _MAX_PARTS]
                    found_to = at + sum(map(len, more)) + len(more) - 1
                    found.append((at + begins.start(), found_to))
            at += len(part) + 1
    return found


def find_hex_keys(text: str) -> list[Span]:
    """Spans of words that are keys of 32 and more hexadecimal digits."""
    return [match.span() for match in _HEX.finditer(text) if is_hex_key(match[0])]


def is_hex_key(word: str) -> bool:
    """Whether a word is a key of 32 to 512 hexadecimal digits.

    A number, or encoded silence, has only decimal digits or few different ones. One in three
    million random keys of 32 digits has no letter.
    """
    return (
        _HEX.fullmatch(word) is not None
        and len(set(word)) >= _MIN_DIGITS
        and any(map(str.isdigit, word))
        and any(map(str.isalpha, word))
    )


def unfinished_key_start(text: str) -> int:
    """The offset of a key that continues after the text; -1 if there is none."""
    tail = text[-_MAX_WORD:]
    word = len(tail.rstrip(_WORD))  # from here on, all characters may be a key's
    for match in _KEY_START.finditer(tail, max(0, word - _LONGEST)):
        if match.end() >= word:
            return len(text) - len(tail) + match.start()
    return -1


def may_be_key(word: str) -> bool:
    """Whether a word may be a key, or the part of one before a colon."""
    if len(word) >= _LONG_WORD and not ("-" in word or "_" in word or "." in word):
        amazon = "AKIA" in word or "ASIA" in word
        if amazon or "AIza" in word or _HEX_BEGINS.search(word) is not None:
            return True
        return "EAA" in word and _META_KEY.search(word) is not None
    if _POSSIBLE_WORD.search(word) is not None:
        return True
    separated = "-" in word or "_" in word or "." in word
    return separated and _POSSIBLE_KEY.search(word) is not None
