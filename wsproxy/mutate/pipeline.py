"""Applies changes to a trace and writes a new one."""

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
_MAX_LINE = 500  # characters of one line in `changes`


@dataclass(frozen=True, slots=True)
class MutatedTrace:
    """The new trace.

    Attributes:
        session: of the new trace, including its findings.
        changes: one line each.
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
    """Write a changed copy of a trace.

    The file gets its name when it is complete. It has mode 0600. On an error, nothing is written.

    Args:
        path_out: the file, or a folder for a file with a new name; None: the folder of `path_in`.
        changes: in order.
        force: replace an existing file; never `path_in`.
        catalog: for the diagnosis; None: the default catalog.
        redact: redacts credentials in the changes; None: as the recorder does.

    Raises:
        TraceError: `path_in` cannot be read.
        LimitExceeded: it holds more than fits in memory.
        UsageError: a change is not possible, or the file cannot be written.
    """
    if not 0 < len(changes) <= MAX_CHANGES:
        raise UsageError(f"give from 1 to {MAX_CHANGES} changes")
    catalog = catalog or load()
    redact = redact or HeadRedactor(catalog.credentials, fingerprint_key(), catalog.key_shapes)
    draft = Draft.read(path_in, catalog)
    session_id = secrets.token_hex(8)
    start = replace(draft.start, session=session_id, mode="mutate")
    path = output_path(path_in, path_out, start, catalog, force=force)
    lines = []
    for change in changes:
        redacted = change.without_credentials(redact)
        redacted.apply(draft)
        lines.append(_change_line(redacted))
    with new_file(path, force=force) as new:
        session = draft.write(new.file, session_id, lines)
    return MutatedTrace(path, session, tuple(lines))


def _change_line(change: Change) -> str:
    text = " ".join(str(change).splitlines())
    return text if len(text) <= _MAX_LINE else text[: _MAX_LINE - 1] + "…"


def output_path(
    path_in: Path, path_out: Path | None, start: Start, catalog: Catalog, *, force: bool
) -> Path:
    """The path of a trace that is derived from another one.

    Args:
        path_out: the file, or a folder for it; None: the folder of `path_in`.
        start: its first record.

    Raises:
        UsageError: the file cannot be written there.
    """
    path = path_out or path_in.parent
    if path.is_dir():
        # A trace is untrusted: only names of the catalog may become part of a path.
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
