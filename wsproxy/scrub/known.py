"""What may stay in a public trace: names and words that come from documents, not from people.

Everything else is replaced. A list of what is harmless fails closed: what nobody thought of is
not on it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from http import HTTPStatus

from wsproxy.catalog import GENERIC, TRAFFIC, Api, Catalog, Condition, Provider
from wsproxy.compare.volatile import is_volatile
from wsproxy.envelope import json_object
from wsproxy.redact import PLACEHOLDER

from .aliases import EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID, words

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _listed(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Fields whose text is, or may be, what somebody said, or is to say.
_SAID = _listed(
    "transcript transcripts transcription text texts utterance word words punctuated_word content "
    "contents prompt instructions keyterm keyterms keyterms_prompt keyword keywords word_boost "
    "boost phrases phrase custom_vocabulary additional_vocab vocabulary context greeting say "
    "speech sentence sentences paragraph paragraphs summary translation translations "
    "translated_text display_text display lexical itn masked_itn nbest alternatives delta input "
    "query ssml replace search find user_transcript agent_response transcript_text normalized "
    "agent_context first_message system_prompt output"
)
# Fields of configuration and protocol; their values are words of a document.
_CONFIG = _listed(
    "type message_type event event_type kind action status state role code err_code error_code "
    "error_type warning_code category level severity object modality modalities encoding format "
    "container codec audio_format output_format sample_rate samplerate rate bit_rate bitrate "
    "channels num_channels model models model_id speech_model speech_models language languages "
    "language_code language_codes detected_language source_language target_language version tier "
    "mime mime_type mimetype media_type media_encoding content_type mode method region unit "
    "variant voice arch features endpointing eager_eot_threshold eot_threshold interim_results "
    "punctuate smart_format diarize multichannel numerals profanity_filter vad_events "
    "utterance_end_ms no_delay filler_words redact format_turns inactivity_timeout encoding_type "
    "path recognition_status message_event exception_type finish_reason reason_code provider "
    "turn_detection end_of_turn interim final_transcript_only commit_strategy speed mip_opt_out "
    "x_amz_algorithm x_amz_expires scheme sentiment intent_type transaction_key "
    "speaker_labels media_sample_rate_hertz"
)
_ERROR = _listed(
    "err_msg message details error error_message description reason detail title warning "
    "warning_message warn_msg err_code err error_description msg"
)
# Maps whose very names are the user's own.
_OWN = _listed(
    "metadata extra tag tags custom custom_data variables dynamic_variables user user_data "
    "callback headers env attributes labels arguments args"
)
_NUMBERS = re.compile(
    r"(?:^|_)(?:at|time|timestamp|created|expires|start|end|duration|offset|ms|ns|seconds|bytes|"
    r"size|length|rate|bitrate|seq|sequence|index|order|count|total|limit|begin|until|window|"
    r"confidence|score|characters|tokens|samples|max|min|threshold|timeout|silence|speed|started|"
    r"ended|date)(?:_|$)"
)
# Numbers that are somebody's, however short.
_DIGITS = _listed("pin otp digits dtmf ssn dob age zip zipcode postal_code account phone card cvv")
_LANGUAGE_NAMES = _listed("from to source target")
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
# A URL is none, nor is what a credential was taken out of, or what names somebody's project.
_ENUM = re.compile(
    r"(?!.*(?:://|REDACTED|projects/))[A-Za-z0-9][A-Za-z0-9_./:;=+*,-]{0,63}"
    r"(?: [A-Za-z0-9_./:;=+*-]{1,32}){0,3}"
)
_FIGURE = re.compile(r"[+-]?\d{1,6}(?:\.\d{1,9})?")
_IDENTIFIER = re.compile(r"[A-Za-z_:$@][A-Za-z0-9_.:$@-]{0,63}")
_LITERALS = frozenset({"", "true", "false", "null", "none", "auto", "default", "deprecated"})

# Headers of the protocol, whose values name nobody.
_PROTOCOL = _listed(
    "upgrade connection sec-websocket-key sec-websocket-accept sec-websocket-version "
    "sec-websocket-extensions date content-length content-type content-encoding transfer-encoding "
    "accept accept-encoding accept-language cache-control pragma vary age expires retry-after "
    "keep-alive te trailer allow strict-transport-security x-content-type-options "
    "x-frame-options sec-fetch-mode sec-fetch-dest sec-fetch-site priority"
)
_HEADER = re.compile(r"(?!.*REDACTED)[\w*/+.,;:=\"%() -]{0,200}")
AGENTS = frozenset({"user-agent", "sec-ch-ua"})
AGENT_PARTS = re.compile(r"([\s/();,]+)")
# Numbers and short tags: a day may be one of the numbers, a key is none.
_NUMBER = r"(?:(?:19|20)\d{6}|\d{1,6})(?!\d)"
_TAG = r"[a-z]{1,5}(?![a-z])\d{0,3}(?!\d)"
_VERSION = re.compile(
    rf"v?{_NUMBER}(?:{_TAG})?(?:[._+-](?:{_NUMBER}(?:{_TAG})?|{_TAG})){{0,8}}", re.IGNORECASE
)
_HERE = ("localhost", "127.0.0.1", "::1", "[::1]", "")

# Of libraries, operating systems and gateways: what failures and user agents say.
_MACHINES = _listed(
    """
    python websockets aiohttp httpx requests urllib urllib3 node ws undici axios okhttp java go
    gorilla golang rust tungstenite tokio dotnet mozilla applewebkit khtml gecko chrome safari
    firefox edge edg like linux windows macintosh mac os intel x86_64 x64 aarch64 arm64 win64
    darwin ubuntu android iphone cpython pypy deno bun curl wget sdk js javascript typescript
    deepgram assemblyai speechmatics soniox elevenlabs azure microsoft google gemini openai aws
    amazon nginx openresty cloudflare envoy haproxy apache varnish cloudfront gunicorn uvicorn
    errno connect call failed connection refused reset by peer timed out timeout name or service
    not known temporary failure in resolution nodename nor servname provided temporarily
    unavailable no route to host network is unreachable broken pipe ssl tls certificate verify
    self signed unable get local issuer expired hostname mismatch wrong version number unknown ca
    alert handshake protocol error closed remote client server does trust the proxy cannot write
    left space on device read only file system too many open files input output many losses
    block missing damaged checksum match bytes offset readable ends inside of it cut end trace
    reserved opcode section frame frames fragment fragmented control masked masking mask bits
    localhost http https wss bearer basic digest token
    continuation without message begun invalid start byte position text utf payload length over
    incorrect keepalive ping pong going away normal closure overloaded silence answer answered
    mode regular reverse socks upstream bad gateway gateway html head title body center doctype
    br hr p h1 div span lang en charset meta request response status forbidden found
    """
).union(word for status in HTTPStatus for word in words(status.phrase.casefold()))


def plain_name(name: str) -> str:
    """A field's name as the lists here have it: snake case, lower."""
    return _HUMP.sub("_", name).replace("-", "_").lower()


