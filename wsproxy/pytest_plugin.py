"""The pytest plugin: recorded sessions in tests (docs/testing.md).

Fixtures `wsproxy_server` and `wsproxy_recorder`, the marker `wsproxy`, and the option
`--wsproxy-record`. Nothing of wsproxy is loaded before a test asks for a fixture.
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

_TRACE = ".wstrace"  # else it is a folder of traces
_GRACE = 0.5  # seconds that a session's end may take behind the test's
_OPTIONS = (
    *("condition", "after", "plan", "silence", "pace", "match", "strict", "timeout"),
    *("max_wer", "audio_tolerance", "same_as"),
)

_MARKER = (
    "wsproxy(trace, *, check=True, to=None, ...): what the fixture wsproxy_server serves: a trace "
    "or a folder, relative to the test's file, or condition=ID, or plan=TOML. Further keywords are "
    "those of wsproxy.serve. check=False: the test does not fail if the app did not do what is "
    "recorded. to: the API's base URL, for --wsproxy-record."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("wsproxy").addoption(
        "--wsproxy-record",
        nargs="?",
        const="missing",
        choices=("missing", "all"),
        help="Use the network: record the traces that are missing from the real APIs, or "
        "(--wsproxy-record=all) every one anew.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def wsproxy_server(
    request: pytest.FixtureRequest, _wsproxy_confdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """What the test's marker names, served on this machine: `url`, `env`, `proxy`, `verdicts`..."""
    from .errors import WsproxyError  # noqa: PLC0415

    asked = _Asked.of(request.node)
    folder = tmp_path_factory.mktemp("wsproxy")
    failed = None
    try:
        if asked.is_to_be_recorded(request.config.getoption("wsproxy_record")):
            yield from _record(asked, folder, _wsproxy_confdir)
        else:
            yield from _serve(asked, folder, _wsproxy_confdir, request.node)
    except WsproxyError as error:
        failed = f"wsproxy: {error}"
    if failed is not None:  # not in the handler: pytest would show the first error as well
        pytest.fail(failed, pytrace=False)


@pytest.fixture
def wsproxy_recorder(
    request: pytest.FixtureRequest, _wsproxy_confdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """A recorder: `proxy`, `ca`, `env`, `traces`, `wait`.

    It connects to other machines with --wsproxy-record only.
    """
    from .api import record  # noqa: PLC0415

    network = request.config.getoption("wsproxy_record") is not None
    out = tmp_path_factory.mktemp("wsproxy")
    with record(out, network=network, confdir=_wsproxy_confdir) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def _wsproxy_confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority of the test run's own."""
    return tmp_path_factory.mktemp("wsproxy-ca")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a test's marker says.

    Attributes:
        trace: path of the trace or the folder, None for a condition or a plan.
        check: whether the test fails if the app did not do what is recorded.
        to: the API's base URL, to record with.
        options: of `wsproxy.serve`.
    """

    trace: Path | None
    check: bool
    to: str | None
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, item: pytest.Item) -> _Asked:
        """Read the marker that is nearest to a test."""
        marker = item.get_closest_marker("wsproxy")
        if marker is None or len(marker.args) > 1:
            pytest.fail(
                'wsproxy_server: say what to serve: @pytest.mark.wsproxy("call.wstrace"), or '
                "condition=..., or plan=...",
                pytrace=False,
            )
        unknown = sorted(set(marker.kwargs) - {*_OPTIONS, "check", "to"})
        if unknown:
            pytest.fail(f"wsproxy marker: {unknown[0]!r} is none of its keywords", pytrace=False)
        options = {name: marker.kwargs[name] for name in _OPTIONS if name in marker.kwargs}
        here = item.path.parent
        plan = options.get("plan")
        if plan is not None and "[[" not in str(plan):
            options["plan"] = here / plan
        if "same_as" in options:
            others = options["same_as"]
            others = [others] if isinstance(others, str | Path) else others
            options["same_as"] = [here / each for each in others]
        trace = here / marker.args[0] if marker.args else None
        return cls(trace, marker.kwargs.get("check", True), marker.kwargs.get("to"), options)

    def is_to_be_recorded(self, option: str | None) -> bool:
        """Whether it is to be recorded from the real API; a trace that is missing fails the test.

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


class _Check:
    """Fails a test, once, if the app did not do what is recorded."""

    def __init__(self, asked: _Asked, served: Served) -> None:
        self._asked = asked
        self._served = served
        self._done = not asked.check

    def after_call(self) -> None:
        """The test's function is over, but perhaps not a session that a fixture ends."""
        if not self._done and self._served.settle(_GRACE):
            self.at_last()

    def at_last(self) -> None:
        """Nothing of the test is left."""
        from .api import unlike  # noqa: PLC0415

        if self._done:
            return
        self._done = True
        failed = unlike(self._asked.trace, self._served, self._asked.options.get("timeout", 10.0))
        if failed is not None:
            pytest.fail(failed, pytrace=False)


_CHECK = pytest.StashKey[_Check]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test where it is one that passes otherwise; at its teardown it would be an error."""
    yield
    if _CHECK in item.stash:
        item.stash[_CHECK].after_call()


def _serve(asked: _Asked, folder: Path, confdir: Path, item: pytest.Item) -> Iterator[Served]:
    """Serve it, and check what the app does."""
    from .api import serve  # noqa: PLC0415

    with serve(asked.trace, out=folder, confdir=confdir, **asked.options) as served:
        check = item.stash[_CHECK] = _Check(asked, served)
        yield served
        check.at_last()


def _record(asked: _Asked, folder: Path, confdir: Path) -> Iterator[Served]:
    """Record from the API what the test does, and keep it where the marker says."""
    from wsproxy.api.live_server import ServedLive  # noqa: PLC0415

    with ExitStack() as stack:
        live = ServedLive(folder, asked.to, stack, confdir)
        yield live
    assert asked.trace is not None
    _keep(live.traces, asked.trace)


def _keep(traces: list[Path], path: Path) -> None:
    if not traces:
        pytest.fail(f"nothing was recorded for {path}: no session came", pytrace=False)
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
