"""The index of a folder: the rows of `list`, in a hidden file beside the traces.

The index is a cache. `list` opens only the traces whose size or modification time has changed
since it was written. A folder that cannot be written to has no index; a damaged index only makes
`list` slower. Like a trace, it may come from an unknown source: lengths are limited, types are
checked, and its text is escaped when it is printed.
"""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from wsproxy import __version__
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.errors import TraceError
from wsproxy.session import Session
from wsproxy.system.file_flags import CAREFUL, PLAIN, is_own
from wsproxy.trace.atomic_file import Replacement
from wsproxy.trace.blocks import BadBlock, Compressor, read_block
from wsproxy.trace.parts import SUFFIX, part_of
from wsproxy.trace.read_limits import Allowance

from . import json_schema
from .text import api, closed, ending

NAME = ".wsproxy-index"

FEW = 16  # with fewer traces, a folder is read without an index
MAX_FILE = 32 << 20  # bytes; a larger index is ignored
MAX_ROW = 8 << 10  # bytes; a session with a longer row is always read from its trace
MAX_ROWS = 200_000  # of one index
# A file that changed within this time (ns) is not indexed: clocks of file systems have steps, so
# that it could change again and keep its size and modification time.
_SETTLED = 2_000_000_000

_HEAD = f"wsproxy index 4, {__version__}".encode()  # other versions have other columns

_TEXT, _NUMBER = frozenset({str}), frozenset({int})
_NONE = frozenset({type(None)})
_LIST = frozenset({list})  # of text
# The keys of `json_schema.entry` without the path, and their types.
_ENTRY: dict[str, frozenset[type]] = {
    "session": _TEXT,
    "origin": _TEXT | _NONE,
    "origin_session": _TEXT | _NONE,
    "started_at": _TEXT | _NONE,
    "provider": _TEXT | _NONE,
    "api": _TEXT | _NONE,
    "host": _TEXT | _NONE,
    "model": _TEXT | _NONE,
    "language": _TEXT | _NONE,
    "request_id": _TEXT | _NONE,
    "key": _TEXT | _NONE,
    "attempt": _NUMBER | _NONE,
    "status": _NUMBER | _NONE,
    "frames_sent": _NUMBER,
    "frames_received": _NUMBER,
    "bytes_sent": _NUMBER,
    "bytes_received": _NUMBER,
    "duration_s": frozenset({float}),
    "close_code": _NUMBER | _NONE,
    "close_reason": _TEXT | _NONE,
    "closed_by": _TEXT | _NONE,
    "ending": _TEXT,
    "complete": frozenset({bool}),
    "outcome": _TEXT | _NONE,
    "findings": _LIST,
    "heuristic_redactions": _LIST,
}
_ROW = (_TEXT, _NUMBER, _NUMBER, _NUMBER, _NUMBER | _NONE, _TEXT, _TEXT, *_ENTRY.values())


@dataclass(frozen=True, slots=True)
class Listed:
    """The row of a session in `list`.

    Attributes:
        started_at_ns: Unix time, ns; None if the trace does not have it.
        what: provider and API, or the host.
        how: how it ended, in a few words.
        entry: its line of `list --json`, without the path.
        unread: why the rest of the trace was not read, as a sentence; "" if all of it was.
    """

    started_at_ns: int | None
    what: str
    how: str
    entry: dict[str, Any]
    unread: str = ""

    @classmethod
    def read(cls, path: Path, allowance: Allowance | None = None) -> Listed:
        """Read the beginning and the end of a trace.

        Args:
            allowance: as for a `TraceReader`.

        Raises:
            TraceError: it cannot be read.
        """
        catalog = load()
        session = Session.summary(path, allowance, catalog)
        if session.end is not None and session.end.outcome is not None:
            entry = json_schema.entry(path, session, catalog)
        else:
            # Its recorder did not examine it: do what `explain` does.
            if session.timeline is None:
                session = Session.read(path, allowance, catalog)
            entry = json_schema.entry(path, session, catalog)
            findings = diagnose(session, catalog)
            found = outcome(session, findings)
            entry["findings"] = [finding.id for finding in findings]
            entry["outcome"] = found.kind if found is not None else None
        del entry["path"]
        how = ending(session)
        if session.ending == "close" and session.close is None:
            # The same text as of `ending`, from the end record: the frames were not read.
            how = closed(entry["closed_by"], entry["close_code"], entry["close_reason"])
        started_at_ns = session.start.started_at_ns if session.start else None
        return cls(started_at_ns, api(session), how, entry, session.unread)


@dataclass(frozen=True, slots=True)
class _State:
    """What identifies an unchanged trace, over all its parts.

    Attributes:
        size: bytes.
        mtime_ns: of the part that was modified last, Unix time, ns.
    """

    files: int
    size: int
    mtime_ns: int

    def with_file(self, size: int, mtime_ns: int) -> _State:
        return _State(self.files + 1, self.size + size, max(self.mtime_ns, mtime_ns))


