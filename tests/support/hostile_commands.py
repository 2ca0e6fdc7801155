"""Commands that read a stranger's trace, and records with a text wherever one can be."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from fuzz.judge import run
from traces import make_trace
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.wire import Close

# Every command that reads one trace, T; those with --out write into O.
COMMANDS = (
    "show T", "show T --full --control", "show T --json", "show T --grep .",
    "explain T", "explain T --all", "explain T --markdown --all", "explain T --json",
    "explain T T", "explain T T --markdown", "explain T T --json",
    "list T", "list T --json", "diff T T", "diff T T --exact", "diff T T --json",
    "mutate T --end reset --out O", "mutate T --chunk 20ms --out O --json",
    "recover T --out O --json", "scrub T --out O --force", "scrub T --out O --force --hosts --json",
)  # fmt: skip


def every_command(path: Path, commands: Iterable[str] = COMMANDS) -> dict[str, str]:
    """What each command prints of a trace, which `judge` has looked through.

    Nothing but what --out names is written.
    """
    out = path.parent.parent / "out"
    out.mkdir(exist_ok=True)
    before = path.read_bytes()
    outputs = {}
    for command in commands:
        places = {"T": str(path), "O": str(out)}
        done = run([places.get(part, part) for part in command.split()])
        assert done.status in (0, 1, 2, 3), command
        outputs[command] = done.out + done.err
    assert path.read_bytes() == before
    assert {each.parent for each in path.parent.parent.rglob("*.*")} <= {path.parent, out}
    return outputs


def write(path: Path, records: Iterable[Record]) -> Path:
    path.parent.mkdir(exist_ok=True)
    return make_trace(path, records)


def laced(text: str) -> list[Record]:
    """A session that has a text wherever one can be."""
    data = text.encode("utf-8", "replace")
    message = json.dumps({"type": text, "err_code": text, "description": text, text: text})
    close = Close(1011, "").serialize() + data[:120]
    pairs = [["Upgrade", "websocket"], [text, text], ["dg-request-id", text]]
    taken = [{"where": "header", "name": text, "fingerprint": text, "length": 3, "around": text}]
    return [
        Start(0, 1, text, 0, text, text, text, text, 1, text, text, text, text, changes=[text]),
        Request(1, text, text, text, 443, text, text, pairs, data, taken),
        Response(2, 101, text, text, pairs, data, 0, taken),
        FrameRecord(3, False, 1, message.encode(), broken_rule=text),
        FrameRecord(4, True, 1, data),
        FrameRecord(5, True, 2, data * 3, rsv=4, deflated=True),
        FrameRecord(6, False, 8, close),
        Bytes(7, True, data, text),
        Failure(8, text, False, text),
        Gap(9, 10, text),
        Eof(11, False, text),
        FindingRecord(12, text, text, text, [text]),
        End(13, text, text, 1011, text, findings=[text]),
    ]


GOOD: dict[str, Record] = {
    record.kind: record for record in reversed(laced("x")) if isinstance(record, Record)
}
