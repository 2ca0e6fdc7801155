"""docs/faults.md: what was seen of every fault, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from .certificates import Certificates
from .play import Recorder, Seen, Way, play, told
from .reasons import REASONS, reasons
from .table import FAULTS, PRELUDES, Fault

Case = tuple[Fault, bool]
CASES: tuple[Case, ...] = tuple((fault, tls) for fault in FAULTS for tls in fault.tls)

_INTRODUCTION = """\
# Faults

Made by `python docs/faults.py`, which plays every fault at every stage of a session twice, with
two raw sockets: directly, and through a recorder (regular mode, by CONNECT, as apps with
`HTTPS_PROXY` do). `tests/test_faults.py` plays them again and fails where anything has changed.

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


def directly(cases: Iterable[Case], certificates: Certificates) -> list[Seen]:
    """Play faults without a recorder, side by side."""
    way = Way(certificates.authority)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda case: play(*case, certificates, way), cases))


def recorded(case: Case, certificates: Certificates, recorder: Recorder) -> Seen:
    """Play a fault through a recorder that nobody else uses, and read the trace."""
    seen = play(*case, certificates, recorder)
    return Seen(seen.client, seen.server, told(recorder.traces()))


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
                if each.case[0].by == by and (each.case[0].stage in PRELUDES) is after
            ]
    return sections


def _row(outcome: Outcome) -> tuple[str, str]:
    fault, _ = outcome.case
    return fault.stage, fault.what


def _rows(stage: str, what: str, outcomes: list[Outcome]) -> Iterator[str]:
    """One row for ws and wss where they are alike."""
    over: dict[str, list[str]] = {}
    for each in outcomes:
        cells = " | ".join(
            [
                _cell(each.direct.client, each.recorded.client),
                _cell(each.direct.server, each.recorded.server),
                each.recorded.trace,
                ", ".join(reasons(each.case[0])),
            ]
        )
        over.setdefault(cells, []).append("wss" if each.case[1] else "ws")
    for cells, schemes in over.items():
        yield f"| {stage} | {what} | {', '.join(schemes)} | {cells} |"


def _cell(direct: str, recorded: str) -> str:
    return direct if direct == recorded else f"{direct} ⇒ {recorded}"
