"""The pytest plugin, run by pytest as in a project of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wsproxy

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "recordings" / "samples" / "deepgram"
ENDED = SAMPLES / "deepgram.listen.NET-0000.wstrace"

# An app of one message, and its tests' head. Not the threaded client: one that reads and writes
# TLS in two threads hangs now and then on Pythons that do not lock SSL objects yet.
HEAD = """
import asyncio, subprocess, sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosedError, InvalidProxyStatus
from websockets.sync.client import connect

import wsproxy

LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
KEY = {"Authorization": "Token 0123456789"}
AUDIO = next(wsproxy.open(Path(__file__).with_name("call.wstrace")).messages()).data

def app(url, audio=AUDIO, proxy=None):
    async def session():
        async with aconnect(url + LISTEN, additional_headers=KEY, proxy=proxy) as session:
            await session.send(audio)
            try:
                return await session.recv()
            except ConnectionClosedError as error:
                return error.rcvd.reason
    return asyncio.run(session())
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a trace. Of all plugins that are installed, there is ours alone."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copy(ENDED, pytester.path / "call.wstrace")
    return pytester


def run(project: pytest.Pytester, body: str, *args: str) -> pytest.RunResult:
    project.makepyfile(test_it=HEAD + body)
    return run_there(project, *args)


def run_there(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    plugin = ("-p", "wsproxy.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers")
    return project.runpytest_subprocess(*plugin, "-W", "error", *args, timeout=100)


def test_plugin_app_as_recorded_passes(project: pytest.Pytester) -> None:
    (project.path / "plan.toml").write_text(
        '[[step]]\ncondition = "deepgram.listen.NET-0000"\n[[step]]\n'
        'condition = "deepgram.listen.DATA-0000"\n'
    )
    body = """
@pytest.mark.wsproxy("call.wstrace")
def test_trace(wsproxy_server):
    assert app(wsproxy_server.url) == "NET-0000"
    assert wsproxy_server.verdict().reproduced

@pytest.mark.wsproxy("call.wstrace", strict=True, pace="x2", match=["path", "query"])
def test_options(wsproxy_server):
    app(wsproxy_server.url)

@pytest.mark.wsproxy("call.wstrace")
def test_async(wsproxy_server):
    async def main():
        async with aconnect(wsproxy_server.url + LISTEN, proxy=None) as session:
            await session.send(AUDIO)
            with pytest.raises(ConnectionClosedError):
                await session.recv()
    asyncio.run(main())

@pytest.mark.wsproxy(condition="deepgram.listen.DATA-0000", after="audio")
def test_condition(wsproxy_server):
    assert app(wsproxy_server.url) == "DATA-0000"

@pytest.mark.wsproxy(plan="plan.toml")
def test_plan(wsproxy_server):
    assert [app(wsproxy_server.url) for _ in range(2)] == ["NET-0000", "DATA-0000"]
    assert len(wsproxy_server.sessions) == 2

@pytest.mark.wsproxy(plan='[[step]]\\ncondition = "deepgram.listen.NET-0000"')
def test_text_of_a_plan(wsproxy_server):
    assert app(wsproxy_server.url) == "NET-0000"

@pytest.mark.wsproxy("call.wstrace", check=False)
def test_unchecked(wsproxy_server):
    app(wsproxy_server.url, bytes([7]) * 3200)

@pytest.mark.wsproxy("call.wstrace", check=False)
class TestNearest:
    @pytest.mark.wsproxy(condition="deepgram.listen.DATA-0000")
    def test_the_nearest_marker_counts(self, wsproxy_server):
        assert app(wsproxy_server.url) == "DATA-0000"

@pytest.fixture
def client(wsproxy_server):
    with connect(wsproxy_server.url + LISTEN, proxy=None) as session:
        yield session

@pytest.mark.wsproxy("call.wstrace")
def test_a_session_that_a_fixture_ends(client):
    client.send(AUDIO)
"""
    run(project, body).assert_outcomes(passed=9)


def test_plugin_other_behaviour_fails(project: pytest.Pytester) -> None:
    body = """
@pytest.mark.wsproxy("call.wstrace")
def test_it(wsproxy_server):
    app(wsproxy_server.url, bytes([7]) * 3200)
"""
    result = run(project, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*___ test_it ___*",
            "wsproxy: the app did not do what is recorded in call.wstrace: different",
            "  first difference: audio_sent",
            "    recorded  3200 bytes  (frame 1)",
            "    now       3200 bytes, others from byte 0 (0.000 s) on  (frame 1)",
            "  nearest recorded frame: #1 at 0.005 s  app → binary 3200 B  00 00 *",
            "  what it did: *.wstrace",
            "  all of it: wsproxy diff *call.wstrace *.wstrace",
        ],
        consecutive=True,
    )
    assert "Traceback" not in result.stdout.str()
    trace = re.search(r"what it did: (\S+)", result.stdout.str())
    assert trace is not None
    (sent,) = (m for m in wsproxy.open(trace[1]).messages(from_client=True))
    assert sent.data == b"\x07" * 3200


