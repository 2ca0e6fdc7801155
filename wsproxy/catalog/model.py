"""What a catalog file says, as frozen dataclasses.

The format of the files is described in docs/catalog.md; `loader` makes these objects from
them. Patterns are kept as compiled regular expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SEVERITIES = ("error", "warning", "info")
RETRIES = ("yes", "wait", "fix-first", "maybe", "no-error")
CONFIDENCES = ("high", "medium", "low")
KINDS = ("message", "close", "refused", "http", "ending", "measured")
GENERIC = "rfc6455"  # the provider whose conditions stand in where no other provider's match
TRAFFIC = "traffic"  # the provider whose conditions are measured in the sessions of all

Pattern = re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of close codes or statuses, as inclusive ranges.

    Attributes:
        spans: (first, last) pairs.
        absent: whether a Close frame without a code is meant as well.
    """

    spans: tuple[tuple[int, int], ...] = ()
    absent: bool = False

    def __contains__(self, number: int | None) -> bool:
        if number is None:
            return self.absent
        return any(first <= number <= last for first, last in self.spans)

    @property
    def exact(self) -> bool:
        """Whether exactly one number, or only the absent one, is meant."""
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
            (binary messages with a header of the provider's own before the audio).
        encoding_query, rate_query, channels_query: query parameters that declare the format,
            empty where there is none.
        encoding_field, rate_field, channels_field: the same, as dotted paths of a JSON
            message of the client.
        default_encoding: what is assumed without the parameter; empty: a container, or
            declared in a message.
        default_rate: samples a second; 0 where there is no default.
        fields: dotted paths of the JSON fields that hold the base64.
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


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """What an API documents as its limits; 0 where it documents none.

    Attributes:
        shortest_chunk, longest_chunk: seconds of audio in one message.
        first_audio: seconds from the upgrade to the first audio.
        silence: seconds in which the client sends neither audio nor a keepalive.
        session: seconds that a session may last.
        pace: seconds of audio in a second.
        characters: of text in one message.
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
    """The messages of an API. An empty list: not known, nothing is concluded from it.

    Attributes:
        kind: dotted path of the field that names a message's kind; empty: the name of its
            only (or first) key.
        client: kinds that the client may send.
        keepalive: kinds that only keep the session open.
        flush: kinds that ask for what was given so far.
        end: kinds with which the client ends its part.
        ready: kinds of the server that the client has to wait for before it sends audio.
        results: kinds of the server that carry a transcript or tell of audio.
        text: dotted path of the text to be spoken in a client's message.
    """

    kind: str = "type"
    client: tuple[str, ...] = ()
    keepalive: tuple[str, ...] = ()
    flush: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A good session in short, as the document describes it. What `simulate` plays.

    A text is a message as it stands on the wire, or, for an API with an envelope, the JSON
    object that goes into it. "{audio}" in it stands for base64 of audio, "{id}" for an id.

    Attributes:
        setup: the client's messages before any audio or text to speak.
        opening: the server's, after the upgrade; where there is a setup, after its first.
        audio: the client's message that carries audio; empty: a binary message.
        say: the client's messages instead of audio.
        reply: the server's, after the first audio, or what is said.
        end: the client's, when it is done.
        farewell: the server's answer to it.
        close: who closes then: "client" or "server"; empty: the server, without a code.
    """

    setup: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    audio: str = ""
    say: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    farewell: tuple[str, ...] = ()
    close: str = "server"


@dataclass(frozen=True, slots=True)
class Api:
    """One endpoint of a provider.

    Attributes:
        hosts: narrows the provider's hosts; empty: all of them.
        paths: patterns for the path without its query.
        url: where it is, with the query that a session needs.
        self_hosted: the path alone, on any host, is enough to recognise it.
        envelope: in what messages are wrapped: see `wsproxy.catalog.envelope`.
        transcripts: dotted paths of the text in the server's JSON messages.
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


@dataclass(frozen=True, slots=True)
class CredentialPlaces:
    """Where secrets travel. Names are lower case; compare without regard to case.

    Attributes:
        headers: names of headers (requests and responses).
        query: names of query parameters.
        schemes: words before the secret in an Authorization header; empty: not known.
        bare: whether Authorization may hold the secret alone.
        shape: what the provider's own keys look like.
        subprotocols: in Sec-WebSocket-Protocol, the item after one of these is a secret.
        subprotocol_prefixes: an item that begins with one of these holds a secret after it.
        message_fields: names of JSON fields, at any depth of a text message.
        body_fields: names of JSON fields in bodies of HTTP, besides those: what endpoints that
            hand out tokens answer with.
        environment: variables from which a replay takes the user's own key.
        content_fields: names of JSON fields with text, transcripts or audio; of the catalog's
            APIs, not of a file.
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


@dataclass(frozen=True, slots=True)
class RequestIds:
    """Where the provider's own name for a session is found.

    Attributes:
        headers: response headers, lower case.
        message_fields: dotted paths in the server's JSON messages.
    """

    headers: tuple[str, ...] = ()
    message_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The document that a condition rests on."""

    document: str
    section: str = ""
    url: str = ""

    def __str__(self) -> str:
        return f"{self.document}, {self.section}" if self.section else self.document


@dataclass(frozen=True, slots=True)
class ClosePattern:
    """A Close frame; `code` None: a frame without a code."""

    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer other than 101."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """One form in which a condition shows; all fields that are given must match.

    Attributes:
        kind: "message" (a message of the server), "close", "refused" (an upgrade
            answered with another status than 101), "http" (a plain exchange), "ending"
            (no Close frame), "measured" (a rule of diagnose/ finds it in the traffic).
        http: of a "refused" match: a plain HTTP exchange matches as well.
        code, reason, closed_by: of the first Close frame.
        status, headers, body, body_text: of the answer. `body` names JSON fields; see
            docs/catalog.md for the spellings that a name stands for.
        request: searched in the request's path and query; `host` in its host name.
        without: headers (lower case) that the answer does not have.
        error_code, error, fields: of the JSON message.
        ending, by, failed_where: of an ending without a Close frame.
        said: JSON fields of one text message that the client sent.
        rule: name of the function in diagnose/ that measures it.
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
    said: tuple[tuple[str, Pattern], ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Simulate:
    """What a server does to produce a condition.

    Attributes:
        close: the Close frame that it sends; without one, or another end, the session
            goes on after the message.
        message: text that it sends before (JSON object, wrapped in the API's envelope).
        refuse: the answer to the upgrade.
        end: "reset" or "eof": it ends the connection without a Close frame.
        rule: name of the rule by which a simulated API finds the condition in the traffic.
        after: on command: "open" (at once after the 101), "audio" (after the first data
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
    """A session in short that a condition must match, or must not.

    Attributes:
        api: the API of the session; empty: a provider that is not known.
        close, refused, message, ending: what the server (or, for `by`, who) did.
        by: who ended it.
        failed_where: of the ending "failed".
        request: path and query; `host`: of the request.
        said: the last text message of the client.
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
    said: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A cause or a remedy.

    Attributes:
        when: name of a rule of diagnose/; where it finds something in the session, this
            comes before the ones that nothing speaks for.
    """

    text: str
    when: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Condition:
    """A way for a session to end or fail, and what is known about it.

    Attributes:
        id: provider.api.NAME, unique in the catalog.
        provider: id of the provider.
        apis: names of the APIs where it happens; empty: all.
        general: only used where no other condition of the provider matches.
        causes, remedies: most likely first.
        retry: "yes", "wait" (then retry), "fix-first", "maybe" or "no-error".
        disagreement: where documents disagree, and what is assumed here.
        checks: names of functions in diagnose/ that gather evidence.
        matches: the forms in which it shows; one of them is enough.
        order: its place in the file.
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
    order: int = 0

    @property
    def simulated(self) -> bool:
        """Whether a simulated server can produce it."""
        script = self.simulate
        return script is not None and bool(
            script.close or script.refuse or script.end or script.message
        )


@dataclass(frozen=True, slots=True)
class Provider:
    """A speech service: how to recognise it, and where things travel.

    Attributes:
        hosts: patterns, searched in the lower-case host name.
        file: where it was read from.
    """

    id: str
    name: str
    hosts: tuple[Pattern, ...]
    apis: tuple[Api, ...]
    credentials: CredentialPlaces
    request_ids: RequestIds
    file: Path | None = None

    def api(self, name: str) -> Api | None:
        """The API of this name, or None."""
        return next((api for api in self.apis if api.name == name), None)
