"""The recorded samples as lists of msgpack maps, for targets to begin with."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from wsproxy.trace import TraceReader
from wsproxy.trace.records import to_map

FOLDER = Path(__file__).parents[2] / "recordings" / "samples"
_PAYLOAD = 400  # bytes that are kept of one: a small input is mutated where it matters


@functools.cache
def recorded() -> tuple[list[dict[str, Any]], ...]:
    """Each sample's records, in the order of their names."""
    return tuple(map(_maps, sorted(FOLDER.rglob("*.wstrace"))))


def _maps(path: Path) -> list[dict[str, Any]]:
    with TraceReader(path) as reader:
        return [_cut(to_map(record)) for record in reader]


def _cut(record: dict[str, Any]) -> dict[str, Any]:
    if record["kind"] == "frame" and len(record["payload"]) > _PAYLOAD and record["opcode"] != 1:
        return {**record, "payload": record["payload"][:_PAYLOAD]}
    return record
