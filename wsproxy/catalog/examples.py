"""The session that an example of a condition describes: as much of it as matching looks at."""

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
    """An answer."""

    status: int
    headers: Sequence[Sequence[str]] = ()
    body: bytes | None = None


@dataclass
class ExampleFailure:
    """What went wrong outside of frames."""

    where: str
    message: str = "it failed"


@dataclass
class Sketch:
    """A session that was never held; see `wsproxy.session.Session` for what each means."""

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
    packed: list[ExampleBinary] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        code = self.close.code if self.close else 1006
        return self.ending != "close" or code not in (1000, 1001, None)

    def messages(self, *, from_client: bool) -> Sequence[ExampleText]:
        return self.sent if from_client else self.received

    def binaries(self, *, from_client: bool) -> Sequence[ExampleBinary]:
        return [] if from_client else self.packed


def sketched(condition: Condition, example: Example, catalog: Catalog) -> Sketch:
    """The session that an example of a condition describes."""
    provider = None if condition.provider == GENERIC else condition.provider
    api = example.api or None
    if example.refused is not None:
        ending = example.ending or "refused"
        session = Sketch(provider, api, ending, closed_by="server")
        session.response = _answer(example.refused)
    elif example.ending:
        failure = ExampleFailure(example.failed_where) if example.failed_where else None
        session = Sketch(provider, api, example.ending, closed_by=example.by, failure=failure)
    else:
        by, close = example.by or "server", example.close or ClosePattern(1000)
        session = Sketch(provider, api, "close", closed_by=by)
        session.close = ExampleClose(99, close.code, close.reason, by == "client")
        _put(session, example.message, catalog)
    if example.said:
        session.sent.append(ExampleText(5, example.said))
    if example.request or example.host:
        session.request = ExampleRequest(example.request, example.host)
    return session


def failing(condition: Condition, catalog: Catalog) -> list[tuple[int, str]]:
    """The examples of a condition that do not hold, as (number from 1, what is wrong)."""
    found = []
    for number, example in enumerate(condition.examples, 1):
        hits = candidates(sketched(condition, example, catalog), catalog)
        ids = [hit.condition.id for hit in hits]
        if example.matches and ids[:1] != [condition.id]:
            found.append((number, f"should match, and {ids[0] if ids else 'nothing'} does"))
        elif not example.matches and condition.id in ids:
            found.append((number, "should not match, and does"))
    return found


def _answer(refusal: Refusal) -> ExampleResponse:
    return ExampleResponse(refusal.status, refusal.headers, refusal.body.encode())


def _put(session: Sketch, message: str, catalog: Catalog) -> None:
    """A message of the server, in the envelope of its API."""
    if not message:
        return
    api = catalog.api(session.provider, session.api)
    content = wrap(api.envelope if api else "", message)
    if isinstance(content, str):
        session.received.append(ExampleText(10, content))
    else:
        session.packed.append(ExampleBinary(10, content))
