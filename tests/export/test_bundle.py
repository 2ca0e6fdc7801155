"""The bundle for a bug report holds what is needed and no personal data."""

from __future__ import annotations

import json
import os
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from html_page import Page
from scrub_sessions import CHUNKS, CUSTOMER, PLANTED, found, session, unpacked
from sessions import APP, audio, opened, write
from wsproxy import __version__
from wsproxy.cli.bundle import INSTRUCTIONS, command
from wsproxy.errors import NotPublic, UsageError
from wsproxy.export.bundle import bundle
from wsproxy.scrub import scrub
from wsproxy.session import Session
from wsproxy.trace import Start

ENVIRONMENT = {
    "HTTPS_PROXY": "http://user:pass@proxy.corp:3128",
    "HOME": "/home/ada",
    "no_proxy": "",
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bundle") / f"{CUSTOMER} call.wstrace", session())


@pytest.fixture(scope="module")
def packed(trace: Path) -> Path:
    out = trace.with_name("report.zip")
    note = "It closes after 10 s."
    bundle([trace], out, note=note, instructions=INSTRUCTIONS, environment=ENVIRONMENT)
    return out


def files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_bundle_contains_traces_explanations_and_environment(packed: Path) -> None:
    content = files(packed)
    kinds = sorted(name.partition("/")[0] for name in content)
    assert kinds == ["README.md", "environment.json", "explanations", "report.html", "traces"]
    assert list(content) == sorted(content)
    readme = content["README.md"].decode()
    assert "It closes after 10 s." in readme
    assert "wsproxy replay server traces/NAME.wstrace" in readme
    (explanation,) = (content[name] for name in content if name.startswith("explanations/"))
    assert b"deepgram.listen.NET-0001" in explanation


@pytest.mark.one_python
@pytest.mark.parametrize("planted", PLANTED)
def test_bundle_planted_data_is_in_no_file(planted: str, packed: Path, tmp_path: Path) -> None:
    for name, data in files(packed).items():
        assert not found(planted, name.encode())
        if name.endswith(".wstrace"):
            (tmp_path / "t.wstrace").write_bytes(data)
            data = unpacked(tmp_path / "t.wstrace")
            assert not any(chunk[64:96] in data for chunk in CHUNKS[1:])
        assert not found(planted, data)


def test_bundle_report_is_the_page_of_the_scrubbed_session(packed: Path) -> None:
    content = files(packed)
    page = Page(content["report.html"].decode())
    (name,) = (name for name in content if name.startswith("traces/"))
    assert page.data("session")["file"] == name.removeprefix("traces/")
    assert "NET-0001" in page.root.one("h1").text
    assert "report.html" in content["README.md"].decode()


def test_bundle_report_of_several_sessions_links_to_their_pages(
    trace: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.wstrace", session())
    bundle([trace, other], tmp_path / "r.zip")
    content = files(tmp_path / "r.zip")
    page = Page(content["report.html"].decode())
    links = [e.attributes["href"] for e in page.root.one("section", id="sessions").all("a")]
    assert len(links) == 2
    for link in links:
        assert link is not None
        assert Page(content[link].decode()).data("session")["file"] in {
            name.removeprefix("traces/") for name in content
        }


def test_bundle_environment_has_names_without_values(packed: Path) -> None:
    content = files(packed)
    facts = json.loads(content["environment.json"])
    assert facts["wsproxy"] == __version__
    assert facts["proxy_variables_set"] == ["HTTPS_PROXY"]
    assert {"mitmproxy", "websockets", "msgpack", "zstandard"} <= facts["packages"].keys()
    assert facts["openssl"].startswith("OpenSSL")
    assert any(agent.startswith("Python/3.13 websockets/17.4") for agent in facts["user_agents"])
    everything = b"".join(content.values())
    assert b"proxy.corp" not in everything
    assert b"/home/ada" not in everything


def test_bundle_trace_is_readable(packed: Path, tmp_path: Path) -> None:
    (name,) = (name for name in files(packed) if name.startswith("traces/"))
    (tmp_path / "t.wstrace").write_bytes(files(packed)[name])
    assert Session.read(tmp_path / "t.wstrace").findings[0].id == "deepgram.listen.NET-0001"


def test_bundle_scrubbed_trace_is_copied_and_output_is_reproducible(
    trace: Path, tmp_path: Path
) -> None:
    made = scrub(trace, tmp_path / "public.wstrace").path
    for name in ("one.zip", "two.zip"):
        bundle([made], tmp_path / name, environment=ENVIRONMENT)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert one == two
    assert made.read_bytes() in files(tmp_path / "one.zip").values()


def test_bundle_has_mode_0600_and_overwrites_nothing(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.zip"
    bundle([trace], out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    with pytest.raises(UsageError, match="already exists"):
        bundle([trace], out)
    assert out.read_bytes() == before
    bundle([trace], out, force=True)
    assert out.read_bytes() != before


@pytest.mark.one_python
def test_bundle_private_data_left_writes_nothing(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.scrub.traffic.Noise.replace", lambda _self, data: data)
    with pytest.raises(NotPublic, match="audio of the original"):
        bundle([trace], tmp_path / "r.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.one_python
@pytest.mark.cost
def test_bundle_many_traces_need_memory_for_one(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            bundle(made[:count], tmp_path / f"{count}.zip", force=True)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    noise = [audio(100 * n, APP, os.urandom(100_000)) for n in range(1, 21)]
    made = []
    for number in range(6):
        trace = write(tmp_path / f"{number}.wstrace", [*opened("/v1/listen"), *noise])
        made.append(scrub(trace, tmp_path / f"{number}-public.wstrace").path)
    peak(1)  # what is kept of the catalog
    assert peak(6) < 2 * peak(1)
    assert (tmp_path / "6.zip").stat().st_size > 6 * 2_000_000


def test_bundle_key_in_note_is_refused(trace: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPublic, match="the note"):
        bundle([trace], tmp_path / "r.zip", note="my key is sk_a1b2c3d4e5f6a7b8c9d0e1f2")
    assert list(tmp_path.iterdir()) == []


def test_bundle_trace_with_a_credential_marked_as_scrubbed_is_scrubbed(tmp_path: Path) -> None:
    """A trace with a possible credential is scrubbed again."""
    from dataclasses import replace

    from sessions import APP, opened, text_message
    from traces import make_trace, read_trace

    secret = "sk_" + "a1B2c3D4" * 5
    records = [*opened("/v1/listen"), text_message(50, APP, {"type": "Auth", "note": secret})]
    written, _ = read_trace(write(tmp_path / "a.wstrace", records))
    start, *rest = written
    assert isinstance(start, Start)
    claims = make_trace(tmp_path / "b.wstrace", [replace(start, mode="scrub"), *rest])
    bundle([claims], tmp_path / "r.zip")
    for name, data in files(tmp_path / "r.zip").items():
        if name.endswith(".wstrace"):
            (tmp_path / "t.wstrace").write_bytes(data)
            data = unpacked(tmp_path / "t.wstrace")
        assert secret.encode() not in data


def test_bundle_command_writes_the_file(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.zip"
    done = CliRunner().invoke(command, [str(trace), "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == f"packed {out}"
    assert "1011 “NET-0001" in done.stdout
