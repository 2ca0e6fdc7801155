"""Shared by the tests of `explain`."""

from pathlib import Path

import pytest

from explain_traces import Make, trace_writer


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return trace_writer(tmp_path)
