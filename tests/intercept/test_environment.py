"""What a command that is run under the recorder finds in its environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from tls_certificates import Certificate
from wsproxy.intercept import ca_bundle, preloads
from wsproxy.intercept.environment import for_command
from wsproxy.proxy.embedding import RunningProxy, _ConnectionCounter

URL = "http://127.0.0.1:4711"


@pytest.fixture
def running(tmp_path: Path) -> RunningProxy:
    ca = Certificate.make(tmp_path / "ca.pem").path
    return RunningProxy(("127.0.0.1", 4711), ca, False, _ConnectionCounter(), cast("Any", None))


def test_for_command_proxy_variables_are_set_in_both_cases(
    running: RunningProxy, tmp_path: Path
) -> None:
    env = for_command(running, "regular", tmp_path, {"NO_PROXY": "localhost", "no_proxy": "*"})
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        assert env[name] == env[name.upper()] == URL
    assert "NO_PROXY" not in env
    assert "no_proxy" not in env


def test_for_command_bundle_has_usual_own_and_recorder_certificates(
    running: RunningProxy, tmp_path: Path
) -> None:
    own = Certificate.make(tmp_path / "own.pem").path
    env = for_command(running, "regular", tmp_path, {"SSL_CERT_FILE": str(own)})
    bundle = ca_bundle.read(Path(env["SSL_CERT_FILE"]))
    assert ca_bundle.read(own).keys() <= bundle.keys()
    assert ca_bundle.read(running.ca).keys() <= bundle.keys()
    assert len(bundle) > 50
    assert Path(env["NODE_EXTRA_CA_CERTS"]).read_bytes() == running.ca.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_for_command_certificates_can_be_read_by_other_users(
    running: RunningProxy, tmp_path: Path
) -> None:
    """A command that root starts may change its user; the CA is in root's home folder."""
    running.ca.chmod(0o600)
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    env = for_command(running, "regular", folder, {})
    assert folder.stat().st_mode & 0o777 == 0o755
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "WSPROXY_CA"):
        path = Path(env[name])
        assert path.parent == folder
        assert path.stat().st_mode & 0o044 == 0o044


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root changes its user")
def test_for_command_preloads_in_a_private_folder_are_copied(
    running: RunningProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node does not start with a file that its user cannot read."""
    private, folder = tmp_path / "private", tmp_path / "run"
    shutil.copytree(preloads._FOLDER, private / "preload")
    private.chmod(0o700)
    folder.mkdir()
    monkeypatch.setattr(preloads, "_FOLDER", private / "preload")
    env = for_command(running, "regular", folder, {})
    assert env["NODE_OPTIONS"] == f'--require "{folder}/preload/node/proxy.cjs"'
    for name in ("node/proxy.cjs", "bun/proxy.mjs", "python/sitecustomize.py"):
        assert (folder / "preload" / name).stat().st_mode & 0o004


@pytest.mark.parametrize("mode", ["reverse:http://127.0.0.1:1", "transparent"])
def test_for_command_reverse_mode_sets_no_proxy_variables(
    mode: str, running: RunningProxy, tmp_path: Path
) -> None:
    env = for_command(running, mode, tmp_path, {})
    assert "https_proxy" not in env
    assert "NODE_OPTIONS" not in env
    assert env["WSPROXY_URL"] == URL
    assert Path(env["NODE_EXTRA_CA_CERTS"]).read_bytes() == running.ca.read_bytes()


def test_for_command_proxy_beside_a_reverse_proxy_is_for_other_machines(
    running: RunningProxy, tmp_path: Path
) -> None:
    """An API may answer with an absolute URL of a session; the base URL is on this machine."""
    mode = "reverse:http://127.0.0.1:1"
    env = for_command(running, mode, tmp_path, {"NO_PROXY": "x"}, proxy=("127.0.0.1", 4712))
    assert env["https_proxy"] == env["HTTP_PROXY"] == "http://127.0.0.1:4712"
    assert env["NO_PROXY"] == env["no_proxy"] == "localhost,127.0.0.1,::1"
    assert env["WSPROXY_PROXY"] == "http://127.0.0.1:4712"  # for the preloads
    assert env["WSPROXY_URL"] == URL
    # Libraries that read none of these connect to that URL, too.
    assert env["WSPROXY_PROXY"] == "http://127.0.0.1:4712"
    assert "-Dhttps.proxyPort=4712" in env["JAVA_TOOL_OPTIONS"]
    assert {"PYTHONPATH", "NODE_OPTIONS", "BUN_OPTIONS"} <= env.keys()


def test_for_command_socks5_mode_sets_the_scheme_and_no_preloads(
    running: RunningProxy, tmp_path: Path
) -> None:
    env = for_command(running, "socks5", tmp_path, {})
    assert env["ALL_PROXY"] == "socks5h://127.0.0.1:4711"
    assert "PYTHONPATH" not in env


def test_for_command_node_and_python_settings_of_the_user_are_kept(
    running: RunningProxy, tmp_path: Path
) -> None:
    base = {"NODE_OPTIONS": "--no-warnings", "PYTHONPATH": "/some/where"}
    env = for_command(running, "regular", tmp_path, base)
    assert env["NODE_OPTIONS"].startswith("--no-warnings --require ")
    assert env["PYTHONPATH"].endswith(f"{os.pathsep}/some/where")


def test_preload_sitecustomize_of_the_user_runs_as_well(
    running: RunningProxy, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine', end=' ')")
    env = for_command(running, "regular", tmp_path, {"PYTHONPATH": str(tmp_path)})
    done = subprocess.run(
        [sys.executable, "-c", "print('app')"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "mine app\n"
    assert not done.stderr


def test_for_command_bun_and_java_options_of_the_user_are_kept(
    running: RunningProxy, tmp_path: Path
) -> None:
    base = {"BUN_OPTIONS": "--smol", "JAVA_TOOL_OPTIONS": "-Xmx1g"}
    env = for_command(running, "regular", tmp_path, base)
    assert env["BUN_OPTIONS"].startswith("--smol --preload=")
    assert env["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Dhttp.proxyHost=127.0.0.1 ")


def test_for_command_node_uses_no_proxy_support_of_its_own(
    running: RunningProxy, tmp_path: Path
) -> None:
    """Node 22 would print a warning on the app's stderr; the preload does the work."""
    assert "NODE_USE_ENV_PROXY" not in for_command(running, "regular", tmp_path, {})
    env = for_command(running, "regular", tmp_path, {"NODE_USE_ENV_PROXY": "1"})
    assert env["NODE_USE_ENV_PROXY"] == "1"  # the user's
