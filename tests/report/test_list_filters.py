"""Which sessions `list` selects."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands import wsproxy
from wsproxy.cli.main import cli
from wsproxy.recorder import Annotation, Clock, SessionWriter, new_start
from wsproxy.trace import FindingRecord, Request, Response

DAY_NS = 86_400 * 10**9
NOVEMBER_NS = 1_793_491_200 * 10**9  # 2026-11-01T00:00:00Z
HEADERS = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]


def record(
    folder: Path,
    name: str,
    started_ns: int,
    *,
    provider: str = "deepgram",
    query: str = "model=nova-3&language=en",
    finding: str = "deepgram.listen.NET-0001",
    outcome: str = "failed",
) -> None:
    start = new_start(Clock(started_ns, 0), provider=provider, api="listen")
    found = [FindingRecord(3, finding, "error", "a title", [])]
    recording = SessionWriter(
        folder / f"{name}.wstrace", start, annotate=lambda *_: Annotation(found, outcome)
    )
    recording.add(
        Request(
            0,
            "GET",
            "wss",
            "api.example.com",
            443,
            f"/v1/listen?{query}",
            headers=HEADERS,
            redacted=[{"where": "header", "name": "authorization", "fingerprint": "0a1b"}],
        )
    )
    recording.response(Response(1, 101, headers=[*HEADERS, ["dg-request-id", "id-1"]]))
    recording.end(3, "stopped")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path, "a", NOVEMBER_NS)
    record(tmp_path, "b", NOVEMBER_NS + DAY_NS, finding="deepgram.listen.NET-0000")
    record(
        tmp_path,
        "c",
        NOVEMBER_NS + 2 * DAY_NS,
        provider="openai",
        query="model=gpt-realtime",
        finding="rfc6455.1000",
        outcome="succeeded",
    )
    record(tmp_path, "d", time.time_ns() - 30 * 10**9, outcome="unproven", query="model=nova-2")
    return tmp_path


def selected(folder: Path, *options: str) -> str:
    args = ["list", str(folder), "--json", *options]
    result = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return "".join(sorted(Path(each["path"]).name[0] for each in json.loads(result.output)))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "abcd"),
        (("--since", "2026-11-02"), "bcd"),
        (("--until", "2026-11-02"), "a"),
        (("--since", "2026-11-01T12:00", "--until", "2026-11-02T01:00+01:00"), ""),
        (("--since", "2026-11-01T12:00", "--until", "2026-11-02T01:01+01:00"), "b"),
        (("--since", "1m"), "d"),
        (("--since", "0.25h"), "d"),
        (("--finding", "deepgram.listen.NET-0001"), "ad"),
        (("--finding", "deepgram.listen"), "abd"),
        (("--finding", "DEEPGRAM.listen.net"), "abd"),
        (("--finding", "deepgram.listen.NET-000"), ""),
        (("--outcome", "succeeded"), "c"),
        (("--failed",), "ab"),
        (("--failed", "--outcome", "failed", "--provider", "Deepgram"), "ab"),
        (("--provider", "openai"), "c"),
        (("--model", "nova-2"), "d"),
        (("--model", "nova"), ""),
    ],
)
def test_list_filter_selects_sessions(
    options: tuple[str, ...], expected: str, folder: Path
) -> None:
    assert selected(folder, *options) == expected


def test_list_json_has_model_language_request_id_and_key(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["list", str(folder / "a.wstrace"), "--json"])
    [entry] = json.loads(result.output)
    found = [entry[name] for name in ("model", "language", "request_id", "key", "outcome")]
    assert found == ["nova-3", "en", "id-1", "0a1b", "failed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--since", "yesterday"), "invalid time 'yesterday': expected a date"),
        (("--until", "2026-13-01"), "invalid time '2026-13-01'"),
        (("--failed", "--outcome", "succeeded"), "exclude each other"),
        (("--outcome", "good"), "'good' is not one of"),
        (("--since", "2026-11-02", "--until", "2026-11-01"), "--since is not before --until"),
    ],
)
def test_list_bad_filter_is_one_line(options: tuple[str, ...], message: str, folder: Path) -> None:
    done = wsproxy("list", folder, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_list_nothing_selected_says_so(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["list", str(folder), "--model", "none"])
    assert "none of 4 sessions is selected by these options" in result.output