@pytest.mark.one_python
def test_plugin_failures_are_one_line(project: pytest.Pytester) -> None:
    body = """
@pytest.mark.wsproxy("call.wstrace")
def test_no_session(wsproxy_server):
    pass

@pytest.mark.wsproxy(condition="deepgram.listen.NET-0000")
def test_no_session_with_a_condition(wsproxy_server):
    pass

@pytest.mark.wsproxy("call.wstrace", match=["query.model"])
def test_refused(wsproxy_server):
    with pytest.raises(Exception, match="404"):
        connect(wsproxy_server.url + "/v1/listen?model=base", proxy=None)

@pytest.mark.wsproxy("other.wstrace")
def test_missing(wsproxy_server):
    pass

@pytest.mark.wsproxy("call.wstrace", colour="red")
def test_keyword(wsproxy_server):
    pass

@pytest.mark.wsproxy("call.wstrace", pace="quick")
def test_value(wsproxy_server):
    pass

@pytest.mark.wsproxy("test_it.py")
def test_no_trace(wsproxy_server):
    pass

@pytest.mark.wsproxy(condition="deepgram.listen.NET-9999")
def test_no_condition(wsproxy_server):
    pass

def test_no_marker(wsproxy_server):
    pass
"""
    result = run(project, body)
    result.assert_outcomes(failed=3, errors=6)
    out = result.stdout.str()
    assert not re.search("Traceback|During handling", out)
    for name, says in {
        "test_no_session": "wsproxy: no session reached what the test serves",
        "test_no_session_with_a_condition": "wsproxy: no session reached what the test serves",
        "test_refused": "wsproxy: no session reached what the test serves\n  no trace matches GET",
        "test_missing": f"{project.path}/other.wstrace is not there; `pytest --wsproxy-record`",
        "test_keyword": "wsproxy marker: unknown keyword 'colour'",
        "test_value": "wsproxy: pace 'quick': give recorded,",
        "test_no_trace": f"wsproxy: {project.path}/test_it.py is not a trace",
        "test_no_condition": "wsproxy: unknown condition",
        "test_no_marker": "wsproxy_server: say what to serve",
    }.items():
        assert re.search(rf"_ (ERROR at \w+ of )?{name} _+\n{re.escape(says)}", out), name


@pytest.mark.one_python
def test_plugin_failing_test_shows_difference(project: pytest.Pytester) -> None:
    body = """
@pytest.mark.wsproxy("call.wstrace")
def test_it(wsproxy_server):
    assert app(wsproxy_server.url, bytes([7]) * 3200) == "nothing"
"""
    result = run(project, body)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*the app did not do what is recorded*", "*assert*nothing*"])


