"""Default values of options from a file, which may be a stranger's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commands import wsproxy
from test_option_names import USES
from wsproxy.cli import defaults

# Options that a file which was found may set. A new option has to be put here, or in
# `_NEVER_FOUND` if a stranger could do harm with it.
HARMLESS = {
    "after all as-proxy audio-tolerance auth bisect catch catch-port cert chunk close condition "
    "control corrupt cut deflate drop end exact exit-status failed finding for from fsync "
    "full gate host hosts interims json keep keep-ids keepalive latency limit list "
    "listen markdown match max-audio max-payload max-sessions max-size max-wer model no-audio "
    "no-record note others out outcome pace plan port probability prove provider ramp "
    "replace same-as seed side silence since stall status strict through time "
    "timeline timeout transcript until view waveform workers"
}
OF_THE_TOP = {"--config", "--verbose", "--version", "-v", "-V"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder to run commands in, below one that may have a file."""
    folder = tmp_path / "project" / "below"
    folder.mkdir(parents=True)
    return folder


def test_defaults_every_option_is_harmless_or_refused() -> None:
    allowed = set(" ".join(HARMLESS).split())
    names = {use.name.removeprefix("--") for use in USES if use.name not in OF_THE_TOP}
    assert names == allowed | set(defaults._NEVER_FOUND)
    assert not allowed & set(defaults._NEVER_FOUND)


def test_defaults_file_is_used_from_a_folder_above(project: Path, good_trace: Path) -> None:
    (project.parent / "wsproxy.toml").write_text("[list]\njson = true\n")
    assert wsproxy("list", good_trace, cwd=project).stdout.startswith("[")


def test_defaults_pyproject_is_used(project: Path, good_trace: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.wsproxy.list]\njson = true\n")
    assert wsproxy("list", good_trace, cwd=project).stdout.startswith("[")


def test_defaults_of_a_group_are_those_of_its_commands(project: Path) -> None:
    (project / "wsproxy.toml").write_text('[catalog.list]\nprovider = "soniox"\n')
    lines = wsproxy("catalog", "list", cwd=project).stdout.splitlines()
    assert lines
    assert all(line.startswith("soniox.") for line in lines)


def test_defaults_nearest_file_wins_and_own_file_before_pyproject(project: Path) -> None:
    (project.parent / "wsproxy.toml").write_text('[catalog.list]\nprovider = "soniox"\n')
    (project / "pyproject.toml").write_text('[tool.wsproxy.catalog.list]\nprovider = "revai"\n')
    assert wsproxy("catalog", "list", cwd=project).stdout.startswith("revai.")
    (project / "wsproxy.toml").write_text('[catalog.list]\nprovider = "hume"\n')
    assert wsproxy("catalog", "list", cwd=project).stdout.startswith("hume.")


def test_defaults_command_line_wins(project: Path) -> None:
    (project / "wsproxy.toml").write_text('[catalog.list]\nprovider = "soniox"\n')
    done = wsproxy("catalog", "list", "--provider", "revai", cwd=project)
    assert done.stdout.startswith("revai.")


