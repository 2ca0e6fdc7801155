"""Each official SDK in each failure of the catalog: what it says, and what `explain` says.

One process of an SDK holds a session with each of the failing APIs, under `wsproxy run`; the
programs are tests/sdk/conditions_*. The table of what the SDKs said is made by

    python tests/simulate/test_sdk_conditions.py > docs/sdk-conditions.md
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from client_packages import HERE
from sdk_clients import Client
from test_sdks import (  # noqa: F401 (fixtures)
    LIMITS,
    audio,
    authority,
    finished,
    node_packages,
    python_packages,
)
from wsproxy.catalog import Condition, load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.session import Session
from wsproxy.simulate import Simulator

# As in test_sdks.py.
pytestmark = [
    pytest.mark.sdk,
    pytest.mark.timeout(300),
    pytest.mark.flaky(reruns=1, only_rerun="Hung"),
]

DOCUMENT = Path(__file__).parents[2] / "docs" / "sdk-conditions.md"
CATALOG = load()
CLIENTS = [
    Client("conditions_deepgram.py", "listen-sync", "listen"),
    Client("conditions_deepgram.py", "listen-async", "listen"),
    Client("conditions_deepgram.cjs", "listen", "listen"),
    Client("conditions_deepgram.py", "speak-sync", "speak"),
    Client("conditions_deepgram.py", "speak-async", "speak"),
    Client("conditions_deepgram.cjs", "speak", "speak"),
    Client("conditions_assemblyai.py", "sync", "streaming"),
    Client("conditions_assemblyai.py", "async", "streaming"),
    Client("conditions_assemblyai.cjs", "", "streaming"),
]
EACH = [pytest.param(client, id=str(client)) for client in CLIENTS]
TITLES = {
    "listen": "Deepgram listen",
    "speak": "Deepgram speak",
    "streaming": "AssemblyAI streaming",
}


CLOSE_ONLY = ", without the Error message"
IS_THE_MESSAGE = "assemblyai.streaming.Error"  # a condition that is nothing else


def conditions(api: str) -> list[Condition]:
    """What a server can bring about in a session with an API."""
    provider = "assemblyai" if api == "streaming" else "deepgram"
    return [
        condition
        for condition in CATALOG.conditions
        if condition.provider == provider
        and (api in condition.apis or not condition.apis)
        and any(match.kind != "http" for match in condition.matches)  # plain HTTP, no WebSocket
        and condition.simulate is not None
        and (condition.simulate.close or condition.simulate.refuse or condition.simulate.end)
    ]


def cases(api: str) -> dict[str, Condition]:
    """Those, by name; where a message comes before the Close frame, also without the message."""
    found = {condition.id: condition for condition in conditions(api)}
    for condition in conditions(api):
        script = condition.simulate
        if condition.id == IS_THE_MESSAGE or script is None:
            continue
        if script.message and script.close:
            bare = replace(condition, simulate=replace(script, message=""))
            found[condition.id + CLOSE_ONLY] = bare
    return found


# ---- what was said


@dataclass(frozen=True)
class Said:
    """Something that an SDK reported to its app; see tests/sdk/conditions_common.py."""

    where: str
    type: str
    text: str
    more: dict[str, str]


@dataclass(frozen=True)
class Met:
    """One condition, met by one SDK.

    Attributes:
        case: the condition's id, or that with CLOSE_ONLY.
        sdk: its name and version.
        said: what it reported to the app.
        sessions: what `explain` finds in each recorded session, the first thing first.
    """

    case: str
    condition: Condition
    sdk: str
    said: list[Said]
    sessions: list[list[Finding]]

    @property
    def first_ids(self) -> list[str]:
        return [findings[0].id if findings else "nothing" for findings in self.sessions]


MET: dict[str, list[Met]] = {}  # by client


async def meet(
    client: Client, command: list[str], env: dict[str, str], folder: Path, tls: Any
) -> list[Met]:
    """Run a client's program against a failing API for each condition."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(
                Simulator(condition, tls=tls, limits=replace(LIMITS, silence=1.2, linger=0.5))
            )
            for name, condition in cases(client.api).items()
        }
        listing = folder / "listing.json"
        listing.write_text(json.dumps([{"id": k, "url": s.url} for k, s in servers.items()]))
        out = await asyncio.to_thread(
            finished, [part.format(listing=listing) for part in command], env
        )
    lines = [json.loads(line) for line in out.splitlines() if line.startswith('{"id"')]
    assert sorted(line["id"] for line in lines) == sorted(servers)
    ids = {f"127.0.0.1:{server.port}": name for name, server in servers.items()}
    found: dict[str, list[list[Finding]]] = {name: [] for name in servers}
    for path in sorted((folder / "out").glob("*.wstrace")):
        session = Session.read(path)
        found[ids[session.request_header("Host") or ""]].append(diagnose(session, CATALOG))
    return [
        Met(
            line["id"],
            cases(client.api)[line["id"]],
            line["sdk"],
            [Said(**said) for said in line["said"]],
            found[line["id"]],
        )
        for line in sorted(lines, key=lambda line: list(servers).index(line["id"]))
    ]


