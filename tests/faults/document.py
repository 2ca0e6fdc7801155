"""docs/faults.md: what was seen of every fault, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from .certificates import Certificates
from .play import Recorder, Seen, Way, play, told
from .reasons import REASONS, reasons
from .table import CASES, PRELUDES, Case

AT_ONCE = 8  # cases that are played side by side

_INTRODUCTION = """\
# Faults

Made by `python tools/faults.py`, which plays every fault at every stage of a session twice, with
two raw sockets: directly, and through a recorder. `tests/test_faults.py` plays them again and
fails where anything has changed.

- ws, wss: regular mode, by CONNECT, as apps with `HTTPS_PROXY` do. "ws to wss": reverse mode, where
  the app has no TLS and the upstream has (`--mode reverse:wss://HOST`); "wss to ws": the other way
  round. There each end is compared with what it sees directly of an end that speaks its scheme.

- `a ⇒ b`: an end saw a directly and b through the recorder. One value: the same both ways.
- FIN, RST: how TCP ended. close-notify: how TLS ended. `20 B`: bytes after the upgrade. 101,
  502: the answer to the upgrade or to CONNECT. `/ then`: a second connection.
- What an end does wrong is seen in the other one's column; its own has what came back.
- The trace: its ending and who ended it, where it failed and on whose side, and the first
  finding of the catalog, for an API that it does not know.
- An app that waits in vain leaves after 0.1 s here. A connect that nobody answers fails after
  0.3 s, in place of the kernel's two minutes.
- Where an app leaves while its server is silent in the TLS handshake, mitmproxy keeps that
  connection until its own timeout (`tcp_timeout`): ten minutes, one second here.
- "Vanishes" is what the kernel does for a process that is killed: it closes both directions.
- "no trace": nothing in it was HTTP; what is not is passed on, and is no session.
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
    yield "## Why something looks different"
    yield ""
    for name, text in REASONS.items():
        yield f"- **{name}**: {text}"
    yield ""


def _tables(outcomes: list[Outcome]) -> Iterator[str]:
    for title, chosen in _sections(outcomes).items():
        yield f"## {title}"
        yield ""
        yield "| stage | fault | over | the client saw | the server saw | the trace says | why |"
        yield "|---|---|---|---|---|---|---|"
        for (stage, what), same in groupby(chosen, key=_row):
            yield from _rows(stage, what, list(same))
        yield ""


def _sections(outcomes: list[Outcome]) -> Mapping[str, list[Outcome]]:
    sections: dict[str, list[Outcome]] = {}
    for by in ("upstream", "client"):
        for when, after in (("until the upgrade", False), ("after it", True)):
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
