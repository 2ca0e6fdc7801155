"""The outcomes of the sample traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.session import Session

pytestmark = pytest.mark.one_python

SAMPLES = sorted((Path(__file__).parents[2] / "recordings" / "samples").rglob("*.wstrace"))
UNPROVEN = {"close-without-code"}  # the client closes before the first result
CATALOG = load()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_outcome_is_failed_succeeded_or_known_to_be_unproven(path: Path) -> None:
    session = Session.read(path, catalog=CATALOG)
    findings = diagnose(session, CATALOG)
    found = outcome(session, findings)
    assert found is not None
    if any(finding.severity == "error" for finding in findings) or session.failed:
        assert found.kind == "failed"
    else:
        assert found.kind == ("unproven" if path.stem in UNPROVEN else "succeeded"), found.reason
    assert not [f.id for f in findings if f.id.startswith("traffic.outcome.")]
