"""What a catalog file says, as frozen dataclasses.

The format of the files is described in docs/catalog.md; `loader` makes these objects from
them. Patterns are kept as compiled regular expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .dialogue import Dialogue
from .exchange import NO_EXCHANGE, Exchange
from .parameter_form import ParameterForm
from .promise import Promise
from .success import NO_RESULT_PATHS, NO_SUCCESS, MessagePattern, ResultPaths, Success

SEVERITIES = ("error", "warning", "notice", "info")  # the most severe first
PROBLEMS = frozenset({"error", "warning"})  # the severities of what is wrong, or may be
RETRIES = ("yes", "wait", "fix-first", "maybe", "no-error")
CONFIDENCES = ("high", "medium", "low")
KINDS = ("message", "close", "refused", "http", "ending", "measured")
GENERIC = "rfc6455"  # the provider whose conditions apply if no other provider's match
TRAFFIC = "traffic"  # the provider whose conditions are measured in all sessions

Pattern = re.Pattern[str]
_PREFIX = re.compile(r"\^\(?(\?:)?[A-Za-z]{2,}")  # of a pattern that begins with letters
_EVIDENCE = ": {evidence}"


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of close codes or statuses, as inclusive ranges.

    Attributes:
        spans: (first, last) pairs.
        absent: whether a Close frame without a code is in the set.
    """

    spans: tuple[tuple[int, int], ...] = ()
    absent: bool = False

    def __contains__(self, number: int | None) -> bool:
        if number is None:
            return self.absent
        return any(first <= number <= last for first, last in self.spans)

    @property
    def exact(self) -> bool:
        """Whether the set has exactly one element."""
        width = sum(last - first + 1 for first, last in self.spans)
        return width + self.absent == 1

    def __str__(self) -> str:
        parts = [str(a) if a == b else f"{a}-{b}" for a, b in self.spans]
        return ", ".join([*parts, "none"] if self.absent else parts)


