"""Keys that are recognized by their format, cut anywhere by the border of two fragments."""

from __future__ import annotations

import pytest

from credential_spellings import MIXED
from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.trace import FrameRecord

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
RUN = 8  # characters that must not be left


@pytest.mark.one_python
@pytest.mark.parametrize(
    "before", ["sk_", "hf_", "npm_", "glpat-", "shpat_", "lin_api_", "dckr_pat_", "figd_", "hvs."]
)
def test_session_redactor_key_cut_by_fragments_is_not_written(before: str) -> None:
    message = f'{{"type":"x","ref":"{before}{MIXED}"}}'.encode()
    first = message.index(MIXED.encode())
    for border in range(1, len(message)):
        redactor = SessionRedactor(REDACT)
        out = b""
        for part, fin in ((message[:border], False), (message[border:], True)):
            record = redactor(FrameRecord(1, False, 1 if not fin else 0, part, fin=fin))
            assert isinstance(record, FrameRecord)
            out += record.payload
        runs = [MIXED[at : at + RUN].encode() for at in range(len(MIXED) - RUN + 1)]
        assert not any(run in out for run in runs), (border - first, out)
