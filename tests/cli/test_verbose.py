"""`-v`: log messages on stderr."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from commands import wsproxy
from wsproxy.cli.logs import info_on_stderr, logging_on_stderr
from wsproxy.errors import Setting

LEVELS = ["debug", "info", "warning"]


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    for level in LEVELS:
        logging.getLogger("wsproxy.some.part").log(getattr(logging, level.upper()), "a %s", level)
    logging.getLogger("websockets.client").error("a header: Token 0123")
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [
        (0, ["a warning"]),
        (1, ["info wsproxy.some.part: a info", "warning wsproxy.some.part: a warning"]),
        (
            2,
            [
                "debug wsproxy.some.part: a debug",
                "info wsproxy.some.part: a info",
                "warning wsproxy.some.part: a warning",
            ],
        ),
    ],
)
def test_verbose_shows_levels_and_names(
    verbosity: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_on_stderr(verbosity):
        shown = logged(capsys)
    # Those of other libraries go where they went before: Python prints errors as they are.
    assert [line for line in shown if "Token" not in line] == lines


def test_verbose_bytes_in_messages_of_mitmproxy_are_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logging_on_stderr(1):
        log = logging.getLogger("mitmproxy.proxy.server")
        log.info("Unexpected data from server: %r", b"X-Key: it's K7x9")
        log.info("Unexpected data from server: %r, %s", b"X-Key:\n K7x9", "the end")
    assert capsys.readouterr().err.splitlines() == [
        "info mitmproxy.proxy.server: Unexpected data from server: b'...'",
        "info mitmproxy.proxy.server: Unexpected data from server: b'...', the end",
    ]


def test_verbose_logging_is_restored_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("wsproxy")
    before = (logger.level, list(logger.handlers))
    with logging_on_stderr(2):
        assert logger.handlers != before[1]
    assert (logger.level, logger.handlers) == before


def test_verbose_recorder_shows_info_without_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("wsproxy"), "level", logging.INFO)  # as mitmproxy does
    with logging_on_stderr(0), info_on_stderr():
        assert "a info" in logged(capsys)


def test_verbose_message_gets_the_option_of_its_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logging_on_stderr(0):
        logging.getLogger("wsproxy.proxy").warning(
            "unknown name.", extra={"settings": (Setting("allow_hosts"),)}
        )
    assert capsys.readouterr().err == "unknown name; allow the name with --allow-host NAME\n"


def test_verbose_command_names_file_of_defaults(tmp_path: Path) -> None:
    path = tmp_path / "wsproxy.toml"
    path.write_text("[list]\njson = true\n")
    quiet = wsproxy("list", tmp_path, cwd=tmp_path)
    verbose = wsproxy("-v", "list", tmp_path, cwd=tmp_path)
    assert quiet.stderr == ""
    assert verbose.stderr == f"info wsproxy.cli.defaults: defaults from {path}\n"
    assert quiet.stdout == verbose.stdout


def test_verbose_replay_names_address(good_trace: Path, tmp_path: Path) -> None:
    url = "ws://127.0.0.1:1/?key=5e1f"
    arguments = ("replay", "client", good_trace, "--to", url, "--no-record")
    done = wsproxy("-v", *arguments, cwd=tmp_path)
    assert ".asyncio_client: connecting to 127.0.0.1:1\n" in done.stderr
    assert "5e1f" not in done.stderr
    assert "connecting" not in wsproxy(*arguments, cwd=tmp_path).stderr
