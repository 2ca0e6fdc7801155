"""Completion by the shells themselves, where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from commands import wsproxy
from wsproxy.cli.catalog_ids import ConditionId

PROGRAM = Path(sys.executable).with_name("wsproxy")
PATH = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"


def script(shell: str) -> str:
    done = wsproxy("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def completed(line: str) -> list[str]:
    """What bash completes a line to."""
    words = line.split(" ")
    program = f"""
{script("bash")}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
$(complete -p wsproxy | sed 's/.*-F \\([^ ]*\\) .*/\\1/') wsproxy
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": PATH},
    )
    assert done.stderr == ""
    return done.stdout.split()


bash = pytest.mark.skipif(
    shutil.which("bash") is None or not PROGRAM.exists(), reason="no bash, or no program"
)


@pytest.mark.sweep(keep=6)
@pytest.mark.one_python
@bash
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wsproxy rec", ["record", "recover"]),
        ("wsproxy replay ", ["client", "server"]),
        ("wsproxy show --t", ["--through", "--timeline", "--transcript"]),
        ("wsproxy record --fsync ", ["never", "end", "block"]),
        ("wsproxy completion z", ["zsh"]),
        ("wsproxy doctor --for ", ["run", "record"]),
        ("wsproxy proxy", []),
        ("wsproxy simulate deepgram.speak.NET-0003", ["deepgram.speak.NET-0003"]),
        ("wsproxy catalog show 3007-r", ["assemblyai.streaming.3007-rate"]),
        ("wsproxy catalog list --provider assem", ["assemblyai"]),
        ("wsproxy list --provider assem", ["assemblyai"]),
        ("wsproxy list --finding deepgram.speak.NET-0003", ["deepgram.speak.NET-0003"]),
        ("wsproxy list --finding audio.clip", ["traffic.audio.clipping"]),
        (
            "wsproxy mutate call.wstrace --condition deepgram.upgrade.INVALID_A",
            ["deepgram.upgrade.INVALID_AUTH"],
        ),
    ],
)
def test_completion_bash_completes(line: str, words: list[str]) -> None:
    assert completed(line) == words


@pytest.mark.one_python
@bash
def test_completion_bash_lists_all_commands() -> None:
    commands = completed("wsproxy ")
    assert {"record", "run", "explain", "load", "completion"} <= set(commands)
    assert "proxy-process" not in commands


@pytest.mark.one_python
@bash
def test_completion_simulate_has_only_conditions_that_can_be_simulated() -> None:
    """`deepgram.listen.flux-on-v1` is a mistake of an app: no server causes it."""
    assert "deepgram.listen.flux-on-v1" in completed("wsproxy catalog show deepgram.listen.")
    simulated = completed("wsproxy simulate deepgram.listen.")
    assert "deepgram.listen.NET-0001" in simulated
    assert "deepgram.listen.flux-on-v1" not in simulated


@pytest.mark.one_python
@bash
def test_completion_with_a_mistake_in_the_catalog_completes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.toml").write_text("[")
    monkeypatch.setenv("WSPROXY_CATALOG", str(tmp_path / "bad.toml"))
    assert completed("wsproxy simulate deepgram.listen.NET-0001") == []


OWN = """schema = 1
provider = "deepgram"
[[condition]]
id = "deepgram.listen.OWN1"
apis = ["listen"]
severity = "error"
title = "a\\u001b]0;x\\u0007\\nfile,/etc/passwd"
meaning = "m"
causes = ["c"]
remedies = ["r"]
retry = "fix-first"
[condition.source]
document = "d"
[[condition.match]]
kind = "close"
reason = "OWN"
[[condition.example]]
matches = true
close = {code = 1008, reason = "OWN"}
[[condition.example]]
matches = false
close = {code = 1008, reason = "x"}
"""


def test_completion_title_of_an_own_condition_is_one_line_without_escapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """zsh and fish read lines, and print the title to the terminal."""
    (tmp_path / "own.toml").write_text(OWN)
    monkeypatch.setenv("WSPROXY_CATALOG", str(tmp_path / "own.toml"))
    command = click.Command("show")
    option = click.Argument(["id"], type=ConditionId())
    (item,) = option.shell_complete(click.Context(command), "deepgram.listen.OWN1")
    assert item.help == r"a\x1b]0;x\x07\nfile,/etc/passwd"


@pytest.mark.one_python
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_valid(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(script(shell))
    assert "_WSPROXY_COMPLETE" in path.read_text()
    if (program := shutil.which(shell)) is not None:
        check = "--no-execute" if shell == "fish" else "-n"
        subprocess.run([program, check, path], check=True)


def test_completion_help_has_installation_command() -> None:
    shown = wsproxy("completion", "--help").stdout
    for shell in ("bash", "zsh", "fish"):
        assert f"wsproxy completion {shell}" in shown
    assert "~/.bashrc" in shown