@pytest.mark.parametrize("text", ["[project]\nname = 'wsproxy-app'\n", "not [ toml\n", ""])
def test_defaults_pyproject_without_wsproxy_table_is_ignored(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    (project.parent / "wsproxy.toml").write_text('[catalog.list]\nprovider = "soniox"\n')
    assert wsproxy("catalog", "list", cwd=project).stdout.startswith("soniox.")


def test_defaults_option_names_a_file_or_none(project: Path, tmp_path: Path) -> None:
    (project / "wsproxy.toml").write_text('[catalog.list]\nprovider = "soniox"\n')
    named = tmp_path / "other.toml"
    named.write_text('[catalog.list]\nprovider = "revai"\n')
    done = wsproxy("--config", named, "catalog", "list", cwd=project)
    assert done.stdout.startswith("revai.")
    done = wsproxy("catalog", "list", cwd=project, WSPROXY_CONFIG=str(named))
    assert done.stdout.startswith("revai.")
    everything = wsproxy("--config", "", "catalog", "list", cwd=project).stdout
    assert {"soniox", "revai"} <= {line.partition(".")[0] for line in everything.splitlines()}


def test_defaults_relative_path_is_relative_to_the_file(project: Path) -> None:
    (project.parent / "wsproxy.toml").write_text('[bundle]\nout = "sub/bundle.txt"\n')
    done = wsproxy("bundle", "x.wstrace", cwd=project)
    assert str(project.parent / "sub" / "bundle.txt") in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[lst]\njson = true", "lst: unknown command; did you mean list?"),
        ("[list]\njsn = true", "list.jsn: unknown option; did you mean json?"),
        ("[replay]\npace = 'fast'", "replay.pace: unknown command"),
        ("list = 1", "list: expected a table of options"),
        ("[list]\njson = 'yes'", "list.json: expected a boolean"),
        ("[list]\njson = 1", "list.json: expected a boolean"),
        ("[record]\nhost = 'x'", "record.host: expected an array of strings"),
        ("[record]\nhost = [1]", "record.host: expected a string"),
        ("[record]\nout = true", "record.out: expected a string"),
        (
            "[record]\nfsync = 'alway'",
            "record.fsync: 'alway' is not one of 'never', 'end', 'block'",
        ),
        ("[show]\nlimit = 'x'", "show.limit: expected an integer"),
        ("[show]\nlimit = true", "show.limit: expected an integer"),
        ("[show]\nlimit = 0", "show.limit: 0 is not in the range x>=1"),
        ("[diff]\nmax-wer = nan", "diff.max-wer: nan is not a number"),
        ("[diff]\nmax-wer = 'x'", "diff.max-wer: expected a number"),
        ("[diff]\nmax_wer = 0.1", "diff.max_wer: unknown option; did you mean max-wer?"),
        ("[list", "is not valid TOML: "),
        ("a" + ".a" * 5000 + " = 1", "a key has too many parts"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("[proxy-process]\nx = 1", "proxy-process: unknown command"),
    ],
)
@pytest.mark.parametrize("command", [("list", "--json"), ("catalog", "list")])
def test_defaults_mistake_is_one_line_with_file_and_key(
    text: str, says: str, command: tuple[str, ...], project: Path
) -> None:
    (project / "wsproxy.toml").write_text(text)
    done = wsproxy(*command, cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert str(project / "wsproxy.toml") in done.stderr
    assert says in done.stderr


# -- a stranger's file

HOSTILE = {
    "record": {
        "set": "['scripts=evil.py']",
        "mode": "'reverse:wss://evil.example'",
        "confdir": "'ca'",
        "catalog": "['evil.toml']",
        "allow-host": "['*']",
        "max-folder": "'1B'",
        "listen": "'0.0.0.0:8080'",
        "out": "'../elsewhere'",
    },
    "replay.client": {
        "to": "'wss://evil.example'",
        "proxy": "'http://evil.example:1'",
        "ca": "'evil.pem'",
        "insecure": "true",
        "repeat": "1000",
        "until-verdict": "'different'",
        "header": "['Authorization: Token of-the-stranger']",
        "query": "['callback=https://evil.example']",
        "subprotocol": "'token,of-the-stranger'",
        "field": "['api_key=of-the-stranger']",
    },
    "load": {"sessions": "10000"},
    "distill": {"attempts": "100000", "tries": "1000"},
    "recover": {"in-place": "true"},
    "scrub": {"force": "true", "out": "'/tmp/elsewhere'"},
    "view": {"open": "true"},
    "show": {"grep": "'(a+)+$'"},
}
FLAT = [(table, key, value) for table, keys in HOSTILE.items() for key, value in keys.items()]


def test_defaults_hostile_list_has_every_refused_option() -> None:
    assert {key for _, key, _ in FLAT} == set(defaults._NEVER_FOUND) | {"listen", "out"}


@pytest.mark.parametrize(("table", "key", "value"), FLAT, ids=lambda each: str(each)[:20])
def test_defaults_found_file_cannot_do_harm(
    table: str, key: str, value: str, project: Path
) -> None:
    path = project / "pyproject.toml"
    path.write_text(f"[tool.wsproxy.{table}]\n{key} = {value}\n")
    done = wsproxy("catalog", "list", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}: tool.wsproxy.{table}.{key}: not allowed here" in done.stderr
    assert done.stderr.count("\n") == 1
    named = wsproxy("--config", path, "catalog", "list", cwd=project)
    assert named.returncode == 0


def test_defaults_found_output_path_through_link_stays_in_folder(
    project: Path, tmp_path: Path
) -> None:
    (project / "traces").symlink_to(tmp_path)
    (project / "wsproxy.toml").write_text('[record]\nout = "traces"\n')
    assert "not allowed here" in wsproxy("catalog", "list", cwd=project).stderr


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_defaults_file_of_another_user_is_not_used(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "wsproxy.toml").write_text('[catalog.list]\nprovider = "soniox"\n')
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setattr(defaults, "_ROOT", 54321)
    done = wsproxy("catalog", "list", cwd=project)
    assert not done.stdout.startswith("soniox.")
    assert "belongs to another user" in done.stderr


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
@pytest.mark.parametrize("name", ["wsproxy.toml", "pyproject.toml"])
def test_defaults_mistake_of_another_user_is_no_error(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any user can put a file into /tmp, where others run commands in their own folders."""
    (project.parent / name).write_bytes(b"[tool.wsproxy] not [ toml \xff")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setattr(defaults, "_ROOT", 54321)
    done = wsproxy("catalog", "list", cwd=project)
    assert done.returncode == 0
    assert done.stderr.count("\n") == (name == "wsproxy.toml")


def test_defaults_huge_file_is_refused(project: Path) -> None:
    (project / "wsproxy.toml").write_text("# x\n" * (100 << 10))
    done = wsproxy("catalog", "list", cwd=project)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "larger than 262,144 bytes" in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_defaults_fifo_does_not_block(project: Path) -> None:
    os.mkfifo(project / "wsproxy.toml")
    done = wsproxy("--config", "wsproxy.toml", "catalog", "list", cwd=project)
    assert done.returncode == 2
    assert "a FIFO, not a regular file" in done.stderr
    assert wsproxy("catalog", "list", cwd=project).returncode == 0


def test_defaults_hostile_names_are_escaped_on_terminal(project: Path) -> None:
    (project / "wsproxy.toml").write_text('["\\u001b[2J"]\nx = 1\n')
    done = wsproxy("catalog", "list", cwd=project)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_defaults_are_not_read_for_version_and_help(project: Path) -> None:
    (project / "wsproxy.toml").write_text("not [ toml")
    for arguments in (["--version"], ["--help"], ["addon", "path"], ["completion", "bash"]):
        assert wsproxy(*arguments, cwd=project).returncode == 0
