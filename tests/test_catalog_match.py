"""Matching sessions to conditions: every condition's own examples, and the near misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from wsproxy.catalog import Close, Condition, Example, Hit, Refusal, candidates, load
from wsproxy.catalog.model import GENERIC


@dataclass
class Text:
    frame: int
    text: str
    t_ns: int = 0


@dataclass
class ClosedWith:
    frame: int
    code: int | None
    reason: str
    from_client: bool = False
    t_ns: int = 0


@dataclass
class Asked:
    path: str
    host: str


@dataclass
class Answered:
    status: int
    headers: Sequence[Sequence[str]] = ()
    body: bytes | None = None


@dataclass
class Failed:
    where: str
    message: str = "it failed"


@dataclass
class Stub:
    """As much of a session as matching looks at."""

    provider: str | None = None
    api: str | None = None
    ending: str = "close"
    close: ClosedWith | None = None
    closed_by: str | None = None
    failure: Failed | None = None
    request: Asked | None = None
    response: Answered | None = None
    received: list[Text] = field(default_factory=list)
    sent: list[Text] = field(default_factory=list)

    def messages(self, *, from_client: bool) -> Sequence[Text]:
        return self.sent if from_client else self.received


def closed(
    provider: str | None,
    api: str | None,
    code: int | None,
    reason: str = "",
    *,
    messages: Sequence[str] = (),
    by: str = "server",
) -> Stub:
    received = [Text(number, text) for number, text in enumerate(messages, 10)]
    close = ClosedWith(99, code, reason, from_client=by == "client")
    return Stub(provider, api, "close", close, by, received=received)


def refused(
    provider: str | None, api: str | None, status: int, body: str = "", **headers: str
) -> Stub:
    names = [[name.replace("_", "-"), value] for name, value in headers.items()]
    answer = Answered(status, names, body.encode())
    return Stub(provider, api, "refused", response=answer, closed_by="server")


def shown(condition: Condition, example: Example) -> Stub:
    """The session that an example describes."""
    provider = None if condition.provider == GENERIC else condition.provider
    api = example.api or None
    if example.refused is not None:
        session = _answered(provider, api, example.refused)
    elif example.ending:
        failure = Failed(example.failed_where) if example.failed_where else None
        session = Stub(provider, api, example.ending, closed_by=example.by, failure=failure)
    else:
        close = example.close or Close(1000)
        messages = [example.message] if example.message else []
        by = example.by or "server"
        session = closed(provider, api, close.code, close.reason, messages=messages, by=by)
    if example.said:
        session.sent.append(Text(5, example.said))
    if example.request or example.host:
        session.request = Asked(example.request, example.host)
    return session


def _answered(provider: str | None, api: str | None, refusal: Refusal) -> Stub:
    answer = Answered(refusal.status, refusal.headers, refusal.body.encode())
    return Stub(provider, api, "refused", response=answer, closed_by="server")


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.condition.id for hit in hits]


EXAMPLES = [
    pytest.param(condition, example, id=f"{condition.id}-{number}")
    for condition in load().conditions
    for number, example in enumerate(condition.examples, 1)
]


@pytest.mark.parametrize("condition, example", EXAMPLES)
def test_example(condition: Condition, example: Example) -> None:
    found = ids(candidates(shown(condition, example), load()))
    if example.matches:
        assert found[:1] == [condition.id]
    else:
        assert condition.id not in found


def simulated(condition: Condition) -> Stub:
    """What a client of a server that simulates a condition sees."""
    provider = None if condition.provider == GENERIC else condition.provider
    apis = load().provider(condition.provider)
    api = condition.apis[0] if condition.apis else apis.apis[0].name if apis and apis.apis else None
    simulate = condition.simulate
    assert simulate is not None
    if simulate.refuse is not None:
        session = _answered(provider, api, simulate.refuse)
        session.request = Asked("/x", "127.0.0.1")
        return session
    if simulate.end:
        return Stub(provider, api, simulate.end, closed_by="server")
    assert simulate.close is not None
    messages = [simulate.message] if simulate.message else []
    return closed(provider, api, simulate.close.code, simulate.close.reason, messages=messages)


@pytest.mark.parametrize(
    "condition", [pytest.param(c, id=c.id) for c in load().conditions if c.simulate]
)
def test_what_is_simulated_is_recognised_first(condition: Condition) -> None:
    assert ids(candidates(simulated(condition), load()))[0] == condition.id