@dataclass(frozen=True, slots=True)
class Audio:
    """Where the audio of an API travels and how its format is declared.

    Attributes:
        origin: who sends audio: "client", "server", "both" or "none" (`from` in the file).
        carrier: "binary" messages, "json-base64" (a field of text messages), or "framed"
            (binary messages with a provider-specific header before the audio).
        encoding_query, rate_query, channels_query: query parameters that declare the format,
            empty if there is none.
        encoding_field, rate_field, channels_field: the same, as dotted paths of a JSON
            message of the client.
        default_encoding: the encoding without the parameter; empty: a container, or declared
            in a message.
        default_rate: samples a second, 0 if there is no default.
        fields: dotted paths of the JSON fields with base64.
        declared_in: the request before the session that declares the format of the client's
            audio; a trace does not have that request. Empty: the session declares it.
        rates, channels: sample rates and numbers of channels of raw audio that are documented;
            empty: unknown.
    """

    origin: str = "none"
    carrier: str = "binary"
    encoding_query: str = ""
    default_encoding: str = ""
    rate_query: str = ""
    default_rate: int = 0
    channels_query: str = ""
    encoding_field: str = ""
    rate_field: str = ""
    channels_field: str = ""
    fields: tuple[str, ...] = ()
    declared_in: str = ""
    rates: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """The documented limits of an API, 0 where none is documented.

    Attributes:
        shortest_chunk, longest_chunk: seconds of audio in one message.
        first_audio: seconds from the upgrade to the first audio.
        silence: seconds without audio and keepalives.
        session: maximum seconds of a session.
        pace: seconds of audio in a second.
        characters: characters of text in one message.
        message: bytes of one message.
        flushes: flush messages in a minute.
    """

    shortest_chunk: float = 0.0
    longest_chunk: float = 0.0
    first_audio: float = 0.0
    silence: float = 0.0
    session: float = 0.0
    pace: float = 0.0
    characters: int = 0
    message: int = 0
    flushes: int = 0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The messages of an API. An empty list means unknown: nothing is concluded from it.

    Attributes:
        kind: dotted path of the field with a message's type; empty: the name of its only
            (or first) key is the type.
        beside: keys that come beside any other, and are no type.
        client: types that the client may send.
        keepalive: types that only keep the session open.
        flush: types that request the results of the input so far.
        end: types with which the client ends its input.
        ready: types of the server that the client must wait for before it sends audio.
        results: types of the server with a transcript or a report about audio.
        summary: types of the server that repeat the transcript of the whole session.
        text: dotted path of the text to synthesize in a client's message.
        manual_turns: pattern of the client's message after which it marks its turns itself.
        turn_start: dotted path of the field in a client's message that begins such a turn.
        repeats_asked: settings that ask for final words in messages of two kinds.
        once: the client's kinds that a session takes once, as its first message.
    """

    kind: str = "type"
    beside: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    keepalive: tuple[str, ...] = ()
    flush: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    text: str = ""
    manual_turns: MessagePattern | None = None
    turn_start: str = ""
    repeats_asked: tuple[MessagePattern, ...] = ()
    once: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """One endpoint of a provider.

    Attributes:
        hosts: a subset of the provider's hosts; empty: all of them.
        paths: patterns of the path without its query.
        url: its URL, with the query that a session needs.
        self_hosted: whether the path identifies it on any host.
        envelope: the encoding of messages, see `wsproxy.catalog.envelope`.
        transcripts: dotted paths of the text in the server's JSON messages.
        content: dotted paths of further JSON fields with text, words or audio, of both sides.
        result_paths: where a transcript result has its times and words.
        success: what proves success, and what shows failure.
        parameters: what is documented of single parameters of the URL.
        documented: the names that the documents list: (place, names). The place is "query", or
            the dotted path of an object in a message of the client.
        promises: what comes because the client asked for it.
        exchange: messages that belong together.
    """

    name: str
    title: str
    hosts: tuple[Pattern, ...] = ()
    paths: tuple[Pattern, ...] = ()
    url: str = ""
    self_hosted: bool = False
    envelope: str = ""
    audio: Audio = Audio()
    limits: ApiLimits = ApiLimits()
    vocabulary: Vocabulary = Vocabulary()
    dialogue: Dialogue | None = None
    transcripts: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    result_paths: ResultPaths = NO_RESULT_PATHS
    success: Success = NO_SUCCESS
    parameters: tuple[ParameterForm, ...] = ()
    documented: tuple[tuple[str, tuple[str, ...]], ...] = ()
    promises: tuple[Promise, ...] = ()
    exchange: Exchange = NO_EXCHANGE


@dataclass(frozen=True, slots=True)
class CredentialPlaces:
    """The places of credentials. Names are lower case; comparisons ignore case.

    Attributes:
        headers: names of headers (requests and responses).
        query: names of query parameters.
        schemes: schemes of the Authorization header; empty: unknown.
        bare: whether Authorization may contain the credential without a scheme.
        shape: the pattern of the provider's keys.
        subprotocols: in Sec-WebSocket-Protocol, the item after one of these is a credential.
        subprotocol_prefixes: prefixes of items that contain a credential.
        message_fields: names of JSON fields, at any depth of a text message.
        body_fields: names of further JSON fields in HTTP bodies, such as those in responses of
            token endpoints.
        environment: variables with the user's key, for a replay.
        content_fields: names of JSON fields with text, transcripts or audio, collected from
            all APIs; a dotted path for a name that means something else elsewhere.
    """

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    bare: bool = False
    shape: Pattern | None = None
    subprotocols: tuple[str, ...] = ()
    subprotocol_prefixes: tuple[str, ...] = ()
    message_fields: tuple[str, ...] = ()
    body_fields: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    content_fields: tuple[str, ...] = ()

    @property
    def has_prefix(self) -> bool:
        """Whether keys begin in a way of their own; many services have keys of 32 hex digits."""
        return self.shape is not None and bool(_PREFIX.match(self.shape.pattern))


@dataclass(frozen=True, slots=True)
class RequestIds:
    """The places of the provider's id of a session.

    Attributes:
        headers: response headers, lower case.
        message_fields: dotted paths in the server's JSON messages.
    """

    headers: tuple[str, ...] = ()
    message_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The document that describes a condition."""

    document: str
    section: str = ""
    url: str = ""

    def __str__(self) -> str:
        return f"{self.document}, {self.section}" if self.section else self.document


