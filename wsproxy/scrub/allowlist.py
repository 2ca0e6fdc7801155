"""What may stay in a scrubbed trace: names and words from documents, not from people.

Everything else is replaced. An allowlist fails closed: unforeseen data is not on it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from http import HTTPStatus
from itertools import pairwise
from urllib.parse import parse_qsl

from wsproxy.catalog import GENERIC, TRAFFIC, Api, Catalog, Condition, Provider
from wsproxy.catalog.envelope import json_object
from wsproxy.compare.volatile_values import is_volatile
from wsproxy.redact import PLACEHOLDER

from .aliases import words
from .documented import documented, normalized_name, word_set

# Fields whose text is, or may be, speech or a prompt.
_SPEECH_FIELDS = word_set(
    "transcript transcripts transcription text texts utterance word words punctuated_word content "
    "contents prompt instructions keyterm keyterms keyterms_prompt keyword keywords word_boost "
    "boost phrases phrase custom_vocabulary additional_vocab vocabulary context greeting say "
    "speech sentence sentences paragraph paragraphs summary translation translations "
    "translated_text display_text display lexical itn masked_itn nbest alternatives delta input "
    "query ssml replace search find user_transcript agent_response transcript_text normalized "
    "agent_context first_message system_prompt output"
)
_ERROR = word_set(
    "err_msg message details error error_message description reason detail title warning "
    "warning_message warn_msg err_code err error_description msg"
)
_FIGURE = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
_CODES = word_set(
    "code error_code err_code warning_code status status_code statuscode http_status error"
)
_LITERALS = frozenset({"", "true", "false", "null", "none", "auto", "default", "*"})

AGENTS = frozenset({"user-agent", "sec-ch-ua"})
AGENT_PARTS = re.compile(r"([\s/();,]+)")
# Numbers and short tags: a number may be a date, but not a key.
_NUMBER = r"(?:(?:19|20)\d{6}|\d{1,6})(?!\d)"
_TAG = r"[a-z]{1,5}(?![a-z])\d{0,3}(?!\d)"
_VERSION = re.compile(
    rf"v?{_NUMBER}(?:{_TAG})?(?:[._+-](?:{_NUMBER}(?:{_TAG})?|{_TAG})){{0,8}}", re.IGNORECASE
)
_LOCAL_HOST = ("localhost", "127.0.0.1", "::1", "[::1]", "")

# Words of libraries, operating systems and gateways in failures and user agents.
_TECHNICAL_WORDS = word_set(
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
    highest shortest rsv1 something else place
    reserved opcode section frame frames fragment fragmented control masked masking mask bits
    localhost http https wss bearer basic digest token
    scrub hosts
    continuation without message begun invalid start byte position text utf payload length over
    incorrect keepalive ping pong going away normal closure overloaded silence answer answered
    mode regular reverse socks upstream bad gateway gateway html head title body center doctype
    br hr p h1 div span lang en charset meta request response status forbidden found
    """
).union(word for status in HTTPStatus for word in words(status.phrase.casefold()))


def is_version(text: str) -> bool:
    """Whether a part of a user agent is a version, such as 131.0.6778.86 or 3.13.0rc1."""
    return _VERSION.fullmatch(text) is not None


@lru_cache(maxsize=32)
def allowlist_for(catalog: Catalog, provider: str | None, api: str | None) -> Allowlist:
    """The cached allowlist of an API."""
    return Allowlist(catalog, provider, api)


_NOBODYS_HOST = "host.invalid"  # RFC 6761


