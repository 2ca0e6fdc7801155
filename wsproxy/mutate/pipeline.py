"""One trace in, changes, one trace out."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy.catalog import Catalog, load
from wsproxy.errors import UsageError
from wsproxy.recorder import trace_path
from wsproxy.redact import HeadRedactor, fingerprint_key
from wsproxy.session import Session
from wsproxy.trace import SUFFIX, Start
from wsproxy.trace.atomic_file import check_free, new_file

from .change import Change
from .draft import Draft

MAX_CHANGES = 1000
_LINE = 500  # characters of what is told of one change


@dataclass(frozen=True, slots=True)
class MutatedTrace:
    """A trace that was made.

    Attributes:
        session: what it holds now, findings included.
        changes: what was done, a line each.
    """

    path: Path
    session: Session
    changes: tuple[str, ...]


def mutate(
    path_in: Path,
    path_out: Path | None,
    changes: Sequence[Change],
    *,
    force: bool = False,
    catalog: Catalog | None = None,
    redact: HeadRedactor | None = None,
) -> MutatedTrace:
    """Make a new trace of another one.

    It has its name once it is complete, and mode 0600. Where it cannot be made, nothing is
    written.

    Args:
        path_out: the file, or a folder for it; None: the folder of `path_in`. In a folder it
            gets a name that none has.
        changes: in their order.
        force: replace a file that is there; never `path_in`.
        catalog: by whose conditions it is explained; None: all that is known.
        redact: takes credentials out of what changes put in; None: as the recorder does.

    Raises:
        TraceError: `path_in` cannot be read.
        LimitExceeded: it holds more than fits in memory.
        UsageError: a change cannot be made, or the file cannot be written.
    """
    if not 0 < len(changes) <= MAX_CHANGES:
        raise UsageError(f"give from 1 to {MAX_CHANGES} changes")
    catalog = catalog or load()
    redact = redact or HeadRedactor(catalog.credentials, fingerprint_key(), catalog.key_shapes)
    draft = Draft.read(path_in, catalog)
    session_id = secrets.token_hex(8)
    start = replace(draft.start, session=session_id, mode="mutate")
    path = place(path_in, path_out, start, catalog, force=force)
    lines = []
    for change in changes:
        clean = change.clean(redact)
        clean.apply(draft)
        lines.append(_line(clean))
    with new_file(path, force=force) as new:
        session = draft.write(new.file, session_id, lines)
    return MutatedTrace(path, session, tuple(lines))


def _line(change: Change) -> str:
    text = " ".join(str(change).splitlines())
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


def place(
    path_in: Path, path_out: Path | None, start: Start, catalog: Catalog, *, force: bool
) -> Path:
    """Where a trace that is made of another one goes.

    Args:
        path_out: the file, or a folder for it; None: the folder of `path_in`.
        start: its first record.

    Raises:
        UsageError: it cannot go there.
    """
    path = path_out or path_in.parent
    if path.is_dir():
        # A trace may say anything, and what the catalog does not know goes into no path.
        provider = catalog.provider(start.provider or "")
        api = catalog.api(start.provider, start.api)
        return trace_path(
            path,
            replace(
                start, provider=provider.id if provider else None, api=api.name if api else None
            ),
        )
    if path.suffix != SUFFIX:
        raise UsageError(f"{path}: the name of a trace ends in {SUFFIX}")
    check_free(path, force=force, source=path_in)
    return path