@dataclass(frozen=True, slots=True)
class ClosePattern:
    """A Close frame; `code` is None for a frame without a code."""

    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP response other than 101."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """One way to match a condition; all fields that are not empty must match.

    Attributes:
        kind: "message" (a message of the server), "close", "refused" (an upgrade whose
            response has another status than 101), "http" (a plain HTTP exchange), "ending"
            (no Close frame), "measured" (a rule of diagnose/ detects it).
        http: whether a "refused" match includes plain HTTP exchanges.
        code, reason, closed_by: of the first Close frame.
        status, headers, body, body_text: of the response. `body` names JSON fields; see
            docs/catalog.md for the spellings that a name includes.
        request: searched in the request's path and query; `host` in its host name, for a
            replay in the recorded one.
        without: headers (lower case) that the response must not have.
        error_code, error, fields: of the JSON message.
        ending, by, failed_where: of an ending without a Close frame.
        sent: JSON fields of one text message that the client sent.
        rule: the name of the rule in diagnose/ that detects it.
    """

    kind: str
    http: bool = False
    code: Ranges | None = None
    reason: Pattern | None = None
    closed_by: str = ""
    status: Ranges | None = None
    headers: tuple[tuple[str, Pattern], ...] = ()
    body: tuple[tuple[str, Pattern], ...] = ()
    body_text: Pattern | None = None
    request: Pattern | None = None
    host: Pattern | None = None
    without: tuple[str, ...] = ()
    error_code: str | None = None
    error: Pattern | None = None
    fields: tuple[tuple[str, Pattern], ...] = ()
    ending: str = ""
    by: str = ""
    failed_where: Pattern | None = None
    sent: tuple[tuple[str, Pattern], ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Simulate:
    """What a server does to produce a condition.

    Attributes:
        close: the Close frame that it sends; without one, and without another end, the
            session continues after the message.
        message: a text message that it sends before (JSON, put into the API's envelope).
        refuse: the response to the upgrade.
        end: "reset" or "eof", to end the connection without a Close frame.
        rule: the name of the rule by which a simulated API detects the condition.
        after: the trigger: "open" (immediately after the 101), "audio" (after the first data
            message) or "silence" (when the client stops sending).
    """

    close: ClosePattern | None = None
    message: str = ""
    refuse: Refusal | None = None
    end: str = ""
    rule: str = ""
    after: str = "audio"


@dataclass(frozen=True, slots=True)
class Example:
    """A short session that a condition must match, or must not match.

    Attributes:
        api: the API of the session; empty: an unknown provider.
        close, refused, message, ending: what the server (or, for `by`, who) did.
        by: who ended it.
        failed_where: of the ending "failed".
        request: path and query; `host`: of the request.
        sent: the last text message of the client.
    """

    matches: bool
    api: str = ""
    close: ClosePattern | None = None
    refused: Refusal | None = None
    message: str = ""
    ending: str = ""
    by: str = ""
    failed_where: str = ""
    request: str = ""
    host: str = ""
    sent: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A cause or a remedy.

    Attributes:
        text: ": {evidence}" at its end stands for what the rule measured.
        when: the name of a rule of diagnose/; if it finds evidence in the session, this advice
            is listed before the advice without evidence.
        only_if_seen: whether it is left out where that rule finds nothing.
    """

    text: str
    when: str = ""
    only_if_seen: bool = False

    def __str__(self) -> str:
        return self.text.removesuffix(_EVIDENCE)

    def with_evidence(self, measured: str) -> str:
        """The text, with what the rule measured if it has a place for that."""
        return f"{self}: {measured}" if self.text.endswith(_EVIDENCE) else self.text


@dataclass(frozen=True, slots=True)
class Condition:
    """A way in which a session ends or fails, and what is known about it.

    Attributes:
        id: provider.api.NAME, unique in the catalog.
        provider: id of the provider.
        apis: names of the APIs that have it; empty: all.
        general: whether it is only used if no other condition of the provider matches.
        causes, remedies: most likely first.
        retry: "yes", "wait" (then retry), "fix-first", "maybe" or "no-error".
        disagreement: how documents contradict each other, and what is assumed here.
        checks: names of the checks in diagnose/ that collect evidence.
        matches: ways to match it; one of them is enough.
        sentence_first: whether one code has several meanings, so that what the server said is
            the better title.
        intermediary: who answers in place of the provider, such as "Cloudflare"; "" for the
            provider itself.
        order: its position in the file.
    """

    id: str
    provider: str
    apis: tuple[str, ...]
    severity: str
    title: str
    meaning: str
    causes: tuple[Advice, ...]
    remedies: tuple[Advice, ...]
    retry: str
    source: Source
    matches: tuple[Match, ...]
    examples: tuple[Example, ...]
    confidence: str = "high"
    retry_note: str = ""
    disagreement: str = ""
    checks: tuple[str, ...] = ()
    simulate: Simulate | None = None
    general: bool = False
    sentence_first: bool = False
    intermediary: str = ""
    order: int = 0

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong, or may be, in a session that has it."""
        return self.severity in PROBLEMS

    @property
    def simulated(self) -> bool:
        """Whether a simulated server can cause it."""
        script = self.simulate
        return script is not None and bool(
            script.close or script.refuse or script.end or script.message
        )


@dataclass(frozen=True, slots=True)
class Provider:
    """A speech service: its hosts, APIs, credentials and request ids.

    Attributes:
        hosts: patterns, searched in the lower-case host name.
        names: other names of it for people, each with a pattern of the hosts that have it.
        file: the file that describes it.
    """

    id: str
    name: str
    hosts: tuple[Pattern, ...]
    apis: tuple[Api, ...]
    credentials: CredentialPlaces
    request_ids: RequestIds
    names: tuple[tuple[str, Pattern], ...] = ()
    file: Path | None = None

    def is_at(self, host: str) -> bool:
        """Whether a host is one of the provider's own."""
        return any(pattern.search(host.lower()) for pattern in self.hosts)

    def name_at(self, host: str) -> str:
        """Its name for people at a host: "Azure OpenAI" at a host of Azure."""
        found = (name for name, pattern in self.names if pattern.search(host.lower()))
        return next(found, self.name)

    def api(self, name: str) -> Api | None:
        """The API with this name, or None."""
        return next((api for api in self.apis if api.name == name), None)
