"""The command: what it prints, and with what it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands import wsproxy as run
from mutations import good_records
from traces import make_trace, read_trace
from wsproxy.cli.mutate import _CHANGES, command
from wsproxy.session import Session
from wsproxy.trace import Start

ROOT = Path(__file__).parent.parent


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return make_trace(tmp_path / "good.wstrace", good_records())


def made(trace: Path) -> Path:
    """The one new trace beside a trace."""
    (path,) = (p for p in trace.parent.glob("*.wstrace") if p != trace)
    return path


def changes(path: Path) -> list[str] | None:
    start = read_trace(path)[0][0]
    assert isinstance(start, Start)
    return start.changes


def test_it_says_what_it_made_and_how_that_is_explained(trace: Path) -> None:
    done = run("mutate", trace, "--condition", "deepgram.listen.NET-0000", "--after", "1s")
    assert (done.returncode, done.stderr) == (0, "")
    path = made(trace)
    assert done.stdout.splitlines() == [
        f"wrote {path}",
        "derived from session 0123456789abcdef: condition deepgram.listen.NET-0000 after 1s",
        "Deepgram closed the session 1.0 s after the upgrade with 1011 NET-0000.",
        "error: deepgram.listen.NET-0000: Deepgram had nothing to send back in time",
    ]
    shown = run("show", path).stdout
    assert "derived from session 0123456789abcdef: condition deepgram" in shown.splitlines()[1]
    line = "derived from session 0123456789abcdef: condition"
    assert line in run("explain", path).stdout
    assert line in run("explain", path, "--markdown").stdout
    assert "derived from" not in run("explain", trace).stdout + run("show", trace).stdout


def test_options_of_several_kinds_keep_their_order(trace: Path) -> None:
    given = ["--drop", "1", "--cut", "..1s", "--drop=30", "--query", "a=1", "--cut", "3s..4s"]
    done = run("mutate", *given[:4], trace, *given[4:])
    assert done.returncode == 0, done.stderr
    assert changes(made(trace)) == [
        "drop 1", "cut ..1s", "drop 30", "query a=1", "cut 3s..4s",
    ]  # fmt: skip


def test_json(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder"
    out.mkdir()
    done = run("mutate", trace, "--close", "1011:NET-0001", "--out", out, "--json")
    said = json.loads(done.stdout)
    path = Path(said["trace"])
    assert path.parent == out
    assert said == {
        "trace": str(path),
        "session": Session.read(path).id,
        "origin": "0123456789abcdef",
        "changes": ["close 1011:NET-0001"],
        "ending": "close",
        "findings": ["deepgram.listen.NET-0001"],
    }
    start = json.loads(run("show", path, "--json", "--limit", "1").stdout)
    assert (start["changes"], start["mode"]) == (said["changes"], "mutate")


def test_a_condition_that_something_else_hides_is_noted(trace: Path) -> None:
    first = ["--close", "1011:NET-0001", "--condition", "listen.no-audio-decoded"]
    done = run("mutate", trace, *first)
    assert done.returncode == 0
    assert "explained as deepgram.listen.NET-0001" in done.stderr


def test_a_credential_is_nowhere(trace: Path) -> None:
    secret = "abcdef0123456789abcdef0123456789abcdef01"
    done = run("mutate", trace, "--header", f"Authorization: Token {secret}", "--json")
    assert done.returncode == 0
    assert secret not in done.stdout + done.stderr
    assert secret not in repr(read_trace(made(trace))[0])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "no change given"),
        (["--drop", "99"], 2, "there is no frame 99"),
        (["--drop", "x"], 2, "invalid --drop value 'x': expected a frame"),
        (["--cut", "5s..99s"], 2, "the session ends at 11.300 s"),
        (["--condition", "listen.NET-0002"], 2, "did you mean deepgram.listen.NET-0001"),
        (["--condition", "NET-0000", "--after", "soon"], 2, "--after value 'soon': expected open"),
        (["--after", "3s", "--drop", "1"], 2, "--after requires exactly one --condition"),
        (["--drop", "1", "--out", "good.wstrace", "--force"], 2, "never overwritten"),
        (["--drop", "1", "--out", "there.wstrace"], 2, "already exists"),
        (["--drop", "1", "--out", "no/folder.wstrace"], 2, "cannot write"),
        (["--drop"], 2, "requires an argument"),
    ],
)
def test_bad_input_is_one_line(
    trace: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, said: str
) -> None:
    monkeypatch.chdir(trace.parent)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("there.wstrace").write_text("mine")
    done = run("mutate", trace.name, *arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(p.name for p in trace.parent.iterdir()) == ["good.wstrace", "there.wstrace"]


@pytest.mark.parametrize("content", [b"junk", b"", None])
def test_an_unreadable_trace_is_3(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.wstrace"
    if content is not None:
        path.write_bytes(content)
    done = run("mutate", path, "--drop", "1")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.glob("*.wstrace")) == ([path] if content is not None else [])


def test_help_and_the_document_name_every_change() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    document = (ROOT / "docs" / "mutate.md").read_text(encoding="utf-8")
    for name in _CHANGES:
        assert f"--{name} " in text
        assert f"`--{name} " in document
