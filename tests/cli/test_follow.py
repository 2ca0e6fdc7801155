"""`wsproxy follow`: sessions while they are recorded."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from commands import put_each, wsproxy
from trace_builder import TraceBuilder, audio, upgrade_request
from wire_witness import wait_until

RESULT = {"type": "Results", "channel_index": [0, 1]}


def heard(text: str, *, final: bool) -> dict[str, Any]:
    return {**RESULT, "is_final": final, "channel": {"alternatives": [{"transcript": text}]}}


def begun(path: Path) -> TraceBuilder:
    """A session that is being recorded."""
    session = TraceBuilder(
        path,
        upgrade_request("/v1/listen?encoding=linear16&sample_rate=16000"),
        provider="deepgram",
        api="listen",
    ).accept()
    session.client(audio(3200), audio(3200))
    session.recording.flush()
    return session


class Follower:
    """The command as a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: Queue[str] = Queue()
        assert process.stdout is not None
        threading.Thread(target=put_each, args=(process.stdout, self.lines), daemon=True).start()

    def next(self) -> str:
        return self.lines.get(timeout=60).rstrip("\n")

    def until(self, text: str) -> list[str]:
        """The lines up to one that has the text."""
        found = [self.next()]
        while text not in found[-1]:
            found.append(self.next())
        return found


@contextmanager
def following(*arguments: object) -> Iterator[Follower]:
    command = [sys.executable, "-m", "wsproxy", "follow", *map(str, arguments)]
    pipe = subprocess.PIPE
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield Follower(process)
        finally:
            process.kill()


def test_follow_shows_a_session_from_its_beginning_to_its_findings(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with following(folder) as follower:
        assert follower.next() == (
            f"following {folder}; the folder does not exist yet; stop with Ctrl-C"
        )
        folder.mkdir()
        session = begun(folder / "a.wstrace")
        began = follower.next()
        assert began.startswith(f"[{session.recording.session.id[:8]}] deepgram listen, began")
        session.server(heard("hello wor", final=False), heard("hello world", final=True))
        session.recording.flush()
        assert follower.next().endswith("user: hello world")
        session.closed(1011, "internal error")
        (verdict, *_, path) = follower.until(".wstrace")
        assert "1011" in verdict
        assert "sent 3 frames" in verdict
        assert path.endswith(str(folder / "a.wstrace"))
        follower.process.send_signal(signal.SIGINT)
        assert follower.process.wait(30) == 0
    assert "hello wor\n" not in str(list(follower.lines.queue))


@pytest.mark.real_processes
def test_follow_json_has_an_event_a_line(tmp_path: Path) -> None:
    ended = begun(tmp_path / "ended.wstrace").closed(1000)
    with following(tmp_path, "--json") as follower:
        assert follower.process.stderr is not None
        assert follower.process.stderr.readline().startswith("following ")
        session = begun(tmp_path / "new.wstrace")
        session.server(heard("hel", final=False), heard("hello", final=True))
        session.closed(1011, "internal error")
        events = [json.loads(follower.next()) for _ in range(4)]
    assert [event["event"] for event in events] == ["began", "result", "result", "ended"]
    assert {event["session"] for event in events} == {session.recording.session.id}
    assert events[0]["path"] == str(session.path) != str(ended)
    assert [(event["text"], event["final"]) for event in events[1:3]] == [
        ("hel", False),
        ("hello", True),
    ]
    explained = json.loads(wsproxy("explain", session.path, "--json").stdout)
    assert {name: events[3][name] for name in explained} == explained


def test_follow_trace_ends_with_it(tmp_path: Path) -> None:
    session = begun(tmp_path / "a.wstrace")
    session.server(heard("hello", final=True)).closed(1000)
    done = wsproxy("follow", session.path)
    assert done.returncode == 0
    assert "user: hello" in done.stdout
    assert "following" not in done.stdout


def test_follow_trace_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.wstrace").write_bytes(b"no trace")
    done = wsproxy("follow", tmp_path / "a.wstrace")
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_follow_session_whose_recorder_was_killed_ends(tmp_path: Path) -> None:
    session = begun(tmp_path / "a.wstrace")
    copy = tmp_path / "copy.wstrace"
    copy.write_bytes(session.path.read_bytes())
    done = wsproxy("follow", copy)
    assert "or was killed" in done.stdout


def test_follow_escapes_what_a_session_says(tmp_path: Path) -> None:
    session = begun(tmp_path / "a.wstrace")
    session.server(heard("\x1b[31mred\nline", final=True)).closed(1000)
    done = wsproxy("follow", session.path)
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred\\nline" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is made")
def test_follow_on_a_terminal_prints_interim_results_over(tmp_path: Path) -> None:
    screen, side = pty.openpty()
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                shown.extend(os.read(screen, 1 << 16))
            except OSError:
                return

    command = [sys.executable, "-m", "wsproxy", "follow", str(tmp_path)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(command, stdout=side, stderr=side, env=environment) as process:
        os.close(side)
        threading.Thread(target=read, daemon=True).start()
        wait_until(partial(_has, shown, b"following"))
        session = begun(tmp_path / "a.wstrace")
        session.server(heard("hello wor", final=False)).recording.flush()
        wait_until(partial(_has, shown, b"hello wor"))
        session.server(heard("hello world", final=True)).closed(1000)
        wait_until(partial(_has, shown, b"a.wstrace"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(screen)
    interim = shown.index(b"hello wor")
    assert b"\x1b[2K" in shown[interim : shown.index(b"hello world")]  # it is erased


def _has(shown: bytearray, text: bytes) -> bool:
    return text in shown
