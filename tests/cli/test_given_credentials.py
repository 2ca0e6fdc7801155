"""Credentials on the command line, in settings that are invalid: errors do not repeat them."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import wsproxy

SECRET = "Zq9plant7Kx3Wv8Ty2Rb5Nm4"
PROXIES = (
    f"ftp://u:{SECRET}@127.0.0.1:1", f"http://u:{SECRET}@127.0.0.1:99999", f"u:{SECRET}@127.0.0.1",
)  # fmt: skip
TARGETS = (
    f"ws://127.0.0.1:99999/?token={SECRET}", f"ftp://127.0.0.1/?token={SECRET}",
    f"ws://[::1/?token={SECRET}", f"ws://u:{SECRET}", f"ws://h /?token={SECRET}",
)  # fmt: skip
MODES = (
    f"reverse:http://u:{SECRET}@127.0.0.1:1", f"reverse:ws://127.0.0.1:1/?token={SECRET}",
    f"upstream:ftp://u:{SECRET}@127.0.0.1:1",
)  # fmt: skip


def check_refused(*arguments: object) -> None:
    done = wsproxy(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_replay_with_invalid_target_does_not_repeat_its_credential(
    target: str, good_trace: Path
) -> None:
    check_refused("replay", "client", good_trace, "--to", target, "--no-record")


@pytest.mark.parametrize("proxy", PROXIES)
def test_replay_with_invalid_proxy_does_not_repeat_its_password(
    proxy: str, good_trace: Path
) -> None:
    given = ["replay", "client", good_trace, "--to", "ws://127.0.0.1:1", "--no-record"]
    check_refused(*given, "--proxy", proxy)


@pytest.mark.parametrize("mode", MODES)
def test_record_with_invalid_mode_does_not_repeat_its_password(mode: str, tmp_path: Path) -> None:
    check_refused("record", "--mode", mode, "--listen", "127.0.0.1:0", "--out", tmp_path)


@pytest.mark.parametrize("option", ["upstream_auth", "listen_port"])
def test_record_with_invalid_mitmproxy_option_does_not_repeat_its_value(
    option: str, tmp_path: Path
) -> None:
    given = ["--set", f"{option}={SECRET}", "--listen", "127.0.0.1:0", "--out", tmp_path]
    check_refused("record", *given)