def listed(paths: Iterable[Path]) -> Iterator[tuple[Path, Listed | TraceError]]:
    """List traces from the index of their folder, and update the index.

    Yields:
        Each path with its entry, or with the reason why it cannot be read.
    """
    allowance = Allowance()  # one for all: a folder may hold thousands of traces
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    for folder, traces in folders.items():
        if len(traces) < FEW:
            for path in traces:
                yield path, _read_trace(path, allowance)
        else:
            yield from _in_folder(folder, traces, allowance)


def _read_trace(path: Path, allowance: Allowance) -> Listed | TraceError:
    try:
        return Listed.read(path, allowance)
    except TraceError as error:
        # Its frames hold what was read of the trace, and it lives while the next one is read.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error


def _in_folder(
    folder: Path, traces: list[Path], allowance: Allowance
) -> Iterator[tuple[Path, Listed | TraceError]]:
    now = time.time_ns()
    states = _states(folder)
    rows = _read(folder / NAME)
    new: dict[str, bytes] = {}
    for path in traces:
        state = states.get(_first(path.name))
        row = rows.get(path.name)
        known = _listed(row, path.name, state) if row is not None else None
        if known is not None:
            yield path, known
            continue
        found = _read_trace(path, allowance)
        yield path, found
        if not isinstance(found, Listed) or found.unread:
            continue
        if state is not None and now - state.mtime_ns > _SETTLED:
            new[path.name] = _row(path.name, state, found)
    if any(rows.get(name) != row for name, row in new.items()):
        rows = {name: row for name, row in rows.items() if _first(name) in states}
        with suppress(OSError):  # the folder cannot be written to
            _write(folder / NAME, rows | new)


def _first(name: str) -> str:
    """The name of a trace's first part."""
    return part_of(Path(name))[0].name if ".part" in name else name


def _states(folder: Path) -> dict[str, _State]:
    """The state of each trace in a folder, by the name of its first part."""
    states: dict[str, _State] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with suppress(OSError):  # it was removed in between
                    info = entry.stat()
                    first = _first(entry.name)
                    before = states.get(first, _State(0, 0, 0))
                    states[first] = before.with_file(info.st_size, info.st_mtime_ns)
    return states


# -- the file: one block of `trace.blocks` with the head and the rows, each msgpack bytes


def _read(path: Path) -> dict[str, bytes]:
    """The rows of an index, by name; none if it is another user's, or damaged."""
    try:
        fd = os.open(path, os.O_RDONLY | PLAIN | CAREFUL)
        with open(fd, "rb") as file:
            info = os.fstat(fd)
            ours = stat.S_ISREG(info.st_mode) and is_own(info)
            if not ours or info.st_size > MAX_FILE:
                return {}
            data = file.read(MAX_FILE)
        return _rows(read_block(io.BytesIO(data), 0)[0])
    except (OSError, EOFError, BadBlock):
        return {}


def _rows(block: bytes) -> dict[str, bytes]:
    # A row is a byte string of limited length, which `_listed` unpacks.
    unpacker = msgpack.Unpacker(
        max_buffer_size=len(block),
        max_bin_len=MAX_ROW,
        max_str_len=MAX_ROW,
        max_array_len=0,
        max_map_len=0,
        max_ext_len=0,
    )
    rows: dict[str, bytes] = {}
    try:
        unpacker.feed(block)
        if unpacker.unpack() != _HEAD:
            return {}
        for name in unpacker:
            row = unpacker.unpack()
            if type(name) is not str or type(row) is not bytes or len(rows) >= MAX_ROWS:
                return {}
            rows[name] = row
    except (ValueError, TypeError, msgpack.UnpackException):
        return {}
    return rows


def _row(name: str, state: _State, found: Listed) -> bytes:
    """The packed row; empty if it is too long."""
    entry = [found.entry[key] for key in _ENTRY]
    values = [name, state.files, state.size, state.mtime_ns]
    try:
        row = msgpack.packb([*values, found.started_at_ns, found.what, found.how, *entry])
    except (ValueError, OverflowError):
        return b""
    return row if len(row) <= MAX_ROW else b""


def _listed(row: bytes, name: str, state: _State | None) -> Listed | None:
    """The unpacked row; None if it is damaged, or of another state of the trace."""
    try:
        values = msgpack.unpackb(row)
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    if type(values) is not list or len(values) != len(_ROW):
        return None
    if any(type(value) not in accepts for value, accepts in zip(values, _ROW, strict=True)):
        return None
    if values[0] != name or state != _State(*values[1:4]):
        return None
    entry = dict(zip(_ENTRY, values[7:], strict=True))
    texts = [each for value in values if type(value) is list for each in value]
    if any(type(each) is not str for each in texts):
        return None
    return Listed(values[4], values[5], values[6], entry)


def _write(path: Path, rows: dict[str, bytes]) -> None:
    pack = msgpack.Packer().pack
    kept = [pack(each) for name, row in rows.items() if row for each in (name, row)]
    data = Compressor().compress(b"".join([pack(_HEAD), *kept[: 2 * MAX_ROWS]]))
    if len(data) > MAX_FILE:
        return
    with Replacement(path) as new:
        new.file.write(data)
        new.commit()