@pytest.mark.one_python
@pytest.mark.sweep(keep=0)
def test_plugin_command_through_proxy_is_reached(project: pytest.Pytester) -> None:
    project.makepyfile(
        command="""
import sys
from test_it import app
print(app("wss://api.deepgram.com", proxy=True))
"""
    )
    body = """
@pytest.mark.wsproxy("call.wstrace")
def test_trace(wsproxy_server):
    out = subprocess.check_output([sys.executable, "command.py"], env=wsproxy_server.env)
    assert out.decode() == "NET-0000\\n"

@pytest.mark.wsproxy(condition="deepgram.listen.DATA-0000")
def test_condition(wsproxy_server, monkeypatch):
    for name, value in wsproxy_server.env.items():
        monkeypatch.setenv(name, value)
    assert app("wss://api.deepgram.com", proxy=True) == "DATA-0000"

@pytest.mark.wsproxy("call.wstrace", check=False)
def test_another_host(wsproxy_server):
    with pytest.raises(Exception, match="502"):
        connect("ws://203.0.113.1/", proxy=wsproxy_server.proxy)
    assert wsproxy_server.refused == ["nothing here answers for 203.0.113.1"]
"""
    run(project, body).assert_outcomes(passed=3)


def test_plugin_recorder_fixture_records(project: pytest.Pytester) -> None:
    body = """
@pytest.mark.wsproxy(condition="deepgram.listen.NET-0000")
def test_what_is_served(wsproxy_server, wsproxy_recorder):
    app(wsproxy_server.url, proxy=wsproxy_recorder.proxy)
    (trace,) = wsproxy_recorder.wait()
    assert wsproxy.open(trace).findings[0].id == "deepgram.listen.NET-0000"
    assert KEY["Authorization"].encode() not in trace.read_bytes()

def test_another_machine(wsproxy_recorder):
    with pytest.raises(InvalidProxyStatus):
        connect("wss://203.0.113.1/", proxy=wsproxy_recorder.proxy)
"""
    run(project, body).assert_outcomes(passed=2)


