"""The JSON of the reading commands: the names that docs/json.md promises, and their values."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from commands import wsproxy as run
from wsproxy.catalog import load
from wsproxy.cli.main import cli
from wsproxy.diagnose.annotation import annotate
from wsproxy.errors import UsageError
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.trace import Eof, Failure, Gap, Request, Response
from wsproxy.wire import Close, Frame, Opcode

MS = 1_000_000
DOCUMENT = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
KEY = [["Upgrade", "websocket"], ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="]]
ACCEPT = [["Sec-WebSocket-Accept", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="]]
AUDIO = bytes(range(256)) * 12 + bytes(128)  # 100 ms


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A session in which Deepgram hears nothing for 10 s."""
    path = tmp_path / "session.wstrace"
    start = new_start(Clock(1_790_000_000_000_000_000, 0), provider="deepgram", api="listen")
    recording = SessionWriter(path, start, annotate=partial(annotate, catalog=load()))
    url = "/v1/listen?encoding=linear16&sample_rate=16000"
    recording.add(Request(1, "GET", "ws", "api.deepgram.com", 443, url, headers=KEY))
    recording.response(Response(2 * MS, 101, "Switching Protocols", headers=ACCEPT))
    for number in range(3):
        recording.data(
            (100 + 100 * number) * MS, True, Frame(Opcode.BINARY, AUDIO, mask=b"abcd").serialize()
        )
    recording.data(350 * MS, False, Frame(Opcode.TEXT, b'{"type":"Results"}').serialize())
    recording.data(360 * MS, True, Frame(Opcode.PING, b"p", mask=b"abcd").serialize())
    recording.data(370 * MS, False, b"\x83\x00")  # a reserved opcode
    recording.add(Gap(400 * MS, 410 * MS, "a test", 1, 2))
    close = Close(1011, "NET-0001").serialize()
    recording.data(10_300 * MS, False, Frame(Opcode.CLOSE, close).serialize())
    recording.eof(Eof(10_301 * MS, False))
    recording.add(Failure(10_302 * MS, "tls-server", False, "a test"))
    recording.end(10_303 * MS)
    return path


