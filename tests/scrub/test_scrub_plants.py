"""Personal data at every place of a session is replaced, for all APIs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from scrub_plant import APIS, Plant
from scrub_plants import PLANTS
from sessions import APP, MS, SERVER, closed, opened, text_message, write
from traces import read_trace
from wsproxy.catalog import load
from wsproxy.scrub import scrub
from wsproxy.trace import Bytes, Failure, FrameRecord, Gap, Record, Request, Response
from wsproxy.wire import Opcode

pytestmark = pytest.mark.one_python

# Documented in docs/scrub.md, "Limits".
KNOWN_TO_STAY = {
    "limit: a figure's field",
    "limit: a documented model",
    "limit: a word of error sentences",
}
CATALOG = load()
# With another key, a longer number may contain these four digits by chance.
KEY = b"plants"


def session(api: tuple[str, str] | None, plants: Iterable[Plant]) -> list[Record]:
    """A session with all of these in it."""
    here = [each for each in plants if each.api == api]
    known = CATALOG.api(*api) if api else None
    url = known.url if known else "wss://api.example.com/v1/x"
    path = next((p.content for p in here if p.place == "path"), "/" + url.split("/", 3)[3])
    query = [p.content for p in here if p.place == "query"]
    path, sharp, fragment = path.partition("#")
    joined = path + ("&" if "?" in path else "?") + "&".join(query) + sharp + fragment
    request, answer = opened(joined)
    assert isinstance(request, Request)
    assert isinstance(answer, Response)
    host = next((p.content for p in here if p.place == "host"), "")
    sent = [list(p.content) for p in here if p.place == "request"]
    got = [list(p.content) for p in here if p.place == "answer"]
    records: list[Record] = [
        replace(request, headers=[*request.headers, *sent], host=host or request.host),
        replace(answer, headers=got),
    ]
    for at, each in enumerate(here, 50):
        if each.place in ("app", "server"):
            records.append(text_message(at, each.place == "app", each.content))
        elif each.place == "ping":
            records.append(FrameRecord(at * MS, APP, int(Opcode.PING), each.content.encode()))
    records += [closed(5000, SERVER, 1008, p.content) for p in here if p.place == "close"]
    return records


def refusal(plant: Plant) -> list[Record]:
    request, answer = opened("/v1/listen?model=nova-3")
    assert isinstance(answer, Response)
    body = plant.content.encode()
    return [request, replace(answer, status=403, body=body, body_length=len(body))]


def texts(path: Path) -> str:
    """All texts of a trace, decoded, except the recorder's own."""
    out: list[str] = []
    for record in read_trace(path)[0]:
        match record:
            case FrameRecord():
                text = record.payload.decode("utf-8", "replace")
                out += [text, *resolved(text)]
            case Request():
                out += [record.host, record.path, unquote(record.path), str(record.headers)]
            case Response():
                out += [record.reason, str(record.headers), (record.body or b"").decode()]
            case Bytes():
                out.append(record.data.decode("utf-8", "replace"))
            case Failure() | Gap():
                out.append(str(record))
    return "\n".join(out).casefold()


def resolved(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [json.dumps(value, ensure_ascii=False), *(s for s in strings(value) if s != text)]


def strings(value: Any) -> list[str]:
    """All texts in a value, and in the JSON that they hold."""
    if isinstance(value, dict):
        return [each for pair in value.items() for part in pair for each in strings(part)]
    if isinstance(value, list):
        return [each for item in value for each in strings(item)]
    return [str(value), *(resolved(value) if isinstance(value, str) else [])]


def left(plants: Iterable[Plant], public: str) -> list[str]:
    return [
        plant.what
        for plant in plants
        if any(planted.casefold() in public for planted in plant.planted)
    ]


@pytest.mark.parametrize("api", APIS, ids=lambda api: "-".join(api) if api else "unknown")
def test_scrub_planted_personal_data_is_replaced(
    api: tuple[str, str] | None, tmp_path: Path
) -> None:
    plants = [each for each in PLANTS if each.api == api and each.place != "refusal"]
    provider, name = api or (None, None)
    records = session(api, plants)
    trace = write(tmp_path / "a.wstrace", records, provider=provider, api=name)
    was = texts(trace)
    assert left(plants, was) == [each.what for each in plants], "all of them are in the trace"
    public = texts(scrub(trace, tmp_path / "b.wstrace", catalog=CATALOG, key=KEY).path)
    assert set(left(plants, public)) == KNOWN_TO_STAY & {plant.what for plant in plants}


def test_scrub_planted_personal_data_in_refusals_is_replaced(tmp_path: Path) -> None:
    for number, plant in enumerate(p for p in PLANTS if p.place == "refusal"):
        trace = write(tmp_path / f"{number}.wstrace", refusal(plant))
        assert left([plant], texts(trace))
        public = scrub(trace, tmp_path / f"{number}-public.wstrace", catalog=CATALOG, key=KEY).path
        assert not left([plant], texts(public))


def test_scrub_plants_are_sufficient_and_of_all_kinds() -> None:
    assert len(PLANTS) >= 126 + 40
    assert len(KNOWN_TO_STAY) <= 10
    places = {each.place for each in PLANTS}
    assert places >= {"app", "server", "query", "request", "answer", "path", "host", "close"}
    assert {each.api for each in PLANTS} >= set(APIS) - {("cartesia", "tts")}
