"""The pytest plugin: recorded sessions in tests (docs/testing.md).

Fixtures `wsproxy_server` and `wsproxy_recorder`, the marker `wsproxy`, and the option
`--wsproxy-record`. The rest of wsproxy is imported when a test uses a fixture.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .api import Recorder, Served

_TRACE = ".wstrace"  # any other path is a folder of traces
_SETTLE_SECONDS = 0.5  # seconds for a session to end after the test
_OPTIONS = (
    *("condition", "after", "plan", "silence", "pace", "match", "strict", "timeout"),
    *("max_wer", "audio_tolerance", "same_as"),
)

_MARKER = (
    "wsproxy(trace, *, check=True, to=None, ...): what the fixture wsproxy_server serves: a trace "
    "or a folder, relative to the test's file, or condition=ID, or plan=TOML. The other keywords "
    "are those of wsproxy.serve. check=False: the test does not fail if the app does not behave as "
    "recorded. to: the API's base URL, for --wsproxy-record."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("wsproxy").addoption(
        "--wsproxy-record",
        nargs="?",
        const="missing",
        choices=("missing", "all"),
        help="Use the network: record missing traces from the real APIs, or all of them again "
        "(--wsproxy-record=all).",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def wsproxy_server(
    request: pytest.FixtureRequest, _wsproxy_confdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Serve what the test's marker names: `url`, `env`, `proxy`, `verdicts`..."""
    from .errors import WsproxyError  # noqa: PLC0415

    arguments = _MarkerArguments.of(request.node)
    folder = tmp_path_factory.mktemp("wsproxy")
    failed = None
    try:
        if arguments.should_record(request.config.getoption("wsproxy_record")):
            yield from _record(arguments, folder, _wsproxy_confdir)
        else:
            yield from _serve(arguments, folder, _wsproxy_confdir, request.node)
    except WsproxyError as error:
        failed = f"wsproxy: {error}"
    if failed is not None:  # outside the handler, or pytest would also show the first error
        pytest.fail(failed, pytrace=False)


@pytest.fixture
def wsproxy_recorder(
    request: pytest.FixtureRequest, _wsproxy_confdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """Run a recorder: `proxy`, `ca`, `env`, `traces`, `wait`.

    It connects to other machines only with --wsproxy-record.
    """
    from .api import record  # noqa: PLC0415

    network = request.config.getoption("wsproxy_record") is not None
    out = tmp_path_factory.mktemp("wsproxy")
    with record(out, network=network, confdir=_wsproxy_confdir) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def _wsproxy_confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate authority of the test run."""
    return tmp_path_factory.mktemp("wsproxy-ca")


@dataclass(frozen=True, slots=True)
class _MarkerArguments:
    """The arguments of a test's marker.

    Attributes:
        trace: path of the trace or the folder, None for a condition or a plan.
        check: whether the test fails if the app does not behave as recorded.
        to: the API's base URL, for recording.
        options: of `wsproxy.serve`.
    """

    trace: Path | None
    check: bool
    to: str | None
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, item: pytest.Item) -> _MarkerArguments:
        """Read the closest marker of a test."""
        marker = item.get_closest_marker("wsproxy")
        if marker is None or len(marker.args) > 1:
            pytest.fail(
                'wsproxy_server: say what to serve: @pytest.mark.wsproxy("call.wstrace"), or '
                "condition=..., or plan=...",
                pytrace=False,
            )
        unknown = sorted(set(marker.kwargs) - {*_OPTIONS, "check", "to"})
        if unknown:
            pytest.fail(f"wsproxy marker: unknown keyword {unknown[0]!r}", pytrace=False)
        options = {name: marker.kwargs[name] for name in _OPTIONS if name in marker.kwargs}
        test_folder = item.path.parent
        plan = options.get("plan")
        if plan is not None and "[[" not in str(plan):
            options["plan"] = test_folder / plan
        if "same_as" in options:
            others = options["same_as"]
            others = [others] if isinstance(others, str | Path) else others
            options["same_as"] = [test_folder / each for each in others]
        trace = test_folder / marker.args[0] if marker.args else None
        return cls(trace, marker.kwargs.get("check", True), marker.kwargs.get("to"), options)

    def should_record(self, option: str | None) -> bool:
        """Whether to record from the real API; otherwise, a missing trace fails the test.

        Args:
            option: "missing", "all", or None if it was not given.
        """
        if self.trace is None:
            return False
        if option is None and not self.trace.exists():
            pytest.fail(
                f"{self.trace} is not there; `pytest --wsproxy-record` records it from the real "
                "API",
                pytrace=False,
            )
        return option == "all" or not self.trace.exists()


class _VerdictCheck:
    """Fails a test, once, if the app does not behave as recorded."""

    def __init__(self, arguments: _MarkerArguments, served: Served) -> None:
        self._arguments = arguments
        self._served = served
        self._done = not arguments.check

    def check_after_call(self) -> None:
        """Check after the test function, unless a fixture still keeps a session open."""
        if not self._done and self._served.settle(_SETTLE_SECONDS):
            self.check_at_teardown()

    def check_at_teardown(self) -> None:
        """Check when the test and its fixtures have ended."""
        from .api import describe_failure  # noqa: PLC0415

        if self._done:
            return
        self._done = True
        failed = describe_failure(
            self._arguments.trace, self._served, self._arguments.options.get("timeout", 10.0)
        )
        if failed is not None:
            pytest.fail(failed, pytrace=False)


_CHECK_KEY = pytest.StashKey[_VerdictCheck]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Check after the call: a failure in the teardown would count as an error."""
    yield
    if _CHECK_KEY in item.stash:
        item.stash[_CHECK_KEY].check_after_call()


def _serve(
    arguments: _MarkerArguments, folder: Path, confdir: Path, item: pytest.Item
) -> Iterator[Served]:
    """Serve what the marker names, and check the app."""
    from .api import serve  # noqa: PLC0415

    with serve(arguments.trace, out=folder, confdir=confdir, **arguments.options) as served:
        check = item.stash[_CHECK_KEY] = _VerdictCheck(arguments, served)
        yield served
        check.check_at_teardown()


def _record(arguments: _MarkerArguments, folder: Path, confdir: Path) -> Iterator[Served]:
    """Record the test against the real API, and store the traces where the marker says."""
    from wsproxy.api.live_server import ServedLive  # noqa: PLC0415

    with ExitStack() as stack:
        live = ServedLive(folder, arguments.to, stack, confdir)
        yield live
    assert arguments.trace is not None
    _store_traces(live.traces, arguments.trace)


def _store_traces(traces: list[Path], path: Path) -> None:
    if not traces:
        pytest.fail(f"nothing was recorded for {path}: no session was opened", pytrace=False)
    if path.suffix == _TRACE and len(traces) > 1:
        pytest.fail(
            f"{len(traces)} sessions were recorded for {path}; name a folder to keep them all",
            pytrace=False,
        )
    if path.suffix == _TRACE:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(traces[0], path)
        return
    path.mkdir(parents=True, exist_ok=True)
    before = set(path.glob(f"*{_TRACE}"))
    for trace in traces:
        shutil.copy(trace, path)
    for old in before:
        old.unlink()