def out_of(*args: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def documented(heading: str) -> set[str]:
    """The names in the first column of the first table under a heading."""
    section = DOCUMENT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = section[section.index("| field | |") :].split("\n\n", 1)[0]
    firsts = (line.split("|")[1] for line in table.splitlines()[2:])
    return {name for first in firsts for name in re.findall(r"`(\w+)`", first)}


def test_list_json_has_documented_fields(trace: Path) -> None:
    (entry,) = json.loads(out_of("list", trace.parent, "--json"))
    assert set(entry) == documented("`wsproxy list --json`")
    assert entry["path"] == str(trace)
    assert entry["started_at"].startswith("2026-09-")
    assert (entry["provider"], entry["api"], entry["host"]) == (
        "deepgram",
        "listen",
        "api.deepgram.com",
    )
    assert (entry["status"], entry["attempt"], entry["duration_s"]) == (101, 1, 10.303)
    assert (entry["frames_sent"], entry["frames_received"]) == (4, 2)
    assert entry["bytes_sent"] == 3 * (8 + len(AUDIO)) + 7
    assert entry["bytes_received"] == 20 + 2 + 12
    assert (entry["close_code"], entry["close_reason"], entry["closed_by"]) == (
        1011,
        "NET-0001",
        "server",
    )
    assert (entry["ending"], entry["complete"]) == ("close", False)
    assert entry["findings"][0] == "deepgram.listen.NET-0001"


def test_show_json_has_documented_fields(trace: Path) -> None:
    records = [json.loads(line) for line in out_of("show", trace, "--json").splitlines()]
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", DOCUMENT.split("show --json`", 1)[1], re.MULTILINE
    )
    documented_fields = {kind: set(re.findall(r"`(\w+)`", text)) for kind, text in rows}
    assert {r["kind"] for r in records} == {
        *("start", "request", "response", "frame", "bytes"),
        *("eof", "failure", "gap", "finding", "end"),
    }
    for each in records:
        assert set(each) - {"kind", "t_ns"} <= documented_fields[each["kind"]], each
    frames = [r for r in records if r["kind"] == "frame"]
    assert [f["number"] for f in frames] == [1, 2, 3, 4, 5, 6]
    assert [f["opcode"] for f in frames] == ["binary", "binary", "binary", "text", "ping", "close"]
    first, text, close = frames[0], frames[3], frames[5]
    assert base64.b64decode(first["base64"]) == AUDIO
    assert first["sha256"] == hashlib.sha256(AUDIO).hexdigest()
    assert (first["masked"], first["fin"], first["rsv"]) == (True, True, 0)
    assert (first["wire_length"], first["length"]) == (8 + len(AUDIO), len(AUDIO))
    assert (text["text"], text["from_client"], text["masked"]) == (
        '{"type":"Results"}',
        False,
        False,
    )
    assert (close["code"], close["reason"]) == (1011, "NET-0001")


def names_in(value: object) -> set[str]:
    """The names of all fields in JSON, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(names_in, value.values()))
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


def test_show_timeline_json_has_documented_fields(trace: Path) -> None:
    shown = json.loads(out_of("show", trace, "--timeline", "--json"))
    assert set(shown) == documented("`wsproxy show --timeline --json`")
    section = DOCUMENT.split("## `wsproxy show --timeline --json`\n", 1)[1].split("\n## ", 1)[0]
    assert names_in(shown) <= set(re.findall(r"`([\w-]+)`", section))
    assert shown["outcome"] == "failed"
    assert shown["audio"]["sent"]["seconds"] == 0.3
    assert shown["latency"]["first_message_s"] == 0.348
    (result,) = shown["transcript"]["results"]
    assert (result["frame"], result["text"], result["final"]) == (4, "", True)


def test_show_timeline_text_starts_with_outcome(trace: Path) -> None:
    first, *_ = out_of("show", trace, "--timeline").splitlines()
    assert first == "failed: closed by the server with 1011 NET-0001"


@pytest.mark.parametrize(
    "option",
    [("--limit", "1"), ("--from", "1s"), ("--through", "#2"), ("--grep", "x"), ("--full",)],
)
def test_show_timeline_with_selection_is_refused(trace: Path, option: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, ["show", str(trace), "--timeline", *option])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"--timeline and {option[0]} exclude each other"


def test_explain_json_has_documented_fields(trace: Path) -> None:
    explained = json.loads(out_of("explain", trace, "--json"))
    assert set(explained) == documented("`wsproxy explain --json`")
    section = DOCUMENT.split("Each finding:", 1)[1].split("\n## ", 1)[0]
    first, *_ = explained["findings"]
    assert first["id"] == "deepgram.listen.NET-0001"
    assert set(first) <= set(re.findall(r"`(\w+)`", section))
    silence = [e for e in first["evidence"] if e["unit"] == "s"]
    assert {9.93, 10.0} & {round(e["value"], 2) for e in silence}
    assert set(silence[0]) == {"text", "frames", "t_ns", "value", "unit"}


def test_explain_json_of_several_traces_is_an_array(trace: Path) -> None:
    both: list[dict[str, Any]] = json.loads(out_of("explain", trace, trace, "--json"))
    assert len(both) == 2


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--from", "#2", "--through", "#3"], [2, 3]),
        (["--from", "0.3s", "--through", "0.36s"], [3, 4, 5]),
        (["--grep", "Results"], [4]),
        (["--from", "#1", "--limit", "2"], [1, 2]),
    ],
)
def test_show_json_options_select_frames(
    trace: Path, options: list[str], numbers: list[int]
) -> None:
    lines = out_of("show", trace, "--json", *options).splitlines()
    found = [json.loads(line) for line in lines]
    assert [r["number"] for r in found if r["kind"] == "frame"] == numbers


def test_show_text_folds_control_frames(trace: Path) -> None:
    assert "1 ping and pong frame" in out_of("show", trace)
    assert " ping " in out_of("show", trace, "--control")


@pytest.mark.parametrize(
    ("command", "has", "says"),
    [
        ("list", '"complete": false', ""),
        ("show", '"kind": "start"', "no end record"),
        ("explain", '"trace.incomplete"', ""),
    ],
)
def test_commands_cut_trace_is_read_to_its_end(
    command: str, has: str, says: str, trace: Path
) -> None:
    trace.write_bytes(trace.read_bytes()[:-120])
    done = run(command, trace, "--json")
    assert done.returncode == 0
    assert has in done.stdout
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "status", "expected"),
    [
        (["show", "no-such-file"], 3, "no-such-file"),
        (["explain", "no-such-file"], 3, "no-such-file"),
        (["list", "no-such-folder"], 3, "no-such-folder"),
        (["show", __file__], 3, "not a trace"),
        (["explain", __file__], 3, "not a trace"),
        (["replay", "client", __file__, "--to", "ws://127.0.0.1:1"], 3, "not a trace"),
        (["simulate", "NET-9999"], 2, "NET-9999"),
        (["record", "--listen", "here"], 2, "HOST:PORT"),
        (["record", "--mode", "sideways", "--listen", "127.0.0.1:0"], 2, "sideways"),
        (["record", "--out", "/dev/null/x", "--listen", "127.0.0.1:0"], 2, "cannot write"),
        (["run", "--out", "/dev/null/x", "--", "true"], 2, "cannot write"),
        (["run", "--", "no-such-command"], 127, "not found"),
    ],
)
def test_commands_bad_input_is_one_line_error(args: list[str], status: int, expected: str) -> None:
    done = run(*args)
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert expected in line
