"""Shared by all tests: how hypothesis runs, and no settings of whoever runs them."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines that run tests are busy: how long one example took says nothing.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

# A catalog of one's own must not change what the tests see.
os.environ.pop("WSPROXY_CATALOG", None)
_config = tempfile.TemporaryDirectory(prefix="wsproxy-tests-")
os.environ["XDG_CONFIG_HOME"] = _config.name

# Nor does how late a replay was: here that is a matter of the machine. A test of it gives
# lateness by the minute.
from wsproxy.replay import verdict  # noqa: E402

verdict.LATE_NS = 30_000_000_000

from fast_tests import is_fast  # noqa: E402
from mutations import good_records  # noqa: E402
from traces import make_trace  # noqa: E402


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "fast" not in config.option.markexpr:
        return  # parsing every module would take each worker a second for nothing
    for item in items:
        if is_fast(item.path):
            item.add_marker("fast")


@pytest.fixture
def good_trace(tmp_path: Path) -> Path:
    """A session in which nothing went wrong (`mutations.good_records`)."""
    return make_trace(tmp_path / "good.wstrace", good_records())