@pytest.mark.one_python
@pytest.mark.sweep(keep=0)
def test_plugin_parallel_runs_pass(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    body = """
@pytest.mark.parametrize("number", range(4))
@pytest.mark.wsproxy("call.wstrace")
def test_it(wsproxy_server, number):
    assert app("ws://api.deepgram.com", proxy=wsproxy_server.proxy) == "NET-0000"
"""
    run(project, body, "-p", "xdist.plugin", "-n", "2").assert_outcomes(passed=4)


# -- recording: the API is a simulated one, at the base URL that the marker names

RECORDED = """
@pytest.fixture(scope="module")
def api():
    with wsproxy.serve(condition="deepgram.listen.DATA-0000") as served:
        yield served

@pytest.fixture(autouse=True)
def to(request, api):
    marker = request.node.get_closest_marker("wsproxy")
    marker.kwargs["to"] = api.url

@pytest.mark.wsproxy("call.wstrace")
def test_there(to, wsproxy_server):
    app(wsproxy_server.url)

@pytest.mark.wsproxy("new/one.wstrace")
def test_missing(to, wsproxy_server):
    app(wsproxy_server.url)

@pytest.mark.wsproxy("new/folder")
def test_folder(to, wsproxy_server):
    for _ in range(2):
        app(wsproxy_server.url)
"""


def reason(trace: Path) -> str:
    close = wsproxy.open(trace).session.close
    assert close is not None
    return close.reason


@pytest.mark.one_python
def test_plugin_record_missing_traces_are_recorded(project: pytest.Pytester) -> None:
    run(project, RECORDED, "--wsproxy-record").assert_outcomes(passed=3)
    assert reason(project.path / "new" / "one.wstrace") == "DATA-0000"
    folder = project.path / "new" / "folder"
    assert [reason(path) for path in folder.iterdir()] == ["DATA-0000"] * 2
    assert (project.path / "call.wstrace").read_bytes() == ENDED.read_bytes()
    before = {path: path.read_bytes() for path in (project.path / "new").rglob("*.wstrace")}
    run(project, RECORDED).assert_outcomes(passed=3)
    assert before == {path: path.read_bytes() for path in (project.path / "new").rglob("*.wstrace")}
    assert b"0123456789" not in b"".join(before.values())


@pytest.mark.one_python
@pytest.mark.sweep(keep=0)
def test_plugin_record_all_replaces_traces(project: pytest.Pytester) -> None:
    folder = project.path / "new" / "folder"
    folder.mkdir(parents=True)
    shutil.copy(ENDED, folder)
    run(project, RECORDED, "--wsproxy-record=all").assert_outcomes(passed=3)
    assert reason(project.path / "call.wstrace") == "DATA-0000"
    assert [reason(path) for path in folder.iterdir()] == ["DATA-0000"] * 2


@pytest.mark.one_python
def test_what_cannot_be_recorded(project: pytest.Pytester) -> None:
    body = """
@pytest.mark.wsproxy("new/none.wstrace")
def test_nothing(wsproxy_server):
    assert wsproxy_server.traces == []

@pytest.mark.wsproxy("new/which.wstrace")
def test_which_api(wsproxy_server):
    with pytest.raises(wsproxy.errors.UsageError, match='to="wss://HOST"'):
        wsproxy_server.url

@pytest.mark.wsproxy("new/two.wstrace")
def test_two(wsproxy_server):
    with wsproxy.serve(condition="deepgram.listen.DATA-0000") as api:
        for _ in range(2):
            app(api.url, proxy=wsproxy_server.proxy)
        wsproxy_server.wait(2)
"""
    result = run(project, body, "--wsproxy-record")
    result.assert_outcomes(passed=3, errors=3)
    result.stdout.fnmatch_lines(
        [
            "nothing was recorded for *new/none.wstrace: no session was opened",
            "nothing was recorded for *new/which.wstrace: no session was opened",
            "2 sessions were recorded for *new/two.wstrace; name a folder to keep them all",
        ]
    )
    assert not (project.path / "new").exists()


# -- projects that do not use it, and ours that does


def test_plugin_unused_imports_nothing() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import wsproxy.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['wsproxy', 'wsproxy.pytest_plugin']"


@pytest.mark.one_python
def test_plugin_marker_and_option_are_listed(project: pytest.Pytester) -> None:
    result = run_there(project, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.wsproxy(trace, [*], check=True, *"])
    run_there(project, "--help").stdout.fnmatch_lines(["*--wsproxy-record*"])
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nwsproxy = "wsproxy.pytest_plugin"' in pyproject


def test_plugin_documented_example_passes(project: pytest.Pytester) -> None:
    shutil.copytree(ROOT / "docs" / "example", project.path, dirs_exist_ok=True)
    run_there(project, "test_captions.py").assert_outcomes(passed=4)


# -- asynchronous tests

ASYNC = """
async def session(url):
    async with aconnect(url + LISTEN, additional_headers=KEY, proxy=None) as session:
        await session.send(AUDIO)
        with pytest.raises(ConnectionClosedError):
            await session.recv()

@{mark}
@pytest.mark.wsproxy("call.wstrace")
async def test_verdict(wsproxy_server):
    await session(wsproxy_server.url)
    await wsproxy_server.wait_async()
    assert (await wsproxy_server.verdict_async()).reproduced

@{mark}
@pytest.mark.wsproxy("call.wstrace")
async def test_checked_afterwards(wsproxy_server):
    await session(wsproxy_server.url)

@{mark}
@pytest.mark.wsproxy("call.wstrace")
async def test_refused(wsproxy_server):
    with pytest.raises(RuntimeError, match="verdict_async"):
        wsproxy_server.verdict()
    await session(wsproxy_server.url)

@{mark}
@pytest.mark.wsproxy("call.wstrace")
async def test_another_audio(wsproxy_server):
    global AUDIO
    AUDIO = AUDIO[:-1] + b"x"
    await session(wsproxy_server.url)
"""


@pytest.mark.parametrize(
    ("module", "plugin", "mark"),
    [
        ("pytest_asyncio", "pytest_asyncio.plugin", "pytest.mark.asyncio"),
        ("anyio", "anyio.pytest_plugin", "pytest.mark.anyio"),
    ],
)
def test_plugin_asynchronous_test_is_checked(
    module: str, plugin: str, mark: str, project: pytest.Pytester
) -> None:
    pytest.importorskip(module)
    body = ASYNC.format(mark=mark)
    if module == "anyio":
        body += '\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    found = run(project, body, "-p", plugin, "-W", "ignore::pytest.PytestDeprecationWarning")
    found.assert_outcomes(passed=3, failed=1)
    found.stdout.fnmatch_lines(["*first difference: audio_sent*"])
