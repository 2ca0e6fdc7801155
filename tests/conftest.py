"""Shared by all tests: how hypothesis runs, and without the settings of the user who runs them."""

import contextlib
import functools
import gc
import re
import shutil
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines that run tests are busy: how long one example took says nothing.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

pytest_plugins = ["sweeps"]

# First: a catalog of one's own must not change what the tests see.
import own_settings  # noqa: E402, F401, I001
import forked_commands  # noqa: E402

# How late a replay is depends on the machine: it must not decide a verdict. Tests of lateness use
# delays of minutes.
from wsproxy.replayer import lateness  # noqa: E402

lateness.LATE_NS = 30_000_000_000

# Each recorder in this process reads the key of its CA and checks it, which takes as long as all
# else that it begins with; most of these CAs are the same.
with contextlib.suppress(ImportError):  # without the extra `record`
    from mitmproxy import certs

    certs.load_pem_private_key = functools.lru_cache(certs.load_pem_private_key)

from fast_tests import is_fast  # noqa: E402
from mutations import good_records  # noqa: E402
from traces import make_trace  # noqa: E402

# The tests that are collected, and what they import, stay to the end. The collector would look
# through them again and again, which takes a tenth of the processor time.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


forked_commands.install()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    real = item.get_closest_marker("real_processes") is not None
    with forked_commands.real_processes() if real else contextlib.nullcontext():
        return (yield)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out modules of which no test would remain: to import them takes each worker seconds."""
    expression = config.option.markexpr
    if not collection_path.match("test_*.py") or " or " in expression or "(" in expression:
        return None
    text = collection_path.read_text("utf-8")
    if expression.startswith("sweep") and "pytest.mark.sweep" not in text:
        return True
    for mark in re.findall(r"\bnot (\w+)", expression):
        if re.search(rf"^pytestmark = (\[[^]]*)?pytest\.mark\.{mark}\b", text, re.MULTILINE):
            return True
    return True if expression.startswith("fast and ") and not is_fast(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "clients" not in config.option.markexpr:  # each worker would run the matrix
        left_out = [item for item in items if item.get_closest_marker("clients")]
        items[:] = [item for item in items if not item.get_closest_marker("clients")]
        config.hook.pytest_deselected(items=left_out)
    if "fast" not in config.option.markexpr:
        return  # parsing every module would take each worker a second for nothing
    for item in items:
        if is_fast(item.path):
            item.add_marker("fast")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many clients of the matrix ran and were skipped, and what its tests report."""

    def count(outcome: str) -> int:
        tried = "::test_client_under_run_sees_what_it_sees_direct["
        return sum(tried in each.nodeid for each in terminalreporter.stats.get(outcome, ()))

    ran, skipped = count("passed") + count("failed"), count("skipped")
    if ran or skipped:
        terminalreporter.write_line(f"clients: {ran} ran, {skipped} skipped")
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties if "/clients/" in report.nodeid else ():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def recorder_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority as a recorder makes it."""
    from wsproxy.proxy import ca_folder

    folder = tmp_path_factory.mktemp("recorder-ca")
    ca_folder.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def confdir(recorder_ca: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what a module's proxies keep, with a certificate authority."""
    return Path(shutil.copytree(recorder_ca, tmp_path_factory.mktemp("ca") / "conf"))


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Fail a test that leaves a thread of wsproxy."""
    before = set(threading.enumerate())  # such as those of a proxy that a module shares
    yield
    # The client that the tests use has threads, too, and leaves them to end by themselves.
    names = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not [name for name in names if name.startswith(("wsproxy", "simulator", "asyncio"))]


@pytest.fixture
def good_trace(tmp_path: Path) -> Path:
    """A session in which nothing went wrong (`mutations.good_records`)."""
    return make_trace(tmp_path / "good.wstrace", good_records())
