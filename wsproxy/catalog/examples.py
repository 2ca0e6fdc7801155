"""Sessions built from the examples of conditions, with the attributes that matching uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .envelope import wrap
from .loader import Catalog
from .match import candidates
from .model import GENERIC, ClosePattern, Condition, Example, Refusal


@dataclass
class ExampleText:
    """A text message."""

    frame: int
    text: str
    t_ns: int = 0


@dataclass
class ExampleBinary:
    """A binary message."""

    frame: int
    data: bytes
    t_ns: int = 0


@dataclass
class ExampleClose:
    """A Close frame."""

    frame: int
    code: int | None
    reason: str
    from_client: bool = False
    t_ns: int = 0


@dataclass
class ExampleRequest:
    """A request."""

    path: str
    host: str


@dataclass
class ExampleResponse:
    """A response."""

    status: int
    headers: Sequence[Sequence[str]] = ()
    body: bytes | None = None


@dataclass
class ExampleFailure:
    """A failure outside of frames."""

    where: str
    message: str = "it failed"


@dataclass
class ExampleSession:
    """A synthetic session; `wsproxy.session.Session` documents its attributes."""

    provider: str | None = None
    api: str | None = None
    ending: str = "close"
    close: ExampleClose | None = None
    closed_by: str | None = None
    failure: ExampleFailure | None = None
    request: ExampleRequest | None = None
    response: ExampleResponse | None = None
    received: list[ExampleText] = field(default_factory=list)
    sent: list[ExampleText] = field(default_factory=list)
    binary_messages: list[ExampleBinary] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        code = self.close.code if self.close else 1006
        return self.ending != "close" or code not in (1000, 1001, None)

    @property
    def recorded_host(self) -> str | None:
        return self.request.host if self.request else None

    def messages(self, *, from_client: bool) -> Sequence[ExampleText]:
        return self.sent if from_client else self.received

    def binaries(self, *, from_client: bool) -> Sequence[ExampleBinary]:
        return [] if from_client else self.binary_messages


def example_session(condition: Condition, example: Example, catalog: Catalog) -> ExampleSession:
    """Build the session that an example of a condition describes."""
    provider = None if condition.provider == GENERIC else condition.provider
    api = example.api or None
    if example.refused is not None:
        ending = example.ending or "refused"
        session = ExampleSession(provider, api, ending, closed_by="server")
        session.response = _response(example.refused)
    elif example.ending:
        failure = ExampleFailure(example.failed_where) if example.failed_where else None
        session = ExampleSession(
            provider, api, example.ending, closed_by=example.by, failure=failure
        )
    else:
        by, close = example.by or "server", example.close or ClosePattern(1000)
        session = ExampleSession(provider, api, "close", closed_by=by)
        session.close = ExampleClose(99, close.code, close.reason, by == "client")
        _add_message(session, example.message, catalog)
    if example.sent:
        session.sent.append(ExampleText(5, example.sent))
    if example.request or example.host:
        session.request = ExampleRequest(example.request, example.host)
    return session


def failing_examples(condition: Condition, catalog: Catalog) -> list[tuple[int, str]]:
    """The examples of a condition that fail, as (number from 1, problem)."""
    found = []
    for number, example in enumerate(condition.examples, 1):
        hits = candidates(example_session(condition, example, catalog), catalog)
        ids = [hit.condition.id for hit in hits]
        if example.matches and ids[:1] != [condition.id]:
            found.append((number, f"should match, and {ids[0] if ids else 'nothing'} does"))
        elif not example.matches and condition.id in ids:
            found.append((number, "should not match, and does"))
    return found


def _response(refusal: Refusal) -> ExampleResponse:
    return ExampleResponse(refusal.status, refusal.headers, refusal.body.encode())


def _add_message(session: ExampleSession, message: str, catalog: Catalog) -> None:
    """Add a message of the server, in the envelope of its API."""
    if not message:
        return
    api = catalog.api(session.provider, session.api)
    content = wrap(api.envelope if api else "", message)
    if isinstance(content, str):
        session.received.append(ExampleText(10, content))
    else:
        session.binary_messages.append(ExampleBinary(10, content))
