"""`wsproxy diff`: exit status, what people read, what programs read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sessions import LISTEN, SPEAK, STALLED, closed, opened, result, said, write
from wsproxy.cli import main
from wsproxy.cli.diff import command


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def listen(tmp_path: Path) -> Path:
    return write(tmp_path / "listen.wstrace", LISTEN)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """As `listen`, but for its last words and its close code."""
    records = [*LISTEN[:-5], result(2100, "Nobody heard this.", final=True), *LISTEN[-4:-3]]
    records += [closed(2111, False, 1011, "NET-0001")]
    return write(tmp_path / "other.wstrace", records)


def test_the_same(listen: Path) -> None:
    done = diff(listen, listen)
    assert done.exit_code == 0
    assert done.output.startswith("SAME: in both, the server closed with 1000")
    assert "equal: method, path, subprotocol, query.model" in done.output
    assert "app sent the same messages and audio; transcripts match" in done.output
    assert "upgrade answered" in done.output


def test_different_is_one_screen_with_frames(listen: Path, other: Path) -> None:
    done = diff(listen, other)
    assert done.exit_code == 1
    first, *lines = done.output.splitlines()
    assert first.startswith("DIFFERENT: in A, the server closed with 1000")
    assert "in B, the server closed with 1011 NET-0001 (deepgram.listen.NET-0001)" in first
    (code,) = (line for line in lines if line.strip().startswith("close_code"))
    assert code.split()[1:] == ["1000", "[frame", "36]", "1011", "[frame", "36]"]
    assert "transcripts differ, WER " in done.output
    assert len(lines) < 40


def test_json(listen: Path, other: Path) -> None:
    same = json.loads(diff(listen, listen, "--json").output)
    assert same["verdict"] == "same"
    assert same["differences"] == []
    found = json.loads(diff(listen, other, "--json").output)
    assert found["verdict"] == "different"
    fields = {difference["field"]: difference for difference in found["differences"]}
    assert fields["close_code"]["frames"] == {"recorded": 36, "replayed": 36}
    assert fields["transcript"]["replayed"].endswith("Nobody heard this.")
    assert found["wer"] > 0.1


def test_how_far_transcripts_may_be_apart(tmp_path: Path, listen: Path) -> None:
    records = [*LISTEN[:-5], result(2100, "Over the lazy cat, it was.", final=True), *LISTEN[-4:]]
    near = write(tmp_path / "near.wstrace", records)
    assert diff(listen, near).exit_code == 1
    within = diff(listen, near, "--max-wer", "0.1")
    assert within.exit_code == 0
    assert within.output.startswith("SAME (within WER 0.1): in both, the server closed with 1000")
    assert json.loads(diff(listen, near, "--max-wer", "0.1", "--json").output)["tolerance"] == {
        "wer": 0.1
    }
    assert diff(listen, near, "--max-wer", "0.01").exit_code == 1
    assert diff(listen, near, "--exact").exit_code == 1


def test_diff_lists_what_is_not_compared(listen: Path) -> None:
    done = diff(listen, listen)
    (line,) = (line for line in done.output.splitlines() if line.startswith("not compared: "))
    (figures,) = re.findall(r"ids, times and numbers \((.*?)\)", line)
    assert {"request_id", "duration"} <= set(figures.split(", "))
    assert "Results (interim): timing-dependent" in line
    assert "KeepAlive: how often it is sent" in line
    listed = json.loads(diff(listen, listen, "--json").output)["not_compared"]
    assert "Metadata: duration: by rule" in listed


def test_diff_same_as_another_recording_leaves_out_what_varies(tmp_path: Path) -> None:
    def trace(name: str, score: int, answer: str = "yes") -> Path:
        said_there = [said(100, False, {"type": "x", "score": score, "answer": answer})]
        records = [*opened("/x"), *said_there, closed(900, False, 1000)]
        return write(tmp_path / name, records, provider=None, api=None)

    call, again = trace("a.wstrace", 1), trace("c.wstrace", 2)
    today = trace("b.wstrace", 3)
    assert diff(call, today).exit_code == 1
    done = diff(call, today, "--same-as", again)
    assert done.exit_code == 0
    assert "x: score: varies" in done.output
    done = diff(call, trace("d.wstrace", 3, "no"), "--same-as", again)
    assert done.exit_code == 1
    assert "messages: answer" in done.output


def test_text_of_a_trace_does_not_reach_the_terminal_as_it_is(tmp_path: Path) -> None:
    evil = [*STALLED[:-2], closed(10_500, False, 1011, "\x1b[31mred")]
    left = write(tmp_path / "a.wstrace", STALLED)
    done = diff(left, write(tmp_path / "b.wstrace", evil))
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    assert "\\x1b[31mred" in done.output


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["{listen}", "nowhere.wstrace"], 3, "nowhere.wstrace"),
        (["{listen}", "{folder}"], 2, "folder"),
        (["{listen}", "{listen}", "--max-wer", "nan"], 2, "nan"),
        (["{listen}", "{listen}", "--max-wer", "-1"], 2, "max-wer"),
        (["{listen}", "{listen}", "--audio-tolerance", "2"], 2, "audio-tolerance"),
        (["{listen}", "{listen}", "--exact", "--same-as", "{listen}"], 2, "--exact excludes"),
        (["{listen}", "{listen}", "--same-as", "nowhere.wstrace"], 3, "nowhere.wstrace"),
        (["{listen}"], 2, "missing argument"),
        (["{listen}", "{text}"], 3, "not a trace"),
    ],
)
def test_bad_input_is_one_line_and_a_status(
    arguments: list[str],
    status: int,
    says: str,
    listen: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("hello")
    given = [a.format(listen=listen, folder=tmp_path, text=text) for a in arguments]
    monkeypatch.setattr("sys.argv", ["wsproxy", "diff", *given])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == status
    out, error = capsys.readouterr()
    assert out == ""
    assert says in error
    assert "Traceback" not in error


def test_traces_of_different_apis(tmp_path: Path, listen: Path) -> None:
    done = diff(listen, write(tmp_path / "speak.wstrace", SPEAK, api="speak"))
    assert done.exit_code == 1
    assert "deepgram speak" in done.output
