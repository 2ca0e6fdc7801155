"""Reads the traces of sessions that have ended, counts their frames, and deletes them.

Run by `soak`, in a process of its own: `python -m benchmarks.trace_check FOLDER`. Its standard
input has the lines of `crowd` about sessions that have ended; for each it prints one with what the
trace lacks. It ends when its input does and no session is open any more.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from wsproxy.errors import WsproxyError
from wsproxy.trace import SUFFIX, End, FrameRecord, Request, TraceReader

from .crowd import STAMP, print_json

PATIENCE = 60.0  # seconds after a session's end in which its trace has to be complete


class TraceChecker:
    """Matches sessions with their traces by the number in the URL."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: dict[int, tuple[float, dict[str, object]]] = {}  # by session; since when
        self._traces: dict[int, Path] = {}  # by session
        self._seen: set[Path] = set()
        self._over = False

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        while not (self._over and not self._ended):
            self._look()
            for number, (since, ended) in list(self._ended.items()):
                self._check(number, since, ended)
            time.sleep(0.5)
        for path in self._folder.glob(f"*{SUFFIX}"):  # of sessions whose end was not reported
            print_json(kind="left", name=path.name)

    def _listen(self) -> None:
        for line in sys.stdin:
            ended = json.loads(line)
            self._ended[ended["session"]] = (time.monotonic(), ended)
        self._over = True

    def _look(self) -> None:
        """Find out which sessions new traces are of."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            if path not in self._seen:
                number = session_of(path)
                if number is not None:
                    self._seen.add(path)
                    self._traces[number] = path

    def _check(self, number: int, since: float, ended: dict[str, object]) -> None:
        path = self._traces.get(number)
        found = count(path) if path is not None else None
        if found is None and time.monotonic() - since < PATIENCE:
            return  # not complete yet
        del self._ended[number]
        received = ended["received"]
        assert isinstance(received, list)
        if found is None:
            print_json(
                kind="checked", session=number, missing=sum(received), wrong=0, complete=False
            )
            return
        frames, wrong, complete = found
        missing = sum(abs(there - here) for there, here in zip(received, frames, strict=True))
        print_json(kind="checked", session=number, missing=missing, wrong=wrong, complete=complete)
        if complete and not missing and not wrong:
            assert path is not None
            path.unlink()
            self._seen.discard(path)
            del self._traces[number]


def session_of(path: Path) -> int | None:
    """The number in the URL of a trace's request; None if there is no request yet."""
    try:
        with TraceReader(path) as reader:
            for record in reader:
                if isinstance(record, Request):
                    return int(record.path.partition("session=")[2])
    except (OSError, WsproxyError):
        pass
    return None


def count(path: Path) -> tuple[list[int], int, bool] | None:
    """Data frames of app and server, those out of their order, and whether the trace is complete.

    None if it has no end yet.
    """
    frames = {True: 0, False: 0}
    wrong = 0
    end: End | None = None
    with TraceReader(path) as reader:
        for record in reader:
            if isinstance(record, FrameRecord) and record.opcode in (1, 2):
                number = STAMP.unpack_from(record.payload)[1]
                wrong += number != frames[record.from_client]
                frames[record.from_client] += 1
            elif isinstance(record, End):
                end = record
        complete = end is not None and end.complete and not reader.losses
    if end is None:
        return None
    return [frames[True], frames[False]], wrong, complete and end.ending == "close"


if __name__ == "__main__":
    TraceChecker(Path(sys.argv[1])).run()
