"""docs/faults.md: what was seen of every fault, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap

from .certificates import Certificates
from .play import Recorder, Seen, Way, play, told
from .reasons import REASONS, reasons
from .table import CASES, PRELUDES, Case

AT_ONCE = 8  # cases that are played side by side

_INTRODUCTION = """\
# Faults

This page shows what the client, the server and the trace record for each network fault. For
example, the first row of the first table is an upstream that refuses the connection. Through the
recorder, the client gets a 502 in response to CONNECT, and the trace has the failure `connect`.

`python docs/faults.py` generates this page. It plays every fault at every stage of a session twice,
with two raw sockets: directly, and through a recorder. `tests/test_faults.py` plays the faults
again and fails if anything has changed.

- ws, wss: regular mode, through CONNECT, like apps with `HTTPS_PROXY`.
- "ws to wss": reverse mode with TLS only to the upstream (`--mode reverse:wss://HOST`). "wss to
  ws" is the opposite. Here, each end is compared with a direct connection of its own scheme.
- `a ⇒ b`: an end observed a directly and b through the recorder. One value: both are the same.
- FIN, RST: how TCP ended. close-notify: how TLS ended. `20 B`: bytes after the upgrade. 101,
  502: the response to the upgrade or to CONNECT. `/ then`: a second connection.
- The fault of one end appears in the column of the other end. Its own column has what came back.
- The trace: its ending and which side ended it, where it failed and on which side, and the first
  finding of the catalog. The API in these tests is unknown to the catalog.
- In these tests, an app that gets no response leaves after 0.1 s. A connect without an answer
  fails after 0.3 s, instead of the kernel's two minutes.
- An app may leave while its server is silent in the TLS handshake. mitmproxy keeps that
  connection until its own timeout (`tcp_timeout`): ten minutes, one second here.
- "Vanishes": the process is killed, and the kernel closes both directions.
- "no trace": nothing in the connection was HTTP. Such data is forwarded and is not a session.
"""


@dataclass(frozen=True)
class Outcome:
    """One case, both ways."""

    case: Case
    direct: Seen
    recorded: Seen

    @property
    def differs(self) -> bool:
        return (self.direct.client, self.direct.server) != (
            self.recorded.client,
            self.recorded.server,
        )


def outcomes(
    cases: Iterable[Case], certificates: Certificates, recorder: Recorder
) -> list[Outcome]:
    """Play cases both ways, many side by side."""
    cases = list(cases)
    if not cases:
        return []
    direct = _directly(certificates)
    ways = [recorder.way(case) for case in cases]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = list(pool.map(lambda case, way: play(case, certificates, way), cases, ways))
    recorder.wait_quiet()
    return [
        Outcome(
            case,
            _expected(case, direct),
            Seen(each.client, each.server, told(recorder.traces(way.port))),
        )
        for case, way, each in zip(cases, ways, seen, strict=True)
    ]


def _directly(certificates: Certificates) -> dict[tuple[str, bool], Seen]:
    """What is seen of each fault without a recorder, by its name and whether it has TLS."""
    way = Way(certificates.authority)
    cases = [case for case in CASES if not case.is_mixed]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = pool.map(lambda case: play(case, certificates, way), cases)
        return {
            (str(case.fault), case.client_tls): each for case, each in zip(cases, seen, strict=True)
        }


def _expected(case: Case, direct: Mapping[tuple[str, bool], Seen]) -> Seen:
    """What each end would see of the fault if the other one spoke its scheme."""

    def like(tls: bool) -> Seen:
        return direct[str(case.fault), tls if tls in case.fault.tls else not tls]

    client, server = like(case.client_tls).client, like(case.server_tls).server
    return Seen(
        client if case.client_tls else _without_tls(client),
        server if case.server_tls else _without_tls(server),
    )


def _without_tls(seen: str) -> str:
    """What an end without TLS sees, where one with TLS sees this."""
    return seen.replace("close-notify, ", "")


def document(outcomes: Iterable[Outcome]) -> str:
    """The whole document, as Markdown."""
    return "\n".join([_INTRODUCTION, *_reasons(), *_tables(list(outcomes))])


def _reasons() -> Iterator[str]:
    yield "## Reasons for a difference"
    yield ""
    for name, text in REASONS.items():
        yield from wrap(
            f"- **{name}**: {text}", 100, subsequent_indent="  ", break_on_hyphens=False
        )
    yield ""


def _tables(outcomes: list[Outcome]) -> Iterator[str]:
    for title, chosen in _sections(outcomes).items():
        yield f"## {title}"
        yield ""
        yield "| stage | fault | over | client observed | server observed | trace | reason |"
        yield "|---|---|---|---|---|---|---|"
        for (stage, what), same in groupby(chosen, key=_row):
            yield from _rows(stage, what, list(same))
        yield ""


def _sections(outcomes: list[Outcome]) -> Mapping[str, list[Outcome]]:
    sections: dict[str, list[Outcome]] = {}
    for by in ("upstream", "client"):
        for when, after in (("until the upgrade", False), ("after the upgrade", True)):
            sections[f"The {by}, {when}"] = [
                each
                for each in outcomes
                if each.case.fault.by == by and (each.case.fault.stage in PRELUDES) is after
            ]
    return sections


def _row(outcome: Outcome) -> tuple[str, str]:
    return outcome.case.fault.stage, outcome.case.fault.what


def _rows(stage: str, what: str, outcomes: list[Outcome]) -> Iterator[str]:
    """One row for all schemes that are alike."""
    over: dict[str, list[str]] = {}
    for each in outcomes:
        cells = " | ".join(
            [
                _cell(each.direct.client, each.recorded.client),
                _cell(each.direct.server, each.recorded.server),
                each.recorded.trace,
                ", ".join(reasons(each.case)),
            ]
        )
        over.setdefault(cells, []).append(each.case.scheme)
    for cells, schemes in over.items():
        yield f"| {stage} | {what} | {', '.join(schemes)} | {cells} |"


def _cell(direct: str, recorded: str) -> str:
    return direct if direct == recorded else f"{direct} ⇒ {recorded}"