@pytest.mark.one_python
@pytest.mark.sweep(keep=0)  # SDKs fail in test_sdks.py and test_replay_sdks.py as well
@pytest.mark.parametrize("client", EACH)
def test_sdk_condition_is_explained_first(
    client: Client,
    request: pytest.FixtureRequest,
    audio: Path,  # noqa: F811
    authority: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env |= {"SSL_CERT_FILE": str(authority[0]), "NODE_EXTRA_CA_CERTS": str(authority[0])}
    command = [sys.executable, "-m", "wsproxy", "run", "--out", str(tmp_path / "out")]
    command += ["--confdir", str(tmp_path / "conf")]
    command += ["--set", f"ssl_verify_upstream_trusted_ca={authority[0]}", "--"]
    if client.node:
        env["NODE_PATH"] = str(request.getfixturevalue("node_packages"))
        command += ["node"]
    else:
        command += [request.getfixturevalue("python_packages")]
    command += [str(HERE / client.program), "{listing}", str(audio), client.mode]
    met = asyncio.run(meet(client, command, env, tmp_path, authority[1]))
    MET[str(client)] = met
    # One session each, and nothing else first.
    assert {m.case: m.first_ids for m in met if m.first_ids != [m.condition.id]} == {}


def test_sdk_conditions_document_has_every_condition() -> None:
    """To be made again where this fails; see the top of this file."""
    text = DOCUMENT.read_text()
    ids = {condition.id for api in TITLES for condition in conditions(api)}
    assert {name for name in ids if f"`{name}`" not in text} == set()


# ---- the document


def words(condition: Condition) -> list[str]:
    """The server's own words for a failure, besides its code or status and what that means."""
    script = condition.simulate
    assert script is not None
    found = [script.close.reason] if script.close else []
    bodies = [script.message]
    if script.refuse:
        found += [value for name, value in script.refuse.headers if name == "dg-error"]
        bodies.append(script.refuse.body)
    for body in filter(None, bodies):
        try:
            fields = json.loads(body)
        except ValueError:
            found.append(body)
        else:
            found += [fields[name] for name in ("err_msg", "error") if name in fields]
    phrases = {status.phrase for status in HTTPStatus}
    return [word for word in dict.fromkeys(found) if word and word not in phrases]


def number(condition: Condition) -> str:
    """The close code or status of a failure."""
    script = condition.simulate
    assert script is not None
    if script.refuse:
        return str(script.refuse.status)
    return str(script.close.code) if script.close else "?"


# How much of the reason an app gets, most first.
REPORTED, PART, CODE, NOTHING = "reported", "part", "code", "nothing"


def learns(met: Met) -> tuple[str, str]:
    """How much of the reason the app gets, and where, if not in the text."""
    reported = [said for said in met.said if said.where != "log"]
    reasons = words(met.condition)
    if any(word in said.text for word in reasons for said in reported):
        return REPORTED, ""
    for said in reported:
        for path, value in said.more.items():
            if any(word in value for word in reasons):
                return PART, f"`{path}`"
    if any(word in said.text for word in reasons for said in met.said):
        return PART, "the log"
    code = number(met.condition)
    if any(code in (said.text, *said.more.values()) or code in said.text for said in reported):
        return CODE, ""
    return NOTHING, ""


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def places_by_text(met: Met) -> dict[str, list[str]]:
    """What an SDK said, each text with the places where it did."""
    places: dict[str, list[str]] = {}
    for said in met.said:
        if said.where != "log":
            text = cell(": ".join(filter(None, [said.type, said.text])))
            # An ApiError's text has the headers of the request; they are long, and no two the same.
            where = places.setdefault(re.sub(r"headers: \{.*?\}", "headers: {…}", text), [])
            if said.where not in where:
                where.append(said.where)
    return places


def on_the_wire(condition: Condition) -> str:
    script = condition.simulate
    assert script is not None
    if script.refuse:
        return cell("HTTP " + " · ".join([number(condition), *words(condition)]))
    message = "Error message, " if script.message else ""
    return cell(f"{message}Close {' · '.join([number(condition), *words(condition)])}")


def in_short(met: Met) -> str:
    """What an SDK said, and how much of the reason that is."""
    places = places_by_text(met)
    if not places:
        return "✗ nothing"
    how, where = learns(met)
    mark = {REPORTED: "✓", PART: f"◐ only in {where}:", CODE: "○", NOTHING: "✗"}[how]
    return f"{mark} " + "; ".join(
        f"{text} ({', '.join(sorted(at))})" for text, at in places.items()
    )


def named(case: str) -> str:
    name, comma, rest = case.partition(",")
    return f"`{name}`{comma}{rest}"


def alike(columns: list[list[Met]]) -> Iterator[str]:
    """The conditions that an SDK reports in the same words."""
    yield "| SDK | its report | conditions |"
    yield "|---|---|---|"
    for column in columns:
        same: dict[str, list[Met]] = {}
        for met in column:
            same.setdefault("; ".join(places_by_text(met)) or "nothing", []).append(met)
        for text, several in same.items():
            if len({met.condition.id for met in several}) > 1:
                names = "; ".join(named(met.case) for met in several)
                yield f"| {column[0].sdk} | {text} | {names} |"


def chapter(api: str) -> Iterator[str]:
    """One API; those conditions first that most SDKs hide."""
    columns = [MET[str(client)] for client in CLIENTS if client.api == api]
    sdks = [column[0].sdk for column in columns]
    yield f"## {TITLES[api]}"
    yield ""
    yield "| SDK | conditions | ✓ | ◐ | ○ | ✗ |"
    yield "|---|---|---|---|---|---|"
    for sdk, column in zip(sdks, columns, strict=True):
        levels = [learns(met)[0] for met in column]
        counts = [str(levels.count(level)) for level in (REPORTED, PART, CODE, NOTHING)]
        yield f"| {sdk} | {' | '.join([str(len(column)), *counts])} |"
    lines = list(alike(columns))
    if len(lines) > 2:
        yield "\nFailures that an SDK reports in the same words, and wsproxy distinguishes:\n"
        yield from lines
    yield "\nAll conditions:\n"
    yield f"| condition | the server | {' | '.join(sdks)} | wsproxy |"
    yield "|---" * (len(sdks) + 3) + "|"
    rank = [NOTHING, CODE, PART, REPORTED]
    rows = sorted(
        zip(*columns, strict=True), key=lambda row: sorted(rank.index(learns(m)[0]) for m in row)
    )
    for row in rows:
        first = row[0]
        findings = {(f[0].id, f[0].title) for met in row for f in met.sessions}
        said = "; ".join(f"`{name}` {cell(title)}" for name, title in sorted(findings))
        cells = [named(first.case), on_the_wire(first.condition), *map(in_short, row), said]
        yield f"| {' | '.join(cells)} |"
    yield ""


INTRODUCTION = """\
# What each SDK and wsproxy report for each failure

This page compares the error reports of the SDKs with those of wsproxy. For example, for a refusal
with an invalid key, the Python SDK of Deepgram reports HTTP 401 and wsproxy reports the reason.

`python tests/simulate/test_sdk_conditions.py > docs/sdk-conditions.md` generates this page. It ran
with {versions}.

Each SDK had a session with a simulated API, under `wsproxy run`, for each condition of the catalog
that a server can cause in a WebSocket session. What the server sends comes from the catalog's
`simulate` ([docs/catalog.md](catalog.md)). The measurement is what the SDK does with it. If an
Error message precedes the Close frame, there is another session without it. Reconnecting and
retrying were turned off. Handlers were set for the events of errors and of the end.

An SDK's cell has everything that the SDK reported to the app, and where (an event, or what raised
it). A mark before it says how much of the server's reason that is:

- ✓ the text has the server's own words
- ◐ the text does not have them; an attribute of the object has them, or only the SDK's log
- ○ only the close code or the status; other words are the SDK's own. (The server sends no more in
  {wordless}.)
- ✗ neither the words nor the code

The conditions that most SDKs hide come first. The column `wsproxy` has the first finding of
`wsproxy explain` for the recorded session.
"""


def wordless() -> str:
    every = [condition for api in TITLES for condition in conditions(api)]
    return ", ".join(dict.fromkeys(f"`{c.id}`" for c in every if not words(c)))


def versions() -> str:
    node = subprocess.run(
        [shutil.which("node") or "node", "--version"], capture_output=True, text=True, check=True
    )
    return f"Python {platform.python_version()} and Node {node.stdout.strip().removeprefix('v')}"


def main() -> int:
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main([__file__, "-k", "explained"])
        # pytest imports this file once more, under its own name.
        import test_sdk_conditions as run

        MET.update(run.MET)
    if status != 0 or len(MET) != len(CLIENTS):
        return 1
    print(INTRODUCTION.format(versions=versions(), wordless=wordless()))
    for api in TITLES:
        print("\n".join(chapter(api)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