class Allowlist:
    """What may stay in a session of one API.

    Args:
        provider, api: ids of the catalog; None if not recognized.
    """

    def __init__(self, catalog: Catalog, provider: str | None, api: str | None) -> None:
        self._catalog = catalog
        self.provider: Provider | None = catalog.provider(provider or "")
        self.api: Api | None = catalog.api(provider, api)
        self._documented = documented()

    # -- fields

    @cached_property
    def _transcripts(self) -> frozenset[str]:
        api = self.api
        paths = (*api.transcripts, api.vocabulary.text) if api else ()
        return frozenset(normalized_name(path.rpartition(".")[2]) for path in paths if path)

    @cached_property
    def _secrets(self) -> frozenset[str]:
        credentials = self._catalog.credentials
        return frozenset(map(normalized_name, (*credentials.message_fields, *credentials.query)))

    def is_speech_field(self, name: str) -> bool:
        """Whether a field of this name may hold speech."""
        plain = normalized_name(name)
        return plain in _SPEECH_FIELDS or plain in self._transcripts

    def is_audio_field(self, names: Sequence[str]) -> bool:
        """Whether the field at these names, without lists, holds audio and never text."""
        return tuple(names) in self._audio_fields

    @cached_property
    def _audio_fields(self) -> frozenset[tuple[str, ...]]:
        paths = self.api.audio.fields if self.api else ()
        plain = (path.split(".") for path in paths if path != "delta")  # a delta may be text
        return frozenset(tuple(n for n in path if n != "*" and not n.isdecimal()) for path in plain)

    def is_error(self, name: str) -> bool:
        """Whether a field of this name describes the error, in an error message."""
        return normalized_name(name) in _ERROR

    def keeps_name(self, name: str) -> bool:
        """Whether the name of a field or parameter may stay: a document lists it."""
        return normalized_name(name) in self.names

    def keeps_name_at(self, path: Sequence[str], name: str) -> bool:
        """Whether the name of a field may stay inside the fields of `path`."""
        if not self.keeps_name(name):
            return False
        plain = normalized_name(name)
        if plain in self._documented.own:
            return not self.is_user_defined(path)
        return not self.is_user_defined((*path, name))

    def is_user_defined(self, path: Sequence[str]) -> bool:
        """Whether the value at a path is user-defined: no document lists its values.

        Args:
            path: names of fields, outermost first; "*" for a list.
        """
        names = [name for name in path if name != "*"]
        for name, below in pairwise([*names, None]):
            assert name is not None
            plain = normalized_name(name)
            if plain not in self.names:
                return True
            if plain in self._documented.own and (
                below is None
                or f"{plain}.{normalized_name(below)}" not in self._documented.structured
            ):
                return True
        return False

    def keeps(self, name: str, value: str) -> bool:
        """Whether a field's text may stay: a document lists it for this field."""
        plain = normalized_name(name)
        if self.is_speech_field(name) or plain in self._secrets:
            return not value.strip()
        if value.lower() in _LITERALS or (plain, value) in self.values:
            return True
        if _FIGURE.fullmatch(value):
            return self.keeps_number(name, value)
        return self._documented.keeps(plain, value)

    def keeps_number(self, name: str, digits: str) -> bool:
        """Whether a field's number may stay: a document says that it is not personal."""
        plain = normalized_name(name)
        if not _FIGURE.fullmatch(digits):
            return False
        if self._documented.keeps_number(plain, digits, self._max_digits):
            return True
        return plain in _CODES and digits.isdecimal() and self.is_code(digits)

    def keeps_numbers(self, name: str) -> bool:
        """Whether a field's long list of numbers may stay."""
        return normalized_name(name) in self._documented.lists

    @property
    def _max_digits(self) -> int:
        """Maximum digits of a number that is not personal; Azure's times are in 100 ns."""
        ticks = self.api is not None and self.api.envelope == "azure"
        return 12 if ticks else 7

    def is_code(self, digits: str) -> bool:
        """Whether a number is an HTTP status, a close code, or a code of the provider."""
        if digits in self.words:
            return True
        return (
            digits.isdecimal()
            and len(digits) <= 4
            and (100 <= int(digits) <= 599 or 1000 <= int(digits) <= 1015)
        )

    def keeps_host(self, host: str) -> bool:
        """Whether a host, without a port, is this machine or a common host of the provider."""
        return self.is_local(host) or (
            self.is_provider_host(host) and not self.customer_labels(host)
        )

    def is_local(self, host: str) -> bool:
        """Whether a host is this machine."""
        return host.lower() in _LOCAL_HOST

    def is_provider_host(self, host: str) -> bool:
        """Whether a host is the provider's, including hosts of a single customer."""
        hosts = self.provider.hosts if self.provider else ()
        return any(pattern.search(host.lower()) for pattern in (*hosts, *self._wrong_hosts))

    @cached_property
    def _wrong_hosts(self) -> tuple[re.Pattern[str], ...]:
        """Hosts of the provider that are conditions: not those of its APIs, and known all the same.

        A pattern that any host matches, such as "not one of ours", says nothing of whose it is.
        """
        own = self._catalog.conditions_of(self.provider.id) if self.provider else ()
        found = (match.host for condition in own for match in condition.matches if match.host)
        return tuple(pattern for pattern in found if not pattern.search(_NOBODYS_HOST))

    def customer_labels(self, host: str) -> list[str]:
        """The labels of a provider's host that belong to a customer, such as a resource name."""
        return [each for each in host.lower().split(".") if each not in self._documented.hosts]

    def keeps_segment(self, text: str) -> bool:
        """Whether a segment of a path is one of the API's, or a language."""
        segments = self.segments
        return self._documented.is_language(text) or all(word in segments for word in words(text))

    def keeps_subprotocol(self, item: str) -> bool:
        """Whether a subprotocol is one of an API, or marks the place of a credential."""
        credentials = self._catalog.credentials
        prefixes = ("", *credentials.subprotocol_prefixes)
        return (
            item.lower() in self._documented.subprotocols
            or item.lower() in credentials.subprotocols
            or item in {f"{each}{PLACEHOLDER}" for each in prefixes}
        )

    def keeps_header(self, name: str) -> bool:
        """Whether the name of a header is a standard's or a provider's."""
        plain = name.lower()
        documented_names = self._documented.headers | self._documented.numeric
        return plain in documented_names or plain in self._catalog_headers

    def is_provider_id(self, name: str) -> bool:
        """Whether the catalog knows a provider of this name."""
        return self._catalog.provider(name) is not None

    def is_id(self, name: str) -> bool:
        """Whether a field of this name holds an id."""
        return is_volatile(name)

    # -- words

    @cached_property
    def names(self) -> frozenset[str]:
        """Documented names of fields and parameters, normalized."""
        found = {normalized_name(name) for message in self._messages for name in _names(message)}
        paths = [path for api in self._apis for path in (*api.audio.fields, *api.transcripts)]
        found |= {normalized_name(name) for path in paths for name in path.split(".")}
        secrets = self._catalog.credentials
        found |= set(map(normalized_name, (*secrets.message_fields, *secrets.query)))
        queries = {api.url.partition("?")[2] for api in self._apis}
        found |= {normalized_name(name) for query in queries for name, _ in parse_qsl(query)}
        return frozenset(found) | self._documented.names | _SPEECH_FIELDS | _ERROR

    @cached_property
    def _apis(self) -> tuple[Api, ...]:
        return self.provider.apis if self.provider else ()

    @cached_property
    def _messages(self) -> tuple[Mapping[str, object], ...]:
        texts = (*_texts(self.conditions), *_texts(self._apis))
        return tuple(each for text in texts if (each := json_object(text)) is not None)

    @cached_property
    def _catalog_headers(self) -> frozenset[str]:
        credentials = self._catalog.credentials.headers
        ids = (h for p in self._catalog.providers for h in p.request_ids.headers)
        matched = (
            name.lower()
            for condition in self.conditions
            for match in condition.matches
            for name, _ in match.headers
        )
        return frozenset((*credentials, *ids, *matched))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that may match this session."""
        own = self._catalog.conditions_of(self.provider.id) if self.provider else ()
        return (*own, *self._catalog.conditions_of(GENERIC), *self._catalog.conditions_of(TRAFFIC))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of the provider in the catalog, and technical words."""
        found = {each.casefold() for text in _texts(self.conditions) for each in words(text)}
        found |= {each.casefold() for text in _texts(self.api) for each in words(text)}
        return frozenset(found) | _TECHNICAL_WORDS | self._documented.sentences

    @cached_property
    def path_words(self) -> frozenset[str]:
        """`words`, and the words of the APIs' paths."""
        return self.words.union(map(str.casefold, self.segments))

    @cached_property
    def values(self) -> frozenset[tuple[str, str]]:
        """(field, text) of the messages in the catalog, without speech and ids."""
        found = {
            (normalized_name(name), value)
            for message in self._messages
            for name, value in _fields(message)
            if not self.is_speech_field(name) and not self.is_id(name)
        }
        for api in self._apis:
            kind = normalized_name((api.vocabulary.kind or "type").rpartition(".")[2])
            vocabulary = api.vocabulary
            found |= {
                (kind, each)
                for each in (*vocabulary.client, *vocabulary.ready, *vocabulary.results)
            }
            found |= {
                (kind, each) for each in (*vocabulary.end, *vocabulary.keepalive, *vocabulary.flush)
            }
            query = parse_qsl(api.url.partition("?")[2])
            found |= {(normalized_name(name), value) for name, value in query}
        return frozenset(found)

    @cached_property
    def listed_values(self) -> frozenset[str]:
        """Words that documents list for any field."""
        found = {value for _, value in self.values if " " not in value}
        return frozenset(found.union(*self._documented.values.values()))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """All words of 4 characters and more that may stay in a scrubbed trace, casefolded."""
        terms = self._documented
        lists = (self.names, self.listed_values, terms.models, terms.encodings, terms.media_types)
        more = (terms.hosts, terms.headers, terms.numeric, terms.tokens, terms.subprotocols)
        found = {
            part.casefold()
            for each in (*lists, *more, terms.language_names, self._catalog_headers)
            for text in each
            for part in _ALPHANUMERIC.findall(text)
        }
        return frozenset(found) | self.path_words

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Messages that consist of one word."""
        vocabulary = self.api.vocabulary if self.api else None
        if vocabulary is None:
            return frozenset()
        return frozenset((*vocabulary.client, *vocabulary.end, *vocabulary.keepalive))

    @cached_property
    def segments(self) -> frozenset[str]:
        """Segments of the paths of the provider's APIs."""
        apis = self.provider.apis if self.provider else ()
        found = {
            each
            for api in apis
            for text in _texts((api.url.partition("?")[0], api.paths))
            for each in words(text)
        }
        return frozenset(found | {"v1", "v2", "v3", "ws", "websocket"})


def _names(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


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
    """All texts in a catalog entry, including the source of its patterns."""
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
