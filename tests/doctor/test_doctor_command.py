"""`wsproxy doctor` as a command, and its trial runs."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from commands import wsproxy
from https_server import https_server
from tls_certificates import Certificate
from wsproxy.doctor import trial
from wsproxy.errors import RecorderMissing
from wsproxy.intercept.loaded_clients import LoadedClient
from wsproxy.intercept.observed_hosts import MAX_HOSTS, ObservedHost, ObservedHosts
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.proxy import requirements

DOCUMENT = (Path(__file__).parents[2] / "docs" / "json.md").read_text()

# It does not reach the network: the simulated API answers.
APP = """
import ssl, sys
from websockets.sync.client import connect
context = ssl.create_default_context()
if sys.argv[1:] == ["distrusts"]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print("on stdout")
with connect("wss://api.deepgram.com/v1/listen?model=nova-3", ssl=context,
             additional_headers={"Authorization": "Token x"}) as session:
    session.send('{"type": "CloseStream"}')
    assert "Metadata" in session.recv()
sys.exit(7)
"""


def doctor(confdir: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    options = ("--json", "--out", confdir / "out", "--confdir", confdir)
    done = wsproxy("doctor", *options, *arguments)
    return done.returncode, json.loads(done.stdout)


def app(*arguments: str) -> list[str]:
    return ["--", sys.executable, "-c", APP, *arguments]


def trial_results(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["state"], each["what"]) for each in report["results"] if each["check"] == "trial"]


def test_doctor_prints_states_reasons_and_remedies(tmp_path: Path) -> None:
    options = ("--out", tmp_path, "--confdir", tmp_path)
    done = wsproxy("doctor", *options, SSL_CERT_FILE="/nowhere\x1b.pem", PATH="/nowhere")
    lines = done.stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("warning  CA variables"))
    assert "SSL_CERT_FILE=/nowhere\\x1b.pem cannot be used: No such file" in lines[at]
    assert lines[at + 1].strip().startswith("why: ")
    assert lines[at + 2].strip() == "do:  correct or unset SSL_CERT_FILE"
    assert lines[-1] == "1 warning"
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_problem_exits_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--require /nowhere.cjs")
    monkeypatch.setenv("PATH", "/nowhere")
    status, report = doctor(tmp_path)
    assert (status, report["problems"], report["warnings"]) == (1, 1, 0)
    documented = DOCUMENT.split("## `wsproxy doctor --json`\n", 1)[1].split("\n## ", 1)[0]
    names = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|.*?\|", documented, re.MULTILINE))))
    assert names == set(report) | set(report["results"][0])
    (found,) = (each for each in report["results"] if each["state"] == "problem")
    assert found == {
        "check": "start-up",
        "state": "problem",
        "what": "NODE_OPTIONS loads a file that does not exist: /nowhere.cjs",
        "why": "Node does not start with it",
        "remedy": "correct or unset NODE_OPTIONS",
    }


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--for", "record", "--", "true"], 2),
        (["--for", "replay"], 2),
        (["--listen", "x"], 2),
        (["--", "/nowhere/app"], 127),
    ],
)
def test_doctor_invalid_arguments_are_refused(arguments: list[str], status: int) -> None:
    done = wsproxy("doctor", *arguments)
    assert done.returncode == status
    assert done.stderr.startswith("error: ")


def test_doctor_trial_run_shows_a_client_that_is_recorded(confdir: Path) -> None:
    status, report = doctor(confdir, *app())
    assert status == 0
    states = trial_results(report)
    assert [state for state, _ in states] == ["ok", "ok", "ok"]
    assert states[0][1] == "the command exited with status 7"
    assert states[1][1].startswith("it has loaded websockets ")
    assert states[2][1] == "api.deepgram.com: 1 request, 1 WebSocket upgrade"
    assert not (confdir / "out").exists()


def test_doctor_trial_run_shows_a_client_that_distrusts_the_ca(confdir: Path) -> None:
    status, report = doctor(confdir, *app("distrusts"))
    assert status == 1
    host = "api.deepgram.com: the client does not trust the recorder's CA (1 connection)"
    assert ("problem", host) in trial_results(report)


def test_doctor_trial_run_without_connections_is_a_problem(confdir: Path) -> None:
    status, report = doctor(confdir, "--", sys.executable, "-c", "")
    assert status == 1
    assert trial_results(report) == [
        ("ok", "the command exited with status 0"),
        ("problem", "the command opened no connection to a known speech API through the recorder"),
    ]


def test_doctor_trial_run_passes_other_servers_through(confdir: Path) -> None:
    """A client that trusts nothing but the server's own certificate succeeds."""
    program = """
import ssl, sys, urllib.request
del __import__("os").environ["WSPROXY_CA"]
context = ssl.create_default_context(cafile=sys.argv[2])
assert urllib.request.urlopen(sys.argv[1], context=context).status == 200
"""
    certificate = Certificate.make(confdir / "server.pem")
    with https_server(certificate) as server:
        _, report = doctor(
            confdir, "--", sys.executable, "-c", program, server.url, certificate.path
        )
    assert trial_results(report)[:2] == [
        ("ok", "the command exited with status 0"),
        ("note", "passed through, because they are no known speech APIs: localhost"),
    ]


@pytest.mark.parametrize("reason", ["mitmproxy", "the port is in use", "Exec format error"])
def test_doctor_trial_run_that_is_impossible_is_a_problem(
    confdir: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    program = confdir / "program"
    program.write_text("no program\n")
    program.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if reason == "the port is in use" else 0
        if reason == "mitmproxy":
            missing = mock.Mock(side_effect=RecorderMissing("this needs mitmproxy"))
            monkeypatch.setattr(requirements, "check", missing)
        status, report = doctor(confdir, "--listen", port, "--", program)
    assert status == 1
    assert trial_results(report) == [("problem", "the command was not run")]
    assert reason in report["results"][-1]["why"]


def test_trial_results_of_other_hosts_and_past_connections() -> None:
    observed = {
        "api.deepgram.com": ObservedHost(trusted=2, rejected=1, requests=2, upgrades=1),
        **{f"git{n}.example.com": ObservedHost(passed=1) for n in range(6)},
    }
    past = Counter({PastConnection(("192.0.2.1", 443), "chromium"): 2})
    loaded = [LoadedClient("python", "websockets", "")]
    found = list(trial.results(0, observed, past, loaded, ways=[], catches=False))
    assert [(each.state, each.what) for each in found[1:]] == [
        ("ok", "it has loaded websockets"),
        (
            "warning",
            "api.deepgram.com: 2 requests, 1 WebSocket upgrade, but 1 connection of another "
            "client that does not trust the recorder's CA",
        ),
        (
            "note",
            "passed through, because they are no known speech APIs: git0.example.com, "
            "git1.example.com, git2.example.com, git3.example.com, git4.example.com, ...",
        ),
        ("warning", "went past the recorder: 2 connections to 192.0.2.1:443 by chromium"),
    ]
    caught = list(trial.results(0, {}, past, [], ways=["a", "b"], catches=True))
    assert [each.state for each in caught] == ["ok", "note", "note"]
    assert caught[-1].remedy == "a\nb"


def test_observed_hosts_are_bounded() -> None:
    observed = ObservedHosts()
    for n in range(MAX_HOSTS + 1):
        observed.at(str(n)).requests += 1
    observed.at("0").requests += 1
    assert len(observed.hosts) == MAX_HOSTS
    assert observed.hosts["0"].requests == 2
