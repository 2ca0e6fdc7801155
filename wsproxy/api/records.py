"""How replays are recorded: without credentials, with findings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.diagnose import annotate
from wsproxy.redact import Redactor, fingerprint_key
from wsproxy.replay.recorded import Records


def records_in(out: Path) -> Records:
    """Into a folder."""
    catalog = load()
    redact = Redactor(catalog.credentials, fingerprint_key(), catalog.key_shapes)
    return Records(out, redact, partial(annotate, catalog=catalog))