def is_protocol(name: str, value: str) -> bool:
    """Whether a header is one of the protocol, and its value one as the protocol has them."""
    return name.lower() in _PROTOCOL and _HEADER.fullmatch(value) is not None


def is_version(text: str) -> bool:
    """Whether a part of a user agent is a version, such as 131.0.6778.86 or 3.13.0rc1."""
    return _VERSION.fullmatch(text) is not None


def is_own(name: str) -> bool:
    """Whether the names below a field of this name are the user's own."""
    return plain_name(name) in _OWN


@lru_cache(maxsize=32)
def known_of(catalog: Catalog, provider: str | None, api: str | None) -> Known:
    """What a catalog knows of an API, looked up once."""
    return Known(catalog, provider, api)


class Known:
    """What the catalog knows of a session's API.

    Args:
        provider, api: ids of the catalog, None if not recognised.
    """

    def __init__(self, catalog: Catalog, provider: str | None, api: str | None) -> None:
        self._catalog = catalog
        self.provider: Provider | None = catalog.provider(provider or "")
        self.api: Api | None = catalog.api(provider, api)

    # -- fields

    @cached_property
    def _transcripts(self) -> frozenset[str]:
        api = self.api
        paths = (*api.transcripts, api.vocabulary.text) if api else ()
        return frozenset(plain_name(path.rpartition(".")[2]) for path in paths if path)

    @cached_property
    def _secrets(self) -> frozenset[str]:
        credentials = self._catalog.credentials
        return frozenset(map(plain_name, (*credentials.message_fields, *credentials.query)))

    def is_said(self, name: str) -> bool:
        """Whether what a field of this name holds may be somebody's words."""
        plain = plain_name(name)
        return plain in _SAID or plain in self._transcripts

    def is_error(self, name: str) -> bool:
        """Whether a field of this name tells what went wrong, in a message that does."""
        return plain_name(name) in _ERROR

    def keeps_name(self, name: str) -> bool:
        """Whether the name of a field may stay."""
        return _IDENTIFIER.fullmatch(name) is not None and not _personal(name)

    def keeps(self, name: str, value: str) -> bool:
        """Whether a field's text may stay: it is a word of the API, a figure, or a time."""
        if self.is_said(name) or plain_name(name) in self._secrets:
            return not value.strip()
        plain = plain_name(name)
        if value.lower() in _LITERALS or (plain, value) in self.values:
            return True
        if _FIGURE.fullmatch(value) or TIME.fullmatch(value):
            return plain in _CONFIG or _NUMBERS.search(plain) is not None
        if plain in _LANGUAGE_NAMES and _LANGUAGE.fullmatch(value):
            return True
        if plain == "path" and "/" in value:
            return False  # a file's
        return plain in _CONFIG and _ENUM.fullmatch(value) is not None and not _personal(value)

    def keeps_number(self, name: str, digits: str) -> bool:
        """Whether a number may stay; long ones may be somebody's."""
        if not _DIGITS.isdisjoint(plain_name(name).split("_")):
            return False
        whole = digits.lstrip("-").partition(".")[0]
        if len(whole) < 7 and len(digits) < 20:
            return True
        return _NUMBERS.search(plain_name(name)) is not None and len(whole) <= 19

    def keeps_host(self, host: str) -> bool:
        """Whether a host, without a port, is the provider's, or this machine."""
        name = host.lower()
        hosts = self.provider.hosts if self.provider else ()
        return name in _HERE or any(pattern.search(name) for pattern in hosts)

    def keeps_subprotocol(self, item: str) -> bool:
        """Whether a subprotocol is a word of the API, or names the place of a credential."""
        prefixes = ("", *self._catalog.credentials.subprotocol_prefixes)
        return item.lower() in self.words or item in {f"{each}{PLACEHOLDER}" for each in prefixes}

    def is_provider(self, name: str) -> bool:
        """Whether the catalog knows a provider of this name."""
        return self._catalog.provider(name) is not None

    def is_id(self, name: str) -> bool:
        """Whether a field's name says that it is an id."""
        return is_volatile(name)

    # -- words

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Those that may match this session."""
        own = self._catalog.conditions_of(self.provider.id) if self.provider else ()
        return (*own, *self._catalog.conditions_of(GENERIC), *self._catalog.conditions_of(TRAFFIC))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words that the catalog has of this provider, and machines of themselves."""
        found = {each.casefold() for text in _texts(self.conditions) for each in words(text)}
        found |= {each.casefold() for text in _texts(self.api) for each in words(text)}
        return frozenset(found) | _MACHINES

    @cached_property
    def path_words(self) -> frozenset[str]:
        """The same, and those of the paths at which the APIs are."""
        return self.words.union(map(str.casefold, self.segments))

    @cached_property
    def values(self) -> frozenset[tuple[str, str]]:
        """(field, text) of the messages in the catalog, but for what somebody says in them."""
        found: set[tuple[str, str]] = set()
        for text in (*_texts(self.conditions), *_texts(self.api)):
            message = json_object(text)
            if message is not None:
                found |= {
                    (plain_name(name), value)
                    for name, value in _fields(message)
                    if not self.is_said(name) and not self.is_id(name)
                }
        return frozenset(found)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Messages that are a word alone."""
        vocabulary = self.api.vocabulary if self.api else None
        if vocabulary is None:
            return frozenset()
        return frozenset((*vocabulary.client, *vocabulary.end, *vocabulary.keepalive))

    @cached_property
    def segments(self) -> frozenset[str]:
        """Parts of the paths at which the provider's APIs are."""
        apis = self.provider.apis if self.provider else ()
        found = {
            each for api in apis for text in _texts((api.url, api.paths)) for each in words(text)
        }
        return frozenset(found | {"v1", "v2", "v3", "ws", "websocket"})


def _personal(text: str) -> bool:
    """Whether there is an id, an address or a telephone number in a text."""
    return any(p.search(text) for p in (UUID, EMAIL, HEXADECIMAL, MIXED, PHONE))


def _fields(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _fields(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _fields(item, name)


def _texts(value: object) -> Iterator[str]:
    """All texts in what the catalog says, patterns as they are written."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, re.Pattern):
        yield re.sub(r"\\[bdswWDSB]|\(\?P?[a-z<:=!]*>?", " ", value.pattern)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name))
