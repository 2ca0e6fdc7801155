"""Values of HTTP headers: what standards and providers enumerate stays."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from wsproxy.redact import PLACEHOLDER
from wsproxy.wire import accept_key

from .aliases import words
from .allowlist import AGENT_PARTS, AGENTS, is_version
from .documented import documented, listed
from .texts import Texts

_NONCE = re.compile(r"[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{27}=")
_NONCES = frozenset({"sec-websocket-key", "sec-websocket-accept"})
# Headers whose values are words and numbers between separators (RFC 9110, section 5.6).
_TOKENS = listed("""
    upgrade connection sec-websocket-version sec-websocket-extensions content-encoding
    transfer-encoding accept-encoding accept-ranges accept-language content-language cache-control
    pragma keep-alive te allow strict-transport-security x-content-type-options x-frame-options
    x-xss-protection referrer-policy sec-fetch-mode sec-fetch-dest sec-fetch-site sec-fetch-user
    priority x-cache cf-cache-status cf-mitigated openai-beta dnt proxy-connection alt-svc
    access-control-allow-credentials access-control-allow-methods access-control-request-method
    x-should-retry sec-ch-ua-mobile x-forwarded-proto
""")
_NAMES = listed("""
    vary trailer access-control-allow-headers access-control-expose-headers
    access-control-request-headers
""")
_FIGURED = listed("""
    max-age s-maxage timeout max q ma client_max_window_bits server_max_window_bits rate channels
    stale-while-revalidate stale-if-error
""")
_MEDIA = frozenset({"content-type", "accept"})
_DATES = frozenset({"date", "expires", "last-modified", "retry-after", "if-modified-since"})
_TELL = frozenset({"www-authenticate", "proxy-authenticate", "dg-error", "x-error", "warning"})
_SEPARATORS = re.compile(r'([\s,;="]+)')
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,3})?")
_WHOLE = re.compile(r"\d{1,10}(?:\.\d{1,6})?(?:ms|s|m|h)?")
_VERSION = re.compile(r"20\d\d-[01]\d-[0-3]\d")  # of an API
_SECRET = re.compile(r"(?i)(basic|bearer|digest|token)?\s*REDACTED")
_NEAR = timedelta(days=2)


class Values:
    """Makes the values of headers public.

    Args:
        started_at_ns: Unix time of the session's beginning, ns. It is in the trace anyway, so
            that a date near it says nothing else.
    """

    def __init__(self, texts: Texts, started_at_ns: int) -> None:
        self._texts = texts
        self._known = texts.known
        self._documented = documented()
        self._accepts: dict[str, str] = {}  # to the keys of before, and of now
        self._started = datetime.fromtimestamp(max(0, min(started_at_ns, 1 << 62)) / 1e9, UTC)

    def of(self, name: str, value: str) -> str:
        """The value of a header, of which hosts and URLs are seen to elsewhere."""
        plain, texts = name.lower(), self._texts
        if _SECRET.fullmatch(value):
            return value
        if plain in _NONCES and _NONCE.fullmatch(value):
            return self._nonce(plain, value)
        if plain == "sec-websocket-protocol":
            return ", ".join(self._subprotocol(item.strip()) for item in value.split(","))
        if plain in _TOKENS:
            return self._tokens(value)
        if plain in _NAMES:
            return self._each(value, lambda item: item == "*" or self._known.keeps_header(item))
        if plain in _MEDIA:
            return self._each(value, self._documented.is_media_type)
        if plain in self._documented.numeric and _WHOLE.fullmatch(value.strip()):
            return value
        if plain in _DATES:
            return self._date(value)
        if plain in AGENTS or plain in ("server", "via"):
            return self._agent(value)
        if plain in _TELL:
            return texts.failure(value)
        if plain.endswith("version") and _VERSION.fullmatch(value):
            return value
        if self._documented.is_model(value) and plain.endswith("model-name"):
            return value
        return texts.free(value)

    def _nonce(self, name: str, value: str) -> str:
        """Another key, since an app may put anything there; the right answer stays right."""
        if name == "sec-websocket-key":
            made = b64encode(self._texts.aliases.data(b64decode(value))).decode()
            self._accepts[accept_key(value)] = accept_key(made)
            return made
        other = b64encode(self._texts.aliases.data(b64decode(value))).decode()
        return self._accepts.get(value, other)

    def _subprotocol(self, item: str) -> str:
        if self._known.keeps_subprotocol(item):
            return item
        before, mark, after = item.rpartition(PLACEHOLDER)
        if mark and not after:
            return self._texts.free(before) + mark
        return self._texts.free(item)

    def _tokens(self, value: str) -> str:
        out: list[str] = []
        before = ""  # the word that a number would belong to
        for n, part in enumerate(_SEPARATORS.split(value)):
            if not n % 2:
                figure = before in _FIGURED or len(part) <= 2
                kept = self._is_token(part) or (figure and _NUMBER.fullmatch(part))
                before = part.lower()
                out.append(part if kept else self._texts.free(part))
            else:
                out.append(part)
        return "".join(out)

    def _is_token(self, text: str) -> bool:
        return text in ("", "*") or text.lower() in self._documented.tokens

    def _each(self, value: str, kept: Callable[[str], bool]) -> str:
        return ",".join(
            item if not item.strip() or kept(item.strip()) else self._texts.free(item)
            for item in value.split(",")
        )

    def _date(self, value: str) -> str:
        if value.strip().isdecimal() and len(value.strip()) <= 6:
            return value  # seconds
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError, IndexError, OverflowError):
            return self._texts.free(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if abs(moment - self._started) < _NEAR:
            return value
        return format_datetime(self._started.replace(microsecond=0), usegmt=True)

    def _agent(self, value: str) -> str:
        """Libraries and systems with their versions stay, names of apps do not."""
        out: list[str] = []
        known = False  # whether the last name is one, so that a number behind it is its version
        for n, part in enumerate(AGENT_PARTS.split(value)):
            if n % 2 or not part:
                out.append(part)
                continue
            if is_version(part):
                kept = known or not part.isdecimal() or len(part) <= 2
            else:
                known = kept = all(
                    w.casefold() in self._known.words
                    or (is_version(w) and len(w) <= 6 and not (w.isdecimal() and len(w) > 3))
                    for w in words(part)
                )
            out.append(part if kept else self._texts.free(part))
        return "".join(out)
